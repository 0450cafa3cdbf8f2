"""Diameters against analytic ellipsoids, turned at random: no bias from voxels, thin and thick slices."""

import numpy as np
import pytest
from builders.shapes import centred_grid, ellipsoid
from PRRTUptakeLib.segmentation.diameters import measure_size
from PRRTUptakeLib.segmentation.section_widths import width_by_sections
from PRRTUptakeLib.segmentation.segments import Segment

THIN, THICK = (0.78, 0.78, 1.5), (0.8, 0.8, 3.0)


def random_turn(rng):
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return turn * np.sign(np.linalg.det(turn))


def errors(spacing, half_axes, number, seed):
    """Measured minus true: greatest 3D diameter, longest axial diameter and the one across it."""
    rng, found = np.random.default_rng(seed), []
    grid = centred_grid(2 * max(half_axes) + 4 * max(spacing), spacing)
    for _ in range(number):
        turn = random_turn(rng)
        centre = rng.uniform(-0.5, 0.5, 3) * np.array(spacing)
        size = measure_size(grid, ellipsoid(grid, "L1", centre, half_axes, turn))
        # The greatest axial slice goes through the centre: the quadratic form without its third row and column.
        form = (turn @ np.diag(np.array(half_axes, float) ** -2) @ turn.T)[:2, :2]
        axial = 2 / np.sqrt(np.linalg.eigvalsh(form))
        found.append(
            (
                size.longest_3d_mm - 2 * max(half_axes),
                size.longest_axial_mm - axial[0],
                size.perpendicular_mm - axial[1],
            )
        )
    return np.array(found)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), THIN, THICK])
@pytest.mark.parametrize("half_axes", [(10, 10, 10), (20, 20, 20), (18, 12, 9)])
def test_diameters_have_no_bias(spacing, half_axes):
    found = errors(spacing, half_axes, 5, 1)
    mean = found.mean(axis=0)
    assert abs(mean[0]) < 0.5 * np.prod(spacing) ** (1 / 3)
    missed = 0.1 * max(spacing[2] - 1.5, 0.0)  # slices that miss the centre show less
    assert abs(mean[1]) < 0.3
    assert abs(mean[2]) < 0.3 + missed


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), THIN, THICK, (0.7, 0.7, 5.0)])
@pytest.mark.parametrize("half_axes", [(6, 6, 6), (15, 15, 15), (30, 30, 30), (15, 6, 6), (12, 9, 6), (25, 12, 8)])
def test_bias_and_scatter_of_many(spacing, half_axes):
    found = errors(spacing, half_axes, 12, 7)
    mean, scatter = found.mean(axis=0), found.std(axis=0)
    assert abs(mean[0]) < 0.5 * np.prod(spacing) ** (1 / 3)
    # Slices that miss the centre by up to half their distance show less than the greatest section.
    missed = 0.1 * max(spacing[2] - 1.5, 0.0)
    assert abs(mean[1]) < 0.3 + missed
    assert abs(mean[2]) < 0.3 + missed
    assert scatter[1] < 0.5 + missed / 2  # 0.63 mm seen on slices of 5 mm


@pytest.mark.parametrize("slice_mm", [3.0, 4.0, 5.0])
@pytest.mark.parametrize("diameter_mm", [8, 10, 12, 15, 20, 30])
def test_spheres_in_few_thick_slices(diameter_mm, slice_mm):
    """Positions of the centre between two slices: 12 mm on slices of 5 mm came 1.3 mm too long, 2.5 mm at most."""
    spacing, found = (0.8, 0.8, slice_mm), []
    grid = centred_grid(diameter_mm + 4 * slice_mm, spacing)
    positions = 8 if diameter_mm < 30 else 2
    for n in range(positions):
        centre = ((n / positions - 0.5) * slice_mm) * np.array([0.07, -0.05, 1.0])
        ball = ellipsoid(grid, "L1", centre, [diameter_mm / 2] * 3)
        found.append(measure_size(grid, ball).longest_3d_mm - diameter_mm)
    assert abs(np.mean(found)) < 0.3
    assert np.abs(found).max() < 0.5


