"""Response of one patient over the visits of a case: RECIST 1.1 and change of volume, per patient and per lobe.

The first visit is the baseline. It is compared with the first visit of every further cycle and every follow-up visit;
the other visits of a cycle image the same tumours hours or days later, which is no response.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation.best_response import (
    BestResponse,
    ProgressionFree,
    ResponseRules,
    best_response,
    progression_free,
)
from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.segmentation.response import (
    ABSENT,
    MINIMUM_MM,
    NODE_NORMAL_MM,
    PRESENT,
    BaselineLesion,
    Response,
    ResponseTable,
    recist_table,
    recist_targets,
    volume_table,
)
from PRRTUptakeLib.segmentation.response import Visit as Seen
from PRRTUptakeLib.statistics.ties import resolved_length_mm
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import Measurement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from PRRTUptakeLib.study.preparation import Prepared

FOLLOW_UP = "follow-up"
_ELSEWHERE, _UNMEASURED = "extrahepatic", "not measured"
_THICK_MM = 5.0  # beyond it RECIST 1.1 asks for lesions of twice the slice thickness


@dataclass(frozen=True, eq=False)
class SizedVisit:
    """A visit with its lesions.

    Attributes
    ----------
    vanished : ids of lesions that were looked for and are gone.
    non_targets : stated states of lesions that are followed unmeasured, by id, or by a name of what nobody drew; they
        go before what contours show.
    new_lesions : names of new lesions that nobody drew; those drawn count by themselves.
    day : date of the images; None where not known.
    """

    cycle: int
    visit: str
    prepared: Prepared
    vanished: tuple[str, ...] = ()
    non_targets: Mapping[str, str] = field(default_factory=dict)
    new_lesions: tuple[str, ...] = ()
    day: date | None = None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"cycle {self.cycle} {self.visit}"


@dataclass(frozen=True)
class ScopeResponse:
    """Response of the patient (``lobe`` is "") or of one lobe, one entry per visit.

    Attributes
    ----------
    targets : RECIST's own; none where no lesion is measurable, and then ``recist`` is empty.
    recist : sums of diameters in mm.
    assessed : whether all targets were measured at a visit, without which its sum is not comparable.
    volume : sums of volumes of all lesions, in mL.
    best, progression_free : over all visits; None where there is no target, or the dates do not rise.
    """

    lobe: str
    targets: tuple[str, ...]
    recist: tuple[Response, ...]
    assessed: tuple[bool, ...]
    volume: tuple[Response, ...]
    best: BestResponse | None = None
    progression_free: ProgressionFree | None = None


@dataclass(frozen=True)
class CaseResponse:
    """Cycle and name of each visit that was compared, the response of the patient and each lobe, and what to know."""

    visits: tuple[tuple[int, str], ...]
    scopes: tuple[ScopeResponse, ...]
    notes: tuple[str, ...]


def is_follow_up(visit: str) -> bool:
    """Whether a visit's name makes it one of the follow-up.

    Examples
    --------
    >>> is_follow_up("Follow-up 3 months"), is_follow_up("24h")
    (True, False)
    """
    return visit.strip().lower().startswith(FOLLOW_UP)


def compared_visits(visits: Sequence[SizedVisit]) -> tuple[SizedVisit, ...]:
    """The baseline, the first visit of every further cycle, and all follow-up visits, as they come."""
    kept: list[SizedVisit] = []
    cycles: set[int] = set()
    for visit in visits:
        later = is_follow_up(visit.visit)
        if not kept or later or visit.cycle not in cycles:
            kept.append(visit)
        if not later:
            cycles.add(visit.cycle)
    return tuple(kept)


def case_response(
    visits: Sequence[SizedVisit], by_lobe: bool = True, rules: ResponseRules | None = None
) -> CaseResponse | None:
    """Response over a case's visits, None if there is nothing to compare.

    Parameters
    ----------
    visits : in the order of time, the first is the baseline; lesions have the same ids throughout. One that is neither
        seen nor said to have vanished counts as not assessed. A lesion that is no target counts as present where it is
        drawn (a node from 10 mm on) and as absent where it has vanished, unless its state is stated.
    by_lobe : whether each lobe has a response of its own beside the patient's.
    rules : organs of lesions, confirmation, death.

    Raises
    ------
    StudyError
        If a lesion is said to have vanished that is still there, or was never there, or a lobe's lesion to be a node.
    """
    rules = rules or ResponseRules()
    compared = compared_visits(visits)
    if len(compared) < 2:
        return None
    for visit in compared:
        _check_vanished(visit, compared[0])
    baseline = [
        BaselineLesion(
            one.lesion.lesion_id,
            _organ(one.lesion.lesion_id, one.segment.lobe, rules.organs),
            one.size.longest_axial_mm,
            one.segment.lobe,
            one.size.perpendicular_mm,
        )
        for one in compared[0].prepared.lesions
    ]
    undrawn = {name for visit in compared for name in visit.non_targets} - {one.lesion_id for one in baseline}
    followed = [*baseline, *(BaselineLesion(name, _UNMEASURED, 0.0) for name in sorted(undrawn))]
    nodes = [one.lesion_id for one in baseline if one.is_node]
    diameters = [_seen(visit, compared[0], "longest_axial_mm", nodes) for visit in compared]
    volumes = volume_table(
        [_seen(visit, compared[0], "volume_mL") for visit in compared], {one.lesion_id: one.lobe for one in baseline}
    )
    days, notes = _days(compared), _notes(compared, baseline, rules.organs)
    if not days:
        notes.append("The visits have no dates, or they do not rise: there is no best response or time to progression.")
    try:
        recist = recist_table(diameters, followed)
    except ResponseError as error:
        recist, notes = ResponseTable(()), [*notes, str(error)]
    lobes = ("", *volumes.lobes) if by_lobe else ("",)
    scopes = tuple(
        _with_course(_scope(lobe, recist, volumes, baseline, diameters), days, compared[0].day, rules) for lobe in lobes
    )
    return CaseResponse(tuple((visit.cycle, visit.visit) for visit in compared), scopes, tuple(notes))


def response_rows(result: CaseResponse, patient: str, image: str) -> tuple[Measurement, ...]:
    """The response per patient and lobe as rows: ``recist_sum`` (mm), ``recist_change`` and ``volume_change`` (%).

    Changes are from baseline. A visit at which a target was not assessed has no row: its sum would mislead.
    """
    rows: list[Measurement] = []
    for scope in result.scopes:
        region = (f"{scope.lobe} lobe", "lobe", scope.lobe, "") if scope.lobe else ("patient", "", "none", "")
        for n, (cycle, visit) in enumerate(result.visits):
            names = (patient, cycle, visit, image, *region)
            if scope.recist and scope.assessed[n]:
                rows.append(Measurement(*names, "recist_sum", scope.recist[n].total, "mm"))
            if n and scope.recist and scope.assessed[n]:
                rows.append(Measurement(*names, "recist_change", _percent(scope.recist[n]), "%"))
            if n and not math.isnan(scope.volume[n].change_from_baseline):  # nan where a lesion was not assessed
                rows.append(Measurement(*names, "volume_change", _percent(scope.volume[n]), "%"))
    return tuple(rows)


def _scope(
    lobe: str,
    recist: ResponseTable,
    volumes: ResponseTable,
    baseline: Sequence[BaselineLesion],
    diameters: Sequence[Seen],
) -> ScopeResponse:
    own = [one for one in baseline if not lobe or one.lobe == lobe]
    graded = recist.lobes.get(lobe, ()) if lobe else recist.patient
    targets = recist_targets(own) if graded else ()
    assessed = tuple(all(name in visit.sizes for name in targets) for visit in diameters)
    return ScopeResponse(lobe, targets, graded, assessed, volumes.lobes[lobe] if lobe else volumes.patient)


def _with_course(
    scope: ScopeResponse, days: Sequence[float], first: date | None, rules: ResponseRules
) -> ScopeResponse:
    if not (scope.recist and days):
        return scope
    death = float((rules.death - first).days) if rules.death and first else math.nan
    if death < days[-1]:
        raise StudyError(
            f"'response.death' is {rules.death}, before the last visit ({days[-1]:g} days after {first}): correct one."
        )
    return replace(
        scope,
        best=best_response(scope.recist, days, confirm=rules.confirm),
        progression_free=progression_free(scope.recist, days, death),
    )


def _days(visits: Sequence[SizedVisit]) -> list[float]:
    """Days since the first visit; none where a date is missing or they do not rise."""
    dates = [visit.day for visit in visits if visit.day is not None]
    if len(dates) < len(visits) or not all(after > before for before, after in pairwise(dates)):
        return []
    return [float((one - dates[0]).days) for one in dates]


def _seen(visit: SizedVisit, baseline: SizedVisit, attribute: str, nodes: Sequence[str] = ()) -> Seen:
    sizes: dict[str, float] = {}
    states: dict[str, str] = {}
    for one in visit.prepared.lesions:
        name = one.lesion.lesion_id
        sizes[name] = float(getattr(one.size, "perpendicular_mm" if name in nodes else attribute))
        normal = name in nodes and resolved_length_mm(sizes[name]) < NODE_NORMAL_MM
        states[name] = ABSENT if normal else PRESENT
    sizes |= dict.fromkeys(visit.vanished, 0.0)
    states |= dict.fromkeys(visit.vanished, ABSENT)
    before = _ids(baseline)
    new = (*(name for name in sizes if name not in before), *visit.new_lesions)
    return Seen(visit.name, sizes, new, {**states, **visit.non_targets})


def _check_vanished(visit: SizedVisit, baseline: SizedVisit) -> None:
    for name in visit.vanished:
        if name not in _ids(baseline):
            raise StudyError(
                f"Visit '{visit.visit}': {name} is said to have vanished, but the first visit has no such lesion: "
                f"use one of {', '.join(sorted(_ids(baseline)))}."
            )
        if name in _ids(visit):
            raise StudyError(
                f"Visit '{visit.visit}': {name} is said to have vanished, but is drawn there: take one of both back."
            )


def _notes(visits: Sequence[SizedVisit], baseline: Sequence[BaselineLesion], organs: Mapping[str, str]) -> list[str]:
    notes = []
    if any(one.organ == _ELSEWHERE and one.lesion_id not in organs for one in baseline):
        notes.append(
            "Lesions outside the liver whose organ is not stated ('response.organs') count as one organ, of which "
            "RECIST takes two at most, and none of them as a lymph node."
        )
    thickness = max(visit.prepared.segmentation.grid.spacing_mm[2] for visit in visits)
    if thickness > _THICK_MM:
        notes.append(
            f"Slices are up to {thickness:.1f} mm thick: RECIST asks for targets of twice that, "
            f"while {MINIMUM_MM:g} mm was applied."
        )
    return notes


def _ids(visit: SizedVisit) -> set[str]:
    return {one.lesion.lesion_id for one in visit.prepared.lesions}


def _organ(lesion: str, lobe: str, organs: Mapping[str, str]) -> str:
    if lobe in ("none", ""):
        return organs.get(lesion, _ELSEWHERE)
    if lesion in organs and organs[lesion] != "liver":
        raise StudyError(
            f"'response.organs' says that {lesion} is of the organ '{organs[lesion]}', but it is in the {lobe} lobe of "
            "the liver: correct one of them."
        )
    return "liver"


def _percent(response: Response) -> float:
    return 100.0 * response.change_from_baseline
