"""The hierarchical model: parameters of every curve around typical values, and the marginal likelihood by Laplace.

A curve is one region in one cycle of one patient. Its parameters are typical values plus effects of covariates plus
three normal deviations: of the patient (any covariance), of the region within the patient (left from right kidney,
lesion from lesion), and of the cycle. Ln activities scatter around the course by a relative noise. The parameters of
all curves of a patient are integrated out around their mode by Laplace's method (Tierney and Kadane 1986), which is
exact for courses that are linear in their parameters.

Everything is calculated for many settings of the population's numbers (``m``) and all patients at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

_STEPS = 60
# Squared lengths of a step, in posterior standard deviations: the mode; where rounding decides; where Newton is safe.
_CONVERGED, _TINY, _NEAR = 1e-14, 1e-8, 0.1
_JITTER = 1e-10


class Course(Protocol):
    """A course by its parameters: see `courses.Kinetics`; any other, such as a straight line, will do."""

    @property
    def size(self) -> int:
        """Number of parameters d."""

    def log_activity(self, theta: Floats, time_h: Floats, physical_per_h: float) -> Floats:
        """Shape (..., n)."""

    def jacobian(self, theta: Floats, time_h: Floats) -> Floats:
        """Shape (..., n, d)."""

    def second(self, theta: Floats, time_h: Floats) -> Floats:
        """Shape (..., n, d, d)."""


@dataclass(frozen=True, eq=False)
class Group:
    """Patients with the same number of curves L; n is the largest number of points, q that of covariates.

    Attributes
    ----------
    time_h, log_activity, u_log : shape (patients, L, n); ``u_log`` is the stated relative uncertainty, 0 where none is.
    used : whether the point is there, shape (patients, L, n).
    same_region : which curves are of one region, shape (patients, L, L).
    covariates : centred, shape (patients, L, q).
    numbers : place of each patient in the order of the data.
    """

    time_h: Floats
    log_activity: Floats
    u_log: Floats
    used: Flags
    same_region: Floats
    covariates: Floats
    numbers: tuple[int, ...] = ()

    def without(self, curve: int) -> Group:
        """The same without the points of one curve, whose parameters stay."""
        used = self.used.copy()
        used[:, curve] = False
        return replace(self, used=used)

    def only(self, curve: int) -> Group:
        """One curve of each patient alone."""
        chosen = slice(curve, curve + 1)
        return Group(
            self.time_h[:, chosen],
            self.log_activity[:, chosen],
            self.u_log[:, chosen],
            self.used[:, chosen],
            self.same_region[:, chosen, chosen],
            self.covariates[:, chosen],
            self.numbers,
        )


@dataclass(frozen=True, eq=False)
class Numbers:
    """The population's numbers, for ``m`` settings at once.

    Attributes
    ----------
    typical : shape (m, d).
    effects : of covariates, shape (m, q, d).
    between : covariance between patients, shape (m, d, d).
    within, cycles : standard deviations between regions and between cycles, shape (m, d), 0 where there is no level.
    noise : relative, shape (m,).
    """

    typical: Floats
    effects: Floats
    between: Floats
    within: Floats
    cycles: Floats
    noise: Floats

    def means(self, group: Group) -> Floats:
        """Expected parameters of every curve, shape (m, patients, L, d)."""
        shift = np.einsum("plq,mqd->mpld", group.covariates, self.effects)
        result: Floats = self.typical[:, None, None, :] + shift
        return result

    def covariance(self, group: Group) -> Floats:
        """Of the parameters of all curves of each patient, shape (m, patients, L d, L d)."""
        (count, curves), (m, d) = group.same_region.shape[:2], self.typical.shape
        eye = np.eye(d)
        total = np.broadcast_to(self.between[:, None, None, :, None, :], (m, count, curves, d, curves, d)).copy()
        regions = (self.within**2)[:, :, None] * eye
        total += np.einsum("pab,mde->mpadbe", group.same_region, regions)
        cycles = (self.cycles**2)[:, :, None] * eye + _JITTER * eye
        total += np.einsum("ab,mde->madbe", np.eye(curves), cycles)[:, None]
        return total.reshape(m, count, curves * d, curves * d)


@dataclass(frozen=True)
class Layout:
    """Where each number is in the vector that is estimated.

    The vector holds typical values, effects of covariates, the Cholesky factor of the covariance between patients
    (logarithms on its diagonal), logarithms of the other standard deviations, and ln noise.

    Attributes
    ----------
    size, covariates : d and q.
    full : whether deviations of a patient are correlated; else only the diagonal is estimated.
    within, cycles : whether these levels exist.
    """

    size: int
    covariates: int = 0
    full: bool = True
    within: bool = False
    cycles: bool = False

    @property
    def lower(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places below the diagonal of the Cholesky factor that are estimated."""
        empty = np.zeros(0, dtype=np.intp)
        return np.tril_indices(self.size, -1) if self.full else (empty, empty)

    @property
    def parts(self) -> dict[str, slice]:
        """The places of each part."""
        sizes = {
            "typical": self.size,
            "effects": self.covariates * self.size,
            "diagonal": self.size,
            "lower": len(self.lower[0]),
            "within": self.size * self.within,
            "cycles": self.size * self.cycles,
            "noise": 1,
        }
        ends = np.cumsum(list(sizes.values()))
        return {name: slice(int(end) - count, int(end)) for (name, count), end in zip(sizes.items(), ends, strict=True)}

    @property
    def length(self) -> int:
        """Number of numbers."""
        return int(self.parts["noise"].stop)

    def numbers(self, vector: Floats) -> Numbers:
        """From vectors (m, length)."""
        at, m = self.parts, len(vector)
        factor = self.factor(vector)
        none = np.zeros((m, self.size))
        return Numbers(
            vector[:, at["typical"]],
            vector[:, at["effects"]].reshape(m, self.covariates, self.size),
            factor @ factor.transpose(0, 2, 1),
            np.exp(vector[:, at["within"]]) if self.within else none,
            np.exp(vector[:, at["cycles"]]) if self.cycles else none,
            np.exp(vector[:, at["noise"].start]),
        )

    def factor(self, vector: Floats) -> Floats:
        """Cholesky factor of the covariance between patients, shape (m, d, d)."""
        factor = np.zeros((len(vector), self.size, self.size))
        diagonal = np.arange(self.size)
        factor[:, diagonal, diagonal] = np.exp(vector[:, self.parts["diagonal"]])
        factor[:, self.lower[0], self.lower[1]] = vector[:, self.parts["lower"]]
        return factor

    def vector(self, numbers: Numbers) -> Floats:
        """The inverse of `numbers`, shape (m, length)."""
        factor = np.linalg.cholesky(numbers.between)
        m = len(factor)
        parts = [numbers.typical, numbers.effects.reshape(m, -1), np.log(np.einsum("mdd->md", factor))]
        parts.append(factor[:, self.lower[0], self.lower[1]])
        parts += [np.log(numbers.within)] * self.within + [np.log(numbers.cycles)] * self.cycles
        return np.concatenate([*parts, np.log(numbers.noise)[:, None]], axis=1)


