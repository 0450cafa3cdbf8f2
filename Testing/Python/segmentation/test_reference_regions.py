"""Reference regions against analytic distances, on straight and oblique grids."""

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, ras_of, rotation
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.bounding_box import distance_mm, grown
from PRRTUptakeLib.segmentation.errors import ReferenceRegionError, SegmentationError
from PRRTUptakeLib.segmentation.lobes import Plane, split_by_plane
from PRRTUptakeLib.segmentation.reference import ReferenceRule, healthy_liver, reference_regions
from PRRTUptakeLib.segmentation.segments import Segment
from scipy import ndimage

GRIDS = {
    "isotropic": centred_grid(130.0, (2, 2, 2)),
    "oblique": centred_grid(140.0, (1.5, 1.5, 4.0), rotation((1, 1, 0), 20.0), left_handed=True),
}
RULE = ReferenceRule(12.0, 6.0)


def case(grid):
    liver = ball(grid, "liver", (0, 0, 0), 55.0)
    lobes = split_by_plane(grid, liver, Plane((-10, 0, 0), (1, 0, 0)))
    lesions = [ball(grid, "R1", (25, 0, 0), 12.0), ball(grid, "E1", (0, 62, 0), 5.0)]
    vessel = box(grid, "portal", (-60, -5, -5), (60, 5, 5))
    return liver, lobes, lesions, vessel


@pytest.mark.parametrize("name", GRIDS)
def test_healthy_liver_is_the_analytic_region(name):
    """Against the true shapes: only voxels within one voxel diagonal of a border may differ."""
    grid = GRIDS[name]
    liver, _, lesions, vessel = case(grid)
    region = healthy_liver(grid, liver, lesions, [vessel], RULE).full_mask(grid.shape)
    points = ras_of(grid)
    away = np.linalg.norm(points - [25, 0, 0], axis=-1) - 12.0
    outside = np.linalg.norm(points - [0, 62, 0], axis=-1) - 5.0
    inner = 55.0 - np.linalg.norm(points, axis=-1)
    tube = vessel.full_mask(grid.shape)
    slack = float(np.linalg.norm(grid.spacing_mm))
    surely = (away > 12 + slack) & (outside > 12 + slack) & (inner > 6 + slack) & ~tube
    never = (away < 12 - slack) | (outside < 12 - slack) | (inner < 6 - slack) | tube
    assert region[surely].all()
    assert not region[never].any()
    assert surely.sum() > 5000


def test_margins_are_exact_between_voxel_centres():
    """Another implementation of the same definition: scipy's distance transform on the whole grid."""
    grid = GRIDS["oblique"]
    liver, _, lesions, _ = case(grid)
    region = healthy_liver(grid, liver, lesions, [], RULE).full_mask(grid.shape)
    step = grid.spacing_mm[::-1]
    lesion = np.logical_or(*(item.full_mask(grid.shape) for item in lesions))
    from_lesion = ndimage.distance_transform_edt(~lesion, sampling=step)
    depth = ndimage.distance_transform_edt(liver.full_mask(grid.shape) | lesion, sampling=step)
    truth = liver.full_mask(grid.shape) & (from_lesion > 12.0) & (depth > 6.0)
    assert np.array_equal(region, truth)


def test_every_kind_is_made_and_asked_for_by_lobe():
    grid = GRIDS["isotropic"]
    liver, lobes, lesions, vessel = case(grid)
    noise = np.random.default_rng(1).normal(100, 5, grid.shape)
    uniform = np.linalg.norm(ras_of(grid) - [-32, 5, 15], axis=-1) < 20
    noise[uniform] = 100 + (noise[uniform] - 100) / 10
    found = reference_regions(grid, liver, lobes, lesions, [vessel], RULE, Volume(noise, grid.ijk_to_ras))
    left, right = found.region("same-lobe", "left"), found.region("same-lobe", "right")
    assert found.region("contralateral-lobe", "left") is right
    whole = found.region("whole-liver", "caudate")
    assert left.voxel_count + right.voxel_count == whole.voxel_count
    assert not (left.full_mask(grid.shape) & lobes[1].full_mask(grid.shape)).any()
    assert {item.role for item in found.segments} == {"reference"}
    assert (left.lobe, whole.lobe) == ("left", "none")
    sphere = found.region("fixed-sphere", "left")
    assert sphere.voxel_count * grid.voxel_volume_mL == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.03)
    assert not (sphere.full_mask(grid.shape) & ~whole.full_mask(grid.shape)).any()
    inside = sphere.full_mask(grid.shape)
    assert (inside & uniform).sum() > 0.9 * inside.sum()
    assert len(found.segments) == 4
    assert found.refusals == {}


def test_sphere_on_an_image_of_another_grid():
    grid = GRIDS["isotropic"]
    liver, lobes, lesions, _ = case(grid)
    coarse = centred_grid(200.0, (4.8, 4.8, 4.8), shift_mm=(3, -2, 1))
    values = np.random.default_rng(3).poisson(200, coarse.shape).astype(float)
    quiet = np.linalg.norm(ras_of(coarse) - [-25, -15, -15], axis=-1) < 22
    values[quiet] = 200.0
    found = reference_regions(grid, liver, lobes, lesions, [], RULE, Volume(values, coarse.ijk_to_ras))
    sphere = found.region("fixed-sphere", "right")
    centre = grid.to_ras((np.argwhere(sphere.mask) + sphere.origin).mean(axis=0)[::-1])
    assert np.linalg.norm(centre - [-25, -15, -15]) < 9.0


