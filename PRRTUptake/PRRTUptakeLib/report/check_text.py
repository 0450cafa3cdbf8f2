"""A check of a case or a cohort as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PRRTUptakeLib.study.check import CaseCheck, VisitCheck
    from PRRTUptakeLib.study.cohort.check import CohortCheck


def check_text(case: CaseCheck) -> str:
    """One case: its visits, what would be measured, and what is wrong."""
    lines = [f"Patient {case.patient}, protocol {case.protocol} ({case.design})"]
    for visit in case.visits:
        lines += _visit_lines(visit)
    lines += ["", "A run would give", *(f"  - {text}" for text in case.measured)]
    warnings = [*case.warnings, *(f"{one.visit}: {text}" for one in case.visits for text in one.warnings)]
    for title, sentences in (("Warnings", warnings), ("Problems", case.all_problems)):
        if sentences:
            lines += ["", title, *(f"  - {text}" for text in sentences)]
    return "\n".join(lines)


def _visit_lines(visit: VisitCheck) -> list[str]:
    lines = ["", f"Cycle {visit.cycle}, visit {visit.visit}"]
    if visit.series:
        lines.append(f"  image     {visit.series}, {visit.date or 'date not stated'}, attenuation {visit.attenuation}")
    else:
        lines.append("  image     none to measure uptake in")
    if visit.hours is not None:
        lines.append(
            f"  injection {visit.hours:.2f} h before it, {visit.activity_MBq:.6g} MBq {visit.nuclide}".rstrip()
        )
    if visit.contours:
        lines.append(f"  contours  {visit.contours}")
    if visit.segments:
        names = ", ".join(f"{name} ({found})" if found and found != name else name for name, found in visit.segments)
        lines.append(f"  segments  {names}")
    return lines


def cohort_check_text(cohort: CohortCheck) -> str:
    """One line per case with what is wrong with it, then what is wrong between cases."""
    lines = []
    for name, case in cohort.cases.items():
        problems = case.all_problems
        images = sum(bool(visit.series) for visit in case.visits)
        lines.append(f"{name}: patient {case.patient}, {images} image(s), {'PROBLEMS' if problems else 'ready'}")
        lines += [f"  - {text}" for text in problems]
    for name, reason in cohort.unusable.items():
        lines += [f"{name}: UNUSABLE", f"  - {reason}"]
    lines += [f"- {text}" for text in cohort.problems]
    ready = len(cohort.cases) + len(cohort.unusable) - cohort.faulty
    return "\n".join([*lines, "", f"{ready} of {len(cohort.cases) + len(cohort.unusable)} cases are ready."])
