"""Checks of values that people give beside curves: by region, shares, the administered activity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PRRTDosimetryLib.kinetics.curves import Curve

_MOST_OF_ACTIVITY = 1.1  # as for images: calibration and noise explain a little more than was given


def values_by_region(content: Any, known: Iterable[str], where: str) -> dict[str, float]:
    """A map from regions to positive numbers, such as ``teff_h`` or ``u_teff_h`` of a case file.

    Parameters
    ----------
    content : a JSON object; the key "" holds for all regions that are not named.
    known : the regions that exist.
    where : names file and key in messages.

    Raises
    ------
    KineticsError
        For an unknown region, or a value that is no finite number above 0.

    Examples
    --------
    >>> values_by_region({"Liver": 80}, ["Liver", "Spleen"], "case.json, teff_h")
    {'Liver': 80.0}
    """
    if not isinstance(content, dict):
        raise KineticsError(f"{where} must be an object of regions and numbers, not {content!r}.")
    check_regions(content, known, where)
    for name, value in content.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            raise KineticsError(f"{where}: '{name}' is {value!r}, but must be a number above 0.")
    return {name: float(value) for name, value in content.items()}


def check_regions(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse regions that do not exist; "" stands for all others.

    Raises
    ------
    KineticsError
        Naming the unknown region and those that exist.
    """
    names = list(known)
    unknown = sorted(set(given) - set(names) - {""})
    if unknown:
        raise KineticsError(f"{where} names '{unknown[0]}', which is no region; there are {', '.join(names)}.")


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
