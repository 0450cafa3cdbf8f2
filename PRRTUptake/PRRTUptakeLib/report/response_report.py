"""Response of one patient over the visits, for the report and the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.report.page import paragraph, section, table
from PRRTUptakeLib.segmentation.response import MRECIST, PERCIST, RECIST

if TYPE_CHECKING:
    from PRRTUptakeLib.study.response_case import CaseResponse, ScopeResponse

_TARGETS = (
    "at the first visit the largest lesions of 10 mm or more (lymph nodes: a short axis of 15 mm or more), five in all "
    "and two per organ{lobes}; the other lesions are followed as present or absent."
)
_WORDS = {
    RECIST: f"RECIST 1.1 (doi:10.1016/j.ejca.2008.10.026) on its own targets: {_TARGETS}",
    MRECIST: "mRECIST (doi:10.1055/s-0030-1247132), the diameters of the part that enhances in the arterial phase, on "
    f"its own targets: {_TARGETS} Progression is a sum 20 % above the smallest.",
    PERCIST: "PERCIST 1.0 (doi:10.2967/jnumed.108.057307): SULpeak (a sphere of 1 mL, lean body mass by Janmahasatian) "
    "of the hottest lesion of each PET; a response or progression is a change by 30 % and 0.8 at least, a complete one "
    "below healthy liver's mean{lobes}.",
}
_VOLUME = " Volume: the sum of all lesions of the first visit; it has no category. The first visit is the baseline."
_LOBES = {
    RECIST: "; a lobe follows the same rules with its own two largest",
    MRECIST: "; a lobe follows the same rules with its own two largest",
    PERCIST: "; a lobe follows the same rules with its own hottest",
}
_TITLES = {RECIST: "RECIST 1.1", MRECIST: "mRECIST", PERCIST: "PERCIST 1.0"}
_NAMES = {RECIST: "RECIST", MRECIST: "mRECIST", PERCIST: "PERCIST"}
_VALUES = {RECIST: "RECIST sum mm", MRECIST: "mRECIST sum mm", PERCIST: "SULpeak g/mL"}


def response_cells(result: CaseResponse) -> tuple[list[str], list[list[object]]]:
    """Header and rows: per patient and lobe, and visit, the sums, their changes from baseline, category and reason."""
    header = ["of", "visit", _VALUES[result.criteria], "change %", "category", "why", "volume mL", "change %"]
    cells = [
        [_name(scope), f"cycle {cycle} {visit}", *_diameters(scope, n), *_volumes(scope, n)]
        for scope in result.scopes
        for n, (cycle, visit) in enumerate(result.visits)
    ]
    return header, cells


def response_sections(result: CaseResponse) -> list[str]:
    """The section on response, as HTML."""
    lobes = _LOBES[result.criteria] if len(result.scopes) > 1 else ""
    targets = [[_name(scope), ", ".join(scope.targets) or "none measurable"] for scope in result.scopes]
    return [
        section(
            "Response",
            paragraph(_WORDS[result.criteria].format(lobes=lobes) + _VOLUME, "small"),
            *(paragraph(note, "small") for note in result.notes),
            table(*response_cells(result)),
            table(["of", f"{_NAMES[result.criteria]} targets"], targets),
            *_course_html(result),
        )
    ]


def response_text(result: CaseResponse) -> list[str]:
    """Heading, table and notes for the terminal."""
    return [
        f"Response: {_TITLES[result.criteria]} and volume against the first visit",
        plain_table(*response_cells(result)),
        *([plain_table(*course)] if (course := course_cells(result))[1] else []),
        *result.notes,
    ]


def course_cells(result: CaseResponse) -> tuple[list[str], list[list[object]]]:
    """Header and rows: best overall response and progression-free time per patient and lobe, where they are known."""
    header = ["of", "best response", "why", "days without progression", "until"]
    rows: list[list[object]] = []
    for scope in result.scopes:
        if scope.best is None or scope.progression_free is None:
            continue
        free = scope.progression_free
        days = f"{free.days:.0f}" if free.event else f"{free.days:.0f} or more"
        rows.append([_name(scope), scope.best.category, scope.best.reason, days, free.reason])
    return header, rows


def _course_html(result: CaseResponse) -> list[str]:
    header, rows = course_cells(result)
    return [table(header, rows)] if rows else []


def _name(scope: ScopeResponse) -> str:
    return f"{scope.lobe} lobe" if scope.lobe else "patient"


def _diameters(scope: ScopeResponse, n: int) -> list[object]:
    if not scope.graded:
        return [math.nan, math.nan, "", "No measurable lesion."]
    found = scope.graded[n]
    total, change = (found.total, 100.0 * found.change_from_baseline) if scope.assessed[n] else (math.nan, math.nan)
    return [total, change, found.category, found.reason]


def _volumes(scope: ScopeResponse, n: int) -> list[object]:
    found = scope.volume[n]
    change = 100.0 * found.change_from_baseline
    return [found.total if n == 0 or not math.isnan(change) else math.nan, change]
