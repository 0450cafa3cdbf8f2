"""Time-activity curves from a table: columns region, time_h, activity_MBq; an uncertainty may follow."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from PRRTDosimetryLib.kinetics.curves import Curve, CurveError, check_units, to_decayed

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

REQUIRED = ("region", "time_h", "activity_MBq")
UNCERTAINTY = ("u_activity_MBq", "uncertainty_MBq", "uncertainty", "u_MBq", "sigma_MBq")
OPTIONAL = ("decay_correction", "volume_mL")


def read_curves(path: Path, nuclide: Radionuclide, decay_correction: str | None = None) -> list[Curve]:
    """Read the curves of all regions, in the order in which the regions first appear.

    Parameters
    ----------
    path : CSV file in UTF-8. Beside the required columns: one of ``u_activity_MBq``, ``uncertainty`` (standard
        uncertainty in MBq), ``decay_correction`` (NONE, START, ADMIN as in DICOM), ``volume_mL``.
    nuclide : whose decay is undone where the table says ADMIN.
    decay_correction : the word for a table without that column; NONE if neither says anything, since ``activity_MBq``
        means the activity at the time of the scan.

    Raises
    ------
    CurveError
        For a missing file or column, text that is not a number, mixed units, or a region whose rows contradict.
    """
    records, names = _records(path)
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
    regions: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, record in records:
        if not record["region"]:
            raise CurveError(f"{path.name}, line {line}: the region is empty.")
        regions.setdefault(record["region"], []).append((line, record))
    if not regions:
        raise CurveError(f"{path.name} has a header but no points; add at least one row.")
    return [_curve(path.name, region, rows, column, nuclide, decay_correction) for region, rows in regions.items()]


def _records(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CurveError(f"{path} is not a readable table ({error}); give a UTF-8 CSV file.") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [(name or "").strip() for name in reader.fieldnames or []]
    records = [
        (
            reader.line_num,
            {(key or "").strip(): (value or "").strip() for key, value in row.items() if isinstance(key, str)},
        )
        for row in reader
    ]
    return [(line, record) for line, record in records if any(record.values())], names


def _curve(
    file: str,
    region: str,
    rows: list[tuple[int, dict[str, str]]],
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
        tuple(_number(file, line, row, "time_h") for line, row in rows),
        tuple(_number(file, line, row, "activity_MBq") for line, row in rows),
        tuple(_number(file, line, row, column) for line, row in rows) if column else (),
        _number(file, rows[0][0], rows[0][1], "volume_mL") if volume else math.nan,
    )
    curve = to_decayed(curve, word, nuclide)
    check_units(curve, nuclide)
    return curve


def _same(file: str, region: str, rows: list[tuple[int, dict[str, str]]], column: str) -> str:
    values = sorted({row.get(column, "") for _, row in rows})
    if len(values) > 1:
        raise CurveError(
            f"{file}: {region} has several values in the column {column} ({', '.join(map(repr, values))}); "
            "all points of a region must be in one unit and convention."
        )
    return values[0]


def _number(file: str, line: int, row: dict[str, str], column: str) -> float:
    text = row.get(column, "")
    try:
        return float(text)
    except ValueError:
        raise CurveError(
            f"{file}, line {line}: {column} '{text}' is not a number; give it as a plain number in "
            f"{'hours' if column == 'time_h' else 'MBq'}."
        ) from None
