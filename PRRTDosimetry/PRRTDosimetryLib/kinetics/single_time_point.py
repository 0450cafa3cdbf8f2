"""Integration from one time point with a known half-life: A(t) = A0 2^(-t/T) from the injection on."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.imaging.sobol import sobol_points
from scipy.special import ndtri

from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.integral import Integral

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve

    Floats = NDArray[np.float64]

_BIAS_TO_SAY = 0.005

TIMES_OVER_HALF_LIFE = (0.75, 2.5)
"""Times over half-life between which one point says most of the integral: within about 10 % whatever the half-life is
(Haenscheid et al. 2018, doi:10.2967/jnumed.117.193706)."""


_UNSAID = "not in the uncertainty: that of {}, which is not stated"
WITHOUT_HALF_LIFE = _UNSAID.format("the half-life")
"""The note on an integral whose half-life is taken as exact."""


def single_time_point(curve: Curve, nuclide: Radionuclide, teff_h: float, u_teff_h: float = math.nan) -> Integral:
    """TIA = A(t) T/ln 2 * 2^(t/T) from one point and an effective half-life, the patient's or a population's.

    With a population's T this is Madsen et al. 2018, doi:10.1002/mp.12886.

    Parameters
    ----------
    curve : one point.
    teff_h, u_teff_h : effective half-life and its standard uncertainty, nan if not known.

    Raises
    ------
    KineticsError
        For more than one point, or a half-life that is not above 0, is longer than the physical one, or is smaller than
        its uncertainty.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> result = single_time_point(Curve("Kidney", (50.0,), (10.0,)), nuclide("Lu-177"), 50.0)
    >>> round(result.tia_MBq_h, 2)  # 20 MBq at the injection, 50 h
    1442.7
    """
    if len(curve.time_h) != 1:
        raise KineticsError(
            f"{curve.region} has {len(curve.time_h)} points; single-time-point takes one, so choose another model or "
            "leave one point."
        )
    if not 0 < teff_h <= nuclide.half_life_h * (1 + 1e-9):
        raise KineticsError(
            f"{curve.region}: the effective half-life {teff_h:g} h must be above 0 and not above the physical "
            f"{nuclide.half_life_h:.2f} h of {nuclide.name}."
        )
    if u_teff_h > teff_h:
        raise KineticsError(
            f"{curve.region}: the uncertainty of the half-life, {u_teff_h:g} h, is larger than the half-life of "
            f"{teff_h:g} h: give a standard uncertainty in hours."
        )
    time, activity = curve.time_h[0], curve.activity_MBq[0]
    hours = teff_h / math.log(2) * 2 ** (time / teff_h)
    relative_u = curve.u_activity_MBq[0] / activity if curve.u_activity_MBq else math.nan
    away = _log_errors(time, teff_h, u_teff_h, relative_u, nuclide.half_life_h)
    unsaid = [name for name, u in (("the activity", relative_u), ("the half-life", u_teff_h)) if math.isnan(u)]
    value = activity * hours
    known = len(unsaid) < 2
    return Integral(
        curve,
        nuclide,
        "single-time-point",
        Shape(((activity * 2 ** (time / teff_h), math.log(2) / teff_h),)),
        value * _relative_u(time, teff_h, u_teff_h, relative_u, nuclide.half_life_h) if known else math.nan,
        math.inf,
        (hours,),
        f"without uncertainty of {' and '.join(unsaid)}" if unsaid else "uncertainties of activity and half-life",
        "one time point and a given effective half-life",
        (*single_point_notes(time, teff_h), *_bias_notes(away), *(_unsaid_notes(unsaid) if known else ())),
        method="single-time-point",
        quantiles=(lambda levels: value * np.exp(np.quantile(away, levels))) if known else None,
    )


def _unsaid_notes(unsaid: list[str]) -> tuple[str, ...]:
    return tuple(_UNSAID.format(name) for name in unsaid)


def _bias_notes(away: Floats) -> tuple[str, ...]:
    """How much the expected integral is above or below the stated one, from ln of possible over stated TIA."""
    bias = float(np.exp(away).mean()) - 1
    if abs(bias) < _BIAS_TO_SAY:
        return ()
    return (
        f"the spread of the half-life makes the expected integral {abs(bias):.1%} "
        f"{'larger' if bias > 0 else 'smaller'} than this value; the uncertainty contains it",
    )


def _log_errors(time_h: float, teff_h: float, u_teff_h: float, relative_u: float, physical_h: float) -> Floats:
    """Ln of possible over stated TIA, for equally probable half-lives and activities (fixed quasi-random draws).

    The half-life is log-normal with the relative standard uncertainty stated, at most the physical one. For an image at
    the mean lifetime T/ln 2 the TIA does not depend on it to first order, but every other half-life gives a larger one.
    """
    normal = _normal_pairs()
    spread = 0.0 if math.isnan(u_teff_h) else u_teff_h / teff_h
    half_life = np.minimum(teff_h * np.exp(spread * normal[:, 0]), max(physical_h, teff_h))
    by_activity = 0.0 if math.isnan(relative_u) else relative_u * normal[:, 1]
    return _by_half_life(time_h, teff_h, half_life) + by_activity


def _by_half_life(time_h: float, teff_h: float, half_life_h: Floats) -> Floats:
    """Ln of the TIA with another half-life over that with the stated one, the activity at ``time_h`` being the same."""
    result: Floats = np.log(half_life_h / teff_h) + time_h * math.log(2) * (1 / half_life_h - 1 / teff_h)
    return result


def _relative_u(time_h: float, teff_h: float, u_teff_h: float, relative_u: float, physical_h: float) -> float:
    """Root mean square of the same, by Gauss-Hermite quadrature: the bias by the half-life's spread is in it."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    spread = 0.0 if math.isnan(u_teff_h) else u_teff_h / teff_h
    half_life = np.minimum(teff_h * np.exp(spread * nodes), max(physical_h, teff_h))
    square = weights @ _by_half_life(time_h, teff_h, half_life) ** 2 / weights.sum()
    return math.hypot(0.0 if math.isnan(relative_u) else relative_u, math.sqrt(square))


@lru_cache(maxsize=1)
def _normal_pairs() -> Floats:
    result: Floats = ndtri(np.clip(sobol_points(2, 8192, seed=11), 1e-7, 1 - 1e-7))
    return result


def single_point_notes(time_h: float, teff_h: float) -> tuple[str, ...]:
    """A warning if one point at ``time_h`` says little about an integral with half-life ``teff_h``."""
    low, high = TIMES_OVER_HALF_LIFE
    if low <= time_h / teff_h <= high:
        return ()
    return (
        f"measured at {time_h / teff_h:.2f} effective half-lives, outside {low:g} to {high:g}: the result leans "
        "heavily on the half-life",
    )
