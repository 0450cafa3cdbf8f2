"""The search behind a fit: a scaled least-squares problem, starts from a grid, refinement by scipy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import minimum_filter

from PRRTDosimetryLib.kinetics.errors import FitError, KineticsError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.models import Model

    Floats = NDArray[np.float64]

_STARTS = 5  # deepest local minima of the grid that are refined
_FASTEST = 200.0  # largest rate, over the first time: exp(-200) is nothing, so faster cannot be distinguished
_FREE_OF_COST = 1e-6  # relative rise of the squared residuals that is none
_UNSEEN = 14.0  # rate over the first time from which uptake is over before it, to 1e-6


@dataclass(frozen=True)
class HalfLifePrior:
    """A population value of an effective half-life: its median and geometric standard deviation (log-normal)."""

    half_life_h: float
    geometric_sd: float

    def __post_init__(self) -> None:
        if not (self.half_life_h > 0 and self.geometric_sd > 1):
            raise KineticsError(
                f"A prior of {self.half_life_h:g} h with geometric standard deviation {self.geometric_sd:g} is not "
                "possible; the half-life must be above 0 h and the geometric standard deviation above 1."
            )


@dataclass(frozen=True)
class Priors:
    """Population values for the slowest free clearance phase and for uptake, each optional."""

    clearance: HalfLifePrior | None = None
    uptake: HalfLifePrior | None = None

    @property
    def count(self) -> int:
        """How many points the priors stand for."""
        return int(self.clearance is not None) + int(self.uptake is not None)


@dataclass(frozen=True, eq=False)
class Problem:
    """A least-squares problem in units of the largest activity and the last time, so that all numbers are near 1.

    Parameters are the shares of the phases, then the rate steps; all are at least 0, the steps at most ``fastest``.
    """

    model: Model
    time: Floats
    activity: Floats
    sigma: Floats
    physical: float
    unit_MBq: float
    unit_h: float
    prior_rows: tuple[tuple[int, HalfLifePrior], ...] = ()

    @classmethod
    def of(
        cls, curve: Curve, nuclide: Radionuclide, model: Model, sigma_MBq: Floats | None, priors: Priors | None = None
    ) -> Problem:
        """Scale a curve; uncertainties that are not known (None) become 1 unit."""
        unit_MBq = max(curve.activity_MBq)
        unit_h = max(curve.time_h[-1], 1e-3 * nuclide.half_life_h)
        rows: list[tuple[int, HalfLifePrior]] = []
        if priors is not None and priors.clearance is not None:
            rows.append((1 if model.physical_tail else 0, priors.clearance))
        if priors is not None and priors.uptake is not None:
            if not model.uptake:
                raise KineticsError(f"A prior on the uptake does not fit the model {model.name}, which has no uptake.")
            rows.append((model.phases, priors.uptake))
        return cls(
            model,
            np.array(curve.time_h) / unit_h,
            np.array(curve.activity_MBq) / unit_MBq,
            np.ones(len(curve.time_h)) if sigma_MBq is None else sigma_MBq / unit_MBq,
            nuclide.decay_constant_per_h * unit_h,
            unit_MBq,
            unit_h,
            tuple(rows),
        )

    @property
    def parameter_units(self) -> Floats:
        """Factors from scaled parameters to MBq h and 1/h."""
        steps = self.model.parameters - self.model.phases
        return np.array([self.unit_MBq * self.unit_h] * self.model.phases + [1 / self.unit_h] * steps)

    @property
    def sigma_MBq(self) -> Floats:
        """Uncertainties of the points in MBq."""
        return self.sigma * self.unit_MBq

    @property
    def first(self) -> float:
        """The first time after injection, scaled."""
        positive = self.time[self.time > 0]
        return float(positive[0]) if len(positive) else 1.0

    @property
    def fastest(self) -> float:
        """Largest rate step, scaled."""
        return _FASTEST / self.first

    def curve_MBq(self, parameters: Floats) -> Floats:
        """Activity of the model at the points, shape (..., n), for parameters of shape (..., k)."""
        shares, steps = np.split(parameters, [self.model.phases], axis=-1)
        curve: Floats = np.einsum("...np,...p->...n", self.model.shapes(self.time, steps, self.physical), shares)
        return curve * self.unit_MBq

    def residuals(self, parameters: Floats) -> Floats:
        """(model - measured) / sigma, then one for each prior, shape (..., points + priors)."""
        misfit = (self.curve_MBq(parameters) / self.unit_MBq - self.activity) / self.sigma
        return np.concatenate([misfit, self._prior_residuals(parameters[..., self.model.phases :])], axis=-1)

    def jacobian(self, parameters: Floats) -> Floats:
        """Derivatives of the residuals, shape (..., points + priors, k)."""
        shares, steps = np.split(parameters, [self.model.phases], axis=-1)
        rows = self.model.jacobian(self.time, shares, steps, self.physical) / self.sigma[:, None]
        if not self.prior_rows:
            return rows
        rates = self.model.rates(steps, self.physical)
        extra = np.zeros((*parameters.shape[:-1], len(self.prior_rows), self.model.parameters))
        for row, (index, prior) in enumerate(self.prior_rows):
            last = self.model.phases + index + int(not self.model.physical_tail)  # all steps up to this rate move it
            slope = -1 / (rates[..., index] * math.log(prior.geometric_sd))
            extra[..., row, self.model.phases : last] = slope[..., None]
        return np.concatenate([rows, extra], axis=-2)

    def is_free(self, parameters: Floats) -> NDArray[np.bool_]:
        """Which parameters are not at a bound."""
        free = parameters > 0
        free[self.model.phases :] &= parameters[self.model.phases :] < 0.99 * self.fastest
        return free

    @property
    def gap(self) -> int:
        """Index of the step from the slow to the fast clearance phase."""
        return self.model.phases + int(not self.model.physical_tail)

    def without_empty_phase(self, parameters: Floats) -> Floats:
        """The same curve with one clearance phase where two have collapsed: equal rates, or one without a share."""
        if self.model.phases == 1:
            return parameters
        merged, gap = parameters.copy(), self.gap
        if merged[gap] == 0 or merged[1] == 0:
            if self.model.uptake:
                merged[-1] += merged[gap]  # the uptake rate itself stays
            merged[:2], merged[gap] = (merged[0] + merged[1], 0.0), 0.0
        elif merged[0] == 0 and not self.model.physical_tail:
            merged[:4] = (merged[1], 0.0, merged[2] + merged[3], 0.0)
        return merged

    def _prior_residuals(self, steps: Floats) -> Floats:
        """ln(T / median) / ln(geometric sd) for each prior, shape (..., priors)."""
        rates = self.model.rates(steps, self.physical)
        columns = [
            np.log(math.log(2) / rates[..., index] * self.unit_h / prior.half_life_h) / math.log(prior.geometric_sd)
            for index, prior in self.prior_rows
        ]
        return np.stack(columns, axis=-1) if columns else np.zeros((*steps.shape[:-1], 0))

    def grid(self) -> tuple[Floats, Floats]:
        """Rate steps on a logarithmic grid, shape (..., steps), and the best parameters' cost there, shape (...)."""
        slow = np.concatenate([[0.0], np.geomspace(0.02, 10 / self.first, 13)])
        fast = np.geomspace(0.05, 0.3 * self.fastest, 14)
        axes = ([] if self.model.physical_tail else [slow]) + [fast] * (
            self.model.rate_steps - int(not self.model.physical_tail)
        )
        steps = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        shapes = self.model.shapes(self.time, steps, self.physical) / self.sigma[:, None]
        misfit = np.einsum("...np,...p->...n", shapes, best_shares(shapes, self.activity / self.sigma))
        misfit -= self.activity / self.sigma
        return steps, (misfit**2).sum(axis=-1) + (self._prior_residuals(steps) ** 2).sum(axis=-1)


