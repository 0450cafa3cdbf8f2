"""Fractions of image voxels that a region occupies when the two grids are not parallel.

Voxels wholly inside or outside are found exactly with a summed-area table; only those at the border are sampled, each
at the same low-discrepancy points, so that the parts of a divided region add up exactly to the whole.
"""

from __future__ import annotations

import functools
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.sobol import sobol_points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PRRTUptakeLib.uptake.mapping import PointMap

_SLAB_VOXELS = 500_000  # image voxels looked at together
_POINTS = 1 << 17  # sample points held together: more do not fit into a core's cache
_SAME = 1e-9  # of a mask voxel
_CORNERS = tuple(product((0, 1), repeat=3))  # offsets k, j, i


def sampled_fractions(
    mask: np.ndarray,
    low: tuple[int, ...],
    high: tuple[int, ...],
    pull: PointMap,
    volume_ratio: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fractions and centre flags of the image voxels ``low`` to ``high`` (k, j, i).

    Parameters
    ----------
    mask : bool [k, j, i], the region's own voxels.
    pull : from image indices (n, 3), ordered i, j, k, to indices of ``mask``.
    volume_ratio : volume of an image voxel over that of a mask voxel; sets the number of sample points, 32 per mask
        voxel, at least 256 and at most 8192.
    weights : parts of the mask's voxels that are inside, where they are known; else each counts wholly.
    """
    shape = tuple(b - a for a, b in zip(low, high, strict=True))
    fraction = np.zeros(shape)
    centre = np.zeros(shape, dtype=bool)
    padded = np.pad(mask, 1)
    parts = mask if weights is None else weights.astype(np.float64)
    table = _summed_area(mask if weights is None else weights >= 1.0)
    touched = table if weights is None else _summed_area(weights > 0)
    points = _trilinear(int(np.clip(np.ceil(np.log2(32.0 * volume_ratio)), 8, 13)))
    for slab, first, size in _slabs(low, shape):
        corners = _sample_grid(first, tuple(n + 1 for n in size), -0.5, pull)
        fraction[slab] = _slab_fractions(parts, (table, touched), corners, points)
        centre[slab] = _centres(padded, first, size, pull)
    return fraction, centre


def centre_flags(mask: np.ndarray, low: tuple[int, ...], high: tuple[int, ...], pull: PointMap) -> np.ndarray:
    """Whether the centres of the image voxels ``low`` to ``high`` (k, j, i) lie in the region; see above."""
    shape = tuple(b - a for a, b in zip(low, high, strict=True))
    padded = np.pad(mask, 1)
    return np.concatenate([_centres(padded, first, size, pull) for _, first, size in _slabs(low, shape)])


def _slabs(low: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[slice, tuple[int, ...], tuple[int, ...]]]:
    """Divide a block along k: slice of the block, index of its first image voxel, size."""
    step = max(1, _SLAB_VOXELS // (shape[1] * shape[2]))
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        yield slice(start, stop), (low[0] + start, low[1], low[2]), (stop - start, shape[1], shape[2])


def _centres(padded: np.ndarray, first: tuple[int, ...], size: tuple[int, ...], pull: PointMap) -> np.ndarray:
    """Centre flags; indices are rounded first, so that a centre on a face falls to the same side everywhere."""
    return _inside(padded, [np.round(one, 6) for one in _sample_grid(first, size, 0.0, pull)])


def _sample_grid(first: tuple[int, ...], size: tuple[int, ...], shift: float, pull: PointMap) -> list[np.ndarray]:
    """Mask indices i, j, k, each [k, j, i], of a lattice of image points that starts at ``first`` + ``shift``."""
    k, j, i = (start + shift + np.arange(n, dtype=np.float64) for start, n in zip(first, size, strict=True))
    grid = np.stack(np.broadcast_arrays(i[None, None, :], j[None, :, None], k[:, None, None]), axis=-1)
    found = pull(grid.reshape(-1, 3))
    return [np.ascontiguousarray(found[:, axis]).reshape(size) for axis in range(3)]


def _slab_fractions(
    parts: np.ndarray, tables: tuple[np.ndarray, np.ndarray], corners: list[np.ndarray], points: np.ndarray
) -> np.ndarray:
    """Fractions of a slab of voxels whose ``corners``, mask indices i, j, k, are each an array (k+1, j+1, i+1).

    ``parts`` are the mask's voxels [k, j, i], wholly or partly inside; ``tables`` the summed areas of those that are
    wholly inside, and of those that are partly.
    """
    first = [np.floor(_of_corners(np.minimum, one) + 0.5).astype(np.intp) for one in corners]
    last = [np.floor(_of_corners(np.maximum, one) + 0.5).astype(np.intp) + 1 for one in corners]
    i, j, k = (b - a for a, b in zip(first, last, strict=True))
    count = _box_count(tables[0], first, last)
    whole = count == i * j * k
    fraction = whole.astype(np.float64)
    touched = count if tables[1] is tables[0] else _box_count(tables[1], first, last)
    border = np.nonzero((touched > 0) & ~whole)
    if not border[0].size:
        return np.asarray(fraction)
    # With so much room around the mask, no point of a voxel at its border is beyond it.
    room = [int(one[border].max()) + 1 for one in (i, j, k)]
    padded = np.pad(parts, [(n, n) for n in room[::-1]])
    step = max(1, _POINTS // len(points))
    for start in range(0, border[0].size, step):
        some = tuple(index[start : start + step] for index in border)
        at = [tuple(index + n for index, n in zip(some, corner, strict=True)) for corner in _CORNERS]
        flat = np.zeros((some[0].size, len(points)), dtype=np.int32 if padded.size < 2**31 else np.int64)
        for axis in (2, 1, 0):  # k, j, i
            ends = np.stack([corners[axis][where] for where in at]) + (room[axis] + 0.5)
            flat *= padded.shape[2 - axis]
            flat += _within(ends, points).astype(flat.dtype)  # whole numbers: nothing is below 0
        inside = padded.reshape(-1).take(flat)
        shares = np.count_nonzero(inside, axis=1) / len(points) if inside.dtype == bool else inside.mean(axis=1)
        fraction[some] = shares
    return np.asarray(fraction)


def _within(ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """One mask index of the sample points in some voxels (voxels, points), from that of their corners (8, voxels).

    Under an affine map all voxels are alike: what is added to the first corner is computed once.
    """
    steps = ends - ends[0]
    if np.ptp(steps, axis=1).max() < _SAME:
        return np.asarray(ends[0][:, None] + points @ steps[:, 0])
    return np.asarray(ends.T @ points.T)


def _of_corners(combine: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Least or greatest of the eight corners of every voxel."""
    for axis in range(3):
        along = np.moveaxis(values, axis, 0)
        values = np.moveaxis(combine(along[:-1], along[1:]), 0, axis)
    return values


def _summed_area(mask: np.ndarray) -> np.ndarray:
    """Number of mask voxels before each corner, int64 (k+1, j+1, i+1)."""
    table = np.zeros(tuple(n + 1 for n in mask.shape), dtype=np.int64)
    table[1:, 1:, 1:] = mask
    for axis in range(3):
        np.cumsum(table, axis=axis, out=table)
    return table


def _box_count(table: np.ndarray, first: list[np.ndarray], last: list[np.ndarray]) -> np.ndarray:
    """Number of mask voxels in boxes from ``first`` to ``last`` - 1, both index arrays of i, j, k."""
    _, rows, columns = table.shape
    size = table.shape[::-1]
    steps = (1, columns, rows * columns)
    i, j, k = ([np.clip(one[axis], 0, size[axis] - 1) * steps[axis] for one in (first, last)] for axis in range(3))
    flat = table.reshape(-1)
    count = np.zeros(first[0].shape, dtype=np.int64)
    for c in _CORNERS:
        one = flat.take(k[c[0]] + j[c[1]] + i[c[2]])
        if sum(c) % 2:
            count += one
        else:
            count -= one
    return count


def _inside(padded: np.ndarray, points: list[np.ndarray]) -> np.ndarray:
    """Whether points, arrays of mask indices i, j and k, are in the mask, which is ``padded`` by one voxel."""
    flat = np.zeros(points[0].shape, dtype=np.int32 if padded.size < 2**31 else np.int64)
    for axis in range(3):  # k, j, i
        nearest = points[2 - axis] + 1.5
        np.maximum(nearest, 0.0, out=nearest)
        np.minimum(nearest, padded.shape[axis] - 1.0, out=nearest)
        flat *= padded.shape[axis]
        flat += nearest.astype(flat.dtype)  # whole numbers: nothing is below 0
    return np.asarray(padded.reshape(-1).take(flat))


@functools.cache
def _trilinear(exponent: int) -> np.ndarray:
    """Weights (2**exponent, 8) of a voxel's corners for Sobol points in it (order of _CORNERS).

    A Sobol sequence also spreads evenly along each single axis, which a
    regular raster does not: faces nearly parallel to the voxel's are the usual case.
    """
    points = sobol_points(3, 2**exponent) + 0.5 / 2**exponent
    factors = [np.stack([1.0 - points[:, axis], points[:, axis]]) for axis in range(3)]
    return np.stack([factors[0][k] * factors[1][j] * factors[2][i] for k, j, i in _CORNERS], axis=1)
