"""Best overall response and progression-free time, of a patient or of one lobe, from the responses at the visits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation import percist
from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.segmentation.response import COMPLETE, NOT_EVALUABLE, PARTIAL, PROGRESSION, STABLE, Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

_RANKS = {
    **{COMPLETE: 0, PARTIAL: 1, STABLE: 2, PROGRESSION: 3, NOT_EVALUABLE: 4},
    **{percist.COMPLETE: 0, percist.PARTIAL: 1, percist.STABLE: 2, percist.PROGRESSION: 3},
}
_METABOLIC = (percist.COMPLETE, percist.PARTIAL)
SIX_WEEKS, FOUR_WEEKS = 42.0, 28.0  # days: least duration of SD, least time to a confirmation


@dataclass(frozen=True, kw_only=True)
class ResponseRules:
    """How the response over the visits is judged, and what images do not show.

    Attributes
    ----------
    criteria : one of CRITERIA, "" for the protocol's.
    organs : of lesions outside the liver by id, such as "bone"; a "node" is measured by its short axis.
    confirm : whether CR and PR count only if confirmed four weeks later.
    death : its date; None while alive.
    """

    criteria: str = ""
    organs: Mapping[str, str] = field(default_factory=dict)
    confirm: bool = False
    death: date | None = None


@dataclass(frozen=True)
class BestResponse:
    """Best overall response, the visit that showed it, and why: CR, PR, SD, PD, NE, by PERCIST CMR, PMR, SMD, PMD."""

    category: str
    visit: str
    reason: str


@dataclass(frozen=True)
class ProgressionFree:
    """Days from baseline to progression or death (``event``), or to the last visit that could be judged (censored)."""

    days: float
    event: bool
    reason: str


def best_response(
    responses: Sequence[Response], days: Sequence[float], confirm: bool = False, stable_days: float = SIX_WEEKS
) -> BestResponse:
    """Best response up to the first progression, by RECIST 1.1 (section 4.6).

    Parameters
    ----------
    responses : of all visits, the baseline first.
    days : since baseline, of the same visits, rising.
    confirm : CR and PR count only if a visit four weeks later or more shows at least the same, as trials without a
        comparison group ask; unconfirmed they count as SD.
    stable_days : SD counts only that long after baseline, before it is NE.

    Raises
    ------
    ResponseError
        If visits and days do not fit, or days do not rise.
    """
    _check(responses, days)
    graded = [(one, day) for one, day in zip(responses, days, strict=True) if one.category]
    until = next((n for n, (one, _) in enumerate(graded) if _progresses(one)), len(graded) - 1)
    counted = graded[: until + 1]
    found = [_counted(n, counted, confirm, stable_days) for n in range(len(counted))]
    if not found:
        return BestResponse(NOT_EVALUABLE, "", "There is no visit after baseline.")
    return min(found, key=lambda one: _RANKS[one.category])


def _progresses(one: Response) -> bool:
    return bool(one.category) and _RANKS[one.category] == _RANKS[PROGRESSION]


def _counted(n: int, visits: Sequence[tuple[Response, float]], confirm: bool, stable_days: float) -> BestResponse:
    """What a visit may count as."""
    one, day = visits[n]
    category, reason = one.category, one.reason
    if confirm and _RANKS[category] <= _RANKS[PARTIAL] and not _confirmed(n, visits):
        stable = percist.STABLE if category in _METABOLIC else STABLE
        category, reason = stable, f"{category} without a confirmation four weeks later."
    if _RANKS[category] == _RANKS[STABLE] and day < stable_days:
        return BestResponse(
            NOT_EVALUABLE, one.visit, f"Stable, but only {day:g} days after baseline; {stable_days:g} are needed."
        )
    return BestResponse(category, one.visit, reason)


def _confirmed(n: int, visits: Sequence[tuple[Response, float]]) -> bool:
    one, day = visits[n]
    wanted = _RANKS[one.category]
    for later, when in visits[n + 1 :]:
        if later.category == NOT_EVALUABLE:
            continue
        if _RANKS[later.category] > wanted:
            return False
        if when - day >= FOUR_WEEKS:
            return True
    return False


def progression_free(
    responses: Sequence[Response], days: Sequence[float], death_day: float = math.nan
) -> ProgressionFree:
    """Time to progression or death; censored at the last visit that could be judged, or at baseline if there is none.

    Parameters
    ----------
    responses, days : as in `best_response`.
    death_day : days since baseline, nan while alive.

    Examples
    --------
    >>> seen = [Response("b", 50, math.nan, math.nan, "", ""), Response("3 m", 66, 0.3, 0.3, "PD", "Grown.")]
    >>> progression_free(seen, [0, 90]).days
    90
    """
    _check(responses, days)
    for one, day in zip(responses, days, strict=True):
        if _progresses(one) and not death_day < day:
            return ProgressionFree(day, True, f"Progression at {one.visit}: {one.reason}")
    if math.isfinite(death_day):
        return ProgressionFree(death_day, True, "Death without progression before.")
    judged = [(one, day) for one, day in zip(responses, days, strict=True) if one.category not in ("", NOT_EVALUABLE)]
    if not judged:
        return ProgressionFree(0.0, False, "No visit after baseline could be judged.")
    return ProgressionFree(judged[-1][1], False, f"Without progression at {judged[-1][0].visit}.")


def _check(responses: Sequence[Response], days: Sequence[float]) -> None:
    if len(responses) != len(days) or not responses:
        raise ResponseError(f"{len(responses)} responses have {len(days)} days: give one day per visit.")
    for before, after in pairwise(days):
        if not after > before:
            raise ResponseError(f"Day {after:g} comes after day {before:g}: give days since baseline, rising.")
