"""Least-squares fits of many time-activity curves at once.

All curves share their times and differ in their values. The amplitude is linear and solved exactly for any rates
(variable projection, Golub and Pereyra 1973, doi:10.1137/0710036), so only one or two rates are searched: over a grid,
which finds the right valley for every curve, and then by a few Gauss-Newton steps. Rates are searched as logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STEPS = {1: 3, 2: 10}  # by free rates; three from the grid leave 1e-4 of the area at most
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
class Prior:
    """What is known of the logarithm of the clearance rate beforehand: its mean, (n,) or one, and its spread."""

    log_rate: np.ndarray
    spread: float


@dataclass(frozen=True, eq=False)
class Fits:
    """Of each curve, (n,): amplitude, rates (free rates, n), area in value times hours, its standard uncertainty."""

    amplitude: np.ndarray
    rates_per_h: np.ndarray
    area: np.ndarray
    u_area: np.ndarray


def fit(curve: Curve, values: np.ndarray, w: np.ndarray, prior: Prior | None = None, scatter: bool = False) -> Fits:
    """Fit ``curve`` to ``values`` (times, n) with weights ``w`` (times, n) or (times, 1), 0 for a missing point.

    Weights are one over the variances. With ``scatter`` they are so but for a factor, which the misfit of each curve
    tells (NaN where it has no point to spare); a ``prior`` needs true variances, or it would have no scale.
    """
    rates = _best_of_grid(curve, values, w, prior)
    at = _point(curve, values, w, prior, rates)
    for _ in range(_STEPS[curve.free_rates]):
        rates = _stepped(curve, rates, at)
        at = _point(curve, values, w, prior, rates)
    variance = _variance(curve, rates, at)
    if scatter:
        spare = np.count_nonzero(w, axis=0) - 1 - curve.free_rates
        misfit = _dot(w * at.residual, at.residual)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.where(spare > 0, variance * misfit / spare, np.nan)
    area = at.amplitude * curve.integral(rates)[0]
    return Fits(at.amplitude, np.exp(rates), area, np.sqrt(np.maximum(variance, 0.0)))


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
    if prior is not None:
        slope[0] += (prior.log_rate - rates[0]) / prior.spread**2
        normal[0][0] += 1.0 / prior.spread**2
    return _Point(amplitude, information, residual, coupling, slope, normal)


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("tn,tn->n", first, second)


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
        if prior is not None:
            explained -= ((rate[0] - prior.log_rate) / prior.spread) ** 2
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


def _variance(curve: Curve, rates: np.ndarray, at: _Point) -> np.ndarray:
    """Variance of the areas from the curvature of the misfit; rates at a limit count as known."""
    area, area_slopes = curve.integral(rates)
    gradient = []
    for number, (low, high) in enumerate(curve.bounds()):
        free = (rates[number] > low) & (rates[number] < high) & (at.amplitude > 0.0)
        gradient.append(np.where(free, at.amplitude * area_slopes[number] - area * at.coupling[number], 0.0))
    if len(gradient) == 2:  # a rate that stands still must not lend its uncertainty to the other
        still = (gradient[0] == 0.0) | (gradient[1] == 0.0)
        at.normal[0][1][still] = 0.0
        at.normal[1][0][still] = 0.0
    with np.errstate(over="ignore"):  # a curve that says nothing of its rates has an infinite uncertainty
        territory_overrides = _solved(at.normal, gradient)
        return area**2 / at.information + sum(g * move for g, move in zip(gradient, territory_overrides, strict=True))
