"""Numbers as people read them: the one place that turns values into text for reports, terminals, charts and panels.

Rules: significant digits, zeros kept (a value keeps the digits it has: 49.57 is never shown as 49.60); digits before
the point are never rounded; no thousands separator, since ``1,234`` is read in two ways; what is not known is blank.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = ""
_SMALLEST = 1e-6  # smaller numbers are written with a power of ten


def number(value: float | None, digits: int = 3) -> str:
    """A number with ``digits`` significant digits, zeros kept; blank if it is not known.

    Examples
    --------
    >>> number(1.0), number(17.43), number(67631.4), number(0.0001234), number(9.9996)
    ('1.00', '17.4', '67631', '0.000123', '10.0')
    >>> number(49.57, 4), number(5.43e-12), number(float("nan")), number(None), number(float("inf"))
    ('49.57', '5.43e-12', '', '', '∞')
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and abs(value) < _SMALLEST:
        return f"{value:.{digits - 1}e}"
    power = int(f"{value:.{digits - 1}e}".split("e")[1])  # after rounding: 9.9996 is 10.0
    return f"{value:.{max(digits - 1 - power, 0)}f}"


def decimals(value: float | None, places: int) -> str:
    """A number with ``places`` decimals; blank if it is not known.

    Examples
    --------
    >>> decimals(30.04, 1), decimals(float("nan"), 1)
    ('30.0', '')
    """
    return UNKNOWN if value is None or math.isnan(value) else f"{value:.{places}f}"


def with_interval(value: float, interval: Sequence[float], digits: int = 3) -> str:
    """A value and its interval in brackets; the value alone if the interval is not known.

    Examples
    --------
    >>> with_interval(1.17, (1.0, 1.37)), with_interval(1.17, (float("nan"), 1.37))
    ('1.17 [1.00; 1.37]', '1.17')
    """
    if not all(math.isfinite(end) for end in interval):
        return number(value, digits)
    return f"{number(value, digits)} [{number(interval[0], digits)}; {number(interval[1], digits)}]"


def p_value(p: float) -> str:
    """A p-value for a table: three decimals, as papers print it; blank if it is not known.

    Examples
    --------
    >>> p_value(0.299), p_value(1e-9), p_value(float("nan"))
    ('0.299', '< 0.001', '')
    """
    if math.isnan(p):
        return UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_words(p: float) -> str:
    """A p-value for a sentence.

    Examples
    --------
    >>> p_words(0.299), p_words(1e-9), p_words(float("nan"))
    ('p = 0.299', 'p < 0.001', 'p not known')
    """
    shown = p_value(p)
    if not shown:
        return "p not known"
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def cell_text(value: object) -> str:
    """Text of a table's cell: floats with four significant digits (whole from 1000 on), blank for nan and None.

    Examples
    --------
    >>> cell_text(49.57), cell_text(67631.4), cell_text(float("nan")), cell_text(None), cell_text(12), cell_text("L1")
    ('49.57', '67631', '', '', '12', 'L1')
    """
    if value is None:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else str(value)


def is_number(value: object) -> bool:
    """Whether a cell holds a number, which is set flush right."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table for a terminal: aligned columns, numbers flush right.

    Examples
    --------
    >>> print(plain_table(["lesion", "T/N"], [["L1", 12.3456], ["R1", 9.0]]))
    lesion    T/N
    ------  -----
    L1      12.35
    R1      9.000
    """
    cells = [[cell_text(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[n]) for row in cells)) if cells else len(name) for n, name in enumerate(header)]
    right = [bool(rows) and all(is_number(row[n]) for row in rows) for n in range(len(header))]
    lines = [list(header), ["-" * width for width in widths], *cells]
    shown = [
        "  ".join(
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(line, widths, right, strict=True)
        )
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in shown)


def short_decimal(value: float, places: int = 2) -> str:
    """A coordinate of a drawing: at most ``places`` decimals, no zeros at the end.

    Examples
    --------
    >>> short_decimal(12.5), short_decimal(3.0), short_decimal(0.126)
    ('12.5', '3', '0.13')
    """
    return f"{float(value):.{places}f}".rstrip("0").rstrip(".")


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Key by which names are listed as people count: P2 before P10, capitals alike.

    Examples
    --------
    >>> sorted(["P10", "P2", "p1", "B3"], key=natural_order)
    ['B3', 'p1', 'P2', 'P10']
    """
    parts = re.findall(r"\d+|\D+", name)
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts), (2, 0, name))
