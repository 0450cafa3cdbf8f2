"""Whether a patient is outside a population: a predictive check, calibrated by simulated patients of the population.

The parameters at the mode of the patient are compared, both sides, with those that simulated patients with the same
images have: their parameters are drawn from the population, what is uncertain in it included, their activities scatter
as the patient's do, and they are fitted in the same way. So the check needs no linear course: a slow clearance, which
images blur more than a fast one, is compared with what they show of slow clearances.

Each parameter has the threshold at which it would name 80 % of patients at three standard deviations, by how much of
it images show (normal approximation), yet none above 2.7, since the spread of a population is known to some percent
only. The largest excess of a parameter over its threshold is what is compared, so that however many parameters are
looked at, the share of patients of the population that is named is the significance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from PRRTDosimetryLib.population.hierarchy import Group, modes_around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.population.hierarchy import Course

    Floats = NDArray[np.float64]

SIGNIFICANCE = 0.05
"""Of the check: this share of the population's own patients is named."""

_SIMULATED = 1024
_SEEN = 0.5  # of a parameter's variance, that the images show
_DISTANCE, _POWER = 3.0, 0.84  # standard deviations at which 80 % are named
_HIGHEST = 2.7
_LEVELS = np.concatenate([[0.005], np.arange(1, 100) / 100, [0.995]])
_END = 5  # levels from an end of the simulated range, whose slope goes on beyond it


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected of the curves of each patient, by ``m`` possible populations.

    Attributes
    ----------
    mean, covariance : shapes (m, patients, L, d) and (m, patients, L d, L d).
    share : of each possible population, adds up to 1 over the first axis, shape (m, patients).
    noise : relative, shape (m,).
    """

    mean: Floats
    covariance: Floats
    share: Floats
    noise: Floats

    def pooled(self) -> tuple[Floats, Floats, Floats]:
        """Mean (patients, L, d), covariance (patients, L d, L d) and noise (1,) over the possible populations."""
        mean = np.einsum("mp,mpld->pld", self.share, self.mean)
        apart = (self.mean - mean).reshape(*self.mean.shape[:2], -1)
        inner = np.einsum("mp,mpde->pde", self.share, self.covariance)
        covariance = inner + np.einsum("mp,mpd,mpe->pde", self.share, apart, apart)
        noise = np.sqrt(np.einsum("mp,m->p", self.share, self.noise**2)).mean(keepdims=True)
        return mean, covariance, noise


def chance_of_patients(
    course: Course, group: Group, expected: Expected, mode: Floats, physical_per_h: float, seed: int
) -> Floats:
    """Probability that a patient of the population is as far from typical as each of the group, shape (patients,).

    Parameters
    ----------
    course : the population's kinetics.
    group : the patients' images.
    expected : of their curves before these images.
    mode : parameters of all curves at the modes around `Expected.pooled`, shape (patients, L, d).
    physical_per_h : decay constant.
    seed : of the simulated patients.

    Returns
    -------
    The mean of a patient's curves is looked at; 1 where the images show none of its parameters.
    """
    known: dict[bytes, _Reference] = {}
    found = np.ones(len(mode))
    pooled = expected.pooled()
    for patient, own in enumerate(mode):
        parts = (group.time_h, group.u_log, group.used, pooled[0], pooled[1])
        key = b"".join(part[patient].tobytes() for part in parts)
        if key not in known:
            known[key] = _reference(course, group, expected, patient, physical_per_h, seed)
        found[patient] = known[key].chance(own.mean(axis=0))
    return found


@dataclass(frozen=True, eq=False)
class _Reference:
    """What simulated patients with the same images show: quantiles of each parameter, and their largest excesses."""

    quantiles: Floats
    threshold: Floats
    seen: NDArray[np.bool_]
    excesses: Floats

    def chance(self, mode: Floats) -> float:
        if not self.seen.any():
            return 1.0
        more = len(self.excesses) - np.searchsorted(self.excesses, self.excess(mode[None])[0])
        return min(float(more + 1) / (len(self.excesses) + 1), 0.999)

    def excess(self, modes: Floats) -> Floats:
        """Largest excess of the normal scores of parameters (n, d) over their thresholds, shape (n,)."""
        scores = [_score(modes[:, j], self.quantiles[j]) for j in range(modes.shape[1])]
        result: Floats = np.where(self.seen[:, None], np.abs(scores) - self.threshold[:, None], -np.inf).max(axis=0)
        return result


def _score(values: Floats, quantiles: Floats) -> Floats:
    """Normal scores by quantiles, straight on beyond the outermost ones."""
    scores = ndtri(_LEVELS)
    inside = np.interp(values, quantiles, scores)
    tiny = 1e-12
    low = (quantiles[_END] - quantiles[0] + tiny) / (scores[_END] - scores[0])
    high = (quantiles[-1] - quantiles[-1 - _END] + tiny) / (scores[-1] - scores[-1 - _END])
    inside = np.where(values < quantiles[0], scores[0] + (values - quantiles[0]) / low, inside)
    result: Floats = np.where(values > quantiles[-1], scores[-1] + (values - quantiles[-1]) / high, inside)
    return result


def _reference(
    course: Course, group: Group, expected: Expected, patient: int, physical_per_h: float, seed: int
) -> _Reference:
    """Simulate patients with the images of one, and look at their modes as at its own."""
    curves, d = expected.mean.shape[2:]
    size, points = curves * d, group.time_h.shape[2]
    from scipy.stats import qmc

    level = np.clip(qmc.Sobol(1 + size + curves * points, seed=seed + 2).random(_SIMULATED), 1e-6, 1 - 1e-6)
    which = np.searchsorted(np.cumsum(expected.share[:, patient]), level[:, 0]).clip(max=len(expected.noise) - 1)
    normal = ndtri(level[:, 1:])
    factor = np.linalg.cholesky(expected.covariance[:, patient])
    theta = expected.mean[which, patient].reshape(-1, size) + np.einsum("rde,re->rd", factor[which], normal[:, :size])
    repeated = _repeated(group, patient)
    noise = np.sqrt(repeated.u_log**2 + expected.noise[which, None, None] ** 2)
    logs = course.log_activity(theta.reshape(-1, curves, d), repeated.time_h, physical_per_h)
    logs = logs + noise * normal[:, size:].reshape(noise.shape)
    repeated = replace(repeated, log_activity=np.where(repeated.used, logs, 0.0))
    mean, covariance, pooled_noise = expected.pooled()
    prior = (
        np.broadcast_to(mean[patient], (1, _SIMULATED, curves, d)),
        np.broadcast_to(covariance[patient], (1, _SIMULATED, size, size)),
    )
    modes = modes_around(course, repeated, prior, pooled_noise, physical_per_h).theta[0].mean(axis=1)
    spread = covariance[patient].reshape(curves, d, curves, d).mean(axis=(0, 2)).diagonal()
    shown = np.minimum(modes.var(axis=0) / spread, 1.0)
    threshold = np.clip(_DISTANCE * np.sqrt(shown) - _POWER * np.sqrt(1 - shown), 0.0, _HIGHEST)
    made = _Reference(np.quantile(modes, _LEVELS, axis=0).T, threshold, shown > _SEEN, np.zeros(0))
    return replace(made, excesses=np.sort(made.excess(modes)))


def _repeated(group: Group, patient: int) -> Group:
    """As many copies of one patient as are simulated."""
    one = [patient] * _SIMULATED
    return Group(
        group.time_h[one],
        group.log_activity[one],
        group.u_log[one],
        group.used[one],
        group.same_region[one],
        group.covariates[one],
    )
