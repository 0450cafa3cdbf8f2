"""A visit's own segments and its image: moved together they are measured as before, moved apart they are refused."""

from __future__ import annotations

import numpy as np
import pytest
from builders.panel_scene import activity, segmentation

MOTIONS = ("nothing", "transform", "nested", "hardened", "hardened under a transform")
PARTS = ("image", "segments", "both")


@pytest.fixture
def visit(scene):
    """An image and the segments that were drawn on its visit."""
    from PRRTUptakeLib.mrml.images import SEGMENTATION_ROLE, describe_image
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    image = node_from_volume(activity(), "SPECT 24h")
    describe_image(image, visit="24h", hours=24.0)
    segments = node_from_segmentation(segmentation(), "Segments 24h")
    image.SetNodeReferenceID(SEGMENTATION_ROLE, segments.GetID())
    return image, segments


def rigid(degrees: float = 7.0, shift=(9.0, -6.0, 15.0)) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = shift
    return matrix


def transform_node(scene, matrix):
    from PRRTUptakeLib.mrml.volumes import vtk_matrix

    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(vtk_matrix(matrix))
    return node


def harden(node, matrix):
    """As Slicer does: the motion becomes part of the node's own geometry."""
    import vtk
    from PRRTUptakeLib.mrml.volumes import vtk_matrix

    transform = vtk.vtkTransform()
    transform.SetMatrix(vtk_matrix(matrix))
    node.ApplyTransform(transform)


def move(scene, nodes, motion):
    if motion == "nothing":
        return
    if motion.startswith("hardened"):
        for node in nodes:
            harden(node, rigid())
    if motion != "hardened":
        parent = transform_node(scene, rigid(-4.0, (2.0, 3.0, -8.0)))
        if motion == "nested":
            inner = transform_node(scene, rigid())
            inner.SetAndObserveTransformNodeID(parent.GetID())
            parent = inner
        for node in nodes:
            node.SetAndObserveTransformNodeID(parent.GetID())


def measured(image, segments):
    from PRRTUptakeLib.mrml.logic import UptakeLogic

    logic = UptakeLogic("lutia")
    logic.protocol = _small(logic.protocol)
    logic.measure(image, segments, None, "left", visit="24h")
    return {(row.region, row.metric): row.value for row in logic.measured.rows}


def _small(protocol):
    from dataclasses import replace

    return replace(protocol, targets=replace(protocol.targets, minimum_diameter_mm=20.0))


@pytest.mark.parametrize("motion", MOTIONS[1:])
def test_moved_together_nothing_changes(scene, visit, motion):
    before = measured(*visit)
    move(scene, visit, motion)
    again = measured(*visit)
    assert set(again) == set(before)
    # The same transform above both is not even looked at; what is hardened goes through Slicer's own arithmetic.
    exactly = motion in ("transform", "nested")
    assert again == (before if exactly else pytest.approx(before, rel=3e-3, abs=1e-3))


@pytest.mark.parametrize("motion", MOTIONS[1:])
@pytest.mark.parametrize("part", [0, 1], ids=["image", "segments"])
def test_moved_apart_is_refused(scene, visit, motion, part):
    from PRRTUptakeLib.errors import PRRTError

    move(scene, visit[part : part + 1], motion)
    with pytest.raises(PRRTError, match="put both under the same transform") as caught:
        measured(*visit)
    assert "'SPECT 24h'" in str(caught.value)
    assert "'Segments 24h'" in str(caught.value)


def test_bent_apart_is_refused_and_bent_together_changes_nothing(scene, visit):
    import vtk
    from PRRTUptakeLib.errors import PRRTError

    before = measured(*visit)
    points, targets = vtk.vtkPoints(), vtk.vtkPoints()
    for place in ((-90, 0, 0), (90, 0, 0), (0, 70, 0), (0, -70, 0), (0, 0, 60), (0, 0, -60)):
        points.InsertNextPoint(place)
        targets.InsertNextPoint(place[0] * 1.08, place[1], place[2] + 5.0)
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(targets)
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(spline)
    image, segments = visit
    image.SetAndObserveTransformNodeID(node.GetID())
    with pytest.raises(PRRTError, match="put both under the same transform"):
        measured(image, segments)
    segments.SetAndObserveTransformNodeID(node.GetID())
    assert measured(image, segments) == before


def test_an_image_that_was_replaced_on_another_grid_is_no_motion(scene, visit):
    """Cropped or resampled in place: its geometry is another one, but nothing was moved."""
    image, _ = visit
    image.SetSpacing(*(2.0 * edge for edge in image.GetSpacing()))
    from PRRTUptakeLib.mrml.segmentations import segmentation_geometry
    from PRRTUptakeLib.mrml.transforms import require_together

    require_together(visit[1], segmentation_geometry(visit[1]), image)


def test_registering_moves_the_segments_of_the_visit(scene, visit):
    from PRRTUptakeLib.mrml.parent_transforms import move_by, nodes_of_visit

    image, segments = visit
    node = transform_node(scene, rigid())
    move_by(nodes_of_visit(image), node)
    assert image.GetParentTransformNode() is segments.GetParentTransformNode() is node
    move_by(nodes_of_visit(image), None)
    assert image.GetParentTransformNode() is segments.GetParentTransformNode() is None


def test_segments_of_two_visits_stay_where_they_were_drawn(scene, visit):
    from PRRTUptakeLib.mrml.images import SEGMENTATION_ROLE, describe_image
    from PRRTUptakeLib.mrml.parent_transforms import nodes_of_visit
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    image, segments = visit
    other = node_from_volume(activity(), "SPECT 72h")
    describe_image(other, visit="72h", hours=72.0)
    other.SetNodeReferenceID(SEGMENTATION_ROLE, segments.GetID())
    assert segments not in nodes_of_visit(other)
    segments.SetAttribute("PRRT.Visit", "24h")
    assert segments in nodes_of_visit(image)
    assert segments not in nodes_of_visit(other)
