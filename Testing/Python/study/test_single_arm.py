"""A patient without arms or lobes: uptake, ratios to healthy liver and doses against the known truth.

The synthetic patient is drawn on small grids; the truth is computed by other means (`builders.voxel_truth`).
"""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from builders import panel_scene
from builders.full_files import shipped_protocol
from builders.small_grids import use_small_grids
from builders.stub_cohort import make, write_cases
from builders.voxel_truth import brute_mean, true_averages
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.dosimetry.cycle import cycle_dosimetry
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTUptakeLib import study
from PRRTUptakeLib.dicom.injection import Injection
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.report.patient_report import visit_sections
from PRRTUptakeLib.report.patient_text import visit_text
from PRRTUptakeLib.report.response_report import response_sections
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.segmentation.targets import Candidate, choose_targets
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.check import check_case
from PRRTUptakeLib.study.measurement_rows import measurement_rows
from PRRTUptakeLib.study.measurements import read_csv
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.response_case import SizedVisit, case_response, response_rows
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit
from PRRTUptakeLib.synthetic.cases import write_synthetic_single_arm
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.uptake.partial_volume import fit_recovery_curve

RULES = load_protocol("single-arm")
SEED = 3
PLANS = [LesionPlan(42.0, "right", 1.0), LesionPlan(30.0, "left", 0.8), LesionPlan(32.0, "none", 1.1)]
FORBIDDEN = re.compile(r"\b(lobes?|arms?|blind\w*|treated|control|left/right)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def patient():
    """One gain of 1: what is written is an intravenous injection, which has none."""
    return synthetic_patient(SEED, lesions=PLANS, treated_lobe="left", gain=1.0)


@pytest.fixture(scope="module")
def commanded(tmp_path_factory, patient):
    """Case file, folder of results and rows of ``prrt run``; sharp images without noise on small grids."""
    place = tmp_path_factory.mktemp("single-arm")
    with pytest.MonkeyPatch.context() as patch:
        use_small_grids(patch)
        plain = {"blur": False, "noise": False, "moving": False}
        case = write_synthetic_single_arm(place / "case", seed=SEED, patient=patient, times_h=(24.0,), **plain)
    assert main(["run", str(case), "-o", str(place / "out")]) == 0
    return case, place / "out", read_csv(place / "out" / "measurements.csv")


@pytest.fixture(scope="module")
def panel(commanded):
    """What the panel's logic measures in the same patient, loaded into the scene."""
    import slicer
    from PRRTUptakeLib.mrml.logic import UptakeLogic
    from PRRTUptakeLib.mrml.sample_data import load_patient
    from PRRTUptakeLib.mrml.session import session as headless

    headless().Clear(0)
    load_patient(commanded[0])
    logic = UptakeLogic(protocol="single-arm")
    name = json.loads(commanded[0].read_text())["patient"]
    nodes = (slicer.util.getNode("SPECT 24h"), slicer.util.getNode("Segments 24h"))
    logic.measure(*nodes, patient=name, visit="24h")
    return logic.measured


def test_the_case_states_neither_side_nor_plane(commanded):
    content = json.loads(commanded[0].read_text())
    assert content["protocol"] == "single-arm"
    assert "treated_lobe" not in content
    assert all("lobe_plane" not in visit for visit in content["visits"])


def full_key(row):
    names = ("patient", "cycle", "visit", "image", "region", "role", "lobe", "lesion", "metric", "unit")
    return tuple(getattr(row, name) for name in names)


def test_panel_and_command_give_the_same_rows(commanded, panel):
    expected = {full_key(row): (repr(row.value), repr(row.uncertainty)) for row in commanded[2]}
    found = {full_key(row): (repr(row.value), repr(row.uncertainty)) for row in panel.rows}
    assert len(expected) == len(commanded[2]) > 100
    assert found == expected


def test_ratios_of_lesions_in_and_outside_the_liver_are_the_truth(panel, patient):
    (visit,) = panel.visits
    source, grid = visit.prepared.segmentation.grid, visit.image.grid
    truth = true_averages(patient, grid, tuple(slice(0, size) for size in grid.shape), fine=3)
    assert np.isfinite(truth).all()
    healthy = brute_mean(truth, grid, visit.prepared.references.region("whole-liver", "liver"), source)
    assert [one.lesion_id for one in visit.targets] == ["E1", "H1", "H2"]
    for target, lesion in zip(visit.targets, visit.prepared.targets, strict=True):
        tumour = brute_mean(truth, grid, lesion.segment, source)
        assert target.tumour == pytest.approx(tumour, rel=0.01)
        assert target.reference == pytest.approx(healthy, rel=0.01)
        assert target.tn_ratio == pytest.approx(tumour / healthy, rel=0.01)
    spleen = brute_mean(truth, grid, visit.prepared.segmentation["spleen"], source)
    assert visit.liver_ratios["spleen"] == pytest.approx(spleen / healthy, rel=0.01)


def test_every_lesion_and_organ_has_a_ratio(commanded):
    rows = commanded[2]
    ratios = {(row.region, row.metric): row.value for row in rows if row.metric in RULES.metrics}
    assert {name for name, metric in ratios if metric == "tn_ratio"} == {"E1", "H1", "H2"}
    organs = {name for name, metric in ratios if metric == "organ_to_liver_ratio"}
    assert {"kidneys", "spleen", "kidney_left", "kidney_right"} <= organs
    assert "liver" not in organs
    mean = ratios["kidney_left", "mean"] / ratios["reference whole liver", "mean"]
    assert ratios["kidney_left", "organ_to_liver_ratio"] == pytest.approx(mean)
    uncertain = {row.region for row in rows if row.metric == "tn_ratio" and row.uncertainty > 0}
    assert uncertain == {"E1", "H1", "H2"}


def words_of(page):
    """The text of a page that a person reads: no pictures, no markup, no hashes."""
    return re.sub(r"<svg.*?</svg>|<style.*?</style>|data:[^\"]+|<[^>]*>", " ", page, flags=re.DOTALL)


def test_rows_and_report_do_not_speak_of_lobes_or_arms(commanded):
    _, folder, rows = commanded
    notes = words_of((folder / "report.html").read_text(encoding="utf-8"))
    assert FORBIDDEN.findall(notes.replace("single-arm", "")) == []
    assert "T/N of 3 target lesions" in notes
    assert "outside the liver" in notes
    for row in rows:
        assert FORBIDDEN.findall(f"{row.region} {row.role} {row.lobe} {row.metric}".replace("_", " ")) == []
    assert {row.lobe for row in rows} <= {"none", "liver", "left", "right"}
    assert {row.region for row in rows if row.lobe in ("left", "right")} <= {"kidney_left", "kidney_right"}


def test_check_says_what_will_be_measured(commanded):
    found = check_case(commanded[0])
    assert found.all_problems == ()
    assert FORBIDDEN.findall(" ".join(found.measured)) == []
    assert "no endpoint" in found.measured[0]


def test_a_cohort_has_tables_and_no_endpoint(tmp_path):
    """Patients of a stand-in, quickly: all are analysed, nothing is wrong, and there is no file of an endpoint."""
    folder = write_cases(tmp_path, 2, protocol="single-arm")
    made = make(folder, tmp_path / "out")
    assert made.result.problem == ""
    assert made.result.analysis is None
    assert [one.state for one in made.result.flow] == ["analysed", "analysed"]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"measurements.csv", "flow.csv", "report.html"} <= files
    assert not files & {"endpoints.json", "endpoints.csv", "patients.csv"}
    page = words_of((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "There is no endpoint" not in page
    assert FORBIDDEN.findall(page.replace("single-arm", "")) == []


def test_what_belongs_to_an_endpoint_is_said_to_have_no_effect(tmp_path):
    folder = write_cases(tmp_path, 2, protocol="single-arm")
    made = make(folder, tmp_path / "out", mixed=True)
    assert made.result.notes == ("The design has no endpoint, so that these have no effect: mixed model.",)


@pytest.mark.slow
def test_prrt_cohort_of_two_patients(commanded, tmp_path, capsys):
    for name in ("P01", "P02"):
        shutil.copytree(commanded[0].parent, tmp_path / "cases" / name)
        path = tmp_path / "cases" / name / "case.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "patient": name}))
    assert main(["cohort", str(tmp_path / "cases"), "-o", str(tmp_path / "out")]) == 0
    assert "2 patients entered, 2 analysed" in capsys.readouterr().out
    rows = read_csv(tmp_path / "out" / "measurements.csv")
    assert {row.patient for row in rows} == {"P01", "P02"}
    assert len(rows) == 2 * len(commanded[2])
    assert main(["endpoints", str(tmp_path / "out" / "measurements.csv"), "--protocol", "single-arm"]) == 1
    assert "it has no endpoint" in capsys.readouterr().err


# A made-up patient of whom only the liver is drawn, with one lesion far from it.

LIVER, LESION, START = 1000.0, 9000.0, datetime(2026, 3, 4, 8, 0, tzinfo=timezone.utc)


def liver_and_far_lesion():
    x, y, z = np.moveaxis(panel_scene.centres(), -1, 0)
    liver = (x - 60) ** 2 + y**2 + (z - 20) ** 2 <= 44**2
    lesion = (x + 100) ** 2 + y**2 + (z + 40) ** 2 <= 16**2
    drawn = (Segment.from_full("liver", liver), Segment.from_full("femur lesion", lesion))
    return Segmentation(panel_scene.GRID, drawn), np.where(liver, LIVER, np.where(lesion, LESION, 50.0))


def measured_at(hours, keep=slice(None), recovery=None):
    """Measured at ``hours`` after injection in an image that shows the columns ``keep`` alone; decays with 60 h."""
    segmentation, values = liver_and_far_lesion()
    moment, matrix = START + timedelta(hours=hours), panel_scene.GRID.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 0] * (keep.start or 0)
    values = values[:, :, keep] * 2.0 ** (-hours / 60.0)
    image = Volume(values, matrix, "activity concentration", "Bq/ml", moment)
    prepared = prepare(segmentation, RULES, image)
    labels = VisitLabels("P1", 1, f"{hours:g}h", "SPECT")
    return measure_visit(prepared, image, RULES, labels, Injection(7400.0, START, "Lu-177", "M"), recovery)


@pytest.fixture(scope="module")
def far():
    return measured_at(0.0)


def test_a_liver_and_one_lesion_far_from_it_are_enough(far):
    (target,) = far.targets
    assert (target.lesion_id, target.lobe) == ("E1", "none")
    assert target.tn_ratio == pytest.approx(LESION / LIVER)
    rows = {(row.region, row.metric): row for row in measurement_rows(far)}
    assert rows["E1", "tn_ratio"].value == pytest.approx(LESION / LIVER)
    assert not [row for row in rows.values() if FORBIDDEN.search(f"{row.region} {row.metric}".replace("_", " "))]
    assert FORBIDDEN.findall(" ".join(far.warnings)) == []


def test_pages_and_terminal_say_where_the_lesion_is(far):
    notes = words_of(" ".join(one for part in visit_sections(far) for one in part)) + " ".join(visit_text(far))
    assert FORBIDDEN.findall(notes.replace("single-arm", "")) == []
    assert "T/N of 1 target lesion: 9.00." in notes
    assert "anywhere in the body, the largest 20" in notes


def test_a_lesion_outside_the_image_is_left_out_with_a_warning():
    """The patient's left is cut off: lesions anywhere need not be in every image."""
    visit = measured_at(0.0, keep=slice(0, 44))
    assert visit.targets == ()
    assert [text for text in visit.warnings if "'E1' is not measured" in text]
    assert not [row for row in measurement_rows(visit) if row.region == "E1" and row.metric == "tn_ratio"]
    assert "No target lesion" in visit_text(visit)[-1]


def test_a_lesion_outside_the_liver_has_no_liver_around_it():
    """A phantom's curve needs the uptake around a lesion; for one outside the liver that is not healthy liver."""
    curve = fit_recovery_curve((1.0, 5.0, 20.0, 100.0), (0.3, 0.5, 0.7, 0.9), source="made up")
    (target,) = measured_at(0.0, recovery=curve).targets
    assert target.corrected is None


def test_doses_of_lesion_and_healthy_liver():
    """Decay with 60 h at every time point: the integral is activity over decay constant."""
    visits = [measured_at(hours) for hours in (4.0, 24.0, 72.0, 168.0)]
    found = cycle_dosimetry(visits, DoseSettings(model="mono"))
    assert found.lobes is None
    for name, value in (("E1", LESION), ("reference whole liver", LIVER), ("liver", LIVER)):
        dose = found.regions[name]
        activity_MBq = value * dose.integral.curve.volume_mL * 1e-6
        assert dose.integral.tia_MBq_h == pytest.approx(activity_MBq * 60.0 / np.log(2.0), rel=1e-3)
    healthy, whole = found.regions["reference whole liver"], found.regions["liver"]
    assert healthy.dose_Gy == pytest.approx(whole.dose_Gy, rel=0.02)
    assert found.regions["E1"].dose_Gy > 5 * healthy.dose_Gy


def test_the_response_is_the_patients_alone():
    """Half the lesion's diameter at follow-up: partial response, without a line per side."""
    first = measured_at(0.0).prepared
    segmentation, _ = liver_and_far_lesion()
    x, y, z = np.moveaxis(panel_scene.centres(), -1, 0)
    smaller = Segment.from_full("femur lesion", (x + 100) ** 2 + y**2 + (z + 40) ** 2 <= 8**2)
    later = prepare(segmentation.with_segments(smaller), RULES, None, baseline=first)
    visits = [SizedVisit(1, "0h", first, ()), SizedVisit(1, "follow-up 3 months", later, ())]
    found = case_response(visits, by_lobe=RULES.rules.by_lobe)
    (patient,) = found.scopes
    assert patient.targets == ("E1",)
    assert patient.graded[-1].category == "PR"
    assert FORBIDDEN.findall(words_of(" ".join(response_sections(found)))) == []
    assert {row.region for row in response_rows(found, "P1", "CT")} == {"patient"}


def test_targets_are_the_largest_anywhere():
    lesions = [Candidate("H1", "liver", 20.0), Candidate("E1", "none", 40.0), Candidate("E2", "none", 30.0)]
    decided = choose_targets([*lesions, Candidate("E3", "none", 9.0)], 10.0, None, 2)
    assert [(one.lesion_id, one.is_target) for one in decided] == [
        ("E1", True),
        ("E2", True),
        ("H1", False),
        ("E3", False),
    ]
    assert [one.reason for one in decided] == [
        "40.0 mm, above 10 mm; number 1.",
        "30.0 mm, above 10 mm; number 2.",
        "The patient has 2 larger targets already.",
        "9.0 mm is not above 10 mm.",
    ]
    with pytest.raises(SegmentationError, match="No lesion is longer than 50 mm"):
        choose_targets(lesions, 50.0, None, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"treated_lobe": "left"}, "'treated_lobe' has no effect in the design single-arm"),
        ({"lobes": "drawn"}, "one of none in the design single-arm"),
        ({"plane": True}, r"'visits\[0\].lobe_plane' has no effect in the design single-arm"),
    ],
)
def test_keys_on_lobes_are_refused(tmp_path, changes, message):
    (tmp_path / "dicom").mkdir()
    visit = {"visit": "24h", "cycle": 1, "dicom": "dicom", "segments": "dicom"}
    if changes.pop("plane", False):
        visit["lobe_plane"] = {"origin_ras_mm": [0, 0, 0], "normal_ras": [-1, 0, 0]}
    case = tmp_path / "case.json"
    case.write_text(json.dumps({"patient": "P1", "protocol": "single-arm", "visits": [visit], **changes}))
    with pytest.raises(PRRTError, match=message):
        load_case(case)


