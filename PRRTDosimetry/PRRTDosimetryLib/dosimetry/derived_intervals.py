"""95 % intervals of what follows from doses and activities, by draws: TIA, BED, EQD2, organs, sums of cycles, lobes.

Everything is formed from the draws of the chain, so that what regions, organs and cycles share (calibration, S-value,
resolution, contour) adds up in sums and cancels in ratios. The radiosensitivity (alpha/beta, repair) and the half-life
behind the protraction factor are taken as known: their errors are in no interval of BED and EQD2. Administered activity
is taken as known too, so that a TIAC is as uncertain as its TIA. Doses of organs of the phantom have an interval where
nearly all of them is from activity that was drawn; without the remainder of the body, others are lower bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.uncertainty import DrawnValue, UncertainValue, aggregated, mapped, ratio, summed

from PRRTDosimetryLib.dose.phantom import RED_MARROW, TOTAL_BODY
from PRRTDosimetryLib.dosimetry.dose_intervals import is_corrected, known_of, region_of_lobe
from PRRTDosimetryLib.dosimetry.red_marrow import red_marrow_tia
from PRRTDosimetryLib.effect.bed import bed_Gy, eqd2_Gy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.dosimetry.engine import Dosimetry, RegionDose
    from PRRTDosimetryLib.effect.cycles import CumulativeEffect

_NOT_DRAWN = 0.1  # share of an organ's dose that may come from sources without draws (marrow by blood, remainder)
NOT_IN_THEM = (
    "Not in the intervals: errors of alpha/beta, repair half-time and protraction (BED, EQD2), and of the administered "
    "activity (TIAC)."
)


@dataclass(frozen=True, kw_only=True)
class EffectIntervals:
    """Of a dose and its effect; each None where it is not known."""

    dose: UncertainValue | None = None
    bed: UncertainValue | None = None
    eqd2: UncertainValue | None = None


def tia_interval(result: Dosimetry, name: str) -> UncertainValue | None:
    """Of a region's time-integrated activity in MBq h; None where the chain's inputs are not known."""
    if result.chain is None or name not in result.chain.tias:
        return None
    drawn = result.chain.tias[name]
    return drawn.result(is_corrected(result.regions[name]) or drawn.measured == drawn.corrected)


def region_effect(result: Dosimetry, dose: RegionDose) -> EffectIntervals:
    """BED and EQD2 of one region; nothing where it has no effect or no draws."""
    if result.chain is None or dose.effect is None:
        return EffectIntervals()
    drawn = result.chain.doses[dose.name]
    return _effect([drawn], [drawn], [dose.effect])


def organ_effects(result: Dosimetry) -> dict[str, EffectIntervals]:
    """Dose, BED and EQD2 of every organ whose regions were measured, by organ."""
    found = {}
    for organ, effect in result.effects.items():
        parts, mean = _measured_organ(result, organ)
        if mean is not None:
            found[organ] = _effect(parts, [mean], [effect])
    return found


def total_effects(results: Sequence[Dosimetry], organ: str) -> EffectIntervals:
    """Dose, BED and EQD2 of an organ over cycles; nothing where one of them has no draws."""
    parts, means = [], []
    for result in results:
        mine, mean = _measured_organ(result, organ)
        if mean is None:
            mean = organ_draws(result).get(organ)
            mine = [] if mean is None else [mean]
        if mean is None:
            return EffectIntervals()
        parts += mine
        means.append(mean)
    effects = [result.effects[organ] for result in results if organ in result.effects]
    return _effect(parts, means, effects if len(effects) == len(results) else [])


def marrow_interval(result: Dosimetry) -> tuple[float, UncertainValue | None] | None:
    """Time-integrated activity of the red marrow in MBq h, and its interval; None where vertebrae do not give it."""
    found = red_marrow_tia(result)
    if found is None:
        return None
    value, drawn = found
    return value, None if drawn is None else known_of([drawn], drawn)


def organ_intervals(result: Dosimetry) -> dict[str, UncertainValue]:
    """Doses of the phantom's organs in Gy, of those that are no lower bounds."""
    corrected = all(is_corrected(dose) for dose in result.regions.values())
    return {organ: drawn.result(corrected) for organ, drawn in organ_draws(result).items()}


def organ_draws(result: Dosimetry) -> dict[str, DrawnValue]:
    """The draws behind ``organ_intervals``: each source's contribution goes with its activity.

    An organ's own contribution goes with its concentration, in which an error of the volume mostly cancels.
    """
    chain = result.chain
    if chain is None:
        return {}
    sources = {name for dose in result.organs.values() for name, _ in dose.contributions_Gy}
    whole = any(name.startswith("remainder") for name in sources)
    found = {}
    for organ, dose in result.organs.items():
        if not whole and (organ in (RED_MARROW, TOTAL_BODY) or not dose.self_Gy > 0):
            continue
        parts, sure_Gy = [], 0.0
        for source, gray in dose.contributions_Gy:
            relative = _relative(result, source, organ) if gray > 0 else None
            if relative is None:
                sure_Gy += gray
            else:  # a concentration's draws have the S-value in them
                with_s = source == organ and organ != RED_MARROW
                parts.append(_scaled(relative, gray, 0.0 * chain.s_value if with_s else chain.s_value))
        if parts and sure_Gy <= _NOT_DRAWN * dose.dose_Gy:
            rest = [DrawnValue(sure_Gy, sure_Gy, chain.s_value, chain.s_value)] if sure_Gy > 0 else []
            found[organ] = summed([*parts, *rest])
    return found


