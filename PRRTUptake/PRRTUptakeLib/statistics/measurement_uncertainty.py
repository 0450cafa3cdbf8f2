"""Measurement uncertainty carried into the interval of the cohort.

Random errors of measurement are already part of the scatter between patients, so that adding them to the interval
would count them twice. What they do change is the weight of each patient, the lower bound of the interval, and what
of the scatter is biology. A random-effects model with known variances within patients says all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from PRRTUptakeLib.statistics.errors import PropagationError
from PRRTUptakeLib.statistics.ties import RELATIVE, no_scatter


@dataclass(frozen=True)
class ResponderAttenuation:
    """Share of patients beyond the threshold: as measured, and of their true ratios.

    Errors of measurement pull the measured share towards one half. ``true`` is the share of a normal distribution of
    the true log ratios, with the variance between patients that is left without that of measurement; ``true_ci`` its
    95 % interval (S. Weerahandi's generalised interval, doi:10.1080/01621459.1993.10476355; seeded).
    ``expected_measured`` is what the same distribution gives with the errors put on, and ``misjudged`` the number of
    patients who are expected to be on the wrong side.
    """

    measured: float
    expected_measured: float
    true: float
    true_ci: tuple[float, float]
    misjudged: float


@dataclass(frozen=True)
class Dependence:
    """Slope of log treated on log control: as fitted, and corrected for the error of the control value.

    The error of the control makes the slope too small by the ``reliability`` of log control (W. Fuller, Measurement
    Error Models, 1987, doi:10.1002/9780470316665). A slope of 1 means that the ratio does not depend on the control;
    intervals are 95 %, by the jackknife over patients.
    """

    slope: float
    slope_ci: tuple[float, float]
    reliability: float
    corrected: float
    corrected_ci: tuple[float, float]


@dataclass(frozen=True)
class PropagatedUncertainty:
    """Geometric mean ratio weighted by measurement uncertainty.

    ``sd_between_log`` is the scatter of true log ratios between patients, ``u_log_median`` the median standard
    uncertainty of a patient's log ratio, ``share_of_variance`` the part of the observed variance due to measurement and
    ``reliability`` the rest, the share that would come back in a second measurement. ``responders`` says what measuring
    does to the count of responders, ``dependence`` to the relation between the lobes.
    """

    gmr: float
    gmr_ci: tuple[float, float]
    p: float
    sd_between_log: float
    u_log_median: float
    share_of_variance: float
    reliability: float = math.nan
    responders: ResponderAttenuation | None = None
    dependence: Dependence | None = None


def propagate_uncertainty(log_ratio: np.ndarray, u_log: np.ndarray, confidence: float = 0.95) -> PropagatedUncertainty:
    """Random-effects mean of the patients' log ratios.

    The variance between patients is Paule and Mandel's (doi:10.6028/jres.087.022), the interval Hartung and Knapp's
    (doi:10.1002/sim.791), never narrower than the uncertainties alone imply (doi:10.1186/s12874-015-0091-1). With
    equal uncertainties below the scatter it is the interval of the paired t-test.

    Parameters
    ----------
    log_ratio : natural logarithms of the patients' ratios, shape (n,), n of at least 2.
    u_log : their standard uncertainties, shape (n,), independent between patients; all positive, or all zero.

    Raises
    ------
    PropagationError
        If an uncertainty is unknown, negative, or zero beside others that are not, or the shapes do not fit.

    Examples
    --------
    >>> result = propagate_uncertainty(np.log([1.25, 0.92, 1.36]), np.array([0.05, 0.05, 0.05]))
    >>> round(result.gmr, 4)
    1.1608
    """
    log_ratio, u_log = np.asarray(log_ratio, dtype=np.float64), np.asarray(u_log, dtype=np.float64)
    if log_ratio.ndim != 1 or log_ratio.shape != u_log.shape or log_ratio.size < 2:
        raise PropagationError(f"{log_ratio.size} ratios with {u_log.size} uncertainties: give two or more of both.")
    if not ((u_log > 0) & np.isfinite(u_log)).all() and u_log.any():
        raise PropagationError("The measurement uncertainty of some patients is unknown or zero.")
    degrees = log_ratio.size - 1
    between = _between_variance(log_ratio, u_log**2)
    total = between + u_log**2
    # Equal ratios measured without error have no variance, and so no weights.
    weights = 1.0 / total if total.all() else np.ones_like(total)
    centre = float(np.average(log_ratio, weights=weights))
    excess = float(np.sum(weights * (log_ratio - centre) ** 2)) / degrees
    scale = math.sqrt((max(1.0, excess) if between == 0 and total.all() else excess) / float(weights.sum()))
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * scale
    within = float(np.mean(u_log**2))
    return PropagatedUncertainty(
        gmr=math.exp(centre),
        gmr_ci=(math.exp(centre - reach), math.exp(centre + reach)),
        p=float(2 * stats.t.sf(abs(centre) / scale, degrees)) if scale else math.nan,
        sd_between_log=math.sqrt(between),
        u_log_median=float(np.median(u_log)),
        share_of_variance=within / (within + between) if within + between else math.nan,
        reliability=between / (within + between) if within + between else math.nan,
    )


def _between_variance(log_ratio: np.ndarray, variance: np.ndarray) -> float:
    """Paule and Mandel: the variance between patients that makes the weighted scatter equal its expectation."""
    degrees = log_ratio.size - 1
    observed = float(np.var(log_ratio, ddof=1))
    if not variance.any():
        return observed

    def surplus(between: float) -> float:
        weights = 1.0 / (variance + between)
        return float(np.sum(weights * (log_ratio - np.average(log_ratio, weights=weights)) ** 2)) - degrees

    # The scatter exceeds its expectation at 0, or patients do not differ; it never does at the observed variance.
    return float(optimize.brentq(surplus, 0.0, observed)) if surplus(0.0) > 0 else 0.0


def responder_attenuation(
    log_ratio: np.ndarray,
    u_log: np.ndarray,
    threshold: float,
    samples: int = 10_000,
    seed: int = 0,
    at_least: bool = False,
) -> ResponderAttenuation:
    """What errors of measurement do to the share of patients whose ratio is above ``threshold``.

    Parameters
    ----------
    log_ratio, u_log : shape (n,), as in `propagate_uncertainty`.
    at_least : a ratio equal to the threshold counts too, as in `paired.compare_pairs`.

    Examples
    --------
    >>> found = responder_attenuation(np.log([1.5, 1.2, 1.1, 0.9]), np.full(4, 0.15), 1.0)
    >>> found.measured, found.true > found.expected_measured > 0.5
    (0.75, True)
    """
    limit, variance = math.log(threshold), u_log**2
    measured = float(np.mean(log_ratio - limit > (-RELATIVE if at_least else RELATIVE)))
    centre, between = _moments(log_ratio[None], variance[None])
    # Generalised pivots: mean and variance as they could be, given the sample; exact without errors of measurement.
    rng, n = np.random.default_rng(seed), log_ratio.size
    total = (n - 1) * float(np.var(log_ratio, ddof=1)) / rng.chisquare(n - 1, samples)
    mean = log_ratio.mean() + np.sqrt(total / n) * rng.standard_normal(samples)
    shares = _share_above(mean, np.maximum(total - variance.mean(), 0.0), limit)
    low, high = np.quantile(shares, [0.025, 0.975])
    observed = stats.norm.cdf((centre - limit) / np.sqrt(between + variance))
    apart = np.abs(log_ratio - limit)
    return ResponderAttenuation(
        measured=measured,
        expected_measured=float(np.mean(observed)),
        true=float(_share_above(centre, between, limit)[0]),
        true_ci=(float(low), float(high)),
        misjudged=float(np.sum(stats.norm.sf(apart / u_log))),
    )


def _moments(log_ratio: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance between patients, (samples,), by the method of moments."""
    between = np.var(log_ratio, axis=1, ddof=1) - variance.mean(axis=1)
    return log_ratio.mean(axis=1), np.maximum(between, 0.0)


def _share_above(centre: np.ndarray, between: np.ndarray, limit: float) -> np.ndarray:
    """Share of a normal distribution above a limit; all or nothing where patients do not differ."""
    spread = np.sqrt(np.maximum(between, 1e-18))
    return np.asarray(stats.norm.cdf((centre - limit) / spread))


def dependence(first: np.ndarray, second: np.ndarray, u_second_log: np.ndarray) -> Dependence | None:
    """Slope of log first on log second, None for fewer than four patients or a control that does not differ.

    Parameters
    ----------
    first, second : shape (n,), positive.
    u_second_log : standard uncertainty of log second, shape (n,).
    """
    x, y, variance = np.log(second), np.log(first), np.asarray(u_second_log) ** 2
    if x.size < 4 or no_scatter(x, np.full(x.size, RELATIVE)) or not np.isfinite(variance).all():
        return None
    keep = [np.arange(x.size)] + [np.delete(np.arange(x.size), n) for n in range(x.size)]
    plain = np.array([_slope(x[mine], y[mine]) for mine in keep])
    reliability = np.array([1.0 - variance[mine].mean() / np.var(x[mine], ddof=1) for mine in keep])
    if reliability.min() <= 0.1:
        corrected, corrected_ci = math.nan, (math.nan, math.nan)
    else:
        corrected, corrected_ci = _jackknife(plain / reliability)
    slope, slope_ci = _jackknife(plain)
    return Dependence(slope, slope_ci, float(reliability[0]), corrected, corrected_ci)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def _jackknife(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The first value is of all patients, the others leave one out each."""
    whole, without = float(values[0]), values[1:]
    n = without.size
    error = math.sqrt((n - 1) / n * float(np.sum((without - without.mean()) ** 2)))
    reach = float(stats.t.ppf(0.975, n - 2)) * error
    return whole, (whole - reach, whole + reach)
