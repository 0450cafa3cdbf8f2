"""From rows of measurements to one pair of values per patient: lobe against lobe, by the protocol's rules."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.shared_uncertainty import own_uncertainty, shared_note
from PRRTUptakeLib.study.measurements import visit_time_h
from PRRTUptakeLib.uptake.aggregation import aggregate
from PRRTUptakeLib.uptake.errors import AggregationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

BLINDED = ("A", "B")
UNBLINDED = ("treated", "control")
# How a table may name the two lobes; left and right are shown as A and B until the allocation is given.
LOBE_WORDS = (UNBLINDED, ("left", "right"), BLINDED)
# Rows that carry the endpoint: the targets that the protocol chose, or else all lesions, whole lobes, or all rows of a
# table that knows no roles.
ENDPOINT_ROLES = ("target", "lesion", "lobe", "")
NOT_ALLOCATED = "the allocation names no treated lobe"


@dataclass(frozen=True)
class Exclusion:
    """A patient who entered but cannot be analysed, and why."""

    patient: str
    reason: str


@dataclass(frozen=True, eq=False)
class PairedValues:
    """One pair of values per patient.

    ``first`` and ``second``, shape (n,), belong to the two ``labels``; ``u_log``, shape (n,), is the standard
    uncertainty of log(first/second), nan where it is not known, and ``u_second_log`` that of log(second); what both
    lobes share (`shared_uncertainty`) is in neither.
    """

    labels: tuple[str, str]
    patients: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    u_log: np.ndarray
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
    u_second_log: np.ndarray | None = None


def check_table(rows: Iterable[Measurement]) -> None:
    """Refuse a table in which a measurement occurs twice, or an uncertainty is negative.

    Raises
    ------
    StatisticsError
        Naming the patient, region and metric.
    """
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        key = (row.patient, row.cycle, row.visit, row.image, row.region, row.role, row.lobe, row.lesion, row.metric)
        if key in seen:
            raise StatisticsError(
                f"{_where(row)}: {row.metric} of cycle {row.cycle}, visit '{row.visit}', is in the table twice; "
                "keep one of the rows."
            )
        if row.uncertainty < 0:
            raise StatisticsError(f"{_where(row)}: the uncertainty of {row.metric} is negative ({row.uncertainty:g}).")
        seen.add(key)


def one_unit(rows: Sequence[Measurement]) -> str:
    """Return the unit that all rows share.

    Raises
    ------
    StatisticsError
        If two units are mixed.
    """
    units = Counter(row.unit for row in rows)
    if len(units) > 1:
        (common, _), (other, _) = units.most_common()[0], units.most_common()[-1]
        odd = next(row for row in rows if row.unit == other)
        raise StatisticsError(
            f"The unit of {odd.metric} is '{common}' in some rows and '{other}' in others (first: {_where(odd)}); "
            "convert them to one unit."
        )
    return next(iter(units), "")


def endpoint_rows(
    rows: Sequence[Measurement], protocol: Protocol, metric: str = ""
) -> tuple[list[Measurement], tuple[str, ...]]:
    """Rows that carry the endpoint's metric for the lesions that count, over all cycles, and notes on the choice.

    Raises
    ------
    StatisticsError
        If there is none, or units are mixed.
    """
    metric = metric or protocol.endpoint.metric
    own = metric == protocol.endpoint.metric
    why = f"which is the endpoint of the protocol '{protocol.name}'" if own else "which was asked for"
    having = [row for row in rows if row.metric == metric]
    for role in ENDPOINT_ROLES:
        chosen = [row for row in having if row.role == role]
        if chosen:
            one_unit(chosen)
            note = f"No row of {metric} has the role target: all rows with the role {role or '(none)'} are used."
            return chosen, () if role == "target" else (note,)
    if having:
        roles = ", ".join(sorted({f"'{row.role}'" for row in having}))
        raise StatisticsError(
            f"The table has {metric}, {why}, for the roles {roles} only: give the lesions that count the role target."
        )
    found = ", ".join(sorted({row.metric for row in rows}))
    raise StatisticsError(f"The table has no {metric} of a target lesion, {why}; its metrics are {found}.")


def lobe_words(rows: Iterable[Measurement]) -> tuple[str, str]:
    """Return the two words by which a table names its lobes.

    Raises
    ------
    StatisticsError
        If it uses none of the pairs known, or more than one.
    """
    used = {row.lobe for row in rows} - {"caudate", "none", ""}
    for words in LOBE_WORDS:
        if used and used <= set(words):
            return words
    shown = ", ".join(sorted(used)) or "empty"
    raise StatisticsError(
        f"The lobes of the table are {shown}, but must be left and right, treated and control, or A and B throughout."
    )


def lobe_pairs(
    rows: Sequence[Measurement],
    protocol: Protocol,
    treated: Mapping[str, str] | None = None,
    cycle: int | None = None,
) -> PairedValues:
    """Aggregate the lesions of each lobe and pair the lobes of each patient.

    Parameters
    ----------
    rows : the whole table; the protocol's endpoint says which rows count.
    treated : treated lobe of each patient, in the table's words; None keeps the lobes blinded (A is left, B is right).
    cycle : instead of the protocol's.

    Raises
    ------
    StatisticsError
        If the table as a whole cannot be used. What is wrong with one patient excludes that patient, with the reason.
    """
    cycle = protocol.endpoint.cycle if cycle is None else cycle
    chosen, notes = endpoint_rows(rows, protocol)
    words = lobe_words(chosen)
    outside = sum(row.lobe not in words and row.cycle == cycle for row in chosen)
    if outside:
        notes += (f"{outside} measurement(s) in neither of the two lobes (caudate or none) are left out.",)
    everyone = sorted({row.patient for row in rows})
    labels = UNBLINDED if words == UNBLINDED or treated is not None else BLINDED
    by_patient: dict[str, list[Measurement]] = defaultdict(list)
    for row in chosen:
        if row.cycle == cycle and row.lobe in words:
            by_patient[row.patient].append(row)
    volumes = _volumes(rows, cycle) if protocol.endpoint.aggregation == "volume-weighted-mean" else {}
    found: list[tuple[str, tuple[float, float], tuple[float, float]]] = []
    excluded = []
    for patient in everyone:
        try:
            order = words if treated is None else _treated_first(words, treated.get(patient, ""))
            mine = _visit_of(by_patient[patient], protocol, cycle)
            first, second = (_lobe_value(mine, lobe, protocol, volumes) for lobe in order)
            found.append((patient, first, second))
        except (_UnusableError, AggregationError) as problem:
            excluded.append(Exclusion(patient, str(problem).rstrip(".")))
    u_log = [math.hypot(first[1] / first[0], second[1] / second[0]) for _, first, second in found]
    return PairedValues(
        labels,
        tuple(patient for patient, _, _ in found),
        np.array([first[0] for _, first, _ in found]),
        np.array([second[0] for _, _, second in found]),
        np.array(u_log),
        tuple(excluded),
        notes + shared_note(chosen),
        np.array([second[1] / second[0] for _, _, second in found]),
    )


class _UnusableError(PRRTError):
    """One patient cannot be analysed; the text says why."""


def _treated_first(words: tuple[str, str], lobe: str) -> tuple[str, str]:
    if not lobe:
        raise _UnusableError(NOT_ALLOCATED)
    return (lobe, words[1] if lobe == words[0] else words[0])


def _visit_of(rows: Sequence[Measurement], protocol: Protocol, cycle: int) -> list[Measurement]:
    if not rows:
        raise _UnusableError(f"no {protocol.endpoint.metric} of a target lesion in cycle {cycle}")
    kept = one_visit(rows, protocol)
    if not kept:
        names = ", ".join(sorted({f"{row.visit} {row.image}".strip() for row in rows}))
        planned = f"{protocol.imaging.time_after_injection_h:g} h"
        raise _UnusableError(f"several visits in cycle {cycle} ({names}), of which not exactly one is at {planned}")
    return kept


def one_visit(rows: Sequence[Measurement], protocol: Protocol) -> list[Measurement]:
    """Keep the protocol's visit of one patient and cycle: the only one, or the one at its time; none if ambiguous."""
    if len({(row.visit, row.image) for row in rows}) == 1:
        return list(rows)
    kept = [row for row in rows if visit_time_h(row.visit) == protocol.imaging.time_after_injection_h]
    return kept if len({(row.visit, row.image) for row in kept}) == 1 else []