@pytest.mark.parametrize(
    ("name", "section", "value", "message"),
    [
        ("single-arm", "endpoint", "lutia", "'endpoint' has no effect in the design single-arm"),
        ("single-arm", "targets", "lutia", "'targets.maximum_per_lobe' has no effect in the design single-arm"),
        ("single-arm", "reference", "lutia", "one of whole-liver, fixed-sphere in the design single-arm"),
        ("lutia", "targets", "single-arm", "'targets.maximum_per_lobe' is missing: the design lobe-against-lobe needs"),
        ("lutia", "endpoint", "", "'endpoint' is missing: the design lobe-against-lobe needs it"),
    ],
)
def test_protocols_state_what_their_design_has(tmp_path, name, section, value, message):
    content = shipped_protocol(name)
    content.pop(section, None)
    if value:
        content[section] = shipped_protocol(value)[section]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(PRRTError, match=message):
        load_protocol(path)


def test_no_program_compares_a_designs_name():
    """What depends on the design is asked of the design or of its rules."""
    root = Path(study.__file__).parents[3]
    compared = re.compile(r"\bdesign(\.name)? *(==|!=|in \()")
    files = [*root.glob("PRRTUptake/**/*.py"), *root.glob("PRRTDosimetry/**/*.py")]
    assert len(files) > 200
    assert [path.name for path in files if compared.search(path.read_text(encoding="utf-8"))] == []
