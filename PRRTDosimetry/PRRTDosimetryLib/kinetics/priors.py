"""What is assumed of time-activity curves before the points are seen: weak, stated, and overruled by good points.

Every free parameter of a model has a proper prior, written as a function of a standard normal number z, so that all
models are handled alike and none of them is undetermined with few points:

- effective half-life of the slowest phase: all orders of magnitude alike (log-uniform) from a twentieth of the
  physical half-life (8 h for 177Lu) to the physical half-life, which no activity outlives; with a probability of 5 %
  exactly that: no biological clearance. Biology does not go faster where a nuclide decays faster: for nuclides of less
  than 160 h it is the biological rate whose orders of magnitude are alike, down to that of 160 h (log-uniform in one
  plus the rate over that of 160 h, which for 177Lu is the same), so that 68Ga in most regions decays where it is;
- half-life of the uptake: log-normal, median 1.5 h, factor 3 (95 % between 0.2 and 13 h);
- half-life by which a fast phase clears faster than the slow one: log-normal, median 4 h, factor 2.5 (0.7 to 24 h);
- amplitude of the fast over that of the slow phase at the injection: log-normal, median 0.5, factor 2.5 (0.08 to 3);
- with the slow phase at physical decay (``tri``) the faster phase is the main one: half-life by which it clears faster
  of median 40 h, factor 3, and amplitude of the tail of median 3 %, factor 3 (0.4 to 26 %) of the main phase;
- relative noise of activities whose uncertainty is not stated: median 5 %, Student's t of 3 degrees of freedom for its
  logarithm with a scale of a factor of 2, between 0.5 and 50 %;
- one phase 35 %, one phase with uptake 35 %, two phases 20 %, two phases with uptake 5 %, with a physical tail 5 %.

They are judgement, not measurement: wide enough for organs and lesions of peptide receptor therapy, and the same for
all regions. Where a phase is over before the first image, nothing but they limit it; results say how much it could be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr, ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.least_squares import Priors
    from PRRTDosimetryLib.kinetics.models import Model

    Floats = NDArray[np.float64]

SHORTEST_OF_PHYSICAL = 0.05
"""Shortest effective half-life of the slowest phase, over the physical half-life."""

ASSUMED_RELATIVE_UNCERTAINTY = 0.05
"""Where no uncertainties are given: judges whether a model is adequate, and is the middle of what the noise may be."""

NOISE_MEDIAN, NOISE_FACTOR, NOISE_FREEDOM, NOISE_RANGE = ASSUMED_RELATIVE_UNCERTAINTY, 2.0, 3, (0.005, 0.5)
"""Prior of a relative noise that is not stated."""

NOISE_FLOOR_OF_LARGEST = 0.01
"""Noise that is not stated belongs to the activity, but at least to this share of the region's largest activity."""

_CLEARANCE_PER_h = math.log(2) / 160.0
"""Biological rate up to which all rates are alike; beyond, all orders of magnitude are."""

PHYSICAL_PROBABILITY = 0.05
"""That the slowest phase has no biological clearance at all."""

MODEL_PROBABILITY = {"mono": 0.35, "uptake-clearance": 0.35, "bi": 0.20, "bi-uptake": 0.05, "tri": 0.05}
"""Of the models before the points are seen; divided by the sum of those that are possible."""


@dataclass(frozen=True)
class LogNormal:
    """A positive quantity by its median and the factor of one standard deviation."""

    median: float
    factor: float

    def of(self, z: Floats) -> Floats:
        """The value at the standard normal number z."""
        return self.median * np.exp(math.log(self.factor) * z)


UPTAKE_HALF_LIFE_h = LogNormal(1.5, 3.0)
FAST_HALF_LIFE_h = LogNormal(4.0, 2.5)
FAST_AMPLITUDE = LogNormal(0.5, 2.5)
MAIN_HALF_LIFE_h = LogNormal(40.0, 3.0)
MAIN_AMPLITUDE = LogNormal(33.0, 3.0)


@dataclass(frozen=True, eq=False)
class Course:
    """Parameters of one model for many curves and nodes.

    Attributes
    ----------
    rates_per_h : clearance phases from slow to fast, then uptake; a list of arrays of one shape.
    fractions : share of each phase in the time-integrated activity, likewise; they add up to 1.
    """

    rates_per_h: list[Floats]
    fractions: list[Floats]

    def unit_curve(self, time_h: Floats, phases: int) -> Floats:
        """Activity per time-integrated activity (1/h); points are the first axis of ``time_h`` and of the result."""
        decays = [np.exp(-rate * time_h) for rate in self.rates_per_h]
        total: Floats | float = 0.0
        for phase in range(phases):
            rate, share = self.rates_per_h[phase], self.fractions[phase]
            if len(self.rates_per_h) > phases:
                uptake = self.rates_per_h[-1]
                gain = share * rate * uptake / np.maximum(uptake - rate, 1e-9 * uptake)
                total = total + gain * (decays[phase] - decays[-1])
            else:
                total = total + (share * rate) * decays[phase]
        return np.asarray(total)

    def share_after(self, time_h: Floats, phases: int) -> Floats:
        """Share of the time-integrated activity after ``time_h``, of the shape of the rates."""
        total: Floats | float = 0.0
        for phase in range(phases):
            rate, share = self.rates_per_h[phase], self.fractions[phase]
            late = np.exp(-rate * time_h)
            if len(self.rates_per_h) > phases:
                uptake = self.rates_per_h[-1]
                late = (uptake * late - rate * np.exp(-uptake * time_h)) / np.maximum(uptake - rate, 1e-9 * uptake)
            total = total + share * late
        return np.asarray(total)


