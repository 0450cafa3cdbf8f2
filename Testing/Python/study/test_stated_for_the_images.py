"""What a case file states about its images takes effect: calibration, patient id, one scan once, an undivided liver."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pydicom
import pytest
from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.dicom_maps import read_map
from PRRTUptakeLib.export.dicom_results import write_dicom
from PRRTUptakeLib.mrml.run import measure_case
from PRRTUptakeLib.study.cohort.cohort_result import refuse_shared_scans
from PRRTUptakeLib.study.stated_quantification import keys_of, overrides_of
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient

PLANS = [LesionPlan(40.0, "left", 1.1), LesionPlan(36.0, "right", 1.0)]


@pytest.fixture
def case(tmp_path):
    patient = synthetic_patient(5, lesions=PLANS, treated_lobe="left", gain=1.5)
    return write_synthetic_lutia(tmp_path / "patient", seed=5, patient=patient, noise=False)


def changed(case, **keys):
    """The case file with keys of the first visit (those that start with ``visit_``) or of the case changed."""
    content = json.loads(case.read_text(encoding="utf-8"))
    for key, value in keys.items():
        target = content["visits"][0] if key.startswith("visit_") else content
        target[key.removeprefix("visit_")] = value
    path = case.with_name("changed.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def nm_file(case):
    return next(path for path in case.parent.rglob("*") if path.is_file() and _modality(path) == "NM")


def _modality(path):
    try:
        return pydicom.dcmread(path, stop_before_pixels=True).get("Modality", "")
    except pydicom.errors.InvalidDicomError:
        return ""


def test_counts_with_a_stated_calibration(case):
    path = nm_file(case)
    whole = measure_case(case).visits[0]
    ds = pydicom.dcmread(path)
    slope = ds.RealWorldValueMappingSequence[0].RealWorldValueSlope
    del ds.RealWorldValueMappingSequence
    ds.save_as(path)
    with pytest.raises(PRRTError, match=r"calibration factor.*'quantification' of the visit '24h'"):
        measure_case(case)
    spacing = [*map(float, ds.PixelSpacing), abs(float(ds.get("SpacingBetweenSlices", ds.SliceThickness)))]
    voxel_mL = spacing[0] * spacing[1] * spacing[2] / 1000
    seconds = 1200.0
    # Counts n of a voxel are n / (seconds * sensitivity) MBq; with this sensitivity that is the slope in Bq/mL again.
    sensitivity = 1e6 / (seconds * voxel_mL * slope)
    stated = {
        "calibration_cps_per_MBq": sensitivity,
        "calibration_time": "total",
        "acquisition_s": seconds,
        "reason": "cylinder of January",
    }
    found = measure_case(changed(case, visit_quantification=stated))
    visit = found.visits[0]
    assert visit.lobe_ratio == pytest.approx(whole.lobe_ratio, rel=1e-6)
    for one, other in zip(visit.targets, whole.targets, strict=True):
        assert one.tumour == pytest.approx(other.tumour, rel=0.01)  # decay during the acquisition
    assert any("cylinder of January" in text for fact in found.decisions for text in fact["decisions"])


def test_what_is_stated_counts_in_the_suv_map_that_goes_out(case, tmp_path):
    weight_kg = float(pydicom.dcmread(nm_file(case), stop_before_pixels=True).PatientWeight)
    stated = {"weight_kg": 1.1 * weight_kg, "reason": "weighed on the day"}
    found = {}
    for name, path in (("header", case), ("stated", changed(case, visit_quantification=stated))):
        files = write_dicom(measure_case(path), tmp_path / name)
        found[name] = read_map(next(file for file in files if file.name == "SUV.dcm")).array
    assert found["stated"].max() == pytest.approx(1.1 * found["header"].max(), rel=1e-5)


def test_stated_values_come_back_from_their_keys_as_they_were():
    zone = timezone(timedelta(hours=1))
    whole = OperatorOverrides(
        weight_kg=71.5,
        height_cm=171.0,
        sex="F",
        injection_time=datetime(2026, 3, 4, 9, 30, tzinfo=zone),
        acquisition_time=datetime(2026, 3, 5, 9, 30, 0, 250000, tzinfo=zone),
        residual_time=datetime(2026, 3, 4, 9, 45, tzinfo=zone),
        activity_MBq=7123.4,
        residual_MBq=12.5,
        nuclide="Lu-177",
        time_zone="Europe/Amsterdam",
        calibration=Calibration(9.17, "per-view", 1200.0),
        dead_time=DeadTime("paralysable", 0.55, 41000.0),
        units="counts",
        reason="weighed on the day",
        confirmed=("weight_kg",),
    )
    assert overrides_of(json.loads(json.dumps(keys_of(whole))), "a node") == whole
    few = OperatorOverrides(weight_kg=80.0, reason="asked")
    assert keys_of(few) == {"weight_kg": 80.0, "reason": "asked"}
    assert overrides_of(keys_of(few), "a node") == few
    without = overrides_of(keys_of(OperatorOverrides(height_cm=170.0)), "a node")
    assert (without.height_cm, without.reason) == (170.0, "no reason given")


def test_another_patients_images_are_refused(case):
    with pytest.raises(PRRTError, match=r"changed\.json expects 'SOMEBODY'.*expected_patient_id"):
        measure_case(changed(case, expected_patient_id="SOMEBODY"))
    known = pydicom.dcmread(nm_file(case), stop_before_pixels=True).PatientID
    assert measure_case(changed(case, expected_patient_id=known)).visits


def test_one_scan_is_not_measured_as_two_visits(case):
    content = json.loads(case.read_text(encoding="utf-8"))
    content["visits"].append({**content["visits"][0], "visit": "48h"})
    case.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PRRTError, match=r"One scan is used twice: .*'24h' and .*'48h'"):
        measure_case(case)


def provenance(folder, uid, files):
    folder.mkdir()
    facts = {"series": [{"use": "measured", "uid": uid}], "files_sha256": files}
    (folder / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")
    return SimpleNamespace(name=folder.name, folder=folder, reason="")


def test_one_scan_is_not_two_patients(tmp_path):
    first = provenance(tmp_path / "a", "1.2.3", {"DICOM/1.dcm": "x", "protocol.json": "p"})
    other = provenance(tmp_path / "b", "1.2.4", {"DICOM/9.dcm": "y", "protocol.json": "p"})
    names = {"a": SimpleNamespace(patient="P1"), "b": SimpleNamespace(patient="P2"), "c": SimpleNamespace(patient="P3")}
    refuse_shared_scans([first, other], names)
    by_series = provenance(tmp_path / "c", "1.2.3", {})
    with pytest.raises(PRRTError, match=r"'P1' and 'P3' \(series 1\.2\.3\)"):
        refuse_shared_scans([first, other, by_series], names)
    by_file = provenance(tmp_path / "d", "1.2.5", {"IMAGES/IM1": "y"})
    with pytest.raises(PRRTError, match=r"'P2' and 'P4' \(file of SHA-256 y\)"):
        refuse_shared_scans([first, other, by_file], {**names, "d": SimpleNamespace(patient="P4")})


def test_cycles_of_one_patient_may_share_a_scan_file(tmp_path):
    first = provenance(tmp_path / "a", "1.2.3", {"DICOM/1.dcm": "x"})
    second = provenance(tmp_path / "b", "1.2.4", {"DICOM/1.dcm": "x"})
    assert refuse_shared_scans([first, second], dict.fromkeys("ab", SimpleNamespace(patient="P1"))) is None
