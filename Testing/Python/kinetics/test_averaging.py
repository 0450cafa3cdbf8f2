"""Averages over models: against brute-force integration, simulation, and each other."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.kinetics.averaging import course_draws, estimates
from PRRTDosimetryLib.kinetics.coverage import Scenario, coverage
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights, fit_curve
from PRRTDosimetryLib.kinetics.likelihood import Batch, Noise, nodes
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.posterior import posterior
from PRRTDosimetryLib.kinetics.priors import (
    PHYSICAL_PROBABILITY,
    SHORTEST_OF_PHYSICAL,
    NoisePrior,
    course,
    dimensions,
)
from PRRTDosimetryLib.kinetics.scaled_curve import scaled_curve
from PRRTDosimetryLib.kinetics.selection import integrate, integrate_all, is_adequate
from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from scipy.integrate import quad
from scipy.stats import norm, t

LU177 = nuclide("Lu-177")
PHYSICAL = LU177.decay_constant_per_h
TIMES = np.array([4.0, 24.0, 72.0, 168.0])


def halved(terms, times):
    return sum(a * 2.0 ** (-np.asarray(times) / half_life) for a, half_life in terms)


def curve(terms, times=TIMES, relative=0.0, seed=1, known=0.0, region="x"):
    exact = halved(terms, times)
    drawn = exact * (1 + relative * np.random.default_rng(seed).standard_normal(len(times)))
    sigma = tuple(float(s) for s in known * exact) if known else ()
    return Curve(region, tuple(map(float, times)), tuple(map(float, drawn)), sigma)


def batch_of(one):
    sigma = np.array([one.u_activity_MBq]) if one.u_activity_MBq else None
    noise = Noise(sigma) if sigma is not None else Noise(unknown=True)
    return Batch(np.array([one.time_h]), np.array([one.activity_MBq]), noise, PHYSICAL)


@pytest.mark.parametrize("name", MODELS)
def test_courses_are_those_of_the_models(name):
    """Rates and shares from normal numbers, put into the models' own shapes."""
    model = MODELS[name]
    z = np.random.default_rng(3).standard_normal((5, dimensions(model)))
    at = course(model, z, PHYSICAL)
    rates = np.stack(at.rates_per_h, axis=-1)
    assert np.all(np.diff(rates, axis=-1) > 0)
    assert np.all(rates[:, 0] >= PHYSICAL * (1 - 1e-12))
    assert np.all(rates[:, 0] <= PHYSICAL / SHORTEST_OF_PHYSICAL * (1 + 1e-12))
    time = np.array([1.0, 30.0, 200.0])
    unit = at.unit_curve(time[:, None], model.phases)
    first = rates[:, 0] - PHYSICAL if not model.physical_tail else None
    steps = np.diff(rates, axis=-1) if first is None else np.concatenate([first[:, None], np.diff(rates)], axis=-1)
    shares = np.stack(at.fractions, axis=-1)
    expected = np.einsum("cnp,cp->nc", model.shapes(time, steps, PHYSICAL), shares)
    np.testing.assert_allclose(unit, expected, rtol=1e-6)
    after = at.share_after(np.array(30.0), model.phases)
    for number in range(5):
        one = [rate[number] for rate in at.rates_per_h], [share[number] for share in at.fractions]
        area, _ = quad(lambda u, one=one: float(type(at)(*one).unit_curve(np.array(u), model.phases)), 0, 30, limit=200)
        assert 1 - area == pytest.approx(after[number], abs=1e-6)


