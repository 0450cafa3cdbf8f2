"""The time-integrated activity (TIA) that all physically possible models together give, for many curves at once.

Models are weighted by AICc where it is defined for all of them (Akaike weights, Burnham and Anderson 2002), else by the
likelihood averaged over the stated priors (:mod:`priors`). A model that the points refuse has no weight as long as
another is adequate. The value is the weighted mean of what describes the points best in each model; uncertainty and
interval are read from all models' draws, so that the models' disagreement is in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.fitting import point_uncertainties
from PRRTDosimetryLib.kinetics.likelihood import Batch, Noise
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.posterior import posterior
from PRRTDosimetryLib.kinetics.priors import ASSUMED_RELATIVE_UNCERTAINTY, MODEL_PROBABILITY, course

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.models import Model
    from PRRTDosimetryLib.kinetics.options import Options
    from PRRTDosimetryLib.kinetics.posterior import ModelPosterior

    Floats = NDArray[np.float64]

SIGNIFICANCE = 0.05
"""Of the chi-square test that refuses a model: so often the right one is refused."""

LEVELS = np.concatenate([[0.0005], np.arange(1, 400) / 400, [0.9995]])
"""Where the distribution of the TIA is kept."""

_CHUNK = 128  # curves at once: their arrays stay in the cache
_LEAST_FREEDOM = 0.3  # degrees of freedom that allow a test
_HARDLY_LESS = 0.7
_LEAST_WEIGHT = 1e-3  # of a model in the average's course


@dataclass(frozen=True)
class ModelEstimate:
    """What one model says: weight in the average, best ln TIA and its standard deviation, and how well it describes.

    ``correlation`` is of shares and rate steps, shape (k, k), as in :class:`fitting.CurveFit`.
    """

    model: Model
    weight: float
    log_best: float
    log_sd: float
    aicc: float
    adequate: bool
    shape: Shape
    correlation: Floats

    @property
    def tia_MBq_h(self) -> float:
        """Its time-integrated activity."""
        return math.exp(self.log_best)

    @property
    def half_lives_h(self) -> tuple[float, ...]:
        """Effective half-lives of clearance from slow to fast, then of uptake, of the best course."""
        rates = [rate for amplitude, rate in self.shape.exponentials if amplitude > 0]
        rates += [rate for amplitude, rate in self.shape.exponentials[:1] if amplitude < 0]
        return tuple(math.log(2) / rate for rate in rates)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What all models together say of one curve.

    Attributes
    ----------
    models : each model's part, in the order of ``MODELS``.
    log_best : ln of the weighted mean of the models' best TIA (MBq h).
    log_tia, log_sd : mean and standard deviation of all draws of ln TIA.
    quantiles : of ln TIA at ``LEVELS``.
    sensitivity_h : derivative of the TIA by each activity, hours.
    before, after : upper 97.5 % limits of the shares of the TIA before the first and after the last point.
    by_aicc : whether the weights are Akaike weights.
    misfit : factor by which given uncertainties were widened because no model describes the points, else 1.
    batch, names : what it was calculated from, for further draws.
    """

    models: tuple[ModelEstimate, ...]
    log_best: float
    log_tia: float
    log_sd: float
    quantiles: Floats
    sensitivity_h: tuple[float, ...]
    before: float
    after: float
    by_aicc: bool
    misfit: float
    batch: Batch
    names: tuple[str, ...]

    @property
    def best(self) -> ModelEstimate:
        """The simplest model whose weight is hardly below the largest."""
        largest = max(one.weight for one in self.models)
        good = [one for one in self.models if one.weight >= _HARDLY_LESS * largest]
        return min(good, key=lambda one: one.model.parameters)

    @property
    def relative_u(self) -> float:
        """Standard uncertainty of the average: spread of the draws, and what their mean is away from it."""
        return math.hypot(self.log_sd, self.log_tia - self.log_best)

    @property
    def adequate(self) -> bool:
        """Whether any model describes the points."""
        return any(one.adequate for one in self.models)

    def shape(self) -> Shape:
        """Weighted mean of the models' courses, with the integral of the average."""
        used = [one for one in self.models if one.weight > _LEAST_WEIGHT]
        terms = tuple((one.weight * a, rate) for one in used for a, rate in one.shape.exponentials)
        mixed = Shape(terms)
        return mixed.scaled(math.exp(self.log_best) / mixed.integral_MBq_h)

    def interval_MBq_h(self, confidence: float) -> tuple[float, float]:
        """Central interval of the draws: as many below as above."""
        low, high = np.interp([0.5 - confidence / 2, 0.5 + confidence / 2], LEVELS, self.quantiles)
        return math.exp(low), math.exp(high)


