"""How often the stated 95 % interval of ``auto`` holds the truth: simulated curves whose truth is known.

Not simulated: a wrong administered activity or calibration (the same for all points), activities that drift between
images for other reasons than noise (registration, contours), three clearance phases, and noise that is not Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.averaging import estimates, possible_models
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.priors import (
    MODEL_PROBABILITY,
    NOISE_FLOOR_OF_LARGEST,
    PHYSICAL_PROBABILITY,
    NoisePrior,
    course,
    dimensions,
)

if TYPE_CHECKING:
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.averaging import Estimate

CONFIDENCE = 0.95
_ASSUMED_TIA_MBq_h = 1e4
_PHYSICAL = 8.0  # standard normal number of a main clearance at physical decay
GIVEN = ("sigma", "relative", "nothing")
"""What is known of the noise: each point's standard uncertainty, one relative uncertainty, or nothing."""


@dataclass(frozen=True)
class Scenario:
    """A true course and how it is measured.

    Attributes
    ----------
    model : the right model, in ``MODELS``.
    terms : (amplitude in MBq, half-life in h) of the exponentials; a negative amplitude is uptake.
    time_h : of the points.
    noise : relative standard deviation of a point.
    given : what is said of the noise, in ``GIVEN``.
    """

    model: str
    terms: tuple[tuple[float, float], ...]
    time_h: tuple[float, ...]
    noise: float
    given: str

    @property
    def name(self) -> str:
        """In words."""
        half_lives = "/".join(f"{half_life:g}" for _, half_life in self.terms)
        times = "/".join(f"{time:g}" for time in self.time_h)
        return f"{self.model} {half_lives} h at {times} h, noise {self.noise:.0%}, given: {self.given}"

    @property
    def tia_MBq_h(self) -> float:
        """The true integral."""
        return sum(amplitude * half_life for amplitude, half_life in self.terms) / math.log(2)

    def curves(self, count: int, seed: int) -> list[Curve]:
        """Noisy measurements."""
        time = np.array(self.time_h)
        amplitude, half_life = np.array(self.terms).T[:, :, None]
        exact = (amplitude * 2 ** (-time / half_life)).sum(axis=0)
        drawn = np.maximum(
            exact * (1 + self.noise * np.random.default_rng(seed).standard_normal((count, time.size))), 0
        )
        sigma = tuple(float(value) for value in self.noise * exact) if self.given == "sigma" else ()
        return [Curve("region", self.time_h, tuple(float(a) for a in row), sigma) for row in drawn]

    def options(self) -> Options:
        """What is said of the noise."""
        return Options(Weights(self.noise)) if self.given == "relative" else Options()


@dataclass(frozen=True)
class Coverage:
    """What was found in one scenario.

    Attributes
    ----------
    held : share of the intervals that hold the truth.
    below, above : share that is wholly below, wholly above the truth.
    width : median width of the interval over the true integral.
    width_ratio : median width over that of the right model alone, with the same knowledge of the noise.
    bias : mean of the value over the true integral, less 1.
    """

    scenario: Scenario
    count: int
    held: float
    below: float
    above: float
    width: float
    width_ratio: float
    bias: float


_DAYS = (4.0, 24.0, 72.0, 168.0)
_EARLY = (1.0, 4.0, 24.0, 72.0, 168.0)
_LATE = (24.0, 72.0, 168.0)
_TWO = (24.0, 96.0)
_THREE = (4.0, 24.0, 96.0)

SCENARIOS = (
    Scenario("mono", ((100.0, 40.0),), _DAYS, 0.05, "nothing"),
    Scenario("mono", ((100.0, 60.0),), _DAYS, 0.02, "sigma"),
    Scenario("mono", ((100.0, 60.0),), _DAYS, 0.02, "nothing"),
    Scenario("mono", ((100.0, 60.0),), _THREE, 0.05, "relative"),
    Scenario("mono", ((100.0, 100.0),), _LATE, 0.05, "sigma"),
    Scenario("mono", ((100.0, 140.0),), _DAYS, 0.05, "nothing"),
    Scenario("mono", ((100.0, 155.0),), _DAYS, 0.02, "relative"),
    Scenario("mono", ((100.0, 155.0),), _TWO, 0.05, "sigma"),
    Scenario("mono", ((100.0, 60.0),), _TWO, 0.05, "relative"),
    Scenario("mono", ((100.0, 60.0),), _TWO, 0.02, "sigma"),
    Scenario("uptake-clearance", ((100.0, 60.0), (-100.0, 3.0)), _DAYS, 0.05, "nothing"),
    Scenario("uptake-clearance", ((100.0, 60.0), (-100.0, 3.0)), _EARLY, 0.02, "relative"),
    Scenario("uptake-clearance", ((100.0, 100.0), (-100.0, 2.0)), _THREE, 0.02, "sigma"),
    Scenario("uptake-clearance", ((100.0, 140.0), (-100.0, 5.0)), _DAYS, 0.05, "relative"),
    Scenario("uptake-clearance", ((100.0, 50.0), (-100.0, 0.7)), _LATE, 0.05, "sigma"),
    Scenario("uptake-clearance", ((100.0, 60.0), (-100.0, 3.0)), _LATE, 0.05, "sigma"),
    Scenario("uptake-clearance", ((100.0, 60.0), (-100.0, 3.0)), _TWO, 0.05, "nothing"),
    Scenario("bi", ((100.0, 80.0), (60.0, 10.0)), _EARLY, 0.05, "relative"),
    Scenario("bi", ((100.0, 60.0), (50.0, 5.0)), _DAYS, 0.02, "sigma"),
    Scenario("bi", ((100.0, 80.0), (60.0, 10.0)), _DAYS, 0.02, "nothing"),
    Scenario("bi", ((100.0, 120.0), (80.0, 15.0)), _EARLY, 0.05, "nothing"),
)
"""Mono-exponential, uptake, and two phases; 2 to 5 points; noise of 2 and 5 %; half-lives of 40 to 155 h."""


