"""Every visit measured by itself, in its own emission image, and the sizes of lesions compared over the visits.

What the designs with single visits share; what differs between them (lobes, targets, references) is in the protocol and
the rules of its design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.progress import Progress, sub_progress
from PRRTUptakeLib.segmentation.response import PERCIST
from PRRTUptakeLib.study.designs.one_visit import (
    ContouredVisit,
    MeasuredVisit,
    measure_contoured,
    measure_propagated,
    study_name,
)
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurement_rows import measurement_rows, size_rows
from PRRTUptakeLib.study.model import IMAGE_WORDS, StudyResult, VisitContents, VisitImages, series_facts
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.response_case import CaseResponse, SizedVisit, case_response, is_follow_up, response_rows
from PRRTUptakeLib.study.response_pet import PetLesions, pet_lesions
from PRRTUptakeLib.study.visit import VisitLabels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.model import StudyInput, VisitInput
    from PRRTUptakeLib.study.preparation import Prepared


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitFindings:
    """Change of the lesions' sizes over cycles and follow-up; None where there is nothing to compare."""

    response: CaseResponse | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SizedOnly:
    """A visit without emission image, of which only the lesions' sizes are taken: follow-up, or drawn on for others."""

    prepared: Prepared
    contents: VisitContents
    decisions: tuple[dict[str, Any], ...]
    images: VisitImages | None = None


def measure_visits(study: StudyInput, progress: Progress) -> StudyResult:
    """Measure every visit.

    Raises
    ------
    PRRTError
        If a visit's data do not allow an answer.
    """
    ordered = _contoured_first(study)
    drawn: dict[tuple[int, str], ContouredVisit] = {}
    measured: dict[tuple[int, str], MeasuredVisit] = {}
    later: dict[tuple[int, str], SizedOnly] = {}
    sized: list[SizedVisit] = []
    rules = replace(study.response, criteria=study.response.criteria or study.protocol.response_criteria)
    for n, visit in enumerate(ordered):
        step = sub_progress(progress, n / len(ordered), (n + 1) / len(ordered))
        if visit.drawn_on is not None:
            measured[visit.key] = measure_propagated(study, visit, drawn[visit.drawn_on], step)
            continue
        baseline = sized[0].prepared if sized else None
        if not visit.shows_emission and _is_only_contoured(study, visit, baseline):
            later[visit.key], drawn[visit.key] = _size(study, visit, baseline, step)
        else:
            measured[visit.key], drawn[visit.key] = measure_contoured(study, visit, baseline, step)
        sized.append(_sized(visit, drawn[visit.key], _pet(rules.criteria, visit, drawn, measured)))
    response = case_response(sized, study.protocol.rules.by_lobe, rules)
    return _result(study, ordered, measured, later, response)


def _pet(
    criteria: str,
    visit: VisitInput,
    drawn: Mapping[tuple[int, str], ContouredVisit],
    measured: Mapping[tuple[int, str], MeasuredVisit],
) -> PetLesions | None:
    """SUL of a visit's lesions, where PERCIST asks for it and there is a PET."""
    if criteria != PERCIST or visit.key not in measured:
        return None
    return pet_lesions(visit, drawn[visit.key].prepared, measured[visit.key].images)


def _sized(visit: VisitInput, drawn: ContouredVisit, pet: PetLesions | None) -> SizedVisit:
    """A visit for the response; its day is the stated one, or that of the images that were drawn on or measured."""
    shown = [one.series for one in (drawn.source, visit.anatomy, visit.emission) if one is not None]
    started = next((one.started for one in shown if one is not None and one.started is not None), None)
    day = visit.stated_date or (started.date() if started is not None else None)
    return SizedVisit(
        visit.cycle,
        visit.visit,
        drawn.prepared,
        visit.vanished,
        visit.non_targets,
        visit.new_lesions,
        day,
        visit.enhancing_mm,
        pet,
    )


def _contoured_first(study: StudyInput) -> tuple[VisitInput, ...]:
    """Each visit with contours of its own, followed by those that use them."""
    own = [visit for visit in study.visits if visit.drawn_on is None]
    return tuple(one for visit in own for one in (visit, *(v for v in study.visits if v.drawn_on == visit.key)))


