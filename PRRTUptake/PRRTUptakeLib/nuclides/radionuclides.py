"""Radionuclides of peptide receptor therapy and its imaging, from the one table of this product.

The table is ``Resources/Nuclides/radionuclides.json``: half-lives with their source, energies and photon lines per
decay, positron yields, energy windows, DICOM codes. To add a nuclide, add it there (CONTRIBUTING.md says how).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from PRRTUptakeLib.nuclides.errors import NuclideError
from PRRTUptakeLib.resources import resource_path

_HOURS = {"s": (1.0, 3600.0), "min": (1.0, 60.0), "h": (1.0, 1.0), "d": (24.0, 1.0)}  # numerator, denominator
_MASS_FIRST = re.compile(r"(?<![\d.])\^?(\d{2,3}m?)\^?[\s-]*([A-Za-z]+)")
_MASS_LAST = re.compile(r"([A-Za-z]+)[\s-]*\^?(\d{2,3}m?)\^?(?![\d.])")
_USES = ("therapy", "imaging")


@dataclass(frozen=True, kw_only=True)
class HalfLife:
    """One published half-life.

    Attributes
    ----------
    value_h : hours.
    uncertainty_h : standard uncertainty in hours, None where the source gives none.
    source : short name of the source, for instance ``ICRP 107``; the table's ``sources`` have the full reference.
    """

    value_h: float
    uncertainty_h: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class PhotonLine:
    """A gamma ray: energy in keV and number per decay."""

    energy_keV: float
    per_decay: float


@dataclass(frozen=True)
class DicomCode:
    """A code of DICOM PS3.16: value, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Radionuclide:
    """Decay data of one radionuclide.

    Attributes
    ----------
    name : element symbol, hyphen, mass number, for instance ``Lu-177``.
    element : English name of the element in lower case.
    half_life : physical half-life, its uncertainty and source.
    also_published : other published half-lives, which image headers may state.
    uses : "therapy", "imaging", both, or none where only the half-life is needed (to read headers).
    dose_kernel : whether ``Tools/kernel_generator`` makes a dose kernel for it.
    electron_keV, photon_keV : mean energy per decay, None where this product does not need it. Electrons are beta,
        conversion and Auger electrons; photons are X and gamma rays without annihilation.
    positron_yield : positrons per decay.
    photon_lines : gamma rays with at least 1 % per decay.
    windows_keV : energy windows of imaging (lower, upper), the main one first.
    code, drug_code : DICOM codes of the nuclide and of its somatostatin analogue, None if there is none.
    """

    name: str
    element: str
    half_life: HalfLife
    also_published: tuple[HalfLife, ...] = ()
    uses: tuple[str, ...] = ()
    dose_kernel: bool = False
    electron_keV: float | None = None
    photon_keV: float | None = None
    positron_yield: float = 0.0
    photon_lines: tuple[PhotonLine, ...] = ()
    windows_keV: tuple[tuple[float, float], ...] = ()
    code: DicomCode | None = field(default=None, compare=False)
    drug_code: DicomCode | None = field(default=None, compare=False)

    @property
    def half_life_h(self) -> float:
        """Physical half-life in hours."""
        return self.half_life.value_h

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


def known_nuclides(use: str | None = None) -> tuple[str, ...]:
    """Names of the radionuclides in the order of the table: all, or those for ``use`` ("therapy" or "imaging").

    Examples
    --------
    >>> known_nuclides("therapy")[:2]
    ('Lu-177', 'Y-90')

    Raises
    ------
    NuclideError
        If there is no such use.
    """
    if use is not None and use not in _USES:
        raise NuclideError(f"The use '{use}' is not one of {', '.join(_USES)}.")
    return tuple(name for name, entry in _table().items() if use is None or use in entry.uses)


def nuclides_for_kernels() -> tuple[str, ...]:
    """Names of the radionuclides for which dose kernels are made, in the order of the table."""
    return tuple(name for name, entry in _table().items() if entry.dose_kernel)