def test_posterior_of_one_exponential_by_quadrature():
    """Known uncertainties: the half-life's normal number integrated on a fine grid, and the part at physical decay."""
    measured = curve([(100, 90)], (24.0, 96.0), 0.05, 3, known=0.05)
    batch, model = batch_of(measured), MODELS["mono"]
    z = np.linspace(-7, 7, 60001)
    at = nodes(model, batch, z[None, :, None])
    weight = np.exp(at.log_weight[0] + norm.logpdf(z)) * (z[1] - z[0]) * (1 - PHYSICAL_PROBABILITY)
    limit = nodes(model, batch, np.array([[[9.0]]]))
    at_limit = PHYSICAL_PROBABILITY * np.exp(limit.log_weight[0, 0])
    total = weight.sum() + at_limit
    log_tia = np.log(np.append(at.tia_MBq_h[0], limit.tia_MBq_h[0]))
    share = np.append(weight, at_limit) / total
    spread = np.append(at.relative_sd[0], limit.relative_sd[0])
    mean = share @ log_tia
    deviation = math.sqrt(share @ (spread**2 + (log_tia - mean) ** 2))
    found = posterior(model, batch)
    assert found.log_evidence[0] == pytest.approx(math.log(total), abs=0.01)
    assert found.mean[0] == pytest.approx(mean, abs=0.02 * deviation)
    assert math.sqrt(found.variance[0]) == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("name", ["uptake-clearance", "bi", "tri", "bi-uptake"])
@pytest.mark.parametrize("known", [0.05, 0.0])
def test_posterior_of_other_models_by_plain_sampling_of_the_prior(name, known):
    measured = curve([(100, 60), (-100, 6)], TIMES, 0.05, 5, known=known)
    batch, model = batch_of(measured), MODELS[name]
    drawn = np.random.default_rng(8).standard_normal((1, 400_000, dimensions(model)))
    if not model.physical_tail:
        drawn[0, : int(PHYSICAL_PROBABILITY * drawn.shape[1]), 0] = 9.0
    at = nodes(model, batch, drawn)
    weight = np.exp(at.log_weight[0] - at.log_weight[0].max())
    log_tia = np.log(at.tia_MBq_h[0])
    mean = (weight @ log_tia) / weight.sum()
    spread = math.sqrt((weight @ (log_tia - mean) ** 2) / weight.sum())
    evidence = math.log(weight.mean()) + at.log_weight[0].max()
    found = posterior(model, batch)
    assert found.log_evidence[0] == pytest.approx(evidence, abs=0.15)
    assert found.mean[0] == pytest.approx(mean, abs=0.25 * spread)


def test_unknown_noise_gives_students_t():
    """Noise of any size alike: the TIA of a curve with known rates follows Student's t of n - 1 degrees of freedom."""
    prior = NoisePrior.uninformed()
    n, misfit = 5, 4 * 0.05**2  # of the noise range's middle
    levels = (np.arange(2000) + 0.5) / 2000
    noise = prior.quantiles(np.array([misfit]), n, levels)[0]
    draws = np.random.default_rng(1).standard_normal((200, levels.size)) * noise
    expected = t.ppf([0.025, 0.1, 0.9, 0.975], n - 1) * math.sqrt(misfit / (n - 1))
    assert np.quantile(draws, [0.025, 0.1, 0.9, 0.975]) == pytest.approx(expected, rel=0.05)


def test_value_is_the_weighted_mean_and_no_refused_model_is_in_it():
    for seed in range(6):
        found = integrate(curve([(100, 60), (-100, 3)], relative=0.05, seed=seed), LU177)
        used = {one.model: one for one in found.alternatives if one.akaike_weight > 0}
        assert all(one.adequate for one in used.values()) or not any(one.adequate for one in found.alternatives)
        assert found.model in used
        assert sum(one.akaike_weight for one in found.alternatives) == pytest.approx(1)
        mean = sum(one.akaike_weight * one.tia_MBq_h for one in used.values())
        assert found.tia_MBq_h == pytest.approx(mean, rel=1e-9)
        assert (found.averaged.tia_MBq_h, found.averaged.u_tia_MBq_h) == (
            pytest.approx(found.tia_MBq_h),
            pytest.approx(found.u_tia_MBq_h),
        )
        low, high = found.interval_MBq_h()
        assert low < found.tia_MBq_h < high


def test_models_disagreement_is_in_the_uncertainty():
    found = integrate(curve([(100, 60)], (24.0, 72.0, 168.0), known=0.02), LU177)
    used = [one for one in found.alternatives if one.akaike_weight > 0.05]
    assert len(used) == 3
    assert found.u_tia_MBq_h > max(one.u_tia_MBq_h for one in used if one.model == "mono")
    early = {one.model: one.tia_MBq_h for one in used}
    assert early["uptake-clearance"] < early["mono"] < early["bi"]
    assert any("before the first point" in note for note in found.notes)


