"""Maps of activity, SUV and time-integrated activity as DICOM Parametric Maps of floats (PS3.3 A.75), and back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
from highdicom.sr import CodedConcept
from pydicom.uid import ParametricMapStorage

from PRRTUptakeLib.dicom.geometry import enhanced_planes, stack
from PRRTUptakeLib.dicom.writing import image_plane, item_of
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.dicom_codes import TIA_MAP, quantity_code, unit_code
from PRRTUptakeLib.export.dicom_frames import sources_of_one_voxel
from PRRTUptakeLib.export.dicom_objects import equipment, finish, frame_uid, own_uids, refer_to, source_images
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.imaging.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

MAP_NUMBER = 9005
_ABDOMEN = item_of(
    AnatomicRegionSequence=[CodedConcept("818981001", "SCT", "Abdomen")],
    FrameLaterality="U",
)


def parametric_map(volume: Volume, series: Series, description: str = "", others: Sequence[Series] = ()) -> Dataset:
    """A map as it is, float for float, with its unit and quantity coded in the real-world value mapping.

    Parameters
    ----------
    volume : SUV (g/ml{SUVbw}), time-integrated activity (MBq.h/ml) or activity concentration (Bq/ml).
    series : the image that it comes from, of whose study and frame of reference it is.
    others : further images that it comes from, such as later time points.

    Raises
    ------
    ExportError
        If the unit is another, or a value is not finite.
    """
    quantity = CodedConcept(*TIA_MAP) if volume.units == "MBq.h/ml" else quantity_code(volume.units)
    if quantity is None:
        raise ExportError(f"A map in '{volume.units}' has no code: only SUV, Bq/ml and MBq.h/ml are known.")
    if not np.isfinite(volume.array).all():
        raise ExportError(f"The map '{volume.quantity}' has voxels without a number: fill or crop them first.")
    sources = source_images(series)
    frame_uid(sources[0], series.label)
    alike = (sources[0].Rows, sources[0].Columns) == volume.array.shape[1:]
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
            source_images=sources_of_one_voxel(sources) if alike else sources,
            pixel_array=volume.array[:, :1, :1],  # the headers need no more; all values are put in below
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
    _order_frames(made, volume)
    made.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [_ABDOMEN]  # readers of dcmqi stop without it
    refer_to(made, others)
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


def _order_frames(made: Dataset, volume: Volume) -> None:
    """Frames in the order of the planes: dcmqi's reader goes by it and not by the stated positions, unlike others."""
    _, row, column, _ = image_plane(volume)
    normal = np.cross(row, column)

    def along(frame: Dataset) -> float:
        return float(np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float) @ normal)

    made.PerFrameFunctionalGroupsSequence = sorted(made.PerFrameFunctionalGroupsSequence, key=along)
    for n, frame in enumerate(made.PerFrameFunctionalGroupsSequence, start=1):
        frame.FrameContentSequence[0].DimensionIndexValues = n
    made.Rows, made.Columns = volume.array.shape[1:]
    made.FloatPixelData = np.asarray(volume.array, dtype="<f4").tobytes()


def read_map(path: Path) -> Volume:
    """A parametric map with its unit.

    Raises
    ------
    ExportError
        If the file is no parametric map of one regular volume.
    """
    where = str(path)
    try:
        ds = pydicom.dcmread(path)
        if ds.SOPClassUID != ParametricMapStorage:
            raise ExportError(f"{path} is not a parametric map: choose another file.")
        stored = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
        planes = enhanced_planes(ds, where)
        order, ijk_to_ras = stack(planes, [f"frame {n}" for n in range(1, len(planes) + 1)], where)
        shared = ds.SharedFunctionalGroupsSequence[0]
        holder = shared if "RealWorldValueMappingSequence" in shared else ds.PerFrameFunctionalGroupsSequence[0]
        mapping = holder.RealWorldValueMappingSequence[0]
        values = stored[order] * float(mapping.RealWorldValueSlope) + float(mapping.RealWorldValueIntercept)
        units = str(mapping.MeasurementUnitsCodeSequence[0].CodeValue)
    except PRRTError:
        raise
    except Exception as error:  # pydicom raises many kinds on broken files
        raise ExportError(f"{path} is not a readable parametric map ({error}).") from error
    return Volume(values, ijk_to_ras, str(mapping.get("LUTExplanation", "")), units)
