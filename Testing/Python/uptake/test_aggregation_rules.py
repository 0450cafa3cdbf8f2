"""The rules that make one value of several lesions: every rule against simulation, one implementation for all users."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PRRTUptakeLib.uptake.aggregation import aggregate, aggregate_draws, aggregate_lesions
from PRRTUptakeLib.uptake.errors import AggregationError
from PRRTUptakeLib.uptake.ratios import Estimate
from PRRTUptakeLib.vocabulary import AGGREGATIONS

values = st.lists(st.floats(0.01, 1000.0), min_size=1, max_size=7)


def test_the_rule_decides_the_patients_value():
    lesions = dict(zip("ABCDE", [1.2, 1.5, 2.0, 3.0, 9.0], strict=True))
    assert aggregate_lesions(lesions, "arithmetic-mean").value == pytest.approx(3.34)
    assert aggregate_lesions(lesions, "geometric-mean").value == pytest.approx(2.50, abs=0.005)
    assert aggregate_lesions(lesions, "median").value == 2.0
    volumes = dict(zip("ABCDE", [1.0, 1.0, 1.0, 1.0, 4.0], strict=True))
    assert aggregate_lesions(lesions, "volume-weighted-mean", volumes).value == pytest.approx(43.7 / 8.0)


@pytest.mark.parametrize("rule", AGGREGATIONS)
def test_uncertainties_agree_with_simulation(rule):
    """The median's lesions are far apart here, so that the middle one stays in the middle."""
    truth, u = np.array([5.0, 12.0, 30.0]), np.array([0.2, 0.5, 0.6])
    volumes = [1.0, 2.0, 5.0]
    drawn = aggregate_draws(np.random.default_rng(8).normal(truth, u, (200_000, 3)), rule, volumes)
    lesions = {name: Estimate(x, s) for name, x, s in zip("ABC", truth, u, strict=True)}
    found = aggregate_lesions(lesions, rule, dict(zip("ABC", volumes, strict=True)))
    assert found.value == pytest.approx(drawn.mean(), rel=2e-3)
    assert found.uncertainty == pytest.approx(drawn.std(), rel=0.02)


@settings(deadline=None, max_examples=60)
@given(values, st.sampled_from(sorted(AGGREGATIONS)))
def test_one_row_lesions_by_name_and_many_draws_agree(lesions, rule):
    volumes = [1.0 + n for n in range(len(lesions))]
    one = aggregate(lesions, rule, None, volumes)[0]
    names = [f"L{n}" for n in range(len(lesions))]
    named = dict(zip(names, lesions, strict=True))
    assert aggregate_lesions(named, rule, dict(zip(names, volumes, strict=True))).value == one
    rows = aggregate_draws(np.array([lesions, lesions]), rule, volumes)
    np.testing.assert_allclose(rows, [one, one], rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(values, st.sampled_from(("geometric-mean", "arithmetic-mean", "median")))
def test_measuring_every_lesion_twice_changes_no_digit(lesions, rule):
    assert aggregate([*lesions, *lesions], rule)[0] == aggregate(lesions, rule)[0]


def test_what_is_not_known_stays_unknown():
    assert math.isnan(aggregate_lesions({"L1": 3.0, "L2": Estimate(2.0, 0.1)}, "geometric-mean").uncertainty)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_values_that_allow_no_average_are_errors_that_name_the_lesion(bad):
    with pytest.raises(AggregationError, match="Lesion 'L9'"):
        aggregate_lesions({"L1": 2.0, "L9": bad}, "geometric-mean")


def test_averages_that_cannot_be_formed():
    with pytest.raises(AggregationError, match="no lesion"):
        aggregate_lesions({}, "median")
    with pytest.raises(AggregationError, match="'mode' is not one of geometric-mean, arithmetic-mean"):
        aggregate_lesions({"L1": 1.0}, "mode")
    with pytest.raises(AggregationError, match="Lesion 'L2' has no volume"):
        aggregate_lesions({"L1": 1.0, "L2": 2.0}, "volume-weighted-mean", {"L1": 3.0})
    with pytest.raises(AggregationError, match="the uncertainty is -1"):
        aggregate_lesions({"L1": Estimate(1.0, -1.0)}, "median")
    with pytest.raises(AggregationError, match="a positive volume for each lesion"):
        aggregate_draws(np.ones((2, 2)), "volume-weighted-mean")
