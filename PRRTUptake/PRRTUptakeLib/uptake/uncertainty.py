"""Value, standard uncertainty and interval of uptakes and of their ratios, from draws that share what is shared.

Every uptake comes as its value and as draws of what the truth may be (``uptake.transfer_uncertainty``). A ratio is
formed draw by draw: what both uptakes share (calibration, administered activity and resolution in one image; contours
between two images) cancels as far as it does, and what is each one's own remains.

A value that was not corrected for partial volume keeps its interval honest: that reaches from the value's own error up
to that of the corrected one, and its standard uncertainty is the root mean square distance of the truth from the value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.aggregation import aggregate_draws
from PRRTUptakeLib.uptake.errors import UptakeError
from PRRTUptakeLib.vocabulary import AGGREGATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TAIL = 0.025


@dataclass(frozen=True, kw_only=True)
class UncertainValue:
    """A quantity with its 95 % interval.

    Attributes
    ----------
    value : as reported.
    u : standard uncertainty, same unit.
    lower, upper : 95 % interval; not symmetric.
    contents : what the interval includes, in words.
    """

    value: float
    u: float
    lower: float
    upper: float
    contents: str = ""


@dataclass(frozen=True, eq=False)
class DrawnValue:
    """One positive quantity of one image or of several, as measured and as it may be in truth.

    Attributes
    ----------
    measured : as the image shows it.
    corrected : after correction for partial volume.
    own : (draws,), log of measured-like values over ``measured``: its own error by noise, nothing of partial volume.
    truth : (draws,), log of the possible truth over ``corrected``.
    contents : what the draws include, in words.
    causes : (draws,) by cause, of which ``truth`` is the sum (to first order for an average of several values).
    """

    measured: float
    corrected: float
    own: np.ndarray
    truth: np.ndarray
    contents: str = ""
    causes: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for word in ("measured", "corrected"):
            value = getattr(self, word)
            if not (math.isfinite(value) and value > 0):
                raise UptakeError(f"The {word} uptake is {value}, but must be positive to have an interval.")
        if self.own.ndim != 1 or self.own.shape != self.truth.shape:
            raise UptakeError(f"Draws of shapes {self.own.shape} and {self.truth.shape} do not belong together.")

    @property
    def loss(self) -> float:
        """Share of the corrected value that the measured one lacks (negative: spill-in outweighs spill-out)."""
        return 1.0 - self.measured / self.corrected

    def with_shared(self, relative_u: float, draws: np.ndarray, word: str) -> DrawnValue:
        """With a cause more that acts on the measured and on the true value, such as calibration.

        ``draws`` are its standard normal numbers: the same ones for all that share it, so that it cancels in ratios.
        """
        log = relative_u * draws
        contents = f"{self.contents}, {word}" if self.contents else word
        causes = {**self.causes, word: self.causes.get(word, 0.0) + log}
        return DrawnValue(self.measured, self.corrected, self.own + log, self.truth + log, contents, causes)

    def result(self, corrected: bool) -> UncertainValue:
        """The quantity to report: corrected, or as measured with the expected loss in its interval."""
        return corrected_value(self) if corrected else uncorrected_value(self)


def corrected_value(uptake: DrawnValue) -> UncertainValue:
    """The corrected value with the interval of its draws."""
    truth = uptake.corrected * np.exp(uptake.truth)
    low, high = np.quantile(truth, [_TAIL, 1.0 - _TAIL])
    u = float(np.sqrt(np.mean((truth - uptake.corrected) ** 2)))
    contents = f"corrected for partial volume; interval by {uptake.contents}"
    return UncertainValue(value=uptake.corrected, u=u, lower=float(low), upper=float(high), contents=contents)


def uncorrected_value(uptake: DrawnValue) -> UncertainValue:
    """The measured value; its interval joins its own error and the corrected value's, so that the loss is inside."""
    own = uptake.measured * np.exp(uptake.own)
    truth = uptake.corrected * np.exp(uptake.truth)
    low, high = (np.quantile(values, [_TAIL, 1.0 - _TAIL]) for values in (own, truth))
    u = float(np.sqrt(np.mean((truth - uptake.measured) ** 2)))
    percent = 100.0 * uptake.loss
    word = f"loss of {percent:.0f} %" if percent >= 0 else f"gain of {-percent:.0f} %"
    contents = f"not corrected for partial volume; interval includes the expected {word} and {uptake.contents}"
    return UncertainValue(
        value=uptake.measured,
        u=u,
        lower=float(min(low[0], high[0])),
        upper=float(max(low[1], high[1])),
        contents=contents,
    )


