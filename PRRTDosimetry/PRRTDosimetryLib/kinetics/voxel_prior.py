"""What a voxel's surroundings say of its kinetics and of the noise, and whether the voxels agree with it.

An emission image resolves 10 to 15 mm: kinetics do not change from voxel to voxel, noise does. So the rates of the
images smoothed to 15 mm are expected in every voxel, with a spread that the voxels themselves show beyond their noise
(empirical Bayes, by moments): where voxels agree with their surroundings, these decide, elsewhere the voxels.
A prior that is given is judged in the same way: where the voxels around contradict it, it is moved and the map says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTDosimetryLib.kinetics.voxel_fits import Curve, Prior, UncertainMeans, fit, score

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTDosimetryLib.kinetics.voxel_noise import SharedNoise, VoxelNoise
    from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries

    Variance = Callable[[np.ndarray], np.ndarray]

NEIGHBOURHOOD_mm = 15.0
"""Full width at half maximum of the smoothing that shows a voxel's surroundings."""

UPTAKE_HALF_LIFE_h, UPTAKE_FACTOR = 0.35, 3.0
"""Weak prior of the surroundings' uptake half-life, log-normal: images of a day and later show none."""

_FWHM_PER_SIGMA = 2.354820
_SPREADS = (0.1, 1.0)  # of a voxel's ln rate around its surroundings', at least and at most
_UNKNOWN_SPREAD = 0.3  # where no voxel says anything
_ACTIVE = 0.05  # of the largest smoothed activity: voxels that noise and spread are estimated from
_FEW, _SCORED = 50000, 3  # of more voxels every third is scored
_SMOOTHED_NOISE = 0.05  # relative noise of smoothed images that weighs the weak prior of the uptake
_LEAST_NOISE = 1e-5
FLOOR = 0.01  # of the largest activity: noise of voxels that hold hardly any, in units of the relative noise
_CONTRADICTED = 3.0  # standard errors and
_FAR = 0.5  # spreads from which on a given prior is contradicted


@dataclass(frozen=True, eq=False)
class LocalPrior:
    """Logarithms of rates that are expected in every voxel, and their spreads, shape (free rates, voxels) each.

    ``errors`` of the logarithms, where images gave them.
    """

    log_rates: np.ndarray
    spreads: np.ndarray
    errors: UncertainMeans | None = None

    def of(self, voxels: np.ndarray | slice) -> Prior:
        """For some voxels."""
        rates, spreads, errors = self.log_rates[:, voxels], self.spreads[:, voxels], self.errors
        if errors is not None:
            kept = [one[voxels] if isinstance(one, np.ndarray) else one for one in (errors.with_own, errors.smoothed)]
            errors = UncertainMeans(kept[0], kept[1], errors.information[voxels], errors.weak)
        if len(rates) == 1:
            return Prior(rates[0], spreads[0], surroundings=errors)
        return Prior(rates[0], spreads[0], rates[1], spreads[1], errors)


