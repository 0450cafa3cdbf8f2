"""The structures that this product knows: their codes, colours, and the role and lobe that anatomy gives them.

Keys follow TotalSegmentator's names where it has them. Codes are SNOMED CT (scheme SCT) as in DICOM PS3.16, except the
reference region (NCI Thesaurus, NCIt). Left and right kidney share one code and differ by a modifier, as DICOM does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from PRRTUptakeLib.segmentation.errors import SegmentationError


@dataclass(frozen=True)
class Code:
    """A coded concept: value, scheme, meaning; equal when value and scheme are."""

    value: str
    meaning: str
    scheme: str = "SCT"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and (self.value, self.scheme) == (other.value, other.scheme)

    def __hash__(self) -> int:
        return hash((self.value, self.scheme))


@dataclass(frozen=True)
class Structure:
    """One anatomical or pathological structure.

    Attributes
    ----------
    key : unique word, for instance "kidney_left"; kept in ``Segment.structure``.
    name : words for tables and the Segment Editor.
    code, category : what it is, and of which kind.
    color : red, green, blue, each 0-1.
    role : the default ``PRRT.Role``, or "".
    lobe : the default ``PRRT.Lobe``: of Couinaud segments the side that anatomy gives, "none" outside the liver.
    modifier : left, right, or both; None where it plays no part.
    region : where a lesion or region is; None where the code says it already.
    """

    key: str
    name: str
    code: Code
    category: Code
    color: tuple[float, float, float]
    role: str = "organ"
    lobe: str = "none"
    modifier: Code | None = None
    region: Code | None = None


@dataclass(frozen=True)
class CodedEntry:
    """What a segment's terminology says: category, type, and optionally modifier and region."""

    type: Code
    category: Code | None = None
    modifier: Code | None = None
    region: Code | None = None


ANATOMY = Code("123037004", "Anatomical Structure")
MORPHOLOGY = Code("49755003", "Morphologically Altered Structure")
SPATIAL = Code("309825002", "Spatial and Relational Concept")
SUBSTANCE = Code("91720002", "Body Substance")
LEFT = Code("7771000", "Left")
RIGHT = Code("24028007", "Right")
BOTH = Code("51440002", "Right and left")
LIVER = Code("10200004", "Liver")
AORTA = Code("15825003", "Aorta")
KIDNEY = Code("64033007", "Kidney")
METASTASIS = Code("14799000", "Neoplasm, Secondary")
# What other programs call a lesion; where it is then decides, and without that its name.
_LESIONS = (METASTASIS, Code("52988006", "Lesion"), Code("108369006", "Neoplasm"), Code("4147007", "Mass"))
# What leaves it to the region what it is, as dcmqi and Slicer write it.
_GENERIC = (Code("113343008", "Organ"), Code("85756007", "Tissue"), ANATOMY)
_RETIRED_SCHEMES = ("SRT", "SNM3", "99SDM")
LUMBAR_SPINE = Code("122496007", "Lumbar spine")

ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")
SEGMENT_LOBES = ("caudate", "left", "left", "left", "right", "right", "right", "right")
_SEGMENT_CODES = (
    "71133005",
    "277956007",
    "277957003",
    "277958008",
    "277959000",
    "277960005",
    "277961009",
    "277962002",
)
_SEGMENT_COLORS = (
    (0.60, 0.60, 0.20),
    (0.20, 0.45, 0.80),
    (0.35, 0.65, 0.90),
    (0.40, 0.80, 0.80),
    (0.90, 0.60, 0.30),
    (0.80, 0.40, 0.30),
    (0.65, 0.30, 0.45),
    (0.95, 0.75, 0.50),
)
_VERTEBRA_CODES = ("66794005", "14293000", "36470004", "11994002", "49668003")


