"""Who counts: patients, lesions and cycles that are left out, each with its reason and the date of the decision.

Two populations come from one table. *Intention to treat* has everybody who entered and can be measured; *per protocol*
leaves out what was excluded. Screen failures never entered, and whoever withdrew consent is in neither population.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.study.stated_exclusion import SCOPES, StatedExclusion
from PRRTUptakeLib.table_file import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.measurements import Measurement

INTENTION_TO_TREAT, PER_PROTOCOL = "intention to treat", "per protocol"
_KEYS = ("patient", "reason", "date", "lesion", "cycle", "scope")


def stated_exclusion(content: Mapping[str, Any], where: str, patient: str = "") -> StatedExclusion:
    """Exclusion from the keys patient, reason, date, and optionally lesion, cycle and scope.

    Parameters
    ----------
    content : of a row of a table, or an object in a case file's list ``exclude``.
    where : file and line or key path, for errors.
    patient : of the case file, where the object does not name one.

    Raises
    ------
    StatisticsError
        For an unknown key, a missing reason, or a date, cycle or scope that is none.
    """
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise StatisticsError(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(_KEYS)}.")
    text = {key: str(content.get(key) or "").strip() for key in _KEYS}
    name = text["patient"] or patient
    if not name or not text["reason"]:
        missing = "reason" if name else "patient"
        raise StatisticsError(f"{where}: the {missing} of an exclusion is missing: say who is left out, why and when.")
    try:
        decided = date.fromisoformat(text["date"])
    except ValueError:
        raise StatisticsError(
            f"{where}: the date of the exclusion of patient {name} is '{text['date']}': write it as 2024-05-31."
        ) from None
    if text["cycle"] and not text["cycle"].isdigit():
        raise StatisticsError(f"{where}: the cycle is '{text['cycle']}', but must be a whole number or empty.")
    scope = text["scope"] or SCOPES[0]
    if scope not in SCOPES:
        raise StatisticsError(f"{where}: the scope is '{scope}', but must be one of {', '.join(SCOPES)}.")
    cycle = int(text["cycle"]) if text["cycle"] else None
    found = StatedExclusion(
        patient=name, reason=text["reason"], decided=decided, lesion=text["lesion"], cycle=cycle, scope=scope
    )
    if scope == "screening" and not found.of_patient:
        raise StatisticsError(f"{where}: a screen failure is a whole patient: leave lesion and cycle empty.")
    return found


def read_exclusions(path: Path) -> tuple[StatedExclusion, ...]:
    """Read a table (see ``table_file``) with the columns patient, reason, date, optionally lesion, cycle and scope.

    Raises
    ------
    StatisticsError
        If it cannot be read, a column is missing, or a line is unusable.
    """
    table = read_table(path, _KEYS, StatisticsError)
    missing = [name for name in _KEYS[:3] if name not in table.columns]
    if missing:
        raise StatisticsError(f"{path.name} lacks the column(s) {', '.join(missing)} of exclusions.")
    found = []
    for row in table.rows:
        named = {name: cell for name, cell in row.cells.items() if name or cell}
        cells = {**named, "cycle": re.sub(r"\.0+$", "", row.text("cycle"))}  # a spreadsheet's 1.0
        found.append(stated_exclusion(cells, f"{path.name}, line {row.line}"))
    return tuple(found)


def check_exclusions(exclusions: Iterable[StatedExclusion], rows: Sequence[Measurement], known: Iterable[str]) -> None:
    """Refuse an exclusion of somebody or something that is not there, or a screen failure with measurements.

    Parameters
    ----------
    rows : the whole table.
    known : further patients, such as those of case files and allocation.

    Raises
    ------
    StatisticsError
        Naming it.
    """
    measured = {row.patient for row in rows}
    everybody = measured | set(known)
    for one in exclusions:
        if one.scope == "screening":
            if one.patient in measured:
                raise StatisticsError(
                    f"Patient {one.patient} is said to have failed screening, but has measurements: correct one."
                )
        elif one.patient not in everybody:
            raise StatisticsError(f"Patient {one.patient} is excluded, but is not in the cohort: correct the name.")
        elif one.patient in measured and not one.of_patient and not any(one.hits(row) for row in rows):
            raise StatisticsError(
                f"Patient {one.patient}: {one.words.split(':')[0]} is excluded, but was not measured: correct the name."
            )


def population_rows(
    rows: Sequence[Measurement], exclusions: Sequence[StatedExclusion], population: str
) -> list[Measurement]:
    """Rows of one population.

    Examples
    --------
    >>> from PRRTUptakeLib.study.measurements import Measurement
    >>> row = Measurement("P1", 1, "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", 12.5, "1")
    >>> out = StatedExclusion(patient="P1", reason="wrong vial", decided=date(2024, 5, 3))
    >>> len(population_rows([row], [out], PER_PROTOCOL)), len(population_rows([row], [out], INTENTION_TO_TREAT))
    (0, 1)
    """
    acting = [one for one in exclusions if population == PER_PROTOCOL or one.scope == "all"]
    return [row for row in rows if not any(one.hits(row) for one in acting)]


def reasons_by_patient(exclusions: Iterable[StatedExclusion]) -> dict[str, str]:
    """Reasons of the patients who are left out as a whole, screen failures aside."""
    found: dict[str, list[str]] = {}
    for one in exclusions:
        if one.of_patient and one.scope != "screening":
            found.setdefault(one.patient, []).append(one.words)
    return {patient: "; ".join(words) for patient, words in found.items()}
