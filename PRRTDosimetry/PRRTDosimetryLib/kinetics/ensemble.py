"""Monte Carlo of a fit: many noisy copies of the fitted curve, all refitted at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.fitting import CurveFit
    from PRRTDosimetryLib.kinetics.least_squares import Problem

    Floats = NDArray[np.float64]

_ITERATIONS = 200
_CONVERGED = 1e-9  # relative change of the squared residuals


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Refits of noisy copies of a curve.

    Attributes
    ----------
    tia_MBq_h : time-integrated activities, shape (draws,).
    parameters : shares (MBq h) and rate parameters (1/h), shape (draws, k).
    """

    tia_MBq_h: Floats
    parameters: Floats

    @property
    def mean_MBq_h(self) -> float:
        """Mean of the TIA."""
        return float(self.tia_MBq_h.mean())

    @property
    def u_tia_MBq_h(self) -> float:
        """Standard deviation of the TIA."""
        return float(self.tia_MBq_h.std(ddof=1))

    def interval_MBq_h(self, confidence: float = 0.95) -> tuple[float, float]:
        """Central interval of the TIA."""
        low, high = np.quantile(self.tia_MBq_h, [0.5 - confidence / 2, 0.5 + confidence / 2])
        return float(low), float(high)

    @property
    def correlation(self) -> Floats:
        """Correlation of the parameters, shape (k, k); 0 beside parameters that do not vary."""
        covariance = np.atleast_2d(np.cov(self.parameters.T))
        spread = np.sqrt(np.diag(covariance))
        scale = np.where(spread > 0, spread, 1.0)
        correlation: Floats = covariance / np.outer(scale, scale)
        return correlation


def monte_carlo(fit: CurveFit, draws: int, rng: np.random.Generator) -> Ensemble:
    """Refit ``draws`` copies of the fitted curve with Gaussian noise of the points' uncertainties.

    Bounds are kept (Levenberg-Marquardt with projection), so the distribution is skewed where a bound is near and
    says more than the covariance.

    Raises
    ------
    KineticsError
        If the points' uncertainties are not known and there are no residuals to estimate them from.
    """
    sigma = np.array(fit.sigma_MBq)
    if not np.all(np.isfinite(sigma)):
        raise KineticsError(
            f"{fit.curve.region}: {len(sigma)} points leave no residuals of {fit.model.name} to estimate the noise "
            "from; give uncertainties."
        )
    problem = fit.problem
    noise = rng.standard_normal((draws, len(sigma))) * sigma
    measured = (problem.curve_MBq(fit.scaled) + noise) / problem.unit_MBq
    parameters = _refit(replace(problem, activity=measured), np.tile(fit.scaled, (draws, 1)))
    units = problem.parameter_units
    values = parameters * units
    return Ensemble(values[:, : fit.model.phases].sum(axis=1), values)


def _refit(problem: Problem, parameters: Floats) -> Floats:
    """Levenberg-Marquardt on all copies at once; parameters stay between 0 and their upper bounds."""
    upper = np.full(parameters.shape[1], np.inf)
    upper[problem.model.phases :] = problem.fastest
    damping = np.full(len(parameters), 1e-3)
    cost = (problem.residuals(parameters) ** 2).sum(axis=-1)
    for _ in range(_ITERATIONS):
        trial = np.clip(parameters + _step(problem, parameters, damping, upper), 0, upper)
        trial_cost = (problem.residuals(trial) ** 2).sum(axis=-1)
        better = trial_cost <= cost
        gain = np.where(better, cost - trial_cost, np.inf)
        parameters = np.where(better[:, None], trial, parameters)
        cost = np.where(better, trial_cost, cost)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-12, 1e12)
        if np.all((gain <= _CONVERGED * cost + 1e-18) | (damping >= 1e8)):
            break
    return parameters


def _step(problem: Problem, parameters: Floats, damping: Floats, upper: Floats) -> Floats:
    residuals, jacobian = problem.residuals(parameters), problem.jacobian(parameters)
    gradient = np.einsum("dnk,dn->dk", jacobian, residuals)
    normal = np.einsum("dnk,dnl->dkl", jacobian, jacobian)
    held = ((parameters <= 0) & (gradient > 0)) | ((parameters >= upper) & (gradient < 0))
    normal = np.where(held[:, :, None] | held[:, None, :], 0.0, normal)
    diagonal = np.einsum("dkk->dk", normal)
    largest = diagonal.max(axis=1, keepdims=True)
    added = damping[:, None] * diagonal + 1e-14 * largest + np.where(held | (diagonal == 0), 1.0, 0.0)
    system = normal + added[:, :, None] * np.eye(parameters.shape[1])
    step: Floats = np.linalg.solve(system, np.where(held, 0.0, -gradient)[..., None])[..., 0]
    return step
