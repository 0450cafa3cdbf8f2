"""Diameters of spheres, ellipsoids and boxes of known size on true geometries."""

import itertools

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, ellipsoid, rotation
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.diameters import measure_size
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.segments import Segment


@pytest.mark.parametrize("seed", range(12))
def test_sphere_of_30_mm_on_a_1_mm_grid(seed):
    centre = np.random.default_rng(seed).uniform(-0.5, 0.5, 3)
    grid = centred_grid(36.0, (1, 1, 1))
    size = measure_size(grid, ball(grid, "L1", centre, 15.0))
    assert size.longest_axial_mm == pytest.approx(30.0, abs=1.0)
    assert size.perpendicular_mm == pytest.approx(30.0, abs=1.0)
    assert size.longest_3d_mm == pytest.approx(30.0, abs=1.0)
    assert size.volume_mL == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.01)


@pytest.mark.parametrize("turn", [None, rotation((1, 1, 0), 20.0), rotation((0, 0, 1), 45.0)])
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 3.0), (0.7, 0.7, 5.0), (1.5, 1.5, 1.0)])
def test_sphere_on_anisotropic_and_oblique_grids(turn, spacing):
    grid = centred_grid(60.0, spacing, turn)
    size = measure_size(grid, ball(grid, "L1", (0.3, -0.2, 0.4), 20.0))
    assert size.longest_axial_mm == pytest.approx(40.0, abs=1.0)
    assert size.slice_axis == "k"
    assert size.longest_3d_mm == pytest.approx(40.0, abs=0.5 * max(spacing))


@pytest.mark.parametrize("degrees", [0.0, 17.0, 45.0, 70.0])
def test_ellipsoid_has_its_axes(degrees):
    """Half axes 25, 12 in the axial plane and 8 across, turned in the plane; the nearest slices lie 1 mm off centre."""
    in_slice = np.sqrt(1 - (1 / 8) ** 2)
    grid = centred_grid(60.0, (0.8, 0.8, 2.0))
    turn = rotation((0, 0, 1), degrees)
    size = measure_size(grid, ellipsoid(grid, "L1", (0, 0, 0), (25, 12, 8), turn))
    assert size.longest_axial_mm == pytest.approx(50.0 * in_slice, abs=0.8)
    assert size.perpendicular_mm == pytest.approx(24.0 * in_slice, abs=1.2)
    along = size.axial_ends_ras[1] - size.axial_ends_ras[0]
    across = size.perpendicular_ends_ras[1] - size.perpendicular_ends_ras[0]
    assert np.linalg.norm(along) == pytest.approx(size.longest_axial_mm)
    assert np.linalg.norm(across) == pytest.approx(size.perpendicular_mm)
    assert abs(along @ across) < 1e-6
    assert abs(along @ turn[:, 0]) / np.linalg.norm(along) > 0.99


def test_axial_means_the_slices_nearest_to_the_patients():
    """A rod along foot-head: short in the axial slices, long in 3D, whatever the storage order of the axes."""
    coronal = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)  # i right, j foot-head, k front-back
    grid = centred_grid(70.0, (1, 1, 2), coronal)
    rod = ellipsoid(grid, "L1", (0, 0, 0), (6, 6, 30))
    size = measure_size(grid, rod)
    assert size.slice_axis == "j"
    assert size.longest_axial_mm == pytest.approx(12.0, abs=1.0)
    assert size.longest_3d_mm == pytest.approx(60.0, abs=1.0)


def test_box_is_measured_along_its_diagonal():
    grid = centred_grid(60.0, (1, 1, 1))
    size = measure_size(grid, box(grid, "L1", (-20, -15, -10), (20, 15, 10)))
    assert size.longest_axial_mm == pytest.approx(50.0, abs=1.0)
    # At right angles to the diagonal (slope 3/4) a chord that crosses both long sides, 30 mm apart: 30 / 0.8.
    assert size.perpendicular_mm == pytest.approx(37.5, abs=1.2)
    assert size.longest_3d_mm == pytest.approx(np.sqrt(40**2 + 30**2 + 20**2), abs=1.5)
    assert size.volume_mL == pytest.approx(24.0)


