"""Sphere model of a lesion: S-value of a uniform sphere of any mass, from the same point kernel as the voxel dose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import GY_PER_KEV_PER_G, PointKernel, point_kernel


@dataclass(frozen=True)
class SphereDose:
    """Self-dose of a uniform sphere.

    Attributes
    ----------
    nuclide, mass_g, density_g_per_mL, radius_mm : the sphere.
    S_Gy_per_Bq_s : mean absorbed dose per decay.
    absorbed_fraction_electrons, absorbed_fraction_photons : share of the emitted energy that stays inside.
    """

    nuclide: str
    mass_g: float
    density_g_per_mL: float
    radius_mm: float
    S_Gy_per_Bq_s: float
    absorbed_fraction_electrons: float
    absorbed_fraction_photons: float


def sphere_dose(nuclide: str, mass_g: float, density_g_per_mL: float = 1.0) -> SphereDose:
    """Mean dose per decay of activity spread uniformly through a sphere of water-equivalent tissue.

    The sphere is in tissue of its own density, unbounded, so photons scattered back from outside count.

    Examples
    --------
    >>> f"{sphere_dose('Lu-177', 4.31).S_Gy_per_Bq_s:.1e}"
    '5.4e-12'

    Raises
    ------
    DoseError
        If the mass or density is not positive, or the nuclide has no kernel.
    """
    require_positive("sphere mass", mass_g, "g")
    require_positive("density", density_g_per_mL, "g/mL")
    radius_mm = 10.0 * (3.0 * mass_g / density_g_per_mL / (4.0 * math.pi)) ** (1.0 / 3.0)
    electrons, photons = (point_kernel(nuclide, radiation) for radiation in ("electrons", "photons"))
    if 2.0 * radius_mm * density_g_per_mL > photons.radius_mm[-1]:
        raise DoseError(f"A sphere of {mass_g:g} g is wider than the kernel table; use the organ method instead.")
    absorbed = [absorbed_in_sphere_keV(kernel, radius_mm * density_g_per_mL) for kernel in (electrons, photons)]
    emitted = [kernel.emitted_keV for kernel in (electrons, photons)]
    fractions = [part / whole if whole > 0.0 else 0.0 for part, whole in zip(absorbed, emitted, strict=True)]
    S = sum(absorbed) * GY_PER_KEV_PER_G / mass_g
    return SphereDose(electrons.nuclide, mass_g, density_g_per_mL, radius_mm, S, *fractions)


def absorbed_in_sphere_keV(kernel: PointKernel, water_radius_mm: float) -> float:
    """Energy absorbed in a sphere of unit density per decay inside it, in keV.

    A point at distance r from a random point of the sphere, in a random direction, is still inside with probability
    1 - 3r/(4R) + r^3/(16R^3) for r < 2R (Berger 1971, MIRD Pamphlet 7; Bambynek 1989).
    """
    radius = (kernel.radius_mm[1:] + kernel.radius_mm[:-1]) / 2.0
    part = np.minimum(radius / water_radius_mm, 2.0)
    inside = 1.0 - 0.75 * part + part**3 / 16.0
    return float(np.diff(kernel.within_keV) @ inside)


def require_positive(what: str, value: float, unit: str) -> None:
    """Raise DoseError unless ``value`` is a finite positive number."""
    if not (math.isfinite(value) and value > 0.0):
        raise DoseError(f"The {what} must be a positive number of {unit}, but it is {value:g}.")
