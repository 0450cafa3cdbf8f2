"""Maps of activity, SUV and time-integrated activity as DICOM Parametric Maps of floats (PS3.3 A.75), and back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
from highdicom.sr import CodedConcept

from PRRTUptakeLib.dicom.writing import image_plane
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS, Volume
from PRRTUptakeLib.report.dicom_codes import TIA_MAP, quantity_code, unit_code
from PRRTUptakeLib.report.dicom_objects import (
    DicomResultError,
    equipment,
    finish,
    frame_uid,
    own_uids,
    source_images,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

MAP_NUMBER = 9005


def parametric_map(volume: Volume, series: Series, description: str = "") -> Dataset:
    """A map as it is, float for float, with its unit and quantity coded in the real-world value mapping.

    Parameters
    ----------
    volume : SUV (g/ml{SUVbw}), time-integrated activity (MBq.h/ml) or activity concentration (Bq/ml).
    series : the image that it comes from.

    Raises
    ------
    DicomResultError
        If the unit is another, or a value is not finite.
    """
    quantity = CodedConcept(*TIA_MAP) if volume.units == "MBq.h/ml" else quantity_code(volume.units)
    if quantity is None:
        raise DicomResultError(f"A map in '{volume.units}' has no code: only SUV, Bq/ml and MBq.h/ml are known.")
    if not np.isfinite(volume.array).all():
        raise DicomResultError(f"The map '{volume.quantity}' has voxels without a number: fill or crop them first.")
    sources = source_images(series)
    frame_uid(sources[0], series.label)
    description = description or f"PRRT {volume.quantity}"
    low, high = float(volume.array.min()), float(volume.array.max())
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label="PRRT",
        lut_explanation=volume.quantity[:64],
        unit=unit_code(volume.units),
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=quantity,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # highdicom 0.27 needs the window so, 0.28 wants it otherwise
        made = highdicom.pm.ParametricMap(
            source_images=sources,
            pixel_array=volume.array,
            **_planes(volume),
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[mapping],
            window_center=(low + high) / 2,
            window_width=max(high - low, 1e-6),
            series_number=MAP_NUMBER,
            instance_number=1,
            content_label="PRRT",
            content_description=description[:64],
            **own_uids(),
            **equipment(),
        )
    return finish(made, sources[0], description)


def _planes(volume: Volume) -> dict[str, Any]:
    """Where the planes lie, as highdicom's constructors name it."""
    origin, row, column, spacing = image_plane(volume)
    step = np.cross(row, column) * spacing[2]
    return {
        "pixel_measures": highdicom.PixelMeasuresSequence(
            pixel_spacing=(spacing[1], spacing[0]), slice_thickness=spacing[2], spacing_between_slices=spacing[2]
        ),
        "plane_orientation": highdicom.PlaneOrientationSequence("PATIENT", [*row, *column]),
        "plane_positions": [
            highdicom.PlanePositionSequence("PATIENT", origin + k * step) for k in range(len(volume.array))
        ],
    }


def read_map(path: Path) -> Volume:
    """A parametric map with its unit.

    Raises
    ------
    DicomResultError
        If the file is no parametric map of one regular volume.
    """
    try:
        ds = highdicom.pm.ParametricMap.from_dataset(pydicom.dcmread(path), copy=False)
        found = ds.get_volume(dtype=np.float64)
        shared = ds.SharedFunctionalGroupsSequence[0]
        holder = shared if "RealWorldValueMappingSequence" in shared else ds.PerFrameFunctionalGroupsSequence[0]
        mapping = holder.RealWorldValueMappingSequence[0]
    except Exception as error:  # pydicom and highdicom raise many kinds
        raise DicomResultError(f"{path} is not a readable parametric map ({error}).") from error
    lps, array = found.affine[:, [2, 1, 0, 3]].copy(), found.array
    if np.linalg.det(lps[:3, :3]) < 0:  # planes against the normal of rows and columns: ours run along it
        lps[:3, 3] += (len(array) - 1) * lps[:3, 2]
        lps[:3, 2], array = -lps[:3, 2], array[::-1]
    units = mapping.MeasurementUnitsCodeSequence[0].CodeValue
    return Volume(array, LPS_TO_RAS @ lps, str(mapping.LUTExplanation), str(units))
