"""Recovery of small spheres: closed forms against numerical blur, the phantom curve against known parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.partial_volume import (
    FWHM_PER_SIGMA,
    RecoveryCurve,
    apparent_uptake,
    contrast_recovery,
    corrected_uptake,
    fit_recovery_curve,
    sphere_centre_recovery,
    sphere_mean_recovery,
)
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter
from scipy.special import erf


def blurred_sphere(r, radius, sigma):
    """Profile of a Gaussian-blurred unit sphere at distance r from its centre (integral of the shells)."""
    s = math.sqrt(2.0) * sigma
    shells = (math.exp(-((r + radius) ** 2) / s**2) - math.exp(-((r - radius) ** 2) / s**2)) * sigma / r
    return 0.5 * (erf((r + radius) / s) - erf((r - radius) / s)) + shells / math.sqrt(2.0 * math.pi)


@pytest.mark.parametrize("diameter", [2.0, 6.0, 12.0, 30.0, 60.0, 120.0])
def test_mean_of_a_blurred_sphere_agrees_with_its_radial_profile(diameter):
    radius, sigma = diameter / 2.0, 12.0 / FWHM_PER_SIGMA
    total, _ = quad(lambda r: 3.0 * r**2 / radius**3 * blurred_sphere(r, radius, sigma), 1e-9, radius, epsabs=1e-12)
    assert float(sphere_mean_recovery(diameter, 12.0)) == pytest.approx(total, rel=1e-5)
    assert float(sphere_centre_recovery(diameter, 12.0)) == pytest.approx(blurred_sphere(1e-3, radius, sigma), rel=1e-4)


def test_mean_of_a_blurred_sphere_agrees_with_a_blurred_raster():
    axis = np.arange(-30, 31.0)
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    sphere = np.clip(15.5 - distance, 0.0, 1.0)  # radius 15 mm, edge smoothed over one voxel
    blurred = gaussian_filter(sphere, 12.0 / FWHM_PER_SIGMA, truncate=5.0)
    found = (blurred * sphere).sum() / sphere.sum()
    assert float(sphere_mean_recovery(30.0, 12.0)) == pytest.approx(found, abs=0.003)
    assert float(sphere_centre_recovery(30.0, 12.0)) == pytest.approx(blurred[30, 30, 30], abs=0.003)


def test_limits_and_the_seam_of_series_and_closed_form():
    for function in (sphere_mean_recovery, sphere_centre_recovery):
        assert float(function(1e6, 1.0)) == pytest.approx(1.0, abs=1e-5)
        assert float(function(10.0, 0.0)) == 1.0
        small = function(np.array([0.99999, 1.00001]) * 0.05 * 10.0 / FWHM_PER_SIGMA, 10.0)
        assert small[1] / small[0] == pytest.approx((1.00001 / 0.99999) ** 3, rel=1e-5)
        rising = function(np.geomspace(1e-3, 1e3, 500), 10.0)
        assert (np.diff(rising) > -1e-12).all()
        assert (rising > 0).all()
        assert (rising <= 1).all()
    with pytest.raises(RecoveryError, match="diameter"):
        sphere_mean_recovery(0.0, 10.0)
    with pytest.raises(RecoveryError, match="FWHM"):
        sphere_mean_recovery(10.0, -1.0)


@given(st.floats(0.1, 100.0), st.floats(0.0, 50.0), st.floats(0.05, 1.0))
def test_contrast_recovery_undoes_the_apparent_uptake(contrast, background, coefficient):
    measured = float(apparent_uptake(background + contrast, background, coefficient))
    assert contrast_recovery(measured, background + contrast, background) == pytest.approx(coefficient, rel=1e-6)


def test_contrast_recovery_needs_contrast():
    with pytest.raises(RecoveryError, match="contrast"):
        contrast_recovery(1.0, 2.0, 2.0)


VOLUMES = np.array([0.5, 1.15, 2.57, 5.58, 11.5, 26.5, 113.0])


def test_the_curve_is_found_again():
    curve = fit_recovery_curve(VOLUMES, 1.0 / (1.0 + (3.3 / VOLUMES) ** 0.85))
    assert (curve.a_mL, curve.b) == (pytest.approx(3.3, rel=1e-5), pytest.approx(0.85, rel=1e-5))
    assert curve.recovery(3.3)[0] == pytest.approx(0.5)


def test_covariance_covers_repeated_phantoms():
    rng, sigma = np.random.default_rng(9), np.full(VOLUMES.size, 0.02)
    truth = 1.0 / (1.0 + (3.3 / VOLUMES) ** 0.85)
    curves = [fit_recovery_curve(VOLUMES, truth + rng.normal(0, sigma), sigma) for _ in range(300)]
    spread = np.cov([[c.a_mL for c in curves], [c.b for c in curves]])
    np.testing.assert_allclose(np.mean([c.covariance for c in curves], axis=0), spread, rtol=0.25, atol=2e-3)
    found = np.array([c.recovery(8.0) for c in curves])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)


def test_correction_is_next_to_the_measured_value_with_its_uncertainty():
    rng = np.random.default_rng(10)
    covariance = ((0.04, 0.002), (0.002, 0.0009))
    curve = RecoveryCurve(3.3, 0.85, covariance, (0.5, 113.0))
    result = corrected_uptake(curve, 20.0, 8.0, background=2.0, u_measured=0.5, u_background=0.1)
    assert result.uncorrected == 20.0
    assert result.corrected == pytest.approx(2.0 + 18.0 * (1.0 + (3.3 / 8.0) ** 0.85))
    a, b = rng.multivariate_normal([3.3, 0.85], covariance, 200_000).T
    background = rng.normal(2.0, 0.1, a.size)
    draws = background + (rng.normal(20.0, 0.5, a.size) - background) * (1.0 + (a / 8.0) ** b)
    assert result.u_corrected == pytest.approx(draws.std(), rel=0.02)
    assert not result.extrapolated
    assert corrected_uptake(curve, 20.0, 0.1).extrapolated
    assert math.isnan(corrected_uptake(curve, 20.0, 8.0).u_corrected)


@pytest.mark.parametrize(
    ("volumes", "recoveries", "message"),
    [
        ([1.0, 2.0], [0.3, 0.4], "three spheres"),
        ([1.0, 2.0, -3.0], [0.3, 0.4, 0.5], "Each volume"),
        ([1.0, 2.0, 3.0], [0.3, 0.0, 0.5], "Each recovery"),
        ([1.0, 2.0, 3.0], [0.3, math.nan, 0.5], "Each recovery"),
        ([1.0, 2.0, 3.0], [0.3, 0.4], "one volume, one recovery"),
    ],
)
def test_phantoms_that_give_no_curve(volumes, recoveries, message):
    with pytest.raises(RecoveryError, match=message):
        fit_recovery_curve(volumes, recoveries)


def test_equal_volumes_do_not_determine_a_curve():
    with pytest.raises(RecoveryError, match="different volumes"):
        fit_recovery_curve([2.0, 2.0, 2.0], [0.4, 0.41, 0.39])


@pytest.mark.parametrize(("measured", "volume"), [(math.nan, 1.0), (1.0, 0.0), (1.0, math.nan)])
def test_corrections_that_cannot_be_made(measured, volume):
    curve = RecoveryCurve(3.3, 0.85, ((0.0, 0.0), (0.0, 0.0)), (0.5, 113.0))
    with pytest.raises(RecoveryError):
        corrected_uptake(curve, measured, volume)
