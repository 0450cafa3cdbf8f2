"""Measurements as chart nodes for Slicer's plot view."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import slicer
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkStringArray

from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import ensure_subject_hierarchy_item
from PRRTUptakeLib.vocabulary import lobe_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Okabe and Ito's colours, which people with colour vision deficiency distinguish (jfly.uni-koeln.de/color).
COLORS = ((0.0, 0.45, 0.70), (0.90, 0.62, 0.0), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.34, 0.71, 0.91))
_LEGEND_SPACE, _LEGEND_pt = 1 / 3, 10
_LABELS_ATTRIBUTE = "PRRT.TickLabels"
_CHART_ROLE, _TABLE_ROLE = "PRRT.Chart", "PRRT.ChartData"


def point_chart(
    owner: Any, title: str, y_title: str, labels: Sequence[str], groups: Mapping[str, Sequence[float]]
) -> Any:
    """One point per label and group, each above its label; a group named by a lobe has the lobe's colour.

    Points and not bars: Slicer moves bars of several groups beside their ticks. A chart node cannot hold names of
    ticks, so the axis title lists them by number; the panel writes them at the ticks (see `tick_labels`).

    Parameters
    ----------
    owner : the node that the chart belongs to; a chart that was made for it before is used again.
    title, y_title : words.
    labels : names along the x axis.
    groups : heights by the name of their colour, one number per label; nan for no point.

    Returns
    -------
    The vtkMRMLPlotChartNode.
    """
    columns: list[tuple[str, Sequence[Any]]] = []
    for name, heights in groups.items():
        there = [n for n, height in enumerate(heights) if not math.isnan(height)]
        columns += [(f"{name} x", [float(n + 1) for n in there]), (name, [heights[n] for n in there])]
        columns.append((f"{name} label", [labels[n] for n in there]))
    chart, table = _chart_of(owner, title, columns)
    kind = slicer.vtkMRMLPlotSeriesNode
    for number, name in enumerate(groups):
        series = _series(chart, table, name, number)
        series.SetPlotType(kind.PlotTypeScatter)
        series.SetXColumnName(f"{name} x")
        series.SetYColumnName(name)
        series.SetLabelColumnName(f"{name} label")
        series.SetLineStyle(kind.LineStyleNone)
        series.SetMarkerStyle(kind.MarkerStyleCircle)
        series.SetMarkerSize(11)
    chart.SetAttribute(_LABELS_ATTRIBUTE, json.dumps(list(labels)))
    chart.SetYAxisTitle(y_title)
    chart.SetXAxisTitle("   ".join(f"{number} {label}" for number, label in enumerate(labels, start=1)))
    heights = [height for values in groups.values() for height in values if not math.isnan(height)]
    _range(chart, (0.5, len(labels) + 0.5), (0.0, max(heights, default=1.0)))
    return chart


def tick_labels(chart: Any) -> tuple[str, ...]:
    """The names along the x axis of a `point_chart`, at 1, 2, 3 ...; none for another chart."""
    text = chart.GetAttribute(_LABELS_ATTRIBUTE) if chart is not None else None
    return tuple(json.loads(text)) if text else ()


def _range(chart: Any, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Fix the axes; a quarter of the height stays free above, where the legend is."""
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(*x)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(y[0], y[1] + _LEGEND_SPACE * (y[1] - y[0]))
    chart.SetLegendVisibility(True)
    chart.SetLegendFontSize(_LEGEND_pt)


def line_chart(
    owner: Any,
    title: str,
    x_title: str,
    y_title: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float], bool]],
    lobes: Mapping[str, str] | None = None,
) -> Any:
    """Lines or points over numbers.

    Parameters
    ----------
    owner, title, x_title, y_title : as for `bar_chart`.
    lines : x values, y values, and whether they are points rather than a line, by name.
    lobes : lobe by name, "" or "none" for no lobe; lines of one lobe are shades of its colour.

    Returns
    -------
    The vtkMRMLPlotChartNode.
    """
    columns: list[tuple[str, Sequence[Any]]] = []
    for name, (x, y, _) in lines.items():
        columns += [(f"{name} x", x), (name, y)]
    chart, table = _chart_of(owner, title, columns)
    before: dict[str, int] = {}
    for number, (name, (_, _, points)) in enumerate(lines.items()):
        series = _series(chart, table, name, number)
        lobe = (lobes or {}).get(name, "")
        if lobe_color(lobe):
            series.SetColor(*_shade(_color(lobe, 0), before.get(lobe, 0)))
            before[lobe] = before.get(lobe, 0) + 1
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetXColumnName(f"{name} x")
        series.SetYColumnName(name)
        kind = slicer.vtkMRMLPlotSeriesNode
        series.SetMarkerStyle(kind.MarkerStyleCircle if points else kind.MarkerStyleNone)
        series.SetLineStyle(kind.LineStyleNone if points else kind.LineStyleSolid)
    chart.SetAttribute(_LABELS_ATTRIBUTE, None)
    chart.SetXAxisTitle(x_title)
    chart.SetYAxisTitle(y_title)
    xs = [value for x, _y, _points in lines.values() for value in x]
    ys = [value for _x, y, _points in lines.values() for value in y]
    if xs and ys:
        _range(chart, (min(xs), max(xs)), (min(0.0, *ys), max(ys)))
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
        table.SetHideFromEditors(True)  # not a table to measure into: selectors do not offer it
        owner.SetNodeReferenceID(_TABLE_ROLE, table.GetID())
    if chart is None:
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
        owner.SetNodeReferenceID(_CHART_ROLE, chart.GetID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for number in reversed(range(chart.GetNumberOfPlotSeriesNodes())):
        old = chart.GetNthPlotSeriesNode(number)
        item = hierarchy.GetItemByDataNode(old)
        if item:
            hierarchy.RemoveItem(item, False, False)
        scene.RemoveNode(old)
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
        array = vtkStringArray() if words else vtkDoubleArray()
        array.SetName(name)
        padding = [values[-1]] * (longest - len(values)) if len(values) else []  # drawn on the last point
        for value in [*values, *padding]:
            array.InsertNextValue(value)
        table.AddColumn(array)


def _color(name: str, number: int) -> tuple[float, ...]:
    """Red, green, blue from 0 to 1: the lobe's own colour, or the next of COLORS."""
    lobe = lobe_color(name)
    return tuple(int(lobe[n : n + 2], 16) / 255 for n in (1, 3, 5)) if lobe else COLORS[number % len(COLORS)]


def _shade(color: tuple[float, ...], number: int) -> tuple[float, ...]:
    """A colour as it is, then darker and lighter in turn."""
    target, share = (0.0 if number % 2 else 1.0), min(0.7, 0.25 * ((number + 1) // 2))
    return tuple((1.0 - share) * one + share * target for one in color)


def _series(chart: Any, table: Any, name: str, number: int) -> Any:
    series = session().AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetColor(*_color(name, number))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    ensure_subject_hierarchy_item(series)  # the panel places it beside the chart, else it is left at the root
    return series


def chart_nodes(owner: Any) -> tuple[Any, ...]:
    """Chart, its data and its series that were made for a node: what goes into the study with it."""
    chart = chart_of(owner)
    if chart is None:
        return ()
    series = tuple(chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes()))
    return chart, chart_data(owner), *series
