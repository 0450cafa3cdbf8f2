"""Words by which people name structures, in six languages, and how they combine.

Words are written as ``recognition.words_of`` leaves them: lower case, without accents.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE_WORDS = {
    "left": "left lt l sin sinister links li link linke linker linkes linken linkszijdig gauche g sinistra sinistro "
    "sinistri sx izquierda izquierdo izq izquierdos",
    "right": "right rt r dx dex dext dexter rechts re recht rechte rechter rechtes rechten rechtszijdig droit droite "
    "dr destra destro destri derecha derecho dcha dcho derechos d",
}
_BOTH_WORDS = (
    "both bilateral lr rl beide beiden beidseits bds bilat beidseitig tweezijdig deux bilaterale bilateraux "
    "bilaterales entrambi ambos dambos"
)
BOTH_SIDES = frozenset(_BOTH_WORDS.split())
SIDES = {word: side for side, words in _SIDE_WORDS.items() for word in words.split()}

# Each concept with the words for it; a phrase that has several concepts is looked up in _PHRASES.
_CONCEPT_WORDS = {
    "liver": "liver hepatic hepar leber foie hepatique hepatiques lever fegato epatico epatica epatiche higado "
    "hepatico hepatica hepaticas hepaticos intrahepatic lebern",
    "lobe": "lobe lobes lobus lappen lob kwab lobo lobi",
    "caudate": "caudate caudatus spieghel caude caudato caudado spigel spigelian",
    "segment": "segment segments segm seg couinaud segmento segmenti segmentos",
    "kidney": "kidney kid renal niere rein nier rene rinon ren",
    "kidneys": "kidneys nieren reins reni rinones renes",
    "spleen": "spleen splenic milz rate milt milza bazo lien splenique splenica esplenica",
    "gallbladder": "gallbladder gallenblase galblaas cistifellea colecisti colecisto vesica",
    "gall": "gall vesicule vescica vesicula",
    "bladder": "bladder biliaire biliare biliar fellea",
    "cava": "cava cave hohlvene",
    "cavavein": "ivc vci",
    "vein": "vein veins vena venae vene venen veine veines vene ader aders venas",
    "inferior": "inferior inf untere inferieure onderste inferiore holle",
    "portal": "portal porta porte portae portale",
    "portalvein": "pfortader poortader",
    "artery": "artery arteries arteria arterie arterien artere arteres slagader arterias",
    "vessels": "vessel vessels gefass gefasse vaisseau vaisseaux vat vaten vaso vasi vasos vasculature",
    "aorta": "aorta aorte hauptschlagader",
    "blood": "blood sang bloed sangue sangre blut",
    "pool": "pool",
    "marrow": "marrow knochenmark beenmerg bonemarrow",
    "bone": "bone osseuse osseo osea",
    "marrowpart": "moelle midollo medula",
    "vertebra": "vertebra vertebrae vertebral wirbel wirbelkorper lendenwirbel vertebre vertebres wervel lendenwervel "
    "vertebras lumbar",
    "lesion": "lesion lesions lasion lasionen laesie laesies leasie lesione lesioni lesiones metastasis metastases "
    "metastase metastasen metastasi met mets tumor tumors tumour tumours tumoren tumeur tumeurs tumore tumori tumores "
    "neoplasm neoplasms secondary nodule nodules nodulo nodulos noduli nodo knoten herd herde mass masse masses masa "
    "massa uitzaaiing uitzaaiingen metastatique metastatica lesionen gtv",
    "extrahepatic": "extrahepatic extrahepatisch extrahepatique extraepatica extraepatico extrahepatica "
    "extrahepatische extrahepatiques",
    "elsewhere": "lymph lymphatic nodal node nodes lymphnode lymphnodes skeletal osseous peritoneal retroperitoneal "
    "mesenteric pancreatic pelvic femur femoral iliac rib ribs sternum lung pulmonary thyroid lymphknoten lymfeklier "
    "ganglion ganglionnaire linfonodo linfonodale ganglionar",
    "reference": "reference referenz referentie riferimento referencia",
    "sphere": "sphere kugel bol sfera esfera",
    "healthy": "healthy normal gesunde gesund sain sano sana gezond gezonde background",
}
_WORDS = {word: concept for concept, words in _CONCEPT_WORDS.items() for word in words.split()}

# Words that add nothing: articles, what every mask file is called.
_FILLER_WORDS = (
    "the of de del della dell la le les du des der die das el los van het and et und en y e "
    "mask roi voi label organ total parenchyma whole contour tissue gewebe tissu tessuto tejido weefsel "
    "gesamt ganz ganze ganzer totaal hele totale totali intero intera entier entiere entero entera complete combined "
    "ct pet spect mr mri"
)
# Words that add nothing beside a lesion: what readers call those they measure.
_LESION_FILLER_WORDS = "target index cible bersaglio diana doel ziel no nr num number numero nummer numero"
_LESION_FILLERS = frozenset(_LESION_FILLER_WORDS.split())
_LESION_NUMBER = re.compile(r"[lrceh]?\d+[a-z]?|[a-z]|i{1,3}|iv|vi{0,3}|ix|x|s\d[ab]?")
# The liver without its lesions; a word of the second kind only where a lesion's follows ("sin" is left, too).
_WITHOUT_WORDS = "minus without excl excluding exclusive ohne sans senza zonder hors free frei freie vrij vrije libre"
_WITHOUT = frozenset(_WITHOUT_WORDS.split())
_WITHOUT_NEXT = frozenset(("no", "non", "sin"))
_VOLUMES = frozenset(("gtv", "ctv", "itv", "ptv"))
_FILLERS = frozenset(_FILLER_WORDS.split())

_PHRASES = {
    frozenset({"liver"}): "liver",
    frozenset({"liver", "lobe"}): "liver_lobe",
    frozenset({"lobe"}): "liver_lobe",
    frozenset({"caudate"}): "liver_lobe_caudate",
    frozenset({"caudate", "lobe"}): "liver_lobe_caudate",
    frozenset({"caudate", "liver"}): "liver_lobe_caudate",
    frozenset({"caudate", "lobe", "liver"}): "liver_lobe_caudate",
    frozenset({"kidney"}): "kidney",
    frozenset({"kidneys"}): "kidneys",
    frozenset({"spleen"}): "spleen",
    frozenset({"gallbladder"}): "gallbladder",
    frozenset({"gall", "bladder"}): "gallbladder",
    frozenset({"cavavein"}): "inferior_vena_cava",
    frozenset({"cava", "inferior"}): "inferior_vena_cava",
    frozenset({"vein", "cava", "inferior"}): "inferior_vena_cava",
    frozenset({"portalvein"}): "portal_vein_and_splenic_vein",
    frozenset({"portal", "vein"}): "portal_vein_and_splenic_vein",
    frozenset({"portal", "vein", "spleen"}): "portal_vein_and_splenic_vein",
    frozenset({"liver", "vein"}): "hepatic_vein",
    frozenset({"liver", "artery"}): "hepatic_artery",
    frozenset({"liver", "vessels"}): "liver_vessels",
    frozenset({"aorta"}): "aorta",
    frozenset({"blood", "pool"}): "blood_pool",
    frozenset({"marrow"}): "marrow",
    frozenset({"marrow", "bone"}): "marrow",
    frozenset({"marrowpart", "bone"}): "marrow",
    frozenset({"lesion"}): "liver_lesion",
    frozenset({"lesion", "liver"}): "liver_lesion",
    frozenset({"lesion", "extrahepatic"}): "extrahepatic_lesion",
    frozenset({"extrahepatic"}): "extrahepatic_lesion",
    frozenset({"lesion", "elsewhere"}): "extrahepatic_lesion",
    frozenset({"lesion", "bone"}): "extrahepatic_lesion",
    frozenset({"lesion", "vertebra"}): "extrahepatic_lesion",
    frozenset({"reference"}): "reference_liver",
    frozenset({"reference", "liver"}): "reference_liver",
    frozenset({"reference", "lobe"}): "reference_liver",  # as our own masks are called
    frozenset({"reference", "liver", "lobe"}): "reference_liver",
    frozenset({"reference", "caudate", "lobe"}): "reference_liver",
    frozenset({"reference", "sphere"}): "reference_liver",
    frozenset({"healthy", "liver"}): "reference_liver",
    frozenset({"healthy", "liver", "reference"}): "reference_liver",
}

COMPOUNDS = {
    "leberherd": ("leber", "herd"),
    "leberherde": ("leber", "herd"),
    "leverhaard": ("lever", "laesie"),
    "leberlappen": ("leber", "lappen"),
    "lebersegment": ("leber", "segment"),
    "leberlasion": ("leber", "lasion"),
    "leberlasionen": ("leber", "lasion"),
    "lebermetastase": ("leber", "metastase"),
    "lebermetastasen": ("leber", "metastase"),
    "lebertumor": ("leber", "tumor"),
    "lebertumoren": ("leber", "tumor"),
    "lebervene": ("leber", "vene"),
    "lebervenen": ("leber", "vene"),
    "leberarterie": ("leber", "arterie"),
    "lebergefasse": ("leber", "gefasse"),
    "leverkwab": ("lever", "kwab"),
    "linkernier": ("linker", "nier"),
    "rechternier": ("rechter", "nier"),
    "linkerleverkwab": ("linker", "lever", "kwab"),
    "rechterleverkwab": ("rechter", "lever", "kwab"),
    "botmetastase": ("bone", "metastase"),
    "botmetastasen": ("bone", "metastase"),
    "knochenmetastase": ("bone", "metastase"),
    "knochenmetastasen": ("bone", "metastase"),
    "leversegment": ("lever", "segment"),
    "leverlaesie": ("lever", "laesie"),
    "leverlaesies": ("lever", "laesie"),
    "levermetastase": ("lever", "metastase"),
    "levermetastasen": ("lever", "metastase"),
    "levertumor": ("lever", "tumor"),
    "levervaten": ("lever", "vaten"),
    "leverader": ("lever", "ader"),
    "leveraders": ("lever", "ader"),
    "leverslagader": ("lever", "slagader"),
    "bloodpool": ("blood", "pool"),
}

# Structures of which a segmentation may hold several segments.
MANY = frozenset(
    {"liver_lesion", "extrahepatic_lesion", "liver_vessels", "hepatic_vein", "hepatic_artery", "reference_liver"}
)

# Names of AAPM TG-263 (C. Mayo et al. 2018, doi:10.1016/j.ijrobp.2017.12.013) and of vertebrae, whose letters mean
# something in the whole name only; as `label_matching.words_of` divides them.
_WHOLE_NAMES: dict[tuple[str, ...], str] = {
    ("a", "aorta"): "aorta",
    ("a", "hepatic"): "hepatic_artery",
    ("v", "hepatic"): "hepatic_vein",
    ("v", "portal"): "portal_vein_and_splenic_vein",
    ("v", "venacava", "i"): "inferior_vena_cava",
    **{("vb", f"l{n}"): f"vertebrae_L{n}" for n in range(1, 6)},
    **{("lwk", str(n)): f"vertebrae_L{n}" for n in range(1, 6)},
}
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
_NUMBER = re.compile(r"(s?)(\d+|viii|vii|vi|iv|v|iii|ii|i)([ab]?)")


def meaning_of(words: Sequence[str]) -> str | None:
    """What the words, sides already taken away, mean: a structure's key, "kidney", "liver_lobe", or None.

    Every word must be understood; numbers count in Couinaud segments, vertebrae and lesions.

    Examples
    --------
    >>> meaning_of(("vena", "cava", "inferior")), meaning_of(("segment", "iva")), meaning_of(("kidney", "cyst"))
    ('inferior_vena_cava', 'liver_segment_4', None)
    """
    if tuple(words) in _WHOLE_NAMES:
        return _WHOLE_NAMES[tuple(words)]
    if _is_without_lesions(words):
        return "reference_liver"
    words = [word for word in words if word not in _FILLERS]
    concepts = frozenset(_WORDS[word] for word in words if word in _WORDS)
    others = [word for word in words if word not in _WORDS]
    if {"onderste", "holle"} <= set(words):  # Dutch names the inferior vena cava by two adjectives
        concepts = concepts | {"cava"}
    if concepts & {"lesion", "extrahepatic"}:
        others = [one for one in others if one not in _LESION_FILLERS and not _LESION_NUMBER.fullmatch(one)]
        return None if others else _PHRASES.get(concepts - {"segment"}) or None
    if "segment" in concepts or (not concepts and len(others) == 1 and others[0].startswith("s")):
        return _couinaud(concepts, others)
    if "vertebra" in concepts:
        return _vertebra(concepts, others)
    if concepts == {"kidney"}:
        others = [one for one in others if not re.fullmatch(r"\d\d?", one)]  # "kidney_1", "kidney_2": which is open
    return None if others else _PHRASES.get(concepts) or None


def with_minus(words: Sequence[str]) -> tuple[str, ...]:
    """The words with "minus" for those that mean it before a lesion only.

    Examples
    --------
    >>> with_minus(("higado", "sin", "tumor")), with_minus(("liver", "met", "sin"))
    (('higado', 'minus', 'tumor'), ('liver', 'met', 'sin'))
    """
    return tuple(
        "minus" if word in _WITHOUT_NEXT and (_WORDS.get(after) == "lesion" or after in _VOLUMES) else word
        for word, after in pairwise((*words, ""))
    )


def _is_without_lesions(words: Sequence[str]) -> bool:
    """Whether the words name the liver without its lesions ("liver minus GTV", "Leber ohne Metastasen")."""
    left = [word for word in words if word not in _FILLERS and not word.isdigit()]
    if _WITHOUT.isdisjoint(left):
        return False
    concepts = {"lesion" if word in _VOLUMES else _WORDS.get(word, "") for word in left if word not in _WITHOUT}
    return {"liver", "lesion"} <= concepts <= {"liver", "lesion", "lobe", "healthy"}


def lesion_id_of(words: Sequence[str]) -> str:
    """The id of ours that a lesion's name holds, "" if there is none.

    Examples
    --------
    >>> lesion_id_of(("lesion", "r1")), lesion_id_of(("l02",)), lesion_id_of(("met", "4"))
    ('R1', 'L2', '')
    """
    found = [match for word in words if (match := re.fullmatch(r"([lrceh])0*([1-9]\d?)", word))]
    return f"{found[0][1].upper()}{found[0][2]}" if len(found) == 1 else ""


def lumbar_level(words: Sequence[str]) -> int:
    """Which lumbar vertebra a bare name such as L3 may be, 0 if none.

    Examples
    --------
    >>> lumbar_level(("l3",)), lumbar_level(("l6",)), lumbar_level(("lesion", "l3"))
    (3, 0, 0)
    """
    match = re.fullmatch(r"l([1-5])", words[0]) if len(words) == 1 else None
    return int(match[1]) if match else 0


def is_other_vertebra(words: Sequence[str]) -> bool:
    """Whether the words name a vertebra that no lesion of ours is called like: with its word, or thoracic or sacral.

    Examples
    --------
    >>> [is_other_vertebra(words) for words in (("vertebrae", "l4"), ("th12",), ("s1",), ("l4",), ("r1",))]
    [True, True, True, False, False]
    """
    if any(_WORDS.get(word) == "vertebra" for word in words):
        return True
    return len(words) == 1 and bool(re.fullmatch(r"th?(?:[1-9]|1[0-2])|s1|sacrum", words[0]))


def partial_meanings(words: Sequence[str]) -> tuple[str, ...]:
    """Structures that single words name, where the whole name is not understood."""
    keys = (_PHRASES.get(frozenset({_WORDS[word]})) for word in words if word in _WORDS)
    return tuple(dict.fromkeys(key for key in keys if key))


def is_part(words: Sequence[str]) -> bool:
    """Whether the words name a part of a Couinaud segment (IVa, 4b), of which there are several."""
    matches = (_NUMBER.fullmatch(word) for word in words)
    return any(match is not None and match[3] for match in matches)


def _couinaud(concepts: frozenset[str], others: Sequence[str]) -> str | None:
    if concepts - {"segment", "liver"} or len(others) != 1:
        return None
    match = _NUMBER.fullmatch(others[0])
    if match is None or not (match[1] or "segment" in concepts):
        return None
    number = _ROMAN.get(match[2]) or (int(match[2]) if match[2].isdigit() else 0)
    return f"liver_segment_{number}" if 1 <= number <= 8 else None


def _vertebra(concepts: frozenset[str], others: Sequence[str]) -> str | None:
    if concepts - {"vertebra"} or len(others) != 1:
        return None
    match = re.fullmatch(r"[l]?([1-5])", others[0])
    explicit = others[0].startswith("l")
    return f"vertebrae_L{match[1]}" if match and explicit else None
