"""Response of one patient over the visits of a case: RECIST 1.1 and change of volume, per patient and per lobe.

The first visit is the baseline. It is compared with the first visit of every further cycle and every follow-up visit;
the other visits of a cycle image the same tumours hours or days later, which is no response.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.segmentation.response import (
    MINIMUM_MM,
    BaselineLesion,
    Response,
    ResponseTable,
    recist_table,
    recist_targets,
    volume_table,
)
from PRRTUptakeLib.segmentation.response import Visit as Seen
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.preparation import Prepared

FOLLOW_UP = "follow-up"
_THICK_MM = 5.0  # beyond it RECIST 1.1 asks for lesions of twice the slice thickness


@dataclass(frozen=True, eq=False)
class SizedVisit:
    """A visit with its lesions; ``vanished`` are ids of lesions that were looked for and are gone."""

    cycle: int
    visit: str
    prepared: Prepared
    vanished: tuple[str, ...] = ()

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
    """

    lobe: str
    targets: tuple[str, ...]
    recist: tuple[Response, ...]
    assessed: tuple[bool, ...]
    volume: tuple[Response, ...]


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


def case_response(visits: Sequence[SizedVisit], by_lobe: bool = True) -> CaseResponse | None:
    """Response over a case's visits, None if there is nothing to compare.

    Parameters
    ----------
    visits : in the order of time, the first is the baseline; lesions have the same ids throughout. One that is neither
        seen nor said to have vanished counts as not assessed.
    by_lobe : whether each lobe has a response of its own beside the patient's.

    Raises
    ------
    StudyError
        If a lesion is said to have vanished that is still there, or was never there.
    """
    compared = compared_visits(visits)
    if len(compared) < 2:
        return None
    for visit in compared:
        _check_vanished(visit, compared[0])
    baseline = [
        BaselineLesion(one.lesion.lesion_id, _organ(one.segment.lobe), one.size.longest_axial_mm, one.segment.lobe)
        for one in compared[0].prepared.lesions
    ]
    diameters = [_seen(visit, compared[0], "longest_axial_mm") for visit in compared]
    volumes = volume_table(
        [_seen(visit, compared[0], "volume_mL") for visit in compared], {one.lesion_id: one.lobe for one in baseline}
    )
    notes = _notes(compared, baseline)
    try:
        recist = recist_table(diameters, baseline)
    except ResponseError as error:
        recist, notes = ResponseTable(()), [*notes, str(error)]
    lobes = ("", *volumes.lobes) if by_lobe else ("",)
    scopes = tuple(_scope(lobe, recist, volumes, baseline, diameters) for lobe in lobes)
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


def _seen(visit: SizedVisit, baseline: SizedVisit, attribute: str) -> Seen:
    sizes: Mapping[str, float] = {
        **{one.lesion.lesion_id: float(getattr(one.size, attribute)) for one in visit.prepared.lesions},
        **dict.fromkeys(visit.vanished, 0.0),
    }
    before = _ids(baseline)
    return Seen(visit.name, sizes, tuple(name for name in sizes if name not in before))


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


def _notes(visits: Sequence[SizedVisit], baseline: Sequence[BaselineLesion]) -> list[str]:
    notes = []
    if any(one.organ != "liver" for one in baseline):
        notes.append("Lesions outside the liver count as one organ, of which RECIST takes two at most.")
    thickness = max(visit.prepared.segmentation.grid.spacing_mm[2] for visit in visits)
    if thickness > _THICK_MM:
        notes.append(
            f"Slices are up to {thickness:.1f} mm thick: RECIST asks for targets of twice that, "
            f"while {MINIMUM_MM:g} mm was applied."
        )
    return notes


def _ids(visit: SizedVisit) -> set[str]:
    return {one.lesion.lesion_id for one in visit.prepared.lesions}


def _organ(lobe: str) -> str:
    return "extrahepatic" if lobe in ("none", "") else "liver"


def _percent(response: Response) -> float:
    return 100.0 * response.change_from_baseline
