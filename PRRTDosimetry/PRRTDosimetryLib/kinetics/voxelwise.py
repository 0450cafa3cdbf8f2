"""Time-integrated activity of every voxel from images at 1 to 8 times, for whole volumes at once.

Models: mono-exponential, uptake and clearance (rates free, partly shared or shared), trapezoid, single time point, and
the curve of a region scaled to one image. No voxel clears slower than its nuclide decays. All maps are in MBq.h/mL.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTDosimetryLib.kinetics.voxel_fits import Curve, Fits, Prior, fit
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries, VoxelSeriesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segmentation

Areas = tuple[np.ndarray, np.ndarray, np.ndarray]  # area in Bq h/mL, its uncertainty, half-life in h; each (n,)
Chosen = np.ndarray | slice  # which voxels of the flat grid

TIA_UNITS = "MBq.h/ml"
SHORTEST_HALF_LIFE_H = 8.0  # a faster decline from the first image on is noise: the curve before it would explode
SHORTEST_UPTAKE_HALF_LIFE_H = 0.1
_CHUNK = 8192  # curves fitted together: their arrays stay in the cache
_MBQ_PER_BQ = 1e-6


@dataclass(frozen=True)
class VoxelNoise:
    """Standard uncertainty of a voxel's activity: sqrt((relative times activity)^2 + floor^2)."""

    relative: float
    floor_Bq_per_mL: float

    def __post_init__(self) -> None:
        if not (self.relative >= 0.0 and self.floor_Bq_per_mL > 0.0):
            raise VoxelSeriesError(
                f"Noise needs a relative part of at least 0 and a floor above 0 Bq/mL, not {self.relative:g} and "
                f"{self.floor_Bq_per_mL:g}."
            )

    def variance(self, activity: np.ndarray) -> np.ndarray:
        """Of activities in Bq/mL."""
        return (self.relative * activity) ** 2 + self.floor_Bq_per_mL**2


@dataclass(frozen=True, eq=False)
class HalfLifePrior:
    """What is known beforehand of each voxel's effective half-life: its median and relative spread (about 1 sigma).

    A voxel's own counts outweigh it where they are good, and it carries the voxel where they are poor.
    """

    half_life_h: np.ndarray | float
    spread: float = 0.2

    def __post_init__(self) -> None:
        half_life = np.asarray(self.half_life_h, dtype=np.float64)
        if not (np.isfinite(half_life).all() and (half_life > 0.0).all() and self.spread > 0.0):
            raise VoxelSeriesError("The half-lives of a prior and its spread must be positive numbers.")


@dataclass(frozen=True, eq=False)
class TiaMap:
    """Time-integrated activity of every voxel.

    Attributes
    ----------
    tia : MBq.h/mL.
    uncertainty : standard uncertainty, MBq.h/mL; NaN where the data leave none to tell it.
    half_life : effective half-life of the clearance, h; 0 where there is no activity.
    """

    tia: Volume
    uncertainty: Volume
    half_life: Volume


def mono_exponential_tia(
    series: VoxelSeries,
    noise: VoxelNoise | None = None,
    prior: HalfLifePrior | None = None,
    shortest_half_life_h: float = SHORTEST_HALF_LIFE_H,
) -> TiaMap:
    """Fit A exp(-lambda t) in every voxel; its half-life lies between ``shortest_half_life_h`` and the physical one.

    Without ``noise`` the points of a voxel count the same and their scatter gives the uncertainty.

    Raises
    ------
    VoxelSeriesError
        If there are fewer than 2 images (1 with a prior), or a prior without noise.
    """
    curve = Curve(series.times_h, _clearance_limits(series, shortest_half_life_h))
    return _fitted(series, curve, noise, prior, "mono-exponential")


