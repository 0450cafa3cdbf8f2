"""The synthetic patient: its anatomy, its activity, and that its images are what physics says."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.errors import AtomicWriteError
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.errors import LesionPlacementError, SyntheticError
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.phantom_anatomy import LEFT_SIDE, LIVER, LIVER_LOBES
from PRRTUptakeLib.synthetic.phantom_shapes import Difference, HalfSpace, Intersection, Tube, Union, inside, sphere
from PRRTUptakeLib.synthetic.segments import segment_regions
from PRRTUptakeLib.synthetic.simulation import (
    CONTRAST_CT_GRID,
    FWHM_PER_SIGMA,
    SPECT_GRID,
    PoissonNoise,
    Posture,
    activity_image,
    axial_grid,
    concentrations,
    region_labels,
    region_volumes_mL,
    tissue_image,
    voxel_averages,
)
from scipy.integrate import quad
from scipy.special import erf


@pytest.fixture(scope="module")
def patient():
    return synthetic_patient(1, 0)


def _only(patient, **values):
    """Zero everywhere but in the named regions."""
    return {region.name: values.get(region.name, 0.0) for region in patient.regions}


def _monte_carlo_volume_mL(shape, count=400_000):
    low, high = shape.bounds()
    points = np.random.default_rng(7).uniform(low, high, (count, 3))
    return inside(shape, points).mean() * np.prod(high - low) / 1000


def test_shapes_have_the_volumes_of_geometry():
    ball = sphere((3.0, -2.0, 5.0), 40.0)
    volume = 4 / 3 * np.pi * 20**3 / 1000
    assert ball.volume_mL == pytest.approx(volume)
    assert _monte_carlo_volume_mL(Intersection((ball, HalfSpace((3, -2, 5), (1, 2, 3))))) == pytest.approx(
        volume / 2, rel=0.01
    )
    tube = Tube((0, 0, 0), (30, 40, 0), 6.0)
    assert _monte_carlo_volume_mL(tube) == pytest.approx((np.pi * 36 * 50 + 4 / 3 * np.pi * 216) / 1000, rel=0.01)
    apart = Union((ball, sphere((103.0, -2.0, 5.0), 40.0)))
    assert _monte_carlo_volume_mL(apart) == pytest.approx(2 * volume, rel=0.02)
    shell = Difference(ball, sphere((3.0, -2.0, 5.0), 20.0))
    assert _monte_carlo_volume_mL(shell) == pytest.approx(volume * 7 / 8, rel=0.01)


def test_liver_and_lobes_have_their_volumes():
    liver, left = _monte_carlo_volume_mL(LIVER, 2_000_000), _monte_carlo_volume_mL(LIVER_LOBES["left"], 1_000_000)
    assert liver == pytest.approx(1600, rel=0.02)
    assert 0.35 <= left / liver <= 0.40


def test_painted_volumes(patient):
    volumes = region_volumes_mL(patient)
    parts = segment_regions(patient)
    lesions = sum(item.shape.volume_mL for item in patient.lesions if item.lobe != "none")
    assert sum(volumes[name] for name in parts["liver"]) == pytest.approx(1600, rel=0.02)
    assert volumes["liver_left"] + volumes["liver_right"] == pytest.approx(1600 - lesions, rel=0.02)
    for name, volume in (("kidney_left", 150), ("kidney_right", 150), ("spleen", 180)):
        assert volumes[name] == pytest.approx(volume, rel=0.02)
    for name in ("L1", "L2", "L3", "L4", "L5"):
        assert volumes[f"vertebra_{name}_marrow"] == pytest.approx(22 * 16 * np.pi * 24 / 1000, rel=0.06)
    assert volumes["gallbladder"] == pytest.approx(30, rel=0.05)
    assert all(volume > 0 for volume in volumes.values())


@pytest.mark.parametrize("index", range(6))
def test_lesions_lie_within_their_lobe_and_apart(index):
    patient = synthetic_patient(5, index)
    surface = np.random.default_rng(index).normal(size=(3000, 3))
    surface /= np.linalg.norm(surface, axis=1, keepdims=True)
    for lesion in patient.lesions:
        points = lesion.centre_mm + surface * lesion.diameter_mm / 2
        if lesion.lobe == "none":
            assert not inside(LIVER, points).any()
        else:
            assert inside(LIVER, points).all()
            assert (inside(LEFT_SIDE, points) == (lesion.lobe == "left")).all()
    for n, one in enumerate(patient.lesions):
        for other in patient.lesions[:n]:
            gap = (
                np.linalg.norm(np.subtract(one.centre_mm, other.centre_mm)) - (one.diameter_mm + other.diameter_mm) / 2
            )
            assert gap > 0


def test_default_lesions_are_as_the_trial_needs_them(patient):
    for lobe in ("left", "right"):
        sizes = [item.diameter_mm for item in patient.lesions if item.lobe == lobe]
        assert sum(size > 30 for size in sizes) == 3
        assert all(32 <= size <= 50 for size in sizes if size > 30)
        assert sum(size < 30 for size in sizes) == 2
    assert [item.lobe for item in patient.lesions].count("none") == 1


def test_large_draws_that_do_not_fit_are_drawn_again():
    # the first draw of this patient puts 49.7, 47.3 and 47.0 mm into the left lobe, where there is no room for them
    patient = synthetic_patient(2, 22)
    assert sum(item.diameter_mm > 30 for item in patient.lesions) == 6
    points = np.random.default_rng(0).normal(size=(2000, 3))
    for item in patient.lesions[:10]:
        on_surface = item.centre_mm + points / np.linalg.norm(points, axis=1, keepdims=True) * item.diameter_mm / 2
        assert inside(LIVER_LOBES[item.lobe], on_surface).all()


def test_lesions_as_asked_for():
    plan = [LesionPlan(40.0, "right", 0.8), LesionPlan(25.0, "left"), LesionPlan(20.0, "none", 2.0)]
    patient = synthetic_patient(2, lesions=plan, treated_lobe="right", gain=1.4, activity_MBq=6000.0)
    assert [(item.diameter_mm, item.lobe, item.relative_uptake) for item in patient.lesions] == [
        (40.0, "right", 0.8),
        (25.0, "left", 1.0),
        (20.0, "none", 2.0),
    ]
    values = concentrations(patient, 24.0)
    assert values["lesion_1"] / values["lesion_2"] == pytest.approx(0.8 * 1.4)
    assert values["lesion_2"] / values["liver_left"] == pytest.approx(15.0)


def test_impossible_wishes_get_a_sentence():
    with pytest.raises(LesionPlacementError, match="do not fit into the left lobe"):
        synthetic_patient(1, lesions=[LesionPlan(80.0, "left")] * 3)
    with pytest.raises(LesionPlacementError, match="diameter"):
        LesionPlan(-3.0, "left")
    with pytest.raises(SyntheticError, match="treated lobe"):
        synthetic_patient(1, treated_lobe="middle")
    with pytest.raises(SyntheticError, match="gain"):
        synthetic_patient(1, gain=-1.0)
    with pytest.raises(SyntheticError, match="no region 'heart'"):
        synthetic_patient(1).concentration_Bq_per_mL("heart", 24.0)
    with pytest.raises(SyntheticError, match="no value"):
        voxel_averages(synthetic_patient(1), SPECT_GRID, {})
    with pytest.raises(SyntheticError, match="rigid"):
        Posture(np.diag([2.0, 1.0, 1.0, 1.0]))


def test_same_seed_same_patient_other_index_other_patient(patient):
    again, other = synthetic_patient(1, 0), synthetic_patient(1, 1)
    assert again == patient
    assert [item.centre_mm for item in other.lesions] != [item.centre_mm for item in patient.lesions]
    assert other.patient_id != patient.patient_id
    assert again.random("a").random() == patient.random("a").random()
    assert len({p.random(word).random() for p in (patient, other) for word in ("a", "b")}) == 4


def test_tia_is_the_integral_of_the_concentration(patient):
    for name in ("kidney_left", "liver_right", "lesion_1", "aorta"):
        points = [0.5, 5.0, 50.0, 300.0]
        numeric, _ = quad(
            lambda t, name=name: patient.concentration_Bq_per_mL(name, t), 0, 2000, points=points, limit=500
        )
        assert patient.tia_MBq_h_per_mL(name) == pytest.approx(numeric / 1e6, rel=1e-5)


def test_activity_in_the_body_does_not_exceed_what_was_given(patient):
    volumes, values = region_volumes_mL(patient), concentrations(patient, 24.0)
    total_MBq = sum(volumes[name] * values[name] for name in volumes) / 1e6
    assert 0.1 < total_MBq / patient.injection.activity_MBq < 0.6


def test_voxel_averages_agree_with_monte_carlo_integration(patient):
    lesion = next(item for item in patient.lesions if item.diameter_mm > 32)
    grid = axial_grid((14, 14, 14), (4.8, 4.8, 4.8), np.add(lesion.centre_mm, [0.7, -1.1, 1.9]))
    image = voxel_averages(patient, grid, _only(patient, **{lesion.name: 100.0}))
    # half a million random points of each of three border voxels, and the whole
    k, j, i = np.nonzero((image > 20) & (image < 80))
    random = np.random.default_rng(3)
    for pick in (0, len(k) // 2, len(k) - 1):
        index = np.array([i[pick], j[pick], k[pick]])
        points = grid.to_ras(index + random.uniform(-0.5, 0.5, (500_000, 3)))
        assert image[k[pick], j[pick], i[pick]] == pytest.approx(100 * inside(lesion.shape, points).mean(), abs=2.5)
    assert image.sum(dtype=float) * grid.voxel_volume_mL / 100 == pytest.approx(lesion.shape.volume_mL, rel=2e-3)
    assert image.max() == pytest.approx(100.0, rel=1e-6)


def _blurred_sphere(radius, sigma, distance):
    """Unit sphere convolved with a Gaussian, at a distance from its centre (closed form)."""
    a, b = (distance + radius) / (sigma * 2**0.5), (distance - radius) / (sigma * 2**0.5)
    return 0.5 * (erf(a) - erf(b)) - sigma / (distance * (2 * np.pi) ** 0.5) * (np.exp(-(b**2)) - np.exp(-(a**2)))


def test_blur_agrees_with_the_closed_form_of_a_gaussian_sphere(patient):
    lesion = max(patient.lesions, key=lambda item: item.diameter_mm)
    grid = axial_grid((90, 90, 90), (1.0, 1.0, 1.0), np.array(lesion.centre_mm) + 0.3)
    image = voxel_averages(patient, grid, _only(patient, **{lesion.name: 1.0}), fwhm_mm=12.0)
    index = np.stack(np.meshgrid(*[np.arange(0, 90, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(grid.to_ras(index) - lesion.centre_mm, axis=1)
    expected = _blurred_sphere(lesion.diameter_mm / 2, 12.0 / FWHM_PER_SIGMA, distance)
    assert np.abs(image[index[:, 2], index[:, 1], index[:, 0]] - expected).max() < 3e-3


def test_blur_conserves_activity(patient):
    values = _only(patient, kidney_left=500.0, lesion_1=900.0, spleen=20.0)
    sharp, blurred = (voxel_averages(patient, SPECT_GRID, values, fwhm_mm=fwhm) for fwhm in (0.0, 12.0))
    assert blurred.max() < sharp.max()
    assert blurred.sum(dtype=float) == pytest.approx(sharp.sum(dtype=float), rel=1e-5)


def test_what_is_beyond_the_image_is_blurred_into_it(patient):
    slab = axial_grid((128, 128, 1), (4.8, 4.8, 4.8), np.array([0.0, 0.0, SPECT_GRID.to_ras([0, 0, 40])[2]]))
    values = concentrations(patient, 24.0)
    alone = voxel_averages(patient, slab, values, fwhm_mm=12.0)[0]
    np.testing.assert_allclose(alone, voxel_averages(patient, SPECT_GRID, values, fwhm_mm=12.0)[40], rtol=1e-4, atol=1)


def test_posture_moves_the_patient_rigidly(patient):
    angle = np.radians(20.0)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = [12.0, -7.0, 9.0]
    posture = Posture(matrix, breathing_mm=8.0)
    lesion = patient.lesions[0]
    values = _only(patient, **{lesion.name: 1.0})
    image = voxel_averages(patient, SPECT_GRID, values, posture=posture).astype(float)
    k, j, i = (np.arange(n) for n in image.shape)
    total = image.sum()
    centroid = [(image.sum((0, 1)) @ i) / total, (image.sum((0, 2)) @ j) / total, (image.sum((1, 2)) @ k) / total]
    expected = (matrix @ [*np.add(lesion.centre_mm, [0, 0, 8.0]), 1])[:3]
    np.testing.assert_allclose(SPECT_GRID.to_ras(np.array(centroid)), expected, atol=0.1)
    np.testing.assert_allclose((posture.liver_to_ras @ [*lesion.centre_mm, 1])[:3], expected, atol=1e-9)
    assert total * SPECT_GRID.voxel_volume_mL == pytest.approx(lesion.shape.volume_mL, rel=3e-3)
    labels = region_labels(patient, SPECT_GRID, posture)
    assert patient.regions[labels[tuple(np.rint(centroid[::-1]).astype(int))] - 1].name == lesion.name


def test_poisson_noise_has_the_variance_of_its_counts():
    noise = PoissonNoise(np.random.default_rng(11), sensitivity_cps_per_MBq=20.0, duration_s=1200.0)
    voxel_mL = 0.110592
    mean_counts = 500_000 * voxel_mL * 20e-6 * 1200
    counts = noise.apply(np.full((60, 60, 60), 500_000.0), voxel_mL) * voxel_mL * 20e-6 * 1200
    assert counts.mean() == pytest.approx(mean_counts, rel=4 / np.sqrt(mean_counts * counts.size))
    assert counts.var() == pytest.approx(mean_counts, rel=4 * np.sqrt(2 / counts.size))
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-6)


def test_images_are_finite_and_at_their_time(patient):
    image = activity_image(patient, SPECT_GRID, 24.0, noise=PoissonNoise(patient.random("SPECT")))
    assert np.isfinite(image.array).all()
    assert image.array.min() >= 0
    assert (image.reference_time - patient.injection.time).total_seconds() == 24 * 3600
    assert image.units == "Bq/ml"


def test_vessels_and_lesions_show_on_contrast_ct(patient):
    image = tissue_image(patient, CONTRAST_CT_GRID, "contrast_HU").array
    labels = region_labels(patient, CONTRAST_CT_GRID)
    median = {r.name: float(np.median(image[labels == n])) for n, r in enumerate(patient.regions, 1) if n in labels}
    assert median["liver_left"] - median["lesion_1"] > 30
    assert median["aorta"] - median["trunk"] > 60
    assert median["lung_left"] < -700
    assert image.min() >= -1000


def test_written_case_is_whole_and_true(tmp_path, patient):
    case_file = write_synthetic_lutia(tmp_path / "p", seed=1, blur=False, noise=False)
    case, truth = (json.loads((tmp_path / "p" / name).read_text()) for name in ("case.json", "truth.json"))
    assert case_file == tmp_path / "p" / "case.json"
    assert set(case) == {"patient", "protocol", "treated_lobe", "visits"}
    visit = case["visits"][0]
    assert set(visit) == {"visit", "cycle", "dicom", "segments", "lobe_plane"}
    assert visit["lobe_plane"]["normal_ras"][0] < 0  # to the patient's left
    assert np.linalg.norm(visit["lobe_plane"]["normal_ras"]) == pytest.approx(1.0)
    for lesion, known in zip(truth["lesions"], patient.lesions, strict=True):
        assert lesion["volume_mL"] == pytest.approx(np.pi / 6 * known.diameter_mm**3 / 1000)
        assert lesion["concentration_Bq_per_mL"]["24h"] == patient.concentration_Bq_per_mL(known.name, 24.0)
    mask = SimpleITK.ReadImage(str(tmp_path / "p" / "segments" / "liver_lesions.nii.gz"))
    array = SimpleITK.GetArrayFromImage(mask)
    volume = array.sum() * np.prod(mask.GetSpacing()) / 1000
    assert volume == pytest.approx(sum(x.shape.volume_mL for x in patient.lesions if x.lobe != "none"), rel=0.01)
    centre = np.multiply(patient.lesions[0].centre_mm, [-1, -1, 1])  # LPS
    assert mask[mask.TransformPhysicalPointToIndex(centre.tolist())] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_folder_in_use_is_left_alone_and_a_failure_leaves_nothing(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    with pytest.raises(AtomicWriteError, match="not of SlicerPRRT"):
        write_synthetic_lutia(tmp_path / "used")

    def fail():
        with atomic_directory(tmp_path / "new") as partial:
            (partial / "half").write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        fail()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.txt", "used"]
