"""Criteria of response from case or protocol to the rows of `prrt run`: PERCIST on PET/CT, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from builders.full_files import full_case, shipped_protocol
from builders.small_grids import CT, use_small_grids
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.body import Body, factor_from_bw
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import read_csv
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import Gains, Injection, synthetic_patient
from PRRTUptakeLib.synthetic.phantom_uptake import uptake_table
from PRRTUptakeLib.synthetic.segments import write_segments
from PRRTUptakeLib.synthetic.session import Session

PLANS = [LesionPlan(40.0, "right", 1.0), LesionPlan(34.0, "left", 0.9)]
KEPT = 0.6  # of the lesions' uptake at follow-up


def pet_protocol(folder, **more):
    content = shipped_protocol("single-arm")
    content |= {"name": "pet", "nuclide": "Ga-68", "activity_MBq": 150, **more}
    content["imaging"] |= {"modality": "PET", "time_after_injection_h": 1, "fwhm_mm": 6.0}
    path = folder / "pet.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.slow
def test_percist_from_dicom_to_rows(tmp_path):
    """Two PETs without blur or noise: SULpeak is the truth in the middle of a lesion, and falls by 40 %."""
    table = uptake_table("Ga-68")
    patient = synthetic_patient(4, lesions=PLANS, treated_lobe="left", gain=1.0, table=table, activity_MBq=150.0)
    later = patient.injection.time + timedelta(days=90)
    taken = patient.after(Injection(table, 150.0, patient.injection.time, "intravenous"))
    less = patient.after(Injection(table, 150.0, later, "intravenous", Gains(KEPT, KEPT)))
    visits = []
    with pytest.MonkeyPatch.context() as patch:
        use_small_grids(patch)
        for one, name in ((taken, "baseline"), (less, "follow-up 3 months")):
            session = Session(one, name, 1.0, blur=False, noise=False)
            session.write_pet(tmp_path / name / "DICOM")
            write_segments(one, CT, tmp_path / name / "segments", lesions_apart=True)
            visits.append({"visit": name, "cycle": 1, "dicom": f"{name}/DICOM", "segments": f"{name}/segments"})
    pet_protocol(tmp_path, response_criteria="percist")
    case = {"patient": patient.patient_id, "protocol": "pet.json", "visits": visits}
    (tmp_path / "case.json").write_text(json.dumps(case))
    assert main(["run", str(tmp_path / "case.json"), "-o", str(tmp_path / "out")]) == 0
    rows = {(row.visit, row.metric): row for row in read_csv(tmp_path / "out" / "measurements.csv") if not row.role}
    body = Body(patient.weight_kg, patient.height_m * 100.0, patient.sex)
    suv = table.suv("lesion", 1.0) * max(lesion.relative_uptake for lesion in patient.lesions)
    expected = suv * factor_from_bw("lbm-janma", body)
    first, second = rows["baseline", "sul_peak"], rows["follow-up 3 months", "sul_peak"]
    assert first.value == pytest.approx(expected, rel=0.02)
    assert second.value / first.value == pytest.approx(KEPT, rel=1e-3)
    assert rows["follow-up 3 months", "sul_peak_change"].value == pytest.approx(100 * (KEPT - 1), abs=0.1)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "PMR" in page
    assert "PERCIST" in page


def test_percist_needs_pet_and_a_design_with_response(tmp_path):
    assert load_protocol("single-arm").response_criteria == "recist-1.1"
    assert load_protocol(pet_protocol(tmp_path, response_criteria="percist")).response_criteria == "percist"
    for name, words in (("single-arm", "modality' is not PET"), ("ia-versus-iv", "no effect in the design")):
        (tmp_path / "own.json").write_text(json.dumps({**shipped_protocol(name), "response_criteria": "percist"}))
        with pytest.raises(InputFileError, match=words):
            load_protocol(tmp_path / "own.json")


@pytest.mark.parametrize(
    ("criteria", "words"),
    [("percist", "recist-1.1 or mrecist"), ("recist-1.1", "no effect by recist-1.1"), ("worst", "mrecist")],
)
def test_criteria_that_cannot_serve_are_refused_in_the_case(tmp_path, criteria, words):
    content = full_case(tmp_path) | {"response": {"criteria": criteria}}
    (tmp_path / "case.json").write_text(json.dumps(content))
    with pytest.raises(InputFileError, match=words):
        load_case(tmp_path / "case.json")
