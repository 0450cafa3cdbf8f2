"""What all DICOM results share: the images that they come from, who made them, whose they are, how they are written.

Patient and study are copied from the source images; series and instance have UIDs of their own, new each time.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import highdicom
from pydicom.dataset import Dataset
from pydicom.uid import PYDICOM_ROOT_UID, UID, generate_uid

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.dicom.headers import text
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.writing import item_of
from PRRTUptakeLib.errors import reason
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Grid

MANUFACTURER = "SlicerPRRT"
MODEL = "SlicerPRRT"
SERIAL = "0"
PRIVATE = "99PRRT"  # our own coding scheme, for what the standard has no code
_SCHEME_NAME = "SlicerPRRT metrics, described in measurements.schema.json"
_ZONE_LIMIT_H = 15
_COPIED = [
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "PositionReferenceIndicator",
]
_EMPTY = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
]


def source_images(series: Series) -> list[Dataset]:
    """The headers of a series in the order of its planes, one per file.

    An NM tomogram states its place in the detector's words; its copy here says so in functional groups, frame by frame,
    as highdicom reads them.
    """
    arranged = arrange(series)
    headers = list(dict.fromkeys(frame.header for frame in arranged.frames))
    images = [header.dataset for header in headers]
    if len(images) > 1 or "ImagePositionPatient" in images[0] or "PerFrameFunctionalGroupsSequence" in images[0]:
        return images
    image = Dataset(images[0])
    lps = LPS_TO_RAS @ arranged.ijk_to_ras
    spacing = [float((lps[:3, axis] ** 2).sum() ** 0.5) for axis in range(3)]
    measures = highdicom.PixelMeasuresSequence((spacing[1], spacing[0]), spacing[2])
    cosines = [*(lps[:3, 0] / spacing[0]), *(lps[:3, 1] / spacing[1])]
    turn = highdicom.PlaneOrientationSequence("PATIENT", cosines)
    image.SharedFunctionalGroupsSequence = [item_of(PixelMeasuresSequence=measures, PlaneOrientationSequence=turn)]
    places = {frame.index: lps[:3, 3] + k * lps[:3, 2] for k, frame in enumerate(arranged.frames)}
    image.PerFrameFunctionalGroupsSequence = [
        item_of(PlanePositionSequence=highdicom.PlanePositionSequence("PATIENT", places[n])) for n in sorted(places)
    ]
    return [image]


def refer_to(ds: Dataset, series: Sequence[Series]) -> None:
    """Add series to those that an object names as its sources (Common Instance Reference, PS3.3 C.12.2).

    Series of the object's own study are placed next to those that it names already, others under their studies.
    """
    own = list(ds.get("ReferencedSeriesSequence", []))
    named = {str(item.SeriesInstanceUID) for item in own}
    elsewhere: dict[str, list[Dataset]] = {}
    for one in series:
        if one.uid in named:
            continue
        named.add(one.uid)
        images = [_reference(header.dataset) for header in one.headers]
        item = item_of(SeriesInstanceUID=one.uid, ReferencedInstanceSequence=images)
        (own if one.study_uid == ds.StudyInstanceUID else elsewhere.setdefault(one.study_uid, [])).append(item)
    if own:
        ds.ReferencedSeriesSequence = own
    if elsewhere:
        ds.StudiesContainingOtherReferencedInstancesSequence = [
            item_of(StudyInstanceUID=study, ReferencedSeriesSequence=items) for study, items in elsewhere.items()
        ]


def _reference(image: Dataset) -> Dataset:
    return item_of(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)


def tracking_uid(patient_id: str, region: str) -> UID:
    """The UID under which a region of a patient is followed: the same in every visit, SEG and SR.

    Examples
    --------
    >>> tracking_uid("P01", "L1") == tracking_uid("P01", "L1") != tracking_uid("P02", "L1")
    True
    """
    return UID(generate_uid(PYDICOM_ROOT_UID, ["SlicerPRRT", "tracking", patient_id, region]))


def as_volume(array: np.ndarray, grid: Grid, frame_uid: str, first_slice: int = 0) -> highdicom.Volume:
    """A highdicom volume of [k, j, i] or [k, j, i, channel] values whose first plane is ``first_slice`` of the grid."""
    affine = (LPS_TO_RAS @ grid.ijk_to_ras)[:, [2, 1, 0, 3]]
    affine[:3, 3] += first_slice * affine[:3, 0]
    channels = {"SegmentNumber": list(range(1, array.shape[3] + 1))} if array.ndim == 4 else None
    return highdicom.Volume(
        array, affine, coordinate_system="PATIENT", frame_of_reference_uid=frame_uid, channels=channels
    )


def frame_uid(source: Dataset, where: str) -> str:
    """Frame of Reference UID of a source image.

    Raises
    ------
    ExportError
        If it has none, so that nothing can say where the result is.
    """
    found = text(source, "FrameOfReferenceUID", where)
    if not found:
        raise ExportError(f"{where} has no Frame of Reference UID (0020,0052): results cannot be placed by it.")
    return found


def copy_patient_and_study(ds: Dataset, source: Dataset) -> None:
    """Patient and study of an image, for objects that highdicom does not make; what is missing is left empty."""
    for keyword in _EMPTY:
        setattr(ds, keyword, "")
    for keyword in _COPIED:
        if keyword in source:
            setattr(ds, keyword, source[keyword].value)


def own_uids() -> dict[str, str]:
    """New series and instance UIDs, as highdicom's constructors name them."""
    return {"series_instance_uid": highdicom.UID(), "sop_instance_uid": highdicom.UID()}