@dataclass(frozen=True, eq=False)
class CourseDraws:
    """Draws of one model's course: rates and shares (lists of (draws,)), ln TIA, and weights (1 over all models)."""

    model: Model
    rates_per_h: list[Floats]
    fractions: list[Floats]
    log_tia: Floats
    weight: Floats


def estimates(
    curves: Sequence[Curve],
    nuclide: Radionuclide,
    options: Options,
    names: Sequence[str] = (),
    equal: bool = False,
) -> list[Estimate]:
    """Estimates of all curves; those with the same number of points are calculated together.

    Parameters
    ----------
    curves, nuclide, options : as for :func:`selection.integrate`.
    names : models; without any, all that are possible.
    equal : noise that is not stated is the same at all points, instead of relative to the fitted activity.
    """
    groups: dict[tuple[int, bool], list[int]] = {}
    for number, curve in enumerate(curves):
        point_uncertainties(curve, options.weights)  # refuses what contradicts
        groups.setdefault((len(curve.time_h), bool(curve.u_activity_MBq)), []).append(number)
    found: dict[int, Estimate] = {}
    for (points, _), numbers in groups.items():
        for start in range(0, len(numbers), _CHUNK):
            chosen = numbers[start : start + _CHUNK]
            batch = batch_of([curves[n] for n in chosen], nuclide, options, equal)
            found.update(zip(chosen, _estimated(batch, names or possible_models(points)), strict=True))
    return [found[number] for number in range(len(curves))]


def possible_models(points: int) -> tuple[str, ...]:
    """Models that are averaged: early phases are possible however few points there are, more phases need more points.

    Examples
    --------
    >>> possible_models(2), len(possible_models(5))
    (('mono', 'uptake-clearance', 'bi'), 5)
    """
    return tuple(name for name, one in MODELS.items() if one.parameters <= max(points, 3) or name == "bi")


def batch_of(curves: Sequence[Curve], nuclide: Radionuclide, options: Options, equal: bool = False) -> Batch:
    """Curves with the same number of points, all with uncertainties of their own or all without."""
    time = np.array([curve.time_h for curve in curves])
    activity = np.array([curve.activity_MBq for curve in curves])
    weights = options.weights
    if curves[0].u_activity_MBq:
        noise = Noise(np.array([curve.u_activity_MBq for curve in curves]))
    elif weights is not None:
        noise = Noise(None, weights.relative, np.full(len(curves), weights.floor_MBq))
    else:
        noise = Noise(unknown=True, equal=equal)
    return Batch(time, activity, noise, nuclide.decay_constant_per_h, options.priors)


def course_draws(estimate: Estimate) -> list[CourseDraws]:
    """The draws behind an estimate, calculated again: they are the same each time."""
    parts = [posterior(MODELS[name], estimate.batch) for name in estimate.names]
    draws = []
    for part, one in zip(parts, estimate.models, strict=True):
        if one.weight == 0:
            continue
        log_tia = estimate.log_tia + estimate.misfit * (part.log_tia[0] - estimate.log_tia)
        repeat = log_tia.size // part.course.fractions[0].shape[1]
        rates, fractions = (
            [np.tile(np.broadcast_to(column, part.course.fractions[0].shape)[0], repeat) for column in columns]
            for columns in (part.course.rates_per_h, part.course.fractions)
        )
        draws.append(CourseDraws(one.model, rates, fractions, log_tia, one.weight * part.weight[0]))
    return draws


