"""The ratios of the patients against their control values: whether one ratio describes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.report.errors import ReportError
from PRRTUptakeLib.report.plots import level_plot

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.statistics.endpoints import Endpoint


def level_figure(endpoint: Endpoint) -> str:
    """The figure as SVG."""
    pairs = endpoint.pairs
    first, second = pairs.labels
    axes = (f"{second}, {endpoint.protocol.endpoint.metric}", f"ratio {first}/{second}")
    ratios = (pairs.first / pairs.second).tolist()
    return level_plot("Ratio and level", pairs.second.tolist(), ratios, axes, pairs.patients)


def write_level_plot(endpoint: Endpoint, path: Path) -> None:
    """Write the figure to an SVG file.

    Raises
    ------
    ReportError
        If it cannot be written.
    """
    with atomic_file(path, ReportError) as part:
        part.write_text(level_figure(endpoint), encoding="utf-8", newline="\n")
