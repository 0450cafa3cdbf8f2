"""Charts: well-formed SVG, marks where the numbers are, and errors where there is nothing to draw."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PRRTUptakeLib.report.axes import Axis, log_ticks, round_ticks
from PRRTUptakeLib.report.errors import ReportError
from PRRTUptakeLib.report.plots import (
    ForestRow,
    Series,
    bar_chart,
    bland_altman,
    forest_plot,
    line_chart,
    scatter_plot,
    slope_plot,
    waterfall,
)
from PRRTUptakeLib.report.svg import PALETTE, Chart

NAME = "{http://www.w3.org/2000/svg}"
NAN = float("nan")


def elements(svg: str, kind: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(f".//{NAME}{kind}")


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in elements(svg, "text")]


def centres(svg: str) -> np.ndarray:
    return np.array([[float(one.get("cx")), float(one.get("cy"))] for one in elements(svg, "circle")])


class TestAxis:
    def test_places_on_linear_log_and_reversed_axes(self):
        assert Axis("", 10, 20).fraction([10, 15, 20]).tolist() == [0, 0.5, 1]
        assert Axis("", 1, 100, log=True).fraction([1, 10, 100]) == pytest.approx([0, 0.5, 1])
        assert Axis.categories("", ["a", "b"], downwards=True).fraction([0, 1]).tolist() == [0.75, 0.25]
        assert np.isnan(Axis("", 1, 100, log=True).fraction([0, -1])).all()

    @pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 12.2), (1e-7, 3e-7), (0, 4321), (0.9, 1.1)])
    def test_round_ticks_lie_inside_and_are_evenly_spaced(self, low, high):
        values = [value for value, _ in round_ticks(low, high)]
        assert 3 <= len(values) <= 12
        assert min(values) >= low - 1e-9 * (high - low)
        assert max(values) <= high + 1e-9 * (high - low)
        assert np.ptp(np.diff(values)) < 1e-6 * (high - low)
        assert [float(text) for _, text in round_ticks(low, high)] == pytest.approx(values)

    @pytest.mark.parametrize(("low", "high"), [(0.5, 2), (0.9, 1.1), (3, 40), (1e-3, 1e4)])
    def test_log_ticks_lie_inside(self, low, high):
        values = [value for value, _ in log_ticks(low, high)]
        assert len(values) >= 3
        assert low <= min(values) < max(values) <= high

    def test_what_cannot_be_an_axis(self):
        with pytest.raises(ReportError, match="no finite value"):
            Axis.around("T/N", [NAN])
        with pytest.raises(ReportError, match="logarithmic"):
            Axis.around("T/N", [0.0, 1.0], log=True)
        with pytest.raises(ReportError, match="cannot run"):
            Axis("T/N", 1, 1)
        assert Axis.around("T/N", [5.0]).low < 5 < Axis.around("T/N", [5.0]).high


class TestChart:
    def test_points_are_in_proportion(self):
        chart = Chart("title", Axis("x", 0, 10), Axis("y", 0, 10))
        chart.points([0, 5, 10], [0, 5, 10], names=["a", "b", "c"])
        at = centres(chart.svg())
        assert at[1] == pytest.approx(at[[0, 2]].mean(axis=0), abs=0.02)
        assert at[2, 0] > at[0, 0]
        assert at[2, 1] < at[0, 1]  # y grows upwards
        assert [one.text for one in elements(chart.svg(), "title")] == ["title", "a", "b", "c"]

    def test_a_gap_where_a_value_is_missing(self):
        chart = Chart("t", Axis("x", 0, 4), Axis("y", 0, 4))
        chart.line([0, 1, 2, 3, 4], [0, 1, NAN, 3, 4])
        chart.points([0, 1], [NAN, 1])
        assert len(elements(chart.svg(), "polyline")) == 2
        assert len(elements(chart.svg(), "circle")) == 1

    def test_words_are_escaped(self):
        chart = Chart("<b> & 'co'", Axis("x", 0, 1), Axis("y", 0, 1))
        chart.points([0.5], [0.5], label="<i>")
        assert "<b> & 'co'" in texts(chart.svg())
        assert "<i>" in texts(chart.svg())

    def test_legend_names_each_series_once(self):
        chart = Chart("t", Axis("x", 0, 1), Axis("y", 0, 1))
        for _ in range(3):
            chart.line([0, 1], [0, 1], PALETTE[1], "same")
        assert texts(chart.svg()).count("same") == 1

    def test_same_input_same_bytes(self):
        assert slope_plot("t", ["a"], [1], [2], ("c", "t"), "y") == slope_plot("t", ["a"], [1], [2], ("c", "t"), "y")

    def test_mistakes(self):
        chart = Chart("t", Axis("x", 0, 1), Axis("y", 1, 10, log=True))
        with pytest.raises(ReportError, match="2 x values for 3"):
            chart.points([0, 1], [1, 2, 3])
        with pytest.raises(ReportError, match="'star' is not one of"):
            chart.points([0], [1], marker="star")
        with pytest.raises(ReportError, match="cannot begin its bars at 0"):
            chart.bars([0], [1])
        with pytest.raises(ReportError, match="no room"):
            Chart("t", Axis("x", 0, 1), Axis.categories("", ["a very long name " * 9]))

    def test_many_labels_are_thinned(self):
        names = [f"patient {n:04d}" for n in range(500)]
        svg = waterfall("t", names, list(range(500)), "y")
        assert sum(text.startswith("patient") for text in texts(svg)) < 60
        assert len(elements(svg, "rect")) == 1 + 500  # the background, and a bar each


class TestPlots:
    def test_bars_and_errors(self):
        svg = bar_chart("T/N", ["L1", "L2"], {"a": [10, 20], "b": [5, NAN]}, "T/N", {"a": [1, 2]})
        heights = [float(one.get("height")) for one in elements(svg, "rect")[1:]]
        assert heights[1] == pytest.approx(2 * heights[0], abs=0.02)
        assert heights[2] == pytest.approx(heights[0] / 2, abs=0.02)
        assert {"L1", "L2", "a", "b", "T/N"} <= set(texts(svg))

    def test_lines(self):
        svg = line_chart(
            "TAC", [Series("kidney", [1, 2], [3, 4], [2, 3], [4, 5]), Series("liver", [1, 2], [1, 2])], "h", "q"
        )
        assert len(elements(svg, "polyline")) == 2
        with pytest.raises(ReportError, match="logarithmic"):
            line_chart("TAC", [Series("kidney", [1, 2], [0, 4])], "h", "q", log_y=True)

    def test_slopes_distinguish_up_from_down(self):
        svg = slope_plot("t", ["up", "down"], [10, 10], [20, 5], ("control", "treated"), "T/N")
        lines = elements(svg, "polyline")
        assert [one.get("stroke") for one in lines] == [PALETTE[0], PALETTE[1]]
        starts, ends = zip(*(one.get("points").split() for one in lines), strict=True)
        assert starts[0] == starts[1]
        assert float(ends[0].split(",")[1]) < float(ends[1].split(",")[1])

    def test_forest_writes_its_figures(self):
        rows = [ForestRow("P1", 1.5), ForestRow("P2", 0.8, 0.6, 1.1), ForestRow("all", 1.17, 1.0, 1.37, summary=True)]
        svg = forest_plot("t", rows, "ratio")
        assert {"P1", "1.50", "0.80 [0.60; 1.10]", "1.17 [1.00; 1.37]"} <= set(texts(svg))
        with pytest.raises(ReportError, match="no row"):
            forest_plot("t", [], "ratio")

    def test_waterfall_is_sorted(self):
        svg = waterfall("t", ["a", "b", "c"], [-10, 30, 5], "%")
        shown = [text for text in texts(svg) if text in ("a", "b", "c")]
        assert shown == ["b", "c", "a"]

    def test_bland_altman_and_scatter(self):
        svg = bland_altman("t", [10, 20, 30], [1.1, 0.9, 1.0], 1.0, (0.8, 1.25), ("mean", "ratio"))
        assert len(elements(svg, "circle")) == 3
        assert {"0.8", "1.25"} <= set(texts(svg))
        points = centres(scatter_plot("t", [1, 2], [-1, -2], ("x", "y"), (-1.0, 0.0)))
        assert points[1, 1] > points[0, 1]
