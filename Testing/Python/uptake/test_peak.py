"""SUVpeak against spheres and fields whose mean is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.uptake.errors import UptakeError
from PRRTUptakeLib.uptake.peak import ONE_ML_RADIUS_MM, PeakRule, region_peaks, sphere_kernel, suv_peak


def grid(shape, spacing, origin=(0.0, 0.0, 0.0)):
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = origin
    return Grid(shape, matrix)


def centres(where):
    return where.to_ras(np.stack(np.indices(where.shape)[::-1], axis=-1).astype(float))


def ball(where, center, radius, name="L1"):
    return Segment.from_full(name, np.linalg.norm(centres(where) - np.array(center), axis=-1) <= radius)


def test_the_sphere_holds_one_mL_where_centre_counting_holds_seven_voxels():
    kernel = sphere_kernel(np.diag([4.8] * 3), ONE_ML_RADIUS_MM)
    assert round(ONE_ML_RADIUS_MM, 4) == 6.2035
    # the middle voxel is wholly inside (half diagonal 4.16 mm), so its weight is its volume over the sphere's
    assert 4.8**3 / 1000.0 / kernel.max() == pytest.approx(1.0, abs=2e-4)
    distance = np.linalg.norm((np.stack(np.indices(kernel.shape)) - kernel.shape[0] // 2) * 4.8, ord=2, axis=0)
    counted = np.count_nonzero(distance <= ONE_ML_RADIUS_MM)
    assert counted == 7
    assert counted * 4.8**3 / 1000.0 == pytest.approx(0.77, abs=0.005)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.3, -0.45, 0.1)])
@pytest.mark.parametrize("spacing", [(4.8, 4.8, 4.8), (4.07, 4.07, 3.0), (2.0, 3.0, 5.0), (1.0, 1.0, 7.0)])
def test_kernel_weights_are_volumes_in_the_sphere(spacing, shift):
    kernel = sphere_kernel(np.diag(spacing), 6.0, shift)
    points = np.random.default_rng(1).uniform(-6.0, 6.0, (2_000_000, 3))
    points = points[(points**2).sum(axis=1) <= 36.0]
    index = (
        np.floor(points / np.array(spacing) + np.array(shift) + 0.5).astype(int)[:, ::-1] + np.array(kernel.shape) // 2
    )
    share = np.bincount(np.ravel_multi_index(index.T, kernel.shape), minlength=kernel.size).reshape(kernel.shape)
    np.testing.assert_allclose(kernel, share / len(points), atol=1.5e-3)
    center = (
        np.stack(np.indices(kernel.shape)[::-1]).reshape(3, -1) @ kernel.ravel() - np.array(kernel.shape[::-1]) // 2
    )
    assert np.abs(center - np.array(shift)).max() < 0.15


def test_sheared_voxels():
    axes = np.array([[4.0, 1.0, 0.3], [0.0, 4.0, 0.5], [0.2, 0.0, 3.0]])
    kernel = sphere_kernel(axes, 9.0)
    assert abs(np.linalg.det(axes)) / kernel.max() == pytest.approx(4 / 3 * math.pi * 9.0**3, rel=5e-4)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1, ::-1], atol=1e-9)


@pytest.mark.parametrize("spacing", [(4.8, 4.8, 4.8), (2.0, 2.0, 3.27)])
def test_ramp_peaks_at_the_highest_centre(spacing):
    where = grid((24, 24, 24), spacing)
    volume = Volume(centres(where) @ [1.0, 0.0, 0.0] + 10.0, where.ijk_to_ras, units="g/ml{SUVbw}")
    segment = ball(where, centres(where)[12, 12, 12], 15.0)
    peak = suv_peak(volume, segment, where)
    highest = np.argwhere(segment.full_mask(where.shape))[:, 2].max() * spacing[0]
    assert peak.value == pytest.approx(10.0 + highest, rel=1e-5)  # the mean of a ramp in a sphere is that at its centre
    assert peak.center_ras[0] == pytest.approx(highest)
    assert peak.units == "g/ml{SUVbw}"


def test_parabola_gives_the_spheres_own_mean():
    where = grid((31, 31, 31), (2.0, 2.0, 2.0), (-30.0, -30.0, -30.0))
    squared = (centres(where) ** 2).sum(axis=-1)
    # voxel averages of 100 - r^2 are lower by 3 (h^2/12); the sphere's mean of r^2 is 3/5 R^2
    volume = Volume(100.0 - squared - 3.0 * 4.0 / 12.0, where.ijk_to_ras)
    peak = suv_peak(volume, ball(where, (0, 0, 0), 12.0), where)
    assert peak.center_ras == (0.0, 0.0, 0.0)
    # a border voxel counts by its fraction with its whole mean: for r^2 that adds, to second order, h^2/2
    assert peak.value == pytest.approx(100.0 - 0.6 * ONE_ML_RADIUS_MM**2 - 2.0**2 / 2.0, abs=0.2)
    uniform = Volume(np.full(where.shape, 7.5), where.ijk_to_ras)
    assert suv_peak(uniform, ball(where, (0, 0, 0), 12.0), where).value == pytest.approx(7.5, rel=1e-9)


def test_finer_positions_find_a_hot_spot_between_voxels():
    where = grid((21, 21, 21), (4.8, 4.8, 4.8))
    hot = np.array([10.5, 10.5, 10.5]) * 4.8  # on the corner of eight voxels
    array = np.exp(-((centres(where) - hot) ** 2).sum(axis=-1) / (2 * 5.0**2))
    volume, segment = Volume(array, where.ijk_to_ras), ball(where, hot, 20.0)
    coarse = suv_peak(volume, segment, where)
    fine = suv_peak(volume, segment, where, PeakRule(positions_per_axis=4))
    assert fine.value > coarse.value * 1.02
    np.testing.assert_allclose(fine.center_ras, hot, atol=0.61)
    assert np.abs(np.array(coarse.center_ras) - hot).max() == pytest.approx(2.4)


def test_sphere_entirely_inside():
    where = grid((40, 40, 40), (2.0, 2.0, 2.0))
    volume = Volume(centres(where)[..., 0], where.ijk_to_ras)
    segment = ball(where, (40.0, 40.0, 40.0), 16.0)
    anywhere = suv_peak(volume, segment, where)
    inside = suv_peak(volume, segment, where, PeakRule(entirely_inside=True))
    assert anywhere.value == pytest.approx(56.0, rel=1e-4)
    assert inside.value == pytest.approx(50.0, abs=1.0)  # 40 + 16 - 6.2
    with pytest.raises(UptakeError, match=r"'L1': no sphere of 6\.204 mm radius is entirely inside"):
        suv_peak(volume, ball(where, (40.0, 40.0, 40.0), 5.0), where, PeakRule(entirely_inside=True))


def test_region_on_a_finer_grid_and_moved():
    image = grid((20, 20, 20), (4.0, 4.0, 4.0))
    volume = Volume(centres(image)[..., 2], image.ijk_to_ras)
    source = grid((60, 60, 60), (1.0, 1.0, 1.0), (10.0, 10.0, 10.0))
    segment = ball(source, (40.0, 40.0, 38.0), 10.2)
    assert suv_peak(volume, segment, source).value == pytest.approx(48.0, rel=1e-5)
    lower = np.eye(4)
    lower[2, 3] = -4.0
    assert suv_peak(volume, segment, source, ras_transform=lower).value == pytest.approx(44.0, rel=1e-5)
    inside = suv_peak(volume, segment, source, PeakRule(entirely_inside=True, radius_mm=6.0), lower)
    assert inside.value == pytest.approx(36.0)  # 34 + 10.2 - 6 = 38.2 allows the voxel centre at 36
    both = region_peaks(volume, Segmentation(source, (segment, ball(source, (40, 40, 30.0), 10.2, "L2"))))
    assert both["L1"].value > both["L2"].value


def test_a_peak_stays_within_the_image_and_refuses_what_it_cannot_use():
    where = grid((10, 10, 10), (2.0, 2.0, 2.0))
    array = np.ones(where.shape)
    array[0] = 50.0
    edge = Segment.from_full("dome", np.broadcast_to(np.arange(10)[:, None, None] < 5, where.shape))
    assert suv_peak(Volume(array, where.ijk_to_ras), edge, where).center_ras[2] >= 6.0
    with pytest.raises(UptakeError, match=r"'cap': no sphere of 6\.204 mm radius is centred"):
        suv_peak(Volume(array, where.ijk_to_ras), Segment("cap", np.ones((2, 10, 10))), where)
    array[5, 5, 5] = np.nan
    with pytest.raises(UptakeError, match=r"'dome'.*not finite"):
        suv_peak(Volume(array, where.ijk_to_ras), edge, where)
    with pytest.raises(UptakeError, match="radius"):
        PeakRule(radius_mm=0.0)
    with pytest.raises(UptakeError, match="Positions"):
        PeakRule(positions_per_axis=0)
