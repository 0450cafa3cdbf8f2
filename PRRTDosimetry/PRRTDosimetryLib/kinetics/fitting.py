"""Least-squares fits of the models to time-activity curves: several starts, analytic derivatives, physical bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.errors import FitError, KineticsError
from PRRTDosimetryLib.kinetics.least_squares import Problem, best_fit
from PRRTDosimetryLib.kinetics.models import MODELS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.least_squares import Priors
    from PRRTDosimetryLib.kinetics.models import Model

    Floats = NDArray[np.float64]


_UNSEEN_HALF_LIVES = 5  # a phase has decayed to 3 % after so many
_UNSEEN_SHARE = 0.01  # of the integral; a smaller part does no harm
_REWEIGHTINGS = 20


@dataclass(frozen=True)
class Weights:
    """Standard uncertainty of an activity A: sqrt((relative A)^2 + floor^2), as in NUKFIT (doi:10.1118/1.4820367).

    A is the fitted activity, by iteration: with the measured one, points that are low by chance would weigh more.

    Raises
    ------
    KineticsError
        If either is negative, or both are 0.
    """

    relative: float = 0.0
    floor_MBq: float = 0.0

    def __post_init__(self) -> None:
        if not (self.relative >= 0 and self.floor_MBq >= 0 and self.relative + self.floor_MBq > 0):
            raise KineticsError(
                f"A relative uncertainty of {self.relative:g} and a floor of {self.floor_MBq:g} MBq give no weights; "
                "make one of them positive."
            )


@dataclass(frozen=True, eq=False)
class CurveFit:
    """A fitted model.

    Attributes
    ----------
    curve, nuclide, model : what was fitted to what.
    shares_MBq_h : share of each clearance phase in the time-integrated activity (TIA).
    steps_per_h : rate parameters (see :mod:`models`), per hour.
    sigma_MBq : uncertainties of the points, as assumed; all equal, and estimated from the residuals, if not known.
    sigma_known : whether they were given.
    covariance : of shares and rate parameters, shape (k, k); 0 for parameters held at a bound, nan if undetermined.
    free : which parameters are not at a bound.
    problem, scaled : the least-squares problem and its solution, for refits.
    sensitivity_h : derivative of the TIA by the activity of each point, in hours, shape (n,).
    chi_square : sum of squared residuals over sigma; with sigma not known: over 1 MBq.
    """

    curve: Curve
    nuclide: Radionuclide
    model: Model
    shares_MBq_h: tuple[float, ...]
    steps_per_h: tuple[float, ...]
    sigma_MBq: tuple[float, ...]
    sigma_known: bool
    covariance: Floats
    free: tuple[bool, ...]
    sensitivity_h: tuple[float, ...]
    chi_square: float
    problem: Problem
    scaled: Floats

    @property
    def tia_MBq_h(self) -> float:
        """Time-integrated activity from 0 h to infinity."""
        return float(sum(self.shares_MBq_h))

    @property
    def u_tia_MBq_h(self) -> float:
        """Standard uncertainty of the TIA from the covariance; nan if the points leave it undetermined."""
        phases = self.model.phases
        variance = float(self.covariance[:phases, :phases].sum())
        return math.sqrt(variance) if variance >= 0 else math.nan

    @property
    def degrees_of_freedom(self) -> int:
        """Points minus parameters that are not at a bound."""
        return len(self.curve.time_h) - sum(self.free)

    @property
    def rates_per_h(self) -> tuple[float, ...]:
        """Effective rates: clearance from slow to fast, then uptake."""
        return tuple(float(r) for r in self.model.rates(np.array(self.steps_per_h), self.nuclide.decay_constant_per_h))

    @cached_property
    def shape(self) -> Shape:
        """The fitted course of the activity."""
        steps, shares = np.array(self.steps_per_h), np.array(self.shares_MBq_h)
        return Shape(self.model.exponentials(shares, steps, self.nuclide.decay_constant_per_h))

    @property
    def clearance_is_physical(self) -> bool:
        """True if the slowest phase is held at physical decay by the bound (not by the model)."""
        return not self.model.physical_tail and self.steps_per_h[0] == 0.0

    @property
    def correlation(self) -> Floats:
        """Correlation of shares and rate parameters, shape (k, k); 0 beside parameters at a bound."""
        spread = np.sqrt(np.diag(self.covariance))
        scale = np.where(spread > 0, spread, 1.0)
        result: Floats = self.covariance / np.outer(scale, scale)
        return result

    def activity_MBq(self, time_h: ArrayLike) -> Floats:
        """The fitted activity at any times after injection."""
        time = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
        shapes = self.model.shapes(time, np.array(self.steps_per_h), self.nuclide.decay_constant_per_h)
        result: Floats = shapes @ np.array(self.shares_MBq_h)
        return result


def point_uncertainties(curve: Curve, weights: Weights | None) -> Floats | None:
    """Standard uncertainties (points,) in MBq: the curve's own, or by ``weights``; None if they are not known.

    Raises
    ------
    KineticsError
        If both are given, or a point of 0 MBq would have no uncertainty.
    """
    if curve.u_activity_MBq and weights is not None:
        raise KineticsError(
            f"{curve.region} has uncertainties of its own; do not state a relative one or a floor as well."
        )
    if curve.u_activity_MBq:
        return np.array(curve.u_activity_MBq)
    if weights is None:
        return None
    return _by_weights(curve, weights, np.array(curve.activity_MBq))


def _by_weights(curve: Curve, weights: Weights, activity: Floats) -> Floats:
    sigma = np.hypot(weights.relative * activity, weights.floor_MBq)
    if not np.all(sigma > 0):
        time = curve.time_h[int(np.argmin(sigma))]
        raise KineticsError(
            f"{curve.region}: 0 MBq at {time:g} h would have no uncertainty; give a floor in MBq as well."
        )
    return sigma


def fit_curve(
    curve: Curve, nuclide: Radionuclide, model_name: str, weights: Weights | None = None, priors: Priors | None = None
) -> CurveFit:
    """Fit one model by weighted least squares.

    Parameters
    ----------
    curve, nuclide : decayed activities, and the nuclide that bounds the clearance.
    model_name : a name in ``MODELS``.
    weights : uncertainties for a curve that has none; without either all points weigh the same.
    priors : population values of half-lives that replace missing points; they need known uncertainties.

    Raises
    ------
    KineticsError
        For an unknown model or fewer points (and priors) than parameters.
    FitError
        If no start converges.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> fit = fit_curve(Curve("Kidney", (24.0, 96.0), (80.0, 20.0)), nuclide("Lu-177"), "mono")
    >>> round(fit.tia_MBq_h, 3), round(fit.shape.terminal_half_life_h, 6)
    (6595.591, 36.0)
    """
    if model_name not in MODELS:
        raise KineticsError(f"There is no model '{model_name}' to fit; known are {', '.join(MODELS)}.")
    model = MODELS[model_name]
    sigma = point_uncertainties(curve, weights)
    if priors is not None and sigma is None:
        raise KineticsError(f"{curve.region}: a prior can only be weighed against points with known uncertainties.")
    count = 0 if priors is None else priors.count
    if len(curve.time_h) + count < model.parameters:
        raise KineticsError(
            f"{curve.region} has {len(curve.time_h)} point(s), too few for the {model.parameters} parameters of "
            f"{model.name}; use a simpler model or measure more points."
        )
    name = f"{curve.region}, {model.name}"
    problem = Problem.of(curve, nuclide, model, sigma, priors)
    parameters = best_fit(problem, name)
    if sigma is not None and weights is not None and weights.relative > 0:
        for _ in range(_REWEIGHTINGS):
            before, sigma = sigma, _by_weights(curve, weights, problem.curve_MBq(parameters))
            problem = Problem.of(curve, nuclide, model, sigma, priors)
            parameters = best_fit(problem, name, parameters)
            if np.allclose(before, sigma, rtol=1e-5, atol=0):
                break
    found = _described(curve, nuclide, problem, parameters, sigma)
    _refuse_unseen_phase(found)
    return found


def _refuse_unseen_phase(fit: CurveFit) -> None:
    """A phase that is over before the first point has any amplitude that one likes, and so has its integral."""
    first = fit.curve.time_h[0]
    for amplitude, rate in fit.shape.exponentials:
        half_life = math.log(2) / rate
        share = amplitude / rate / fit.tia_MBq_h
        if len(fit.shape.exponentials) > 1 and half_life < first / _UNSEEN_HALF_LIVES and share > _UNSEEN_SHARE:
            raise FitError(
                f"{fit.curve.region}, {fit.model.name}: {share:.0%} of the integral would lie in a phase of half-life "
                f"{half_life:.2g} h, over before the first point at {first:g} h; use a simpler model."
            )


def _described(curve: Curve, nuclide: Radionuclide, problem: Problem, scaled: Floats, sigma: Floats | None) -> CurveFit:
    """Back in MBq and hours, with covariance (J^T W J)^-1, times the residual variance if sigma is not known."""
    model = problem.model
    residuals, jacobian = problem.residuals(scaled), problem.jacobian(scaled)
    free = problem.is_free(scaled)
    # With sigma not known the residuals are in units of the largest activity, see Problem.of.
    known = sigma is not None
    unit = 1.0 if known else float(problem.unit_MBq)
    chi_square = float(residuals @ residuals) * unit**2
    inverse = _inverse_normal(jacobian[:, free])
    scale = problem.parameter_units
    covariance = np.zeros((model.parameters, model.parameters))
    covariance[np.ix_(free, free)] = inverse * np.outer(scale[free], scale[free])
    of_points = covariance @ (jacobian / scale).T
    n = len(curve.time_h)
    sensitivity = of_points[: model.phases, :n].sum(axis=0) / problem.sigma_MBq
    if sigma is None:
        dof = n - int(free.sum())
        variance = float(residuals @ residuals) / dof if dof > 0 else math.nan
        covariance *= variance
        sigma = np.full(n, math.sqrt(variance) * unit if dof > 0 else math.nan)
    values = scaled * scale
    return CurveFit(
        curve,
        nuclide,
        model,
        tuple(float(v) for v in values[: model.phases]),
        tuple(float(v) for v in values[model.phases :]),
        tuple(float(s) for s in sigma),
        known,
        covariance,
        tuple(bool(f) for f in free),
        tuple(float(s) for s in sensitivity),
        chi_square,
        problem,
        scaled,
    )


def _inverse_normal(jacobian: Floats) -> Floats:
    """(J^T J)^-1 by singular values of the column-scaled Jacobian; nan if a direction is not determined."""
    norms = np.linalg.norm(jacobian, axis=0)
    if jacobian.shape[1] == 0 or np.any(norms == 0):
        return np.full((jacobian.shape[1],) * 2, np.nan)
    _, singular, rows = np.linalg.svd(jacobian / norms, full_matrices=False)
    if singular[-1] < 1e-9 * singular[0]:
        return np.full((jacobian.shape[1],) * 2, np.nan)
    half = rows.T / singular
    inverse: Floats = half @ half.T / np.outer(norms, norms)
    return inverse
