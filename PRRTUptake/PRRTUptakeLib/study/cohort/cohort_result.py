"""From patients that were run to the cohort's table, flow of patients and endpoint."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.formatting import natural_order
from PRRTUptakeLib.statistics.agreement import Agreement, compare_readers, paired_readings
from PRRTUptakeLib.statistics.allocation import Allocation, allocation_of, read_allocation
from PRRTUptakeLib.statistics.clustered_agreement import ReaderTables, compare_tables
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.exclusions import INTENTION_TO_TREAT, population_rows, read_exclusions
from PRRTUptakeLib.study.cohort.analysis import Analysis, Options, analyse
from PRRTUptakeLib.study.cohort.jobs import TABLE
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.base import NO_COMPARISON
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import canonical_sha256, read_csv, to_csv
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.readings.measured import read_measurements
from PRRTUptakeLib.study.schema.case_keys import EXCLUDE
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.stated_exclusion import StatedExclusion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from PRRTUptakeLib.study.cohort.cohort import Outcome
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

ANALYSED, EXCLUDED, NOT_MEASURED = "analysed", "excluded from the analysis", "not measured"
SCREENED_OUT = "failed screening"


@dataclass(frozen=True)
class Declared:
    """What a case file says of its patient, as far as it can be read."""

    patient: str
    protocol: str
    treated_lobe: str
    exclusions: tuple[StatedExclusion, ...] = ()


@dataclass(frozen=True)
class FlowEntry:
    """Where one patient's way through the trial ended, and why."""

    patient: str
    state: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Readers:
    """Readings of two readers: names of the lesions, values of shape (n,), and their agreement."""

    names: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    agreement: Agreement
    by_patient: ReaderTables | None = None


@dataclass(frozen=True, eq=False)
class CohortResult:
    """All patients together.

    ``analysis`` is None if there is no endpoint; ``problem`` says why, and is empty where the design has none.
    """

    protocol: Protocol
    rows: tuple[Measurement, ...]
    flow: tuple[FlowEntry, ...]
    analysis: Analysis | None
    problem: str = ""
    readers: Readers | None = None
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """Text of the cohort's measurements.csv."""
        return to_csv(self.rows)


def declared(case: Path, name: str) -> Declared:
    """Read what a case file says; the patient is called ``name`` where it says nothing, the run will report why.

    Raises
    ------
    InputFileError
        If an exclusion cannot be read: without it the patient would count.
    """
    try:
        content = json.loads(case.read_text(encoding="utf-8"))
        protocol = str(content.get("protocol", ""))
        if protocol.endswith(".json"):
            protocol = str(case.parent / protocol)
        patient = str(content.get("patient") or name).strip()
        lobe = str(content.get("treated_lobe") or "")
    except (OSError, ValueError, AttributeError, TypeError):
        return Declared(name, "", "")
    listed = EXCLUDE.read(content.get("exclude", []), Place(file=str(case), path="exclude"))
    return Declared(patient, protocol, lobe, tuple(replace(one, patient=patient) for one in listed))


def cohort_protocol(cases: Iterable[Declared], chosen: str) -> Protocol:
    """Load the protocol ``chosen``, or that which all case files name.

    Raises
    ------
    StudyError
        If they name none, or different ones.
    """
    if chosen:
        return load_protocol(chosen)
    protocols: dict[str, Protocol] = {}
    unusable = []
    named = {case.protocol for case in cases if case.protocol}
    files = {os.path.realpath(name) if name.endswith(".json") else name for name in named}
    for name in sorted(files):  # cases name one file by many relative paths
        try:
            protocol = load_protocol(name)
            protocols[protocol.sha256] = protocol
        except PRRTError as problem:  # the run of that patient will say so, the others go on
            unusable.append(str(problem))
    if not protocols and unusable:
        raise StudyError(unusable[0])
    if len(protocols) != 1:
        found = ", ".join(protocol.name for protocol in protocols.values()) or "none"
        raise StudyError(f"The case files name the protocols {found}: give the cohort's with --protocol.")
    return next(iter(protocols.values()))


