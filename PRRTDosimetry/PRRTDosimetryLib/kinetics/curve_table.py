"""Time-activity curves from a table: columns region, time_h (or time_min, time_d), activity_MBq, an uncertainty."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from PRRTUptakeLib.table_file import cell_number, read_table

from PRRTDosimetryLib.kinetics.curves import Curve, check_units, to_decayed
from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide
    from PRRTUptakeLib.table_file import Row, Table

REQUIRED = ("region", "time_h", "activity_MBq")
TIMES = {"time_h": ("hours", 1.0, 1.0), "time_min": ("minutes", 1.0, 60.0), "time_d": ("days", 24.0, 1.0)}
UNCERTAINTY = ("u_activity_MBq", "uncertainty_MBq", "uncertainty", "u_MBq", "sigma_MBq")
_SPREAD = re.compile(r"(u|uncertainty|sigma|sd|se|sem|std|error|err)([\s_(\[%]|$)", re.IGNORECASE)
OPTIONAL = ("decay_correction", "volume_mL")
_KNOWN = (*dict.fromkeys((*REQUIRED, *TIMES)), *UNCERTAINTY, *OPTIONAL)


def read_curves(path: Path, nuclide: Radionuclide, decay_correction: str | None = None) -> list[Curve]:
    """Read the curves of all regions, in the order in which the regions first appear.

    Parameters
    ----------
    path : a table (see ``table_file``); points whose activity is blank or NA are left out.
        ``time_min`` or ``time_d`` may replace ``time_h``. Further columns: one of ``u_activity_MBq``, ``uncertainty``
        (standard uncertainty in MBq), ``decay_correction`` (NONE, START, ADMIN as in DICOM), ``volume_mL``.
    nuclide : whose decay is undone where the table says ADMIN.
    decay_correction : the word for a table without that column; NONE if neither says anything, since ``activity_MBq``
        means the activity at the time of the scan.

    Raises
    ------
    KineticsError
        For a missing file or column, text that is not a number, mixed units, or a region whose rows contradict.
    """
    return [curve for _, curve, _ in read_curves_by(path, nuclide, decay_correction)]


def read_curves_by(
    path: Path, nuclide: Radionuclide, decay_correction: str | None = None, keys: Sequence[str] = ()
) -> list[tuple[tuple[str, ...], Curve, list[Row]]]:
    """The same with one curve for each region and cells of further columns ``keys``, such as patient and cycle.

    Returns
    -------
    For each curve the cells of ``keys``, the curve, and its rows.
    """
    table = read_table(path, _KNOWN, KineticsError)
    columns = _checked_columns(path.name, table, decay_correction)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in table.rows:
        if not row.text("region"):
            raise KineticsError(f"{path.name}, line {row.line}: the region is empty.")
        if not row.is_missing("activity_MBq"):
            groups.setdefault((*(row.text(key) for key in keys), row.text("region")), []).append(row)
    if not groups:
        raise KineticsError(f"{path.name} has a header but no points; add at least one row.")
    _check_names(path.name, groups)
    return [
        (key[:-1], _curve(path.name, key[-1], rows, columns, nuclide, decay_correction), rows)
        for key, rows in groups.items()
    ]


def _check_names(file: str, groups: Mapping[tuple[str, ...], object]) -> None:
    """Refuse two spellings of a region: its points would be two curves.

    Raises
    ------
    KineticsError
        Naming both.
    """
    known: dict[tuple[str, ...], str] = {}
    for key in groups:
        other = known.setdefault((*key[:-1], " ".join(key[-1].split()).casefold()), key[-1])
        if other != key[-1]:
            raise KineticsError(
                f"{file}: the regions '{other}' and '{key[-1]}' differ in capitals or blanks only; write one name for "
                "one region."
            )


def _checked_columns(file: str, table: Table, decay_correction: str | None) -> tuple[str, str | None]:
    """The columns of times and of uncertainties; None for no uncertainties."""
    names = table.columns
    time = _time_column(file, names)
    missing = [name for name in REQUIRED if name not in names and (name != "time_h" or not time)]
    if missing:
        raise KineticsError(
            f"{file} lacks the column(s) {', '.join(missing)}{_instead(missing, names)}; needed are "
            f"{', '.join(REQUIRED)} (or time_min or time_d)."
        )
    mixed = sorted(
        name for name in names if name.startswith(("activity_", "concentration_")) and name != "activity_MBq"
    )
    if mixed:
        raise KineticsError(
            f"{file} gives the activity both in activity_MBq and {mixed[0]}: mixed units; keep MBq only."
        )
    if decay_correction and "decay_correction" in names:
        raise KineticsError(f"{file} has a column decay_correction; do not state the decay correction a second time.")
    column = _uncertainty_column(file, names)
    if column:
        _check_decimals(table, column)
    return time, column


def _uncertainty_column(file: str, names: Sequence[str]) -> str | None:
    """The column of uncertainties, None if there is none.

    Raises
    ------
    KineticsError
        If there are two, or one that looks as if it were meant and is not known: a stated uncertainty is never ignored.
    """
    found = [name for name in UNCERTAINTY if name in names]
    if len(found) > 1:
        raise KineticsError(f"{file} gives the uncertainty in {' and '.join(found)}: keep one of them.")
    meant = sorted(name for name in names if _SPREAD.match(name) and name not in UNCERTAINTY)
    if meant and not found:
        raise KineticsError(
            f"{file} has the column {meant[0]}, which looks like an uncertainty of the activity, but is not read: give "
            "the standard uncertainty in MBq as u_activity_MBq, or take the column out."
        )
    return found[0] if found else None


def time_unit(path: Path) -> str:
    """In which unit a table gives its times: "hours", "minutes" or "days"; errors as of `read_curves`."""
    column = _time_column(path.name, read_table(path, _KNOWN, KineticsError).columns)
    return TIMES[column][0] if column else ""


def _instead(missing: Sequence[str], names: Sequence[str]) -> str:
    """What a table has in place of missing columns, and what to do with it."""
    if "activity_MBq" in missing:
        others = sorted(name for name in names if name.lower().startswith(("activity", "concentration")))
        if others:
            return f"; it has {', '.join(others)}, so convert that to MBq"
    if "time_h" in missing:
        others = sorted(name for name in names if name.lower().startswith("time"))
        if others:
            return f"; it has {', '.join(others)}, so convert that to hours"
    return ""


def _time_column(file: str, names: Sequence[str]) -> str:
    """The column that holds the times, "" if there is none."""
    found = [name for name in TIMES if name in names]
    if len(found) > 1:
        raise KineticsError(f"{file} gives the times in {' and '.join(found)}: keep one of them.")
    return found[0] if found else ""


def _check_decimals(table: Table, column: str) -> None:
    """A decimal comma in a file separated by commas makes two whole numbers of one: 98,5 is then 98 with uncertainty 5.

    Raises
    ------
    KineticsError
        If in every row two whole numbers follow each other, the second always of the same count of digits, and these
        do not rise with the activity as uncertainties do.
    """
    names = list(table.columns)
    if names.index(column) != names.index("activity_MBq") + 1 or any(row.decimal_comma for row in table.rows):
        return
    cells = [(row.line, row.text("activity_MBq"), row.text(column)) for row in table.rows]
    if len({len(after) for _, _, after in cells}) != 1 or not all(a.isdigit() and b.isdigit() for _, a, b in cells):
        return
    by_activity = [int(after) for _, before, after in sorted(cells, key=lambda cell: (int(cell[1]), int(cell[2])))]
    if by_activity != sorted(by_activity):
        line, before, after = cells[0]
        raise KineticsError(
            f"{table.name}, line {line}: {before},{after} may be one number with a decimal comma, or an activity and "
            f"its {column}, as in every row: write both with a decimal point ({before}.0,{after}.0), or separate "
            "cells by semicolons."
        )


def _curve(
    file: str,
    region: str,
    rows: list[Row],
    columns: tuple[str, str | None],
    nuclide: Radionuclide,
    decay_correction: str | None,
) -> Curve:
    word = _same(file, region, rows, "decay_correction") or decay_correction or "NONE"
    unit = _same(file, region, rows, "unit")
    if unit not in ("", "MBq"):
        raise KineticsError(
            f"{file}: {region} is given in '{unit}', but the column activity_MBq holds MBq; convert it."
        )
    volume = _same(file, region, rows, "volume_mL")
    time, column = columns
    _, times, per = TIMES[time]
    curve = Curve(
        region,
        tuple(_number(row, time) * times / per for row in rows),
        tuple(_number(row, "activity_MBq") for row in rows),
        tuple(_number(row, column) for row in rows) if column else (),
        _number(rows[0], "volume_mL") if volume else math.nan,
    )
    curve = to_decayed(curve, word, nuclide)
    check_units(curve, nuclide)
    return curve


def _same(file: str, region: str, rows: list[Row], column: str) -> str:
    values = sorted({row.text(column) for row in rows})
    if len(values) > 1:
        raise KineticsError(
            f"{file}: {region} has several values in the column {column} ({', '.join(map(repr, values))}); "
            "all points of a region must be in one unit and convention."
        )
    return values[0]


def _number(row: Row, column: str) -> float:
    if row.is_missing(column):
        raise KineticsError(
            f"{row.table}, line {row.line}: {column} '{row.text(column)}' is not a number; give it as a plain number "
            f"in {TIMES[column][0] if column in TIMES else 'MBq'}."
        )
    return cell_number(row, column, KineticsError)
