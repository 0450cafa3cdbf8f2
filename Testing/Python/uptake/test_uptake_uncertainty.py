"""Counting noise with its correlation, and intervals of uptakes and ratios, against repeated images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.uptake.errors import NoiseError, RecoveryError, UptakeError
from PRRTUptakeLib.uptake.noise import ImageNoise, image_noise, repeated_u
from PRRTUptakeLib.uptake.occupancy import Occupancy
from PRRTUptakeLib.uptake.region_model import Box, box_of
from PRRTUptakeLib.uptake.region_uptake import PartialVolumeSettings, region_uptakes
from PRRTUptakeLib.uptake.uncertainty import DrawnValue, aggregated, budget, corrected_value, ratio, uncorrected_value
from scipy.ndimage import gaussian_filter

DRAWS = 4000


def region(grid, fraction, name="region"):
    flat = np.asarray(fraction, dtype=float).reshape(-1)
    indices = np.flatnonzero(flat)
    return Occupancy(name, grid, indices, flat[indices], flat[indices] >= 0.5)


def normal(seed, n=DRAWS):
    return np.random.default_rng(seed).standard_normal(n)


@pytest.mark.parametrize("width", [0.0, 0.8, 1.2])
def test_noise_of_a_mean_is_that_of_repeated_images(width):
    """Smoothed noise of known scatter: u of the mean of a ball from one image against the scatter over 300 images."""
    grid = Grid((30, 32, 34), np.diag([4.0, 4.0, 4.0, 1.0]))
    k, j, i = np.ogrid[:30, :32, :34]
    uniform = region(grid, (abs(k - 15) < 11) & (abs(j - 16) < 11) & (abs(i - 17) < 12))
    ball = region(grid, (k - 15) ** 2 + (j - 16) ** 2 + (i - 17) ** 2 < 20)
    rng = np.random.default_rng(5)
    means, stated = [], []
    for _ in range(300):
        noise = rng.standard_normal(grid.shape)
        noise = gaussian_filter(noise, width) if width else noise
        image = Volume(100.0 + 10.0 * noise / noise.std() + 0.3 * (i - 17), grid.ijk_to_ras)
        means.append(float(ball.values(image).mean()))
        if len(stated) < 20:
            stated.append(image_noise(image, uniform).relative_u(box_of(ball), 100.0))
    scatter = float(np.std(means)) / 100.0
    assert float(np.mean(stated)) == pytest.approx(scatter, rel=0.15)
    if width > 1:
        independent = 0.1 / math.sqrt(ball.indices.size)
        assert scatter > 2.5 * independent  # what is lost where the correlation is left out


def test_noise_grows_with_the_mean_by_the_larger_of_both_laws():
    noise = ImageNoise(100.0, 25.0, (0.0, 0.0, 0.0), 1000)
    assert noise.variance_at(400.0) == pytest.approx(25.0 * 16)
    assert noise.variance_at(25.0) == pytest.approx(25.0 / 4)
    one = Box((0, 0, 0), np.ones((1, 1, 1)))
    assert noise.relative_u(one, 400.0) == pytest.approx(0.05)


def test_noise_that_cannot_be_found_is_refused():
    grid = Grid((4, 4, 4), np.diag([4.0, 4.0, 4.0, 1.0]))
    image = Volume(np.zeros((4, 4, 4)), grid.ijk_to_ras)
    mask = np.zeros((4, 4, 4))
    mask[:2, :2, :2] = 1
    with pytest.raises(NoiseError, match="has 8 whole voxels, too few"):
        image_noise(image, region(grid, mask))
    with pytest.raises(NoiseError, match="must be positive"):
        image_noise(image, region(grid, np.ones((4, 4, 4))))
    with pytest.raises(NoiseError, match="two positive means"):
        repeated_u([5.0])


def test_repeats_hold_the_truth_in_95_percent_with_few_images():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(2000):
        means = 50.0 * (1 + 0.03 * rng.standard_normal(4))
        another = 50.0 * (1 + 0.03 * rng.standard_normal())
        hits += abs(another - 50.0) <= 1.96 * repeated_u(means) * means.mean()
    assert hits / 2000 == pytest.approx(0.95, abs=0.012)


def test_what_is_shared_cancels_in_a_ratio():
    calibration = normal(1)
    one = DrawnValue(30.0, 40.0, 0.02 * normal(2), 0.04 * normal(3), "noise").with_shared(
        0.05, calibration, "calibration"
    )
    two = DrawnValue(2.0, 2.1, 0.01 * normal(4), 0.02 * normal(5), "noise").with_shared(
        0.05, calibration, "calibration"
    )
    alone = corrected_value(one)
    assert alone.u / alone.value == pytest.approx(math.hypot(0.04, 0.05), rel=0.05)
    both = corrected_value(ratio(one, two))
    assert both.value == pytest.approx(40.0 / 2.1)
    assert both.u / both.value == pytest.approx(math.hypot(0.04, 0.02), rel=0.05)
    assert "calibration" in alone.contents


def test_an_uncorrected_value_has_its_loss_in_the_interval():
    lesion = DrawnValue(20.0, 40.0, 0.02 * normal(2), 0.10 * normal(3), "camera resolution")
    found, right = uncorrected_value(lesion), corrected_value(lesion)
    assert found.value == 20.0
    assert found.lower == pytest.approx(20.0 * math.exp(-1.96 * 0.02), rel=0.01)
    assert found.upper == pytest.approx(right.upper)
    assert found.u == pytest.approx(math.hypot(20.0, 4.0), rel=0.05)
    assert found.value + 1.96 * found.u > 40.0
    assert "expected loss of 50 %" in found.contents
    cold = uncorrected_value(DrawnValue(3.0, 2.0, 0.02 * normal(2), 0.05 * normal(3), ""))
    assert cold.lower < 2.0
    assert cold.upper == pytest.approx(3.0 * math.exp(1.96 * 0.02), rel=0.01)
    assert "gain of 50 %" in cold.contents


def test_lesions_of_a_lobe_share_what_they_share():
    """Three lesions of 7 % each and 5 % twice in common: of a ratio of two lobes 0.07 sqrt(2/3) remains."""
    shared = 0.05 * (normal(90) + normal(91))
    lobes = []
    for lobe in range(2):
        lesions = [DrawnValue(50.0, 50.0, x := 0.07 * normal(10 * lobe + n) + shared, x) for n in range(3)]
        lobes.append(aggregated(lesions, "geometric-mean"))
    assert np.std(lobes[0].truth) == pytest.approx(math.sqrt(0.07**2 / 3 + 2 * 0.05**2), rel=0.05)
    assert np.std(ratio(*lobes).truth) == pytest.approx(0.07 * math.sqrt(2 / 3), rel=0.05)


@pytest.mark.parametrize("rule", ["geometric-mean", "arithmetic-mean", "median", "volume-weighted-mean"])
def test_an_average_is_that_of_the_values_and_of_every_draw(rule):
    values, volumes = [12.0, 30.0, 18.0, 70.0], [4.0, 9.0, 2.0, 20.0]
    lesions = [DrawnValue(v, 1.5 * v, 0.01 * normal(n), 0.05 * normal(n)) for n, v in enumerate(values)]
    found = aggregated(lesions, rule, volumes)
    by_hand = {
        "geometric-mean": math.prod(values) ** 0.25,
        "arithmetic-mean": 32.5,
        "median": 24.0,
        "volume-weighted-mean": float(np.dot(values, volumes)) / 35.0,
    }[rule]
    assert found.measured == pytest.approx(by_hand)
    assert found.corrected == pytest.approx(1.5 * by_hand)
    if rule == "median":
        drawn = np.median([1.5 * v * np.exp(0.05 * normal(n)) for n, v in enumerate(values)], axis=0)
        np.testing.assert_allclose(found.corrected * np.exp(found.truth), drawn)


def test_a_budget_adds_up_to_100_percent():
    found = budget({"contour": 0.04 * normal(1), "noise": 0.03 * normal(2), "resolution": 0.0 * normal(3)})
    assert math.fsum(found.values()) == pytest.approx(100.0)
    assert found["contour"] == pytest.approx(64.0, abs=2.0)
    with pytest.raises(UptakeError, match="No cause has an uncertainty"):
        budget({"noise": np.zeros(10)})


def test_impossible_uptakes_are_refused():
    with pytest.raises(UptakeError, match="must be positive"):
        DrawnValue(0.0, 1.0, normal(1), normal(2))
    with pytest.raises(UptakeError, match="equal numbers of draws"):
        ratio(DrawnValue(1.0, 1.0, normal(1), normal(1)), DrawnValue(1.0, 1.0, normal(1, 10), normal(1, 10)))
    with pytest.raises(UptakeError, match="not one of"):
        aggregated([DrawnValue(1.0, 1.0, normal(1), normal(1))], "mode")
    with pytest.raises(UptakeError, match="positive volume"):
        aggregated([DrawnValue(1.0, 1.0, normal(1), normal(1))], "volume-weighted-mean")
    with pytest.raises(RecoveryError, match="must be one of none, gtm, recovery"):
        PartialVolumeSettings(mode="yes", fwhm_mm=12.0)
    with pytest.raises(RecoveryError, match="no phantom's recovery curve"):
        PartialVolumeSettings(mode="recovery", fwhm_mm=12.0)


@pytest.fixture(scope="module")
def two_images():
    """One lesion in warm tissue in two images of one camera, uptakes 30 and 10 over tissue of 2."""
    grid = Grid((40, 40, 40), np.diag([4.0, 4.0, 4.0, 1.0]))
    k, j, i = np.ogrid[:40, :40, :40]
    lesion = (k - 19) ** 2 + (j - 20) ** 2 + (i - 21) ** 2 <= 4.0**2
    reference = ((k - 19) ** 2 + (j - 20) ** 2 + (i - 8) ** 2 <= 5.0**2) * 1.0
    images = []
    for value in (30.0, 10.0):
        array = gaussian_filter(2.0 + (value - 2.0) * lesion, 12.0 / 2.3548 / 4.0)
        images.append(Volume(array, grid.ijk_to_ras))
    return images, [region(grid, lesion, "lesion"), region(grid, reference, "reference")]


def uptakes(two_images, mode, **changes):
    images, regions = two_images
    settings = PartialVolumeSettings(mode=mode, fwhm_mm=12.0, **changes)
    noise = {"lesion": 0.02, "reference": 0.01}
    return [region_uptakes(image, regions, settings, noise=noise, name=str(n)) for n, image in enumerate(images)]


def test_both_modes_hold_the_truth_and_the_first_line_says_which(two_images):
    for mode, words in (("none", "not corrected for partial volume"), ("gtm", "corrected for partial volume by the")):
        first, _ = uptakes(two_images, mode)
        found = first.result("lesion")
        assert found.lower < 30.0 < found.upper
        assert words in first.sentence
        tn = ratio(first.uptake("lesion"), first.uptake("reference")).result(first.is_corrected("lesion"))
        assert tn.lower < 15.0 < tn.upper
    assert first.result("lesion").value == pytest.approx(30.0, rel=0.02)


def test_contour_and_resolution_cancel_between_two_images_of_one_lesion(two_images):
    first, second = uptakes(two_images, "gtm")
    one, two = first.uptake("lesion"), second.uptake("lesion")
    enhancement = ratio(one, two)
    assert enhancement.corrected == pytest.approx(3.0, rel=0.02)
    assert np.std(one.truth) > 0.1
    assert np.std(enhancement.truth) < 0.6 * np.std(one.truth)  # place and noise are each image's own
    first, second = uptakes(two_images, "gtm", own_contours=True)
    apart = ratio(first.uptake("lesion"), second.uptake("lesion"))
    assert np.std(apart.truth) > 1.3 * np.std(enhancement.truth)
