"""The segments of one visit in the space of another: the grid that they are drawn on is moved, no voxel is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.placement import Placement
    from PRRTUptakeLib.study.preparation import Prepared


def moved_grid(grid: Grid, matrix: np.ndarray) -> Grid:
    """The same voxels after a 4x4 in RAS."""
    return Grid(grid.shape, matrix @ grid.ijk_to_ras)


def propagated(prepared: Prepared, placement: Placement, how: str) -> Prepared:
    """Labelled segments, lobes and references in the space of another visit's image.

    The grid is moved by the placement's matrix; where it bends space too, ``Prepared.bending`` does the rest when
    regions are placed, and outlines are shown without it. ``how`` is the kind of transform, for the record.
    """
    matrix = placement.matrix
    segmentation = prepared.segmentation
    return replace(
        prepared,
        segmentation=Segmentation(moved_grid(segmentation.grid, matrix), segmentation.segments),
        plane=None if prepared.plane is None else moved_plane(prepared.plane, matrix),
        bending=placement.bending,
        warnings=(),  # they belong to the visit whose image the contours were drawn on
        notes=(*prepared.notes, f"Contours propagated from the visit they were drawn on by {how} transform."),
    )


def moved_plane(plane: Plane, matrix: np.ndarray) -> Plane:
    """A plane after a 4x4 in RAS; its normal by the inverse transpose."""
    origin = matrix[:3, :3] @ plane.origin_ras + matrix[:3, 3]
    return Plane(origin, np.linalg.inv(matrix[:3, :3]).T @ plane.normal_ras, plane.how)


def require_lesions(manual_shifts: Sequence[ManualShift], prepared: Prepared, visit: str) -> None:
    """Refuse manual shifts of lesions that are not there.

    Raises
    ------
    StudyError
        Naming the lesion and those that there are.
    """
    ids = [one.lesion.lesion_id for one in prepared.lesions]
    for manual_shift in manual_shifts:
        if manual_shift.lesion not in ids:
            raise StudyError(
                f"Visit '{visit}': there is no lesion '{manual_shift.lesion}' to shift by hand; there are "
                f"{', '.join(ids)}."
            )
