"""Posterior distribution of the time-integrated activity (TIA) of many curves at once, model by model.

The TIA is linear in the points and integrated in closed form for any rates (variable projection, Golub and Pereyra
1973, doi:10.1137/0710036). The rates are standard normal numbers by their priors (see :mod:`priors`). Their posterior
is found by Levenberg-Marquardt steps from the best of a coarse grid, and integrated by importance sampling with fixed
quasi-random nodes: three quarters from a Student's t around it, a quarter from the prior, which finds whatever the
first part misses; then once more around the mean and covariance of the first round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import chi2, qmc

from PRRTDosimetryLib.kinetics.priors import (
    NOISE_FLOOR_OF_LARGEST,
    NOISE_MEDIAN,
    NOISE_RANGE,
    NoisePrior,
    course,
    dimensions,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.least_squares import Priors
    from PRRTDosimetryLib.kinetics.models import Model
    from PRRTDosimetryLib.kinetics.priors import Course

    Floats = NDArray[np.float64]

_STARTS = {1: (9,), 2: (7, 5), 3: (6, 4, 4), 4: (5, 4, 3, 4)}  # coarse grid by dimension
_STEPS, _FINAL_STEPS = 9, 8
_NODES = {1: 128, 2: 192, 3: 256, 4: 384}
_DRAWS = 2  # TIA draws per node, a normal number and its opposite
_FREEDOM = 5  # of the Student's t around the optimum
_NARROW = 0.75  # share of nodes from it
_TABLE = np.geomspace(1e-9, 1e4, 261)  # squared relative misfits for which the noise's integral is tabulated
_LEVELS = (np.arange(64) + 0.5) / 64
_SMALL = 1e-12
_SHIFT = 1e-3  # for derivatives


@dataclass(frozen=True, eq=False)
class Noise:
    """How the standard uncertainty of each point follows: given ones, or by the fitted activity A.

    Attributes
    ----------
    sigma_MBq : shape (curves, points); None: sqrt((relative A)^2 + floor^2).
    relative, floor_MBq : the latter of shape (curves,).
    unknown : whether all uncertainties have a common unknown factor.
    equal : with ``unknown``: all points alike instead of relative to the fitted activity.
    """

    sigma_MBq: Floats | None = None
    relative: float = 0.0
    floor_MBq: Floats | None = None
    unknown: bool = False
    equal: bool = False

    def of(self, rows: slice) -> Noise:
        """The same for some of the curves."""
        sigma = None if self.sigma_MBq is None else self.sigma_MBq[rows]
        floor = None if self.floor_MBq is None else self.floor_MBq[rows]
        return Noise(sigma, self.relative, floor, self.unknown, self.equal)


@dataclass(frozen=True, eq=False)
class Batch:
    """Curves with the same number of points.

    Attributes
    ----------
    time_h, activity_MBq : shape (curves, points).
    noise : of the points.
    physical_per_h : decay constant, which no clearance falls below.
    priors : population half-lives in place of the weak ones.
    """

    time_h: Floats
    activity_MBq: Floats
    noise: Noise
    physical_per_h: float
    priors: Priors | None = None

    @property
    def largest_MBq(self) -> Floats:
        """Largest activity of each curve, shape (curves,)."""
        return self.activity_MBq.max(axis=1)

    def of(self, rows: slice) -> Batch:
        """Some of the curves."""
        return Batch(self.time_h[rows], self.activity_MBq[rows], self.noise.of(rows), self.physical_per_h, self.priors)


@dataclass(frozen=True, eq=False)
class Nodes:
    """A model at nodes, each with its best TIA.

    Attributes
    ----------
    tia_MBq_h, relative_sd : shape (curves, nodes); with unknown noise the latter is per unit of noise.
    unit_per_h, sigma_MBq : course per TIA, and uncertainties there, shape (points, curves, nodes).
    misfit : squared residuals over sigma, shape (curves, nodes).
    log_weight : log of likelihood, the TIA integrated out.
    """

    course: Course
    tia_MBq_h: Floats
    relative_sd: Floats
    unit_per_h: Floats
    sigma_MBq: Floats
    misfit: Floats
    log_weight: Floats


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
        return (self.weight * self.log_tia).sum(axis=1)

    @cached_property
    def variance(self) -> Floats:
        """Posterior variance of ln TIA, shape (curves,)."""
        return (self.weight * (self.log_tia - self.mean[:, None]) ** 2).sum(axis=1)


def posterior(model: Model, batch: Batch) -> ModelPosterior:
    """The posterior of one model for every curve of a batch."""
    size = dimensions(model)
    curves = len(batch.time_h)
    if size == 0:
        raise ValueError(f"{model.name} has no free rate.")
    mode, covariance, parameters, noise = _mode(model, batch)
    estimate = _best_estimate(model, batch, mode, noise)
    points, log_density = _proposed(model, batch, (mode, covariance, noise), max(32, _NODES[size] // 4))
    first = nodes(model, batch, points)
    weight, _ = _normalised(first.log_weight + _log_prior(points) - log_density)
    mode, covariance = _adapted(mode, covariance, points, weight)
    points, log_density = _proposed(model, batch, (mode, covariance, noise), _NODES[size])
    found = nodes(model, batch, points)
    weight, log_sum = _normalised(found.log_weight + _log_prior(points) - log_density)
    scale = _noise_draws(model, batch, found)
    normal = np.broadcast_to(_lattice(size, _NODES[size])[:, -1], found.tia_MBq_h.shape)
    spread = found.relative_sd * scale * normal
    log_tia = np.log(found.tia_MBq_h)
    best = np.argmin(found.misfit, axis=1)
    rows = np.arange(curves)
    return ModelPosterior(
        model,
        log_sum - math.log(points.shape[1]),
        np.concatenate([log_tia + spread, log_tia - spread], axis=1),
        np.concatenate([weight, weight], axis=1) / _DRAWS,
        *estimate,
        found.course,
        found.misfit[rows, best],
        np.log(found.sigma_MBq[:, rows, best]).sum(axis=0),
        parameters,
        _sensitivity(found, weight, noise),
    )


def nodes(model: Model, batch: Batch, z: Floats) -> Nodes:
    """The model at standard normal numbers ``z``, shape (curves, nodes, dimensions)."""
    at = course(model, z, batch.physical_per_h, batch.priors)
    unit = np.maximum(at.unit_curve(_columns(batch.time_h), model.phases), 1e-300)
    activity = _columns(batch.activity_MBq)
    tia, sigma = _scaled(batch, unit, activity)
    information = ((unit / sigma) ** 2).sum(axis=0)
    misfit = (((activity - tia * unit) / sigma) ** 2).sum(axis=0)
    relative = 1 / (np.sqrt(information) * tia)
    if batch.noise.unknown:
        table = _noise_table(batch.time_h.shape[1], _by_scatter(model, batch))
        likelihood = np.interp(np.log(misfit + _SMALL), np.log(_TABLE), table)
    else:
        likelihood = -0.5 * misfit
    log_weight = likelihood + np.log(relative / sigma.prod(axis=0))
    return Nodes(at, tia, relative, unit, sigma, misfit, log_weight)


def _scaled(batch: Batch, unit: Floats, activity: Floats) -> tuple[Floats, Floats]:
    """Best TIA for each course, and uncertainties by the activity that it gives, by iteration."""
    noise, largest = batch.noise, batch.largest_MBq[:, None]
    if noise.sigma_MBq is not None or noise.equal:
        sigma = largest * np.ones_like(unit) if noise.sigma_MBq is None else _columns(noise.sigma_MBq)
        return _linear(unit, activity, sigma), np.broadcast_to(sigma, unit.shape)
    if noise.unknown:
        relative, floor = 1.0, NOISE_FLOOR_OF_LARGEST * largest
    else:
        relative = noise.relative
        floor = 0.0 if noise.floor_MBq is None else noise.floor_MBq[:, None]
    tia = np.maximum((activity / unit).mean(axis=0), 1e-300) if relative else _linear(unit, activity, np.ones(1))
    tia = np.minimum(tia, 2 * _linear(unit, activity, np.ones(1)))  # a course that has all but ended would divide by 0
    for _ in range(2):
        sigma = np.sqrt((relative * tia * unit) ** 2 + floor**2) + _SMALL * largest
        tia = _linear(unit, activity, sigma)
    return tia, np.sqrt((relative * tia * unit) ** 2 + floor**2) + _SMALL * largest


def _columns(values: Floats) -> Floats:
    """From (curves, points) to (points, curves, 1): sums over points are then fast."""
    return np.ascontiguousarray(values.T)[..., None]


def _linear(unit: Floats, activity: Floats, sigma: Floats) -> Floats:
    weighted = unit / sigma**2
    return np.maximum((weighted * activity).sum(axis=0) / (weighted * unit).sum(axis=0), 1e-300)


def _mode(model: Model, batch: Batch) -> tuple[Floats, Floats, Floats, Floats]:
    """Optimum (curves, d), covariance (curves, d, d), effective parameters, and noise (curves,) at it."""
    size, curves = dimensions(model), len(batch.time_h)
    axes = [ndtri((np.arange(count) + 0.5) / count) for count in _STARTS[size]]
    tried = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)
    start = nodes(model, batch, np.broadcast_to(tried, (curves, *tried.shape)))
    z = tried[np.argmax(start.log_weight + _log_prior(tried), axis=1)]
    z, normal, noise = _climbed(model, batch, z, np.ones(size), _STEPS)
    covariance = np.linalg.inv(normal + np.eye(size))
    return z, covariance, 1 + size - np.einsum("cdd->c", covariance), noise


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
    shifted = z[:, None, :] + _SHIFT * np.concatenate([np.zeros((1, size)), np.eye(size)])
    at = nodes(model, batch, shifted)
    sigma = at.sigma_MBq[..., :1]  # the same for all, so that the derivative is that of the curve
    activity = _columns(batch.activity_MBq)
    residual = (_linear(at.unit_per_h, activity, sigma) * at.unit_per_h - activity) / sigma
    jacobian = np.moveaxis(residual[..., 1:] - residual[..., :1], 0, 1) / _SHIFT
    residual = residual[..., 0].T
    if not batch.noise.unknown:
        return residual, jacobian, np.ones(len(z))
    freedom = max(batch.time_h.shape[1] - 1 - size, 0)
    expected = 0.0 if _by_scatter(model, batch) else NOISE_MEDIAN**2
    lowest, *_, highest = _noise_prior(_by_scatter(model, batch)).noise
    guess = np.sqrt((at.misfit[:, 0] + expected) / max(freedom + (expected > 0), 1))
    return residual, jacobian, np.clip(guess, lowest, highest)


def _log_prior(z: Floats) -> Floats:
    return -0.5 * (z**2).sum(axis=-1)


@lru_cache(maxsize=32)
def _lattice(size: int, count: int) -> Floats:
    """Quasi-random nodes (count, size + 4): normal numbers, chi-square over freedom twice, a level, a normal number.

    The columns are: ``size`` normal numbers; two chi-squares; the level; the normal number.
    """
    uniform = qmc.Sobol(size + 4, seed=20240607 + size).random(1 << (count - 1).bit_length())[:count]
    uniform = np.clip(uniform, 1e-6, 1 - 1e-6)
    normal = ndtri(uniform)
    normal[:, size : size + 2] = chi2.ppf(uniform[:, size : size + 2], _FREEDOM) / _FREEDOM
    normal[:, -2] = uniform[:, -2]
    return normal


def _proposed(model: Model, batch: Batch, around: tuple[Floats, Floats, Floats], count: int) -> tuple[Floats, Floats]:
    """Nodes (curves, count, d) and the log density of what they come from, up to the prior's constant.

    ``around``: optimum, covariance and noise. The further numbers come from a mixture of a Student's t around the
    optimum and the prior, the first one, which is the main clearance, from a Student's t around its best value for
    these: the posterior is a narrow curved ridge along which clearance and early phases compensate each other.
    """
    mode, covariance, noise = around
    size = mode.shape[1]
    lattice = _lattice(size, count)
    rest, log_density = _others(mode, covariance, lattice)
    if size > 1:
        slopes = np.linalg.solve(covariance[:, 1:, 1:], covariance[:, 1:, :1])
        linear = mode[:, :1] + ((rest - mode[:, None, 1:]) @ slopes)[..., 0]
    else:
        linear = np.broadcast_to(mode[:, :1], rest.shape[:2])
    best, spread = _best_clearance(model, batch, rest, np.clip(linear, -5, 5), noise)
    away = lattice[:, 0] / np.sqrt(lattice[:, size])
    z = np.concatenate([(best + spread * away)[..., None], rest], axis=-1)
    return z, log_density + _log_student(away**2, 1) - np.log(spread)


def _others(mode: Floats, covariance: Floats, lattice: Floats) -> tuple[Floats, Floats]:
    """All numbers but the first (curves, count, d - 1), and the log density of their mixture."""
    size, count = mode.shape[1] - 1, len(lattice)
    if size == 0:
        return np.empty((len(mode), count, 0)), np.zeros((len(mode), count))
    normal = lattice[:, 1 : size + 1]
    root = np.linalg.cholesky(covariance[:, 1:, 1:])
    inverse = np.linalg.inv(root)
    chosen = (np.arange(count) * 0.6180339887498949) % 1 < _NARROW
    scattered = (normal / np.sqrt(lattice[:, size + 2 : size + 3])) @ root.transpose(0, 2, 1)
    z = np.where(chosen[:, None], mode[:, None, 1:] + scattered, normal)
    distance = (((z - mode[:, None, 1:]) @ inverse.transpose(0, 2, 1)) ** 2).sum(axis=-1)
    log_root = np.log(np.einsum("cdd->cd", root)).sum(axis=1)
    near = _log_student(distance, size) - log_root[:, None]
    share = float(chosen.mean())
    return z, np.logaddexp(math.log(share) + near, math.log1p(-share) + _log_prior(z))


def _log_student(squared: Floats, size: int) -> Floats:
    """Log density of Student's t in ``size`` dimensions, over the constant of the normal distribution."""
    constant = math.lgamma((_FREEDOM + size) / 2) - math.lgamma(_FREEDOM / 2) - size / 2 * math.log(_FREEDOM / 2)
    log_density: Floats = constant - (_FREEDOM + size) / 2 * np.log1p(squared / _FREEDOM)
    return log_density