def test_flat_image_puts_the_sphere_in_the_deepest_place():
    grid = centred_grid(120.0, (2, 2, 2))
    liver = ball(grid, "liver", (5, 0, 0), 50.0)
    lobes = split_by_plane(grid, liver, Plane((0, 0, 0), (1, 0, 0)))
    image = Volume(np.full(grid.shape, 7.0), grid.ijk_to_ras)
    sphere = reference_regions(grid, liver, lobes, [], [], RULE, image).region("fixed-sphere", "left")
    centre = grid.to_ras((np.argwhere(sphere.mask) + sphere.origin).mean(axis=0)[::-1])
    assert np.linalg.norm(centre - [5, 0, 0]) < 3.0


def test_too_little_liver_is_reported():
    grid = GRIDS["isotropic"]
    liver, lobes, lesions, _ = case(grid)
    found = reference_regions(grid, liver, lobes, lesions, [], ReferenceRule(12.0, 30.0, 60.0, 40.0))
    with pytest.raises(
        ReferenceRegionError, match=r"left lobe has \d+\.\d mL of healthy liver, less than 60 mL: reduce"
    ):
        found.region("same-lobe", "left")
    with pytest.raises(ReferenceRegionError, match="needs an image"):
        found.region("fixed-sphere", "left")
    with pytest.raises(ReferenceRegionError, match="no caudate lobe"):
        found.region("same-lobe", "caudate")
    with pytest.raises(ReferenceRegionError, match="take the whole liver"):
        found.region("contralateral-lobe", "caudate")
    with pytest.raises(ReferenceRegionError, match="not one of"):
        found.region("nearby", "left")
    image = Volume(np.zeros(grid.shape), grid.ijk_to_ras)
    big = reference_regions(grid, liver, lobes, lesions, [], ReferenceRule(12.0, 6.0, 10.0, 45.0), image)
    assert "No sphere of 45 mm radius fits" in big.refusals["fixed-sphere"]
    elsewhere = Volume(np.zeros((4, 4, 4)), [[2, 0, 0, 900], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    far = reference_regions(grid, liver, lobes, lesions, [], RULE, elsewhere)
    assert "does not cover the liver" in far.refusals["fixed-sphere"]
    with pytest.raises(ReferenceRegionError, match="empty"):
        healthy_liver(grid, Segment("liver", np.zeros((0, 0, 0), bool)), [], [], RULE)
    with pytest.raises(ReferenceRegionError, match="rim_mm must be"):
        ReferenceRule(12.0, -1.0)


def test_grid_end_is_no_rim():
    grid = centred_grid(40.0, (2, 2, 2))
    liver = box(grid, "liver", (-20, -20, -20), (20, 20, 20))  # fills the grid: cut off by the field of view
    assert healthy_liver(grid, liver, [], [], RULE).voxel_count == liver.voxel_count


def test_growing_on_a_crop_equals_the_whole_grid():
    grid = GRIDS["oblique"]
    lesion = ball(grid, "x", (30, -20, 10), 7.0)
    full = ndimage.distance_transform_edt(~lesion.full_mask(grid.shape), sampling=grid.spacing_mm[::-1]) <= 9.5
    assert np.array_equal(grown(grid, lesion, 9.5).full_mask(grid.shape), full)


def test_sheared_grid_is_refused():
    grid = GRIDS["isotropic"]
    sheared = np.array(grid.ijk_to_ras)
    sheared[1, 2] = 0.7
    with pytest.raises(SegmentationError, match="tilted gantry"):
        distance_mm(type(grid)(grid.shape, sheared), np.ones((2, 2, 2), bool))


@pytest.mark.parametrize("rounding", [0.0, 1e-7, -1e-7])
def test_margins_of_whole_voxels_do_not_depend_on_the_rounding_of_the_spacing(rounding):
    """A rim of 6 mm and lesions grown by 12 mm at voxels of 1.5 mm: 3 % of the region hung on the seventh digit."""
    spacing = 1.5 * (1.0 + rounding)
    grid = Grid((40, 40, 40), np.diag([spacing, spacing, spacing, 1.0]))
    liver = np.zeros(grid.shape, bool)
    liver[1:39, 1:39, 1:39] = True
    lesion = np.zeros(grid.shape, bool)
    lesion[20, 20, 20] = True
    rule = ReferenceRule(lesion_margin_mm=12.0, rim_mm=6.0)
    found = healthy_liver(grid, Segment.from_full("liver", liver), [Segment.from_full("L1", lesion)], [], rule)
    k, j, i = np.indices(grid.shape) - 20
    away = (k**2 + j**2 + i**2) > 64
    deep = np.zeros(grid.shape, bool)
    deep[5:35, 5:35, 5:35] = True  # centres more than four voxels from the first that is no liver
    assert np.array_equal(found.full_mask(grid.shape), deep & away)
