"""Power of clustered lesions, of the gate and of the mixed model against formulas, and the table of sizes."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.power import paired_power, sample_size
from PRRTUptakeLib.statistics.power_designs import (
    MixedDesign,
    clustered_sd_log,
    gate_power,
    mixed_power,
    sample_size_table,
)
from PRRTUptakeLib.study.protocol import RepeatabilityRules
from scipy import stats


@pytest.mark.parametrize("lesions", [1, 3, [1, 2, 4]])
def test_scatter_of_lobes_against_simulation(lesions):
    rng, numbers = np.random.default_rng(1), np.atleast_1d(lesions)
    found = []
    for n in range(9000):
        m = int(numbers[n % numbers.size])
        lobes = [rng.normal(0, 0.4, m).mean() for _ in range(2)]
        found.append(rng.normal(0.2, 0.3) + lobes[0] - lobes[1])
    assert clustered_sd_log(0.3, 0.4, lesions) == pytest.approx(np.std(found), rel=0.03)


def test_impossible_designs():
    with pytest.raises(StatisticsError, match="1 or more"):
        clustered_sd_log(0.3, 0.4, 0)
    scatter = {"sd_patient_log": 0.3, "sd_lobe_log": 0.2, "sd_residual_log": 0.1}
    with pytest.raises(StatisticsError, match="two patients"):
        mixed_power(MixedDesign(patients=1, lesions=1, ratio=1.2, **scatter))
    with pytest.raises(StatisticsError, match="above 0"):
        gate_power(0.0, 3.0, RepeatabilityRules())


@pytest.mark.parametrize("shared", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("ratio", [2.6, 3.0, 3.5])
def test_gate_against_the_normal_distribution(shared, ratio):
    """The geometric mean is exact; of one lesion all rules are the same; the mean of five is a little higher."""
    rules, sd = (
        RepeatabilityRules(within_subject_cv=0.1, correlation_between_lesions=shared),
        math.sqrt(2 * math.log1p(0.01)),
    )
    whole = sd * math.sqrt(shared + (1 - shared) / 5)
    exact = gate_power(ratio, 3.0, rules, 5, "geometric-mean")
    assert exact.passes == pytest.approx(stats.norm.sf(math.log(3 / ratio) / whole))
    assert exact.certain == pytest.approx(stats.norm.sf(math.log(3 / ratio) / whole + 1.959964), abs=1e-6)
    one = gate_power(ratio, 3.0, rules, 1)
    assert one.passes == pytest.approx(stats.norm.sf(math.log(3 / ratio) / sd), abs=0.006)
    five = gate_power(ratio, 3.0, rules, 5)
    assert five.passes == pytest.approx(exact.passes, abs=0.06)
    assert five.certain <= five.passes
    assert five.certain + five.refused <= 1


def test_gate_without_error_is_a_step():
    exact = RepeatabilityRules(within_subject_cv=0.0, correlation_between_lesions=0.0)
    assert [gate_power(r, 3.0, exact, 5).passes for r in (2.99, 3.0, 3.01)] == [0, 1, 1]
    assert [gate_power(r, 3.0, exact, 5, "geometric-mean").passes for r in (2.99, 3.0)] == [0, 1]


def test_mixed_model_of_balanced_trials_has_the_power_of_the_paired_test():
    design = MixedDesign(patients=15, lesions=2, ratio=1.25, sd_patient_log=0.4, sd_lobe_log=0.2, sd_residual_log=0.15)
    found = mixed_power(design, trials=150, seed=3)
    sd = math.sqrt(2 * (0.2**2 + 0.15**2 / 2))
    assert found.trials == 150
    assert found.power == pytest.approx(paired_power(sd, 15, 1.25), abs=3 * found.standard_error + 0.01)


@pytest.mark.slow
def test_mixed_model_keeps_its_level_with_missing_values():
    design = MixedDesign(
        patients=10,
        lesions=3,
        ratio=1.0,
        sd_patient_log=0.4,
        sd_lobe_log=0.2,
        sd_residual_log=0.2,
        cycles=2,
        missing=0.3,
    )
    found = mixed_power(design, trials=1000, seed=4)
    assert found.power == pytest.approx(0.05, abs=0.022)


def test_table_of_sizes():
    rows = list(csv.reader(io.StringIO(sample_size_table([0.3, 0.398], [1.17, 1.3], [0.8, 0.9]))))
    assert rows[0] == ["sd_log", "power", "ratio 1.17", "ratio 1.3"]
    assert len(rows) == 5
    for sd, power, *sizes in rows[1:]:
        for ratio, n in zip((1.17, 1.3), map(int, sizes), strict=True):
            assert n == sample_size(float(sd), ratio, float(power))
            assert paired_power(float(sd), n, ratio) >= float(power) > paired_power(float(sd), n - 1, ratio)


def test_command(capsys):
    assert main(["power", "--sd-log", "0.3", "--sd-lesion", "0.4", "--lesions", "3", "--ratio", "1.2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sd_log"] == pytest.approx(clustered_sd_log(0.3, 0.4, 3))
    assert answer["n"] == sample_size(answer["sd_log"], 1.2)
    assert main(["power", "--gate", "3.0", "--lesions", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passes"] == pytest.approx(0.5, abs=0.1)
    assert main(["power", "--sd-log", "0.398", "--table", "1.17", "1.3"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "0.398,0.8,53,21"
    with pytest.raises(SystemExit):
        main(["power", "--ratio", "1.2"])


def test_the_command_simulates_the_mixed_model(capsys):
    """With one lesion per lobe and nothing missing it is that of the paired t-test: 80 % at a ratio of 1.2555."""
    words = ["power", "--mixed", "300", "--n", "26", "--ratio", "1.2555", "--sd-log", "0.398", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] == 300
    assert found["power"] == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / 300))
    with pytest.raises(SystemExit) as ended:
        main(["power", "--mixed", "300", "--sd-log", "0.398"])
    assert ended.value.code == 2
    assert "--mixed needs --n and --ratio" in capsys.readouterr().err
