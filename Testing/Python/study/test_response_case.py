"""Response over a case's visits: spheres that grow and shrink, whose diameters and volumes are known."""

import math
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest
from builders.shapes import ball, centred_grid
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.report.response_report import response_sections, response_text
from PRRTUptakeLib.segmentation.best_response import ResponseRules
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.response_case import SizedVisit, case_response, compared_visits, is_follow_up, response_rows
from PRRTUptakeLib.study.response_pet import PetLesions

GRID = centred_grid(170.0, (2.0, 2.0, 2.0))
LOBES = Plane((0, 0, 0), (-1, 0, 0))  # RAS: the patient's left is -x
CENTRES = {"left": (-40, 0, 0), "right": (40, 25, 0), "other": (40, -30, 10)}
CENTRES |= {"second": (-20, 45, 20), "third": (-30, -40, -30)}


def visit(name, radii, baseline=None, cycle=1, vanished=()):
    """Spheres of ``radii`` (mm) in a spherical liver."""
    lesions = [
        ball(GRID, f"lesion {key}", CENTRES[key], radius, structure="liver_lesion", role="lesion")
        for key, radius in radii.items()
    ]
    drawn = Segmentation(GRID, (ball(GRID, "liver", (0, 0, 0), 80.0), *lesions))
    prepared = prepare(drawn, load_protocol("lutia"), None, LOBES, baseline=baseline, vanished=vanished)
    return SizedVisit(cycle, name, prepared, vanished)


@pytest.fixture(scope="module")
def first():
    return visit("24h", {"left": 20.0, "right": 18.0})


@pytest.fixture(scope="module")
def shrunk(first):
    return visit("follow-up 3 months", {"left": 12.0, "right": 18.0}, first.prepared)


@pytest.fixture(scope="module")
def grown(first):
    return visit("follow-up 6 months", {"left": 17.0, "right": 18.0, "other": 9.0}, first.prepared)


def rows_of(visits, metric):
    found = response_rows(case_response(visits), "P1", "CT")
    return {(row.region, row.visit): row for row in found if row.metric == metric}


def test_diameters_per_patient_and_lobe(first, shrunk):
    sums = rows_of([first, shrunk], "recist_sum")
    for region, before, after in (("patient", 76, 60), ("left lobe", 40, 24), ("right lobe", 36, 36)):
        assert sums[region, "24h"].value == pytest.approx(before, abs=2.0)
        assert sums[region, shrunk.visit].value == pytest.approx(after, abs=2.0)
        assert sums[region, "24h"].unit == "mm"
    changes = rows_of([first, shrunk], "recist_change")
    assert changes["patient", shrunk.visit].value == pytest.approx(100 * (60 / 76 - 1), abs=2.5)
    assert changes["left lobe", shrunk.visit].value == pytest.approx(-40.0, abs=2.5)
    assert changes["right lobe", shrunk.visit].value == 0.0
    assert ("patient", "24h") not in changes
    assert {row.unit for row in changes.values()} == {"%"}


def test_volumes_per_patient_and_lobe(first, shrunk):
    found = rows_of([first, shrunk], "volume_change")
    both = (12**3 + 18**3) / (20**3 + 18**3)
    assert found["patient", shrunk.visit].value == pytest.approx(100 * (both - 1), abs=1.0)
    assert found["left lobe", shrunk.visit].value == pytest.approx(100 * (0.6**3 - 1), abs=1.0)
    assert found["right lobe", shrunk.visit].value == 0.0


def test_categories_against_baseline_and_nadir(first, shrunk, grown):
    scopes = {scope.lobe: scope for scope in case_response([first, shrunk, grown]).scopes}
    assert [one.category for one in scopes["left"].graded] == ["", "PR", "PD"]  # 24 to 34 mm
    # the new lesion is in the right lobe and is progression of the patient
    assert [one.category for one in scopes["right"].graded] == ["", "SD", "PD"]
    assert [one.category for one in scopes[""].graded] == ["", "SD", "PD"]
    assert "New lesion R2" in scopes[""].graded[2].reason
    assert "New lesion" not in scopes["left"].graded[2].reason


