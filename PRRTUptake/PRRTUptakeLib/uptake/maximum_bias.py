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
    from collections.abc import Iterable

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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Drawn:
    """A region of which maxima are drawn: in its box [k, j, i] the model and the deviation of noise, and the inside."""

    shown: np.ndarray
    deviation: np.ndarray
    inside: np.ndarray
    spheres: csr_matrix

    @property
    def draws(self) -> int:
        return int(np.clip(_DRAWN_VOXELS // self.shown.size, _FEWEST_DRAWS, _MOST_DRAWS))

    def bias(self, white: np.ndarray, correlation: tuple[float, ...]) -> MaximumBias:
        """From white noise (n,), as many values as there are voxels in all draws."""
        images = white.reshape(self.draws, *self.shown.shape)
        step = max(1, _HELD_VOXELS // self.shown.size)
        drawn = []
        for start in range(0, self.draws, step):
            fields, deviation = _blurred(images[start : start + step], correlation)
            drawn.append(_maxima(self.shown + self.deviation / deviation * fields, self.inside, self.spheres))
        clean = _maxima(self.shown[None], self.inside, self.spheres)
        voxel, sphere = np.log(np.maximum(np.concatenate(drawn), 1e-12) / clean).mean(axis=0)
        return MaximumBias(max(0.0, float(voxel)), max(0.0, float(sphere)))


def maximum_biases(
    regions: Iterable[Occupancy], corrected: CorrectedRegions, noise: ImageNoise, seed: int = 1
) -> dict[str, MaximumBias]:
    """What noise adds to regions' maxima, by name, without those that are too large or that the model shows as nothing.

    Parameters
    ----------
    regions : on the image's grid, among the ``corrected`` ones.
    corrected : the regions of the image with their concentrations.
    noise : of the image.
    seed : of the noise, which begins alike for all regions.
    """
    found = {region.name: _drawn(region, corrected, noise) for region in regions}
    drawn = {name: one for name, one in found.items() if one is not None}
    sizes = {name: one.draws * one.shown.size for name, one in drawn.items()}
    white = np.random.default_rng(seed).standard_normal(max(sizes.values(), default=0))
    return {name: one.bias(white[: sizes[name]], noise.correlation) for name, one in drawn.items()}


def _drawn(region: Occupancy, corrected: CorrectedRegions, noise: ImageNoise) -> _Drawn | None:
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
    return _Drawn(
        shown=shown,
        deviation=np.sqrt(noise.variance * np.maximum(ratio, ratio**2)),  # as ``ImageNoise.variance_at``
        inside=inside,
        spheres=_sphere_means(inside, sphere_kernel(region.grid.ijk_to_ras[:3, :3], ONE_ML_RADIUS_MM)),
    )


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


def _blurred(white: np.ndarray, correlation: tuple[float, ...]) -> tuple[np.ndarray, float]:
    """White noise [n, k, j, i], blurred to a correlation of neighbours along each axis, and its deviation then."""
    fields, deviation = white, 1.0
    for axis, rho in enumerate(correlation, start=1):
        if rho <= 0:
            continue
        sigma = 0.5 / math.sqrt(-math.log(rho))
        fields = ndimage.gaussian_filter1d(fields, sigma, axis, mode="wrap")
        point = np.zeros(4 * math.ceil(4 * sigma) + 1)
        point[point.size // 2] = 1.0
        deviation *= math.sqrt(float((ndimage.gaussian_filter1d(point, sigma) ** 2).sum()))
    return fields, deviation
