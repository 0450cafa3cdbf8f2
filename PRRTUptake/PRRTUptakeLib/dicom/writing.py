"""Volumes as DICOM images: what all modalities share, CT and MR.

Modules and attributes after DICOM PS3.3; NM is in ``writing_nm``, PET in ``writing_pet``. UIDs
follow from words that the caller gives, so that the same patient has the same UIDs wherever it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_ROOT_UID, UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.slice_files import SliceFiles
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Volume
from PRRTUptakeLib.nuclides.radionuclides import DicomCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from pathlib import Path

_TOP = 65535
UCUM_BQ_PER_ML = DicomCode("Bq/ml", "UCUM", "Becquerels/milliliter")


@dataclass(frozen=True)
class Subject:
    """The patient module; ``sex`` is F, M or O."""

    patient_id: str
    name: str
    sex: str
    birth_date: date
    weight_kg: float
    height_m: float


@dataclass(frozen=True)
class Series:
    """One series within a study: who, when, and which words its UIDs follow from.

    Attributes
    ----------
    subject : the patient.
    study : words that make the study unique, for instance ``("seed 1", "patient 0", "24 h")``.
    number : series number.
    description : free text.
    time : start of the acquisition, with its zone.
    study_time : start of the study, with its zone.
    frame : words that make the frame of reference unique; series of one session share them.
    """

    subject: Subject
    study: tuple[str, ...]
    number: int
    description: str
    time: datetime
    study_time: datetime
    frame: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.time.tzinfo is None or self.study_time.tzinfo is None:
            raise DicomError(f"The times of series '{self.description}' need a time zone.")

    @property
    def study_uid(self) -> UID:
        """Study Instance UID."""
        return uid("study", *self.study)

    @property
    def series_uid(self) -> UID:
        """Series Instance UID."""
        return uid("series", *self.study, str(self.number))

    @property
    def frame_of_reference_uid(self) -> UID:
        """Frame of Reference UID."""
        return uid("frame", *self.frame)


def uid(*words: str) -> UID:
    """A UID that follows from ``words``, under pydicom's root.

    Examples
    --------
    >>> uid("study", "1") == uid("study", "1") != uid("study", "2")
    True
    """
    return generate_uid(PYDICOM_ROOT_UID, ["SlicerPRRT", *words])


def code_item(code: DicomCode) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def item_of(**attributes: Any) -> Dataset:
    """A data set with these attributes, for sequences."""
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def dicom_time(moment: datetime) -> tuple[str, str]:
    """DA and TM of a moment, in its own zone (which ``TimezoneOffsetFromUTC`` states)."""
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")


def image_plane(volume: Volume) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float, float]]:
    """First voxel, row and column cosines in LPS mm, and spacing (i, j, k), of a volume with perpendicular axes.

    Raises
    ------
    DicomError
        If the axes are not perpendicular or the slices run against the normal of row and column.
    """
    spacing = volume.spacing_mm
    lps = LPS_TO_RAS @ volume.ijk_to_ras
    axes = lps[:3, :3] / np.array(spacing)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-5):
        raise DicomError("DICOM slices need perpendicular axes, but this volume is sheared: resample it first.")
    if np.linalg.det(axes) < 0:
        raise DicomError(
            "The slices run against the normal of their rows and columns: reverse the slice order before writing."
        )
    return lps[:3, 3], axes[:, 0], axes[:, 1], spacing


def decimal(values: Iterable[float]) -> list[str]:
    """DS texts of at most 16 characters.

    Examples
    --------
    >>> decimal([0.1, -303.6, 1 / 3])
    ['0.1', '-303.6', '0.3333333333']
    """
    return [f"{float(value) + 0.0:.10g}" for value in values]


def start_dataset(series: Series, sop_class: UID, modality: str, instance: int) -> Dataset:
    """Patient, study, series, frame of reference, equipment and SOP common modules of one file."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = uid("instance", *series.study, str(series.number), str(instance))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    subject = series.subject
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID, ds.PatientSex = subject.name, subject.patient_id, subject.sex
    ds.PatientBirthDate = subject.birth_date.strftime("%Y%m%d")
    born, day = subject.birth_date, series.study_time.date()
    ds.PatientAge = f"{day.year - born.year - ((day.month, day.day) < (born.month, born.day)):03d}Y"
    ds.PatientWeight, ds.PatientSize = decimal([subject.weight_kg])[0], decimal([subject.height_m])[0]
    ds.StudyInstanceUID, ds.SeriesInstanceUID = series.study_uid, series.series_uid
    ds.StudyDate, ds.StudyTime = dicom_time(series.study_time)
    ds.SeriesDate, ds.SeriesTime = dicom_time(series.time)
    ds.AcquisitionDate, ds.AcquisitionTime = dicom_time(series.time)
    ds.ContentDate, ds.ContentTime = dicom_time(series.time)
    ds.TimezoneOffsetFromUTC = series.time.strftime("%z")
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
    ds.StudyDescription, ds.SeriesDescription = "Synthetic patient, research use only", series.description
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = modality, series.number, instance
    ds.BodyPartExamined, ds.PatientPosition = "ABDOMEN", "HFS"
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = series.frame_of_reference_uid, ""
    ds.Manufacturer, ds.ManufacturerModelName = "SlicerPRRT", "Synthetic patient"
    ds.DeviceSerialNumber, ds.SoftwareVersions = "0", "0.1"
    ds.QualityControlImage, ds.BurnedInAnnotation = "NO", "NO"
    return ds