@dataclass(eq=False)
class Modes:
    """Parameters at the mode of each patient, shape (m, patients, L, d), and what belongs to them.

    Attributes
    ----------
    log_likelihood : marginal, shape (m, patients).
    precision : at the mode, shape (m, patients, L d, L d).
    misfit : squared residuals over noise of each curve, shape (m, patients, L).
    """

    theta: Floats
    log_likelihood: Floats = field(default_factory=lambda: np.zeros(0))
    precision: Floats = field(default_factory=lambda: np.zeros(0))
    misfit: Floats = field(default_factory=lambda: np.zeros(0))


def variances(group: Group, noise: Floats) -> Floats:
    """Of the ln activities, shape (m, patients, L, n); infinite where there is no point."""
    total = group.u_log**2 + noise[:, None, None, None] ** 2
    return np.where(group.used, total, np.inf)


def modes(course: Course, group: Group, numbers: Numbers, physical_per_h: float, start: Floats | None = None) -> Modes:
    """The mode of the parameters of all patients, and the Laplace approximation there.

    Parameters
    ----------
    start : parameters to begin at, shape (m, patients, L, d) or one that broadcasts to it; None for the expected ones.
    """
    return modes_around(
        course, group, (numbers.means(group), numbers.covariance(group)), numbers.noise, physical_per_h, start
    )


