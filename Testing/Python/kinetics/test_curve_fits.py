"""Fits of time-activity curves against analytic truth, published figures, other optimizers and simulation."""

import json
import math

import numpy as np
import pytest
from builders.shared_data import shared_file
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.ensemble import monte_carlo
from PRRTDosimetryLib.kinetics.errors import FitError, KineticsError
from PRRTDosimetryLib.kinetics.fitting import Weights, fit_curve
from PRRTDosimetryLib.kinetics.least_squares import HalfLifePrior, Priors
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.selection import Options, integrate
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from scipy.integrate import quad
from scipy.optimize import curve_fit, minimize_scalar

LU177 = nuclide("Lu-177")
PHYSICAL = LU177.decay_constant_per_h
TIMES = np.array([0.5, 2.0, 4.0, 10.0, 24.0, 50.0, 96.0, 168.0])


def rate(half_life_h):
    return math.log(2) / half_life_h


def truth(name, rng):
    """A random course written as the textbook sum of exponentials: (function, its integral)."""
    clearance = PHYSICAL + rate(rng.uniform(40, 400))
    fast, uptake = clearance + rate(rng.uniform(3, 15)), clearance + rate(rng.uniform(0.3, 1.0))
    a, b = rng.uniform(50, 500, 2)
    terms = {
        "mono": [(a, clearance)],
        "uptake-clearance": [(a, clearance), (-a, uptake)],
        "bi": [(a, clearance), (b, fast)],
        "bi-uptake": [(a, clearance), (b, fast), (-a - b, fast + uptake)],
        "tri": [(a, PHYSICAL), (b, fast), (-a - b, fast + uptake)],
    }[name]
    return (lambda t: sum(A * np.exp(-k * np.asarray(t)) for A, k in terms)), sum(A / k for A, k in terms)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_recovers_noise_free_curves(name):
    rng = np.random.default_rng(11)
    for _ in range(8):
        activity, integral = truth(name, rng)
        fit = fit_curve(Curve("x", tuple(TIMES), tuple(activity(TIMES))), LU177, name)
        assert fit.tia_MBq_h == pytest.approx(integral, rel=1e-6)
        assert fit.activity_MBq(TIMES) == pytest.approx(activity(TIMES), rel=1e-6)
        later = np.array([1.0, 300.0])  # away from the points too: the parameters are right, not only the residuals
        assert fit.shape.activity_MBq(later) == pytest.approx(activity(later), rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_weighted_fits_recover_noise_free_curves_too(name):
    activity, integral = truth(name, np.random.default_rng(5))
    curve = Curve("x", tuple(TIMES), tuple(activity(TIMES)))
    assert fit_curve(curve, LU177, name, Weights(0.05, 0.1)).tia_MBq_h == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize("region", ["Kidney_Left", "Liver"])
@pytest.mark.parametrize(
    ("model", "key"),
    [("uptake-clearance", "tia_MBq_h_uptake_clearance_fit"), ("mono", "tia_MBq_h_mono_exponential_fit")],
)
def test_patient_of_the_snmmi_challenge(region, model, key):
    data = json.loads(shared_file("reference", "tac_patient4.json").read_text())
    curve = Curve(region, tuple(data["time_h"]), tuple(data["activity_MBq"][region]))
    assert fit_curve(curve, LU177, model).tia_MBq_h == pytest.approx(data[key][region], rel=1e-3)


def test_shapes_have_unit_integral_and_right_derivatives():
    steps = {1: [0.01], 2: [0.01, 0.3], 3: [0.01, 0.08, 0.5]}
    time = np.array([0.0, 0.7, 5.0, 60.0])
    for model in MODELS.values():
        at = np.array(steps[model.rate_steps])
        for phase in range(model.phases):
            area, _ = quad(lambda t, p=phase, m=model, s=at: m.shapes([t], s, PHYSICAL)[0, p], 0, 5000, limit=400)
            assert area == pytest.approx(1, rel=1e-5)
        shares = np.array([300.0, 200.0])[: model.phases]
        exact = model.jacobian(time, shares, at, PHYSICAL)
        values = np.concatenate([shares, at])
        for column, value in enumerate(values):
            moved = [values.copy(), values.copy()]
            moved[0][column] += 1e-6 * value
            moved[1][column] -= 1e-6 * value
            high, low = (model.shapes(time, v[model.phases :], PHYSICAL) @ v[: model.phases] for v in moved)
            assert exact[:, column] == pytest.approx((high - low) / (2e-6 * value), rel=1e-5, abs=1e-7)


def test_equal_rates_of_uptake_and_clearance_are_a_smooth_limit():
    model = MODELS["uptake-clearance"]
    time, k = np.array([1.0, 50.0]), PHYSICAL + 0.01
    exact = k * k * time * np.exp(-k * time)  # the limit of l m/(m-l) (exp(-l t) - exp(-m t))
    for gap in (0.0, 1e-9, 1e-5):
        assert model.shapes(time, np.array([0.01, gap]), PHYSICAL)[:, 0] == pytest.approx(exact, rel=1e-3)
        assert np.all(np.isfinite(model.jacobian(time, np.array([1.0]), np.array([0.01, gap]), PHYSICAL)))


def test_no_curve_clears_slower_than_decay():
    fit = fit_curve(Curve("x", (24.0, 96.0), (50.0, 40.0)), LU177, "mono")
    assert fit.clearance_is_physical
    assert fit.shape.terminal_half_life_h == pytest.approx(159.528, abs=1e-6)
    # Least squares with one free amplitude, written out by hand.
    decay = np.exp(-PHYSICAL * np.array([24.0, 96.0]))
    assert fit.tia_MBq_h == pytest.approx(decay @ [50, 40] / (decay @ decay) / PHYSICAL, rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_noise_never_leads_to_a_half_life_above_the_physical(name):
    rng = np.random.default_rng(2)
    fitted = 0
    for _ in range(12):
        activity = 100 * np.exp(-PHYSICAL * TIMES) * (1 + 0.1 * rng.standard_normal(len(TIMES)))
        try:
            fit = fit_curve(Curve("x", tuple(TIMES), tuple(activity)), LU177, name)
        except FitError:  # a phase that is over before the first point is refused, not reported
            continue
        fitted += 1
        assert fit.shape.terminal_half_life_h <= LU177.half_life_h * (1 + 1e-12)
    assert fitted >= 4


def test_a_phase_that_no_point_shows_is_refused():
    """Activities as they come from regions drawn anew: the first falls short of nothing but a very fast phase."""
    curve = Curve("marrow", (4.0, 24.0, 72.0, 168.0), (4.298, 2.515, 1.4207, 0.28859))
    with pytest.raises(FitError, match="before the first point at 4 h"):
        fit_curve(curve, LU177, "bi")
    chosen = integrate(curve, LU177)
    assert math.isfinite(chosen.u_tia_MBq_h)
    assert 200 < chosen.tia_MBq_h < 330  # the area under the points' polygon is 268 MBq h


def test_mono_exponential_agrees_with_curve_fit():
    rng = np.random.default_rng(8)
    sigma = 0.05 * 200 * np.exp(-0.012 * TIMES)
    activity = 200 * np.exp(-0.012 * TIMES) + sigma * rng.standard_normal(len(TIMES))
    fit = fit_curve(Curve("x", tuple(TIMES), tuple(activity), tuple(sigma)), LU177, "mono")
    (total, k), covariance = curve_fit(
        lambda t, total, k: total * k * np.exp(-k * t), TIMES, activity, (1e4, 0.01), sigma, absolute_sigma=True
    )
    assert fit.tia_MBq_h == pytest.approx(total, rel=1e-6)
    assert fit.rates_per_h[0] == pytest.approx(k, rel=1e-6)
    assert fit.u_tia_MBq_h == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-4)
    assert fit.correlation[0, 1] == pytest.approx(
        covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]), rel=1e-3
    )


