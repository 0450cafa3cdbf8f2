"""Masks grown by a distance between voxel centres, exact on the true spacing and without a map of all distances."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_MM = 1e-3  # lengths nearer than this are equal: files in single precision keep no more of a place

_MOST_SHIFTS = 60  # of a quarter of the lines: beyond, a distance map is faster


def grown_mask(inside: np.ndarray, spacing_mm: Sequence[float], margin_mm: float) -> np.ndarray:
    """Voxels whose centre is at most ``margin_mm`` from that of one inside.

    Lines along i are grown first, then shifted along k and j: a distance map is not needed where only one is asked for.

    Parameters
    ----------
    inside : bool [k, j, i], on axes at right angles.
    spacing_mm : of k, j and i.

    Examples
    --------
    >>> mask = np.zeros((1, 3, 4), bool); mask[0, 0, 0] = True
    >>> grown_mask(mask, (3.0, 4.0, 3.0), 5.0)[0].astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    """
    margin_mm += SAME_MM
    reach = [int(margin_mm / one) for one in spacing_mm]
    if reach[0] * reach[1] > _MOST_SHIFTS:
        from scipy.ndimage import distance_transform_edt

        return np.asarray(distance_transform_edt(~inside, sampling=spacing_mm) <= margin_mm) & inside.any()
    padded = np.pad(inside, [(n, n) for n in reach])
    grown = [padded]  # by 0, 1, 2 ... voxels along i
    for n in range(1, reach[2] + 1):
        wider = grown[-1].copy()
        wider[..., n:] |= padded[..., :-n]
        wider[..., :-n] |= padded[..., n:]
        grown.append(wider)
    k, j, i = (np.square(np.arange(n + 1) * one) for n, one in zip(reach, spacing_mm, strict=True))
    found = np.zeros_like(inside)
    low = reach[2]
    for up, side in itertools.product(range(-reach[0], reach[0] + 1), range(-reach[1], reach[1] + 1)):
        wide = int(np.count_nonzero(np.sqrt(k[abs(up)] + j[abs(side)] + i) <= margin_mm)) - 1
        if wide >= 0:
            rows = tuple(
                slice(n + o, n + o + size) for n, o, size in zip(reach, (up, side), inside.shape, strict=False)
            )
            found |= grown[wide][rows[0], rows[1], low : low + inside.shape[2]]
    return found
