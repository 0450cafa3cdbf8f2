"""RECIST 1.1 with nodes, non-targets and new lesions, best response, progression-free time, mRECIST, PERCIST."""

import itertools
import math

import pytest
from PRRTUptakeLib.segmentation.best_response import best_response, progression_free
from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.segmentation.percist import PetVisit, percist_response
from PRRTUptakeLib.segmentation.response import (
    BaselineLesion,
    Response,
    Visit,
    mrecist_response,
    non_targets,
    recist_response,
    recist_table,
    recist_targets,
)


def node(name, short, long=30.0):
    return BaselineLesion(name, "node", long, short_axis_mm=short)


def test_nodes_by_their_short_axis():
    nodes = [node(f"N{n}", short) for n, short in enumerate([15.0, 14.9, 9.9, 22.0], start=1)]
    lesions = [BaselineLesion("L1", "liver", 40.0), *nodes]
    assert recist_targets(lesions) == ("L1", "N4", "N1")
    assert non_targets(lesions, recist_targets(lesions)) == ("N2",)
    with pytest.raises(ResponseError, match="a node 15 mm in its short axis"):
        recist_targets([node("N2", 14.9)])
    assert recist_targets([node("N1", 14.96)]) == ("N1",)  # 15.0 mm as printed


@pytest.mark.parametrize(
    ("liver", "short", "expected"),
    [(0.0, 9.9, "CR"), (0.0, 10.0, "PR"), (1.0, 9.0, "PR"), (0.0, 0.0, "CR"), (40.0, 24.0, "SD"), (45.0, 27.0, "PD")],
)
def test_complete_response_needs_normal_nodes(liver, short, expected):
    visits = [Visit("b", {"L1": 40.0, "N1": 20.0}), Visit("f", {"L1": liver, "N1": short})]
    assert recist_response(visits, ["L1", "N1"], nodes=["N1"])[1].category == expected


# Table 1 of RECIST 1.1, row by row: targets, non-targets, new lesion, overall.
TABLE_1 = [
    ("CR", "CR", False, "CR"), ("CR", "non-CR", False, "PR"), ("CR", "NE", False, "PR"), ("PR", "non-CR", False, "PR"),
    ("PR", "NE", False, "PR"), ("SD", "non-CR", False, "SD"), ("SD", "NE", False, "SD"), ("NE", "non-CR", False, "NE"),
    ("PD", "CR", False, "PD"), ("CR", "PD", False, "PD"), ("SD", "PD", False, "PD"), ("NE", "PD", False, "PD"),
    ("CR", "CR", True, "PD"), ("SD", "non-CR", True, "PD"), ("NE", "NE", True, "PD"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "other", "new", "overall"), TABLE_1)
def test_table_1(target, other, new, overall):
    sizes = {"CR": {"L1": 0.0}, "PR": {"L1": 30.0}, "SD": {"L1": 50.0}, "PD": {"L1": 70.0}, "NE": {}}[target]
    states = {"CR": {"X": "absent"}, "non-CR": {"X": "present"}, "PD": {"X": "progressing"}, "NE": {}}[other]
    visits = [Visit("b", {"L1": 50.0}), Visit("f", sizes, ("Z",) if new else (), states)]
    assert recist_response(visits, ["L1"], others=["X"])[1].category == overall


def test_lobes_follow_their_own_non_targets():
    lesions = [BaselineLesion("L1", "liver", 40.0, "left"), BaselineLesion("L2", "liver", 8.0, "left")]
    lesions.append(BaselineLesion("R1", "liver", 30.0, "right"))
    visits = [Visit("b", {"L1": 40.0, "R1": 30.0}), Visit("f", {"L1": 0.0, "R1": 0.0}, (), {"L2": "progressing"})]
    table = recist_table(visits, lesions)
    assert (table.patient[1].category, table.lobes["left"][1].category) == ("PD", "PD")
    assert table.lobes["right"][1].category == "CR"
    with pytest.raises(ResponseError, match="'gone', but must be absent"):
        Visit("x", {}, (), {"L2": "gone"})


