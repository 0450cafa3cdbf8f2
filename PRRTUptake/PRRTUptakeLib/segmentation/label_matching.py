"""Recognise what each segment is, from its terminology code or its name, as proposals for the user to confirm.

Never by position in a list. A name counts only if every word of it is understood: "kidney_cyst_left" is no kidney and
"lung_upper_lobe_left" no liver lobe. Names may be TotalSegmentator's or clinical, in English, German, French, Dutch,
Italian or Spanish, with the side before or after.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation import codes, structure_names
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.segments import Segmentation

_NUMBERED = re.compile(r"Segment \d+")
_MOST_OF_COUINAUD = 6  # of eight

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from PRRTUptakeLib.segmentation.codes import CodedEntry


@dataclass(frozen=True)
class LabelMatch:
    """What one segment seems to be.

    Attributes
    ----------
    segment : name of the segment.
    structure : key of ``codes``, or "" if not recognised or ambiguous.
    reason : one sentence for the user who confirms.
    alternatives : keys among which the user has to choose when ``structure`` is "".
    lobe : the side the name or anatomy gives, one of LOBES, or "".
    """

    segment: str
    structure: str
    reason: str
    alternatives: tuple[str, ...] = ()
    lobe: str = ""

    @property
    def certain(self) -> bool:
        """Whether one structure is proposed."""
        return bool(self.structure)


def recognise(
    segments: Sequence[str], entries: Mapping[str, CodedEntry | None] | None = None
) -> tuple[LabelMatch, ...]:
    """Propose a structure for each segment name; ``entries`` holds terminology entries by segment name.

    Two segments that seem to be the same single structure (two livers) both become ambiguous.

    Examples
    --------
    >>> [(p.structure, p.lobe) for p in recognise(["Leber", "linker Leberlappen", "rein droit", "liver_segment_4"])]
    [('liver', ''), ('liver_lobe_left', 'left'), ('kidney_right', 'none'), ('liver_segment_4', 'left')]
    >>> recognise(["L1"])[0].structure, recognise(["L1", "vertebrae_T12"])[0].alternatives
    ('liver_lesion', ('liver_lesion', 'vertebrae_L1'))
    """
    entries = entries or {}
    found = [recognise_one(name, entries.get(name)) for name in segments]
    coded = {name for name, entry in entries.items() if entry is not None and codes.structures_of(entry)}
    found = _numbered_in_company(found, coded)
    return tuple(_without_doubles(_caudate_in_context(_vertebrae_in_company(found, coded))))


def recognise_one(name: str, entry: CodedEntry | None = None) -> LabelMatch:
    """Propose a structure for one segment from its terminology entry, then its name."""
    by_name = _from_name(name)
    if entry is None:
        return by_name
    keys = tuple(item.key for item in codes.structures_of(entry))
    said = f"code {entry.type.scheme} {entry.type.value} ({entry.type.meaning or 'no meaning given'})"
    if not keys:
        return by_name
    if by_name.structure in keys:
        agreed = _label_match(name, by_name.structure, f"Its {said} and its name agree.")
        return replace(agreed, lobe=codes.lobe_of(entry) or by_name.lobe or agreed.lobe)
    if set(keys) == set(codes.LESIONS):
        return _label_match(name, "liver_lesion", f"Its {said}; its place decides whether it is hepatic.")
    if len(keys) > 1:
        return LabelMatch(name, "", f"Its {said} may be any of {', '.join(keys)}: choose one.", keys)
    if by_name.structure.startswith("liver_") and keys == ("liver",):
        return by_name  # the code says liver, the name says which part of it or what in it
    if by_name.structure:
        choice = (keys[0], by_name.structure)
        return LabelMatch(
            name, "", f"Its {said} contradicts its name, which says {by_name.structure}: choose one.", choice
        )
    label_match = _label_match(name, keys[0], f"Its {said}.")
    return replace(label_match, lobe=codes.lobe_of(entry) or label_match.lobe)


def with_matches(segmentation: Segmentation, label_matches: Sequence[LabelMatch]) -> Segmentation:
    """A copy whose segments carry the proposed structure, role, lobe and colour; uncertain ones stay as they are.

    A role or lobe that a segment already has is kept: the user or an earlier visit gave it.

    Raises
    ------
    SegmentationError
        If a proposal names a segment that is not there.
    """
    by_name = {label_match.segment: label_match for label_match in label_matches}
    strangers = [name for name in by_name if name not in segmentation]
    if strangers:
        raise SegmentationError(f"There is no segment '{strangers[0]}' to label: recognise this segmentation again.")
    labelled = []
    for segment in segmentation:
        label_match = by_name.get(segment.name)
        if label_match is None or not label_match.certain:
            labelled.append(segment)
            continue
        item = codes.structure(label_match.structure)
        labelled.append(
            segment.relabelled(
                structure=item.key,
                role=segment.role or item.role,
                lobe=segment.lobe or label_match.lobe,
                color=item.color,
            )
        )
    return replace(segmentation, segments=tuple(labelled))


def words_of(name: str) -> tuple[str, ...]:
    """The words of a segment name: lower case, without accents, camel case, digits and compounds divided.

    Examples
    --------
    >>> words_of("KidneyLeft"), words_of("Läsion_3"), words_of("rechter Leberlappen")
    (('kidney', 'left'), ('lasion', '3'), ('rechter', 'leber', 'lappen'))
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    plain = re.sub(r"(?<=[a-z]{2})(?=\d)|(?<=[A-Z]{2})(?=\d)", " ", plain)
    words: list[str] = []
    for word in re.findall(r"[a-z0-9]+", plain.lower()):
        words.extend(structure_names.COMPOUNDS.get(word, (word,)))
    return tuple(words)