def test_unknown_uncertainties_follow_from_the_residuals():
    rng = np.random.default_rng(9)
    activity = 200 * np.exp(-0.012 * TIMES) + 3 * rng.standard_normal(len(TIMES))
    fit = fit_curve(Curve("x", tuple(TIMES), tuple(activity)), LU177, "mono")
    (_, _), covariance = curve_fit(lambda t, total, k: total * k * np.exp(-k * t), TIMES, activity, (1e4, 0.01))
    assert fit.u_tia_MBq_h == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-4)
    exact = fit_curve(Curve("x", (24.0, 96.0), (80.0, 20.0)), LU177, "mono")
    assert math.isnan(exact.u_tia_MBq_h)  # two points leave no residuals to separate the noise from


def test_weights_use_the_fitted_activity():
    rng = np.random.default_rng(4)
    activity = 100 * np.exp(-0.014 * TIMES) * (1 + 0.1 * rng.standard_normal(len(TIMES)))
    curve = Curve("x", tuple(TIMES), tuple(activity))
    fit = fit_curve(curve, LU177, "mono", Weights(0.1, 0.5))
    expected = np.hypot(0.1 * fit.activity_MBq(TIMES), 0.5)
    assert fit.sigma_MBq == pytest.approx(expected, rel=1e-4)
    fixed = fit_curve(Curve("x", tuple(TIMES), tuple(activity), tuple(expected)), LU177, "mono")
    assert fit.tia_MBq_h == pytest.approx(fixed.tia_MBq_h, rel=1e-5)


