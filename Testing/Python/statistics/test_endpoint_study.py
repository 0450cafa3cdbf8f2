"""Simulated LUTIA trials: the interval covers as it says, power is as computed, and no effect is rarely found.

And one cohort of synthetic patients from DICOM to the endpoint.
"""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import simulate_trial
from PRRTDosimetryLib.commands import RUN_CASE
from PRRTUptakeLib.export.cohort_output import Machines, make_cohort
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.power import paired_power
from PRRTUptakeLib.study.cohort.analysis import Options
from PRRTUptakeLib.study.measurements import read_csv
from PRRTUptakeLib.study.protocol import load_protocol
from scipy import stats

LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))
PATIENTS, GMR, SD_LOG = 27, 1.17, 0.398


def study(trials, gmr, seed):
    """Comparisons of simulated trials, each of its own seed."""
    seeds = np.random.SeedSequence(seed).spawn(trials)
    return [evaluate(simulate_trial(one, PATIENTS, gmr, SD_LOG), QUICK).comparison for one in seeds]


@pytest.mark.slow
def test_a_thousand_trials_with_the_effect_of_lutia():
    found = study(1000, GMR, 1)
    covered = np.mean([one.gmr_ci[0] <= GMR <= one.gmr_ci[1] for one in found])
    assert covered == pytest.approx(0.95, abs=0.015)
    significant = np.mean([one.p_log < 0.05 for one in found])
    power = paired_power(SD_LOG, PATIENTS, GMR)
    assert significant == pytest.approx(power, abs=3 * math.sqrt(power * (1 - power) / 1000))
    assert math.exp(np.mean([math.log(one.gmr) for one in found])) == pytest.approx(GMR, rel=0.01)
    assert np.mean([one.sd_log**2 for one in found]) == pytest.approx(SD_LOG**2, rel=0.03)
    exact = np.array([one.responders_ci for one in found])
    truth = stats.norm.cdf(math.log(GMR) / SD_LOG)
    assert np.mean((exact[:, 0] <= truth) & (truth <= exact[:, 1])) >= 0.935  # 95 % or more, less chance


@pytest.mark.slow
def test_a_thousand_trials_without_an_effect():
    found = study(1000, 1.0, 2)
    for p in ("p_log", "p_raw", "p_wilcoxon"):
        assert np.mean([getattr(one, p) < 0.05 for one in found]) == pytest.approx(0.05, abs=0.015), p


def test_sixty_trials_with_the_effect_of_lutia():
    found = study(60, GMR, 3)
    covered = sum(one.gmr_ci[0] <= GMR <= one.gmr_ci[1] for one in found)
    assert 52 <= covered <= 60  # fewer than 52 has a probability of 0.4 % if the interval is right
    assert math.exp(np.mean([math.log(one.gmr) for one in found])) == pytest.approx(GMR, rel=0.04)


@pytest.mark.slow
def test_four_patients_from_dicom_to_the_endpoint(tmp_path):
    from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia

    for seed in range(1, 5):
        write_synthetic_lutia(tmp_path / "cases" / f"P{seed}", seed=seed)
    out = tmp_path / "out"
    made = make_cohort(tmp_path / "cases", out, RUN_CASE, Options(""), Machines(2))
    assert [outcome.reason for outcome in made.outcomes] == [""] * 4
    rows = read_csv(out / "measurements.csv")
    # Each patient's own pipeline formed the ratio of its lobes too, by other code.
    own = {row.patient: row.value for row in rows if row.metric == "treated_control_ratio"}
    with (out / "patients.csv").open() as stream:
        ratios = {row["patient"]: float(row["ratio"]) for row in csv.DictReader(stream)}
    assert ratios == pytest.approx(own)
    assert len(ratios) == 4
    gmr = made.result.analysis.endpoint.comparison.gmr
    assert gmr == pytest.approx(stats.gmean(list(own.values())))
    again = make_cohort(tmp_path / "cases", out, RUN_CASE, Options(""), Machines(2))
    assert all(outcome.reused for outcome in again.outcomes)
