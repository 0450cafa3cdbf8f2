"""What an emptied scene lets go of, so that a process that runs many patients does not keep the last one's images."""

from __future__ import annotations

import weakref

import numpy as np
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.mrml.scene import empty_scene
from PRRTUptakeLib.mrml.volumes import node_from_volume


def test_pixels_that_nodes_shared_go_with_the_scene(scene):
    array = np.zeros((3, 4, 5), dtype=np.float32)
    gone = weakref.ref(array)
    node_from_volume(Volume(array, np.eye(4)), "SPECT", shared=True)
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "without an image")
    del array
    assert gone() is not None  # shared
    empty_scene()
    assert gone() is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
