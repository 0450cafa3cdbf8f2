"""Time-integrated activity of every voxel from images at 1 to 8 times, for whole volumes at once.

Models: mono-exponential, and uptake and clearance with an uptake rate of each voxel's own or one for all. No voxel
clears slower than its nuclide decays. All maps are in MBq.h/mL.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.threads import thread_count
from PRRTUptakeLib.vocabulary import TIA_UNITS
from scipy.special import stdtrit

from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.voxel_clearance import PIECE
from PRRTDosimetryLib.kinetics.voxel_fits import Curve, fit
from PRRTDosimetryLib.kinetics.voxel_noise import VoxelNoise, noise_floor, relative_noise, shared_noise
from PRRTDosimetryLib.kinetics.voxel_prior import LocalPrior, NEIGHBOURHOOD_mm, checked, local_rates, with_spreads
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.imaging.volume import Volume

Areas = tuple[np.ndarray, np.ndarray, np.ndarray]  # area in Bq h/mL, its uncertainty, half-life in h; each (n,)
Chosen = np.ndarray | slice  # which voxels of the flat grid

SHORTEST_HALF_LIFE_H = 8.0  # a faster decline from the first image on is noise: the curve before it would explode
SHORTEST_OF_PHYSICAL = 0.06  # the same for nuclides that decay faster than 177Lu, over the physical half-life
SHORTEST_UPTAKE_HALF_LIFE_H = 0.1
_CHUNK = 8192  # curves fitted together: their arrays stay in the cache
_MBQ_PER_BQ = 1e-6


@dataclass(frozen=True, eq=False)
class HalfLifePrior:
    """What is known beforehand of each voxel's effective half-life: its median and relative spread (about 1 sigma).

    A voxel's own counts outweigh it where they are good, and it decides where they are poor. Where the voxels around
    contradict it, it is moved to what they say and the map's notes report that.
    """

    half_life_h: np.ndarray | float
    spread: float = 0.2

    def __post_init__(self) -> None:
        half_life = np.asarray(self.half_life_h, dtype=np.float64)
        if not (np.isfinite(half_life).all() and (half_life > 0.0).all() and self.spread > 0.0):
            raise KineticsError("The half-lives of a prior and its spread must be positive numbers.")


@dataclass(frozen=True, eq=False)
class TiaMap:
    """Time-integrated activity of every voxel.

    Attributes
    ----------
    tia : MBq.h/mL.
    uncertainty : standard uncertainty, MBq.h/mL; NaN where a voxel's own scatter was to give it and there is no point
        to spare.
    half_life : effective half-life of the clearance, h; 0 where there is no activity.
    degrees_of_freedom : behind the uncertainty: those of each voxel's own scatter, else infinite.
    notes : what a reader must know: where the noise is from, a prior that the voxels contradict.
    noise_fwhm_mm : of the Gaussian blur that would make white noise as alike as the images' is; 0 for white noise.
    """

    tia: Volume
    uncertainty: Volume
    half_life: Volume
    degrees_of_freedom: float = math.inf
    notes: tuple[str, ...] = ()
    noise_fwhm_mm: float = 0.0

    def interval(self, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound of every voxel, log-normal, by Student's t, MBq.h/mL [k, j, i]."""
        tia, u = self.tia.array.astype(np.float64), self.uncertainty.array.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.exp(float(stdtrit(self.degrees_of_freedom, 0.5 + confidence / 2)) * u / tia)
            return tia / spread, tia * spread


def mono_exponential_tia(
    series: VoxelSeries,
    noise: VoxelNoise | None = None,
    prior: HalfLifePrior | None = None,
    shortest_half_life_h: float | None = None,
) -> TiaMap:
    """Fit A exp(-lambda t) in every voxel; its half-life is between ``shortest_half_life_h`` and the physical one.

    None is 8 h, or 6 % of the physical half-life where that is shorter.

    With ``noise`` and no ``prior`` every voxel's rate is expected as in its surroundings (see :mod:`voxel_prior`).
    Without ``noise`` the points of a voxel count the same and their scatter alone gives the uncertainty: then noise of
    10 % and more biases the map, and :func:`mono_exponential_tia_by_surroundings` does not.

    Raises
    ------
    KineticsError
        If there are fewer than 2 images (1 with a prior), or a prior without noise.
    """
    curve = Curve(series.times_h, _clearance_limits(series, shortest_half_life_h))
    return _fitted(series, curve, noise, prior, "mono-exponential")


