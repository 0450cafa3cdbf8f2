"""Tables that people give: CSV of any spreadsheet, or .xlsx; read alike wherever a table comes in.

Quoting as in RFC 4180. The separator is the comma, semicolon or tab with which the header has the columns that are
needed; a decimal comma is read where the comma does not separate cells, or within quotes. UTF-8 (with or without byte
order mark), UTF-16 with one, or else Windows-1252. A row never loses a cell silently.
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass, field
from datetime import datetime, time
from importlib.util import find_spec
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError, TableError, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = frozenset({"", "na", "n/a", "#n/a", ".", "null", "none", "missing"})
_MOST = 1e30  # beyond any measurement; overflows where it is squared
_PLAIN = re.compile(r"[+-]?(\d+([.]\d*)?|[.]\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_GROUPED = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")  # a thousands separator
_NUMBER = r"[+-]?[\d.,]+([eE][+-]?\d+)?( ?%)?"
_NUMBERS = re.compile(rf"{_NUMBER}(( to |; ?|/){_NUMBER})*")  # also a percentage or a range
_WORDS_END = re.compile(r"[\s_()\[\]/]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Row:
    """One row: its line in the file (from 1), its cells by column, and how its numbers are written.

    ``decimal_comma`` says that a comma cannot separate cells, ``comma_used`` that some number of the table has one.
    In the columns ``thousands`` every point may separate thousands.
    """

    line: int
    cells: Mapping[str, str]
    table: str
    decimal_comma: bool = False
    comma_used: bool = False
    thousands: frozenset[str] = frozenset()

    def text(self, column: str) -> str:
        """A cell without surrounding blanks; "" if the table has no such column."""
        return self.cells.get(column, "")

    def is_missing(self, column: str) -> bool:
        """Whether a cell is blank or says that the value is missing (NA)."""
        return self.text(column).lower() in MISSING

    def number(self, column: str) -> float:
        """A cell as a finite number; nan where it is missing.

        Raises
        ------
        TableError
            If it is no number, not finite, absurdly large, or can be read in two ways.
        """
        text = self.text(column)
        if self.is_missing(column):
            return math.nan
        where = f"{self.table}, line {self.line}: {column} '{text}'"
        plain = _GROUPED.sub("", text.replace("\u2212", "-"))
        if _DECIMAL_COMMA.fullmatch(plain):
            after = re.split(r"[eE]", plain.partition(",")[2])[0]
            if not self.decimal_comma and len(after) == 3:
                raise TableError(
                    f"{where} may mean {plain.replace(',', '.')} or {plain.replace(',', '')}: write a point."
                )
            plain = plain.replace(",", ".")
        elif self.comma_used and _THOUSANDS.fullmatch(plain):
            raise TableError(
                f"{where} may mean {plain} or {plain.replace('.', '')}, as other numbers of the table have a decimal "
                "comma: write them all in one way."
            )
        elif column in self.thousands and _THOUSANDS.fullmatch(plain):
            raise TableError(
                f"{where} may mean {plain} or {plain.replace('.', '')}, as whole numbers of the column are written "
                "without a point: write all with a decimal point, or none with a point."
            )
        if not _PLAIN.fullmatch(plain):
            finite = "" if plain.lower().strip("+-") not in ("nan", "inf", "infinity") else " or not finite"
            raise TableError(f"{where} is not a number{finite}: correct it, or leave the cell blank.")
        value = float(plain)
        if abs(value) > _MOST:
            raise TableError(f"{where} is beyond what can be measured (1e30): correct it.")
        return value


@dataclass(frozen=True)
class Table:
    """A table: its file's name, columns, rows, and what was decided in reading it."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    decisions: tuple[str, ...] = field(default=())


