"""A mask grown by a distance holds every voxel within it, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.dilation import SAME_MM, grown_mask
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.bounding_box import grown, within_mm
from PRRTUptakeLib.segmentation.segments import Segment
from scipy.ndimage import binary_dilation, distance_transform_edt

EDGE_mm = 4.8
GRID = Grid((23, 31, 27), np.diag([EDGE_mm, EDGE_mm, EDGE_mm, 1.0]))


def _ball(radius: float) -> np.ndarray:
    k, j, i = np.indices(GRID.shape)
    return (k - 11) ** 2 + (j - 15) ** 2 + (i - 13) ** 2 <= radius**2


def test_a_margin_of_one_voxel_takes_in_all_that_touch_by_a_face():
    """SimpleITK 2.5.7's distance map has 4.79999 or 4.800003 for one voxel of 4.8 mm, by where it is."""
    ball = _ball(7.0)
    wide = within_mm(GRID, ball, EDGE_mm)
    assert np.array_equal(wide, binary_dilation(ball))
    assert np.array_equal(wide, wide[::-1, ::-1, ::-1])
    segment = grown(GRID, Segment.from_full("ball", ball), EDGE_mm)
    assert segment.voxel_count == wide.sum()


@pytest.mark.parametrize("margin_mm", [0.5, 2.4, 4.8, 9.6, 14.4, 21.3, 40.0])
@pytest.mark.parametrize("spacing_mm", [(4.8, 4.8, 4.8), (2.4, 4.8, 4.8), (5.0, 1.17, 1.17)])
def test_voxels_within_a_margin_are_those_of_exact_distances(spacing_mm, margin_mm):
    """Also where a distance map is the faster way, and in scattered voxels up to the array's end."""
    some = np.random.default_rng(1).random((14, 21, 17)) < 0.003
    exact = distance_transform_edt(~some, sampling=spacing_mm)
    assert np.array_equal(grown_mask(some, spacing_mm, margin_mm), exact <= margin_mm + SAME_MM)


def test_nothing_is_within_reach_of_an_empty_mask():
    for margin_mm in (3.0, 60.0):
        assert not grown_mask(np.zeros((9, 9, 9), bool), (1.0, 1.0, 1.0), margin_mm).any()