def lying_supine(ds: Dataset) -> None:
    """NM/PET patient orientation module: supine, head first; it takes the place of PatientPosition (PS3.3 C.8.4.6)."""
    del ds.PatientPosition
    recumbent = code_item(DicomCode("102538003", "SCT", "Recumbent"))
    recumbent.PatientOrientationModifierCodeSequence = [code_item(DicomCode("40199007", "SCT", "Supine"))]
    ds.PatientOrientationCodeSequence = [recumbent]
    ds.PatientGantryRelationshipCodeSequence = [code_item(DicomCode("102540008", "SCT", "Headfirst"))]


def set_pixels(ds: Dataset, pixels: np.ndarray, *, signed: bool) -> None:
    """Image pixel module for 16 bit greyscale; ``pixels`` [j, i] or [k, j, i]."""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, int(signed)
    ds.PixelData = np.ascontiguousarray(pixels, dtype="<i2" if signed else "<u2").tobytes()


def save(ds: Dataset, path: Path) -> Path:
    """Write one file of DICOM PS3.10."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return path


def neutral_path(folder: Path, series: Series, instance: int) -> Path:
    """A file name that says nothing, as archives give them."""
    return folder / f"S{series.number:04d}" / f"I{instance:05d}"


def date_time(moment: datetime) -> str:
    """DT of a moment, with its offset from UTC."""
    return "".join(dicom_time(moment)) + moment.strftime("%z")


def set_plane(ds: Dataset, volume: Volume) -> None:
    """Image plane attributes that all slices of a series share."""
    _, row, column, spacing = image_plane(volume)
    ds.ImageOrientationPatient = decimal([*row, *column])
    ds.PixelSpacing = decimal([spacing[1], spacing[0]])
    ds.SliceThickness = decimal([spacing[2]])[0]


def set_slice(ds: Dataset, volume: Volume, series: Series, index: int) -> None:
    """What distinguishes slice ``index`` (from 0) from the others: its UID, number and place."""
    origin, row, column, spacing = image_plane(volume)
    normal = np.cross(row, column)
    position = origin + index * spacing[2] * normal
    ds.InstanceNumber = index + 1
    ds.SOPInstanceUID = uid("instance", *series.study, str(series.number), str(index + 1))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.ImagePositionPatient = decimal(position)
    ds.SliceLocation = decimal([float(position @ normal)])[0]


def write_ct(volume: Volume, folder: Path, series: Series, *, contrast: bool = False) -> list[Path]:
    """Write a CT (HU) as one file per slice; returns the paths in the order of the slices.

    Raises
    ------
    DicomError
        If the axes are not perpendicular, or a value is outside -32768 to 32767 HU.
    """
    values = np.rint(volume.array)
    if not np.isfinite(values).all() or values.min() < -32768 or values.max() > 32767:
        raise DicomError("A CT must hold finite Hounsfield units between -32768 and 32767.")
    ds = start_dataset(series, CTImageStorage, "CT", 1)
    set_plane(ds, volume)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionNumber, ds.KVP = 1, "120"
    if contrast:
        ds.ContrastBolusAgent = "Iodinated contrast, portal-venous phase"
    ds.SpacingBetweenSlices = ds.SliceThickness
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "60", "400"
    paths, files = [], SliceFiles()
    for index, plane in enumerate(values):
        set_slice(ds, volume, series, index)
        set_pixels(ds, plane, signed=True)
        paths.append(files.save(ds, neutral_path(folder, series, index + 1)))
    return paths


def write_mr(volume: Volume, folder: Path, series: Series) -> list[Path]:
    """Write a T1-weighted MRI (signal without units) as one file per slice; returns the paths in slice order.

    Raises
    ------
    DicomError
        If the axes are not perpendicular, or a value is outside 0 to 65535.
    """
    values = np.rint(volume.array)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > _TOP:
        raise DicomError(f"An MRI must hold finite signal between 0 and {_TOP}.")
    ds = start_dataset(series, MRImageStorage, "MR", 1)
    set_plane(ds, volume)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "GR", "SP", ""
    ds.MRAcquisitionType, ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "3D", "4.2", "1.9", "1"
    ds.FlipAngle, ds.MagneticFieldStrength = "12", "1.5"
    ds.SpacingBetweenSlices = ds.SliceThickness
    ds.WindowCenter, ds.WindowWidth = "450", "900"
    paths, files = [], SliceFiles()
    for index, plane in enumerate(values):
        set_slice(ds, volume, series, index)
        set_pixels(ds, plane, signed=False)
        paths.append(files.save(ds, neutral_path(folder, series, index + 1)))
    return paths
