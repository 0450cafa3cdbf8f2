"""Time-activity curves: activity of a region at times after injection, checked and stated in one convention.

Everywhere behind this module an activity is *decayed*: what was in the region at the time of the scan. Images are often
corrected to another instant; :func:`to_decayed` undoes that by the word that DICOM gives (Decay Correction, 0054,1102).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

TIME_ZEROS = ("start", "mid", "end")
"""What counts as the time of injection when the activity is infused: start, middle or end of the infusion."""

DECAY_WORDS = {
    "NONE": "decayed (activity at the time of each scan)",
    "START": "decayed (activity at the start of each scan)",
    "ADMIN": "decay-corrected to the injection, converted back to the time of each scan",
}
"""DICOM words for the decay correction of the input, and how the conversion is stated."""

_STEP_OF_UNITS = 300.0  # neighbours that differ so much may differ by kBq against MBq, a factor of 1000
_FASTEST_CLEARANCE_H = 8.0  # a fall that large at a slower biological half-life may be real


@dataclass(frozen=True)
class Curve:
    """Activity of one region over time.

    Attributes
    ----------
    region : name of the region.
    time_h : hours after injection, strictly rising, none negative.
    activity_MBq : decayed activity at these times.
    u_activity_MBq : standard uncertainties of the activities, empty where they are not known.
    volume_mL : volume of the region, nan where it is not known.
    decay : how the input stood and what was done with it, in words.

    Raises
    ------
    KineticsError
        For no points, times out of order or negative, activities negative, not finite or all zero, mixed units.

    Examples
    --------
    >>> curve = Curve("Kidney", (4.0, 24.0), (98.0, 73.0), volume_mL=150.0)
    >>> round(curve.concentration_Bq_per_mL[0])
    653333
    """

    region: str
    time_h: tuple[float, ...]
    activity_MBq: tuple[float, ...]
    u_activity_MBq: tuple[float, ...] = ()
    volume_mL: float = math.nan
    decay: str = DECAY_WORDS["NONE"]

    def __post_init__(self) -> None:
        _check_lengths(self)
        _check_times(self)
        _check_activities(self)
        _check_uncertainties(self)
        if not math.isnan(self.volume_mL) and not 0 < self.volume_mL < math.inf:
            raise KineticsError(f"{self.region}: the volume {self.volume_mL:g} mL is not above 0; check the segment.")

    @property
    def concentration_Bq_per_mL(self) -> tuple[float, ...]:
        """Activity concentrations, in Bq/mL; needs the volume."""
        if math.isnan(self.volume_mL):
            raise KineticsError(f"{self.region} has no volume, so its concentration is unknown; give its volume in mL.")
        return tuple(1e6 * activity / self.volume_mL for activity in self.activity_MBq)


def times_after_injection(
    scans: Sequence[datetime], infusion_start: datetime, infusion_end: datetime, time_zero: str
) -> tuple[float, ...]:
    """Hours from the injection to each scan, the injection being the start, middle or end of the infusion.

    Parameters
    ----------
    scans, infusion_start, infusion_end : times with a time zone.
    time_zero : ``start``, ``mid`` or ``end``, as the protocol says.

    Raises
    ------
    KineticsError
        For another word, times without zone, an infusion that ends before it starts, or a scan before the injection.
    """
    if time_zero not in TIME_ZEROS:
        raise KineticsError(f"The time zero '{time_zero}' is not known; use {', '.join(TIME_ZEROS)}.")
    for moment in (*scans, infusion_start, infusion_end):
        if moment.tzinfo is None:
            raise KineticsError(f"The time {moment.isoformat()} has no time zone; give it one.")
    if infusion_end < infusion_start:
        raise KineticsError(
            f"The infusion ends ({infusion_end.isoformat()}) before its start {infusion_start.isoformat()}; swap them."
        )
    share = {"start": 0.0, "mid": 0.5, "end": 1.0}[time_zero]
    zero = infusion_start + share * (infusion_end - infusion_start)
    hours = tuple((scan - zero).total_seconds() / 3600.0 for scan in scans)
    for scan, hour in zip(scans, hours, strict=True):
        if hour < 0:
            raise KineticsError(f"The scan at {scan.isoformat()} is before the injection at {zero.isoformat()}.")
    return hours


def to_decayed(curve: Curve, decay_correction: str, nuclide: Radionuclide) -> Curve:
    """The curve as it stood at each scan, from activities that were corrected as ``decay_correction`` says.

    Parameters
    ----------
    curve : activities as read.
    decay_correction : DICOM word: NONE, START (of each acquisition) or ADMIN (corrected to the injection).
    nuclide : whose decay was corrected.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> corrected = Curve("Liver", (6.647 * 24,), (100.0,))
    >>> round(to_decayed(corrected, "ADMIN", nuclide("Lu-177")).activity_MBq[0], 9)
    50.0
    """
    word = decay_correction.strip().upper()
    if word not in DECAY_WORDS:
        raise KineticsError(
            f"{curve.region}: the decay correction '{decay_correction}' is not known; use {', '.join(DECAY_WORDS)}."
        )
    if word != "ADMIN":
        return replace(curve, decay=DECAY_WORDS[word])
    factors = [nuclide.decay_factor(time) for time in curve.time_h]
    return replace(
        curve,
        activity_MBq=tuple(a * f for a, f in zip(curve.activity_MBq, factors, strict=True)),
        u_activity_MBq=tuple(u * f for u, f in zip(curve.u_activity_MBq, factors, strict=False)),
        decay=DECAY_WORDS[word],
    )


def looks_decay_corrected(curve: Curve, nuclide: Radionuclide) -> bool:
    """True if the activity falls slower than decay between the last two points: no decayed activity does after uptake.

    A hint, not a proof: noise and late uptake do it too. It is stated, never acted upon.
    """
    if len(curve.time_h) < 2 or min(curve.activity_MBq[-2:]) <= 0:
        return False
    slope = math.log(curve.activity_MBq[-2] / curve.activity_MBq[-1]) / (curve.time_h[-1] - curve.time_h[-2])
    return slope < nuclide.decay_constant_per_h


def check_units(curve: Curve, nuclide: Radionuclide) -> None:
    """Refuse a curve whose neighbouring points differ as if one were in kBq and the other in MBq.

    Raises
    ------
    KineticsError
        For a rise of more than 300-fold, or such a fall (beyond decay) at a biological half-life below 8 h.
    """
    points = list(zip(curve.time_h, curve.activity_MBq, strict=True))
    for (t0, a0), (t1, a1) in pairwise(points):
        if min(a0, a1) == 0:
            continue
        ratio = a1 / a0 / nuclide.decay_factor(t1 - t0)
        fast = ratio < 1 / _STEP_OF_UNITS and (t1 - t0) / math.log2(1 / ratio) < _FASTEST_CLEARANCE_H
        if ratio > _STEP_OF_UNITS or fast:
            raise KineticsError(
                f"{curve.region}: {a0:g} at {t0:g} h and {a1:g} at {t1:g} h differ as if units were mixed; give all "
                "activities in MBq."
            )


def _check_lengths(curve: Curve) -> None:
    n = len(curve.time_h)
    if n == 0:
        raise KineticsError(f"{curve.region} has no points; give at least one time and activity.")
    if len(curve.activity_MBq) != n or len(curve.u_activity_MBq) not in (0, n):
        raise KineticsError(
            f"{curve.region}: {n} times, but {len(curve.activity_MBq)} activities and {len(curve.u_activity_MBq)} "
            "uncertainties; each point needs its time and activity."
        )


def _check_times(curve: Curve) -> None:
    for time in curve.time_h:
        if not 0 <= time < math.inf:
            raise KineticsError(
                f"{curve.region}: the time {time:g} h is not a time after injection; it must be 0 or more."
            )
    for earlier, later in pairwise(curve.time_h):
        if later <= earlier:
            remedy = (
                "two points have one time, so keep one of them"
                if later == earlier
                else "list each region's points by rising time"
            )
            raise KineticsError(f"{curve.region}: the times {earlier:g} h and {later:g} h are out of order; {remedy}.")


def _check_activities(curve: Curve) -> None:
    for time, activity in zip(curve.time_h, curve.activity_MBq, strict=True):
        if not math.isfinite(activity):
            raise KineticsError(f"{curve.region}: the activity at {time:g} h is not a finite number; measure it again.")
        if activity < 0:
            raise KineticsError(
                f"{curve.region}: the activity {activity:g} MBq at {time:g} h is negative; check the background."
            )
    if max(curve.activity_MBq) == 0:
        raise KineticsError(f"{curve.region}: every activity is 0 MBq, so there is no curve to integrate.")


def _check_uncertainties(curve: Curve) -> None:
    for time, u in zip(curve.time_h, curve.u_activity_MBq, strict=False):
        if not 0 < u < math.inf:
            raise KineticsError(f"{curve.region}: the uncertainty {u:g} MBq at {time:g} h must be above 0.")
