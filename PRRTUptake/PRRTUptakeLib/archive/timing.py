"""Cycles and hours after injection of sessions, from what headers say was given and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.draft import OpenQuestion
from PRRTUptakeLib.archive.sessions import Session, given_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_SAME_INJECTION = timedelta(hours=12)  # the same, though stated differently by the headers of one cycle
_SAME_CYCLE = timedelta(days=14)  # images within it are of one cycle where no injection is stated
_WHOLE_HOURS = 10.0  # from here on visits are called by whole hours


@dataclass(eq=False)
class Timing:
    """Of one session: number of the cycle, name of the visit, and what is known of the injection."""

    cycle: int
    name: str
    hours: float | None = None
    activity_MBq: float | None = None
    date: str = ""
    questions: list[OpenQuestion] = field(default_factory=list)


def timings_of(sessions: Sequence[Session], one_cycle: bool = False) -> list[Timing]:
    """Cycle and name of each session, in the order given, which is that of time.

    A new cycle begins with a new injection; where a header states none, two weeks after the cycle's first image.
    ``one_cycle`` puts all into cycle 1, as where two routes of one tracer are compared.
    """
    found: list[Timing] = []
    cycle, given, first = 0, None, None
    for n, session in enumerate(sessions):
        stated = given_to(session.first)
        at = stated.time
        if n == 0 or not _belongs(at, session.started, given, first):
            cycle, given, first = cycle + 1, at, session.started
        given = given or at
        first = first or session.started
        timing = Timing(1 if one_cycle else cycle, f"visit {n + 1}")
        started = session.started
        timing.date = started.date().isoformat() if started is not None else ""
        timing.activity_MBq = stated.activity_MBq
        if at is not None and started is not None:
            timing.hours = (started - at).total_seconds() / 3600.0
            timing.name = _hours_name(timing.hours)
        timing.questions += [_question(key, reason) for key, reason in stated.missing]
        if at is None and not one_cycle:
            timing.questions.append(
                OpenQuestion(question="Which cycle is it?", key="cycle", proposed=str(timing.cycle))
            )
        found.append(timing)
    return found


def _belongs(at: datetime | None, started: datetime | None, given: datetime | None, first: datetime | None) -> bool:
    """Whether a session is of the cycle whose injection and first image are given."""
    if at is not None and given is not None:
        return abs(at - given) <= _SAME_INJECTION
    if started is None or first is None:
        return True  # nothing says otherwise; it is asked for
    return abs(started - first) <= _SAME_CYCLE


def _hours_name(hours: float) -> str:
    return f"{hours:.0f}h" if hours >= _WHOLE_HOURS else f"{round(hours, 1):g}h"


_ASKED = {
    "activity_MBq": "What activity was given, in MBq",
    "injection_time": "When was the activity given, with the offset from UTC (2025-01-31T10:30+01:00)",
    "acquisition_time": "When was the image acquired, with the offset from UTC (2025-01-31T10:30+01:00)",
}


def _question(key: str, reason: str) -> OpenQuestion:
    words = reason[:1].upper() + reason[1:].rstrip(".")
    return OpenQuestion(
        question=f"{_ASKED[key]}? {words}. Answer 'unknown' to measure without it.", key=f"quantification.{key}"
    )
