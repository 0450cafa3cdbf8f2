"""Figures of populations: leave-one-out errors by set of images, and expected widths by the hour of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.report.axes import Axis
from PRRTUptakeLib.report.errors import ReportError
from PRRTUptakeLib.report.svg import MARKERS, PALETTE, Chart

from PRRTDosimetryLib.population.tables import hours_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTDosimetryLib.population.planning import Plan
    from PRRTDosimetryLib.population.validation import Validated

_SIZE_px = (680, 380)


def validation_figure(rows: Sequence[Validated], kind: str) -> str:
    """RMS error of every method by set of images, of one kind, as SVG.

    Raises
    ------
    ReportError
        If there are no rows of the kind.
    """
    own = [one for one in rows if one.kind == kind]
    if not own:
        raise ReportError(f"There is no validation of '{kind}' to draw.")
    sets = list(dict.fromkeys(one.hours for one in own))
    methods = list(dict.fromkeys(one.method for one in own))
    chart = Chart(
        f"Leave-one-out error, {kind}",
        Axis.categories("images", [hours_words(hours) for hours in sets]),
        Axis.around("RMS error of the time-integrated activity (%)", [100 * one.rms for one in own], 0.0),
        *_SIZE_px,
    )
    for number, method in enumerate(methods):
        places = {sets.index(one.hours): 100 * one.rms for one in own if one.method == method}
        marker = MARKERS[number % len(MARKERS)]
        chart.points(list(places), list(places.values()), PALETTE[number % len(PALETTE)], method, marker)
    return chart.svg()


def plan_figure(found: Plan) -> str:
    """Expected width when one image of the best set moves, as SVG."""
    profiles = {hour: [(t, 100 * w) for t, w in points if w < 10] for hour, points in found.profiles.items()}
    values = [width for points in profiles.values() for _, width in points]
    if not values:
        raise ReportError("No set of hours gives an interval that can be drawn: plan more images.")
    least, most = min(values), max(values)
    high = min(most, 4 * least)
    chart = Chart(
        f"Images at {hours_words(found.best.hours)}",
        Axis.around("hours after the injection", 0.0, [t for points in profiles.values() for t, _ in points]),
        Axis.around("expected width of the 95 % interval (%)", 0.0, high),
        *_SIZE_px,
    )
    for number, (hour, points) in enumerate(profiles.items()):
        color = PALETTE[number % len(PALETTE)]
        shown = [(t, w) for t, w in points if w <= high]
        label = f"image at {hour:g} h moved" if len(profiles) > 1 else "one image"
        chart.points(
            [t for t, _ in shown], [w for _, w in shown], color, label, MARKERS[number % len(MARKERS)], size_px=2
        )
        chart.vertical(hour, color)
    return chart.svg()


def write_figure(svg: str, path: Path) -> None:
    """Write a figure to an SVG file.

    Raises
    ------
    ReportError
        If it cannot be written.
    """
    with atomic_file(path, ReportError) as part:
        part.write_text(svg, encoding="utf-8", newline="\n")