def test_mrecist_has_no_five_millimetres():
    visits = [Visit("b", {"L1": 15.0}), Visit("f", {"L1": 18.0}), Visit("g", {"L1": 0.0})]
    assert [one.category for one in recist_response(visits, ["L1"])[1:]] == ["SD", "CR"]
    assert [one.category for one in mrecist_response(visits, ["L1"])[1:]] == ["PD", "CR"]


def graded(*categories):
    return [Response(f"v{n}", 1.0, math.nan, math.nan, word, word) for n, word in enumerate(("", *categories))]


@pytest.mark.parametrize(
    ("categories", "days", "confirm", "expected"),
    [
        (("SD", "PR", "PD"), (60, 120, 180), False, "PR"),
        (("SD", "PR", "PD"), (60, 120, 180), True, "SD"),
        (("PR", "PR"), (60, 100), True, "PR"),
        (("PR", "PR"), (60, 80), True, "SD"),  # only 20 days apart
        (("PR", "NE", "PR"), (60, 90, 120), True, "PR"),
        (("CR", "PR"), (60, 120), True, "SD"),
        (("SD",), (41,), False, "NE"),
        (("SD",), (42,), False, "SD"),
        (("PD", "PR"), (60, 120), False, "PD"),  # nothing counts after progression
        (("NE", "NE"), (60, 120), False, "NE"),
        ((), (), False, "NE"),
    ],
)
def test_best_response(categories, days, confirm, expected):
    assert best_response(graded(*categories), [0, *days], confirm).category == expected


def test_best_response_never_gets_worse_with_a_visit_before_progression():
    for words in itertools.product(["CR", "PR", "SD", "NE"], repeat=3):
        order = ["CR", "PR", "SD", "PD", "NE"]
        ranks = [order.index(best_response(graded(*words[:n]), [0, 60, 120, 180][: n + 1]).category) for n in (1, 2, 3)]
        assert ranks == sorted(ranks, reverse=True)


def test_progression_free_time():
    assert progression_free(graded("SD", "PD", "PD"), [0, 90, 180, 270]).days == 180
    seen = progression_free(graded("SD", "NE"), [0, 90, 180])
    assert (seen.days, seen.event) == (90, False)
    died = progression_free(graded("SD"), [0, 90], death_day=120)
    assert died == progression_free(graded("SD", "PD"), [0, 90, 200], 120)
    assert progression_free(graded("NE"), [0, 90]).days == 0
    with pytest.raises(ResponseError, match="rising"):
        progression_free(graded("SD", "SD"), [0, 90, 90])
    with pytest.raises(ResponseError, match="one day per visit"):
        best_response(graded("SD"), [0])


@pytest.mark.parametrize(
    ("peak", "more", "expected"),
    [
        (7.0, {}, "PMR"), (7.1, {}, "SMD"), (13.0, {}, "PMD"), (12.9, {}, "SMD"), (1.9, {}, "CMR"), (2.0, {}, "PMR"),
        (5.0, {"new_lesions": ("L9",)}, "PMD"), (10.0, {"volume_change": 0.75}, "PMD"),
        (9.9, {"volume_change": 0.75}, "SMD"), (10.0, {"volume_change": 0.74}, "SMD"),
        (5.0, {"progressing": ("bone",)}, "PMD"), (7.0, {"liver_mean": 2.3}, "PMR"), (7.0, {"liver_mean": 2.31}, "NE"),
        (7.0, {"liver_mean": 1.69}, "NE"), (13.0, {"liver_mean": 2.4}, "NE"),
    ],
)  # fmt: skip
def test_percist(peak, more, expected):
    liver = {"liver_mean": 2.0, "liver_sd": 0.3}
    visits = [PetVisit(name="b", sul_peak=10.0, **liver), PetVisit(name="f", sul_peak=peak, **{**liver, **more})]
    assert percist_response(visits)[1].category == expected


def test_percist_needs_units_as_well_and_a_measurable_baseline():
    low = {"liver_mean": 0.5, "liver_sd": 0.1}
    visits = [PetVisit(name="b", sul_peak=2.0, **low), PetVisit(name="f", sul_peak=2.7, **low)]
    assert percist_response(visits)[1].category == "SMD"  # +35 %, but only 0.7
    with pytest.raises(ResponseError, match=r"PERCIST needs 3\.60"):
        percist_response([PetVisit(name="b", sul_peak=3.5, liver_mean=2.0, liver_sd=0.3)])