def _estimated(batch: Batch, names: Sequence[str]) -> list[Estimate]:
    parts = [posterior(MODELS[name], batch) for name in names]
    points = batch.time_h.shape[1]
    misfit = np.stack([part.least_misfit for part in parts]) / (
        ASSUMED_RELATIVE_UNCERTAINTY**2 if batch.noise.unknown else 1.0
    )
    freedom = points - np.stack([part.parameters for part in parts])
    testable = freedom > _LEAST_FREEDOM
    freedom = np.maximum(freedom, _LEAST_FREEDOM)
    adequate = ~testable | (chdtrc(freedom, misfit) >= SIGNIFICANCE)
    criteria = np.stack([_aicc(part, batch) for part in parts])
    by_aicc = bool(np.isfinite(criteria).all())
    weights = _weights(parts, criteria if by_aicc else None, adequate)
    widened = np.sqrt(np.maximum(misfit / freedom, 1.0).min(axis=0))
    widened = np.where(adequate.any(axis=0) | batch.noise.unknown, 1.0, widened)  # an unknown noise is larger already
    log_tia, log_sd, quantiles = _combined(parts, weights, widened)
    log_best = np.log(sum((w * np.exp(part.log_best) for w, part in zip(weights, parts, strict=True)), 0 * log_tia))
    before, after = _unseen(parts, weights, batch)
    sensitivity = sum(
        (weight[:, None] * part.sensitivity for weight, part in zip(weights, parts, strict=True)),
        np.zeros_like(batch.time_h),
    )
    sensitivity *= np.exp(log_best)[:, None]
    shapes = [_shapes(part, batch) for part in parts]
    correlations = [_correlation(part) for part in parts]
    return [
        Estimate(
            tuple(
                ModelEstimate(
                    part.model,
                    float(weights[m, c]),
                    float(part.log_best[c]),
                    math.sqrt(part.variance[c]),
                    float(criteria[m, c]),
                    bool(adequate[m, c]),
                    shapes[m][c],
                    correlations[m][c],
                )
                for m, part in enumerate(parts)
            ),
            float(log_best[c]),
            float(log_tia[c]),
            float(log_sd[c]),
            quantiles[c],
            tuple(float(value) for value in sensitivity[c]),
            float(before[c]),
            float(after[c]),
            by_aicc,
            float(widened[c]),
            batch.of(slice(c, c + 1)),
            tuple(names),
        )
        for c in range(len(batch.time_h))
    ]


def _aicc(part: ModelPosterior, batch: Batch) -> Floats:
    """AICc of each curve, nan where it is not defined (points <= parameters + 1)."""
    n, k = batch.time_h.shape[1], part.model.parameters
    if n <= k + 1:
        return np.full(len(batch.time_h), np.nan)
    penalty: Floats = 2 * k + 2 * k * (k + 1) / (n - k - 1) + 2 * part.log_sigma
    if batch.noise.unknown:
        penalty = n * np.log(np.maximum(part.least_misfit / n, 1e-18)) + penalty
    else:
        penalty = part.least_misfit + penalty
    return penalty


def _weights(parts: Sequence[ModelPosterior], criteria: Floats | None, adequate: NDArray[np.bool_]) -> Floats:
    """Weights of the models (models, curves), 0 for refused ones where another is adequate."""
    prior = np.array([MODEL_PROBABILITY[part.model.name] for part in parts])
    if criteria is not None:
        score = -0.5 * criteria
    else:
        score = np.stack([part.log_evidence for part in parts]) + np.log(prior)[:, None]
    score = np.where(adequate | ~adequate.any(axis=0), score, -np.inf)
    weight = np.exp(score - score.max(axis=0))
    total: Floats = weight / weight.sum(axis=0)
    return total


