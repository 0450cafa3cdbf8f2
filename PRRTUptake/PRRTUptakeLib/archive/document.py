"""A report as an Encapsulated PDF object of the patient's study (DICOM PS3.3 A.45.1)."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.dicom.writing import item_of, uid
from PRRTUptakeLib.export.dicom_objects import MANUFACTURER, MODEL, SERIAL
from PRRTUptakeLib.export.pdf import html_to_pdf
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

_COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientIdentityRemoved"),
    *("DeidentificationMethod", "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("StudyDescription", "TimezoneOffsetFromUTC"),
)


def report_object(report: Path, results: Sequence[Dataset], pdf: Path | None = None) -> Dataset:
    """The report as an object of the study of the results that it comes with.

    Its UIDs follow from the report's content, so that a second sending is the same object.

    Parameters
    ----------
    report : ``report.html`` of the results.
    results : the other objects, which it refers to; patient and study are those of the last one.
    pdf : the report as PDF, None to convert it.

    Raises
    ------
    PRRTError
        If there is no converter, or the PDF is none.
    """
    content = _pdf_of(report, pdf)
    source = results[-1]
    digest = hashlib.sha256(report.read_bytes()).hexdigest()
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    ds.SOPInstanceUID = uid("report", digest, str(source.StudyInstanceUID))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.SpecificCharacterSet = "ISO_IR 192"
    for name in _COPIED:
        if name in source:
            setattr(ds, name, source[name].value)
    ds.SeriesInstanceUID = uid("report series", digest, str(source.StudyInstanceUID))
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "DOC", 99, 1
    ds.SeriesDescription = "SlicerPRRT report"
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL
    ds.DeviceSerialNumber, ds.SoftwareVersions = SERIAL, VERSION
    ds.ConversionType = "WSD"
    dated = source if "PatientIdentityRemoved" in source else None
    written = datetime.fromtimestamp(report.stat().st_mtime)
    ds.ContentDate = str(dated.get("ContentDate", "")) if dated is not None else written.strftime("%Y%m%d")
    ds.ContentTime = str(dated.get("ContentTime", "")) if dated is not None else written.strftime("%H%M%S")
    ds.AcquisitionDateTime = ""
    ds.BurnedInAnnotation = "NO" if dated is not None else "YES"
    ds.DocumentTitle = "SlicerPRRT report, research use only"
    ds.ConceptNameCodeSequence = []
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.SourceInstanceSequence = [
        item_of(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID) for one in results
    ]
    ds.EncapsulatedDocumentLength = len(content)
    ds.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return ds


def _pdf_of(report: Path, pdf: Path | None) -> bytes:
    if pdf is None:
        with tempfile.TemporaryDirectory(prefix="prrt-report-") as folder:
            return html_to_pdf(report, Path(folder) / "report.pdf").read_bytes()
    try:
        content = pdf.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{pdf} cannot be read ({error.strerror}): correct the path.") from error
    if not content.startswith(b"%PDF-"):
        raise ArchiveError(f"{pdf} is no PDF: give the report as PDF.")
    return content
