"""Simulated populations of 10, 30 and 100 patients: estimates near the truth, intervals hold it, outliers are named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
from PRRTDosimetryLib.population.courses import KINETICS, log_rate
from PRRTDosimetryLib.population.fitting import fit_kind
from PRRTDosimetryLib.population.hierarchy import Group, Layout
from PRRTDosimetryLib.population.outside import SIGNIFICANCE
from PRRTDosimetryLib.population.posterior import chance_of_all, posterior
from PRRTUptakeLib.nuclides.radionuclides import nuclide

pytestmark = pytest.mark.slow

LU = nuclide("Lu-177")
PHYSICAL = LU.decay_constant_per_h
HOURS = (4.0, 24.0, 72.0, 168.0)
# A population that is narrower than +-20 % in its half-life of 100 h: +-7 %.
TYPICAL = np.array([math.log(0.01), log_rate(1 / (1 / 100.0 - 1 / LU.half_life_h)), log_rate(2.0)])
BETWEEN, WITHIN, NOISE = np.array([0.4, 0.16, 0.3]), np.array([0.1, 0.1, 0.15]), 0.02
COURSE = KINETICS["uptake-clearance"]
TOTAL = np.hypot(BETWEEN, WITHIN)


def simulated(rng, patients: int, hours=HOURS, curves: int = 2, patient_level=None, own=False):
    """Curves of patients as arrays, and true ln TIA; ``patient_level`` is in standard deviations of single curves.

    With ``own`` it is in those between patients, and curves differ within patients.
    """
    level = rng.standard_normal((patients, 1, 3)) if patient_level is None else patient_level
    each = rng.standard_normal((patients, curves, 3))
    theta = TYPICAL + (BETWEEN * level + WITHIN * each if own or patient_level is None else TOTAL * level)
    time = np.broadcast_to(np.array(hours), (patients, curves, len(hours))).copy()
    logs = COURSE.log_activity(theta, time, PHYSICAL) + NOISE * rng.standard_normal(time.shape)
    same = np.broadcast_to(np.eye(curves), (patients, curves, curves)).copy()
    none = np.zeros((patients, curves, 0))
    group = Group(time, logs, np.zeros_like(logs), np.ones(logs.shape, dtype=bool), same, none, tuple(range(patients)))
    return group, COURSE.log_tia(theta, PHYSICAL)


@pytest.fixture(scope="module")
def populations():
    """By number of patients: populations that were estimated from as many simulated patients."""
    counts = {10: 8, 30: 4, 100: 3}
    found = {}
    for patients, repeats in counts.items():
        groups = [simulated(np.random.default_rng([patients, n]), patients)[0] for n in range(repeats)]
        layout = Layout(3, 0, patients >= 15, True, False)
        found[patients] = [fit_kind(COURSE, [group], layout, PHYSICAL) for group in groups]
    return found


def test_estimates_of_100_patients_are_within_10_percent(populations):
    """Medians in each population; standard deviations, whose own sampling error is 7 %, in the mean of three."""
    for model in populations[100]:
        assert np.exp(np.abs(model.typical - TYPICAL)).max() < 1.10
        assert model.checks.converged
    between = np.mean([np.sqrt(np.diag(model.between)) for model in populations[100]], axis=0)
    assert between == pytest.approx(BETWEEN, rel=0.10)
    within = np.mean([model.within for model in populations[100]], axis=0)
    assert within == pytest.approx(WITHIN, rel=0.10)
    assert np.mean([model.noise for model in populations[100]]) == pytest.approx(NOISE, rel=0.10)


@pytest.mark.parametrize("patients", [10, 30, 100])
def test_intervals_from_one_image_hold_the_truth_and_are_narrow(populations, patients):
    """One image at 72 h: 93 to 98 %, at most half as wide as by the same half-life with +-20 %."""
    holds, widths = [], []
    for n, model in enumerate(populations[patients]):
        group, truth = simulated(
            np.random.default_rng([7, patients, n]), 1200 // len(populations[patients]), (72.0,), 1
        )
        low, high = posterior(model, group, PHYSICAL).quantiles(np.array([0.025, 0.975])).T
        holds.append((low <= truth[:, 0]) & (truth[:, 0] <= high))
        widths.append(high - low)
    coverage = float(np.concatenate(holds).mean())
    assert 0.93 <= coverage <= 0.98
    point = Curve("L1", (72.0,), (10.0,), (10.0 * NOISE,))
    low, high = single_time_point(point, LU, 100.0, 20.0).interval_MBq_h()
    assert np.concatenate(widths).mean() <= 0.5 * math.log(high / low)


@pytest.mark.parametrize(("parameter", "hours"), [(0, (72.0,)), (1, (24.0, 72.0, 168.0))])
def test_patients_at_three_standard_deviations_are_named(populations, parameter, hours):
    """In amplitude by one image, in clearance by three, everything else as it comes: 80 %, both sides together.

    Slow clearances are blurred most by the images, and three standard deviations are fewer where the estimate of the
    population's spread is too large: 60 % at least. Of the population's own patients 5 % are named.
    """
    rng = np.random.default_rng(9)
    level = rng.standard_normal((200, 1, 3))
    level[:, :, parameter] = np.where(np.arange(200) % 2, 3.0, -3.0)[:, None]
    outliers, _ = simulated(rng, 200, hours, 1, level)
    usual, _ = simulated(rng, 600, hours, 1)
    for patients in (30, 100):
        named = np.mean([posterior(model, outliers, PHYSICAL).outside for model in populations[patients]], axis=0)
        false = np.mean([posterior(model, usual, PHYSICAL).outside.mean() for model in populations[patients]])
        assert named.mean() >= 0.80
        assert named[::2].mean() >= 0.60
        assert 0.03 <= false <= 0.075


@pytest.mark.parametrize("side", [-3.0, 3.0])
def test_a_patient_at_three_standard_deviations_is_named_by_both_kidneys_together(populations, side):
    """In clearance by three images, where each kidney is the other's prior and hides it."""
    rng = np.random.default_rng(10)
    hours = (24.0, 72.0, 168.0)
    level = rng.standard_normal((60, 1, 3))
    level[:, :, 1] = side
    outliers, usual = (simulated(rng, 60, hours, 2, patient_level=x, own=True)[0] for x in (level, None))
    named = np.mean([chance_of_all(m, outliers, PHYSICAL) < SIGNIFICANCE for m in populations[100]])
    false = np.mean([chance_of_all(m, usual, PHYSICAL) < SIGNIFICANCE for m in populations[100]])
    assert named >= 0.80
    assert false <= 0.10