def test_a_lesion_that_is_not_drawn_is_not_assessed_and_one_that_vanished_is_zero(first):
    name = "follow-up 1"
    gone = visit(name, {"right": 18.0}, first.prepared)
    unknown = case_response([first, gone])
    assert [scope.graded[1].category for scope in unknown.scopes] == ["NE", "NE", "SD"]
    for metric in ("recist_sum", "recist_change", "volume_change"):
        assert {region for region, when in rows_of([first, gone], metric) if when == name} == {"right lobe"}
    notes = [first, replace(gone, vanished=("L1",))]
    assert [scope.graded[1].category for scope in case_response(notes).scopes] == ["PR", "CR", "SD"]
    assert rows_of(notes, "recist_change")["left lobe", name].value == -100.0
    assert rows_of(notes, "volume_change")["patient", name].value == pytest.approx(
        -100 * 20**3 / (20**3 + 18**3), abs=1.0
    )


@pytest.mark.parametrize(("vanished", "words"), [("L1", "is drawn there"), ("L7", "has no such lesion")])
def test_contradictions_are_reported(first, shrunk, vanished, words):
    with pytest.raises(StudyError, match=words):
        case_response([first, replace(shrunk, vanished=(vanished,))])


def test_which_visits_are_compared(first):
    def named(cycle, name):
        return SizedVisit(cycle, name, first.prepared)

    serial = [named(1, "4h"), named(1, "24h"), named(2, "24h"), named(2, "72h"), named(2, "Follow-up CT")]
    assert [(one.cycle, one.visit) for one in compared_visits(serial)] == [(1, "4h"), (2, "24h"), (2, "Follow-up CT")]
    assert case_response(serial[:2]) is None
    assert not is_follow_up("24h follow-up")


def test_small_lesions_have_no_recist_but_a_volume(first):
    """One lobe with a lesion below 10 mm has no target of its own."""
    before = visit("24h", {"left": 20.0, "right": 4.0})
    after = visit("x", {"left": 20.0, "right": 6.0}, before.prepared, cycle=2)
    scopes = {scope.lobe: scope for scope in case_response([before, after]).scopes}
    assert scopes["right"].graded == ()
    assert scopes["right"].targets == ()
    assert scopes["right"].volume[1].change_from_baseline == pytest.approx((6 / 4) ** 3 - 1, rel=0.3)  # few voxels
    assert scopes[""].targets == ("L1",)
    assert not any(
        row.lobe == "right"
        for row in response_rows(case_response([before, after]), "P1", "CT")
        if row.metric.startswith("recist")
    )


def test_report_and_text(first, shrunk):
    result = case_response([first, shrunk])
    (page,), text = response_sections(result), "\n".join(response_text(result))
    for shown in (page, text):
        assert "left lobe" in shown
        assert "PR" in shown
    assert "doi:10.1016/j.ejca.2008.10.026" in page
    assert not any(math.isnan(row.value) for row in response_rows(result, "P1", "CT"))


def test_complete_response_of_a_patient_without_any_lesion_left(first):
    name = "follow-up 1"
    gone = visit(name, {}, first.prepared, vanished=("L1", "R1"))
    assert gone.prepared.lesions == ()
    assert not gone.prepared.warnings
    assert [scope.graded[1].category for scope in case_response([first, gone]).scopes] == ["CR", "CR", "CR"]
    assert rows_of([first, gone], "recist_sum")["patient", name].value == 0.0
    assert rows_of([first, gone], "volume_change")["patient", name].value == -100.0


@pytest.mark.parametrize("vanished", [(), ("L1",)])
def test_a_visit_without_lesions_needs_all_to_be_given_as_vanished(first, vanished):
    with pytest.raises(PRRTError, match="list the lesions that have vanished"):
        visit("follow-up 1", {}, first.prepared, vanished=vanished)


