"""Mono-exponential fits of very many curves with weights that are known beforehand: `voxel_fits.fit`, in few sums.

With E = exp(-l t) and the amplitude A at its best, everything that a Gauss-Newton step for log l needs is in the sums
of w E v, w t E v, w E^2, w t E^2 and w t^2 E^2 over the times: the Jacobian less what the amplitude would do as well
is A l times the part of -t E across E (Kaufman's form of variable projection, BIT 1975;15:49, doi:10.1007/BF01932995).
Times count from the first one, which changes only the amplitude, so that no digits cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PRRTDosimetryLib.kinetics.voxel_fits import Curve

_LEAST = 1e-300
_FURTHEST_STEP = 0.5  # of the logarithm of a rate
_ROUNDING = 1e-12  # what is left of a difference of sums that should be 0
PIECE = 32768  # curves fitted at a time: between shorter steps threads wait for each other, longer ones leave the cache
_PRODUCT = 4096  # curves multiplied at a time: larger products wake BLAS's threads, which fight with ours


@dataclass(frozen=True, eq=False)
class Clearance:
    """Of each curve, (n,): logarithm of the rate, amplitude at time 0, area, its variance if 1/w are variances.

    ``misfit`` is the sum of w times the squared residuals.
    """

    log_rate: np.ndarray
    amplitude: np.ndarray
    area: np.ndarray
    variance: np.ndarray
    misfit: np.ndarray


def fit_clearance(curve: Curve, values: np.ndarray, w: np.ndarray, steps: int) -> Clearance:
    """Fit A exp(-l t) to ``values`` (times, n) with weights ``w`` (times, n) or (times, 1), from a grid of rates on."""
    count, tried = values.shape[1], curve.grid()[0]
    ((low, high),) = curve.bounds()
    result = np.empty((5, count))
    arrays = np.empty((3, *values.shape[:1], min(count, PIECE)))
    for start in range(0, count, PIECE):
        part = slice(start, start + PIECE)
        given = _Given.of(curve.times_h, values[:, part], w if w.shape[1] == 1 else w[:, part], arrays)
        log_rate = _best_of_grid(given, tried)
        for _ in range(steps):
            change = _Sums.of(given, np.exp(log_rate)).change()
            log_rate += np.clip(change, -_FURTHEST_STEP, _FURTHEST_STEP, out=change)
            np.clip(log_rate, low, high, out=log_rate)
        result[0, part] = log_rate
        result[1:, part] = _at(given, _Sums.of(given, np.exp(log_rate)), curve.times_h[0])
    return Clearance(*result)


@dataclass(frozen=True, eq=False)
class _Given:
    """Values and weights, and what every step needs of them: w v, with times (t,) from the first one on.

    ``shape`` and ``products`` (t, n) are room that each step writes to.
    """

    times: np.ndarray
    values: np.ndarray
    w: np.ndarray
    weighted: np.ndarray
    powers: np.ndarray  # (3, t): 1, t and t^2
    shape: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, times_h: np.ndarray, values: np.ndarray, w: np.ndarray, arrays: np.ndarray) -> _Given:
        times = times_h - times_h[0]
        weighted, shape, products = arrays[:, :, : values.shape[1]]
        np.multiply(w, values, out=weighted)
        powers = np.stack([np.ones_like(times), times, times**2])
        shape[0] = 1.0
        return cls(times, values, w, weighted, powers, shape, products)

    def curves(self, rate: np.ndarray) -> np.ndarray:
        """The curves of unit amplitude at the first time, (t, n)."""
        later = self.shape[1:]
        np.multiply(-self.times[1:, None], rate, out=later)
        np.exp(later, out=later)
        return self.shape

    def sums_of_values(self) -> np.ndarray:
        """Sums of w E v and w t E v of the curves E made last, (2, n)."""
        np.multiply(self.shape, self.weighted, out=self.products)
        return _product(self.powers[:2], self.products)

    def sums_of_squares(self) -> np.ndarray:
        """Sums of w E^2, w t E^2 and w t^2 E^2 of the curves E made last, (3, n)."""
        np.multiply(self.shape, self.shape, out=self.products)
        if self.w.shape[1] == 1:
            return _product(self.powers * self.w[:, 0], self.products)
        np.multiply(self.products, self.w, out=self.products)
        return _product(self.powers, self.products)


def _product(matrix: np.ndarray, many: np.ndarray) -> np.ndarray:
    result = np.empty((len(matrix), many.shape[1]))
    for start in range(0, many.shape[1], _PRODUCT):
        part = slice(start, start + _PRODUCT)
        np.matmul(matrix, many[:, part], out=result[:, part])
    return result


@dataclass(frozen=True, eq=False)
class _Sums:
    """At one rate of every curve: sums over the times, (n,), and the amplitude at the first time."""

    rate: np.ndarray
    amplitude: np.ndarray
    timed_value: np.ndarray  # w t E v
    squares: np.ndarray  # w E^2
    timed: np.ndarray  # w t E^2
    across: np.ndarray  # w t^2 E^2, less what is along E

    @classmethod
    def of(cls, given: _Given, rate: np.ndarray) -> _Sums:
        given.curves(rate)
        value, timed_value = given.sums_of_values()
        squares, timed, twice_timed = given.sums_of_squares()
        np.maximum(squares, _LEAST, out=squares)
        amplitude = np.divide(value, squares, out=value)
        np.maximum(amplitude, 0.0, out=amplitude)
        along = timed * timed
        along /= squares
        across = np.subtract(twice_timed, along, out=along)
        across[across < _ROUNDING * twice_timed] = 0.0
        return cls(rate, amplitude, timed_value, squares, timed, across)

    def change(self) -> np.ndarray:
        """The Gauss-Newton step of the logarithm of the rate; none where the curve says nothing of it."""
        missing = self.amplitude * self.timed - self.timed_value
        scale = self.amplitude * self.rate * self.across
        scale[~(scale > 0.0)] = np.inf
        change: np.ndarray = np.divide(missing, scale, out=missing)
        return change


def _at(given: _Given, sums: _Sums, first_h: float) -> tuple[np.ndarray, ...]:
    """Amplitude at time 0, area from then on and its variance, and the misfit, at the rate of ``sums``."""
    residual = np.multiply(given.shape, sums.amplitude, out=given.shape)
    np.subtract(given.values, residual, out=residual)
    misfit = np.einsum("tn,tn->n", np.multiply(given.w, residual, out=given.products), residual)
    back = np.exp(first_h * sums.rate)  # from the first time to time 0
    area_of_one = back / sums.rate
    # Of log(area) by the logarithm of the rate: by itself, and by the amplitude that goes with it.
    slope = (first_h * sums.rate - 1.0 + sums.rate * sums.timed / sums.squares) * area_of_one / sums.rate
    slope *= sums.amplitude > 0.0
    with np.errstate(over="ignore"):  # a curve that says nothing of its rate: infinite
        variance = area_of_one * area_of_one / sums.squares + slope * slope / np.maximum(sums.across, _LEAST)
    return sums.amplitude * back, sums.amplitude * area_of_one, variance, misfit


def _best_of_grid(given: _Given, tried: np.ndarray) -> np.ndarray:
    """Logarithm of the rate of the grid that leaves the least misfit: whose curve is most like the values."""
    shapes = np.exp(-given.times * np.exp(tried)[:, None])
    shared = given.w.shape[1] == 1
    if shared:
        shapes /= np.sqrt(shapes**2 @ given.w)
    best = np.zeros(given.values.shape[1])
    chosen = np.zeros(best.shape, dtype=np.int8)
    for number, like in enumerate(_product(shapes, given.weighted)):
        if not shared:
            like /= np.sqrt(np.maximum(np.einsum("t,tn->n", shapes[number] ** 2, given.w), _LEAST))
        np.maximum(chosen, np.int8(number) * (like > best), out=chosen)  # numbers rise: the last that was better
        np.maximum(best, like, out=best)
    found: np.ndarray = tried[chosen]
    return found
