"""What population and images together say of curves: posterior of the time-integrated activity, and the check of both.

The prior of a curve is the population's, narrowed by the patient's other curves of the same kind (the other kidney,
other lesions, earlier cycles), these by Laplace's approximation. The curve itself is integrated by importance sampling
from t densities around the mode, fixed by a seed, for each of many possible numbers of the population, so that what few
patients leave open is in the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, ndtri

from PRRTDosimetryLib.population.courses import effective_half_life_h
from PRRTDosimetryLib.population.hierarchy import modes, modes_around, variances
from PRRTDosimetryLib.population.outside import SIGNIFICANCE, Expected, chance_of_patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.population.hierarchy import Group, Modes, Numbers
    from PRRTDosimetryLib.population.kind_model import KindModel

    Floats = NDArray[np.float64]

POSSIBLE_POPULATIONS, DRAWS_EACH, SEED = 64, 32, 22
MISFIT_SIGNIFICANCE = 0.005
"""Of the check whether the points follow any course of the population's form."""

_FREEDOM = 5  # of the t density that is sampled from
_LEAST_SHARE = 0.05  # of what is known of a direction, that the images say


@dataclass(frozen=True, eq=False)
class Posterior:
    """Of one curve of each of several patients.

    Attributes
    ----------
    theta : draws of the parameters, shape (patients, draws, d).
    log_tia, weight : ln of the TIA and weights that add up to 1, shape (patients, draws).
    half_life_h : effective half-life of the slow phase, likewise.
    p_outside : probability that a patient of the population is as far from its typical values, shape (patients,).
    p_misfit : probability of as large residuals; 1 where no points are left over.
    sensitivity : derivative of ln TIA by ln of each activity, shape (patients, n).
    effective_draws : of importance sampling.
    """

    theta: Floats
    log_tia: Floats
    weight: Floats
    half_life_h: Floats
    p_outside: Floats
    p_misfit: Floats
    sensitivity: Floats
    effective_draws: Floats

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Whether a patient does not belong to the population, by either check."""
        result: NDArray[np.bool_] = (self.p_outside < SIGNIFICANCE) | (self.p_misfit < MISFIT_SIGNIFICANCE)
        return result

    def quantiles(self, levels: Floats) -> Floats:
        """Of ln TIA, shape (patients, levels)."""
        return weighted_quantiles(self.log_tia, self.weight, levels)

    @property
    def mean(self) -> Floats:
        """Of ln TIA, shape (patients,)."""
        result: Floats = (self.weight * self.log_tia).sum(axis=1)
        return result

    @property
    def sd(self) -> Floats:
        """Of ln TIA, shape (patients,)."""
        result: Floats = np.sqrt((self.weight * (self.log_tia - self.mean[:, None]) ** 2).sum(axis=1))
        return result


def weighted_quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    """Quantiles of weighted draws in each row, shape (rows, levels)."""
    order = np.argsort(values, axis=1)
    values, weight = np.take_along_axis(values, order, 1), np.take_along_axis(weight, order, 1)
    below = np.cumsum(weight, axis=1) - 0.5 * weight
    return np.stack([np.interp(levels, b, v) for b, v in zip(below, values, strict=True)])


def posterior(
    model: KindModel,
    group: Group,
    physical_per_h: float,
    curve: int = 0,
    populations: int = POSSIBLE_POPULATIONS,
    seed: int = SEED,
    checked: bool = True,
) -> Posterior:
    """The posterior of one curve of every patient of a group.

    Parameters
    ----------
    model : the population.
    group : patients with the same number of curves, see `curve_sets.grouped`.
    physical_per_h : decay constant.
    curve : which of the patients' curves.
    populations : how many possible numbers of the population are integrated over; 1 takes the estimates for the truth.
    seed : of the draws.
    checked : whether to look if patients are outside the population; ``p_outside`` is 1 without.
    """
    numbers = model.layout.numbers(model.draws(populations, seed))
    mean, prior, log_share = _prior(model, group, numbers, physical_per_h, curve)
    own = group.only(curve)
    found = modes_around(model.kinetics, own, (mean[:, :, None], prior), numbers.noise, physical_per_h)
    theta, log_proposal = _proposed(found, len(numbers.noise), seed)
    away = theta - mean[:, :, None]
    pull = np.einsum("mpsd,mpde,mpse->mps", away, np.linalg.inv(prior), away, optimize=True)
    log_prior = -0.5 * (pull + np.linalg.slogdet(prior)[1][..., None]) - 0.5 * theta.shape[-1] * math.log(2 * math.pi)
    fitted = model.kinetics.log_activity(theta, own.time_h, physical_per_h)
    known = variances(own, numbers.noise)  # (m, patients, 1, n)
    residual = np.where(own.used, own.log_activity - fitted, 0.0)
    scale = np.where(own.used, np.log(np.where(own.used, known, 1.0)), 0.0).sum(axis=-1)
    log_weight = -0.5 * ((residual**2 / known).sum(axis=-1) + scale) + log_prior - log_proposal + log_share[..., None]
    log_weight = _flat(log_weight)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight = weight / weight.sum(axis=1, keepdims=True)
    share = np.exp(log_share - log_share.max(axis=0))
    expected = Expected(mean[:, :, None], prior, share / share.sum(axis=0), numbers.noise)
    mode, p_misfit, sensitivity = _fitted(model, own, expected, physical_per_h)
    p_outside = np.ones(len(mode))
    if checked:
        p_outside = chance_of_patients(model.kinetics, own, expected, mode[:, None], physical_per_h, seed)
    return Posterior(
        np.moveaxis(theta, 0, 1).reshape(weight.shape[0], -1, theta.shape[-1]),
        _flat(model.kinetics.log_tia(theta, physical_per_h)),
        weight,
        _flat(effective_half_life_h(theta, physical_per_h)),
        p_outside,
        p_misfit,
        sensitivity,
        1 / (weight**2).sum(axis=1),
    )


def _flat(values: Floats) -> Floats:
    """From (m, patients, draws) to (patients, m draws)."""
    return np.moveaxis(values, 0, 1).reshape(values.shape[1], -1)


def _prior(
    model: KindModel, group: Group, numbers: Numbers, physical_per_h: float, curve: int
) -> tuple[Floats, Floats, Floats]:
    """Mean (m, patients, d) and covariance (m, patients, d, d) of a curve by population and the patient's other curves.

    And ln of the probability of the other curves by each possible population, shape (m, patients).
    """
    d = model.kinetics.size
    block = slice(curve * d, (curve + 1) * d)
    others = group.without(curve)
    if not others.used.any():
        covariance = numbers.covariance(group)[..., block, block]
        return numbers.means(group)[:, :, curve], covariance, np.zeros(covariance.shape[:2])
    found = modes(model.kinetics, others, numbers, physical_per_h)
    covariance = np.asarray(np.linalg.inv(found.precision)[..., block, block], dtype=np.float64)
    return found.theta[:, :, curve], covariance, found.log_likelihood


def _proposed(found: Modes, populations: int, seed: int) -> tuple[Floats, Floats]:
    """Draws (m, patients, draws, d) from t densities around the modes, and ln of their density."""
    from scipy.stats import chi2, qmc

    centre = found.theta[:, :, 0]
    d = centre.shape[-1]
    count = max(DRAWS_EACH, 2048 // populations)
    level = np.clip(qmc.Sobol(d + 1, seed=seed + 1).random(populations * count), 1e-6, 1 - 1e-6)
    normal = ndtri(level[:, :d]) * np.sqrt(_FREEDOM / chi2.ppf(level[:, d], _FREEDOM))[:, None]
    normal = normal.reshape(populations, 1, count, d)
    factor = np.linalg.cholesky(np.linalg.inv(found.precision))
    theta = centre[:, :, None] + np.einsum(
        "mpde,mpse->mpsd", factor, np.broadcast_to(normal, (*centre.shape[:2], count, d))
    )
    squared = (normal**2).sum(axis=-1)
    constant = gammaln((_FREEDOM + d) / 2) - gammaln(_FREEDOM / 2) - 0.5 * d * math.log(_FREEDOM * math.pi)
    log_density = constant - 0.5 * (_FREEDOM + d) * np.log1p(squared / _FREEDOM)
    volume = np.log(np.einsum("mpdd->mpd", factor)).sum(axis=-1)
    return theta, log_density - volume[..., None]


def _fitted(model: KindModel, own: Group, expected: Expected, physical_per_h: float) -> tuple[Floats, Floats, Floats]:
    """Parameters at the modes (patients, d), probabilities of the misfit, and the sensitivity of ln TIA to the points.

    Points are left over beyond as many directions as the images say anything of.
    """
    from scipy.stats import chi2

    mean, covariance, noise = expected.pooled()
    found = modes_around(model.kinetics, own, (mean[None], covariance[None]), noise, physical_per_h)
    mode, posterior_covariance = found.theta[0, :, 0], np.linalg.inv(found.precision[0])
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    learnt = np.eye(mode.shape[1]) - inverse @ posterior_covariance @ inverse.transpose(0, 2, 1)
    count = (np.linalg.eigvalsh(learnt) > _LEAST_SHARE).sum(axis=1)
    left = own.used[:, 0].sum(axis=-1) - count
    p_misfit = np.where(left > 0, chi2.sf(found.misfit[0, :, 0], np.maximum(left, 1)), 1.0)
    jacobian = model.kinetics.jacobian(mode, own.time_h[:, 0])
    weight = 1 / variances(own, noise)[0, :, 0]
    gradient = model.kinetics.log_tia_gradient(mode, physical_per_h)
    sensitivity = np.einsum("pd,pde,pne->pn", gradient, posterior_covariance, jacobian) * weight
    return mode, p_misfit, sensitivity


def chance_of_all(
    model: KindModel, group: Group, physical_per_h: float, populations: int = POSSIBLE_POPULATIONS, seed: int = SEED
) -> Floats:
    """Probability that a patient of the population is as far from typical, by the mean of all curves, (patients,).

    What is unusual in a patient is seen in both kidneys and in every lesion: together they show it better than one by
    one, and the other curves cannot hide it, as they do where they are the prior.
    """
    numbers = model.layout.numbers(model.draws(populations, seed))
    covariance = numbers.covariance(group)
    share = np.full(covariance.shape[:2], 1 / len(covariance))
    expected = Expected(numbers.means(group), covariance, share, numbers.noise)
    mean, pooled, noise = expected.pooled()
    found = modes_around(model.kinetics, group, (mean[None], pooled[None]), noise, physical_per_h)
    return chance_of_patients(model.kinetics, group, expected, found.theta[0], physical_per_h, seed)
