"""Estimates of a population's numbers: the maximum of the marginal likelihood with weak assumptions.

Standard deviations that few patients cannot show are kept off zero by the penalty ln(sd) - sd (a gamma density of shape
2; Chung et al. 2013, doi:10.1007/s11336-013-9328-2), correlations by the logarithm of the correlation matrix's
determinant; phases that no image shows by the assumptions of :mod:`kinetics.priors`. Without the assumptions it is
plain maximum likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from PRRTDosimetryLib.kinetics.priors import ASSUMED_RELATIVE_UNCERTAINTY
from PRRTDosimetryLib.population.courses import AMPLITUDE, CLEARANCE, log_rate
from PRRTDosimetryLib.population.hierarchy import Marginal
from PRRTDosimetryLib.population.kind_model import (
    LEAST_LOG_SD,
    MOST_LOG_SD,
    Covariate,
    FitChecks,
    KindModel,
    kind_model_from,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from PRRTDosimetryLib.population.courses import Kinetics
    from PRRTDosimetryLib.population.hierarchy import Course, Group, Layout

    Floats = NDArray[np.float64]

_SHIFT = 1e-4  # of a number, for its derivative
_AT_ONCE = 96  # settings of the numbers calculated together
START_HALF_LIVES_H = (100.0, 40.0, 300.0)  # biological
_START_SD, _START_NOISE = 0.4, 0.08
_FIRST_STEPS, _MOST_STEPS, _ROUNDS = 12, 60, 2
_FLAT = 0.05  # slope per standard uncertainty at a maximum
_FURTHEST_STEP = 1.0  # standard uncertainties, of a Newton step in place of a search
_NOISE_FACTOR = 1.0  # standard deviation of ln noise around the assumed uncertainty of activities


@dataclass(frozen=True)
class Weak:
    """Weak assumptions: on typical values (mean, standard deviation; nan for none); None of them if not ``used``."""

    typical: tuple[tuple[float, float], ...] = ()
    used: bool = True

    def log_density(self, vector: Floats, layout: Layout) -> Floats:
        """Ln of the penalty at vectors (m, length), shape (m,)."""
        total = np.zeros(len(vector))
        if not self.used:
            return total
        at = layout.parts
        for number, (mean, sd) in enumerate(self.typical):
            if not math.isnan(mean):
                total -= 0.5 * ((vector[:, number] - mean) / sd) ** 2
        total -= 0.5 * (vector[:, at["effects"]] ** 2).sum(axis=1)
        factor = layout.factor(vector)
        sds = np.sqrt((factor**2).sum(axis=-1))
        total += (np.log(sds) - sds).sum(axis=1)
        if layout.full:
            total += 2 * (vector[:, at["diagonal"]] - np.log(sds)).sum(axis=1)
        for name in ("within", "cycles"):
            total += (vector[:, at[name]] - np.exp(vector[:, at[name]])).sum(axis=1)
        noise = (vector[:, at["noise"].start] - math.log(ASSUMED_RELATIVE_UNCERTAINTY)) / _NOISE_FACTOR
        return total - 0.5 * noise**2


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of a hierarchical model of any course.

    Attributes
    ----------
    vector, covariance : in the order of the layout, shape (length,) and (length, length).
    log_likelihood : marginal, of the data alone.
    objective : with the weak assumptions.
    checks : how they came about.
    """

    vector: Floats
    covariance: Floats
    log_likelihood: float
    objective: float
    checks: FitChecks


