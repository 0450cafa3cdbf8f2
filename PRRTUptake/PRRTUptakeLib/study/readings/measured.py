"""Complete readings as a table of measurements, for agreement, endpoints and what else takes measurements."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import Measurement, read_csv
from PRRTUptakeLib.study.readings.journal import read_records, states

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

READINGS_SUFFIX = ".jsonl"
_NAMES = tuple(field.name for field in fields(Measurement))


def plain_rows(rows: Iterable[Measurement]) -> tuple[dict[str, Any], ...]:
    """Rows as plain values of JSON; a number that is not known is left out."""
    return tuple(
        {key: value for key, value in asdict(row).items() if not (isinstance(value, float) and math.isnan(value))}
        for row in rows
    )


def rows_of(plain: Iterable[Mapping[str, Any]], where: str) -> list[Measurement]:
    """Rows from plain values.

    Raises
    ------
    StudyError
        If one has other keys than a measurement.
    """
    found = []
    for n, values in enumerate(plain, start=1):
        try:
            found.append(Measurement(**{key: values[key] for key in _NAMES if key in values}))
        except TypeError as error:
            raise StudyError(f"{where}, row {n} is no measurement ({error}): restore the file from a copy.") from error
    return found


def measurements_of_readings(path: Path) -> list[Measurement]:
    """All rows of the readings of a file that are complete and were not withdrawn.

    Raises
    ------
    StudyError
        If the file was changed or cannot be read, or there is no such reading.
    """
    found = states(list(read_records(path)), path.name)
    complete = {case: state for case, state in found.items() if state.status == "complete"}
    if not complete:
        raise StudyError(f"{path.name} has no complete reading: finish at least one.")
    return [row for case, state in complete.items() for row in rows_of(state.rows, f"{path.name}, '{case}'")]


def read_measurements(path: Path) -> list[Measurement]:
    """A table of measurements (see `measurements.read_csv`), or what a reader's file of readings holds.

    Raises
    ------
    PRRTError
        If the file cannot be read or has no measurement.
    """
    return measurements_of_readings(path) if path.suffix == READINGS_SUFFIX else read_csv(path)
