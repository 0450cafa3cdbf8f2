"""The noise of voxels over time: how large it is, how far it is alike, and what of it smoothing leaves.

Reconstruction and post-filters make neighbouring voxels' noise alike, as if white noise had been blurred by a Gaussian:
its autocorrelation is then a Gaussian too. Surroundings average such noise less than they would white noise, so that
their rates are less certain and share more of a voxel's own error. Both follow from the width of that Gaussian, which
the residuals around the curves show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.voxel_fits import Curve, fit, information, misfit, residuals
from PRRTDosimetryLib.kinetics.voxel_prior import (
    FLOOR,
    active_voxels,
    neighbourhood_sigma,
    smoothed,
    weak_information,
)

if TYPE_CHECKING:
    from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries

_MOST = 20000  # voxels for the noise
_LEAST_NOISE = 1e-5
_TRIED_FWHM_mm = np.arange(0.0, 30.1, 0.5)  # of the blur that made the noise alike
_LAG_mm = 8.0  # residuals are compared with their neighbours and with voxels so far away
_REACH = 4.0  # standard deviations of the kernels
_FWHM_PER_SIGMA = 2.354820
_FEWEST_PAIRS = 200


@dataclass(frozen=True)
class VoxelNoise:
    """Standard uncertainty of a voxel's activity: sqrt((relative times activity)^2 + floor^2)."""

    relative: float
    floor_Bq_per_mL: float

    def __post_init__(self) -> None:
        if not (self.relative >= 0.0 and self.floor_Bq_per_mL > 0.0):
            raise KineticsError(
                f"Noise needs a relative part of at least 0 and a floor above 0 Bq/mL, not {self.relative:g} and "
                f"{self.floor_Bq_per_mL:g}."
            )

    def variance(self, activity: np.ndarray) -> np.ndarray:
        """Of activities in Bq/mL."""
        return (self.relative * activity) ** 2 + self.floor_Bq_per_mL**2


@dataclass(frozen=True)
class SharedNoise:
    """What smoothing over the surroundings leaves of the noise, over the variance of a voxel.

    Attributes
    ----------
    fwhm_mm : of the blur that made neighbours' noise alike; 0 for white noise.
    with_own : covariance of the smoothed noise with the noise of a voxel there.
    smoothed : variance of the smoothed noise; its inverse is the number of independent voxels in the surroundings.
    """

    fwhm_mm: float
    with_own: float
    smoothed: float

    @property
    def left_of_noise(self) -> float:
        """Variance of a voxel's noise less the smoothed one."""
        return 1.0 - 2.0 * self.with_own + self.smoothed

    @classmethod
    def of(cls, series: VoxelSeries, fwhm_mm: float) -> SharedNoise:
        """For noise that a Gaussian of this width made alike."""
        axes = [_axis(series, fwhm_mm, axis, 0) for axis in range(3)]
        return cls(fwhm_mm, math.prod(one[1] for one in axes), math.prod(one[2] for one in axes))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Voxels from which the noise is read, at most ``_MOST``; ``values`` are (times, n), ``identified`` rates (n,)."""

    voxels: np.ndarray
    values: np.ndarray
    active: np.ndarray
    floor: float
    identified: np.ndarray

    def variance(self, activity: np.ndarray) -> np.ndarray:
        """Of a relative noise of 1."""
        return np.asarray(activity**2 + self.floor**2)


def shared_noise(series: VoxelSeries, curve: Curve, log_rates: np.ndarray) -> SharedNoise:
    """How far the noise is alike, by the residuals around curves of the surroundings' ``log_rates`` (rates, voxels)."""
    sample = _sample(series, curve, log_rates)
    if sample is None:
        return SharedNoise.of(series, 0.0)
    free = series.times_h.size - 1
    taken = float(np.clip(sample.identified.mean(), 0.0, free))
    lags = [
        (axis, steps)
        for axis, edge in enumerate(reversed(series.grid.spacing_mm))
        for steps in sorted({1, max(1, round(_LAG_mm / edge))})
        if 4 * steps <= series.grid.shape[axis]
    ]
    found = {one: _correlation(series, curve, log_rates, sample, *one) for one in lags}
    found = {lag: rho for lag, rho in found.items() if not math.isnan(rho)}
    if not found:
        return SharedNoise.of(series, 0.0)
    off = [
        sum((_expected(series, fwhm, lag, free, taken) - rho) ** 2 for lag, rho in found.items())
        for fwhm in _TRIED_FWHM_mm
    ]
    return SharedNoise.of(series, float(_TRIED_FWHM_mm[int(np.argmin(off))]))


def relative_noise(series: VoxelSeries, curve: Curve, log_rates: np.ndarray, shared: SharedNoise) -> float:
    """Relative noise of a voxel, from how much the brighter voxels scatter around curves of ``log_rates`` (n, voxels).

    The scatter around each voxel's own curve where there are points to spare, or around curves with the surroundings'
    rates where that is less: the first is too large where no model is right, the second where voxels differ. The
    surroundings' rates follow the voxel's own noise as far as that is alike; so much is added back.
    """
    sample = _sample(series, curve, log_rates)
    if sample is None:
        return 1.0
    values, spare = sample.values, sample.values.shape[0] - 1
    seen = np.ones(values.shape, dtype=bool)
    scatter = misfit(curve, values, seen, log_rates[:, sample.voxels], sample.variance).sum()
    freedom = (spare - sample.identified * (1.0 - shared.left_of_noise)).sum()
    found = [scatter / max(float(freedom), 0.1 * spare * sample.voxels.size)]
    own = spare - curve.free_rates
    if own > 0:
        rates = np.log(fit(curve, values, np.ones_like(values), variance=sample.variance).rates_per_h)
        found.append(misfit(curve, values, seen, rates, sample.variance).sum() / (own * sample.voxels.size))
    return math.sqrt(max(float(min(found)), _LEAST_NOISE**2))


