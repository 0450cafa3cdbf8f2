"""PET as one file per slice with a rescale slope of its own, decay-corrected to the start (DICOM PS3.3 A.21, C.8.9)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import PositronEmissionTomographyImageStorage

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.slice_files import SliceFiles
from PRRTUptakeLib.dicom.writing import (
    Series,
    date_time,
    decimal,
    dicom_time,
    lying_supine,
    neutral_path,
    set_pixels,
    set_plane,
    set_slice,
    start_dataset,
)
from PRRTUptakeLib.nuclides.radionuclides import nuclide

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.radiopharmaceutical import Radiopharmaceutical
    from PRRTUptakeLib.imaging.volume import Volume

_TOP = 32767


def write_pet(
    volume: Volume, folder: Path, series: Series, drug: Radiopharmaceutical, *, bed_time: timedelta, beds: int = 2
) -> list[Path]:
    """Write a PET (Bq/mL at ``series.time``) as one file per slice; returns the paths in slice order.

    The slices were acquired in ``beds`` steps of ``bed_time``, feet first, as scanners do: acquisition time, frame
    reference time and decay factor differ from step to step, while all values hold at the start of the series
    (DecayCorrection START). Each slice uses the full range of its stored numbers.

    Raises
    ------
    DicomError
        If the volume is not in Bq/ml, negative or not finite, or its axes are not perpendicular.
    """
    array = volume.array.astype(np.float64)
    if volume.units != "Bq/ml" or not np.isfinite(array).all() or array.min() < 0:
        raise DicomError("A PET to be written must hold finite concentrations in Bq/ml, none below 0.")
    ds = start_dataset(series, PositronEmissionTomographyImageStorage, "PT", 1)
    set_plane(ds, volume)
    _series_module(ds, volume)
    lying_supine(ds)
    ds.RadiopharmaceuticalInformationSequence = [drug.item(for_pet=True)]
    paths, files = [], SliceFiles()
    slices = len(array)
    for index, plane in enumerate(array):
        set_slice(ds, volume, series, index)
        ds.ImageIndex = index + 1
        _timing(ds, series, drug, index * beds // slices, bed_time)
        slope = float(decimal([max(float(plane.max()), 1e-3) / _TOP * (1 + 1e-9)])[0])  # what the file can say
        ds.RescaleSlope, ds.RescaleIntercept = decimal([slope])[0], "0"
        set_pixels(ds, np.rint(plane / slope), signed=True)
        paths.append(files.save(ds, neutral_path(folder, series, index + 1)))
    return paths


def _series_module(ds: Dataset, volume: Volume) -> None:
    """PET series and PET image modules, as far as all slices agree."""
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Units, ds.CountsSource = "BQML", "EMISSION"
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.NumberOfSlices = volume.array.shape[0]
    ds.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
    ds.DecayCorrection = "START"
    ds.RandomsCorrectionMethod, ds.AttenuationCorrectionMethod = "DLYD", "measured, CT"
    ds.ScatterCorrectionMethod, ds.ReconstructionMethod = "model-based", "simulated"
    ds.CollimatorType = "NONE"
    ds.WindowCenter, ds.WindowWidth = "20000", "40000"
    ds.ReconstructionDiameter = decimal([volume.spacing_mm[0] * volume.array.shape[2]])[0]


def _timing(ds: Dataset, series: Series, drug: Radiopharmaceutical, bed: int, bed_time: timedelta) -> None:
    """When this bed was acquired, and by how much its mean activity was raised to that of the series' start.

    Frame Reference Time is when the activity equals its mean over the frame; Decay Factor decays from there.
    """
    start = series.time + bed * bed_time
    decay_per_s = nuclide(drug.nuclide).decay_constant_per_h / 3600.0
    seconds = bed_time.total_seconds()
    until_mean_s = math.log(decay_per_s * seconds / -math.expm1(-decay_per_s * seconds)) / decay_per_s
    reference_s = bed * seconds + until_mean_s
    ds.AcquisitionDate, ds.AcquisitionTime = dicom_time(start)
    ds.AcquisitionDateTime = date_time(start)
    ds.ContentDate, ds.ContentTime = dicom_time(start)
    ds.ActualFrameDuration = str(round(1000 * seconds))
    ds.FrameReferenceTime = decimal([1000 * reference_s])[0]
    ds.DecayFactor = decimal([math.exp(decay_per_s * reference_s)])[0]
