"""Section 4 of PRRT Uptake's panel: lesions at clicked points, and a curved cut between the lobes."""

from __future__ import annotations

import numpy as np
import pytest
from builders.panel_actions import cells
from builders.panel_scene import GRID, LESIONS, activity, add_patient, masks, segmentation


@pytest.fixture
def ready(load_panel):
    """A patient with a liver but no lesions drawn."""
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation

    panel = load_panel("PRRTUptake")
    _images, node = add_patient()
    node_from_segmentation(segmentation().without("liver_lesions"), "Segments", node)
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    return panel


def add_points(*points, name="points", kind="vtkMRMLMarkupsFiducialNode"):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    for number, point in enumerate(points, start=1):
        node.AddControlPointWorld(point, f"F-{number}")
    return node


def centres():
    return [centre for centre, _radius, _activity in LESIONS.values()]


def lesions(panel):
    return {row[0]: float(row[6]) for row in cells(panel.ui.segmentsTable) if row[1] == "lesion"}


@pytest.mark.parametrize("method", ["PERCENT", "ADAPTED", "FIXED", "GRADIENT"])
def test_lesions_at_points(ready, method):
    """Lesions that are ten times as hot as the liver come out as they are, within a layer of voxels."""
    ui = ready.ui
    ui.seedsButton.collapsed = False
    assert "Place one point" in ui.delineateButton.toolTip
    ready.parameters.seeds = add_points(*centres())
    kinds = type(ready.parameters.delineation)
    ui.delineationComboBox.setCurrentIndex(list(kinds).index(kinds[method]))
    assert ui.delineationPercentSpinBox.isHidden() == (method not in ("PERCENT", "ADAPTED"))
    assert ui.delineationValueSpinBox.isHidden() == (method != "FIXED")
    if method == "FIXED":
        assert "threshold" in ui.delineateButton.toolTip
        ui.delineationValueSpinBox.value = 8000.0
    ui.delineateButton.click()
    found = lesions(ready)
    truth = {name: 4 / 3 * np.pi * radius**3 / 1000 for name, (_c, radius, _a) in LESIONS.items()}
    assert list(found) == ["lesion 1", "lesion 2", "lesion 3"]
    assert list(found.values()) == pytest.approx(list(truth.values()), rel=0.35 if method == "GRADIENT" else 0.06)
    assert "lesion 1 at 'F-1'" in ui.segmentsLabel.text
    ui.splitLobesButton.click()
    ui.splitLesionsButton.click()
    assert set(lesions(ready)) == {"L1", "R1", "R2"}


def test_a_second_point_makes_no_second_lesion(ready):
    import slicer

    ready.parameters.seeds = add_points(centres()[0], np.add(centres()[0], 5.0))
    ready.ui.delineateButton.click()
    assert len(lesions(ready)) == 1
    assert "'F-2' is in the lesion 'lesion 1' already" in ready.ui.segmentsLabel.text
    ready.ui.delineateButton.click()
    assert len(lesions(ready)) == 1
    ready.parameters.segmentation.GetSegmentation().RemoveSegment("lesion 1")
    slicer.mrmlScene.RemoveNode(ready.parameters.seeds)
    assert ready.parameters.seeds is None
    assert not ready.ui.delineateButton.enabled


def test_points_are_placed_from_the_panel(ready):
    import slicer

    ready.ui.placeSeedsButton.click()
    assert ready.parameters.seeds.GetName() == "Lesion points"
    assert slicer.modules.markups.logic().GetActiveListID() == ready.parameters.seeds.GetID()
    ready.ui.placeSeedsButton.click()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1
    ready.ui.delineateButton.click()
    assert "is empty" in ready.ui.statusLabel.text