def _couinaud() -> tuple[Structure, ...]:
    return tuple(
        Structure(
            f"liver_segment_{number}",
            f"liver segment {roman}",
            Code(code, f"Couinaud hepatic segment {roman}"),
            ANATOMY,
            color,
            role="",  # neither lobe nor organ: parts of which lobes are made
            lobe=lobe,
        )
        for number, (roman, code, color, lobe) in enumerate(
            zip(ROMAN, _SEGMENT_CODES, _SEGMENT_COLORS, SEGMENT_LOBES, strict=True), start=1
        )
    )


def _vertebrae() -> tuple[Structure, ...]:
    return tuple(
        Structure(
            f"vertebrae_L{number}",
            f"vertebra L{number}",
            Code(code, f"L{number} vertebra"),
            ANATOMY,
            (0.95, 0.90, 0.75 - 0.05 * number),
        )
        for number, code in enumerate(_VERTEBRA_CODES, start=1)
    )


_LEFT_LOBE = Code("69842003", "Left lobe of liver")
_RIGHT_LOBE = Code("48521005", "Right lobe of liver")
_CAUDATE_LOBE = Code("71133005", "Caudate lobe of liver")
_VESSEL = Code("59820001", "Blood vessel")
_PORTAL = Code("32764006", "Portal vein")

_STRUCTURES = (
    Structure("liver", "liver", LIVER, ANATOMY, (0.87, 0.51, 0.40), lobe=""),
    Structure("liver_lobe_left", "left liver lobe", _LEFT_LOBE, ANATOMY, (0.25, 0.55, 0.85), "lobe", "left"),
    Structure("liver_lobe_right", "right liver lobe", _RIGHT_LOBE, ANATOMY, (0.90, 0.55, 0.25), "lobe", "right"),
    Structure("liver_lobe_caudate", "caudate lobe", _CAUDATE_LOBE, ANATOMY, (0.60, 0.60, 0.20), "lobe", "caudate"),
    *_couinaud(),
    Structure("liver_lesion", "liver lesion", METASTASIS, MORPHOLOGY, (0.85, 0.10, 0.15), "lesion", "", region=LIVER),
    Structure("extrahepatic_lesion", "extrahepatic lesion", METASTASIS, MORPHOLOGY, (0.75, 0.15, 0.65), "lesion"),
    Structure("gallbladder", "gallbladder", Code("28231008", "Gallbladder"), ANATOMY, (0.55, 0.68, 0.29)),
    Structure(
        "inferior_vena_cava", "inferior vena cava", Code("64131007", "Inferior vena cava"), ANATOMY, (0.0, 0.59, 0.81)
    ),
    Structure("portal_vein_and_splenic_vein", "portal and splenic vein", _PORTAL, ANATOMY, (0.0, 0.35, 0.65)),
    Structure("liver_vessels", "liver vessels", _VESSEL, ANATOMY, (0.15, 0.35, 0.75), region=LIVER),
    Structure("hepatic_vein", "hepatic veins", Code("8993003", "Hepatic vein"), ANATOMY, (0.10, 0.45, 0.90)),
    Structure("hepatic_artery", "hepatic artery", Code("76015000", "Hepatic artery"), ANATOMY, (0.90, 0.25, 0.25)),
    Structure("kidney_left", "left kidney", KIDNEY, ANATOMY, (0.73, 0.40, 0.32), modifier=LEFT),
    Structure("kidney_right", "right kidney", KIDNEY, ANATOMY, (0.78, 0.45, 0.35), modifier=RIGHT),
    Structure("kidneys", "kidneys", KIDNEY, ANATOMY, (0.75, 0.43, 0.33), modifier=BOTH),
    Structure("spleen", "spleen", Code("78961009", "Spleen"), ANATOMY, (0.62, 0.42, 0.54)),
    Structure("aorta", "aorta", AORTA, ANATOMY, (0.88, 0.38, 0.30)),
    Structure("blood_pool", "blood pool", Code("87612001", "Blood"), SUBSTANCE, (0.70, 0.10, 0.10), region=AORTA),
    *_vertebrae(),
    Structure(
        "marrow", "bone marrow", Code("14016003", "Bone marrow"), ANATOMY, (0.95, 0.70, 0.55), region=LUMBAR_SPINE
    ),
    Structure(
        "reference_liver",
        "healthy liver reference",
        Code("C94970", "Reference Region", "NCIt"),
        SPATIAL,
        (0.35, 0.80, 0.40),
        "reference",
        "",
        region=LIVER,
    ),
)
_BY_KEY = {item.key: item for item in _STRUCTURES}

