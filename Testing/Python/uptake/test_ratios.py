"""Ratios, their uncertainty and their averages."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PRRTUptakeLib.study import protocol
from PRRTUptakeLib.uptake.ratios import (
    AGGREGATIONS,
    Estimate,
    RatioError,
    aggregate,
    enhancement_ratio,
    tn_ratio,
    treated_control_ratio,
)

positive = st.floats(0.01, 1000.0)


def test_the_words_are_those_of_protocol_files():
    assert AGGREGATIONS == protocol.AGGREGATIONS


def test_the_rule_decides_the_patients_value():
    lesions = dict(zip("ABCDE", [1.2, 1.5, 2.0, 3.0, 9.0], strict=True))
    assert aggregate(lesions, "arithmetic-mean").value == pytest.approx(3.34)
    assert aggregate(lesions, "geometric-mean").value == pytest.approx(2.50, abs=0.005)
    assert aggregate(lesions, "median").value == 2.0
    volumes = dict(zip("ABCDE", [1.0, 1.0, 1.0, 1.0, 4.0], strict=True))
    assert aggregate(lesions, "volume-weighted-mean", volumes).value == pytest.approx(43.7 / 8.0)


@given(positive, positive, st.floats(0.001, 0.02), st.floats(0.001, 0.02))
def test_uncertainty_of_a_ratio_adds_in_quadrature(top, bottom, cv_top, cv_bottom):
    ratio = tn_ratio(Estimate(top, top * cv_top), Estimate(bottom, bottom * cv_bottom), "L1")
    assert ratio.value == pytest.approx(top / bottom)
    assert ratio.uncertainty / ratio.value == pytest.approx(math.hypot(cv_top, cv_bottom))


def test_uncertainties_of_averages_agree_with_simulation():
    rng = np.random.default_rng(8)
    truth, u = np.array([5.0, 12.0, 30.0]), np.array([0.2, 0.5, 0.6])
    draws = rng.normal(truth, u, (200_000, 3))
    lesions = {name: Estimate(x, s) for name, x, s in zip("ABC", truth, u, strict=True)}
    volumes = {"A": 1.0, "B": 2.0, "C": 5.0}
    simulated = {
        "geometric-mean": np.exp(np.log(draws).mean(axis=1)),
        "arithmetic-mean": draws.mean(axis=1),
        "volume-weighted-mean": draws @ [0.125, 0.25, 0.625],
    }
    for method, values in simulated.items():
        result = aggregate(lesions, method, volumes)
        assert result.value == pytest.approx(values.mean(), rel=2e-3)
        assert result.uncertainty == pytest.approx(values.std(), rel=0.02)
    assert math.isnan(aggregate(lesions, "median").uncertainty)


def test_what_is_not_known_stays_unknown():
    assert math.isnan(tn_ratio(30.0, Estimate(2.0, 0.1), "L1").uncertainty)
    assert math.isnan(aggregate({"L1": 3.0, "L2": Estimate(2.0, 0.1)}, "geometric-mean").uncertainty)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_uptakes_that_allow_no_ratio_are_errors_that_name_the_lesion(bad):
    with pytest.raises(RatioError, match="Lesion 'L7': the uptake of the tumour"):
        tn_ratio(bad, 2.0, "L7")
    with pytest.raises(RatioError, match="Lesion 'L7': the uptake of the liver reference"):
        tn_ratio(2.0, bad, "L7")
    with pytest.raises(RatioError, match="Patient 'P3': the value of the control lobe"):
        treated_control_ratio(2.0, bad, "P3")
    with pytest.raises(RatioError, match="Lesion 'L2': the intravenous uptake"):
        enhancement_ratio(2.0, bad, "L2")
    with pytest.raises(RatioError, match="Lesion 'L9'"):
        aggregate({"L1": 2.0, "L9": bad}, "geometric-mean")


def test_averages_that_cannot_be_formed():
    with pytest.raises(RatioError, match="no lesions"):
        aggregate({}, "median")
    with pytest.raises(RatioError, match="'mode' is not one of"):
        aggregate({"L1": 1.0}, "mode")
    with pytest.raises(RatioError, match="Lesion 'L2' has no volume"):
        aggregate({"L1": 1.0, "L2": 2.0}, "volume-weighted-mean", {"L1": 3.0})
    with pytest.raises(RatioError, match="uncertainty of the value is -1"):
        aggregate({"L1": Estimate(1.0, -1.0)}, "median")
