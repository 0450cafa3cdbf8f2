"""The mixed model at its optimum, at zero variances too: lme4's numbers, brute force, and the paired t-test."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.trial_tables import row
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.mixed import fit_mixed_model
from PRRTUptakeLib.statistics.reml import NestedData, fit_nested, profile_interval, satterthwaite
from PRRTUptakeLib.study.protocol import load_protocol

REFERENCE = json.loads((Path(__file__).parent / "lme4_reference.json").read_text(encoding="utf-8"))["sets"]
LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))


def arrays(rows):
    values = np.log([one[4] for one in rows])
    patients, lobes = np.array([one[0] for one in rows]), np.array([one[2] for one in rows])
    cycles = np.array([one[1] for one in rows])
    design = [np.ones(len(rows)), lobes == "treated", *(cycles == cycle for cycle in sorted(set(cycles))[1:])]
    return values, np.column_stack(design).astype(float), patients, lobes


def nested(rows):
    values, design, patients, lobes = arrays(rows)
    return NestedData(values, design, patients, lobes, max(Counter(zip(patients, lobes, strict=True)).values()) > 1)


def dense_deviance(rows, sd, residual):
    """REML criterion from the covariance matrix itself, by the textbook."""
    values, design, patients, lobes = arrays(rows)
    same = (patients[:, None] == patients).astype(float)
    v = residual**2 * np.eye(len(values)) + sd[0] ** 2 * same + sd[1] ** 2 * same * (lobes[:, None] == lobes)
    inverse = np.linalg.inv(v)
    cross = design.T @ inverse @ design
    beta = np.linalg.solve(cross, design.T @ inverse @ values)
    rest = values - design @ beta
    free = len(values) - design.shape[1]
    return np.linalg.slogdet(v)[1] + np.linalg.slogdet(cross)[1] + rest @ inverse @ rest + free * np.log(2 * np.pi)


@pytest.mark.parametrize("name", REFERENCE)
def test_ten_data_sets_of_lme4(name):
    rows, lme4 = REFERENCE[name]["rows"], REFERENCE[name]["lme4"]
    data = nested(rows)
    fit = fit_nested(data)
    assert fit.converged
    assert fit.deviance == pytest.approx(lme4["reml_deviance"], abs=1e-6)
    assert fit.coefficients[1] == pytest.approx(lme4["effect"], abs=1e-7)
    assert fit.covariance[1, 1] ** 0.5 == pytest.approx(lme4["error"], abs=1e-6)
    found = (fit.sd_outer, fit.sd_inner, fit.sd_residual)
    assert found == pytest.approx((lme4["sd_patient"], lme4["sd_lobe"], lme4["sd_residual"]), abs=1e-5)
    assert satterthwaite(data, fit, 1) == pytest.approx(lme4["satterthwaite"], rel=1e-4)
    if "profile_95" in lme4:
        assert profile_interval(data, 1, 3.8414588) == pytest.approx(lme4["profile_95"], abs=1e-3)
    assert dense_deviance(rows, found[:2], found[2]) == pytest.approx(fit.deviance, abs=1e-8)


def test_profile_where_lme4_interpolates_badly():
    """confint() of lme4 1.1-31 ends too early for this set, as its own refits at these effects show."""
    rises = REFERENCE["small, four patients"]["lme4"]["profile_rise_at"]
    data = nested(REFERENCE["small, four patients"]["rows"])
    ends = sorted(float(effect) for effect in rises)
    assert profile_interval(data, 1, rises["0.07662"])[0] == pytest.approx(ends[0], abs=1e-4)
    assert profile_interval(data, 1, rises["0.103347"])[0] == pytest.approx(ends[1], abs=1e-4)
    assert profile_interval(data, 1, rises["0.535334"])[1] == pytest.approx(ends[2], abs=1e-4)
    assert profile_interval(data, 1, rises["0.55596"])[1] == pytest.approx(ends[3], abs=1e-4)


def unbalanced(seed, patients, sd=(0.3, 0.0, 0.25)):
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(patients):
        level = np.log(9) + rng.normal(0, sd[0])
        for lobe, effect in (("treated", 0.25), ("control", 0.0)):
            mean = level + effect + rng.normal(0, sd[1])
            for lesion in range(rng.integers(1, 4)):
                for cycle in (1, 2):
                    if (lesion == 0 and cycle == 1) or rng.random() < 0.7:
                        value = float(np.exp(mean - 0.1 * cycle + rng.normal(0, sd[2])))
                        rows.append([f"P{n}", cycle, lobe, f"{lobe[0]}{lesion}", value])
    return rows


@pytest.mark.parametrize("seed", range(40))
def test_no_place_is_better_than_the_optimum(seed):
    """Small unbalanced trials at the boundary: random places and a local search find nothing lower."""
    rows = unbalanced(seed, 4 + seed % 5)
    fit = fit_nested(nested(rows))
    assert fit.converged
    rng = np.random.default_rng(seed)
    best = (fit.sd_outer, fit.sd_inner, fit.sd_residual)
    for width in (0.3, 0.03, 0.003):
        for _ in range(60):
            sd = np.abs(np.array(best) + width * rng.normal(size=3))
            assert dense_deviance(rows, sd[:2] * (rng.random(2) > 0.2), max(sd[2], 1e-3)) > fit.deviance - 1e-8


def measurements(rows):
    return [row(patient, lobe, lesion, value, cycle=cycle) for patient, cycle, lobe, lesion, value in rows]


def test_statsmodels_agrees_inside():
    mixed_lm = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    rows = unbalanced(3, 30, (0.4, 0.3, 0.2))
    values, design, patients, lobes = arrays(rows)
    members = [patients == one for one in sorted(set(patients))]
    parts = [np.column_stack([lobes[m] == kind for kind in ("control", "treated")]).astype(float) for m in members]
    spec = mixed_lm.VCSpec(["lobe"], [[["control", "treated"]] * len(members)], [parts])
    order = np.concatenate([np.flatnonzero(m) for m in members])
    model = mixed_lm.MixedLM(values[order], design[order], patients[order], np.ones((len(order), 1)), exog_vc=spec)
    other = model.fit(reml=True)
    ours = fit_mixed_model(measurements(rows), QUICK)
    assert ours.gmr == pytest.approx(np.exp(other.fe_params[1]), rel=1e-4)
    assert ours.sd_lobe_log == pytest.approx(other.vcomp[0] ** 0.5, rel=1e-2)
    assert ours.degrees < 29.01


@pytest.mark.parametrize("seed", range(6))
def test_balanced_data_give_the_paired_t_test_where_lobes_do_not_scatter(seed):
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(7):
        level = rng.normal(2, 0.3)
        for lobe, effect in (("treated", 0.2), ("control", 0.0)):
            for lesion in range(3):
                value = float(np.exp(level + effect + rng.normal(0, 0.3)))
                rows.append([f"P{n}", 1, lobe, f"{lobe[0]}{lesion}", value])
    table = measurements(rows)
    paired, mixed = evaluate(table, QUICK).comparison, fit_mixed_model(table, QUICK)
    assert mixed.inference == "paired t"
    assert (mixed.gmr, mixed.p) == pytest.approx((paired.gmr, paired.p_log), rel=1e-9)
    assert mixed.gmr_ci == pytest.approx(paired.gmr_ci, rel=1e-9)


def test_at_zero_the_interval_keeps_the_patients_degrees():
    rows = REFERENCE["small, five patients"]["rows"]
    fit = fit_mixed_model(measurements(rows), QUICK)
    assert fit.at_zero == ("between lobes",)
    assert fit.degrees == 4
    assert fit.satterthwaite_degrees == pytest.approx(14.7228, abs=1e-3)
    lme4 = REFERENCE["small, five patients"]["lme4"]
    assert np.log(fit.gmr_ci) == pytest.approx(lme4["effect"] + 2.776445 * lme4["error"] * np.array([-1, 1]), abs=1e-5)
    assert fit.gmr_ci_profile[0] < fit.gmr < fit.gmr_ci_profile[1]


def test_values_without_residual_are_refused():
    rows = [["P0", 1, "treated", "t", 4.0], ["P0", 1, "control", "c", 2.0], ["P1", 1, "treated", "t", 6.0]]
    rows.append(["P1", 1, "control", "c", 3.0])
    with pytest.raises(StatisticsError, match="no scatter left"):
        fit_mixed_model(measurements(rows), QUICK)
    lonely = [["P0", 1, "treated", "t", 4.0], ["P0", 2, "control", "c", 2.0], ["P1", 1, "treated", "t", 6.0]]
    lonely.append(["P1", 2, "control", "c", 3.5])
    with pytest.raises(StatisticsError, match="do not determine"):
        fit_mixed_model(measurements(lonely), QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("sd_lobe", [0.0, 0.1, 0.25])
def test_coverage_of_small_unbalanced_trials(sd_lobe):
    """200 trials of six patients: both intervals hold the true ratio, at the boundary and off it (600: above 0.93)."""
    hits = np.zeros(2)
    for seed in range(200):
        fit = fit_mixed_model(measurements(unbalanced(1000 + seed, 6, (0.3, sd_lobe, 0.25))), QUICK)
        for n, (low, high) in enumerate((fit.gmr_ci, fit.gmr_ci_profile)):
            hits[n] += low <= np.exp(0.25) <= high
    assert (hits / 200 > 0.92).all()