@pytest.mark.parametrize("half_life_h", [12.0, 50.0, 120.0, LU177.half_life_h])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_no_tail_has_more_than_decay_after_the_last_point(half_life_h, share):
    """By arithmetic for one phase; and for any true tail, the slowest too, that the points hardly show."""
    times, tail_h = (4.0, 24.0, 96.0), LU177.half_life_h
    amplitude = 100 * share / (1 - share) * half_life_h / tail_h
    found = integrate(curve([(100, half_life_h), (amplitude, tail_h)], times, known=0.05), LU177)
    truth = (100 * half_life_h + amplitude * tail_h) / math.log(2)
    bound = found.without_later_clearance_MBq_h
    assert bound >= found.tia_MBq_h
    assert bound > 0.98 * truth
    if share == 0:
        alone = integrate(curve([(100, half_life_h)], times), LU177, "mono")
        last = 100 * 2 ** (-96 / half_life_h)
        exact = (100 * half_life_h - last * half_life_h + last * tail_h) / math.log(2)
        assert alone.without_later_clearance_MBq_h == pytest.approx(exact, rel=1e-3)
    more = 100 * (bound / found.tia_MBq_h - 1)
    if more >= 1:
        assert any(f"the integral would be {more:.0f}% larger" in note for note in found.notes)


@pytest.mark.parametrize("half_lives", [(0.1, 0.4, 1.0, 3.0), (1 / 3, 1.0, 2.0)])
@pytest.mark.parametrize("name", ["Ga-68", "F-18", "Tc-99m", "Cu-64"])
def test_short_lived_nuclides_that_hardly_clear_are_held(name, half_lives):
    """A biological half-life of 80 h, and none: with rates by the physical half-life alone 79 to 89 % were held."""
    decay = nuclide(name)
    times = tuple(one * decay.half_life_h for one in half_lives)
    for biological_h in (80.0, 1e6):
        half_life = 1 / (1 / decay.half_life_h + 1 / biological_h)
        scenario = Scenario("mono", ((100.0, half_life),), times, 0.05, "sigma")
        assert coverage(scenario, decay, 300, 1, compare=False).held >= 0.95 - 3.5 * math.sqrt(0.95 * 0.05 / 300)


def test_the_slowest_phase_of_a_long_lived_nuclide_is_log_uniform():
    """From a twentieth of the physical half-life to it, as for 177Lu; a fast one is nearer to decay."""
    z = norm.ppf(np.linspace(0.005, 0.995, 100))[:, None]
    for name in ("Lu-177", "Tb-161", "I-131"):
        decay = nuclide(name)
        rate = course(MODELS["mono"], z, decay.decay_constant_per_h).rates_per_h[0]
        expected = decay.decay_constant_per_h * 20 ** np.linspace(0.995, 0.005, 100)
        np.testing.assert_allclose(rate, expected, rtol=5e-3)
    fast = nuclide("Ga-68").decay_constant_per_h
    rate = course(MODELS["mono"], z, fast).rates_per_h[0]
    assert rate.max() < 20 * fast
    assert 0.2 < np.mean(rate < 1.1 * fast) < 0.5


@pytest.mark.parametrize("times", [(24.0, 96.0), (4.0, 24.0, 72.0)])
@pytest.mark.parametrize("how", ["mono", "auto"])
def test_few_points_have_a_wide_interval(times, how):
    found = integrate(curve([(100, 60)], times), LU177, how)
    low, high = found.interval_MBq_h()
    assert 0 < low < found.tia_MBq_h < high < 3 * found.tia_MBq_h
    assert math.isfinite(found.u_tia_MBq_h)


def test_more_points_narrow_the_interval():
    def width(times):
        low, high = integrate(curve([(100, 60)], times, known=0.05), LU177).interval_MBq_h()
        return high / low

    assert width((24.0, 96.0)) > width((24.0, 72.0, 168.0)) > width((1.0, 4.0, 24.0, 72.0, 168.0))


