"""Fractions of image voxels that a region occupies when the two grids are not parallel.

Voxels wholly inside or outside are found exactly with a summed-area table; only those at the border are sampled, each
at the same low-discrepancy points, so that the parts of a divided region add up exactly to the whole.
"""

from __future__ import annotations

import functools
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PRRTUptakeLib.uptake.mapping import PointMap

_SLAB_VOXELS = 500_000  # image voxels looked at together
_POINTS = 1_000_000  # sample points held together
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
    parts = padded if weights is None else np.pad(weights.astype(np.float64), 1)
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
    return _inside(padded, np.round(_sample_grid(first, size, 0.0, pull), 6))


def _sample_grid(first: tuple[int, ...], size: tuple[int, ...], shift: float, pull: PointMap) -> np.ndarray:
    """Mask indices (k, j, i, 3) of a lattice of image points that starts at ``first`` + ``shift``."""
    k, j, i = (start + shift + np.arange(n, dtype=np.float64) for start, n in zip(first, size, strict=True))
    grid = np.stack(np.broadcast_arrays(i[None, None, :], j[None, :, None], k[:, None, None]), axis=-1)
    return pull(grid.reshape(-1, 3)).reshape(*size, 3)


def _slab_fractions(
    padded: np.ndarray, tables: tuple[np.ndarray, np.ndarray], corners: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Fractions of a slab of voxels whose ``corners`` (k+1, j+1, i+1, 3) are mask indices, ordered i, j, k.

    ``tables`` are the summed areas of the mask's voxels that are wholly inside, and of those that are partly.
    """
    k, j, i = (n - 1 for n in corners.shape[:3])
    eight = [corners[c[0] : c[0] + k, c[1] : c[1] + j, c[2] : c[2] + i] for c in _CORNERS]
    first = np.floor(functools.reduce(np.minimum, eight) + 0.5).astype(np.intp)
    last = np.floor(functools.reduce(np.maximum, eight) + 0.5).astype(np.intp) + 1
    count = _box_count(tables[0], first, last)
    whole = count == (last - first).prod(axis=-1)
    fraction = whole.astype(np.float64)
    border = np.nonzero((_box_count(tables[1], first, last) > 0) & ~whole)
    step = max(1, _POINTS // len(points))
    for start in range(0, border[0].size, step):
        some = tuple(index[start : start + step] for index in border)
        ends = np.stack([corner[some] for corner in eight], axis=1)  # (voxels, 8, 3)
        fraction[some] = _inside(padded, points @ ends).mean(axis=1)
    return np.asarray(fraction)


def _summed_area(mask: np.ndarray) -> np.ndarray:
    """Number of mask voxels before each corner, int64 (k+1, j+1, i+1)."""
    table = np.zeros(tuple(n + 1 for n in mask.shape), dtype=np.int64)
    table[1:, 1:, 1:] = mask
    for axis in range(3):
        np.cumsum(table, axis=axis, out=table)
    return table


def _box_count(table: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Number of mask voxels in boxes from ``first`` to ``last`` - 1, index arrays (..., 3) ordered i, j, k."""
    top = np.array(table.shape[::-1]) - 1
    ends = (np.clip(first, 0, top), np.clip(last, 0, top))
    _, rows, columns = table.shape
    plane = [one[..., 2] * (rows * columns) for one in ends]
    row = [one[..., 1] * columns for one in ends]
    flat = table.reshape(-1)
    count = np.zeros(first.shape[:-1], dtype=np.int64)
    for k, j, i in _CORNERS:
        one = flat.take(plane[k] + row[j] + ends[i][..., 0])
        if (k + j + i) % 2:
            count += one
        else:
            count -= one
    return count


def _inside(padded: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (..., 3), mask indices ordered i, j, k, lie in the mask, which is ``padded`` by one voxel."""
    top = np.array(padded.shape[::-1]) - 1
    nearest = points + 1.5
    np.clip(nearest, 0, top, out=nearest)
    i, j, k = np.moveaxis(nearest.astype(np.intp), -1, 0)  # whole numbers: nothing is below 0
    return np.asarray(padded.reshape(-1).take((k * padded.shape[1] + j) * padded.shape[2] + i))


@functools.cache
def _trilinear(exponent: int) -> np.ndarray:
    """Weights (2**exponent, 8) of a voxel's corners for Sobol points in it (order of _CORNERS).

    A Sobol sequence (Sobol 1967, doi:10.1016/0041-5553(67)90144-9) also spreads evenly along each single axis, which a
    regular raster does not: faces nearly parallel to the voxel's are the usual case.
    """
    from scipy.stats import qmc

    points = qmc.Sobol(3, scramble=False).random_base2(exponent) + 0.5 / 2**exponent
    factors = [np.stack([1.0 - points[:, axis], points[:, axis]]) for axis in range(3)]
    return np.stack([factors[0][k] * factors[1][j] * factors[2][i] for k, j, i in _CORNERS], axis=1)