class _Search:
    """Objective and its derivatives, all shifted vectors at once; patient by patient where that is asked for."""

    def __init__(self, marginal: Marginal, weak: Weak) -> None:
        self.marginal, self.weak = marginal, weak

    def by_patient(self, vectors: Floats) -> Floats:
        """Log likelihood of each patient, shape (m, patients)."""
        return np.concatenate(
            [self.marginal.by_patient(vectors[begin : begin + _AT_ONCE]) for begin in range(0, len(vectors), _AT_ONCE)]
        )

    def penalty(self, vectors: Floats) -> Floats:
        """Of the weak assumptions, shape (m,)."""
        return self.weak.log_density(vectors, self.marginal.layout)

    def slopes(self, vector: Floats) -> tuple[float, Floats, Floats]:
        """Value at a vector (length,), derivatives of each patient's part (patients, length), and of the penalty."""
        n = len(vector)
        shifts = _SHIFT * np.eye(n)
        vectors = np.concatenate([vector[None], vector + shifts, vector - shifts])
        own, penalty = self.by_patient(vectors), self.penalty(vectors)
        by_patient = (own[1 : n + 1] - own[n + 1 :]).T / (2 * _SHIFT)
        return float(own[0].sum() + penalty[0]), by_patient, (penalty[1 : n + 1] - penalty[n + 1 :]) / (2 * _SHIFT)

    def negative(self, vector: Floats) -> tuple[float, Floats]:
        """For a minimiser: value and slope."""
        value, by_patient, penalty = self.slopes(vector)
        return -value, -(by_patient.sum(axis=0) + penalty)

    def curvatures(self, vector: Floats) -> tuple[Floats, Floats]:
        """Negative second derivatives of each patient's part (patients, length, length), and of the penalty."""
        n, step = len(vector), 2e-3
        shift = step * np.eye(n)
        rows, columns = np.triu_indices(n)
        both = shift[rows] + shift[columns]
        vectors = np.concatenate([vector[None], vector + shift, vector - shift, vector + both, vector - both])
        own = np.concatenate([self.by_patient(vectors), self.penalty(vectors)[:, None]], axis=1)
        alone = own[1 : n + 1] + own[n + 1 : 2 * n + 1]
        pairs = own[2 * n + 1 : 2 * n + 1 + len(rows)] + own[2 * n + 1 + len(rows) :]
        second = (pairs - alone[rows] - alone[columns] + 2 * own[0]) / (2 * step**2)
        full = np.zeros((own.shape[1], n, n))
        full[:, rows, columns] = full[:, columns, rows] = -second.T
        return full[:-1], full[-1]

    def scales(self, vector: Floats) -> Floats:
        """Directions and steps in which the objective is about round, by the patients' slopes, (length, length)."""
        _, by_patient, _ = self.slopes(vector)
        away = by_patient - by_patient.mean(axis=0)
        values, directions = np.linalg.eigh(away.T @ away + np.eye(len(vector)))
        result: Floats = directions / np.sqrt(values)
        return result


def estimate(
    course: Course,
    groups: Sequence[Group],
    layout: Layout,
    physical_per_h: float,
    starts: Sequence[Floats],
    weak: Weak,
    rounds: int = _ROUNDS,
) -> Estimates:
    """The estimates of a hierarchical model.

    Parameters
    ----------
    course : parameters to ln activity.
    groups : the data.
    starts : vectors (n,) in the order of ``layout``, the best of which is improved.
    weak : assumptions.
    rounds : of the search; 1 comes within about 0.1 nats.
    """
    ranked = sorted(starts, key=lambda one: -_first_value(course, groups, layout, physical_per_h, weak, one))
    search = _Search(Marginal(course, layout, groups, physical_per_h), weak)
    vector = _climbed(search, ranked[0], rounds)
    by_patient, penalty = search.curvatures(vector)
    covariance, curved = _covariance(by_patient.sum(axis=0) + penalty)
    value, slopes, slope = search.slopes(vector)
    bounds = _bounds(layout)
    at_bound = [low == x or high == x for x, (low, high) in zip(vector, bounds, strict=True)]
    per_u = np.where(at_bound, 0.0, np.abs(slopes.sum(axis=0) + slope) * np.sqrt(np.diag(covariance)))
    checks = FitChecks(
        converged=bool(per_u.max() < _FLAT),
        largest_slope=float(per_u.max()),
        starts_apart=math.nan,
        curved=curved,
    )
    return Estimates(vector, covariance, value - float(search.penalty(vector[None])[0]), value, checks)


def _first_value(
    course: Course, groups: Sequence[Group], layout: Layout, physical_per_h: float, weak: Weak, start: Floats
) -> float:
    search = _Search(Marginal(course, layout, groups, physical_per_h), weak)
    return float(search.by_patient(start[None]).sum() + search.penalty(start[None])[0])


def _climbed(search: _Search, start: Floats, rounds: int) -> Floats:
    """The maximum by quasi-Newton steps: a few to come near, the others in scales that make the objective round."""
    bounds = _bounds(search.marginal.layout)
    near = minimize(
        search.negative, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _FIRST_STEPS}
    )
    lowest, highest = np.array(bounds).T
    vector = np.asarray(near.x, dtype=np.float64)
    for _ in range(rounds):
        origin, scales = vector, search.scales(vector)

        def in_scales(step: Floats, origin: Floats = origin, scales: Floats = scales) -> tuple[float, Floats]:
            place = np.clip(origin + scales @ step, lowest, highest)
            value, slope = search.negative(place)
            return value, scales.T @ np.where((place > lowest) & (place < highest), slope, 0.0)

        found = minimize(
            in_scales,
            np.zeros(len(vector)),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MOST_STEPS, "gtol": 1e-3},
        )
        vector = np.clip(origin + scales @ found.x, lowest, highest)
        if np.abs(found.jac).max() < 2e-3:
            break
    return vector


