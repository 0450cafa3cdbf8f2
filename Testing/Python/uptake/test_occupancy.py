"""Occupancy of image voxels by regions on other grids, against analytic overlaps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.uptake.errors import OccupancyError, UptakeError
from PRRTUptakeLib.uptake.occupancy import centres_inside, occupancy
from scipy.spatial.transform import Rotation


def grid(shape, spacing, origin=(0.0, 0.0, 0.0), direction=None):
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if direction is None else direction) @ np.diag(spacing)
    matrix[:3, 3] = origin
    return Grid(shape, matrix)


def ball(size, radius_mm, source, center_ras, name="ball"):
    points = source.to_ras(np.stack(np.indices(source.shape)[::-1], axis=-1).astype(float))
    return Segment.from_full(name, ((points - np.array(center_ras)) ** 2).sum(axis=-1) <= radius_mm**2)


def box_overlap(low, high, target):
    """Fractions of axis-parallel voxels (positive spacing) covered by the box low..high (RAS mm)."""
    lengths = []
    for axis in range(3):
        spacing, start = target.ijk_to_ras[axis, axis], target.ijk_to_ras[axis, 3]
        edge = start + (np.arange(target.shape[2 - axis]) - 0.5) * spacing
        lengths.append(np.clip(np.minimum(edge + spacing, high[axis]) - np.maximum(edge, low[axis]), 0, None) / spacing)
    return np.einsum("k,j,i->kji", lengths[2], lengths[1], lengths[0])


@pytest.mark.parametrize("spacing", [(4.8, 4.8, 4.8), (1.7, 3.1, 2.3), (0.7, 0.6, 0.9), (40.0, 40.0, 40.0)])
@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.3, -1.9, 7.77)])
def test_boxes_overlap_exactly(spacing, offset):
    source = grid((30, 31, 32), (1.0, 1.5, 2.0), (10.0, -5.0, 3.0))
    segment = Segment("box", np.ones((7, 9, 11)), origin=(10, 8, 6))
    target = grid((60, 60, 60), spacing, np.array(offset) - 20.0)
    low = source.to_ras([5.5, 7.5, 9.5])
    high = source.to_ras([16.5, 16.5, 16.5])
    occupied = occupancy(segment, source, target, maximum_outside=1.0)
    np.testing.assert_allclose(occupied.full_fraction(), box_overlap(low, high, target), atol=1e-12)


@pytest.mark.parametrize("permutation", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_permuted_and_flipped_grids_give_the_same_box(permutation, signs):
    direction = np.eye(3)[:, permutation] * signs
    source = grid((30, 24, 36), (1.0, 1.5, 2.0), (10.0, -5.0, 3.0), direction)
    segment = Segment("box", np.ones((7, 9, 11)), origin=(10, 8, 6))
    target = grid((40, 41, 42), (4.8, 4.4, 3.3), (-80.0, -80.0, -80.0))
    corners = source.to_ras([[5.5, 7.5, 9.5], [16.5, 16.5, 16.5]])
    occupied = occupancy(segment, source, target)
    expected = box_overlap(corners.min(axis=0), corners.max(axis=0), target)
    np.testing.assert_allclose(occupied.full_fraction(), expected, atol=1e-12)
    assert occupied.outside_fraction == 0.0


def test_same_grid_gives_the_mask_itself():
    source = grid((9, 10, 11), (2.0, 3.0, 4.0), (5.0, 6.0, 7.0))
    full = np.random.default_rng(1).random(source.shape) < 0.3
    occupied = occupancy(Segment.from_full("noise", full), source, source)
    assert (occupied.full_fraction() == full).all()
    assert occupied.centre_inside.all()
    assert (np.diff(occupied.indices) > 0).all()


def test_rounding_noise_of_a_header_leaves_whole_voxels():
    source = grid((9, 10, 11), (2.0, 3.0, 4.0), (5.0, 6.0, 7.0))
    noisy = Grid(
        source.shape, source.ijk_to_ras + np.random.default_rng(2).normal(0, 1e-6, (4, 4)) * np.eye(4, 4) * 1.0
    )
    noisy = Grid(source.shape, np.vstack([noisy.ijk_to_ras[:3], [0, 0, 0, 1]]))
    full = np.zeros(source.shape, bool)
    full[2:5, 3:6, 4:7] = True
    occupied = occupancy(Segment.from_full("cube", full), source, noisy)
    assert set(occupied.fraction) == {1.0}


@pytest.mark.parametrize("angles", [(10, 20, 30), (0, 0, 45), (1, 0, 0), (90, 3, 0)])
def test_oblique_image_conserves_volume_and_agrees_with_dense_sampling(angles):
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    source = grid((40, 40, 40), (1.0, 1.0, 1.5))
    segment = ball(40, 11.0, source, (20.0, 19.0, 30.0))
    corner = np.array([20.0, 19.0, 30.0]) - direction @ np.full(3, 55.0)
    target = grid((24, 24, 24), (4.8, 4.8, 4.8), corner, direction)
    occupied = occupancy(segment, source, target)
    assert occupied.outside_fraction == 0.0
    assert occupied.volume_mL == pytest.approx(segment.voxel_count * source.voxel_volume_mL, rel=1e-3)
    # independently: 300 random points in every source voxel, each dropped into the image voxel that holds it
    voxels = np.argwhere(segment.mask)[:, ::-1] + np.array(segment.origin[::-1])
    points = (voxels + np.random.default_rng(6).uniform(-0.5, 0.5, (300, len(voxels), 3))).reshape(-1, 3)
    index = np.floor(target.to_ijk(source.to_ras(points)) + 0.5).astype(int)
    flat = np.ravel_multi_index(index[:, ::-1].T, target.shape)
    dense = np.bincount(flat, minlength=24**3).reshape(target.shape) / 300 * source.voxel_volume_mL
    difference = occupied.full_fraction() - dense / target.voxel_volume_mL
    assert np.abs(difference).max() < 0.02
    assert difference.std() < 0.002


def test_sheared_image_voxels():
    matrix = np.array([[4.0, 1.0, 0.0, -30.0], [0.0, 4.0, 0.8, -30.0], [0.5, 0.0, 3.0, -30.0], [0, 0, 0, 1]])
    target = Grid((30, 30, 30), matrix)
    source = grid((60, 60, 60), (0.7, 0.7, 0.7))
    segment = ball(60, 15.0, source, (21.0, 21.0, 21.0))
    occupied = occupancy(segment, source, target)
    assert occupied.volume_mL == pytest.approx(segment.voxel_count * 0.343e-3, rel=1e-3)
    inside = occupied.fraction == 1.0
    points = target.to_ras(np.array(np.unravel_index(occupied.indices, target.shape)).T[:, ::-1].astype(float))
    assert np.linalg.norm(points[inside] - 21.0, axis=1).max() < 15.0 - 2.0


def test_matrix_and_function_agree():
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [12, -5, 80], degrees=True).as_matrix()
    turn[:3, 3] = 4.0, -7.0, 30.0
    source = grid((40, 40, 40), (1.0, 1.0, 1.0))
    segment = ball(40, 12.0, source, (20.0, 18.0, 22.0))
    target = grid((30, 30, 30), (4.0, 4.0, 4.0), (-60.0, -60.0, -20.0))
    by_matrix = occupancy(segment, source, target, turn)
    by_function = occupancy(segment, source, target, lambda points: points @ turn[:3, :3].T + turn[:3, 3])
    np.testing.assert_allclose(by_function.full_fraction(), by_matrix.full_fraction(), atol=2e-3)
    center = turn[:3, :3] @ [20.0, 18.0, 22.0] + turn[:3, 3]
    points = target.to_ras(np.array(np.unravel_index(by_matrix.indices, target.shape)).T[:, ::-1].astype(float))
    np.testing.assert_allclose(np.average(points, axis=0, weights=by_matrix.fraction), center, atol=0.05)


def test_translation_is_exact():
    source = grid((20, 20, 20), (1.0, 1.0, 1.0))
    segment = Segment("cube", np.ones((10, 10, 10)), origin=(5, 5, 5))
    move = np.eye(4)
    move[:3, 3] = 1.25, 0.0, -0.5
    target = grid((10, 10, 10), (4.0, 4.0, 4.0), (-4.0, -4.0, -4.0))
    low, high = np.array([5.75, 4.5, 4.0]), np.array([15.75, 14.5, 14.0])
    np.testing.assert_allclose(
        occupancy(segment, source, target, move).full_fraction(), box_overlap(low, high, target), atol=1e-12
    )


def test_deformation_scales_the_volume_by_its_jacobian():
    def stretch(points):
        return points * np.array([1.0, 1.0, 1.2]) + 2.0 * np.sin(points[..., [1, 2, 0]] / 20.0)

    source = grid((40, 40, 40), (1.0, 1.0, 1.0))
    segment = ball(40, 12.0, source, (20.0, 18.0, 22.0))
    occupied = occupancy(segment, source, grid((40, 40, 40), (2.5, 2.5, 2.5), (-20.0, -20.0, -20.0)), stretch)
    points = np.argwhere(segment.mask)[:, ::-1] + np.array(segment.origin[::-1])
    x, y, z = points.T / 20.0
    jacobian = np.zeros((len(points), 3, 3))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = 1.0
    jacobian[:, 2, 2] = 1.2
    jacobian[:, 0, 1], jacobian[:, 1, 2], jacobian[:, 2, 0] = np.cos(y) / 10, np.cos(z) / 10, np.cos(x) / 10
    assert occupied.volume_mL == pytest.approx(np.linalg.det(jacobian).sum() / 1000.0, rel=2e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0, 0, 0), (0, 0, 90), (10, 20, 30)]),
    st.floats(0.7, 6.0),
    st.floats(-3.0, 3.0),
)
def test_parts_of_a_region_add_up(seed, angles, spacing, offset):
    rng = np.random.default_rng(seed)
    full = rng.random((12, 12, 12)) < 0.7
    half = full & (rng.random(full.shape) < 0.5)
    source = grid(full.shape, (1.0, 1.2, 0.8))
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    size = int(np.ceil(30.0 / spacing))
    target = grid((size,) * 3, (spacing,) * 3, 6.0 - direction @ np.full(3, 15.0 + offset), direction)

    def fractions(mask):
        if not mask.any():
            return np.zeros(target.shape), 0
        placed = occupancy(Segment.from_full("part", mask), source, target, maximum_outside=1.0)
        return placed.full_fraction(), int(placed.centre_inside.sum())

    (whole, centres), (one, first), (other, second) = (fractions(m) for m in (full, half, full & ~half))
    np.testing.assert_allclose(one + other, whole, atol=1e-9)
    assert first + second == centres
    assert whole.max() <= 1.0


def test_centre_flags_are_the_voxels_whose_centre_is_inside():
    source = grid((40, 40, 40), (0.5, 0.5, 0.5))
    segment = ball(40, 8.0, source, (10.0, 10.0, 10.0))
    target = grid((8, 8, 8), (3.1, 3.1, 3.1), (-1.0, -1.0, -1.0))
    occupied = occupancy(segment, source, target)
    points = target.to_ras(np.array(np.unravel_index(occupied.indices, target.shape)).T[:, ::-1].astype(float))
    distance = np.linalg.norm(points - 10.0, axis=1)
    assert occupied.centre_inside[distance < 7.5].all()
    assert not occupied.centre_inside[distance > 8.5].any()
    listed = centres_inside(segment, source, target)
    assert set(np.ravel_multi_index(listed.T, target.shape)) == set(occupied.indices[occupied.centre_inside])


def test_region_partly_outside_is_reported_or_refused():
    source = grid((20, 20, 20), (1.0, 1.0, 1.0))
    segment = Segment("spleen", np.ones((10, 10, 10)), origin=(5, 5, 5))
    cut = grid((10, 20, 20), (1.0, 1.0, 1.0), (0.0, 0.0, 0.25))  # slices up to z = 9.75, the region to 14.5
    note = occupancy(segment, source, cut, maximum_outside=0.5)
    assert note.outside_fraction == pytest.approx(4.75 / 10.0)
    assert note.volume_mL == pytest.approx(0.525)
    with pytest.raises(OccupancyError, match=r"47\.5% of region 'spleen' is outside the image"):
        occupancy(segment, source, cut)
    with pytest.raises(OccupancyError, match="'spleen' is wholly outside"):
        occupancy(segment, source, grid((5, 5, 5), (1.0, 1.0, 1.0), (100.0, 0.0, 0.0)), maximum_outside=1.0)


def test_empty_regions_and_bad_transforms_are_refused():
    source = grid((5, 5, 5), (1.0, 1.0, 1.0))
    cube = Segment("cube", np.ones((2, 2, 2)), origin=(1, 1, 1))
    with pytest.raises(OccupancyError, match="'L3' is empty"):
        occupancy(Segment("L3", np.zeros((2, 2, 2))), source, source)
    with pytest.raises(UptakeError, match="4x4"):
        occupancy(cube, source, source, np.eye(3))
    with pytest.raises(UptakeError, match="flattens"):
        occupancy(cube, source, source, np.diag([1.0, 1.0, 0.0, 1.0]))
    with pytest.raises(UptakeError, match="finite"):
        occupancy(cube, source, source, lambda points: points * np.nan)
    with pytest.raises(UptakeError, match="fold"):
        occupancy(cube, source, source, lambda points: np.abs(points - 1.5))
    with pytest.raises(OccupancyError, match="'most'"):
        occupancy(cube, source, source).weights("most")


@pytest.mark.parametrize("away_mm", [0.0, 2e-5, -2e-5])
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
@pytest.mark.parametrize("image_flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_centres_on_faces_fall_to_the_same_side_however_mask_and_image_are_stored(away_mm, flips, image_flips):
    """Voxels of 4 mm with centres on faces of a mask of 1 mm, moved by what single precision rounds off at 300 mm."""
    start = np.where(np.array(image_flips) > 0, 2.0, 18.0)
    target = grid((5, 5, 5), (4.0, 4.0, 4.0), start, np.diag(image_flips).astype(float))
    inside = np.zeros((20, 20, 20), bool)
    inside[6:14, 4:12, 10:17] = True  # z from 6 to 14 mm, y from 4 to 12, x from 10 to 17: faces at centres
    expected = np.zeros((5, 5, 5), bool)
    expected[1:3, 1:3, 3:4] = True  # to the head of the face at 6 mm, but not at 14; to the left of that at 10: not
    origin = np.where(np.array(flips) > 0, 0.5, 19.5) + away_mm
    source = grid((20, 20, 20), (1.0, 1.0, 1.0), origin, np.diag(flips).astype(float))
    stored = inside[tuple(slice(None, None, flip) for flip in flips[::-1])]
    found = occupancy(Segment.from_full("box", stored), source, target)
    centre = np.zeros(target.shape, bool)
    centre.reshape(-1)[found.indices] = found.centre_inside
    assert np.array_equal(centre[tuple(slice(None, None, flip) for flip in image_flips[::-1])], expected)
