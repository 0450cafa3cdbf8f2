"""Two readings of the same cases compared, those that differ most first, for a third who decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.readings.journal import ADJUDICATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.segmentation.lobes import Plane
    from PRRTUptakeLib.study.readings.journal import Journal, Record, State
    from PRRTUptakeLib.study.readings.reading import Reading, VisitReading

RATIOS = ("treated_control_ratio", "left_right_ratio", "enhancement_ratio", "tn_ratio", "er_suv_max", "er_suv_mean")
"""Metrics by which two readings are compared, the first that both have."""


@dataclass(frozen=True)
class Difference:
    """One thing in which two readings differ; ``weight`` puts the gravest first (3 targets, 2 number, 1 place)."""

    what: str
    first: str
    second: str
    weight: float


@dataclass(frozen=True)
class ComparedCase:
    """Two readings of one case; ``largest_ratio`` is the larger over the smaller of the value that differs most."""

    case: str
    differences: tuple[Difference, ...]
    largest_ratio: float = 1.0

    @property
    def agree(self) -> bool:
        """Whether the two decided alike."""
        return not self.differences

    @property
    def order(self) -> tuple[float, float, str]:
        """Sorting key: the gravest differences first."""
        grave = max((one.weight for one in self.differences), default=0.0)
        return -grave, -self.largest_ratio, self.case


@dataclass(frozen=True)
class Comparison:
    """All cases that both read, those that differ most first, and those that only one has read."""

    cases: tuple[ComparedCase, ...]
    single: tuple[str, ...]


def compare(first: Mapping[str, State], second: Mapping[str, State]) -> Comparison:
    """Compare the complete readings of two readers, by the name of the case."""
    complete = [{case for case, state in side.items() if state.status == "complete"} for side in (first, second)]
    both = complete[0] & complete[1]
    compared = [compared_case(case, first[case], second[case]) for case in both]
    return Comparison(
        tuple(sorted(compared, key=lambda one: one.order)), tuple(sorted(complete[0].symmetric_difference(complete[1])))
    )


def compared_case(case: str, first: State, second: State) -> ComparedCase:
    """In what two readings of one case differ, the gravest first."""
    found: list[Difference] = []
    for key in sorted({one.key for side in (first, second) for one in side.reading.visits}):
        found += _of_visit(first.reading.of(key), second.reading.of(key))
    values, largest = _values(first.rows, second.rows)
    found += [*_targets(first.rows, second.rows), *values]
    if first.reading.comment != second.reading.comment:
        found.append(Difference("comment", first.reading.comment or "none", second.reading.comment or "none", 0.5))
    ordered = sorted(found, key=lambda one: -one.weight)
    return ComparedCase(case, tuple(ordered), largest)


def _targets(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Lesions that only one reading has as targets, by visit."""
    sides = [_by_visit(rows) for rows in (first, second)]
    found = []
    for key in sorted({*sides[0], *sides[1]}):
        one, other = (side.get(key, frozenset()) for side in sides)
        if one != other:
            said, other_said = (", ".join(sorted(names)) or "none" for names in (one, other))
            found.append(Difference(f"targets of {key[0]}/{key[1]}", said, other_said, 3.0))
    return found


def _by_visit(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], frozenset[str]]:
    found: dict[tuple[int, str], set[str]] = {}
    for row in rows:
        if row["role"] == "target":
            found.setdefault((row["cycle"], row["visit"]), set()).add(row["lesion"])
    return {key: frozenset(names) for key, names in found.items()}


def _values(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> tuple[list[Difference], float]:
    """Ratios that differ by more than rounding, of the first metric that both have; and the largest quotient."""
    for metric in RATIOS:
        sides = [_of_metric(rows, metric) for rows in (first, second)]
        common = sorted(set(sides[0]) & set(sides[1]))
        if not common:
            continue
        found, largest = [], 1.0
        for key in common:
            one, other = sides[0][key], sides[1][key]
            if not (one > 0 and other > 0) or math.isclose(one, other, rel_tol=1e-6):
                continue
            quotient = max(one, other) / min(one, other)
            largest = max(largest, quotient)
            what = f"{metric.replace('_', ' ')} of {key[2]}, {key[0]}/{key[1]}"
            weight = 2.0 + min(math.log(quotient), 0.9)
            found.append(Difference(what, number(one, 4), number(other, 4), weight))
        return found, largest
    return [], 1.0


def _of_metric(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[tuple[int, str, str], float]:
    return {(row["cycle"], row["visit"], row["region"]): row["value"] for row in rows if row["metric"] == metric}


def _of_visit(first: VisitReading, second: VisitReading) -> list[Difference]:
    name = f"{first.cycle}/{first.visit}"
    found = []
    if (first.lobe_plane is None) != (second.lobe_plane is None):
        said, other_said = ("as proposed" if one.lobe_plane is None else "moved" for one in (first, second))
        found.append(Difference(f"lobe plane of {name}", said, other_said, 1.5))
    elif first.lobe_plane is not None and second.lobe_plane is not None:
        apart_mm, angle_deg = between(first.lobe_plane, second.lobe_plane)
        if apart_mm > 0.05 or angle_deg > 0.05:
            words = f"{apart_mm:.1f} mm and {angle_deg:.1f}° apart"
            found.append(Difference(f"lobe plane of {name}", "moved", f"moved, {words}", 1.0 + min(apart_mm, 40) / 100))
    shifts = [{one.lesion: one.shift_ras_mm for one in side.manual_shifts} for side in (first, second)]
    for lesion in sorted({*shifts[0], *shifts[1]}):
        one, other = (side.get(lesion, (0.0, 0.0, 0.0)) for side in shifts)
        if not np.allclose(one, other, atol=0.01):
            said, other_said = (", ".join(f"{axis:+.1f}" for axis in shift) + " mm" for shift in (one, other))
            found.append(Difference(f"shift of {lesion} in {name}", said, other_said, 1.0))
    return found


def between(first: Plane, second: Plane) -> tuple[float, float]:
    """How far the point of one plane is from the other (the larger of both, mm), and the angle of their normals (°)."""
    step = second.origin_ras - first.origin_ras
    apart = max(abs(float(step @ first.normal_ras)), abs(float(step @ second.normal_ras)))
    cosine = min(1.0, abs(float(first.normal_ras @ second.normal_ras)))
    return apart, math.degrees(math.acos(cosine))


def adjudicate(
    journal: Journal, reading: Reading, rows: Sequence[Mapping[str, Any]], based_on: Sequence[str], why: str
) -> Record:
    """Keep what was decided on a case after two readings of it.

    Parameters
    ----------
    journal : of the one who decides, who is neither of the two readers.
    reading, rows : the reading that was taken, or a third one, and what was measured with it.
    based_on : the two readers; the one whose reading was taken first.
    why : the reason, which is kept.

    Raises
    ------
    StudyError
        If the reason is empty, or the one who decides is one of the readers.
    """
    if journal.reader in based_on:
        raise StudyError(f"'{journal.reader}' has read the case: somebody else decides.")
    if not why.strip():
        raise StudyError(f"Say why '{reading.case}' is decided so: the reason is kept.")
    return journal.append(
        ADJUDICATED,
        case=reading.case,
        reading=reading.plain(),
        rows=list(rows),
        based_on=list(based_on),
        reason=why.strip(),
    )
