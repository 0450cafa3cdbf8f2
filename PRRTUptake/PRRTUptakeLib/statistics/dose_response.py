"""Dose-response: absorbed dose of each lesion against the change of its diameter."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.paired_values import check_table, lesion_name, one_unit
from PRRTUptakeLib.statistics.ties import RELATIVE, no_scatter, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.measurements import Measurement

DOSE, DIAMETER, CHANGE = "dose", "longest_axial_diameter", "diameter_change"
DOSES = (DOSE, "absorbed_dose")  # the second word is in tables from elsewhere
_ROLES = ("target", "lesion")


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """Diameter change against dose, lesion by lesion.

    ``dose_Gy`` and ``change_percent`` have the shape (n,), negative change is shrinkage. ``slope_percent_per_Gy`` is
    the least-squares line's, with an interval by the jackknife over patients, since lesions of one patient are not
    independent (nan for fewer than three patients); ``spearman`` is the rank correlation of all lesions,
    ``spearman_patients`` that of the patients' means, with its p. ``incomplete`` are lesions without a dose in a cycle
    in which others of their patient have one, with these cycles: their sum is too low, unless they had vanished.
    """

    lesions: tuple[str, ...]
    patients: tuple[str, ...]
    dose_Gy: np.ndarray
    change_percent: np.ndarray
    slope_percent_per_Gy: float
    slope_ci: tuple[float, float]
    intercept_percent: float
    spearman: float
    spearman_patients: float
    p_patients: float
    incomplete: tuple[str, ...] = ()


def dose_response(rows: Sequence[Measurement], confidence: float = 0.95) -> DoseResponse:
    """Relate the summed dose of each lesion to the change of its diameter.

    Rows used, of targets and other lesions: ``dose`` (or ``absorbed_dose``) in Gy, one value per cycle, summed over
    cycles; and either ``diameter_change`` in %, or ``longest_axial_diameter``, one value per cycle, the last against
    the first. A lesion that has vanished has a diameter of 0, which is a change of -100 %.

    Raises
    ------
    StatisticsError
        If fewer than three lesions have both, or all doses are equal.
    """
    check_table(rows)
    lesions = [row for row in rows if row.role in _ROLES]
    dosed = [row for row in lesions if row.metric in DOSES]
    doses = _doses(dosed)
    changes = _changes(lesions)
    both = sorted(set(doses) & set(changes))
    if len(both) < 3:
        raise StatisticsError(
            f"{len(both)} lesion(s) have both {DOSE} and {CHANGE} (or {DIAMETER} in two cycles), but a dose-response "
            "needs three or more."
        )
    dose, change = np.array([doses[key] for key in both]), np.array([changes[key] for key in both])
    if no_scatter(dose):
        raise StatisticsError(f"All lesions have the same dose, {dose[0]:g} Gy: there is no response to it.")
    patients = tuple(patient for patient, _ in both)
    line = stats.linregress(dose, change)
    mean_dose, mean_change = _patient_means(patients, dose), _patient_means(patients, change)
    spearman = _rank_correlation(dose, change)
    spearman_patients, p_patients = _rank_correlation(mean_dose, mean_change)
    return DoseResponse(
        lesions=tuple(f"{patient} {lesion}" for patient, lesion in both),
        patients=patients,
        dose_Gy=dose,
        change_percent=change,
        slope_percent_per_Gy=float(line.slope),
        slope_ci=_slope_interval(patients, dose, change, float(line.slope), confidence),
        intercept_percent=float(line.intercept),
        spearman=spearman[0],
        spearman_patients=spearman_patients,
        p_patients=p_patients,
        incomplete=_incomplete(dosed, both),
    )


def _incomplete(rows: Sequence[Measurement], used: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    found = []
    by_lesion = _by_cycle(rows)
    for patient, lesion in used:
        cycles = {row.cycle for row in rows if row.patient == patient}
        missing = sorted(cycles - set(by_lesion[patient, lesion]))
        if missing:
            found.append(f"{patient} {lesion} (cycle {', '.join(map(str, missing))})")
    return tuple(found)


def _rank_correlation(dose: np.ndarray, change: np.ndarray) -> tuple[float, float]:
    """Spearman's rank correlation and its p with ties at relative 1e-9; nan where one of both does not differ.

    A change in % is a difference: its tolerance is that of the sizes it comes from, of which the greater is 100 % or
    more.
    """
    tolerance = RELATIVE * np.maximum(100.0, np.abs(change))
    if dose.size < 3 or no_scatter(dose) or no_scatter(change, tolerance):
        return math.nan, math.nan
    found = stats.spearmanr(settled(dose), settled(change, tolerance))
    return float(found.statistic), float(found.pvalue)


def _doses(rows: Sequence[Measurement]) -> dict[tuple[str, str], float]:
    unit = one_unit(rows)
    if rows and unit != "Gy":
        raise StatisticsError(f"The unit of {DOSE} is '{unit}', but must be Gy.")
    return {key: math.fsum(cycles.values()) for key, cycles in _by_cycle(rows).items()}


def _changes(rows: Sequence[Measurement]) -> dict[tuple[str, str], float]:
    given = [row for row in rows if row.metric == CHANGE]
    if given:
        unit = one_unit(given)
        if unit != "%":
            raise StatisticsError(f"The unit of {CHANGE} is '{unit}', but must be %.")
        return {key: cycles[max(cycles)] for key, cycles in _by_cycle(given).items()}
    diameters = [row for row in rows if row.metric == DIAMETER and row.value >= 0]
    one_unit(diameters)
    return {
        key: 100 * (cycles[max(cycles)] / cycles[min(cycles)] - 1)
        for key, cycles in _by_cycle(diameters).items()
        if len(cycles) > 1 and cycles[min(cycles)] > 0
    }


def _by_cycle(rows: Sequence[Measurement]) -> dict[tuple[str, str], dict[int, float]]:
    lesions: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row in rows:
        cycles = lesions[row.patient, lesion_name(row)]
        if row.cycle in cycles:
            raise StatisticsError(
                f"Patient {row.patient}, lesion {lesion_name(row)}: cycle {row.cycle} has several values of "
                f"{row.metric}; keep one."
            )
        cycles[row.cycle] = row.value
    return lesions


def _patient_means(patients: Sequence[str], values: np.ndarray) -> np.ndarray:
    names = np.array(patients)
    return np.array([values[names == name].mean() for name in sorted(set(patients))])


def _slope_interval(
    patients: Sequence[str], dose: np.ndarray, change: np.ndarray, slope: float, confidence: float
) -> tuple[float, float]:
    """Jackknife over patients with Student's t; sums per patient make each slope one line of arithmetic.

    A percentile bootstrap held 86 to 92 % of simulated truths with 3 to 30 patients.
    """
    names = np.array(patients)
    dose, change = dose - dose.mean(), change - change.mean()
    terms = np.column_stack([np.ones_like(dose), dose, change, dose**2, dose * change])
    sums = np.array([terms[names == name].sum(axis=0) for name in sorted(set(patients))])
    count = len(sums)
    if count < 3:
        return math.nan, math.nan
    n, x, y, xx, xy = (sums.sum(axis=0) - sums).T
    spread = n * xx - x**2
    if (spread <= RELATIVE * n * xx).any():  # without that patient all doses are equal
        return math.nan, math.nan
    slopes = (n * xy - x * y) / spread
    error = math.sqrt((count - 1) / count * float(np.sum((slopes - slope) ** 2)))
    reach = float(stats.t.ppf(0.5 + confidence / 2, count - 2)) * error
    return slope - reach, slope + reach
