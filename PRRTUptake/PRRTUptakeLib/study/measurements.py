"""Measurements in long form: one row per patient, visit, image, region and metric; the file ``measurements.csv``."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.table_file import cell_number, csv_text, read_table
from PRRTUptakeLib.vocabulary import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from PRRTUptakeLib.table_file import Row


@dataclass(frozen=True)
class Measurement:
    """One row.

    ``lobe`` is left, right, caudate or none (treated or control in a table that is already unblinded); ``metric`` is a
    word such as ``tn_ratio``, ``mean``, ``suv_max``, ``volume``; ``unit`` is UCUM ("1" for ratios); ``uncertainty`` is
    the standard uncertainty in the same unit, ``lower_95`` and ``upper_95`` the 95 % interval, ``shared_uncertainty``
    the part of ``uncertainty`` that all regions of a patient share (it cancels in their ratios); nan where not known.
    """

    patient: str
    cycle: int
    visit: str
    image: str
    region: str
    role: str
    lobe: str
    lesion: str
    metric: str
    value: float
    unit: str
    uncertainty: float = math.nan
    lower_95: float = math.nan
    upper_95: float = math.nan
    shared_uncertainty: float = math.nan


COLUMNS = tuple(field.name for field in fields(Measurement))
_cells = attrgetter(*COLUMNS)
_OWN_WORDS = {
    "role": frozenset({"target", "lesion", "lobe", "organ", "reference"}),
    "lobe": frozenset({"left", "right", "caudate", "none", "treated", "control"}),
    "metric": frozenset(METRICS),
}
"""Words of ours, which count with capitals too."""
OPTIONAL_COLUMNS = ("uncertainty", "lower_95", "upper_95", "shared_uncertainty")
"""Numbers that may be missing: a cell is empty, or an older table has no such column."""
UNKNOWN: dict[str, Any] = dict.fromkeys(OPTIONAL_COLUMNS, math.nan)
"""Of a row that is made from another one, whose uncertainty is not its own."""
_HOURS = re.compile(
    r"((?:(?<![A-Za-z\d,.])\d+,)?\d+(?:\.\d+)?)\s*(?:h|hrs?|hours?|uur|std|stunden?|heures?)(?![A-Za-z])", re.IGNORECASE
)
_LABELS = COLUMNS[: COLUMNS.index("value")]
REQUIRED_COLUMNS = COLUMNS[: -len(OPTIONAL_COLUMNS)]


def to_csv(rows: Iterable[Measurement]) -> str:
    """Text of ``measurements.csv``; numbers in the shortest form that reads back equal.

    Examples
    --------
    >>> row = Measurement("P1", 1, "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", 12.5, "1")
    >>> print(to_csv([row]), end="")
    patient,cycle,visit,image,region,role,lobe,lesion,metric,value,unit,uncertainty,lower_95,upper_95,shared_uncertainty
    P1,1,24h,SPECT,L1,target,left,L1,tn_ratio,12.5,1,,,,
    """
    cells = []
    for row in rows:
        known = [_text(getattr(row, name)) for name in OPTIONAL_COLUMNS]
        labels = [getattr(row, name) for name in _LABELS]
        cells.append([*labels, repr(float(row.value)), row.unit, *known])
    return csv_text(COLUMNS, cells)


def read_csv(path: Path) -> list[Measurement]:
    """Read a table of measurements (see ``table_file``); further columns are ignored, the required ones must be there.

    A row whose value is blank or NA is a measurement that is missing: it is left out.

    Raises
    ------
    StudyError
        For a missing file or column, a value that is not a number, a cycle that is not a whole number, or no rows.
    """
    table = read_table(path, COLUMNS, StudyError)
    missing = [name for name in REQUIRED_COLUMNS if name not in table.columns]
    if missing:
        raise StudyError(
            f"{path.name} lacks the column(s) {', '.join(missing)}; required are {', '.join(REQUIRED_COLUMNS)}."
        )
    rows = [_row(row) for row in table.rows if not row.is_missing("value")]
    if not rows:
        raise StudyError(f"{path.name} has a header but no measurements: add at least one row.")
    return rows


def _row(row: Row) -> Measurement:
    where = f"{row.table}, line {row.line}"
    if not row.text("patient"):
        raise StudyError(f"{where}: the patient is empty.")
    cycle, unit = row.text("cycle"), row.text("unit")
    try:
        number = int(re.sub(r"\.0+$", "", cycle))  # a spreadsheet's 1.0
    except ValueError:
        raise StudyError(f"{where}: cycle '{cycle}' is not a whole number.") from None
    if unit.isdigit() and unit != "1":
        raise StudyError(
            f"{where}: the unit is '{unit}' after the value {row.text('value')}: was a decimal comma taken for the end "
            "of a cell? Write a point."
        )
    words: dict[str, Any] = {name: row.text(name) for name in REQUIRED_COLUMNS if name not in ("cycle", "value")}
    for name, known in _OWN_WORDS.items():
        folded = words[name].casefold()
        words[name] = folded if folded in known else words[name]
    numbers: dict[str, Any] = {name: cell_number(row, name, StudyError) for name in ("value", *OPTIONAL_COLUMNS)}
    if numbers["lower_95"] > numbers["upper_95"]:
        raise StudyError(
            f"{where}: lower_95 ({numbers['lower_95']:g}) is above upper_95 ({numbers['upper_95']:g}): exchange them."
        )
    return Measurement(cycle=number, **words, **numbers)


def _text(number: float) -> str:
    return "" if math.isnan(number) else repr(float(number))


def require_unit(row: Measurement, unit: str) -> None:
    """Refuse a row in another unit, where numbers are used and not only compared; a blank unit is that of our tables.

    Raises
    ------
    StudyError
        Naming the row and both units.
    """
    if row.unit not in ("", unit):
        raise StudyError(
            f"Patient {row.patient}, {row.region}: {row.metric} is in '{row.unit}', but must be in {unit}: convert it."
        )


def visit_time_h(visit: str) -> float:
    """Hours after injection in a visit's name; nan if it has none.

    Examples
    --------
    >>> visit_time_h("24h"), visit_time_h("SPECT 96 h p.i."), visit_time_h("C1_24h_SPECT"), visit_time_h("0,5 hours")
    (24.0, 96.0, 24.0, 0.5)
    """
    match = _HOURS.search(visit)
    return float(match.group(1).replace(",", ".")) if match else math.nan


def canonical_sha256(rows: Iterable[Measurement]) -> str:
    """SHA-256 of what rows say: not of line ends, encoding, order of rows, or the last bit of a number.

    Intervals and shared parts count where they are known, so that a table of an older build keeps its sum.
    """
    lines = sorted(
        "\x1f".join(
            f"{value:.9e}" if isinstance(value, float) else unicodedata.normalize("NFC", str(value))
            for value in _said(row)
        )
        for row in rows
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _said(row: Measurement) -> tuple[object, ...]:
    """The cells, named ones at the end where they are known."""
    always = len(REQUIRED_COLUMNS) + 1
    cells = _cells(row)
    later = zip(COLUMNS[always:], cells[always:], strict=True)
    return (*cells[:always], *(part for name, value in later if not math.isnan(value) for part in (name, value)))
