"""Point kernels: how the energy of a decay spreads through water, from the shipped tables.

The tables are made by ``Tools/kernel_generator`` (Monte Carlo, spectra of ICRP 107); Docs/physics.md says how, and how
they compare with published ones. Another density scales all lengths by its inverse (water-equivalent soft tissue).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from PRRTUptakeLib.nuclides.radionuclides import alpha_reason, known_nuclides
from PRRTUptakeLib.nuclides.radionuclides import nuclide as find_nuclide
from PRRTUptakeLib.resources import resource_path

from PRRTDosimetryLib.dose.errors import DoseError

GY_PER_KEV_PER_G = 1.602176634e-13  # exact: SI (2019)
DECAYS_PER_MBQ_H = 3.6e9
RADIATIONS = {
    "all": ("beta", "conversion_auger", "photon"),
    "electrons": ("beta", "conversion_auger"),
    "beta": ("beta",),
    "photons": ("photon",),
}
_FINER = 8  # radii between two of the table, by monotone cubic interpolation


@dataclass(frozen=True, eq=False)
class PointKernel:
    """Energy around a decaying point in unbounded water of unit density.

    Attributes
    ----------
    nuclide, radiation : what was emitted; ``radiation`` is one of RADIATIONS. Bremsstrahlung goes with its electrons.
    radius_mm : radii, rising from 0.
    within_keV : energy deposited within each radius, per decay.
    emitted_keV : energy emitted per decay; what ``within_keV`` lacks at its end is deposited farther away.
    """

    nuclide: str
    radiation: str
    radius_mm: np.ndarray
    within_keV: np.ndarray
    emitted_keV: float

    def energy_within_keV(self, radius_mm: np.ndarray | float, density_g_per_mL: float = 1.0) -> np.ndarray:
        """Energy deposited within ``radius_mm``, in keV per decay.

        Examples
        --------
        >>> kernel = point_kernel("Lu-177", "electrons")
        >>> bool(kernel.energy_within_keV(2.0) > 0.995 * kernel.emitted_keV)
        True
        """
        return np.asarray(
            np.interp(np.asarray(radius_mm, dtype=np.float64) * density_g_per_mL, self.radius_mm, self.within_keV)
        )

    def energy_density_keV_per_mm3(self, radius_mm: np.ndarray, density_g_per_mL: float = 1.0) -> np.ndarray:
        """Energy per volume at ``radius_mm`` (above 0), in keV/mm3 per decay; zero beyond the table."""
        water_mm = np.asarray(radius_mm, dtype=np.float64) * density_g_per_mL
        per_log_radius = np.interp(np.log(water_mm), *self._slope, right=0.0)
        return np.asarray(per_log_radius / (4.0 * math.pi * water_mm**3) * density_g_per_mL**3)

    def reach_mm(self, share: float) -> float:
        """Radius in water within which ``share`` of the emitted energy is deposited."""
        return float(np.interp(share * self.emitted_keV, self.within_keV, self.radius_mm))

    @cached_property
    def _slope(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the radius and the energy per unit of it, between the radii."""
        logarithm = np.log(self.radius_mm[1:])
        return (logarithm[1:] + logarithm[:-1]) / 2.0, np.diff(self.within_keV[1:]) / np.diff(logarithm)


def nuclides_with_kernel() -> tuple[str, ...]:
    """Names of the nuclides that have a dose kernel, in the order of the table of radionuclides."""
    folder = resource_path(__file__, "Kernels")
    found = {path.stem.removeprefix("point_kernel_") for path in folder.glob("point_kernel_*.json")}
    return tuple(name for name in known_nuclides() if name in found)


def kernel_table(nuclide: str) -> dict[str, Any]:
    """The shipped table of ``nuclide`` as shipped: method, sources, date, statistics, energies per shell.

    Raises
    ------
    DoseError
        If the nuclide has no table.
    NuclideError
        If the nuclide is not known at all.
    """
    name = find_nuclide(nuclide).name
    if reason := alpha_reason(name):
        raise DoseError(f"There is no dose kernel for {name}, an alpha emitter: {reason}.")
    if name not in nuclides_with_kernel():
        raise DoseError(f"There is no dose kernel for {name}; there are {', '.join(nuclides_with_kernel())}.")
    path = resource_path(__file__, "Kernels", f"point_kernel_{name}.json")
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


def point_kernel(nuclide: str, radiation: str = "all") -> PointKernel:
    """Load the point kernel of ``nuclide`` (any common spelling) for a kind of ``radiation``; kept in memory.

    Examples
    --------
    >>> round(point_kernel("177Lu", "electrons").emitted_keV, 2)
    147.92

    Raises
    ------
    DoseError
        If the nuclide has no table or ``radiation`` is not one of RADIATIONS.
    """
    if radiation not in RADIATIONS:
        raise DoseError(f"The radiation '{radiation}' is not one of {', '.join(RADIATIONS)}.")
    return _loaded(find_nuclide(nuclide).name, radiation)


@lru_cache(maxsize=32)
def _loaded(name: str, radiation: str) -> PointKernel:
    table = kernel_table(name)
    chosen = [table["emissions"][kind] for kind in RADIATIONS[radiation] if kind in table["emissions"]]
    outer = np.array(table["radius_mm"])
    shells = np.sum([emission["deposited_keV"] for emission in chosen], axis=0) if chosen else np.zeros(outer.size)
    from scipy.interpolate import PchipInterpolator

    within = PchipInterpolator(np.concatenate([[0.0], outer]), np.concatenate([[0.0], np.cumsum(shells)]))
    fine = np.concatenate([[0.0], np.geomspace(outer[0], outer[-1], _FINER * (outer.size - 1) + 1)])
    return PointKernel(name, radiation, fine, within(fine), sum(emission["emitted_keV"] for emission in chosen))
