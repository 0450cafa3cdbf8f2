"""A course that is linear in its parameters makes the hierarchy a linear mixed model: exact, and as others fit it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PRRTDosimetryLib.population.fitting import Weak, estimate
from PRRTDosimetryLib.population.hierarchy import Group, Layout, Marginal, modes
from scipy.stats import multivariate_normal


class Line:
    """Ln activity = intercept + slope times time in days."""

    size = 2

    def log_activity(self, theta, time_h, physical_per_h):
        return theta[..., :1] + theta[..., 1:] * time_h / 24

    def jacobian(self, theta, time_h):
        shape = np.broadcast_shapes(theta[..., :1].shape, time_h.shape)
        return np.stack([np.ones(shape), np.broadcast_to(time_h / 24, shape)], axis=-1)

    def second(self, theta, time_h):
        return np.zeros((*np.broadcast_shapes(theta[..., :1].shape, time_h.shape), 2, 2))


def lines(patients: int, curves: int, seed: int) -> Group:
    rng = np.random.default_rng(seed)
    shape = (patients, curves, 4)
    time = np.broadcast_to([4.0, 24.0, 96.0, 168.0], shape) + rng.uniform(-2, 2, shape)
    theta = np.array([3.0, -0.3]) + rng.standard_normal((patients, 1, 2)) @ np.array([[0.4, 0.03], [0.0, 0.06]])
    theta = theta + rng.standard_normal((patients, curves, 2)) * [0.15, 0.03] * (curves > 1)
    values = theta[..., :1] + theta[..., 1:] * time / 24 + 0.1 * rng.standard_normal(shape)
    same = np.broadcast_to(np.eye(curves), (patients, curves, curves)).copy()
    used = np.ones(shape, dtype=bool)
    used[0, 0, 3] = False  # curves need not have the same number of points
    return Group(time, values, np.zeros(shape), used, same, np.zeros((*shape[:2], 0)))


def test_the_marginal_likelihood_is_that_of_a_multivariate_normal():
    group = lines(3, 2, 1)
    layout = Layout(2, 0, True, True, False)
    vector = np.array([3.1, -0.28, math.log(0.4), math.log(0.06), 0.02, math.log(0.2), math.log(0.04), math.log(0.12)])
    found = Marginal(Line(), layout, [group], 0.0).by_patient(vector[None])[0]
    numbers = layout.numbers(vector[None])
    for patient in range(3):
        used = group.used[patient].ravel()
        design = np.zeros((8, 4))
        for curve in range(2):
            design[4 * curve : 4 * curve + 4, 2 * curve] = 1
            design[4 * curve : 4 * curve + 4, 2 * curve + 1] = group.time_h[patient, curve] / 24
        design = design[used]
        covariance = design @ numbers.covariance(group)[0, patient] @ design.T + 0.12**2 * np.eye(used.sum())
        mean = design @ np.tile(vector[:2], 2)
        exact = multivariate_normal(mean, covariance).logpdf(group.log_activity[patient].ravel()[used])
        assert found[patient] == pytest.approx(exact, abs=1e-6)


def test_modes_do_not_depend_on_where_the_search_begins():
    group, layout = lines(4, 2, 2), Layout(2, 0, False, True, False)
    vector = np.array([3.0, -0.3, *np.log([0.4, 0.06, 0.15, 0.03, 0.1])])
    numbers = layout.numbers(vector[None])
    first = modes(Line(), group, numbers, 0.0)
    second = modes(Line(), group, numbers, 0.0, np.array([0.0, 1.0]))
    assert first.theta == pytest.approx(second.theta, abs=1e-7)


def test_estimates_are_those_of_statsmodels():
    """Random intercepts and slopes with their correlation, plain maximum likelihood."""
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    group = lines(25, 1, 3)
    layout = Layout(2, 0, True, False, False)
    start = np.array([2.5, -0.2, *np.log([0.3, 0.1]), 0.0, math.log(0.2)])
    found = estimate(Line(), [group], layout, 0.0, [start], Weak(used=False), rounds=4)
    used = group.used.ravel()
    exog = np.stack([np.ones(used.sum()), group.time_h.ravel()[used] / 24], axis=1)
    patients = np.repeat(np.arange(25), 4)[used]
    other = mixed.MixedLM(group.log_activity.ravel()[used], exog, patients, exog_re=exog).fit(reml=False, method="bfgs")
    numbers = layout.numbers(found.vector[None])
    assert found.log_likelihood == pytest.approx(other.llf, abs=1e-3)
    assert numbers.typical[0] == pytest.approx(other.fe_params, abs=1e-3)
    assert numbers.noise[0] ** 2 == pytest.approx(other.scale, rel=1e-3)
    assert np.sqrt(np.diag(numbers.between[0])) == pytest.approx(np.sqrt(np.diag(other.cov_re)), rel=1e-3)
    assert np.sqrt(np.diag(found.covariance))[:2] == pytest.approx(other.bse_fe, rel=0.03)
    assert found.checks.curved
    assert found.checks.converged


def test_a_curve_without_points_changes_nothing():
    group = lines(3, 2, 4)
    empty = group.used.copy()
    empty[:, 1] = False
    layout = Layout(2, 0, False, True, False)
    vector = np.array([3.0, -0.3, *np.log([0.4, 0.06, 0.15, 0.03, 0.1])])[None]
    with_empty = Marginal(Line(), layout, [replace(group, used=empty)], 0.0).by_patient(vector)
    alone = Marginal(Line(), layout, [group.only(0)], 0.0).by_patient(vector)
    assert with_empty == pytest.approx(alone, abs=1e-7)