def noise_floor(series: VoxelSeries, relative: float) -> float:
    """Noise of voxels that hold hardly any activity, Bq/mL."""
    return max(relative * FLOOR * float(np.nanmax(series.activity_Bq_per_mL)), 1e-12)


def _sample(series: VoxelSeries, curve: Curve, log_rates: np.ndarray) -> _Sample | None:
    flat = series.activity_Bq_per_mL.reshape(series.times_h.size, -1)
    whole = np.isfinite(flat).all(axis=0)
    smooth = np.nan_to_num(
        np.stack([smoothed(series, np.nan_to_num(image)).ravel() for image in series.activity_Bq_per_mL])
    )
    active = active_voxels(smooth) & whole
    chosen = np.flatnonzero(active)
    if chosen.size == 0:
        return None
    chosen = chosen[:: max(1, chosen.size // _MOST)]
    values = flat[:, chosen].astype(np.float64)
    made = _Sample(chosen, values, active, FLOOR * float(smooth.max()), np.zeros(chosen.size))
    return _Sample(chosen, values, active, made.floor, _identified(curve, made, log_rates[:, chosen]))


def _identified(curve: Curve, sample: _Sample, log_rates: np.ndarray) -> np.ndarray:
    """How many rates the smoothed images gave, and not a limit or the weak prior, (n,)."""
    seen = np.ones(sample.values.shape, dtype=bool)
    known = information(curve, sample.values, seen, log_rates, sample.variance)
    bounds = curve.bounds()
    for row, (low, high) in enumerate(bounds):
        fixed = (log_rates[row] <= low + 1e-6) | (log_rates[row] >= high - 1e-6)
        known[fixed, row, :] = 0.0
        known[fixed, :, row] = 0.0
    weak = np.diag([1e-9, *weak_information(1.0)[1:]][: len(bounds)])
    return np.asarray(np.einsum("nab,nba->n", np.linalg.inv(known + weak), known))


def _correlation(
    series: VoxelSeries, curve: Curve, log_rates: np.ndarray, sample: _Sample, axis: int, steps: int
) -> float:
    """Correlation of residuals with those ``steps`` voxels on; nan for few pairs."""
    stride = int(np.prod(series.grid.shape[axis + 1 :]))
    index = np.unravel_index(sample.voxels, series.grid.shape)[axis]
    inside = index + steps < series.grid.shape[axis]
    here = np.flatnonzero(inside)
    there = sample.voxels[here] + steps * stride
    both = sample.active[there]
    here, there = here[both], there[both]
    if here.size < _FEWEST_PAIRS:
        return math.nan
    flat = series.activity_Bq_per_mL.reshape(series.times_h.size, -1)
    seen = np.ones((series.times_h.size, here.size), dtype=bool)
    voxels = sample.voxels[here]
    first = residuals(curve, sample.values[:, here], seen, log_rates[:, voxels], sample.variance)
    second = residuals(curve, flat[:, there].astype(np.float64), seen, log_rates[:, there], sample.variance)
    spread = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / spread if spread > 0 else math.nan


def _expected(series: VoxelSeries, fwhm_mm: float, lag: tuple[int, int], free: int, taken: float) -> float:
    """The correlation of residuals: of ``free`` dimensions, ``taken`` hold the noise less the smoothed one."""
    axis, steps = lag
    here = [_axis(series, fwhm_mm, one, 0) for one in range(3)]
    there = [_axis(series, fwhm_mm, one, steps if one == axis else 0) for one in range(3)]
    least, most = ([math.prod(one[n] for one in which) for n in range(3)] for which in (here, there))
    variance = (free - taken) + taken * (1.0 - 2.0 * least[1] + least[2])
    covariance = (free - taken) * most[0] + taken * (most[0] - 2.0 * most[1] + most[2])
    return covariance / variance if variance > 1e-9 else 1.0


def _axis(series: VoxelSeries, fwhm_mm: float, axis: int, steps: int) -> tuple[float, float, float]:
    """Along one axis, at ``steps`` voxels: correlation of the noise, of noise with smoothed noise, of smoothed noise.

    The surroundings' rates are calculated at every few voxels only, as far apart as the smoothing's sigma: the
    covariance of a voxel's noise with the smoothed one is the mean over the places of a voxel between them.
    """
    edge = series.grid.spacing_mm[2 - axis]
    own = fwhm_mm / _FWHM_PER_SIGMA / edge
    wide = neighbourhood_sigma(series)[axis]
    reach = math.ceil(_REACH * (wide + own) + steps + 2 * wide)
    at = np.arange(-reach, reach + 1)
    noise = np.exp(-(at**2) / (4.0 * own**2)) if own > 0 else (at == 0).astype(np.float64)
    kernel = np.exp(-(at**2) / (2.0 * wide**2))
    kernel /= kernel.sum()
    once = np.convolve(noise, kernel, mode="same")
    twice = np.convolve(once, kernel, mode="same")
    stride = max(1, round(wide))
    offsets = np.arange(stride) - stride // 2
    middle = reach + steps
    least = 1.0 / series.grid.shape[axis]  # no more voxels than there are
    return float(noise[middle]), max(least, float(np.mean(once[middle + offsets]))), max(least, float(twice[middle]))