def _combined(parts: Sequence[ModelPosterior], weights: Floats, widened: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, standard deviation and quantiles (curves, levels) of ln TIA over all models' draws."""
    draws = np.concatenate([part.log_tia for part in parts], axis=1)
    weight = np.concatenate([w[:, None] * part.weight for w, part in zip(weights, parts, strict=True)], axis=1)
    mean = (weight * draws).sum(axis=1)
    spread = np.sqrt((weight * (draws - mean[:, None]) ** 2).sum(axis=1)) * widened
    quantiles = mean[:, None] + widened[:, None] * (_quantiles(draws, weight, LEVELS) - mean[:, None])
    return mean, spread, quantiles


def _correlation(part: ModelPosterior) -> Floats:
    """Correlation of shares and rate steps, shape (curves, k, k), 0 beside what does not vary."""
    rates, fractions = part.course.rates_per_h, part.course.fractions
    repeat = part.log_tia.shape[1] // fractions[0].shape[1]
    tia = np.exp(part.log_tia)
    steps = [rates[0], *(fast - slow for slow, fast in pairwise(rates))][int(part.model.physical_tail) :]
    columns = [np.tile(column, repeat) for column in steps]
    values = np.stack([*(np.tile(share, repeat) * tia for share in fractions), *columns], axis=1)
    away = values - (part.weight[:, None, :] * values).sum(axis=-1, keepdims=True)
    covariance = (part.weight[:, None, :] * away) @ away.transpose(0, 2, 1)
    spread = np.sqrt(np.einsum("ckk->ck", covariance))
    spread = np.where(spread > 0, spread, 1.0)
    result: Floats = covariance / (spread[:, :, None] * spread[:, None, :])
    return result


def _quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    """Weighted quantiles of each row, shape (rows, levels)."""
    order = np.argsort(values, axis=1)
    values, weight = np.take_along_axis(values, order, 1), np.take_along_axis(weight, order, 1)
    below = np.cumsum(weight, axis=1)
    below -= 0.5 * weight
    return np.stack([np.interp(levels, b, v) for b, v in zip(below, values, strict=True)])


def _unseen(parts: Sequence[ModelPosterior], weights: Floats, batch: Batch) -> tuple[Floats, Floats]:
    """Upper limits of the shares of the TIA before the first and after the last point, shape (curves,)."""
    first, last = batch.time_h[:, :1], batch.time_h[:, -1:]
    kept = [
        (np.broadcast_to(part.course.share_after(time, part.model.phases), part.course.fractions[0].shape))
        for time in (first, last)
        for part in parts
    ]
    nodes = [part.course.fractions[0].shape[1] for part in parts]
    weight = np.concatenate(
        [2 * w[:, None] * part.weight[:, :n] for w, part, n in zip(weights, parts, nodes, strict=True)], axis=1
    )
    before = 1 - np.concatenate(kept[: len(parts)], axis=1)
    after = np.concatenate(kept[len(parts) :], axis=1)
    level = np.array([0.975])
    return _quantiles(before, weight, level)[:, 0], _quantiles(after, weight, level)[:, 0]


def _shapes(part: ModelPosterior, batch: Batch) -> list[Shape]:
    """Each curve's best course."""
    model = part.model
    at = course(model, part.z, batch.physical_per_h, batch.priors)
    tia = np.exp(part.log_best)
    amplitudes, rates = [], []
    for phase in range(model.phases):
        rate = at.rates_per_h[phase]
        amplitude = tia * at.fractions[phase] * rate
        if model.uptake:
            uptake = at.rates_per_h[-1]
            amplitude = amplitude * uptake / (uptake - rate)
            amplitudes.append(-amplitude)
            rates.append(uptake)
        amplitudes.append(amplitude)
        rates.append(rate)
    return [
        Shape(tuple((float(a[c]), float(r[c])) for a, r in zip(amplitudes, rates, strict=True)))
        for c in range(len(batch.time_h))
    ]
