"""Response of one patient over the visits, for the report and the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.report.page import paragraph, section, table

if TYPE_CHECKING:
    from PRRTUptakeLib.study.response_case import CaseResponse, ScopeResponse

_WORDS = (
    "RECIST 1.1 (doi:10.1016/j.ejca.2008.10.026) on its own targets: at the first visit the largest lesions of 10 mm "
    "or more (lymph nodes: a short axis of 15 mm or more), five in all and two per organ{lobes}; the other lesions are "
    "followed as present or absent. Volume: the sum of all lesions of the first visit; it has no category. The first "
    "visit is the baseline."
)
_LOBES = "; a lobe follows the same rules with its own two largest"


def response_cells(result: CaseResponse) -> tuple[list[str], list[list[object]]]:
    """Header and rows: per patient and lobe, and visit, the sums, their changes from baseline, category and reason."""
    header = ["of", "visit", "RECIST sum mm", "change %", "category", "why", "volume mL", "change %"]
    cells = [
        [_name(scope), f"cycle {cycle} {visit}", *_diameters(scope, n), *_volumes(scope, n)]
        for scope in result.scopes
        for n, (cycle, visit) in enumerate(result.visits)
    ]
    return header, cells


def response_sections(result: CaseResponse) -> list[str]:
    """The section on response, as HTML."""
    targets = [[_name(scope), ", ".join(scope.targets) or "none measurable"] for scope in result.scopes]
    return [
        section(
            "Response",
            paragraph(_WORDS.format(lobes=_LOBES if len(result.scopes) > 1 else ""), "small"),
            *(paragraph(note, "small") for note in result.notes),
            table(*response_cells(result)),
            table(["of", "RECIST targets"], targets),
            *_course_html(result),
        )
    ]


def response_text(result: CaseResponse) -> list[str]:
    """Heading, table and notes for the terminal."""
    return [
        "Response: RECIST 1.1 and volume against the first visit",
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
    if not scope.recist:
        return [math.nan, math.nan, "", "No measurable lesion."]
    found = scope.recist[n]
    total, change = (found.total, 100.0 * found.change_from_baseline) if scope.assessed[n] else (math.nan, math.nan)
    return [total, change, found.category, found.reason]


def _volumes(scope: ScopeResponse, n: int) -> list[object]:
    found = scope.volume[n]
    change = 100.0 * found.change_from_baseline
    return [found.total if n == 0 or not math.isnan(change) else math.nan, change]
