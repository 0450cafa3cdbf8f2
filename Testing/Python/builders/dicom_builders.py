"""Small DICOM series for tests, written with pydicom; every attribute can be replaced or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PRRTUptakeLib.dicom.headers import Header
from PRRTUptakeLib.dicom.series import Series
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT, PET, NM = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.20"
MR = "1.2.840.10008.5.1.4.1.1.4"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
ABSENT = object()  # as a value: leave the attribute out


def base(sop_class: str, modality: str, series_uid: str, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID = series_uid
    ds.StudyInstanceUID = "1.2.3.4"
    ds.FrameOfReferenceUID = "1.2.3.5"
    ds.Modality = modality
    ds.PatientID = "P1"
    ds.PatientName = "Test^Patient"
    ds.SeriesNumber = 1
    for kind in ("Study", "Series", "Acquisition"):
        setattr(ds, f"{kind}Date", "20250301")
        setattr(ds, f"{kind}Time", "110000")
    return ds


def set_all(ds: Dataset, changes: dict[str, Any]) -> None:
    """Set attributes; ``Outer.Inner`` goes into the first item of a sequence; ABSENT removes."""
    for key, value in changes.items():
        target, name = ds, key
        while "." in name:
            outer, name = name.split(".", 1)
            target = target[outer].value[0]
        if value is ABSENT:
            if name in target:
                delattr(target, name)
        else:
            setattr(target, name, value)


def set_pixels(ds: Dataset, values: np.ndarray) -> None:
    ds.Rows, ds.Columns = values.shape[-2:]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * values.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    ds.PixelData = values.tobytes()
    ds["PixelData"].VR = "OW"


def slices(
    values: np.ndarray,
    kind: str = "CT",
    *,
    spacing: tuple[float, float, float] = (2.0, 3.0, 4.0),
    orientation: tuple[float, ...] = AXIAL,
    origin: tuple[float, float, float] = (-10.0, -20.0, 30.0),
    changes: dict[str, Any] | None = None,
    per_slice: dict[str, list[Any]] | None = None,
    syntax: str = ExplicitVRLittleEndian,
) -> list[FileDataset]:
    """One image per plane of ``values`` [k, j, i]; spacing along i, j, k; planes follow the normal from the origin."""
    uid = generate_uid()
    axes = np.array(orientation).reshape(2, 3)
    normal = np.cross(*axes)
    sop_class = {"CT": CT, "PT": PET, "MR": MR}[kind]
    images = []
    for k, plane in enumerate(values):
        ds = base(sop_class, kind, uid, syntax)
        ds.InstanceNumber = k + 1
        ds.ImagePositionPatient = [f"{v:.8g}" for v in np.array(origin) + k * spacing[2] * normal]
        ds.ImageOrientationPatient = [f"{v:.10g}" for v in orientation]
        ds.PixelSpacing = [spacing[1], spacing[0]]
        ds.SliceThickness = spacing[2]
        ds.RescaleSlope, ds.RescaleIntercept = 1, (-1024 if kind == "CT" else 0)
        set_pixels(ds, plane)
        if kind == "PT":
            add_pet(ds)
        set_all(ds, changes or {})
        set_all(ds, {name: items[k] for name, items in (per_slice or {}).items()})
        images.append(ds)
    return images


def write_slices(folder: Path, values: np.ndarray, kind: str = "CT", **settings: Any) -> list[Path]:
    """Write the images of ``slices`` as files slice000, slice001 and so on."""
    return write(folder, slices(values, kind, **settings))


def write(folder: Path, images: list[FileDataset]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"slice{k:03d}" for k in range(len(images))]
    for path, ds in zip(paths, images, strict=True):
        ds.save_as(path, enforce_file_format=True)
    return paths


def series_in_memory(images: list[FileDataset]) -> Series:
    """The series of these images without files: enough for headers and factors, not for pixels."""
    headers = tuple(Header(Path(f"slice{k:03d}"), ds) for k, ds in enumerate(images))
    first = images[0]
    return Series(
        uid=first.SeriesInstanceUID,
        modality=first.Modality,
        sop_class=first.SOPClassUID,
        study_uid=first.StudyInstanceUID,
        patient_id=first.PatientID,
        patient_name="",
        description="",
        frame_of_reference_uid="",
        number="1",
        started=None,
        files=tuple(header.path for header in headers),
        headers=headers,
    )


def radionuclide(value: str = "C-111A1", meaning: str = "^18^Fluorine", scheme: str = "SRT") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def add_pet(ds: Dataset) -> None:
    """A complete PET header: 18F, 370 MBq at 10:00, scan at 11:00, decay corrected to the start, 70 kg."""
    ds.PatientWeight, ds.PatientSize, ds.PatientSex = 70, 1.75, "M"
    ds.Units, ds.DecayCorrection = "BQML", "START"
    ds.CorrectedImage = ["ATTN", "DECY", "SCAT"]
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.ActualFrameDuration, ds.FrameReferenceTime = 300000, 150000
    ds.DecayFactor = 1.0
    drug = Dataset()
    drug.Radiopharmaceutical = "FDG"
    drug.RadiopharmaceuticalStartTime = "100000"
    drug.RadiopharmaceuticalStartDateTime = "20250301100000"
    drug.RadionuclideTotalDose = 370e6
    drug.RadionuclideHalfLife = 6586.2
    drug.RadionuclideCodeSequence = [radionuclide()]
    ds.RadiopharmaceuticalInformationSequence = [drug]


def mapping(slope: float, intercept: float = 0.0, unit: str = "Bq/ml") -> Dataset:
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = [code]
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    item.LUTLabel, item.LUTExplanation = "BQML", "activity concentration"
    item.add_new("RealWorldValueFirstValueMapped", "US", 0)
    item.add_new("RealWorldValueLastValueMapped", "US", 65535)
    return item


def write_nm(
    path: Path,
    values: np.ndarray,
    *,
    spacing: tuple[float, float, float] = (4.0, 4.0, 5.0),
    orientation: tuple[float, ...] = AXIAL,
    origin: tuple[float, float, float] = (-10.0, -20.0, 30.0),
    mappings: list[Dataset] | None = None,
    changes: dict[str, Any] | None = None,
) -> Path:
    """One NM tomogram of ``values`` [frame, j, i], 177Lu, 60 views of 20 s; spacing[2] may be negative."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = base(NM, "NM", generate_uid())
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.NumberOfFrames = len(values)
    ds.FrameIncrementPointer = 0x00540080
    ds.SliceVector = list(range(1, len(values) + 1))
    ds.NumberOfSlices = len(values)
    ds.PixelSpacing = [spacing[1], spacing[0]]
    ds.SliceThickness, ds.SpacingBetweenSlices = abs(spacing[2]), spacing[2]
    detector = Dataset()
    detector.ImagePositionPatient = list(origin)
    detector.ImageOrientationPatient = list(orientation)
    ds.DetectorInformationSequence = [detector]
    rotation = Dataset()
    rotation.ActualFrameDuration, rotation.NumberOfFramesInRotation = 20000, 60
    ds.RotationInformationSequence = [rotation]
    drug = Dataset()
    drug.Radiopharmaceutical = "177Lu-DOTATATE"
    drug.RadionuclideCodeSequence = [radionuclide("447553000", "^177^Lutetium", "SCT")]
    ds.RadiopharmaceuticalInformationSequence = [drug]
    if mappings:
        ds.RealWorldValueMappingSequence = mappings
    set_pixels(ds, values)
    set_all(ds, changes or {})
    ds.save_as(path, enforce_file_format=True)
    return path
