"""PRRT Uptake's panel, driven as a user would: set up, choose, apply, save, reopen, and everything that goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.panel_actions import cells, choose, choose_data
from builders.panel_scene import LEFT, LIVER, RIGHT, add_ct, add_patient, add_pet

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


def test_empty_scene_says_what_is_missing(panel):
    assert not panel.ui.applyButton.enabled
    assert "patient" in panel.ui.applyButton.toolTip
    panel.ui.patientLineEdit.text = "P01"
    assert "section 2" in panel.ui.applyButton.toolTip
    for button in (panel.ui.splitLobesButton, panel.ui.exportButton, panel.ui.useTransformButton):
        assert not button.enabled
        assert button.toolTip


def test_buttons_do_nothing_without_a_scene(panel):
    """Clicked by hand although disabled: as a script might."""
    for button in (
        panel.ui.recogniseButton,
        panel.ui.splitLobesButton,
        panel.ui.placePlaneButton,
        panel.ui.applyButton,
    ):
        button.enabled = True
        button.click()
        assert panel.ui.statusLabel.text


def test_protocols(panel, tmp_path):
    names = [panel.ui.protocolComboBox.itemData(n) for n in range(panel.ui.protocolComboBox.count)]
    assert {"lutia", "ia-versus-iv", "file"} <= set(names)
    panel.ui.patientLineEdit.text = "P01"
    assert "Lu-177" in panel.ui.protocolRulesLabel.text
    panel.ui.protocolComboBox.setCurrentIndex(names.index("ia-versus-iv"))
    assert "Ga-68" in panel.ui.protocolRulesLabel.text
    panel.ui.protocolComboBox.setCurrentIndex(names.index("file"))
    assert "file" in panel.ui.protocolRulesLabel.text
    (tmp_path / "own.json").write_text("{}")
    panel.ui.protocolPath.currentPath = str(tmp_path / "own.json")
    assert "missing" in panel.ui.protocolRulesLabel.text
    text = (MODULES / "PRRTUptake/Resources/Protocols/lutia.json").read_text()
    (tmp_path / "own.json").write_text(text.replace("30.0", "25.0"))
    panel.refresh()
    assert "above 25 mm" in panel.ui.protocolRulesLabel.text


def test_images_are_completed_in_the_panel(panel):
    from builders.panel_scene import GRID, activity
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    panel.ui.patientLineEdit.text = "P01"
    node_from_volume(Volume(activity().array, GRID.ijk_to_ras), "counts")
    choose(panel.ui.imagesTable, 0)
    choose_data(panel.ui.imageRoleComboBox, "measured")
    assert cells(panel.ui.imagesTable)[0][5] == "units, visit, time after injection"
    assert "units" in panel.ui.applyButton.toolTip
    choose_data(panel.ui.imageUnitsComboBox, "Bq/ml")
    panel.ui.imageVisitLineEdit.text = "24h"
    panel.ui.imageVisitLineEdit.editingFinished.emit()
    panel.ui.imageHoursSpinBox.value = 24.0
    panel.ui.imageHoursSpinBox.editingFinished.emit()
    assert cells(panel.ui.imagesTable) == [["counts", "measured", "24h", "activity Bq/ml", "24.0 h", ""]]


def test_two_patients_are_not_mixed(ready):
    from builders.panel_scene import activity
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    assert ready.ui.applyButton.enabled
    other = activity().with_values(activity().array, provenance={"patient_id": "P02"})
    node = node_from_volume(other, "other SPECT")
    describe_image(node, visit="cycle 2", hours=24.0)
    ready.refresh()
    assert not ready.ui.applyButton.enabled
    assert "patient P01" in ready.ui.applyButton.toolTip
    assert "P02" in ready.ui.applyButton.toolTip


def test_same_visit_twice_is_refused(ready):
    import slicer
    from builders.panel_scene import activity
    from PRRTUptakeLib.mrml.images import describe_image
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    describe_image(node_from_volume(activity(), "again"), visit="24h", hours=24.0)
    slicer.mrmlScene.Modified()
    ready.refresh()
    assert "'24h'" in ready.ui.applyButton.toolTip


def test_apply_measures(ready):
    import slicer

    ready.parameters.treatedLobe = type(ready.parameters.treatedLobe).RIGHT
    assert ready.ui.treatedLobeComboBox.currentText == "right"
    ready.ui.applyButton.click()
    rows = {row[0]: row for row in cells(ready.ui.resultsTable)}
    assert set(rows) == {"L1", "R1", "R2"}
    assert float(rows["L1"][5]) == pytest.approx(LEFT / LIVER)
    assert float(rows["R1"][5]) == pytest.approx(RIGHT / LIVER)
    assert "treated/control 1.500" in ready.ui.resultLabel.text
    table = ready.parameters.table
    assert table.GetNumberOfRows() > 50
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table))
    assert hierarchy.GetItemName(hierarchy.GetItemParent(study)) == "P01"
    assert study == hierarchy.GetItemParent(hierarchy.GetItemByDataNode(ready.parameters.segmentation))
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == table.GetNodeReferenceID("PRRT.Readable")
    chart = slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())
    assert chart.GetNumberOfPlotSeriesNodes() == 2  # left and right
    ready.ui.applyButton.click()  # again: nothing is made twice
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == 2
    assert not ready.parameters.segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_cancel_leaves_the_scene(ready, monkeypatch):
    import slicer
    from slicer_standin import pythonqt

    made = []
    create = slicer.util.createProgressDialog

    def cancelled(**options):
        made.append(create(**options))
        made[-1].cancel()
        return made[-1]

    monkeypatch.setattr(slicer.util, "createProgressDialog", cancelled)
    ready.ui.applyButton.click()
    assert "Stopped" in ready.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0
    assert "L1" not in [row[0] for row in cells(ready.ui.segmentsTable)]
    assert not pythonqt.slot_errors


def test_nodes_removed_while_the_panel_is_open(ready):
    import slicer

    ready.ui.applyButton.click()
    slicer.mrmlScene.RemoveNode(ready.parameters.segmentation)
    assert ready.ui.segmentsTable.rowCount == 0
    assert "section 4" in ready.ui.applyButton.toolTip
    slicer.mrmlScene.RemoveNode(ready.parameters.table)
    assert ready.ui.resultsTable.rowCount == 0
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("SPECT 24h"))
    assert ready.ui.imagesTable.rowCount == 0
    ready.ui.resultsTable.cellClicked.emit(0, 0)


def test_scene_closed_while_the_panel_is_open(ready):
    import slicer

    ready.ui.applyButton.click()
    slicer.mrmlScene.Clear(0)
    assert ready.ui.imagesTable.rowCount == ready.ui.segmentsTable.rowCount == ready.ui.resultsTable.rowCount == 0
    assert ready.ui.patientLineEdit.text == ""
    add_patient()
    assert ready.ui.imagesTable.rowCount == 1


def snapshot(panel) -> dict[str, object]:
    ui = panel.ui
    return {
        "protocol": ui.protocolRulesLabel.text,
        "patient": ui.patientLineEdit.text,
        "cycle": ui.cycleSpinBox.value,
        "lobe": ui.treatedLobeComboBox.currentText,
        "images": cells(ui.imagesTable),
        "pairs": cells(ui.registrationTable),
        "segments": cells(ui.segmentsTable),
        "segmentation": ui.segmentationSelector.currentNode().GetName(),
        "results": cells(ui.resultsTable),
        "sentence": ui.resultLabel.text,
        "folder": ui.reportPath.currentPath,
        "scene": ui.exportSceneCheckBox.checked,
    }


def test_scene_saved_and_reopened(ready, tmp_path):
    import slicer
    from PRRTUptakeLib.mrml.tables import rows_of_table

    ready.ui.cycleSpinBox.value = 3
    ready.ui.treatedLobeComboBox.setCurrentIndex(2)
    ready.ui.exportSceneCheckBox.checked = False
    ready.ui.reportPath.currentPath = str(tmp_path / "out")
    ready.ui.applyButton.click()
    before, rows = snapshot(ready), rows_of_table(ready.parameters.table)
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "patient.mrb"))
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "patient.mrb"))
    assert snapshot(ready) == before
    again = rows_of_table(ready.parameters.table)
    assert [{k: str(v) for k, v in row.items()} for row in again] == [
        {k: str(v) for k, v in row.items()} for row in rows
    ]


def test_images_are_moved_by_a_transform(ready):
    import slicer

    node = slicer.util.getNode("SPECT 24h")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    ready.ui.movingSelector.setCurrentNode(node)
    ready.ui.transformSelector.setCurrentNode(transform)
    ready.ui.useTransformButton.click()
    assert cells(ready.ui.registrationTable)[0][2] == "shift"
    ready.ui.undoTransformButton.click()
    assert node.GetParentTransformNode() is None
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bent")
    ready.ui.transformSelector.setCurrentNode(bent)
    ready.ui.useTransformButton.click()
    assert cells(ready.ui.registrationTable)[0][2] == "bent"
    ready.ui.applyButton.click()
    assert ready.parameters.table is not None


def test_intra_arterial_against_intravenous(panel, tmp_path):
    """The IA image is elsewhere; registering its CT brings it onto the segments, which take up 2.5 times as much."""
    import slicer

    add_patient(visits=())
    add_ct("MRI")
    shift = (9.0, -6.0, 5.0)
    add_ct("IA", shift)
    add_pet("IA", 2.5, shift)
    add_pet("IV", 1.0)
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    choose_data(panel.ui.protocolComboBox, "ia-versus-iv")
    ui = panel.ui
    assert not ui.registerButton.enabled
    ui.movingSelector.setCurrentNode(slicer.util.getNode("CT IA"))
    ui.fixedSelector.setCurrentNode(slicer.util.getNode("CT MRI"))
    ui.registerButton.click()
    assert "mutual information" in ui.statusLabel.text
    found = slicer.util.arrayFromTransformMatrix(panel.parameters.transform)
    assert found[:3, 3] == pytest.approx([-s for s in shift], abs=0.5)
    pairs = {row[0]: row for row in cells(ui.registrationTable)}
    assert pairs["PET IA"][2] == pairs["CT IA"][2] == "CT IA to CT MRI"
    assert "liver overlap" not in pairs["CT IA"][3]  # no liver was drawn on the moving image
    assert "body overlap" in pairs["CT IA"][3]
    slicer.util.updateTransformMatrixFromArray(panel.parameters.transform, translation([-s for s in shift]))
    ui.applyButton.click()
    rows = {row[0]: row for row in cells(ui.resultsTable)}
    assert set(rows) == {"L1", "R1", "R2"}
    assert float(rows["R1"][3]) == pytest.approx(2.5 * RIGHT / LIVER)
    assert all(float(row[5]) == pytest.approx(2.5) for row in rows.values())
    assert "Enhancement ratio 2.50" in ui.resultLabel.text
    ui.reportPath.currentPath = str(tmp_path / "out")
    ui.exportButton.click()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "given (transform node" in page
    assert "IA, axial: after" in page
    assert "IV, axial" not in page  # it was not moved


def translation(shift_mm):
    matrix = np.eye(4)
    matrix[:3, 3] = shift_mm
    return matrix


def test_registration_refuses_another_patient(ready):
    import slicer
    from PRRTUptakeLib.mrml.images import PATIENT_ATTRIBUTE

    fixed, moving = add_ct("24h"), add_ct("cycle 2")
    moving.SetAttribute(PATIENT_ATTRIBUTE, "P02")
    ready.parameters.fixed, ready.parameters.moving = fixed, moving
    ready.ui.registerButton.click()
    assert "different patients" in ready.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLLinearTransformNode") == 0


def test_the_report_names_who_works_here(ready, tmp_path):
    import slicer

    person = slicer.app.applicationLogic().GetUserInformation()
    person.SetName("Joan Roe")
    ready.ui.reportPath.currentPath = str(tmp_path / "out")
    ready.ui.exportButton.click()
    person.SetName("")
    assert "Joan Roe" in (tmp_path / "out" / "report.html").read_text()


def test_export(ready, tmp_path):
    ready.ui.reportPath.currentPath = str(tmp_path / "out")
    assert not ready.ui.openReportButton.enabled
    ready.ui.exportButton.click()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "measurements.csv", "patient.seg.nrrd", "patient.mrb", "provenance.json"} <= names
    assert ready.ui.openReportButton.enabled
    assert "P01" in (tmp_path / "out" / "report.html").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    ready.ui.reportPath.currentPath = str(tmp_path / "mine")
    ready.ui.exportButton.click()
    assert "not of SlicerPRRT" in ready.ui.statusLabel.text
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_module_test_runs(panel):
    import slicer

    slicer.selfTests["PRRTUptake"]()
