"""SPECT as one NM multi-frame image: a reconstructed tomogram in Bq/mL (DICOM PS3.3 A.5 and C.8.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.uid import NuclearMedicineImageStorage

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.writing import (
    UCUM_BQ_PER_ML,
    Series,
    code_item,
    date_time,
    decimal,
    image_plane,
    item_of,
    lying_supine,
    neutral_path,
    save,
    set_pixels,
    start_dataset,
)
from PRRTUptakeLib.nuclides.radionuclides import nuclide

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.nuclides.radionuclides import DicomCode

_TOP = 65535


def write_nm(
    volume: Volume, folder: Path, series: Series, drug: Radiopharmaceutical, *, duration_s: float = 1200.0
) -> Path:
    """Write a SPECT (Bq/mL) as one NM file; stored whole numbers become Bq/mL by the Real World Value Mapping.

    Activity is that of the moment ``series.time``: ``DecayCorrection`` START and CorrectedImage DECY say so.

    Raises
    ------
    DicomError
        If the volume is not in Bq/ml, negative, not finite or empty, or its axes are not perpendicular.
    """
    array = volume.array
    if volume.units != "Bq/ml" or not np.isfinite(array).all() or array.min() < 0 or array.max() <= 0:
        raise DicomError("A SPECT to be written must hold finite concentrations in Bq/ml, none below 0.")
    slope = float(array.max()) / _TOP
    ds = start_dataset(series, NuclearMedicineImageStorage, "NM", 1)
    ds.ImageType = ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    ds.ImageID, ds.CountsAccumulated = "", ""
    lying_supine(ds)
    set_pixels(ds, np.rint(array / slope), signed=False)
    _frames(ds, volume)
    _detector(ds, volume)
    _acquisition(ds, drug, duration_s)
    ds.AcquisitionDateTime = date_time(series.time)
    ds.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM"]
    ds.DecayCorrection = "START"
    ds.RealWorldValueMappingSequence = [real_world_value(slope, UCUM_BQ_PER_ML)]
    return save(ds, neutral_path(folder, series, 1))


def real_world_value(slope: float, units: DicomCode) -> Dataset:
    """A linear mapping of all stored values to real-world values (PS3.3 C.7.6.16.2.11)."""
    return item_of(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=_TOP,
        RealWorldValueIntercept=0.0,
        RealWorldValueSlope=slope,
        LUTExplanation="Activity concentration",
        LUTLabel="BQML",
        MeasurementUnitsCodeSequence=[code_item(units)],
    )


def _frames(ds: Dataset, volume: Volume) -> None:
    """Multi-frame and NM multi-frame modules: one vector, the slices."""
    slices = volume.array.shape[0]
    ds.NumberOfFrames = slices
    ds.FrameIncrementPointer = Tag(0x0054, 0x0080)
    ds.add(DataElement(Tag(0x0054, 0x0080), "US", list(range(1, slices + 1))))  # Slice Vector
    ds.NumberOfSlices = slices
    spacing = volume.spacing_mm
    ds.PixelSpacing = decimal([spacing[1], spacing[0]])
    ds.SliceThickness = ds.SpacingBetweenSlices = decimal([spacing[2]])[0]
    ds.ReconstructionDiameter = decimal([spacing[0] * volume.array.shape[2]])[0]
    ds.ConvolutionKernel = ""


def _detector(ds: Dataset, volume: Volume) -> None:
    """Position of the first frame; the others follow along the normal, by Spacing Between Slices (C.8.4.15)."""
    origin, row, column, _ = image_plane(volume)
    ds.NumberOfDetectors = 1
    ds.DetectorInformationSequence = [
        item_of(
            CollimatorGridName="MEGP",
            CollimatorType="PARA",
            FieldOfViewShape="RECTANGLE",
            ImagePositionPatient=decimal(origin),
            ImageOrientationPatient=decimal([*row, *column]),
        )
    ]


def _acquisition(ds: Dataset, drug: Radiopharmaceutical, duration_s: float) -> None:
    """Isotope, energy window and rotation modules."""
    windows = nuclide(drug.nuclide).windows_keV
    if not windows:
        raise DicomError(
            f"There is no energy window for {drug.nuclide}: add 'windows_keV' in Resources/Nuclides/radionuclides.json."
        )
    low, high = windows[0]
    ds.NumberOfEnergyWindows = 1
    window = item_of(EnergyWindowLowerLimit=decimal([low])[0], EnergyWindowUpperLimit=decimal([high])[0])
    ds.EnergyWindowInformationSequence = [
        item_of(EnergyWindowName=f"{(low + high) / 2:.0f} keV", EnergyWindowRangeSequence=[window])
    ]
    ds.RadiopharmaceuticalInformationSequence = [drug.item(for_pet=False)]
    ds.NumberOfRotations = 1
    frames = 60
    ds.RotationInformationSequence = [
        item_of(
            StartAngle="0",
            AngularStep="6",
            RotationDirection="CW",
            ScanArc="360",
            ActualFrameDuration=str(round(1000 * duration_s / frames)),
            NumberOfFramesInRotation=frames,
            RadialPosition=["250"] * frames,
            TableTraverse="",
            TableHeight="",
        )
    ]
