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
from PRRTUptakeLib.imaging.radionuclides import RadionuclideError, nuclide

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_OTHER_HALF_LIVES_S = {
    "C-11": 20.39 * _MINUTE,
    "N-13": 9.965 * _MINUTE,
    "O-15": 122.24,
    "Rb-82": 1.273 * _MINUTE,
    "Sc-44": 3.97 * _HOUR,
    "Y-86": 14.74 * _HOUR,
    "Zr-89": 78.41 * _HOUR,
    "I-124": 4.1760 * _DAY,
    "Tc-99m": 6.015 * _HOUR,
    "I-123": 13.27 * _HOUR,
    "I-131": 8.02070 * _DAY,
    "Ga-67": 3.2612 * _DAY,
    "Tl-201": 72.912 * _HOUR,
}
_ELEMENTS = {
    "carbon": "C",
    "nitrogen": "N",
    "oxygen": "O",
    "rubidium": "Rb",
    "scandium": "Sc",
    "yttrium": "Y",
    "zirconium": "Zr",
    "iodine": "I",
    "technetium": "Tc",
    "gallium": "Ga",
    "thallium": "Tl",
    "fluorine": "F",
    "copper": "Cu",
    "indium": "In",
    "terbium": "Tb",
    "lutetium": "Lu",
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


def coded_nuclide(item: Dataset, where: str) -> tuple[str | None, str]:
    """Name of the nuclide in a radiopharmaceutical item, and the words by which it is told.

    Raises
    ------
    NuclideError
        If code and meaning contradict each other.
    """
    told = []
    for code in items(item, "RadionuclideCodeSequence", where):
        value, scheme = text(code, "CodeValue", where), text(code, "CodingSchemeDesignator", where)
        for words in (_meaning(value, scheme) if value and scheme else "", text(code, "CodeMeaning", where)):
            if words and nuclide_in(words):
                told.append(f"{nuclide_in(words)}")
    if len(set(told)) > 1:
        raise NuclideError(
            f"{label('RadionuclideCodeSequence')} of {where} contradicts itself, it names {' and '.join(told)}: "
            "state the nuclide."
        )
    if told:
        return told[0], label("RadionuclideCodeSequence")
    return nuclide_in(text(item, "Radiopharmaceutical", where)), label("Radiopharmaceutical")


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
        If the stated nuclide is not known or the half-life in the header contradicts the nuclide.
    """
    name, source = coded_nuclide(item, where) if item is not None else (None, "")
    decisions = []
    if stated is not None:
        name, source = nuclide_in(stated), "the operator"
        if name is None:
            raise NuclideError(f"The radionuclide '{stated}' is not known.")
        decisions.append(f"Radionuclide {name}, as the operator stated.")
    stored = number(item, "RadionuclideHalfLife", where) if item is not None else None
    if stored is not None and not 10 <= stored <= 1e8:
        raise NuclideError(f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, which is impossible.")
    if name is None:
        if stored is not None:
            decisions.append(f"The nuclide is not named: half-life {stored:g} s as stated.")
        return HeaderNuclide(None, stored, tuple(decisions))
    known = half_life_s(name)
    if stored is None or known is None:
        decisions.append(f"Half-life of {name} from tables, {known:g} s: the header states none.")
        return HeaderNuclide(name, known, tuple(decisions))
    if abs(stored / known - 1) > _AGREE:
        raise NuclideError(
            f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, but that of {name} (named by {source}) is "
            f"{known:g} s: correct the one that is wrong or state the nuclide."
        )
    decisions.append(f"Half-life {stored:g} s as stated; it agrees with {name}.")
    return HeaderNuclide(name, stored, tuple(decisions))
