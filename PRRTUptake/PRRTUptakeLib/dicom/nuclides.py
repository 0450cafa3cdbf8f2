"""Which radionuclide a header means, and whether the half-life it states agrees.

Codes, half-lives and names: the table of ``nuclides/radionuclides.py``. Other codes, those of SNOMED RT among them:
DICOM PS3.16 CID 18 and CID 4020 (radionuclides) as pydicom holds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import items, label, number, text
from PRRTUptakeLib.nuclides.radionuclides import known_nuclides, nuclide, nuclide_in

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_AGREE = 0.01  # relative; half-lives in headers are rounded, contradictions are larger


@dataclass(frozen=True)
class HeaderNuclide:
    """Radionuclide of a header: name (None if it is missing) and half-life (None if both are missing), in seconds."""

    name: str | None
    half_life_s: float | None
    decisions: tuple[str, ...]


@cache
def _meaning(value: str, scheme: str) -> str:
    """What a code of the radionuclide lists means, "" if it is in none of them."""
    for known in (nuclide(name).code for name in known_nuclides()):
        if known is not None and (known.value, known.scheme) == (value, scheme):
            return known.meaning
    from pydicom.sr.codedict import codes  # takes longer than all else of pydicom, and is for older words only
    from pydicom.sr.coding import Code

    scheme = "SRT" if scheme in ("SNM3", "99SDM") else scheme
    wanted = Code(value, scheme, "")
    for group in (codes.cid4020, codes.cid18):
        for known in group.concepts.values():
            if known == wanted:
                return str(known.meaning)
    return ""


def named_nuclides(item: Dataset, where: str) -> tuple[tuple[str, ...], str]:
    """The nuclides that a radiopharmaceutical item names (one unless it contradicts itself), and by what attribute."""
    named: list[str] = []
    for code in items(item, "RadionuclideCodeSequence", where):
        value, scheme = text(code, "CodeValue", where), text(code, "CodingSchemeDesignator", where)
        for words in (_meaning(value, scheme) if value and scheme else "", text(code, "CodeMeaning", where)):
            name = nuclide_in(words)
            if name and name not in named:
                named.append(name)
    source = label("RadionuclideCodeSequence") if named else label("Radiopharmaceutical")
    name = nuclide_in(text(item, "Radiopharmaceutical", where))
    if name and name not in named:
        source = f"{source} with {label('Radiopharmaceutical')}" if named else source
        named.append(name)
    return tuple(named), source


def header_nuclide(item: Dataset | None, where: str, stated: str | None = None) -> HeaderNuclide:
    """The radionuclide of an image: the operator's word goes before the header's; half-lives need to agree within 1 %.

    Parameters
    ----------
    item : first item of Radiopharmaceutical Information Sequence, or None.
    where : names the series.
    stated : the operator's word, for instance ``Ga-68``.

    Raises
    ------
    DicomError
        If the stated nuclide is not known, the header contradicts itself, or the half-life in the header is that of
        another nuclide or of none.
    """
    names, source = named_nuclides(item, where) if item is not None else ((), "")
    decisions = []
    if stated is not None:
        name = nuclide_in(stated)
        if name is None:
            raise DicomError(f"The radionuclide '{stated}' is not known.")
        names, source = (name,), "the operator"
        decisions.append(f"Radionuclide {name}, as the operator stated.")
    stored = number(item, "RadionuclideHalfLife", where) if item is not None else None
    if stored is None:
        return _without_half_life(names, source, where, decisions)
    if stored <= 0:
        raise DicomError(
            f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, which is impossible: export the series again."
        )
    if not names:
        names = tuple(name for name in known_nuclides() if _agrees(stored, name))[:1]
        if not names:
            raise DicomError(
                f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, the half-life of no known nuclide, and "
                f"{label('RadionuclideCodeSequence')} names none: state the nuclide."
            )
        decisions.append(f"The nuclide is not named: its half-life, {stored:g} s, is that of {names[0]}.")
        return HeaderNuclide(names[0], stored, tuple(decisions))
    fitting = [name for name in names if _agrees(stored, name)]
    if not fitting:
        known = " and ".join(f"{nuclide(name).half_life_s:g} s of {name}" for name in names)
        raise DicomError(
            f"{label('RadionuclideHalfLife')} of {where} is {stored:g} s, which contradicts {known} (named by "
            f"{source}): correct the one that is wrong or state the nuclide."
        )
    if len(names) > 1:
        decisions.append(f"{source} names {' and '.join(names)}: the half-life says {fitting[0]}.")
    decisions.append(f"Half-life {stored:g} s as stated; it agrees with {fitting[0]}.")
    return HeaderNuclide(fitting[0], stored, tuple(decisions))


def _agrees(stored_s: float, name: str) -> bool:
    """Whether a half-life is that of the nuclide, as any of its sources published it."""
    entry = nuclide(name)
    published_h = (entry.half_life_h, *(other.value_h for other in entry.also_published))
    return any(abs(stored_s / (hours * 3600.0) - 1) <= _AGREE for hours in published_h)


def _without_half_life(names: tuple[str, ...], source: str, where: str, decisions: list[str]) -> HeaderNuclide:
    if len(names) > 1:
        raise DicomError(
            f"{source} of {where} contradicts itself, it names {' and '.join(names)}, and "
            f"{label('RadionuclideHalfLife')} is missing: state the nuclide."
        )
    if not names:
        return HeaderNuclide(None, None, tuple(decisions))
    known = nuclide(names[0])
    decision = (
        f"Half-life of {known.name} from {known.half_life.source}, {known.half_life_s:g} s: "
        f"{label('RadionuclideHalfLife')} is missing."
    )
    return HeaderNuclide(known.name, known.half_life_s, (*decisions, decision))
