"""Choice of the model, model averaging, and integration from few time points or without a model."""

import math

import numpy as np
import pytest
from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.fitting import Weights, fit_curve
from PRRTDosimetryLib.kinetics.least_squares import HalfLifePrior, Priors
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.options import Options, options_from_text
from PRRTDosimetryLib.kinetics.scaled_curve import scaled_curve
from PRRTDosimetryLib.kinetics.selection import METHODS, aicc, integrate, is_adequate
from PRRTDosimetryLib.kinetics.single_time_point import (
    single_time_point,
)
from PRRTDosimetryLib.kinetics.trapezoid import trapezoid
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.vocabulary import TIAC_MODELS
from scipy.integrate import quad

LU177 = nuclide("Lu-177")
TIMES = np.array([1.0, 4.0, 10.0, 24.0, 48.0, 72.0, 120.0, 168.0])


def curve(terms, time=TIMES, noise=0.0, seed=1):
    activity = sum(a * 2 ** (-time / half_life) for a, half_life in terms)
    activity = activity * (1 + noise * np.random.default_rng(seed).standard_normal(len(time)))
    return Curve("x", tuple(map(float, time)), tuple(map(float, activity)))


def test_the_command_offers_every_method():
    assert sorted(TIAC_MODELS) == sorted(METHODS)


@pytest.mark.parametrize(
    ("terms", "model"),
    [
        ([(100, 50)], "mono"),
        ([(100, 50), (-100, 3)], "uptake-clearance"),
        ([(100, 60), (200, 5)], "bi"),
    ],
)
def test_the_generating_model_is_chosen_with_enough_points(terms, model):
    chosen = integrate(curve(terms, noise=0.01), LU177, "auto", Options(Weights(0.01)))
    assert chosen.model == model
    assert chosen.choice.startswith("average of the possible models, weighted by AICc")
    weights = {one.model: one.akaike_weight for one in chosen.alternatives}
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights, key=weights.get) == model


