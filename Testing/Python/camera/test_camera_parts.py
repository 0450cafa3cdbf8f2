"""Parts of commissioning against analytic truth: blur, matching, calibration, dead time, sources, drift, clocks."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PRRTDosimetryLib.camera.body import find_body
from PRRTDosimetryLib.camera.calibration import Way, combined
from PRRTDosimetryLib.camera.dead_time_fit import Rate, fit_dead_time, observed_rate
from PRRTDosimetryLib.camera.drift import trends
from PRRTDosimetryLib.camera.errors import CameraError
from PRRTDosimetryLib.camera.recovery import SphereRecovery, recovery_covariance, recovery_curve
from PRRTDosimetryLib.camera.source_resolution import source_width
from PRRTDosimetryLib.camera.sphere_match import kabsch, match_spheres, require_decided
from PRRTDosimetryLib.camera.sphere_search import Candidate
from PRRTUptakeLib.dicom.acquisition import Acquisition, acquisition_from_facts, differences
from PRRTUptakeLib.imaging.blurred_sphere import blurred_sphere
from PRRTUptakeLib.imaging.camera_phantoms import camera_phantom
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.study.camera import CameraFile
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA, sphere_centre_recovery, sphere_mean_recovery
from scipy import ndimage
from scipy.spatial.transform import Rotation

NEMA = camera_phantom("nema-iec")


def test_a_blurred_sphere_has_the_known_centre_and_mean():
    radius, fwhm = 11.0, 9.0
    sigma = fwhm / FWHM_PER_SIGMA
    assert blurred_sphere(np.zeros(1), radius, sigma)[0] == pytest.approx(sphere_centre_recovery(22.0, fwhm), abs=1e-6)
    r = (np.arange(4000) + 0.5) / 4000 * radius
    mean = float((blurred_sphere(r, radius, sigma) * r**2).sum() / (r**2).sum())
    assert mean == pytest.approx(float(sphere_mean_recovery(22.0, fwhm)), abs=1e-4)


def test_a_blurred_sphere_is_what_a_fine_lattice_gives():
    axis = np.arange(-22, 22.5, 0.5)
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    ball = np.clip(0.5 + (8.5 - distance) / 0.5, 0, 1)
    lattice = ndimage.gaussian_filter(ball, 4.0 / 0.5, truncate=5)
    line = np.abs(axis[44:])
    assert blurred_sphere(line, 8.5, 4.0) == pytest.approx(lattice[44, 44, 44:], abs=3e-3)


def _candidates(pose, phantom=NEMA, missing=(), wrong=()):
    """Each sphere at its place with evidence by its size, and places of others that look a little like it."""
    places = pose.place(phantom.centres_mm)
    found = []
    for n, sphere in enumerate(phantom.spheres):
        own = [] if n in missing else [Candidate(tuple(places[n]), 0.5, sphere.diameter_mm)]
        found.append([*own, *(Candidate(tuple(places[m]), 0.2, 3.0) for m in wrong if m != n)])
    return found


@pytest.mark.parametrize("seed", range(6))
def test_spheres_are_named_however_the_phantom_is_turned(seed):
    rotation = Rotation.random(random_state=seed).as_matrix()
    pose = kabsch(NEMA.centres_mm, NEMA.centres_mm @ rotation.T + np.array([20.0, -35.0, 110.0]))
    found = require_decided(match_spheres(NEMA, _candidates(pose, missing=(1,), wrong=range(6))), NEMA)
    there = np.array([one.centre_mm for one in found.spheres])
    assert there == pytest.approx(pose.place(NEMA.centres_mm), abs=1e-6)
    assert [one.seen for one in found.spheres] == [True, True, True, True, True, True] or not found.spheres[1].seen


def test_spheres_that_all_look_alike_are_not_named():
    pose = kabsch(NEMA.centres_mm, NEMA.centres_mm)
    alike = [[Candidate(tuple(place), 0.4, 20.0) for place in pose.place(NEMA.centres_mm)] for _ in NEMA.spheres]
    with pytest.raises(CameraError, match="which sphere of the NEMA IEC body phantom is which"):
        require_decided(match_spheres(NEMA, alike), NEMA)


def test_ways_that_agree_are_averaged_and_what_they_share_does_not_average_out():
    found = combined([Way("a", 9.8, 0.01), Way("b", 10.0, 0.01), Way("c", 10.2, 0.02)], 0.015, 0.001)
    weights = np.array([1e4, 1e4, 2.5e3])
    mean = math.exp(float(weights @ np.log([9.8, 10.0, 10.2])) / weights.sum())
    assert found.factor == pytest.approx(mean)
    assert found.u_relative > 0.015
    assert "agree within 4.1 %" in found.agreement


def test_ways_that_contradict_each_other_are_named_and_widen_the_interval():
    found = combined([Way("a", 10.0, 0.003), Way("b", 11.0, 0.003)], 0.01)
    assert found.doubtful
    assert found.interval[0] < 10.1
    assert found.interval[1] > 10.9
    assert "look for the cause" in found.agreement


@pytest.mark.parametrize("model", ["paralysable", "non-paralysable"])
def test_the_dead_time_and_its_model_come_back_from_a_series(model):
    random = np.random.default_rng(3)
    activity = np.array([200.0, 500, 1000, 2000, 4000, 8000])
    true = observed_rate(model, 12.0 * activity, 3.5e-6)
    shown = true + random.normal(0, 0.001 * true)
    found = fit_dead_time([Rate(a, m, 0.001 * m) for a, m in zip(activity, shown, strict=True)])
    assert found.best.model == model
    assert found.decided
    assert abs(found.best.tau_us - 3.5) < 3 * found.best.u_tau_us < 0.3
    assert found.best.cps_per_MBq == pytest.approx(12.0, rel=0.003)


def test_a_series_without_loss_gives_no_dead_time():
    rates = [Rate(a, 10.0 * a, 0.05 * a) for a in (10.0, 20.0, 40.0, 80.0)]
    with pytest.raises(CameraError, match="show no loss"):
        fit_dead_time(rates)


def test_too_few_rates_are_refused():
    with pytest.raises(CameraError, match="needs 4 count rates"):
        fit_dead_time([Rate(10.0, 100.0, 1.0)] * 3)


def _source(fwhm_mm, kind):
    """Voxel averages of a Gaussian point, or line along k, off the voxel centre."""
    from scipy.special import erf

    def line(middle, n, edge, sigma):
        edges = (np.arange(n + 1) - 0.5) * edge - middle
        return np.diff(erf(edges / (math.sqrt(2) * sigma))) / 2

    i, j, k = (
        line(middle, n, edge, width / FWHM_PER_SIGMA)
        for middle, n, edge, width in zip((81.0, 79.0, 60.0), (40, 40, 30), (4.42, 4.42, 4.42), fwhm_mm, strict=True)
    )
    k = np.ones(30) if kind == "line-source" else k
    array = k[:, None, None] * j[None, :, None] * i[None, None, :]
    return Volume(array / array.max(), np.diag([4.42, 4.42, 4.42, 1.0]))


def test_a_point_source_gives_the_width_of_each_axis_without_the_voxel():
    found = source_width(_source((8.0, 9.0, 11.0), "point-source"), "point-source")
    assert found.axes_mm == pytest.approx((8.0, 9.0, 11.0), rel=0.01)
    assert found.fwhm_mm == pytest.approx(28.0 / 3, rel=0.01)


def test_a_line_source_gives_the_width_across_it():
    found = source_width(_source((8.0, 10.0, 9.0), "line-source"), "line-source")
    assert found.axes_mm[:2] == pytest.approx((8.0, 10.0), rel=0.01)
    assert math.isnan(found.axes_mm[2])


def _spheres(factor=1.0):
    volumes = (0.5, 1.2, 2.6, 5.6, 11.5, 26.5)
    return [
        SphereRecovery(f"{v} mL", v, (0.0, 0.0, 0.0), 1.0, 1.0, factor / (1 + (3.0 / v) ** 0.8), 0.005, 1.0)
        for v in volumes
    ]


def test_the_recovery_curve_keeps_the_error_that_all_spheres_share():
    alone, shared = (recovery_curve(_spheres(), u, "test") for u in (0.0, 0.02))
    assert alone.a_mL == pytest.approx(3.0, rel=1e-4)
    rc, u = shared.recovery(26.5)
    assert u > 0.7 * 0.02 * rc
    assert u > 2 * alone.recovery(26.5)[1]
    covariance = recovery_covariance(_spheres(), 0.02)
    assert covariance[0, 5] == pytest.approx(0.02**2 * _spheres()[0].recovery * _spheres()[5].recovery)


def _file(day, factor, site="A"):
    return CameraFile(
        path=Path(f"{day}.json"), camera="C", site=site, date=day, nuclide="Lu-177", acquisition=Acquisition(),
        kind="counts", factor=factor, factor_u=0.01,
    )  # fmt: skip


def test_a_drift_and_a_date_outside_the_limits_are_named():
    days = [date(2024, month, 1) for month in range(1, 9)]
    steady = trends([_file(day, 10 + 0.01 * (-1) ** n) for n, day in enumerate(days)])[0]
    assert not steady.drifts
    assert not any(one.outside for one in steady.points)
    drifting = trends([_file(day, 10 + 0.2 * n + 0.01 * (-1) ** n) for n, day in enumerate(days)])[0]
    assert drifting.drifts
    assert "(a drift)" in drifting.sentence
    jump = trends([_file(day, 12.0 if n == 6 else 10 + 0.05 * (-1) ** n) for n, day in enumerate(days)])[0]
    assert [one.date for one in jump.points if one.outside] == [days[6]]


def test_two_dates_are_compared_by_their_stated_uncertainties():
    """Three standard uncertainties of a difference: 3 sqrt(2) 1 % = 4.2 %."""
    days = date(2024, 1, 1), date(2025, 1, 1)
    for second, outside in ((10.40, False), (10.45, True)):
        found = trends([_file(days[0], 10.0), _file(days[1], second)])[0]
        assert [one.outside for one in found.points] == [outside, outside]
        assert ("outside the control limits on 2024-01-01, 2025-01-01" in found.sentence) == outside
        assert math.isnan(found.per_year)


def test_sites_are_kept_apart():
    found = trends([_file(date(2024, 1, 1), 10.0, "A"), _file(date(2024, 1, 1), 11.0, "B")])
    assert [(one.site, one.mean) for one in found] == [("A", 10.0), ("B", 11.0)]


def test_a_trend_needs_two_files_of_different_dates():
    with pytest.raises(CameraError, match="two camera files"):
        trends([_file(date(2024, 1, 1), 10.0)])
    with pytest.raises(CameraError, match="both of C on 2024-01-01"):
        trends([_file(date(2024, 1, 1), 10.0), _file(date(2024, 1, 1), 10.1)])


def test_an_empty_ct_and_one_of_two_phantoms_are_refused():
    array = np.full((40, 60, 90), -1000.0)
    matrix = np.diag([3.0, 3.0, 3.0, 1.0])
    with pytest.raises(CameraError, match="shows no phantom"):
        find_body(Volume(array, matrix))
    array[5:35, 10:40, 5:35] = 0.0
    assert find_body(Volume(array, matrix)).volume_mL == pytest.approx(30 * 30 * 30 * 0.027, rel=0.02)
    array[5:35, 10:40, 50:80] = 0.0
    with pytest.raises(CameraError, match="two phantoms"):
        find_body(Volume(array, matrix))


def test_series_that_differ_are_compared_by_name_and_survive_the_file():
    one = Acquisition(
        manufacturer="Maker", model="M", collimator="MEGP", voxel_mm=(4.42, 4.42, 4.42), iterations=4, subsets=8,
        windows_keV=((187.2, 228.8),), corrections=("ATTN",), matrix=(128, 128),
    )  # fmt: skip
    assert differences(one, acquisition_from_facts(one.facts())) == {}
    other = acquisition_from_facts({**one.facts(), "iterations": 10, "voxel_mm": [4.8, 4.8, 4.8], "collimator": "LEHR"})
    assert differences(one, other) == {
        "collimator": ("MEGP", "LEHR"),
        "voxel size": ("4.42 x 4.42 x 4.42 mm", "4.8 x 4.8 x 4.8 mm"),
        "iterations": ("4", "10"),
    }


def test_the_grid_of_a_body_is_that_of_its_ct():
    array = np.full((40, 60, 90), -1000.0)
    array[10:30, 20:50, 30:60] = 0.0
    matrix = np.diag([-2.0, -2.0, 4.0, 1.0])
    matrix[:3, 3] = (50.0, 70.0, -30.0)
    grid = Grid(array.shape, matrix)
    middle = grid.to_ras(np.array([44.5, 34.5, 19.5]))
    assert find_body(Volume(array, matrix)).middle_ras_mm == pytest.approx(middle, abs=1.6)