def equipment() -> dict[str, str]:
    """Who made it, as highdicom's constructors name it."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL,
        "software_versions": VERSION,
        "device_serial_number": SERIAL,
    }


def finish(ds: Dataset, source: Dataset, description: str) -> Dataset:
    """Describe the series and state all times in the zone of the study, which the copied study time is in."""
    ds.SeriesDescription = description
    ds.SpecificCharacterSet = "ISO_IR 192"
    if any(element.keyword == "CodingSchemeDesignator" and element.value == PRIVATE for element in ds.iterall()):
        ds.CodingSchemeIdentificationSequence = [  # a private scheme has to be declared (PS3.3 C.12.1.1.1)
            item_of(CodingSchemeDesignator=PRIVATE, CodingSchemeName=_SCHEME_NAME, CodingSchemeVersion=VERSION)
        ]
    if "ContentLabel" in ds and "ContentCreatorName" not in ds:
        ds.ContentCreatorName = ""  # must be there, may be empty
    if ds.Modality not in ("SR", "RTDOSE", "RTSTRUCT"):
        if "BodyPartExamined" in source:
            ds.BodyPartExamined = source.BodyPartExamined
        else:
            ds.Laterality = ""  # whether the part is one of a pair is not known
    now = datetime.now(timezone.utc).astimezone(_zone(source))
    for kind in ("Content", "InstanceCreation", "Series"):
        setattr(ds, f"{kind}Date", now.strftime("%Y%m%d"))
        setattr(ds, f"{kind}Time", now.strftime("%H%M%S"))
    if "TimezoneOffsetFromUTC" in source:
        ds.TimezoneOffsetFromUTC = source.TimezoneOffsetFromUTC
    return ds


def _zone(source: Dataset) -> timezone | None:
    """The zone of the source; None (that of this machine) where it states none."""
    offset = str(source.get("TimezoneOffsetFromUTC", "") or "")
    if len(offset) != 5 or not offset[1:].isdigit() or int(offset[1:3]) > _ZONE_LIMIT_H:
        return None
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return timezone(-size if offset[0] == "-" else size)


def save_object(ds: Dataset, path: Path) -> Path:
    """Write one file, whole or not at all.

    Raises
    ------
    ExportError
        If the place cannot be written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{path.parent} cannot be made ({reason(error)}): choose another folder.") from error
    with atomic_file(path, ExportError) as work, _pixels_in_pieces(ds):
        ds.save_as(work, enforce_file_format=True)
    return path


@contextmanager
def _pixels_in_pieces(ds: Dataset) -> Iterator[None]:
    """Pixels are written some at a time: given as bytes, pydicom copies all of them twice."""
    held = {name: ds[name].value for name in ("PixelData", "FloatPixelData") if name in ds}
    for name, value in held.items():
        ds[name].value = BytesIO(value)  # which shares them
    try:
        yield
    finally:
        for name, value in held.items():
            ds[name].value = value
