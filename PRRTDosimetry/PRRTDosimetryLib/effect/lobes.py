"""Lobe against lobe: healthy-liver dose, lesion doses and therapeutic index of the treated and the control lobe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.vocabulary import OPPOSITE_LOBE

from PRRTDosimetryLib.effect.errors import EffectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class LesionDose:
    """Dose of one lesion; ``u_dose_Gy`` is nan if not known."""

    lesion: str
    lobe: str
    dose_Gy: float
    u_dose_Gy: float = math.nan


@dataclass(frozen=True)
class LobeDose:
    """Doses of one lobe.

    Attributes
    ----------
    lobe : left or right.
    allocation : treated or control, "" while blinded.
    healthy_Gy, u_healthy_Gy : mean dose of the lobe's healthy liver.
    lesions : its lesions.
    """

    lobe: str
    allocation: str
    healthy_Gy: float
    u_healthy_Gy: float
    lesions: tuple[LesionDose, ...]

    @property
    def lesion_Gy(self) -> float:
        """Geometric mean of the lesions' doses; nan without lesions."""
        if not self.lesions or any(lesion.dose_Gy <= 0 for lesion in self.lesions):
            return math.nan
        return math.exp(sum(math.log(lesion.dose_Gy) for lesion in self.lesions) / len(self.lesions))

    @property
    def therapeutic_index(self) -> float:
        """Lesion dose over the dose of the healthy liver of the same lobe."""
        return self.lesion_Gy / self.healthy_Gy


@dataclass(frozen=True)
class LobeComparison:
    """Both lobes; ``ratio`` compares therapeutic indices, treated over control (left over right while blinded)."""

    lobes: tuple[LobeDose, ...]

    @property
    def ratio(self) -> float:
        """Ratio of the therapeutic indices; nan unless both lobes have lesions."""
        if len(self.lobes) < 2:
            return math.nan
        return self.lobes[0].therapeutic_index / self.lobes[1].therapeutic_index


def compare_lobes(
    healthy_Gy: Mapping[str, tuple[float, float]], lesions: Sequence[LesionDose], treated_lobe: str = ""
) -> LobeComparison:
    """Put the doses of each lobe together, the treated one first (the left one while blinded).

    Parameters
    ----------
    healthy_Gy : dose of the healthy liver and its standard uncertainty, by lobe.
    lesions : doses of lesions; those in neither lobe (caudate, outside the liver) are left out.
    treated_lobe : left, right, or "" while blinded.

    Raises
    ------
    EffectError
        For an unknown lobe, a healthy-liver dose that is not above 0, or lesions in a lobe without one.

    Examples
    --------
    >>> both = compare_lobes({"left": (2.0, 0.2), "right": (2.5, 0.2)},
    ...                      [LesionDose("L1", "left", 60.0), LesionDose("R1", "right", 50.0)], "right")
    >>> [(lobe.lobe, lobe.allocation, round(lobe.therapeutic_index, 9)) for lobe in both.lobes]
    [('right', 'treated', 20.0), ('left', 'control', 30.0)]
    """
    if treated_lobe not in ("", *OPPOSITE_LOBE):
        raise EffectError(f"The treated lobe '{treated_lobe}' is not left or right.")
    for lobe, (dose, _) in healthy_Gy.items():
        if lobe not in OPPOSITE_LOBE or not dose > 0:
            raise EffectError(f"The healthy liver of the lobe '{lobe}' has a dose of {dose:g} Gy; check its curve.")
    for lesion in lesions:
        if lesion.lobe in OPPOSITE_LOBE and lesion.lobe not in healthy_Gy:
            raise EffectError(
                f"Lesion {lesion.lesion} is in the {lesion.lobe} lobe, whose healthy liver has no curve; add one."
            )
    first = treated_lobe or "left"
    lobes = []
    for lobe in (first, OPPOSITE_LOBE[first]):
        if lobe in healthy_Gy:
            allocation = "" if not treated_lobe else "treated" if lobe == treated_lobe else "control"
            mine = tuple(lesion for lesion in lesions if lesion.lobe == lobe)
            lobes.append(LobeDose(lobe, allocation, *healthy_Gy[lobe], mine))
    return LobeComparison(tuple(lobes))
