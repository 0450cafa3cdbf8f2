"""Which radionuclide a header means, and whether the half-life it states agrees.

Codes: DICOM PS3.16 CID 18 and CID 4020 (radionuclides), as pydicom carries them, SNOMED RT and CT alike. Half-lives
of imaging nuclides outside the product's own table: ICRP Publication 107 (2008), Ann. ICRP 38(3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from PRRTUptakeLib.dicom.headers import items, label, number, text
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import RadionuclideError, known_nuclides, nuclide

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_OTHER_HALF_LIVES_S = {
    "O-14": 70.606,
    "O-15": 122.24,
    "Rb-82": 1.273 * _MINUTE,
    "K-38": 7.636 * _MINUTE,
    "Cu-62": 9.673 * _MINUTE,
    "N-13": 9.965 * _MINUTE,
    "C-11": 20.39 * _MINUTE,
    "Mn-52m": 21.1 * _MINUTE,
    "Cu-60": 23.7 * _MINUTE,
    "Mn-51": 46.2 * _MINUTE,
    "Tc-94m": 52.0 * _MINUTE,
    "As-70": 52.6 * _MINUTE,
    "I-120": 81.6 * _MINUTE,
    "Br-75": 96.7 * _MINUTE,
    "Ti-45": 184.8 * _MINUTE,
    "Cu-61": 3.333 * _HOUR,
    "Sc-43": 3.891 * _HOUR,
    "Sc-44": 3.97 * _HOUR,
    "Tb-149": 4.118 * _HOUR,
    "Tc-99m": 6.015 * _HOUR,
    "Se-73": 7.15 * _HOUR,
    "Fe-52": 8.275 * _HOUR,
    "Zn-62": 9.186 * _HOUR,
    "Ga-66": 9.49 * _HOUR,
    "I-123": 13.27 * _HOUR,
    "Nb-90": 14.6 * _HOUR,
    "Y-86": 14.74 * _HOUR,
    "Br-76": 16.2 * _HOUR,
    "Re-188": 17.004 * _HOUR,
    "Tb-152": 17.5 * _HOUR,
    "As-72": 26.0 * _HOUR,
    "Ho-166": 26.8 * _HOUR,
    "Sm-153": 46.5 * _HOUR,
    "Pb-203": 51.873 * _HOUR,
    "Br-77": 57.036 * _HOUR,
    "Cu-67": 61.83 * _HOUR,
    "Tl-201": 72.912 * _HOUR,
    "Zr-89": 78.41 * _HOUR,
    "Ga-67": 3.2612 * _DAY,
    "Re-186": 3.7183 * _DAY,
    "I-124": 4.176 * _DAY,
    "Xe-133": 5.243 * _DAY,
    "Mn-52": 5.591 * _DAY,
    "I-131": 8.0207 * _DAY,
    "I-125": 59.4 * _DAY,
    "Ge-68": 270.95 * _DAY,
    "Co-57": 271.74 * _DAY,
}
_ELEMENTS = {
    "arsenic": "As",
    "bromine": "Br",
    "carbon": "C",
    "cobalt": "Co",
    "copper": "Cu",
    "fluorine": "F",
    "gallium": "Ga",
    "germanium": "Ge",
    "holmium": "Ho",
    "indium": "In",
    "iodine": "I",
    "iron": "Fe",
    "lead": "Pb",
    "lutetium": "Lu",
    "manganese": "Mn",
    "niobium": "Nb",
    "nitrogen": "N",
    "oxygen": "O",
    "potassium": "K",
    "rhenium": "Re",
    "rubidium": "Rb",
    "samarium": "Sm",
    "scandium": "Sc",
    "selenium": "Se",
    "technetium": "Tc",
    "terbium": "Tb",
    "thallium": "Tl",
    "titanium": "Ti",
    "xenon": "Xe",
    "yttrium": "Y",
    "zinc": "Zn",
    "zirconium": "Zr",
}
_MASS_FIRST = re.compile(r"(?<![\d.])(\d{2,3}m?)\^?[\s-]*([A-Za-z]+)")
_MASS_LAST = re.compile(r"([A-Za-z]+)[\s-]*\^?(\d{2,3}m?)(?![\d.])")
_AGREE = 0.01  # relative; half-lives in headers are rounded, contradictions are larger


class NuclideError(PRRTError):
    """The radionuclide is not known, or its half-life contradicts it."""


@dataclass(frozen=True)
class HeaderNuclide:
    """Radionuclide of a header: name (None if it is not told) and half-life (None if neither is told), in seconds."""

    name: str | None
    half_life_s: float | None
    decisions: tuple[str, ...]


def nuclide_in(words: str) -> str | None:
    """The radionuclide that a text names, None if it names none that is known.

    Examples
    --------
    >>> nuclide_in("^18^Fluorine"), nuclide_in("Lu-177-DOTATATE"), nuclide_in("FDG"), nuclide_in("Technetium Tc^99m^")
    ('F-18', 'Lu-177', None, 'Tc-99m')
    """
    for pattern, mass, element in ((_MASS_FIRST, 1, 2), (_MASS_LAST, 2, 1)):
        for found in pattern.finditer(words):
            symbol = _ELEMENTS.get(found[element].lower(), found[element].capitalize())
            name = f"{symbol}-{found[mass]}"
            if half_life_s(name) is not None:
                return name
    return None


def half_life_s(name: str) -> float | None:
    """Physical half-life in seconds by name, None if the nuclide is not known."""
    if name in _OTHER_HALF_LIVES_S:
        return _OTHER_HALF_LIVES_S[name]
    try:
        return nuclide(name).half_life_s
    except RadionuclideError:
        return None


def all_nuclides() -> tuple[str, ...]:
    """Names of every nuclide whose half-life is known here."""
    return (*known_nuclides(), *_OTHER_HALF_LIVES_S)


@cache
def _meaning(value: str, scheme: str) -> str:
    """What a code of the radionuclide lists means, "" if it is in none of them."""
    scheme = "SRT" if scheme in ("SNM3", "99SDM") else scheme
    wanted = Code(value, scheme, "")
    for group in (codes.cid4020, codes.cid18):
        for known in group.concepts.values():
            if known == wanted:
                return str(known.meaning)
    return ""


def named_nuclides(item: Dataset, where: str) -> tuple[tuple[str, ...], str]:
    """The nuclides that a radiopharmaceutical item names (one unless it contradicts itself), and by what attribute."""
    told: list[str] = []
    for code in items(item, "RadionuclideCodeSequence", where):
        value, scheme = text(code, "CodeValue", where), text(code, "CodingSchemeDesignator", where)
        for words in (_meaning(value, scheme) if value and scheme else "", text(code, "CodeMeaning", where)):
            name = nuclide_in(words)
            if name and name not in told:
                told.append(name)
    if told:
        return tuple(told), label("RadionuclideCodeSequence")
    name = nuclide_in(text(item, "Radiopharmaceutical", where))
    return ((name,) if name else ()), label("Radiopharmaceutical")


def header_nuclide(item: Dataset | None, where: str, stated: str | None = None) -> HeaderNuclide:
    """The radionuclide of an image: the operator's word goes before the header's; half-lives need to agree within 1 %.

    Parameters
    ----------
    item : first item of Radiopharmaceutical Information Sequence, or None.
    where : names the series.
    stated : the operator's word, for instance ``Ga-68``.

    Raises
    ------
    NuclideError
        If the stated nuclide is not known, the header contradicts itself, or the half-life in the header is that of
        another nuclide or of none.
    """
    names, source = named_nuclides(item, where) if item is not None else ((), "")
    decisions = []
    if stated is not None:
        name = nuclide_in(stated)
        if name is None:
            raise NuclideError(f"The radionuclide '{stated}' is not known.")
        names, source = (name,), "the operator"
        decisions.append(f"Radionuclide {name}, as the operator stated.")
    stored = number(item, "RadionuclideHalfLife", where) if item is not None else None
    if stored is None:
        return _without_half_life(names, source, where, decisions)
    if stored <= 0:
        raise NuclideError(f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, which is impossible.")
    if not names:
        names = tuple(name for name in all_nuclides() if _agrees(stored, name))[:1]
        if not names:
            raise NuclideError(
                f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, the half-life of no known nuclide, and "
                f"{label('RadionuclideCodeSequence')} names none: state the nuclide."
            )
        decisions.append(f"The nuclide is not named: its half-life, {stored:g} s, is that of {names[0]}.")
        return HeaderNuclide(names[0], stored, tuple(decisions))
    fitting = [name for name in names if _agrees(stored, name)]
    if not fitting:
        known = " and ".join(f"{half_life_s(name):g} s of {name}" for name in names)
        raise NuclideError(
            f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, which contradicts {known} (named by "
            f"{source}): correct the one that is wrong or state the nuclide."
        )
    if len(names) > 1:
        decisions.append(f"{source} names {' and '.join(names)}: the half-life says {fitting[0]}.")
    decisions.append(f"Half-life {stored:g} s as stated; it agrees with {fitting[0]}.")
    return HeaderNuclide(fitting[0], stored, tuple(decisions))


def _agrees(stored_s: float, name: str) -> bool:
    known = half_life_s(name)
    return known is not None and abs(stored_s / known - 1) <= _AGREE


def _without_half_life(names: tuple[str, ...], source: str, where: str, decisions: list[str]) -> HeaderNuclide:
    if len(names) > 1:
        raise NuclideError(
            f"{source} of {where} contradicts itself, it names {' and '.join(names)}, and "
            f"{label('RadionuclideHalfLife')} is missing: state the nuclide."
        )
    if not names:
        return HeaderNuclide(None, None, tuple(decisions))
    known = half_life_s(names[0])
    told = f"Half-life of {names[0]} from ICRP 107, {known:g} s: {label('RadionuclideHalfLife')} is missing."
    return HeaderNuclide(names[0], known, (*decisions, told))
