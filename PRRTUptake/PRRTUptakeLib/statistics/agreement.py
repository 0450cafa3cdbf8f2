"""Agreement of readers, or of repeated readings: Bland-Altman on logarithms, ICC, repeatability coefficient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.errors import AgreementError
from PRRTUptakeLib.statistics.paired_values import check_table, endpoint_rows, one_unit
from PRRTUptakeLib.statistics.ties import RELATIVE, no_scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

Interval = tuple[float, float]


@dataclass(frozen=True)
class IntraclassCorrelation:
    """ICC of single readings with its interval."""

    icc: float
    ci: Interval


@dataclass(frozen=True)
class Agreement:
    """Agreement of two readers over the same subjects.

    ``bias_ratio`` is the geometric mean of second/first with ``bias_ci``; 95 % of the single ratios lie within
    ``limits`` of agreement, each known to its interval. ``repeatability_ratio`` is the factor within which two readings
    of one subject lie in 95 % (exp of 1.96 sqrt(2) times the standard deviation within subjects, of logarithms) and
    ``within_cv`` the coefficient of variation within subjects. ICCs are those of the logarithms.
    """

    n: int
    bias_ratio: float
    bias_ci: Interval
    p_bias: float
    limits: Interval
    lower_limit_ci: Interval
    upper_limit_ci: Interval
    repeatability_ratio: float
    within_cv: float
    icc_2_1: IntraclassCorrelation
    icc_3_1: IntraclassCorrelation


def compare_readers(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Agreement:
    """Agreement of two readings of each subject, on logarithms, since uptake errs in proportion.

    Limits of agreement as Bland and Altman (doi:10.1191/096228099673819272), each with its exact interval by the
    noncentral t distribution (A. Carkeet, doi:10.1097/OPX.0000000000000513): their own, symmetric and approximate one
    holds 90 % of limits with 3 to 10 subjects.

    Parameters
    ----------
    first, second : shape (n,), positive, n of at least 3.
    confidence : of the intervals; the limits of agreement hold 95 % always.

    Raises
    ------
    AgreementError
        For fewer than three subjects, unequal lengths, or a value that is not positive.

    Examples
    --------
    >>> result = compare_readers(np.array([10, 20, 30, 40.0]), np.array([11, 19, 33, 41.0]))
    >>> round(result.bias_ratio, 3), round(result.icc_2_1.icc, 3)
    (1.042, 0.992)
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size < 3:
        raise AgreementError(
            f"{first.size} and {second.size} readings: agreement needs the same three subjects or more."
        )
    if not (np.minimum(first, second) > 0).all():
        raise AgreementError("A reading is zero or negative, but agreement is judged on logarithms: correct it.")
    logs = np.log(np.column_stack([first, second]))
    difference = logs[:, 1] - logs[:, 0]
    n, bias, sd = difference.size, float(difference.mean()), float(difference.std(ddof=1))
    if no_scatter(difference, np.full(n, RELATIVE)):
        sd = 0.0
    t = float(stats.t.ppf(0.5 + confidence / 2, n - 1))
    bias_reach = t * sd / math.sqrt(n)
    limits = bias - 1.96 * sd, bias + 1.96 * sd
    inner, outer = _limit_factors(n, confidence)
    within = math.sqrt(float(np.mean(difference**2)) / 2)
    return Agreement(
        n=n,
        bias_ratio=math.exp(bias),
        bias_ci=_ratio_interval(bias, bias_reach),
        p_bias=float(2 * stats.t.sf(abs(bias) / (sd / math.sqrt(n)), n - 1)) if sd else math.nan,
        limits=(math.exp(limits[0]), math.exp(limits[1])),
        lower_limit_ci=(math.exp(bias - outer * sd), math.exp(bias - inner * sd)),
        upper_limit_ci=(math.exp(bias + inner * sd), math.exp(bias + outer * sd)),
        repeatability_ratio=math.exp(1.96 * math.sqrt(2) * within),
        within_cv=math.sqrt(math.expm1(within**2)),
        icc_2_1=icc_agreement(logs, confidence),
        icc_3_1=icc_consistency(logs, confidence),
    )


def _limit_factors(n: int, confidence: float) -> Interval:
    """Standard deviations from the mean of n differences within which the limit of agreement is, the nearer end first.

    Examples
    --------
    >>> [round(factor, 3) for factor in _limit_factors(30, 0.95)]
    [1.45, 2.757]
    """
    tail = (1.0 - confidence) / 2.0
    inner, outer = stats.nct.ppf([tail, 1.0 - tail], n - 1, 1.96 * math.sqrt(n)) / math.sqrt(n)
    return float(inner), float(outer)


def _ratio_interval(centre: float, reach: float) -> Interval:
    return math.exp(centre - reach), math.exp(centre + reach)


