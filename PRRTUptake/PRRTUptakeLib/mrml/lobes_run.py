"""The lobe-against-lobe design: every visit has its own emission image, segments and lobes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.lobe_visit import Drawn, MeasuredVisit, measure_drawn, measure_propagated, study_name
from PRRTUptakeLib.mrml.outcome import CaseOutcome, SceneVisit, VisitImages, series_facts
from PRRTUptakeLib.mrml.segment_files import read_segments, segment_files
from PRRTUptakeLib.progress import Progress, sub_progress
from PRRTUptakeLib.report.alignment_report import alignment_section
from PRRTUptakeLib.report.patient_report import visit_sections
from PRRTUptakeLib.report.patient_text import visit_text
from PRRTUptakeLib.report.registration_report import registration_sections
from PRRTUptakeLib.report.response_report import response_sections, response_text
from PRRTUptakeLib.study.images import contour_series, has_emission
from PRRTUptakeLib.study.measurement_rows import measurement_rows, size_rows
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.response_case import SizedVisit, case_response, is_follow_up, response_rows
from PRRTUptakeLib.study.visit import VisitLabels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.case import Case, Visit
    from PRRTUptakeLib.study.preparation import Prepared


class LobesRunError(PRRTError):
    """A lobe-against-lobe case lacks what it needs."""


def measure_lobe_case(case: Case, progress: Progress) -> CaseOutcome:
    """Measure every visit of a lobe-against-lobe case.

    Raises
    ------
    PRRTError
        If a visit's data do not allow an answer.
    """
    ordered = _drawn_first(case)
    drawn: dict[tuple[int, str], Drawn] = {}
    measured: dict[tuple[int, str], MeasuredVisit] = {}
    later: dict[tuple[int, str], SizedOnly] = {}
    sized: list[SizedVisit] = []
    for n, visit in enumerate(ordered):
        step = sub_progress(progress, n / len(ordered), (n + 1) / len(ordered))
        found = find_series(visit.dicom)
        if visit.drawn_on is not None:
            measured[visit.key] = measure_propagated(case, visit, found, drawn[visit.drawn_on], step)
            continue
        baseline = sized[0].prepared if sized else None
        if not has_emission(found, case.protocol.imaging.modality) and _is_only_drawn(case, visit, baseline):
            later[visit.key], drawn[visit.key] = _size(case, visit, found, baseline, step)
        else:
            measured[visit.key], drawn[visit.key] = measure_drawn(case, visit, found, baseline, step)
        sized.append(SizedVisit(visit.cycle, visit.visit, drawn[visit.key].prepared, visit.vanished))
    return _with_response(_outcome(case, ordered, measured, later), sized)


def _drawn_first(case: Case) -> tuple[Visit, ...]:
    """Each visit on whose image was drawn, followed by those that use its contours."""
    own = [visit for visit in case.visits if visit.drawn_on is None]
    return tuple(one for visit in own for one in (visit, *(v for v in case.visits if v.drawn_on == visit.key)))


def _is_only_drawn(case: Case, visit: Visit, baseline: Prepared | None) -> bool:
    """Whether a visit without emission image is meant so: a follow-up, or the image on which was drawn for others."""
    used = any(one.drawn_on == visit.key for one in case.visits)
    return used or (baseline is not None and is_follow_up(visit.visit))


def _outcome(
    case: Case,
    ordered: Sequence[Visit],
    measured: Mapping[tuple[int, str], MeasuredVisit],
    later: Mapping[tuple[int, str], SizedOnly],
) -> CaseOutcome:
    """All visits together, in the order of the case file."""
    visits = [measured[visit.key] for visit in case.visits if visit.key in measured]
    sizes = [later[visit.key] for visit in case.visits if visit.key in later]
    if not visits:
        raise LobesRunError("The case has no visit with an image to be measured: add one.")
    results = tuple(one.shown.result for one in visits)
    checked = [one.checked for one in visits if one.checked is not None]
    registered = [one.registered for one in visits if one.registered is not None]
    manual_shifts = [manual_shift.facts(one.labels.visit) for one in results for manual_shift in one.manual_shifts]
    sections = [part for one in visits for part in visit_sections(one.shown)]
    return CaseOutcome(
        case,
        f"Lobe against lobe: {case.patient}",
        tuple(row for result in results for row in measurement_rows(result)),
        (
            *(text for check in checked for text in check.warnings),
            *(text for one in registered for text in one.warnings),
            *(f"{one.shown.result.labels.visit}: {text}" for one in visits for text in one.warnings),
        ),
        tuple(part for result in results for part in visit_text(result)),
        (*sections, *registration_sections(registered), alignment_section(checked)),
        tuple(one.scene for one in visits),
        tuple(fact for facts in [one.facts for one in visits] + [one.facts for one in sizes] for fact in facts),
        (case.path, *(path for files in [o.files for o in visits] + [o.files for o in sizes] for path in files)),
        results,
        tuple(images for visit in ordered if (images := (measured.get(visit.key) or later[visit.key]).images)),
        (*(check.facts() for check in checked), *(one.facts() for one in registered), *manual_shifts),
    ).with_more(
        rows=[row for one in sizes for row in one.scene.rows],
        warnings=[f"{one.visit}: {text}" for one in sizes for text in one.prepared.warnings],
        scene=[one.scene for one in sizes],
    )


def _with_response(outcome: CaseOutcome, visits: Sequence[SizedVisit]) -> CaseOutcome:
    """The outcome with the change of the lesions' sizes, where the case has later cycles or follow-up visits."""
    case = outcome.case
    found = case_response(visits)
    if found is None:
        return outcome
    return outcome.with_more(
        rows=response_rows(found, case.patient, case.protocol.imaging.contours_on),
        text=response_text(found),
        sections=response_sections(found),
    )


@dataclass(frozen=True, eq=False)
class SizedOnly:
    """A visit without emission image, of which only the lesions' sizes are taken: follow-up, or drawn on for others."""

    visit: str
    prepared: Prepared
    scene: SceneVisit
    facts: list[dict[str, Any]]
    files: list[Path]
    images: VisitImages | None = None


def _size(
    case: Case, visit: Visit, found: Sequence[Series], baseline: Prepared | None, progress: Progress
) -> tuple[SizedOnly, Drawn]:
    progress(0.0, f"{visit.visit}: sizes of the lesions")
    segmentation = read_segments(visit.segments, found)
    prepared = prepare(
        segmentation,
        case.protocol,
        None,
        visit.lobe_plane,
        baseline=baseline,
        target_overrides=visit.target_overrides,
        territory_overrides=visit.territory_overrides,
        vanished=visit.vanished,
    )
    labels = VisitLabels(case.patient, visit.cycle, visit.visit, case.protocol.imaging.contours_on, case.treated_lobe)
    contours = contour_series(found, segmentation.grid)
    facts, files = [], segment_files(visit.segments)
    volumes: tuple[tuple[str, Volume], ...] = ()
    anatomy = None
    if contours is not None:
        facts.append(series_facts(visit.visit, contours, "contours"))
        files += contours.files
        anatomy = read_volume(contours)
        volumes = ((f"{labels.image} {study_name(labels)}", anatomy),)
    rows = size_rows(labels, prepared)
    scene = SceneVisit(study_name(labels), volumes, prepared.segmentation, prepared.plane, rows, visit=visit.visit)
    images = None
    if contours is not None and any(one.drawn_on == visit.key for one in case.visits):
        images = VisitImages(visit.visit, visit.cycle, study_name(labels), contours, contours)
    return SizedOnly(visit.visit, prepared, scene, facts, files, images), Drawn(visit, contours, anatomy, prepared)
