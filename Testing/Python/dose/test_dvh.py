"""Dose-volume histograms, profiles and isodoses of fields whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTDosimetryLib.dose.dvh import dose_volume_histogram
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.isodose import dose_colour_table, dose_profile, isodose_regions
from PRRTUptakeLib.imaging.volume import Volume


def gaussian_in_ball(n=60, radius=1.0):
    """Dose 100 exp(-r^2) in a ball, with the part of each voxel that is in it; unit length is 20 mm."""
    edge = 2 * radius / n
    middle = (np.arange(n) + 0.5) * edge - radius
    squares = middle[:, None, None] ** 2 + middle[:, None] ** 2 + middle**2
    fine = (np.arange(4 * n) + 0.5) * edge / 4 - radius
    inside = fine[:, None, None] ** 2 + fine[:, None] ** 2 + fine**2 <= radius**2
    fraction = inside.reshape(n, 4, n, 4, n, 4).mean(axis=(1, 3, 5))
    return 100 * np.exp(-squares), fraction * (20 * edge) ** 3 / 1e3


def test_ramp():
    """Dose rises evenly from 0 to 50 Gy through the region: D_x = 50 (1 - x/100), V_d = 100 - 2 d."""
    n = 1000
    histogram = dose_volume_histogram((np.arange(n) + 0.5) / n * 50, np.full(n, 0.3))
    assert histogram.mean_Gy == pytest.approx(25.0)
    assert histogram.total_volume_mL == pytest.approx(300.0)
    for percent in (98, 50, 2):
        assert histogram.dose_at_volume_Gy(percent) == pytest.approx(50 * (1 - percent / 100), abs=1e-9)
    for dose in (0.0, 20.0, 37.5):
        assert histogram.cumulative(dose) == pytest.approx(100 - 2 * dose, abs=1e-9)
    np.testing.assert_allclose(histogram.cumulative(np.array([-1.0, 10.0, 50.0])), [100.0, 80.0, 0.0])


def test_gaussian_dose_in_a_ball_with_partial_voxels():
    """V_d = r^3 with r = sqrt(ln(100/d)); D_x = 100 exp(-(x/100)^(2/3)); the mean is an integral."""
    dose, volume = gaussian_in_ball()
    histogram = dose_volume_histogram(dose, volume)
    assert histogram.total_volume_mL == pytest.approx(4 / 3 * np.pi * 8, rel=1e-3)
    r = np.linspace(0, 1, 2001)
    exact_mean = 100 * np.trapezoid(3 * r**2 * np.exp(-(r**2)), r)
    assert histogram.mean_Gy == pytest.approx(exact_mean, rel=2e-3)
    for percent in (98, 90, 50, 10, 2):
        assert histogram.dose_at_volume_Gy(percent) == pytest.approx(
            100 * np.exp(-((percent / 100) ** (2 / 3))), rel=0.01
        )
    for level in (40.0, 60.0, 90.0):
        assert histogram.cumulative(level) == pytest.approx(100 * np.log(100 / level) ** 1.5, abs=0.5)


def test_partial_voxels_count_by_their_part():
    histogram = dose_volume_histogram([10.0, 40.0, 99.0], [1.0, 0.5, 0.0])
    assert histogram.mean_Gy == pytest.approx(20.0)
    assert histogram.cumulative(40.0) == pytest.approx(100 / 3)
    assert histogram.maximum_Gy == 40.0


def test_uniform_dose_is_a_step():
    histogram = dose_volume_histogram(np.full(8, 20.0), np.full(8, 1.0))
    assert histogram.cumulative(20.0) == 100.0
    assert histogram.cumulative(20.0001) == 0.0
    assert {histogram.dose_at_volume_Gy(percent) for percent in (0, 2, 50, 98, 100)} == {20.0}


def test_histogram_does_not_depend_on_order_or_splitting():
    random = np.random.default_rng(2)
    dose, volume = random.random(50) * 30, random.random(50)
    whole = dose_volume_histogram(dose, volume)
    shuffled = random.permutation(50)
    split = dose_volume_histogram(np.tile(dose[shuffled], 2), np.tile(volume[shuffled] / 2, 2))
    assert split.mean_Gy == pytest.approx(whole.mean_Gy)
    assert split.cumulative(11.0) == pytest.approx(whole.cumulative(11.0))
    levels = np.linspace(0, 30, 40)
    np.testing.assert_allclose(whole.cumulative(levels), [whole.cumulative(d) for d in levels])


@pytest.mark.parametrize(
    ("dose", "volume", "sentence"),
    [
        ([1.0], [1.0, 2.0], "There are 1 doses, but 2 volumes."),
        ([np.nan], [1.0], "A dose-volume histogram needs a number for every dose and volume of the region."),
        ([1.0], [-1.0], "A voxel occupies -1 mL of the region: volumes cannot be negative."),
        ([1.0], [0.0], "The region occupies no voxel of the dose map: check that they overlap."),
        ([], [], "The region occupies no voxel of the dose map: check that they overlap."),
    ],
)
def test_impossible_histograms_are_refused(dose, volume, sentence):
    with pytest.raises(DoseError) as caught:
        dose_volume_histogram(dose, volume)
    assert str(caught.value) == sentence


def test_impossible_questions_are_refused():
    histogram = dose_volume_histogram([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(DoseError, match="0 to 100 % of the region, not 102 %"):
        histogram.dose_at_volume_Gy(102)


def plane_field():
    """Dose = x + 2 z in Gy for RAS x, z in mm."""
    k, _, i = np.mgrid[:10, :8, :12]
    matrix = np.diag([2.0, 2.0, 3.0, 1.0])
    matrix[:3, 3] = [10.0, 0.0, -5.0]
    return Volume((2.0 * i + 10.0) + 2 * (3.0 * k - 5.0) + 20.0, matrix, "absorbed dose", "Gy")


def test_profile_along_any_line_of_a_linear_field_is_linear():
    distance, dose = dose_profile(plane_field(), (12.0, 4.0, -4.0), (30.0, 10.0, 20.0), 50)
    share = np.linspace(0, 1, 50)
    np.testing.assert_allclose(dose, (12 + 18 * share) + 2 * (-4 + 24 * share) + 20, rtol=1e-5)
    assert distance[-1] == pytest.approx(np.sqrt(18**2 + 6**2 + 24**2))


def test_isodose_regions_hold_exactly_the_voxels_above_their_level():
    dose = plane_field()
    regions = isodose_regions(dose, [60.0, 30.0, 1e4])
    assert [segment.name for segment in regions] == ["30 Gy", "60 Gy"]
    for segment, level in zip(regions, (30.0, 60.0), strict=True):
        np.testing.assert_array_equal(segment.full_mask(dose.grid.shape), dose.array >= level)


def test_dose_colours_grow_lighter():
    table = dose_colour_table(50.0, 64)
    assert (table[0][0], table[-1][0], len(table)) == (0.0, 50.0, 64)
    lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for _, (red, green, blue) in table]
    assert (np.diff(lightness) > 0).all()
    assert all(0.0 <= channel <= 1.0 for _, colour in table for channel in colour)


def test_impossible_profiles_and_levels_are_refused():
    dose = plane_field()
    with pytest.raises(DoseError, match="leaves the dose map"):
        dose_profile(dose, (12.0, 4.0, -4.0), (300.0, 4.0, -4.0))
    with pytest.raises(DoseError, match="two different ends"):
        dose_profile(dose, (12.0, 4.0, -4.0), (12.0, 4.0, -4.0))
    with pytest.raises(DoseError, match="different doses above 0 Gy, not 0, 5"):
        isodose_regions(dose, [5.0, 0.0])
    with pytest.raises(DoseError, match="ends above 0 Gy"):
        dose_colour_table(0.0)