def local_rates(series: VoxelSeries, curve: Curve) -> np.ndarray:
    """Logarithms of the rates of the smoothed images, shape (free rates, voxels); of the whole where nothing is."""
    values = np.stack([smoothed(series, np.nan_to_num(image)).ravel() for image in series.activity_Bq_per_mL])
    values = np.maximum(values, 0.0)
    active = active_voxels(values)
    total = values.sum(axis=1, keepdims=True)

    def variance(activity: np.ndarray) -> np.ndarray:
        floor = FLOOR * float(values.max())
        return np.asarray((_SMOOTHED_NOISE * activity) ** 2 + (_SMOOTHED_NOISE * floor) ** 2 + 1e-300)

    weak = None
    if curve.free_rates == 2:  # the clearance is left to the images
        weak = Prior(0.0, 1e6, math.log(math.log(2.0) / UPTAKE_HALF_LIFE_h), math.log(UPTAKE_FACTOR))
    whole = np.log(
        fit(
            curve, total / max(total.max(), 1e-300) * float(values.max()), np.ones_like(total), weak, variance=variance
        ).rates_per_h
    )
    stride = [max(1, round(sigma)) for sigma in neighbourhood_sigma(series)]
    index = np.arange(values.shape[1]).reshape(series.grid.shape)
    coarse = index[:: stride[0], :: stride[1], :: stride[2]]  # smoothed images do not change faster
    rates = np.repeat(whole, coarse.size, axis=1)
    chosen = active[coarse.ravel()]
    if chosen.any():
        found = values[:, coarse.ravel()[chosen]]
        rates[:, chosen] = np.log(fit(curve, found, np.ones_like(found), weak, variance=variance).rates_per_h)
    axes = [
        np.minimum((np.arange(n) + s // 2) // s, m - 1)
        for n, s, m in zip(index.shape, stride, coarse.shape, strict=True)
    ]
    nearest = np.arange(coarse.size).reshape(coarse.shape)[np.ix_(*axes)].ravel()
    return np.ascontiguousarray(rates[:, nearest])


def with_spreads(
    series: VoxelSeries, curve: Curve, log_rates: np.ndarray, noise: VoxelNoise, shared: SharedNoise
) -> LocalPrior:
    """The rates (rates, voxels) with the spread that voxels show around them beyond noise, within ``NEIGHBOURHOOD_mm``.

    With slope S and information I of a voxel's log likelihood at the expected rate, which is from the same images,
    E[S^2] = I (1 - 2 c1 + c2) + spread^2 I^2: c1 and c2 are the smoothed noise's covariance with the voxel's and its
    variance (``shared``).
    """
    slopes, information, scored = _scores(series, curve, log_rates, noise.variance)
    spreads = np.full(log_rates.shape, _UNKNOWN_SPREAD)
    weak = weak_information(noise.relative)
    for row, (slope, known) in enumerate(zip(slopes, information, strict=True)):
        followed = np.divide(
            known, known + weak[row], out=np.zeros_like(known), where=known > 0
        )  # of a weak prior less
        noisy = known * (1.0 - followed * (2.0 * shared.with_own - followed * shared.smoothed))
        excess = smoothed(series, (slope**2 - noisy).reshape(series.grid.shape)).ravel()
        squared = smoothed(series, (known**2).reshape(series.grid.shape)).ravel()
        says = squared > 1e-12 * squared.max() if squared.max() > 0 else np.zeros(squared.shape, dtype=bool)
        spreads[row, says] = np.sqrt(np.clip(excess[says] / squared[says], _SPREADS[0] ** 2, _SPREADS[1] ** 2))
    typical = _mean_around(series, information[0], scored)
    errors = UncertainMeans(shared.with_own, shared.smoothed, typical, weak)
    return LocalPrior(log_rates, spreads, errors)


def weak_information(relative_noise: float) -> tuple[float, float]:
    """Of the weak prior of the surroundings' uptake on its logarithm, in units of single voxels of this noise."""
    return 0.0, (_SMOOTHED_NOISE / max(relative_noise, _LEAST_NOISE) / math.log(UPTAKE_FACTOR)) ** 2


def _mean_around(series: VoxelSeries, values: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Mean over the surroundings of values (voxels,) where ``scored`` (voxels,)."""
    total = smoothed(series, values.reshape(series.grid.shape)).ravel()
    count = smoothed(series, scored.reshape(series.grid.shape)).ravel()
    return np.asarray(np.divide(total, count, out=np.zeros_like(total), where=count > 1e-6))


def checked(
    series: VoxelSeries, curve: Curve, prior: LocalPrior, noise: VoxelNoise, shared: SharedNoise
) -> tuple[LocalPrior, float]:
    """A given prior, moved where the voxels around contradict it, and the share of active voxels where it was moved."""
    rates = prior.log_rates.copy()
    limits = curve.bounds()[0]
    moved = np.zeros(rates.shape[1], dtype=bool)
    typical = np.zeros(rates.shape[1])
    for _ in range(4):
        slopes, information, scored = _scores(series, curve, rates, noise.variance)
        typical = _mean_around(series, information[0], scored)
        slope = smoothed(series, slopes[0].reshape(series.grid.shape)).ravel()
        known = smoothed(series, information[0].reshape(series.grid.shape)).ravel()
        shift = np.divide(slope, known, out=np.zeros_like(slope), where=known > 1e-300)
        error = np.sqrt(shared.smoothed / np.maximum(typical, 1e-300))
        wrong = moved | ((np.abs(shift) > _CONTRADICTED * error) & (np.abs(shift) > _FAR * prior.spreads[0]))
        if not wrong.any():
            break
        moved = wrong
        rates[0] = np.where(moved, np.clip(rates[0] + np.clip(shift, -0.5, 0.5), *limits), rates[0])
    flat = series.activity_Bq_per_mL.reshape(series.times_h.size, -1)
    active = active_voxels(np.nan_to_num(flat))
    share = float(moved[active].mean()) if active.any() else 0.0
    errors = UncertainMeans(shared.with_own * moved, shared.smoothed * moved, typical, (0.0, 0.0))
    return replace(prior, log_rates=rates, errors=errors), share


def _scores(
    series: VoxelSeries, curve: Curve, log_rates: np.ndarray, variance: Variance
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes and information (free rates, voxels), and which voxels have them (voxels,)."""
    flat = series.activity_Bq_per_mL.reshape(series.times_h.size, -1)
    voxels = np.flatnonzero(np.nan_to_num(flat).max(axis=0) > 0)
    voxels = voxels[:: 1 if voxels.size < _FEW else _SCORED]  # a part of them shows the spread as well
    slopes, information = np.zeros(log_rates.shape), np.zeros(log_rates.shape)
    for start in range(0, voxels.size, 65536):
        chosen = voxels[start : start + 65536]
        values = flat[:, chosen].astype(np.float64)
        seen = np.isfinite(values)
        slopes[:, chosen], information[:, chosen] = score(
            curve, np.where(seen, values, 0.0), seen, log_rates[:, chosen], variance
        )
    scored = np.zeros(log_rates.shape[1])
    scored[voxels] = 1.0
    return slopes, information, scored


def smoothed(series: VoxelSeries, image: np.ndarray) -> np.ndarray:
    """An image [k, j, i] as the surroundings show it."""
    found: np.ndarray = ndimage.gaussian_filter(image.astype(np.float32), neighbourhood_sigma(series), truncate=3.0)
    return found.astype(np.float64)


def neighbourhood_sigma(series: VoxelSeries) -> list[float]:
    """Sigma of the neighbourhood, in voxels along k, j, i."""
    return [NEIGHBOURHOOD_mm / _FWHM_PER_SIGMA / edge for edge in reversed(series.grid.spacing_mm)]


def active_voxels(values: np.ndarray) -> np.ndarray:
    """Voxels that hold activity worth looking at: by the mean over the times, shape (voxels,)."""
    mean = values.mean(axis=0)
    active: np.ndarray = mean > _ACTIVE * mean.max()
    return active
