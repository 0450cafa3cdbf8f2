"""Red-marrow dose: self-dose from blood samples or from the image of lumbar vertebrae, plus cross dose.

EANM guidelines, Hindorf et al. 2010, doi:10.1007/s00259-010-1422-4.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.phantom import RED_MARROW
from PRRTDosimetryLib.dose.tissue import DENSITY_G_PER_ML

if TYPE_CHECKING:
    from collections.abc import Collection

    from PRRTDosimetryLib.dose.phantom import Phantom

_LUMBAR = 0.123
VERTEBRAE_FRACTION = {"L1-L5": _LUMBAR, "L2-L4": 0.6 * _LUMBAR}
"""Share of the adult's red marrow: all lumbar vertebrae 12.3 % (ICRP Publication 70); L2-L4 three fifths of it."""


def lumbar_words(levels: Collection[int]) -> str:
    """Lumbar vertebrae by their numbers, in the words of `vertebrae_fraction`.

    Examples
    --------
    >>> lumbar_words([4, 2, 3]), lumbar_words([2, 4]), lumbar_words([3])
    ('L2-L4', 'L2, L4', 'L3')
    """
    ordered = sorted(set(levels))
    if len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"L{ordered[0]}-L{ordered[-1]}"
    return ", ".join(f"L{level}" for level in ordered)


def vertebrae_fraction(vertebrae: str) -> float:
    """Share of the red marrow of lumbar vertebrae, each of which has a fifth of that of all of them.

    Examples
    --------
    >>> [round(vertebrae_fraction(words), 4) for words in ("L1-L5", "L2-L4", "L2-L3", "L2, L4", "L3")]
    [0.123, 0.0738, 0.0492, 0.0492, 0.0246]

    Raises
    ------
    DoseError
        For other words.
    """
    if vertebrae in VERTEBRAE_FRACTION:
        return VERTEBRAE_FRACTION[vertebrae]
    return _LUMBAR / 5 * len(lumbar_levels(vertebrae))


def lumbar_levels(vertebrae: str) -> tuple[int, ...]:
    """Numbers of lumbar vertebrae from their words.

    Examples
    --------
    >>> lumbar_levels("L2-L4"), lumbar_levels("L2, L4"), lumbar_levels("L3")
    ((2, 3, 4), (2, 4), (3,))

    Raises
    ------
    DoseError
        For other words.
    """
    levels: set[int] = set()
    for part in vertebrae.split(", "):
        found = re.fullmatch(r"L([1-5])(?:-L([1-5]))?", part)
        if not found:
            raise DoseError(
                f"The share of red marrow in '{vertebrae}' is not known; use {' or '.join(VERTEBRAE_FRACTION)}, or "
                "give the share."
            )
        levels |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
    return tuple(sorted(levels))


REFERENCE_FAT = 0.30
"""Share of fat in the marrow of an adult's lumbar vertebrae: cellularity 70 % (ICRP Publication 70, 1995)."""


def marrow_mass_g(phantom: Phantom, fat_fraction: float | None = None) -> float:
    """Mass of the red marrow: the reference mass, scaled by what is not fat where the patient's share of fat is known.

    Examples
    --------
    >>> from PRRTDosimetryLib.dose.phantom import phantom
    >>> round(marrow_mass_g(phantom("male", "Lu-177"), 0.65), 9)
    585.0
    """
    reference = phantom.mass_g(RED_MARROW)
    if fat_fraction is None:
        return reference
    if not 0 <= fat_fraction < 1:
        raise DoseError(f"A fat fraction of {fat_fraction:g} is not possible; give a share from 0 to below 1.")
    return reference * (1.0 - fat_fraction) / (1.0 - REFERENCE_FAT)


def marrow_tia_from_blood_MBq_h(
    phantom: Phantom,
    blood_MBq_h_per_mL: float,
    marrow_to_blood_ratio: float = 1.0,
    marrow_mass_g: float | None = None,
    blood_density_g_per_mL: float = DENSITY_G_PER_ML["blood"],
) -> float:
    """TIA of the red marrow from that of a millilitre of blood: A_marrow/g = ratio * A_blood/g.

    Parameters
    ----------
    phantom : for the reference mass.
    blood_MBq_h_per_mL : time-integrated activity concentration of whole blood.
    marrow_to_blood_ratio : RMBLR; 1 for peptides that do not bind to marrow (the guideline's default).
    marrow_mass_g : the patient's; the reference mass if None. It cancels in the self-dose.
    blood_density_g_per_mL : ICRP 89 has 1.06; 1.0 equals one millilitre with one gram, as is often done.

    Examples
    --------
    >>> from PRRTDosimetryLib.dose.phantom import phantom
    >>> round(marrow_tia_from_blood_MBq_h(phantom("male", "Lu-177"), 0.5, blood_density_g_per_mL=1.0), 9)
    585.0
    """
    if not (blood_MBq_h_per_mL >= 0 and marrow_to_blood_ratio > 0 and blood_density_g_per_mL > 0):
        raise DoseError(
            f"A blood TIA of {blood_MBq_h_per_mL:g} MBq h/mL with ratio {marrow_to_blood_ratio:g} and density "
            f"{blood_density_g_per_mL:g} g/mL is not possible; check the blood samples."
        )
    mass = phantom.mass_g(RED_MARROW) if marrow_mass_g is None else marrow_mass_g
    return marrow_to_blood_ratio * blood_MBq_h_per_mL / blood_density_g_per_mL * mass


def marrow_tia_from_vertebrae_MBq_h(
    vertebrae_MBq_h: float, vertebrae: str = "L2-L4", fraction: float | None = None
) -> float:
    """TIA of all red marrow from that of the vertebrae in the image, over their share of the red marrow.

    Parameters
    ----------
    vertebrae_MBq_h : time-integrated activity in the vertebrae, all of which is taken as marrow's.
    vertebrae : such as ``L2-L4`` or ``L1-L5``, see `vertebrae_fraction`.
    fraction : share of the red marrow, if not that of the vertebrae.

    Examples
    --------
    >>> round(marrow_tia_from_vertebrae_MBq_h(12.3, "L1-L5"), 9)
    100.0
    """
    if fraction is None:
        fraction = vertebrae_fraction(vertebrae)
    if not (0 < fraction <= 1 and 0 <= vertebrae_MBq_h < math.inf):
        raise DoseError(
            f"{vertebrae_MBq_h:g} MBq h in vertebrae with {fraction:g} of the red marrow is not possible; check both."
        )
    return vertebrae_MBq_h / fraction