def test_a_new_lesion_does_not_take_the_id_of_one_that_vanished(first):
    seen = visit("follow-up 1", {"left": 15.0, "other": 9.0}, first.prepared, vanished=("R1",))
    assert [one.lesion.lesion_id for one in seen.prepared.lesions] == ["L1", "R2"]
    assert not any("R1" in text for text in seen.prepared.warnings)  # said to have vanished: nothing to confirm


def test_a_lesion_drawn_where_one_vanished_is_a_contradiction(first):
    seen = visit("follow-up 1", {"left": 9.0, "right": 18.0}, first.prepared, vanished=("L1",))
    with pytest.raises(StudyError, match="L1 is said to have vanished, but is drawn there"):
        case_response([first, seen])


@pytest.fixture(scope="module")
def many():
    """Three lesions of one lobe, of which two are targets."""
    return visit("24h", {"left": 20.0, "second": 15.0, "third": 9.0})


def test_a_lesion_that_is_no_target_but_still_there_is_no_complete_response(many):
    """Table 1 of RECIST 1.1: targets gone, a non-target present or not assessed, is PR; absent CR; progressing PD."""
    after = visit("follow-up 1", {"third": 9.0}, many.prepared, vanished=("L1", "L2"))
    scope = case_response([many, after]).scopes[0]
    assert scope.targets == ("L1", "L2")
    assert (scope.graded[1].category, "L3 is still there" in scope.graded[1].reason) == ("PR", True)
    stated = {"PR": "present", "CR": "absent", "PD": "progressing"}
    for category, state in stated.items():
        one = replace(after, non_targets={"L3": state})
        assert case_response([many, one]).scopes[0].graded[1].category == category
    gone = visit("follow-up 1", {}, many.prepared, vanished=("L1", "L2", "L3"))
    assert case_response([many, gone]).scopes[0].graded[1].category == "CR"


def test_new_lesions_that_nobody_drew_are_progression(first, shrunk):
    found = case_response([first, replace(shrunk, new_lesions=("Lung nodule",))])
    assert (found.scopes[0].graded[1].category, found.scopes[0].graded[1].reason) == ("PD", "New lesion Lung nodule.")
    assert {scope.lobe: scope.graded[1].category for scope in found.scopes}[
        "left"
    ] == "PR"  # the lung is no lobe of the liver


def test_disease_that_nobody_drew_is_followed_by_its_stated_state(first):
    gone = visit("follow-up 1", {}, first.prepared, vanished=("L1", "R1"))
    for state, category in (("present", "PR"), ("absent", "CR"), ("progressing", "PD")):
        scopes = {
            scope.lobe: scope for scope in case_response([first, replace(gone, non_targets={"bone": state})]).scopes
        }
        assert scopes[""].graded[1].category == category
        assert scopes["left"].graded[1].category == "CR"


def sized(lesion, longest, short, lobe="none"):
    """A lesion of one size for the response, which needs no more."""
    size = SimpleNamespace(longest_axial_mm=longest, perpendicular_mm=short, volume_mL=longest * short**2 / 2000)
    return SimpleNamespace(lesion=SimpleNamespace(lesion_id=lesion), segment=SimpleNamespace(lobe=lobe), size=size)


def stage(name, *lesions, day=None, **stated):
    prepared = SimpleNamespace(lesions=lesions, segmentation=SimpleNamespace(grid=GRID))
    return SizedVisit(1, name, prepared, day=day, **stated)


