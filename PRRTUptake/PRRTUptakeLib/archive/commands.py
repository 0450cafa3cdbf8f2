"""The subcommands between archive and case: ``prrt case``, ``prrt send``, ``prrt segment``. Thin, as all commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command

if TYPE_CHECKING:
    import argparse

    from PRRTUptakeLib.archive.scan import Scan


def _case_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="SOURCE", help="folder, DICOMDIR, https:// of DICOMweb, AET@host:port, or a case to answer")
    add("-o", "--output", type=Path, metavar="CASE.json", help="the case file, or with --cohort the folder of cases")
    add("--protocol", default="", help="lutia, ia-versus-iv, single-arm, or a protocol file (asked for if left out)")
    add("--patient", default="", metavar="ID", help="the Patient ID, where the source has several or is an archive")
    add("--ask", action="store_true", help="ask in the terminal for what is open")
    add("--cohort", action="store_true", help="make one case for each patient, and a table of what is missing")
    add("--replace", action="store_true", help="replace a case that was assembled before, with its answers")
    parser.set_defaults(refuse=parser.error)


def _case(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.archive.make import draft_text, make_case, one_patient

    if arguments.source.lower().endswith(".json") and arguments.output is None:
        _answer(Path(arguments.source), arguments.ask)
        return
    if arguments.output is None:
        arguments.refuse("give -o CASE.json, or with --cohort -o DIR")
    scan, source = _scan(arguments)
    if arguments.cohort:
        _cohort(arguments, scan, source)
        return
    own = one_patient(scan, arguments.patient)
    draft = make_case(own, arguments.output, source, arguments.protocol, arguments.replace)
    print(draft_text(draft, arguments.output))
    if arguments.ask and draft.all_questions:
        _answer(arguments.output, ask=True)


def _scan(arguments: argparse.Namespace) -> tuple[Scan, str]:
    from PRRTUptakeLib.archive.case_writing import data_folder
    from PRRTUptakeLib.archive.scan import scan_source
    from PRRTUptakeLib.progress import ProgressPrinter

    progress = ProgressPrinter()
    apart = [arguments.output if arguments.cohort else data_folder(arguments.output)]
    return scan_source(Path(arguments.source), apart, progress), str(Path(arguments.source).resolve())


def _cohort(arguments: argparse.Namespace, scan: Scan, source: str) -> None:
    from PRRTUptakeLib.archive.make import make_cohort
    from PRRTUptakeLib.archive.scan import ArchiveError
    from PRRTUptakeLib.progress import ProgressPrinter

    made = make_cohort(scan, arguments.output, source, arguments.protocol, arguments.replace, ProgressPrinter())
    for patient, case in made.cases.items():
        print(f"{patient or '(no Patient ID)'}: {case}{' (kept as it was)' if patient in made.kept else ''}")
    for patient, reason in made.without.items():
        print(f"{patient or '(no Patient ID)'}: no case. {reason}")
    print(f"\nTable: {made.csv}\nPage: {made.html}")
    if not made.cases:
        raise ArchiveError("No patient of the source gives a case: the table says why.")


def _answer(case: Path, ask: bool) -> None:
    from PRRTUptakeLib.archive.answers import answer_case

    left = answer_case(case, _asked if ask else None)
    print(f"{left} question(s) left: 'prrt check {case}' lists them." if left else f"Nothing is open: {case}")


def _asked(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return input()


COMMANDS: tuple[Command, ...] = (
    Command(
        "case", "make a case file from a folder of DICOM or an archive, and ask what is open", _case_arguments, _case
    ),
)
