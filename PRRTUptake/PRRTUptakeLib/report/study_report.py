"""The report and the terminal text of one patient, made from the study's result and nothing else.

What a design found, and what another library adds, is rendered by its type: whoever defines the type registers its
renderers with `findings_sections`, `findings_text`, `part_sections` and `part_text`.
"""

from __future__ import annotations

import importlib
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.report.alignment_report import alignment_section
from PRRTUptakeLib.report.enhancement_report import (
    benefit_section,
    benefit_table,
    enhancement_sections,
    enhancement_text,
)
from PRRTUptakeLib.report.errors import ReportError
from PRRTUptakeLib.report.page import plain_table
from PRRTUptakeLib.report.patient_report import case_report, many_visits_section, visit_sections
from PRRTUptakeLib.report.patient_text import visit_text
from PRRTUptakeLib.report.registration_report import registration_sections
from PRRTUptakeLib.report.response_report import response_sections, response_text
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.two_routes import RouteFindings
from PRRTUptakeLib.study.designs.visit_by_visit import VisitFindings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.study.model import StudyResult


def study_report(result: StudyResult, provenance: Mapping[str, Any], title: str = "") -> str:
    """The report as one self-contained HTML page; ``title`` replaces the design's heading."""
    heading = title or f"{design_of(result.input.protocol).title}: {result.input.patient}"
    return case_report(
        heading, result.input, result.warnings, study_sections(result), provenance, len(result.visits) > MANY_VISITS
    )


MANY_VISITS = 2
"""Up to so many visits are shown with all that is known of each; of more, details are folded."""


def study_sections(result: StudyResult) -> tuple[list[str], list[str]]:
    """The sections of the report, as HTML: the result; and pictures, what else was found, alignment, parts."""
    brief = len(result.visits) > MANY_VISITS
    made = [
        visit_sections(one, brief, pictures)
        for one, pictures in zip(result.visits, _with_pictures(result), strict=True)
    ]
    before, after = findings_sections(result.findings, result)
    parts = [part_sections(part, result) for part in result.parts]
    aligned = [
        *before[1:],
        *registration_sections(result.registrations),
        alignment_section(result.session_checks),
        *after,
    ]
    if brief:  # doses are a result; pictures before all that is folded
        first = [many_visits_section(result.visits), *before[:1], *(one for part in parts for one in part[:1])]
        pictures = [one for _, others in made for one in others[:-1]]
        rest = [one for part in parts for one in part[1:]]
        return first, [*pictures, *rest, *(others[-1] for _, others in made), *aligned]
    first = [*(one for results, _ in made for one in results), *before[:1]]
    visits = [one for _, others in made for one in others]
    return first, [*visits, *aligned, *(one for part in parts for one in part)]


def _with_pictures(result: StudyResult) -> list[bool]:
    """Whether a visit's pictures are shown: of many visits those of the first of each cycle."""
    if len(result.visits) <= MANY_VISITS:
        return [True] * len(result.visits)
    seen: set[int] = set()
    found = []
    for one in result.visits:
        found.append(one.labels.cycle not in seen)
        seen.add(one.labels.cycle)
    return found


def study_text(result: StudyResult) -> list[str]:
    """Headings, tables and sentences for the terminal."""
    text = [part for one in result.visits for part in visit_text(one)]
    text += findings_text(result.findings, result)
    return [*text, *(words for part in result.parts for words in part_text(part, result))]


@singledispatch
def findings_sections(findings: Any, result: StudyResult) -> tuple[list[str], list[str]]:
    """Sections on what a design found, those before and those after the sections on registrations."""
    return [], []


@singledispatch
def findings_text(findings: Any, result: StudyResult) -> list[str]:
    """What a design found, for the terminal."""
    return []


@singledispatch
def part_sections(part: Any, result: StudyResult) -> list[str]:
    """Sections on a part that another library added; its renderer is loaded where that did not happen yet."""
    return part_sections(part, result) if _renderer_loaded(part, part_sections) else []


@singledispatch
def part_text(part: Any, result: StudyResult) -> list[str]:
    """A part that another library added, for the terminal."""
    return part_text(part, result) if _renderer_loaded(part, part_text) else []


def _renderer_loaded(part: Any, renderers: Any) -> bool:
    """Import what registers a part's renderers; whether there is one now that is not the default.

    Raises
    ------
    ReportError
        If the part names a renderer that registers none for it: nothing of a result is left out in silence.
    """
    if not part.renderer:
        return False
    importlib.import_module(part.renderer)
    if renderers.dispatch(type(part)) is renderers.dispatch(object):
        raise ReportError(f"{part.renderer} does not say how a {type(part).__name__} is shown: register it there.")
    return True


@findings_sections.register(VisitFindings)
def _(findings: VisitFindings, result: StudyResult) -> tuple[list[str], list[str]]:
    return [], response_sections(findings.response) if findings.response is not None else []


@findings_text.register(VisitFindings)
def _(findings: VisitFindings, result: StudyResult) -> list[str]:
    return response_text(findings.response) if findings.response is not None else []


@findings_sections.register(RouteFindings)
def _(findings: RouteFindings, result: StudyResult) -> tuple[list[str], list[str]]:
    benefit = findings.benefit
    after = [] if benefit is None else [benefit_section(benefit.predictions, benefit.delivered_Gy)]
    return enhancement_sections(findings.comparison, result.input.protocol), after


@findings_text.register(RouteFindings)
def _(findings: RouteFindings, result: StudyResult) -> list[str]:
    text = enhancement_text(findings.comparison, result.input.protocol, result.input.patient)
    if findings.benefit is not None:
        table = benefit_table(findings.benefit.predictions, findings.benefit.delivered_Gy)
        text += ["Predicted benefit", plain_table(*table)]
    return text
