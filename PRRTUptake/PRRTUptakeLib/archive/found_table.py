"""What was found of each patient and cycle of a cohort, and what is missing: as CSV and HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.report.page import html_page, paragraph, section, table
from PRRTUptakeLib.table_file import csv_text
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.archive.draft import CaseDraft, DraftVisit

COLUMNS = (
    *("patient", "cycle", "visit", "date", "hours_after_injection", "activity_MBq", "image", "anatomy", "segments"),
    *("open_questions", "missing"),
)


def rows_of(draft: CaseDraft, doubts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row per visit of a patient; ``doubts`` are on the patient."""
    rows = []
    questions = draft.all_questions
    whole = [*doubts, *(one.question for one in questions if not one.key.startswith("visits["))]
    for n, visit in enumerate(draft.visits):
        own = [one for one in questions if one.key.startswith(f"visits[{n}].")]
        segments = visit.found.get("segments") or ""
        if not segments and "drawn_on" in visit.keys:
            segments = f"of visit {visit.keys['drawn_on']}"
        missing = _missing(visit, segments)
        rows.append(
            {
                "patient": draft.patient_id,
                "cycle": visit.cycle,
                "visit": visit.name,
                "date": visit.found.get("date", ""),
                "hours_after_injection": _number(visit.found.get("hours")),
                "activity_MBq": _number(visit.found.get("activity_MBq")),
                "image": visit.found.get("image", ""),
                "anatomy": visit.found.get("anatomy", ""),
                "segments": segments,
                "open_questions": len(own) + (len(whole) if n == 0 else 0),
                "missing": "; ".join([*missing, *(whole if n == 0 else [])]),
            }
        )
    return rows


def _missing(visit: DraftVisit, segments: str) -> list[str]:
    """What a visit lacks, in words."""
    found = visit.found
    measured = bool(found.get("image"))
    there = {
        "CT or MRI": bool(found.get("anatomy")),
        "segments": bool(segments),
        "date": bool(found.get("date")) or not measured,
        "injection time": found.get("hours") is not None or not measured,
        "activity": found.get("activity_MBq") is not None or not measured,
    }
    return [word for word, known in there.items() if not known]


def row_without_case(patient: str, reason: str) -> dict[str, Any]:
    """The row of a patient of whom no case could be made."""
    return {**dict.fromkeys(COLUMNS, ""), "patient": patient, "missing": reason}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def table_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The table as CSV."""
    return csv_text(COLUMNS, [[row[name] for name in COLUMNS] for row in rows])


def table_html(rows: Sequence[dict[str, Any]], source: str) -> str:
    """The table as a page."""
    patients = len({row["patient"] for row in rows})
    identity = {"Source": source, "Patients": str(patients), "Made by": f"prrt case {VERSION}"}
    lacking = [row["patient"] for row in rows if not row["visit"]]
    warnings = [f"No case could be made of: {', '.join(lacking)}."] if lacking else []
    note = paragraph("One row per visit. A case with open questions is refused by prrt run until they are answered.")
    body = table([name.replace("_", " ") for name in COLUMNS], [[row[name] for name in COLUMNS] for row in rows])
    return html_page("What was found", identity, warnings, [section("Patients, cycles and visits", note, body)])
