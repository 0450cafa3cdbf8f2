"""Images in the views: layers, colours, units, the visit's own segments, and the liver in the middle."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from builders.panel_scene import add_ct, add_patient


@pytest.fixture
def views(scene):
    """Three slice views of 300 x 200 pixels."""
    made = []
    for name in ("Red", "Yellow", "Green"):
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            node = scene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetLayoutName(name)
            made.append(scene.AddNode(node))
        made[-2].SetDimensions(300, 200, 1)
    yield made
    for node in made:
        scene.RemoveNode(node)


@pytest.fixture
def patient(views):
    from PRRTUptakeLib.mrml.images import SEGMENTATION_ROLE

    (first, second), segments = add_patient(("24h", "72h"))
    first.SetNodeReferenceID(SEGMENTATION_ROLE, segments.GetID())
    return first, second, segments, add_ct("24h")


def test_an_image_is_warm_on_the_ct_of_its_visit_with_its_units(patient, views):
    from PRRTUptakeLib.mrml.views import show_image

    first, _second, _segments, ct = patient
    show_image(first)
    for composite in views[1::2]:
        assert composite.GetBackgroundVolumeID() == ct.GetID()
        assert composite.GetForegroundVolumeID() == first.GetID()
        assert composite.GetForegroundOpacity() == pytest.approx(0.4)
    display = first.GetDisplayNode()
    assert "Heat" in display.GetColorNode().GetName() or "Iron" in display.GetColorNode().GetName()
    assert display.GetWindowLevelMin() == 0
    assert 0 < display.GetWindowLevelMax() <= 40000
    legends = [one for one in slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode") if one.GetVisibility()]
    assert [one.GetTitleText() for one in legends] == ["Bq/mL"]


def test_segments_and_planes_of_other_visits_are_hidden(patient, scene):
    from builders.panel_scene import segmentation
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.views import show_image

    first, second, segments, _ct = patient
    other = node_from_segmentation(segmentation(), "others")
    plane = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "plane")
    plane.CreateDefaultDisplayNodes()
    show_image(second, other)
    assert [bool(node.GetDisplayNode().GetVisibility()) for node in (segments, other, plane)] == [False, True, False]
    show_image(first)
    assert [bool(node.GetDisplayNode().GetVisibility()) for node in (segments, other, plane)] == [True, False, False]


def test_views_are_centred_on_the_liver_and_show_all_of_it(patient, views):
    from PRRTUptakeLib.mrml.views import liver_box, show_image

    first, _second, segments, _ct = patient
    show_image(first)
    low, high = liver_box(segments)
    assert high - low == pytest.approx([216, 136, 128], abs=8)
    for view in views[::2]:
        matrix = view.GetSliceToRAS()
        centre = [matrix.GetElement(row, 3) for row in range(3)]
        assert centre == pytest.approx((low + high) / 2, abs=5)
        width, height, _depth = view.GetFieldOfView()
        assert width / height == pytest.approx(1.5)
        assert 100 < height < 400


def test_a_moved_liver_is_found_where_it_is(patient):
    import numpy as np
    from PRRTUptakeLib.mrml.views import liver_box
    from PRRTUptakeLib.mrml.volumes import vtk_matrix

    segments = patient[2]
    before, motion = liver_box(segments), np.eye(4)
    motion[:3, 3] = 10, 20, 30
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "t")
    transform.SetMatrixTransformToParent(vtk_matrix(motion))
    segments.SetAndObserveTransformNodeID(transform.GetID())
    assert liver_box(segments) - before == pytest.approx(np.tile([10, 20, 30], (2, 1)))


def test_a_scene_of_prrt_opens_with_images_segments_and_charts(scene, tmp_path):
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.results import result_chart
    from PRRTUptakeLib.mrml.scene import place_beside, place_in_study
    from PRRTUptakeLib.mrml.scene_bundle import write_bundle
    from PRRTUptakeLib.mrml.views import show_scene

    (image,), segments = add_patient()
    ct = add_ct("24h")
    place_in_study("P", "MRI", [segments])
    place_in_study("P", "24h", [image, ct])
    table = UptakeLogic().measure(image, segments)
    place_beside(image, [segments, table, *result_chart(table)], "P", "24h")
    show_scene()
    write_bundle(tmp_path / "one.mrb")
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "one.mrb"))
    shown = {
        (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID())
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    }
    assert shown == {(slicer.util.getNode("CT 24h").GetID(), slicer.util.getNode("SPECT 24h").GetID())}
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    def above(node):
        return hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)))

    own = slicer.util.getNode("Segments")
    assert above(own) == "MRI"  # segments stay in their study
    assert (
        hierarchy.GetNumberOfItemChildren(hierarchy.GetItemByDataNode(own))
        == own.GetSegmentation().GetNumberOfSegments()
    )
    plots = [
        *slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode"),
        *slicer.util.getNodesByClass("vtkMRMLPlotChartNode"),
    ]
    assert {above(node) for node in plots} == {"24h"}
    for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
        for node in list(slicer.util.getNodesByClass(kind)):
            scene.RemoveNode(node)


@pytest.mark.parametrize(("across", "least"), [(2, 0.6), (4, 0.9)])
def test_the_surface_of_a_small_lesion_is_as_large_as_the_lesion(scene, across, least):
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.mrml.review_3d import make_surfaces
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

    mask = np.zeros((14, 14, 14), dtype=bool)
    mask[5 : 5 + across, 5 : 5 + across, 5 : 5 + across] = True
    grid = Grid(mask.shape, np.diag([4.0, 4.0, 4.0, 1.0]))
    node = node_from_segmentation(Segmentation(grid, (Segment("L1", mask, role="lesion"),)), "Review")
    make_surfaces(node)
    surface, triangles, measured = vtk.vtkPolyData(), vtk.vtkTriangleFilter(), vtk.vtkMassProperties()
    node.GetClosedSurfaceRepresentation(node.GetSegmentation().GetNthSegmentID(0), surface)
    triangles.SetInputData(surface)
    measured.SetInputConnection(triangles.GetOutputPort())
    assert least < measured.GetVolume() / (mask.sum() * 64.0) <= 1.0


def test_a_ct_opens_in_the_window_of_the_abdomen_and_an_image_of_no_known_quantity_as_slicer_finds_best(scene):
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    values = np.linspace(-1000, 1000, 1000, dtype=np.float32).reshape(10, 10, 10)
    ct = node_from_volume(Volume(values, np.eye(4), "attenuation", "[hnsf'U]"), "CT").GetDisplayNode()
    mri = node_from_volume(Volume(values, np.eye(4)), "MRI").GetDisplayNode()
    assert not ct.GetAutoWindowLevel()
    assert (ct.GetWindowLevelMin(), ct.GetWindowLevelMax()) == (-110.0, 190.0)
    assert mri.GetAutoWindowLevel()
    assert mri.GetWindowLevelMax() - mri.GetWindowLevelMin() > 1000