def test_aicc_is_what_the_definition_says():
    measured = curve([(100, 50)], noise=0.03)
    n, k = len(TIMES), 2
    fit = fit_curve(measured, LU177, "mono")
    rss = float(((fit.activity_MBq(TIMES) - np.array(measured.activity_MBq)) ** 2).sum())
    assert aicc(fit) == pytest.approx(n * math.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
    weighted = fit_curve(measured, LU177, "mono", Weights(0.03))
    sigma = 0.03 * weighted.activity_MBq(TIMES)
    chi = float((((weighted.activity_MBq(TIMES) - np.array(measured.activity_MBq)) / sigma) ** 2).sum())
    expected = chi + 2 * float(np.log(sigma).sum()) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    assert aicc(weighted) == pytest.approx(expected, rel=1e-4)


def test_aicc_needs_more_points_than_parameters_and_one():
    four = curve([(100, 50)], TIMES[[1, 3, 5, 7]], 0.02)
    assert math.isfinite(aicc(fit_curve(four, LU177, "mono")))
    assert math.isnan(aicc(fit_curve(four, LU177, "uptake-clearance")))


def test_with_few_points_all_adequate_models_are_averaged():
    falling = integrate(curve([(100, 50)], TIMES[[3, 5, 7]], 0.02), LU177)
    assert falling.model == "mono"
    rising = integrate(curve([(100, 60), (-100, 12)], TIMES[[1, 3, 5, 7]]), LU177)
    assert rising.model == "uptake-clearance"
    refused = {one.model: one for one in rising.alternatives if not one.adequate}
    assert "mono" in refused
    assert all(one.akaike_weight == 0 for one in refused.values())
    assert rising.tia_MBq_h == pytest.approx(100 * (60 - 12) / math.log(2), rel=5e-3)


def test_every_alternative_is_shown_with_its_tia():
    found = integrate(curve([(100, 50)], TIMES[[1, 3, 5, 7]], 0.02), LU177)
    assert [one.model for one in found.alternatives] == ["mono", "uptake-clearance", "bi", "tri"]
    assert all(one.tia_MBq_h > 0 for one in found.alternatives)


def test_no_adequate_model_is_said():
    zigzag = Curve("x", tuple(TIMES[:5]), (100.0, 20.0, 90.0, 10.0, 80.0), (1.0,) * 5)
    found = integrate(zigzag, LU177)
    assert "none of which is adequate" in found.choice
    assert any("look at the plot" in note for note in found.notes)
    assert not is_adequate(fit_curve(zigzag, LU177, "mono"))


def test_averaging_is_between_the_models_and_wider_than_their_mean():
    found = integrate(curve([(100, 60), (60, 12)], noise=0.05, seed=4), LU177, "auto", Options(Weights(0.05)))
    used = [one for one in found.alternatives if one.akaike_weight > 0]
    assert min(o.tia_MBq_h for o in used) < found.averaged.tia_MBq_h < max(o.tia_MBq_h for o in used)
    mean_variance = sum(o.akaike_weight * o.u_tia_MBq_h**2 for o in used)
    assert found.averaged.u_tia_MBq_h > math.sqrt(mean_variance)


def test_population_priors_allow_models_that_the_points_do_not():
    options = Options(Weights(0.05), Priors(HalfLifePrior(55.0, 1.3), HalfLifePrior(1.0, 1.5)))
    two = curve([(100, 55), (-100, 1)], TIMES[[3, 5]])
    found = integrate(two, LU177, "uptake-clearance", options)
    assert found.tia_MBq_h == pytest.approx(100 * 54 / math.log(2), rel=0.01)
    one = integrate(curve([(100, 55)], TIMES[[5]]), LU177, "auto", options)
    assert one.model == "mono"
    assert one.teff_h == pytest.approx(55.0, rel=1e-6)


def test_uniform_organ_with_decay_alone():
    measured = curve([(1.0, LU177.half_life_h)])
    tiac, _ = integrate(measured, LU177).tiac_h(1.0)
    assert tiac == pytest.approx(230.15, rel=2e-4)  # an average: an uptake too fast to be seen is part of it
    tiac, _ = trapezoid(measured, LU177, "decay", "physical").tiac_h(1.0)
    assert tiac == pytest.approx(230.15, rel=3e-3)  # straight lines between points 48 h apart lie above the curve
    with pytest.raises(KineticsError, match="administered activity 0"):
        integrate(measured, LU177).tiac_h(0.0)


@pytest.mark.parametrize("teff", [20.0, 50.0, 159.528])
def test_single_time_point_is_exact_for_one_exponential(teff):
    exact = 80 * teff / math.log(2)
    for time in (10.0, 72.0):
        point = Curve("x", (time,), (80 * 2 ** (-time / teff),))
        assert single_time_point(point, LU177, teff).tia_MBq_h == pytest.approx(exact, rel=1e-9)


def test_single_time_point_uncertainty_by_simulation():
    rng = np.random.default_rng(4)
    point = Curve("x", (60.0,), (20.0,), (1.0,))
    found = single_time_point(point, LU177, 80.0, 4.0)
    activity, teff = rng.normal(20, 1, 200_000), rng.normal(80, 4, 200_000)
    drawn = activity * teff / math.log(2) * 2 ** (60 / teff)
    assert found.u_tia_MBq_h == pytest.approx(drawn.std(), rel=0.02)
    bare = single_time_point(Curve("x", (60.0,), (20.0,)), LU177, 80.0)
    assert math.isnan(bare.u_tia_MBq_h)
    assert "without uncertainty of the activity and the half-life" in bare.weighting


@pytest.mark.parametrize(("time", "warned"), [(36.0, True), (37.6, False), (124.0, False), (126.0, True)])
def test_times_outside_three_quarters_to_two_and_a_half_half_lives_are_warned_of(time, warned):
    notes = single_time_point(Curve("x", (time,), (1.0,)), LU177, 50.0).notes
    assert bool(notes) is warned


def test_one_point_without_half_life_is_refused():
    for method in ("auto", "single-time-point"):
        with pytest.raises(KineticsError, match="no effective half-life"):
            integrate(Curve("Liver", (24.0,), (1.0,)), LU177, method)
    with pytest.raises(KineticsError, match="not above the physical"):
        single_time_point(Curve("Liver", (24.0,), (1.0,)), LU177, 200.0)
    with pytest.raises(KineticsError, match="has 2 points"):
        single_time_point(Curve("Liver", (24.0, 48.0), (1.0, 0.5)), LU177, 50.0)


def test_half_lives_by_region_from_text():
    options = options_from_text((None, None), None, ["50", "Left=kidney=45"], ["2"], ("zero", "physical"))
    assert options.half_life_of("Left=kidney") == (45.0, 2.0)
    assert options.half_life_of("Liver") == (50.0, 2.0)
    with pytest.raises(KineticsError, match="'long'"):
        options_from_text((None, None), None, ["long"], [], ("zero", "physical"))


def test_a_later_point_scales_the_full_curve():
    full = integrate(curve([(100, 60), (-100, 5)], noise=0.02), LU177, "uptake-clearance", Options(Weights(0.02)))
    at_24 = float(full.activity_MBq([24.0])[0])
    later = scaled_curve(full, Curve("x", (24.0,), (0.7 * at_24,), (0.05 * 0.7 * at_24,)))
    assert later.tia_MBq_h == pytest.approx(0.7 * full.tia_MBq_h, rel=1e-9)
    assert later.teff_h == pytest.approx(full.teff_h)
    assert 0.08 < later.u_tia_MBq_h / later.tia_MBq_h < 0.10  # 5 % of the point and 7 % by a half-life 10 % away

    # The later the point, the less the form of the curve matters: near the mean lifetime it hardly does.
    def relative_u(time):
        activity = float(full.activity_MBq([time])[0])
        found = scaled_curve(full, Curve("x", (time,), (activity,), (1e-9 * activity,)))
        return found.u_tia_MBq_h / found.tia_MBq_h

    assert relative_u(80.0) < relative_u(10.0)
    assert relative_u(80.0) < relative_u(300.0)
    with pytest.raises(KineticsError, match="pair the same region"):
        scaled_curve(full, Curve("y", (24.0,), (1.0,)))


@pytest.mark.parametrize(("start", "before"), [("zero", 200.0), ("constant", 400.0), ("decay", None)])
@pytest.mark.parametrize("tail", ["physical", "effective"])
def test_trapezoid_by_hand(start, before, tail):
    k = LU177.decay_constant_per_h
    found = trapezoid(Curve("x", (4.0, 24.0, 72.0), (100.0, 80.0, 20.0), (5.0, 4.0, 1.0)), LU177, start, tail)
    before = before if before is not None else 100 * math.expm1(4 * k) / k
    tail_rate = k if tail == "physical" else math.log(4) / 48
    exact = before + 90 * 20 + 50 * 48 + 20 / tail_rate
    assert found.tia_MBq_h == pytest.approx(exact, rel=1e-6)
    area, _ = quad(lambda t: float(found.activity_MBq(t)), 0, 72, points=[4, 24], limit=200)
    assert area == pytest.approx(exact - 20 / tail_rate, rel=1e-6)
    said = {"zero": "rises linearly", "constant": "is that of the first point", "decay": "follows physical decay"}
    assert said[start] in found.notes[0]
    if tail == "physical" and start == "zero":
        weights = np.array([2 + 10, 10 + 24, 24 + 1 / k])
        assert found.u_tia_MBq_h == pytest.approx(math.hypot(*(weights * [5, 4, 1])), rel=1e-5)


def test_trapezoid_tail_never_clears_slower_than_decay():
    found = trapezoid(Curve("x", (24.0, 96.0), (50.0, 49.0)), LU177, "constant", "effective")
    assert found.teff_h == pytest.approx(LU177.half_life_h)
    assert found.u_tia_MBq_h > 0
    assert "5% of each activity are assumed" in found.weighting
    with pytest.raises(KineticsError, match="starts are"):
        trapezoid(Curve("x", (24.0, 96.0), (50.0, 49.0)), LU177, "nothing")
    with pytest.raises(KineticsError, match="one point"):
        trapezoid(Curve("x", (24.0,), (50.0,)), LU177)


def test_courses_add_up():
    left = Shape(((20.0, 0.02),), ((0.0, 0.0), (10.0, 30.0), (30.0, 20.0)))
    right = Shape(((5.0, 0.01),), ((0.0, 8.0), (15.0, 7.0), (30.0, 5.0)))
    both = left + right
    assert both.integral_MBq_h == pytest.approx(left.integral_MBq_h + right.integral_MBq_h)
    time = np.linspace(0, 100, 37)
    assert both.activity_MBq(time) == pytest.approx(left.activity_MBq(time) + right.activity_MBq(time))
    with pytest.raises(KineticsError, match="cannot be added"):
        _ = left + Shape(((5.0, 0.01),))


def test_unknown_methods_are_refused():
    with pytest.raises(KineticsError, match="no model 'best'"):
        integrate(curve([(1, 50)]), LU177, "best")
    assert set(MODELS) < set(METHODS)


@pytest.mark.parametrize(
    ("teff", "u", "words"),
    [
        (["L1=50", "Spleeen=60"], [], "given for 'Spleeen', but there is no such region; there are L1, spleen"),
        (["L1=50"], ["spleen=4"], "uncertainty of the half-life is given for 'spleen', but no half-life"),
        ([], ["4"], "uncertainty of the half-life is given for 'all regions', but no half-life"),
    ],
)
def test_half_lives_of_no_region_are_refused(teff, u, words):
    options = options_from_text((None, None), None, teff, u, ("zero", "physical"))
    with pytest.raises(KineticsError, match=words):
        options.require_regions(["L1", "spleen"])


def test_half_lives_that_are_known():
    for teff, u in ((["50", "L1=60"], ["L1=5", "3"]), (["L1=60"], ["3"]), (["50"], ["L1=3"])):
        options_from_text((None, None), None, teff, u, ("zero", "physical")).require_regions(["L1", "spleen"])
    with pytest.raises(KineticsError, match="Two half-lives are given for L1"):
        options_from_text((None, None), None, ["L1=50", "L1=60"], [], ("zero", "physical"))
