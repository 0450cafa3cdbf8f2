"""Courses of activity by logarithms of amplitude and rates: what varies between patients, regions and cycles.

With l = physical decay + b, b being the biological clearance of the slow phase:

- mono: A(t) = a exp(-l t), parameters ln a, ln b;
- uptake-clearance: A(t) = a exp(-l t) (1 - exp(-d t)), parameters ln a, ln b, ln d;
- bi: A(t) = a exp(-l t) (1 + r exp(-D t)), parameters ln a, ln b, ln D, ln r.

No activity clears slower than decay, and biological rates hold for every nuclide on the same molecule. The sums of
exponentials are those of :mod:`kinetics.models`; their use in hierarchical models of radionuclide therapy is that of
Hardiansyah et al. 2023, doi:10.1186/s40658-023-00530-1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.priors import FAST_AMPLITUDE, FAST_HALF_LIFE_h, UPTAKE_HALF_LIFE_h

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.priors import LogNormal

    Floats = NDArray[np.float64]

KINDS = ("kidney", "spleen", "liver", "marrow", "lesion")
"""Kinds of regions that have a population of their own."""

AMPLITUDE, CLEARANCE = 0, 1
"""Places of ln amplitude and ln biological clearance in every parameter vector."""

_LEAST = 1e-9  # of a rate times a time: an uptake that has not begun


@dataclass(frozen=True)
class Kinetics:
    """One form of the course.

    Attributes
    ----------
    name : as in `vocabulary.TIAC_MODELS`.
    parameters : what each number of the parameter vector is.
    weak : weak assumption on each typical value: mean and standard deviation, nan for none.
    """

    name: str
    parameters: tuple[str, ...]
    weak: tuple[tuple[float, float], ...]

    @property
    def size(self) -> int:
        """Number of parameters d."""
        return len(self.parameters)

    def log_activity(self, theta: Floats, time_h: Floats, physical_per_h: float) -> Floats:
        """Ln activity, shape (..., n), from parameters (..., d) and times (..., n)."""
        slow, other, ratio = _rates(theta)
        time = np.asarray(time_h, dtype=np.float64)
        result: Floats = theta[..., :1] - (physical_per_h + slow) * time
        if self.name == "uptake-clearance":
            result = result + np.log(-np.expm1(-np.maximum(other * time, _LEAST)))
        elif self.name == "bi":
            result = result + np.log1p(ratio * np.exp(-other * time))
        return result

    def jacobian(self, theta: Floats, time_h: Floats) -> Floats:
        """Derivatives of ln activity by the parameters, shape (..., n, d)."""
        slow, other, ratio = _rates(theta)
        time = np.asarray(time_h, dtype=np.float64)
        columns = [np.ones(np.broadcast_shapes(slow.shape, time.shape)), -slow * time]
        if self.name == "uptake-clearance":
            x = np.clip(other * time, _LEAST, 500.0)
            columns.append(x / np.expm1(x))
        elif self.name == "bi":
            early = ratio * np.exp(-other * time)
            share = early / (1 + early)
            columns += [-share * other * time, share]
        return np.stack(np.broadcast_arrays(*columns), axis=-1)

    def second(self, theta: Floats, time_h: Floats) -> Floats:
        """Second derivatives of ln activity by the parameters, shape (..., n, d, d)."""
        slow, other, ratio = _rates(theta)
        time = np.asarray(time_h, dtype=np.float64)
        found = np.zeros((*np.broadcast_shapes(slow.shape, time.shape), self.size, self.size))
        found[..., 1, 1] = -slow * time
        if self.name == "uptake-clearance":
            x = np.clip(other * time, _LEAST, 500.0)
            growth = np.expm1(x)
            found[..., 2, 2] = x / growth * (1 - x / growth * (growth + 1))
        elif self.name == "bi":
            early = ratio * np.exp(-other * time)
            share, fallen = early / (1 + early), other * time
            mixed = share / (1 + early)
            found[..., 2, 2] = mixed * fallen**2 - share * fallen
            found[..., 3, 3] = mixed
            found[..., 2, 3] = found[..., 3, 2] = -mixed * fallen
        return found

    def log_tia(self, theta: Floats, physical_per_h: float) -> Floats:
        """Ln of the time-integrated activity, shape (...)."""
        slow, other, ratio = (part[..., 0] for part in _rates(theta))
        rate = physical_per_h + slow
        result: Floats = theta[..., 0] - np.log(rate)
        if self.name == "uptake-clearance":
            result = result - np.log1p(rate / other)
        elif self.name == "bi":
            result = result + np.log1p(ratio * rate / (rate + other))
        return result

    def log_tia_gradient(self, theta: Floats, physical_per_h: float) -> Floats:
        """Derivatives of ln TIA by the parameters, shape (..., d)."""
        slow, other, ratio = (part[..., 0] for part in _rates(theta))
        rate = physical_per_h + slow
        fast = rate + other
        ones = np.ones_like(slow)
        if self.name == "mono":
            return np.stack([ones, -slow / rate], axis=-1)
        if self.name == "uptake-clearance":
            return np.stack([ones, -slow / rate - slow / fast, rate / fast], axis=-1)
        total = 1 / rate + ratio / fast
        by_clearance = -slow * (1 / rate**2 + ratio / fast**2) / total
        return np.stack([ones, by_clearance, -other * ratio / fast**2 / total, ratio / fast / total], axis=-1)

    def exponentials(self, theta: Floats, physical_per_h: float) -> tuple[tuple[float, float], ...]:
        """The course as a sum of (amplitude, rate per hour), from parameters (d,)."""
        slow, other, ratio = (float(part[0]) for part in _rates(theta))
        amplitude, rate = math.exp(float(theta[0])), physical_per_h + slow
        if self.name == "mono":
            return ((amplitude, rate),)
        if self.name == "uptake-clearance":
            return ((amplitude, rate), (-amplitude, rate + other))
        return ((amplitude, rate), (amplitude * ratio, rate + other))


def effective_half_life_h(theta: Floats, physical_per_h: float) -> Floats:
    """Effective half-life of the slow phase, shape (...)."""
    result: Floats = math.log(2) / (physical_per_h + np.exp(theta[..., CLEARANCE]))
    return result


def log_rate(half_life_h: float) -> float:
    """Ln of the rate of a half-life."""
    return math.log(math.log(2) / half_life_h)


def _rates(theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Slow biological rate, the other rate and the amplitude ratio (1 where there is none), shape (..., 1)."""
    bounded = np.clip(theta, -30.0, 30.0)
    slow = np.exp(bounded[..., 1:2])
    other = np.exp(bounded[..., 2:3]) if theta.shape[-1] > 2 else np.ones_like(slow)
    ratio = np.exp(bounded[..., 3:4]) if theta.shape[-1] > 3 else np.ones_like(slow)
    return slow, other, ratio


def _weak_rate(assumed: LogNormal) -> tuple[float, float]:
    return log_rate(assumed.median), math.log(assumed.factor)


_FREE = (math.nan, math.nan)
_SLOW = (log_rate(100.0), math.log(5.0))  # biological half-life of 100 h, 95 % between 4 h and 100 d: hardly a limit

KINETICS = {
    one.name: one
    for one in (
        Kinetics("mono", ("ln amplitude", "ln clearance"), (_FREE, _SLOW)),
        Kinetics(
            "uptake-clearance",
            ("ln amplitude", "ln clearance", "ln uptake"),
            (_FREE, _SLOW, _weak_rate(UPTAKE_HALF_LIFE_h)),
        ),
        Kinetics(
            "bi",
            ("ln amplitude", "ln clearance", "ln fast phase", "ln fast over slow amplitude"),
            (_FREE, _SLOW, _weak_rate(FAST_HALF_LIFE_h), (math.log(FAST_AMPLITUDE.median), math.log(2.5))),
        ),
    )
}
"""Forms of the course by name."""
