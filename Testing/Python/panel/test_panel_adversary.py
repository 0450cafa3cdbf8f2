"""What a user or another module does meanwhile: nothing breaks, one clear sentence, and the scene is as it was."""

from __future__ import annotations

import pytest
from builders.panel_actions import cancelled_after, cells
from builders.panel_scene import add_patient, add_series


@pytest.fixture
def ready(load_panel):
    panel = load_panel("PRRTUptake")
    add_patient()
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    return panel


def content() -> dict[str, object]:
    """Everything in the scene: nodes, items of the hierarchy, segments and tables with their change times."""
    import slicer
    import vtk

    scene = slicer.mrmlScene
    hierarchy, found = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), found, True)
    nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
    cores = {node.GetID(): node.GetSegmentation() for node in nodes if node.IsA("vtkMRMLSegmentationNode")}
    return {
        "nodes": sorted((node.GetID(), node.GetName()) for node in nodes),
        "items": sorted(hierarchy.GetItemName(found.GetId(n)) for n in range(found.GetNumberOfIds())),
        "segments": {
            identifier: [(name, core.GetSegment(name).GetMTime()) for name in core.GetSegmentIDs()]
            for identifier, core in cores.items()
        },
        "tables": {node.GetID(): node.GetTable().GetMTime() for node in nodes if node.IsA("vtkMRMLTableNode")},
    }


@pytest.mark.parametrize("step", range(3))
def test_cancelled_measurement_leaves_all_as_it_was(ready, monkeypatch, step):
    before = content()
    note = cancelled_after(monkeypatch, step)
    ready.ui.applyButton.click()
    assert len(note) == step + 1
    assert ready.ui.statusLabel.text == "Stopped; nothing was changed."
    assert content() == before
    assert ready.parameters.table is None


@pytest.mark.parametrize("step", [0, 2, 4])
def test_cancelled_curves_leave_all_as_it_was(load_panel, monkeypatch, step):
    panel = load_panel("PRRTDosimetry")
    add_series(times_h=(4.0, 24.0, 72.0))
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    before = content()
    note = cancelled_after(monkeypatch, step)
    panel.ui.fitButton.click()
    assert len(note) == step + 1
    assert panel.ui.statusLabel.text == "Stopped; nothing was changed."
    assert content() == before


def test_cancelled_dose_map_says_what_stays(load_panel, monkeypatch):
    panel = load_panel("PRRTDosimetry")
    add_series(times_h=(4.0, 24.0, 72.0))
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    panel.ui.methodComboBox.setCurrentIndex(2)
    panel.ui.fitButton.click()
    before = content()
    cancelled_after(monkeypatch, 2)
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text == "Stopped; the doses are as they were."
    assert content() == before


def test_cancelled_planning_leaves_all_as_it_was(load_panel, monkeypatch):
    import slicer
    from PRRTDosimetryLib.population.model import shipped_population

    panel = load_panel("PRRTDosimetry")
    panel.enter()
    panel.ui.populationPath.currentPath = str(shipped_population())
    panel.ui.plannedRegionsLineEdit.text, panel.ui.plannedImagesSpinBox.value = "kidney", 1
    before = slicer.mrmlScene.GetNumberOfNodes()
    note = cancelled_after(monkeypatch, 0)
    panel.ui.planButton.click()
    assert note
    assert panel.ui.statusLabel.text == "Stopped; nothing was changed."
    assert panel.parameters.plan is None
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_cancelled_sample_leaves_all_as_it_was(slicer_application, monkeypatch, tmp_path):
    """At the start, before the first visit, and after it."""
    from PRRTUptakeLib.mrml import sample_data
    from PRRTUptakeLib.panel.samples import load
    from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv

    patient = write_synthetic_ia_versus_iv(tmp_path / "patient", seed=1, noise=False)
    monkeypatch.setitem(sample_data.SAMPLES, "ia-versus-iv", (lambda folder, seed: patient, True))
    before = content()
    for step in range(3):
        with monkeypatch.context() as patch:
            note = cancelled_after(patch, step)
            assert load("ia-versus-iv") == []
        assert len(note) == step + 1
        assert content() == before