def coverage(
    scenario: Scenario, nuclide: Radionuclide, count: int = 500, seed: int = 1, compare: bool = True
) -> Coverage:
    """Simulate ``count`` measurements and integrate them as ``prrt tiac`` does by default.

    Without ``compare`` the right model alone is left out, and the ratio of widths is nan.
    """
    curves, options = scenario.curves(count, seed), scenario.options()
    found = estimates(curves, nuclide, options)
    truth = scenario.tia_MBq_h
    low, high = _bounds(found)
    ratio = math.nan
    if compare:
        known_low, known_high = _bounds(estimates(curves, nuclide, options, (scenario.model,), equal=False))
        ratio = float(np.median(high - low) / np.median(known_high - known_low))
    values = np.exp([one.log_best for one in found])
    return Coverage(
        scenario,
        count,
        float(np.mean((low <= truth) & (truth <= high))),
        float(np.mean(high < truth)),
        float(np.mean(low > truth)),
        float(np.median(high - low)) / truth,
        ratio,
        float(values.mean()) / truth - 1,
    )


def held_where_truth_is_as_assumed(
    nuclide: Radionuclide, time_h: tuple[float, ...], noise: float | None, count: int = 500, seed: int = 1
) -> float:
    """Share of the 95 % intervals that hold the truth, of regions drawn from what is assumed beforehand (`priors`).

    Single truths that the points do not distinguish from others are held more or less often, by how usual they are;
    over all of them together it is 95 %, whatever the points.

    Parameters
    ----------
    noise : relative, stated with every point; None draws it from its prior and leaves it unstated.
    """
    random = np.random.default_rng(seed)
    curves = [_assumed(nuclide, time_h, noise, random) for _ in range(count)]
    low, high = _bounds(estimates(curves, nuclide, Options()))
    return float(np.mean((low <= _ASSUMED_TIA_MBq_h) & (_ASSUMED_TIA_MBq_h <= high)))


def _assumed(
    nuclide: Radionuclide, time_h: tuple[float, ...], noise: float | None, random: np.random.Generator
) -> Curve:
    """One region of ``_ASSUMED_TIA_MBq_h``: model, rates, amplitudes and noise from their priors."""
    names = possible_models(len(time_h))
    odds = np.array([MODEL_PROBABILITY[name] for name in names])
    model = MODELS[names[int(random.choice(len(names), p=odds / odds.sum()))]]
    z = random.standard_normal(dimensions(model))
    if not model.physical_tail and random.random() < PHYSICAL_PROBABILITY:
        z[0] = _PHYSICAL
    drawn = course(model, z, nuclide.decay_constant_per_h)
    exact = _ASSUMED_TIA_MBq_h * drawn.unit_curve(np.array(time_h), model.phases)
    prior = NoisePrior.stated()
    relative = float(random.choice(prior.noise, p=np.exp(prior.log_weight))) if noise is None else noise
    floor = NOISE_FLOOR_OF_LARGEST * exact.max() if noise is None else 0.0
    sigma = relative * np.hypot(exact, floor)
    activity = np.maximum(exact + sigma * random.standard_normal(exact.size), 0.0)
    stated = () if noise is None else tuple(float(one) for one in np.maximum(sigma, 1e-9 * exact.max()))
    return Curve("region", time_h, tuple(float(one) for one in activity), stated)


def _bounds(found: list[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.array([one.interval_MBq_h(CONFIDENCE) for one in found]).T
    return low, high
