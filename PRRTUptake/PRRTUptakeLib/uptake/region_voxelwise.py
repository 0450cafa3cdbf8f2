"""Partial volume correction of the image itself, for maps: region-based voxel-wise correction.

Thomas et al. 2011, doi:10.1007/s00259-011-1745-9: every voxel is multiplied by what the corrected regions hold there
over what their blur shows there. Means of regions come out as those of the geometric transfer matrix, the pattern
within a region stays as the image has it. The edges are those of the contours, so that wrong contours become wrong
edges: for maps on request, never in place of the measured image.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.errors import RecoveryError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.transfer_matrix import CorrectedRegions

_LEAST = 1e-3  # of the largest concentration: where the regions show less, a voxel is left as it is
_LARGEST_FACTOR = 20.0  # a voxel beyond it is all spill-out of a neighbour that is wrongly drawn


def voxelwise_corrected(image: Volume, corrected: CorrectedRegions) -> Volume:
    """The image with every voxel near the regions corrected.

    Parameters
    ----------
    image : which ``corrected`` is of, [k, j, i].
    corrected : its regions.

    Returns
    -------
    Volume on the same grid, in the same unit; voxels further from the regions than the background is averaged are as
    they were.

    Raises
    ------
    RecoveryError
        If the image is on another grid than the regions.
    """
    if not corrected.spread.model.grid.matches(image.grid):
        raise RecoveryError("The regions were placed on another grid than this image: place them again.")
    return replace(image, array=image.array * voxelwise_factors(corrected).astype(image.array.dtype))


def voxelwise_factors(corrected: CorrectedRegions) -> np.ndarray:
    """By what each voxel of the regions' grid is multiplied, [k, j, i]; 1 far from the regions."""
    spread = corrected.spread
    low, high = spread.background.low, spread.background.high
    where = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    values = np.maximum(corrected.corrected, 0.0)
    shown = spread.image(values, low, high)
    true = spread.true_image(values, low, high)
    near = spread.near()
    usable = near & (shown > _LEAST * values.max())
    factor = np.where(usable, true / np.where(usable, shown, 1.0), 1.0)
    factors = np.ones(spread.model.grid.shape)
    factors[where] = np.minimum(factor, _LARGEST_FACTOR)
    return factors
