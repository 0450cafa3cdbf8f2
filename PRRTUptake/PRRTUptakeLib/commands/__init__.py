"""The subcommands of uptake, joined with those of their neighbours. Thin: read the arguments, call the science, print.

Imports of the science are inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.commands import COMMANDS as ARCHIVE_COMMANDS
from PRRTUptakeLib.command_line import Command, print_json
from PRRTUptakeLib.commands.of_dicom import COMMANDS as DICOM_COMMANDS
from PRRTUptakeLib.commands.of_trials import COMMANDS as TRIAL_COMMANDS
from PRRTUptakeLib.review.command import review, review_arguments
from PRRTUptakeLib.vocabulary import DEMOS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from PRRTUptakeLib.export.deidentify import Deidentifier
    from PRRTUptakeLib.mrml.run import CaseResult
    from PRRTUptakeLib.study.model import Extension


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder to make (default: demo)")
    parser.add_argument("--seed", type=int, default=1, help="which synthetic patient (default: 1)")
    parser.add_argument(
        "--kind",
        default="lutia",
        choices=DEMOS,
        help="lobe against lobe, PET after both routes, serial SPECT/CT, PET with both therapy cycles (predicted "
        "against delivered dose), a patient without arms or lobes, or a camera's phantoms (default: lutia)",
    )


def demo(arguments: argparse.Namespace, extensions: Sequence[Extension] = ()) -> None:
    """Run ``prrt demo``; ``extensions`` add to the patient's result."""
    from PRRTUptakeLib.mrml.run import run_demo
    from PRRTUptakeLib.progress import ProgressPrinter
    from PRRTUptakeLib.report.truth_comparison import truth_text
    from PRRTUptakeLib.study.protocol import load_protocol

    _print_result(run_demo(arguments.output, arguments.seed, ProgressPrinter(), extensions, arguments.kind))
    for patient, results in _demo_folders(arguments.output):
        protocol = load_protocol(json.loads((patient / "case.json").read_text(encoding="utf-8"))["protocol"])
        print(f"\n{truth_text(patient, results, protocol)}")


def _demo_folders(folder: Path) -> list[tuple[Path, Path]]:
    """Each synthetic patient of a demo and its results: one, or a folder for each of its cases."""
    single = folder / "patient"
    if (single / "truth.json").exists():
        return [(single, folder / "results")]
    return [(path.parent, folder / "results" / path.parent.name) for path in sorted(single.glob("*/truth.json"))]


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, nargs="?", metavar="CASE.json", help="the patient's case file")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the results")
    parser.add_argument("--dicom", action="store_true", help="write segments, measurements and maps as DICOM too")
    parser.add_argument(
        "--rtstruct",
        action="store_true",
        help="with --dicom: an RT Structure Set of the segments, for planning systems",
    )
    parser.add_argument("--masks", action="store_true", help="write the segments as NIfTI masks too")
    parser.add_argument("--excel", action="store_true", help="write the table for Excel too (needs openpyxl)")
    parser.add_argument("--operator", default="", metavar="NAME", help="who runs it, for the report")
    parser.add_argument("--replace", action="store_true", help="keep an older result under a name with its date")
    _deidentify_arguments(parser, "free all that is written of the patient's identity")
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="BUNDLE",
        help="run a bundle's case again and compare (CASE.json if it has moved)",
    )
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace, extensions: Sequence[Extension] = ()) -> None:
    """Run ``prrt run``; ``extensions`` add to the patient's result."""
    from PRRTUptakeLib.export.results import Outputs
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.progress import ProgressPrinter

    if arguments.verify:
        _verify(arguments, extensions)
        return
    if arguments.case is None or arguments.output is None:
        arguments.refuse("give CASE.json and -o DIR, or --verify BUNDLE")
    if arguments.rtstruct and not arguments.dicom:
        arguments.refuse("--rtstruct goes with --dicom")
    outputs = Outputs(
        dicom=arguments.dicom,
        structure_sets=arguments.rtstruct,
        masks=arguments.masks,
        excel=arguments.excel,
        operator=arguments.operator,
        deidentifier=_deidentifier(arguments),
        replace=arguments.replace,
    )
    progress = ProgressPrinter()
    _print_result(run_case(arguments.case, arguments.output, progress, extensions, outputs=outputs))


def _deidentify_arguments(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--deidentify", action="store_true", help=words)
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="secret by which subjects, dates and UIDs stay the same (made if absent)",
    )
    parser.set_defaults(refuse=parser.error)


def _deidentifier(arguments: argparse.Namespace) -> Deidentifier | None:
    from PRRTUptakeLib.export.deidentify import Deidentifier

    if arguments.key and not arguments.deidentify:
        arguments.refuse("--key goes with --deidentify")
    return Deidentifier.from_file(arguments.key) if arguments.deidentify else None


def _verify(arguments: argparse.Namespace, extensions: Sequence[Extension]) -> None:
    from PRRTUptakeLib.export.errors import BundleError
    from PRRTUptakeLib.mrml.run import verify_case_bundle
    from PRRTUptakeLib.progress import ProgressPrinter

    result = verify_case_bundle(arguments.verify, arguments.case, ProgressPrinter(), extensions)
    if result.differences:
        raise BundleError(result.sentence)
    print(result.sentence)


