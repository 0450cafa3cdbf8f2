"""Voxel maps from noisy images: bias below 2 %, uncertainties that hold, and priors that the voxels overrule."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTDosimetryLib.kinetics.voxel_noise import SharedNoise
from PRRTDosimetryLib.kinetics.voxel_prior import smoothed
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.kinetics.voxelwise import (
    HalfLifePrior,
    VoxelNoise,
    mono_exponential_tia,
    mono_exponential_tia_by_surroundings,
    uptake_clearance_tia,
)
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from scipy import ndimage

LU177 = nuclide("Lu-177")
GRID = Grid((10, 12, 22), np.diag([4.0, 4.0, 4.0, 1.0]))
LATE, EARLY = (24.0, 72.0, 168.0), (4.0, 24.0, 72.0, 168.0)


def images(half_life, times, noise, uptake_h=0.0, seed=1, alike_mm=0.0):
    """Voxels of one course with relative noise, white or blurred by ``alike_mm``, and the true integral in MBq.h/mL."""
    time = np.array(times)
    exact = 1e5 * (2 ** (-time / half_life) - (2 ** (-time / uptake_h) if uptake_h else 0.0))
    normal = normals(time.size, seed, alike_mm / 4.0 / 2.3548)
    values = np.maximum(exact[:, None, None, None] * (1 + noise * normal), 0.0)
    return VoxelSeries(LU177, GRID, time, values.astype(np.float32)), 0.1 * (half_life - uptake_h) / math.log(2)


def normals(count, seed, sigma):
    """Fields of variance 1 on the grid, white noise blurred by ``sigma`` voxels."""
    random = np.random.default_rng(seed)
    if sigma == 0:
        return random.standard_normal((count, *GRID.shape))
    around, point = 12, np.zeros((25, 25, 25))
    point[12, 12, 12] = 1.0
    spread = math.sqrt(float((ndimage.gaussian_filter(point, sigma) ** 2).sum()))
    inside = (slice(around, -around),) * 3
    wide = [n + 2 * around for n in GRID.shape]
    return (
        np.stack([ndimage.gaussian_filter(random.standard_normal(wide), sigma)[inside] for _ in range(count)]) / spread
    )


def bias(found, truth):
    return float(found.tia.array.mean(dtype=np.float64)) / truth - 1


def held(found, truth):
    low, high = found.interval()
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("times", [LATE, EARLY])
@pytest.mark.parametrize("noise", [0.1, 0.2, 0.3])
@pytest.mark.parametrize(("half_life", "uptake_h"), [(40.0, 0.0), (50.0, 0.7), (100.0, 0.0), (150.0, 0.0)])
def test_the_default_map_is_unbiased(half_life, uptake_h, noise, times):
    series, truth = images(half_life, times, noise, uptake_h)
    found = uptake_clearance_tia(series)
    assert abs(bias(found, truth)) < 0.02
    assert np.isfinite(found.uncertainty.array).all()
    assert 0.91 <= held(found, truth) <= 0.99
    assert any("noise of a voxel" in note for note in found.notes)


@pytest.mark.parametrize("half_life", [40.0, 60.0, 150.0])
@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_the_mono_exponential_map_is_unbiased(half_life, noise):
    series, truth = images(half_life, LATE, noise)
    stated = VoxelNoise(noise, 1.0)
    for found in (
        mono_exponential_tia_by_surroundings(series),
        mono_exponential_tia(series, stated),
        mono_exponential_tia(series, stated, HalfLifePrior(half_life, 0.2)),
    ):
        assert abs(bias(found, truth)) < 0.02
        assert 0.91 <= held(found, truth) <= 0.99


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_a_wrong_prior_is_noticed_and_moved(noise):
    series, truth = images(140.0, LATE, noise)
    found = mono_exponential_tia(series, VoxelNoise(noise, 1.0), HalfLifePrior(60.0, 0.2))
    assert abs(bias(found, truth)) < 0.02
    assert any("contradicted in" in note for note in found.notes)
    right = mono_exponential_tia(series, VoxelNoise(noise, 1.0), HalfLifePrior(140.0, 0.2))
    assert share_of(found) > 0.9
    assert share_of(right) < 0.1


def share_of(found):
    """Share of voxels, by the note, in which a prior is contradicted."""
    words = [note.split("contradicted in ")[1].split("%")[0] for note in found.notes if "contradicted in" in note]
    return float(words[0]) / 100 if words else 0.0


@pytest.mark.parametrize(("alike_mm", "noise"), [(10.0, 0.1), (10.0, 0.3), (14.0, 0.1), (14.0, 0.2)])
def test_noise_that_neighbours_share_is_in_the_interval(alike_mm, noise):
    """As reconstruction makes it: the surroundings then say less, and share the voxel's own error."""
    shares, said, biases = [], [], []
    for seed, (half_life, times) in enumerate([(40.0, LATE), (60.0, EARLY), (100.0, LATE), (140.0, EARLY)], 11):
        series, truth = images(half_life, times, noise, seed=seed, alike_mm=alike_mm)
        found = uptake_clearance_tia(series)
        shares.append(held(found, truth))
        biases.append(bias(found, truth))
        said.append(
            [
                float(text.split(": " if "noise of a" in text else "by ")[1].split("%")[0].split(" mm")[0])
                for text in found.notes
                if "noise of" in text
            ]
        )
    assert 0.93 <= np.mean(shares) <= 0.98
    assert min(shares) > 0.89
    assert np.mean([one[0] for one in said]) / 100 == pytest.approx(noise, rel=0.08)
    assert np.mean([one[1] for one in said]) == pytest.approx(alike_mm, abs=2.0)
    assert abs(np.mean(biases)) < 0.05  # the mean of a single field of so few independent voxels scatters by 3 %


