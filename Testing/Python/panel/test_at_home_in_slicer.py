"""As a user sees it: images shown, choices that stay the user's, results first, the next step, a narrow dock."""

from __future__ import annotations

import pytest
import slicer
from builders.panel_actions import cells
from builders.panel_scene import add_ct, add_patient

DOCK_px = 420


def settle():
    """Let what waits for the end of an event run."""
    slicer.app.processEvents()


@pytest.fixture
def panel(load_panel):
    return load_panel("PRRTUptake")


@pytest.fixture
def ready(panel):
    """One image on its CT, and segments."""
    add_patient()
    add_ct("24h")
    settle()
    return panel


def layers():
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return {(node.GetBackgroundVolumeID(), node.GetForegroundVolumeID()) for node in nodes}


def test_a_row_by_mouse_or_key_shows_its_image_on_its_ct(ready):
    table = ready.ui.imagesTable
    names = [row[0] for row in cells(table)]
    table.setCurrentCell(names.index("SPECT 24h"), 0)  # what an arrow key does
    image, ct = slicer.util.getNode("SPECT 24h"), slicer.util.getNode("CT 24h")
    assert layers() == {(ct.GetID(), image.GetID())}


def test_patient_and_segmentation_are_proposed_where_there_is_one(ready):
    assert ready.parameters.patient == "P01"
    assert ready.parameters.segmentation.GetName() == "Segments"


def test_among_several_segmentations_the_user_chooses(panel):
    from builders.panel_scene import segmentation
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation

    for name in ("one", "other"):
        node_from_segmentation(segmentation(), name)
    settle()
    panel.enter()
    settle()
    chosen = panel.parameters.segmentation
    assert chosen is None or chosen.GetName() == "one"  # the first may have been chosen while it was alone


def test_a_removed_node_leaves_the_choice_empty(ready):
    tables = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name) for name in "ab"]
    ready.parameters.table = tables[0]
    slicer.mrmlScene.RemoveNode(tables[0])
    settle()
    assert ready.parameters.table is None
    assert ready.ui.tableSelector.currentNode() is None


def test_two_patients_are_named_before_anything_else(ready):
    node = add_ct("24h")
    node.SetName("CT of another")
    node.SetAttribute("PRRT.Patient", "P02")
    ready.parameters.patient = ""
    ready.refresh()
    tip = ready.ui.applyButton.toolTip
    assert "P01" in tip
    assert "P02" in tip


def test_a_look_at_a_lesion_keeps_the_warnings(ready):
    ready.say("a warning", isError=True)
    ready.ui.segmentsTable.setCurrentCell(0, 0)
    assert ready.ui.statusLabel.text == "a warning"


def test_the_next_step_is_bold_all_the_way(ready):
    ui = ready.ui
    order = ("recogniseButton", "splitLobesButton", "splitLesionsButton", "pickTargetsButton", "makeReferenceButton")
    for name in order:
        bold = [one for one in order if "bold" in getattr(ui, one).styleSheet]
        assert bold == [name]
        getattr(ui, name).click()
    assert not [one for one in order if "bold" in getattr(ui, one).styleSheet]
    assert [row[4] for row in cells(ui.segmentsTable)[:3]] == ["yes"] * 3  # targets first


def test_results_begin_with_targets_lobes_ratio_and_organs(ready):
    from PRRTUptakeLib.mrml.charts import chart_of, tick_labels
    from PRRTUptakeLib.mrml.result_table import HEADER, result_table
    from PRRTUptakeLib.mrml.tables import rows_of_table

    layout = slicer.app.layoutManager().layout
    ready.ui.applyButton.click()
    assert slicer.app.layoutManager().layout == layout  # the user's
    table = ready.parameters.table
    rows = rows_of_table(result_table(table))
    assert tuple(rows[0]) == HEADER
    assert [row["region"] for row in rows[:3]] == ["L1", "R1", "R2"]
    assert [row["result"] for row in rows[3:6]] == [
        "T/N ratio of the lobe",
        "T/N ratio of the lobe",
        "left/right ratio",
    ]
    assert "nan" not in str(rows)
    shown = slicer.app.applicationLogic().GetSelectionNode().GetActiveTableID()
    assert shown == result_table(table).GetID()
    chart = chart_of(table)
    assert tick_labels(chart) == ("L1", "R1", "R2")
    assert chart.GetXAxisTitle() == "1 L1   2 R1   3 R2"
    data = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetHideFromEditors()]
    assert len(data) == 1  # the chart's data are not offered


def test_names_are_written_at_the_ticks_where_a_plot_view_is(ready, monkeypatch):
    ready.ui.applyButton.click()
    seen = []

    class Axis:
        def SetCustomTickPositions(self, positions, words):
            seen.append([(positions.GetValue(n), words.GetValue(n)) for n in range(words.GetNumberOfValues())])

    class View:
        def __getattr__(self, name):
            return lambda *arguments: Axis() if name == "GetAxis" else self

    manager = slicer.app.layoutManager()
    monkeypatch.setattr(manager, "plotViewCount", 1, raising=False)
    monkeypatch.setattr(manager, "plotWidget", lambda number: View(), raising=False)
    ready.ui.showChartButton.click()
    assert seen == [[(1.0, "L1"), (2.0, "R1"), (3.0, "R2")]]


