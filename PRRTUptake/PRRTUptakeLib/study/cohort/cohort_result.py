"""From patients that were run to the cohort's table, flow of patients and endpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.statistics.agreement import Agreement, compare_readers, paired_readings
from PRRTUptakeLib.statistics.allocation import Allocation, AllocationError, allocation_of, read_allocation
from PRRTUptakeLib.study.cohort.analysis import Analysis, Options, analyse
from PRRTUptakeLib.study.cohort.jobs import TABLE, CohortError
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.measurements import read_csv, to_csv
from PRRTUptakeLib.study.protocol import load_protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from PRRTUptakeLib.study.cohort.cohort import Outcome
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

ANALYSED, EXCLUDED, NOT_MEASURED = "analysed", "excluded from the analysis", "not measured"


@dataclass(frozen=True)
class Declared:
    """What a case file says of its patient, as far as it can be read."""

    patient: str
    protocol: str
    treated_lobe: str


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


@dataclass(frozen=True, eq=False)
class CohortResult:
    """All patients together; ``analysis`` is None, and ``problem`` says why, if there is no endpoint."""

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
    """Read what a case file says; the patient is called ``name`` where it says nothing, the run will tell why."""
    try:
        content = json.loads(case.read_text(encoding="utf-8"))
        protocol = str(content.get("protocol", ""))
        if protocol.endswith(".json"):
            protocol = str(case.parent / protocol)
        return Declared(str(content.get("patient") or name).strip(), protocol, str(content.get("treated_lobe") or ""))
    except (OSError, ValueError, AttributeError):
        return Declared(name, "", "")


def cohort_protocol(cases: Iterable[Declared], chosen: str) -> Protocol:
    """Load the protocol ``chosen``, or that which all case files name.

    Raises
    ------
    CohortError
        If they name none, or different ones.
    """
    if chosen:
        return load_protocol(chosen)
    protocols: dict[str, Protocol] = {}
    unusable = []
    for name in sorted({case.protocol for case in cases if case.protocol}):
        try:
            protocol = load_protocol(name)
            protocols[protocol.sha256] = protocol
        except PRRTError as problem:  # the run of that patient will say so, the others go on
            unusable.append(str(problem))
    if not protocols and unusable:
        raise CohortError(unusable[0])
    if len(protocols) != 1:
        found = ", ".join(protocol.name for protocol in protocols.values()) or "none"
        raise CohortError(f"The case files name the protocols {found}: give the cohort's with --protocol.")
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
    readers, unread = _readers(rows, protocol, options)
    lost += unread
    try:
        allocation, notes = _allocation(cases.values(), measured, protocol, options)
        seal = hashlib.sha256(to_csv(rows).encode()).hexdigest()
        analysis = analyse(rows, protocol, seal, allocation, options.log_place(log), options, strict=False)
    except PRRTError as problem:
        unused = [replace(entry, state=EXCLUDED, reason=entry.reason or "there is no endpoint") for entry in flow]
        ends = [new if old.state == ANALYSED else old for old, new in zip(flow, unused, strict=True)]
        return CohortResult(protocol, rows, tuple(ends), None, str(problem), readers, lost)
    if notes:
        analysis = replace(analysis, fixed_beforehand=None)
    excluded = {item.patient: item.reason for item in analysis.endpoint.pairs.excluded}
    ends = [
        replace(entry, state=EXCLUDED, reason=excluded[entry.patient])
        if entry.state == ANALYSED and entry.patient in excluded
        else entry
        for entry in flow
    ]
    return CohortResult(protocol, rows, tuple(ends), analysis, "", readers, notes + lost)


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
    failed = [FlowEntry(patient, NOT_MEASURED, "; ".join(reasons[patient])) for patient in sorted(reasons)]
    flow = [FlowEntry(patient, ANALYSED) for patient in measured]
    flow += [entry for entry in failed if entry.patient not in measured]
    return tuple(rows), tuple(sorted(flow, key=lambda entry: entry.patient)), failed


def _allocation(
    cases: Iterable[Declared], measured: set[str], protocol: Protocol, options: Options
) -> tuple[Allocation | None, tuple[str, ...]]:
    """Read the allocation's file, or else what the case files say; restricted to the patients measured."""
    cases = list(cases)
    stated = {case.patient: case.treated_lobe for case in cases if case.treated_lobe}
    if not design_of(protocol).endpoint.allocated:
        return (read_allocation(options.allocation) if options.allocation else None), ()
    if options.allocation:
        given = read_allocation(options.allocation)
        for patient, lobe in stated.items():
            if given.treated.get(patient, lobe) != lobe:
                other = given.treated[patient]
                raise AllocationError(f"The allocation of patient {patient} is {other}, but the case file says {lobe}.")
        given.check_known({case.patient for case in cases} | measured)
        notes: tuple[str, ...] = ()
    elif stated:
        given = allocation_of(stated)
        notes = ("The treated lobes stand in the case files: measuring was not blinded.",)
    else:
        return None, ()
    return replace(given, treated={one: lobe for one, lobe in given.treated.items() if one in measured}), notes


def _readers(
    rows: Sequence[Measurement], protocol: Protocol, options: Options
) -> tuple[Readers | None, tuple[str, ...]]:
    if options.second_reader is None:
        return None, ()
    try:
        names, first, second, notes = paired_readings(rows, read_csv(options.second_reader), protocol)
        agreement = compare_readers(first, second, protocol.endpoint.confidence)
    except PRRTError as problem:
        return None, (f"The readers are not compared. {problem}",)
    return Readers(names, first, second, agreement), notes
