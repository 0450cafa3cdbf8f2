"""Masks that were cropped, each to its structure or all to one box, are measured as whole ones."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders.contour_objects import grid_of, small_ct
from PRRTUptakeLib.imaging.itk_images import itk_image
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.segmentation.regrid import covering_grid, same_lattice
from PRRTUptakeLib.study.images import contour_series
from PRRTUptakeLib.study.segment_files import read_segments

BOXES = {"liver": (slice(2, 9), slice(5, 30), slice(6, 33)), "spleen": (slice(3, 7), slice(20, 34), slice(34, 42))}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return small_ct(tmp_path_factory.mktemp("ct"))


def written(folder, grid, boxes):
    """Masks of the boxes, each file cropped to a box of its own."""
    folder.mkdir()
    for name, crop in boxes.items():
        full = np.zeros(grid.shape, np.uint8)
        full[BOXES[name]] = 1
        k, j, i = crop
        image = itk_image(full, grid)[i.start : i.stop, j.start : j.stop, k.start : k.stop]
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    return folder


def test_masks_cropped_each_to_its_structure_are_read_on_the_image(tmp_path, series):
    """They were refused, since one was outside the other's box."""
    grid = grid_of(series)
    folder = written(tmp_path / "each", grid, BOXES)
    alone = read_segment_folder(folder)
    assert alone.grid.shape == (7, 29, 36)
    found = read_segments(folder, series)
    assert found.grid.matches(grid)
    for name, box in BOXES.items():
        assert found[name].cropped().box == box
        assert found[name].voxel_count == np.prod([part.stop - part.start for part in box])
        assert alone[name].voxel_count == found[name].voxel_count


def test_masks_cropped_to_one_box_are_read_on_the_image(tmp_path, series):
    """At the end of the box the liver has a rim, as elsewhere."""
    grid = grid_of(series)
    box = (slice(2, 9), slice(5, 34), slice(6, 42))
    found = read_segments(written(tmp_path / "one", grid, dict.fromkeys(BOXES, box)), series)
    assert found.grid.matches(grid)
    assert found["liver"].cropped().box == BOXES["liver"]


def test_grids_whose_corners_alone_fall_on_voxels_have_other_voxels():
    """255 steps of 2 mm are 340 of 1.5 mm."""
    one, other = (Grid((4, 4, 256), np.diag([step, 1.5, 3.0, 1.0])) for step in (1.5, 2.0))
    assert not same_lattice(one, other)
    assert covering_grid(one, [other]).matches(one)


def test_the_image_of_cropped_masks_is_the_one_that_holds_their_voxels(tmp_path, series):
    """`prrt check` said that no image of several had their grid, though a run found it."""
    (ct,) = series
    (other,) = small_ct(tmp_path / "other", spacing=(2.5, 2.5, 3.0))
    grid = grid_of(series)
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] = grid.to_ras(np.array([6.0, 5.0, 2.0]))
    cropped = Grid((7, 29, 36), matrix)
    assert contour_series([other, ct], cropped) is ct
    assert contour_series([ct, ct], cropped) is None