def test_visits_are_proposed_from_hours_and_days(panel):
    from PRRTUptakeLib.mrml.images import VISIT_ATTRIBUTE

    (image,), _segments = add_patient()
    image.SetAttribute(VISIT_ATTRIBUTE, None)
    panel.refresh()
    assert panel.ui.proposeVisitsButton.enabled
    panel.ui.proposeVisitsButton.click()
    assert image.GetAttribute(VISIT_ATTRIBUTE) == "24h"
    assert not panel.ui.proposeVisitsButton.enabled


def test_a_route_is_stated_in_the_panel(ready):
    from builders.panel_actions import choose_data

    ready.ui.imagesTable.setCurrentCell(0, 0)
    choose_data(ready.ui.imageRouteComboBox, "IA")
    assert slicer.util.getNode("SPECT 24h").GetAttribute("PRRT.Route") == "IA"


def test_a_single_arm_has_no_treated_lobe(ready):
    from builders.panel_actions import choose_data

    assert not ready.ui.treatedLobeComboBox._object.isHidden()
    choose_data(ready.ui.protocolComboBox, "single-arm")
    assert ready.ui.treatedLobeComboBox._object.isHidden()


def test_a_phantom_of_one_number_is_refused_before_the_work(ready):
    ready.parameters.phantomVolumes = "0.5 2"
    assert not ready.ui.applyButton.enabled
    assert "recoveries" in ready.ui.applyButton.toolTip


def test_a_bundle_needs_dicom_and_says_so_before_the_work(ready, tmp_path):
    ready.parameters.reportFolder = str(tmp_path / "out")
    ready.parameters.exportBundle = True
    assert not ready.ui.exportButton.enabled
    assert "DICOM" in ready.ui.exportButton.toolTip


def test_overrides_want_an_image_and_a_reason(ready):
    ui = ready.ui
    assert not ui.applyOverridesButton.enabled
    ui.imagesTable.setCurrentCell(0, 0)
    ui.overrideReasonLineEdit.text = "scales read wrongly"
    assert ui.applyOverridesButton.enabled
    ui.overrideWeightSpinBox.value = 71.0
    ui.overrideInjectionLineEdit.text = "2026-03-04 09:30 +01:00"
    section = next(one for one in ready.sections if type(one).__name__ == "OverridesSection")
    stated = section.stated()
    assert (stated.weight_kg, stated.reason) == (71.0, "scales read wrongly")
    assert stated.injection_time.utcoffset().total_seconds() == 3600
    ui.overrideInjectionLineEdit.text = "2026-03-04 09:30"
    ui.applyOverridesButton.click()
    assert "difference from UTC" in ui.statusLabel.text


@pytest.mark.parametrize("module", ["PRRTUptake", "PRRTDosimetry"])
def test_every_section_fits_a_narrow_dock(load_panel, module):
    panel = load_panel(module)
    panel.parent._top._object.show()
    settle()
    for name, widget in vars(panel.ui).items():
        if widget.className() == "ctkCollapsibleButton":
            widget.collapsed = False
            settle()
            assert widget._object.layout().minimumSize().width() <= DOCK_px - 30, name


def test_errors_are_readable_on_a_dark_window(panel):
    from PySide6 import QtGui

    panel.say("no", isError=True)
    light = panel.ui.statusLabel.styleSheet
    label = panel.ui.statusLabel._object
    palette = label.palette()
    palette.setColor(QtGui.QPalette.Window, QtGui.QColor("#202020"))
    label.setPalette(palette)
    panel.say("no", isError=True)
    assert panel.ui.statusLabel.styleSheet != light


def test_the_plane_is_chosen_and_seen_in_all_views(ready):
    ready.ui.placePlaneButton.click()
    plane = ready.parameters.lobePlane
    display = plane.GetDisplayNode()
    assert display.GetNumberOfViewNodeIDs() == 0  # no restriction
    assert display.GetVisibility2D()
    assert display.GetVisibility3D()


def test_isodoses_are_drawn_at_the_chosen_levels_on_the_map(load_panel):
    from builders.panel_scene import add_series

    panel = load_panel("PRRTDosimetry")
    add_series((24.0, 96.0))
    settle()
    parameters = panel.parameters
    parameters.method = type(parameters.method)("local")
    parameters.isodoseLevels = "0.01 x"
    assert "'x' is not a dose" in panel.ui.applyButton.toolTip
    parameters.isodoseLevels = "0.01 0.1"
    panel.ui.applyButton.click()
    core = parameters.isodoses.GetSegmentation()
    assert [core.GetNthSegment(n).GetName() for n in range(core.GetNumberOfSegments())] == ["0.01 Gy", "0.1 Gy"]
    assert parameters.segmentation.GetName() == "Segments"  # not the isodoses
    foregrounds = {image for _below, image in layers()} | {below for below, _image in layers()}
    assert parameters.doseMap.GetID() in foregrounds
    panel.ui.dosesTable.selectRow(0)
    panel.ui.histogramButton.click()
    from PRRTUptakeLib.mrml.charts import chart_of

    assert chart_of(parameters.doses).GetNumberOfPlotSeriesNodes() == 1  # of the chosen row
    parameters.isodoseLevels = ""
    panel.ui.showMapButton.click()
    assert parameters.isodoses is None
