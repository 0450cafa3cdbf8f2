"""A dose map as DICOM RT Dose (PS3.3 A.18), and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage

from PRRTUptakeLib.dicom.writing import decimal, image_plane, item_of
from PRRTUptakeLib.export.dicom_objects import (
    MANUFACTURER,
    MODEL,
    SERIAL,
    copy_patient_and_study,
    finish,
    frame_uid,
    refer_to,
    source_images,
)
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Volume
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series

DOSE_NUMBER = 9004
ABSORBED = "absorbed dose"
EFFECTS = ("biologically effective dose", "equivalent dose in 2 Gy fractions")
"""Quantities of maps in Gy that are no absorbed dose: Dose Type EFFECTIVE (PS3.3 C.8.8.3), named in Dose Comment."""


def dose_object(
    dose: Volume,
    series: Series,
    description: str = "PRRT absorbed dose",
    bits: int = 16,
    others: Sequence[Series] = (),
) -> Dataset:
    """A dose map in Gy as RT Dose: physical dose in steps of 1.5e-5 of the maximum.

    The defined terms of Dose Summation Type all ask for a radiotherapy plan or treatment record, which a
    radiopharmaceutical treatment has not; as DICOM allows for defined terms, this one is our own.

    Parameters
    ----------
    dose : in Gy, at least 0 and finite, with perpendicular axes.
    series : the measured image, of whose study and frame of reference the dose is.
    bits : 16, which every reader and validator knows, or 32 (steps of 2e-10 of the maximum).
    others : further images that the dose comes from: the later time points.

    Raises
    ------
    ExportError
        If the map is not in Gy, or has values below 0 or none.
    """
    values = dose.array.astype(np.float64)
    if dose.units != "Gy" or not np.isfinite(values).all() or values.min() < 0:
        raise ExportError("An RT Dose needs finite values of at least 0 in Gy: check the dose map.")
    sources = source_images(series)
    source, ds = sources[0], Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = RTDoseStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = highdicom.UID()
    copy_patient_and_study(ds, source)
    ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber = "RTDOSE", highdicom.UID(), DOSE_NUMBER
    ds.InstanceNumber, ds.OperatorsName = 1, ""
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL
    ds.DeviceSerialNumber, ds.SoftwareVersions = SERIAL, VERSION
    ds.FrameOfReferenceUID = frame_uid(source, series.label)
    ds.ReferencedImageSequence = [
        item_of(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID) for one in sources
    ]
    refer_to(ds, [series, *others])
    _place(ds, dose)
    _pixels(ds, values, bits)
    effect = dose.quantity in EFFECTS
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType = "GY", "EFFECTIVE" if effect else "PHYSICAL", "RADIOPHARM"
    comment = str(dose.provenance.get("dose method", description))
    ds.DoseComment = (f"{dose.quantity}: {comment}" if effect else comment)[:64]
    ds.TissueHeterogeneityCorrection = "IMAGE" if "density" in dose.provenance else "WATER"  # one density throughout
    return finish(ds, source, description)


def read_dose(path: Path) -> Volume:
    """A dose map in Gy from an RT Dose file.

    Raises
    ------
    ExportError
        If the file is no RT Dose in Gy, or its planes are not evenly spaced.
    """
    try:
        ds = pydicom.dcmread(path)
        stored = ds.pixel_array
    except Exception as error:  # pydicom raises many kinds on broken files
        raise ExportError(f"{path} is not a readable RT Dose ({error}).") from error
    if ds.SOPClassUID != RTDoseStorage or ds.DoseUnits != "GY":
        raise ExportError(f"{path} is not an RT Dose in Gy: choose another file.")
    stored = stored.reshape(-1, ds.Rows, ds.Columns)
    offsets = np.array(ds.GridFrameOffsetVector, dtype=float)
    steps = np.diff(offsets) if len(offsets) > 1 else np.array([float(ds.SliceThickness)])
    if len(offsets) != len(stored) or np.ptp(steps) > 1e-3 * abs(steps[0]):
        raise ExportError(f"The planes of {path} are not evenly spaced: export it again.")
    row, column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = row * float(ds.PixelSpacing[1]), column * float(ds.PixelSpacing[0])
    lps[:3, 2] = np.cross(row, column) * steps[0]
    lps[:3, 3] = np.array(ds.ImagePositionPatient, float)
    return Volume(stored * float(ds.DoseGridScaling), LPS_TO_RAS @ lps, _quantity(ds), "Gy")


def _quantity(ds: Dataset) -> str:
    """What the values are: of effects as Dose Comment begins, else an absorbed dose."""
    named = str(ds.get("DoseComment", "")).split(":")[0]
    return named if ds.get("DoseType", "PHYSICAL") == "EFFECTIVE" and named in EFFECTS else ABSORBED


def _place(ds: Dataset, dose: Volume) -> None:
    origin, row, column, spacing = image_plane(dose)
    ds.ImagePositionPatient = decimal(origin)
    ds.ImageOrientationPatient = decimal([*row, *column])
    ds.PixelSpacing = decimal([spacing[1], spacing[0]])
    ds.SliceThickness = decimal([spacing[2]])[0]
    ds.NumberOfFrames = dose.array.shape[0]
    ds.FrameIncrementPointer = Tag(0x3004, 0x000C)
    ds.GridFrameOffsetVector = decimal(spacing[2] * np.arange(dose.array.shape[0]))


def _pixels(ds: Dataset, values: np.ndarray, bits: int) -> None:
    if bits not in (16, 32):
        raise ExportError(f"An RT Dose has 16 or 32 bits, not {bits}.")
    scaling = float(decimal([max(float(values.max()), 1e-12) / (2**bits - 1) * (1 + 1e-9)])[0])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.DoseGridScaling = decimal([scaling])[0]
    ds.PixelData = np.rint(values / scaling).astype(f"<u{bits // 8}").tobytes()