def test_lesion_of_one_voxel_has_a_size_below_the_voxel():
    grid = centred_grid(9.0, (1, 1, 3))
    mask = np.zeros(grid.shape, bool)
    mask[1, 4, 4] = True
    size = measure_size(grid, Segment.from_full("L1", mask))
    assert 0 < size.longest_axial_mm <= 1.0
    assert 0 < size.longest_3d_mm <= 3.0
    assert size.volume_mL == pytest.approx(0.003)
    assert size.slice_index == 1


def test_sizes_do_not_depend_on_handedness():
    right, left = (centred_grid(50.0, (1, 1.2, 2.0), left_handed=flag) for flag in (False, True))
    axes = rotation((1, 2, 0), 30)
    sizes = [measure_size(g, ellipsoid(g, "L1", (1, 2, 0), (20, 12, 9), axes)) for g in (right, left)]
    assert sizes[0].longest_axial_mm == pytest.approx(sizes[1].longest_axial_mm, abs=1e-6)
    assert sizes[0].longest_3d_mm == pytest.approx(sizes[1].longest_3d_mm, abs=1e-6)


def test_empty_lesion_is_reported():
    with pytest.raises(SegmentationError, match="'L7' is empty"):
        measure_size(centred_grid(9.0, (1, 1, 1)), Segment("L7", np.zeros((2, 2, 2), bool)))


def stored_otherwise(grid, mask):
    """All 48 ways to store the voxels of ``mask``, each with the grid on which they are at the same place."""
    for axes in itertools.permutations(range(3)):
        columns = [2 - axes[2 - n] for n in range(3)]
        for flips in itertools.product((1, -1), repeat=3):
            matrix = grid.ijk_to_ras.copy()
            matrix[:3, :3] = matrix[:3, columns]
            turned = mask.transpose(axes)[tuple(slice(None, None, flip) for flip in flips)]
            for axis, column in ((0, 2), (1, 1), (2, 0)):
                if flips[axis] < 0:
                    matrix[:3, 3] += matrix[:3, column] * (turned.shape[axis] - 1)
                    matrix[:3, column] *= -1
            yield Grid(turned.shape, matrix), turned


@pytest.mark.parametrize("spacing", [(7.0, 7.0, 7.0), (4.0, 4.0, 5.0)])
def test_size_does_not_depend_on_how_the_mask_is_stored(spacing):
    """38.1 or 39.6 mm at voxels of 7 mm, by the order of the axes; the slice is the same one of the patient."""
    grid = centred_grid(56.0, spacing)
    axes = rotation((1, 2, 3), 40.0)
    mask = ellipsoid(grid, "L1", (1.7, -2.2, 0.9), (19.0, 14.0, 11.0), axes).full_mask(grid.shape)
    sizes, heights = [], []
    for other, turned in stored_otherwise(grid, mask):
        size = measure_size(other, Segment.from_full("L1", turned))
        sizes.append([size.longest_axial_mm, size.perpendicular_mm, size.longest_3d_mm])
        middle = np.where(np.arange(3) == "ijk".index(size.slice_axis), size.slice_index, 0.0)
        heights.append(other.to_ras(middle)[2])
    assert np.ptp(sizes, axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert np.ptp(heights) == pytest.approx(0, abs=1e-9)
    # A patient lying mirrored or turned by a quarter in the axial plane has lesions of the same size.
    for turned in (mask[:, :, ::-1], mask[:, ::-1], mask.transpose(0, 2, 1), mask[::-1]):
        size = measure_size(grid, Segment.from_full("L1", turned))
        assert [size.longest_axial_mm, size.perpendicular_mm, size.longest_3d_mm] == pytest.approx(sizes[0], abs=1e-9)
