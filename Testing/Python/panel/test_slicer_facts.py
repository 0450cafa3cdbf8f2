"""What was seen when the panels were walked in a running Slicer 5.12.3, row by row: the stand-in does the same."""

from __future__ import annotations

import enum
import sys
from types import SimpleNamespace

import pytest
import slicer


class Side(enum.Enum):
    LEFT = "l"
    RIGHT = "r"

    def label(self):
        return {"l": "the left", "r": "the right"}[self.value]


@pytest.fixture
def qt(slicer_application):
    import qt

    return qt


def nodes(kind):
    return list(slicer.util.getNodesByClass(kind))


def test_a_plain_tooltip_becomes_a_paragraph(qt):
    button, item = qt.QPushButton("b"), qt.QTableWidgetItem("x")
    for given, kept in (("x", "<p>x</p>"), ("", ""), ("<b>x</b>", "<b>x</b>")):
        button.toolTip = given
        assert button.toolTip == kept
    item.setToolTip("x")
    assert item.toolTip() == "x"


def test_a_selector_takes_another_node_when_its_own_is_removed(slicer_application):
    combo = slicer.qMRMLNodeComboBox()
    combo.noneEnabled, combo.nodeTypes = True, ["vtkMRMLTableNode"]
    combo.setMRMLScene(slicer.mrmlScene)
    first, second = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name) for name in "ab")
    combo.setCurrentNode(second)
    slicer.mrmlScene.RemoveNode(second)
    assert combo.currentNode() is first
    slicer.mrmlScene.RemoveNode(first)
    assert combo.currentNode() is None


def test_loading_a_scene_gives_a_node_and_batches_what_is_added(slicer_application, tmp_path):
    scene = slicer.mrmlScene
    scene.AddNewNodeByClass("vtkMRMLTableNode", "kept")
    assert scene.WriteToMRB(str(tmp_path / "one.mrb"))
    batched = []
    tag = scene.AddObserver(scene.NodeAddedEvent, lambda caller, event: batched.append(bool(scene.IsBatchProcessing())))
    try:
        assert slicer.util.loadScene(tmp_path / "one.mrb") is not True
    finally:
        scene.RemoveObserver(tag)
    assert batched
    assert all(batched)
    assert slicer.util.getNode("kept")


def test_views_come_back_after_a_scene_was_closed(slicer_application):
    scene, batched = slicer.mrmlScene, []
    tag = scene.AddObserver(scene.NodeAddedEvent, lambda caller, event: batched.append(bool(scene.IsBatchProcessing())))
    try:
        scene.Clear(0)
    finally:
        scene.RemoveObserver(tag)
    assert batched  # nine there, fewer here: those that outlive closing are not added anew
    assert not any(batched)
    assert sorted(node.GetLayoutName() for node in nodes("vtkMRMLSliceCompositeNode")) == ["Green", "Red", "Yellow"]


def test_a_closed_progress_dialog_counts_as_cancelled(slicer_application):
    dialog = slicer.util.createProgressDialog(maximum=100, modal=True)
    dialog.close()
    assert dialog.wasCanceled


def test_one_modification_block_makes_one_event_of_each_kind(slicer_application):
    kind = slicer.vtkSegmentation
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "s")
    seen = []
    for event in (kind.SegmentAdded, kind.SegmentRemoved):
        node.AddObserver(event, lambda caller, event: seen.append(event))
    for name in "abc":
        node.GetSegmentation().AddEmptySegment(name)
    assert len(seen) == 3
    seen.clear()
    state = node.StartModify()
    node.GetSegmentation().RemoveAllSegments()
    for name in "abc":
        node.GetSegmentation().AddEmptySegment(name)
    assert not seen
    node.EndModify(state)
    assert len(seen) == 2