def best_shares(shapes: Floats, target: Floats) -> Floats:
    """Non-negative shares that fit ``target`` best, in closed form for one or two shapes (..., n, 1 or 2)."""
    normal = np.einsum("...np,...nq->...pq", shapes, shapes)
    right = np.einsum("...np,n->...p", shapes, target)
    own = np.diagonal(normal, axis1=-2, axis2=-1)
    alone: Floats = np.maximum(right, 0) / np.where(own > 0, own, 1.0)
    if shapes.shape[-1] == 1:
        return alone
    gain = alone * right  # how much one shape alone lowers the cost
    single = np.where(gain == gain.max(axis=-1, keepdims=True), alone, 0.0)
    determinant = own[..., 0] * own[..., 1] - normal[..., 0, 1] ** 2
    regular = determinant > 1e-12 * own[..., 0] * own[..., 1]
    divisor = np.where(regular, determinant, 1.0)
    both = np.stack(
        [
            (own[..., 1] * right[..., 0] - normal[..., 0, 1] * right[..., 1]) / divisor,
            (own[..., 0] * right[..., 1] - normal[..., 0, 1] * right[..., 0]) / divisor,
        ],
        axis=-1,
    )
    usable = regular & np.all(both >= 0, axis=-1)
    shares: Floats = np.where(usable[..., None], both, single)
    return shares


