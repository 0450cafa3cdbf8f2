"""The segments of one visit in the space of another: the lattice that they stand on is moved, no voxel is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.uptake.mapping import affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.uptake.mapping import PointMap, RasTransform


class ContourPropagationError(PRRTError):
    """Segments cannot be carried to another visit."""


def moved_grid(grid: Grid, matrix: np.ndarray) -> Grid:
    """The same voxels after a 4x4 in RAS."""
    return Grid(grid.shape, matrix @ grid.ijk_to_ras)


def propagated(prepared: Prepared, registration: Registration) -> Prepared:
    """Labelled segments, lobes and references as they lie in another visit.

    The lattice is moved by the registration's matrix; where it bends space too, ``Prepared.bending`` does the rest when
    regions are measured, and outlines are shown without it.
    """
    matrix = registration.fixed_to_moving
    segmentation = prepared.segmentation
    grid = moved_grid(segmentation.grid, matrix)
    return replace(
        prepared,
        segmentation=Segmentation(grid, segmentation.segments),
        plane=None if prepared.plane is None else moved_plane(prepared.plane, matrix),
        bending=None if registration.displacement is None else _bending(registration),
        warnings=(),  # they are told of the visit on which was drawn
        notes=(
            *prepared.notes,
            f"Contours carried from the visit on which was drawn by {registration.kind} transform.",
        ),
    )


def _bending(registration: Registration) -> PointMap:
    """What remains of a registration after its matrix: RAS points where the matrix puts them, to where they belong."""
    back = affine(registration.moving_to_fixed)
    return lambda points: registration.map_points(back(points))


def moved_plane(plane: Plane, matrix: np.ndarray) -> Plane:
    """A plane after a 4x4 in RAS; its normal by the inverse transpose."""
    origin = matrix[:3, :3] @ plane.origin_ras + matrix[:3, 3]
    return Plane(origin, np.linalg.inv(matrix[:3, :3]).T @ plane.normal_ras, plane.how)


def ras_transform_of(segment: Segment, prepared: Prepared, manual_shifts: Sequence[ManualShift]) -> RasTransform | None:
    """From where a segment stands to where the image shows it: bending, then its nudge; None for the same place."""
    manual_shift = manual_shift_of(segment, manual_shifts)
    return manual_shift.after(prepared.bending) if manual_shift is not None else prepared.bending


def manual_shift_of(segment: Segment, manual_shifts: Sequence[ManualShift]) -> ManualShift | None:
    """The nudge that moves a segment: that of its lesion, None if there is none."""
    return next((one for one in manual_shifts if segment.lesion_id and one.lesion == segment.lesion_id), None)


def require_lesions(manual_shifts: Sequence[ManualShift], prepared: Prepared, visit: str) -> None:
    """Refuse nudges of lesions that are not there.

    Raises
    ------
    CarryingError
        Naming the lesion and those that there are.
    """
    ids = [one.lesion.lesion_id for one in prepared.lesions]
    for manual_shift in manual_shifts:
        if manual_shift.lesion not in ids:
            raise ContourPropagationError(
                f"Visit '{visit}': there is no lesion '{manual_shift.lesion}' to nudge; there are {', '.join(ids)}."
            )
