"""Power and sample size of a paired comparison on the log scale, by the noncentral t distribution."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from PRRTUptakeLib.statistics.errors import StatisticsError

if TYPE_CHECKING:
    from collections.abc import Sequence


_SCATTERS = 20_000


@dataclass(frozen=True)
class Plan:
    """A trial: ``n`` patients detect ``ratio`` with ``power``."""

    power: float
    n: int
    ratio: float

    def as_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)


def plan(
    sd_log: float, n: int | None, ratio: float | None, powers: Sequence[float], alpha: float = 0.05
) -> tuple[Plan, ...]:
    """Answer what is not given: the ratio that ``n`` patients detect, the patients for ``ratio``, or the power of both.

    Raises
    ------
    StatisticsError
        If neither is given, or a value is impossible.

    Examples
    --------
    >>> plan(0.398, None, 1.17, [0.8])
    (Plan(power=0.8, n=53, ratio=1.17),)
    """
    if n is not None and ratio is not None:
        return (Plan(paired_power(sd_log, n, ratio, alpha), n, ratio),)
    if n is not None:
        return tuple(Plan(power, n, detectable_ratio(sd_log, n, power, alpha)) for power in powers)
    if ratio is not None:
        return tuple(Plan(power, sample_size(sd_log, ratio, power, alpha), ratio) for power in powers)
    raise StatisticsError("Give the number of patients (--n), the ratio to detect (--ratio), or both.")


def paired_power(sd_log: float, n: int, ratio: float, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t-test of log ratios to detect a geometric mean ratio.

    The test statistic follows the noncentral t distribution with n - 1 degrees of freedom and the noncentrality
    sqrt(n) log(ratio) / sd_log (doi:10.1002/sim.3190).

    Parameters
    ----------
    sd_log : standard deviation of the patients' natural-log ratios.
    n : number of patients.
    ratio : true geometric mean ratio.
    alpha : two-sided significance level.

    Raises
    ------
    StatisticsError
        If a value is impossible.

    Examples
    --------
    >>> round(paired_power(0.398, 53, 1.17), 3)
    0.805
    """
    _check(sd_log, alpha)
    if n < 2:
        raise StatisticsError(f"{n} patient(s) have no scatter: give two or more.")
    if not (ratio > 0 and math.isfinite(ratio)):
        raise StatisticsError(f"The ratio {ratio:g} is not a positive number.")
    degrees = n - 1
    noncentrality = math.sqrt(n) * abs(math.log(ratio)) / sd_log
    critical = stats.t.ppf(1 - alpha / 2, degrees)
    found = float(stats.nct.sf(critical, degrees, noncentrality) + stats.nct.cdf(-critical, degrees, noncentrality))
    return found if math.isfinite(found) else _power_by_scatter(degrees, noncentrality, critical)


def _power_by_scatter(degrees: int, noncentrality: float, critical: float) -> float:
    """The same as a mean over equally probable standard deviations, where scipy's noncentral t gives no number."""
    level = (np.arange(_SCATTERS) + 0.5) / _SCATTERS
    reach = critical * np.sqrt(special.chdtri(degrees, 1.0 - level) / degrees)
    return float(np.mean(special.ndtr(noncentrality - reach) + special.ndtr(-noncentrality - reach)))


def sample_size(sd_log: float, ratio: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Smallest number of patients that detects ``ratio`` with at least ``power``.

    Raises
    ------
    StatisticsError
        If a value is impossible, or more than a million patients would be needed.

    Examples
    --------
    >>> sample_size(0.398, 1.17)
    53
    """
    _check(sd_log, alpha, power)
    if not (ratio > 0 and math.isfinite(ratio)) or ratio == 1:
        raise StatisticsError(f"The ratio to detect is {ratio:g}, but must be positive and other than 1.")
    low, high = 1, 2
    while paired_power(sd_log, high, ratio, alpha) < power:
        low, high = high, 2 * high
        if high > 1_000_000:
            raise StatisticsError(f"A ratio of {ratio:g} needs more than a million patients: it is too close to 1.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if paired_power(sd_log, middle, ratio, alpha) >= power else (middle, high)
    return high


def detectable_ratio(sd_log: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest ratio above 1 that ``n`` patients detect with ``power``; its inverse is the same ratio below 1.

    Raises
    ------
    StatisticsError
        If a value is impossible.

    Examples
    --------
    >>> round(detectable_ratio(0.398, 26), 4), round(detectable_ratio(0.398, 26, 0.9), 4)
    (1.2555, 1.3013)
    """
    _check(sd_log, alpha, power)
    reach = sd_log
    while paired_power(sd_log, n, math.exp(reach), alpha) < power:
        reach *= 2
        if reach > 500:  # the ratio would not fit into a number
            raise StatisticsError(
                f"{n} patients detect no ratio with a standard deviation of {sd_log:g}: add patients."
            )
    return math.exp(
        optimize.brentq(lambda effect: paired_power(sd_log, n, math.exp(effect), alpha) - power, 0.0, reach, xtol=1e-10)
    )


def _check(sd_log: float, alpha: float, power: float = 0.8) -> None:
    if not (sd_log > 0 and math.isfinite(sd_log)):
        raise StatisticsError(f"The standard deviation of the log ratios is {sd_log:g}, but must be positive.")
    if not 0 < alpha < 1:
        raise StatisticsError(f"The significance level is {alpha:g}, but must lie between 0 and 1.")
    if not alpha < power < 1:
        raise StatisticsError(f"The power is {power:g}, but must lie between the significance level {alpha:g} and 1.")
