"""Measurements for Excel, which needs openpyxl: one sheet with the rows, numbers as numbers, and one that explains."""

from __future__ import annotations

import io
import math
import re
import zipfile
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.export.data_dictionary import measurements_schema
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.study.measurements import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.study.measurements import Measurement

_WIDEST = 60  # characters of a column
# No moment of writing: the same rows give the same file, and beside shifted dates it would give the shift away.
_MOMENT, _NO_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+"), b"1980-01-01T00:00:00"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def require_excel() -> None:
    """See that Excel files can be written, before a long run.

    Raises
    ------
    ExportError
        If openpyxl is not installed.
    """
    if find_spec("openpyxl") is None:
        raise ExportError("A table for Excel needs the package openpyxl: install it, or use measurements.csv.")


def write_excel(rows: Sequence[Measurement], path: Path) -> None:
    """Write rows and data dictionary as sheets "measurements" and "dictionary".

    Text stays text, also where it begins with "=", so that no name can become a formula; unknown uncertainties are
    empty cells.

    Raises
    ------
    ExportError
        If openpyxl is not installed.
    """
    require_excel()
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "measurements"
    _fill(sheet, [COLUMNS, *([getattr(row, name) for name in COLUMNS] for row in rows)])
    sheet.auto_filter.ref = sheet.dimensions
    schema = measurements_schema(rows)
    columns = [["column", field["name"], field["type"], field["description"]] for field in schema["schema"]["fields"]]
    metrics = [["metric", one["name"], ", ".join(one["units"]), one["description"]] for one in schema["metrics"]]
    _fill(book.create_sheet("dictionary"), [["kind", "name", "type or unit", "description"], *columns, *metrics])
    unstamped = io.BytesIO()
    book.save(unstamped)
    with zipfile.ZipFile(unstamped) as stamped, zipfile.ZipFile(path, "w") as file:
        for name in stamped.namelist():
            data = _MOMENT.sub(_NO_MOMENT, stamped.read(name)) if name == "docProps/core.xml" else stamped.read(name)
            file.writestr(zipfile.ZipInfo(name, _FIXED_TIME), data, zipfile.ZIP_DEFLATED)


def _fill(sheet: Any, rows: Sequence[Sequence[Any]]) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    for n, row in enumerate(rows, start=1):
        for m, value in enumerate(row, start=1):
            if isinstance(value, float) and not math.isfinite(value):
                continue
            cell = sheet.cell(n, m, value)
            if isinstance(value, str):
                cell.data_type = "s"
            if n == 1:
                cell.font = Font(bold=True)
    for m, column in enumerate(zip(*rows, strict=True), start=1):
        longest = max(len(str(value)) for value in column)
        sheet.column_dimensions[get_column_letter(m)].width = min(_WIDEST, longest + 2)
    sheet.freeze_panes = "A2"
