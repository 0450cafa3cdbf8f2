"""Charts drawn as SVG text, without any plotting library: axes, ticks, marks, legend.

The text goes straight into an HTML page or a file. ``plots`` draws the named plots of a report (slope plot, forest
plot, ...) with it. The same input gives the same bytes.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.formatting import short_decimal as _n
from PRRTUptakeLib.report.axes import Axis
from PRRTUptakeLib.report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

# Distinguishable with every common colour blindness: Okabe and Ito's set, doi:10.1038/nmeth.1618. Yellow is left out,
# since it is hard to see on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GREY, PALE = "#666666", "#D9E9F3"
# Series differ in shape as well as in colour, for print in black and white.
MARKERS = ("circle", "square", "triangle", "diamond")
_FONT_PX = 12
_CHARACTER_PX = 7.2  # mean advance of a sans-serif character at this size, a little generous


def text_width_px(text: str) -> float:
    """Width that ``text`` takes in a chart, roughly, since no font is at hand."""
    return _CHARACTER_PX * len(text)


class Chart:
    """A chart to which marks are added one by one, and whose text ``svg`` gives at last.

    Parameters
    ----------
    title : above the chart, and what a screen reader says.
    x, y : the axes.
    width_px, height_px : size of the chart without its legend, which is below.
    notes : (y, text) pairs written to the right of the plot, such as the figures of a forest plot's rows.

    Examples
    --------
    >>> chart = Chart("Kidney", Axis("Time (h)", 0, 100), Axis("Activity (MBq)", 0, 50))
    >>> chart.line([4, 24, 96], [40, 30, 10], label="measured")
    >>> chart.points([4, 24, 96], [40, 30, 10])
    >>> chart.svg().startswith("<svg")
    True
    """

    def __init__(
        self,
        title: str,
        x: Axis,
        y: Axis,
        width_px: int = 560,
        height_px: int = 360,
        notes: Sequence[tuple[float, str]] = (),
    ) -> None:
        self.title, self.x, self.y = title, x, y
        self.width_px, self.height_px = width_px, height_px
        widest_tick = max((text_width_px(text) for _, text in y.shown_ticks()), default=0.0)
        self._left = 14 + widest_tick + (20 if y.label else 0)
        self._right = width_px - 16 - max((text_width_px(text) for _, text in notes), default=0.0)
        turned = self._turned_ticks()
        deepest = max((text_width_px(text) for _, text in x.shown_ticks()), default=0.0) if turned else _FONT_PX
        self._top, self._bottom = 34.0, height_px - 12 - deepest - (20 if x.label else 0)
        if self._right - self._left < 40 or self._bottom - self._top < 40:
            raise ReportError(f"The figure '{title}' has no room for its plot: make it larger or its labels shorter.")
        self._notes = [_text(self._right + 10, float(self._y(value)) + 4, text) for value, text in notes]
        self._marks: list[str] = []
        self._legend: list[tuple[str, str, str]] = []

    def line(
        self,
        x: ArrayLike,
        y: ArrayLike,
        color: str = PALETTE[0],
        label: str = "",
        dashed: bool = False,
        width_px: float = 1.5,
    ) -> None:
        """Join the points in their order, with a gap where one is not finite; ``label`` goes into the legend."""
        across, up = self._places(x, y)
        finite = np.isfinite(across) & np.isfinite(up)
        runs = np.split(np.arange(finite.size), np.flatnonzero(~finite))
        for run in (run[finite[run]] for run in runs):
            if run.size > 1:
                path = " ".join(f"{_n(a)},{_n(b)}" for a, b in zip(across[run], up[run], strict=True))
                dash = ' stroke-dasharray="5 4"' if dashed else ""
                self._marks.append(
                    f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{_n(width_px)}"{dash}/>'
                )
        self._explain("dashed" if dashed else "line", color, label)

    def points(
        self,
        x: ArrayLike,
        y: ArrayLike,
        color: str = PALETTE[0],
        label: str = "",
        marker: str = "circle",
        names: Sequence[str] = (),
        size_px: float = 4.0,
    ) -> None:
        """Draw a marker at each finite point; ``names`` show when the pointer rests on one."""
        across, up = self._places(x, y)
        for n, (a, b) in enumerate(zip(across, up, strict=True)):
            if math.isfinite(a) and math.isfinite(b):
                self._marks.append(_marker(marker, float(a), float(b), size_px, color, names[n] if names else ""))
        self._explain(marker, color, label)

    def error_bars(
        self, x: ArrayLike, low: ArrayLike, high: ArrayLike, color: str = PALETTE[0], horizontal: bool = False
    ) -> None:
        """Whiskers from ``low`` to ``high`` at ``x`` (at y = ``x`` if horizontal), cut where the axis ends."""
        axis = self.x if horizontal else self.y
        ends = [np.clip(axis.fraction(np.atleast_1d(np.asarray(end, dtype=float))), 0, 1) for end in (low, high)]
        place = self._y if horizontal else self._x
        at = np.atleast_1d(place(x))
        for centre, first, second in zip(at, *(self._along(end, horizontal) for end in ends), strict=True):
            if not (math.isfinite(centre) and math.isfinite(first) and math.isfinite(second)):
                continue
            strokes = ((first, centre, second, centre), (first, centre - 4, first, centre + 4),
                       (second, centre - 4, second, centre + 4))  # fmt: skip
            for x1, y1, x2, y2 in strokes if horizontal else ((b, a, d, c) for a, b, c, d in strokes):
                self._marks.append(_stroke(x1, y1, x2, y2, color))

    def bars(
        self,
        x: ArrayLike,
        y: ArrayLike,
        color: str = PALETTE[0],
        label: str = "",
        width: float = 0.8,
        base: float = 0.0,
        names: Sequence[str] = (),
    ) -> None:
        """Vertical bars from ``base`` to ``y``, ``width`` in units of the x axis."""
        across = np.atleast_1d(np.asarray(x, dtype=float))
        left, up = self._places(across - width / 2, y)
        right = self._x(across + width / 2)
        floor = float(np.clip(self._y(base), self._top, self._bottom))
        if not math.isfinite(floor):
            raise ReportError(f"The figure '{self.title}' cannot begin its bars at {base:g} on a logarithmic axis.")
        for n, (a, b, c) in enumerate(zip(left, right, up, strict=True)):
            if math.isfinite(c):
                top, height = min(c, floor), abs(c - floor)
                hint = f"<title>{escape(names[n])}</title>" if names else ""
                self._marks.append(
                    f'<rect x="{_n(a)}" y="{_n(top)}" width="{_n(b - a)}" height="{_n(height)}" fill="{color}">'
                    f"{hint}</rect>"
                )
        self._explain("square", color, label)

    def band(self, low: float, high: float, color: str = PALE, label: str = "") -> None:
        """Shade the plot between two y values over its whole width."""
        ends = np.clip(self._y([low, high]), self._top, self._bottom)
        self._marks.append(
            f'<rect x="{_n(self._left)}" y="{_n(ends.min())}" width="{_n(self._right - self._left)}" '
            f'height="{_n(np.ptp(ends))}" fill="{color}"/>'
        )
        self._explain("square", color, label)

    def horizontal(self, y: float, color: str = GREY, label: str = "", dashed: bool = True) -> None:
        """Draw a line across the whole plot at ``y``."""
        self.line([self.x.low, self.x.high], [y, y], color, label, dashed, 1.0)

    def vertical(self, x: float, color: str = GREY, label: str = "", dashed: bool = True) -> None:
        """Draw a line over the whole height of the plot at ``x``."""
        self.line([x, x], [self.y.low, self.y.high], color, label, dashed, 1.0)

    def text(self, x: float, y: float, text: str, color: str = "#000000", anchor: str = "start") -> None:
        """Write ``text`` just above a point; ``anchor`` is start, middle or end."""
        self._marks.append(_text(float(self._x(x)), float(self._y(y)) - 4, text, anchor, color=color))

    def svg(self) -> str:
        """The chart as one ``<svg>`` element."""
        legend, legend_height = self._legend_marks()
        height = self.height_px + legend_height
        title = escape(self.title)
        x, y = self._left - 7, self._top - 7
        w, h = self._right - self._left + 14, self._bottom - self._top + 14
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}" width="{self.width_px}" '
            f'height="{_n(height)}" viewBox="0 0 {self.width_px} {_n(height)}" '
            f'font-family="sans-serif" font-size="{_FONT_PX}">',
            f"<title>{title}</title>",
            f'<rect width="{self.width_px}" height="{_n(height)}" fill="#ffffff"/>',
            _text(self.width_px / 2, 18, self.title, "middle", bold=True),
            *self._frame(),
            # A nested picture cuts off what is beyond the axes, and needs no identifier unique in the page.
            f'<svg x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" viewBox="{_n(x)} {_n(y)} {_n(w)} {_n(h)}">',
            *self._marks,
            "</svg>",
            *self._notes,
            *legend,
            "</svg>",
        ]
        return "\n".join(parts)

    def _x(self, values: ArrayLike) -> np.ndarray:
        return self._along(self.x.fraction(values), True)

    def _y(self, values: ArrayLike) -> np.ndarray:
        return self._along(self.y.fraction(values), False)

    def _along(self, fraction: np.ndarray, horizontal: bool) -> np.ndarray:
        if horizontal:
            return self._left + fraction * (self._right - self._left)
        return self._bottom - fraction * (self._bottom - self._top)

    def _places(self, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        across, up = np.atleast_1d(self._x(x)), np.atleast_1d(self._y(y))
        if across.shape != up.shape or across.ndim != 1:
            raise ReportError(f"The figure '{self.title}' got {across.size} x values for {up.size} y values.")
        return across, up

    def _explain(self, sign: str, color: str, label: str) -> None:
        if label:
            self._legend.append((sign, color, label))

    def _turned_ticks(self) -> bool:
        ticks = self.x.shown_ticks()
        return sum(text_width_px(text) + 8 for _, text in ticks) > self._right - self._left

    def _frame(self) -> list[str]:
        parts = []
        ticks = self.x.shown_ticks()
        # Turned labels that would overlap are thinned; the marks' own hints still name each.
        step = math.ceil(len(ticks) * (_FONT_PX + 2) / (self._right - self._left)) if self._turned_ticks() else 1
        for value, text in ticks[:: max(step, 1)]:
            a = float(self._x(value))
            parts.append(_stroke(a, self._bottom, a, self._bottom + 5, GREY))
            if self._turned_ticks():
                parts.append(_text(a + 4, self._bottom + 9, text, "end", turned=True))
            else:
                parts.append(_text(a, self._bottom + 18, text, "middle"))
        for value, text in self.y.shown_ticks():
            b = float(self._y(value))
            parts.append(_stroke(self._left, b, self._right, b, "#e5e5e5"))
            parts.append(_text(self._left - 6, b + 4, text, "end"))
        parts.append(_stroke(self._left, self._bottom, self._right, self._bottom, GREY))
        parts.append(_stroke(self._left, self._top, self._left, self._bottom, GREY))
        if self.x.label:
            parts.append(_text((self._left + self._right) / 2, self.height_px - 6, self.x.label, "middle"))
        if self.y.label:
            parts.append(_text(14, (self._top + self._bottom) / 2, self.y.label, "middle", turned=True))
        return parts

    def _legend_marks(self) -> tuple[list[str], int]:
        parts: list[str] = []
        across, row = 12.0, 0
        for sign, color, label in dict.fromkeys(self._legend):
            needed = 30 + text_width_px(label) + 14
            if across > 12 and across + needed > self.width_px:
                across, row = 12.0, row + 1
            middle = self.height_px + 14.0 + 20 * row
            if sign in MARKERS:
                parts.append(_marker(sign, across + 12, middle, 4.5, color))
            else:
                parts.append(_stroke(across, middle, across + 24, middle, color, sign == "dashed"))
            parts.append(_text(across + 30, middle + 4, label))
            across += needed
        return parts, 24 + 20 * row if parts else 0


def _stroke(x1: float, y1: float, x2: float, y2: float, color: str, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{color}"{dash}/>'


def _text(
    x: float,
    y: float,
    text: str,
    anchor: str = "start",
    turned: bool = False,
    bold: bool = False,
    color: str = "#000000",
) -> str:
    turn = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{color}"{weight}{turn}>{escape(text)}</text>'


def _marker(marker: str, x: float, y: float, size: float, color: str, name: str = "") -> str:
    hint = f"<title>{escape(name)}</title>" if name else ""
    if marker == "circle":
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}" fill="{color}">{hint}</circle>'
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        "diamond": ((0, -1.4), (1.1, 0), (0, 1.4), (-1.1, 0)),
    }.get(marker)
    if corners is None:
        raise ReportError(f"The marker '{marker}' is not one of {', '.join(MARKERS)}.")
    path = " ".join(f"{_n(x + size * a)},{_n(y + size * b)}" for a, b in corners)
    return f'<polygon points="{path}" fill="{color}">{hint}</polygon>'
