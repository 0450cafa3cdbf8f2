"""Laplace's approximation of the marginal likelihood against importance sampling, patient by patient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, ndtri

from PRRTDosimetryLib.population.hierarchy import modes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from PRRTDosimetryLib.population.hierarchy import Group
    from PRRTDosimetryLib.population.kind_model import KindModel

    Floats = NDArray[np.float64]

_DRAWS, _FREEDOM = 1024, 7
_MOST_DIMENSIONS = 16  # beyond it importance sampling is no judge


def laplace_error(model: KindModel, groups: Sequence[Group], physical_per_h: float, seed: int = 5) -> float:
    """Largest difference of ln marginal likelihood between Laplace's method and importance sampling (nats).

    Patients with more than 16 parameters are left out; nan if that leaves none.
    """
    from scipy.stats import chi2, qmc

    worst = math.nan
    numbers = model.layout.numbers(model.vector[None])
    for group in groups:
        size = group.time_h.shape[1] * model.kinetics.size
        if size > _MOST_DIMENSIONS:
            continue
        found = modes(model.kinetics, group, numbers, physical_per_h)
        level = np.clip(qmc.Sobol(size + 1, seed=seed).random(_DRAWS), 1e-7, 1 - 1e-7)
        normal = ndtri(level[:, :size]) * np.sqrt(_FREEDOM / chi2.ppf(level[:, size], _FREEDOM))[:, None]
        factor = np.linalg.cholesky(np.linalg.inv(found.precision[0]))
        patients = len(factor)
        theta = found.theta[0].reshape(patients, 1, size) + normal @ factor.transpose(0, 2, 1)
        mean = numbers.means(group)[0].reshape(patients, 1, size)
        prior = numbers.covariance(group)[0]
        away = theta - mean
        pull = np.einsum("psd,pde,pse->ps", away, np.linalg.inv(prior), away, optimize=True)
        shaped = theta.reshape(patients, _DRAWS, -1, model.kinetics.size)
        fitted = model.kinetics.log_activity(shaped, group.time_h[:, None], physical_per_h)
        variance = np.where(group.used, group.u_log**2 + numbers.noise[0] ** 2, 1.0)[:, None]
        residual = np.where(group.used[:, None], group.log_activity[:, None] - fitted, 0.0)
        scale = np.where(group.used, np.log(2 * math.pi * variance[:, 0]), 0.0).sum(axis=(-2, -1))[:, None]
        log_joint = -0.5 * ((residual**2 / variance).sum(axis=(-2, -1)) + scale + pull)
        log_joint -= 0.5 * (np.linalg.slogdet(prior)[1][:, None] + size * math.log(2 * math.pi))
        log_ratio = log_joint - _log_t(normal, factor)
        sampled = np.logaddexp.reduce(log_ratio, axis=1) - math.log(_DRAWS)
        worst = float(np.nanmax([worst, np.abs(sampled - found.log_likelihood[0]).max()]))
    return worst


def _log_t(normal: Floats, factor: Floats) -> Floats:
    """Ln density of t draws (draws, d) that are scaled by factors (patients, d, d), shape (patients, draws)."""
    size = normal.shape[1]
    constant = gammaln((_FREEDOM + size) / 2) - gammaln(_FREEDOM / 2) - 0.5 * size * math.log(_FREEDOM * math.pi)
    density = constant - 0.5 * (_FREEDOM + size) * np.log1p((normal**2).sum(axis=1) / _FREEDOM)
    volume = np.log(np.einsum("pdd->pd", factor)).sum(axis=1)
    result: Floats = density - volume[:, None]
    return result
