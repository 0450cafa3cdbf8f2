"""The subcommands between archive and case: ``prrt case``, ``prrt send``, ``prrt segment``. Thin, as all commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command, print_json
from PRRTUptakeLib.formatting import plain_table

if TYPE_CHECKING:
    import argparse

    from PRRTUptakeLib.archive.address import Address
    from PRRTUptakeLib.archive.scan import Scan


def _case_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="SOURCE", help="folder, DICOMDIR, https:// of DICOMweb, AET@host:port, or a case to answer")
    add("-o", "--output", type=Path, metavar="CASE.json", help="the case file, or with --cohort the folder of cases")
    add("--protocol", default="", help="lutia, ia-versus-iv, single-arm, or a protocol file (asked for if left out)")
    add("--patient", nargs="+", default=[], metavar="ID", help="ids of patients, where there are several")
    add("--ask", action="store_true", help="ask in the terminal for what is open")
    add("--cohort", action="store_true", help="make one case for each patient, and a table of what is missing")
    add("--replace", action="store_true", help="replace a case that was assembled before, with its answers")
    _own_side(parser)
    parser.set_defaults(refuse=parser.error)


def _own_side(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--aet", default="", metavar="TITLE", help="own AE title (default: PRRT_AE_TITLE, or PRRT)")
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="own port, to retrieve by C-MOVE")


def _case(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.archive.address import archive_address
    from PRRTUptakeLib.archive.download import remove_received
    from PRRTUptakeLib.archive.make import draft_text, make_case, one_patient, refuse_existing

    if arguments.source.lower().endswith(".json") and arguments.output is None:
        _answer(Path(arguments.source), arguments.ask)
        return
    if arguments.output is None:
        arguments.refuse("give -o CASE.json, or with --cohort -o DIR")
    if len(arguments.patient) > 1 and not arguments.cohort:
        arguments.refuse("give one Patient ID, or --cohort")
    if not arguments.cohort:
        refuse_existing(arguments.output, arguments.replace)
    address = archive_address(arguments.source)
    received = _download(arguments, address) if address is not None else None
    scan = _scan(arguments, received)
    source = str(address) if address is not None else str(Path(arguments.source).resolve())
    if arguments.cohort:
        _cohort(arguments, scan, source)
    else:
        own = one_patient(scan, arguments.patient[0] if arguments.patient else "")
        draft = make_case(own, arguments.output, source, arguments.protocol, arguments.replace)
        print(draft_text(draft, arguments.output, arguments.ask))
        if arguments.ask and draft.all_questions:
            _answer(arguments.output, ask=True)
    if received is not None:
        remove_received(received)


def _download(arguments: argparse.Namespace, address: Address) -> Path:
    """The folder into which the patients' images were fetched."""
    from PRRTUptakeLib.archive.download import download, received_folder
    from PRRTUptakeLib.archive.errors import ArchiveError
    from PRRTUptakeLib.archive.reach import archive_at
    from PRRTUptakeLib.progress import ProgressPrinter

    if not arguments.patient:
        raise ArchiveError(
            "An archive has many patients: name the one that you want by --patient ID, or several by --cohort "
            "--patient ID ID."
        )
    folder = received_folder(arguments.output)
    archive = archive_at(address, arguments.aet, arguments.listen)
    try:
        for sentence in download(archive, arguments.patient, folder, ProgressPrinter()):
            print(sentence)
    finally:
        archive.close()
    return folder


def _scan(arguments: argparse.Namespace, received: Path | None) -> Scan:
    from PRRTUptakeLib.archive.case_writing import data_folder
    from PRRTUptakeLib.archive.scan import scan_source
    from PRRTUptakeLib.progress import ProgressPrinter

    apart = [arguments.output if arguments.cohort else data_folder(arguments.output)]
    return scan_source(received or Path(arguments.source), apart, ProgressPrinter())


def _cohort(arguments: argparse.Namespace, scan: Scan, source: str) -> None:
    from PRRTUptakeLib.archive.errors import ArchiveError
    from PRRTUptakeLib.archive.make import make_cohort
    from PRRTUptakeLib.progress import ProgressPrinter

    made = make_cohort(
        scan,
        arguments.output,
        source,
        arguments.protocol,
        arguments.replace,
        arguments.patient,
        ProgressPrinter(),
    )
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


def _send_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("results", type=Path, metavar="RESULTS", help="folder that prrt run --dicom wrote")
    add("--to", required=True, metavar="DEST", help="https:// of DICOMweb, or AET@host:port")
    add("--pdf", type=Path, metavar="FILE", help="the report as PDF, where no converter is installed")
    add("--no-report", action="store_true", help="leave the report out")
    add("--json", action="store_true", help="print one JSON object")
    _own_side(parser)


def _send(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.archive.address import archive_address
    from PRRTUptakeLib.archive.errors import ArchiveError
    from PRRTUptakeLib.archive.reach import archive_at
    from PRRTUptakeLib.archive.send import result_objects, send
    from PRRTUptakeLib.progress import ProgressPrinter

    address = archive_address(arguments.to)
    if address is None:
        raise ArchiveError(f"'{arguments.to}' is no address: give https://... of DICOMweb, or AET@host:port.")
    objects, names, without = result_objects(arguments.results, arguments.pdf, not arguments.no_report)
    archive = archive_at(address, arguments.aet, arguments.listen)
    try:
        sent = send(archive, objects, names, arguments.results, ProgressPrinter())
    finally:
        archive.close()
    failed = [one for one in sent if not one.arrived]
    if arguments.json:
        print_json({"to": str(address), "objects": [vars(one) for one in sent], "report": without or "in the list"})
    else:
        print(plain_table(["object", "status"], [[one.name, one.status] for one in sent]))
        if without:
            print(f"The report was not sent: {without}")
    if failed:
        raise ArchiveError(f"{len(failed)} of {len(sent)} objects are not in the archive: the list says why.")


def _segment_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("case", type=Path, metavar="CASE.json", help="a case whose visits have no segments yet")
    add("--task", nargs="+", default=[], metavar="TASK", help="of TotalSegmentator (default: total liver_lesions)")
    add("--program", default="TotalSegmentator", metavar="PATH", help="the program (default: TotalSegmentator on PATH)")
    add("--fast", action="store_true", help="use its coarser and quicker model")
    add("--ml", action="store_true", help="have it write one file for all labels, which is quicker")
    add("--replace", action="store_true", help="segment visits again that were segmented by this command")


def _segment(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.archive.segment import DEFAULT_TASKS, segment_case
    from PRRTUptakeLib.progress import ProgressPrinter

    options = [word for word, wished in (("--fast", arguments.fast), ("--ml", arguments.ml)) if wished]
    tasks = arguments.task or DEFAULT_TASKS
    made = segment_case(arguments.case, tasks, arguments.program, options, arguments.replace, ProgressPrinter())
    for one in made:
        print(f"{one.visit}: {', '.join(one.names)} by TotalSegmentator {one.version} in {one.folder}")
        for remark in one.remarks:
            print(f"Note: {remark}")


COMMANDS: tuple[Command, ...] = (
    Command(
        "case", "make a case file from a folder of DICOM or an archive, and ask what is open", _case_arguments, _case
    ),
    Command("send", "send the DICOM results of a case to an archive, each object once", _send_arguments, _send),
    Command("segment", "run an installed TotalSegmentator for a case without segments", _segment_arguments, _segment),
)