def _from_name(name: str) -> LabelMatch:
    plain = re.sub(r"\s*\((?:file )?\d+\)$", "", name)
    words = words_of(re.sub(r"[-~]\s*(?=[GCIP]TV)", " minus ", plain, flags=re.IGNORECASE))
    words = structure_names.with_minus(words)
    if re.fullmatch(r"Segment_\d+", name):
        return LabelMatch(name, "", f"'{name}' is the name that the Segment Editor gives to any new segment: choose.")
    lesion_id = structure_names.lesion_id_of(words) if len(words) == 1 else ""
    if lesion_id:
        key = "extrahepatic_lesion" if lesion_id[0] == "E" else "liver_lesion"
        return _label_match(name, key, f"'{name}' is written like a lesion's id.")
    side, rest = _side(words)
    if _names_both_kidneys(side, rest):
        return _label_match(name, "kidneys", "Its name says both kidneys.")
    if side == "both":
        return LabelMatch(name, "", f"'{name}' names both sides: rename it or choose a structure.")
    meaning = structure_names.meaning_of(rest)
    if meaning is None:
        return _unknown(name, rest)
    return _with_side(name, meaning, side)


def _vertebrae_in_company(found: Sequence[LabelMatch], coded: Collection[str]) -> list[LabelMatch]:
    """A bare L1 to L5 is a lesion's id; in the company of other vertebrae, and without one of its word, it is open."""
    words = {item.segment: words_of(item.segment) for item in found}
    company = any(structure_names.is_other_vertebra(some) for some in words.values())
    named = {item.structure for item in found}
    result = []
    for item in found:
        level = structure_names.lumbar_level(words[item.segment])
        known = item.segment in coded or item.structure != "liver_lesion" or f"vertebrae_L{level}" in named
        if not level or not company or known:
            result.append(item)
            continue
        choice = ("liver_lesion", f"vertebrae_L{level}")
        reason = (
            f"'{item.segment}' may be a lesion of the left lobe or, as other vertebrae are there, a lumbar vertebra."
        )
        result.append(LabelMatch(item.segment, "", reason, choice))
    return result


def _numbered_in_company(found: Sequence[LabelMatch], coded: Collection[str]) -> list[LabelMatch]:
    """Segment 1 is Couinaud's beside most of the others; OHIF gives that name to any new segment."""
    numbered = {item.segment for item in found if item.segment not in coded and _NUMBERED.fullmatch(item.segment)}
    if len({item.structure for item in found if item.segment in numbered} & set(codes.COUINAUD)) >= _MOST_OF_COUINAUD:
        return list(found)
    return [
        LabelMatch(
            item.segment,
            "",
            f"'{item.segment}' is what viewers call any new segment: rename it, to liver segment "
            f"{item.segment.split()[-1]} if it is Couinaud's.",
            (item.structure,),
        )
        if item.segment in numbered and item.structure
        else item
        for item in found
    ]