def conclude(
    outcomes: Sequence[Outcome],
    cases: Mapping[str, Declared],
    protocol: Protocol,
    options: Options,
    log: Path,
) -> CohortResult:
    """Join the patients' tables and compute the endpoint; patients who fail are listed, not fatal.

    Parameters
    ----------
    outcomes : of all patients.
    cases : what their case files say, by the outcomes' names.
    log : where an analysis is logged unless ``options`` name a place, or an allocation beside which to log.
    """
    rows, flow, failed = _join(outcomes, cases)
    if not rows:
        reason = f"; {failed[0].patient}: {failed[0].reason}" if failed else ""
        return CohortResult(protocol, (), tuple(failed), None, f"No patient could be measured{reason}")
    measured = {row.patient for row in rows}
    lost = tuple(
        f"Part of patient {item.patient} is missing: {item.reason}." for item in failed if item.patient in measured
    )
    stated = _stated(cases.values())
    readers, unread = _readers(rows, protocol, options, stated)
    lost += unread
    crashed = _crash_words(outcomes, cases)
    if design_of(protocol).endpoint.kind == NO_COMPARISON:
        return CohortResult(protocol, rows, tuple(flow), None, crashed, readers, lost + _unused(options))
    try:
        refuse_shared_scans(outcomes, cases)
        allocation, notes = (None, ()) if crashed else _allocation(cases.values(), protocol, options)
        place = log if crashed and not options.log and not options.allocation else options.log_place(log)
        analysis = analyse(
            rows, protocol, canonical_sha256(rows), allocation, place, options, strict=False, stated=stated
        )
    except PRRTError as problem:
        unused = [replace(entry, state=EXCLUDED, reason=entry.reason or "there is no endpoint") for entry in flow]
        ends = [new if old.state == ANALYSED else old for old, new in zip(flow, unused, strict=True)]
        why = " ".join(part for part in (crashed, str(problem)) if part)
        return CohortResult(protocol, rows, tuple(ends), None, why, readers, lost)
    if notes:
        analysis = replace(analysis, fixed_beforehand=None, fixed_parts=None)
    return CohortResult(protocol, rows, _ends(flow, analysis), analysis, crashed, readers, notes + lost)


def _unused(options: Options) -> tuple[str, ...]:
    """What was given for an endpoint, where there is none."""
    given = {"allocation": options.allocation, "subgroups": options.subgroups, "mixed model": options.mixed}
    names = [name for name, value in given.items() if value]
    return (f"The design has no endpoint, so that these have no effect: {', '.join(names)}.",) if names else ()


def _crash_words(outcomes: Sequence[Outcome], cases: Mapping[str, Declared]) -> str:
    """Say which patients are missing by a fault of the program: then nothing is unblinded, since they may come back."""
    names = [f"{cases[one.name].patient} ({one.reason.rstrip('.')})" for one in outcomes if one.crashed]
    if not names:
        return ""
    return (
        f"{len(names)} patient(s) failed by a crash, not by their data: {'; '.join(names)}. The lobes stay blinded and "
        "the allocation was not used: mend the cause and run the cohort again."
    )


def _stated(cases: Iterable[Declared]) -> tuple[StatedExclusion, ...]:
    """Exclusions of all case files, each once."""
    return tuple(dict.fromkeys(one for case in cases for one in case.exclusions))


def _ends(flow: Sequence[FlowEntry], analysis: Analysis) -> tuple[FlowEntry, ...]:
    """Where each patient's way ended, those included who were screened or allocated only."""
    excluded = {item.patient: item.reason for item in analysis.endpoint.pairs.excluded}
    ends = {
        entry.patient: replace(entry, state=EXCLUDED, reason=excluded[entry.patient])
        if entry.state == ANALYSED and entry.patient in excluded
        else entry
        for entry in flow
    }
    for patient, reason in excluded.items():
        ends.setdefault(patient, FlowEntry(patient, NOT_MEASURED, reason))
    for one in analysis.endpoint.exclusions:
        if one.scope == "screening":
            ends[one.patient] = FlowEntry(one.patient, SCREENED_OUT, one.words)
    return tuple(ends[patient] for patient in sorted(ends, key=natural_order))


