"""Agreement of readers: published examples, identities, and the command."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import simulate_trial, unblinded_rows, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.statistics.agreement import compare_readers, icc_agreement, icc_consistency, paired_readings
from PRRTUptakeLib.statistics.errors import AgreementError
from PRRTUptakeLib.study.protocol import load_protocol

# Six subjects, four judges: the example of Shrout and Fleiss (doi:10.1037/0033-2909.86.2.420, table 2).
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_icc_of_shrout_and_fleiss():
    assert icc_agreement(JUDGES).icc == pytest.approx(0.29, abs=5e-3)
    assert icc_consistency(JUDGES).icc == pytest.approx(0.71, abs=5e-3)


def test_intervals_of_the_same_example():
    """Printed by the function ICC of the R package psych for these data."""
    assert icc_agreement(JUDGES).ci == pytest.approx((0.019, 0.76), abs=5e-3)
    assert icc_consistency(JUDGES).ci == pytest.approx((0.34, 0.95), abs=5e-3)


def test_intervals_hold_their_level_in_simulation():
    """Random subjects and error, two readers without bias: true ICC(3,1) is 0.8."""
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        values = random.normal(0, 2, (20, 1)) + random.normal(0, 1, (20, 2))
        low, high = icc_consistency(values).ci
        hits += low <= 0.8 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_a_biased_reader_agrees_less_than_he_is_consistent():
    first = np.array([10, 14, 20, 25, 40.0])
    result = compare_readers(first, 1.2 * first)
    assert result.bias_ratio == pytest.approx(1.2)
    assert result.limits == pytest.approx((1.2, 1.2))
    assert result.icc_3_1.icc == pytest.approx(1)
    assert result.icc_2_1.icc < 0.99


def test_bland_altman_against_its_formulas():
    random = np.random.default_rng(1)
    truth = np.exp(random.normal(2.5, 0.5, 40))
    first, second = truth * np.exp(random.normal(0, 0.1, 40)), truth * np.exp(random.normal(0.05, 0.1, 40))
    result = compare_readers(first, second)
    d = np.log(second / first)
    assert np.log(result.limits) == pytest.approx([d.mean() - 1.96 * d.std(ddof=1), d.mean() + 1.96 * d.std(ddof=1)])
    inside = np.mean((second / first > result.limits[0]) & (second / first < result.limits[1]))
    assert inside >= 0.9
    within = math.sqrt(np.mean(d**2) / 2)
    assert math.log(result.repeatability_ratio) == pytest.approx(2.77 * within, rel=1e-3)
    assert result.within_cv == pytest.approx(within, rel=0.01)
    assert result.lower_limit_ci[0] < result.limits[0] < result.lower_limit_ci[1] < result.bias_ci[0]


@pytest.mark.parametrize("subjects", [3, 8])
def test_limits_of_agreement_are_held_with_few_subjects(subjects):
    random, hits = np.random.default_rng(6), np.zeros(2)
    for _ in range(400):
        difference = random.normal(0.05, 0.1, subjects)
        first = np.exp(random.normal(2, 0.5, subjects))
        found = compare_readers(first, first * np.exp(difference))
        for n, (sign, (low, high)) in enumerate(((-1, found.lower_limit_ci), (1, found.upper_limit_ci))):
            hits[n] += low <= math.exp(0.05 + sign * 1.96 * 0.1) <= high
    assert 0.93 <= hits.sum() / 800 <= 0.975  # the approximate interval held 0.90


def test_readers_without_scatter():
    first = np.array([1.0, 2.0, 4.0])
    result = compare_readers(first, first)
    assert result.bias_ratio == 1
    assert math.isnan(result.p_bias)
    assert result.icc_2_1.icc == 1
    with pytest.raises(AgreementError, match="equal"):
        compare_readers(np.ones(3), np.ones(3))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [([1, 2], [1, 2], "three"), ([1, 2, 3], [1, 2], "three"), ([1, 2, 0], [1, 2, 3], "zero or negative")],
)
def test_bad_readings(first, second, words):
    with pytest.raises(AgreementError, match=words):
        compare_readers(np.array(first, float), np.array(second, float))


def test_tables_are_matched_by_lesion():
    rows = unblinded_rows()
    second = [replace(one, value=one.value * 1.1) for one in reversed(rows[:-1])]
    names, first, other, notes = paired_readings(rows, second, load_protocol("lutia"))
    assert len(names) == 11
    assert other / first == pytest.approx(np.full(11, 1.1))
    assert notes == ("1 reading(s) by one reader only are left out.",)


def test_command(capsys, tmp_path):
    rows = simulate_trial(1, patients=5)
    first = write_table(tmp_path / "a.csv", rows)
    second = write_table(tmp_path / "b.csv", [replace(one, value=one.value * 1.05) for one in rows])
    assert main(["agreement", str(first), str(second), "--protocol", "lutia", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["n"] == 30
    assert answer["bias_ratio"] == pytest.approx(1.05)
    assert main(["agreement", str(first), str(second), "--protocol", "lutia"]) == 0
    assert "ICC(2,1)" in capsys.readouterr().out
    other = write_table(tmp_path / "c.csv", [replace(one, patient=f"X{one.patient}") for one in rows])
    assert main(["agreement", str(first), str(other), "--protocol", "lutia"]) == 1
    assert "in common" in capsys.readouterr().err
