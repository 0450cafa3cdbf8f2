"""Intra-arterial against intravenous PET/CT through ``prrt run``, against the known truth; the decision."""

from __future__ import annotations

import csv
import json
import math
import shutil

import numpy as np
import pytest
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.mrml.segmentations import read_segmentation_file
from PRRTUptakeLib.study.eligibility import eligibility
from PRRTUptakeLib.study.errors import InputFileError, StudyError
from PRRTUptakeLib.study.images import emission_series
from PRRTUptakeLib.study.measurements import Measurement, read_csv, to_csv
from PRRTUptakeLib.study.protocol import RepeatabilityRules, load_protocol
from PRRTUptakeLib.synthetic.cases import write_synthetic_ia_versus_iv
from PRRTUptakeLib.uptake.metrics import region_metrics
from PRRTUptakeLib.uptake.occupancy import occupancy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

RULES = load_protocol("ia-versus-iv")


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Folder, rows and truth of a patient who lay and breathed differently each time."""
    folder = tmp_path_factory.mktemp("ia-iv")
    case = write_synthetic_ia_versus_iv(folder / "patient", seed=3, blur=False, noise=False)
    assert main(["run", str(case), "-o", str(folder / "out")]) == 0
    with (folder / "out" / "measurements.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return folder, rows, json.loads((folder / "patient" / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def segmentation(patient):
    return read_segmentation_file(patient[0] / "out" / "patient.seg.nrrd")


def ratios(patient, metric):
    return {row["region"]: float(row["value"]) for row in patient[1] if row["metric"] == f"er_{metric}"}


def true_lesion(patient, segmentation, name):
    """The lesion of the truth that is nearest to a segment, in the MRI."""
    segment = segmentation[name]
    kji = np.argwhere(segment.mask).mean(axis=0) + segment.origin
    centre = segmentation.grid.to_ras(kji[::-1])
    to_mri = np.array(patient[2]["mri"]["posture"]["liver_to_ras"])
    return min(
        patient[2]["lesions"],
        key=lambda one: np.linalg.norm(to_mri[:3, :3] @ one["centre_phantom_mm"] + to_mri[:3, 3] - centre),
    )


@pytest.mark.parametrize("metric", ["suv_max", "suv_peak"])
def test_lesions_of_20_mm_and_more(patient, segmentation, metric):
    found = ratios(patient, metric)
    lesions = [segment.name for segment in segmentation if segment.role in ("target", "lesion")]
    checked = 0
    for name in lesions:
        true = true_lesion(patient, segmentation, name)
        if true["diameter_mm"] >= 20:
            assert found[name] == pytest.approx(true["suv"]["IA"] / true["suv"]["IV"], rel=0.03), name
            checked += 1
    assert checked >= 6


@pytest.mark.parametrize("metric", ["suv_max", "suv_peak"])
@pytest.mark.parametrize("organ", ["kidney_left", "kidney_right", "spleen"])
def test_organs(patient, metric, organ):
    values = patient[2]["segments"][organ]["concentration_Bq_per_mL"]
    activity = {row["visit"]: row for row in patient[1] if row["region"] == organ and row["metric"] == metric}
    assert {"IA", "IV"} <= set(activity)
    true = patient[2]["enhancement_ratio"].get(organ) or values["IA"] / values["IV"]
    assert ratios(patient, metric)[organ] == pytest.approx(true, rel=0.03)


def test_means_against_the_true_posture(patient, segmentation):
    """The same contours, propagated by the true motion instead of the registration that was found."""
    folder, _, truth = patient
    means: dict[str, dict[str, float]] = {}
    for visit in ("IA", "IV"):
        series = find_series(folder / "patient" / visit / "DICOM")
        image = suv(emission_series(series, "PET", visit)[0]).volume
        motion = truth["mri"]["to_visit_ras"][visit]
        for segment in segmentation:
            hepatic = segment.role in ("target", "lesion") and segment.lobe in ("left", "right")
            if not hepatic and segment.structure not in ("kidney_left", "kidney_right", "spleen"):
                continue
            matrix = np.array(motion["liver"])  # the kidneys and the spleen hang on the diaphragm too
            grid = Grid(segmentation.grid.shape, segmentation.grid.ijk_to_ras)
            region = occupancy(segment, grid, image.grid, matrix)
            means.setdefault(segment.name, {})[visit] = region_metrics(image, [region])[segment.name].mean
    found = ratios(patient, "suv_mean")
    assert len(means) >= 10
    for name, by_visit in means.items():
        assert found[name] == pytest.approx(by_visit["IA"] / by_visit["IV"], rel=0.03), name


def test_patient_value_follows_the_rule(patient, capsys):
    targets = {
        row["region"]: float(row["value"])
        for row in patient[1]
        if row["metric"] == "er_suv_max" and row["role"] == "target"
    }
    (value,) = [float(row["value"]) for row in patient[1] if row["metric"] == "enhancement_ratio"]
    assert 1 <= len(targets) <= 5
    assert value == pytest.approx(np.mean(list(targets.values())))
    assert (
        main(["endpoints", str(patient[0] / "out" / "measurements.csv"), "--protocol", "ia-versus-iv", "--json"]) == 1
    )
    assert "Only 1 patient" in capsys.readouterr().err


def test_report_states_decision_days_and_registration(patient):
    page = (patient[0] / "out" / "report.html").read_text(encoding="utf-8")
    for words in ("threshold 3", "probability", "min after injection", "activity MBq", "metric after"):
        assert words in page


@pytest.mark.slow
def test_predicted_and_delivered_doses(patient, tmp_path):
    """D_IA = D_IV x ratio of the mean SUVs x ratio of the activities; the delivered dose is next to it."""
    path = patient[0] / "patient" / "case.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["iv_cycle"] = {"activity_MBq": 7400, "planned_ia_MBq": 3700, "dose_Gy": {"L1": 40.0, "kidney_left": 4.0}}
    content["delivered"] = {"measurements": "therapy.csv", "cycle": 5}
    row = Measurement(content["patient"], 5, "dosimetry", "SPECT", "L1", "target", "left", "L1", "dose", 50.0, "Gy")
    (path.parent / "therapy.csv").write_text(to_csv([row]), encoding="utf-8")
    case = path.with_name("benefit.json")
    case.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 0
    rows = read_csv(tmp_path / "out" / "measurements.csv")
    predicted = {one.region: one.value for one in rows if one.metric == "dose_ia_predicted"}
    factor = ratios(patient, "suv_mean")
    assert predicted["L1"] == pytest.approx(40 * factor["L1"] / 2)
    assert predicted["kidney_left"] == pytest.approx(4 * factor["kidney_left"] / 2)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"{50 / predicted['L1']:#.4g}" in page
    assert "do not depend on the route" in page


@pytest.mark.slow
def test_a_manual_shift_moves_one_lesion_in_one_visit_and_is_recorded(patient, tmp_path):
    """40 mm to the patient's front the image holds something else; the other lesions stay where they were."""
    path = patient[0] / "patient" / "case.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["visits"][2]["nudges"] = [{"lesion": "L1", "shift_ras_mm": [0, 40, 0], "reason": "breath held"}]
    case = path.with_name("shifted.json")
    case.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 0
    found = read_csv(tmp_path / "out" / "measurements.csv")
    rows = {(one.region, one.visit): one.value for one in found if one.metric == "suv_mean"}
    before = {(row["region"], row["visit"]): float(row["value"]) for row in patient[1] if row["metric"] == "suv_mean"}
    assert rows["L1", "IV"] < 0.7 * before["L1", "IV"]
    assert rows["L1", "IA"] == pytest.approx(before["L1", "IA"])
    assert rows["R1", "IV"] == pytest.approx(before["R1", "IV"])
    assert "moved by hand by (+0, +40, +0) mm RAS: breath held" in (tmp_path / "out" / "report.html").read_text(
        encoding="utf-8"
    )


