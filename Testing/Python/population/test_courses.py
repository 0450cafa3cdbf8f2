"""Courses by logarithms of amplitudes and rates: derivatives and integrals against numbers made another way."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTDosimetryLib.population.courses import KINETICS, effective_half_life_h
from scipy.integrate import quad
from scipy.optimize import approx_fprime

PHYSICAL = np.log(2) / 159.5
THETA = {"mono": [-4.0, -4.6], "uptake-clearance": [-4.0, -4.6, -0.4], "bi": [-4.0, -4.6, -1.7, -0.5]}
TIMES = np.array([0.5, 4.0, 24.0, 168.0])


@pytest.mark.parametrize("name", KINETICS)
def test_derivatives_of_the_activity_are_those_of_small_steps(name):
    course, theta = KINETICS[name], np.array(THETA[name])
    for n, time in enumerate(TIMES):
        slope = approx_fprime(theta, lambda x, t=time: course.log_activity(x, np.array([t]), PHYSICAL)[0], 1e-7)
        assert course.jacobian(theta, TIMES)[n] == pytest.approx(slope, abs=2e-6)
        bend = approx_fprime(theta, lambda x, t=time: course.jacobian(x, np.array([t]))[0], 1e-6)
        assert course.second(theta, TIMES)[n] == pytest.approx(bend, abs=1e-4)


@pytest.mark.parametrize("name", KINETICS)
def test_the_integral_is_that_of_quadrature(name):
    course, theta = KINETICS[name], np.array(THETA[name])
    activity = lambda t: float(np.exp(course.log_activity(theta, np.array([t]), PHYSICAL))[0])  # noqa: E731
    pieces = [quad(activity, low, high, limit=200)[0] for low, high in ((1e-9, 20), (20, 200), (200, 4000))]
    assert np.exp(course.log_tia(theta, PHYSICAL)) == pytest.approx(sum(pieces), rel=1e-6)
    slope = approx_fprime(theta, lambda x: float(course.log_tia(x, PHYSICAL)), 1e-7)
    assert course.log_tia_gradient(theta, PHYSICAL) == pytest.approx(slope, abs=1e-6)
    terms = course.exponentials(theta, PHYSICAL)
    assert sum(a / rate for a, rate in terms) == pytest.approx(sum(pieces), rel=1e-6)


def test_no_course_clears_slower_than_decay():
    assert effective_half_life_h(np.array([0.0, -25.0]), PHYSICAL) == pytest.approx(159.5)
    assert effective_half_life_h(np.array([0.0, 3.0]), PHYSICAL) < 0.04
