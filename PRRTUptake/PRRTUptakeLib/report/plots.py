"""The named plots of reports: bars, lines, paired slopes, forest, waterfall, Bland-Altman. Each gives SVG text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.formatting import decimals, number
from PRRTUptakeLib.report.axes import Axis
from PRRTUptakeLib.report.errors import ReportError
from PRRTUptakeLib.report.svg import GREY, MARKERS, PALETTE, Chart, text_width_px
from PRRTUptakeLib.statistics.ties import RELATIVE, above
from PRRTUptakeLib.vocabulary import lobe_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Series:
    """One curve of a line chart; ``low`` and ``high`` are the ends of its error bars, ``joined`` draws the line."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    joined: bool = True
    marked: bool = True


@dataclass(frozen=True)
class ForestRow:
    """One row of a forest plot: an estimate and its interval (nan where unknown); a summary row is a diamond."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    summary: bool = False


def bar_chart(
    title: str,
    categories: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    y_label: str,
    errors: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Bars: one colour per group, one place per category, with symmetric errors where given.

    Groups of a lobe ("left lobe") have the lobe's colour. Bars of a category are side by side, or on its tick if there
    is one only.

    Examples
    --------
    >>> svg = bar_chart("T/N", ["L1", "L2"], {"treated": [20, 12], "control": [16, float("nan")]}, "T/N")
    >>> svg.count("<rect")  # the background, and the three bars that have a value
    4
    """
    bounds = [0.0]
    for name, values in groups.items():
        reach = np.nan_to_num(np.asarray((errors or {}).get(name, np.zeros(len(values))), dtype=float))
        bounds += [*(np.asarray(values, dtype=float) + reach), *(np.asarray(values, dtype=float) - reach)]
    chart = Chart(title, Axis.categories("", categories), Axis.around(y_label, bounds))
    alone = all(np.isfinite(column).sum() <= 1 for column in zip(*groups.values(), strict=True))
    width = 0.5 if alone else 0.8 / max(len(groups), 1)
    for n, (name, values) in enumerate(groups.items()):
        x = np.arange(len(values)) + (0.0 if alone else (n - (len(groups) - 1) / 2) * width)
        hints = [f"{category}, {name}: {number(value, 4)}" for category, value in zip(categories, values, strict=True)]
        chart.bars(x, values, lobe_color(name) or PALETTE[n % len(PALETTE)], name, 0.9 * width, names=hints)
        if errors and name in errors:
            reach = np.asarray(errors[name], dtype=float)
            chart.error_bars(x, np.asarray(values) - reach, np.asarray(values) + reach, PALETTE[-1])
    return chart.svg()


def line_chart(
    title: str, series: Sequence[Series], x_label: str, y_label: str, log_y: bool = False, from_zero: bool = True
) -> str:
    """Curves with markers and error bars, such as time-activity curves.

    Raises
    ------
    ReportError
        If nothing is finite, or a value is not positive on a logarithmic axis.
    """
    ends = [value for one in series for value in (*one.y, *one.low, *one.high)]
    across = [value for one in series for value in one.x]
    start = [0.0] if from_zero else []
    y_axis = Axis.around(y_label, ends, [] if log_y else start, log=log_y)
    chart = Chart(title, Axis.around(x_label, across, start), y_axis)
    for n, one in enumerate(series):
        color, marker = PALETTE[n % len(PALETTE)], MARKERS[n % len(MARKERS)]
        if one.joined:
            chart.line(one.x, one.y, color, "" if one.marked else one.label)
        if one.low:
            chart.error_bars(one.x, one.low, one.high, color)
        if one.marked:
            chart.points(one.x, one.y, color, one.label, marker)
    return chart.svg()


def slope_plot(
    title: str,
    names: Sequence[str],
    first: Sequence[float],
    second: Sequence[float],
    labels: tuple[str, str],
    y_label: str,
) -> str:
    """One line per patient from ``first`` to ``second`` on a logarithmic axis; up and down have two colours."""
    y_axis = Axis.around(y_label, first, second, log=True)
    chart = Chart(title, Axis.categories("", labels), y_axis, 420, 420)
    rises = above(np.asarray(second, dtype=float), np.asarray(first, dtype=float))
    words = (f"higher in {labels[1]}", PALETTE[0], "circle"), (f"not higher in {labels[1]}", PALETTE[1], "triangle")
    for n, name in enumerate(names):
        label, color, marker = words[0 if rises[n] else 1]
        chart.line([0, 1], [first[n], second[n]], color)
        chart.points([0, 1], [first[n], second[n]], color, label, marker, (name, name))
    return chart.svg()


