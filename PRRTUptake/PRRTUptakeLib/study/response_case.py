"""Response of one patient over the visits of a case: RECIST 1.1, mRECIST or PERCIST, and change of volume.

Per patient and per lobe. mRECIST measures the part of a lesion that enhances in the arterial phase, PERCIST the PET.

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
    MRECIST,
    NODE_NORMAL_MM,
    PERCIST,
    PRESENT,
    PROGRESSION_MM,
    RECIST,
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
from PRRTUptakeLib.study.response_pet import SUL_UNITS, PetLesions, PetSeen, percist_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from PRRTUptakeLib.study.preparation import Prepared

FOLLOW_UP = "follow-up"
_ELSEWHERE, _UNMEASURED = "extrahepatic", "not measured"
_LONGER = 1.2  # times its length as drawn, beyond which what is stated of a lesion cannot be of it
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
    enhancing_mm : for mRECIST, diameters of the part that enhances, by lesion; the others are measured as drawn.
    pet : for PERCIST, SUL of the lesions; None without.
    """

    cycle: int
    visit: str
    prepared: Prepared
    vanished: tuple[str, ...] = ()
    non_targets: Mapping[str, str] = field(default_factory=dict)
    new_lesions: tuple[str, ...] = ()
    day: date | None = None
    enhancing_mm: Mapping[str, float] = field(default_factory=dict)
    pet: PetLesions | None = None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"cycle {self.cycle} {self.visit}"


@dataclass(frozen=True)
class ScopeResponse:
    """Response of the patient (``lobe`` is "") or of one lobe, one entry per visit.

    Attributes
    ----------
    targets : of the criteria; none where no lesion is measurable, and then ``graded`` is empty.
    graded : by the criteria, with sums of diameters in mm, or the SULpeak of the hottest lesion.
    assessed : whether all targets were measured at a visit, without which its sum is not comparable.
    volume : sums of volumes of all lesions, in mL.
    best, progression_free : over all visits; None where there is no target, or the dates do not rise.
    """

    lobe: str
    targets: tuple[str, ...]
    graded: tuple[Response, ...]
    assessed: tuple[bool, ...]
    volume: tuple[Response, ...]
    best: BestResponse | None = None
    progression_free: ProgressionFree | None = None