def test_ratios_have_the_interval_that_repeatability_gives(patient):
    """Log-normal, from 10 % within a subject: 1.96 sqrt(2 ln 1.01); the patient's value has that of its draws.

    Means have more in theirs, maxima what noise adds to them; a single SUV has its half of the variance.
    """
    factor = math.exp(1.96 * math.sqrt(2 * math.log(1.01)))
    ratios = [row for row in patient[1] if row["metric"].startswith("er_")]
    assert ratios
    for row in ratios:
        value, low, high = (float(row[word]) for word in ("value", "lower_95", "upper_95"))
        if row["metric"] == "er_suv_mean":
            assert low < 1.02 * value / factor
            assert high > 0.98 * value * factor
            continue
        added = value / factor / low, high / (value * factor)  # what noise adds to the maximum of one image more
        assert min(added) == pytest.approx(1.0, rel=1e-5)
        assert max(added) < 1.2
    for row in patient[1]:
        if row["metric"] == "suv_max":
            value, high = float(row["value"]), float(row["upper_95"])
            assert high == pytest.approx(value * factor ** (0.5**0.5), rel=1e-5)
    lesions = {row["region"]: row for row in patient[1] if row["metric"] == "suv_mean" and row["role"] == "target"}
    assert len(lesions) == 5
    for row in lesions.values():  # the loss is inside, upwards
        value, low, high = (float(row[word]) for word in ("value", "lower_95", "upper_95"))
        assert high / value > value / low
    whole = next(row for row in patient[1] if row["metric"] == "enhancement_ratio")
    found = eligibility(
        {r["region"]: float(r["value"]) for r in ratios if r["metric"] == "er_suv_max" and r["role"] == "target"},
        RULES.endpoint,
        RULES.repeatability,
    )
    assert (float(whole["lower_95"]), float(whole["upper_95"])) == pytest.approx(found.interval_95)


