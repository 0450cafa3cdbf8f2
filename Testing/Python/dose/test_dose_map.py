"""Dose maps against energy balance, direct sums, the sphere model, S-values and the synthetic patient's truth."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from builders.shared_data import shared_file
from PRRTDosimetryLib.dose.convolution import EvenKernel
from PRRTDosimetryLib.dose.density import density_from_ct, metal_mL, scaled_to_density
from PRRTDosimetryLib.dose.density_curves import DensityCurve, shipped_curve, shipped_curves
from PRRTDosimetryLib.dose.density_dose import density_doubts, dose_in_tissues
from PRRTDosimetryLib.dose.dose_map import kernel_dose, local_dose, local_dose_factor
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import DECAYS_PER_MBQ_H, GY_PER_KEV_PER_G, point_kernel
from PRRTDosimetryLib.dose.spheres import sphere_dose
from PRRTDosimetryLib.dose.voxel_kernel import voxel_kernel
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.kinetics.voxelwise import uptake_clearance_tia
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.study.schema.dose_keys import DENSITY_CURVES
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import activity_image, axial_grid, region_labels, voxel_averages
from PRRTUptakeLib.uptake.occupancy import Occupancy
from scipy.signal import fftconvolve

GY_PER_KEV_MBQ_H = GY_PER_KEV_PER_G * DECAYS_PER_MBQ_H


def tia_map(array, spacing=(4.0, 4.0, 4.0), units="MBq.h/ml"):
    return Volume(array, np.diag([*spacing, 1.0]), "time-integrated activity concentration", units)


def ball(size, edge, radius):
    """Voxels of a cube whose centres lie in a ball around its middle."""
    squares = (((np.arange(size) + 0.5) - size / 2) * edge) ** 2
    return squares[:, None, None] + squares[:, None] + squares <= radius**2


@pytest.mark.parametrize(("name", "density"), [("Lu-177", 1.0), ("Lu-177", 1.04), ("Y-90", 1.04)])
def test_uniform_activity_in_a_large_medium_gives_its_energy_over_mass(name, density):
    dose = kernel_dose(tia_map(np.ones((64, 64, 64)), (20.0, 20.0, 20.0)), name, density)
    expected = point_kernel(name).emitted_keV * GY_PER_KEV_MBQ_H / density
    assert dose.array[32, 32, 32] == pytest.approx(expected, rel=5e-3)
    assert (dose.units, dose.quantity) == ("Gy", "absorbed dose")


def test_convolution_equals_the_direct_one():
    random = np.random.default_rng(3)
    tia = random.random((12, 15, 9)).astype(np.float32)
    spacing = (3.0, 2.0, 5.0)
    kernel = voxel_kernel("Lu-177", spacing, 1.04, range_mm=1e3, largest=tia.shape)
    exact = fftconvolve(tia.astype(np.float64), kernel.full_mGy_per_MBq_s(), mode="same")
    exact *= 1e-3 * np.prod(spacing) * 3.6
    dose = kernel_dose(tia_map(tia, spacing), "Lu-177").array
    assert np.abs(dose - exact).max() < 1e-6 * exact.max()


@pytest.mark.parametrize("reach", [0, 3, 11])
@pytest.mark.parametrize("shape", [(11, 12, 13), (1, 7, 4)])
def test_even_kernels_of_any_reach_and_shape(reach, shape):
    random = np.random.default_rng(1)
    octant = random.random((reach + 1,) * 3)
    image = random.random(shape).astype(np.float32)
    full = octant
    for axis in range(3):
        full = np.concatenate([np.flip(np.delete(full, 0, axis), axis), full], axis)
    wide = np.pad(image.astype(np.float64), reach)
    exact = fftconvolve(wide, full, mode="same")[tuple(slice(reach, reach + n) for n in shape)]
    np.testing.assert_allclose(EvenKernel.from_octant(octant, shape).convolve(image), exact, rtol=1e-4, atol=1e-4)


def test_activity_at_the_border_does_not_come_back_on_the_other_side():
    tia = np.zeros((24, 24, 24))
    tia[0, 0, 0] = 1.0
    dose = kernel_dose(tia_map(tia), "Lu-177", 1.0).array.astype(np.float64)
    octant = voxel_kernel("Lu-177", (4.0, 4.0, 4.0), range_mm=1e3, largest=tia.shape).octant_mGy_per_MBq_s
    expected = octant * 0.064 * 3.6
    assert np.abs(dose - expected).max() < 1e-6 * expected.max()
    assert dose[-1, -1, -1] < 1e-5 * dose[0, 0, 0]


def test_dose_is_linear_and_moves_and_turns_with_the_activity():
    random = np.random.default_rng(8)
    first, second = random.random((2, 20, 20, 20))
    a, b, both = (kernel_dose(tia_map(x), "Lu-177").array for x in (first, second, 2 * first + 3 * second))
    np.testing.assert_allclose(both, 2 * a + 3 * b, rtol=1e-5)
    turned = kernel_dose(tia_map(np.rot90(first, 1, (0, 2)).copy()), "Lu-177").array
    np.testing.assert_allclose(turned, np.rot90(a, 1, (0, 2)), rtol=1e-4)
    mirrored = kernel_dose(tia_map(first[:, ::-1].copy()), "Lu-177").array
    np.testing.assert_allclose(mirrored, a[:, ::-1], rtol=1e-5)
    lonely, moved = np.zeros((2, 20, 20, 20))
    lonely[5, 6, 7], moved[8, 9, 12] = 1.0, 1.0
    at, there = kernel_dose(tia_map(lonely), "Lu-177").array, kernel_dose(tia_map(moved), "Lu-177").array
    np.testing.assert_allclose(there[4:13, 5:14, 8:17], at[1:10, 2:11, 3:12], rtol=1e-3, atol=1e-6 * at.max())


@pytest.mark.parametrize("name", ["Lu-177", "Y-90", "I-131"])
@pytest.mark.parametrize("diameter_mm", [20.0, 40.0])
def test_sphere_in_voxels_against_the_sphere_model(name, diameter_mm):
    inside = ball(int(diameter_mm / 2) + 12, 2.0, diameter_mm / 2)
    dose = kernel_dose(tia_map(inside, (2.0, 2.0, 2.0)), name, 1.04).array
    volume_mL = np.pi * diameter_mm**3 / 6e3
    model = sphere_dose(name, 1.04 * volume_mL, 1.04).S_Gy_per_Bq_s * volume_mL * DECAYS_PER_MBQ_H
    assert dose[inside].mean() == pytest.approx(model, rel=0.02)


def test_local_deposition():
    assert local_dose_factor("Lu-177") == pytest.approx(0.0853, abs=5e-5)
    dose = local_dose(tia_map(np.full((2, 3, 4), 10.0)), "Lu-177", 1.0)
    np.testing.assert_allclose(dose.array, 0.853, rtol=1e-3)
    dense = local_dose(tia_map(np.full((2, 3, 4), 10.0)), "Lu-177", 1.25)
    np.testing.assert_allclose(dense.array, dose.array / 1.25, rtol=1e-6)


def test_kernel_and_local_deposition_meet_where_ranges_are_short():
    """Electrons alone in voxels far wider than their range, away from edges."""
    tia = tia_map(np.ones((9, 9, 9)), (20.0, 20.0, 20.0))
    middle = kernel_dose(tia, "Lu-177", 1.04, "electrons").array[4, 4, 4]
    assert middle == pytest.approx(local_dose(tia, "Lu-177", 1.04).array[4, 4, 4], rel=1e-3)


def test_density_follows_schneiders_curve_and_scales_all_tissues_but_air():
    hounsfield = np.array([[[-1000.0, -750.0, -100.0, 0.0, 60.0, 150.0, 1000.0]]])
    density = density_from_ct(Volume(hounsfield, np.eye(4), "attenuation", "[hnsf'U]"))
    np.testing.assert_allclose(density.array[0, 0], [0.0012, 0.259, 0.9284, 1.018, 1.073, 1.106, 1.609], atol=2e-3)
    dose = Volume(np.full((1, 1, 7), 10.0), np.eye(4), "absorbed dose", "Gy")
    scaled = scaled_to_density(dose, density, 1.04).array[0, 0]
    assert scaled[0] == pytest.approx(10.0)  # no tissue is there
    np.testing.assert_allclose(scaled[1:], 10.4 / density.array[0, 0, 1:], rtol=1e-6)


def slabs(values):
    """Lung, soft tissue and bone side by side along i, 12 voxels of 4.8 mm each."""
    array = np.repeat(np.array(values), 12)[None, None].repeat(24, axis=0).repeat(24, axis=1)
    return Volume(array, np.diag([4.8, 4.8, 4.8, 1.0]), "attenuation", "[hnsf'U]")


@pytest.mark.parametrize(("name", "allowed"), [("Lu-177", 0.002), ("I-131", 0.002), ("Y-90", 0.01)])
@pytest.mark.parametrize("method", ["kernel", "local"])
def test_electrons_deep_in_any_tissue_give_their_energy_over_its_density(name, allowed, method):
    """Equilibrium of charged particles: uniform activity C gives C E/rho (Fano 1954)."""
    density = density_from_ct(slabs([-740.0, 40.0, 600.0]))
    tia = tia_map(np.ones(density.array.shape), (4.8, 4.8, 4.8))
    dose = kernel_dose(tia, name, radiation="electrons") if method == "kernel" else local_dose(tia, name)
    scaled = scaled_to_density(dose, density).array[12, 12]
    for i in (6, 18, 30):
        right = point_kernel(name, "electrons").emitted_keV * GY_PER_KEV_MBQ_H / density.array[12, 12, i]
        assert scaled[i] == pytest.approx(right, rel=allowed), i


def test_photons_are_not_scaled_to_density():
    """What a hot region sends into lung leaves about as much in a gram of it as in a gram of water."""
    density = density_from_ct(slabs([-740.0, 40.0, 600.0]))
    array = np.zeros(density.array.shape)
    array[..., 12:24] = 1.0
    tia = tia_map(array, (4.8, 4.8, 4.8))
    dose = dose_in_tissues(tia, "Lu-177", "kernel", density).array[12, 12]
    photons = kernel_dose(tia, "Lu-177", radiation="photons").array[12, 12]
    assert dose[4] == pytest.approx(photons[4], rel=0.02)
    assert dose[18] == pytest.approx(photons[18] + local_dose_factor("Lu-177") / density.array[12, 12, 18], rel=2e-3)
    assert "photons of 1.04 g/mL" in dose_in_tissues(tia, "Lu-177", "kernel", density).provenance["dose method"]


def region_of(mask, grid):
    indices = np.flatnonzero(mask)
    return Occupancy("L1", grid, indices, np.ones(indices.size), np.ones(indices.size, dtype=bool))


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("Y-90", 11, "100% of 'L1' is lung or within 5.5 mm of it, the reach of Y-90's electrons"),
        ("Ga-68", 25, "of 'L1' is bone"),
        ("Y-90", 18, ""),
        ("Lu-177", 11, ""),
    ],
)
def test_regions_beside_lung_and_bone_are_doubted_for_electrons_that_reach_far(name, column, words):
    density = density_from_ct(slabs([-740.0, 40.0, 600.0]))
    mask = np.zeros(density.array.shape, dtype=bool)
    mask[10:14, 10:14, column] = True
    found = density_doubts(name, density, {"L1": region_of(mask, density.grid)})
    assert bool(found) == bool(words)
    assert words in " ".join(found)


def test_enhanced_organs_are_soft_tissue_and_metal_is_none():
    ct = Volume(np.array([[[60.0, 180.0, 180.0, 3071.0]]]), np.eye(4), "attenuation", "[hnsf'U]")
    mask = np.array([[[True, True, False, False]]])
    density = density_from_ct(ct, soft_tissue=mask).array[0, 0]
    np.testing.assert_allclose(density, [1.07, 1.07, 1.1237, 1.04], atol=1e-3)
    assert metal_mL(ct) == pytest.approx(1e-3)


def test_a_centres_own_curve_is_used_and_named():
    ct = Volume(np.array([[[-1000.0, 0.0, 500.0, 2000.0]]]), np.eye(4), "attenuation", "[hnsf'U]")
    own = DensityCurve("own", (-1000, 0, 1000), (0.001, 1.0, 1.6), "phantom of May, 120 kV")
    made = density_from_ct(ct, own)
    np.testing.assert_allclose(made.array[0, 0], [0.001, 1.0, 1.3, 1.6], rtol=1e-6)
    assert made.provenance["density curve source"] == "phantom of May, 120 kV"


@pytest.mark.parametrize(
    ("hounsfield", "density", "sentence"),
    [
        ((0, 0, 1), (1, 1, 2), "do not rise"),
        ((-1000, 0, 1), (0.001, 1, 0.5), "falls by more than a tenth"),
        ((-1000, 0), (0.001, 1), "2 Hounsfield values and 2 densities"),
        ((-1000, 0, 1000), (1.2, 1000.0, 1600.0), "leaves 0 to 25 g/mL"),
    ],
)
def test_impossible_density_curves_are_refused(hounsfield, density, sentence):
    with pytest.raises(DoseError, match=sentence):
        DensityCurve("own", hounsfield, density, "")


def test_the_shipped_curves_are_those_that_a_case_may_name():
    assert shipped_curves() == DENSITY_CURVES
    with pytest.raises(DoseError, match="no density curve 'other': use schneider-2000, water"):
        shipped_curve("other")


def test_organ_mean_against_the_s_value_of_a_phantom():
    """177Lu in an ellipsoid with the liver's mass: the phantom's electrons are absorbed wholly, and its liver is not
    an ellipsoid, so 2 % are allowed; the difference is in the photons, a tenth of the dose.
    """
    with shared_file("reference", "svalues_lu177_adult_male.csv").open() as file:
        rows = {row["Target"]: row for row in csv.DictReader(file)}
    published = float(rows["Liver"]["Liver"])  # mGy/(MBq s), 1800 g
    half = np.array([60.0, 75.0, 91.0]) * (1800.0 / 1.05 / (4 / 3 * np.pi * 60 * 75 * 91 / 1e3)) ** (1 / 3)
    shape, edge = (40, 48, 56), 4.0
    axes = [((np.arange(n) + 0.5) - n / 2) * edge / a for n, a in zip(shape, half, strict=True)]
    organ = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 <= 1.0
    tia = tia_map(organ / (organ.sum() * 0.064))  # 1 MBq.h in all
    mean = kernel_dose(tia, "Lu-177", 1.05).array[organ].mean()
    assert mean / 3.6 == pytest.approx(published, rel=0.02)
    local = local_dose(tia, "Lu-177", 1.05).array[organ].mean()
    assert 0.90 < local / mean < 0.96


@pytest.fixture(scope="module")
def patient_dose():
    patient = synthetic_patient(4)
    grid = axial_grid((96, 64, 80), (4.8, 4.8, 4.8), np.array([0.0, 0.0, -12.0]))
    truth = {region.name: patient.tia_MBq_h_per_mL(region.name) for region in patient.regions}
    array = voxel_averages(patient, grid, truth, supersampling=(3, 3, 3))
    tia = Volume(array, grid.ijk_to_ras, "time-integrated activity concentration", "MBq.h/ml")
    labels = region_labels(patient, grid)
    names = [region.name for region in patient.regions]
    masks = {name: labels == names.index(name) + 1 for name in names}
    return truth, tia, masks, kernel_dose(tia, "Lu-177").array, local_dose(tia, "Lu-177").array


@pytest.mark.parametrize("region", ["liver_right", "liver_left", "kidney_right", "spleen"])
def test_local_dose_of_the_synthetic_patient_is_that_of_its_voxel_averaged_activity(patient_dose, region):
    _, tia, masks, _, local = patient_dose
    expected = tia.array[masks[region]].mean(dtype=np.float64) * 0.08532 / 1.04
    assert local[masks[region]].mean(dtype=np.float64) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("region", ["kidney_right", "spleen"])
def test_kernel_dose_of_an_organ_of_the_synthetic_patient(patient_dose, region):
    """Electrons that stay inside plus the organ's own photons: local dose and 2-12 % more for 150-180 mL."""
    truth, _, masks, kernel, _ = patient_dose
    eroded = masks[region].copy()
    for axis in range(3):
        for step in (-1, 1):
            eroded &= np.roll(masks[region], step, axis)
    local = truth[region] * local_dose_factor("Lu-177") / 1.04
    mass_g = masks[region].sum() * 0.110592 * 1.04
    ball = sphere_dose("Lu-177", mass_g, 1.04)
    photons = ball.absorbed_fraction_photons * 35.10 / 147.92
    assert kernel[eroded].mean() / local == pytest.approx(1.0 + photons, abs=0.04)


