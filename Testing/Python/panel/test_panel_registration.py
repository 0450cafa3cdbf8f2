"""Section 3 of PRRT Uptake's panel: registration with progress, cancel, quality, fused views; what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from builders.panel_actions import cancelled_after, cells, study_of
from builders.panel_scene import add_ct, add_patient, add_pet, masks, segmentation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

SHIFT = (9.0, -6.0, 5.0)


@pytest.fixture
def panel(load_panel):
    """CTs of two visits are chosen; the moving one is elsewhere, its PET with it."""
    import slicer

    panel = load_panel("PRRTUptake")
    add_patient(visits=())
    add_ct("MRI")
    add_ct("IA", SHIFT)
    add_pet("IA", 2.5, SHIFT)
    panel.enter()
    panel.ui.patientLineEdit.text = "P01"
    panel.ui.fixedSelector.setCurrentNode(slicer.util.getNode("CT MRI"))
    panel.ui.movingSelector.setCurrentNode(slicer.util.getNode("CT IA"))
    return panel


def transforms():
    import slicer

    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTransformNode")


def test_registered_images_are_shown_on_each_other(panel):
    import slicer

    slice_view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    panel.ui.registerButton.click()
    fixed, moving = panel.parameters.fixed, panel.parameters.moving
    assert slice_view.GetBackgroundVolumeID() == fixed.GetID()
    assert slice_view.GetForegroundVolumeID() == moving.GetID()
    assert slice_view.GetForegroundOpacity() == 0.5
    transform = panel.parameters.transform
    assert transform.GetClassName() == "vtkMRMLLinearTransformNode"
    assert study_of(transform) == study_of(moving)
    assert study_of(moving)
    panel.ui.registerButton.click()  # from where it was without the transform, and into the same node
    assert transforms() == 1
    assert panel.parameters.transform is transform
    found = slicer.util.arrayFromTransformMatrix(transform)
    assert found[:3, 3] == pytest.approx(np.negative(SHIFT), abs=0.5)


@pytest.mark.parametrize("steps", [1, 20, 60])
def test_cancel_midway_leaves_the_scene(panel, monkeypatch, steps):
    """At the beginning, while a start is sought, and in the last optimisation."""
    note = cancelled_after(monkeypatch, steps)
    before = cells(panel.ui.registrationTable)
    panel.ui.registerButton.click()
    assert len(note) == steps + 1, "it went on after it was cancelled"
    assert panel.ui.statusLabel.text == "Stopped; nothing was changed."
    assert transforms() == 0
    assert panel.parameters.transform is None
    assert cells(panel.ui.registrationTable) == before


def test_another_users_transform_is_not_overwritten(panel):
    import slicer

    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "by hand")
    panel.ui.transformSelector.setCurrentNode(own)
    panel.ui.registerButton.click()
    assert slicer.util.arrayFromTransformMatrix(own) == pytest.approx(np.eye(4))
    assert panel.parameters.transform.GetName() == "CT IA to CT MRI"


def test_livers_far_apart_are_reported(panel):
    """The moving visit's own liver was drawn 12 mm off what its CT shows."""
    import slicer
    from builders.panel_scene import GRID
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.mrml.images import SEGMENTATION_ROLE
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

    matrix = GRID.ijk_to_ras.copy()
    matrix[:3, 3] += np.add(SHIFT, (0, 0, 12))
    drawn = Segmentation(Grid(GRID.shape, matrix), (Segment.from_full("liver", masks()["liver"]),))
    node = node_from_segmentation(drawn, "Segments IA")
    slicer.util.getNode("PET IA").SetNodeReferenceID(SEGMENTATION_ROLE, node.GetID())
    panel.ui.registerButton.click()
    assert "mm apart" in panel.ui.statusLabel.text
    assert "color" in panel.ui.statusLabel.styleSheet
    pairs = {row[0]: row for row in cells(panel.ui.registrationTable)}
    assert "liver overlap" in pairs["CT IA"][3]
    offset = float(pairs["CT IA"][3].split(" mm apart")[0].split()[-1])
    assert offset == pytest.approx(12.0, abs=1.5)