def best_fit(problem: Problem, name: str, start: Floats | None = None) -> Floats:
    """Scaled parameters (n,) of the least squares, refined from ``start`` (n,) or from the deepest minima of the grid.

    Raises
    ------
    FitError
        If no start converges.
    """
    best, least = None, math.inf
    if start is not None:
        best, least = _refined(problem, start, np.ones(len(start), dtype=bool)) or (None, math.inf)
    if best is None:
        for parameters, vary in _attempts(problem, _starts(problem)):
            found = _refined(problem, parameters, vary)
            if found is not None and found[1] < least:
                best, least = found
    if best is None:
        raise FitError(f"{name}: the fit does not converge from any start; check the points or use another model.")
    return problem.without_empty_phase(_on_bounds(problem, best, least))


def _attempts(problem: Problem, starts: list[Floats]) -> list[tuple[Floats, NDArray[np.bool_]]]:
    """Starts with all parameters free, and simpler curves within the model, with what they hold fixed.

    Where the points show no uptake, or one phase only, the valley towards them has no bottom: its end is tried too.
    """
    model = problem.model
    everything = np.ones(model.parameters, dtype=bool)
    attempts = [(parameters, everything) for parameters in starts]
    fixed: list[dict[int, float]] = []
    if model.uptake:
        fixed.append({model.parameters - 1: problem.fastest})
    if model.phases == 2:
        fixed.append({0: 0.0} if model.physical_tail else {1: 0.0, problem.gap: 0.0})
    for values in fixed:
        start, vary = starts[0].copy(), everything.copy()
        for index, value in values.items():
            start[index], vary[index] = value, False
        attempts.append((start, vary))
    return attempts


def _starts(problem: Problem) -> list[Floats]:
    """Parameters at the deepest local minima of the grid."""
    steps, cost = problem.grid()
    lowest = np.argwhere(minimum_filter(cost, size=3, mode="nearest") == cost)
    starts = []
    for index in lowest[np.argsort(cost[tuple(lowest.T)])[:_STARTS]]:
        step = steps[tuple(index)]
        shapes = problem.model.shapes(problem.time, step, problem.physical) / problem.sigma[:, None]
        starts.append(np.concatenate([best_shares(shapes, problem.activity / problem.sigma), step]))
    return starts


def _refined(problem: Problem, start: Floats, vary: NDArray[np.bool_]) -> tuple[Floats, float] | None:
    """Local optimum over the parameters that may vary, with its cost; None if it does not converge."""
    from scipy.optimize import least_squares  # slow to import, and only needed where a curve is fitted

    upper = np.where(np.arange(len(start)) < problem.model.phases, np.inf, problem.fastest)[vary]

    def full(values: Floats) -> Floats:
        parameters = start.copy()
        parameters[vary] = values
        return parameters

    outcome = least_squares(
        lambda values: problem.residuals(full(values)),
        np.clip(start[vary], 0, upper),
        jac=lambda values: problem.jacobian(full(values))[:, vary],
        bounds=(np.zeros(int(vary.sum())), upper),
        x_scale="jac",
        ftol=1e-15,
        xtol=1e-12,
        gtol=1e-13,
        max_nfev=200,
    )
    if outcome.status <= 0 or not np.all(np.isfinite(outcome.x)):
        return None
    return full(outcome.x), 2 * float(outcome.cost)


def _on_bounds(problem: Problem, parameters: Floats, cost: float) -> Floats:
    """Put parameters that the interior search left next to a bound on it where that costs nothing."""
    vary = np.ones(len(parameters), dtype=bool)
    ends = [(int(index), 0.0) for index in np.argsort(parameters) if parameters[index] < 1e-2]
    if problem.model.uptake and parameters[-1] > _UNSEEN / problem.first:
        ends.append((len(parameters) - 1, problem.fastest))
    for index, end in ends:
        if vary.sum() == 1:
            break
        trial, mask = parameters.copy(), vary.copy()
        trial[index], mask[index] = end, False
        found = _refined(problem, trial, mask)
        if found is not None and found[1] <= cost * (1 + _FREE_OF_COST) + 1e-20:
            (parameters, cost), vary = found, mask
    return parameters
