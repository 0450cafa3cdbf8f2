"""The same voxels in another order: converters turn rows or slices round, while the voxels stay where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.segments import SegmentError, Segmentation

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid


def on_lattice(segmentation: Segmentation, grid: Grid, tolerance_mm: float = 0.05) -> Segmentation:
    """The segments in the voxel order of ``grid``, which has the same voxels in another order or direction.

    Raises
    ------
    SegmentError
        If the two grids do not have the same voxels.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> from PRRTUptakeLib.segmentation.segments import Segment
    >>> turned = np.diag([-1.0, 1.0, 1.0, 1.0]); turned[0, 3] = 3.0
    >>> one = Segmentation(Grid((2, 3, 4), turned), (Segment("a", np.ones((1, 1, 1))),))
    >>> on_lattice(one, Grid((2, 3, 4), np.eye(4)))["a"].origin
    (0, 0, 3)
    """
    if segmentation.grid.matches(grid):
        return Segmentation(grid, segmentation.segments)
    move = grid.ras_to_ijk @ segmentation.grid.ijk_to_ras  # i, j, k of the drawing to i, j, k of the grid
    turn = np.rint(move[:3, :3]).astype(int)[::-1, ::-1]  # rows and columns k, j, i
    sources = np.abs(turn).argmax(axis=1)
    signs = turn.sum(axis=1)
    shape = tuple(segmentation.grid.shape[n] for n in sources)
    if sorted(sources) != [0, 1, 2] or np.abs(turn).sum() != 3 or shape != grid.shape:
        raise SegmentError(f"The segments lie on another grid than the image ({segmentation.grid.shape}, {grid.shape}).")
    turned = []
    for segment in segmentation:
        origin = [segment.origin[n] for n in sources]
        mask = segment.mask.transpose(sources)
        for axis, sign in enumerate(signs):
            if sign < 0:
                mask = np.flip(mask, axis)
                origin[axis] = shape[axis] - origin[axis] - mask.shape[axis]
        turned.append(replace(segment, mask=np.ascontiguousarray(mask), origin=(origin[0], origin[1], origin[2])))
    _require_same_place(segmentation.grid, grid, move, tolerance_mm)
    return Segmentation(grid, tuple(turned))


def _require_same_place(ours: Grid, theirs: Grid, move: np.ndarray, tolerance_mm: float) -> None:
    """Corners of ours need to be voxel centres of theirs, within the tolerance, and inside."""
    top = np.array(ours.shape[::-1]) - 1.0
    corners = np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T
    found = corners @ move[:3, :3].T + move[:3, 3]
    nearest = np.clip(np.rint(found), 0, np.array(theirs.shape[::-1]) - 1)
    if np.abs(theirs.to_ras(nearest) - ours.to_ras(corners)).max() > tolerance_mm:
        raise SegmentError(f"The segments' voxels are not those of the image, they lie elsewhere (grid {ours.shape}).")
