"""Radionuclides of peptide receptor therapy and its imaging: half-lives and mean energies per decay.

Source: ICRP Publication 107 (2008), Ann. ICRP 38(3). Energies in keV per decay; electrons include beta, conversion
and Auger electrons; photons include X and gamma rays (annihilation photons follow from ``positron_yield``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from PRRTUptakeLib.errors import PRRTError


class RadionuclideError(PRRTError):
    """A radionuclide is not known or its data contradict each other."""


@dataclass(frozen=True)
class Radionuclide:
    """Decay data of one radionuclide.

    Attributes
    ----------
    name : element symbol, hyphen, mass number, for instance ``Lu-177``.
    half_life_h : physical half-life in hours.
    electron_keV, photon_keV : mean energy per decay, None where this product does not need it.
    positron_yield : positrons per decay.
    """

    name: str
    half_life_h: float
    electron_keV: float | None = None
    photon_keV: float | None = None
    positron_yield: float = 0.0

    @property
    def half_life_s(self) -> float:
        """Physical half-life in seconds."""
        return self.half_life_h * 3600.0

    @property
    def decay_constant_per_h(self) -> float:
        """Ln 2 over the half-life, per hour."""
        return math.log(2.0) / self.half_life_h

    def decay_factor(self, hours: float) -> float:
        """Fraction of the activity left after ``hours`` (above 1 for negative times).

        Examples
        --------
        >>> round(nuclide("Lu-177").decay_factor(6.647 * 24), 12)
        0.5
        """
        return math.exp(-self.decay_constant_per_h * hours)


_TABLE = {
    entry.name: entry
    for entry in (
        Radionuclide("Lu-177", 6.647 * 24, 147.92, 35.10),
        Radionuclide("Ga-68", 67.71 / 60, 737.9, None, 0.8891),
        Radionuclide("Y-90", 64.10, 933.1, 0.0),
        Radionuclide("Tb-161", 6.906 * 24, 202.5, 36.5),
        Radionuclide("I-131", 8.0207 * 24, 191.85, 382.76),
        Radionuclide("In-111", 2.8047 * 24, 34.82, 406.1),
        Radionuclide("Cu-64", 12.700),
        Radionuclide("F-18", 109.77 / 60),
    )
}


def known_nuclides() -> tuple[str, ...]:
    """Names of the radionuclides in the table."""
    return tuple(_TABLE)


def nuclide(name: str) -> Radionuclide:
    """Look a radionuclide up by name in any common spelling (``Lu-177``, ``177Lu``, ``lu177``, ``^177^Lutetium``).

    Examples
    --------
    >>> nuclide("177Lu").name, nuclide("68-Ga").name, nuclide("^18^Fluorine").name
    ('Lu-177', 'Ga-68', 'F-18')

    Raises
    ------
    RadionuclideError
        If the name is not in the table.
    """
    letters = "".join(re.findall(r"[A-Za-z]+", name)).lower()
    mass = "".join(re.findall(r"\d+", name))
    elements = {
        "lutetium": "lu",
        "gallium": "ga",
        "yttrium": "y",
        "terbium": "tb",
        "indium": "in",
        "copper": "cu",
        "fluorine": "f",
        "iodine": "i",
    }
    symbol = elements.get(letters, letters)
    for entry in _TABLE.values():
        if entry.name.lower() == f"{symbol}-{mass}":
            return entry
    raise RadionuclideError(f"The radionuclide '{name}' is not known; known are {', '.join(_TABLE)}.")
