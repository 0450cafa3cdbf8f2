"""``prrt endpoints``: the fixture of the trial, the forms of tables and allocations, and bad input."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import (
    SIDES,
    allocation_csv,
    left_right_rows,
    row,
    simulate_trial,
    unblinded_rows,
    write_table,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.report.endpoint_tables import endpoint_table
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.paired import bootstrap_intervals, compare_pairs, hodges_lehmann
from PRRTUptakeLib.statistics.paired_values import lobe_pairs
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.uptake.aggregation import aggregate
from PRRTUptakeLib.uptake.errors import AggregationError
from scipy import stats

LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))


def as_json(capsys, *arguments) -> dict:
    assert main(["endpoints", *map(str, arguments), "--protocol", "lutia", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments) -> str:
    """The one sentence of an analysis that cannot be done."""
    assert main(["endpoints", *map(str, arguments), "--protocol", "lutia"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.fixture
def blinded_table(tmp_path):
    return write_table(tmp_path / "measurements.csv", left_right_rows())


def check_fixture(result):
    assert result["n"] == 6
    assert result["raw_difference"] == pytest.approx(2.917, abs=5e-4)
    assert result["p_raw"] == pytest.approx(0.0925, abs=5e-5)
    assert result["gmr"] == pytest.approx(1.1382, abs=5e-5)
    assert result["gmr_ci"] == pytest.approx([0.9620, 1.3466], abs=5e-5)
    assert result["p_log"] == pytest.approx(0.1048, abs=5e-5)
    assert result["mean_of_ratios"] == pytest.approx(1.1501, abs=5e-5)
    assert result["ratio_of_means"] == pytest.approx(1.1892, abs=5e-5)
    assert result["p_wilcoxon"] == 0.15625
    assert result["responders"] == 4
    assert result["comparison"] == ["treated", "control"]
    assert result["blinded"] is False


def scatter(generator, shape, count):
    """Deviations of mean 0 and standard deviation 1."""
    if shape == "normal":
        return generator.normal(size=count)
    if shape == "skewed":
        return (generator.gamma(1.5, size=count) - 1.5) / math.sqrt(1.5)
    return generator.standard_t(3, count) / math.sqrt(3)


class TestFixture:
    def test_table_that_is_unblinded(self, capsys, tmp_path):
        check_fixture(as_json(capsys, write_table(tmp_path / "m.csv", unblinded_rows())))

    @pytest.mark.parametrize("form", ["csv", "csv, other heading", "json", "json-list"])
    def test_left_and_right_with_an_allocation(self, capsys, tmp_path, blinded_table, form):
        path = tmp_path / f"a.{form.split('-')[0].split(',')[0]}"
        lobes = {f"P{n}": side for n, side in enumerate(SIDES, start=1)}
        listed = [{"patient": patient, "treated_lobe": lobe} for patient, lobe in lobes.items()]
        other = allocation_csv().replace("treated_lobe", "lobe")
        text = {
            "csv": allocation_csv(),
            "csv, other heading": other,
            "json": json.dumps(lobes),
            "json-list": json.dumps(listed),
        }
        path.write_text(text[form])
        check_fixture(as_json(capsys, blinded_table, "--allocation", path))

    def test_lobes_swapped(self, capsys, tmp_path, blinded_table):
        path = tmp_path / "swapped.csv"
        path.write_text(allocation_csv(["right" if side == "left" else "left" for side in SIDES]))
        result = as_json(capsys, blinded_table, "--allocation", path)
        assert result["gmr"] == pytest.approx(0.879, abs=5e-4)
        assert result["responders"] == 2

    def test_blinded_table_claims_nothing_about_treatment(self, capsys, blinded_table):
        result = as_json(capsys, blinded_table)
        left, right = [20, 13, 22, 9, 25, 12], [16, 12, 30, 9.5, 20, 14]
        assert result["comparison"] == ["A", "B"]
        assert result["blinded"] is True
        assert result["gmr"] == pytest.approx(stats.gmean(np.array(left) / np.array(right)))
        assert "treated" not in json.dumps(result)

    def test_a_and_b_with_an_allocation_of_a_and_b(self, capsys, tmp_path):
        names = {"left": "A", "right": "B"}
        rows = [replace(one, lobe=names[one.lobe]) for one in left_right_rows()]
        path = tmp_path / "a.csv"
        path.write_text(allocation_csv([names[side] for side in SIDES]))
        check_fixture(as_json(capsys, write_table(tmp_path / "m.csv", rows), "--allocation", path))

    def test_text_names_both_scales(self, capsys, tmp_path):
        table = write_table(tmp_path / "m.csv", unblinded_rows())
        assert main(["endpoints", str(table), "--protocol", "lutia"]) == 0
        printed = capsys.readouterr().out
        assert "1.14 [0.962; 1.35]" in printed
        assert "4 of 6 (66.7 % [22.3; 95.7])" in printed


class TestAgainstSciPy:
    def test_every_figure_of_a_simulated_cohort(self):
        pairs = lobe_pairs(simulate_trial(3), QUICK)
        first, second = pairs.first, pairs.second
        result = compare_pairs(first, second)
        logs, raw = stats.ttest_rel(np.log(first), np.log(second)), stats.ttest_rel(first, second)
        assert result.p_log == pytest.approx(logs.pvalue)
        assert result.gmr_ci == pytest.approx(np.exp(logs.confidence_interval()))
        assert result.p_raw == pytest.approx(raw.pvalue)
        assert result.raw_ci == pytest.approx(raw.confidence_interval())
        assert result.p_wilcoxon == pytest.approx(stats.wilcoxon(first, second).pvalue)
        assert result.sd_log == pytest.approx(np.std(np.log(first / second), ddof=1))
        walsh = [(a + b) / 2 for n, a in enumerate(first - second) for b in (first - second)[n:]]
        assert result.hodges_lehmann == pytest.approx(np.median(walsh))
        rises = int(np.sum(first > second))
        assert result.p_sign == pytest.approx(stats.binomtest(rises, first.size).pvalue)

    def test_published_responders_of_lutia(self):
        ratios = np.array([1.1] * 18 + [0.9] * 9)
        result = compare_pairs(ratios, np.ones(27))
        assert result.responders == 18
        assert result.p_responders == pytest.approx(0.122, abs=5e-4)
        assert [100 * end for end in result.responders_ci] == pytest.approx([46.0, 83.5], abs=0.05)

    def test_a_ratio_of_exactly_the_threshold(self):
        ratios = np.array([3.0, 2.0, 4.0])
        assert compare_pairs(ratios, np.ones(3), threshold=3.0).responders == 1
        assert compare_pairs(ratios, np.ones(3), threshold=3.0, at_least=True).responders == 2

    def test_equal_lobes_have_no_p_value(self):
        result = compare_pairs(np.array([3.0, 4.0]), np.array([3.0, 4.0]))
        assert result.gmr == 1
        assert math.isnan(result.p_log)
        assert math.isnan(result.p_wilcoxon)

    def test_bootstrap_is_seeded_and_no_narrower_than_students_t(self):
        pairs = lobe_pairs(simulate_trial(4), QUICK)
        first, second = pairs.first, pairs.second
        result = bootstrap_intervals(first, second, 2000, 7)
        assert result == bootstrap_intervals(first, second, 2000, 7)
        assert result != bootstrap_intervals(first, second, 2000, 8)
        plain = compare_pairs(first, second)
        for drawn, by_t in ((np.log(result.gmr_ci), np.log(plain.gmr_ci)), (result.raw_ci, plain.raw_ci)):
            width = by_t[1] - by_t[0]
            assert by_t[0] - 0.15 * width < drawn[0] <= by_t[0] + 1e-9
            assert by_t[1] - 1e-9 <= drawn[1] < by_t[1] + 0.15 * width

    @pytest.mark.slow
    @pytest.mark.parametrize("patients", [4, 6, 10, 15, 20])
    @pytest.mark.parametrize("shape", ["normal", "skewed", "long tails"])
    def test_bootstrap_holds_the_truth(self, patients, shape):
        """Of few patients, and whatever the distribution; the older BCa bootstrap held 75 to 94 %."""
        generator = np.random.default_rng([patients, len(shape)])
        held = dict.fromkeys(("gmr", "raw", "means"), 0)
        for _ in range(500):
            log_ratio = 0.1 + 0.4 * scatter(generator, shape, patients)
            second = np.exp(generator.normal(math.log(15), 0.3, patients))
            found = bootstrap_intervals(np.exp(log_ratio), np.ones(patients), 500, 1)
            held["gmr"] += found.gmr_ci[0] <= math.exp(0.1) <= found.gmr_ci[1]
            first = second + 2 + 3 * scatter(generator, shape, patients)
            found = bootstrap_intervals(first.clip(0.1), second, 500, 1)
            held["raw"] += found.raw_ci[0] <= 2 <= found.raw_ci[1]
            truth = 1 + 2 / (15 * math.exp(0.3**2 / 2))
            held["means"] += found.ratio_of_means_ci[0] <= truth <= found.ratio_of_means_ci[1]
        assert min(held.values()) >= 0.93 * 500 - 2 * math.sqrt(500 * 0.93 * 0.07), held

    @pytest.mark.parametrize("same", [3, 4, 5])
    def test_bootstrap_of_ties_has_no_interval_rather_than_a_narrow_one(self, same):
        """Where one patient of few differs, many resampled cohorts have no scatter."""
        first = np.array([1.2] * same + [1.5])
        found = bootstrap_intervals(first, np.ones(same + 1), 2000, 1)
        assert np.isnan([*found.gmr_ci, *found.raw_ci, *found.ratio_of_means_ci]).all()

    def test_bootstrap_of_few_patients_is_left_out_with_a_note(self):
        few, enough = (evaluate(simulate_trial(4, patients=n), LUTIA) for n in (3, 10))
        assert any("no bootstrap interval: too many resampled cohorts of these 3" in note for note in few.notes)
        assert not any("bootstrap" in note for note in enough.notes)
        words = [[row[1] for row in endpoint_table(one)[1] if "bootstrap" in row[1]] for one in (few, enough)]
        assert words == [[], ["same, studentised bootstrap over patients"]]

    def test_hodges_lehmann_of_symmetric_values_is_their_centre(self):
        assert hodges_lehmann(np.array([-3.0, 1.0, 5.0])) == 1.0


class TestPatientLevel:
    def test_measuring_every_lesion_twice_changes_no_digit(self):
        rows = simulate_trial(5)
        twins = [replace(one, lesion=f"{one.lesion}'", region=f"{one.region}'") for one in rows]
        assert evaluate(rows, QUICK).comparison == evaluate(rows + twins, QUICK).comparison

    def test_the_order_of_rows_changes_no_digit(self):
        rows = simulate_trial(6, cycles=2)
        shuffled = list(rows)
        random.Random(1).shuffle(shuffled)
        assert json.dumps(evaluate(rows, LUTIA).as_dict()) == json.dumps(evaluate(shuffled, LUTIA).as_dict())

    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.floats(0.1, 100), min_size=1, max_size=6), st.floats(0.1, 10))
    def test_every_rule_scales_with_its_values(self, values, factor):
        for rule in ("geometric-mean", "arithmetic-mean", "median", "volume-weighted-mean"):
            u = [0.1 * value for value in values]
            volumes = [1.0 + n for n in range(len(values))]
            one, u_one = aggregate(values, rule, u, volumes)
            scaled, u_scaled = aggregate([factor * v for v in values], rule, [factor * v for v in u], volumes)
            assert scaled == pytest.approx(factor * one)
            assert u_scaled == pytest.approx(factor * u_one)
            assert min(values) * (1 - 1e-12) <= one <= max(values) * (1 + 1e-12)

    def test_uncertainty_against_simulation(self):
        values, u = np.array([8.0, 12.0, 20.0]), np.array([0.2, 0.3, 0.4])
        drawn = np.random.default_rng(1).normal(values, u, (200_000, 3))
        volumes = np.array([10.0, 30.0, 5.0])
        spread = {
            "geometric-mean": np.exp(np.log(drawn).mean(axis=1)).std(),
            "arithmetic-mean": drawn.mean(axis=1).std(),
            "median": np.median(drawn, axis=1).std(),
            "volume-weighted-mean": np.average(drawn, axis=1, weights=volumes).std(),
        }
        for rule, expected in spread.items():
            assert aggregate(values, rule, u, volumes)[1] == pytest.approx(expected, rel=0.01), rule

    def test_volume_weights_come_from_the_table(self):
        weighted = replace(QUICK, endpoint=replace(QUICK.endpoint, aggregation="volume-weighted-mean"))
        rows = [*unblinded_rows(), row("P1", "treated", "L1c", 40)]
        rows += [replace(one, metric="volume", value=10.0, unit="mL") for one in rows]
        rows[-1] = replace(rows[-1], value=30.0)
        assert lobe_pairs(rows, weighted).first[0] == pytest.approx((10 * 20 + 30 * 40) / 40)
        no_volume = lobe_pairs(rows[:-1], weighted)
        assert "volume" in no_volume.excluded[0].reason

    def test_unknown_rule(self):
        with pytest.raises(AggregationError, match="'mode'"):
            aggregate([1.0], "mode")

    def test_only_the_protocols_visit_and_cycle_count(self):
        rows = unblinded_rows()
        others = [replace(one, visit="96h", value=one.value * 3) for one in rows if one.lobe == "treated"]
        others += [replace(one, cycle=2, value=one.value * 5) for one in rows if one.lobe == "treated"]
        others += [replace(one, role="lesion", region=f"{one.region} small") for one in rows]
        assert evaluate(rows + others, QUICK).comparison == evaluate(rows, QUICK).comparison

    def test_visits_that_cannot_be_distinguished(self):
        rows = [replace(one, visit="early") for one in unblinded_rows()]
        rows += [replace(one, visit="late") for one in rows]
        assert "several visits" in lobe_pairs(rows, QUICK).excluded[0].reason

    def test_cycles_are_compared_each_for_itself(self):
        rows = unblinded_rows()
        later = [replace(one, cycle=3, value=one.value * (2 if one.lobe == "treated" else 1)) for one in rows[:10]]
        found = evaluate(rows + later, QUICK).cycles
        assert sorted(found) == [1, 3]
        assert found[3].n == 5
        five = compare_pairs(2.0 * np.array([20, 12, 30, 9, 25]), np.array([16, 13, 22, 9.5, 20]))
        assert found[3].gmr == pytest.approx(five.gmr)

    @pytest.mark.parametrize(("role", "words"), [("lesion", "role lesion"), ("lobe", "role lobe"), ("", "(none)")])
    def test_lesions_that_are_no_targets_are_used_only_without_targets(self, role, words):
        rows = [replace(one, role=role) for one in unblinded_rows()]
        endpoint = evaluate(rows, QUICK)
        assert endpoint.comparison.gmr == pytest.approx(1.1382, abs=5e-5)
        assert any(words in note for note in endpoint.notes)


class TestBadInput:
    """One sentence each, exit status 1, nothing on standard output."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda rows: rows[:-1], "Patient P6: no tn_ratio of a target lesion in the control lobe"),
            (lambda rows: rows[:2], "Only 1 patient"),
            (lambda rows: [replace(rows[0], value=0.0), *rows[1:]], "P1: tn_ratio of lesion L1a is 0"),
            (lambda rows: [replace(rows[0], value=-2.0), *rows[1:]], "is -2, but a ratio must be positive"),
            (lambda rows: [*rows, rows[3]], "Patient P2, lesion L2b: tn_ratio of cycle 1"),
            (lambda rows: [replace(rows[0], unit="%"), *rows[1:]], "unit of tn_ratio is '1' in some rows and '%'"),
            (lambda rows: [replace(rows[0], lobe="left"), *rows[1:]], "control, left, treated"),
            (lambda rows: [replace(one, metric="mean") for one in rows], "has no tn_ratio"),
            (lambda rows: [replace(one, cycle=2) for one in rows], "in cycle 1"),
            (lambda rows: [replace(rows[0], uncertainty=-1.0), *rows[1:]], "uncertainty of tn_ratio is negative"),
        ],
    )
    def test_tables(self, capsys, tmp_path, change, words):
        table = write_table(tmp_path / "m.csv", change(unblinded_rows()))
        assert words in refused(capsys, table)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (allocation_csv(SIDES[:-1]), "Patient P6: the allocation names no treated lobe"),
            (allocation_csv() + "P1,right\n", "patient P1 is listed twice"),
            (allocation_csv().replace("P3,right", "P3,middle"), "patient P3 is 'middle'"),
            (allocation_csv(["A"] * 6), "patient P1 is 'A', but the table's lobes are left and right"),
            ("patient,control_lobe\nP1,left\n", "columns patient and treated_lobe"),
            ("patient,treated_lobe\n", "allocates no patient"),
        ],
    )
    def test_allocations(self, capsys, tmp_path, blinded_table, text, words):
        path = tmp_path / "a.csv"
        path.write_text(text)
        assert words in refused(capsys, blinded_table, "--allocation", path)
        assert not (tmp_path / "a.blinding.jsonl").exists()

    def test_an_allocated_patient_without_data_is_listed(self, capsys, tmp_path, blinded_table):
        path = tmp_path / "a.csv"
        path.write_text(allocation_csv() + "P9,left\n")
        result = as_json(capsys, blinded_table, "--allocation", path)
        check_fixture(result)
        assert result["excluded"] == [{"patient": "P9", "reason": "allocated, but there is no measurement"}]
        assert any("P9" in note for note in result["notes"])

    def test_json_that_is_no_allocation(self, capsys, tmp_path, blinded_table):
        path = tmp_path / "a.json"
        for text, words in (
            ("[1, 2]", "no allocation"),
            ("{", "cannot be read"),
            ('{"P1":"left","P1":"right"}', "twice"),
        ):
            path.write_text(text)
            assert words in refused(capsys, blinded_table, "--allocation", path)

    def test_allocation_of_a_table_that_is_unblinded(self, capsys, tmp_path):
        table = write_table(tmp_path / "m.csv", unblinded_rows())
        path = tmp_path / "a.csv"
        path.write_text(allocation_csv())
        assert "already names the lobes" in refused(capsys, table, "--allocation", path)

    def test_absent_files(self, capsys, tmp_path, blinded_table):
        assert "no.csv" in refused(capsys, tmp_path / "no.csv")
        assert "no.csv" in refused(capsys, blinded_table, "--allocation", tmp_path / "no.csv")
        assert "no.csv" in refused(capsys, blinded_table, "--subgroups", tmp_path / "no.csv")
