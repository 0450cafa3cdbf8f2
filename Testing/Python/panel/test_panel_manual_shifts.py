"""A lesion away from its place in one image is shifted by hand in section 5 of PRRT Uptake's panel."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders.panel_actions import cells, choose
from builders.panel_scene import add_patient

MOVED_voxels = 3  # towards the head


@pytest.fixture
def measured(load_panel):
    """Measured, after the activity of lesion R1 was moved towards the head in the image."""
    import slicer

    panel = load_panel("PRRTUptake")
    add_patient()
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    panel.ui.applyButton.click()
    rows = row_numbers(panel)
    before = cells(panel.ui.resultsTable)[rows["R1"]]
    node = slicer.util.getNode("SPECT 24h")
    values = slicer.util.arrayFromVolume(node)
    inside = lesion_mask(panel, node)
    hot, healthy = values[inside].mean(), np.median(values[values > 0])
    values[inside] = healthy
    values[np.roll(inside, MOVED_voxels, axis=0)] = hot
    slicer.util.arrayFromVolumeModified(node)
    panel.ui.applyButton.click()
    return panel, node, before


def lesion_mask(panel, node):
    import slicer

    segmentation = panel.parameters.segmentation
    identifier = segmentation.GetSegmentation().GetSegmentIdBySegmentName("R1")
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identifier, node) > 0


def row_numbers(panel):
    return {row[0]: number for number, row in enumerate(cells(panel.ui.resultsTable))}


def type_in(panel, superior_mm, reason):
    panel.ui.manualShiftSuperiorSpinBox.value = superior_mm
    panel.ui.manualShiftReasonLineEdit.text = reason


def test_a_shifted_lesion_is_measured_where_it_is(measured, tmp_path):
    panel, node, before = measured
    ui = panel.ui
    number = row_numbers(panel)["R1"]
    assert float(cells(ui.resultsTable)[number][5]) < 0.8 * float(before[5])
    choose(ui.resultsTable, number)
    assert ui.manualShiftButton.enabled
    up_mm = MOVED_voxels * node.GetSpacing()[2]
    type_in(panel, up_mm, "breath held in")
    panel.refresh()  # what was typed is still there
    assert ui.manualShiftSuperiorSpinBox.value == up_mm
    ui.manualShiftButton.click()
    assert "Apply again" in ui.statusLabel.text
    ui.applyButton.click()
    assert float(cells(ui.resultsTable)[number][5]) == pytest.approx(float(before[5]), rel=0.02)
    ui.reportPath.currentPath = str(tmp_path / "out")
    ui.exportButton.click()
    assert "breath held in" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))["alignment"]
    assert {
        "visit": "24h",
        "what": "nudge",
        "lesion": "R1",
        "shift_ras_mm": [0, 0, up_mm],
        "reason": "breath held in",
    } in facts
    choose(ui.resultsTable, row_numbers(panel)["L1"])
    assert (ui.manualShiftSuperiorSpinBox.value, ui.manualShiftReasonLineEdit.text) == (0, "")
    choose(ui.resultsTable, number)
    assert (ui.manualShiftSuperiorSpinBox.value, ui.manualShiftReasonLineEdit.text) == (up_mm, "breath held in")
    type_in(panel, 0, "")
    ui.manualShiftButton.click()
    assert node.GetAttribute("PRRT.Nudges") is None


def test_what_cannot_be_shifted_is_reported(load_panel, measured):
    panel, node, _ = measured
    choose(panel.ui.resultsTable, 0)
    type_in(panel, 5, "  ")
    panel.ui.manualShiftButton.click()
    assert "the reason is kept" in panel.ui.statusLabel.text
    assert node.GetAttribute("PRRT.Nudges") is None
    panel.ui.manualShiftRightSpinBox.value = panel.ui.manualShiftAnteriorSpinBox.value = 50
    type_in(panel, 50, "far")
    panel.ui.manualShiftButton.click()
    assert "register the images instead" in panel.ui.statusLabel.text


def test_without_a_row_there_is_nothing_to_shift(load_panel):
    panel = load_panel("PRRTUptake")
    add_patient()
    panel.enter()
    assert not panel.ui.manualShiftButton.enabled
    assert "Measure" in panel.ui.manualShiftButton.toolTip
