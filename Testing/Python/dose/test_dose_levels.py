"""D98, D50 and D2 with noise and blur: against uniform and two-valued regions whose levels are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTDosimetryLib.dose.dose_levels import VoxelDoses, dose_levels, noise_cell_mL
from scipy import ndimage

SHAPE, EDGE_mm = (16, 16, 16), 4.0


def noise(seed, fwhm_mm=0.0):
    """A field of variance 1, white or blurred."""
    sigma, around = fwhm_mm / 2.354820 / EDGE_mm, 10
    wide = np.random.default_rng(seed).standard_normal([n + 2 * around for n in SHAPE])
    if sigma == 0:
        return wide[around:-around, around:-around, around:-around].ravel()
    point = np.zeros((21, 21, 21))
    point[10, 10, 10] = 1.0
    spread = math.sqrt(float((ndimage.gaussian_filter(point, sigma) ** 2).sum()))
    blurred = ndimage.gaussian_filter(wide, sigma) / spread
    return blurred[around:-around, around:-around, around:-around].ravel()


def levels(dose, relative_u, fwhm_mm=0.0, sharpening=None):
    volume = np.full(dose.size, EDGE_mm**3 / 1000)
    voxels = VoxelDoses(dose, volume, np.full(dose.size, relative_u), sharpening)
    return dose_levels(voxels, noise_cell_mL(fwhm_mm, (EDGE_mm,) * 3))


@pytest.mark.parametrize("fwhm_mm", [0.0, 10.0])
def test_a_uniform_region_has_its_dose_at_all_levels_without_noise(fwhm_mm):
    found = levels(20.0 * (1 + 0.15 * noise(1, fwhm_mm)), 0.15, fwhm_mm)
    assert found[98].measured_Gy < 15.5 < 24.5 < found[2].measured_Gy
    for percent in (98, 50, 2):
        assert found[percent].noiseless_Gy == pytest.approx(20.0, rel=0.04)


def test_what_is_no_noise_stays():
    """Doses from 10 to 30 Gy, 5 % noise: D98 and D2 of the true doses."""
    true = np.linspace(10.0, 30.0, np.prod(SHAPE))
    found = levels(true * (1 + 0.05 * noise(2)), 0.05)
    assert found[98].noiseless_Gy == pytest.approx(10.4, rel=0.03)
    assert found[2].noiseless_Gy == pytest.approx(29.6, rel=0.03)
    assert levels(true, 0.0)[98].noiseless_Gy == pytest.approx(10.4, rel=0.01)


@pytest.mark.parametrize("fwhm_mm", [0.0, 12.0])
@pytest.mark.parametrize("percent", [98, 50, 2])
def test_noise_of_a_level_is_about_that_of_repeated_maps(fwhm_mm, percent):
    """Within a third for white noise; cells of alike noise count as if together, scattered ones are twice as many."""
    true = np.repeat([18.0, 22.0], np.prod(SHAPE) // 2)
    found = [levels(true * (1 + 0.15 * noise(seed, fwhm_mm)), 0.15, fwhm_mm)[percent] for seed in range(30)]
    scatter = np.std([one.measured_Gy for one in found], ddof=1) / np.mean([one.measured_Gy for one in found])
    assert 0.65 <= np.mean([one.noise_u for one in found]) / scatter <= 2.2


def test_a_cell_of_noise_is_a_voxel_at_least():
    assert noise_cell_mL(0.0, (4.0, 4.0, 5.0)) == pytest.approx(0.08)
    sigma = 12.0 / 2.354820
    assert noise_cell_mL(12.0, (4.0, 4.0, 5.0)) == pytest.approx((2 * math.sqrt(math.pi) * sigma) ** 3 / 1000)


def test_the_sharpened_pattern_is_that_of_the_factors():
    dose = np.linspace(10.0, 30.0, np.prod(SHAPE))
    found = levels(dose, 0.0, sharpening=30.0 / dose)
    assert [found[percent].sharp_Gy for percent in (98, 50, 2)] == pytest.approx([30.0] * 3)
    assert math.isnan(levels(dose, 0.0)[98].sharp_Gy)
