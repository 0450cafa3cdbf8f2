"""Ratios and their uncertainty."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PRRTUptakeLib.uptake.errors import UptakeError
from PRRTUptakeLib.uptake.ratios import Estimate, enhancement_ratio, tn_ratio, treated_control_ratio

positive = st.floats(0.01, 1000.0)


@given(positive, positive, st.floats(0.001, 0.02), st.floats(0.001, 0.02))
def test_uncertainty_of_a_ratio_adds_in_quadrature(top, bottom, cv_top, cv_bottom):
    ratio = tn_ratio(Estimate(top, top * cv_top), Estimate(bottom, bottom * cv_bottom), "L1")
    assert ratio.value == pytest.approx(top / bottom)
    assert ratio.uncertainty / ratio.value == pytest.approx(math.hypot(cv_top, cv_bottom))


def test_what_is_not_known_stays_unknown():
    assert math.isnan(tn_ratio(30.0, Estimate(2.0, 0.1), "L1").uncertainty)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_uptakes_that_allow_no_ratio_are_errors_that_name_the_lesion(bad):
    with pytest.raises(UptakeError, match="Lesion 'L7': the uptake of the tumour"):
        tn_ratio(bad, 2.0, "L7")
    with pytest.raises(UptakeError, match="Lesion 'L7': the uptake of the liver reference"):
        tn_ratio(2.0, bad, "L7")
    with pytest.raises(UptakeError, match="Patient 'P3': the value of the control lobe"):
        treated_control_ratio(2.0, bad, "P3")
    with pytest.raises(UptakeError, match="Lesion 'L2': the intravenous uptake"):
        enhancement_ratio(2.0, bad, "L2")
