"""A cycle has one injection: what its images say of it is the same in all of them, or there are no doses.

Hours count from the start, middle or end of the infusion, as the protocol says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.headers import label
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import nuclide

from PRRTDosimetryLib.dosimetry.errors import DosimetryError
from PRRTDosimetryLib.kinetics.curves import times_after_injection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.study.visit import VisitResult

ZERO_WORDS = {"start": "start", "mid": "middle", "end": "end"}
_AGREE_S = 600.0  # times that are typed anew for each image differ by minutes
_AGREE = 0.01  # of a half-life, where that is shorter
_ONE_CYCLE_S = 7 * 86400.0  # cycles are weeks apart


def contradiction(injections: Mapping[str, Injection]) -> str:
    """What the images of a cycle contradict each other in, by visit, since a cycle has one injection; "" if nothing."""
    remedy = "correct their headers, or state what holds under 'quantification'"
    nuclides = sorted({one.nuclide for one in injections.values()})
    if len(nuclides) > 1:
        return f"The images of the cycle name different radionuclides ({', '.join(nuclides)}): {remedy}."
    activities = sorted({one.activity_MBq for one in injections.values()})
    if len(activities) > 1:
        shown = ", ".join(f"{one:g}" for one in activities)
        return f"The images of the cycle name different administered activities ({shown} MBq): {remedy}."
    first = min(injections, key=lambda visit: injections[visit].time)
    last = max(injections, key=lambda visit: injections[visit].time)
    apart_s = (injections[last].time - injections[first].time).total_seconds()
    if apart_s > min(_AGREE_S, _AGREE * nuclide(nuclides[0]).half_life_s):
        clocks = [injections[visit].time.replace(tzinfo=None) for visit in (first, last)]
        if abs((clocks[1] - clocks[0]).total_seconds()) < _AGREE_S:
            remedy = (
                "it is one time of the clock in two zones, as when summer time began or ended between the images; "
                "state 'injection_time' with its offset from UTC under 'quantification'"
            )
        return (
            f"The images of the cycle name different times of injection ({injections[first].time.isoformat()} by visit "
            f"'{first}', {injections[last].time.isoformat()} by visit '{last}'): {remedy}."
        )
    return ""


def same_injections(injections: Mapping[int, Injection | None]) -> tuple[str, ...]:
    """Warnings on cycles, by number, that name one injection: it would be counted twice in the sums over cycles."""
    known = [(cycle, one) for cycle, one in injections.items() if one is not None]
    return tuple(
        f"Cycles {cycle} and {later} name one injection, {one.time.isoformat()}: if that was one administration, its "
        "dose counts twice in the sums; correct the cycle of the visits, or the header."
        for n, (cycle, one) in enumerate(known)
        for later, other in known[n + 1 :]
        if abs((other.time - one.time).total_seconds()) < _ONE_CYCLE_S
    )


def counted_injection(visit: VisitResult) -> Injection:
    """The injection of a visit that states it with its image's time, at the moment from which the protocol counts.

    Raises
    ------
    DosimetryError
        If that is the middle or end of an infusion whose end is not stated, or the image is before it.
    """
    name, zero, given = visit.labels.visit, visit.protocol.imaging.time_zero, visit.injection
    assert given is not None
    assert visit.image.reference_time is not None
    if zero != "start" and given.end is None:
        raise DosimetryError(
            f"The protocol counts hours from the {ZERO_WORDS[zero]} of the infusion, but visit '{name}' does not "
            f"state its end ({label('RadiopharmaceuticalStopDateTime')}): complete its header."
        )
    try:
        hours = hours_after_injection(visit)
    except PRRTError as error:
        raise DosimetryError(f"Visit '{name}': {error}") from error
    if zero == "start":
        return given
    return replace(given, time=visit.image.reference_time - timedelta(hours=hours), end=None)


def hours_after_injection(visit: VisitResult) -> float:
    """Hours from the protocol's time zero of the injection to the moment for which the image holds.

    Raises
    ------
    KineticsError
        If the infusion ends before its start, or the image is before it.
    """
    assert visit.injection is not None
    assert visit.image.reference_time is not None
    start, end = visit.injection.time, visit.injection.end
    zero = visit.protocol.imaging.time_zero
    # An end that the protocol does not ask for is not needed, so that a wrong one does no harm.
    end = start if end is None or zero == "start" else end
    return times_after_injection([visit.image.reference_time], start, end, zero)[0]
