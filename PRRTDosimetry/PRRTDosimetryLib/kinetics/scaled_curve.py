"""Full curve in one cycle, a single point in a later one: the region's curve keeps its form and is scaled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.curves import CurveError
from PRRTDosimetryLib.kinetics.integral import Integral

if TYPE_CHECKING:
    from PRRTDosimetryLib.kinetics.curves import Curve


def hybrid(full: Integral, later: Curve) -> Integral:
    """TIA of a later cycle: that of the full curve times the ratio of the activities at the same time.

    Assumes that uptake and clearance of the region are unchanged between the cycles (Willowson et al. 2018,
    doi:10.1186/s40658-018-0232-9, do it with the patient's own half-life; here the whole curve is kept).

    Parameters
    ----------
    full : result of the cycle with the full curve.
    later : the same region in a later cycle, one point.

    Raises
    ------
    CurveError
        For another region, more than one point, or a time at which the full curve has no activity.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
    >>> first = single_time_point(Curve("Liver", (24.0,), (100.0,)), nuclide("Lu-177"), 80.0)
    >>> round(hybrid(first, Curve("Liver", (24.0,), (50.0,))).tia_MBq_h / first.tia_MBq_h, 9)
    0.5
    """
    if later.region != full.region:
        raise CurveError(
            f"The later point is of {later.region}, but the full curve of {full.region}; pair the same region."
        )
    if len(later.time_h) != 1:
        raise CurveError(
            f"{later.region} has {len(later.time_h)} points in the later cycle; the hybrid method takes one."
        )
    time, activity = later.time_h[0], later.activity_MBq[0]
    expected = float(full.activity_MBq([time])[0])
    if expected <= 0:
        raise CurveError(f"{later.region}: the full curve has no activity at {time:g} h, so it cannot be scaled there.")
    scale = activity / expected
    parts = [_relative_u_of_form(full, time)]
    parts.append(later.u_activity_MBq[0] / activity if later.u_activity_MBq else math.nan)
    hours = full.tia_MBq_h / expected
    return Integral(
        later,
        full.nuclide,
        "hybrid",
        full.shape.scaled(scale),
        activity * hours * math.hypot(*parts),
        full.degrees_of_freedom,
        (hours,),
        "uncertainty of the point and of the full curve's form",
        f"full curve ({full.model}) of the earlier cycle scaled by {scale:.3f} at {time:g} h",
    )


def _relative_u_of_form(full: Integral, time_h: float) -> float:
    """Relative standard uncertainty of TIA over activity at one time, from the fit's covariance."""
    if full.fit is None:
        return full.u_tia_MBq_h / full.tia_MBq_h
    fit = full.fit
    rows = fit.model.jacobian(
        np.array([time_h]),
        np.array(fit.shares_MBq_h),
        np.array(fit.steps_per_h),
        fit.nuclide.decay_constant_per_h,
    )[0]
    by_tia = np.zeros_like(rows)
    by_tia[: fit.model.phases] = 1 / fit.tia_MBq_h
    gradient = by_tia - rows / float(fit.activity_MBq([time_h])[0])
    return math.sqrt(float(gradient @ fit.covariance @ gradient))
