"""PERCIST 1.0: response by the SULpeak of the hottest lesion (R. Wahl et al., doi:10.2967/jnumed.108.057307).

It was made for 18F-FDG. For somatostatin receptor PET the limits are not validated: say so where it is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation.errors import ResponseError
from PRRTUptakeLib.statistics.ties import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETE, PARTIAL, STABLE, PROGRESSION, NOT_EVALUABLE = "CMR", "PMR", "SMD", "PMD", "NE"
SHARE, UNITS = 0.30, 0.8  # of the earlier SULpeak, and in SUL: a change needs both
LIVER_SHARE, LIVER_UNITS = 0.20, 0.3  # by which healthy liver may differ from baseline for the PETs to be comparable


@dataclass(frozen=True, kw_only=True)
class PetVisit:
    """One PET: SULpeak of its hottest lesion (0 if none is seen), healthy liver's mean and SD of SUL, new lesions.

    ``volume_change`` is the change of the total lesion glycolysis or lesion volume from baseline as a fraction, nan
    where not known: from +0.75 on, with a SULpeak that has not declined, it is progression. ``progressing`` are lesions
    that are followed without being measured and progress unequivocally.
    """

    name: str
    sul_peak: float
    liver_mean: float
    liver_sd: float
    new_lesions: tuple[str, ...] = ()
    volume_change: float = math.nan
    progressing: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetabolicResponse:
    """Category (CMR, PMR, SMD, PMD, NE; "" at baseline), change of SULpeak from baseline as a fraction, and why."""

    visit: str
    change: float
    category: str
    reason: str


def percist_response(visits: Sequence[PetVisit]) -> tuple[MetabolicResponse, ...]:
    """Metabolic response at each PET; the first is the baseline.

    Raises
    ------
    ResponseError
        If there is no visit, or the baseline's hottest lesion does not exceed 1.5 x liver mean + 2 SD.

    Examples
    --------
    >>> liver = {"liver_mean": 2.0, "liver_sd": 0.3}
    >>> visits = [PetVisit(name="b", sul_peak=10, **liver), PetVisit(name="3 m", sul_peak=7, **liver)]
    >>> percist_response(visits)[1].category
    'PMR'
    """
    if not visits:
        raise ResponseError("PERCIST needs a baseline PET and a later one.")
    first = visits[0]
    least = 1.5 * first.liver_mean + 2.0 * first.liver_sd
    if not at_least(first.sul_peak, least):
        raise ResponseError(
            f"Visit '{first.name}': the hottest lesion has a SULpeak of {first.sul_peak:.2f}, but PERCIST needs "
            f"{least:.2f} (1.5 x liver mean + 2 SD)."
        )
    found = [MetabolicResponse(first.name, math.nan, "", "Baseline.")]
    for visit in visits[1:]:
        category, reason = _category(visit, first)
        found.append(MetabolicResponse(visit.name, visit.sul_peak / first.sul_peak - 1.0, category, reason))
    return tuple(found)


def _category(visit: PetVisit, first: PetVisit) -> tuple[str, str]:
    now, before = visit.sul_peak, first.sul_peak
    if visit.new_lesions:
        return PROGRESSION, f"New lesion {', '.join(visit.new_lesions)}."
    if visit.progressing:
        return PROGRESSION, f"{', '.join(visit.progressing)} progresses."
    differs = abs(visit.liver_mean - first.liver_mean)
    if not (at_least(LIVER_SHARE * first.liver_mean, differs) and at_least(LIVER_UNITS, differs)):
        return NOT_EVALUABLE, (
            f"Healthy liver has a SUL of {visit.liver_mean:.2f}, at baseline {first.liver_mean:.2f}: PERCIST compares "
            f"PETs within {LIVER_SHARE:.0%} and {LIVER_UNITS:g}. SULpeak is {now / before - 1:+.0%} from baseline."
        )
    if at_least(now, before * (1 + SHARE)) and at_least(now, before + UNITS):
        return PROGRESSION, f"SULpeak is {now / before - 1:+.0%} and {now - before:+.1f} from baseline."
    if at_least(visit.volume_change, 0.75) and at_least(now, before):
        return PROGRESSION, f"Total lesion uptake is {visit.volume_change:+.0%} from baseline, SULpeak no lower."
    if not at_least(now, visit.liver_mean):
        return COMPLETE, "No lesion exceeds the healthy liver's mean."
    if at_least(before * (1 - SHARE), now) and at_least(before - UNITS, now):
        return PARTIAL, f"SULpeak is {now / before - 1:+.0%} and {now - before:+.1f} from baseline."
    return STABLE, f"SULpeak is {now / before - 1:+.0%} from baseline."
