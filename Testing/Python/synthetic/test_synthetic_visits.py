"""Synthetic PET/CT after IA and IV injection with an MRI, and serial SPECT/CT: valid, readable, and true."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime, timedelta

import numpy as np
import pydicom
import pytest
import SimpleITK
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv, write_synthetic_serial
from PRRTUptakeLib.synthetic.phantom import Gains, synthetic_patient
from PRRTUptakeLib.synthetic.simulation import (
    PET_GRID,
    SPECT_GRID,
    Posture,
    activity_image,
    random_posture,
    region_labels,
    voxel_averages,
)
from scipy.integrate import quad

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

GAINS = Gains(lesions_left=3.5, lesions_right=2.0, liver_left=1.2, liver_right=1.1, elsewhere=0.9)


@pytest.fixture(scope="module")
def pet_case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ia-versus-iv") / "case"
    write_synthetic_ia_versus_iv(folder, seed=4, gains=GAINS, blur=False, noise=False)
    return folder


@pytest.fixture(scope="module")
def known(pet_case):
    return json.loads((pet_case / "truth.json").read_text())


@pytest.fixture(scope="module")
def pets(pet_case):
    return {visit: _read(pet_case / visit / "DICOM", "PT") for visit in ("IA", "IV")}


@pytest.fixture(scope="module")
def serial_case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial") / "case"
    write_synthetic_serial(folder, seed=4, times_h=(4.0, 72.0), noise=False)
    return folder


def _read(folder, modality):
    datasets = [pydicom.dcmread(path) for path in folder.rglob("*") if path.is_file()]
    return sorted(
        (ds for ds in datasets if ds.Modality == modality), key=lambda ds: float(ds.get("SliceLocation", 0.0))
    )


def _bq_per_mL(slices):
    return np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in slices])


def _moment(date, time, zone):
    return datetime.strptime(date + time + zone, "%Y%m%d%H%M%S.%f%z")


def _suv(slices):
    """SUV by body weight as a reader computes it who knows the header only."""
    ds, array = slices[0], _bq_per_mL(slices)
    drug = ds.RadiopharmaceuticalInformationSequence[0]
    injected = datetime.strptime(drug.RadiopharmaceuticalStartDateTime, "%Y%m%d%H%M%S.%f%z")
    started = _moment(ds.SeriesDate, ds.SeriesTime, ds.TimezoneOffsetFromUTC)
    left = float(drug.RadionuclideTotalDose) * 0.5 ** (
        (started - injected).total_seconds() / float(drug.RadionuclideHalfLife)
    )
    return array * 1000 * float(ds.PatientWeight) / left


def _posture(known):
    return Posture(np.array(known["phantom_to_ras"]), known["breathing_mm"])


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_files_are_valid(pet_case, serial_case, step):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools): validity was NOT checked")
    files = [path for case in (pet_case, serial_case) for path in sorted(case.rglob("DICOM/*/*"))]
    assert len(files) > 500
    errors = {}
    for path in files[::step]:
        run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        lines = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]
        if lines:
            errors[str(path)] = lines
    assert errors == {}


def test_case_files_load(pet_case, serial_case):
    case = load_case(pet_case / "case.json")
    assert [(visit.visit, visit.route) for visit in case.visits] == [
        ("MRI", ""),
        ("IA", "intra-arterial"),
        ("IV", "intravenous"),
    ]
    assert case.protocol.design == "ia-versus-iv"
    assert len({visit.segments for visit in case.visits}) == 1
    serial = load_case(serial_case / "case.json")
    assert [visit.visit for visit in serial.visits] == ["4h", "72h"]
    assert len({visit.segments for visit in serial.visits}) == 2


def test_visits_are_studies_of_one_patient_three_days_apart(pet_case, pets):
    assert len({pets[v][0].StudyInstanceUID for v in pets}) == len({pets[v][0].FrameOfReferenceUID for v in pets}) == 2
    assert {ds.PatientID for visit in pets.values() for ds in visit} == {"SYN-004-000"}
    starts = [_moment(pets[v][0].SeriesDate, pets[v][0].SeriesTime, "+0100") for v in ("IA", "IV")]
    assert abs(starts[1] - starts[0] - timedelta(days=3)) < timedelta(hours=2)
    for visit, slices in pets.items():
        ct = _read(pet_case / visit / "DICOM", "CT")
        assert ct[0].FrameOfReferenceUID == slices[0].FrameOfReferenceUID
        assert ct[0].StudyInstanceUID == slices[0].StudyInstanceUID


def test_pet_slices_have_their_own_slopes_and_one_decay_reference(pets):
    slices = pets["IA"]
    assert len({float(ds.RescaleSlope) for ds in slices}) > 8  # without noise neighbours share their maximum
    assert {int(ds.pixel_array.max()) for ds in slices} <= {32766, 32767}
    assert {(ds.Units, ds.DecayCorrection) for ds in slices} == {("BQML", "START")}
    starts = sorted({_moment(ds.AcquisitionDate, ds.AcquisitionTime, "+0100") for ds in slices})
    assert [(start - starts[0]).total_seconds() for start in starts] == [0, 180]
    assert starts[0] == _moment(slices[0].SeriesDate, slices[0].SeriesTime, "+0100")
    decay = np.log(2) / float(slices[0].RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife)
    for ds in (slices[0], slices[-1]):
        offset = (_moment(ds.AcquisitionDate, ds.AcquisitionTime, "+0100") - starts[0]).total_seconds()
        mean, _ = quad(lambda t: np.exp(-decay * t), offset, offset + 180)
        assert float(ds.DecayFactor) == pytest.approx(180 / mean, rel=1e-6)
        assert np.exp(decay * float(ds.FrameReferenceTime) / 1000) == pytest.approx(180 / mean, rel=1e-6)


def test_pet_comes_back_in_becquerel_per_millilitre(pets, known):
    patient, scan = _pet_patient(known, "IA")
    expected = activity_image(patient, PET_GRID, scan["time_h"], fwhm_mm=0, posture=_posture(scan["posture"])).array
    array = _bq_per_mL(pets["IA"])
    quantum = np.array([float(ds.RescaleSlope) for ds in pets["IA"]])[:, None, None]
    assert np.abs((array - expected) / quantum).max() <= 0.52
    row, column = np.split(np.array(pets["IA"][20].ImageOrientationPatient, float), 2)
    lps = np.array(pets["IA"][20].ImagePositionPatient, float) + 4.0 * (5 * row + 9 * column)
    np.testing.assert_allclose(lps * [-1, -1, 1], PET_GRID.to_ras([5, 9, 20]), atol=1e-4)


def _pet_patient(known, visit):
    """The patient as ``truth.json`` describes it, put together from its lesions and injection."""
    from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
    from PRRTUptakeLib.synthetic.phantom import Injection
    from PRRTUptakeLib.synthetic.phantom_uptake import uptake_table

    table = uptake_table("Ga-68")
    plan = [LesionPlan(item["diameter_mm"], item["lobe"], item["relative_uptake"]) for item in known["lesions"]]
    patient = synthetic_patient(known["seed"], known["index"], table=table, lesions=plan)
    given = known["visits"][visit]["injection"]
    time, gains = datetime.fromisoformat(given["time"]), Gains(**given["gains"])
    injection = Injection(table, given["activity_MBq"], time, given["route"], gains)
    return patient.after(injection), known["visits"][visit]


def test_suv_from_the_header_is_the_known_one_inside_each_lesion(pets, known):
    for visit, slices in pets.items():
        suv = _suv(slices)
        for lesion in known["lesions"]:
            if lesion["diameter_mm"] < 16:
                continue  # no voxel is wholly inside
            k, j, i = np.rint(PET_GRID.to_ijk(np.array(lesion["centre_ras_mm"][visit]))).astype(int)[::-1]
            assert suv[k, j, i] == pytest.approx(lesion["suv"][visit], rel=1e-3), (visit, lesion["name"])


def test_enhancement_ratio_is_the_gain_but_for_the_time_of_the_scan(known):
    ratio, times = known["enhancement_ratio"], [known["visits"][visit]["time_h"] for visit in ("IA", "IV")]
    assert all(0.9 <= time <= 1.3 for time in times)
    for lesion in known["lesions"]:
        gain = {"left": 3.5, "right": 2.0, "none": 0.9}[lesion["lobe"]]
        assert ratio[lesion["name"]] == pytest.approx(gain, rel=0.12)
        assert ratio[lesion["name"]] == lesion["suv"]["IA"] / lesion["suv"]["IV"]
    assert ratio["spleen"] == pytest.approx(0.9, rel=0.02)
    assert known["visits"]["IV"]["injection"]["gains"] == dict.fromkeys(vars(GAINS), 1.0)


def test_known_transforms_propagate_the_mri_contours_onto_each_pet(pet_case, known):
    mask = SimpleITK.ReadImage(str(pet_case / "MRI" / "segments" / "liver_lesions.nii.gz"))
    points = np.argwhere(SimpleITK.GetArrayFromImage(mask))[::50, ::-1]
    ras = np.array([mask.TransformIndexToPhysicalPoint(p.tolist()) for p in points]) * [-1, -1, 1]
    for visit in ("IA", "IV"):
        matrix = np.array(known["mri"]["to_visit_ras"][visit]["liver"])
        assert np.linalg.norm(matrix[:3, 3]) > 1  # the patient has moved
        moved = np.append(ras, np.ones((len(ras), 1)), axis=1) @ matrix.T
        lesions = [item for item in known["lesions"] if item["lobe"] != "none"]
        away = [
            np.linalg.norm(moved[:, :3] - item["centre_ras_mm"][visit], axis=1) - item["diameter_mm"] / 2
            for item in lesions
        ]
        assert np.min(away, axis=0).max() < 1e-6


def test_mri_shows_lesions_dark_in_the_liver(pet_case):
    slices = _read(pet_case / "MRI" / "DICOM", "MR")
    array = np.stack([ds.pixel_array for ds in slices])
    masks = {
        name: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(pet_case / "MRI" / "segments" / f"{name}.nii.gz")))
        for name in ("liver", "liver_lesions")
    }
    assert masks["liver"].shape == array.shape
    healthy = (masks["liver"] > 0) & (masks["liver_lesions"] == 0)
    assert np.median(array[masks["liver_lesions"] > 0]) < 0.6 * np.median(array[healthy])


def test_serial_activity_follows_the_curve_and_integrates_to_the_tia(serial_case):
    known = json.loads((serial_case / "truth.json").read_text())
    patient = synthetic_patient(4)
    for visit, time_h in (("4h", 4.0), ("72h", 72.0)):
        ds = _read(serial_case / visit / "DICOM", "NM")[0]
        array = ds.pixel_array * ds.RealWorldValueMappingSequence[0].RealWorldValueSlope
        posture = _posture(known["visits"][visit]["posture"])
        kidneys = {r.name: float(r.name.startswith("kidney")) for r in patient.regions}
        where = voxel_averages(patient, SPECT_GRID, kidneys, posture=posture) > 0.999
        recovered = array[where].max() / patient.concentration_Bq_per_mL("kidney_left", time_h)
        assert 0.95 < recovered <= 1.02  # a kidney is 4 FWHM wide along one axis and 2 along the others
        volume = SimpleITK.GetArrayFromImage(
            SimpleITK.ReadImage(str(serial_case / visit / "segments" / "spleen.nii.gz"))
        )
        assert volume.any()
    tia, _ = quad(lambda t: patient.concentration_Bq_per_mL("kidney_left", t) / 1e6, 0, 2000, points=[1, 10, 200])
    segment = known["segments"]["kidney_left"]
    assert segment["tia_MBq_h"]["4h"] == pytest.approx(tia * segment["volume_mL"], rel=1e-5)
    assert segment["tia_MBq_h"]["4h"] == segment["tia_MBq_h"]["72h"]
    liver = sum(known["regions"][name]["tia_MBq_h"]["4h"] for name in ("liver_left", "liver_right"))
    lesions = sum(item["tia_MBq_h"]["4h"] for item in known["lesions"] if item["lobe"] != "none")
    assert known["segments"]["liver"]["tia_MBq_h"]["4h"] == pytest.approx(liver + lesions)


def test_only_what_hangs_on_the_diaphragm_breathes():
    patient = synthetic_patient(4)
    still, deep = (region_labels(patient, SPECT_GRID, Posture(breathing_mm=shift)) for shift in (0.0, 9.6))
    names = [region.name for region in patient.regions]
    for name, breathes in (("kidney_left", True), ("spleen", True), ("lesion_1", True), ("vertebra_L3_marrow", False)):
        label = names.index(name) + 1
        moved = np.roll(still == label, 2, axis=0) if breathes else still == label  # two slices of 4.8 mm
        np.testing.assert_array_equal(deep == label, moved)


def test_random_postures_keep_their_limits():
    random = np.random.default_rng(0)
    for _ in range(50):
        posture = random_posture(random, 15.0, 6.0, 8.0)
        assert np.abs(posture.phantom_to_ras[:3, 3]).max() <= 15.0
        assert abs(posture.breathing_mm) <= 8.0
        turn = np.degrees(np.arccos((np.trace(posture.phantom_to_ras[:3, :3]) - 1) / 2))
        assert turn <= 6.0 * 3**0.5 + 0.5
