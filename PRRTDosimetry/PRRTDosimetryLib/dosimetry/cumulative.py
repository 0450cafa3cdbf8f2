"""Dose and effect of each organ over all cycles of a patient, as tables and as rows of ``measurements.csv``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import Measurement

from PRRTDosimetryLib.dosimetry.derived_intervals import EffectIntervals, total_effects
from PRRTDosimetryLib.dosimetry.dose_intervals import interval_text
from PRRTDosimetryLib.effect.cycles import CumulativeEffect, joined_cycles
from PRRTDosimetryLib.effect.limits import ReferenceLimit, reference_limits
from PRRTDosimetryLib.uncertainty.chain import sum_uncertainty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.dosimetry.dose_rows import Labels
    from PRRTDosimetryLib.dosimetry.engine import Dosimetry

VISIT = "all cycles"
"""The visit of the rows that sum cycles; their cycle is the last one summed."""


@dataclass(frozen=True)
class OrganTotal:
    """Sums over cycles of one organ.

    Attributes
    ----------
    organ : as the phantom names it.
    cycles, doses_Gy : the cycles that are summed, and the dose of each.
    effect : BED and EQD2, summed over cycles; None for an organ without radiosensitivity.
    limits : reference values of the literature, none of them a verdict.
    u_dose_Gy : standard uncertainty of the sum: what the cycles share (calibration, S-value, resolution, contour) adds
        linearly, each cycle's own (counts, fit) by squares; nan where it is not known.
    known : 95 % intervals of dose, BED and EQD2, from draws in which the cycles share the same.
    """

    organ: str
    cycles: tuple[int, ...]
    doses_Gy: tuple[float, ...]
    effect: CumulativeEffect | None
    limits: tuple[ReferenceLimit, ...]
    u_dose_Gy: float = math.nan
    known: EffectIntervals = field(default_factory=EffectIntervals)

    @property
    def dose_Gy(self) -> float:
        """Absorbed dose of all cycles."""
        return math.fsum(self.doses_Gy)


def organ_totals(results: Sequence[Dosimetry]) -> tuple[OrganTotal, ...]:
    """Dose, BED and EQD2 of every organ over the cycles in ``results``, BED within each cycle and then summed.

    Where an organ's regions were measured, its dose is that of the regions, as in the effect of each cycle; else that
    by S-values.

    Raises
    ------
    PRRTError
        If a cycle is given twice.
    """
    names = dict.fromkeys(name for result in results for name in (*result.effects, *result.organs))
    return tuple(_total(name, results) for name in names)


def total_rows(totals: Sequence[OrganTotal], labels: Labels) -> tuple[Measurement, ...]:
    """``cumulative_dose``, and ``cumulative_bed`` and ``cumulative_eqd2`` where known, in Gy, per organ."""
    rows = []
    for total in totals:
        values = [("cumulative_dose", total.dose_Gy, total.u_dose_Gy, total.known.dose)]
        if total.effect is not None:
            values.append(("cumulative_bed", total.effect.bed_Gy, math.nan, total.known.bed))
            values.append(("cumulative_eqd2", total.effect.eqd2_Gy, math.nan, total.known.eqd2))
        names = (labels.patient, max(total.cycles), labels.visit, labels.image, total.organ, "organ", "none", "")
        for metric, value, u, known in values:
            row = Measurement(*names, metric, value, "Gy", u)
            if known is not None:
                row = replace(row, uncertainty=known.u, lower_95=known.lower, upper_95=known.upper)
            rows.append(row)
    return tuple(rows)


def total_cells(totals: Sequence[OrganTotal]) -> tuple[list[str], list[list[object]]]:
    """Header and rows of a table of all organs."""
    header = ["organ", "cycles", "dose by cycle Gy", "dose Gy", "u Gy", "95 % Gy", "BED Gy", "95 % Gy", "EQD2 Gy"]
    cells: list[list[object]] = []
    for total in totals:
        effect = total.effect
        bed, eqd2 = (effect.bed_Gy, effect.eqd2_Gy) if effect is not None else (math.nan, math.nan)
        cycles, doses = ", ".join(map(str, total.cycles)), " + ".join(f"{dose:.3g}" for dose in total.doses_Gy)
        known = total.known
        u = total.u_dose_Gy if known.dose is None else known.dose.u
        row: list[object] = [total.organ, cycles, doses, total.dose_Gy, u, interval_text(known.dose)]
        cells.append([*row, bed, interval_text(known.bed), eqd2])
    return header, cells


def limit_cells(totals: Sequence[OrganTotal]) -> tuple[list[str], list[list[object]]]:
    """Header and rows of a table of reference values beside what they refer to."""
    header = ["organ", "quantity", "here Gy", "reference Gy", "meaning", "source"]
    cells: list[list[object]] = []
    for total in totals:
        bed = total.effect.bed_Gy if total.effect is not None else math.nan
        for one in total.limits:
            here = bed if one.quantity == "BED" else total.dose_Gy
            cells.append([one.organ, one.quantity, here, one.value_Gy, one.meaning, one.source])
    return header, cells


def _total(organ: str, results: Sequence[Dosimetry]) -> OrganTotal:
    with_it = [result for result in results if organ in result.effects or organ in result.organs]
    own = [result for result in with_it if _has_curve(result, organ)]
    with_it = own or with_it  # a cycle without its curve has its cross dose alone, which would pass for its dose
    effects = [result.effects[organ] for result in with_it if organ in result.effects]
    doses = tuple(
        result.effects[organ].dose_Gy if organ in result.effects else result.organs[organ].dose_Gy for result in with_it
    )
    complete = len(effects) == len(with_it)  # the effect of some of the cycles alone would pass for that of all
    return OrganTotal(
        organ,
        tuple(result.patient.cycle for result in with_it),
        doses,
        joined_cycles(effects) if complete else None,
        reference_limits(organ),
        _u_of_sum(organ, with_it) if complete else math.nan,
        total_effects(with_it, organ),
    )


def _has_curve(result: Dosimetry, organ: str) -> bool:
    return organ in result.effects or result.organs[organ].self_Gy > 0


def incomplete_words(totals: Sequence[OrganTotal], cycles: Sequence[int]) -> tuple[str, ...]:
    """One sentence per organ whose sum does not hold all of ``cycles``, since it has no curve in some."""
    found = []
    for total in totals:
        missing = [cycle for cycle in cycles if cycle not in total.cycles]
        if missing:
            named = ", ".join(map(str, missing))
            found.append(
                f"The sum over cycles of {total.organ} is without cycle{'s' * (len(missing) > 1)} {named}, where it "
                "has no curve: it is a lower bound."
            )
    return tuple(found)


def _u_of_sum(organ: str, results: Sequence[Dosimetry]) -> float:
    """Of an organ whose regions were measured in every cycle, by the mass-weighted mean of its regions."""
    parts = []
    for result in results:
        regions = [
            dose for dose in result.regions.values() if dose.region.organ == organ and dose.region.kind == "organ"
        ]
        mass = sum(dose.mass_g for dose in regions)
        for dose in regions:
            known = dose.uncertainty
            shared, own = known.parts_Gy(dose.dose_Gy) if known is not None else (dose.u_dose_Gy, 0.0)
            parts.append((shared * dose.mass_g / mass, own * dose.mass_g / mass))
    return sum_uncertainty(parts) if parts else math.nan
