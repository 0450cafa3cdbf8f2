"""Dose and effect over several cycles: BED is formed per cycle and then summed, since repair is complete in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTDosimetryLib.effect.bed import Tissue, bed_Gy, dose_protraction_factor, eqd2_Gy
from PRRTDosimetryLib.effect.errors import EffectError
from PRRTDosimetryLib.effect.limits import ReferenceLimit, reference_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.kinetics.curve_shape import Shape


@dataclass(frozen=True)
class CycleDose:
    """Absorbed dose of one organ in one cycle, the course of its activity, and the standard uncertainty, if known."""

    cycle: int
    dose_Gy: float
    shape: Shape
    u_dose_Gy: float = math.nan


@dataclass(frozen=True)
class CumulativeEffect:
    """Sums over cycles of one organ.

    Attributes
    ----------
    organ, tissue : what was irradiated, with which radiosensitivity.
    cycles : numbers of the cycles that are summed.
    dose_Gy, u_dose_Gy : sum of the absorbed doses; uncertainties of cycles share calibration and volume, so they add
        linearly (fully correlated, the cautious case).
    bed_Gy, eqd2_Gy : sum of the cycles' BED, and its equivalent in fractions of 2 Gy.
    protraction : G of each cycle.
    limits : reference values of the literature for this organ.
    """

    organ: str
    tissue: Tissue
    cycles: tuple[int, ...]
    dose_Gy: float
    u_dose_Gy: float
    bed_Gy: float
    eqd2_Gy: float
    protraction: tuple[float, ...]
    limits: tuple[ReferenceLimit, ...]


def cumulative_effect(organ: str, cycles: Sequence[CycleDose], tissue: Tissue) -> CumulativeEffect:
    """Sum doses and BED of an organ over cycles.

    Raises
    ------
    EffectError
        For no cycles, a cycle given twice, or a negative dose.

    Examples
    --------
    >>> from PRRTDosimetryLib.effect.bed import KIDNEY
    >>> from PRRTDosimetryLib.kinetics.curve_shape import Shape
    >>> shape = Shape(((1.0, math.log(2) / 50),))
    >>> four = cumulative_effect("kidneys", [CycleDose(n, 5.0, shape) for n in (1, 2, 3, 4)], KIDNEY)
    >>> round(four.dose_Gy, 2), round(four.bed_Gy, 2)  # one cycle of 20 Gy would be 28.16 Gy
    (20.0, 22.04)
    """
    numbers = tuple(cycle.cycle for cycle in cycles)
    if not numbers or len(set(numbers)) < len(numbers):
        raise EffectError(f"{organ}: the cycles are {numbers or 'none'}; give each cycle once.")
    factors = tuple(dose_protraction_factor(cycle.shape, tissue.repair_half_time_h) for cycle in cycles)
    bed = sum(
        bed_Gy(cycle.dose_Gy, factor, tissue.alpha_beta_Gy) for cycle, factor in zip(cycles, factors, strict=True)
    )
    return CumulativeEffect(
        organ,
        tissue,
        numbers,
        sum(cycle.dose_Gy for cycle in cycles),
        sum(cycle.u_dose_Gy for cycle in cycles),
        bed,
        eqd2_Gy(bed, tissue.alpha_beta_Gy),
        factors,
        reference_limits(organ),
    )


def joined_cycles(parts: Sequence[CumulativeEffect]) -> CumulativeEffect:
    """The effects of several cycles of one organ as one: doses and BED add, since BED was formed within each cycle.

    Raises
    ------
    EffectError
        For nothing to join, different organs or radiosensitivities, or a cycle given twice.

    Examples
    --------
    >>> from PRRTDosimetryLib.effect.bed import KIDNEY
    >>> from PRRTDosimetryLib.kinetics.curve_shape import Shape
    >>> shape = Shape(((1.0, math.log(2) / 50),))
    >>> each = [cumulative_effect("kidneys", [CycleDose(n, 5.0, shape)], KIDNEY) for n in (1, 2, 3, 4)]
    >>> round(joined_cycles(each).bed_Gy, 2)
    22.04
    """
    if len({(part.organ, part.tissue) for part in parts}) != 1:
        raise EffectError("Cycles can be joined only of one organ with one radiosensitivity; give the same for all.")
    first = parts[0]
    numbers = tuple(cycle for part in parts for cycle in part.cycles)
    if len(set(numbers)) < len(numbers):
        raise EffectError(f"{first.organ}: the cycles are {numbers}; give each cycle once.")
    bed = sum(part.bed_Gy for part in parts)
    return CumulativeEffect(
        first.organ,
        first.tissue,
        numbers,
        sum(part.dose_Gy for part in parts),
        sum(part.u_dose_Gy for part in parts),
        bed,
        eqd2_Gy(bed, first.tissue.alpha_beta_Gy),
        tuple(factor for part in parts for factor in part.protraction),
        first.limits,
    )