def nuclide(name: str) -> Radionuclide:
    """Look a radionuclide up by name in any common spelling (``Lu-177``, ``177Lu``, ``lu177``, ``^177^Lutetium``).

    Examples
    --------
    >>> nuclide("177Lu").name, nuclide("68-Ga").name, nuclide("^18^Fluorine").name, nuclide("99mTc").name
    ('Lu-177', 'Ga-68', 'F-18', 'Tc-99m')

    Raises
    ------
    NuclideError
        If the name is not in the table.
    """
    for pattern, mass, element in ((_MASS_LAST, 2, 1), (_MASS_FIRST, 1, 2)):
        found = pattern.fullmatch(name.strip())
        if found and (known := _named(found[element], found[mass])):
            return known
        if found and (reason := alpha_reason(f"{found[element].capitalize()}-{found[mass]}")):
            raise NuclideError(f"'{name}' is an alpha emitter, for which no dose is calculated: {reason}.")
    common = [known for known, entry in _table().items() if entry.uses]
    raise NuclideError(
        f"The radionuclide '{name}' is not known; known are {', '.join(common)} and {len(_table()) - len(common)} more "
        "in Resources/Nuclides/radionuclides.json."
    )


def alpha_reason(name: str) -> str:
    """Why no dose of ``name`` (as in the table, such as Ac-225) is calculated: it emits alphas; "" for all others."""
    listed = _document()["alpha_emitters"]
    return str(listed["reason"]) if name in listed["names"] else ""


def nuclide_in(words: str) -> str | None:
    """The radionuclide that a text names, None if it names none that is known.

    Examples
    --------
    >>> nuclide_in("^18^Fluorine"), nuclide_in("Lu-177-DOTATATE"), nuclide_in("FDG"), nuclide_in("Technetium Tc^99m^")
    ('F-18', 'Lu-177', None, 'Tc-99m')
    """
    for pattern, mass, element in ((_MASS_FIRST, 1, 2), (_MASS_LAST, 2, 1)):
        for found in pattern.finditer(words):
            if known := _named(found[element], found[mass]):
                return known.name
    return None


def _named(element: str, mass: str) -> Radionuclide | None:
    """The nuclide of an element (symbol or English name) and a mass number."""
    symbol = _symbols().get(element.lower(), element.capitalize())
    return _table().get(f"{symbol}-{mass}")


@cache
def _document() -> dict[str, Any]:
    path = resource_path(__file__, "Nuclides", "radionuclides.json")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


@cache
def _table() -> dict[str, Radionuclide]:
    return {entry["name"]: _radionuclide(entry) for entry in _document()["nuclides"]}


@cache
def _symbols() -> dict[str, str]:
    """Symbols of the elements by their English names."""
    return {entry.element: entry.name.split("-")[0] for entry in _table().values()}


def _radionuclide(entry: dict[str, Any]) -> Radionuclide:
    half_life = entry["half_life"]
    return Radionuclide(
        name=entry["name"],
        element=entry["element"],
        half_life=_half_life(half_life),
        also_published=tuple(_half_life(other) for other in half_life.get("also_published", ())),
        uses=tuple(entry.get("uses", ())),
        dose_kernel=entry.get("dose_kernel", False),
        electron_keV=entry.get("electron_keV"),
        photon_keV=entry.get("photon_keV"),
        positron_yield=entry.get("positron_yield", 0.0),
        photon_lines=tuple(PhotonLine(**line) for line in entry.get("photon_lines", ())),
        windows_keV=tuple((low, high) for low, high in entry.get("windows_keV", ())),
        code=DicomCode(**entry["code"]) if "code" in entry else None,
        drug_code=DicomCode(**entry["radiopharmaceutical_code"]) if "radiopharmaceutical_code" in entry else None,
    )


def _half_life(entry: dict[str, Any]) -> HalfLife:
    times, per = _HOURS[entry["unit"]]
    uncertainty = entry.get("uncertainty")
    return HalfLife(
        value_h=entry["value"] * times / per,
        uncertainty_h=None if uncertainty is None else uncertainty * times / per,
        source=entry["source"],
    )
