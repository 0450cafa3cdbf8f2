"""Paired comparison over patients: treated against control, or an enhancement ratio against 1. SciPy does the tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.signed_ranks import sign_test, signed_rank_test
from PRRTUptakeLib.statistics.ties import RELATIVE, above, differences, log_ratios, no_scatter
from PRRTUptakeLib.statistics.ties import at_least as reaches

Interval = tuple[float, float]
NOT_KNOWN: Interval = (math.nan, math.nan)
LEAST_RESAMPLED = 4
"""Patients of a bootstrap: of fewer, too many resampled cohorts are one patient several times, without scatter."""

_AT_ONCE = 1_000_000  # resampled values: 8 MB
_Statistic = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class PairedComparison:
    """Result of a paired comparison of ``first`` with ``second``; values equal within 1e-9 are ties everywhere.

    Log scale: ``gmr`` geometric mean of first/second with ``gmr_ci`` and ``p_log`` (paired t-test of logarithms), and
    ``sd_log``, the standard deviation of the log ratios. Raw scale: ``means`` of both, ``raw_difference`` with
    ``raw_ci`` and ``p_raw`` (paired t-test), ``mean_of_ratios``, ``ratio_of_means``. Without a distribution:
    Wilcoxon's exact signed-rank test on either scale with the Hodges-Lehmann estimate (``hodges_lehmann``, a
    difference, and ``hodges_lehmann_ratio``), pairs without difference left out (``p_wilcoxon_pratt``: ranked too, as
    Pratt does), and ``p_sign``; ``unchanged`` counts those pairs. Without any scatter there is no t-test and no
    interval (nan). ``responders`` are the patients whose ratio passes ``threshold``,
    with the exact (Clopper-Pearson) ``responders_ci`` as fractions and ``p_responders`` against one half.
    """

    n: int
    gmr: float
    gmr_ci: Interval
    p_log: float
    sd_log: float
    means: Interval
    raw_difference: float
    raw_ci: Interval
    p_raw: float
    p_wilcoxon: float
    p_wilcoxon_log: float
    hodges_lehmann: float
    hodges_lehmann_ratio: float
    p_sign: float
    mean_of_ratios: float
    ratio_of_means: float
    responders: int
    responders_fraction: float
    responders_ci: Interval
    p_responders: float
    threshold: float
    p_wilcoxon_pratt: float = math.nan
    p_wilcoxon_log_pratt: float = math.nan
    unchanged: int = 0


def compare_pairs(
    first: np.ndarray, second: np.ndarray, confidence: float = 0.95, threshold: float = 1.0, at_least: bool = False
) -> PairedComparison:
    """Compare two values of each patient.

    Parameters
    ----------
    first, second : shape (n,), positive, one pair per patient; n of at least 2.
    confidence : of all intervals.
    threshold : a responder's ratio is above it, or equal to it or above with ``at_least``.

    Raises
    ------
    StatisticsError
        If there are fewer than two patients, the lengths differ, or a value is not positive.

    Examples
    --------
    >>> result = compare_pairs(np.array([20, 12, 30, 9, 25, 14]), np.array([16, 13, 22, 9.5, 20, 12]))
    >>> round(result.gmr, 4), round(result.p_log, 4), round(result.p_raw, 4), result.p_wilcoxon
    (1.1382, 0.1048, 0.0925, 0.15625)
    """
    first, second = _checked(first, second)
    raw, raw_tolerance = differences(first, second)
    log_ratio, log_tolerance = log_ratios(first, second)
    passes = reaches if at_least else above
    passed = int(np.count_nonzero(passes(first, threshold * second)))
    binomial = stats.binomtest(passed, first.size)
    exact = binomial.proportion_ci(confidence, method="exact")
    log_ci, p_log = _t_test(log_ratio, log_tolerance, confidence)
    raw_ci, p_raw = _t_test(raw, raw_tolerance, confidence)
    ranks = {pratt: signed_rank_test(raw, raw_tolerance, pratt) for pratt in (False, True)}
    log_ranks = {pratt: signed_rank_test(log_ratio, log_tolerance, pratt) for pratt in (False, True)}
    return PairedComparison(
        n=first.size,
        gmr=math.exp(log_ratio.mean()),
        gmr_ci=(math.exp(log_ci[0]), math.exp(log_ci[1])),
        p_log=p_log,
        sd_log=0.0 if no_scatter(log_ratio, log_tolerance) else float(log_ratio.std(ddof=1)),
        means=(float(first.mean()), float(second.mean())),
        raw_difference=float(raw.mean()),
        raw_ci=raw_ci,
        p_raw=p_raw,
        p_wilcoxon=ranks[False].p,
        p_wilcoxon_log=log_ranks[False].p,
        hodges_lehmann=hodges_lehmann(raw),
        hodges_lehmann_ratio=math.exp(hodges_lehmann(log_ratio)),
        p_sign=sign_test(raw),
        mean_of_ratios=float((first / second).mean()),
        ratio_of_means=float(first.mean() / second.mean()),
        responders=passed,
        responders_fraction=passed / first.size,
        responders_ci=(float(exact.low), float(exact.high)),
        p_responders=float(binomial.pvalue),
        threshold=threshold,
        p_wilcoxon_pratt=ranks[True].p,
        p_wilcoxon_log_pratt=log_ranks[True].p,
        unchanged=ranks[False].zeros,
    )


def _t_test(values: np.ndarray, tolerance: np.ndarray, confidence: float) -> tuple[Interval, float]:
    """Interval of the mean and p against 0; unknown where values do not differ, since nothing says how they scatter."""
    if no_scatter(values, tolerance):
        return NOT_KNOWN, math.nan
    result = stats.ttest_1samp(values, 0.0)
    low, high = result.confidence_interval(confidence)
    return (float(low), float(high)), float(result.pvalue)


def _checked(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise StatisticsError(
            f"Pairs need two lists of equal length, but these have {first.size} and {second.size} values."
        )
    if first.size < 2:
        raise StatisticsError(
            f"Only {first.size} patient can be compared, but scatter between patients needs two or more: add patients."
        )
    smallest = min(first.min(), second.min())
    if not smallest > 0 or not np.isfinite([first, second]).all():
        raise StatisticsError(
            f"A patient's value is {smallest:g}, but ratios need positive numbers: correct the measurement."
        )
    return first, second


def hodges_lehmann(values: np.ndarray) -> float:
    """Median of the means of all pairs of values (n,), each with itself too (doi:10.1214/aoms/1177704172).

    Memory grows with the square of their number, 4 MB for 1,000.

    Examples
    --------
    >>> hodges_lehmann(np.array([1.0, 2.0, 6.0]))
    2.75
    """
    ordered = np.sort(values)
    return float(np.median(np.concatenate([(ordered[n:] + one) / 2 for n, one in enumerate(ordered)])))


@dataclass(frozen=True)
class BootstrapIntervals:
    """Intervals over resampled patients, and how they were drawn; nan for fewer than `LEAST_RESAMPLED`."""

    samples: int
    seed: int
    gmr_ci: Interval
    raw_ci: Interval
    ratio_of_means_ci: Interval


def bootstrap_intervals(
    first: np.ndarray, second: np.ndarray, samples: int, seed: int, confidence: float = 0.95
) -> BootstrapIntervals:
    """Studentised bootstrap over patients; nan where resampled cohorts too often have no scatter.

    Each resampled cohort gives its own estimate and standard error; the interval has the quantiles of their ratio in
    place of Student's t (P. Hall, doi:10.1214/aos/1176350933; T. DiCiccio and B. Efron, doi:10.1214/ss/1032280214).
    The bootstrap knows scatter only by the patients who are there, so no side is narrower than by Student's t. In
    simulated trials of 4 to 27 patients, with logarithms that are normal, skewed or have long tails, it holds 93 to
    99 % of truths, where a bias-corrected and accelerated bootstrap held 75 to 94 %.

    Parameters
    ----------
    first, second : shape (n,), positive, one pair per patient.
    samples : number of resampled cohorts; 0 leaves the intervals nan.
    seed : the same seed gives the same digits.
    """
    first, second = _checked(first, second)
    (log_ratio, log_tolerance), (raw, raw_tolerance) = log_ratios(first, second), differences(first, second)
    log_ci = raw_ci = ratio_ci = NOT_KNOWN
    if samples and first.size >= LEAST_RESAMPLED:
        draws = (samples, seed, confidence)
        if not no_scatter(log_ratio, log_tolerance):
            log_ci = _as_ratios(_studentised(log_ratio[:, None], _mean, RELATIVE, *draws))
            both = np.column_stack([first, second])
            ratio_ci = _as_ratios(_studentised(both, _log_ratio_of_means, RELATIVE, *draws))
        if not no_scatter(raw, raw_tolerance):
            raw_ci = _studentised(raw[:, None], _mean, float(raw_tolerance.max()), *draws)
    return BootstrapIntervals(samples, seed, log_ci, raw_ci, ratio_ci)


def _as_ratios(interval: Interval) -> Interval:
    return math.exp(interval[0]), math.exp(interval[1])


def _mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over patients and its standard error; ``values`` is (..., patients, 1)."""
    single = values[..., 0]
    return single.mean(axis=-1), single.std(axis=-1, ddof=1) / math.sqrt(single.shape[-1])