def uptake_clearance_tia(
    series: VoxelSeries,
    uptake_half_life_h: float | None = None,
    noise: VoxelNoise | None = None,
    prior: HalfLifePrior | None = None,
    shortest_half_life_h: float = SHORTEST_HALF_LIFE_H,
) -> TiaMap:
    """Fit A (exp(-l1 t) - exp(-l2 t)) in every voxel, with one uptake half-life for all or (None) each its own.

    Raises
    ------
    VoxelSeriesError
        If there are fewer than 2 images (3 with free uptake; one less with a prior), or a prior without noise.
    """
    limits = _clearance_limits(series, shortest_half_life_h)
    if uptake_half_life_h is None:
        uptake: float | tuple[float, float] = (limits[0] * 1.05, math.log(2.0) / SHORTEST_UPTAKE_HALF_LIFE_H)
    else:
        if not 0.0 < uptake_half_life_h < shortest_half_life_h:
            raise VoxelSeriesError(
                f"The uptake half-life must lie between 0 and the shortest clearance half-life of "
                f"{shortest_half_life_h:g} h, but it is {uptake_half_life_h:g} h."
            )
        uptake = math.log(2.0) / uptake_half_life_h
    curve = Curve(series.times_h, limits, uptake)
    return _fitted(series, curve, noise, prior, "uptake and clearance")


def shared_rates_tia(
    series: VoxelSeries, clearance_half_life_h: float, uptake_half_life_h: float | None, noise: VoxelNoise
) -> TiaMap:
    """Scale one curve (of a region, say) to the points of every voxel: only the amplitude is the voxel's own."""
    _require_half_life(series, clearance_half_life_h)
    rate = math.log(2.0) / clearance_half_life_h
    shape, area = np.exp(-rate * series.times_h), 1.0 / rate
    if uptake_half_life_h is not None:
        uptake = math.log(2.0) / uptake_half_life_h
        shape, area = shape - np.exp(-uptake * series.times_h), area - 1.0 / uptake

    def integrate(values: np.ndarray, seen: np.ndarray) -> Areas:
        w = seen / noise.variance(values)
        information = np.maximum(shape**2 @ w, 1e-300)
        amplitude = np.maximum(shape @ (w * values) / information, 0.0)
        return amplitude * area, area / np.sqrt(information), np.full(amplitude.shape, clearance_half_life_h)

    return _mapped(series, integrate, "shared rates")


def single_time_tia(
    series: VoxelSeries,
    half_life_h: np.ndarray | float,
    u_half_life_h: float = 0.0,
    noise: VoxelNoise | None = None,
) -> TiaMap:
    """A(t) T / ln 2 times 2^(t/T), from one image and known effective half-lives T (one, or [k, j, i]).

    Raises
    ------
    VoxelSeriesError
        If there is more than one image, or a half-life is not positive or exceeds the physical one.
    """
    if series.times_h.size != 1:
        raise VoxelSeriesError(f"The single-time-point model takes one image, but there are {series.times_h.size}.")
    _require_half_life(series, half_life_h)
    T = np.broadcast_to(np.asarray(half_life_h, dtype=np.float64), series.grid.shape).ravel()
    t = float(series.times_h[0])
    values = np.nan_to_num(series.activity_Bq_per_mL[0].ravel().astype(np.float64))
    factor = T / math.log(2.0) * np.exp2(t / T)
    area = values * factor
    variance = (area * (1.0 - math.log(2.0) * t / T) * u_half_life_h / T) ** 2
    if noise is not None:
        variance += factor**2 * noise.variance(values)
    return _maps(series, area, np.sqrt(variance), np.where(values > 0.0, T, 0.0), "single time point")


def scaled_region_tia(series: VoxelSeries, region_tia_per_activity_h: float) -> TiaMap:
    """One image times the ratio of a region's TIA to its activity at the time of the image (h).

    Raises
    ------
    VoxelSeriesError
        If there is more than one image, or the ratio is not positive.
    """
    if series.times_h.size != 1 or not region_tia_per_activity_h > 0.0:
        raise VoxelSeriesError("Scaling a region's curve takes one image and a positive ratio of TIA to activity.")
    values = np.nan_to_num(series.activity_Bq_per_mL[0].ravel().astype(np.float64))
    unknown = np.full(values.shape, np.nan)
    return _maps(series, values * region_tia_per_activity_h, unknown, unknown, "region curve scaled to one image")


