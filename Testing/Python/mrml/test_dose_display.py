"""Dose colours, isodose lines and profiles as nodes of Slicer's scene."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Volume


@pytest.fixture
def dose():
    k, j, i = np.mgrid[:8, :9, :10]
    return Volume(5.0 * i + 0.0 * (j + k), np.diag([2.0, 2.0, 3.0, 1.0]), "absorbed dose", "Gy")


def test_dose_map_has_its_colours_and_scale(scene, dose):
    from PRRTDosimetryLib.mrml.dose_display import show_dose

    node = show_dose(dose, "dose", 40.0)
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 40.0)
    colours = display.GetColorNode()
    assert colours.GetColorName(colours.GetNumberOfColors() - 1) == "40 Gy"
    assert node.GetVoxelValueUnits().GetCodeValue() == "Gy"
    cold, hot = [0.0] * 4, [0.0] * 4
    colours.GetColor(0, cold)
    colours.GetColor(colours.GetNumberOfColors() - 1, hot)
    assert cold[3] == 0.0
    assert sum(hot[:3]) > sum(cold[:3])


def test_isodoses_are_outlines_of_nested_segments(scene, dose):
    from PRRTDosimetryLib.mrml.dose_display import isodose_node
    from PRRTUptakeLib.mrml.segmentations import segmentation_from_node

    node = isodose_node(dose, [10.0, 30.0])
    assert node.GetDisplayNode().GetVisibility2DFill() == 0
    regions = segmentation_from_node(node)
    for level in (10.0, 30.0):
        inside = regions[f"{level:g} Gy"].full_mask(dose.grid.shape)
        np.testing.assert_array_equal(inside, dose.array >= level)


def test_profile_is_a_table(scene, dose):
    from PRRTDosimetryLib.mrml.dose_display import profile_table

    table = profile_table(dose, (0.0, 4.0, 6.0), (18.0, 4.0, 6.0), "profile").GetTable()
    distance, values = (
        [table.GetColumnByName(name).GetValue(row) for row in range(table.GetNumberOfRows())]
        for name in ("distance_mm", "dose_Gy")
    )
    np.testing.assert_allclose(values, np.array(distance) * 2.5, atol=1e-4)


def test_doses_are_listed_with_targets_first_and_histograms_have_the_colours_of_lobes(scene):
    from PRRTDosimetryLib.mrml.dose_nodes import dose_rows_of, histogram_chart, table_of_doses
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.vocabulary import LOBE_COLORS

    regions = (
        ("liver", "organ", "none"),
        ("R4", "lesion", "right"),
        ("L1", "target", "left"),
        ("L2", "target", "left"),
    )
    rows = [
        Measurement("P", 1, "24h", "SPECT", name, role, lobe, "", "dose", 5.0, "Gy") for name, role, lobe in regions
    ]
    curve = ([0.0, 5.0], [100.0, 0.0])
    node = table_of_doses(rows, 1, "Doses", {name: curve for name, _, _ in regions})
    assert [one.region for one in dose_rows_of(node)] == ["L1", "L2", "R4", "liver"]
    chart = histogram_chart(node, ["L1", "L2", "R4"])
    series = [chart.GetNthPlotSeriesNode(n) for n in range(3)]
    colors = ["#" + "".join(f"{round(255 * part):02X}" for part in one.GetColor()) for one in series]
    assert (colors[0], colors[2]) == (LOBE_COLORS["left"], LOBE_COLORS["right"])
    assert colors[1] not in colors[:1], "lines of one lobe are distinct"
