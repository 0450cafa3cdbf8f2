"""Posterior distribution of the time-integrated activity (TIA) of many curves at once, model by model.

Rates are standard normal numbers by their priors (see :mod:`priors`). Their posterior is found by Levenberg-Marquardt
steps from the best of a coarse grid, and integrated by importance sampling (see :mod:`proposal`), once around the
optimum and then around mean and covariance of the first round. That the main clearance is at physical decay, which is
the limit of every model, is possible with a probability of its own: else no interval would reach the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from PRRTDosimetryLib.kinetics.likelihood import SHIFT, by_scatter, columns, linear, nodes, noise_draws, noise_prior
from PRRTDosimetryLib.kinetics.priors import (
    NOISE_MEDIAN,
    NOISE_RANGE,
    PHYSICAL_PROBABILITY,
    dimensions,
)
from PRRTDosimetryLib.kinetics.proposal import adapted, lattice, log_prior, others, proposed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.likelihood import Batch, Nodes
    from PRRTDosimetryLib.kinetics.models import Model
    from PRRTDosimetryLib.kinetics.priors import Course

    Floats = NDArray[np.float64]

_STARTS = {1: (9,), 2: (7, 5), 3: (6, 4, 4), 4: (5, 4, 3, 4)}  # coarse grid by dimension
_STEPS, _FINAL_STEPS = 9, 8
_NODES = {1: 128, 2: 192, 3: 256, 4: 384}
_AT_LIMIT = {1: 1, 2: 24, 3: 32, 4: 48}  # further nodes with the main clearance at physical decay
_LIMIT = 8.0  # standard normal number that is physical decay to 1e-15
_DRAWS = 2  # TIA draws per node, a normal number and its opposite


@dataclass(frozen=True, eq=False)
class ModelPosterior:
    """One model's posterior for all curves of a batch.

    Attributes
    ----------
    model : which.
    log_evidence : log of the likelihood averaged over the prior, shape (curves,).
    log_tia, weight : draws of ln TIA and their weights, which add up to 1, shape (curves, draws).
    z, log_best : the standard normal numbers that describe the points best, shape (curves, dimensions), and ln TIA.
    course : at the nodes, shape (curves, nodes) each; draws are the nodes, repeated.
    least_misfit : smallest misfit, shape (curves,); with unknown noise per unit of noise.
    log_sigma : sum of the logarithms of sigma there.
    parameters : effective number of parameters that the points determine, shape (curves,).
    sensitivity : derivative of ln TIA by each activity, 1/MBq, shape (curves, points).
    """

    model: Model
    log_evidence: Floats
    log_tia: Floats
    weight: Floats
    z: Floats
    log_best: Floats
    course: Course
    least_misfit: Floats
    log_sigma: Floats
    parameters: Floats
    sensitivity: Floats

    @cached_property
    def mean(self) -> Floats:
        """Posterior mean of ln TIA, shape (curves,)."""
        result: Floats = (self.weight * self.log_tia).sum(axis=1)
        return result

    @cached_property
    def variance(self) -> Floats:
        """Posterior variance of ln TIA, shape (curves,)."""
        result: Floats = (self.weight * (self.log_tia - self.mean[:, None]) ** 2).sum(axis=1)
        return result


def posterior(model: Model, batch: Batch) -> ModelPosterior:
    """The posterior of one model for every curve of a batch."""
    size = dimensions(model)
    mode, covariance, parameters, noise = _mode(model, batch)
    estimate = _best_estimate(model, batch, mode, noise)
    points, log_density = proposed(model, batch, (mode, covariance, noise), max(32, _NODES[size] // 4))
    first = nodes(model, batch, points)
    weight, _ = _normalised(first.log_weight + log_prior(points) - log_density)
    mode, covariance = adapted(mode, covariance, points, weight)
    points, log_density = proposed(model, batch, (mode, covariance, noise), _NODES[size])
    log_ratio = log_prior(points) - log_density - math.log(_NODES[size])
    if not model.physical_tail and (batch.priors is None or batch.priors.clearance is None):
        points, log_ratio = _with_limit(points, log_ratio, mode, covariance)
    found = nodes(model, batch, points)
    weight, log_evidence = _normalised(found.log_weight + log_ratio)
    levels = lattice(size, points.shape[1])
    spread = found.relative_sd * noise_draws(model, batch, found, levels[:, -2]) * levels[:, -1]
    log_tia = np.log(found.tia_MBq_h)
    best = np.argmin(found.misfit, axis=1)
    rows = np.arange(len(best))
    return ModelPosterior(
        model,
        log_evidence,
        np.concatenate([log_tia + spread, log_tia - spread], axis=1),
        np.concatenate([weight, weight], axis=1) / _DRAWS,
        *estimate,
        found.course,
        found.misfit[rows, best],
        np.log(found.sigma_MBq[:, rows, best]).sum(axis=0),
        parameters,
        _sensitivity(found, weight, noise),
    )


def _with_limit(points: Floats, log_ratio: Floats, mode: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """The nodes and further ones at physical decay, and the logarithms of prior over density times number of nodes."""
    size = points.shape[-1]
    count = _AT_LIMIT[size]
    rest, log_density = others(mode, covariance, lattice(size, count))
    limit = np.concatenate([np.full((*rest.shape[:2], 1), _LIMIT), rest], axis=-1)
    log_limit = log_prior(rest) - log_density + math.log(PHYSICAL_PROBABILITY / count)
    return (
        np.concatenate([points, limit], axis=1),
        np.concatenate([log_ratio + math.log1p(-PHYSICAL_PROBABILITY), log_limit], axis=1),
    )


def _mode(model: Model, batch: Batch) -> tuple[Floats, Floats, Floats, Floats]:
    """Optimum (curves, d), covariance (curves, d, d), effective parameters, and noise (curves,) at it."""
    size, curves = dimensions(model), len(batch.time_h)
    axes = [ndtri((np.arange(count) + 0.5) / count) for count in _STARTS[size]]
    tried = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)
    start = nodes(model, batch, np.broadcast_to(tried, (curves, *tried.shape)))
    z = tried[np.argmax(start.log_weight + log_prior(tried), axis=1)]
    z, normal, noise = _climbed(model, batch, z, np.ones(size), _STEPS)
    covariance = np.asarray(np.linalg.inv(normal + np.eye(size)), dtype=np.float64)
    parameters: Floats = 1 + size - np.einsum("cdd->c", covariance)
    return z, covariance, parameters, noise


def _climbed(
    model: Model, batch: Batch, z: Floats, penalty: Floats, steps: int, noise: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Levenberg-Marquardt: optimum, curvature of the misfit, and noise there.

    ``penalty`` weighs the prior of each number; ``noise`` is estimated along the way unless it is given.
    """
    fixed = noise
    damping = np.full(len(z), 1e-2)
    residual, jacobian, guess = _residuals(model, batch, z)
    noise = guess if fixed is None else fixed
    for _ in range(steps):
        normal = np.einsum("cnd,cne->cde", jacobian, jacobian) / noise[:, None, None] ** 2
        slope = -np.einsum("cnd,cn->cd", jacobian, residual) / noise[:, None] ** 2 - penalty * z
        diagonal = penalty + 1e-9 + damping[:, None] * (1 + np.einsum("cdd->cd", normal))
        system = normal + np.eye(len(penalty)) * diagonal[:, None, :]
        trial = np.clip(z + np.clip(np.linalg.solve(system, slope[..., None])[..., 0], -1.5, 1.5), -6, 6)
        new_residual, new_jacobian, new_guess = _residuals(model, batch, trial)
        old, new = (
            (r**2).sum(axis=1) / noise**2 + (penalty * at**2).sum(axis=1)
            for r, at in ((residual, z), (new_residual, trial))
        )
        better = new <= old
        damping = np.clip(np.where(better, damping / 4, damping * 5), 1e-6, 1e6)
        z = np.where(better[:, None], trial, z)
        residual = np.where(better[:, None], new_residual, residual)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        if fixed is None:
            noise = np.where(better, new_guess, noise)
    normal = np.einsum("cnd,cne->cde", jacobian, jacobian) / noise[:, None, None] ** 2
    return z, normal, noise


