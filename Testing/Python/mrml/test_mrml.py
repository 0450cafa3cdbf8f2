"""Nodes and science objects are the same thing twice: nothing is lost on the way there, back, or through a file."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

OBLIQUE = np.array([[-1.5, 0.2, 0.0, 30.0], [0.1, -1.4, 0.3, -12.0], [0.0, 0.2, 3.0, 7.0], [0, 0, 0, 1.0]])


@pytest.fixture
def volume():
    rng = np.random.default_rng(3)
    when = datetime(2026, 10, 25, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    return Volume(rng.random((4, 5, 6)), OBLIQUE, "activity concentration", "Bq/ml", when, {"series": "1.2.3"})


@pytest.fixture
def segmentation():
    big = np.zeros((8, 9, 10), bool)
    big[1:7, 1:8, 1:9] = True
    small = np.zeros_like(big)
    small[2:4, 3:5, 4:6] = True
    return Segmentation(
        Grid(big.shape, OBLIQUE),
        (
            Segment.from_full("liver", big, role="organ", structure="liver", color=(0.8, 0.4, 0.3)),
            Segment.from_full("L1", small, role="target", lobe="left", lesion_id="L1", tags={"PRRT.Reason": "largest"}),
            Segment("empty", np.zeros((0, 0, 0), bool), role="lesion", lobe="none"),
        ),
    )


def same(one: Segmentation, other: Segmentation) -> None:
    assert one.grid.matches(other.grid)
    assert [s.name for s in one] == [s.name for s in other]
    for a, b in zip(one, other, strict=True):
        assert (a.role, a.lobe, a.lesion_id, a.structure) == (b.role, b.lobe, b.lesion_id, b.structure)
        assert a.color == pytest.approx(b.color, abs=1e-5)
        assert a.tags.get("PRRT.Reason") == b.tags.get("PRRT.Reason")
        assert np.array_equal(a.full_mask(one.grid.shape), b.full_mask(one.grid.shape))


def test_volume_round_trip(scene, volume):
    from PRRTUptakeLib.mrml.volumes import node_from_volume, volume_from_node

    back = volume_from_node(node_from_volume(volume, "SPECT"))
    assert np.array_equal(back.array, volume.array)
    assert np.allclose(back.ijk_to_ras, OBLIQUE)
    assert (back.quantity, back.units) == (volume.quantity, volume.units)
    assert back.reference_time == volume.reference_time
    assert dict(back.provenance) == {"series": "1.2.3"}


@pytest.mark.parametrize("note", ["{broken", '{"weight_kg": -3, "reason": "x"}', "[]"])
def test_a_note_of_stated_values_that_was_spoilt_is_refused_by_name(scene, volume, note):
    from PRRTUptakeLib.errors import PRRTError
    from PRRTUptakeLib.mrml.dicom_nodes import STATED_ATTRIBUTE, stated_values
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    node = node_from_volume(volume, "SPECT")
    assert stated_values(node) is None
    node.SetAttribute(STATED_ATTRIBUTE, note)
    with pytest.raises(PRRTError, match="the image 'SPECT'"):
        stated_values(node)


def test_older_spelling_of_suv_units_is_read(scene, volume):
    import slicer
    from PRRTUptakeLib.mrml.volumes import node_from_volume, volume_from_node

    node = node_from_volume(volume, "PET")
    units = slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("{SUVbw}g/ml", "UCUM", "SUV")
    node.SetVoxelValueUnits(units)
    assert volume_from_node(node).units == "g/ml{SUVbw}"


def test_segmentation_round_trip(scene, segmentation):
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node

    same(segmentation, segmentation_from_node(node_from_segmentation(segmentation, "patient")))


def test_segmentation_file_round_trip(scene, segmentation, tmp_path):
    from PRRTUptakeLib.mrml.segmentations import (
        node_from_segmentation,
        read_segmentation_file,
        write_segmentation_file,
    )

    path = tmp_path / "patient.seg.nrrd"
    write_segmentation_file(node_from_segmentation(segmentation, "patient"), path)
    same(segmentation, read_segmentation_file(path))


def test_scene_bundle_round_trip(scene, volume, segmentation, tmp_path):
    import slicer
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node
    from PRRTUptakeLib.mrml.volumes import node_from_volume, volume_from_node

    node_from_volume(volume, "SPECT")
    node_from_segmentation(segmentation, "patient")
    assert scene.WriteToMRB(str(tmp_path / "patient.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "patient.mrb"))
    back = volume_from_node(slicer.util.getNode("SPECT"))
    assert (back.quantity, back.units, back.reference_time) == (volume.quantity, volume.units, volume.reference_time)
    same(segmentation, segmentation_from_node(slicer.util.getNode("patient")))


def test_parent_transform_moves_the_geometry(scene, volume, segmentation):
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node
    from PRRTUptakeLib.mrml.volumes import node_from_volume, volume_from_node, vtk_matrix

    shift = np.eye(4)
    shift[:3, 3] = [10.0, -4.0, 2.5]
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    transform.SetMatrixTransformToParent(vtk_matrix(shift))
    image, segments = node_from_volume(volume, "SPECT"), node_from_segmentation(segmentation, "patient")
    image.SetAndObserveTransformNodeID(transform.GetID())
    segments.SetAndObserveTransformNodeID(transform.GetID())
    assert np.allclose(volume_from_node(image).ijk_to_ras, shift @ OBLIQUE)
    assert np.allclose(segmentation_from_node(segments).grid.ijk_to_ras, shift @ OBLIQUE)


def test_edit_in_slicer_is_seen(scene, segmentation):
    """As the Segment Editor does: the labelmap of a segment is replaced through Slicer's own function."""
    import slicer
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    node = node_from_segmentation(segmentation, "patient")
    image = node_from_volume(Volume(np.zeros(segmentation.grid.shape), OBLIQUE), "CT")
    edited = np.zeros(segmentation.grid.shape, np.uint8)
    edited[5:7, 2:4, 1:3] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(edited, node, "L1", image)
    assert np.array_equal(segmentation_from_node(node)["L1"].full_mask(edited.shape), edited.astype(bool))


@pytest.mark.parametrize("what", ["nothing", "no image", "no segments"])
def test_unusable_nodes_are_named(scene, what):
    from PRRTUptakeLib.mrml.errors import NodeError
    from PRRTUptakeLib.mrml.segmentations import segmentation_from_node
    from PRRTUptakeLib.mrml.volumes import volume_from_node

    if what == "nothing":
        with pytest.raises(NodeError, match="No scalar volume is selected"):
            volume_from_node(None)
    elif what == "no image":
        with pytest.raises(NodeError, match="'CT' holds no image"):
            volume_from_node(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT"))
    else:
        with pytest.raises(NodeError, match="'S' has no segments"):
            segmentation_from_node(scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S"))