def mono_exponential_tia_by_surroundings(series: VoxelSeries, shortest_half_life_h: float | None = None) -> TiaMap:
    """Fit A exp(-lambda t) in every voxel, its rate expected as in its surroundings, the noise estimated.

    Raises
    ------
    KineticsError
        If there are fewer than 2 images.
    """
    curve = Curve(series.times_h, _clearance_limits(series, shortest_half_life_h))
    return _by_surroundings(series, curve, None, "mono-exponential")


def uptake_clearance_tia(
    series: VoxelSeries,
    uptake_half_life_h: float | None = None,
    noise: VoxelNoise | None = None,
    prior: HalfLifePrior | None = None,
    shortest_half_life_h: float | None = None,
) -> TiaMap:
    """Fit A (exp(-l1 t) - exp(-l2 t)) in every voxel, with one uptake half-life for all or (None) each its own.

    Without ``noise`` it is estimated from the images. Without ``prior`` every voxel's rates are expected as in its
    surroundings (see :mod:`voxel_prior`), or noise would bias what three or four images say.

    Raises
    ------
    KineticsError
        If there are fewer than 2 images (3 with free uptake; one less with a prior), or a prior without noise.
    """
    limits = _clearance_limits(series, shortest_half_life_h)
    if uptake_half_life_h is None:
        uptake: float | tuple[float, float] = (limits[0] * 1.05, math.log(2.0) / SHORTEST_UPTAKE_HALF_LIFE_H)
    else:
        shortest = math.log(2.0) / limits[1]
        if not 0.0 < uptake_half_life_h < shortest:
            raise KineticsError(
                f"The uptake half-life must lie between 0 and the shortest clearance half-life of "
                f"{shortest:g} h, but it is {uptake_half_life_h:g} h."
            )
        uptake = math.log(2.0) / uptake_half_life_h
    curve = Curve(series.times_h, limits, uptake)
    if noise is None and prior is None:
        return _by_surroundings(series, curve, None, "uptake and clearance")
    return _fitted(series, curve, noise, prior, "uptake and clearance")


def _clearance_limits(series: VoxelSeries, shortest_half_life_h: float | None) -> tuple[float, float]:
    physical = series.nuclide.half_life_h
    if shortest_half_life_h is None:
        shortest_half_life_h = min(SHORTEST_HALF_LIFE_H, SHORTEST_OF_PHYSICAL * physical)
    if not 0.0 < shortest_half_life_h < physical:
        raise KineticsError(
            f"The shortest half-life must lie between 0 and the physical one of {physical:g} h, but it is "
            f"{shortest_half_life_h:g} h."
        )
    return math.log(2.0) / physical, math.log(2.0) / shortest_half_life_h


def _require_points(series: VoxelSeries, needed: int) -> None:
    if series.times_h.size < needed:
        raise KineticsError(f"This model needs at least {needed} images, but there are {series.times_h.size}.")


def _fitted(
    series: VoxelSeries, curve: Curve, noise: VoxelNoise | None, prior: HalfLifePrior | None, method: str
) -> TiaMap:
    _require_points(series, 1 + curve.free_rates - (prior is not None))
    if prior is not None and noise is None:
        raise KineticsError("A prior needs the noise of the images, or nobody knows how much it weighs.")
    if noise is None:
        freedom = series.times_h.size - 1 - curve.free_rates
        return _mapped(series, curve, None, None, method, float(max(freedom, 1)))
    if prior is None:
        return _by_surroundings(series, curve, noise, method)
    half_life = np.broadcast_to(np.asarray(prior.half_life_h, dtype=np.float64), series.grid.shape).ravel()
    log_rate = np.log(math.log(2.0) / half_life)[None]
    stated = LocalPrior(log_rate, np.full(log_rate.shape, prior.spread))
    notes: tuple[str, ...] = ()
    if series.times_h.size > 1:
        one_rate = Curve(series.times_h, curve.clearance_per_h) if curve.free_rates == 2 else curve
        shared = shared_noise(series, one_rate, local_rates(series, one_rate))
        stated, share = checked(series, one_rate, stated, noise, shared)
        if share > 0:
            notes = (
                f"the half-lives expected beforehand are contradicted in {share:.0%} of the active voxels and were "
                "moved there to what the voxels around say",
            )
    found = _mapped(series, curve, noise, stated, method)
    return replace(found, notes=notes)


