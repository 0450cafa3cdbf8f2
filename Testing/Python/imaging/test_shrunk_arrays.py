"""Images are shrunk some planes at a time: the same as ITK makes of the whole, without a copy of it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from PRRTUptakeLib.imaging import itk_images
from PRRTUptakeLib.imaging.itk_images import itk_image, shrunk, shrunk_array
from PRRTUptakeLib.imaging.volume import Grid
from scipy.spatial.transform import Rotation


@pytest.mark.parametrize("kind", ["float32", "int16", "mask"])
@pytest.mark.parametrize(("shape", "spacing"), [((61, 40, 53), (1.37, 1.37, 2.0)), ((20, 31, 33), (4.1, 3.9, 5.0))])
def test_planes_together_are_what_itk_makes_of_the_whole(monkeypatch, kind, shape, spacing):
    monkeypatch.setattr(itk_images, "_PLANES_VOXELS", 9000)  # several parts
    random = np.random.default_rng(0)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [0.3, -0.7, 0.2]).as_matrix() @ np.diag(spacing)
    matrix[:3, 3] = (12.5, -80.0, 311.0)
    array = random.normal(0.0, 300.0, shape).astype(np.float32 if kind == "float32" else np.int16)
    if kind == "mask":
        array = random.random(shape) > 0.5
        array[:30] = False  # parts without anything are not computed
    found = shrunk_array(array, Grid(shape, matrix), 3.0)
    expected = shrunk(itk_image(array.astype(np.float32), Grid(shape, matrix)), 3.0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    for name in ("Spacing", "Origin", "Direction", "PixelID"):
        assert getattr(found, f"Get{name}")() == getattr(expected, f"Get{name}")()


def test_a_mask_is_not_copied_as_numbers(monkeypatch):
    monkeypatch.setattr(itk_images, "_PLANES_VOXELS", 20_000)
    mask = np.zeros((120, 100, 100), dtype=bool)
    mask[50:60, 40:60, 40:60] = True
    tracemalloc.start()
    try:
        shrunk_array(mask, Grid(mask.shape, np.eye(4)), 3.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mask.size, "a float32 copy takes four bytes a voxel"
