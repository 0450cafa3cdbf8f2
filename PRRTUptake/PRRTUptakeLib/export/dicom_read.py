"""What a DICOM result says, whoever reads it: the command ``prrt read`` and its table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.uid import ParametricMapStorage, RTDoseStorage

from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.export.dicom_maps import read_map
from PRRTUptakeLib.export.dicom_rtdose import read_dose
from PRRTUptakeLib.export.dicom_sr import read_report
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.segmentation.dicom_contours import RTSTRUCT_STORAGE, SEG_STORAGE, read_contours
from PRRTUptakeLib.segmentation.plausibility import missing_plane_doubts

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Volume

_REPORTS = "1.2.840.10008.5.1.4.1.1.88."


def read_object(path: Path, images: Path | None = None) -> tuple[str, list[dict[str, Any]], dict[str, tuple[str, ...]]]:
    """The kind of an object, its content (one mapping per measurement, segment or map), and its warnings and notes.

    Parameters
    ----------
    path : a measurement report (SR), segmentation (SEG), structure set (RTSTRUCT), RT Dose or parametric map.
    images : folder of the images on which was drawn; a structure set needs it.

    Raises
    ------
    PRRTError
        If the file is none of these, is broken, or holds codes that are not known.
    """
    try:
        kind = str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).SOPClassUID)
    except Exception as error:  # pydicom raises many kinds on broken files
        raise ExportError(f"{path} is not a readable DICOM file ({error}).") from error
    if kind.startswith(_REPORTS):
        return "SR", [_measurement(vars(one)) for one in read_report(path)], {}
    if kind in (*SEG_STORAGE, RTSTRUCT_STORAGE):
        found = read_contours(path, find_series(images) if images else ())
        name = "RTSTRUCT" if kind == RTSTRUCT_STORAGE else "SEG"
        content = [
            {
                "segment": one.name,
                "structure": one.structure,
                "role": one.role,
                "lobe": one.lobe,
                "lesion": one.lesion_id,
                "volume_mL": one.voxels_inside * found.grid.voxel_volume_mL,
            }
            for one in found
        ]
        empty = ", ".join(f"'{one.name}'" for one in found if not one.voxel_count)
        doubts = missing_plane_doubts(found) + ((f"No voxel is within {empty}.",) if empty else ())
        return name, content, {"warnings": (*found.warnings, *doubts), "notes": found.notes}
    if kind == RTDoseStorage:
        return "RTDOSE", [_range(read_dose(path))], {}
    if kind == ParametricMapStorage:
        return "map", [_range(read_map(path))], {}
    raise ExportError(f"{path} is no report, segmentation, structure set, dose or parametric map: name another.")


def _measurement(values: dict[str, Any]) -> dict[str, Any]:
    kept = {"region" if key == "tracking_id" else key: value for key, value in values.items()}
    known = ("uncertainty", "lower_95", "upper_95")
    return {**kept, **{key: None if math.isnan(values[key]) else values[key] for key in known}}


def _range(volume: Volume) -> dict[str, Any]:
    array = volume.array
    shape = " x ".join(map(str, reversed(array.shape)))
    extremes = {"min": float(array.min()), "mean": float(array.mean()), "max": float(array.max())}
    return {"quantity": volume.quantity, "units": volume.units, "voxels": shape, **extremes}
