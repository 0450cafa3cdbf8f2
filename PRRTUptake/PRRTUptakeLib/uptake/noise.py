"""Counting noise of a mean, from the scatter of a region that should be uniform, or from repeated images.

Reconstructed noise is correlated from voxel to voxel, so that the mean of n voxels is less certain than one voxel over
sqrt(n). The correlation is read off neighbouring voxels of the uniform region itself and continued as a Gaussian, as if
white noise had been smoothed. In colder and hotter regions the variance goes with the mean (counts) or with its square
(iterative reconstruction: Barrett, Wilson and Tsui 1994, doi:10.1088/0031-9155/39/5/004); the larger of both is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.errors import NoiseError
from PRRTUptakeLib.uptake.region_model import Box, blurred, box_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.occupancy import Occupancy

_WHOLE = 0.999  # occupied fraction from which a voxel is wholly inside
_FEWEST = 50  # voxels from which a scatter and its correlation are read
_REACH = 4  # voxels to which the correlation is continued


@dataclass(frozen=True)
class ImageNoise:
    """Noise of an image, as found in one region.

    Attributes
    ----------
    mean, variance : of the region's voxels, in the image's unit; a slope of the uptake across the region is taken out.
        What of the variance is texture of the tissue counts as noise.
    correlation : between neighbours along k, j, i; 0 where none was found.
    voxels : number behind them.
    """

    mean: float
    variance: float
    correlation: tuple[float, float, float]
    voxels: int

    def variance_at(self, mean: float) -> float:
        """Variance of a voxel where the mean is another."""
        ratio = abs(mean) / self.mean
        return self.variance * max(ratio, ratio**2)

    def relative_u(self, weights: Box, mean: float) -> float:
        """Relative standard uncertainty of a weighted mean.

        Parameters
        ----------
        weights : of the voxels, as a region's occupied fractions.
        mean : of the region, in the image's unit.

        Raises
        ------
        NoiseError
            If the mean is 0.
        """
        if mean == 0 or not math.isfinite(mean):
            raise NoiseError(f"A mean of {mean} has no relative uncertainty: check the region and the image.")
        kernels = [_line(rho) for rho in self.correlation]
        reach = [kernel.size // 2 for kernel in kernels]
        padded = np.pad(weights.values, [(n, n) for n in reach])
        together = float(np.vdot(padded, blurred(padded, kernels)))
        return math.sqrt(max(0.0, self.variance_at(mean) * together)) / float(weights.values.sum()) / abs(mean)


def image_noise(image: Volume, uniform: Occupancy) -> ImageNoise:
    """Noise from the voxels that lie wholly in a region which should be uniform (the reference of healthy liver).

    Raises
    ------
    NoiseError
        If fewer than 50 voxels lie wholly inside, or their mean is not positive.
    """
    box = box_of(uniform)
    inside = box.values >= _WHOLE
    count = int(inside.sum())
    if count < _FEWEST:
        raise NoiseError(
            f"Region '{uniform.name}' has {count} whole voxels, too few for the noise of an image: take a region of "
            f"{_FEWEST} voxels or more, or state the relative noise."
        )
    values = image.array[tuple(slice(a, b) for a, b in zip(box.low, box.high, strict=True))].astype(np.float64)
    mean = float(values[inside].mean())
    if not mean > 0:
        raise NoiseError(f"Region '{uniform.name}' has the mean {mean:g}, which must be positive: check the image.")
    residual = np.zeros_like(values)
    residual[inside] = _without_slope(values[inside], np.argwhere(inside))
    variance = float((residual[inside] ** 2).sum() / (count - 4))
    found = [_neighbours(residual, inside, axis) for axis in range(3)]
    return ImageNoise(mean, variance, (found[0], found[1], found[2]), count)


def repeated_u(means: ArrayLike) -> float:
    """Relative standard uncertainty of one image's mean from repeated images of the same moment.

    Their standard deviation over their mean, widened by Student's t for few repeats, so that 1.96 times it is a 95 %
    interval: t / 1.96 (JCGM 100:2008, G.3).

    Parameters
    ----------
    means : (n,), of one region, one for each repeated image, at least two.

    Raises
    ------
    NoiseError
        For fewer than two images, or means that are not positive.

    Examples
    --------
    >>> round(repeated_u([100.0, 102.0, 98.0, 101.0, 99.0]), 3)
    0.022
    """
    from scipy.special import ndtri, stdtrit

    values = np.asarray(means, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not (np.isfinite(values) & (values > 0)).all():
        raise NoiseError(f"Noise from repeats needs two positive means or more, not {values.tolist()}.")
    widened = float(stdtrit(values.size - 1, 0.975) / ndtri(0.975))
    return widened * float(values.std(ddof=1) / values.mean())


def _without_slope(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(values.size), where - where.mean(axis=0)])
    found, *_ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(values - design @ found)


def _neighbours(residual: np.ndarray, inside: np.ndarray, axis: int) -> float:
    """Correlation of neighbours along an axis, 0 to 0.97; what the slope's four parameters cost is added back."""
    here, there = (np.take(residual, range(a, residual.shape[axis] + a - 1), axis) for a in (0, 1))
    both = np.take(inside, range(residual.shape[axis] - 1), axis) & np.take(
        inside, range(1, residual.shape[axis]), axis
    )
    pairs = int(both.sum())
    if pairs < _FEWEST // 2:
        return 0.0
    rho = float((here[both] * there[both]).mean() / (residual[inside] ** 2).mean()) + 4.0 / inside.sum()
    return float(np.clip(rho, 0.0, 0.97))


def _line(rho: float) -> np.ndarray:
    """Correlation at -n to n voxels along an axis: white noise smoothed by a Gaussian has rho^(d^2) at distance d."""
    if rho <= 0:
        return np.ones(1)
    n = 1
    while n < 4 * _REACH and rho ** (n + 1) ** 2 > 1e-4:
        n += 1
    return np.asarray(rho ** (np.arange(-n, n + 1) ** 2.0))