def forest_plot(title: str, rows: Sequence[ForestRow], x_label: str, reference: float = 1.0) -> str:
    """Estimates with intervals on a logarithmic axis, one row each, the figures on the right."""
    if not rows:
        raise ReportError(f"The figure '{title}' has no row to show.")
    ends = [value for row in rows for value in (row.value, row.low, row.high)]
    notes = [(float(n), _figures(row)) for n, row in enumerate(rows)]
    widest = max(text_width_px(text) for _, text in notes) + max(text_width_px(row.name) for row in rows)
    chart = Chart(
        title,
        Axis.around(x_label, ends, [reference], log=True),
        Axis.categories("", [row.name for row in rows], downwards=True),
        int(360 + widest),
        100 + 20 * len(rows),
        notes,
    )
    chart.vertical(reference)
    for n, row in enumerate(rows):
        color = PALETTE[1] if row.summary else PALETTE[0]
        chart.error_bars([n], [row.low], [row.high], color, horizontal=True)
        size = 6.0 if row.summary else 4.0
        chart.points([row.value], [n], color, "", "diamond" if row.summary else "square", (row.name,), size)
    return chart.svg()


def _figures(row: ForestRow) -> str:
    known = math.isfinite(row.low) and math.isfinite(row.high)
    interval = f" [{decimals(row.low, 2)}; {decimals(row.high, 2)}]" if known else ""
    return f"{decimals(row.value, 2)}{interval}"


def waterfall(title: str, names: Sequence[str], values: Sequence[float], y_label: str, reference: float = 0.0) -> str:
    """Bars from ``reference``, sorted from the greatest value to the least."""
    order = np.argsort(-np.asarray(values, dtype=float), kind="stable")
    ranked = np.asarray(values, dtype=float)[order]
    level = np.abs(ranked - reference) <= RELATIVE * np.maximum(100.0, np.abs(ranked))  # per cent of equal values
    chart = Chart(title, Axis.categories("", [names[n] for n in order]), Axis.around(y_label, ranked, [reference]), 640)
    for upper, color, label in (
        (True, PALETTE[0], f"above {reference:g}"),
        (False, PALETTE[1], f"not above {reference:g}"),
    ):
        chosen = np.flatnonzero(((ranked > reference) & ~level) == upper)
        if chosen.size:
            hints = [f"{names[order[n]]}: {number(ranked[n], 4)}" for n in chosen]
            chart.bars(chosen, ranked[chosen], color, label, base=reference, names=hints)
    chart.horizontal(reference, dashed=False)
    return chart.svg()


def bland_altman(
    title: str,
    mean: Sequence[float],
    ratio: Sequence[float],
    bias: float,
    limits: tuple[float, float],
    labels: tuple[str, str],
    names: Sequence[str] = (),
) -> str:
    """Ratios against geometric means on logarithmic axes, with the bias and the 95 % limits of agreement.

    The plot of Bland and Altman for errors in proportion (doi:10.1016/S0140-6736(86)90837-8); ``labels`` name the x
    and the y axis.
    """
    y_axis = Axis.around(labels[1], ratio, limits, 1.0, log=True)
    chart = Chart(title, Axis.around(labels[0], mean, log=True), y_axis)
    chart.band(*limits, label="95 % limits of agreement")
    chart.horizontal(1.0, GREY, "equal")
    chart.horizontal(bias, PALETTE[1], "bias", dashed=False)
    for value in (bias, *limits):
        chart.text(chart.x.high, value, number(value), PALETTE[1] if value == bias else GREY, "end")
    chart.points(mean, ratio, names=names)
    return chart.svg()


def scatter_plot(
    title: str,
    x: Sequence[float],
    y: Sequence[float],
    labels: tuple[str, str],
    line: tuple[float, float] | None = None,
    names: Sequence[str] = (),
) -> str:
    """Points, and a straight line of the given (slope, intercept) over their range."""
    ends = np.array([min(x), max(x)]) if len(x) else np.zeros(0)
    fitted = line[0] * ends + line[1] if line else np.zeros(0)
    chart = Chart(title, Axis.around(labels[0], x, 0.0), Axis.around(labels[1], y, fitted, 0.0))
    chart.horizontal(0.0)
    if line:
        chart.line(ends, fitted, PALETTE[1], "least squares")
    chart.points(x, y, names=names)
    return chart.svg()


def level_plot(
    title: str, level: Sequence[float], ratio: Sequence[float], labels: tuple[str, str], names: Sequence[str] = ()
) -> str:
    """Ratios against the control value on logarithmic axes, with the line of least squares of the logarithms.

    It shows whether the ratio depends on the level: the line is level if it does not.
    """
    x, y = np.log(np.asarray(level, dtype=float)), np.log(np.asarray(ratio, dtype=float))
    slope, intercept = np.polyfit(x, y, 1) if x.size > 1 and np.ptp(x) > 0 else (0.0, float(np.mean(y)))
    ends = np.linspace(x.min(), x.max(), 20)
    chart = Chart(title, Axis.around(labels[0], level, log=True), Axis.around(labels[1], ratio, 1.0, log=True))
    chart.horizontal(1.0, GREY, "equal")
    chart.line(np.exp(ends), np.exp(intercept + slope * ends), PALETTE[1], "least squares of the logarithms")
    chart.points(level, ratio, names=names)
    return chart.svg()
