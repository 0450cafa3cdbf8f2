"""Checks of values that people give beside curves: by region, shares, the administered activity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.options import Options

_MOST_OF_ACTIVITY = 1.1  # as for images: calibration and noise explain a little more than was given


def check_relative_uncertainty(value: float | None, where: str = "--relative-u") -> None:
    """Refuse a relative uncertainty that can only be meant in percent.

    Raises
    ------
    KineticsError
        If it is negative, not finite or above 1.

    Examples
    --------
    >>> check_relative_uncertainty(0.05)
    """
    if value is None or 0 <= value <= 1:
        return
    meant = f": for {value:g} % write {value / 100:g}" if 1 < value <= 100 else ""
    raise KineticsError(f"{where} is {value:g}, which is {100 * value:g} %, but must be from 0 to 1{meant}.")


def check_administered(administered_MBq: float | None, curves: Iterable[Curve]) -> None:
    """Refuse an administered activity that is less than what one region held.

    Raises
    ------
    KineticsError
        Naming both activities; a factor of 1000 or 37 is named as what it is.
    """
    if administered_MBq is None:
        return
    if not 0 < administered_MBq < math.inf:
        raise KineticsError(f"The administered activity is {administered_MBq:g} MBq, but must be above 0.")
    for curve in curves:
        highest = max(curve.activity_MBq)
        if highest > _MOST_OF_ACTIVITY * administered_MBq:
            raise KineticsError(
                f"The administered activity is {administered_MBq:g} MBq, but {curve.region} held {highest:g} MBq: it "
                "cannot hold more than was given; is one of them in GBq or mCi?"
            )


def check_effect(curves: Sequence[Curve], method: str, options: Options) -> None:
    """Refuse what is given and would be ignored: whoever states a half-life expects that it is used.

    Raises
    ------
    KineticsError
        Naming what has no effect, and what would have one.
    """
    usual = type(options)()
    if method != "trapezoid" and (options.start, options.tail) != (usual.start, usual.tail):
        raise KineticsError(
            f"Start '{options.start}' and tail '{options.tail}' have no effect on the model '{method}': leave them "
            "out, or choose trapezoid."
        )
    if options.priors is not None and method in ("trapezoid", "single-time-point"):
        raise KineticsError(f"A prior of the half-life has no effect on '{method}': leave it out, or choose a model.")
    if not options.teff_h:
        return
    if method not in ("auto", "single-time-point"):
        raise KineticsError(
            f"A stated half-life has no effect on the model '{method}', which follows the points: leave it out, or "
            "give --prior-teff-h."
        )
    if options.population is None:
        _check_single(curves, options)


def _check_single(curves: Sequence[Curve], options: Options) -> None:
    several = {curve.region: len(curve.time_h) for curve in curves if len(curve.time_h) > 1}
    named = next((region for region in options.teff_h if region in several), "")
    if named or len(several) == len(curves):
        region = named or next(iter(several))
        raise KineticsError(
            f"{region} has {several[region]} points, from which its half-life follows, so that a stated one has no "
            "effect: leave it out, or give --prior-teff-h."
        )