def test_kernel_dose_of_a_large_lesion_of_the_synthetic_patient(patient_dose):
    truth, _, masks, kernel, _ = patient_dose
    lesion = max((name for name in masks if name.startswith("lesion")), key=lambda name: masks[name].sum())
    volume_mL = masks[lesion].sum() * 0.110592
    model = sphere_dose("Lu-177", 1.04 * volume_mL, 1.04).S_Gy_per_Bq_s * volume_mL * DECAYS_PER_MBQ_H * truth[lesion]
    inside = masks[lesion] & (kernel > 0.7 * kernel[masks[lesion]].max())
    assert kernel[inside].mean() == pytest.approx(model, rel=0.05)


def test_dose_from_four_images_of_the_synthetic_patient_against_that_of_its_truth():
    """Without blur and noise, kernel and local dose of every large region are those of the true activity to 3 %."""
    patient = synthetic_patient(4)
    grid = axial_grid((64, 44, 56), (7.2, 7.2, 7.2), np.array([0.0, 0.0, -12.0]))
    scans = [activity_image(patient, grid, hour, fwhm_mm=0.0) for hour in (4.0, 24.0, 72.0, 168.0)]
    series = VoxelSeries.from_volumes(scans, patient.injection.time, "Lu-177")
    fitted = uptake_clearance_tia(series).tia
    names = [region.name for region in patient.regions]
    truth = fitted.with_values(voxel_averages(patient, grid, {n: patient.tia_MBq_h_per_mL(n) for n in names}))
    labels = region_labels(patient, grid)
    for method in (kernel_dose, local_dose):
        found, expected = method(fitted, "Lu-177").array, method(truth, "Lu-177").array
        for name in ("liver_right", "liver_left", "kidney_right", "spleen", "lesion_1"):
            mask = labels == names.index(name) + 1
            assert found[mask].mean() == pytest.approx(expected[mask].mean(), rel=0.03), name


