"""Least-squares fits of many time-activity curves at once.

All curves share their times and differ in their values. The amplitude is linear and solved exactly for any rates
(variable projection, Golub and Pereyra 1973, doi:10.1137/0710036), so only one or two rates are searched: over a grid,
which finds the right valley for every curve, and then by a few Gauss-Newton steps. Rates are searched as logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.voxel_clearance import fit_clearance

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = {1: 3, 2: 10}  # by free rates; three from the grid leave 1e-4 of the area at most
_REWEIGHTED_STEPS = 2  # more where the weights change with the fit
_CLOSEST_RATES = 1.05  # uptake must be faster than clearance, or the two exponentials cancel


@dataclass(frozen=True, eq=False)
class Curve:
    """A exp(-l1 t), or A (exp(-l1 t) - exp(-l2 t)), with l1 in ``clearance_per_h``.

    ``uptake_per_h`` is None without uptake, one number for an uptake rate common to all curves, or a pair of limits
    for a rate of each curve's own.
    """

    times_h: np.ndarray
    clearance_per_h: tuple[float, float]
    uptake_per_h: float | tuple[float, float] | None = None

    @property
    def free_rates(self) -> int:
        """How many rates each curve has of its own."""
        return 2 if isinstance(self.uptake_per_h, tuple) else 1

    def bounds(self) -> list[tuple[float, float]]:
        """Limits of the logarithms of the free rates."""
        limits = [self.clearance_per_h]
        if isinstance(self.uptake_per_h, tuple):
            limits.append(self.uptake_per_h)
        return [(float(np.log(low)), float(np.log(high))) for low, high in limits]

    def grid(self) -> np.ndarray:
        """Logarithms of rates to try first, (free rates, combinations)."""
        bounds = self.bounds()
        counts = (12,) if len(bounds) == 1 else (16, 12)
        axes = [np.linspace(low, high, count) for (low, high), count in zip(bounds, counts, strict=True)]
        tried = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])
        return tried if len(bounds) == 1 else tried[:, tried[1] > tried[0] + np.log(_CLOSEST_RATES)]

    def shape(self, log_rates: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The curve of unit amplitude (times, n) and its derivatives by each logarithm of a rate."""
        times = self.times_h[:, None]
        scaled = times * np.exp(log_rates[0])
        clearance = np.exp(-scaled)
        derivatives = [-scaled * clearance]
        if self.uptake_per_h is None:
            return clearance, derivatives
        if not isinstance(self.uptake_per_h, tuple):
            return clearance - np.exp(-times * self.uptake_per_h), derivatives
        scaled = times * np.exp(log_rates[1])
        uptake = np.exp(-scaled)
        return clearance - uptake, [*derivatives, scaled * uptake]

    def integral(self, log_rates: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Area under the curve of unit amplitude from 0 on, in hours, and its derivatives by the logarithms."""
        area = np.exp(-log_rates[0])
        derivatives = [-area]
        if self.uptake_per_h is None:
            return area, derivatives
        if not isinstance(self.uptake_per_h, tuple):
            return area - 1.0 / self.uptake_per_h, derivatives
        uptake = np.exp(-log_rates[1])
        return area - uptake, [*derivatives, uptake]


@dataclass(frozen=True, eq=False)
class UncertainMeans:
    """How uncertain rates are that smoothed images gave, and what they share with each voxel's own noise.

    Attributes
    ----------
    with_own, smoothed : covariance of the smoothed noise with the voxel's, and its variance, over the variance of a
        voxel; shape (n,) or one number each.
    information : of the smoothed images' typical voxel on the clearance's logarithm, (n,).
    weak : information on the logarithms of the rates that the smoothed images' fit took from a weak prior.
    """

    with_own: np.ndarray | float
    smoothed: np.ndarray | float
    information: np.ndarray
    weak: tuple[float, ...] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known of the logarithms of the rates beforehand: their means and spreads.

    Attributes
    ----------
    log_rate, spread : of the clearance, shape (n,) or one number.
    uptake_log_rate, uptake_spread : of an uptake rate of each curve's own, likewise; None where nothing is known.
    surroundings : the error of the means, where these are from the same images; None where they are known.
    """

    log_rate: np.ndarray | float
    spread: np.ndarray | float
    uptake_log_rate: np.ndarray | float | None = None
    uptake_spread: np.ndarray | float = 1.0
    surroundings: UncertainMeans | None = None

    def rows(self, free_rates: int) -> list[tuple[int, np.ndarray | float, np.ndarray | float]]:
        """Which rate, its mean and its spread."""
        found: list[tuple[int, np.ndarray | float, np.ndarray | float]] = [(0, self.log_rate, self.spread)]
        if free_rates == 2 and self.uptake_log_rate is not None:
            found.append((1, self.uptake_log_rate, self.uptake_spread))
        return found


@dataclass(frozen=True, eq=False)
class Fits:
    """Of each curve, (n,): amplitude, rates (free rates, n), area in value times hours, its standard uncertainty."""

    amplitude: np.ndarray
    rates_per_h: np.ndarray
    area: np.ndarray
    u_area: np.ndarray


def fit(
    curve: Curve,
    values: np.ndarray,
    w: np.ndarray,
    prior: Prior | None = None,
    scatter: bool = False,
    variance: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Fits:
    """Fit ``curve`` to ``values`` (times, n) with weights ``w`` (times, n) or (times, 1), 0 for a missing point.

    Weights are one over the variances. With ``scatter`` they are so but for a factor, which follows from the misfit of
    each curve (NaN where it has no point to spare); a ``prior`` needs true variances, or it would have no scale. With
    ``variance``, a function of the activity, the weights are 1/variance of the fitted activity where ``w`` is not 0:
    with the measured one, points that are low by chance would weigh more and the areas would be too small.
    """
    if variance is None and prior is None and curve.uptake_per_h is None:
        found = fit_clearance(curve, values, w, _STEPS[1])
        u_squared = _by_scatter(curve, w, found.variance, found.misfit) if scatter else found.variance
        return Fits(found.amplitude, np.exp(found.log_rate)[None], found.area, np.sqrt(u_squared))
    rates = _best_of_grid(curve, values, w if variance is None else _first_weights(values, w, variance), prior)
    weights = w
    if variance is not None:
        weights = _fitted_weights(curve, values, w, rates, variance)
    at = _point(curve, values, weights, prior, rates)
    for _ in range(_STEPS[curve.free_rates] + (_REWEIGHTED_STEPS if variance is not None else 0)):
        rates = _stepped(curve, rates, at)
        if variance is not None:  # amplitudes hardly change any more
            weights = (w > 0) / variance(at.amplitude * curve.shape(rates)[0])
        at = _point(curve, values, weights, prior, rates)
    u_squared = _variance(curve, rates, at, prior)
    if scatter:
        u_squared = _by_scatter(curve, w, u_squared, _dot(weights * at.residual, at.residual))
    area = at.amplitude * curve.integral(rates)[0]
    return Fits(at.amplitude, np.exp(rates), area, np.sqrt(np.maximum(u_squared, 0.0)))


def _by_scatter(curve: Curve, w: np.ndarray, variance: np.ndarray, misfit: np.ndarray) -> np.ndarray:
    """Variance of each area where the weights are right but for a factor, which its own misfit shows; else NaN."""
    spare = np.count_nonzero(w, axis=0) - 1 - curve.free_rates
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(spare > 0, variance * misfit / spare, np.nan)
    return found


def score(
    curve: Curve,
    values: np.ndarray,
    seen: np.ndarray,
    log_rates: np.ndarray,
    variance: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Slope of the log likelihood by each logarithm of a rate and its expected square, shape (free rates, n) each."""
    weights = _fitted_weights(curve, values, seen.astype(np.float64), log_rates, variance)
    at = _point(curve, values, weights, None, log_rates)
    return np.stack(at.slope), np.stack([at.normal[n][n] for n in range(curve.free_rates)])


def information(
    curve: Curve,
    values: np.ndarray,
    seen: np.ndarray,
    log_rates: np.ndarray,
    variance: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Expected information on the logarithms of the rates, the amplitude being free, shape (n, 1, 1) or (n, 2, 2)."""
    weights = _fitted_weights(curve, values, seen.astype(np.float64), log_rates, variance)
    return np.moveaxis(np.array(_point(curve, values, weights, None, log_rates).normal), -1, 0)


def residuals(
    curve: Curve,
    values: np.ndarray,
    seen: np.ndarray,
    log_rates: np.ndarray,
    variance: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Residuals over the standard deviation of the fitted activity at given rates, shape (times, n)."""
    weights = _fitted_weights(curve, values, seen.astype(np.float64), log_rates, variance)
    found: np.ndarray = np.sqrt(weights) * _point(curve, values, weights, None, log_rates).residual
    return found


def misfit(
    curve: Curve,
    values: np.ndarray,
    seen: np.ndarray,
    log_rates: np.ndarray,
    variance: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Squared residuals over the variance of the fitted activity at given rates, the amplitude being free, (n,)."""
    found = residuals(curve, values, seen, log_rates, variance)
    return _dot(found, found)


def _first_weights(values: np.ndarray, w: np.ndarray, variance: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Weights before any fit: by each curve's mean over the times, of which noise is the least part."""
    count = np.maximum(np.count_nonzero(w * np.ones_like(values), axis=0), 1)
    mean = np.maximum((values * (w > 0)).sum(axis=0) / count, 0.0)
    weights: np.ndarray = (w > 0) / variance(mean)
    return weights


def _fitted_weights(
    curve: Curve,
    values: np.ndarray,
    w: np.ndarray,
    rates: np.ndarray,
    variance: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Weights by the curve at given rates, its amplitude by two rounds of weighted least squares."""
    shape, _ = curve.shape(rates)
    seen = (w > 0) * np.ones_like(values)
    weights: np.ndarray = seen / np.maximum(variance(np.maximum(shape, 0.0)), 1e-300)
    for _ in range(2):
        weighted = weights * shape
        amplitude = np.maximum(_dot(weighted, values) / np.maximum(_dot(weighted, shape), 1e-300), 0.0)
        weights = seen / variance(amplitude * shape)
    return weights


@dataclass(frozen=True, eq=False)
class _Point:
    """The misfit of every curve near some rates, the amplitude already at its best for them."""

    amplitude: np.ndarray
    information: np.ndarray  # of the amplitude alone
    residual: np.ndarray
    coupling: list[np.ndarray]  # change of the amplitude for a change of each logarithm
    slope: list[np.ndarray]
    normal: list[list[np.ndarray]]


def _point(curve: Curve, values: np.ndarray, w: np.ndarray, prior: Prior | None, rates: np.ndarray) -> _Point:
    """Kaufman's Jacobian: the derivatives of the curve, less what a change of the amplitude would do as well."""
    shape, derivatives = curve.shape(rates)
    weighted = w * shape
    information = np.maximum(_dot(weighted, shape), 1e-300)
    amplitude = np.maximum(_dot(weighted, values) / information, 0.0)
    residual = values - amplitude * shape
    coupling = [amplitude * _dot(weighted, d) / information for d in derivatives]
    jacobian = [amplitude * d - shape * share for d, share in zip(derivatives, coupling, strict=True)]
    slope = [_dot(w * d, residual) for d in jacobian]
    normal = [[_dot(w * first, second) for second in jacobian] for first in jacobian]
    for row, mean, spread in prior.rows(len(rates)) if prior is not None else ():
        slope[row] += (mean - rates[row]) / spread**2
        normal[row][row] += 1.0 / spread**2
    return _Point(amplitude, information, residual, coupling, slope, normal)


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.einsum("tn,tn->n", first, second)
    return result


def _best_of_grid(curve: Curve, values: np.ndarray, w: np.ndarray, prior: Prior | None) -> np.ndarray:
    """The rates of the grid that leave the least misfit: that explain the most."""
    tried = curve.grid()
    shapes, _ = curve.shape(tried)
    weighted = w * values
    best = np.full(values.shape[1], -np.inf)
    chosen = np.zeros(values.shape[1], dtype=np.intp)
    for number, (rate, shape) in enumerate(zip(tried.T, shapes.T, strict=True)):  # BLAS's threads would fight with ours
        explained = np.maximum(np.einsum("t,tn->n", shape, weighted), 0.0)
        explained *= explained
        explained /= np.maximum(np.einsum("t,tn->n", shape**2, w), 1e-300)
        for row, mean, spread in prior.rows(len(rate)) if prior is not None else ():
            explained -= ((rate[row] - mean) / spread) ** 2
        np.copyto(chosen, number, where=explained > best)
        np.maximum(best, explained, out=best)
    return tried[:, chosen]


def _stepped(curve: Curve, rates: np.ndarray, at: _Point) -> np.ndarray:
    """Rates after a Gauss-Newton step, inside the limits."""
    limited = [
        np.clip(rate + np.clip(change, -0.5, 0.5), low, high)
        for rate, change, (low, high) in zip(rates, _solved(at.normal, at.slope), curve.bounds(), strict=True)
    ]
    if len(limited) == 2:
        limited[1] = np.maximum(limited[1], limited[0] + np.log(_CLOSEST_RATES))
    return np.stack(limited)


def _solved(normal: list[list[np.ndarray]], right: list[np.ndarray]) -> list[np.ndarray]:
    """Solution of one or two equations per curve; no move where they say nothing."""
    if len(right) == 1:
        return [right[0] / np.maximum(normal[0][0], 1e-300)]
    (a, b), (_, d) = normal
    determinant = np.maximum(a * d * (1.0 + 1e-9) - b * b, 1e-300)
    return [(d * right[0] - b * right[1]) / determinant, (a * right[1] - b * right[0]) / determinant]


def _variance(curve: Curve, rates: np.ndarray, at: _Point, prior: Prior | None) -> np.ndarray:
    """Variance of the areas from the curvature of the misfit; rates at a limit count as known.

    The error of a prior's means that come from the surroundings is added, with what it shares with the voxel's noise.
    """
    area, area_slopes = curve.integral(rates)
    gradient = []
    for number, (low, high) in enumerate(curve.bounds()):
        free = at.amplitude > 0.0
        if number == 1:
            free = free & (rates[number] > low) & (rates[number] < high)
        gradient.append(np.where(free, at.amplitude * area_slopes[number] - area * at.coupling[number], 0.0))
    if len(gradient) == 2:  # a rate that does not move must not lend its uncertainty to the other
        still = (gradient[0] == 0.0) | (gradient[1] == 0.0)
        at.normal[0][1][still] = 0.0
        at.normal[1][0][still] = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # a curve that says nothing of its rates: infinite
        shifts = _solved(at.normal, gradient)
        result: np.ndarray = area**2 / at.information + sum(g * move for g, move in zip(gradient, shifts, strict=True))
        if prior is not None and prior.surroundings is not None:
            result += _variance_of_means(at.normal, shifts, prior, prior.surroundings)
    return result


def _variance_of_means(
    normal: list[list[np.ndarray]], shifts: list[np.ndarray], prior: Prior, error: UncertainMeans
) -> np.ndarray:
    """What the error of a prior's means adds to the variance of the areas.

    Rates are N^-1 (I e + P s), with information I of the voxel alone, P of the prior, N = I + P, and errors e of the
    voxel's own fit and s of the surroundings' rates. Both are fits to noise of one kind: with u = I e and the
    surroundings' information k I, s = (k I + W)^-1 sqrt(k) u', cov(u, u') = c1 I and cov(u', u') = c2 I.
    """
    rows = prior.rows(len(shifts))
    weight = {row: np.broadcast_to(1.0 / np.square(spread), shifts[0].shape) for row, _, spread in rows}
    zero = np.zeros_like(shifts[0])
    own = [
        [one - weight.get(a, zero) if a == b else one for b, one in enumerate(line)] for a, line in enumerate(normal)
    ]
    times = np.clip(error.information / np.maximum(own[0][0], 1e-300), 1.0, 1e6)
    theirs = [[times * one + (error.weak[a] if a == b else 0.0) for b, one in enumerate(r)] for a, r in enumerate(own)]
    pulled = _solved(theirs, [weight.get(row, zero) * shift for row, shift in enumerate(shifts)])
    turned = [sum((one * move for one, move in zip(line, pulled, strict=True)), zero) for line in own]
    with_own = sum((a * b for a, b in zip(shifts, turned, strict=True)), zero)
    alone = sum((a * b for a, b in zip(pulled, turned, strict=True)), zero)
    added: np.ndarray = 2.0 * error.with_own * np.sqrt(times) * with_own + error.smoothed * times * alone
    return np.asarray(np.maximum(added, 0.0))
