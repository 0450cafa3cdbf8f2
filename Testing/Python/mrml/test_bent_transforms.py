"""Images under transform nodes that bend space: measured where the transform says, without resampling."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.registration.result import DisplacementField, Registration
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

SHIFT_mm = 9.0
GRID = Grid((60, 80, 90), np.array([[5.0, 0, 0, -225], [0, 5.0, 0, -200], [0, 0, 5.0, -150], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def about_the_liver():
    """To the left by 9 mm about the liver, less and less away from it, on top of a small turn."""
    k, j, i = np.indices(GRID.shape)
    points = GRID.to_ras(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*GRID.shape, 3)
    beyond = np.clip((np.abs(points) - [140.0, 120.0, 110.0]) / 40.0, 0.0, 1.0).max(axis=-1)
    field = np.zeros((*GRID.shape, 3))
    field[..., 0] = -SHIFT_mm * (0.5 + 0.5 * np.cos(np.pi * beyond))
    matrix = np.eye(4)
    angle = np.radians(4.0)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = [5.0, -8.0, 3.0]
    return Registration("given", matrix, displacement=DisplacementField(GRID, field))


@pytest.fixture(scope="module")
def true(tmp_path_factory):
    """What a run without any transform measures."""
    from PRRTUptakeLib.mrml.run import measure_case

    case = write_synthetic_lutia(tmp_path_factory.mktemp("bent") / "patient", seed=3, blur=False, noise=False)
    return measure_case(case).visits[0]


def in_the_liver():
    return np.random.default_rng(0).uniform([-90, -70, -60], [90, 70, 60], (200, 3))


def test_a_node_propagates_points_as_the_registration_does(scene, about_the_liver):
    from PRRTUptakeLib.mrml.transforms import bends, node_from_registration, placed_volume, world_to_node

    moving = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    node = node_from_registration(about_the_liver, moving)
    assert not bends(moving)
    moving.SetAndObserveTransformNodeID(node.GetID())
    assert bends(moving)
    points = in_the_liver()
    np.testing.assert_allclose(world_to_node(moving)(points), about_the_liver.map_points(points), atol=0.02)
    with pytest.raises(Exception, match="holds no image"):
        placed_volume(moving)


def test_a_node_of_the_other_kind_gives_way(scene, about_the_liver):
    from dataclasses import replace

    from PRRTUptakeLib.mrml.transforms import node_from_registration

    moving = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    rigid = replace(about_the_liver, displacement=None)
    linear = node_from_registration(rigid, moving)
    bent = node_from_registration(about_the_liver, moving, linear)
    assert linear.GetScene() is None
    assert bent.GetScene() is not None
    assert node_from_registration(about_the_liver, moving, bent) is bent
    again = node_from_registration(rigid, moving, bent)
    assert bent.GetScene() is None
    assert again.IsTransformToWorldLinear()


def test_an_image_that_was_bent_is_measured_where_it_shows_the_lesions(scene, true, about_the_liver, tmp_path):
    """The image is put elsewhere in its own coordinates; its parent transform mends that about the liver."""
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.registration import registration_of
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation
    from PRRTUptakeLib.mrml.volumes import node_from_volume

    shift = np.eye(4)
    shift[0, 3] = -SHIFT_mm
    image = true.image.with_values(true.image.array)
    object.__setattr__(image, "ijk_to_ras", about_the_liver.fixed_to_moving @ shift @ true.image.ijk_to_ras)
    node = node_from_volume(image, "SPECT")
    path = tmp_path / "elastix.h5"
    sitk.WriteTransform(about_the_liver.to_itk(), str(path))
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    storage = scene.AddNewNodeByClass("vtkMRMLTransformStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(transform)
    node.SetAndObserveTransformNodeID(transform.GetID())
    segments = node_from_segmentation(true.prepared.segmentation, "Segments")
    logic = UptakeLogic(protocol="lutia")
    logic.measure(node, segments, None, treatedLobe="left")
    found = {target.lesion_id: target.tumour for target in logic.result.targets}
    assert found == pytest.approx({target.lesion_id: target.tumour for target in true.targets}, rel=0.01)
    note, points = registration_of(node), in_the_liver()
    np.testing.assert_allclose(note.map_points(points), about_the_liver.map_points(points), atol=0.1)
    node.SetAndObserveTransformNodeID(None)
    logic.measure(node, segments, None, treatedLobe="left")
    moved = {target.lesion_id: target.tumour for target in logic.result.targets}
    assert max(abs(moved[name] / value - 1.0) for name, value in found.items()) > 0.1
