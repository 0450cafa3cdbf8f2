"""Mass from volume: densities of organs and lesions."""

from __future__ import annotations

import math

from PRRTDosimetryLib.dose.errors import DoseError

DENSITY_G_PER_ML = {
    "kidneys": 1.05,
    "liver": 1.05,
    "spleen": 1.06,
    "pancreas": 1.05,
    "adrenals": 1.03,
    "lungs": 0.385,
    "red marrow": 1.03,
    "blood": 1.06,
    "lesion": 1.05,
}
"""Densities: ICRP Publication 110 (2009), media; adrenals that of soft tissue, a liver lesion that of liver."""


def mass_from_volume_g(name: str, volume_mL: float, density_g_per_mL: float) -> float:
    """Mass of a region in g.

    Raises
    ------
    DoseError
        For a volume that is missing or not above 0, or an impossible density.

    Examples
    --------
    >>> mass_from_volume_g("Liver", 1500.0, DENSITY_G_PER_ML["liver"])
    1575.0
    """
    if not 0 < volume_mL < math.inf:
        raise DoseError(f"{name} has no volume ({volume_mL:g} mL), so its mass is unknown; give its volume or segment.")
    if not 0.1 <= density_g_per_mL <= 3:
        raise DoseError(f"{name}: a density of {density_g_per_mL:g} g/mL is not one of tissue; give it in g/mL.")
    return volume_mL * density_g_per_mL
