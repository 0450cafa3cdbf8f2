"""Region metrics, against analytic truth and numpy on whole voxels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.uptake.errors import OccupancyError, UptakeError
from PRRTUptakeLib.uptake.metrics import region_metrics, weighted_percentiles
from PRRTUptakeLib.uptake.occupancy import occupancy
from scipy.spatial.transform import Rotation


def grid(shape, spacing, origin=(0.0, 0.0, 0.0)):
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = origin
    return Grid(shape, matrix)


def centres(where):
    return where.to_ras(np.stack(np.indices(where.shape)[::-1], axis=-1).astype(float))


def _placed(regions, where):
    return {one.name: occupancy(one, regions.grid, where) for one in regions}


def ball(name, where, center, radius):
    return Segment.from_full(name, np.linalg.norm(centres(where) - np.array(center), axis=-1) <= radius)


def test_whole_voxels_agree_with_numpy():
    rng = np.random.default_rng(3)
    where = grid((20, 21, 22), (2.0, 3.0, 4.0))
    volume = Volume(rng.gamma(2.0, 5.0, where.shape), where.ijk_to_ras, units="Bq/ml")
    masks = {f"L{n}": rng.random(where.shape) < 0.1 * n for n in range(1, 5)}
    regions = Segmentation(where, tuple(Segment.from_full(name, mask) for name, mask in masks.items()))
    result = region_metrics(volume, regions, percentiles=(10.0, 90.0))
    assert list(result) == list(masks)
    for name, mask in masks.items():
        values = volume.array[mask].astype(float)
        found = result[name]
        assert found.mean == pytest.approx(values.mean(), rel=1e-12)
        assert found.sd == pytest.approx(values.std(), rel=1e-12)
        assert (found.minimum, found.maximum) == (values.min(), values.max())
        assert found.median == pytest.approx(np.median(values), rel=1e-12)
        assert found.volume_mL == pytest.approx(mask.sum() * 0.024)
        assert found.total == pytest.approx(values.sum() * 0.024)
        expected = np.percentile(values, [10, 90], method="averaged_inverted_cdf")
        np.testing.assert_allclose(list(found.percentiles.values()), expected)
        assert found.border_recovery == 1.0
        assert found.units == "Bq/ml"


def test_all_rules_agree_on_whole_voxels_however_they_are_placed():
    rng = np.random.default_rng(4)
    where = grid((12, 12, 12), (2.0, 3.0, 4.0))
    volume = Volume(rng.random(where.shape), where.ijk_to_ras)
    regions = Segmentation(where, (ball("L1", where, (11, 16, 22), 9.0), ball("L2", where, (10, 10, 20), 6.0)))
    direct = region_metrics(volume, regions)
    for rule in ("fraction", "half", "entirely", "centre"):
        placed = region_metrics(volume, _placed(regions, where).values(), rule=rule)
        for name in direct:
            assert placed[name].mean == pytest.approx(direct[name].mean, rel=1e-12)
            assert placed[name].median == direct[name].median
            assert placed[name].maximum == direct[name].maximum
            assert placed[name].voxel_count == direct[name].voxel_count


@pytest.mark.parametrize("angles", [(0, 0, 0), (7, 11, 23)])
def test_ramp_has_the_value_at_the_centre_of_the_region(angles):
    direction = np.eye(4)
    direction[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * 4.0
    direction[:3, 3] = direction[:3, :3] @ [-15.0, -15.0, -15.0] + 20.0
    image = Grid((31, 31, 31), direction)
    slope = np.array([1.0, -2.0, 3.0])
    volume = Volume(centres(image) @ slope + 500.0, image.ijk_to_ras)
    source = grid((41, 41, 41), (1.0, 1.0, 1.0))
    regions = Segmentation(source, (ball("ball", source, (20.0, 20.0, 20.0), 17.2),))
    result = region_metrics(volume, regions)["ball"]
    assert result.mean == pytest.approx(500.0 + slope.sum() * 20.0, abs=0.02)
    assert result.median == pytest.approx(500.0 + slope.sum() * 20.0, abs=1.0)
    # variance of a ramp over a ball: |slope|^2 r^2 / 5, plus that of voxel means around the true position
    assert result.sd == pytest.approx(math.sqrt(14.0 * 17.2**2 / 5.0), rel=0.03)
    assert result.volume_mL == pytest.approx(4.0 / 3.0 * math.pi * 1.72**3, rel=0.01)


def test_border_voxels_lose_what_the_recovery_says():
    source = grid((60, 60, 60), (1.0, 1.0, 1.0))
    region = ball("lesion", source, (30.0, 29.0, 31.0), 15.0)
    image = grid((12, 12, 12), (5.0, 5.0, 5.0), (2.0, 2.0, 2.0))  # voxel edges on multiples of 5 minus 0.5
    truth = region.full_mask(source.shape) * 9.0 + 1.0
    volume = Volume(truth.reshape(12, 5, 12, 5, 12, 5).mean(axis=(1, 3, 5)), image.ijk_to_ras)
    regions = Segmentation(source, (region,))
    fraction = region_metrics(volume, regions)["lesion"]
    assert fraction.mean < 9.5
    assert fraction.mean == pytest.approx(1.0 + 9.0 * fraction.border_recovery, rel=1e-6)
    assert region_metrics(volume, regions, rule="entirely")["lesion"].mean == pytest.approx(10.0, rel=1e-6)
    assert region_metrics(volume, regions, rule="half")["lesion"].border_recovery > fraction.border_recovery
    assert fraction.volume_mL == pytest.approx(region.voxel_count / 1000.0)


def test_maximum_is_taken_over_voxels_whose_centre_is_inside():
    image = grid((3, 3, 6), (4.0, 4.0, 4.0))
    array = np.ones(image.shape)
    array[1, 1, 4] = 100.0  # hot neighbour, touched by a tenth
    source = grid((12, 12, 240), (0.1, 1.0, 1.0), (-1.95, -1.5, -1.5))
    mask = np.zeros(source.shape, bool)
    mask[4:8, 4:8, 40:164] = True  # x from 2.0 to 14.4: voxels 1, 2, 3 wholly, a tenth of voxel 4
    result = region_metrics(Volume(array, image.ijk_to_ras), Segmentation(source, (Segment.from_full("L1", mask),)))
    assert result["L1"].maximum == 1.0
    assert result["L1"].mean == pytest.approx((3.0 + 0.1 * 100.0) / 3.1)


def test_a_region_without_a_voxel_centre_has_no_maximum_but_a_mean():
    image = grid((4, 4, 4), (10.0, 10.0, 10.0))
    source = grid((10, 10, 10), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    small = Segmentation(source, (Segment("crumb", np.ones((2, 2, 2)), origin=(1, 1, 1)),))
    volume = Volume(np.full(image.shape, 7.0), image.ijk_to_ras)
    result = region_metrics(volume, small)["crumb"]
    assert math.isnan(result.maximum)
    assert result.mean == pytest.approx(7.0)
    with pytest.raises(UptakeError, match=r"'crumb'.*too small"):
        region_metrics(volume, small, rule="entirely")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 5.0), st.floats(-2.0, 2.0))
def test_splitting_a_region_adds_up(seed, spacing, offset):
    rng = np.random.default_rng(seed)
    full = rng.random((10, 10, 10)) < 0.6
    part = full & (rng.random(full.shape) < 0.5)
    source = grid(full.shape, (1.0, 1.1, 0.9))
    image = grid((int(40 / spacing),) * 3, (spacing,) * 3, (offset - 12.0,) * 3)
    volume = Volume(rng.gamma(2.0, 3.0, image.shape), image.ijk_to_ras)
    pieces = {"whole": full, "one": part, "other": full & ~part}
    result = region_metrics(
        volume, Segmentation(source, tuple(Segment.from_full(n, m) for n, m in pieces.items())), maximum_outside=0.5
    )
    whole, one, other = (result[name] for name in pieces)
    assert one.volume_mL + other.volume_mL == pytest.approx(whole.volume_mL, rel=1e-9)
    assert one.total + other.total == pytest.approx(whole.total, rel=1e-9)
    mean = (one.mean * one.volume_mL + other.mean * other.volume_mL) / whole.volume_mL
    assert mean == pytest.approx(whole.mean, rel=1e-9)
    second = sum(p.volume_mL * (p.sd**2 + p.mean**2) for p in (one, other)) / whole.volume_mL
    assert second == pytest.approx(whole.sd**2 + whole.mean**2, rel=1e-9)
    assert np.nanmax([one.maximum, other.maximum, -1.0]) == np.nanmax([whole.maximum, -1.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.sampled_from([0.0, 10.0, 25.0, 50.0, 90.0, 100.0]))
def test_percentiles_by_whole_weights_are_those_of_repeated_values(values, percent):
    array = np.array(values, dtype=float)
    weights = np.random.default_rng(len(values)).integers(1, 4, array.size)
    expected = np.percentile(np.repeat(array, weights), percent, method="averaged_inverted_cdf")
    assert weighted_percentiles(array, weights.astype(float), [percent]) == [pytest.approx(expected)]


def test_flipped_image_measures_the_same():
    rng = np.random.default_rng(5)
    source = grid((30, 30, 30), (1.0, 1.0, 1.0))
    regions = Segmentation(source, (ball("L1", source, (15.0, 14.0, 13.0), 9.0),))
    image = grid((10, 10, 10), (3.3, 3.3, 3.3), (-1.0, -1.0, -1.0))
    array = rng.random(image.shape)
    flip = np.eye(4)
    flip[0, 0], flip[0, 3] = -1.0, 9.0
    flipped = Volume(array[:, :, ::-1], image.ijk_to_ras @ flip)
    one = region_metrics(Volume(array, image.ijk_to_ras), regions)["L1"]
    other = region_metrics(flipped, regions)["L1"]
    assert other.mean == pytest.approx(one.mean, rel=1e-12)
    assert (other.median, other.maximum) == (one.median, one.maximum)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_an_error_that_names_the_region(bad):
    where = grid((4, 4, 4), (1.0, 1.0, 1.0))
    array = np.ones(where.shape)
    array[0, 0, 0] = bad
    volume = Volume(array, where.ijk_to_ras)
    clean = Segment("clean", np.ones((2, 2, 2)), origin=(2, 2, 2))
    assert region_metrics(volume, Segmentation(where, (clean,)))["clean"].mean == 1.0
    with pytest.raises(UptakeError, match=r"1 voxel\(s\) of region 'dirty'"):
        region_metrics(volume, Segmentation(where, (clean, Segment("dirty", np.ones((2, 2, 2))))))


def test_bad_requests_are_refused():
    where = grid((4, 4, 4), (1.0, 1.0, 1.0))
    volume, empty = Volume(np.ones(where.shape), where.ijk_to_ras), Segment("liver", np.zeros((2, 2, 2)))
    with pytest.raises(OccupancyError, match="'liver' is empty"):
        region_metrics(volume, Segmentation(where, (empty,)))
    with pytest.raises(UptakeError, match="'most'"):
        region_metrics(volume, Segmentation(where, ()), rule="most")
    with pytest.raises(UptakeError, match="101"):
        region_metrics(volume, Segmentation(where, ()), percentiles=(101.0,))
    elsewhere = _placed(Segmentation(where, (Segment("cube", np.ones((2, 2, 2))),)), where)
    with pytest.raises(OccupancyError, match="'cube' was placed on another grid"):
        region_metrics(Volume(np.ones((5, 5, 5)), where.ijk_to_ras), elsewhere.values())


@pytest.mark.parametrize("permutation", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, -1)])
def test_segments_on_a_cropped_turned_copy_of_the_grid_read_whole_voxels(permutation, signs):
    rng = np.random.default_rng(11)
    image = grid((20, 21, 22), (2.0, 2.0, 2.0), (-5.0, 6.0, 7.0))
    volume = Volume(rng.random(image.shape), image.ijk_to_ras)
    turned = np.eye(4)
    turned[:3, :3] = np.eye(3)[:, permutation] * signs  # columns: image index steps of the source's i, j, k
    turned[:3, 3] = np.where(turned[:3, :3].sum(axis=1) < 0, 15, 4)
    source = Grid((12, 12, 12), image.ijk_to_ras @ turned)
    mask = rng.random(source.shape) < 0.2
    loose = Segment("loose", mask[2:, 1:, 3:], origin=(2, 1, 3))
    mask[:2], mask[:, :1], mask[:, :, :3] = False, False, False
    result = region_metrics(volume, Segmentation(source, (loose, Segment.from_full("tight", mask))))
    assert result["loose"] == dataclasses.replace(result["tight"], name="loose")
    voxels = np.argwhere(mask)[:, ::-1] @ turned[:3, :3].T + turned[:3, 3]
    values = volume.array[tuple(voxels[:, ::-1].astype(int).T)]
    assert result["tight"].mean == pytest.approx(values.mean(dtype=float))
    assert result["tight"].median == pytest.approx(np.median(values))
    assert result["tight"].voxel_count == values.size


def test_an_empty_margin_of_a_mask_may_stick_out_of_the_image():
    image = grid((6, 6, 6), (2.0, 2.0, 2.0))
    source = grid((10, 10, 10), (2.0, 2.0, 2.0), (-4.0, -4.0, -4.0))
    mask = np.zeros(source.shape, bool)
    mask[2:4, 2:4, 2:4] = True  # the image's first voxels
    volume = Volume(np.arange(216.0).reshape(6, 6, 6), image.ijk_to_ras)
    result = region_metrics(volume, Segmentation(source, (Segment("corner", mask),)))["corner"]
    assert (result.mean, result.voxel_count) == (21.5, 8)