def modes_around(
    course: Course,
    group: Group,
    prior_moments: tuple[Floats, Floats],
    noise: Floats,
    physical_per_h: float,
    start: Floats | None = None,
) -> Modes:
    """The same for any normal prior: means (m, patients, L, d) and covariances (m, patients, L d, L d)."""
    mean, prior = prior_moments
    shape = mean.shape
    theta = np.array(np.broadcast_to(mean if start is None else start, shape))
    pairs = _Pairs(
        course,
        group,
        physical_per_h,
        mean,
        np.asarray(np.linalg.inv(prior), dtype=np.float64),
        np.asarray(1 / variances(group, noise), dtype=np.float64),
    )
    theta = pairs.climbed(theta.reshape(-1, *shape[2:])).reshape(shape)
    every = np.arange(shape[0] * shape[1])
    flat = theta.reshape(-1, *shape[2:])
    cost, residual = pairs.cost(every, flat)
    precision = _definite(*pairs.precisions(every, flat, residual))
    # ln sqrt(2 pi variance) of the points that are there
    known = group.u_log**2 + noise[:, None, None, None] ** 2
    scale = np.where(group.used, 0.5 * np.log(2 * math.pi * known), 0)
    likelihood = -0.5 * (cost + np.linalg.slogdet(precision)[1]).reshape(shape[:2]) - scale.sum(axis=(-2, -1))
    likelihood -= 0.5 * np.linalg.slogdet(prior)[1]
    misfit = (pairs.weight * residual**2).sum(axis=-1)
    return Modes(theta, likelihood, precision.reshape(prior.shape), misfit.reshape(shape[:3]))


class _Pairs:
    """All pairs of settings and patients as one list, so that those at their mode are left out of further steps."""

    def __init__(
        self, course: Course, group: Group, physical_per_h: float, mean: Floats, inverse: Floats, weight: Floats
    ) -> None:
        settings, patients = mean.shape[:2]
        self.course, self.physical_per_h = course, physical_per_h
        self.patient = np.tile(np.arange(patients), settings)
        self.time_h, self.used, self.log_activity = group.time_h, group.used, group.log_activity
        self.mean = mean.reshape(-1, *mean.shape[2:])
        self.inverse = inverse.reshape(-1, *inverse.shape[2:])
        self.weight = weight.reshape(-1, *weight.shape[2:])

    def cost(self, chosen: NDArray[np.intp], theta: Floats) -> tuple[Floats, Floats]:
        """Squared distances to the points and to the expected parameters, and the residuals."""
        patient = self.patient[chosen]
        fitted = self.course.log_activity(theta, self.time_h[patient], self.physical_per_h)
        residual = np.where(self.used[patient], self.log_activity[patient] - fitted, 0.0)
        away = (theta - self.mean[chosen]).reshape(len(chosen), -1)
        pull = np.einsum("ba,bac,bc->b", away, self.inverse[chosen], away, optimize=True)
        result: Floats = (self.weight[chosen] * residual**2).sum(axis=(-2, -1)) + pull
        return result, residual

    def precisions(self, chosen: NDArray[np.intp], theta: Floats, residual: Floats) -> tuple[Floats, Floats]:
        """Half the second derivatives of the cost, exact and expected, shape (chosen, L d, L d)."""
        jacobian = self.jacobian(chosen, theta)
        weight = self.weight[chosen]
        squares = (jacobian * weight[..., None]).swapaxes(-1, -2) @ jacobian
        bent = self.course.second(theta, self.time_h[self.patient[chosen]])
        bends = np.einsum("blnde,bln->blde", bent, weight * residual)
        inverse = self.inverse[chosen]
        return inverse + _blocks(squares - bends), inverse + _blocks(squares)

    def jacobian(self, chosen: NDArray[np.intp], theta: Floats) -> Floats:
        """Shape (chosen, L, n, d)."""
        return self.course.jacobian(theta, self.time_h[self.patient[chosen]])

    def slope(self, chosen: NDArray[np.intp], theta: Floats, residual: Floats) -> Floats:
        """Minus half the derivative of the cost, shape (chosen, L d)."""
        pulled = (self.weight[chosen] * residual)[..., None, :] @ self.jacobian(chosen, theta)
        away = (theta - self.mean[chosen]).reshape(len(chosen), -1)
        result: Floats = pulled[..., 0, :].reshape(away.shape) - (self.inverse[chosen] @ away[..., None])[..., 0]
        return result

    def climbed(self, theta: Floats) -> Floats:
        """Parameters at the mode of each pair: Gauss-Newton steps, damped where needed, and Newton steps at the end."""
        theta = theta.copy()
        chosen = np.arange(len(theta))
        cost, residual = self.cost(chosen, theta)
        damping, near = np.zeros(len(theta)), np.zeros(len(theta), dtype=bool)
        for _ in range(_STEPS):
            now, left = theta[chosen], residual
            exact, expected = self.precisions(chosen, now, left)
            system = np.where(near[:, None, None], exact, expected)
            diagonal = np.einsum("baa->ba", expected)
            system = system + (damping[:, None] * diagonal)[..., None] * np.eye(diagonal.shape[1])
            slope = self.slope(chosen, now, left)
            step = np.linalg.solve(system, slope[..., None])[..., 0]
            gain = (slope * step).sum(axis=-1)  # squared length of the step in standard deviations
            tried = now + step.reshape(now.shape)
            tried_cost, tried_residual = self.cost(chosen, tried)
            better = (tried_cost <= cost) | (np.abs(gain) < _TINY)
            theta[chosen] = np.where(better[:, None, None], tried, now)
            residual = np.where(better[:, None, None], tried_residual, left)
            cost = np.where(better, tried_cost, cost)
            damping = np.where(better, damping / 10, np.maximum(damping * 8, 1e-3))
            damping = np.where(damping < 1e-6, 0.0, damping)
            near = better & (np.abs(gain) < _NEAR)
            going = (np.abs(gain) > _CONVERGED) & (damping < 1e8)
            chosen, residual, cost = chosen[going], residual[going], cost[going]
            damping, near = damping[going], near[going]
            if not chosen.size:
                break
        return theta


