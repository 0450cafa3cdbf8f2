"""What noise adds to SUVmax and SUVpeak, against simulated images of spheres whose maxima without noise are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.study.route_intervals import _repeating
from PRRTUptakeLib.uptake.maximum_bias import maximum_biases
from PRRTUptakeLib.uptake.noise import ImageNoise
from PRRTUptakeLib.uptake.occupancy import Occupancy
from PRRTUptakeLib.uptake.peak import ONE_ML_RADIUS_MM, sphere_kernel
from PRRTUptakeLib.uptake.region_model import region_model
from PRRTUptakeLib.uptake.transfer_matrix import correct_regions, spread_regions
from scipy import ndimage

EDGE_mm, SIZE, FWHM_mm = 4.0, 26, 7.0
GRID = Grid((SIZE,) * 3, np.diag([EDGE_mm, EDGE_mm, EDGE_mm, 1.0]))
SIGMA = 7.0 / 2.354820 / EDGE_mm  # of the blur that makes noise alike
RHO = math.exp(-1.0 / (4.0 * SIGMA**2))


def lesion(diameter_mm):
    """A sphere of 10 in 1, its image without noise, and what the model makes of it."""
    fine = 4
    axis = ((np.arange(SIZE * fine) + 0.5) / fine - SIZE / 2) * EDGE_mm
    z, y, x = np.meshgrid(axis - 0.7, axis + 1.1, axis, indexing="ij", sparse=True)
    inside = x**2 + y**2 + z**2 <= (diameter_mm / 2) ** 2
    part = inside.reshape(SIZE, fine, SIZE, fine, SIZE, fine).mean(axis=(1, 3, 5)).ravel()
    indices = np.flatnonzero(part)
    region = Occupancy("L1", GRID, indices, part[indices], part[indices] >= 0.5)
    clean = ndimage.gaussian_filter(1.0 + 9.0 * part.reshape(GRID.shape), FWHM_mm / 2.354820 / EDGE_mm)
    spread = spread_regions(region_model([region]), FWHM_mm)
    return region, clean, correct_regions(Volume(clean, GRID.ijk_to_ras), spread)


def repeats(clean, relative, count=150):
    random, point = np.random.default_rng(8), np.zeros((25,) * 3)
    point[12, 12, 12] = 1.0
    scale = math.sqrt(float((ndimage.gaussian_filter(point, SIGMA) ** 2).sum()))
    for _ in range(count):
        yield clean * (1 + relative * ndimage.gaussian_filter(random.standard_normal(clean.shape), SIGMA) / scale)


@pytest.mark.parametrize("relative", [0.05, 0.10])
@pytest.mark.parametrize("diameter_mm", [15.0, 40.0])
def test_the_expected_rise_is_that_of_repeated_images(diameter_mm, relative):
    """Or somewhat more: of colder voxels the larger of two variances is taken, so that more of them compete."""
    region, clean, corrected = lesion(diameter_mm)
    highest = float(clean.max())
    noise = ImageNoise(highest, (highest * relative) ** 2, (RHO, RHO, RHO), 1000)
    found = maximum_biases([region], corrected, noise)["L1"]
    inside = np.zeros(clean.size, dtype=bool)
    inside[region.indices[region.centre_inside]] = True
    kernel = sphere_kernel(np.eye(3) * EDGE_mm, ONE_ML_RADIUS_MM)

    def maxima(image):
        return image.ravel()[inside].max(), ndimage.convolve(image, kernel).ravel()[inside].max()

    rises = np.log([maxima(one) for one in repeats(clean, relative)]) - np.log(maxima(clean))
    for one, rise in ((found.voxel, rises[:, 0].mean()), (found.sphere, rises[:, 1].mean())):
        assert 0.75 * rise - 0.006 <= one <= 1.3 * rise + 0.025
    assert found.voxel > found.sphere


def test_the_interval_holds_the_maximum_without_noise():
    """Of 60 images with 10 % noise; repeatability of 10 % a voxel, as these images repeat."""
    region, clean, corrected = lesion(40.0)
    found = maximum_biases([region], corrected, ImageNoise(10.0, 1.0, (RHO,) * 3, 1000))["L1"]
    inside = np.zeros(clean.size, dtype=bool)
    inside[region.indices[region.centre_inside]] = True
    truth = clean.ravel()[inside].max()
    values = [one.ravel()[inside].max() for one in repeats(clean, 0.10, 60)]
    scatter = float(np.std(np.log(values)))
    held = [one.lower <= truth <= one.upper for one in (_repeating(v, scatter, found.voxel) for v in values)]
    alone = [one.lower <= truth <= one.upper for one in (_repeating(v, scatter) for v in values)]
    assert np.mean(held) >= 0.93
    assert np.mean(alone) < 0.5


def test_without_noise_nothing_is_added_and_large_regions_are_left_out():
    region, _, corrected = lesion(15.0)
    none = maximum_biases([region], corrected, ImageNoise(10.0, 0.0, (0.0,) * 3, 1000))
    assert none["L1"].voxel == pytest.approx(0.0)
    one = _repeating(5.0, 0.1)
    assert (one.lower, one.upper, one.u) == pytest.approx((5 * math.exp(-0.196), 5 * math.exp(0.196), 0.5), rel=1e-3)
