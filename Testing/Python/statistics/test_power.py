"""Power of paired log ratios: the trial's figures, another implementation, and a simulation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.power import detectable_ratio, paired_power, plan, sample_size
from scipy import stats


def test_figures_of_the_trial():
    assert detectable_ratio(0.398, 26, 0.8) == pytest.approx(1.255, abs=1e-3)
    assert detectable_ratio(0.398, 26, 0.9) == pytest.approx(1.30, abs=2e-3)
    assert sample_size(0.398, 1.17) == 53


@pytest.mark.parametrize(("sd", "n", "ratio"), [(0.398, 26, 1.2), (0.2, 5, 1.3), (1.0, 200, 0.8), (0.4, 2, 3.0)])
def test_against_statsmodels(sd, n, ratio):
    power = pytest.importorskip("statsmodels.stats.power").TTestPower()
    expected = power.power(abs(math.log(ratio)) / sd, n, 0.05)
    assert paired_power(sd, n, ratio) == pytest.approx(expected, rel=1e-6)


def test_against_simulation():
    log_ratio = np.random.default_rng(2).normal(math.log(1.25), 0.398, (20_000, 26))
    found = np.mean(stats.ttest_1samp(log_ratio, 0, axis=1).pvalue < 0.05)
    assert paired_power(0.398, 26, 1.25) == pytest.approx(found, abs=0.01)


def test_size_and_ratio_invert_power():
    for ratio in (0.5, 0.9, 1.1, 4.0):
        n = sample_size(0.3, ratio, 0.9)
        assert paired_power(0.3, n, ratio) >= 0.9
        assert n == 2 or paired_power(0.3, n - 1, ratio) < 0.9
    assert paired_power(0.3, 12, detectable_ratio(0.3, 12, 0.85)) == pytest.approx(0.85, abs=1e-8)
    assert paired_power(0.3, 12, 1 / detectable_ratio(0.3, 12, 0.85)) == pytest.approx(0.85, abs=1e-8)


def test_no_effect_has_the_power_of_the_level():
    assert paired_power(0.4, 20, 1.0) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.0, 26, None, [0.8]), "standard deviation of the log ratios is 0"),
        ((0.4, 1, None, [0.8]), "two or more"),
        ((0.4, None, 1.0, [0.8]), "other than 1"),
        ((0.4, None, -2.0, [0.8]), "positive"),
        ((0.4, None, 1.00001, [0.8]), "million"),
        ((0.4, 26, None, [1.0]), "power is 1"),
        ((0.4, None, None, [0.8]), "--ratio"),
    ],
)
def test_impossible_values(values, words):
    with pytest.raises(StatisticsError, match=words):
        plan(*values)


def test_command(capsys):
    assert main(["power", "--sd-log", "0.398", "--n", "26", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [one["power"] for one in answer["results"]] == [0.8, 0.9]
    assert answer["ratio"] == pytest.approx(1.2555, abs=1e-4)
    assert main(["power", "--sd-log", "0.398", "--ratio", "1.17", "--power", "0.8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 53
    assert main(["power", "--sd-log", "0.398", "--n", "53", "--ratio", "1.17", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["power"] == pytest.approx(0.8047, abs=1e-4)
    assert main(["power", "--sd-log", "-1", "--n", "26"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit) as wrong_use:
        main(["power", "--sd-log", "0.398"])
    assert wrong_use.value.code == 2


@pytest.mark.parametrize(("sd", "n", "ratio"), [(0.001, 2, 5.0), (1e-9, 30, 2.0), (0.4, 2, 1e8)])
def test_effects_beyond_the_noncentral_t_have_a_power(sd, n, ratio):
    """With two patients the critical t is 12.7: P(|T| > t) = P(s < effect / (t SE)), here in closed form."""
    effect, critical = math.log(ratio) / sd * math.sqrt(n), stats.t.ppf(0.975, n - 1)
    expected = stats.chi2.cdf((n - 1) * (effect / critical) ** 2, n - 1)  # the mean itself does not err in comparison
    assert paired_power(sd, n, ratio) == pytest.approx(expected, abs=2e-3)


def test_two_patients_detect_a_ratio(capsys):
    assert main(["power", "--sd-log", "0.4", "--n", "2", "--json"]) == 0
    random, critical = np.random.default_rng(1), stats.t.ppf(0.975, 1)
    for one in json.loads(capsys.readouterr().out)["results"]:
        effect = math.log(one["ratio"]) / 0.4 * math.sqrt(2)
        mean, spread = effect + random.standard_normal(200_000), np.abs(random.standard_normal(200_000))
        assert np.mean(np.abs(mean) > critical * spread) == pytest.approx(one["power"], abs=5e-3)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--n", "27", "--lesions", "3"], "--sd-lesion"),
        (["--n", "27", "--cycles", "4"], "--cycles"),
        (["--n", "27", "--missing", "0.1"], "--missing"),
        (["--n", "27", "--seed", "5"], "--seed"),
        (["--n", "27", "--protocol", "lutia"], "--protocol"),
        (["--gate", "3"], "--sd-log"),
    ],
)
def test_what_would_have_no_effect_is_refused(words, named, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["power", "--sd-log", "0.4", *words])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_table_as_json(capsys):
    assert main(["power", "--sd-log", "0.398", "--table", "1.17", "1.3", "--power", "0.8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["ratio"], one["power"], one["n"]) for one in found["results"]] == [(1.17, 0.8, 53), (1.3, 0.8, 21)]