@pytest.mark.parametrize("method", [kernel_dose, local_dose])
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"array": [[[1.0, -2.0, 3.0]]]}, "1 voxels of the time-integrated activity are negative, down to -2 "),
        ({"array": [[[1.0, np.nan, 3.0]]]}, "1 voxels of the time-integrated activity have no number: "),
        ({"array": [[[1.0, np.inf, 3.0]]]}, "1 voxels of the time-integrated activity have no number: "),
        ({"array": [[[1.0]]], "units": "Bq/ml"}, "A dose map needs time-integrated activity in MBq.h/ml, but this"),
    ],
)  # fmt: skip
def test_impossible_maps_are_refused(method, changes, sentence):
    with pytest.raises(DoseError) as caught:
        method(tia_map(**changes), "Lu-177")
    assert str(caught.value).startswith(sentence)


def test_skewed_grids_unknown_nuclides_and_bad_ranges_are_refused():
    skewed = np.eye(4)
    skewed[0, 2] = 0.3
    with pytest.raises(DoseError, match="not at right angles"):
        kernel_dose(Volume(np.ones((2, 2, 2)), skewed, "", "MBq.h/ml"), "Lu-177")
    with pytest.raises(DoseError, match="no dose kernel for Tc-99m"):
        kernel_dose(tia_map(np.ones((2, 2, 2))), "Tc-99m")
    with pytest.raises(DoseError, match="range of the kernel must be a positive number of mm, but it is 0"):
        kernel_dose(tia_map(np.ones((2, 2, 2))), "Lu-177", range_mm=0.0)
    with pytest.raises(DoseError, match="density must be a positive number"):
        local_dose(tia_map(np.ones((2, 2, 2))), "Lu-177", 0.0)


def test_density_maps_of_another_grid_or_unit_are_refused():
    dose = Volume(np.ones((2, 2, 2)), np.eye(4), "absorbed dose", "Gy")
    with pytest.raises(DoseError, match="different grids"):
        scaled_to_density(dose, Volume(np.ones((2, 2, 3)), np.eye(4), "mass density", "g/ml"))
    with pytest.raises(DoseError, match="in g/ml"):
        scaled_to_density(dose, Volume(np.ones((2, 2, 2)), np.eye(4), "attenuation", "[hnsf'U]"))
    with pytest.raises(DoseError, match="needs a CT in Hounsfield units"):
        density_from_ct(dose)
    with pytest.raises(DoseError, match="not finite"):
        density_from_ct(Volume(np.full((1, 1, 1), np.nan), np.eye(4), "attenuation", "[hnsf'U]"))
