"""Response to therapy at follow-up: RECIST 1.1 and change of volume, per patient and per lobe.

RECIST 1.1: E. Eisenhauer et al., Eur J Cancer 2009;45:228, doi:10.1016/j.ejca.2008.10.026. Its target set is its own:
at baseline up to five lesions in all and two per organ, each at least 10 mm; it need not be the trial's uptake targets.
Lymph nodes are measured by their short axis: a target from 15 mm, normal below 10 mm, between both a non-target.

mRECIST (R. Lencioni and J. Llovet, doi:10.1055/s-0030-1247132) has the same shares of change for the diameters of the
enhancing part, without the 5 mm. Sums are compared with limits at relative 1e-9, lengths in tenths of a millimetre.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.statistics.ties import at_least, resolved_length_mm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECIST, MRECIST, PERCIST = "recist-1.1", "mrecist", "percist"
CRITERIA = (RECIST, MRECIST, PERCIST)
COMPLETE, PARTIAL, STABLE, PROGRESSION, NOT_EVALUABLE = "CR", "PR", "SD", "PD", "NE"
MAXIMUM_TARGETS, MAXIMUM_PER_ORGAN, MINIMUM_MM = 5, 2, 10.0
PARTIAL_CHANGE, PROGRESSION_CHANGE, PROGRESSION_MM = -0.30, 0.20, 5.0
NODE_TARGET_MM, NODE_NORMAL_MM = 15.0, 10.0
LOBE_LETTERS = {"left": "L", "right": "R", "caudate": "C"}
ABSENT, PRESENT, PROGRESSING = "absent", "present", "progressing"  # what a non-target lesion can be


@dataclass(frozen=True)
class BaselineLesion:
    """A lesion at baseline: its organ ("liver", "bone", ...), lobe, longest axial diameter.

    A lymph node (organ "node") has its short axis in ``short_axis_mm``, by which RECIST measures it.
    """

    lesion_id: str
    organ: str
    longest_axial_mm: float
    lobe: str = "none"
    short_axis_mm: float = math.nan

    @property
    def is_node(self) -> bool:
        """Whether it is a lymph node."""
        return self.organ == "node"

    @property
    def size_mm(self) -> float:
        """What enters the sum: the short axis of a node (the longest where it is not known), or the diameter."""
        return self.short_axis_mm if self.is_node and math.isfinite(self.short_axis_mm) else self.longest_axial_mm


@dataclass(frozen=True)
class Visit:
    """One time point.

    Attributes
    ----------
    name : for instance "baseline" or "12 months".
    sizes : diameter in mm (or volume in mL) by lesion id: 0 for a lesion that vanished; one that is not listed was not
        assessed.
    new_lesions : ids of lesions that appeared since baseline, seen at this visit; they mean progression.
    non_targets : state of the non-target lesions by id: absent (a node: below 10 mm), present, or progressing, which
        means unequivocally and counts as progression; one that is not listed was not assessed.
    day : days since baseline, for best response and progression-free time; nan where not known.
    """

    name: str
    sizes: Mapping[str, float]
    new_lesions: tuple[str, ...] = ()
    non_targets: Mapping[str, str] = field(default_factory=dict)
    day: float = math.nan

    def __post_init__(self) -> None:
        for lesion, size in self.sizes.items():
            if not (math.isfinite(size) and size >= 0):
                raise ResponseError(
                    f"Visit '{self.name}': the size of {lesion} is {size}; give 0 or more, 0 if vanished."
                )
        for lesion, state in self.non_targets.items():
            if state not in (ABSENT, PRESENT, PROGRESSING):
                raise ResponseError(
                    f"Visit '{self.name}': the non-target {lesion} is '{state}', but must be {ABSENT}, {PRESENT} or "
                    f"{PROGRESSING}."
                )


@dataclass(frozen=True)
class Response:
    """Response at one visit.

    Attributes
    ----------
    total : sum of diameters (mm) or volumes (mL) of the lesions that were assessed.
    change_from_baseline, change_from_nadir : as fractions; nan at baseline. The nadir is the smallest sum before.
    category : CR, PR, SD, PD or NE; "" at baseline and for volumes, which RECIST does not grade.
    reason : one sentence.
    """

    visit: str
    total: float
    change_from_baseline: float
    change_from_nadir: float
    category: str
    reason: str


@dataclass(frozen=True)
class ResponseTable:
    """Responses of the patient and of each lobe, in the order of the visits."""

    patient: tuple[Response, ...]
    lobes: Mapping[str, tuple[Response, ...]] = field(default_factory=dict)


def recist_targets(lesions: Sequence[BaselineLesion], minimum_mm: float = MINIMUM_MM) -> tuple[str, ...]:
    """Ids of RECIST's own targets: the largest first, at least ``minimum_mm``, two per organ, five in all.

    Lymph nodes, together one organ, are targets from a short axis of 15 mm. With CT slices thicker than 5 mm the
    minimum of the others is twice the slice thickness.

    Examples
    --------
    >>> sizes = {"L1": 50.0, "R1": 40.0, "R2": 35.0}
    >>> lesions = [BaselineLesion(name, "liver", size) for name, size in sizes.items()]
    >>> node = BaselineLesion("E2", "node", 28.0, short_axis_mm=16.0)
    >>> recist_targets([*lesions, BaselineLesion("E1", "bone", 9.0), node])
    ('L1', 'R1', 'E2')

    Raises
    ------
    ResponseError
        If no lesion is large enough.
    """
    per_organ: Counter[str] = Counter()
    chosen: list[str] = []
    for lesion in sorted(lesions, key=lambda item: (-resolved_length_mm(item.size_mm), item.lesion_id)):
        limit = NODE_TARGET_MM if lesion.is_node else minimum_mm
        measurable = bool(at_least(resolved_length_mm(lesion.size_mm), limit))
        if measurable and per_organ[lesion.organ] < MAXIMUM_PER_ORGAN and len(chosen) < MAXIMUM_TARGETS:
            per_organ[lesion.organ] += 1
            chosen.append(lesion.lesion_id)
    if not chosen:
        raise ResponseError(
            f"No lesion measures {minimum_mm:g} mm or more at baseline (a node {NODE_TARGET_MM:g} mm in its short "
            "axis), so RECIST has no target."
        )
    return tuple(chosen)


def non_targets(lesions: Sequence[BaselineLesion], targets: Sequence[str]) -> tuple[str, ...]:
    """Ids of the lesions that are followed without being measured: all others, but no normal nodes."""
    return tuple(
        lesion.lesion_id
        for lesion in lesions
        if lesion.lesion_id not in targets
        and not (lesion.is_node and not at_least(resolved_length_mm(lesion.size_mm), NODE_NORMAL_MM))
    )


def recist_response(
    visits: Sequence[Visit],
    targets: Sequence[str],
    nodes: Sequence[str] = (),
    others: Sequence[str] = (),
    progression_mm: float = PROGRESSION_MM,
) -> tuple[Response, ...]:
    """RECIST 1.1 response at each visit; the first visit is the baseline.

    Targets: PD where the sum is at least 20 % and at least 5 mm above the nadir; CR where all vanished, nodes being
    below 10 mm; PR where the sum is at least 30 % below baseline; NE where one was not assessed and the others do not
    show progression; else SD. A target (no node) that is there again after CR is PD, however small (appendix of RECIST
    1.1 on lesions that reappear). A new lesion, or a non-target that progresses, is PD whatever the targets do; CR
    needs all non-targets to be absent, and is PR while one is there or was not assessed (table 1 of RECIST 1.1).

    Parameters
    ----------
    targets : ids of the target lesions.
    nodes : those of them that are lymph nodes, whose sizes are short axes.
    others : ids of the non-target lesions.
    progression_mm : least growth of the sum; 0 for mRECIST.

    Examples
    --------
    >>> visits = [Visit("baseline", {"L1": 50.0}), Visit("3 m", {"L1": 34.0}), Visit("6 m", {"L1": 41.0})]
    >>> [response.category for response in recist_response(visits, ["L1"])]
    ['', 'PR', 'PD']

    Raises
    ------
    ResponseError
        If there is no visit or target, or a target was not measured at baseline.
    """
    totals = _totals(visits, targets)
    result = [Response(visits[0].name, totals[0], math.nan, math.nan, "", "Baseline.")]
    nadir = totals[0]
    for visit, total in zip(visits[1:], totals[1:], strict=True):
        missing = [name for name in targets if name not in visit.sizes]
        gone = not missing and all(
            resolved_length_mm(visit.sizes[name]) < NODE_NORMAL_MM if name in nodes else visit.sizes[name] == 0
            for name in targets
        )
        category, reason = _category(visit, (total, totals[0], nadir), missing, gone, progression_mm)
        category, reason = _with_others(visit, others, category, reason)
        again = [name for name in targets if name not in nodes and visit.sizes.get(name, 0.0) > 0]
        if again and category != PROGRESSION and any(before.category == COMPLETE for before in result):
            category, reason = PROGRESSION, f"Target {', '.join(again)} is there again after a complete response."
        result.append(Response(visit.name, total, _change(total, totals[0]), _change(total, nadir), category, reason))
        if not missing:
            nadir = min(nadir, total)
    return tuple(result)


def mrecist_response(
    visits: Sequence[Visit], targets: Sequence[str], others: Sequence[str] = ()
) -> tuple[Response, ...]:
    """mRECIST: sizes are the diameters of the part that enhances in the arterial phase, 0 where nothing does.

    Raises
    ------
    ResponseError
        As `recist_response`.
    """
    return recist_response(visits, targets, others=others, progression_mm=0.0)


def volume_response(visits: Sequence[Visit], lesions: Sequence[str]) -> tuple[Response, ...]:
    """Change of the summed volume of ``lesions``; sizes of the visits are volumes in mL. No category is given.

    For a sphere RECIST's -30 % and +20 % in diameter are -65.7 % and +72.8 % in volume.

    Raises
    ------
    ResponseError
        As `recist_response`.
    """
    totals = _totals(visits, lesions)
    result = [Response(visits[0].name, totals[0], math.nan, math.nan, "", "Baseline.")]
    nadir = totals[0]
    for visit, total in zip(visits[1:], totals[1:], strict=True):
        missing = [name for name in lesions if name not in visit.sizes]
        if missing:
            reason = f"{', '.join(missing)} not assessed, so the total is not comparable."
            result.append(Response(visit.name, total, math.nan, math.nan, "", reason))
            continue
        reason = f"{_change(total, totals[0]):+.0%} from baseline."
        result.append(Response(visit.name, total, _change(total, totals[0]), _change(total, nadir), "", reason))
        nadir = min(nadir, total)
    return tuple(result)


def recist_table(
    visits: Sequence[Visit], lesions: Sequence[BaselineLesion], progression_mm: float = PROGRESSION_MM
) -> ResponseTable:
    """RECIST 1.1 of the patient (its own target set) and of each lobe; with ``progression_mm`` of 0 mRECIST.

    RECIST knows no lobes: a lobe's response follows the same rules, with the two largest measurable lesions of that
    lobe as its targets, since the patient's two liver targets may lie in one lobe. A new lesion counts in the lobe that
    its id names (L, R or C and a number).
    """
    patient = _graded(visits, lesions, progression_mm)
    lobes = {}
    for lobe in LOBE_LETTERS:
        own = [lesion for lesion in lesions if lesion.lobe == lobe]
        if any(at_least(resolved_length_mm(lesion.size_mm), MINIMUM_MM) for lesion in own):
            seen = [replace(visit, new_lesions=new_in_lobe(visit.new_lesions, lobe)) for visit in visits]
            lobes[lobe] = _graded(seen, own, progression_mm)
    return ResponseTable(patient, lobes)


def new_in_lobe(names: Sequence[str], lobe: str) -> tuple[str, ...]:
    """Those of the new lesions that are in a lobe by their id (L, R or C and a number).

    Examples
    --------
    >>> new_in_lobe(["L3", "R2", "Lung"], "left")
    ('L3',)
    """
    letter = LOBE_LETTERS[lobe]
    return tuple(name for name in names if name.startswith(letter) and name[1:].isdigit())


def _graded(visits: Sequence[Visit], lesions: Sequence[BaselineLesion], progression_mm: float) -> tuple[Response, ...]:
    """Response of the targets among ``lesions``, and of the others where the visits say what became of them."""
    targets = recist_targets(lesions)
    nodes = [lesion.lesion_id for lesion in lesions if lesion.is_node and lesion.lesion_id in targets]
    followed = any(visit.non_targets for visit in visits)
    return recist_response(visits, targets, nodes, non_targets(lesions, targets) if followed else (), progression_mm)


def volume_table(visits: Sequence[Visit], lobes: Mapping[str, str]) -> ResponseTable:
    """Change of volume of all lesions and of those of each lobe; ``lobes`` gives the lobe of each lesion id."""
    by_lobe = {
        lobe: [name for name, own in lobes.items() if own == lobe]
        for lobe in ("left", "right", "caudate")
        if lobe in lobes.values()
    }
    return ResponseTable(
        volume_response(visits, list(lobes)), {lobe: volume_response(visits, own) for lobe, own in by_lobe.items()}
    )


def _totals(visits: Sequence[Visit], lesions: Sequence[str]) -> list[float]:
    if not visits or not lesions:
        raise ResponseError("Response needs a baseline visit and at least one lesion.")
    absent = [name for name in lesions if not visits[0].sizes.get(name, 0.0) > 0]
    if absent:
        raise ResponseError(f"Lesion {absent[0]} was not measured at baseline ('{visits[0].name}'): measure it there.")
    return [math.fsum(visit.sizes.get(name, 0.0) for name in lesions) for visit in visits]


def _category(
    visit: Visit, sums: tuple[float, float, float], missing: Sequence[str], gone: bool, progression_mm: float
) -> tuple[str, str]:
    """Category of the targets and of new lesions; ``sums`` are now, at baseline, and the smallest before."""
    total, baseline, nadir = sums
    if visit.new_lesions:
        return PROGRESSION, f"New lesion {', '.join(visit.new_lesions)}."
    grown = at_least(total, nadir + progression_mm) and at_least(total, nadir * (1 + PROGRESSION_CHANGE))
    if grown and total > nadir:
        return PROGRESSION, f"The sum is {total - nadir:.1f} mm above the smallest sum ({nadir:.1f} mm)."
    if missing:
        return NOT_EVALUABLE, f"Target {', '.join(missing)} was not assessed."
    if gone:
        return COMPLETE, "All targets have vanished." if total == 0 else "All targets have vanished, nodes are normal."
    if at_least(baseline * (1 + PARTIAL_CHANGE), total):
        return PARTIAL, f"The sum is {-_change(total, baseline):.0%} below baseline."
    return STABLE, f"{_change(total, baseline):+.0%} from baseline, {total - nadir:+.1f} mm from the smallest sum."


def _with_others(visit: Visit, others: Sequence[str], category: str, reason: str) -> tuple[str, str]:
    """The overall category with the non-target lesions, by table 1 of RECIST 1.1."""
    progressing = [name for name in others if visit.non_targets.get(name) == PROGRESSING]
    if progressing and category != PROGRESSION:
        return PROGRESSION, f"The non-target {', '.join(progressing)} progresses."
    if category != COMPLETE:
        return category, reason
    unknown = [name for name in others if name not in visit.non_targets]
    left = [name for name in others if visit.non_targets.get(name) == PRESENT]
    if left:
        return PARTIAL, f"{reason} The non-target {', '.join(left)} is still there."
    if unknown:
        return PARTIAL, f"{reason} The non-target {', '.join(unknown)} was not assessed."
    return category, reason


def _change(total: float, reference: float) -> float:
    if reference == 0:
        return 0.0 if total == 0 else math.inf
    return total / reference - 1.0
