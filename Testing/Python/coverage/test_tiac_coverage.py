"""Coverage of the 95 % interval of ``prrt tiac``: 21 scenarios, 500 seeded curves each; table in Docs/physics.md.

Where points and noise decide, 93 to 98 % of the intervals hold the truth, at most 1.6 times as wide as those of the
right model known beforehand. Where they cannot decide, the priors do; these scenarios are named below.
"""

from __future__ import annotations

import math

import pytest
from PRRTDosimetryLib.kinetics.coverage import SCENARIOS, Scenario, coverage, held_where_truth_is_as_assumed
from PRRTUptakeLib.nuclides.radionuclides import nuclide

LU177 = nuclide("Lu-177")
CURVES, SEED = 500, 1

# The noise is not stated, 2 % and not the assumed 5 %, and at most one or two points more than parameters show it.
SMALLER_NOISE = {one.name for one in SCENARIOS if one.given == "nothing" and one.noise == 0.02}
# Two images: an early fast phase is possible and cannot be seen.
TWO_IMAGES = {one.name for one in SCENARIOS if len(one.time_h) == 2 and one.terms[0][1] < 150}
# The first image at 24 h: an uptake half-life of 3 h lowers the integral by 5 %, without a trace in the images.
UNSEEN_UPTAKE = {one.name for one in SCENARIOS if one.time_h[0] == 24 and (-100.0, 3.0) in one.terms}


def test_there_are_enough_scenarios_of_every_kind():
    assert len(SCENARIOS) >= 12
    assert {one.model for one in SCENARIOS} == {"mono", "uptake-clearance", "bi"}
    assert {len(one.time_h) for one in SCENARIOS} == {2, 3, 4, 5}
    assert {one.noise for one in SCENARIOS} == {0.02, 0.05}
    assert {one.given for one in SCENARIOS} == {"sigma", "relative", "nothing"}
    half_lives = [one.terms[0][1] for one in SCENARIOS]
    assert (min(half_lives), max(half_lives)) == (40, 155)


@pytest.mark.parametrize("name", sorted(SMALLER_NOISE | TWO_IMAGES | UNSEEN_UPTAKE))
def test_exceptions_are_scenarios(name):
    assert name in {one.name for one in SCENARIOS}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_interval_holds_the_truth(scenario):
    found = coverage(scenario, LU177, CURVES, SEED)
    print(f"{scenario.name}: {found}")
    deviation = math.sqrt(0.95 * 0.05 / CURVES)  # 0.0097
    ordinary = scenario.name not in SMALLER_NOISE | TWO_IMAGES | UNSEEN_UPTAKE
    if scenario.name in UNSEEN_UPTAKE - TWO_IMAGES:
        assert 0.87 <= found.held <= 0.95
    else:
        assert found.held >= 0.93 - deviation
    if ordinary:
        assert found.held <= 0.98 + deviation
        assert found.width_ratio <= 1.6
    assert abs(found.bias) <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds_say_the_same(seed):
    ordinary = [one for one in SCENARIOS if one.name not in SMALLER_NOISE | TWO_IMAGES | UNSEEN_UPTAKE]
    held = [coverage(one, LU177, CURVES, seed, compare=False).held for one in ordinary]
    assert 0.945 <= sum(held) / len(held) <= 0.975
    assert min(held) >= 0.92
    assert max(held) <= 0.99


@pytest.mark.parametrize(
    ("time_h", "noise"),
    [
        ((24.0, 96.0), 0.02),
        ((24.0, 96.0), 0.05),
        ((24.0, 72.0, 168.0), 0.05),
        ((4.0, 24.0, 72.0, 168.0), 0.02),
        ((4.0, 24.0, 72.0, 168.0), None),
    ],
)
def test_regions_as_they_are_assumed_to_be_are_held_in_95_of_100(time_h, noise):
    """Too wide for one truth and too narrow for another, but right over all that the points do not distinguish."""
    held = held_where_truth_is_as_assumed(LU177, time_h, noise, count=250, seed=3)
    expected = 0.95 if noise is not None else 0.92  # unstated: models are refused by the assumed 5 %
    assert held == pytest.approx(expected, abs=0.042)  # three standard deviations


def test_all_that_two_images_do_not_distinguish_is_in_the_interval():
    """One course from 24 h on, and 15 % between the integrals: none of these is held in less than 97 of 100."""
    truths = [((100.0, 60.0),), ((100.0, 60.0), (-100.0, 3.0)), ((100.0, 60.0), (50.0, 6.0))]
    for model, terms in zip(("mono", "uptake-clearance", "bi"), truths, strict=True):
        assert coverage(Scenario(model, terms, (24.0, 96.0), 0.02, "sigma"), LU177, 60, 5, compare=False).held >= 0.97


def test_a_few_curves_hold_the_truth_too():
    """A fast look: 60 curves each in six scenarios, at least 51 of them (nominal 57, three standard deviations)."""
    for scenario in SCENARIOS[::4]:
        assert coverage(scenario, LU177, 60, 4, compare=False).held >= 51 / 60