def test_sensitivity_is_the_derivative_of_the_tia():
    activity, _ = truth("uptake-clearance", np.random.default_rng(3))
    values = activity(TIMES)
    fit = fit_curve(Curve("x", tuple(TIMES), tuple(values)), LU177, "uptake-clearance")
    for n in range(len(TIMES)):
        step = 1e-4 * values[n] * (np.arange(len(TIMES)) == n)
        high, low = (
            fit_curve(Curve("x", tuple(TIMES), tuple(values + sign * step)), LU177, "uptake-clearance").tia_MBq_h
            for sign in (1, -1)
        )
        assert fit.sensitivity_h[n] == pytest.approx((high - low) / (2 * step[n]), rel=1e-3)


@pytest.mark.parametrize("name", ["mono", "uptake-clearance", "bi"])
def test_covariance_and_monte_carlo_agree(name):
    activity, integral = truth(name, np.random.default_rng(6))
    sigma = 0.03 * activity(TIMES)
    fit = fit_curve(Curve("x", tuple(TIMES), tuple(activity(TIMES)), tuple(sigma)), LU177, name)
    drawn = monte_carlo(fit, 1500, np.random.default_rng(1))
    assert drawn.mean_MBq_h == pytest.approx(integral, rel=0.02)
    assert drawn.u_tia_MBq_h == pytest.approx(fit.u_tia_MBq_h, rel=0.15)
    low, high = drawn.interval_MBq_h()
    assert low < integral < high
    free = np.array(fit.free)
    assert drawn.correlation[np.ix_(free, free)] == pytest.approx(fit.correlation[np.ix_(free, free)], abs=0.2)


@pytest.mark.parametrize("name", ["mono", "uptake-clearance", "bi-uptake"])
def test_refits_at_once_equal_fits_one_by_one(name):
    activity, _ = truth(name, np.random.default_rng(7))
    sigma = 0.05 * activity(TIMES)
    fit = fit_curve(Curve("x", tuple(TIMES), tuple(activity(TIMES)), tuple(sigma)), LU177, name)
    drawn = monte_carlo(fit, 12, np.random.default_rng(3))
    noise = np.random.default_rng(3).standard_normal((12, len(TIMES))) * sigma
    single = [
        fit_curve(Curve("x", tuple(TIMES), tuple(activity(TIMES) + row), tuple(sigma)), LU177, name).tia_MBq_h
        for row in noise
    ]
    assert drawn.tia_MBq_h == pytest.approx(single, rel=1e-4)


def test_two_phases_that_collapse_say_what_one_phase_says():
    rng = np.random.default_rng(12)
    activity = 100 * np.exp(-0.015 * TIMES) + 0.5 * rng.standard_normal(len(TIMES))
    curve = Curve("x", tuple(TIMES), tuple(np.maximum(activity, 0)))
    one, two = (fit_curve(curve, LU177, name) for name in ("mono", "bi"))
    assert two.chi_square <= one.chi_square * (1 + 1e-9)
    if 0.0 in two.shares_MBq_h:
        assert two.u_tia_MBq_h == pytest.approx(one.u_tia_MBq_h, rel=1e-3)


def test_uptake_before_the_first_point_is_not_invented():
    activity = 100 * np.exp(-0.015 * TIMES[3:])
    fit = fit_curve(Curve("x", tuple(TIMES[3:]), tuple(activity)), LU177, "uptake-clearance")
    assert not fit.free[-1]
    assert fit.tia_MBq_h == pytest.approx(100 / 0.015, rel=2e-3)
    assert math.isfinite(fit.u_tia_MBq_h)


