"""Measurements as chart nodes for Slicer's plot view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
import vtk

from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import ensure_subject_hierarchy_item
from PRRTUptakeLib.vocabulary import lobe_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Okabe and Ito's colours, which people with colour vision deficiency distinguish (jfly.uni-koeln.de/color).
COLORS = ((0.0, 0.45, 0.70), (0.90, 0.62, 0.0), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.34, 0.71, 0.91))
_CHART_ROLE, _TABLE_ROLE = "PRRT.Chart", "PRRT.ChartData"


def bar_chart(
    owner: Any, title: str, y_title: str, labels: Sequence[str], groups: Mapping[str, Sequence[float]]
) -> Any:
    """Bars side by side, one group of bars per label; a group named by a lobe has the lobe's colour.

    Parameters
    ----------
    owner : the node that the chart belongs to; a chart that was made for it before is used again.
    title, y_title : words.
    labels : names along the x axis.
    groups : heights by the name of their colour, one number per label; 0 for no bar.

    Returns
    -------
    The vtkMRMLPlotChartNode.
    """
    columns: list[tuple[str, Sequence[Any]]] = [("label", labels), *groups.items()]
    chart, table = _chart_of(owner, title, columns)
    for number, name in enumerate(groups):
        series = _series(chart, table, name, number)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
        series.SetYColumnName(name)
        series.SetLabelColumnName("label")
    chart.SetYAxisTitle(y_title)
    chart.SetXAxisTitle("")
    return chart


def line_chart(
    owner: Any,
    title: str,
    x_title: str,
    y_title: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float], bool]],
) -> Any:
    """Lines or points over numbers.

    Parameters
    ----------
    owner, title, x_title, y_title : as for `bar_chart`.
    lines : x values, y values, and whether they are points rather than a line, by name.

    Returns
    -------
    The vtkMRMLPlotChartNode.
    """
    columns: list[tuple[str, Sequence[Any]]] = []
    for name, (x, y, _) in lines.items():
        columns += [(f"{name} x", x), (name, y)]
    chart, table = _chart_of(owner, title, columns)
    for number, (name, (_, _, points)) in enumerate(lines.items()):
        series = _series(chart, table, name, number)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetXColumnName(f"{name} x")
        series.SetYColumnName(name)
        kind = slicer.vtkMRMLPlotSeriesNode
        series.SetMarkerStyle(kind.MarkerStyleCircle if points else kind.MarkerStyleNone)
        series.SetLineStyle(kind.LineStyleNone if points else kind.LineStyleSolid)
    chart.SetXAxisTitle(x_title)
    chart.SetYAxisTitle(y_title)
    return chart


def chart_of(owner: Any) -> Any:
    """The chart that was made for a node, None if there is none."""
    return owner.GetNodeReference(_CHART_ROLE) if owner is not None else None


def chart_data(owner: Any) -> Any:
    """The table that the chart of a node draws, None if there is none."""
    return owner.GetNodeReference(_TABLE_ROLE) if owner is not None else None


def _chart_of(owner: Any, title: str, columns: Sequence[tuple[str, Sequence[Any]]]) -> tuple[Any, Any]:
    scene = session()
    chart, table = chart_of(owner), chart_data(owner)
    if table is None:
        table = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{title} (chart data)")
        owner.SetNodeReferenceID(_TABLE_ROLE, table.GetID())
    if chart is None:
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
        owner.SetNodeReferenceID(_CHART_ROLE, chart.GetID())
    for number in reversed(range(chart.GetNumberOfPlotSeriesNodes())):
        scene.RemoveNode(chart.GetNthPlotSeriesNode(number))
    chart.RemoveAllPlotSeriesNodeIDs()
    _fill(table, columns)
    chart.SetTitle(title)
    ensure_subject_hierarchy_item(chart)
    ensure_subject_hierarchy_item(table)
    return chart, table


def _fill(table: Any, columns: Sequence[tuple[str, Sequence[Any]]]) -> None:
    table.RemoveAllColumns()
    longest = max((len(values) for _, values in columns), default=0)
    for name, values in columns:
        words = bool(len(values)) and isinstance(values[0], str)
        array = vtk.vtkStringArray() if words else vtk.vtkDoubleArray()
        array.SetName(name)
        padding = [values[-1]] * (longest - len(values)) if len(values) else []  # drawn on the last point
        for value in [*values, *padding]:
            array.InsertNextValue(value)
        table.AddColumn(array)


def _color(name: str, number: int) -> tuple[float, ...]:
    """Red, green, blue from 0 to 1: the lobe's own colour, or the next of COLORS."""
    lobe = lobe_color(name)
    return tuple(int(lobe[n : n + 2], 16) / 255 for n in (1, 3, 5)) if lobe else COLORS[number % len(COLORS)]


def _series(chart: Any, table: Any, name: str, number: int) -> Any:
    series = session().AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetColor(*_color(name, number))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series
