"""Time-activity curves from a table: columns region, time_h, activity_MBq; an uncertainty may follow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.table_file import cell_number, read_table

from PRRTDosimetryLib.kinetics.curves import Curve, CurveError, check_units, to_decayed

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide
    from PRRTUptakeLib.table_file import Row, Table

REQUIRED = ("region", "time_h", "activity_MBq")
UNCERTAINTY = ("u_activity_MBq", "uncertainty_MBq", "uncertainty", "u_MBq", "sigma_MBq")
OPTIONAL = ("decay_correction", "volume_mL")


def read_curves(path: Path, nuclide: Radionuclide, decay_correction: str | None = None) -> list[Curve]:
    """Read the curves of all regions, in the order in which the regions first appear.

    Parameters
    ----------
    path : a table (see ``table_file``); points whose activity is blank or NA are left out.
        Beside the required columns: one of ``u_activity_MBq``, ``uncertainty`` (standard
        uncertainty in MBq), ``decay_correction`` (NONE, START, ADMIN as in DICOM), ``volume_mL``.
    nuclide : whose decay is undone where the table says ADMIN.
    decay_correction : the word for a table without that column; NONE if neither says anything, since ``activity_MBq``
        means the activity at the time of the scan.

    Raises
    ------
    CurveError
        For a missing file or column, text that is not a number, mixed units, or a region whose rows contradict.
    """
    table = read_table(path, (*REQUIRED, *UNCERTAINTY), CurveError)
    names = table.columns
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        others = sorted(name for name in names if name.lower().startswith(("activity", "concentration")))
        found = f"; it has {', '.join(others)}, so convert that to MBq" if others else ""
        raise CurveError(
            f"{path.name} lacks the column(s) {', '.join(missing)}{found}; needed are {', '.join(REQUIRED)}."
        )
    mixed = sorted(
        name for name in names if name.startswith(("activity_", "concentration_")) and name != "activity_MBq"
    )
    if mixed:
        raise CurveError(
            f"{path.name} gives the activity both in activity_MBq and {mixed[0]}: mixed units; keep MBq only."
        )
    if decay_correction and "decay_correction" in names:
        raise CurveError(f"{path.name} has a column decay_correction; do not state the decay correction a second time.")
    column = next((name for name in UNCERTAINTY if name in names), None)
    if column:
        _check_decimals(table, column)
    regions: dict[str, list[Row]] = {}
    for row in table.rows:
        if not row.text("region"):
            raise CurveError(f"{path.name}, line {row.line}: the region is empty.")
        if not row.is_missing("activity_MBq"):
            regions.setdefault(row.text("region"), []).append(row)
    if not regions:
        raise CurveError(f"{path.name} has a header but no points; add at least one row.")
    return [_curve(path.name, region, rows, column, nuclide, decay_correction) for region, rows in regions.items()]


def _check_decimals(table: Table, column: str) -> None:
    """A decimal comma in a file separated by commas makes two whole numbers of one: 98,5 is then 98 with uncertainty 5.

    Raises
    ------
    CurveError
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
        raise CurveError(
            f"{table.name}, line {line}: {before},{after} may be one number with a decimal comma, or an activity and "
            f"its {column}, as in every row: write both with a decimal point ({before}.0,{after}.0), or separate "
            "cells by semicolons."
        )


def _curve(
    file: str,
    region: str,
    rows: list[Row],
    column: str | None,
    nuclide: Radionuclide,
    decay_correction: str | None,
) -> Curve:
    word = _same(file, region, rows, "decay_correction") or decay_correction or "NONE"
    unit = _same(file, region, rows, "unit")
    if unit not in ("", "MBq"):
        raise CurveError(f"{file}: {region} is given in '{unit}', but the column activity_MBq holds MBq; convert it.")
    volume = _same(file, region, rows, "volume_mL")
    curve = Curve(
        region,
        tuple(_number(row, "time_h") for row in rows),
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
        raise CurveError(
            f"{file}: {region} has several values in the column {column} ({', '.join(map(repr, values))}); "
            "all points of a region must be in one unit and convention."
        )
    return values[0]


def _number(row: Row, column: str) -> float:
    if row.is_missing(column):
        raise CurveError(
            f"{row.table}, line {row.line}: {column} '{row.text(column)}' is not a number; give it as a plain number "
            f"in {'hours' if column == 'time_h' else 'MBq'}."
        )
    return cell_number(row, column, CurveError)
