"""The endpoint of enhancement: two forms of rows, aggregation, threshold, every region, gain over organs."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import row, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.study.protocol import load_protocol
from scipy import stats

PROTOCOL = load_protocol("ia-versus-iv")
QUICK = replace(PROTOCOL, endpoint=replace(PROTOCOL.endpoint, bootstrap_samples=0))
# Enhancement ratios of the lesions of four patients; arithmetic means 3.34, 3.0, 2.0, 4.0.
LESIONS = ([1.2, 1.5, 2, 3, 9], [3.0, 3.0], [1.0, 3.0], [4.0])
KIDNEYS = (1.0, 1.1, 0.9, 1.2)
MEANS = np.array([np.mean(lesions) for lesions in LESIONS])


def pet(patient, region, value, visit, role="target", lesion=""):
    words = {"role": role, "visit": visit, "image": "PET", "unit": "g/ml{SUVbw}", "region": region}
    return row(patient, "none", lesion, value, "suv_max", **words)


def uptake_rows(visits=("IA day 0", "IV day 3")):
    rows = []
    for n, (lesions, kidney) in enumerate(zip(LESIONS, KIDNEYS, strict=True)):
        for k, ratio in enumerate(lesions):
            base = 10.0 + k
            rows += [pet(f"P{n}", f"L{k}", base * ratio, visits[0], lesion=f"L{k}")]
            rows += [pet(f"P{n}", f"L{k}", base, visits[1], lesion=f"L{k}")]
        rows += [
            pet(f"P{n}", "kidneys", 20 * kidney, visits[0], "organ"),
            pet(f"P{n}", "kidneys", 20, visits[1], "organ"),
        ]
        rows += [
            pet(f"P{n}", f"bone {n}", 12, visits[0], "lesion", "E1"),
            pet(f"P{n}", f"bone {n}", 10, visits[1], "lesion", "E1"),
        ]
    return rows


def ratio_rows():
    ia, iv = ([one for one in uptake_rows() if one.visit.startswith(route)] for route in ("IA", "IV"))
    return [
        replace(one, visit="IA/IV", metric="er_suv_max", value=one.value / two.value, unit="1")
        for one, two in zip(ia, iv, strict=True)
    ]


def check(endpoint):
    assert endpoint.pairs.labels == ("IA", "IV")
    assert endpoint.pairs.first == pytest.approx(MEANS)
    one = endpoint.comparison
    assert one.n == 4
    assert one.gmr == pytest.approx(stats.gmean(MEANS))
    assert one.p_log == pytest.approx(stats.ttest_1samp(np.log(MEANS), 0).pvalue)
    assert one.responders == 3  # 3.0 counts: the threshold itself is enough
    exact = stats.binomtest(3, 4).proportion_ci(method="exact")
    assert one.responders_ci == pytest.approx((exact.low, exact.high))
    regions = {region.region: region for region in endpoint.regions}
    assert set(regions) == {"target lesions", "other lesions", "kidneys"}
    assert regions["kidneys"].enhancement.gmr == pytest.approx(stats.gmean(KIDNEYS))
    assert regions["kidneys"].gain.gmr == pytest.approx(stats.gmean(MEANS / np.array(KIDNEYS)))
    assert regions["other lesions"].enhancement.gmr == pytest.approx(1.2)
    assert regions["target lesions"].gain is None


def test_uptake_of_two_visits():
    endpoint = evaluate(uptake_rows(), QUICK)
    check(endpoint)
    assert endpoint.uptake.means[1] == pytest.approx(np.mean([12, 10.5, 10.5, 10]))


@pytest.mark.parametrize("visits", [("IA", "IV"), ("day0-ia", "day3-iv"), ("PET_IA_1", "PET_IV_1")])
def test_names_of_visits(visits):
    check(evaluate(uptake_rows(visits), QUICK))


def test_ratios_formed_before():
    endpoint = evaluate(ratio_rows(), QUICK)
    check(endpoint)
    assert endpoint.uptake is None


def test_the_rule_decides():
    for rule, value in (("arithmetic-mean", 3.34), ("geometric-mean", 2.50), ("median", 2.0)):
        protocol = replace(QUICK, endpoint=replace(QUICK.endpoint, aggregation=rule))
        assert evaluate(uptake_rows(), protocol).pairs.first[0] == pytest.approx(value, abs=5e-3)


def test_uncertainty_of_a_ratio():
    rows = [replace(one, uncertainty=0.1 * one.value) for one in uptake_rows()]
    endpoint = evaluate(rows, QUICK)
    assert endpoint.pairs.u_log[3] == pytest.approx(0.1 * math.sqrt(2))
    assert endpoint.propagated is not None


def test_command(capsys, tmp_path):
    table = write_table(tmp_path / "m.csv", uptake_rows())
    assert main(["endpoints", str(table), "--protocol", "ia-versus-iv", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["responders"] == 3
    assert answer["regions"]["kidneys"]["gain"]["gmr"] > 1
    assert answer["patients"][0]["ratio"] == pytest.approx(3.34)
    assert main(["endpoints", str(table), "--protocol", "ia-versus-iv"]) == 0
    assert "kidneys" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda rows: [one for one in rows if one.visit.startswith("IA")],
            "No lesion has suv_max after intra-arterial",
        ),
        (
            lambda rows: [replace(one, value=0.0) if one == rows[1] else one for one in rows],
            "Patient P0: suv_max of lesion L0",
        ),
        (
            lambda rows: [one for one in rows if one.patient != "P3" or one.role != "target"],
            "Patient P3: no lesion with suv_max",
        ),
        (lambda rows: [replace(rows[0], unit="Bq/ml"), *rows[1:]], "unit of suv_max"),
        (lambda rows: [*rows, replace(rows[0], visit="IA late")], "several IA visits"),
        (lambda rows: [one for one in rows if one.patient == "P1"], "Only 1 patient"),
        (lambda rows: [*rows, rows[0]], "is in the table twice"),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(StatisticsError, match=words):
        evaluate(change(uptake_rows()), QUICK)


def test_a_lesion_measured_once_is_left_out_aloud():
    rows = [
        one for one in uptake_rows() if not (one.patient == "P0" and one.lesion == "L4" and one.visit.startswith("IV"))
    ]
    endpoint = evaluate(rows, QUICK)
    assert endpoint.pairs.first[0] == pytest.approx(np.mean([1.2, 1.5, 2, 3]))
    assert any("1 region(s) measured after one injection" in note for note in endpoint.notes)


def test_an_allocation_has_no_meaning_here(capsys, tmp_path):
    table = write_table(tmp_path / "m.csv", uptake_rows())
    (tmp_path / "a.csv").write_text("patient,treated_lobe\nP0,left\n")
    arguments = ["endpoints", str(table), "--protocol", "ia-versus-iv"]
    assert main([*arguments, "--allocation", str(tmp_path / "a.csv")]) == 1
    assert "leave the allocation out" in capsys.readouterr().err


def test_a_ratio_that_contradicts_its_uptake_is_refused():
    both = [*uptake_rows(), *ratio_rows()]
    assert evaluate(both, QUICK).pairs.first == pytest.approx(MEANS)
    wrong = [replace(one, value=9.0) if one.metric == "er_suv_max" and one.region == "L1" else one for one in both]
    with pytest.raises(StatisticsError, match=r"Patient P0, L1: er_suv_max is 9, but suv_max is 16\.5 after IA"):
        evaluate(wrong, QUICK)


@pytest.mark.parametrize("formed", [True, False])
def test_a_lesion_that_lacks_a_limb_is_named(formed):
    def lacks(one):
        return one.patient == "P1" and one.region == "L1" and not one.visit.startswith("IA day")

    rows = [one for one in [*uptake_rows(), *(ratio_rows() if formed else [])] if not lacks(one)]
    assert "1 region(s) measured after one injection only are left out (P1 L1)." in evaluate(rows, QUICK).pairs.notes


def test_a_ratio_at_the_threshold_responds_in_the_share_of_measured_ones_too():
    rows = [replace(one, uncertainty=0.1 * one.value) for one in ratio_rows()]
    found = evaluate(rows, QUICK)
    assert found.comparison.responders_fraction == pytest.approx(3 / 4)  # 3.34, 3.0 and 4.0 of a threshold of 3
    assert found.propagated.responders.measured == pytest.approx(3 / 4)