def test_what_is_missing_is_reported(panel):
    ui = panel.ui
    ui.fixedSelector.setCurrentNode(panel.parameters.moving)
    assert "two different images" in ui.registerButton.toolTip
    ui.fixedSelector.setCurrentNode(None)
    assert "stays" in ui.registerButton.toolTip
    ui.movingSelector.setCurrentNode(None)
    assert "to be moved" in ui.registerButton.toolTip
    assert not ui.undoTransformButton.enabled
    ui.registerButton.enabled = ui.useTransformButton.enabled = ui.undoTransformButton.enabled = True
    for button in (ui.registerButton, ui.useTransformButton, ui.undoTransformButton):
        button.click()
        assert ui.statusLabel.text
    assert transforms() == 0


def test_scene_closed_while_registering(panel, monkeypatch):
    import slicer

    cancelled_after(monkeypatch, 10, lambda dialog: slicer.mrmlScene.Clear(0))
    panel.ui.registerButton.click()
    assert "taken out of the scene" in panel.ui.statusLabel.text
    assert transforms() == 0
    assert panel.ui.registrationTable.rowCount == 0


def test_image_removed_while_registering(panel, monkeypatch):
    import slicer

    cancelled_after(monkeypatch, 10, lambda dialog: slicer.mrmlScene.RemoveNode(slicer.util.getNode("CT IA")))
    panel.ui.registerButton.click()
    assert "'CT IA' was taken out of the scene" in panel.ui.statusLabel.text
    assert transforms() == 0
    assert [row[0] for row in cells(panel.ui.registrationTable)] == ["CT MRI", "PET IA"]


def test_segments_are_no_longer_there(panel):
    """The chosen segmentation has lost its liver: the body is registered."""
    panel.parameters.segmentation.GetSegmentation().RemoveSegment("liver")
    assert len(segmentation()) > 1
    panel.ui.registerButton.click()
    assert "Registered" in panel.ui.statusLabel.text
    assert "No liver was given" in panel.ui.statusLabel.text


def test_what_is_doubtful_of_a_registration_comes_with_the_result(panel):
    """Its warnings come with the measurement; once the transform is changed by hand, its quality is not known."""
    import slicer
    from builders.panel_actions import choose_data

    add_pet("IV", 1.0)
    choose_data(panel.ui.protocolComboBox, "ia-versus-iv")
    panel.parameters.segmentation.GetSegmentation().GetSegment("liver").SetName("something")
    panel.ui.registerButton.click()
    panel.parameters.segmentation.GetSegmentation().GetSegment("liver").SetName("liver")
    panel.ui.applyButton.click()
    assert "IA: No liver was given" in panel.ui.statusLabel.text
    assert "body overlap" in cells(panel.ui.registrationTable)[1][3]
    transform = panel.parameters.transform
    matrix = slicer.util.arrayFromTransformMatrix(transform)
    matrix[2, 3] += 0.5
    slicer.util.updateTransformMatrixFromArray(transform, matrix)
    panel.refresh()
    assert cells(panel.ui.registrationTable)[1][3] == ""
    panel.ui.applyButton.click()
    assert "No liver was given" not in panel.ui.statusLabel.text


@pytest.mark.slow
def test_bending_that_does_not_pay_is_refused_and_said(panel):
    panel.ui.bendCheckBox.checked = True
    assert panel.parameters.bend
    panel.ui.registerButton.click()
    assert "The rigid registration was kept. Bending the liver hardly fits" in panel.ui.statusLabel.text
    assert panel.parameters.transform.GetClassName() == "vtkMRMLLinearTransformNode"
    panel.parameters.segmentation.GetSegmentation().RemoveSegment("liver")
    panel.ui.registerButton.click()
    assert "limited to the liver" in panel.ui.statusLabel.text


def test_a_pet_next_to_its_ct_is_reported_with_the_result(panel):
    """Neither a visit that was not registered nor a PET that was moved against its own CT is measured in silence."""
    import slicer
    from builders.panel_actions import choose_data

    add_pet("IV", 1.0)
    choose_data(panel.ui.protocolComboBox, "ia-versus-iv")
    panel.ui.applyButton.click()
    assert "'IA' seems to lie" in panel.ui.statusLabel.text
    panel.ui.registerButton.click()
    panel.ui.applyButton.click()
    assert "seems to lie" not in panel.ui.statusLabel.text
    node = slicer.util.getNode("PET IA")
    node.SetOrigin(np.add(node.GetOrigin(), [0.0, 0.0, 16.0]))
    panel.ui.applyButton.click()
    assert "seems to lie" in panel.ui.statusLabel.text
    assert "color" in panel.ui.statusLabel.styleSheet
