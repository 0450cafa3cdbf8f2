"""The mixed model reproduces the paired t-test on balanced data, and finds what was put into unbalanced ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.trial_tables import row, unblinded_rows
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.mixed import fit_mixed_model
from PRRTUptakeLib.study.protocol import load_protocol

LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))


def nested_trial(seed, patients, lesions, cycles=(0.0,), gmr=1.2, sd=(0.4, 0.25, 0.15)):
    """Patient, lobe-in-patient and lesion scatter; ``lesions(random)`` gives their number per lobe."""
    random = np.random.default_rng(seed)
    rows = []
    for n in range(patients):
        level = np.log(15) + random.normal(0, sd[0])
        for lobe, effect in (("treated", np.log(gmr)), ("control", 0.0)):
            mean = level + effect + random.normal(0, sd[1])
            for k in range(lesions(random)):
                for cycle, shift in enumerate(cycles, start=1):
                    value = np.exp(mean + shift + random.normal(0, sd[2]))
                    rows.append(row(f"P{n:03d}", lobe, f"{lobe}{k}", value, cycle=cycle))
    return rows


@pytest.mark.parametrize(("seed", "lesions"), [(0, 1), (1, 2), (2, 3)])
def test_balanced_data_reproduce_the_paired_t_test(seed, lesions):
    rows = nested_trial(seed, 20, lambda random: lesions)
    paired, mixed = evaluate(rows, QUICK).comparison, fit_mixed_model(rows, QUICK)
    assert mixed.converged
    assert mixed.gmr == pytest.approx(paired.gmr, rel=1e-9)
    assert mixed.gmr_ci == pytest.approx(paired.gmr_ci, rel=1e-9)
    assert mixed.p == pytest.approx(paired.p_log, rel=1e-9)
    assert mixed.satterthwaite_degrees == pytest.approx(19, abs=1e-3)
    assert mixed.gmr_ci_profile == pytest.approx(paired.gmr_ci, rel=1e-3)


def test_unbalanced_cycles_give_back_what_was_put_in():
    rows = nested_trial(3, 150, lambda random: random.integers(1, 4), (0.0, -0.2, -0.3))
    mixed = fit_mixed_model(rows, QUICK)
    assert mixed.gmr == pytest.approx(1.2, rel=0.08)
    assert mixed.cycle_ratios["2"] == pytest.approx(np.exp(-0.2), rel=0.03)
    assert mixed.cycle_ratios["3"] == pytest.approx(np.exp(-0.3), rel=0.03)
    assert (mixed.sd_patient_log, mixed.sd_lobe_log, mixed.sd_residual_log) == pytest.approx((0.4, 0.25, 0.15), rel=0.2)


def test_swapping_the_lobes_inverts_the_ratio():
    names = {"treated": "left", "control": "right"}
    rows = [replace(one, lobe=names[one.lobe]) for one in nested_trial(4, 12, lambda random: 2)]
    patients = {one.patient for one in rows}
    left = fit_mixed_model(rows, QUICK, dict.fromkeys(patients, "left"))
    right = fit_mixed_model(rows, QUICK, dict.fromkeys(patients, "right"))
    assert left.gmr * right.gmr == pytest.approx(1)
    assert left.p == pytest.approx(right.p, rel=1e-4)


def test_too_little_data():
    with pytest.raises(StatisticsError, match="1 patient"):
        fit_mixed_model(unblinded_rows()[:2], QUICK)


def test_an_endpoint_does_not_hang_on_a_mixed_model_that_cannot_be_fitted():
    rows = [
        row(f"P{n}", lobe, "L1", (2.0 if lobe == "treated" else 1.0) * (3 + n), "tn_ratio")
        for n in range(4)
        for lobe in ("treated", "control")
    ]
    found = evaluate(rows, QUICK, mixed=True)
    assert found.comparison.gmr == pytest.approx(2)
    assert found.mixed is None
    assert any("There is no mixed model. " in note and "no residual" in note for note in found.notes)
