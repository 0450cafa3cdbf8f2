"""Closed polygons to masks: a voxel belongs to a region if its centre does, by the even-odd rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


def fill_polygons(polygons: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask [j, i] of the pixels whose centre lies inside an odd number of the polygons.

    A polygon inside another is a hole, as RT structure sets and key-hole contours mean it. Each edge toggles, in every
    row whose centre line it crosses, all pixels right of the crossing.

    Parameters
    ----------
    polygons : each (n, 2), corners (i, j) in pixels, centres at whole numbers; the last is joined to the first.
    shape : rows and columns of the mask.

    Examples
    --------
    >>> fill_polygons([np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])], (4, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.uint8)
    for polygon in polygons:
        start, end = np.asarray(polygon, float), np.roll(np.asarray(polygon, float), -1, axis=0)
        low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
        first = np.clip(np.ceil(low), 0, rows).astype(int)  # rows in [low, high): a corner counts for one edge
        count = np.maximum(np.clip(np.ceil(high), 0, rows).astype(int) - first, 0)
        edge = np.repeat(np.arange(len(start)), count)
        j = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
        i = start[edge, 0] + (j - start[edge, 1]) * slope
        np.bitwise_xor.at(toggles, (j, np.clip(np.ceil(i), 0, columns).astype(int)), 1)
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :columns].astype(bool)
