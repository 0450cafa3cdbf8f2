"""The 95 % intervals of doses, lobes and therapeutic indices, and what is in them, from the draws of the chain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.uptake.uncertainty import aggregated, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.uptake.uncertainty import DrawnValue, UncertainValue

    from PRRTDosimetryLib.dosimetry.engine import Dosimetry, RegionDose

COMPONENTS = {
    "calibration": "calibration of the camera",
    "S-value": "dose per activity (S-value)",
    "counts": "counting noise",
    "fit": "fit of the curve",
    "recovery": "recovery coefficient",
    "volume": "contour (volume)",
}
_LOSS = "partial volume, not corrected"  # of the chain's budget
_SAME = 1e-9  # relative: the dose is the corrected one


@dataclass(frozen=True, kw_only=True)
class LobeIntervals:
    """What is known of one lobe: dose of its healthy liver, geometric mean of its lesions, and their ratio.

    None for the lesions and the index of a lobe without lesions. Doses of one patient share calibration and S-value,
    which cancel in the index.
    """

    healthy: UncertainValue
    lesions: UncertainValue | None
    index: UncertainValue | None


def is_corrected(dose: RegionDose) -> bool:
    """Whether a region's dose is the one corrected for partial volume by the transfer matrix or a phantom."""
    known = dose.uncertainty
    if known is None or math.isnan(known.corrected_Gy):
        return False
    return math.isclose(known.corrected_Gy, dose.dose_Gy, rel_tol=_SAME)


def corrected_dose_Gy(dose: RegionDose) -> float:
    """What correction for partial volume would give a dose that is not corrected; nan where that is not known."""
    return math.nan if dose.uncertainty is None or is_corrected(dose) else dose.uncertainty.corrected_Gy


def lobe_intervals(result: Dosimetry) -> dict[str, LobeIntervals]:
    """By lobe, left or right, in the order of the comparison; empty without lobes or without the chain's inputs."""
    if result.lobes is None or result.chain is None:
        return {}
    drawn, found = result.chain.doses, {}
    for lobe in result.lobes.lobes:
        healthy = drawn[region_of_lobe(result, lobe.lobe)]
        mine = [drawn[name] for name, dose in result.regions.items() if _is_lesion_of(dose, lobe.lobe)]
        lesions = aggregated(mine, "geometric-mean") if mine else None
        found[lobe.lobe] = LobeIntervals(
            healthy=known_of([healthy], healthy),
            lesions=None if lesions is None else known_of(mine, lesions),
            index=None if lesions is None else known_of([*mine, healthy], ratio(lesions, healthy)),
        )
    return found


def lesion_index(result: Dosimetry, name: str) -> UncertainValue | None:
    """Therapeutic index of one lesion by the name of its region; None where its interval is not known."""
    if result.chain is None or result.lobes is None:
        return None
    own = region_of_lobe(result, result.regions[name].region.lobe)
    lesion, healthy = result.chain.doses[name], result.chain.doses[own]
    return known_of([lesion, healthy], ratio(lesion, healthy))


def interval_words(result: Dosimetry) -> str:
    """What is in the 95 % intervals of the doses: one line under their table; "" where none is known."""
    known = [dose.uncertainty for dose in result.regions.values() if dose.uncertainty is not None]
    names = dict.fromkeys(part.name for one in known for part in one.budget if part.share > 0)
    if not names:
        return ""
    parts = [COMPONENTS.get(name, name) for name in names if name != _LOSS]
    if _LOSS in names:
        parts.append("the loss by partial volume where a dose is not corrected for it")
    left_out = dict.fromkeys(COMPONENTS.get(name, name) for one in known for name in one.unknown)
    more = f" Not known, and so not in all of them: {', '.join(left_out)}." if left_out else ""
    return f"In the 95 % intervals of the doses are: {', '.join(parts)}.{more}"


def interval_text(known: UncertainValue | None) -> str:
    """An interval in words, blank where it is not known."""
    return "" if known is None else range_text(known.lower, known.upper)


def range_text(low: float, high: float) -> str:
    """Both ends with three digits, blank where one is not known.

    Examples
    --------
    >>> range_text(5350.4, 9280.0), range_text(3.0, 3.994), range_text(float("nan"), 1.0)
    ('5350 to 9280', '3.00 to 3.99', '')
    """
    return "" if math.isnan(low) or math.isnan(high) else f"{number(low)} to {number(high)}"


def region_of_lobe(result: Dosimetry, lobe: str) -> str:
    """Name of the healthy liver's region of a lobe, left or right."""
    return next(
        name for name, dose in result.regions.items() if dose.region.kind == "lobe" and dose.region.lobe == lobe
    )


def _is_lesion_of(dose: RegionDose, lobe: str) -> bool:
    return dose.region.kind == "lesion" and dose.region.lobe == lobe


def known_of(parts: Sequence[DrawnValue], whole: DrawnValue) -> UncertainValue:
    """As measured with the loss in it, unless every part is corrected (or nothing is known of its loss)."""
    return whole.result(all(math.isclose(one.measured, one.corrected, rel_tol=_SAME) for one in parts))