def _side(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The side that the words name ("left", "right", "both" or ""), and the other words."""
    sides = {structure_names.SIDES[word] for word in words if word in structure_names.SIDES}
    rest = tuple(word for word in words if word not in structure_names.SIDES)
    return ("both" if len(sides) > 1 else next(iter(sides), "")), rest


def _names_both_kidneys(side: str, words: Sequence[str]) -> bool:
    """Whether words without their sides name kidneys, and both sides are named ("Kidneys L+R", "beide Nieren")."""
    rest = [word for word in words if word not in structure_names.BOTH_SIDES]
    both = side == "both" or (len(rest) < len(words) and not side)
    return both and structure_names.meaning_of(rest) in ("kidney", "kidneys")


def _with_side(name: str, meaning: str, side: str) -> LabelMatch:
    if meaning in ("kidney", "liver_lobe"):
        options = (f"{meaning}_left", f"{meaning}_right")
        if not side:
            both = ", or kidneys for both" if meaning == "kidney" else ""
            remedy = f"choose one, or call it left {meaning.split('_')[-1]} or right {meaning.split('_')[-1]}{both}"
            return LabelMatch(name, "", f"'{name}' does not say which side: {remedy}.", options)
        return _label_match(name, f"{meaning}_{side}", f"Its name says {side} {meaning.replace('_', ' ')}.")
    if meaning == "kidneys" and side:
        return _label_match(name, f"kidney_{side}", f"Its name says {side} kidney.")
    if meaning == "liver" and side:
        return _label_match(name, f"liver_lobe_{side}", f"Its name says {side} part of the liver.")
    if side and meaning == "reference_liver":
        return replace(_label_match(name, meaning, f"Its name says reference of the {side} lobe."), lobe=side)
    if side and meaning not in codes.LESIONS:
        return LabelMatch(
            name, "", f"'{name}' gives a side to the {codes.structure(meaning).name}: confirm.", (meaning,)
        )
    words = codes.structure(meaning).name
    label_match = _label_match(name, meaning, f"Its name says {words}.")
    return replace(label_match, lobe=side) if side and meaning == "liver_lesion" else label_match


def _unknown(name: str, words: Sequence[str]) -> LabelMatch:
    hint = structure_names.partial_meanings(words)
    hint = tuple("kidneys" if key == "kidney" else key for key in hint)
    hint = tuple(key for key in hint if any(item.key == key for item in codes.known_structures()))
    if not hint:
        return LabelMatch(name, "", f"'{name}' is not a structure that this product knows; it is left aside.")
    return LabelMatch(
        name,
        "",
        f"'{name}' contains words that are not understood beside {', '.join(hint)}: choose, rename it, or leave it "
        "aside.",
        hint,
    )


def _label_match(name: str, key: str, reason: str) -> LabelMatch:
    return LabelMatch(name, key, reason, lobe=codes.structure(key).lobe)


def _caudate_in_context(found: Sequence[LabelMatch]) -> list[LabelMatch]:
    """The code of the caudate lobe is also that of segment I: beside other Couinaud segments it means the segment."""
    couinaud = any(item.structure in codes.COUINAUD[1:] for item in found)
    lobes = any(item.structure in ("liver_lobe_left", "liver_lobe_right") for item in found)
    both = {"liver_lobe_caudate", "liver_segment_1"}
    result = []
    for item in found:
        if not item.structure and set(item.alternatives) == both and couinaud != lobes:
            key = "liver_segment_1" if couinaud else "liver_lobe_caudate"
            result.append(_label_match(item.segment, key, f"Its code, beside {'segments' if couinaud else 'lobes'}."))
        else:
            result.append(item)
    return result


def _without_doubles(found: Sequence[LabelMatch]) -> list[LabelMatch]:
    single = [item.structure for item in found if item.structure and item.structure not in structure_names.MANY]
    doubles = {key for key in single if single.count(key) > 1}
    result = []
    for item in found:
        if item.structure in doubles and not structure_names.is_part(words_of(item.segment)):
            others = [o.segment for o in found if o.structure == item.structure and o.segment != item.segment]
            reason = f"'{item.segment}' and '{others[0]}' both seem to be the {item.structure}: choose one."
            result.append(LabelMatch(item.segment, "", reason, (item.structure,)))
        else:
            result.append(item)
    return result