def test_a_prior_half_life_replaces_a_second_point():
    curve = Curve("x", (72.0,), (30.0,), (3.0,))
    fit = fit_curve(curve, LU177, "mono", priors=Priors(clearance=HalfLifePrior(55.0, 1.2)))
    k = rate(55.0)
    assert fit.rates_per_h[0] == pytest.approx(k, rel=1e-6)
    assert fit.tia_MBq_h == pytest.approx(30 * math.exp(72 * k) / k, rel=1e-6)
    # Propagated by hand: TIA = A exp(k t)/k, ln k known to ln 1.2.
    by_rate = (72 * k - 1) * math.log(1.2)
    assert fit.u_tia_MBq_h / fit.tia_MBq_h == pytest.approx(math.hypot(0.1, by_rate), rel=1e-4)


def test_a_prior_is_weighed_against_the_points():
    time, activity, sigma = np.array([24.0, 72.0]), np.array([60.0, 20.0]), np.array([3.0, 1.0])
    prior = HalfLifePrior(60.0, 1.1)
    curve = Curve("x", tuple(time), tuple(activity), tuple(sigma))
    fit = fit_curve(curve, LU177, "mono", priors=Priors(clearance=prior))

    def cost(half_life):
        shape = 2 ** (-time / half_life) / sigma
        amplitude = shape @ (activity / sigma) / (shape @ shape)
        misfit = amplitude * shape - activity / sigma
        return misfit @ misfit + (math.log(half_life / 60.0) / math.log(1.1)) ** 2

    best = minimize_scalar(cost, bounds=(20, 100), method="bounded", options={"xatol": 1e-9})
    assert fit.shape.terminal_half_life_h == pytest.approx(best.x, rel=1e-6)
    with pytest.raises(KineticsError, match="known uncertainties"):
        fit_curve(Curve("x", (24.0, 72.0), (60.0, 20.0)), LU177, "mono", priors=Priors(clearance=prior))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: fit_curve(Curve("x", (4.0,), (1.0,)), LU177, "mono"), "too few for the 2 parameters"),
        (lambda: fit_curve(Curve("x", (4.0, 9.0), (1.0, 0.5)), LU177, "quad"), "no model 'quad'"),
        (lambda: Weights(0.0, 0.0), "no weights"),
        (lambda: HalfLifePrior(50.0, 1.0), "not"),
        (lambda: fit_curve(Curve("x", (4.0, 9.0), (1.0, 0.0)), LU177, "mono", Weights(0.1)), "give a floor"),
        (
            lambda: fit_curve(Curve("x", (4.0, 9.0), (1.0, 0.5), (0.1, 0.1)), LU177, "mono", Weights(0.1)),
            "uncertainties of its own",
        ),
    ],
)
def test_what_cannot_be_fitted_says_why(call, word):
    with pytest.raises(KineticsError, match=word):
        call()


def coverage(truth_model, method, draws, seed, relative=0.05):
    """Share of 95 % intervals that hold the truth, for noise of 5 % at 4, 24, 72 and 168 h."""
    rng = np.random.default_rng(seed)
    time = np.array([4.0, 24.0, 72.0, 168.0])
    model = MODELS[truth_model]
    steps = np.array([rate(50.0) - PHYSICAL, rate(2.5)])[: model.rate_steps]
    exact = 5000 * model.shapes(time, steps, PHYSICAL)[:, 0]
    hits = 0
    for _ in range(draws):
        activity = exact * (1 + relative * rng.standard_normal(4))
        found = integrate(Curve("x", tuple(time), tuple(activity)), LU177, method, Options(Weights(relative)))
        low, high = found.interval_MBq_h()
        hits += low <= 5000 <= high
    return hits / draws


def test_interval_of_a_known_model_is_not_far_off():
    # 200 curves: nominal 0.95 with a binomial standard deviation of 0.0154.
    assert coverage("mono", "mono", 200, 21) == pytest.approx(0.95, abs=3 * 0.0154)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mono", "uptake-clearance"])
def test_coverage_with_the_generating_model(name):
    assert coverage(name, name, 1000, 22) == pytest.approx(0.95, abs=0.02)