def test_scene_closed_while_measuring(ready, monkeypatch):
    import slicer

    cancelled_after(monkeypatch, 1, lambda dialog: slicer.mrmlScene.Clear(0))
    ready.ui.applyButton.click()
    assert "taken out of the scene" in ready.ui.statusLabel.text
    assert ready.ui.imagesTable.rowCount == ready.ui.segmentsTable.rowCount == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_scene_closed_while_fitting(load_panel, monkeypatch):
    import slicer

    panel = load_panel("PRRTDosimetry")
    add_series(times_h=(4.0, 24.0))
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    cancelled_after(monkeypatch, 2, lambda dialog: slicer.mrmlScene.Clear(0))
    panel.ui.fitButton.click()
    assert "taken out of the scene" in panel.ui.statusLabel.text
    assert panel.ui.timePointsTable.rowCount == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0


def test_a_renamed_segment_is_followed(ready):
    core = ready.parameters.segmentation.GetSegmentation()
    core.GetSegment("spleen").SetName("Milz")
    assert "Milz" in [row[0] for row in cells(ready.ui.segmentsTable)]
    ready.parameters.segmentation.SetName("other name")
    ready.ui.recogniseButton.click()
    assert {row[0]: row[1] for row in cells(ready.ui.segmentsTable)}["Milz"] == "organ"
    ready.ui.applyButton.click()
    core.GetSegment("R1").SetName("big one")
    number = [row[0] for row in cells(ready.ui.resultsTable)].index("R1")
    ready.ui.resultsTable.cellClicked.emit(number, 0)
    assert "no segment 'R1'" in ready.ui.statusLabel.text


def test_module_is_reloaded(ready):
    """The button Reload: the old panel lets go of everything, the new one shows the same, nothing is there twice."""
    import slicer

    ready.ui.applyButton.click()
    before = cells(ready.ui.resultsTable), cells(ready.ui.segmentsTable)
    nodes = content()
    fresh = slicer.modules.prrtuptake.reload()
    assert ready.parameters is None
    assert not ready.Observations
    fresh.enter()
    assert (cells(fresh.ui.resultsTable), cells(fresh.ui.segmentsTable)) == before
    assert content() == nodes
    assert len(slicer.app.moduleManager().slots) == 1
    fresh.ui.patientLineEdit.text = "P02"
    assert ready.ui.patientLineEdit.text == "P01"
    fresh.ui.applyButton.click()
    assert "Measured" in fresh.ui.statusLabel.text
    slicer.app.moduleManager().unload("PRRTUptake")
    assert fresh.parameters is None
    assert not slicer.app.moduleManager().slots


def test_started_twice_registers_once(ready, slicer_application):
    import SampleData
    import SegmentStatistics

    slicer_application.start()
    slicer_application.start()
    (sources,) = SampleData.SampleDataLogic.sources.values()
    assert len(sources) == 4
    assert len(SegmentStatistics.SegmentStatisticsLogic.registeredPlugins) == 1


def test_two_panels_of_one_module(ready):
    """They share the parameter node: what is chosen in one is chosen in the other."""
    import slicer

    second = slicer.modules.prrtuptake.createNewWidgetRepresentation().self()
    second.enter()
    assert second.ui.patientLineEdit.text == "P01"
    second.ui.patientLineEdit.text = "P07"
    second.ui.treatedLobeComboBox.setCurrentIndex(1)
    assert ready.ui.patientLineEdit.text == "P07"
    assert ready.ui.treatedLobeComboBox.currentIndex == 1
    ready.ui.applyButton.click()
    assert cells(second.ui.resultsTable) == cells(ready.ui.resultsTable)
    slicer.mrmlScene.Clear(0)
    assert ready.ui.patientLineEdit.text == second.ui.patientLineEdit.text == ""
    second.cleanup()


def test_nodes_go_while_the_user_is_elsewhere(ready):
    import slicer

    ready.ui.applyButton.click()
    ready.exit()
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("Segments"))
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("Measurements*"))
    ready.enter()
    assert ready.ui.segmentsTable.rowCount == ready.ui.resultsTable.rowCount == 0
    assert "section 4" in ready.ui.applyButton.toolTip


