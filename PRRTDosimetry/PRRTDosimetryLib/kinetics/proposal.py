"""Where the posterior of a model is looked at: fixed quasi-random nodes around its ridge, and from its prior.

Clearance and early phases compensate each other, so that the posterior is a narrow curved ridge. The further numbers
are drawn from a mixture, three quarters from a Student's t around the optimum and a quarter from the prior, which finds
whatever the first part misses; the main clearance is then drawn around its best value for these.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.sobol import sobol_points
from scipy.special import gammaincinv, ndtri

from PRRTDosimetryLib.kinetics.likelihood import SHIFT, residuals_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.likelihood import Batch
    from PRRTDosimetryLib.kinetics.models import Model

    Floats = NDArray[np.float64]

_FREEDOM = 5  # of the Student's t around the optimum
_NARROW = 0.75  # share of nodes from it


@lru_cache(maxsize=32)
def lattice(size: int, count: int) -> Floats:
    """Quasi-random nodes of the shape (count, size + 4).

    The columns are: ``size`` normal numbers; two chi-squares; the level; the normal number.
    """
    uniform = sobol_points(size + 4, 1 << (count - 1).bit_length(), seed=20240607 + size)[:count]
    uniform = np.clip(uniform, 1e-6, 1 - 1e-6)
    normal: Floats = ndtri(uniform)
    normal[:, size : size + 2] = 2.0 * gammaincinv(_FREEDOM / 2.0, uniform[:, size : size + 2]) / _FREEDOM
    normal[:, -2] = uniform[:, -2]
    return normal


def proposed(model: Model, batch: Batch, around: tuple[Floats, Floats, Floats], count: int) -> tuple[Floats, Floats]:
    """Nodes (curves, count, d) and the log density of what they come from, up to the prior's constant.

    ``around``: optimum, covariance and noise. The further numbers come from a mixture of a Student's t around the
    optimum and the prior, the first one, which is the main clearance, from a Student's t around its best value for
    these: the posterior is a narrow curved ridge along which clearance and early phases compensate each other.
    """
    mode, covariance, noise = around
    size = mode.shape[1]
    drawn = lattice(size, count)
    rest, log_density = others(mode, covariance, drawn)
    if size > 1:
        slopes = np.linalg.solve(covariance[:, 1:, 1:], covariance[:, 1:, :1])
        linear = mode[:, :1] + ((rest - mode[:, None, 1:]) @ slopes)[..., 0]
    else:
        linear = np.broadcast_to(mode[:, :1], rest.shape[:2])
    best, spread = _best_clearance(model, batch, rest, np.clip(linear, -5, 5), noise)
    away = drawn[:, 0] / np.sqrt(drawn[:, size])
    z = np.concatenate([(best + spread * away)[..., None], rest], axis=-1)
    return z, log_density + _log_student(away**2, 1) - np.log(spread)


def others(mode: Floats, covariance: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """All numbers but the first, of the shape (curves, count, d - 1), and the log density of their mixture."""
    size, count = mode.shape[1] - 1, len(drawn)
    if size == 0:
        return np.empty((len(mode), count, 0)), np.zeros((len(mode), count))
    normal = drawn[:, 1 : size + 1]
    root = np.linalg.cholesky(covariance[:, 1:, 1:])
    inverse = np.linalg.inv(root)
    chosen = (np.arange(count) * 0.6180339887498949) % 1 < _NARROW
    scattered = (normal / np.sqrt(drawn[:, size + 2 : size + 3])) @ root.transpose(0, 2, 1)
    z = np.where(chosen[:, None], mode[:, None, 1:] + scattered, normal)
    distance = (((z - mode[:, None, 1:]) @ inverse.transpose(0, 2, 1)) ** 2).sum(axis=-1)
    log_root = np.log(np.einsum("cdd->cd", root)).sum(axis=1)
    near = _log_student(distance, size) - log_root[:, None]
    share = float(chosen.mean())
    return z, np.logaddexp(math.log(share) + near, math.log1p(-share) + log_prior(z))


def _log_student(squared: Floats, size: int) -> Floats:
    """Log density of Student's t in ``size`` dimensions, over the constant of the normal distribution."""
    constant = math.lgamma((_FREEDOM + size) / 2) - math.lgamma(_FREEDOM / 2) - size / 2 * math.log(_FREEDOM / 2)
    log_density: Floats = constant - (_FREEDOM + size) / 2 * np.log1p(squared / _FREEDOM)
    return log_density


def _best_clearance(model: Model, batch: Batch, rest: Floats, start: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Optimum of the first number for the others, by Gauss-Newton steps, and its standard deviation."""
    squared = noise[:, None] ** 2
    first, sigma = residuals_at(model, batch, start, rest)
    second, _ = residuals_at(model, batch, start + SHIFT, rest, sigma)
    z, residual, slope = start, first, (second - first) / SHIFT
    for last in (False, True):
        curvature = (slope**2).sum(axis=0) / squared + 1
        step = np.clip(-((slope * residual).sum(axis=0) / squared + z) / curvature, -1.5, 1.5)
        if last:
            return np.clip(z + step, -7, 7), 1 / np.sqrt(curvature)
        moved = np.clip(z + step, -7, 7)
        new, _ = residuals_at(model, batch, moved, rest, sigma)
        change = moved - z
        far = np.abs(change) > SHIFT
        slope = np.where(far, (new - residual) / np.where(far, change, 1.0), slope)
        z, residual = moved, new
    raise AssertionError


def adapted(mode: Floats, covariance: Floats, z: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean (curves, d) and covariance (curves, d, d) of weighted nodes; the old ones where too few nodes count."""
    mean = (weight[..., None] * z).sum(axis=1)
    away = z - mean[:, None, :]
    spread = (weight[..., None] * away).transpose(0, 2, 1) @ away
    effective = 1 / (weight**2).sum(axis=1)
    good = effective > 5 * z.shape[-1]
    floor = 0.05 * covariance
    return np.where(good[:, None], mean, mode), np.where(good[:, None, None], 1.1 * spread + floor, 2 * covariance)


def log_prior(z: Floats) -> Floats:
    """Log density of the prior along the last axis of ``z`` (n, d), over the constant of the normal distribution."""
    result: Floats = -0.5 * (z**2).sum(axis=-1)
    return result
