"""Lesions delineated in an image at the points of a markups node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.segmentation.bounding_box import resampled, volume_mL
from PRRTUptakeLib.segmentation.delineation import delineate

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.delineation import Method
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation


def points_from_node(node: Any) -> dict[str, np.ndarray]:
    """The placed points of a markups node by their labels, RAS mm in world coordinates.

    Raises
    ------
    NodeError
        If there is no such node, or no point in it.
    """
    if node is None or not node.IsA("vtkMRMLMarkupsNode"):
        raise NodeError("No points are chosen: place one point in each lesion.")
    found = {}
    for number in range(node.GetNumberOfControlPoints()):
        if node.GetNthControlPointPositionStatus(number) == node.PositionDefined:
            label = node.GetNthControlPointLabel(number) or f"point {number + 1}"
            name = f"{label} ({number + 1})" if label in found else label
            found[name] = np.array(node.GetNthControlPointPositionWorld(number), dtype=np.float64)
    if not found:
        raise NodeError(f"The point list '{node.GetName()}' is empty: place one point in each lesion.")
    return found


def delineated_lesions(
    segmentation: Segmentation, image: Volume, points: dict[str, np.ndarray], method: Method, radius_mm: float
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """One lesion per point, on the grid of the segmentation, and a sentence on each.

    A lesion whose point is in the liver does not leave the liver. A point in a lesion that is there already makes no
    other one.

    Raises
    ------
    PRRTError
        If a lesion cannot be delineated; the message names the point.
    """
    livers = [segment for segment in segmentation.having(structure="liver") if segment.voxel_count]
    liver = resampled(livers[0], segmentation.grid, image.grid) if livers else None
    there = [one for one in segmentation if one.role in ("lesion", "target") and one.voxel_count]
    new: list[Segment] = []
    notes = []
    for label, point in points.items():
        known = next((one.name for one in (*there, *new) if _holds(one, segmentation, point)), None)
        if known is not None:
            notes.append(f"Point '{label}' is in the lesion '{known}' already.")
            continue
        limit = liver if liver is not None and _at(liver, image.grid.to_ijk(point)) else None
        try:
            found = delineate(image, point, method, radius_mm, limit)
        except PRRTError as error:
            raise NodeError(f"Point '{label}': {error}") from error
        lesion = resampled(found.segment, image.grid, segmentation.grid).relabelled(name=_name(segmentation, new))
        if not lesion.voxel_count:
            raise NodeError(f"The lesion at point '{label}' is outside the grid of the segments: move the point.")
        new.append(lesion)
        notes.append(f"{lesion.name} at '{label}': {volume_mL(segmentation.grid, lesion):.1f} mL ({found.method}).")
    return tuple(new), tuple(notes)


def _holds(segment: Segment, segmentation: Segmentation, point_ras: np.ndarray) -> bool:
    return _at(segment, segmentation.grid.to_ijk(point_ras))


def _at(segment: Segment, ijk: np.ndarray) -> bool:
    kji = np.rint(ijk[::-1]).astype(int) - np.array(segment.origin)
    return bool((kji >= 0).all() and (kji < segment.mask.shape).all() and segment.mask[tuple(kji)])


def _name(segmentation: Segmentation, new: list[Segment]) -> str:
    taken = {one.name for one in (*segmentation, *new)}
    return next(name for n in range(1, 10_000) if (name := f"lesion {n}") not in taken)
