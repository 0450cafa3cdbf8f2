"""Response over a case's visits: spheres that grow and shrink, whose diameters and volumes are known."""

import math
from dataclasses import replace

import pytest
from builders.shapes import ball, centred_grid
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.report.response_report import response_sections, response_text
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.response_case import SizedVisit, case_response, compared_visits, is_follow_up, response_rows

GRID = centred_grid(170.0, (2.0, 2.0, 2.0))
LOBES = Plane((0, 0, 0), (-1, 0, 0))  # RAS: the patient's left is -x
CENTRES = {"left": (-40, 0, 0), "right": (40, 25, 0), "other": (40, -30, 10)}


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
    assert [one.category for one in scopes["left"].recist] == ["", "PR", "PD"]  # 24 to 34 mm
    # the new lesion is in the right lobe and is progression of the patient
    assert [one.category for one in scopes["right"].recist] == ["", "SD", "PD"]
    assert [one.category for one in scopes[""].recist] == ["", "SD", "PD"]
    assert "New lesion R2" in scopes[""].recist[2].reason
    assert "New lesion" not in scopes["left"].recist[2].reason


def test_a_lesion_that_is_not_drawn_is_not_assessed_and_one_that_vanished_is_zero(first):
    name = "follow-up 1"
    gone = visit(name, {"right": 18.0}, first.prepared)
    unknown = case_response([first, gone])
    assert [scope.recist[1].category for scope in unknown.scopes] == ["NE", "NE", "SD"]
    for metric in ("recist_sum", "recist_change", "volume_change"):
        assert {region for region, when in rows_of([first, gone], metric) if when == name} == {"right lobe"}
    notes = [first, replace(gone, vanished=("L1",))]
    assert [scope.recist[1].category for scope in case_response(notes).scopes] == ["PR", "CR", "SD"]
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
    assert scopes["right"].recist == ()
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
    assert [scope.recist[1].category for scope in case_response([first, gone]).scopes] == ["CR", "CR", "CR"]
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