def test_without_a_stated_correlation_it_is_that_of_the_shipped_protocol(tmp_path):
    content = json.loads(RULES.text)
    del content["repeatability"]
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert load_protocol(path).repeatability == RULES.repeatability == RepeatabilityRules()
    assert RepeatabilityRules().correlation_between_lesions == pytest.approx(1 - 0.56**2, abs=0.02)


LESIONS = {"L1": 1.2, "L2": 1.5, "L3": 2.0, "L4": 3.0, "L5": 9.0}


def test_aggregation_decides_the_answer():
    found = eligibility(LESIONS, RULES.endpoint, RULES.repeatability)
    assert found.value == pytest.approx(3.34)
    assert found.alternatives["geometric-mean"] == pytest.approx(2.50, abs=0.005)
    assert found.alternatives["median"] == 2.0


@pytest.mark.parametrize(
    ("ratio", "word"), [(4.2, "eligible"), (2.1, "not eligible"), (3.0, "within measurement error")]
)
def test_decision_with_uncertainty_of_one_lesion(ratio, word):
    """One lesion: log ER has the variance 2 ln(1 + 0.1^2), so the probability has a closed form."""
    found = eligibility({"L1": ratio}, RULES.endpoint, RULES.repeatability)
    sigma = math.sqrt(2 * math.log(1.01))
    expected = 0.5 * (1 + math.erf(math.log(ratio / 3) / sigma / math.sqrt(2)))
    assert found.decision == word
    assert found.probability == pytest.approx(expected, abs=0.01)
    assert found.interval[0] == pytest.approx(ratio * math.exp(-1.96 * sigma), rel=0.01)


