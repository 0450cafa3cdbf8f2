"""Pictures of slices are where they say; the plane follows its handles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.review.slices import (
    AXES,
    COLOUR_MAPS,
    Frame,
    coloured,
    fused,
    mask_on,
    moved_plane,
    outline,
    plane_line,
    sampled,
    turned_plane,
    value_at,
    window_grey,
)
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segment

CENTRE = np.array([5.0, -10.0, 30.0])
MATRIX = np.array([[-3.0, 0, 0, 60], [0, -4.0, 0, 70], [0, 0, 5.0, -20], [0, 0, 0, 1]])


def ramp(shape=(24, 40, 44), gradient=(2.0, -3.0, 5.0)) -> Volume:
    """An image whose value at x, y, z is 2 x - 3 y + 5 z."""
    k, j, i = np.indices(shape)
    points = Grid(shape, MATRIX).to_ras(np.stack([i, j, k], axis=-1))
    return Volume((points @ np.array(gradient)).astype(np.float32), MATRIX, "a", "1")


@pytest.mark.parametrize("view", AXES)
def test_a_pixel_shows_the_value_of_its_place(view):
    frame = Frame(view, CENTRE, 60.0, 32)
    expected = frame.centres() @ np.array([2.0, -3.0, 5.0])
    assert np.allclose(sampled(ramp(), frame), expected, atol=1e-3)


def test_the_patients_right_is_on_the_left_and_front_and_head_are_on_top():
    for view, (right, top) in {"axial": ((1, 0, 0), (0, 1, 0)), "coronal": ((1, 0, 0), (0, 0, 1))}.items():
        frame = Frame(view, CENTRE, 100.0)
        assert frame.to_screen(CENTRE + 10 * np.array(right))[0] == pytest.approx(0.4)
        assert frame.to_screen(CENTRE + 10 * np.array(top))[1] == pytest.approx(0.4)
    sagittal = Frame("sagittal", CENTRE, 100.0)
    assert sagittal.to_screen(CENTRE + np.array([0, 10, 0]))[0] == pytest.approx(0.4)


def test_outside_the_image_there_is_nothing():
    frame = Frame("axial", np.array([500.0, 0, 0]), 40.0, 8)
    assert np.isnan(sampled(ramp(), frame)).all()
    assert value_at(ramp(), np.array([500.0, 0, 0])) is None
    assert window_grey(np.array([np.nan, 0.0, 5.0, 10.0, 99.0]), 0.0, 10.0).tolist() == [0, 0, 127, 255, 255]


def test_the_value_at_the_crosshair_is_that_of_the_voxel():
    image = ramp()
    position = image.grid.to_ras(np.array([[20, 15, 10]]))[0]
    assert value_at(image, position + np.array([1.4, -1.9, 2.4])) == float(image.array[10, 15, 20])


def test_a_frame_moved_through_a_position_keeps_its_field_of_view():
    frame = Frame("coronal", CENTRE, 80.0).through(np.array([99.0, 3.0, -40.0]))
    assert frame.centre.tolist() == [5.0, 3.0, 30.0]


def test_another_space_is_reached_through_its_matrix():
    shift = np.eye(4)
    shift[:3, 3] = [6.0, -4.0, 5.0]
    frame = Frame("axial", CENTRE, 60.0, 16)
    assert np.allclose(sampled(ramp(), frame, shift) - sampled(ramp(), frame), 2 * 6 + 3 * 4 + 5 * 5, atol=1e-3)


def test_a_mask_on_a_frame_has_the_area_of_the_segment():
    grid = Grid((24, 40, 44), MATRIX)
    box = Segment("box", np.ones((4, 10, 8), bool), origin=(8, 15, 12))
    middle = grid.to_ras(np.array([[12 + 3.5, 15 + 4.5, 8 + 1.5]]))[0]
    for view, area in {"axial": 10 * 4 * 8 * 3, "coronal": 4 * 5 * 8 * 3, "sagittal": 4 * 5 * 10 * 4}.items():
        frame = Frame(view, middle, 80.0, 160)
        assert mask_on(box, grid, frame).sum() * 0.25 == pytest.approx(area, rel=0.02)
    assert not mask_on(box, grid, Frame("axial", middle + np.array([0, 0, 30.0]), 80.0)).any()


def test_an_outline_is_as_long_as_the_border():
    mask = np.zeros((20, 20), bool)
    mask[3:9, 4:15] = True
    mask[5:7, 8:10] = False
    path = outline(mask)
    numbers = path.replace("M", " M").split()
    length = 0
    for place, end in zip(numbers[::2], numbers[1::2], strict=True):
        line, stop = end.split("H") if "H" in end else end.split("V")
        length += int(stop) - (int(place[1:]) if "H" in end else int(line))
    assert length == 2 * (6 + 11) + 2 * (2 + 2)
    assert outline(np.zeros((4, 4), bool)) == ""


def test_colours_are_laid_over_grey_by_their_opacity():
    grey, colour = np.full((2, 2), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert (fused(grey, colour, None, 0.25) == 125).all()
    assert (fused(grey, None, None, 0.25) == 100).all()
    assert (fused(grey, colour, np.zeros((2, 2)), 1.0) == 100).all()
    for name, nodes in COLOUR_MAPS.items():
        ends = coloured(np.array([0.0, 7.0]), 0.0, 7.0, name)
        assert [tuple(one) for one in ends.tolist()] == [nodes[0], nodes[-1]]


# The plane


@pytest.mark.parametrize("view", AXES)
def test_the_line_and_the_handles_are_on_the_plane(view):
    plane = Plane((8.0, -4.0, 25.0), (0.8, 0.5, -0.33))
    frame = Frame(view, CENTRE, 120.0)
    line = plane_line(plane, frame)
    for place in (line.first, line.last, line.middle, line.turn_first, line.turn_last):
        assert (frame.to_ras(*place) - plane.origin_ras) @ plane.normal_ras == pytest.approx(0, abs=1e-9)
    for u, v in (line.first, line.last):
        assert min(u, v, 1 - u, 1 - v) == pytest.approx(0, abs=1e-12)


def test_the_half_of_the_right_lobe_is_on_the_patients_right_whichever_way_the_normal_points():
    frame = Frame("axial", CENTRE, 120.0)
    for normal in ((1.0, 0.2, 0.0), (-1.0, -0.2, 0.0)):
        line = plane_line(Plane(CENTRE, normal), frame)
        u = np.mean([one[0] for one in line.right_side])
        assert u < 0.5
        assert len(line.right_side) == 4


def test_a_plane_next_to_the_frame_or_along_it_has_no_line():
    frame = Frame("axial", CENTRE, 50.0)
    assert plane_line(Plane(CENTRE + np.array([200, 0, 0]), (1, 0, 0)), frame) is None
    assert plane_line(Plane(CENTRE, (0, 0, 1)), frame) is None


@pytest.mark.parametrize("view", AXES)
def test_a_plane_that_is_moved_passes_through_the_place_and_keeps_its_direction(view):
    plane, frame = Plane((8.0, -4.0, 25.0), (0.8, 0.5, -0.33)), Frame(view, CENTRE, 120.0)
    moved = moved_plane(plane, frame, (0.31, 0.62))
    assert (frame.to_ras(0.31, 0.62) - moved.origin_ras) @ moved.normal_ras == pytest.approx(0, abs=1e-9)
    assert np.allclose(moved.normal_ras, plane.normal_ras)


@pytest.mark.parametrize("view", AXES)
def test_a_plane_that_is_turned_keeps_its_middle_and_passes_through_the_place(view):
    plane, frame = Plane((8.0, -4.0, 25.0), (0.8, 0.5, -0.33)), Frame(view, CENTRE, 120.0)
    pivot = frame.to_ras(*plane_line(plane, frame).middle)
    turned = turned_plane(plane, frame, (0.7, 0.2))
    for point in (pivot, frame.to_ras(0.7, 0.2)):
        assert (point - turned.origin_ras) @ turned.normal_ras == pytest.approx(0, abs=1e-9)
    assert turned.normal_ras @ plane.normal_ras > 0
    assert turned.normal_ras @ frame.normal == pytest.approx(plane.normal_ras @ frame.normal)


def test_a_handle_that_is_dragged_to_where_it_is_changes_nothing():
    plane, frame = Plane((8.0, -4.0, 25.0), (0.8, 0.5, -0.33)), Frame("axial", CENTRE, 120.0)
    line = plane_line(plane, frame)
    for handle in (line.turn_first, line.turn_last):
        assert np.allclose(turned_plane(plane, frame, handle).normal_ras, plane.normal_ras)
    angle = math.degrees(math.acos(min(1.0, turned_plane(plane, frame, (0.9, 0.9)).normal_ras @ plane.normal_ras)))
    assert angle <= 90.0
