"""What noise adds to the maximum of a region: the hottest of many voxels is hot by chance too.

The region is taken as uniform and blurred, as the model of the transfer matrix shows it; noise of the image's variance
and correlation is added to it, again and again, and the maxima are compared with that of the model without noise. The
more voxels are near the maximum, and the noisier they are, the more is added: to SUVmax 5 to 25 %, to the mean of the
hottest sphere of 1 mL (SUVpeak) less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.uptake.peak import ONE_ML_RADIUS_MM, sphere_kernel
from PRRTUptakeLib.uptake.region_model import box_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from PRRTUptakeLib.uptake.noise import ImageNoise
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.transfer_matrix import CorrectedRegions

_FEWEST_DRAWS, _MOST_DRAWS, _DRAWN_VOXELS = 30, 200, 3_000_000
_HELD_VOXELS = 500_000  # of the draws that are made at once
_MOST = 150_000  # voxels of a box: larger regions are organs, of which maxima say little
_EDGE = 3  # voxels around a region's box


@dataclass(frozen=True)
class MaximumBias:
    """Mean logarithm of the maximum over that without noise, of voxels and of spheres of 1 mL."""

    voxel: float
    sphere: float


def maximum_bias(
    region: Occupancy, corrected: CorrectedRegions, noise: ImageNoise, seed: int = 1
) -> MaximumBias | None:
    """What noise adds to a region's maxima; None for a region that is too large, or that the model shows as nothing.

    Parameters
    ----------
    region : on the image's grid, among the ``corrected`` ones.
    corrected : the regions of the image with their concentrations.
    noise : of the image.
    """
    box = box_of(region)
    low = [max(0, start - _EDGE) for start in box.low]
    high = [min(n, end + _EDGE) for n, end in zip(region.grid.shape, box.high, strict=True)]
    back = corrected.spread.background
    low = [max(a, b) for a, b in zip(low, back.low, strict=True)]
    high = [min(a, b) for a, b in zip(high, back.high, strict=True)]
    shape = tuple(b - a for a, b in zip(low, high, strict=True))
    if min(shape) < 1 or math.prod(shape) > _MOST:
        return None
    shown = corrected.spread.image(np.maximum(corrected.corrected, 0.0), low, high)
    inside = np.zeros(region.grid.shape, dtype=bool)
    inside.reshape(-1)[region.indices[region.centre_inside]] = True
    inside = inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    if not inside.any() or not shown[inside].max() > 0:
        return None
    ratio = shown / noise.mean
    deviation = np.sqrt(noise.variance * np.maximum(ratio, ratio**2))  # as ``ImageNoise.variance_at``
    spheres = _sphere_means(inside, sphere_kernel(region.grid.ijk_to_ras[:3, :3], ONE_ML_RADIUS_MM))
    clean = _maxima(shown[None], inside, spheres)
    draws = int(np.clip(_DRAWN_VOXELS // shown.size, _FEWEST_DRAWS, _MOST_DRAWS))
    random, step = np.random.default_rng(seed), max(1, _HELD_VOXELS // shown.size)
    drawn = []
    for start in range(0, draws, step):
        fields = _fields((min(step, draws - start), *shape), noise.correlation, random)
        fields *= deviation
        fields += shown
        drawn.append(_maxima(fields, inside, spheres))
    voxel, sphere = np.log(np.maximum(np.concatenate(drawn), 1e-12) / clean).mean(axis=0)
    return MaximumBias(max(0.0, float(voxel)), max(0.0, float(sphere)))


def _sphere_means(inside: np.ndarray, kernel: np.ndarray) -> csr_matrix:
    """From the voxels of a box to the means of spheres at those of them that are inside; the box goes on at its edges.

    Parameters
    ----------
    inside : bool [k, j, i], n of them true.
    kernel : weights [k, j, i] of a sphere's voxels, of odd lengths.

    Returns
    -------
    Weights (n, voxels of the box).
    """
    from scipy.sparse import csr_matrix

    weights = kernel[kernel != 0]
    offsets = np.argwhere(kernel != 0) - np.array(kernel.shape) // 2
    places = np.argwhere(inside)[:, None, :] - offsets
    columns = np.ravel_multi_index(tuple(np.moveaxis(places, -1, 0)), inside.shape, mode="clip").ravel()
    rows = np.arange(0, columns.size + 1, weights.size)
    values = np.tile(weights / kernel.sum(), rows.size - 1)
    return csr_matrix((values, columns, rows), shape=(rows.size - 1, inside.size))


def _maxima(images: np.ndarray, inside: np.ndarray, spheres: csr_matrix) -> np.ndarray:
    """The hottest voxel inside, and the hottest sphere with its centre there, (n, 2) of images [n, k, j, i]."""
    flat = images.reshape(len(images), -1)
    return np.stack([flat[:, inside.ravel()].max(axis=1), (spheres @ flat.T).max(axis=0)], axis=1)


def _fields(shape: tuple[int, ...], correlation: tuple[float, ...], random: np.random.Generator) -> np.ndarray:
    """Noise of variance 1 [n, k, j, i] with a correlation of neighbours along each axis: white noise, blurred."""
    fields = random.standard_normal(shape)
    for axis, rho in enumerate(correlation, start=1):
        if rho <= 0:
            continue
        sigma = 0.5 / math.sqrt(-math.log(rho))
        fields = ndimage.gaussian_filter1d(fields, sigma, axis, mode="wrap")
        point = np.zeros(4 * math.ceil(4 * sigma) + 1)
        point[point.size // 2] = 1.0
        fields /= math.sqrt(float((ndimage.gaussian_filter1d(point, sigma) ** 2).sum()))
    return fields
