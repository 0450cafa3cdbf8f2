"""Errors of measurement in the endpoint: shared ones cancel, the others attenuate; against simulation and algebra."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import row
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.measurement_uncertainty import dependence, propagate_uncertainty, responder_attenuation
from PRRTUptakeLib.statistics.paired_values import lobe_pairs
from PRRTUptakeLib.study.protocol import load_protocol
from scipy import stats

LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))
DOSE = replace(QUICK, endpoint=replace(QUICK.endpoint, metric="dose"))


def dose_rows(own, lesions=3, patients=4, value=50.0, total=None):
    u = math.sqrt(0.05**2 + 0.05**2 + own**2) if total is None else total
    return [
        row(f"P{n}", lobe, f"{lobe[0].upper()}{k}", value, "dose", unit="Gy", uncertainty=value * u)
        for n in range(patients)
        for lobe in ("treated", "control")
        for k in range(lesions)
    ]


@pytest.mark.parametrize(("own", "lesions"), [(0.07, 3), (0.02, 1), (0.15, 2)])
def test_shared_errors_of_doses_cancel_in_the_ratio(own, lesions):
    pairs = lobe_pairs(dose_rows(own, lesions), DOSE)
    assert pairs.u_log == pytest.approx(np.full(4, own * math.sqrt(2 / lesions)), rel=1e-6)
    assert "calibration and S-value" in pairs.notes[-1]


def test_an_uncertainty_without_the_shared_part_is_all_its_own():
    pairs = lobe_pairs(dose_rows(0.0, 1, total=0.06), DOSE)
    assert pairs.u_log == pytest.approx(np.full(4, 0.06 * math.sqrt(2)))
    assert not pairs.notes


def test_simulated_doses_scatter_as_stated():
    """Calibration, S-value and own errors are drawn; the ratio of the lobes scatters by the propagated uncertainty."""
    rng = np.random.default_rng(1)
    shared = np.exp(rng.normal(0, 0.05, (20000, 1)) + rng.normal(0, 0.05, (20000, 1)))
    lesions = 50 * shared * np.exp(rng.normal(0, 0.07, (20000, 6)))
    ratio = np.log(lesions[:, :3]).mean(axis=1) - np.log(lesions[:, 3:]).mean(axis=1)
    assert lobe_pairs(dose_rows(0.07), DOSE).u_log[0] == pytest.approx(ratio.std(), rel=0.02)


def test_reliability_is_what_a_second_measurement_repeats():
    rng = np.random.default_rng(2)
    truth, u = rng.normal(0.15, 0.3, 3000), 0.2
    first, second = truth + rng.normal(0, u, 3000), truth + rng.normal(0, u, 3000)
    found = propagate_uncertainty(first, np.full(3000, u))
    assert found.reliability == pytest.approx(np.corrcoef(first, second)[0, 1], abs=0.04)
    assert found.reliability + found.share_of_variance == pytest.approx(1)


@pytest.mark.parametrize("threshold", [1.0, 1.5])
def test_responders_are_attenuated_towards_one_half(threshold):
    rng = np.random.default_rng(3)
    truth = rng.normal(0.25, 0.25, 4000)
    measured = truth + rng.normal(0, 0.3, 4000)
    found = responder_attenuation(measured, np.full(4000, 0.3), threshold, samples=300)
    limit = math.log(threshold)
    assert found.true == pytest.approx(np.mean(truth > limit), abs=0.02)
    assert found.measured == pytest.approx(np.mean(measured > limit), abs=1e-12)
    assert found.expected_measured == pytest.approx(found.measured, abs=0.02)
    assert abs(found.true - 0.5) > abs(found.measured - 0.5)
    assert found.true_ci[0] < found.true < found.true_ci[1]


def test_misjudged_patients_are_those_that_errors_move_over_the_line():
    """One patient at a time: the chance that an error of this size reaches the threshold."""
    found = responder_attenuation(np.array([0.1, -0.3, 0.5]), np.array([0.1, 0.2, 0.25]), 1.0, samples=10)
    assert found.misjudged == pytest.approx(stats.norm.sf(1) + stats.norm.sf(1.5) + stats.norm.sf(2))


def test_slope_is_corrected_for_the_error_of_the_control():
    rng = np.random.default_rng(4)
    truth = rng.normal(2.7, 0.4, 3000)
    control = truth + rng.normal(0, 0.3, 3000)
    treated = 0.15 + truth + rng.normal(0, 0.2, 3000)
    found = dependence(np.exp(treated), np.exp(control), np.full(3000, 0.3))
    assert found.slope == pytest.approx(stats.linregress(control, treated).slope)
    assert found.slope == pytest.approx(0.16 / 0.25, abs=0.04)
    assert found.corrected == pytest.approx(1.0, abs=0.06)
    assert found.corrected_ci[0] < 1 < found.corrected_ci[1]
    assert dependence(np.ones(3), np.ones(3), np.zeros(3)) is None


@pytest.mark.slow
def test_intervals_hold_in_trials_of_27():
    """1,000 trials: the true share of responders, the true slope and the true ratio, each in 95 of 100."""
    rng, hits = np.random.default_rng(5), np.zeros(3)
    for _ in range(1000):
        truth = rng.normal(2.7, 0.4, 27)
        ratio = rng.normal(0.2, 0.25, 27)
        u = rng.uniform(0.05, 0.25, 27)
        control, treated = truth + u * rng.normal(size=27), truth + ratio + u * rng.normal(size=27)
        u_ratio = u * math.sqrt(2)
        share = responder_attenuation(treated - control, u_ratio, 1.0, samples=2000, seed=1)
        slope = dependence(np.exp(treated), np.exp(control), u)
        propagated = propagate_uncertainty(treated - control, u_ratio)
        hits += [
            share.true_ci[0] <= stats.norm.cdf(0.2 / 0.25) <= share.true_ci[1],
            slope.corrected_ci[0] <= 1 <= slope.corrected_ci[1],
            propagated.gmr_ci[0] <= math.exp(0.2) <= propagated.gmr_ci[1],
        ]
    assert (np.abs(hits / 1000 - 0.95) < 0.03).all(), hits


def test_the_endpoint_says_all_of_it():
    rng = np.random.default_rng(6)
    rows = []
    for n in range(12):
        level = rng.normal(2.7, 0.4)
        for lobe, shift in (("treated", 0.2), ("control", 0.0)):
            value = float(np.exp(level + shift + rng.normal(0, 0.2)))
            rows.append(row(f"P{n:02d}", lobe, f"{lobe[0]}1", value, uncertainty=0.1 * value))
    found = evaluate(rows, QUICK).as_dict()["measurement_uncertainty"]
    assert found["u_log_median"] == pytest.approx(0.1 * math.sqrt(2))
    assert 0 <= found["reliability"] <= 1
    assert found["responders"]["measured"] == evaluate(rows, QUICK).comparison.responders_fraction
    assert found["dependence"]["reliability"] < 1
