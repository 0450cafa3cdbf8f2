"""Time-activity curves as a table node: one row per region, and what a plot of each shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.charts import line_chart
from PRRTUptakeLib.mrml.errors import NodeError
from PRRTUptakeLib.mrml.tables import rows_of_table, table_from_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTDosimetryLib.kinetics.integral import Integral

PLOTS_ATTRIBUTE = "PRRT.CurvePlots"
_STEPS = 60


@dataclass(frozen=True)
class CurveRow:
    """One region's integral: model, time-integrated activity with its standard uncertainty, half-life, and why."""

    region: str
    model: str
    tia_MBq_h: float
    u_tia_MBq_h: float
    teff_h: float
    choice: str


def table_from_integrals(integrals: Mapping[str, Integral], name: str, node: Any = None) -> Any:
    """A vtkMRMLTableNode with one row per region; ``node`` is overwritten where given."""
    from PRRTDosimetryLib.kinetics.tables import plot_series

    found = list(integrals.values())
    node = table_from_columns(
        {
            "region": [one.region for one in found],
            "model": [one.model for one in found],
            "tia_MBq_h": [float(one.tia_MBq_h) for one in found],
            "u_tia_MBq_h": [float(one.u_tia_MBq_h) for one in found],
            "teff_h": [float(one.teff_h) for one in found],
            "choice": [one.choice for one in found],
        },
        name,
        node,
    )
    plots = {}
    for one in found:
        shown = plot_series(one, _STEPS)
        numbers = (shown.time_h, shown.activity_MBq, shown.curve_time_h, shown.curve_MBq)
        plots[one.region] = [[float(f"{value:.5g}") for value in values] for values in numbers]
    node.SetAttribute(PLOTS_ATTRIBUTE, json.dumps(plots))
    return node


def curve_rows(node: Any) -> tuple[CurveRow, ...]:
    """The rows of a table of curves; none for another table."""
    if node is None or node.GetAttribute(PLOTS_ATTRIBUTE) is None:
        return ()
    return tuple(CurveRow(**row) for row in rows_of_table(node))


def curve_chart(node: Any, *regions: str) -> Any:
    """The chart of the points and curves of some regions; the table's earlier chart is used again.

    Raises
    ------
    NodeError
        If the table has no such region.
    """
    plots = json.loads(node.GetAttribute(PLOTS_ATTRIBUTE) or "{}")
    lines: dict[str, tuple[Sequence[float], Sequence[float], bool]] = {}
    for region in regions:
        if region not in plots:
            raise NodeError(f"'{node.GetName()}' has no curve of '{region}': fit the curves again.")
        time_h, activity, curve_time_h, curve = plots[region]
        before = f"{region} " if len(regions) > 1 else ""
        lines[f"{before}curve"] = (curve_time_h, curve, False)
        lines[f"{before}measured"] = (time_h, activity, True)
    title = regions[0] if len(regions) == 1 else "Time-activity curves"
    return line_chart(node, title, "time after injection (h)", "activity (MBq)", lines)