def _log_ratio_of_means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the ratio of two means, and its standard error to first order; ``values`` is (..., patients, 2)."""
    means = values.mean(axis=-2)
    relative = values / means[..., None, :]
    residual = relative[..., 0] - relative[..., 1]
    error = residual.std(axis=-1, ddof=1) / math.sqrt(residual.shape[-1])
    return np.log(means[..., 0] / means[..., 1]), error


def _studentised(
    values: np.ndarray, statistic: _Statistic, tolerance: float, samples: int, seed: int, confidence: float
) -> Interval:
    """Interval of a statistic of ``values`` (patients, columns); errors up to ``tolerance`` are none."""
    count = len(values)
    generator = np.random.default_rng(seed)
    estimate, error = (float(one) for one in statistic(values))
    if error <= tolerance:
        return NOT_KNOWN
    scores = []
    for start in range(0, samples, batch := max(1, _AT_ONCE // values.size)):
        chosen = generator.integers(0, count, (min(batch, samples - start), count))
        drawn, errors = statistic(values[chosen])
        known = errors > tolerance
        endless = np.copysign(np.inf, drawn - estimate)
        scores.append(np.where(known, (drawn - estimate) / np.where(known, errors, 1.0), endless))
    tail = (1.0 - confidence) / 2.0
    # Quantiles that are drawn values: nothing can be interpolated towards infinity.
    low, high = np.quantile(np.concatenate(scores), [tail, 1.0 - tail], method="inverted_cdf")
    if not np.isfinite([low, high]).all():
        return NOT_KNOWN
    least = float(stats.t.ppf(1.0 - tail, count - 1))
    return estimate - max(float(high), least) * error, estimate - min(float(low), -least) * error
