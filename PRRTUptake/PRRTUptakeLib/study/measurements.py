"""Measurements in long form: one row per patient, visit, image, region and metric; the file ``measurements.csv``."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class MeasurementError(PRRTError):
    """A table of measurements is incomplete or contradicts itself."""


@dataclass(frozen=True)
class Measurement:
    """One row.

    ``lobe`` is left, right, caudate or none (treated or control in a table that is already unblinded); ``metric`` is a
    word such as ``tn_ratio``, ``mean``, ``suv_max``, ``volume``; ``unit`` is UCUM ("1" for ratios); ``uncertainty`` is
    the standard uncertainty in the same unit, nan where it is not known.
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


COLUMNS = tuple(field.name for field in fields(Measurement))
REQUIRED_COLUMNS = COLUMNS[:-1]


def to_csv(rows: Iterable[Measurement]) -> str:
    """Text of ``measurements.csv``; numbers in the shortest form that reads back equal.

    Examples
    --------
    >>> row = Measurement("P1", 1, "24h", "SPECT", "L1", "target", "left", "L1", "tn_ratio", 12.5, "1")
    >>> print(to_csv([row]), end="")
    patient,cycle,visit,image,region,role,lobe,lesion,metric,value,unit,uncertainty
    P1,1,24h,SPECT,L1,target,left,L1,tn_ratio,12.5,1,
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        record = asdict(row)
        record["value"] = repr(float(row.value))
        record["uncertainty"] = "" if math.isnan(row.uncertainty) else repr(float(row.uncertainty))
        writer.writerow(record)
    return out.getvalue()


def read_csv(path: Path) -> list[Measurement]:
    """Read a table of measurements; further columns are ignored, the required ones must be there.

    Raises
    ------
    MeasurementError
        For a missing file or column, a value that is not a number, a cycle that is not a whole number, or no rows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementError(f"{path} is not a readable table ({error}): give a UTF-8 CSV file.") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in REQUIRED_COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise MeasurementError(
            f"{path.name} lacks the column(s) {', '.join(missing)}; required are {', '.join(REQUIRED_COLUMNS)}."
        )
    rows = [_row(record, path.name, number) for number, record in enumerate(reader, start=2)]
    if not rows:
        raise MeasurementError(f"{path.name} has a header but no measurements: add at least one row.")
    return rows


def _row(record: dict[str, str | None], name: str, line: int) -> Measurement:
    text = {key: (value or "").strip() for key, value in record.items() if isinstance(key, str)}
    if not text["patient"]:
        raise MeasurementError(f"{name}, line {line}: the patient is empty.")
    try:
        cycle = int(text["cycle"])
    except ValueError:
        raise MeasurementError(f"{name}, line {line}: cycle '{text['cycle']}' is not a whole number.") from None
    value = _number(text["value"], "value", name, line)
    uncertainty = _number(text["uncertainty"], "uncertainty", name, line) if text.get("uncertainty") else math.nan
    words = {name: text[name] for name in REQUIRED_COLUMNS if name not in ("cycle", "value")}
    return Measurement(cycle=cycle, value=value, uncertainty=uncertainty, **words)


def _number(text: str, column: str, name: str, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        raise MeasurementError(f"{name}, line {line}: {column} '{text}' is not a number.") from None
    if not math.isfinite(number):
        raise MeasurementError(f"{name}, line {line}: {column} '{text}' is not finite.")
    return number