def _bundle_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder that prrt run wrote (best with --dicom)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip", help="the bundle")
    _deidentify_arguments(parser, "free tables and DICOM of the patient's identity")


def _bundle(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.export.bundle import write_bundle

    print(f"Bundle: {write_bundle(arguments.results, arguments.output, _deidentifier(arguments))}")


def _pdf_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="REPORT.html", help="any report")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.pdf", help="the PDF")


def _pdf(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.export.pdf import html_to_pdf

    print(f"PDF: {html_to_pdf(arguments.report, arguments.output)}")


def _print_result(made: CaseResult) -> None:
    from PRRTUptakeLib.report.study_report import study_text

    notes = [f"Warning: {text}" for text in made.result.warnings]
    print("\n\n".join([*study_text(made.result), *notes, f"Report: {made.report}"]))


# What runs one patient of a cohort in a worker process.
RUN_CASE = "PRRTUptakeLib.mrml.run:run_case"


def _cohort_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with a case.json per patient, at any depth")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--operator", default="", metavar="NAME", help="who runs it, for the report")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="patients at a time (default: 1)")
    parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="run on this Dask cluster instead")
    parser.add_argument("--protocol", default="", help="default: the one that the case files name")
    parser.add_argument("--allocation", type=Path, metavar="FILE", help="treated lobe per patient (CSV or JSON)")
    parser.add_argument("--log", type=Path, help="log of blinding (default: beside the allocation, or in the results)")
    parser.add_argument("--subgroups", type=Path, metavar="FILE", help="CSV: patient and a column per characteristic")
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="CSV: patient, reason, date, lesion, cycle, scope")
    parser.add_argument("--second-reader", type=Path, metavar="FILE", help="measurements of a second reader")
    parser.add_argument("--mixed", action="store_true", help="fit the mixed model too")


def cohort(arguments: argparse.Namespace, run_case: str = RUN_CASE) -> None:
    """Run every patient of a folder by ``run_case`` ("package.module:function"), then the endpoint and its report."""
    from PRRTUptakeLib.export.cohort_output import Machines, make_cohort
    from PRRTUptakeLib.progress import ProgressPrinter
    from PRRTUptakeLib.report.endpoint_tables import cohort_text
    from PRRTUptakeLib.study.cohort.analysis import Options
    from PRRTUptakeLib.study.errors import StudyError

    files = (arguments.allocation, arguments.log, arguments.subgroups)
    options = Options(arguments.protocol, *files, arguments.mixed, arguments.second_reader, arguments.exclude)
    machines = Machines(arguments.workers, arguments.scheduler)
    progress, who = ProgressPrinter(), arguments.operator
    made = make_cohort(arguments.folder, arguments.output, run_case, options, machines, progress, who)
    print(cohort_text(made.result))
    print(f"\nReport: {made.report}")
    if made.result.problem:
        raise StudyError(made.result.problem)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, metavar="CASE.json|DIR", help="case file, or folder of a cohort")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _check(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.report.check_text import check_text, cohort_check_text
    from PRRTUptakeLib.study.check import check_case
    from PRRTUptakeLib.study.cohort.check import check_cohort
    from PRRTUptakeLib.study.errors import StudyError

    if arguments.case.is_dir():
        cohort = check_cohort(arguments.case)
        print_json(cohort.as_dict()) if arguments.json else print(cohort_check_text(cohort))
        if cohort.faulty or cohort.problems:
            raise StudyError("The cohort cannot be measured as it is: mend what is listed under its cases.")
        return
    found = check_case(arguments.case)
    print_json(found.as_dict()) if arguments.json else print(check_text(found))
    if found.all_problems:
        raise StudyError("The case cannot be measured as it is: mend what is listed under Problems.")


SCHEMA_KINDS = (
    *("case", "protocol", "phantom", "camera", "allocation", "dosimetry", "iv-cycle", "population", "quantification"),
    *("recovery-phantom", "registration"),
)


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=SCHEMA_KINDS, metavar="KIND", help=f"one of {', '.join(SCHEMA_KINDS)}")


def _schema(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.study.schema.kinds import schema_text

    print(schema_text(arguments.kind), end="")


COMMANDS: tuple[Command, ...] = (
    *ARCHIVE_COMMANDS,
    Command("demo", "make a synthetic patient, measure it and write its report", _demo_arguments, demo),
    Command("run", "measure one patient: DICOM and segments in, table, report and scene out", _run_arguments, run),
    Command(
        "bundle", "freeze a patient's results: tables, DICOM, protocol, provenance, hashes", _bundle_arguments, _bundle
    ),
    Command("pdf", "turn a report into PDF, if a converter is installed", _pdf_arguments, _pdf),
    Command(
        "check", "validate a case or a cohort with its files and series, without measuring", _check_arguments, _check
    ),
    Command("schema", "print the JSON Schema of a file that you write, for editors", _schema_arguments, _schema),
    Command("cohort", "run all patients of a folder, then the endpoint and the report", _cohort_arguments, cohort),
    Command(
        "review", "open a case or cohort in a browser, to look at it or to read it blinded", review_arguments, review
    ),
    *TRIAL_COMMANDS,
    *DICOM_COMMANDS,
)
