"""Restricted maximum likelihood of a linear model with two nested random effects, such as lobe within patient.

The deviance is profiled over coefficients and residual variance and minimised over the two ratios of variances, which
may be exactly zero: D. Bates et al., doi:10.18637/jss.v067.i01. Sums over the groups are all that it needs, so that a
fit takes milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from PRRTUptakeLib.statistics.errors import ModelFitError

if TYPE_CHECKING:
    from collections.abc import Callable

_START_RATIOS = (0.0, *np.geomspace(1e-3, 1e3, 13).tolist())  # of variances, against the residual's
_FLAT, _GRADIENT = 1e-9, 1e-3  # deviances nearer than this are equal; largest slope per log ratio at an optimum


@dataclass(frozen=True, eq=False, kw_only=True)
class NestedFit:
    """A fit: coefficients (p,), their covariance (p, p), standard deviations, REML deviance, and its verification.

    ``converged`` says that the deviance was found level (or, at zero, rising) in both ratios at the reported place.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    sd_outer: float
    sd_inner: float
    sd_residual: float
    deviance: float
    converged: bool


class NestedData:
    """Values with their design, in groups (``outer``) of groups (``inner``).

    Parameters
    ----------
    values : shape (n,).
    design : shape (n, p), of full rank, p below n.
    outer, inner : shape (n,), labels of the groups; rows of one inner group share their outer group.
    with_inner : estimate the scatter between inner groups; impossible where each has one row.

    Raises
    ------
    ModelFitError
        If the design is not of full rank, or nothing is left for the residual.
    """

    def __init__(
        self, values: np.ndarray, design: np.ndarray, outer: np.ndarray, inner: np.ndarray, with_inner: bool = True
    ) -> None:
        self.n, self.p = design.shape
        if self.n <= self.p or np.linalg.matrix_rank(design) < self.p:
            raise ModelFitError(
                f"{self.n} values do not determine {self.p} coefficients: perhaps one cycle has one lobe only."
            )
        joined = np.column_stack([design, values]).astype(np.float64)
        # A constant that is taken from the values changes no deviance and keeps the sums accurate.
        joined[:, -1] -= values.mean()
        self.with_inner, self._centre = with_inner, float(values.mean())
        self._intercept = np.linalg.lstsq(design, np.ones(self.n), rcond=None)[0]
        cells, where = np.unique(np.column_stack([outer, inner]), axis=0, return_inverse=True)
        where = where.reshape(-1)
        groups, self._group = np.unique(cells[:, 0], return_inverse=True)
        self._size = np.bincount(where).astype(np.float64)
        self._sums = np.zeros((len(cells), self.p + 1))
        np.add.at(self._sums, where, joined)
        self._groups, self._joined, self._cross = len(groups), joined, joined.T @ joined
        if self._left_over(joined, where) < 1e-20 * max(self._cross[-1, -1], np.finfo(float).tiny):
            raise ModelFitError("The values have no scatter left after lobes and cycles: the model has no residual.")

    def _left_over(self, joined: np.ndarray, where: np.ndarray) -> float:
        """Sum of squares that neither coefficients nor group means explain."""
        cells = where if self.with_inner else self._group[where]
        dummies = (cells[:, None] == np.unique(cells)[None]).astype(np.float64)
        full = np.column_stack([joined[:, :-1], dummies])
        rest = joined[:, -1] - full @ np.linalg.lstsq(full, joined[:, -1], rcond=None)[0]
        return float(rest @ rest)

    def weighted(self, ratios: tuple[float, float]) -> tuple[np.ndarray, float]:
        """Cross products (p + 1, p + 1) of design and values in the metric of the variances, and their log-determinant.

        ``ratios`` are the variances between outer and between inner groups over the residual variance.
        """
        outer, inner = ratios
        shrunk = 1.0 / (1.0 + inner * self._size)
        cross = self._cross - (self._sums * (inner * shrunk)[:, None]).T @ self._sums
        tops = np.zeros((self._groups, self.p + 1))
        np.add.at(tops, self._group, self._sums * shrunk[:, None])
        weight = np.bincount(self._group, self._size * shrunk)
        cross = cross - (tops * (outer / (1.0 + outer * weight))[:, None]).T @ tops
        return cross, float(-np.log(shrunk).sum() + np.log1p(outer * weight).sum())

    def solve(self, ratios: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Coefficients of the centred values, inverse cross product (p, p), residual squares, log-determinant."""
        cross, log_determinant = self.weighted(ratios)
        inverse = np.linalg.inv(cross[:-1, :-1])
        coefficients = inverse @ cross[:-1, -1]
        rest = float(cross[-1, -1] - cross[:-1, -1] @ coefficients)
        return coefficients, inverse, max(rest, np.finfo(float).tiny), log_determinant

    def reml(self, ratios: tuple[float, float]) -> float:
        """REML deviance (-2 log likelihood) profiled over coefficients and residual variance."""
        _, inverse, rest, log_determinant = self.solve(ratios)
        free = self.n - self.p
        spread = -float(np.linalg.slogdet(inverse)[1])
        return float(log_determinant + spread + free * (1.0 + math.log(2.0 * math.pi * rest / free)))

    def likelihood(self, ratios: tuple[float, float]) -> float:
        """Deviance of full maximum likelihood, profiled likewise: for the likelihood of a coefficient."""
        _, _, rest, log_determinant = self.solve(ratios)
        return log_determinant + float(self.n) * (1.0 + math.log(2.0 * math.pi * rest / self.n))

    def without(self, column: int, coefficient: float) -> NestedData:
        """The same data with one coefficient held at a value."""
        other = object.__new__(NestedData)
        other.__dict__.update(self.__dict__)
        keep = [n for n in range(self.p + 1) if n != column]
        shift = np.eye(self.p + 1)
        shift[column, -1] = -(coefficient - self._centre * self._intercept[column])
        other.p = self.p - 1
        other._joined, other._sums = (self._joined @ shift)[:, keep], (self._sums @ shift)[:, keep]
        other._cross = other._joined.T @ other._joined
        return other

    def result(self, ratios: tuple[float, float], converged: bool) -> NestedFit:
        """The fit at given ratios."""
        centred, inverse, rest, _ = self.solve(ratios)
        residual = rest / (self.n - self.p)
        return NestedFit(
            coefficients=centred + self._centre * self._intercept,
            covariance=residual * inverse,
            sd_outer=math.sqrt(ratios[0] * residual),
            sd_inner=math.sqrt(ratios[1] * residual),
            sd_residual=math.sqrt(residual),
            deviance=self.reml(ratios),
            converged=converged,
        )


def fit_nested(data: NestedData) -> NestedFit:
    """Minimise the REML deviance over both ratios of variances, zero included.

    Examples
    --------
    >>> values = np.array([1.0, 1.2, 2.0, 2.1, 0.4, 0.7, 1.1, 1.5])
    >>> effect = np.array([0, 0, 1, 1, 0, 0, 1, 1.0])
    >>> outer = np.repeat([0, 1], 4)
    >>> fit = fit_nested(NestedData(values, np.column_stack([np.ones(8), effect]), outer, effect))
    >>> fit.coefficients.round(3).tolist(), fit.sd_inner, fit.converged
    ([0.825, 0.85], 0.0, True)
    """
    ratios = minimum(data.reml, data.with_inner)
    return data.result(ratios, _is_minimum(data.reml, ratios, data.with_inner))


def minimum(
    deviance: Callable[[tuple[float, float]], float], with_inner: bool, near: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Ratios of variances with the least deviance: a grid first (or ``near``), then the inside and the edges."""
    inner = _START_RATIOS if with_inner else (0.0,)
    best = near or min(((one, other) for one in _START_RATIOS for other in inner), key=deviance)
    start = (math.sqrt(max(best[0], 1e-4)), math.sqrt(max(best[1], 1e-4)) if with_inner else 0.0)
    edges = [_along(lambda root: deviance((root**2, 0.0)), start[0])]
    found: list[tuple[float, float]] = [(0.0, 0.0), (edges[0] ** 2, 0.0)]
    if with_inner:
        found.append((0.0, _along(lambda root: deviance((0.0, root**2)), start[1]) ** 2))
        inside = optimize.minimize(
            lambda root: deviance((root[0] ** 2, root[1] ** 2)),
            start,
            method="Nelder-Mead",
            bounds=[(0.0, None), (0.0, None)],
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000},
        ).x
        found.append((float(inside[0]) ** 2, float(inside[1]) ** 2))
    # Where a variance changes nothing it is zero: edges come before the inside.
    least = min(deviance(one) for one in found)
    return next(one for one in found if deviance(one) <= least + _FLAT)


