"""From a scan to case files: of one patient, or of each patient of a source with a table of what was found."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.assemble import Wishes, assemble
from PRRTUptakeLib.archive.case_writing import data_folder, write_case
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.found_table import row_without_case, rows_of, table_csv, table_html
from PRRTUptakeLib.archive.scan import Scan, patient_facts
from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.formatting import plain_table
from PRRTUptakeLib.progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from PRRTUptakeLib.archive.draft import CaseDraft

CASE_FILE, TABLE_CSV, TABLE_HTML = "case.json", "found.csv", "found.html"


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeCohort:
    """Cases by patient, the reason for each patient without one, and the tables."""

    cases: dict[str, Path]
    without: dict[str, str]
    kept: tuple[str, ...]
    csv: Path
    html: Path


def make_case(scan: Scan, case: Path, source: str, protocol: str = "", replace: bool = False) -> CaseDraft:
    """Assemble the one patient of a scan into a case file; ``source`` says where the images are from.

    Raises
    ------
    PRRTError
        If the source does not give a case, or ``case`` is there already and is not to be replaced.
    """
    refuse_existing(case, replace)
    draft = assemble(scan, Wishes(protocol=protocol, data=data_folder(case).name, base=case.parent))
    write_case(draft, case, source)
    return draft


def refuse_existing(case: Path, replace: bool = False) -> None:
    """Keep a case that is there, with its answers, unless it is to be replaced.

    Raises
    ------
    ArchiveError
        If it is there.
    """
    if case.exists() and not replace:
        raise ArchiveError(
            f"{case} exists, with answers that may be in it: run 'prrt case {case}' to answer what is open, choose "
            "another name with -o, or use --replace."
        )


def make_cohort(
    scan: Scan,
    folder: Path,
    source: str,
    protocol: str = "",
    replace: bool = False,
    only: Sequence[str] = (),
    progress: Progress = no_progress,
) -> MadeCohort:
    """A case for each patient in a folder of its own, and the table of what was found and what is missing.

    A case that is there already is kept with its answers, unless ``replace``. ``only`` are the Patient IDs that are
    wanted, all by default.

    Raises
    ------
    PRRTError
        If the folder cannot be written, or there is no such patient.
    """
    patients = tuple(one for one in scan.patients() if not only or one in only)
    lost = [one for one in only if one not in patients]
    if lost:
        raise ArchiveError(f"The source has no Patient ID '{lost[0]}'; it has {', '.join(scan.patients())}.")
    doubts = _namesakes(scan)
    names = _folder_names(patients)
    rows: list[dict[str, Any]] = []
    cases: dict[str, Path] = {}
    without: dict[str, str] = {}
    kept = []
    for n, patient in enumerate(patients):
        progress(n / len(patients), f"patient {n + 1} of {len(patients)}")
        case = folder / names[patient] / CASE_FILE
        own = scan.of_patient(patient)
        try:
            wishes = Wishes(protocol=protocol, data=data_folder(case).name, base=case.parent)
            draft = assemble(own, wishes)
            if case.exists() and not replace:
                kept.append(patient)
            else:
                write_case(draft, case, source)
        except PRRTError as error:
            without[patient] = str(error)
            rows.append(row_without_case(patient, str(error)))
            continue
        cases[patient] = case
        rows += rows_of(draft, doubts.get(patient, ()))
    for name, text in ((TABLE_CSV, table_csv(rows)), (TABLE_HTML, table_html(rows, source))):
        with atomic_file(folder / name) as work:
            work.write_text(text, encoding="utf-8")
    return MadeCohort(cases=cases, without=without, kept=tuple(kept), csv=folder / TABLE_CSV, html=folder / TABLE_HTML)


def _folder_names(patients: tuple[str, ...]) -> dict[str, str]:
    """A folder name of plain letters for each patient, no two alike on any disk."""
    found: dict[str, str] = {}
    for patient in patients:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", patient).strip("-") or "no-id"
        name, n = plain, 2
        while name.lower() in {one.lower() for one in found.values()}:
            name, n = f"{plain}-{n}", n + 1
        found[patient] = name
    return found


def _namesakes(scan: Scan) -> dict[str, list[str]]:
    """For each patient whose name and birth date another Patient ID has too, a sentence."""
    people: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in scan.series:
        name, born, _ = patient_facts(one)
        ids = people[name, born]
        if name and one.series.patient_id not in ids:
            ids.append(one.series.patient_id)
    found: dict[str, list[str]] = defaultdict(list)
    for (_, born), ids in people.items():
        for patient in ids if len(ids) > 1 else ():
            others = ", ".join(one for one in ids if one != patient)
            same = "name and birth date" if born else "name"
            found[patient].append(f"Patient ID {others} has the same {same}: two persons, or one with two IDs?")
    return found


def one_patient(scan: Scan, patient: str) -> Scan:
    """The part of a scan that is of one patient.

    Raises
    ------
    ArchiveError
        If there is no such patient, or there are several and none is named.
    """
    known = scan.patients()
    if patient and patient not in known:
        raise ArchiveError(f"The source has no Patient ID '{patient}'; it has {', '.join(known)}.")
    if not patient and len(known) > 1:
        listed = ", ".join(one or "(none)" for one in known[:20])
        raise ArchiveError(f"The source has {len(known)} patients ({listed}): name one by --patient, or use --cohort.")
    return scan.of_patient(patient or known[0])


def hours_text(hours: float | None) -> str:
    """Hours after injection with one decimal, "" where they are not known.

    Examples
    --------
    >>> hours_text(23.96), hours_text(None)
    ('24.0', '')
    """
    return "" if hours is None else f"{hours:.1f}"


def draft_text(draft: CaseDraft, case: Path, asked: bool = False) -> str:
    """What was found, proposed and left open, for a terminal; ``asked`` leaves out what is asked there next."""
    series = [[one["series"], one["kind"], one["used"], one["reason"]] for one in draft.series]
    visits = [
        [
            visit.cycle,
            visit.name,
            visit.found.get("date", ""),
            hours_text(visit.found.get("hours")),
            visit.found.get("activity_MBq") or "",
            visit.found.get("image", ""),
            visit.keys.get("drawn_on") or visit.found.get("segments") or "none yet",
        ]
        for visit in draft.visits
    ]
    lines = [
        plain_table(["series", "is", "used", "because"], series),
        "",
        plain_table(["cycle", "visit", "date", "hours", "MBq", "image", "segments"], visits),
        *(f"Note: {text}" for text in draft.remarks),
        "",
        f"Case: {case}",
    ]
    questions = () if asked else draft.all_questions
    if questions:
        lines += [f"Open: {one.question}{f' [{one.key}]' if one.key else ''}" for one in questions]
        lines.append(f"Answer them with 'prrt case {case} --ask', or in the file.")
    return "\n".join(lines)