def trapezoid_tia(
    series: VoxelSeries, start: str = "zero", tail: str = "physical", noise: VoxelNoise | None = None
) -> TiaMap:
    """Straight lines between the images, a stated ``start`` before them and an exponential ``tail`` after them.

    Parameters
    ----------
    start : "zero": rises from nothing at injection; "constant": the first value from injection on; "decay": the
        first value, decaying physically, from injection on.
    tail : "physical" half-life, or "effective": through the last two images, never slower than physical.
    """
    starts = ("zero", "constant", "decay")
    if start not in starts or tail not in ("physical", "effective"):
        raise VoxelSeriesError(
            f"A trapezoid starts with {', '.join(starts)} and ends with physical or effective, not '{start}', '{tail}'."
        )
    if np.isnan(series.activity_Bq_per_mL).any() or series.times_h.size < 2:
        raise VoxelSeriesError("A trapezoid needs at least two images that all cover the whole grid.")
    times, decay = series.times_h, series.nuclide.decay_constant_per_h
    weights = np.zeros(times.size)
    weights[:-1] += np.diff(times) / 2.0
    weights[1:] += np.diff(times) / 2.0
    before = {"zero": times[0] / 2.0, "constant": times[0], "decay": math.expm1(decay * times[0]) / decay}
    weights[0] += before[start]

    def integrate(values: np.ndarray, seen: np.ndarray) -> Areas:
        rate = np.full(values.shape[1], decay)
        if tail == "effective":
            with np.errstate(divide="ignore", invalid="ignore"):
                fall = np.log(values[-2] / values[-1]) / (times[-1] - times[-2])
            rate = np.clip(np.nan_to_num(fall, posinf=np.inf), decay, math.log(2.0) / SHORTEST_HALF_LIFE_H)
        area = weights @ values + values[-1] / rate
        gradient = np.broadcast_to(weights[:, None], values.shape).copy()
        gradient[-1] += 1.0 / rate
        free = rate > decay  # the tail's rate moves with the last two values: d(a/l) = -(a/l^2) dl
        span = np.where(free, (times[-1] - times[-2]) * rate**2, np.inf)
        gradient[-1] += 1.0 / span
        gradient[-2] -= np.divide(values[-1], values[-2], out=np.zeros_like(rate), where=values[-2] > 0.0) / span
        if noise is None:
            return area, np.full(area.shape, np.nan), math.log(2.0) / rate
        return area, np.sqrt(np.einsum("tn,tn->n", gradient**2, noise.variance(values))), math.log(2.0) / rate

    return _mapped(series, integrate, f"trapezoid, start {start}, {tail} tail")


def region_prior(
    series: VoxelSeries, regions: Segmentation, spread: float = 0.2, shortest_half_life_h: float = SHORTEST_HALF_LIFE_H
) -> HalfLifePrior:
    """Each region's own mono-exponential half-life for its voxels, that of the whole image elsewhere.

    Later regions overwrite earlier ones, so lesions go after the organ they lie in.
    """
    if not regions.grid.matches(series.grid):
        raise VoxelSeriesError(
            f"The regions and the activity images are on different grids ({regions.grid.described()} against "
            f"{series.grid.described()}): resample the regions."
        )
    _require_points(series, 2)
    curve = Curve(series.times_h, _clearance_limits(series, shortest_half_life_h))

    def half_life(mask: np.ndarray | slice) -> float:
        values = np.array([np.nanmean(image[mask], dtype=np.float64) for image in series.activity_Bq_per_mL])
        return float(math.log(2.0) / fit(curve, values[:, None], np.ones((values.size, 1))).rates_per_h[0, 0])

    prior = np.full(series.grid.shape, half_life(slice(None)))
    for segment in regions:
        if segment.voxel_count:
            prior[segment.box][segment.mask] = half_life(segment.full_mask(series.grid.shape))
    return HalfLifePrior(prior, spread)


def neighbourhood_prior(
    series: VoxelSeries, noise: VoxelNoise, fwhm_mm: float = 15.0, spread: float = 0.2
) -> HalfLifePrior:
    """The half-life that each voxel's neighbours suggest: of the images smoothed by a Gaussian of ``fwhm_mm``."""
    _require_points(series, 2)
    sigma = [fwhm_mm / 2.354820 / edge for edge in reversed(series.grid.spacing_mm)]
    smoothed = [ndimage.gaussian_filter(np.nan_to_num(image), sigma) for image in series.activity_Bq_per_mL]
    wide = replace(series, activity_Bq_per_mL=np.stack(smoothed))
    half_life = mono_exponential_tia(wide, noise).half_life.array.astype(np.float64)
    physical = series.nuclide.half_life_h
    return HalfLifePrior(np.where(half_life > 0.0, half_life, physical), spread)