def _best_clearance(model: Model, batch: Batch, rest: Floats, start: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Optimum of the first number for the others, by Gauss-Newton steps, and its standard deviation."""
    squared = noise[:, None] ** 2
    first, sigma = _misfit_at(model, batch, start, rest)
    second, _ = _misfit_at(model, batch, start + _SHIFT, rest, sigma)
    z, residual, slope = start, first, (second - first) / _SHIFT
    for last in (False, True):
        curvature = (slope**2).sum(axis=0) / squared + 1
        step = np.clip(-((slope * residual).sum(axis=0) / squared + z) / curvature, -1.5, 1.5)
        if last:
            return np.clip(z + step, -7, 7), 1 / np.sqrt(curvature)
        moved = np.clip(z + step, -7, 7)
        new, _ = _misfit_at(model, batch, moved, rest, sigma)
        change = moved - z
        far = np.abs(change) > _SHIFT
        slope = np.where(far, (new - residual) / np.where(far, change, 1.0), slope)
        z, residual = moved, new
    raise AssertionError


def _misfit_at(
    model: Model, batch: Batch, first: Floats, rest: Floats, sigma: Floats | None = None
) -> tuple[Floats, Floats]:
    """Residuals (points, curves, nodes) over sigma, which follows from the fitted activity unless it is given."""
    at = course(model, np.concatenate([first[..., None], rest], axis=-1), batch.physical_per_h, batch.priors)
    unit = np.maximum(at.unit_curve(_columns(batch.time_h), model.phases), 1e-300)
    activity = _columns(batch.activity_MBq)
    if sigma is None:
        _, sigma = _scaled(batch, unit, activity)
    return (_linear(unit, activity, sigma) * unit - activity) / sigma, sigma


def _adapted(mode: Floats, covariance: Floats, z: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of weighted nodes; the old ones where too few nodes count."""
    mean = (weight[..., None] * z).sum(axis=1)
    away = z - mean[:, None, :]
    spread = (weight[..., None] * away).transpose(0, 2, 1) @ away
    effective = 1 / (weight**2).sum(axis=1)
    good = effective > 5 * z.shape[-1]
    floor = 0.05 * covariance
    return np.where(good[:, None], mean, mode), np.where(good[:, None, None], 1.1 * spread + floor, 2 * covariance)


def _normalised(log_weight: Floats) -> tuple[Floats, Floats]:
    """Weights that add up to 1, and the log of their sum."""
    log_weight = np.where(np.isfinite(log_weight), log_weight, -1e300)
    top = log_weight.max(axis=1, keepdims=True)
    weight = np.exp(log_weight - top)
    total = weight.sum(axis=1, keepdims=True)
    return weight / total, (top + np.log(total))[:, 0]


def _by_scatter(model: Model, batch: Batch) -> bool:
    """Whether an unknown noise follows from the scatter alone: that of a named model with points to spare."""
    return batch.noise.equal and batch.time_h.shape[1] > model.parameters


def _noise_prior(by_scatter: bool) -> NoisePrior:
    return NoisePrior.uninformed() if by_scatter else NoisePrior.stated()


@lru_cache(maxsize=64)
def _noise_table(points: int, by_scatter: bool) -> Floats:
    return _noise_prior(by_scatter).log_likelihood(_TABLE, points)


@lru_cache(maxsize=64)
def _noise_quantiles(points: int, by_scatter: bool) -> Floats:
    return _noise_prior(by_scatter).quantiles(_TABLE, points, _LEVELS)


def _noise_draws(model: Model, batch: Batch, at: Nodes) -> Floats:
    """A factor for the spread of the TIA at each node: 1, or a draw of the unknown noise given the misfit there."""
    if not batch.noise.unknown:
        return np.ones(at.misfit.shape)
    table = _noise_quantiles(batch.time_h.shape[1], _by_scatter(model, batch))
    step = math.log(_TABLE[1] / _TABLE[0])
    row = np.clip(np.rint(np.log((at.misfit + _SMALL) / _TABLE[0]) / step), 0, len(_TABLE) - 1).astype(int)
    lattice = _lattice(dimensions(model), at.misfit.shape[1])
    column = (lattice[:, -2] * len(_LEVELS)).astype(int)
    return table[row, np.broadcast_to(column, row.shape)]


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
    return (weight * (centred + within) / (at.sigma_MBq * scale) ** 2).sum(axis=-1).T
