"""Integration without a model: trapezoids between the points, a stated start before and a stated tail after them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.fitting import point_uncertainties
from PRRTDosimetryLib.kinetics.integral import Integral
from PRRTDosimetryLib.kinetics.priors import ASSUMED_RELATIVE_UNCERTAINTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.fitting import Weights

STARTS = {
    "zero": "rises linearly from 0 at the injection to the first point",
    "constant": "is that of the first point from the injection on",
    "decay": "follows physical decay from the injection to the first point",
}
TAILS = {
    "physical": "physical decay after the last point",
    "effective": "the mono-exponential through the last two points, never slower than decay, after the last point",
}
_DECAY_NODES = 33  # polygon of the decaying start; its error is below 1e-4 of the start for a half-life


def trapezoid(
    curve: Curve,
    nuclide: Radionuclide,
    start: str = "constant",
    tail: str = "effective",
    weights: Weights | None = None,
) -> Integral:
    """Trapezoids between the points; start and tail as stated in the result.

    Parameters
    ----------
    curve, nuclide : decayed activities, and the nuclide that bounds the tail.
    start : ``zero``, ``constant`` or ``decay`` (see ``STARTS``).
    tail : ``physical`` or ``effective`` (see ``TAILS``).
    weights : uncertainties of points that have none of their own; without either 5 % are assumed and stated.

    Raises
    ------
    KineticsError
        For other words, a single point, or a last point of 0 MBq before an effective tail.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> result = trapezoid(Curve("Liver", (10.0, 20.0), (100.0, 50.0)), nuclide("Lu-177"), "zero", "effective")
    >>> round(result.tia_MBq_h - (500 + 750), 3)  # the tail: 50 MBq x 10 h / ln 2
    721.348
    """
    if start not in STARTS or tail not in TAILS:
        raise KineticsError(
            f"A trapezoid with start '{start}' and tail '{tail}' is not known; starts are {', '.join(STARTS)}, "
            f"tails {', '.join(TAILS)}."
        )
    if len(curve.time_h) < 2:
        raise KineticsError(
            f"{curve.region} has one point; a trapezoid needs two, or use single-time-point with a half-life."
        )
    activity = np.array(curve.activity_MBq)
    shape = _shape(curve, activity, nuclide, start, tail)
    sensitivity = _sensitivity(activity, lambda values: _shape(curve, values, nuclide, start, tail).integral_MBq_h)
    sigma, weighting = _uncertainties(curve, weights)
    return Integral(
        curve,
        nuclide,
        "trapezoid",
        shape,
        math.hypot(*(np.array(sensitivity) * sigma)),
        math.inf,
        sensitivity,
        weighting,
        "asked for",
        (
            f"the activity {STARTS[start]}; {TAILS[tail]}",
            "not in the uncertainty: that the activity is another one before, between and after the points",
        ),
        method="trapezoid",
    )


def _uncertainties(curve: Curve, weights: Weights | None) -> tuple[np.ndarray, str]:
    """Standard uncertainties of the points, and in words what they are."""
    own = point_uncertainties(curve, weights)
    if own is None:
        words = f"none given: {ASSUMED_RELATIVE_UNCERTAINTY:.0%} of each activity are assumed for the uncertainty"
        return ASSUMED_RELATIVE_UNCERTAINTY * np.array(curve.activity_MBq), words
    if weights is None:
        return own, "the points' own standard uncertainties"
    return own, f"sigma^2 = ({weights.relative:g} A)^2 + ({weights.floor_MBq:g} MBq)^2"


def _shape(curve: Curve, activity: np.ndarray, nuclide: Radionuclide, start: str, tail: str) -> Shape:
    time = np.array(curve.time_h)
    physical = nuclide.decay_constant_per_h
    before: list[tuple[float, float]] = []
    if time[0] > 0:
        if start == "decay":
            early = np.linspace(0, time[0], _DECAY_NODES)[:-1]
            before = [(float(t), float(activity[0] * math.exp(physical * (time[0] - t)))) for t in early]
        else:
            before = [(0.0, 0.0 if start == "zero" else float(activity[0]))]
    nodes = (*before, *((float(t), float(a)) for t, a in zip(time, activity, strict=True)))
    return Shape(((float(activity[-1]), _tail_rate(curve, activity, physical, tail)),), nodes)


def _tail_rate(curve: Curve, activity: np.ndarray, physical: float, tail: str) -> float:
    if tail == "physical":
        return physical
    if activity[-1] <= 0 or activity[-2] <= 0:
        raise KineticsError(
            f"{curve.region}: one of the last two points is 0 MBq, which gives no half-life; use a physical tail."
        )
    return max(physical, math.log(activity[-2] / activity[-1]) / (curve.time_h[-1] - curve.time_h[-2]))


def _sensitivity(activity: np.ndarray, integral: Callable[[np.ndarray], float]) -> tuple[float, ...]:
    """Central differences of the integral by each activity."""
    step = 1e-6 * activity.max()
    rows = np.eye(len(activity)) * step
    return tuple((integral(activity + row) - integral(activity - row)) / (2 * step) for row in rows)