@pytest.mark.parametrize("half_axes", [(6, 5, 4), (12, 9, 6), (15, 6, 6)])
def test_turned_ellipsoids_in_few_thick_slices(half_axes):
    found = errors((0.8, 0.8, 5.0), half_axes, 8, 11)[:, 0]
    assert abs(found.mean()) < 0.74  # half a voxel
    assert np.abs(found).max() < 1.5  # 13 mm before, where the hull alone decided


def test_sections_of_no_ellipsoid_are_left_to_the_hull():
    """A crescent, and two balls apart in the plane: areas say nothing on their greatest width."""
    grid = centred_grid(60.0, (0.8, 0.8, 5.0))
    one, other = (ellipsoid(grid, "L1", (x, 0, 0), (8, 8, 8)) for x in (-14, 14))
    mask = np.zeros(grid.shape, bool)
    for ball in (one, other):
        mask[tuple(slice(o, o + n) for o, n in zip(ball.origin, ball.mask.shape, strict=True))] |= ball.mask
    pair = Segment.from_full("L1", mask).cropped()
    assert width_by_sections(grid, pair) is None
    assert measure_size(grid, pair).longest_3d_mm == pytest.approx(44.0, abs=1.0)
    assert width_by_sections(centred_grid(30.0, (1, 1, 1.5)), one) is None  # slices thin enough for the hull


@pytest.mark.parametrize("length_mm", [15.0, 40.0])
def test_cylinders_in_few_thick_slices(length_mm):
    """Their areas are all alike: the hull says how long they are, within the slices' distance."""
    grid = centred_grid(60.0, (0.8, 0.8, 5.0))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.to_ras(index[..., ::-1].reshape(-1, 3)).reshape(*grid.shape, 3), -1, 0)
    for shift in (0.0, 1.7):
        mask = (x**2 + y**2 < 10.0**2) & (np.abs(z - shift) < length_mm / 2)
        found = measure_size(grid, Segment.from_full("L1", mask)).longest_3d_mm
        assert found == pytest.approx(np.hypot(length_mm, 20.0), abs=5.0)


def test_no_form_is_drawn_out_beyond_what_thick_slices_show():
    """An ellipsoid of 50 mm on slices of 5 mm: it was 64 mm long in one of its first eight turns, 58 mm in another."""
    found = errors((0.7, 0.7, 5.0), (25, 12, 8), 14, 7)[:, 0]
    assert abs(found.mean()) < 0.67  # half a voxel
    assert np.abs(found).max() < 3.0


def test_sphere_on_many_positions_is_never_far_off():
    found = errors((0.8, 0.8, 1.0), (15, 15, 15), 7, 3)
    assert np.abs(found[:, :2]).max() < 0.3


def test_irregular_shapes_keep_their_longest_line():
    """Two balls that touch, and a crescent: no ellipsoid, but the diameter is known."""
    grid = centred_grid(70.0, (1, 1, 1))
    one, two = (ellipsoid(grid, "L", (x, 0, 0), (10, 10, 10)) for x in (-10, 10))
    mask = np.zeros(grid.shape, bool)
    for ball in (one, two):
        place = tuple(slice(o, o + n) for o, n in zip(ball.origin, ball.mask.shape, strict=True))
        mask[place] |= ball.mask
    size = measure_size(grid, Segment.from_full("L1", mask))
    assert size.longest_axial_mm == pytest.approx(40.0, abs=0.6)
    assert size.longest_3d_mm == pytest.approx(40.0, abs=0.6)
    assert abs(size.axial_ends_ras[0, 0] - size.axial_ends_ras[1, 0]) == pytest.approx(40.0, abs=0.7)


def test_spacing_in_single_precision_changes_no_choice():
    """The slice and its chord are those of the same mask on a grid whose spacing went through float32."""
    spacing = np.array([0.7, 0.7, 2.5])
    grid, rounded = centred_grid(50.0, spacing), centred_grid(50.0, np.float32(spacing).astype(float))
    mask = ellipsoid(grid, "L1", (0, 0, 0), (15, 12, 11))
    first, second = measure_size(grid, mask), measure_size(rounded, mask)
    assert first.slice_index == second.slice_index
    assert first.longest_axial_mm == pytest.approx(second.longest_axial_mm, rel=1e-6)
    assert first.perpendicular_mm == pytest.approx(second.perpendicular_mm, rel=1e-6)