def icc_agreement(readings: np.ndarray, confidence: float = 0.95) -> IntraclassCorrelation:
    """ICC(2,1): absolute agreement of single readings by random readers (doi:10.1037/0033-2909.86.2.420).

    Interval of McGraw and Wong, case 2A (doi:10.1037/1082-989X.1.1.30).

    Parameters
    ----------
    readings : shape (subjects, readers), on the scale that is judged.
    """
    rows, columns, error, n, k = _mean_squares(readings)
    if rows + columns + error == 0:
        raise AgreementError("All readings are equal: an intraclass correlation needs subjects that differ.")
    icc = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    if error == 0 and columns == 0:
        return IntraclassCorrelation(1.0, (1.0, 1.0))
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    spread = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    degrees = (a * columns + b * error) ** 2 / spread
    upper_f = stats.f.ppf(0.5 + confidence / 2, n - 1, degrees)
    lower_f = stats.f.ppf(0.5 + confidence / 2, degrees, n - 1)
    rest = k * columns + (k * n - k - n) * error
    low = n * (rows / upper_f - error) / (rest + n * rows / upper_f)  # upper_f is infinite where readers hardly differ
    high = n * (lower_f * rows - error) / (rest + n * lower_f * rows)
    return IntraclassCorrelation(float(icc), (float(low), float(high)))


def icc_consistency(readings: np.ndarray, confidence: float = 0.95) -> IntraclassCorrelation:
    """ICC(3,1): consistency of single readings by these readers (doi:10.1037/0033-2909.86.2.420).

    Parameters
    ----------
    readings : shape (subjects, readers), on the scale that is judged.
    """
    rows, _, error, n, k = _mean_squares(readings)
    if rows + error == 0:
        raise AgreementError("All subjects are equal: an intraclass correlation needs subjects that differ.")
    icc = (rows - error) / (rows + (k - 1) * error)
    if error == 0:
        return IntraclassCorrelation(1.0, (1.0, 1.0))
    degrees = (n - 1, (n - 1) * (k - 1))
    lower = rows / error / stats.f.ppf(0.5 + confidence / 2, *degrees)
    upper = rows / error * stats.f.ppf(0.5 + confidence / 2, *degrees[::-1])
    low, high = ((f - 1) / (f + k - 1) for f in (lower, upper))
    return IntraclassCorrelation(float(icc), (float(low), float(high)))


def _mean_squares(readings: np.ndarray) -> tuple[float, float, float, int, int]:
    """Mean squares of subjects, readers and error in the two-way layout without repetition."""
    values = np.asarray(readings, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise AgreementError("An intraclass correlation needs two readers and two subjects or more, all read by all.")
    n, k = values.shape
    subjects, readers = values.mean(axis=1), values.mean(axis=0)
    residual = values - subjects[:, None] - readers[None, :] + values.mean()
    squares = (
        k * float(np.var(subjects, ddof=1)),
        n * float(np.var(readers, ddof=1)),
        float(np.sum(residual**2)) / ((n - 1) * (k - 1)),
    )
    # What is left of equal readings by binary arithmetic is no variance.
    least = (RELATIVE * max(1.0, float(np.abs(values).max()))) ** 2
    rows, columns, error = (square if square > least else 0.0 for square in squares)
    return rows, columns, error, n, k


def paired_readings(
    first: Sequence[Measurement], second: Sequence[Measurement], protocol: Protocol, metric: str = ""
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, tuple[str, ...]]:
    """Readings that two tables have in common, lesion by lesion in all cycles and visits.

    Returns
    -------
    names, first, second, notes : names of the subjects ("P1 L1, cycle 1"), values of shape (n,), what was left out.

    Raises
    ------
    AgreementError
        If they have fewer than three in common.
    StatisticsError
        If a table does not have the metric, or the units differ.
    """
    found = common_readings([first, second], protocol, metric)
    return found.names, found.values[:, 0], found.values[:, 1], found.notes


@dataclass(frozen=True, eq=False)
class CommonReadings:
    """Readings that all tables have: subjects and their patients, values (subjects, readers), what was left out."""

    names: tuple[str, ...]
    patients: tuple[str, ...]
    values: np.ndarray
    notes: tuple[str, ...]


def common_readings(tables: Sequence[Sequence[Measurement]], protocol: Protocol, metric: str = "") -> CommonReadings:
    """Readings that the tables of two readers or more have in common, lesion by lesion in all cycles and visits.

    Raises
    ------
    AgreementError
        If they have fewer than three in common.
    StatisticsError
        If a table does not have the metric, or the units differ.
    """
    chosen = []
    for rows in tables:
        check_table(rows)
        chosen.append(endpoint_rows(rows, protocol, metric)[0])
    one_unit([row for rows in chosen for row in rows])
    sides = [{_subject(row): row.value for row in rows} for rows in chosen]
    common = sorted(set.intersection(*(set(side) for side in sides)))
    if len(common) < 3:
        count = "two" if len(tables) == 2 else str(len(tables))
        raise AgreementError(
            f"The {count} tables have {len(common)} reading(s) of {metric or protocol.endpoint.metric} in common, "
            "but agreement needs three or more: use the same names of patients, lesions and visits in all."
        )
    single = sum(len(side) for side in sides) - len(sides) * len(common)
    by = "one reader" if len(tables) == 2 else "some readers"
    names = tuple(f"{patient} {lesion}, cycle {cycle}" for patient, cycle, _, _, lesion in common)
    return CommonReadings(
        names,
        tuple(key[0] for key in common),
        np.array([[side[key] for side in sides] for key in common]),
        (f"{single} reading(s) by {by} only are left out.",) if single else (),
    )


def _subject(row: Measurement) -> tuple[str, ...]:
    return row.patient, str(row.cycle), row.visit, row.lobe, row.lesion or row.region