def _best_estimate(model: Model, batch: Batch, mode: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """The numbers (curves, d) and ln TIA that describe the points best: bounded least squares of the main clearance.

    Its prior is left out, so that a curve that decays physically is found as such; early phases keep theirs, by the
    noise that the scatter shows, or no number of points would determine them.
    """
    size = dimensions(model)
    penalty = np.concatenate([[0.0], np.ones(size - 1)])
    freedom = batch.time_h.shape[1] - 1 - size
    if batch.noise.unknown and freedom > 0:
        misfit = nodes(model, batch, mode[:, None, :]).misfit[:, 0]
        noise = np.clip(np.sqrt(misfit / freedom), NOISE_RANGE[0], NOISE_RANGE[1])
    z, *_ = _climbed(model, batch, mode, penalty, _FINAL_STEPS, noise)
    return z, np.log(nodes(model, batch, z[:, None, :]).tia_MBq_h[:, 0])


def _residuals(model: Model, batch: Batch, z: Floats) -> tuple[Floats, Floats, Floats]:
    """Residuals (curves, points), their derivatives by z, and the noise that they suggest (1 where it is known)."""
    size = z.shape[1]
    shifted = z[:, None, :] + SHIFT * np.concatenate([np.zeros((1, size)), np.eye(size)])
    at = nodes(model, batch, shifted)
    sigma = at.sigma_MBq[..., :1]  # the same for all, so that the derivative is that of the curve
    activity = columns(batch.activity_MBq)
    residual = (linear(at.unit_per_h, activity, sigma) * at.unit_per_h - activity) / sigma
    jacobian = np.moveaxis(residual[..., 1:] - residual[..., :1], 0, 1) / SHIFT
    residual = residual[..., 0].T
    if not batch.noise.unknown:
        return residual, jacobian, np.ones(len(z))
    freedom = max(batch.time_h.shape[1] - 1 - size, 0)
    expected = 0.0 if by_scatter(model, batch) else NOISE_MEDIAN**2
    lowest, *_, highest = noise_prior(by_scatter(model, batch)).noise
    guess = np.sqrt((at.misfit[:, 0] + expected) / max(freedom + (expected > 0), 1))
    return residual, jacobian, np.clip(guess, lowest, highest)


def _normalised(log_weight: Floats) -> tuple[Floats, Floats]:
    """Weights that add up to 1, and the log of their sum."""
    log_weight = np.where(np.isfinite(log_weight), log_weight, -1e300)
    top = log_weight.max(axis=1, keepdims=True)
    weight = np.exp(log_weight - top)
    total = weight.sum(axis=1, keepdims=True)
    return weight / total, (top + np.log(total))[:, 0]


def _sensitivity(at: Nodes, weight: Floats, noise: Floats) -> Floats:
    """Derivative of the mean ln TIA by each activity: the posterior covariance of ln TIA and fitted activity.

    Exact for Gaussian noise of constant sigma, whose log likelihood has the derivative (fitted - measured)/sigma^2.
    """
    fitted = at.tia_MBq_h * at.unit_per_h
    log_tia = np.log(at.tia_MBq_h)
    scale = noise[:, None]
    away = log_tia - (weight * log_tia).sum(axis=1, keepdims=True)
    within = fitted * (at.relative_sd * scale) ** 2
    centred = (fitted - (weight * fitted).sum(axis=-1, keepdims=True)) * away
    result: Floats = (weight * (centred + within) / (at.sigma_MBq * scale) ** 2).sum(axis=-1).T
    return result