def _along(deviance: Callable[[float], float], start: float) -> float:
    logs = optimize.minimize_scalar(
        lambda log_root: deviance(math.exp(log_root)),
        bounds=(math.log(start) - 6.0, math.log(start) + 6.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return math.exp(float(logs.x))


def _is_minimum(
    deviance: Callable[[tuple[float, float]], float], ratios: tuple[float, float], with_inner: bool
) -> bool:
    """Whether the deviance is level at ratios above zero, and does not fall from those at zero."""
    step = 1e-4
    for n in range(2 if with_inner else 1):
        ends = []
        for move in (step, -step):
            moved = list(ratios)
            moved[n] = ratios[n] * math.exp(move) if ratios[n] > 0 else max(move, 0.0) * 1e-2
            ends.append(deviance((moved[0], moved[1])))
        if ratios[n] > 0 and abs(ends[0] - ends[1]) / (2.0 * step) > _GRADIENT:
            return False
        if ratios[n] == 0 and ends[0] < ends[1] - _FLAT:
            return False
    return True


def satterthwaite(data: NestedData, fit: NestedFit, column: int) -> float:
    """Satterthwaite's degrees of freedom of one coefficient (R. Fai and P. Cornelius, doi:10.1080/00949659608811740).

    Variances at zero count as known to be zero, as lmerTest has it (doi:10.18637/jss.v082.i13). They are at least 1: a
    variance close to zero has a likelihood that no parabola describes, and gave 0.02 to 1, with bounds of any size.
    """
    variances = np.array([fit.sd_residual, fit.sd_outer, fit.sd_inner]) ** 2
    free = np.flatnonzero(variances > 0)

    def at(logs: np.ndarray) -> tuple[float, float]:
        now = variances.copy()
        now[free] = variances[free] * np.exp(logs)
        _, inverse, rest, log_determinant = data.solve((now[1] / now[0], now[2] / now[0]))
        left = data.n - data.p
        total = log_determinant - float(np.linalg.slogdet(inverse)[1]) + left * math.log(2 * math.pi * now[0])
        return total + rest / now[0], now[0] * float(inverse[column, column])

    step, size = 1e-3, free.size
    steps = step * np.eye(size)
    gradient = np.array([(at(one)[1] - at(-one)[1]) / (2 * step) for one in steps])
    hessian = np.empty((size, size))
    for i, one in enumerate(steps):
        for j, other in enumerate(steps):
            ends = at(one + other)[0] - at(one - other)[0] - at(other - one)[0] + at(-one - other)[0]
            hessian[i, j] = ends / (4 * step**2)
    spread = 2.0 * float(gradient @ np.linalg.pinv(hessian) @ gradient)
    return max(1.0, float(2.0 * fit.covariance[column, column] ** 2 / spread)) if spread > 0 else math.inf


def profile_interval(data: NestedData, column: int, rise: float) -> tuple[float, float]:
    """Values of a coefficient at which the deviance, fitted anew in all else, is ``rise`` above its least.

    A rise of 3.84 gives the 95 % interval of large samples; full maximum likelihood is used, since REML deviances with
    different designs do not compare.
    """
    ratios = minimum(data.likelihood, data.with_inner)
    _, inverse, rest, _ = data.solve(ratios)
    best = float(data.result(ratios, True).coefficients[column])
    floor, error = data.likelihood(ratios), math.sqrt(rest / data.n * float(inverse[column, column]))

    def surplus(value: float) -> float:
        held = data.without(column, value)
        return held.likelihood(minimum(held.likelihood, held.with_inner, near=ratios)) - floor - rise

    ends = []
    for sign in (-1.0, 1.0):
        reach = 2.0 * error
        while surplus(best + sign * reach) < 0:
            reach *= 1.6
            if reach > 1e3 * error:
                return -math.inf, math.inf
        ends.append(float(optimize.brentq(lambda off, s=sign: surplus(best + s * off), 0.0, reach, xtol=1e-7)))
    return best - ends[0], best + ends[1]


def calibrated_rise(confidence: float, degrees: float) -> float:
    """The rise at which the profile of a mean with ``degrees`` is Student's interval, instead of that of large samples.

    n log(1 + t^2 / (n - 1)) with n - 1 degrees of freedom, the likelihood ratio of a normal mean.
    """
    t = float(stats.t.ppf(0.5 + confidence / 2.0, degrees))
    return (degrees + 1.0) * math.log1p(t**2 / degrees)