_IN_LIVER = frozenset({item.code for item in _STRUCTURES if item.lobe in ("left", "right", "caudate")})
LESIONS = ("liver_lesion", "extrahepatic_lesion")
VESSELS = ("portal_vein_and_splenic_vein", "liver_vessels", "hepatic_vein", "hepatic_artery", "inferior_vena_cava")
COUINAUD = tuple(f"liver_segment_{number}" for number in range(1, 9))
LOBE_STRUCTURES = {"left": "liver_lobe_left", "right": "liver_lobe_right", "caudate": "liver_lobe_caudate"}


def known_structures() -> tuple[Structure, ...]:
    """All structures, the liver first."""
    return _STRUCTURES


def structure(key: str) -> Structure:
    """The structure of a key.

    Examples
    --------
    >>> structure("liver").code.value, structure("kidney_left").modifier.meaning
    ('10200004', 'Left')

    Raises
    ------
    SegmentationError
        If the key is not known.
    """
    if key not in _BY_KEY:
        raise SegmentationError(f"The structure '{key}' is not known; known are {', '.join(_BY_KEY)}.")
    return _BY_KEY[key]


def structures_of(entry: CodedEntry) -> tuple[Structure, ...]:
    """The structures that a terminology entry may mean; more than one where the code leaves it open.

    Examples
    --------
    >>> [s.key for s in structures_of(CodedEntry(KIDNEY, modifier=LEFT))]
    ['kidney_left']
    >>> [s.key for s in structures_of(CodedEntry(Code("71133005", "")))]
    ['liver_lobe_caudate', 'liver_segment_1']
    >>> [s.key for s in structures_of(CodedEntry(Code("T-71000", "", "SRT"), modifier=Code("G-A101", "", "SRT")))]
    ['kidney_left']
    """
    entry = _current(entry)
    if entry.type in _GENERIC and entry.region is not None:  # "organ" in the region of the liver is the liver
        entry = CodedEntry(entry.region, entry.category, entry.modifier)
    same = [item for item in _STRUCTURES if item.code == entry.type]
    if entry.modifier is not None:
        same = [item for item in same if item.modifier is None or item.modifier == entry.modifier]
    region = LIVER if entry.region in _IN_LIVER else entry.region
    if entry.type in _LESIONS and region is not None:
        key = "liver_lesion" if region == LIVER else "extrahepatic_lesion"
        return (structure(key),)
    if region is not None:
        same = [item for item in same if item.region is None or item.region == region]
    return tuple(same)


def _current(entry: CodedEntry) -> CodedEntry:
    """The entry with codes of SNOMED CT in place of those of SNOMED RT, which DICOM has retired."""
    category, modifier, region = (_of_today(one) for one in (entry.category, entry.modifier, entry.region))
    return CodedEntry(_of_today(entry.type) or entry.type, category, modifier, region)


@cache
def _of_today(code: Code | None) -> Code | None:
    if code is None or code.scheme not in _RETIRED_SCHEMES:
        return code
    from pydicom.sr.coding import Code as Coded  # compares codes of both by the table of PS3.16

    old = Coded(code.value, "SRT", code.meaning)  # the schemes differ in name only
    known = [one for item in _STRUCTURES for one in (item.code, item.region, item.modifier) if one is not None]
    return next((one for one in (*known, *_LESIONS, *_GENERIC) if old == Coded(one.value, one.scheme, "")), code)