def test_shared_errors_do_not_average_out():
    alone = eligibility({"L1": 2.9}, RULES.endpoint, RULES.repeatability)
    five = {f"L{n}": 2.9 for n in range(5)}
    free = eligibility(
        five, RULES.endpoint, RepeatabilityRules(within_subject_cv=0.10, correlation_between_lesions=0.0)
    )
    shared = eligibility(
        five, RULES.endpoint, RepeatabilityRules(within_subject_cv=0.10, correlation_between_lesions=1.0)
    )
    width = [one.interval[1] - one.interval[0] for one in (alone, free, shared)]
    assert width[1] == pytest.approx(width[0] / math.sqrt(5), rel=0.05)
    assert width[2] == pytest.approx(width[0], rel=0.05)


def test_no_lesion_is_reported():
    with pytest.raises(StudyError, match="No target lesion"):
        eligibility({}, RULES.endpoint, RULES.repeatability)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sponsor": 1}, "sponsor"),
        ({"repeatability": {"within_subject_cv": 2}}, "within_subject_cv"),
        ({"design": "x"}, "design"),
    ],
)
def test_protocol_mistakes_are_named(tmp_path, change, word):
    from PRRTUptakeLib.resources import resource_path
    from PRRTUptakeLib.study import protocol

    path = resource_path(protocol.__file__, "Protocols", "ia-versus-iv.json")
    content = {**json.loads(path.read_text(encoding="utf-8")), **change}
    (tmp_path / "own.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputFileError, match=word):
        load_protocol(tmp_path / "own.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda visits: visits.pop(1), "an intra-arterial visit"),
        (lambda visits: visits[2].update(route="oral"), "'oral'"),
        (lambda visits: visits[1].update(dicom="MRI/DICOM"), "PET series"),
    ],
)
def test_incomplete_cases_are_reported(patient, tmp_path, capsys, change, words):
    path = patient[0] / "patient" / "case.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content["visits"])
    wrong = path.with_name("wrong.json")
    wrong.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(wrong), "-o", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_pet_without_ct_is_measured_by_its_stated_registration(patient, tmp_path):
    """The registration that the CT gave, stated in the case, gives the same ratios; that nothing checks it is said."""
    folder, _, _ = patient
    shutil.copytree(folder / "patient", tmp_path / "patient")
    facts = json.loads((folder / "out" / "provenance.json").read_text(encoding="utf-8"))
    found = next(one for one in facts["alignment"] if one["visit"] == "IV" and one["what"] == "registration")
    path = tmp_path / "patient" / "case.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    visit = next(one for one in content["visits"] if one["visit"] == "IV")
    for series in find_series(path.parent / visit["dicom"]):
        if series.modality == "CT":
            for file in series.files:
                file.unlink()
    visit["registration"] = {"matrix": found["fixed_to_moving_ras"], "source": "registration of the CT"}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(path), "-o", str(tmp_path / "out")]) == 0
    again = {
        row.region: row.value for row in read_csv(tmp_path / "out" / "measurements.csv") if row.metric == "er_suv_max"
    }
    for name, value in ratios(patient, "suv_max").items():
        if name in again:  # structures that only the CT shows to be in the image may differ
            assert again[name] == pytest.approx(value, rel=1e-6), name
    assert len(again) >= 12
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "nothing could be compared with it" in report


def test_the_report_says_why_a_lesion_is_no_target_and_shows_both_images(patient):
    report = (patient[0] / "out" / "report.html").read_text(encoding="utf-8")
    targets = [row["region"] for row in patient[1] if row["metric"] == "er_suv_max" and row["role"] == "target"]
    others = [row["region"] for row in patient[1] if row["metric"] == "er_suv_max" and row["role"] == "lesion"]
    assert targets
    assert others
    reasons = ("larger targets already", "is not above", "outside the liver")
    assert sum(report.count(reason) for reason in reasons) >= len(others)
    for name in targets:
        for route in ("IA", "IV"):
            assert f"{name}, {route}: PET, 0 to " in report
