"""Choose the target lesions by the protocol's rule, and keep the reason for every lesion, chosen or not.

Lengths are compared in tenths of a millimetre (`ties.resolved_length_mm`): the same contour gives lengths that differ
in the seventh digit, depending on the precision in which a program keeps its spacing, and such digits choose nothing.
Of lesions of one length the larger volume (in hundredths of a millilitre) goes first, then the lower id; the reason of
each says so.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.statistics.ties import LENGTH_STEP_mm, above, resolved_length_mm, resolved_volume_mL

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Candidate:
    """A lesion with its lobe ("none" outside the liver), longest axial diameter, and volume (nan if not known)."""

    lesion_id: str
    lobe: str
    longest_axial_mm: float
    volume_mL: float = math.nan


@dataclass(frozen=True)
class TargetOverride:
    """The user's change: lesion ``chosen`` in place of the target ``dropped``, because ``reason``."""

    dropped: str
    chosen: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise SegmentationError(f"Say why {self.chosen} replaces the target {self.dropped}: the reason is kept.")


@dataclass(frozen=True)
class Decision:
    """Whether one lesion is a target, and why."""

    lesion_id: str
    lobe: str
    longest_axial_mm: float
    is_target: bool
    reason: str


def choose_targets(
    candidates: Sequence[Candidate],
    minimum_diameter_mm: float,
    maximum_per_lobe: int | None,
    maximum_total: int,
    target_overrides: Sequence[TargetOverride] = (),
) -> tuple[Decision, ...]:
    """Decide for each lesion, the largest first; see the module on lesions of one length.

    A target is in the liver, measures strictly more than ``minimum_diameter_mm`` (to a tenth of a millimetre), and is
    among the largest ``maximum_per_lobe`` of its lobe and ``maximum_total`` of the liver. With ``maximum_per_lobe``
    None it may be anywhere in the body, and lobes do not count.

    Examples
    --------
    >>> lesions = [Candidate("L1", "left", 45.0), Candidate("L2", "left", 30.0), Candidate("R1", "right", 33.0)]
    >>> [(d.lesion_id, d.is_target, d.reason) for d in choose_targets(lesions, 30.0, 3, 6)][1:]
    [('R1', True, '33.0 mm, above 30 mm; number 1 of the right lobe.'), ('L2', False, '30.0 mm is not above 30 mm.')]

    Raises
    ------
    SegmentationError
        If no lesion can be a target, or a replacement does not fit.
    """
    ordered = sorted(candidates, key=_rank)
    twice = [name for name, count in Counter(c.lesion_id for c in ordered).items() if count > 1]
    if twice:
        raise SegmentationError(f"Two lesions have the id {twice[0]}: number them anew.")
    anywhere = maximum_per_lobe is None
    per_lobe: Counter[str] = Counter()
    decisions = []
    for candidate in ordered:
        refusal = _refusal(candidate, minimum_diameter_mm, anywhere)
        if not refusal and maximum_per_lobe is not None and per_lobe[candidate.lobe] >= maximum_per_lobe:
            refusal = f"The {candidate.lobe} lobe has {maximum_per_lobe} larger targets already."
        if not refusal and per_lobe.total() >= maximum_total:
            refusal = f"The {'patient' if anywhere else 'liver'} has {maximum_total} larger targets already."
        if not refusal:
            per_lobe[candidate.lobe] += 1
        size = f"{resolved_length_mm(candidate.longest_axial_mm):.1f} mm, above {minimum_diameter_mm:g} mm"
        place = f"{per_lobe.total()}" if anywhere else f"{per_lobe[candidate.lobe]} of the {candidate.lobe} lobe"
        chosen = f"{size}; number {place}."
        decisions.append(
            Decision(candidate.lesion_id, candidate.lobe, candidate.longest_axial_mm, not refusal, refusal or chosen)
        )
    if not per_lobe.total():
        raise SegmentationError(_none_text(ordered, minimum_diameter_mm, anywhere))
    decisions = _with_ties(decisions, ordered, anywhere)
    for target_override in target_overrides:
        decisions = _replaced(decisions, target_override, minimum_diameter_mm, maximum_per_lobe)
    return tuple(decisions)