def _by_surroundings(series: VoxelSeries, curve: Curve, noise: VoxelNoise | None, method: str) -> TiaMap:
    """Priors of every voxel from the images themselves, and the noise where it is not given."""
    _require_points(series, 1 + curve.free_rates)
    log_rates = local_rates(series, curve)
    notes: tuple[str, ...] = (
        f"rates are expected as in the surroundings of {NEIGHBOURHOOD_mm:g} mm, as far as the voxels agree",
    )
    shared = shared_noise(series, curve, log_rates)
    if shared.fwhm_mm > 0:
        notes = (*notes, f"noise of neighbouring voxels is alike, as if blurred by {shared.fwhm_mm:g} mm")
    if noise is None:
        relative = relative_noise(series, curve, log_rates, shared)
        noise = VoxelNoise(relative, noise_floor(series, relative))
        notes = (f"noise of a voxel: {relative:.1%} of its activity, from the scatter around the curves", *notes)
    prior = with_spreads(series, curve, log_rates, noise, shared)
    return replace(_mapped(series, curve, noise, prior, method), notes=notes, noise_fwhm_mm=shared.fwhm_mm)


def _mapped(
    series: VoxelSeries,
    curve: Curve,
    noise: VoxelNoise | None,
    prior: LocalPrior | None,
    method: str,
    degrees_of_freedom: float = math.inf,
) -> TiaMap:
    """Fit all voxels with any activity, in chunks on all cores."""

    def integrate(values: np.ndarray, seen: np.ndarray, chosen: Chosen) -> Areas:
        if noise is None:
            w = np.ones((values.shape[0], 1)) if seen.all() else seen.astype(np.float64)
            found = fit(curve, values, w, scatter=True)
        else:
            known = prior.of(chosen) if prior is not None else None
            found = fit(curve, values, seen.astype(np.float64), known, variance=noise.variance)
        return found.area, found.u_area, math.log(2.0) / found.rates_per_h[0]

    curves = PIECE if noise is None and curve.uptake_per_h is None else _CHUNK
    return replace(_mapped_by_index(series, integrate, method, curves), degrees_of_freedom=degrees_of_freedom)


def _mapped_by_index(
    series: VoxelSeries,
    integrate: Callable[[np.ndarray, np.ndarray, Chosen], Areas],
    method: str,
    together: int,
) -> TiaMap:
    """Integrate all voxels with any activity, ``together`` at once, on all cores; ``integrate`` gives the values."""
    flat = series.activity_Bq_per_mL.reshape(series.times_h.size, -1)
    active = np.flatnonzero(_positive(flat))
    results = np.zeros((3, flat.shape[1]), dtype=np.float32)

    def work(voxels: np.ndarray) -> None:
        whole = voxels[-1] - voxels[0] + 1 == voxels.size
        chosen = slice(voxels[0], voxels[-1] + 1) if whole else voxels  # slices are copied faster
        values = flat[:, chosen].astype(np.float64)
        seen = np.isfinite(values)
        area, u_area, half_life_h = integrate(values if seen.all() else np.where(seen, values, 0.0), seen, chosen)
        results[0, chosen] = area * _MBQ_PER_BQ
        results[1, chosen] = u_area * _MBQ_PER_BQ
        results[2, chosen] = half_life_h

    if active.size:
        chunks = np.array_split(active, math.ceil(active.size / together))
        with ThreadPoolExecutor(thread_count()) as pool:
            list(pool.map(work, chunks))
    shape, quantity = series.grid.shape, "time-integrated activity concentration"
    return TiaMap(
        series.volume(results[0].reshape(shape), quantity, TIA_UNITS, method),
        series.volume(results[1].reshape(shape), f"standard uncertainty of {quantity}", TIA_UNITS, method),
        series.volume(results[2].reshape(shape), "effective half-life", "h", method),
    )


def _positive(flat: np.ndarray) -> np.ndarray:
    """Which voxels of images (t, n) have any activity."""
    found: np.ndarray = flat[0] > 0.0
    for image in flat[1:]:
        found |= image > 0.0
    return found
