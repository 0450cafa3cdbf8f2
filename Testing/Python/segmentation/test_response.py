"""RECIST 1.1 by its own words, and change of volume."""

import math

import pytest
from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.segmentation.response import (
    BaselineLesion,
    Visit,
    recist_response,
    recist_table,
    recist_targets,
    volume_response,
    volume_table,
)


def categories(*sums, new=()):
    """Response of one target with these diameters; ``new`` are the visits (from 1) with a new lesion."""
    visits = [Visit(f"v{n}", {"L1": size}, ("L9",) if n in new else ()) for n, size in enumerate(sums)]
    return [response.category for response in recist_response(visits, ["L1"])[1:]]


@pytest.mark.parametrize(
    ("sums", "expected"),
    [
        ((100, 70.1), ["SD"]),
        ((100, 70.0), ["PR"]),  # at least 30 % below baseline
        ((100, 0), ["CR"]),
        ((100, 119.9), ["SD"]),
        ((100, 120.0), ["PD"]),  # at least 20 % above the smallest sum
        ((20, 24.5), ["SD"]),  # +22 %, but only 4.5 mm
        ((20, 25.0), ["PD"]),
        ((100, 50, 60), ["PR", "PD"]),  # from the nadir, though still 40 % below baseline
        ((100, 50, 59.9), ["PR", "PR"]),
        ((100, 0, 6), ["CR", "PD"]),  # it came back
        ((100, 0, 4), ["CR", "PD"]),  # however small
        ((0.1 + 0.2, 5.3), ["PD"]),
        ((30.3, 21.21), ["PR"]),  # rounding does not spoil the limit
    ],
)
def test_categories(sums, expected):
    assert categories(*sums) == expected


def test_one_of_two_targets_that_comes_back_without_a_complete_response_only_adds_to_the_sum():
    sizes = [{"L1": 50.0, "R1": 50.0}, {"L1": 0.0, "R1": 30.0}, {"L1": 4.0, "R1": 28.0}]
    found = recist_response([Visit(str(n), one) for n, one in enumerate(sizes)], ["L1", "R1"])
    assert [one.category for one in found[1:]] == ["PR", "PR"]


def test_new_lesion_is_progression_whatever_the_sum():
    assert categories(100, 50, new=(1,)) == ["PD"]


def test_missing_target_is_not_evaluable_unless_the_rest_progresses():
    def second(sizes):
        visits = [Visit("b", {"L1": 50.0, "R1": 50.0}), Visit("f", sizes), Visit("g", {"L1": 40.0, "R1": 45.0})]
        return recist_response(visits, ["L1", "R1"])

    responses = second({"L1": 10.0})
    assert responses[1].category == "NE"
    assert "R1 was not assessed" in responses[1].reason
    assert responses[2].category == "SD"
    assert responses[2].change_from_nadir == pytest.approx(-0.15)  # an incomplete sum is no nadir
    assert second({"L1": 125.0})[1].category == "PD"


def test_targets_are_recists_own():
    lesions = [BaselineLesion(f"L{n}", "liver", 90.0 - n) for n in range(4)]
    lesions += [BaselineLesion(f"E{n}", organ, 30.0 - n) for n, organ in enumerate(["bone", "bone", "bone", "lung"])]
    lesions += [BaselineLesion("E8", "spleen", 9.9), BaselineLesion("E9", "pancreas", 10.0)]
    assert recist_targets(lesions) == ("L0", "L1", "E0", "E1", "E3")
    with pytest.raises(ResponseError, match="10 mm or more"):
        recist_targets([BaselineLesion("L1", "liver", 9.0)])


def test_patient_and_lobes():
    lesions = [
        BaselineLesion("L1", "liver", 60.0, "left"),
        BaselineLesion("L2", "liver", 50.0, "left"),
        BaselineLesion("L3", "liver", 40.0, "left"),
        BaselineLesion("R1", "liver", 30.0, "right"),
    ]
    base = {lesion.lesion_id: lesion.longest_axial_mm for lesion in lesions}
    visits = [
        Visit("baseline", base),
        Visit("6 m", {"L1": 40.0, "L2": 35.0, "L3": 40.0, "R1": 37.0}, ("R2",)),
    ]
    table = recist_table(visits, lesions)
    assert table.patient[0].total == 110.0
    assert [table.patient[1].category, table.lobes["left"][1].category, table.lobes["right"][1].category] == [
        "PD", "PR", "PD",
    ]  # fmt: skip
    assert table.lobes["left"][1].change_from_baseline == pytest.approx(75 / 110 - 1)
    assert "caudate" not in table.lobes


def test_volumes():
    visits = [
        Visit("baseline", {"L1": 10.0, "R1": 30.0}),
        Visit("a", {"L1": 5.0, "R1": 15.0}),
        Visit("b", {"L1": 10.0}),
        Visit("c", {"L1": 10.0, "R1": 20.0}),
    ]
    total = volume_response(visits, ["L1", "R1"])
    assert [r.total for r in total] == [40.0, 20.0, 10.0, 30.0]
    assert total[1].change_from_baseline == pytest.approx(-0.5)
    assert math.isnan(total[2].change_from_baseline)
    assert "R1 not assessed" in total[2].reason
    assert total[3].change_from_nadir == pytest.approx(0.5)
    table = volume_table(visits, {"L1": "left", "R1": "right"})
    assert table.lobes["left"][3].change_from_nadir == pytest.approx(1.0)
    assert table.patient[1].total == 20.0


def test_bad_input_is_reported():
    with pytest.raises(ResponseError, match="give 0 or more"):
        Visit("x", {"L1": math.nan})
    with pytest.raises(ResponseError, match="L2 was not measured at baseline"):
        recist_response([Visit("b", {"L1": 20.0})], ["L1", "L2"])
    with pytest.raises(ResponseError, match="needs a baseline"):
        recist_response([], ["L1"])
