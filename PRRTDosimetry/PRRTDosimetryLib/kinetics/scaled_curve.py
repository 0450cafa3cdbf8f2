"""Full curve in one cycle, a single point in a later one: the region's curve keeps its form and is scaled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from PRRTDosimetryLib.kinetics.averaging import course_draws
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.integral import Integral
from PRRTDosimetryLib.kinetics.options import ASSUMED_TEFF_CHANGE
from PRRTDosimetryLib.kinetics.priors import ASSUMED_RELATIVE_UNCERTAINTY, Course

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.averaging import CourseDraws
    from PRRTDosimetryLib.kinetics.curves import Curve

    Floats = NDArray[np.float64]

_CHANGES = 16  # of the half-lives for every draw of the curve's form
_GOLDEN = 0.6180339887498949


def scaled_curve(full: Integral, later: Curve, teff_change: float = ASSUMED_TEFF_CHANGE) -> Integral:
    """TIA of a later cycle: that of the full curve times the ratio of the activities at the same time.

    The value assumes that uptake and clearance of the region are those of the earlier cycle (Willowson et al. 2018,
    doi:10.1186/s40658-018-0232-9, do it with the patient's own half-life; here the whole curve is kept). The
    uncertainty assumes that the effective half-lives of clearance have changed by ``teff_change``.

    Parameters
    ----------
    full : result of the cycle with the full curve.
    later : the same region in a later cycle, one point.
    teff_change : relative standard deviation of the effective half-life between the cycles; the default of 10 % is an
        assumption.

    Raises
    ------
    KineticsError
        For another region, more than one point, or a time at which the full curve has no activity.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
    >>> first = single_time_point(Curve("Liver", (24.0,), (100.0,)), nuclide("Lu-177"), 80.0)
    >>> round(scaled_curve(first, Curve("Liver", (24.0,), (50.0,))).tia_MBq_h / first.tia_MBq_h, 9)
    0.5
    """
    if later.region != full.region:
        raise KineticsError(
            f"The later point is of {later.region}, but the full curve of {full.region}; pair the same region."
        )
    if len(later.time_h) != 1:
        raise KineticsError(
            f"{later.region} has {len(later.time_h)} points in the later cycle; a scaled curve takes one."
        )
    time, activity = later.time_h[0], later.activity_MBq[0]
    expected = float(full.activity_MBq([time])[0])
    if expected <= 0:
        raise KineticsError(
            f"{later.region}: the full curve has no activity at {time:g} h, so it cannot be scaled there."
        )
    scale = activity / expected
    hours = full.tia_MBq_h / expected
    value = activity * hours
    away, weight = _log_errors(full, time, math.log(hours), teff_change)
    away = away + _point_errors(later, away.size)
    order = np.argsort(away)
    below = np.cumsum(weight[order]) - 0.5 * weight[order]
    assumed = "" if later.u_activity_MBq else f" ({ASSUMED_RELATIVE_UNCERTAINTY:.0%} assumed)"
    return Integral(
        later,
        full.nuclide,
        "scaled-curve",
        full.shape.scaled(scale),
        value * math.sqrt(float((weight * away**2).sum())),
        math.inf,
        (hours,),
        f"uncertainty of the point{assumed}, of the full curve's form, and of a change of the effective half-life "
        f"between the cycles by {teff_change:.0%}",
        f"full curve ({full.model}) of the earlier cycle scaled by {scale:.3f} at {time:g} h",
        method="scaled-curve",
        half_life_h=full.teff_h,
        quantiles=lambda levels: value * np.exp(np.interp(levels, below, away[order])),
    )


def _point_errors(later: Curve, count: int) -> Floats:
    """Errors of ln activity of the later point, equally probable, in an order that belongs to nothing else."""
    relative_u = (
        later.u_activity_MBq[0] / later.activity_MBq[0] if later.u_activity_MBq else ASSUMED_RELATIVE_UNCERTAINTY
    )
    level = (np.arange(count) * _GOLDEN + 0.5) % 1
    errors: Floats = np.log1p(np.clip(relative_u * ndtri(np.clip(level, 1e-7, 1 - 1e-7)), -0.9, None))
    return errors


def _log_errors(full: Integral, time_h: float, log_hours: float, teff_change: float) -> tuple[Floats, Floats]:
    """Ln of possible over stated TIA per activity, and weights that add up to 1, for form and change of the curve."""
    physical = full.nuclide.decay_constant_per_h
    if full.estimate is None:
        normal = ndtri((np.arange(301) + 0.5) / 301)
        before, after = full.teff_h, full.teff_h * np.exp(teff_change * normal)
        after = np.minimum(after, max(full.nuclide.half_life_h, before))
        changed = np.log(after / before) + time_h * math.log(2) * (1 / after - 1 / before)
        u = full.u_tia_MBq_h / full.tia_MBq_h
        form = (0.0 if math.isnan(u) else u) * ndtri((np.arange(101) + 0.5) / 101)
        total = np.add.outer(form, changed).ravel()
        return total, np.full(total.size, 1 / total.size)
    parts = [_changed(one, time_h, teff_change, physical) for one in course_draws(full.estimate)]
    away = np.concatenate([hours.ravel() for hours, _ in parts]) - log_hours
    weight = np.concatenate([np.repeat(share, _CHANGES) / _CHANGES for _, share in parts])
    return away, weight / weight.sum()


def _changed(draws: CourseDraws, time_h: float, teff_change: float, physical_per_h: float) -> tuple[Floats, Floats]:
    """Ln TIA per activity at ``time_h``, shape (draws, changes), of a model whose half-lives have changed."""
    model = draws.model
    count = len(draws.weight)
    offsets = (np.arange(count) * _GOLDEN)[:, None] % 1
    factor = np.exp(-teff_change * ndtri((np.arange(_CHANGES) + np.clip(offsets, 1e-3, 1 - 1e-3)) / _CHANGES))
    rates = [
        np.maximum(rate[:, None] * factor, physical_per_h) for rate in draws.rates_per_h[: model.phases]
    ]  # no activity clears slower than decay
    if model.uptake:
        rates.append(np.maximum(draws.rates_per_h[-1][:, None], 1.01 * rates[-1]))
    fractions = [share[:, None] * np.ones_like(factor) for share in draws.fractions]
    unit = Course(rates, fractions).unit_curve(np.array(time_h), model.phases)
    return -np.log(np.maximum(unit, 1e-300)), draws.weight
