"""The chain of uncertainties: volumes, budgets, and the opposite effects of a volume on TIA and S."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.selection import integrate
from PRRTDosimetryLib.uncertainty.chain import ChainInputs, ChainRegion, dose_uncertainties, volume_exponents
from PRRTDosimetryLib.uncertainty.errors import UncertaintyError
from PRRTDosimetryLib.uncertainty.volume import (
    count_exponent,
    counts_by_volume,
    diameter_uncertainty_mm,
    edge_share,
    recovery_by_volume,
    recovery_exponent,
    relative_volume_uncertainty,
    sphere_diameter_mm,
)
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from scipy.ndimage import gaussian_filter

LU177 = nuclide("Lu-177")
FWHM = 12.0
NOTHING = {
    "calibration": 0.0,
    "counts": 0.0,
    "recovery": 0.0,
    "s_value": 0.0,
    "contour_voxel_mm": 0.0,
    "contour_fwhm_mm": 0.0,
    "image_fwhm_mm": FWHM,
    "recovery_corrected": True,
}


def inputs(**changes):
    return ChainInputs(**{**NOTHING, **changes})


def region(volume_mL=30.0, relative=0.0, other_Gy=0.0):
    time = (4.0, 24.0, 72.0, 168.0)
    activity = tuple(100 * 2 ** (-t / 60) for t in time)
    options = Options(Weights(relative)) if relative else None
    integral = integrate(Curve("x", time, activity), LU177, "mono", options)
    return ChainRegion(integral, volume_mL, 20.0, other_Gy, lambda ratio: 1 / ratio)


def test_diameter_of_a_drawn_sphere():
    # u^2 = a^2/6 + FWHM^2/(4 ln 2), by hand for 4 mm voxels and 12 mm resolution
    assert diameter_uncertainty_mm(4.0, 12.0) == pytest.approx(math.sqrt(16 / 6 + 144 / (4 * math.log(2))))
    assert relative_volume_uncertainty(14.137, 4.0, 12.0) == pytest.approx(3 * 7.388 / 30, rel=1e-3)
    with pytest.raises(UncertaintyError, match="-1 mL has no diameter"):
        sphere_diameter_mm(-1.0)


@pytest.mark.parametrize("diameter_mm", [20.0, 34.0])
def test_counts_and_recovery_against_a_blurred_sphere_on_a_fine_grid(diameter_mm):
    spacing, half = 0.5, 40
    axis = np.arange(-half, half + spacing / 2, spacing)
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    # Border voxels by their share inside, so that the grid does not blur the comparison.
    sphere = np.clip(0.5 + (diameter_mm / 2 - distance) / spacing, 0, 1).astype(np.float32)
    blurred = gaussian_filter(sphere, FWHM / 2.3548 / spacing, truncate=5)
    volume = math.pi / 6 * (diameter_mm / 10) ** 3
    right = blurred[distance <= diameter_mm / 2].sum()
    shell = np.abs(distance - diameter_mm / 2) < spacing / 2
    assert edge_share(diameter_mm, FWHM) == pytest.approx(2 * blurred[shell].mean(), rel=0.01)
    for factor in (0.7, 1.3):
        drawn = blurred[distance <= diameter_mm / 2 * factor ** (1 / 3)].sum()
        assert counts_by_volume([factor], volume, FWHM)[0] == pytest.approx(drawn / right, rel=0.015)


def test_exponents_are_the_slopes_of_the_functions():
    step = np.array([1.01, 1 / 1.01])
    for volume in (4.0, 50.0, 1500.0):
        for function, exponent in ((counts_by_volume, count_exponent), (recovery_by_volume, recovery_exponent)):
            high, low = np.log(function(step, volume, FWHM))
            assert exponent(volume, FWHM) == pytest.approx((high - low) / (2 * math.log(1.01)), rel=0.02)


def test_without_blur_a_larger_region_holds_no_more():
    assert counts_by_volume([0.5, 1.0, 2.0], 10.0, 0.0) == pytest.approx([0.5, 1.0, 1.0])
    assert recovery_by_volume([0.5, 2.0], 10.0, 0.0) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("name", ["calibration", "recovery", "s_value"])
def test_each_component_alone_is_the_whole(name):
    found = dose_uncertainties({"x": region()}, inputs(**{name: 0.05}), 4000, np.random.default_rng(1)).regions["x"]
    assert found.u_dose_Gy / 20 == pytest.approx(0.05, rel=0.05)
    assert found.linear_u_Gy / 20 == pytest.approx(0.05, rel=1e-3)  # the fit of exact points has a rest
    assert found.dominant == name.replace("s_value", "S-value")


def test_counts_and_fit_share_the_uncertainty_of_the_tia():
    one = region(relative=0.08)
    relative = one.integral.u_tia_MBq_h / one.integral.tia_MBq_h
    found = dose_uncertainties({"x": one}, inputs(counts=0.03), 4000, np.random.default_rng(1)).regions["x"]
    parts = {row.name: row.relative_u for row in found.budget}
    assert math.hypot(parts["counts"], parts["fit"]) == pytest.approx(relative)
    assert parts["counts"] / relative == pytest.approx(3 / 8, rel=0.03)  # other models have a part in the rest
    assert found.u_dose_Gy / 20 == pytest.approx(relative, rel=0.05)


def test_a_tia_without_uncertainty_is_named():
    exact = replace(integrate(Curve("x", (24.0, 96.0), (80.0, 20.0)), LU177, "mono"), u_tia_MBq_h=math.nan)
    one = ChainRegion(exact, 30.0, 20.0, 0.0, lambda ratio: 1 / ratio)
    found = dose_uncertainties({"x": one}, inputs(calibration=0.05), 500, np.random.default_rng(1)).regions["x"]
    assert found.unknown == ("fit",)


@pytest.mark.parametrize("corrected", [True, False])
def test_volume_acts_on_activity_and_s_in_opposite_ways(corrected):
    volume = inputs(contour_voxel_mm=1.0, contour_fwhm_mm=2.0, recovery_corrected=corrected)
    one = region(30.0)
    by_activity, by_s = volume_exponents(one, volume)
    assert by_activity > 0 > by_s
    assert by_s == pytest.approx(-1, abs=1e-3)
    u_volume = relative_volume_uncertainty(30.0, 1.0, 2.0)
    found = dose_uncertainties({"x": one}, volume, 8000, np.random.default_rng(2)).regions["x"]
    # The net slope, not the sum of squares: correlated effects would be ignored by the latter.
    assert found.u_dose_Gy / 20 == pytest.approx(abs(by_activity + by_s) * u_volume, rel=0.06)
    assert found.u_dose_Gy / 20 < 0.7 * math.hypot(by_activity, by_s) * u_volume
    assert found.linear_u_Gy == pytest.approx(abs(by_activity + by_s) * u_volume * 20, rel=1e-3)
    assert all(row.share >= 0 for row in found.budget)
    assert sum(row.share for row in found.budget) == pytest.approx(1)
    assert found.budget[0].name == "volume"
    assert found.dominant == "volume"


def test_cross_dose_does_not_err_with_the_own_volume():
    volume = inputs(contour_voxel_mm=1.0, contour_fwhm_mm=2.0)
    alone, with_other = (
        dose_uncertainties({"x": region(other_Gy=o)}, volume, 3000, np.random.default_rng(2)).regions["x"]
        for o in (0.0, 20.0)
    )
    assert with_other.u_dose_Gy == pytest.approx(alone.u_dose_Gy, rel=1e-6)
    assert with_other.linear_u_Gy == pytest.approx(alone.linear_u_Gy, rel=1e-6)


def test_calibration_is_common_to_all_regions():
    two = {"x": region(), "y": region(100.0)}
    shared = dose_uncertainties(two, inputs(calibration=0.05), 3000, np.random.default_rng(3))
    assert shared.correlation[0, 1] == pytest.approx(1, abs=1e-3)
    own = dose_uncertainties(two, inputs(contour_voxel_mm=2.0, contour_fwhm_mm=4.0), 3000, np.random.default_rng(3))
    assert abs(own.correlation[0, 1]) < 0.1
    both = dose_uncertainties(
        two, inputs(calibration=0.05, contour_voxel_mm=2.0, contour_fwhm_mm=2.0), 3000, np.random.default_rng(3)
    )
    assert 0.2 < both.correlation[0, 1] < 0.95


def test_the_interval_holds_95_percent_and_small_lesions_are_dominated_by_their_volume():
    known = {"calibration": 0.06, "counts": 0.02, "recovery": 0.03, "s_value": 0.02}
    on_spect, on_ct = (
        inputs(**known, contour_voxel_mm=voxel, contour_fwhm_mm=fwhm) for voxel, fwhm in ((4.4, 12.0), (1.0, 1.5))
    )
    small = dose_uncertainties({"x": region(4.0, 0.03)}, on_spect, 6000, np.random.default_rng(4)).regions["x"]
    large = dose_uncertainties({"x": region(1500.0, 0.03)}, on_ct, 6000, np.random.default_rng(4)).regions["x"]
    assert small.dominant == "volume"
    assert large.dominant == "calibration"
    assert small.u_dose_Gy > 2 * large.u_dose_Gy
    low, high = large.interval_Gy
    assert (high - low) / 2 == pytest.approx(1.96 * large.u_dose_Gy, rel=0.06)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"calibration": 5.0}, "calibration, 5, must lie"),
        ({"counts": -0.1}, "counts"),
        ({"recovery": 0.1, "recovery_corrected": False}, "must be 0"),
    ],
)
def test_impossible_inputs_are_refused(changes, word):
    with pytest.raises(UncertaintyError, match=word):
        inputs(**changes)


def test_too_few_draws_are_refused():
    with pytest.raises(UncertaintyError, match="10 draws"):
        dose_uncertainties({"x": region()}, inputs(), 10, np.random.default_rng(1))