def lesion_name(row: Measurement) -> str:
    """What identifies a lesion: its name in the lesion column, or else its region."""
    return row.lesion or row.region


def _lobe_value(
    rows: Sequence[Measurement], lobe: str, protocol: Protocol, volumes: Mapping[tuple[str, str], float]
) -> tuple[float, float]:
    mine = [row for row in rows if row.lobe == lobe]
    metric = protocol.endpoint.metric
    if not mine:
        raise _UnusableError(f"no {metric} of a target lesion in the {lobe} lobe in cycle {rows[0].cycle}")
    twice = [name for name, count in Counter(row.lesion for row in mine if row.lesion).items() if count > 1]
    if twice:
        raise _UnusableError(f"several values of {metric} for lesion {twice[0]} in the {lobe} lobe")
    for row in mine:
        if row.value <= 0:
            raise _UnusableError(
                f"{metric} of lesion {lesion_name(row)} is {row.value:g}, but a ratio must be positive"
            )
    weights = [volumes.get((row.patient, lesion_name(row)), math.nan) for row in mine] if volumes else None
    return aggregate(
        [row.value for row in mine], protocol.endpoint.aggregation, [own_uncertainty(row) for row in mine], weights
    )


def _volumes(rows: Iterable[Measurement], cycle: int) -> dict[tuple[str, str], float]:
    chosen = [row for row in rows if row.metric == "volume" and row.cycle == cycle and row.role in ENDPOINT_ROLES]
    one_unit(chosen)
    return {(row.patient, lesion_name(row)): row.value for row in chosen}


def _where(row: Measurement) -> str:
    place = f", lesion {row.lesion}" if row.lesion else f", region {row.region}" if row.region else ""
    return f"Patient {row.patient}{place}"