@dataclass(frozen=True)
class CaseResponse:
    """Cycle and name of each visit that was compared, the response of the patient and each lobe, and what to know.

    ``criteria`` is one of CRITERIA.
    """

    visits: tuple[tuple[int, str], ...]
    scopes: tuple[ScopeResponse, ...]
    notes: tuple[str, ...]
    criteria: str = RECIST


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
    rules : criteria (RECIST 1.1 if not stated), organs of lesions, confirmation, death.

    Raises
    ------
    StudyError
        If a lesion is said to have vanished that is still there, or was never there, a lobe's lesion to be a node, or a
        lesion to enhance over more than it is long.
    """
    rules = rules or ResponseRules()
    compared = compared_visits(visits)
    if len(compared) < 2:
        return None
    for visit in compared:
        _check_vanished(visit, compared[0])
        _check_enhancing(visit)
    baseline = [
        BaselineLesion(
            one.lesion.lesion_id,
            _organ(one.lesion.lesion_id, one.segment.lobe, rules.organs),
            compared[0].enhancing_mm.get(one.lesion.lesion_id, one.size.longest_axial_mm),
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
    criteria = rules.criteria or RECIST
    days, notes = _days(compared), _notes(compared, baseline, rules.organs, criteria)
    if not days:
        notes.append("The visits have no dates, or they do not rise: there is no best response or time to progression.")
    lobes = ("", *volumes.lobes) if by_lobe else ("",)
    if criteria == PERCIST:
        scopes = [_pet_scope(lobe, compared, volumes, notes) for lobe in lobes]
    else:
        try:
            recist = recist_table(diameters, followed, 0.0 if criteria == MRECIST else PROGRESSION_MM)
        except ResponseError as error:
            recist = ResponseTable(())
            notes.append(str(error))
        scopes = [_scope(lobe, recist, volumes, baseline, diameters) for lobe in lobes]
    scopes = [_with_course(scope, days, compared[0].day, rules) for scope in scopes]
    names = tuple((visit.cycle, visit.visit) for visit in compared)
    return CaseResponse(names, tuple(scopes), tuple(dict.fromkeys(notes)), criteria)


def response_rows(result: CaseResponse, patient: str, image: str) -> tuple[Measurement, ...]:
    """The response per patient and lobe as rows: ``recist_sum`` (mm), ``recist_change`` and ``volume_change`` (%).

    By mRECIST the first two are ``mrecist_sum`` and ``mrecist_change``, by PERCIST ``sul_peak`` and
    ``sul_peak_change``. Changes are from baseline. A visit at which a target was not assessed has no row: its sum would
    mislead.
    """
    rows: list[Measurement] = []
    value, change, unit = _METRICS[result.criteria]
    for scope in result.scopes:
        region = (f"{scope.lobe} lobe", "lobe", scope.lobe, "") if scope.lobe else ("patient", "", "none", "")
        for n, (cycle, visit) in enumerate(result.visits):
            names = (patient, cycle, visit, image, *region)
            if scope.graded and scope.assessed[n]:
                rows.append(Measurement(*names, value, scope.graded[n].total, unit))
            if n and scope.graded and scope.assessed[n]:
                rows.append(Measurement(*names, change, _percent(scope.graded[n]), "%"))
            if n and not math.isnan(scope.volume[n].change_from_baseline):  # nan where a lesion was not assessed
                rows.append(Measurement(*names, "volume_change", _percent(scope.volume[n]), "%"))
    return tuple(rows)


_METRICS = {
    RECIST: ("recist_sum", "recist_change", "mm"),
    MRECIST: ("mrecist_sum", "mrecist_change", "mm"),
    PERCIST: ("sul_peak", "sul_peak_change", SUL_UNITS),
}


def _pet_scope(lobe: str, visits: Sequence[SizedVisit], volumes: ResponseTable, notes: list[str]) -> ScopeResponse:
    """By PERCIST; why there is none goes to ``notes``."""
    before = _ids(visits[0])
    seen = [
        PetSeen(
            visit.name,
            visit.pet or PetLesions(refusal=f"Visit '{visit.visit}' has no PET."),
            (*(name for name in _ids(visit) if name not in before), *visit.new_lesions),
            visit.non_targets,
        )
        for visit in visits
    ]
    try:
        targets, graded = percist_scope(seen, lobe)
    except ResponseError as error:
        targets, graded = (), ()
        notes.append(str(error) if not lobe else f"{lobe.capitalize()} lobe: {error}")
    volume = volumes.lobes[lobe] if lobe else volumes.patient
    return ScopeResponse(lobe, targets, graded, (True,) * len(visits), volume)


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
    if not (scope.graded and days):
        return scope
    death = float((rules.death - first).days) if rules.death and first else math.nan
    if death < days[-1]:
        raise StudyError(
            f"'response.death' is {rules.death}, before the last visit ({days[-1]:g} days after {first}): correct one."
        )
    return replace(
        scope,
        best=best_response(scope.graded, days, confirm=rules.confirm),
        progression_free=progression_free(scope.graded, days, death),
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
        if attribute == "longest_axial_mm" and name in visit.enhancing_mm:
            sizes[name] = float(visit.enhancing_mm[name])
        normal = sizes[name] == 0 or (name in nodes and resolved_length_mm(sizes[name]) < NODE_NORMAL_MM)
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


def _check_enhancing(visit: SizedVisit) -> None:
    for one in visit.prepared.lesions:
        name, drawn_mm = one.lesion.lesion_id, one.size.longest_axial_mm
        stated_mm = visit.enhancing_mm.get(name, 0.0)
        if stated_mm > _LONGER * drawn_mm:
            raise StudyError(
                f"Visit '{visit.visit}': the part of {name} that enhances is said to be {stated_mm:g} mm long, but "
                f"{name} as drawn {drawn_mm:.1f} mm: correct 'enhancing_mm' (millimetres), or the contour."
            )


_VALIDITY = {
    RECIST: (),
    MRECIST: ("mRECIST was made for hepatocellular carcinoma; its limits are not validated for metastases.",),
    PERCIST: ("PERCIST was made for 18F-FDG; its limits are not validated for somatostatin receptor PET.",),
}


def _notes(
    visits: Sequence[SizedVisit], baseline: Sequence[BaselineLesion], organs: Mapping[str, str], criteria: str
) -> list[str]:
    notes = list(_VALIDITY[criteria])
    if criteria == PERCIST:
        return notes
    if criteria == MRECIST:
        drawn = [
            f"{name} at {visit.name}" for visit in visits for name in sorted(_ids(visit) - set(visit.enhancing_mm))
        ]
        if drawn:
            notes.append(
                f"Measured as drawn, since 'enhancing_mm' does not name them: {', '.join(drawn)}. That is mRECIST "
                "where the contours are of the part that enhances in the arterial phase."
            )
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