def test_wrong_points_change_nothing(ready):
    before = cells(ready.ui.segmentsTable)
    ready.parameters.seeds = add_points(centres()[0], (0.0, 0.0, 500.0))
    ready.ui.delineateButton.click()
    assert "Point 'F-2'" in ready.ui.statusLabel.text
    assert "outside the image" in ready.ui.statusLabel.text
    ready.parameters.seeds = add_points((0.0, 0.0, 0.0), name="cold")
    ready.ui.delineationComboBox.setCurrentIndex(0)
    ready.ui.seedRadiusSpinBox.value = 80.0
    ready.ui.delineateButton.click()
    assert "below the threshold" in ready.ui.statusLabel.text
    assert cells(ready.ui.segmentsTable) == before


def test_image_without_role_and_no_segmentation(ready):
    import slicer
    from PRRTUptakeLib.mrml.images import describe_image

    ready.parameters.seeds = add_points(*centres())
    describe_image(slicer.util.getNode("SPECT 24h"), role="unused")
    ready.refresh()
    assert "image" in ready.ui.delineateButton.toolTip
    ready.ui.seedImageSelector.setCurrentNode(slicer.util.getNode("SPECT 24h"))
    assert ready.ui.delineateButton.enabled
    slicer.mrmlScene.RemoveNode(ready.parameters.segmentation)
    assert "segmentation" in ready.ui.delineateButton.toolTip
    ready.ui.delineateButton.enabled = True
    ready.ui.delineateButton.click()
    assert ready.ui.statusLabel.text


@pytest.mark.parametrize("kind", ["vtkMRMLMarkupsCurveNode", "vtkMRMLMarkupsFiducialNode"])
def test_a_curved_cut_parts_the_lobes(ready, kind, tmp_path):
    """A cut bent around the middle: left of it is what is nearer to the patient's left."""
    import slicer

    y = np.linspace(-60, 60, 5)
    points = [(0.006 * one**2 - 12.0, one, z) for one in y for z in (-50.0, 50.0)]
    cut = add_points(*points, name="cut", kind=kind)
    ready.ui.lobePlaneSelector.setCurrentNode(cut)
    assert ready.parameters.lobePlane is cut
    ready.ui.splitLobesButton.click()
    assert not ready.ui.statusLabel.text, ready.ui.statusLabel.text
    volumes = {row[2]: float(row[6]) for row in cells(ready.ui.segmentsTable) if row[1] == "lobe"}
    k, j, i = np.nonzero(masks()["liver"])
    x, y = GRID.to_ras(np.stack([i, j, k], axis=-1))[:, :2].T
    right = np.count_nonzero(x > 0.006 * y**2 - 12.0) * GRID.voxel_volume_mL
    assert volumes["right"] == pytest.approx(right, rel=0.03)
    assert volumes["left"] + volumes["right"] == pytest.approx(masks()["liver"].sum() * GRID.voxel_volume_mL, abs=0.2)
    ready.ui.placePlaneButton.click()  # the curve stays, a plane is made
    assert cut.GetNumberOfControlPoints() == len(points)
    assert ready.parameters.lobePlane.GetClassName() == "vtkMRMLMarkupsPlaneNode"
    ready.ui.lobePlaneSelector.setCurrentNode(cut)
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "cut.mrb"))
    slicer.mrmlScene.Clear(0)
    assert ready.ui.lobePlaneSelector.currentNode() is None
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "cut.mrb"))
    assert ready.ui.lobePlaneSelector.currentNode().GetName() == "cut"
    slicer.mrmlScene.RemoveNode(ready.parameters.lobePlane)
    assert ready.parameters.lobePlane is None


def test_a_cut_of_two_points_is_refused(ready):
    ready.ui.lobePlaneSelector.setCurrentNode(add_points((0, 0, 0), (0, 10, 0), name="short"))
    ready.ui.splitLobesButton.click()
    assert "at least three" in ready.ui.statusLabel.text


def test_a_scene_saved_with_a_plane_still_loads(ready):
    """Before, the parameter's type was a plane alone; it is in the node in the same way."""
    ready.ui.placePlaneButton.click()
    node = ready.parameters.parameterNode
    assert node.GetParameter("lobePlane") == ""
    assert node.GetNodeReference("lobePlane") is ready.parameters.lobePlane
    assert activity().units == "Bq/ml"
