"""Many mono-exponential fits at once against one least-squares fit after the other."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTDosimetryLib.kinetics.voxel_clearance import fit_clearance
from PRRTDosimetryLib.kinetics.voxel_fits import Curve, fit
from scipy.optimize import least_squares

TIMES = np.array([4.0, 24.0, 72.0, 168.0])
CURVE = Curve(TIMES, (np.log(2.0) / 159.5, np.log(2.0) / 8.0))
BOUNDS = CURVE.bounds()[0]


def curves(count, noise=0.05):
    random = np.random.default_rng(24)
    values = random.uniform(10, 1000, count) * np.exp2(-TIMES[:, None] / random.uniform(20.0, 120.0, count))
    return values * (1 + noise * random.standard_normal(values.shape)), random


def one_by_one(values, w):
    """Area, its variance if 1/w are variances, and misfit."""

    def residual(parameters):
        return np.sqrt(w) * (values - parameters[0] * np.exp(-np.exp(parameters[1]) * TIMES))

    start = (values.max(), np.log(0.01))
    limits = ([0.0, BOUNDS[0]], [np.inf, BOUNDS[1]])
    found = least_squares(residual, start, bounds=limits, x_scale=(values.max(), 1.0), xtol=1e-14, ftol=1e-14)
    area = found.x[0] / np.exp(found.x[1])
    gradient = np.array([area / found.x[0], -area])
    return area, gradient @ np.linalg.solve(found.jac.T @ found.jac, gradient), 2.0 * found.cost


@pytest.mark.parametrize("shared", [True, False], ids=["weights of all", "weights of each, a point missing in some"])
def test_areas_uncertainties_and_misfits_are_those_of_single_fits(shared):
    values, random = curves(40)
    w = random.uniform(0.5, 2.0, (4, 1) if shared else values.shape)
    if not shared:
        w[random.integers(0, 4, 20), np.arange(20)] = 0.0
    found = fit_clearance(CURVE, values, w, 6)
    for n, curve in enumerate(values.T):
        area, variance, misfit = one_by_one(curve, np.broadcast_to(w, values.shape)[:, n])
        inside = BOUNDS[0] + 1e-6 < found.log_rate[n] < BOUNDS[1] - 1e-6
        assert found.area[n] == pytest.approx(area, rel=1e-5)
        assert found.misfit[n] == pytest.approx(misfit, rel=1e-5, abs=1e-9)
        if inside:
            assert found.variance[n] == pytest.approx(variance, rel=1e-3)


def test_more_curves_than_one_piece_are_fitted_alike(monkeypatch):
    values, _ = curves(50)
    whole = fit_clearance(CURVE, values, np.ones((4, 1)), 3)
    monkeypatch.setattr("PRRTDosimetryLib.kinetics.voxel_clearance.PIECE", 7)
    parts = fit_clearance(CURVE, values, np.ones((4, 1)), 3)
    np.testing.assert_allclose(parts.area, whole.area, rtol=1e-12)
    np.testing.assert_allclose(parts.variance, whole.variance, rtol=1e-9)


def test_curves_that_say_too_little():
    """One point, no point, all zero, falling below zero: no area is without a number, the scatter is unknown."""
    values = np.array([[5.0, 3.0, 0.0, -1.0]] * 4).T.copy().T
    w = np.ones((4, 4))
    w[1:, 0] = 0.0
    w[:, 1] = 0.0
    found = fit(CURVE, values, w, scatter=True)
    assert np.isfinite(found.area).all()
    assert (found.area[[1, 2, 3]] == 0.0).all()
    assert np.isnan(found.u_area[[0, 1]]).all()
    assert found.amplitude[0] * np.exp(-found.rates_per_h[0, 0] * TIMES[0]) == pytest.approx(5.0)