def _definite(exact: Floats, expected: Floats) -> Floats:
    """The exact precisions where they are positive definite, else the expected ones."""
    least = np.linalg.eigvalsh(exact)[..., 0]
    result: Floats = np.where((least > 0)[..., None, None], exact, expected)
    return result


def _blocks(per_curve: Floats) -> Floats:
    """From (b, L, d, d) to a matrix with these blocks on its diagonal, (b, L d, L d)."""
    count, curves, d, _ = per_curve.shape
    full = np.zeros((count, curves, d, curves, d))
    place = np.arange(curves)
    full[:, place, :, place, :] = per_curve.swapaxes(0, 1)
    return full.reshape(count, curves * d, curves * d)


class Marginal:
    """The marginal likelihood of all patients, with the modes of the last call as the next start.

    Parameters
    ----------
    course, layout : what is estimated.
    groups : the data.
    physical_per_h : decay constant.
    """

    def __init__(self, course: Course, layout: Layout, groups: Sequence[Group], physical_per_h: float) -> None:
        self.course, self.layout, self.groups, self.physical_per_h = course, layout, groups, physical_per_h
        self._start: list[Floats | None] = [None] * len(groups)

    def modes(self, vector: Floats) -> list[Modes]:
        """Modes of each group at vectors (m, length)."""
        numbers = self.layout.numbers(vector)
        first = self.layout.numbers(vector[:1])
        found = []
        for place, group in enumerate(self.groups):
            made = modes(self.course, group, first, self.physical_per_h, self._start[place])
            self._start[place] = made.theta
            if len(vector) > 1:
                made = modes(self.course, group, numbers, self.physical_per_h, made.theta)
            found.append(made)
        return found

    def by_patient(self, vector: Floats) -> Floats:
        """Log likelihood of each patient at vectors (m, length), shape (m, patients), in the groups' order."""
        return np.concatenate([one.log_likelihood for one in self.modes(vector)], axis=1)
