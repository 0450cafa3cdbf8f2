"""Masks that are stored along other axes: the order in which they are measured, and the one in which they are shown."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.segmentation.storage_order import axial_axes, axial_grid, in_axial_order

MASK = np.zeros((4, 5, 6), bool)
MASK[1:3, 2, 3:5] = True
AXIAL = np.diag([-1.5, -1.5, 3.0, 1.0])


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_slices_that_are_shown_are_axial_however_the_mask_is_stored(axes, tilt):
    """Masks stored along coronal or sagittal planes were shown in these, under words on axial ones."""
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    matrix = (turn @ AXIAL)[:, [*[2 - axis for axis in axes[::-1]], 3]]
    grid = Grid(tuple(MASK.shape[axis] for axis in axes), matrix)
    segment = Segment.from_full("L1", MASK.transpose(axes))
    shown, placed = axial_grid(grid), in_axial_order(segment, grid)
    assert shown.shape == MASK.shape
    assert axial_axes(shown) == (0, 1, 2)
    assert np.array_equal(placed.full_mask(shown.shape), MASK)
    assert shown.ijk_to_ras == pytest.approx(turn @ AXIAL)