def _join(
    outcomes: Sequence[Outcome], cases: Mapping[str, Declared]
) -> tuple[tuple[Measurement, ...], tuple[FlowEntry, ...], list[FlowEntry]]:
    """Put the tables together; a patient of several case files (cycles) is measured if one of them is."""
    rows: list[Measurement] = []
    measured: set[str] = set()
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        patient, reason = cases[outcome.name].patient, outcome.reason
        if not reason:
            try:
                table = read_csv(outcome.folder / TABLE)
                rows += table
                measured |= {row.patient for row in table}
            except PRRTError as problem:
                reason = str(problem)
        if reason:
            reasons.setdefault(patient, []).append(reason.rstrip("."))
    failed = [
        FlowEntry(patient, NOT_MEASURED, "; ".join(reasons[patient])) for patient in sorted(reasons, key=natural_order)
    ]
    flow = [FlowEntry(patient, ANALYSED) for patient in measured]
    flow += [entry for entry in failed if entry.patient not in measured]
    return tuple(rows), tuple(sorted(flow, key=lambda entry: natural_order(entry.patient))), failed


def refuse_shared_scans(outcomes: Sequence[Outcome], cases: Mapping[str, Declared]) -> None:
    """Refuse a cohort in which one scan was measured for two patients, by what their provenance keeps.

    Raises
    ------
    StudyError
        Naming both patients and the series, or the file that both have.
    """
    series: dict[str, str] = {}
    files: dict[str, str] = {}
    for outcome in outcomes:
        path, patient = outcome.folder / "provenance.json", cases[outcome.name].patient
        if outcome.reason or not path.is_file():
            continue
        facts = json.loads(path.read_text(encoding="utf-8"))
        measured = [one["uid"] for one in facts.get("series", ()) if one.get("use") == "measured"]
        images = {
            digest
            for name, digest in facts.get("files_sha256", {}).items()
            if Path(name).suffix.lower() in ("", ".dcm", ".ima")
        }
        for known, keys, what in ((series, measured, "series"), (files, images, "file of SHA-256")):
            for key in keys:
                other = known.setdefault(key, patient)
                if other != patient:
                    raise StudyError(
                        f"One scan is used for two patients, '{other}' and '{patient}' ({what} {key}): it would count "
                        "twice; name the right folder in one of their case files."
                    )


def _allocation(
    cases: Iterable[Declared], protocol: Protocol, options: Options
) -> tuple[Allocation | None, tuple[str, ...]]:
    """Read the allocation's file, or else what the case files say."""
    cases = list(cases)
    stated = {case.patient: case.treated_lobe for case in cases if case.treated_lobe}
    if not design_of(protocol).endpoint.allocated:
        return (read_allocation(options.allocation) if options.allocation else None), ()
    if options.allocation:
        given = read_allocation(options.allocation)
        for patient, lobe in stated.items():
            if given.treated.get(patient, lobe) != lobe:
                other = given.treated[patient]
                raise StatisticsError(f"The allocation of patient {patient} is {other}, but the case file says {lobe}.")
        notes: tuple[str, ...] = ()
    elif stated:
        given = allocation_of(stated)
        notes = ("The treated lobes are in the case files: measuring was not blinded.",)
    else:
        return None, ()
    return given, notes


def _readers(
    rows: Sequence[Measurement], protocol: Protocol, options: Options, stated: Sequence[StatedExclusion]
) -> tuple[Readers | None, tuple[str, ...]]:
    """The readers' agreement on everybody but those who are in no population, such as who withdrew consent."""
    if options.second_reader is None:
        return None, ()
    try:
        exclusions = (*stated, *(read_exclusions(options.exclusions) if options.exclusions else ()))
        rows = population_rows(rows, exclusions, INTENTION_TO_TREAT)
        others = population_rows(read_measurements(options.second_reader), exclusions, INTENTION_TO_TREAT)
        names, first, second, notes = paired_readings(rows, others, protocol)
        by_patient = compare_tables(rows, others, protocol)
        agreement = compare_readers(first, second, protocol.endpoint.confidence)
    except PRRTError as problem:
        return None, (f"The readers are not compared. {problem}",)
    return Readers(names, first, second, agreement, by_patient), tuple(f"Agreement of readers: {one}" for one in notes)
