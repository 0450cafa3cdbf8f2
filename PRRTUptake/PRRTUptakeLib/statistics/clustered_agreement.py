"""Agreement of readers where several lesions belong to one patient: the patient is the unit that is drawn.

Lesions of one patient are read alike, so intervals that take them as independent are too narrow. Limits of agreement
have the variance between and within patients in them (J. Bland and D. Altman, doi:10.1080/10543400701329422); the bias
comes from a model with a random effect of the patient, and intervals of limits, ICC and kappa from drawing whole
patients (seeded bootstrap).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.agreement import icc_agreement, paired_readings, shared_patients
from PRRTUptakeLib.statistics.errors import AgreementError
from PRRTUptakeLib.statistics.reml import NestedData, fit_nested, satterthwaite
from PRRTUptakeLib.statistics.ties import RELATIVE, no_scatter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

Interval = tuple[float, float]
_SAMPLES, _LEAST_PATIENTS = 2000, 5


@dataclass(frozen=True)
class ReaderPair:
    """One reader against another, on logarithms: factors throughout.

    ``bias_ratio`` is second/first; 95 % of single ratios lie within ``limits``, each known to its interval.
    ``sd_patient_log`` and ``sd_lesion_log`` are the scatter of the log ratio between and within patients.
    """

    readers: tuple[str, str]
    bias_ratio: float
    bias_ci: Interval
    limits: Interval
    lower_limit_ci: Interval
    upper_limit_ci: Interval
    sd_patient_log: float
    sd_lesion_log: float


@dataclass(frozen=True)
class ClusteredAgreement:
    """Agreement of two readers or more on lesions in patients; ``icc_2_1`` is of the logarithms of single readings."""

    lesions: int
    patients: int
    pairs: tuple[ReaderPair, ...]
    icc_2_1: float
    icc_ci: Interval


@dataclass(frozen=True)
class ChoiceAgreement:
    """How far readers chose the same targets: kappa over lesions in patients, and the share chosen alike."""

    lesions: int
    patients: int
    kappa: float
    kappa_ci: Interval
    observed: float


def compare_many(
    readings: np.ndarray,
    patients: Sequence[str],
    readers: Sequence[str] = ("first", "second"),
    confidence: float = 0.95,
    seed: int = 0,
) -> ClusteredAgreement:
    """Agreement of all readers on all lesions.

    Parameters
    ----------
    readings : shape (lesions, readers), positive, every lesion read by every reader.
    patients : of each lesion.
    readers : names.
    seed : of the bootstrap over patients, 2,000 draws; with fewer than five patients there are no such intervals.

    Raises
    ------
    AgreementError
        For fewer than three lesions or two patients, a value that is not positive, or shapes that do not fit.
    """
    values, names = np.asarray(readings, dtype=np.float64), np.asarray(patients)
    if values.ndim != 2 or values.shape != (names.size, len(readers)) or len(readers) < 2:
        raise AgreementError(
            f"Readings of shape {values.shape} do not fit {names.size} lesions read by {len(readers)} readers."
        )
    groups = sorted(set(names.tolist()))
    if names.size < 3 or len(groups) < 2:
        raise AgreementError(
            f"{names.size} lesion(s) of {len(groups)} patient(s): agreement by patient needs three lesions or more of "
            "two patients or more."
        )
    if not (values > 0).all():
        raise AgreementError("A reading is zero or negative, but agreement is judged on logarithms: correct it.")
    logs, draws = np.log(values), _draws(names, seed)
    tail = (1 - confidence) / 2
    pairs = tuple(
        _pair(logs[:, j] - logs[:, i], names, draws, (readers[i], readers[j]), confidence)
        for i, j in itertools.combinations(range(len(readers)), 2)
    )
    icc_ci = _drawn_interval(draws, tail, lambda chosen: icc_agreement(logs[chosen]).icc)
    return ClusteredAgreement(names.size, len(groups), pairs, icc_agreement(logs).icc, icc_ci)


def _pair(
    difference: np.ndarray, patients: np.ndarray, draws: list[np.ndarray], names: tuple[str, str], confidence: float
) -> ReaderPair:
    if no_scatter(difference, np.full(difference.size, RELATIVE)):
        bias = math.exp(float(difference.mean()))
        same = (bias, bias)
        return ReaderPair(names, bias, same, same, same, same, 0.0, 0.0)
    repeated = np.unique(patients).size < patients.size
    groups = patients if repeated else np.zeros(patients.size)
    data = NestedData(difference, np.ones((difference.size, 1)), groups, np.arange(difference.size), with_inner=False)
    fit = fit_nested(data) if repeated else data.result((0.0, 0.0), converged=True)
    degrees = min(satterthwaite(data, fit, 0), np.unique(patients).size - 1.0)
    centre = float(fit.coefficients[0])
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * math.sqrt(float(fit.covariance[0, 0]))
    tail = (1 - confidence) / 2

    def limit(side: float) -> Interval:
        return _drawn_interval(draws, tail, lambda chosen: _limit(difference[chosen], patients, chosen, side))

    lower, upper = limit(-1.0), limit(1.0)
    total = math.hypot(fit.sd_outer, fit.sd_residual)
    low, high = (math.exp(centre + side * 1.96 * total) for side in (-1.0, 1.0))
    factors = [(math.exp(one[0]), math.exp(one[1])) for one in (lower, upper)]
    bias_ci = math.exp(centre - reach), math.exp(centre + reach)
    return ReaderPair(
        names, math.exp(centre), bias_ci, (low, high), factors[0], factors[1], fit.sd_outer, fit.sd_residual
    )


def _limit(difference: np.ndarray, patients: np.ndarray, chosen: np.ndarray, side: float) -> float:
    """A limit of agreement by the moments of patients and lesions within them, quick enough to be drawn often."""
    _, groups = np.unique(patients[chosen], return_inverse=True)
    sizes = np.bincount(groups).astype(np.float64)
    means = np.bincount(groups, difference) / sizes
    within_degrees = difference.size - sizes.size
    within = float(np.sum((difference - means[groups]) ** 2)) / within_degrees if within_degrees else 0.0
    centre = float(np.mean(means))
    typical = (difference.size - float(np.sum(sizes**2)) / difference.size) / max(sizes.size - 1, 1)
    grand = float(difference.mean())
    between = float(np.sum(sizes * (means - grand) ** 2)) / max(sizes.size - 1, 1)
    spread = max(0.0, (between - within) / typical) + within if typical > 0 else within
    return centre + side * 1.96 * math.sqrt(spread)


def _draws(patients: np.ndarray, seed: int) -> list[np.ndarray]:
    """Indices of the lesions of resampled patients; a patient who is drawn twice counts twice."""
    groups = [np.flatnonzero(patients == name) for name in sorted(set(patients.tolist()))]
    if len(groups) < _LEAST_PATIENTS:
        return []
    rng = np.random.default_rng(seed)
    return [np.concatenate([groups[n] for n in rng.integers(0, len(groups), len(groups))]) for _ in range(_SAMPLES)]


def _drawn_interval(draws: list[np.ndarray], tail: float, statistic: Callable[[np.ndarray], float]) -> Interval:
    found = []
    for chosen in draws:
        try:
            found.append(statistic(chosen))
        except AgreementError:  # a draw in which nothing differs says nothing
            continue
    known = np.array(found)[np.isfinite(found)] if found else np.zeros(0)
    if known.size < 0.9 * _SAMPLES:
        return math.nan, math.nan
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def kappa(choices: np.ndarray) -> float:
    """Kappa of yes-or-no choices: Cohen's for two readers, Fleiss's for more.

    doi:10.1177/001316446002000104 and doi:10.1037/h0031619. It is nan where all readers chose all or none.

    Parameters
    ----------
    choices : bool, shape (lesions, readers).

    Examples
    --------
    >>> kappa(np.array([[1, 1], [1, 0], [0, 0], [0, 0]], bool))
    0.5
    """
    chosen = np.asarray(choices, dtype=bool)
    n, k = chosen.shape
    yes = chosen.sum(axis=1)
    observed = float(np.mean(yes * (yes - 1) + (k - yes) * (k - yes - 1))) / (k * (k - 1))
    if k == 2:
        share = chosen.mean(axis=0)
        expected = float(share[0] * share[1] + (1 - share[0]) * (1 - share[1]))
    else:
        total = float(yes.sum()) / (n * k)
        expected = total**2 + (1 - total) ** 2
    return (observed - expected) / (1 - expected) if expected < 1 else math.nan


def choice_agreement(
    choices: np.ndarray, patients: Sequence[str], confidence: float = 0.95, seed: int = 0
) -> ChoiceAgreement:
    """Kappa with an interval over resampled patients.

    Parameters
    ----------
    choices : bool, shape (lesions, readers): whether each reader made each lesion a target.
    patients : of each lesion.

    Raises
    ------
    AgreementError
        For fewer than two readers or lesions.
    """
    chosen, names = np.asarray(choices, dtype=bool), np.asarray(patients)
    if chosen.ndim != 2 or chosen.shape[0] != names.size or min(chosen.shape) < 2:
        raise AgreementError(f"Choices of shape {chosen.shape} for {names.size} lesions: two readers or more choose.")
    same = float(np.mean(chosen.all(axis=1) | ~chosen.any(axis=1)))
    interval = _drawn_interval(_draws(names, seed), (1 - confidence) / 2, lambda drawn: kappa(chosen[drawn]))
    return ChoiceAgreement(names.size, len(set(names.tolist())), kappa(chosen), interval, same)


def target_choices(tables: Sequence[Sequence[Measurement]]) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Who made which lesion a target, from readers' tables: every lesion that any of them has, of patients all have.

    Returns
    -------
    lesions, patients, choices : names ("P1 L1"), the patient of each, and bool of shape (lesions, readers).
    """
    shared = set.intersection(*({row.patient for row in rows} for rows in tables))
    roles = [
        {
            (row.patient, row.lesion or row.region): row.role
            for row in sorted(rows, key=lambda one: one.role == "target")
            if row.role in ("target", "lesion") and row.patient in shared
        }
        for rows in tables
    ]
    everything = sorted(set().union(*roles))
    choices = np.array([[own.get(key) == "target" for own in roles] for key in everything], dtype=bool)
    names = tuple(f"{patient} {lesion}" for patient, lesion in everything)
    return names, tuple(patient for patient, _ in everything), choices.reshape(len(everything), len(tables))


@dataclass(frozen=True)
class ReaderTables:
    """Agreement by patient of readers' tables: values, if they have enough in common, and choice of targets."""

    values: ClusteredAgreement | None
    choices: ChoiceAgreement | None


def compare_tables(
    first: Sequence[Measurement], second: Sequence[Measurement], protocol: Protocol, metric: str = ""
) -> ReaderTables:
    """Agreement by patient of two readers' tables, as far as they allow it."""
    level = protocol.endpoint.confidence
    try:
        _, one, other, _ = paired_readings(first, second, protocol, metric)
        patients = shared_patients(first, second, protocol, metric)
        values: ClusteredAgreement | None = compare_many(np.column_stack([one, other]), patients, confidence=level)
    except AgreementError:
        values = None
    _, owners, choices = target_choices([first, second])
    decided = choices.size > 0 and bool(choices.any()) and not bool(choices.all())
    return ReaderTables(values, choice_agreement(choices, owners, level) if decided and len(owners) > 1 else None)