def test_what_the_panel_does_not_know_is_not_replaced(ready, load_panel):
    """A scene of a newer version: its protocol, nuclide and model stay, shown as nothing, and the first is reported."""
    ready.parameters.protocol = "of-the-future"
    assert ready.ui.protocolComboBox.currentIndex == -1
    assert "of-the-future" in ready.ui.applyButton.toolTip
    assert ready.parameters.protocol == "of-the-future"
    panel = load_panel("PRRTDosimetry")
    panel.enter()
    panel.parameters.nuclide, panel.parameters.model = "Sm-153", "of-the-future"
    assert panel.ui.nuclideComboBox.currentIndex == panel.ui.modelComboBox.currentIndex == -1
    assert (panel.parameters.nuclide, panel.parameters.model) == ("Sm-153", "of-the-future")


def test_nothing_can_be_clicked_without_parameters(ready):
    """While the user is in another module, or a scene is being read."""
    assert ready.ui.applyButton.enabled
    ready.exit()
    buttons = [widget for widget in vars(ready.ui).values() if widget.className() == "QPushButton"]
    assert not any(button.enabled for button in buttons)
    ready.ui.applyButton.click()
    ready.enter()
    assert ready.ui.applyButton.enabled
    assert ready.parameters.table is None


def test_last_column_takes_the_rest_of_the_width(ready, tmp_path):
    """What an image lacks is shown there: also when a row is chosen, it is not cut to the width of the heading."""
    from slicer_standin.pictures import open_sections, take_picture

    table = ready.ui.imagesTable
    table.selectRow(0)
    open_sections(ready, "imagesButton")
    take_picture(ready, tmp_path / "images.png")  # laid out now
    widths = [table.columnWidth(column) for column in range(table.columnCount)]
    assert sum(widths) == pytest.approx(table.viewport().width, abs=2)
    assert widths[-1] > table.horizontalHeader().sectionSizeHint(5)


def test_logic_without_nodes_is_one_sentence(scene):
    """From the console: no node, or one of another kind."""
    import slicer
    from PRRTDosimetryLib.mrml.logic import DosimetryLogic
    from PRRTUptakeLib.errors import PRRTError
    from PRRTUptakeLib.mrml.logic import UptakeLogic

    uptake, table = UptakeLogic(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    (image,), _segments = add_patient()
    for other in (None, table):
        for action in (
            lambda node: uptake.prepare(image, node),
            lambda node: uptake.checkAlignment(node, image),
            lambda node: uptake.setFeeding(node, 4, "right", "angiogram"),
            lambda node: DosimetryLogic().calibrate(node, 10.0, 1200.0),
        ):
            with pytest.raises(PRRTError, match="is selected"):
                action(other)


def test_one_dialog_per_failure(ready, monkeypatch):
    """In the application, not under test: what the user can mend and a fault of the program alike."""
    import slicer
    from slicer_standin import pythonqt

    shown = []
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False, raising=False)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: shown.append(text))
    ready.ui.splitLesionsButton.click()
    assert len(shown) == 1
    assert "split it into lobes first" in shown[0]
    monkeypatch.setattr(ready.logic, "uptakeFor", lambda parameters: 1 / 0)
    ready.ui.recogniseButton.click()
    assert len(shown) == 2
    assert ready.ui.statusLabel.text == "The segments could not be recognised."
    assert [type(error) for error in pythonqt.slot_errors] == [ZeroDivisionError]
    pythonqt.slot_errors.clear()


def test_a_folder_that_cannot_be_read(ready, monkeypatch):
    from pathlib import Path

    def refused(self, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refused)
    ready.ui.reportPath.currentPath = "/somewhere/closed"
    assert not ready.ui.openReportButton.enabled


def test_every_button_of_an_empty_scene_states_or_does_nothing(load_panel, monkeypatch):
    """Enabled by force and clicked: no exception, no node but the parameters."""
    from PRRTUptakeLib.panel import report

    monkeypatch.setattr(report.qt.QDesktopServices, "openUrl", lambda url: True, raising=False)
    for module in ("PRRTUptake", "PRRTDosimetry"):
        panel = load_panel(module)
        before = content()["items"]
        for name, widget in vars(panel.ui).items():
            if widget.className() == "QPushButton" and name not in ("placeSeedsButton", "planButton"):
                widget.enabled = True
                widget.click()
        assert content()["items"] == before