def test_white_noise_is_not_taken_for_alike():
    series, _ = images(60.0, EARLY, 0.2)
    assert not any("alike" in note for note in uptake_clearance_tia(series).notes)


def test_what_smoothing_leaves_of_noise_is_what_simulated_fields_have():
    """Variance of smoothed noise and covariance with the voxel's own, against 40 fields."""
    field = normals(40, 5, 10.0 / 4.0 / 2.3548)
    series, _ = images(60.0, LATE, 0.1)
    shared = SharedNoise.of(series, 10.0)
    inside = (slice(3, -3),) * 3
    smooth = np.stack([smoothed(series, one) for one in field])
    assert shared.smoothed == pytest.approx(np.mean([(one[inside] ** 2).mean() for one in smooth]), rel=0.15)
    own = np.mean([(a[inside] * b[inside]).mean() for a, b in zip(smooth, field, strict=True)])
    assert shared.with_own == pytest.approx(own, rel=0.15)


def test_the_noise_is_found():
    for noise in (0.0, 0.1, 0.25):
        series, _ = images(60.0, EARLY, noise)
        note = next(one for one in uptake_clearance_tia(series).notes if "noise of a voxel" in one)
        assert float(note.split(": ")[1].split("%")[0]) / 100 == pytest.approx(noise, abs=0.01 + 0.05 * noise)


def test_two_regions_keep_their_own_half_lives():
    """A block of 40 h beside one of 120 h: away from their border each has its own, at 15 % noise."""
    left, truth_left = images(40.0, EARLY, 0.15, seed=3)
    right, truth_right = images(120.0, EARLY, 0.15, seed=4)
    values = left.activity_Bq_per_mL.copy()
    values[..., 11:] = right.activity_Bq_per_mL[..., 11:]
    found = uptake_clearance_tia(VoxelSeries(LU177, GRID, np.array(EARLY), values)).tia.array.astype(np.float64)
    assert found[..., :7].mean() == pytest.approx(truth_left, rel=0.03)
    assert found[..., 15:].mean() == pytest.approx(truth_right, rel=0.03)


def test_students_t_where_each_voxels_own_scatter_gives_the_uncertainty():
    series, truth = images(60.0, EARLY, 0.05)
    found = mono_exponential_tia(series)
    assert found.degrees_of_freedom == 2
    assert 0.91 <= held(found, truth) <= 0.99
    assert held(found, truth) > float(
        np.mean(np.abs(found.tia.array - truth) <= 1.96 * found.uncertainty.array)
    )  # the normal distribution would promise too much