def _clearance_limits(series: VoxelSeries, shortest_half_life_h: float) -> tuple[float, float]:
    physical = series.nuclide.half_life_h
    if not 0.0 < shortest_half_life_h < physical:
        raise VoxelSeriesError(
            f"The shortest half-life must lie between 0 and the physical one of {physical:g} h, but it is "
            f"{shortest_half_life_h:g} h."
        )
    return math.log(2.0) / physical, math.log(2.0) / shortest_half_life_h


def _require_half_life(series: VoxelSeries, half_life_h: np.ndarray | float) -> None:
    values = np.asarray(half_life_h, dtype=np.float64)
    physical = series.nuclide.half_life_h
    if not (np.isfinite(values).all() and (values > 0.0).all() and (values <= physical * (1.0 + 1e-9)).all()):
        raise VoxelSeriesError(
            f"Effective half-lives must lie above 0 and not above the physical {physical:g} h of {series.nuclide.name}."
        )


def _require_points(series: VoxelSeries, needed: int) -> None:
    if series.times_h.size < needed:
        raise VoxelSeriesError(f"This model needs at least {needed} images, but there are {series.times_h.size}.")


def _fitted(
    series: VoxelSeries, curve: Curve, noise: VoxelNoise | None, prior: HalfLifePrior | None, method: str
) -> TiaMap:
    _require_points(series, 1 + curve.free_rates - (prior is not None))
    if prior is not None and noise is None:
        raise VoxelSeriesError("A prior needs the noise of the images, or nobody knows how much it weighs.")
    log_rate = None
    if prior is not None:
        half_life = np.broadcast_to(np.asarray(prior.half_life_h, dtype=np.float64), series.grid.shape).ravel()
        log_rate = np.log(math.log(2.0) / half_life)

    def one_chunk(values: np.ndarray, seen: np.ndarray, chosen: Chosen) -> Fits:
        if noise is not None:
            w = seen / noise.variance(values)
        else:
            w = np.ones((values.shape[0], 1)) if seen.all() else seen.astype(np.float64)
        known = Prior(log_rate[chosen], prior.spread) if prior is not None and log_rate is not None else None
        return fit(curve, values, w, known, scatter=noise is None)

    def integrate(values: np.ndarray, seen: np.ndarray, chosen: Chosen) -> Areas:
        found = one_chunk(values, seen, chosen)
        return found.area, found.u_area, math.log(2.0) / found.rates_per_h[0]

    return _mapped_by_index(series, integrate, method)


def _mapped(
    series: VoxelSeries,
    integrate: Callable[[np.ndarray, np.ndarray], Areas],
    method: str,
) -> TiaMap:
    return _mapped_by_index(series, lambda values, seen, _: integrate(values, seen), method)


def _mapped_by_index(
    series: VoxelSeries,
    integrate: Callable[[np.ndarray, np.ndarray, Chosen], Areas],
    method: str,
) -> TiaMap:
    """Integrate all voxels with any activity, in chunks on all cores; ``integrate`` gives area, u, half-life."""
    flat = series.activity_Bq_per_mL.reshape(series.times_h.size, -1)
    active = np.flatnonzero((flat > 0.0).any(axis=0))
    results = np.zeros((3, flat.shape[1]))

    def work(voxels: np.ndarray) -> None:
        whole = voxels[-1] - voxels[0] + 1 == voxels.size
        chosen = slice(voxels[0], voxels[-1] + 1) if whole else voxels  # slices are copied faster
        values = flat[:, chosen].astype(np.float64)
        seen = np.isfinite(values)
        results[:, chosen] = integrate(values if seen.all() else np.where(seen, values, 0.0), seen, chosen)

    if active.size:
        chunks = np.array_split(active, math.ceil(active.size / _CHUNK))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(work, chunks))
    return _maps(series, results[0], results[1], results[2], method)


def _maps(series: VoxelSeries, area: np.ndarray, u_area: np.ndarray, half_life_h: np.ndarray, method: str) -> TiaMap:
    shape = series.grid.shape
    quantity = "time-integrated activity concentration"
    return TiaMap(
        series.volume((area * _MBQ_PER_BQ).reshape(shape), quantity, TIA_UNITS, method),
        series.volume((u_area * _MBQ_PER_BQ).reshape(shape), f"standard uncertainty of {quantity}", TIA_UNITS, method),
        series.volume(half_life_h.reshape(shape), "effective half-life", "h", method),
    )