def lobe_ratio(result: Dosimetry) -> UncertainValue | None:
    """Therapeutic index of the first lobe over that of the second, in which all that they share cancels."""
    lobes = result.lobes
    if lobes is None or result.chain is None or len(lobes.lobes) < 2 or math.isnan(lobes.ratio):
        return None
    drawn, parts, indices = result.chain.doses, [], []
    for lobe in lobes.lobes:
        healthy = drawn[region_of_lobe(result, lobe.lobe)]
        lesions = [
            drawn[name]
            for name, dose in result.regions.items()
            if dose.region.kind == "lesion" and dose.region.lobe == lobe.lobe
        ]
        indices.append(ratio(aggregated(lesions, "geometric-mean"), healthy))
        parts += [healthy, *lesions]
    return known_of(parts, ratio(*indices))


def map_mean(result: Dosimetry, name: str, mean_Gy: float) -> UncertainValue | None:
    """Mean of a dose map over a region: as uncertain as the region's dose, from the same images; None where unknown.

    The map is not corrected for partial volume: where the region's dose is, the interval reaches up to that one's.
    """
    dose = result.regions.get(name)
    known = None if dose is None else dose.uncertainty
    if dose is None or known is None or not mean_Gy > 0:
        return None
    low, high = known.interval_Gy
    scale = mean_Gy / dose.dose_Gy
    ends, u = (scale * low, scale * high), scale * known.u_dose_Gy
    if is_corrected(dose):
        ends = (min(ends[0], low), max(ends[1], high))
        u = math.hypot(u, dose.dose_Gy - mean_Gy)
    return UncertainValue(value=mean_Gy, u=u, lower=ends[0], upper=ends[1], contents=known.contents)


def _effect(
    parts: Sequence[DrawnValue], means: Sequence[DrawnValue], effects: Sequence[CumulativeEffect]
) -> EffectIntervals:
    """Of doses of one or several cycles, each with its effect; ``parts`` say whether all is corrected."""
    dose = known_of(parts, summed(means))
    if not effects:
        return EffectIntervals(dose=dose)
    tissue, beds = effects[0].tissue, []
    for mean, effect in zip(means, effects, strict=True):
        beds.append(
            mapped(mean, partial(beds_Gy, protraction=effect.protraction[0], alpha_beta_Gy=tissue.alpha_beta_Gy))
        )
    bed = summed(beds)
    eqd2 = mapped(bed, lambda gray: np.asarray(eqd2_Gy(1.0, tissue.alpha_beta_Gy) * gray))
    return EffectIntervals(dose=dose, bed=known_of(parts, bed), eqd2=known_of(parts, eqd2))


def beds_Gy(dose_Gy: np.ndarray, protraction: float, alpha_beta_Gy: float) -> np.ndarray:
    """``effect.bed.bed_Gy`` of many doses, any shape."""
    unit = bed_Gy(1.0, protraction, alpha_beta_Gy) - 1.0  # G / (alpha/beta)
    return np.asarray(dose_Gy * (1.0 + unit * dose_Gy))


def _measured_organ(result: Dosimetry, organ: str) -> tuple[list[DrawnValue], DrawnValue | None]:
    """The draws of an organ's regions and of its mean dose by their masses."""
    doses = [dose for dose in result.regions.values() if dose.region.organ == organ and dose.region.kind == "organ"]
    if result.chain is None or not doses or any(not dose.dose_Gy > 0 for dose in doses):
        return [], None
    parts = [result.chain.doses[dose.name] for dose in doses]
    return parts, aggregated(parts, "volume-weighted-mean", [dose.mass_g for dose in doses])


def _relative(result: Dosimetry, source: str, target: str) -> DrawnValue | None:
    """What may be in truth of a source's activity (or, for the organ itself, concentration); None where not drawn."""
    chain = result.chain
    assert chain is not None
    if source == RED_MARROW:
        found = red_marrow_tia(result)
        return None if found is None else found[1]
    organ = source.removeprefix("lesions in ")
    kinds = ("lesion",) if source != organ else ("organ",)
    mine = [dose for dose in result.regions.values() if dose.region.organ == organ]
    regions = [dose for dose in mine if dose.region.kind in kinds]
    if not regions and source == organ:
        regions = [dose for dose in mine if dose.region.kind == "lobe"]
    if not regions:
        return None
    if source == target and all(dose.dose_Gy > 0 for dose in regions):
        masses = [dose.mass_g for dose in regions]
        return aggregated([chain.doses[dose.name] for dose in regions], "volume-weighted-mean", masses)
    return summed([chain.tias[dose.name] for dose in regions])


def _scaled(relative: DrawnValue, gray: float, s_value: np.ndarray) -> DrawnValue:
    """A contribution in Gy by its source's draws."""
    corrected = gray * relative.corrected / relative.measured
    return DrawnValue(gray, corrected, relative.own + s_value, relative.truth + s_value)