def test_a_node_is_announced_before_it_has_its_attributes(slicer_application):
    import vtk

    seen, scene = [], slicer.mrmlScene

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def look(caller, event, node):
        seen.append(node.GetAttribute("PRRT.Visit"))

    tag = scene.AddObserver(scene.NodeAddedEvent, look)
    scene.AddNewNodeByClass("vtkMRMLTextNode", "t").SetAttribute("PRRT.Visit", "24h")
    scene.RemoveObserver(tag)
    assert seen[0] is None


def test_series_get_a_hierarchy_item_at_the_root_and_colours_none(slicer_application):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "p")
    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "c")
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(series)) == hierarchy.GetSceneItemID()
    assert not hierarchy.GetItemByDataNode(colours)


def test_a_new_volume_is_shown_in_no_view(slicer_application):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v").CreateDefaultDisplayNodes()
    assert {node.GetBackgroundVolumeID() for node in nodes("vtkMRMLSliceCompositeNode")} == {None}


def test_a_bound_enum_shows_its_labels_without_data(slicer_application, qt):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class P:
        side: Side

    parameters = parameterNodeWrapper(P)(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    combo = qt.QComboBox()
    combo.setProperty("SlicerParameterName", "side")
    parameters.connectGui(SimpleNamespace(combo=combo))
    assert [combo.itemText(n) for n in range(combo.count)] == ["the left", "the right"]
    assert combo.itemData(0) is None


def test_the_error_log_counts_and_describes_and_has_no_data(slicer_application):
    log = slicer.app.errorLogModel()
    assert log.logEntryCount() == 0
    with pytest.raises(AttributeError):
        _ = log.logEntryData


def test_settings_that_were_never_made_are_none(qt):
    assert qt.QSettings().value("nope") is None


def test_packaging_asks_and_installs_nothing_by_itself(slicer_application):
    packaging = sys.modules["slicer.packaging"]
    names = {"pip_ensure", "pip_check", "pip_install", "load_requirements", "load_pyproject_dependencies"}
    assert names <= set(vars(packaging))


def test_a_segment_selector_cannot_be_bound(slicer_application, qt):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class P:
        name: str = ""

    parameters = parameterNodeWrapper(P)(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    widget = qt.QTextEdit()
    widget.setProperty("SlicerParameterName", "name")
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectGui(SimpleNamespace(widget=widget))


def test_error_displays_are_logged_and_not_shown_in_testing_mode(slicer_application, caplog):
    slicer.util.errorDisplay("it failed")
    assert "it failed" in caplog.text


def test_a_chart_has_labels_for_tooltips_only(slicer_application):
    """Slicer's charts have no tick labels to set: names on the axis take another way (see mrml/charts.py)."""
    chart = slicer.vtkMRMLPlotChartNode()
    assert not [name for name in dir(chart) if "TickLabel" in name]


def test_a_spacing_keeps_eight_digits_through_a_scene(slicer_application, tmp_path):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    node.SetSpacing(4.4179998870147, 1, 1)
    node.SetAndObserveImageData(__import__("vtk").vtkImageData())
    assert node.GetSpacing()[0] == pytest.approx(4.418, rel=1e-7)


def test_a_signal_that_is_not_there_is_an_error_of_ours(qt):
    """PythonQt only returns False: `connect` of the sections looks at what is returned."""
    from PRRTUptakeLib.panel.section import connect

    with pytest.raises(TypeError, match=r"has no signal nosuch\(bool\)"):
        connect(qt.QPushButton("x"), "nosuch(bool)", print)


def test_no_segmentation_is_put_in_whole():
    """`SetAndObserveSegmentation` with a filled segmentation made 33 hierarchy items for 15 segments."""
    from pathlib import Path

    root = Path(__file__).resolve().parents[3]
    files = [path for module in ("PRRTUptake", "PRRTDosimetry") for path in (root / module).rglob("*.py")]
    assert len(files) > 100
    assert not [path.name for path in files if "SetAndObserveSegmentation(" in path.read_text(encoding="utf-8")]
