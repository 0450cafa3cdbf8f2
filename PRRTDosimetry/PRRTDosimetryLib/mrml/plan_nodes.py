"""A plan of images as a table node, with the expected widths by hour for a chart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.charts import chart_of, line_chart
from PRRTUptakeLib.mrml.tables import rows_of_table, table_from_columns

from PRRTDosimetryLib.population.tables import plan_summary

if TYPE_CHECKING:
    from PRRTDosimetryLib.population.planning import Plan

PROFILES_ATTRIBUTE = "PRRT.PlanProfiles"
_COLUMNS = ("images", "set", "width", "cost")


def table_from_plan(found: Plan, name: str, node: Any = None) -> Any:
    """A vtkMRMLTableNode with one row per set of hours; ``node`` is overwritten where given."""
    rows = plan_summary(found)
    columns = {column: [row[n] for row in rows] for n, column in enumerate(_COLUMNS)}
    node = table_from_columns(columns, name, node)
    profiles = {
        f"{hour:g} h": [[t for t, _ in points], [100 * min(w, 10.0) for _, w in points]]
        for hour, points in found.profiles.items()
    }
    node.SetAttribute(PROFILES_ATTRIBUTE, json.dumps(profiles))
    return node


def plan_rows_of(node: Any) -> list[tuple[str, ...]]:
    """The rows of a plan's table; none for another table."""
    if node is None or node.GetAttribute(PROFILES_ATTRIBUTE) is None:
        return []
    return [tuple(str(row[column]) for column in _COLUMNS) for row in rows_of_table(node)]


def plan_chart(node: Any) -> Any:
    """The chart of expected widths by the hour of each image; the table's earlier chart is used again."""
    profiles = json.loads(node.GetAttribute(PROFILES_ATTRIBUTE) or "{}")
    lines = {f"image at {name} moved": (hours, widths, True) for name, (hours, widths) in profiles.items()}
    title = "Expected width of the 95 % interval"
    return line_chart(node, title, "hours after the injection", "width (%)", lines) if lines else chart_of(node)
