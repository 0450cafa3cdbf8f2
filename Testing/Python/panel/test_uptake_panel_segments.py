"""Section 4 of PRRT Uptake's panel: from drawn segments to targets and reference regions, step by step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.panel_actions import cells, choose, choose_data
from builders.panel_scene import GRID, add_patient, centres, masks, segmentation

MODULES = Path(__file__).resolve().parents[3]


@pytest.fixture
def panel(load_panel):
    return load_panel("PRRTUptake")


@pytest.fixture
def ready(panel):
    """A panel with a patient whom nothing lacks."""
    add_patient()
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    return panel


def test_segments_step_by_step(ready):
    ui = ready.ui
    ui.splitLesionsButton.click()
    assert "split it into lobes first" in ui.statusLabel.text
    ui.recogniseButton.click()
    assert {row[0]: row[1] for row in cells(ui.segmentsTable)}["spleen"] == "organ"
    ui.placePlaneButton.click()
    plane = ready.parameters.lobePlane
    assert plane.GetName() == "Lobe plane"
    assert abs(plane.GetNormalWorld()[0]) == pytest.approx(1.0, abs=0.05)
    ui.splitLobesButton.click()
    volumes = {row[2]: float(row[6]) for row in cells(ui.segmentsTable) if row[1] == "lobe"}
    assert volumes["left"] == pytest.approx(volumes["right"], rel=0.05)
    ui.splitLesionsButton.click()
    assert [row[3] for row in cells(ui.segmentsTable) if row[1] == "lesion"] == ["L1", "R1", "R2"]
    ui.pickTargetsButton.click()
    rows = {row[0]: row for row in cells(ui.segmentsTable)}
    assert rows["R1"][4] == "yes"
    assert float(rows["R1"][5]) == pytest.approx(48.0, abs=4.0)
    ui.makeReferenceButton.click()
    assert {"reference left lobe", "reference right lobe", "reference whole liver"} <= {
        row[0] for row in cells(ui.segmentsTable)
    }
    plane.SetOriginWorld(30.0, 0.0, 0.0)
    ui.splitLobesButton.click()
    moved = {row[2]: float(row[6]) for row in cells(ui.segmentsTable) if row[1] == "lobe"}
    assert moved["left"] > 1.3 * moved["right"]


def test_totalsegmentator_is_opened_or_the_way_to_it_is_said(ready, monkeypatch):
    import slicer

    opened = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append, raising=False)
    ready.ui.totalSegmentatorButton.click()
    assert "install it by View > Extensions Manager" in ready.ui.statusLabel.text
    assert opened == []
    monkeypatch.setattr(slicer.modules, "totalsegmentator", object(), raising=False)
    ready.ui.totalSegmentatorButton.click()
    assert opened == ["TotalSegmentator"]


def test_targets_are_replaced_with_a_reason(ready, tmp_path):

    rules = json.loads((MODULES / "PRRTUptake/Resources/Protocols/lutia.json").read_text())
    rules["targets"]["maximum_per_lobe"] = 1
    (tmp_path / "one.json").write_text(json.dumps(rules))
    ready.parameters.protocolFile = str(tmp_path / "one.json")
    ready.parameters.protocol = "file"
    ui = ready.ui
    for button in (ui.splitLobesButton, ui.splitLesionsButton, ui.pickTargetsButton):
        button.click()
    names = [row[0] for row in cells(ui.segmentsTable)]
    assert [row[0] for row in cells(ui.segmentsTable) if row[4]] == ["L1", "R1"]
    choose(ui.segmentsTable, names.index("R2"))
    assert not ui.replaceButton.enabled
    choose_data(ui.replaceComboBox, "R1")
    ui.replaceReasonLineEdit.text = "haemorrhage in R1"
    ui.replaceButton.click()
    assert [row[0] for row in cells(ui.segmentsTable) if row[4]] == ["L1", "R2"]
    ui.applyButton.click()
    assert [row[0] for row in cells(ui.resultsTable)] == ["L1", "R2"]
    ui.forgetReplacementsButton.click()
    assert [row[0] for row in cells(ui.segmentsTable) if row[4]] == ["L1", "R1"]


def test_segment_is_named_by_the_user(ready):
    node = ready.parameters.segmentation
    node.GetSegmentation().GetSegment("spleen").SetName("thing")
    ready.refresh()
    row = [cell[0] for cell in cells(ready.ui.segmentsTable)].index("thing")
    choose(ready.ui.segmentsTable, row)
    choose_data(ready.ui.structureComboBox, "kidney_left")
    assert {cell[0]: cell[1] for cell in cells(ready.ui.segmentsTable)}["thing"] == "organ"


def test_segment_deleted_while_the_panel_is_open(ready):
    ready.ui.applyButton.click()
    core = ready.parameters.segmentation.GetSegmentation()
    choose(ready.ui.segmentsTable, 0)
    core.RemoveSegment("liver")
    assert "liver" not in [row[0] for row in cells(ready.ui.segmentsTable)]
    core.RemoveSegment("R1")
    ready.ui.resultsTable.cellClicked.emit(1, 0)
    assert "no segment 'R1'" in ready.ui.statusLabel.text
    ready.ui.applyButton.click()
    assert "liver" in ready.ui.statusLabel.text


def test_segments_one_and_four_follow_the_angiography(ready):
    """Eight slabs as Couinaud segments; IV moves to the right lobe, with a reason."""
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

    ui = ready.ui
    assert not ui.segmentFourComboBox.enabled
    x = centres()[..., 0]
    slabs = [
        Segment.from_full(f"liver_segment_{n}", masks()["liver"] & (x > 27.5 * k - 110) & (x <= 27.5 * k - 82.5))
        for k, n in enumerate((2, 3, 4, 1, 5, 6, 7, 8))
    ]
    node = ready.parameters.segmentation
    node_from_segmentation(Segmentation(GRID, (*segmentation(), *slabs)), "Segments", node)
    ui.recogniseButton.click()
    ui.splitLobesButton.click()
    before = {row[2]: float(row[6]) for row in cells(ui.segmentsTable) if row[1] == "lobe"}
    choose_data(ui.segmentFourComboBox, "right")
    assert "Say why" in ui.statusLabel.text
    assert ui.segmentFourComboBox.currentIndex == 0
    ui.feedingReasonLineEdit.text = "fed from the right in the angiogram"
    choose_data(ui.segmentFourComboBox, "right")
    ui.splitLobesButton.click()
    after = {row[2]: float(row[6]) for row in cells(ui.segmentsTable) if row[1] == "lobe"}
    fourth = np.count_nonzero(slabs[2].mask) * GRID.voxel_volume_mL
    assert after["right"] - before["right"] == pytest.approx(fourth, abs=0.2)
    choose_data(ui.segmentFourComboBox, "")
    assert node.GetAttribute("PRRT.CouinaudMoves") is None
    assert "lobe" not in [row[1] for row in cells(ui.segmentsTable)]
    ui.splitLobesButton.click()
    assert {row[2]: float(row[6]) for row in cells(ui.segmentsTable) if row[1] == "lobe"} == before
