"""Voxel-wise time-integrated activity against analytic curves, scipy's fits, statistics and the synthetic patient."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from PRRTDosimetryLib.dosimetry.voxel_dose import voxel_tia
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.voxel_fits import Curve, fit
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.kinetics.voxelwise import (
    HalfLifePrior,
    VoxelNoise,
    mono_exponential_tia,
    uptake_clearance_tia,
)
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import activity_image, axial_grid, region_labels, voxel_averages
from scipy.optimize import curve_fit

LN2 = np.log(2.0)
TIMES = np.array([4.0, 24.0, 72.0, 168.0])
INJECTION = datetime(2024, 5, 6, 10, 0, tzinfo=timezone(timedelta(hours=2)))
SHAPE = (4, 5, 6)
PHYSICAL_H = nuclide("Lu-177").half_life_h


def series(values, times=TIMES):
    values = np.asarray(values, dtype=np.float32)
    return VoxelSeries(
        nuclide("Lu-177"), Grid(values.shape[1:], np.diag([4.0, 4.0, 4.0, 1.0])), np.asarray(times), values
    )


def random_curves(seed=0, shape=SHAPE):
    """Amplitudes in Bq/mL and clearance half-lives in h."""
    random = np.random.default_rng(seed)
    return random.uniform(1e3, 1e6, shape), random.uniform(15.0, 140.0, shape)


def decaying(amplitude, half_life, times=TIMES):
    return amplitude * np.exp2(-np.asarray(times)[:, None, None, None] / half_life)


def test_mono_exponential_curves_are_recovered():
    amplitude, half_life = random_curves()
    found = mono_exponential_tia(series(decaying(amplitude, half_life)))
    np.testing.assert_allclose(found.tia.array, amplitude * half_life / LN2 * 1e-6, rtol=1e-4)
    np.testing.assert_allclose(found.half_life.array, half_life, rtol=1e-4)
    assert (found.uncertainty.array < 1e-4 * found.tia.array).all()
    assert (found.tia.units, found.tia.quantity) == ("MBq.h/ml", "time-integrated activity concentration")


def test_fits_equal_those_of_scipy():
    random = np.random.default_rng(4)
    n = 200
    values = decaying(*random_curves(4, (n, 1, 1)))[..., 0, 0] * (1 + 0.05 * random.standard_normal((4, n)))
    found = fit(Curve(TIMES, (LN2 / PHYSICAL_H, LN2 / 8)), values, np.ones((4, 1)), scatter=True)
    differences, errors = [], []
    for i in range(n):
        best, covariance = curve_fit(
            lambda t, a, rate: a * np.exp(-rate * t), TIMES, values[:, i], p0=(values[0, i], 0.01)
        )
        if LN2 / PHYSICAL_H < best[1] < LN2 / 8:
            area = best[0] / best[1]
            gradient = np.array([1 / best[1], -best[0] / best[1] ** 2])
            differences.append(found.area[i] / area - 1)
            errors.append(found.u_area[i] / np.sqrt(gradient @ covariance @ gradient) - 1)
    assert len(differences) > 150
    assert np.abs(differences).max() < 1e-3
    assert np.median(np.abs(errors)) < 1e-2


def test_no_voxel_clears_slower_than_decay():
    """50 at 24 h and 40 at 96 h would have 224 h; the physical half-life is 159.5 h."""
    found = mono_exponential_tia(series(np.array([50.0, 40.0])[:, None, None, None], [24.0, 96.0]))
    assert found.half_life.array[0, 0, 0] == pytest.approx(159.5, abs=0.1)
    rising = mono_exponential_tia(series(np.array([1.0, 2.0, 3.0, 4.0])[:, None, None, None]))
    assert rising.half_life.array[0, 0, 0] == pytest.approx(159.5, abs=0.1)


def uptake_and_clearance(amplitude, half_life, uptake_h):
    return decaying(amplitude, half_life) - decaying(amplitude, uptake_h)


def test_uptake_and_clearance_with_a_shared_uptake_rate():
    amplitude, half_life = random_curves(1)
    found = uptake_clearance_tia(series(uptake_and_clearance(amplitude, half_life, 3.0)), 3.0)
    np.testing.assert_allclose(found.tia.array, amplitude * (half_life - 3.0) / LN2 * 1e-6, rtol=1e-3)


def test_uptake_and_clearance_with_free_rates():
    amplitude, half_life = random_curves(2)
    uptake = np.random.default_rng(3).uniform(1.5, 8.0, SHAPE)
    found = uptake_clearance_tia(series(uptake_and_clearance(amplitude, half_life, uptake)))
    np.testing.assert_allclose(found.tia.array, amplitude * (half_life - uptake) / LN2 * 1e-6, rtol=2e-3)


@pytest.mark.parametrize("model", ["mono", "shared uptake", "free uptake"])
def test_uncertainty_maps_show_the_scatter_of_repeated_measurements(model):
    """Many noisy copies of one curve: the spread of the areas and the mean stated uncertainty agree within 10 %."""
    random, n = np.random.default_rng(9), 4000
    shape = (n, 1, 1)
    clean = (
        uptake_and_clearance(np.full(shape, 1e5), 60.0, 4.0)
        if "uptake" in model
        else decaying(np.full(shape, 1e5), 60.0)
    )
    noise = VoxelNoise(0.0, 1500.0)
    noisy = series(clean + 1500.0 * random.standard_normal(clean.shape))
    found = {
        "mono": lambda: mono_exponential_tia(noisy, noise),
        "shared uptake": lambda: uptake_clearance_tia(noisy, 4.0, noise),
        "free uptake": lambda: uptake_clearance_tia(noisy, None, noise),
    }[model]()
    scatter = found.tia.array.std(dtype=np.float64)
    assert np.median(found.uncertainty.array) == pytest.approx(scatter, rel=0.1)


def test_priors_steady_voxels_with_poor_counts_and_leave_the_good_ones_alone():
    random, n = np.random.default_rng(12), 3000
    noise = VoxelNoise(0.02, 2000.0)
    prior = HalfLifePrior(60.0, 0.1)
    for amplitude, gain in ((5e3, 0.5), (1e6, 1.02)):
        clean = decaying(np.full((n, 1, 1), amplitude), 60.0)
        sigma = np.sqrt((0.02 * clean) ** 2 + 2000.0**2)
        noisy = series(np.maximum(clean + sigma * random.standard_normal(clean.shape), 0.0))
        truth = amplitude * 60.0 / LN2 * 1e-6
        alone = mono_exponential_tia(noisy, noise).tia.array - truth
        helped = mono_exponential_tia(noisy, noise, prior).tia.array - truth
        assert np.sqrt((helped**2).mean()) < gain * np.sqrt((alone**2).mean())
    wrong = mono_exponential_tia(noisy, noise, HalfLifePrior(30.0, 0.3)).half_life.array  # good counts win
    assert np.median(wrong) == pytest.approx(60.0, rel=0.05)


def test_a_prior_makes_one_image_enough():
    once = series(decaying(np.full(SHAPE, 1e5), 60.0, [24.0]), [24.0])
    found = mono_exponential_tia(once, VoxelNoise(0.01, 1.0), HalfLifePrior(60.0, 0.2))
    np.testing.assert_allclose(found.tia.array, 6e6 / LN2 * 1e-6, rtol=1e-3)


def test_voxels_without_activity_have_none():
    values = decaying(*random_curves(7))
    values[:, 0] = 0.0
    found = mono_exponential_tia(series(values))
    assert (found.tia.array[0] == 0.0).all()
    assert (found.tia.array[1:] > 0.0).all()


def images(arrays, hours=TIMES, matrix=None):
    matrix = np.diag([4.0, 4.0, 4.0, 1.0]) if matrix is None else matrix
    return [
        Volume(array, matrix, "activity concentration", "Bq/ml", INJECTION + timedelta(hours=float(hour)))
        for array, hour in zip(arrays, hours, strict=True)
    ]


def test_times_come_from_the_images():
    gathered = VoxelSeries.from_volumes(images(decaying(*random_curves())), INJECTION, "177Lu")
    np.testing.assert_allclose(gathered.times_h, TIMES)
    assert gathered.activity_Bq_per_mL.shape == (4, *SHAPE)


def bump(grid, centre):
    i, j, k = np.meshgrid(*[np.arange(n) for n in grid.shape[::-1]], indexing="ij")
    points = grid.to_ras(np.stack([i, j, k], axis=-1))
    return np.exp(-((points - centre) ** 2).sum(-1) / (2 * 12.0**2)).transpose(2, 1, 0)


@pytest.mark.parametrize("kind", ["matrix", "function"])
def test_registration_brings_moved_images_back(kind):
    """The second image is on another grid, and the patient has moved 6 mm to the left and turned 5 degrees."""
    first = Grid((20, 22, 24), np.array([[3, 0, 0, -36], [0, 3, 0, -33], [0, 0, 3, -30], [0, 0, 0, 1.0]]))
    second = Grid((24, 26, 28), np.array([[-2.5, 0, 0, 40], [0, 2.5, 0, -30], [0, 0, 2.5, -28], [0, 0, 0, 1.0]]))
    angle = np.deg2rad(5.0)
    motion = np.eye(4)
    motion[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    motion[0, 3] = -6.0
    centre = np.array([3.0, 2.0, 1.0])
    moved_centre = motion[:3, :3] @ centre + motion[:3, 3]
    one = images([1e5 * bump(first, centre)], [24.0], first.ijk_to_ras)
    two = images([5e4 * bump(second, moved_centre)], [72.0], second.ijk_to_ras)
    transform = motion if kind == "matrix" else lambda points: points @ motion[:3, :3].T + motion[:3, 3]
    gathered = VoxelSeries.from_volumes(one + two, INJECTION, "Lu-177", [None, transform])
    found = mono_exponential_tia(gathered).half_life.array
    core = one[0].array > 3e4
    np.testing.assert_allclose(found[core], 48.0, rtol=0.05)


def test_voxels_that_an_image_does_not_reach_are_fitted_to_the_others():
    amplitude, half_life = random_curves(13)
    values = decaying(amplitude, half_life)
    shift = np.eye(4)
    shift[2, 3] = 4.0  # the last image's content is one slice higher
    late = np.zeros(SHAPE)
    late[1:] = values[3][:-1]
    gathered = VoxelSeries.from_volumes(images([*values[:3], late]), INJECTION, "Lu-177", [None, None, None, shift])
    assert np.isnan(gathered.activity_Bq_per_mL[3, -1]).all()
    found = mono_exponential_tia(gathered)
    np.testing.assert_allclose(found.tia.array, amplitude * half_life / LN2 * 1e-6, rtol=1e-3)


def test_synthetic_patient_voxel_by_voxel():
    """Four images without blur and noise: TIA per region within 2 % of the truth averaged over its voxels."""
    patient = synthetic_patient(6)
    grid = axial_grid((48, 32, 40), (9.6, 9.6, 9.6), np.array([0.0, 0.0, -12.0]))
    scans = [activity_image(patient, grid, hour, fwhm_mm=0.0) for hour in TIMES]
    gathered = VoxelSeries.from_volumes(scans, patient.injection.time, "Lu-177")
    found = uptake_clearance_tia(gathered).tia.array
    names = [region.name for region in patient.regions]
    truth = voxel_averages(patient, grid, {name: patient.tia_MBq_h_per_mL(name) for name in names})
    labels = region_labels(patient, grid)
    for name in ("liver_right", "liver_left", "kidney_right", "kidney_left", "spleen", "lesion_1"):
        mask = labels == names.index(name) + 1
        assert found[mask].sum() == pytest.approx(truth[mask].sum(), rel=0.02), name


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda v: VoxelSeries.from_volumes([], INJECTION, "Lu-177"), "1 to 8 activity images can be integrated, not"),
        (lambda v: VoxelSeries.from_volumes([v[1], v[0]], INJECTION, "Lu-177"), "Image times must rise"),
        (lambda v: VoxelSeries.from_volumes([v[0], v[0]], INJECTION, "Lu-177"), "Image times must rise"),
        (lambda v: VoxelSeries.from_volumes(v, INJECTION.replace(tzinfo=None), "Lu-177"), "The injection time"),
        (lambda v: VoxelSeries.from_volumes(v, INJECTION, "Lu-177", [None]), "There are 4 images, but 1 transforms"),
        (
            lambda v: VoxelSeries.from_volumes([v[0].with_values(v[0].array, units="SUVbw")], INJECTION, "Lu-177"),
            "The image at 4 h is in 'SUVbw', but Bq/ml is needed.",
        ),
        (
            lambda v: VoxelSeries.from_volumes([v[0].with_values(v[0].array * np.nan)], INJECTION, "Lu-177"),
            "The image at 4 h holds voxels without a number",
        ),
        (
            lambda v: VoxelSeries.from_volumes([v[0].with_values(v[0].array, reference_time=None)], INJECTION, "Y-90"),
            "An activity image has no reference time",
        ),
        (
            lambda v: VoxelSeries.from_volumes([v[0], *images([np.ones((2, 2, 2))], [24.0])], INJECTION, "Lu-177"),
            "The image at 24 h has (2, 2, 2) voxels on another grid than the first ((4, 5, 6)): register the images",
        ),
    ],
)  # fmt: skip
def test_images_that_do_not_fit_are_refused(make, sentence):
    with pytest.raises(KineticsError) as caught:
        make(images(decaying(*random_curves())))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda s, one: mono_exponential_tia(one), "This model needs at least 2 images, but there are 1."),
        (lambda s, one: mono_exponential_tia(s, None, HalfLifePrior(60.0)), "A prior needs the noise of the images"),
        (lambda s, one: mono_exponential_tia(s, shortest_half_life_h=500.0), "The shortest half-life must lie between"),
        (lambda s, one: uptake_clearance_tia(s, 20.0), "The uptake half-life must lie between 0 and the shortest"),
        (lambda s, one: HalfLifePrior(-3.0), "The half-lives of a prior and its spread must be positive"),
        (lambda s, one: VoxelNoise(0.1, 0.0), "Noise needs a relative part of at least 0 and a floor above 0"),
    ],
)  # fmt: skip
def test_impossible_wishes_are_refused(make, sentence):
    values = decaying(*random_curves())
    with pytest.raises(KineticsError) as caught:
        make(series(values), series(values[:1], [4.0]))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "times_h", "half_life_h"),
    [("Ga-68", (0.5, 2.0), 0.9), ("Cu-64", (1.0, 4.0, 24.0), 5.0), ("Lu-177", (4.0, 24.0, 96.0), 40.0)],
)
def test_the_fastest_clearance_goes_with_the_nuclide(name, times_h, half_life_h):
    """8 h, right for 177Lu, is more than 68Ga lives and longer than 64Cu may stay."""
    times = np.array(times_h)
    grid = Grid((6, 6, 6), np.diag([4.0, 4.0, 4.0, 1.0]))
    activity = np.broadcast_to((1e6 * 2 ** (-times / half_life_h))[:, None, None, None], (times.size, 6, 6, 6))
    whole = VoxelSeries(nuclide(name), grid, times, activity.astype(np.float32))
    np.testing.assert_allclose(voxel_tia(whole).tia.array, half_life_h / LN2, rtol=0.03)  # MBq h/mL of 1 MBq/mL