def _rank(candidate: Candidate) -> tuple[object, ...]:
    """Longest first, then the larger volume (unknown ones last), then the lower id (L2 before L10)."""
    volume = resolved_volume_mL(candidate.volume_mL)
    parts = [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", candidate.lesion_id)]
    return -resolved_length_mm(candidate.longest_axial_mm), math.inf if math.isnan(volume) else -volume, parts


def _with_ties(decisions: Sequence[Decision], ordered: Sequence[Candidate], anywhere: bool) -> list[Decision]:
    """Add to the reasons of lesions of one length, of which some are targets, what put them in order."""
    groups: dict[float, list[Candidate]] = defaultdict(list)
    for candidate in ordered:
        if anywhere or candidate.lobe not in ("none", ""):
            groups[resolved_length_mm(candidate.longest_axial_mm)].append(candidate)
    chosen = {decision.lesion_id: decision.is_target for decision in decisions}
    words = {}
    for group in groups.values():
        if len({chosen[one.lesion_id] for one in group}) < 2:
            continue
        volumes = {resolved_volume_mL(one.volume_mL) for one in group}
        rule = "the larger volume" if len(volumes) == len(group) else "the larger volume, then the lower id,"
        for one in group:
            others = " and ".join(other.lesion_id for other in group if other is not one)
            words[one.lesion_id] = f" Equal to {others} within {LENGTH_STEP_mm:g} mm: {rule} goes first."
    return [replace(one, reason=one.reason + words.get(one.lesion_id, "")) for one in decisions]


def _refusal(candidate: Candidate, minimum_diameter_mm: float, anywhere: bool) -> str:
    if not anywhere and candidate.lobe in ("none", ""):
        return "It is outside the liver."
    if not above(resolved_length_mm(candidate.longest_axial_mm), minimum_diameter_mm):
        return f"{resolved_length_mm(candidate.longest_axial_mm):.1f} mm is not above {minimum_diameter_mm:g} mm."
    return ""


def _none_text(ordered: Sequence[Candidate], minimum_diameter_mm: float, anywhere: bool) -> str:
    hepatic = [c for c in ordered if anywhere or c.lobe not in ("none", "")]
    if not hepatic:
        return "There is no lesion in the liver, so there is no target: draw the liver lesions."
    largest = hepatic[0]
    what = "lesion" if anywhere else "liver lesion"
    return (
        f"No {what} is longer than {minimum_diameter_mm:g} mm (the largest, {largest.lesion_id}, measures "
        f"{largest.longest_axial_mm:.1f} mm): the protocol has no target here; check the contours or the protocol."
    )


def _replaced(
    decisions: list[Decision], change: TargetOverride, minimum_diameter_mm: float, maximum_per_lobe: int | None
) -> list[Decision]:
    by_id = {decision.lesion_id: decision for decision in decisions}
    for name in (change.dropped, change.chosen):
        if name not in by_id:
            raise SegmentationError(f"There is no lesion {name} to replace or to choose; there are {', '.join(by_id)}.")
    dropped, chosen = by_id[change.dropped], by_id[change.chosen]
    if not dropped.is_target or chosen.is_target:
        raise SegmentationError(
            f"{change.chosen} cannot replace {change.dropped}: name a target and a lesion that is none."
        )
    candidate = Candidate(chosen.lesion_id, chosen.lobe, chosen.longest_axial_mm)
    refusal = _refusal(candidate, minimum_diameter_mm, maximum_per_lobe is None)
    if refusal:
        raise SegmentationError(f"{change.chosen} cannot be a target under the protocol: {refusal}")
    same_lobe = sum(d.is_target and d.lobe == chosen.lobe and d is not dropped for d in decisions)
    if maximum_per_lobe is not None and same_lobe >= maximum_per_lobe:
        raise SegmentationError(
            f"{change.chosen} would be one too many: the {chosen.lobe} lobe has {maximum_per_lobe} targets."
        )
    reason = change.reason.strip()
    by_id[change.dropped] = replace(dropped, is_target=False, reason=f"Replaced by {change.chosen}: {reason}")
    by_id[change.chosen] = replace(chosen, is_target=True, reason=f"In place of {change.dropped}: {reason}")
    return list(by_id.values())