def read_table(path: Path, required: Sequence[str] = (), failure: type[PRRTError] = TableError) -> Table:
    """Read a table.

    Parameters
    ----------
    path : a CSV file, or an .xlsx file (its sheet "measurements", else its first).
    required : columns that show the right separator, and which are found however they are written ("Time [h]" is
        time_h); whether they are all there is the caller's to check.
    failure : the class of errors.

    Raises
    ------
    PRRTError
        Of the class ``failure``: if the file cannot be read, has no header, a column twice, no separator, or a row has
        more cells than the header has columns.
    """
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            return _of_records(path.name, _excel_records(path), "", (), required)
        text, note = decoded_text(path)
        separator, lines = _separated(path.name, text, required)
        return _of_records(path.name, lines, separator, note, required)
    except TableError as error:
        raise failure(str(error)) from error
    except OSError as error:
        raise failure(f"{path} is not a readable table ({reason(error)}): give a CSV file.") from error


def cell_number(row: Row, column: str, failure: type[PRRTError]) -> float:
    """``row.number``, with errors of the class ``failure``."""
    try:
        return row.number(column)
    except TableError as error:
        raise failure(str(error)) from error


def decoded_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """Text of a table in UTF-8, UTF-16 or else Windows-1252, and a sentence where it is not the first.

    Raises
    ------
    TableError, OSError
        If it is no text, or cannot be read.
    """
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), ("The table is in UTF-16.",)
    if b"\0" in data:
        raise TableError(f"{path} is not a readable table (it holds bytes of 0): give a CSV file in UTF-8.")
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), ("The table is not in UTF-8: it is read as Windows-1252.",)


def _separated(name: str, text: str, required: Sequence[str]) -> tuple[str, list[tuple[int, list[str]]]]:
    """The separator, and the rows as (line, cells)."""
    stated = re.match(r'"?sep=(.)"?[ \t]*\r?\n', text)  # as Excel writes it
    skipped = 1 if stated else 0
    body = text[stated.end() :] if stated else text
    header = next((line for line in body.splitlines() if line.strip()), "")
    if not header:
        raise TableError(f"{name} is empty: give a table with a header.")
    candidates = [stated[1]] if stated else [mark for mark in _SEPARATORS if mark in header]
    if not candidates:
        if len(required) > 1:
            raise TableError(
                f"{name} has no separator of columns: its header '{header[:60]}' holds no comma, semicolon or tab; "
                "save it as CSV."
            )
        candidates = [","]
    best = max(candidates, key=lambda mark: _fitting(header, mark, required))
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=best, strict=True, skipinitialspace=True)
    found, before = [], 0
    try:
        for cells in reader:
            found.append((before + 1 + skipped, cells))
            before = reader.line_num
    except csv.Error as error:
        line = reader.line_num + skipped
        raise TableError(f"{name}, line {line}: a quote is not closed, or is within a cell ({error}).") from error
    return best, found


def _fitting(header: str, mark: str, required: Sequence[str]) -> tuple[int, int]:
    names = list(dict.fromkeys(cell.strip().strip('"') for cell in header.split(mark)))
    return len(set(_as_known(names, required)) & set(required)), len(names)


