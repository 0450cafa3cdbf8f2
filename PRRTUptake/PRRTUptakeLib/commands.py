"""The subcommands of uptake and trial. Thin: read the arguments, call the science, print.

Imports of the science stand inside the functions, so that ``prrt --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.command_line import Command

if TYPE_CHECKING:
    import argparse

    from PRRTUptakeLib.mrml.run import CaseResult


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder to make (default: demo)")
    parser.add_argument("--seed", type=int, default=1, help="which synthetic patient (default: 1)")


def _demo(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.mrml.run import run_demo
    from PRRTUptakeLib.progress import ProgressPrinter

    _print_result(run_demo(arguments.output, arguments.seed, ProgressPrinter()))


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, metavar="CASE.json", help="the patient's case file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")


def _run(arguments: argparse.Namespace) -> None:
    from PRRTUptakeLib.mrml.run import run_case
    from PRRTUptakeLib.progress import ProgressPrinter

    _print_result(run_case(arguments.case, arguments.output, ProgressPrinter()))


def _print_result(result: CaseResult) -> None:
    from PRRTUptakeLib.report.patient_text import patient_text

    print(patient_text(result.visits, str(result.report)))


COMMANDS: tuple[Command, ...] = (
    Command("demo", "make a synthetic patient, measure it and write its report", _demo_arguments, _demo),
    Command("run", "measure one patient: DICOM and segments in, table, report and scene out", _run_arguments, _run),
)