def _is_only_contoured(study: StudyInput, visit: VisitInput, baseline: Prepared | None) -> bool:
    """Whether a visit without emission image is meant so: a follow-up, or one whose image was drawn on for others."""
    used = any(one.drawn_on == visit.key for one in study.visits)
    return used or (baseline is not None and is_follow_up(visit.visit))


def _result(
    study: StudyInput,
    ordered: Sequence[VisitInput],
    measured: Mapping[tuple[int, str], MeasuredVisit],
    later: Mapping[tuple[int, str], SizedOnly],
    response: CaseResponse | None,
) -> StudyResult:
    """All visits together, in the order of the input."""
    visits = [measured[visit.key] for visit in study.visits if visit.key in measured]
    sizes = [(visit.visit, later[visit.key]) for visit in study.visits if visit.key in later]
    if not visits:
        raise StudyError("The case has no visit with an image to be measured: add one.")
    registered = tuple(one.registered for one in visits if one.registered is not None)
    checked = tuple(one.checked for one in visits if one.checked is not None)
    rows = [row for one in visits for row in measurement_rows(one.result)]
    rows += [row for _, one in sizes for row in one.contents.rows]
    if response is not None:
        rows += response_rows(response, study.patient, IMAGE_WORDS[study.protocol.imaging.contours_on])
    images = [(measured.get(visit.key) or later[visit.key]).images for visit in ordered]
    return StudyResult(
        input=study,
        visits=tuple(one.result for one in visits),
        findings=VisitFindings(response=response),
        measured_rows=tuple(rows),
        measured_warnings=(
            *(text for check in checked for text in check.warnings),
            *(text for one in registered for text in one.warnings),
            *(f"{one.result.labels.visit}: {text}" for one in visits for text in one.warnings),
            *(f"{visit}: {text}" for visit, one in sizes for text in one.prepared.warnings),
        ),
        images=tuple(one for one in images if one is not None),
        visit_contents=(*(one.contents for one in visits), *(one.contents for _, one in sizes)),
        registrations=registered,
        session_checks=checked,
        decisions=(
            *(fact for one in visits for fact in one.decisions),
            *(fact for _, one in sizes for fact in one.decisions),
        ),
    )


def _size(
    study: StudyInput, visit: VisitInput, baseline: Prepared | None, progress: Progress
) -> tuple[SizedOnly, ContouredVisit]:
    progress(0.0, f"{visit.visit}: sizes of the lesions")
    segmentation = visit.load_segments()
    prepared = prepare(
        segmentation,
        study.protocol,
        None,
        visit.cut,
        baseline=baseline,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
        vanished=visit.vanished,
    )
    word = IMAGE_WORDS[study.protocol.imaging.contours_on]
    labels = VisitLabels(study.patient, visit.cycle, visit.visit, word, study.treated_lobe)
    source = visit.contours_on(segmentation.grid)
    name = study_name(visit.cycle, visit.visit)
    volumes: tuple[tuple[str, Volume], ...] = ()
    decisions: tuple[dict[str, Any], ...] = ()
    image = None
    if source is not None:
        image = source.load()
        decisions = (series_facts(visit.visit, source.series, "contours"),)
        volumes = ((f"{word} {name}", image),)
    contents = VisitContents(
        study=name,
        volumes=volumes,
        segmentation=prepared.segmentation,
        plane=prepared.plane,
        prepared=prepared,
        rows=size_rows(labels, prepared),
        visit=visit.visit,
    )
    images = None
    if source is not None and any(one.drawn_on == visit.key for one in study.visits):
        images = VisitImages(
            visit=visit.visit,
            cycle=visit.cycle,
            study=name,
            measured=source.series,
            contours=source.series,
            anatomy=source,
        )
    drawn = ContouredVisit(visit=visit, source=source, image=image, prepared=prepared)
    return SizedOnly(prepared=prepared, contents=contents, decisions=decisions, images=images), drawn