def test_interval_reaches_physical_decay_when_the_fit_is_held_there():
    """Two points that fall slower than decay: the interval below the value is that of curves that clear faster."""
    slow = Curve("x", (24.0, 96.0), (90.0, 70.0), (4.5, 3.5))
    found = integrate(slow, LU177, "mono")
    assert found.fit.clearance_is_physical
    low, high = found.interval_MBq_h()
    at_bound = fit_curve(slow, LU177, "mono").u_tia_MBq_h / found.tia_MBq_h  # with the rate as known
    assert math.log(found.tia_MBq_h / low) > 1.5 * 1.96 * at_bound
    assert high > found.tia_MBq_h


@pytest.mark.parametrize("half_life", [120.0, 140.0])
def test_coverage_near_physical_decay(half_life):
    curves = [curve([(100, half_life)], (24.0, 96.0), 0.05, seed, known=0.05) for seed in range(200)]
    truth = 100 * half_life / math.log(2)
    held = [low <= truth <= high for low, high in (one.interval_MBq_h() for one in integrate_all(curves, LU177))]
    assert 0.90 <= np.mean(held) <= 1.0


@pytest.mark.parametrize(
    ("terms", "model"), [([(100, 60)], "mono"), ([(100, 60), (-100, 3)], "uptake-clearance"), ([(100, 40)], "mono")]
)
def test_the_right_model_is_refused_in_one_of_twenty(terms, model):
    """Noise of 5 % that is not stated: 40 fits, nominal 2, at most 6; and auto refuses at most 20 of 200."""
    curves = [curve(terms, relative=0.05, seed=seed) for seed in range(200)]
    assert sum(not is_adequate(fit_curve(one, LU177, model)) for one in curves[:40]) <= 6
    found = integrate_all(curves, LU177)
    refused = [not part.adequate for one in found for part in one.alternatives if part.model == model]
    assert sum(refused) <= 20


def test_many_curves_at_once_are_the_same_as_one_by_one():
    curves = [curve([(100, 30 + 10 * n)], TIMES[: 2 + n % 3], 0.05, n, region=f"r{n}") for n in range(9)]
    together = integrate_all(curves, LU177)
    assert [one.region for one in together] == [one.region for one in curves]
    for one, alone in zip(together, (integrate(one, LU177) for one in curves), strict=True):
        assert one.tia_MBq_h == pytest.approx(alone.tia_MBq_h, rel=1e-9)
        assert one.interval_MBq_h() == pytest.approx(alone.interval_MBq_h(), rel=1e-9)


def test_sensitivity_of_an_average_is_its_derivative():
    """Against finite differences, as far as quasi-random nodes are smooth: 10 % of the largest."""
    measured = curve([(100, 60), (-100, 3)], known=0.05)
    found = estimates([measured], LU177, Options())[0]
    largest = max(abs(one) for one in found.sensitivity_h)
    for n, expected in enumerate(found.sensitivity_h):
        ends = []
        for sign in (1, -1):
            moved = np.array(measured.activity_MBq)
            moved[n] *= 1 + 0.02 * sign
            one = Curve("x", measured.time_h, tuple(moved), measured.u_activity_MBq)
            ends.append(math.exp(estimates([one], LU177, Options())[0].log_tia))
        assert (ends[0] - ends[1]) / (0.04 * measured.activity_MBq[n]) == pytest.approx(expected, abs=0.12 * largest)


def test_draws_of_the_course_have_the_averages_distribution():
    found = estimates([curve([(100, 60), (60, 10)], relative=0.03, known=0.03)], LU177, Options())[0]
    parts = course_draws(found)
    weight = np.concatenate([one.weight for one in parts])
    log_tia = np.concatenate([one.log_tia for one in parts])
    assert weight.sum() == pytest.approx(1)
    assert weight @ log_tia == pytest.approx(found.log_tia, abs=1e-9)


def test_uncertainties_that_no_model_explains_are_widened():
    zigzag = Curve("x", (4.0, 24.0, 48.0, 72.0, 96.0), (100.0, 20.0, 90.0, 10.0, 80.0), (1.0,) * 5)
    found = integrate(zigzag, LU177)
    assert found.estimate.misfit > 10
    assert found.u_tia_MBq_h > 0.1 * found.tia_MBq_h
    assert any("times as wide" in note for note in found.notes)