def without_each_patient(model: KindModel, groups: Sequence[Group], physical_per_h: float) -> dict[int, KindModel]:
    """The population without each of its patients, by the patient's number, as one Newton step from that with all.

    The slope of the others' likelihood at the estimates is minus that of the patient left out, and their curvature is
    the sum of all without the patient's: both are there patient by patient. A patient who moves an estimate further
    than a Newton step is good for is left to :func:`fit_kind`, and is not in the result.
    """
    layout = model.layout
    search = _Search(Marginal(model.kinetics, layout, groups, physical_per_h), Weak(model.kinetics.weak))
    vector = model.vector
    own, penalty = search.curvatures(vector)
    _, slopes, slope = search.slopes(vector)
    lowest, highest = np.array(_bounds(layout)).T
    numbers = [number for group in groups for number in group.numbers]
    found = {}
    for place, number in enumerate(numbers):
        covariance, curved = _covariance(own.sum(axis=0) - own[place] + penalty)
        step = covariance @ (slopes.sum(axis=0) - slopes[place] + slope)
        if not curved or np.abs(step / np.sqrt(np.diag(covariance))).max() > _FURTHEST_STEP:
            continue
        moved = np.clip(vector + step, lowest, highest)
        made = kind_model_from(model.kinetics.name, layout, moved, covariance, model.covariates)
        found[number] = replace(made, patients=model.patients - 1)
    return found


def fit_kind(
    kinetics: Kinetics,
    groups: Sequence[Group],
    layout: Layout,
    physical_per_h: float,
    covariates: tuple[Covariate, ...] = (),
    start: Floats | None = None,
    rounds: int = _ROUNDS,
) -> KindModel:
    """The population of one kind from its curves, with shrinkage and checks.

    Parameters
    ----------
    kinetics : form of the course.
    groups : of patients, see `hierarchy.Group`.
    layout : which levels and covariates there are.
    covariates : that the groups hold.
    start : where to begin (n,), such as the estimates with one more patient; None for the best of several.
    rounds : of the search, see `estimate`.
    """
    starts = [start_vector(kinetics, groups, layout, physical_per_h, hours) for hours in START_HALF_LIVES_H]
    starts = starts if start is None else [start]
    found = estimate(kinetics, groups, layout, physical_per_h, starts, Weak(kinetics.weak), rounds)
    model = kind_model_from(kinetics.name, layout, found.vector, found.covariance, covariates)
    return replace(
        model,
        patients=sum(len(group.time_h) for group in groups),
        curves=sum(int(group.used.any(axis=-1).sum()) for group in groups),
        images=sum(int(group.used.sum()) for group in groups),
        shrinkage=shrinkage(model, groups, physical_per_h),
        log_likelihood=found.log_likelihood,
        checks=found.checks,
    )


def start_vector(
    kinetics: Kinetics, groups: Sequence[Group], layout: Layout, physical_per_h: float, half_life_h: float
) -> Floats:
    """Where the search begins, (n,): a biological half-life, amplitudes that follow from it, middling spreads."""
    typical = np.array([0.0 if math.isnan(mean) else mean for mean, _ in kinetics.weak])
    typical[CLEARANCE] = log_rate(half_life_h)
    away = np.concatenate(
        [
            (
                group.log_activity
                - kinetics.log_activity(typical, np.where(group.used, group.time_h, 1.0), physical_per_h)
            )[group.used]
            for group in groups
        ]
    )
    typical[AMPLITUDE] = float(np.median(away))
    vector = np.zeros(layout.length)
    at = layout.parts
    vector[at["typical"]] = typical
    spread = np.full(layout.size, math.log(_START_SD))
    spread[AMPLITUDE] = math.log(max(float(np.std(away)), _START_SD))
    vector[at["diagonal"]] = spread
    for name in ("within", "cycles"):
        vector[at[name]] = math.log(_START_SD / 2)
    vector[at["noise"]] = math.log(_START_NOISE)
    return vector


def shrinkage(model: KindModel, groups: Sequence[Group], physical_per_h: float) -> tuple[float, ...]:
    """Of each parameter: 1 minus the variance of the patients' modes over the population's variance, from 0 to 1."""
    marginal = Marginal(model.kinetics, model.layout, groups, physical_per_h)
    parts = marginal.modes(model.vector[None])
    numbers = model.layout.numbers(model.vector[None])
    away = [
        (one.theta - numbers.means(group))[0][group.used.any(axis=-1)] for one, group in zip(parts, groups, strict=True)
    ]
    variance = (np.concatenate(away) ** 2).mean(axis=0)
    return tuple(float(value) for value in np.clip(1 - variance / model.spread**2, 0.0, 1.0))


def _bounds(layout: Layout) -> list[tuple[float, float]]:
    bounds = [(-40.0, 40.0)] * layout.length
    at = layout.parts
    for name in ("diagonal", "within", "cycles", "noise"):
        bounds[at[name]] = [(LEAST_LOG_SD, MOST_LOG_SD)] * (at[name].stop - at[name].start)
    return bounds


def _covariance(curvature: Floats) -> tuple[Floats, bool]:
    """Inverse of the curvature; directions in which the objective is flat get a standard deviation of at most 2."""
    values, directions = np.linalg.eigh(curvature)
    least = 0.25
    result: Floats = (directions / np.maximum(values, least)) @ directions.T
    return result, bool(values.min() > 0)