def _as_known(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """Columns by the names that are known: capitals of words and signs around a unit do not matter, those of units do.

    Examples
    --------
    >>> _as_known(["Region", "Time [h]", "activity (MBq)", "activity (mBq)"], ["region", "time_h", "activity_MBq"])
    ['region', 'time_h', 'activity_MBq', 'activity (mBq)']
    """
    wanted = {name: _WORDS_END.split(name) for name in known if name not in columns}
    found = []
    for column in columns:
        words = [word for word in _WORDS_END.split(column) if word]
        found.append(next((name for name, parts in wanted.items() if _alike(words, parts)), column))
    return found


def _alike(words: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(words) == len(wanted) and all(
        one == other or (other.islower() and one.casefold() == other) for one, other in zip(words, wanted, strict=True)
    )


def _excel_records(path: Path) -> list[tuple[int, list[str]]]:
    if find_spec("openpyxl") is None:
        raise TableError(f"{path.name}: a table of Excel needs the package openpyxl: install it, or save it as CSV.")
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheet = book["measurements"] if "measurements" in book.sheetnames else book[book.sheetnames[0]]
        rows = [[_written(value) for value in row] for row in sheet.iter_rows(values_only=True)]
        book.close()
    except OSError:
        raise
    except Exception as error:  # openpyxl raises many kinds on files that are no workbooks
        raise TableError(f"{path.name} is not a readable table of Excel ({error}): save it again.") from error
    width = max((n + 1 for row in rows[:1] for n, cell in enumerate(row) if cell), default=0)
    return [(n, _trimmed(row, width)) for n, row in enumerate(rows, start=1)]


def _trimmed(row: list[str], width: int) -> list[str]:
    """A sheet is as wide as its widest row: blank cells beyond the header are none."""
    end = max([width, *(n + 1 for n, cell in enumerate(row) if cell)])
    return row[:end]


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime):  # a day has no hours in a sheet
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _of_records(
    name: str, records: list[tuple[int, list[str]]], separator: str, notes: Sequence[str], known: Sequence[str]
) -> Table:
    filled = [(line, [cell.strip() for cell in cells]) for line, cells in records if any(map(str.strip, cells))]
    if not filled:
        raise TableError(f"{name} is empty: give a table with a header.")
    written = filled[0][1]
    while written and not written[-1]:
        written.pop()
    columns = _as_known(written, known)
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        raise TableError(f"{name} has the column '{twice[0]}' twice: keep one.")
    rows = []
    comma_used = any(_DECIMAL_COMMA.fullmatch(cell) for _, cells in filled[1:] for cell in cells)
    thousands = (
        _maybe_thousands(columns, [cells for _, cells in filled[1:]]) if separator in (";", "\t") else frozenset()
    )
    for line, cells in filled[1:]:
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) > len(columns):
            raise TableError(
                f"{name}, line {line}: {len(cells)} cells for {len(columns)} columns: if a comma is meant as decimal "
                "point, write points or separate cells by semicolons; put text that holds the separator in quotes."
            )
        named = dict(zip(columns, map(_read_back, cells), strict=False))
        rows.append(Row(line, named, name, separator in (";", "\t"), comma_used, thousands))
    decided = [*notes]
    decided += [f"Column '{a}' is read as {b}." for a, b in zip(written, columns, strict=True) if a != b]
    if separator in (";", "\t"):
        decided.append(f"Cells are separated by {_SEPARATORS[separator]}s; a comma in a number is a decimal comma.")
    return Table(name, tuple(columns), tuple(rows), tuple(decided))


def _maybe_thousands(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> frozenset[str]:
    """Columns in which 1.100 may be 1100: no point is surely a decimal point, and whole numbers have none."""
    pointed = [cell for cells in rows for cell in cells if "." in cell and _PLAIN.fullmatch(cell)]
    if not pointed or not all(_THOUSANDS.fullmatch(cell) for cell in pointed):
        return frozenset()
    found = set()
    for name, cells in zip(columns, zip_longest(*rows, fillvalue=""), strict=False):
        numbers = [cell for cell in cells if _PLAIN.fullmatch(cell)]
        if any("." in cell for cell in numbers) and any(
            len(cell.lstrip("+-")) == 3 and cell[-3:].isdigit() for cell in numbers
        ):
            found.add(name)
    return frozenset(found)


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before = + - @, but numbers stay numbers.

    Examples
    --------
    >>> [harmless(cell) for cell in ("=1+1", "-5.2", "-cmd", "+3", "P1", "@x", "-1e-3", "'=x")]
    ["'=1+1", '-5.2', "'-cmd", '+3', 'P1', "'@x", '-1e-3', "''=x"]
    """
    risky = cell.lstrip("'").startswith(_FORMULA) and not _NUMBERS.fullmatch(cell.strip())
    return f"'{cell}" if risky and cell.strip("- ") else cell


def _read_back(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV with cells that are harmless in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows])
    return out.getvalue()