def ratio(upper: DrawnValue, lower: DrawnValue) -> DrawnValue:
    """One uptake over another, draw by draw: T/N, treated over control, intra-arterial over intravenous.

    Raises
    ------
    UptakeError
        If the numbers of draws differ.
    """
    if upper.own.shape != lower.own.shape:
        raise UptakeError("A ratio needs equal numbers of draws: draw both uptakes with the same settings.")
    words = dict.fromkeys((*upper.causes, *lower.causes))
    return DrawnValue(
        upper.measured / lower.measured,
        upper.corrected / lower.corrected,
        upper.own - lower.own,
        upper.truth - lower.truth,
        upper.contents,
        {word: np.asarray(upper.causes.get(word, 0.0) - lower.causes.get(word, 0.0)) for word in words},
    )


def mapped(value: DrawnValue, function: Callable[[np.ndarray], np.ndarray], cause: str = "") -> DrawnValue:
    """A quantity that follows from another one, draw by draw, such as an effect from a dose.

    ``function`` takes and gives positive values of any shape; ``cause`` names its own part, if it adds one.
    """
    measured, corrected = (float(function(np.array(one))) for one in (value.measured, value.corrected))
    own = np.log(function(value.measured * np.exp(value.own)) / measured)
    truth = np.log(function(value.corrected * np.exp(value.truth)) / corrected)
    return DrawnValue(measured, corrected, own, truth, ", ".join(filter(None, (value.contents, cause))))


def summed(values: Sequence[DrawnValue]) -> DrawnValue:
    """The sum of several quantities, draw by draw: what they share does not average out.

    Raises
    ------
    UptakeError
        For no values, or different numbers of draws.
    """
    if not values or len({one.own.shape for one in values}) > 1:
        raise UptakeError("A sum needs at least one value, and all with equal numbers of draws.")
    measured, corrected = (math.fsum(getattr(one, word) for one in values) for word in ("measured", "corrected"))
    own = np.log(np.sum([one.measured * np.exp(one.own) for one in values], axis=0) / measured)
    truth = np.log(np.sum([one.corrected * np.exp(one.truth) for one in values], axis=0) / corrected)
    return DrawnValue(measured, corrected, own, truth, values[0].contents)


def aggregated(values: Sequence[DrawnValue], rule: str, volumes_mL: Sequence[float] | None = None) -> DrawnValue:
    """One value from several lesions by a word of AGGREGATIONS, draw by draw.

    Raises
    ------
    UptakeError
        For no values, an unknown rule, or missing volumes.
    """
    if not values:
        raise UptakeError("There are no lesions to average: choose at least one.")
    if rule not in AGGREGATIONS:
        raise UptakeError(f"The aggregation '{rule}' is not one of {', '.join(AGGREGATIONS)}.")
    weights = np.full(len(values), 1.0 / len(values))
    if rule == "volume-weighted-mean":
        if volumes_mL is None or len(volumes_mL) != len(values) or not all(volume > 0 for volume in volumes_mL):
            raise UptakeError("The volume-weighted mean needs a positive volume for each lesion.")
        weights = np.asarray(volumes_mL, dtype=np.float64) / math.fsum(volumes_mL)
    measured = np.array([one.measured for one in values])
    corrected = np.array([one.corrected for one in values])
    own = np.array([one.own for one in values])
    truth = np.array([one.truth for one in values])
    parts = [aggregate_draws(one[None, :], rule, volumes_mL) for one in (measured, corrected)]
    spread = [
        np.log(aggregate_draws((centre[:, None] * np.exp(logs)).T, rule, volumes_mL) / part)
        for centre, logs, part in ((measured, own, parts[0]), (corrected, truth, parts[1]))
    ]
    shares = _shares(corrected, rule, weights)
    words = dict.fromkeys(word for one in values for word in one.causes)
    causes = {
        word: np.sum([share * one.causes.get(word, 0.0) for share, one in zip(shares, values, strict=True)], axis=0)
        for word in words
    }
    return DrawnValue(float(parts[0][0]), float(parts[1][0]), spread[0], spread[1], values[0].contents, causes)


def _shares(values: np.ndarray, rule: str, weights: np.ndarray) -> np.ndarray:
    """Derivative of the log of the average by the log of each value."""
    if rule == "geometric-mean":
        return weights
    if rule == "median":
        order = np.argsort(values, kind="stable")
        weights = np.zeros(values.size)
        middle = order[(values.size - 1) // 2 : values.size // 2 + 1]
        weights[middle] = 1.0 / middle.size
    return np.asarray(weights * values / float(weights @ values))


def budget(uptake_by_cause: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Share of the variance by cause, in per cent that add up to 100; draws of each cause alone, (draws,).

    Raises
    ------
    UptakeError
        If nothing varies.
    """
    variances = {cause: float(np.var(draws)) for cause, draws in uptake_by_cause.items()}
    total = math.fsum(variances.values())
    if not total > 0:
        raise UptakeError("No cause has an uncertainty, so there is no budget: state at least one.")
    return {cause: 100.0 * variance / total for cause, variance in variances.items()}
