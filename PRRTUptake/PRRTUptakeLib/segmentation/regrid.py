"""Segments of one grid in the voxels of another whose lattice is the same: turned round, or a part of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.errors import SegmentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segmentation


def regrid(segmentation: Segmentation, grid: Grid, tolerance_mm: float = 0.05) -> Segmentation:
    """The segments in the voxels of ``grid``: the same voxels in another order or direction, or more of them.

    Raises
    ------
    SegmentError
        If the voxels of the two grids do not fall on each other, or a segment is outside ``grid``.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    >>> turned = np.diag([-1.0, 1.0, 1.0, 1.0]); turned[0, 3] = 3.0
    >>> one = Segmentation(Grid((2, 3, 4), turned), (Segment("a", np.ones((1, 1, 1))),))
    >>> regrid(one, Grid((5, 3, 4), np.eye(4)))["a"].origin
    (0, 0, 3)
    """
    own = segmentation.grid
    if own.matches(grid):
        return replace(segmentation, grid=grid)
    move = grid.ras_to_ijk @ own.ijk_to_ras  # i, j, k of the drawing to i, j, k of the grid
    nearest = np.rint(move)
    top = np.array(own.shape[::-1]) - 1.0
    corners = np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T
    apart = grid.to_ras(corners @ nearest[:3, :3].T + nearest[:3, 3]) - own.to_ras(corners)
    turn = nearest[:3, :3].astype(int)[::-1, ::-1]  # rows and columns k, j, i
    if (
        np.abs(apart).max() > tolerance_mm
        or sorted(np.abs(turn).argmax(axis=1)) != [0, 1, 2]
        or np.abs(turn).sum() != 3
    ):
        raise SegmentError(
            f"The segments' voxels are not those of the image ({own.shape} against {grid.shape} voxels)."
        )
    sources, signs, shift = np.abs(turn).argmax(axis=1), turn.sum(axis=1), nearest[:3, 3].astype(int)[::-1]
    moved = []
    for segment in segmentation:
        mask = segment.mask.transpose(sources)
        parts = None if segment.fractions is None else segment.fractions.transpose(sources)
        start = [signs[axis] * segment.origin[sources[axis]] + shift[axis] for axis in range(3)]
        for axis in (n for n in range(3) if signs[n] < 0):
            mask = np.flip(mask, axis)
            parts = None if parts is None else np.flip(parts, axis)
            start[axis] -= mask.shape[axis] - 1
        if not mask.size:
            start = [0, 0, 0]
        place = (start[0], start[1], start[2])
        moved.append(replace(segment, mask=np.ascontiguousarray(mask), origin=place, fractions=parts))
    return replace(segmentation, grid=grid, segments=tuple(moved))


def covering_grid(lattice: Grid, grids: Sequence[Grid], tolerance_mm: float = 0.05) -> Grid:
    """The lattice over all of the grids whose voxels are its own, such as masks that were cropped to their structures.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> part = np.eye(4); part[:3, 3] = -2.0, 4.0, 0.0
    >>> covering_grid(Grid((2, 3, 4), np.eye(4)), [Grid((2, 1, 1), part)]).described()
    '6 x 5 x 2 voxels of 1 x 1 x 1 mm from RAS -2, 0, 0'
    """
    low, high = np.zeros(3), np.array(lattice.shape[::-1]) - 1.0
    for own in grids:
        places = _corners_on(lattice, own, tolerance_mm)
        if places is not None:
            low, high = np.minimum(low, places.min(axis=0)), np.maximum(high, places.max(axis=0))
    matrix = lattice.ijk_to_ras.copy()
    matrix[:3, 3] = lattice.to_ras(low)
    i, j, k = (int(n) + 1 for n in high - low)
    return type(lattice)((k, j, i), matrix)


def same_lattice(one: Grid, other: Grid, tolerance_mm: float = 0.05) -> bool:
    """Whether the voxels of two grids fall on each other, wherever each of them ends."""
    return _corners_on(one, other, tolerance_mm) is not None


def _corners_on(lattice: Grid, own: Grid, tolerance_mm: float) -> np.ndarray | None:
    """Indices (8, 3), ordered i, j, k, of the corners of a grid on a lattice; None if it has other voxels."""
    move = lattice.ras_to_ijk @ own.ijk_to_ras
    top = np.array(own.shape[::-1]) - 1.0
    corners = np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T
    nearest = np.rint(move)
    places = corners @ nearest[:3, :3].T + nearest[:3, 3]  # of whole steps, so that voxels between the corners fit too
    apart = np.abs(lattice.to_ras(places) - own.to_ras(corners)).max()
    turned = np.abs(nearest[:3, :3])
    return places if apart <= tolerance_mm and (turned.sum(axis=0) == 1).all() and turned.sum() == 3 else None