def dimensions(model: Model) -> int:
    """Number of standard normal numbers behind a model: its rates, and the amplitude ratio of two phases."""
    return model.rate_steps + model.phases - 1


def course(model: Model, z: Floats, physical_per_h: float, given: Priors | None = None) -> Course:
    """Rates and shares of a model from standard normal numbers.

    Parameters
    ----------
    z : shape (..., dimensions).
    given : population half-lives of clearance and uptake that replace the weak ones.
    """
    column = iter(np.moveaxis(z, -1, 0))
    tail = np.full(z.shape[:-1], physical_per_h)
    slow = tail if model.physical_tail else _slow(next(column), physical_per_h, given)
    clearance = [slow]
    fractions = [np.ones_like(slow)]
    if model.phases == 2:
        half_life, ratio = (
            (MAIN_HALF_LIFE_h, MAIN_AMPLITUDE) if model.physical_tail else (FAST_HALF_LIFE_h, FAST_AMPLITUDE)
        )
        fast = slow + math.log(2) / half_life.of(next(column))
        odds = ratio.of(next(column)) * slow / fast
        clearance.append(fast)
        fractions = [1 / (1 + odds), odds / (1 + odds)]
    if not model.uptake:
        return Course(clearance, fractions)
    stated = given.uptake if given is not None else None
    uptake = LogNormal(stated.half_life_h, stated.geometric_sd) if stated is not None else UPTAKE_HALF_LIFE_h
    return Course([*clearance, clearance[-1] + math.log(2) / uptake.of(next(column))], fractions)


def _slow(z: Floats, physical_per_h: float, given: Priors | None) -> Floats:
    """Rate of the slowest phase, never below physical decay."""
    if given is not None and given.clearance is not None:
        stated = LogNormal(given.clearance.half_life_h, given.clearance.geometric_sd)
        return np.maximum(math.log(2) / stated.of(z), physical_per_h)
    upper = np.where(z > 0, -np.expm1(log_ndtr(-np.abs(z))), ndtr(z))  # ndtr without loss near 1
    scale = min(physical_per_h, _CLEARANCE_PER_h)
    span = (1.0 / SHORTEST_OF_PHYSICAL - 1.0) * physical_per_h / scale
    rate: Floats = physical_per_h + scale * np.expm1((1.0 - upper) * math.log1p(span))
    return rate


@dataclass(frozen=True, eq=False)
class NoisePrior:
    """Log density of a relative noise on a grid, for integration over it."""

    noise: Floats
    log_weight: Floats

    @classmethod
    @cache
    def stated(cls, steps: int = 33) -> NoisePrior:
        """The prior of the module's head, on ``steps`` noise levels."""
        noise = np.geomspace(*NOISE_RANGE, steps)
        scaled = np.log(noise / NOISE_MEDIAN) / math.log(NOISE_FACTOR)
        weight = -(NOISE_FREEDOM + 1) / 2.0 * np.log1p(scaled**2 / NOISE_FREEDOM)  # Student's t, up to a constant
        return cls(noise, weight - np.logaddexp.reduce(weight))

    @classmethod
    @cache
    def uninformed(cls, steps: int = 129) -> NoisePrior:
        """All orders of magnitude alike down to 1e-4: the noise then follows from the scatter, as in Student's t."""
        noise = np.geomspace(1e-4, NOISE_RANGE[1], steps)
        return cls(noise, np.full(steps, -math.log(steps)))

    def log_likelihood(self, misfit: Floats, points: int) -> Floats:
        """Log of the integral of noise^(1 - points) exp(-misfit/(2 noise^2)), any shape as ``misfit``."""
        each = self.log_weight - (points - 1) * np.log(self.noise) - 0.5 * misfit[..., None] / self.noise**2
        result: Floats = np.logaddexp.reduce(each, axis=-1)
        return result

    def quantiles(self, misfit: Floats, points: int, levels: Floats) -> Floats:
        """Noise at ``levels`` of its posterior for each misfit (m,), shape (m, levels)."""
        each = self.log_weight - (points - 1) * np.log(self.noise) - 0.5 * misfit[:, None] / self.noise**2
        weight = np.exp(each - each.max(axis=1, keepdims=True))
        below = np.cumsum(weight, axis=1) - 0.5 * weight
        below /= weight.sum(axis=1, keepdims=True)
        logs = np.log(self.noise)
        return np.exp(np.stack([np.interp(levels, row, logs) for row in below]))
