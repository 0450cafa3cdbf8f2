"""The chain with partial volume: shared and own parts, doses that are not corrected, budgets that add up."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from PRRTDosimetryLib.dosimetry.dose_rows import budget_table
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.selection import integrate
from PRRTDosimetryLib.uncertainty.chain import ChainInputs, ChainRegion, dose_uncertainties, volume_exponents
from PRRTDosimetryLib.uncertainty.errors import UncertaintyError
from PRRTDosimetryLib.uncertainty.region_factors import point_shares, region_factors
from PRRTDosimetryLib.uncertainty.volume import relative_volume_uncertainty
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.uptake.uncertainty import DrawnValue, aggregated, corrected_value, ratio

LU177 = nuclide("Lu-177")
DRAWS = 4000
TIMES = (4.0, 24.0, 72.0, 168.0)


def normal(*key):
    return np.random.default_rng(key).standard_normal(DRAWS)


def region(scale=1.0, other_Gy=0.0):
    activity = tuple(scale * 100 * 2 ** (-t / 60) for t in TIMES)
    integral = integrate(Curve("x", TIMES, activity), LU177, "mono", Options(Weights(0.02)))
    return ChainRegion(integral, 30.0, 20.0 * scale, other_Gy, lambda mass: 1 / mass)


def inputs(**changes):
    nothing = {"calibration": 0.0, "counts": 0.0, "recovery": 0.0, "s_value": 0.0}
    image = {"contour_voxel_mm": 0.0, "contour_fwhm_mm": 0.0, "image_fwhm_mm": 12.0, "recovery_corrected": False}
    return ChainInputs(**{**nothing, **image, **changes})


def points(recovery=0.6, resolution=0.1, place=0.0, contour=0.05, seed=1):
    found = []
    for n in range(len(TIMES)):
        causes = {
            "camera resolution": resolution * normal(0),
            "contour": contour * normal(seed),
            "place of the contour on the image": place * normal(seed, n),
            "counting noise": 0.02 * normal(seed, n, 1),
        }
        found.append(DrawnValue(recovery, 1.0, 0.0 * normal(1), sum(causes.values()), "", causes))
    return tuple(found)


def chain(regions, **changes):
    return dose_uncertainties(regions, inputs(**changes), DRAWS, np.random.default_rng(1))


def test_an_uncorrected_dose_has_its_loss_inside_and_the_corrected_one_has_not():
    given = {"x": points()}
    found = chain({"x": region()}, concentrations=given).regions["x"]
    true = 20.0 / 0.6
    assert found.corrected_Gy == pytest.approx(true)
    assert found.interval_Gy[0] == pytest.approx(20.0 * math.exp(-1.96 * 0.0108), rel=0.01)  # four points of 2 %
    assert found.interval_Gy[1] == pytest.approx(true * math.exp(1.96 * math.hypot(0.1, 0.05)), rel=0.02)
    assert found.u_dose_Gy > true - 20.0
    assert found.dominant == "partial volume, not corrected"
    corrected = chain({"x": region(1 / 0.6)}, concentrations=given, corrected=frozenset({"x"})).regions["x"]
    assert corrected.u_dose_Gy / true == pytest.approx(math.hypot(0.1, 0.05), rel=0.05)
    assert corrected.interval_Gy[0] > 0.75 * true
    assert "partial volume, not corrected" not in corrected.contents
    assert corrected.linear_u_Gy == pytest.approx(corrected.u_dose_Gy, rel=0.05)


def test_what_images_share_does_not_average_out_and_their_places_do():
    one = region()
    shared = region_factors(one.integral, points(resolution=0.1, place=0.0, contour=0.0), corrected=True)
    own = region_factors(one.integral, points(resolution=0.0, place=0.1, contour=0.0), corrected=True)
    weights = point_shares(one.integral)
    assert weights.sum() == pytest.approx(1)
    assert np.std(shared.truth) == pytest.approx(0.1, rel=0.05)
    assert np.std(own.truth) == pytest.approx(0.1 * float(np.linalg.norm(weights)), rel=0.05)


def test_a_scaled_curve_scales_the_tia_by_the_points_weights():
    """First order of what integrating the scaled points gives."""
    one = region()
    weights = point_shares(one.integral)
    step = np.array([0.02, -0.01, 0.015, -0.02])
    activity = tuple(a * (1 + s) for a, s in zip(one.integral.curve.activity_MBq, step, strict=True))
    again = integrate(Curve("x", TIMES, activity), LU177, "mono", Options(Weights(0.02)))
    assert again.tia_MBq_h / one.integral.tia_MBq_h - 1 == pytest.approx(float(weights @ step), abs=2e-3)


def test_shared_parts_cancel_between_lobes_and_lesions_own_parts_do_not():
    """Three lesions a lobe, 7 % of their own, calibration and S-value of 5 % for all: 0.07 sqrt(2/3) remains."""
    lesions = {f"{lobe}{n}": region() for lobe in "LR" for n in range(3)}
    given = {name: points(1.0, resolution=0.0, contour=0.07, seed=10 + number) for number, name in enumerate(lesions)}
    found = chain(lesions, calibration=0.05, s_value=0.05, concentrations=given, corrected=frozenset(lesions))
    one = found.regions["L0"]
    assert one.u_dose_Gy / 20 == pytest.approx(math.sqrt(0.07**2 + 2 * 0.05**2 + 0.0108**2), rel=0.05)
    assert one.shared_u_Gy / 20 == pytest.approx(0.05 * math.sqrt(2))
    lobes = [aggregated([found.doses[f"{lobe}{n}"] for n in range(3)], "geometric-mean") for lobe in "LR"]
    both = corrected_value(ratio(*lobes))
    assert both.u == pytest.approx(math.hypot(0.07, 0.0108) * math.sqrt(2 / 3), rel=0.05)


def test_the_contour_acts_as_the_chain_of_the_guidance_says_for_a_sphere():
    """A sphere of 30 mL in cold surroundings, corrected: slope of dose by volume, from the matrix and by formula."""
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
    from PRRTUptakeLib.uptake.region_uptake import PartialVolumeSettings, region_uptakes
    from scipy.ndimage import gaussian_filter

    radius, spacing = (3 * 30000 / (4 * math.pi)) ** (1 / 3), 3.0
    axis = (np.arange(4 * 40) - 79.5) * spacing / 4
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 <= radius**2
    fraction = inside.reshape(40, 4, 40, 4, 40, 4).mean(axis=(1, 3, 5))
    grid = Grid((40, 40, 40), np.diag([spacing, spacing, spacing, 1.0]))
    image = Volume(1e-6 + gaussian_filter(fraction, 12.0 / FWHM_PER_SIGMA / spacing), grid.ijk_to_ras)
    indices = np.flatnonzero(fraction)
    placed = Occupancy("x", grid, indices, fraction.reshape(-1)[indices], fraction.reshape(-1)[indices] > 0.5)
    settings = PartialVolumeSettings(mode="gtm", fwhm_mm=12.0, fwhm_u=0.0, registration_mm=0.0, contour_mm=0.3)
    by_matrix = np.std(region_uptakes(image, [placed], settings).uptake("x").truth)
    one = region()
    by_activity, by_s = volume_exponents(one, inputs(recovery_corrected=True))
    by_formula = abs(by_activity + by_s) * 3 * 0.3 / radius  # u(V)/V = 3 u(r)/r
    assert by_matrix == pytest.approx(by_formula, rel=0.1)
    assert relative_volume_uncertainty(30.0, 0.0, 0.6 * math.sqrt(4 * math.log(2))) == pytest.approx(0.9 / radius)


def test_the_budget_adds_up_to_100_percent_and_can_be_read():
    found = chain(
        {"x": region(other_Gy=2.0)}, calibration=0.05, s_value=0.03, counts=0.02, concentrations={"x": points()}
    ).regions["x"]
    assert sum(row.share for row in found.budget) == pytest.approx(1.0)
    assert all(row.share >= 0 and row.relative_u >= 0 for row in found.budget)
    text = budget_table("kidney_left", found)
    shown = [float(number) for number in re.findall(r"([\d.]+) %$", text, re.MULTILINE)]
    assert sum(shown) == pytest.approx(100.0, abs=0.3)
    for words in ("calibration of the camera", "camera resolution", "partial volume, not corrected", "95 % from"):
        assert words in text


def test_concentrations_that_do_not_fit_are_refused():
    with pytest.raises(UncertaintyError, match="has 4 times, but 3 concentrations"):
        chain({"x": region()}, concentrations={"x": points()[:3]})
    few = tuple(DrawnValue(1.0, 1.0, np.zeros(50), np.zeros(50)) for _ in TIMES)
    with pytest.raises(UncertaintyError, match="other than 4000 draws"):
        chain({"x": region()}, concentrations={"x": few})
