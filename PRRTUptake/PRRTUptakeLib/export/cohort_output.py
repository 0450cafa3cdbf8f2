"""``prrt cohort``: run the patients of a folder and write what they show together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.command_line import json_text
from PRRTUptakeLib.errors import reason
from PRRTUptakeLib.report.cohort_report import cohort_report
from PRRTUptakeLib.report.endpoint_tables import endpoint_table
from PRRTUptakeLib.statistics.allocation import read_allocation
from PRRTUptakeLib.statistics.exclusions import read_exclusions
from PRRTUptakeLib.statistics.subgroups import read_subgroups
from PRRTUptakeLib.study.cohort.check import refuse_overlaps
from PRRTUptakeLib.study.cohort.cohort import Outcome, alone, find_cases, remove_unfinished, run_cohort
from PRRTUptakeLib.study.cohort.cohort_result import CohortResult, cohort_protocol, conclude, declared
from PRRTUptakeLib.study.cohort.jobs import TABLE, Job
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.readings.measured import read_measurements
from PRRTUptakeLib.table_file import csv_text
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.cohort.analysis import Options

PATIENTS, LOGS = "patients", "logs"


@dataclass(frozen=True)
class Machines:
    """Where the patients are run: worker processes here, or a Dask scheduler's address."""

    workers: int = 1
    scheduler: str = ""


@dataclass(frozen=True, eq=False)
class CohortFiles:
    """What became of each patient, what they show together, and the report's path."""

    outcomes: tuple[Outcome, ...]
    result: CohortResult
    report: Path


def make_cohort(
    folder: Path,
    output: Path,
    function: str,
    options: Options,
    machines: Machines | None = None,
    progress: Progress | None = None,
    operator: str = "",
) -> CohortFiles:
    """Run all case files below ``folder`` and write tables, endpoint and report to ``output``.

    Patients that are complete in ``output`` are not run again unless their inputs changed. The output holds
    ``patients/NAME/`` with each patient's own results, ``logs/``, and of the cohort ``measurements.csv``,
    ``patients.csv``, ``flow.csv``, ``endpoints.csv`` (for a paper), ``endpoints.json`` and ``report.html``.

    Parameters
    ----------
    function : runs one patient, "package.module:name", see `jobs.Job`.
    options : protocol (empty for that of the case files), allocation and further files; read before anything is run.
    operator : who runs it, for the report.

    Raises
    ------
    PRRTError
        If there is no case file, a file of the options is unusable, or another run is writing to ``output``.
    """
    _read_early(options)
    cases = find_cases(folder, without=output)
    refuse_overlaps(cases)
    said = {name: declared(case, name) for name, case in cases.items()}
    protocol = cohort_protocol(said.values(), options.protocol)
    output = output.resolve()
    settings = f"SlicerPRRT {VERSION}, {function}"
    jobs = [
        Job(name, str(case), str(output / PATIENTS / name), str(output / LOGS / f"{name}.txt"), function, settings)
        for name, case in cases.items()
    ]
    machines = machines or Machines()
    try:
        with alone(output):
            remove_unfinished(output / PATIENTS)
            outcomes = run_cohort(jobs, machines.workers, machines.scheduler, progress)
            remove_unfinished(output / PATIENTS)  # of processes that were ended from outside
            result = conclude(outcomes, said, protocol, options, output / "blinding.jsonl")
            _write_all(result, output, operator)
    except OSError as error:
        raise StudyError(
            f"Writing to {output} failed ({reason(error)}): make room or choose another folder; the patients that are "
            "done stay."
        ) from error
    return CohortFiles(outcomes, result, output / "report.html")


def _read_early(options: Options) -> None:
    """Find a mistake in a file before hours of work, not after."""
    if options.allocation:
        read_allocation(options.allocation)
    if options.subgroups:
        read_subgroups(options.subgroups)
    if options.second_reader:
        read_measurements(options.second_reader)
    if options.exclusions:
        read_exclusions(options.exclusions)


def _write_all(result: CohortResult, output: Path, operator: str) -> None:
    """Write each file whole; those of an earlier run that this one does not have are removed."""
    files = {"flow.csv": _csv(["patient", "state", "reason"], ((e.patient, e.state, e.reason) for e in result.flow))}
    if result.rows:
        files[TABLE] = result.table
    if result.analysis:
        content = result.analysis.as_dict()
        patients = content["patients"]
        files["patients.csv"] = _csv(list(patients[0]), [list(one.values()) for one in patients])
        files["endpoints.csv"] = _csv(*endpoint_table(result.analysis.endpoint))
        files["endpoints.json"] = json_text(content) + "\n"
    files["report.html"] = cohort_report(result, operator)
    for name in (TABLE, "patients.csv", "endpoints.csv", "endpoints.json"):
        if name not in files:
            (output / name).unlink(missing_ok=True)
    for name, text in files.items():
        with atomic_file(output / name, StudyError) as part:
            part.write_text(text, encoding="utf-8", newline="\n")


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return csv_text(header, [["" if _unknown(cell) else cell for cell in row] for row in rows])


def _unknown(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)
