"""Response to therapy at follow-up: RECIST 1.1 and change of volume, per patient and per lobe.

RECIST 1.1: E. Eisenhauer et al., Eur J Cancer 2009;45:228, doi:10.1016/j.ejca.2008.10.026. Its target set is its own:
at baseline up to five lesions in all and two per organ, each at least 10 mm; it need not be the trial's uptake targets.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMPLETE, PARTIAL, STABLE, PROGRESSION, NOT_EVALUABLE = "CR", "PR", "SD", "PD", "NE"
MAXIMUM_TARGETS, MAXIMUM_PER_ORGAN, MINIMUM_MM = 5, 2, 10.0
PARTIAL_CHANGE, PROGRESSION_CHANGE, PROGRESSION_MM = -0.30, 0.20, 5.0


class ResponseError(PRRTError):
    """Response cannot be assessed."""


@dataclass(frozen=True)
class BaselineLesion:
    """A lesion at baseline: its organ ("liver", "bone", ...), lobe, and longest axial diameter."""

    lesion_id: str
    organ: str
    longest_axial_mm: float
    lobe: str = "none"


@dataclass(frozen=True)
class Visit:
    """One time point.

    Attributes
    ----------
    name : for instance "baseline" or "12 months".
    sizes : diameter in mm (or volume in mL) by lesion id: 0 for a lesion that vanished; one that is not listed was not
        assessed.
    new_lesions : ids of lesions that appeared since baseline, seen at this visit; they mean progression.
    """

    name: str
    sizes: Mapping[str, float]
    new_lesions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for lesion, size in self.sizes.items():
            if not (math.isfinite(size) and size >= 0):
                raise ResponseError(
                    f"Visit '{self.name}': the size of {lesion} is {size}; give 0 or more, 0 if vanished."
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

    With CT slices thicker than 5 mm the minimum is twice the slice thickness.

    Examples
    --------
    >>> sizes = {"L1": 50.0, "R1": 40.0, "R2": 35.0}
    >>> lesions = [BaselineLesion(name, "liver", size) for name, size in sizes.items()]
    >>> recist_targets([*lesions, BaselineLesion("E1", "bone", 9.0), BaselineLesion("E2", "node", 20.0)])
    ('L1', 'R1', 'E2')

    Raises
    ------
    ResponseError
        If no lesion is large enough.
    """
    per_organ: Counter[str] = Counter()
    chosen: list[str] = []
    for lesion in sorted(lesions, key=lambda item: (-item.longest_axial_mm, item.lesion_id)):
        measurable = lesion.longest_axial_mm >= minimum_mm
        if measurable and per_organ[lesion.organ] < MAXIMUM_PER_ORGAN and len(chosen) < MAXIMUM_TARGETS:
            per_organ[lesion.organ] += 1
            chosen.append(lesion.lesion_id)
    if not chosen:
        raise ResponseError(f"No lesion measures {minimum_mm:g} mm or more at baseline, so RECIST has no target.")
    return tuple(chosen)


def recist_response(visits: Sequence[Visit], targets: Sequence[str]) -> tuple[Response, ...]:
    """RECIST 1.1 response of the target lesions at each visit; the first visit is the baseline.

    PD: the sum is at least 20 % and at least 5 mm above the nadir, or a new lesion; CR: all vanished; PR: the sum is at
    least 30 % below baseline; NE: a target was not assessed and the others do not show progression; else SD.

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
        category, reason = _category(visit, total, totals[0], nadir, missing)
        result.append(Response(visit.name, total, _change(total, totals[0]), _change(total, nadir), category, reason))
        if not missing:
            nadir = min(nadir, total)
    return tuple(result)


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


def recist_table(visits: Sequence[Visit], lesions: Sequence[BaselineLesion]) -> ResponseTable:
    """RECIST 1.1 of the patient (its own target set) and of each lobe.

    RECIST knows no lobes: a lobe's response follows the same rules, with the two largest measurable lesions of that
    lobe as its targets, since the patient's two liver targets may lie in one lobe. A new lesion counts in the lobe that
    its id names (L, R, C).
    """
    patient = recist_response(visits, recist_targets(lesions))
    lobes = {}
    for lobe, prefix in (("left", "L"), ("right", "R"), ("caudate", "C")):
        own = [lesion for lesion in lesions if lesion.lobe == lobe and lesion.longest_axial_mm >= MINIMUM_MM]
        if own:
            seen = [
                Visit(visit.name, visit.sizes, tuple(name for name in visit.new_lesions if name.startswith(prefix)))
                for visit in visits
            ]
            lobes[lobe] = recist_response(seen, recist_targets(own))
    return ResponseTable(patient, lobes)


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


def _category(visit: Visit, total: float, baseline: float, nadir: float, missing: Sequence[str]) -> tuple[str, str]:
    growth = total - nadir
    if visit.new_lesions:
        return PROGRESSION, f"New lesion {', '.join(visit.new_lesions)}."
    if _reaches(growth, PROGRESSION_MM) and _reaches(growth, PROGRESSION_CHANGE * nadir):
        return PROGRESSION, f"The sum is {growth:.1f} mm above the smallest sum ({nadir:.1f} mm)."
    if missing:
        return NOT_EVALUABLE, f"Target {', '.join(missing)} was not assessed."
    if total == 0:
        return COMPLETE, "All targets have vanished."
    if _reaches(baseline - total, -PARTIAL_CHANGE * baseline):
        return PARTIAL, f"The sum is {-_change(total, baseline):.0%} below baseline."
    return STABLE, f"{_change(total, baseline):+.0%} from baseline, {growth:+.1f} mm from the smallest sum."


def _reaches(value: float, limit: float) -> bool:
    """At least the limit, up to rounding of sums of tenths of millimetres."""
    return value >= limit - 1e-9


def _change(total: float, reference: float) -> float:
    if reference == 0:
        return 0.0 if total == 0 else math.inf
    return total / reference - 1.0