def lobe_of(entry: CodedEntry) -> str:
    """The lobe that the site of a lesion or region names; "" if none.

    Examples
    --------
    >>> lobe_of(CodedEntry(METASTASIS, region=Code("48521005", "Right lobe of liver")))
    'right'
    """
    region = _of_today(entry.region)
    return next((item.lobe for item in _STRUCTURES if item.lobe not in ("", "none") and item.code == region), "")


TERMINOLOGY_TAG = "TerminologyEntry"  # of a segment, in Slicer
CONTEXT_NAME = "Segmentation category and type - PRRT"


REGION_CONTEXT_NAME = "Anatomic codes - DICOM master list"  # Slicer's own list of regions, which has all of ours


def terminology_entry(key: str) -> str:
    """The structure as Slicer writes it into the segment tag ``TerminologyEntry``.

    Examples
    --------
    >>> terminology_entry("kidney_left").split("~")[1:4]
    ['SCT^123037004^Anatomical Structure', 'SCT^64033007^Kidney', 'SCT^7771000^Left']
    """
    item = structure(key)
    parts = (
        CONTEXT_NAME,
        _triple(item.category),
        _triple(item.code),
        _triple(item.modifier),
        REGION_CONTEXT_NAME,
        _triple(item.region),
        "^^",
    )
    return "~".join(parts)


def terminology_content() -> dict[str, Any]:
    """What ``Resources/Terminologies/PRRT.term.json`` holds: all structures as a Slicer terminology.

    Slicer's own lists have neither lobes nor Couinaud segments. Structures of one code that differ only by side are
    given as modifiers of one type, as Slicer expects.
    """
    categories: dict[Code, dict[Code, dict[str, Any]]] = {}
    for item in _STRUCTURES:
        types = categories.setdefault(item.category, {})
        if item.modifier is None and item.code in types:  # a second name for the same code: Slicer shows one
            continue
        entry = types.setdefault(item.code, _json(item.code, item.color))
        if item.modifier is not None:
            entry.setdefault("Modifier", []).append(_json(item.modifier, item.color))
    return {
        "SegmentationCategoryTypeContextName": CONTEXT_NAME,
        "@schema": "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#",
        "SegmentationCodes": {
            "Category": [
                {**_json(category), "showAnatomy": category != ANATOMY, "Type": list(types.values())}
                for category, types in categories.items()
            ]
        },
    }


def _json(code: Code, color: tuple[float, float, float] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "CodingSchemeDesignator": code.scheme,
        "CodeValue": code.value,
        "CodeMeaning": code.meaning,
    }
    if color is not None:
        content["recommendedDisplayRGBValue"] = [round(255 * part) for part in color]
    return content


def parse_terminology(entry: str) -> CodedEntry | None:
    """Read Slicer's segment tag ``TerminologyEntry``; None if it is empty or names no type.

    Examples
    --------
    >>> parse_terminology(terminology_entry("liver_lesion")).region.meaning
    'Liver'

    Raises
    ------
    SegmentationError
        If the text is not a terminology entry.
    """
    if not entry.strip():
        return None
    parts = entry.split("~")
    if len(parts) < 3:
        raise SegmentationError(
            f"'{entry}' is not a terminology entry: it needs context~category~type, divided by '~'."
        )
    parts += [""] * (7 - len(parts))
    kind = _code(parts[2])
    if kind is None:
        return None
    return CodedEntry(kind, _code(parts[1]), _code(parts[3]), _code(parts[5]))


def _triple(code: Code | None) -> str:
    return "^^" if code is None else f"{code.scheme}^{code.value}^{code.meaning}"


def _code(text: str) -> Code | None:
    scheme, value, meaning = (*text.split("^"), "", "", "")[:3]
    return Code(value, meaning, scheme) if value else None
