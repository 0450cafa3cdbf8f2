"""Read the shipped tables of numbers: CSV files whose first lines, behind #, name the source and the unit."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from PRRTUptakeLib.resources import resource_path

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_table(*parts: str) -> Iterator[dict[str, str]]:
    """Rows of a table below ``Resources`` of PRRT Dosimetry, as text by column name."""
    text = resource_path(__file__, *parts).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return iter(csv.DictReader(io.StringIO("\n".join(lines))))


def table_source(*parts: str) -> str:
    """What the table itself says about its source and units, in one line."""
    text = resource_path(__file__, *parts).read_text(encoding="utf-8")
    return " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