def test_nodes_are_measured_by_their_short_axis():
    """A node of 30 by 16 mm is a target with 16; of 30 by 14 it is none; below 10 mm it is normal."""
    before = stage("24h", sized("L1", 40.0, 30.0, "left"), sized("E1", 30.0, 16.0), sized("E2", 30.0, 14.0))
    after = stage("follow-up", sized("E1", 28.0, 9.0), sized("E2", 28.0, 9.5), vanished=("L1",))
    rules = ResponseRules(organs={"E1": "node", "E2": "node"})
    found = case_response([before, after], rules=rules)
    patient = found.scopes[0]
    assert patient.targets == ("L1", "E1")
    assert patient.graded[0].total == pytest.approx(56.0)
    assert patient.graded[1].category == "CR"
    assert not any("organ is not stated" in note for note in found.notes)
    enlarged = replace(after, prepared=stage("", sized("E1", 28.0, 9.0), sized("E2", 28.0, 10.5)).prepared)
    assert case_response([before, enlarged], rules=rules).scopes[0].graded[1].category == "PR"
    unknown = case_response([before, after])
    assert unknown.scopes[0].graded[0].total == pytest.approx(100.0)  # by the longest diameters
    assert any("organ is not stated" in note for note in unknown.notes)
    with pytest.raises(StudyError, match=r"'response\.organs' says that L1"):
        case_response([before, after], rules=ResponseRules(organs={"L1": "node"}))


def test_best_response_and_time_to_progression_by_dates():
    days = [date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1), date(2025, 10, 1)]
    sizes = [50.0, 30.0, 32.0, 40.0]  # PR, PR, and 33 % above the smallest: PD
    visits = [
        stage("24h" if not n else f"follow-up {n}", sized("L1", size, size, "left"), day=day)
        for n, (size, day) in enumerate(zip(sizes, days, strict=True))
    ]
    result = case_response(visits, rules=ResponseRules(confirm=True))
    patient = result.scopes[0]
    assert [one.category for one in patient.graded] == ["", "PR", "PR", "PD"]
    assert (patient.best.category, patient.best.visit) == ("PR", "cycle 1 follow-up 1")
    assert (patient.progression_free.days, patient.progression_free.event) == (273, True)
    assert "273" in "\n".join(response_text(result))
    assert "days without progression" in response_sections(result)[0]
    censored = case_response(visits[:3])
    assert (censored.scopes[0].progression_free.days, censored.scopes[0].progression_free.event) == (181, False)
    assert "181 or more" in "\n".join(response_text(censored))
    undated = case_response([*visits[:2], replace(visits[2], day=None)])
    assert undated.scopes[0].best is None
    assert any("no dates" in note for note in undated.notes)
    with pytest.raises(StudyError, match="before the last visit"):
        case_response(visits, rules=ResponseRules(death=date(2025, 5, 1)))
    dead = case_response(visits[:3], rules=ResponseRules(death=date(2025, 8, 1)))
    assert (dead.scopes[0].progression_free.days, dead.scopes[0].progression_free.event) == (212, True)


def test_mrecist_measures_the_part_that_enhances():
    """Lencioni 2010: 30 % and 20 % of the enhancing diameters without the 5 mm; CR without any enhancement."""
    before = stage("24h", sized("L1", 40.0, 30.0, "left"), sized("L2", 20.0, 18.0, "left"), enhancing_mm={"L1": 30.0})
    rules = ResponseRules(criteria="mrecist")

    def graded(first_mm, second_mm, *, third_mm=None):
        enhancing = {"L1": first_mm, "L2": second_mm}
        visits = [before, stage("follow-up 1", *before.prepared.lesions, enhancing_mm=enhancing)]
        if third_mm is not None:
            visits.append(stage("follow-up 2", *before.prepared.lesions, enhancing_mm={"L1": third_mm, "L2": 0.0}))
        found = case_response(visits, rules=rules)
        return found, [one.category for one in found.scopes[0].graded[1:]]

    assert graded(20.0, 15.0)[1] == ["PR"]  # 50 to 35 mm
    assert graded(20.1, 15.0)[1] == ["SD"]
    assert graded(0.0, 0.0)[1] == ["CR"]  # both still drawn: necrotic
    assert graded(40.0, 20.0)[1] == ["PD"]
    assert graded(18.0, 0.0, third_mm=21.7)[1] == ["PR", "PD"]  # 3.7 mm above the smallest sum, stable by RECIST 1.1
    found, _ = graded(20.0, 15.0)
    rows = {row.metric: row.value for row in response_rows(found, "P1", "CT") if row.visit == "follow-up 1"}
    assert rows["mrecist_sum"] == 35.0
    assert rows["mrecist_change"] == pytest.approx(-30.0)
    assert "recist_sum" not in rows
    assert any("hepatocellular" in note for note in found.notes)
    assert any("L2 at cycle 1 24h" in note and "L1" not in note for note in found.notes)
    page, text = response_sections(found)[0], "\n".join(response_text(found))
    assert "doi:10.1055/s-0030-1247132" in page
    assert "mRECIST sum mm" in page
    assert "mRECIST" in text