def test_single_time_point_to_second_order():
    """At the mean lifetime the first order vanishes: what is left is half the square of the spread of ln T."""
    time = 50 / math.log(2)
    found = single_time_point(Curve("k", (time,), (20.0,), (1e-6,)), LU177, 50.0, 10.0)
    g, normal = 0.2, np.random.default_rng(2).standard_normal(400_000)
    half_life = np.minimum(50 * np.exp(g * normal), LU177.half_life_h)
    away = np.log(half_life / 50) + time * math.log(2) * (1 / half_life - 1 / 50)
    assert found.u_tia_MBq_h / found.tia_MBq_h == pytest.approx(math.sqrt((away**2).mean()), rel=0.02)
    assert found.u_tia_MBq_h / found.tia_MBq_h > 0.025
    low, high = found.interval_MBq_h()
    assert (low / found.tia_MBq_h, high / found.tia_MBq_h) == (
        pytest.approx(1.0, abs=1e-3),
        pytest.approx(math.exp(np.quantile(away, 0.975)), rel=0.01),
    )
    assert any("2.1% larger" in note or "2.0% larger" in note for note in found.notes)


@pytest.mark.parametrize(("change", "held"), [(0.0, 1.0), (0.10, 0.95)])
def test_scaled_curves_allow_for_a_change_between_cycles(change, held):
    full = integrate(curve([(100, 60)], relative=0.05, known=0.05, seed=2), LU177, "mono")
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(300):
        half_life = full.teff_h * math.exp(0.10 * rng.standard_normal())
        activity = 80 * 2 ** (-24 / half_life) * (1 + 0.03 * rng.standard_normal())
        later = Curve("x", (24.0,), (activity,), (0.03 * activity,))
        low, high = scaled_curve(full, later, change).interval_MBq_h()
        inside.append(low <= 80 * half_life / math.log(2) <= high)
    assert np.mean(inside) == pytest.approx(held, abs=0.04) if change else np.mean(inside) < 0.9
    wide, narrow = (scaled_curve(full, later, g).u_tia_MBq_h for g in (0.2, 0.1))
    assert wide > narrow


def test_command_prints_no_nan_and_the_public_fields(tmp_path, capsys):
    lines = ["region,time_h,activity_MBq,u_MBq"]
    for n, count in enumerate((2, 3, 4)):
        lines += [f"r{n},{t},{100 * 2 ** (-t / 60):.4f},{5 * 2 ** (-t / 60):.4f}" for t in TIMES[:count]]
    path = tmp_path / "curves.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["tiac", str(path), "--nuclide", "Lu-177", "--json"]) == 0
    for one in json.loads(capsys.readouterr().out)["regions"].values():
        low, high = one["tia_interval_MBq_h"]
        assert low < one["tia_MBq_h"] < high
        assert one["u_tia_MBq_h"] > 0
        assert one["averaged"]["tia_MBq_h"] == pytest.approx(one["tia_MBq_h"], rel=1e-12)
        assert 30 < one["teff_h"] < LU177.half_life_h
        assert {"points", "extrapolated_fraction", "decay", "weights", "choice", "notes", "formula"} <= set(one)
    assert main(["tiac", str(path), "--nuclide", "Lu-177"]) == 0
    assert "nan" not in capsys.readouterr().out


def test_relative_uncertainty_is_of_the_fitted_activity():
    """Stated as 5 % or as sigma of the true activity: the same within the noise of the activities themselves."""
    bare = curve([(100, 60)], relative=0.05, seed=9)
    by_weights = integrate(bare, LU177, "auto", Options(Weights(0.05)))
    exact = tuple(0.05 * a for a in halved([(100, 60)], TIMES))
    by_sigma = integrate(Curve("x", bare.time_h, bare.activity_MBq, exact), LU177)
    assert by_weights.u_tia_MBq_h == pytest.approx(by_sigma.u_tia_MBq_h, rel=0.2)