def test_what_enhances_is_not_longer_than_its_lesion():
    """Centimetres for millimetres, or the diameter of another lesion."""
    before = stage("24h", sized("L1", 40.0, 30.0, "left"), enhancing_mm={"L1": 30.0})
    rules = ResponseRules(criteria="mrecist")
    for stated_mm, refused in ((47.9, False), (300.0, True)):
        later = stage("follow-up 1", *before.prepared.lesions, enhancing_mm={"L1": stated_mm})
        if not refused:
            assert case_response([before, later], rules=rules) is not None
            continue
        with pytest.raises(StudyError, match=r"'follow-up 1': the part of L1 .* 300 mm long, but L1 as drawn 40.0 mm"):
            case_response([before, later], rules=rules)


def pet(peaks, liver=2.0, lobes=None, refusal=""):
    lobes = lobes or dict.fromkeys(peaks, "left")
    return PetLesions(peaks, {name: 20.0 * peak for name, peak in peaks.items()}, lobes, liver, 0.2, refusal)


def test_percist_compares_the_hottest_lesion_of_each_pet():
    lobes = {"L1": "left", "R1": "right"}
    lesions = (sized("L1", 40.0, 30.0, "left"), sized("R1", 30.0, 20.0, "right"))
    days = [date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1)]
    first = stage("24h", *lesions, pet=pet({"L1": 12.0, "R1": 10.0}, lobes=lobes), day=days[0])
    second = stage("follow-up 1", *lesions, pet=pet({"L1": 5.0, "R1": 8.0}, lobes=lobes), day=days[1])
    third = stage("follow-up 2", *lesions, pet=pet({"L1": 1.0, "R1": 16.0}, lobes=lobes), day=days[2])
    found = case_response([first, second, third], rules=ResponseRules(criteria="percist"))
    scopes = {scope.lobe: scope for scope in found.scopes}
    assert [one.category for one in scopes[""].graded] == ["", "PMR", "PMD"]  # 12, 8 (-33 %), 16 (+33 %)
    assert [one.category for one in scopes["left"].graded] == ["", "PMR", "CMR"]
    assert [one.category for one in scopes["right"].graded] == ["", "SMD", "PMD"]
    assert scopes[""].targets == ("L1",)
    assert scopes["right"].targets == ("R1",)
    assert (scopes[""].best.category, scopes["left"].best.category) == ("PMR", "CMR")
    assert (scopes[""].progression_free.days, scopes[""].progression_free.event) == (181, True)
    rows = {(row.region, row.visit, row.metric): row for row in response_rows(found, "P1", "PET")}
    assert rows["patient", "follow-up 1", "sul_peak"].value == 8.0
    assert rows["patient", "follow-up 1", "sul_peak"].unit == "g/ml{SUVlbm(Janma)}"
    assert rows["patient", "follow-up 1", "sul_peak_change"].value == pytest.approx(-100 / 3)
    assert any("18F-FDG" in note for note in found.notes)
    assert "doi:10.2967/jnumed.108.057307" in response_sections(found)[0]
    missing = case_response([first, replace(second, pet=None)], rules=ResponseRules(criteria="percist"))
    assert missing.scopes[0].graded == ()
    assert any("has no PET" in note for note in missing.notes)
