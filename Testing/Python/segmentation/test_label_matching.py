"""Segments are recognised by code or by name in several languages, never by position; doubt is reported."""

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.codes import Code, CodedEntry, parse_terminology, terminology_entry
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.label_matching import recognise, recognise_one, with_matches
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

NAMES = {
    "liver": "liver; Leber; foie; lever; fegato; hígado; Liver_mask",
    "liver_lobe_left": "left_liver_lobe; LeftLobe; linker Leberlappen; lobe hépatique gauche; linker leverkwab; "
    "lobo epatico sinistro; lobo hepático izquierdo; liver_left; lobe gauche du foie",
    "liver_lobe_right": "right liver lobe; Leberlappen rechts; lobe droit; rechter leverkwab; lobo destro; "
    "lobo derecho",
    "liver_lobe_caudate": "caudate lobe; Lobus caudatus; lobe caudé; lobo caudato",
    "kidney_left": "kidney_left; KidneyL; linke Niere; rein gauche; linker nier; rene sinistro; "
    "riñón izquierdo; rein G; linkernier; Niere li.",
    "kidney_right": "kidney_right; RightKidney; Niere rechts; rein droit; nier rechts; rene destro; "
    "riñón derecho; rein D; Rechternier; Niere re",
    "kidneys": "kidneys; Nieren; reins; nieren; reni; riñones",
    "spleen": "spleen; Milz; rate; milt; milza; bazo",
    "gallbladder": "gallbladder; Gallenblase; vésicule biliaire; galblaas; cistifellea; vesícula biliar; gall bladder",
    "inferior_vena_cava": "inferior_vena_cava; IVC; untere Hohlvene; veine cave inférieure; onderste holle ader; "
    "vena cava inferiore; vena cava inferior; VCI",
    "portal_vein_and_splenic_vein": "portal_vein_and_splenic_vein; Pfortader; veine porte; poortader; vena porta",
    "aorta": "aorta; Aorte; aorte",
    "liver_vessels": "liver_vessels; Lebergefäße; vaisseaux hépatiques; levervaten",
    "liver_lesion": "liver_tumor; lesions; Leberläsion 3; Lebermetastasen; métastases hépatiques; levermetastase 2; "
    "lesioni epatiche; lesión hepática 4; metastasis_12; tumeur; R3; Läsion der Leber; L1; L5; lesion_R1; "
    "liver_lesion 3; met 4; Met4; Läsion_L2; metastase links 2; lésion gauche 1; laesie R2; lesione destra 1; "
    "lesión derecha 3; GTV 2; target lesion 1; nodule hépatique 2; nodulo epatico 1; nódulo hepático II; Leberherd 3; "
    "lesion segment 7; mets_S8",
    "extrahepatic_lesion": "Knochenmetastase 2; botmetastasen; extrahepatic lesion; "
    "extrahepatische Läsion; E2; lesion extrahepatic 1",
    "marrow": "bone marrow; Knochenmark; moelle osseuse; beenmerg; midollo osseo; médula ósea",
    "vertebrae_L3": "vertebrae_L3; Wirbel L3; vertèbre L3",
    "liver_segment_4": "liver_segment_4; Segment IV; S4; Segment IVa; Lebersegment 4; segmento 4",
    "liver_segment_8": "liver_segment_8; seg VIII; s8; Couinaud VIII segment",
    "reference_liver": "healthy liver; reference; gesunde Leber; liver minus lesions",
}


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, text in NAMES.items() for name in text.split("; ")])
def test_names_in_six_languages(key, name):
    assert recognise_one(name).structure == key


@pytest.mark.parametrize(
    "name",
    ["kidney_cyst_left", "lung_upper_lobe_left", "superior_vena_cava", "pulmonary_vein", "urinary_bladder", "stomach",
     "Segment_1", "Segment_4", "vertebrae_T12", "adrenal_gland_right", "liver minus lesions rim", "PTV",
     "", "segment 9",
     "iliac_vena_left", "left", "vena cava"],
)  # fmt: skip
def test_strangers_are_not_taken_for_something(name):
    label_match = recognise_one(name)
    assert not label_match.certain
    assert label_match.reason


@pytest.mark.parametrize(
    ("name", "alternatives"),
    [
        ("kidney", ("kidney_left", "kidney_right")),
        ("lobe", ("liver_lobe_left", "liver_lobe_right")),
        ("spleen left", ("spleen",)),
        ("liver minus lesions rim", ("liver", "liver_lesion")),
    ],
)
def test_doubt_is_reported_with_the_choices(name, alternatives):
    label_match = recognise_one(name)
    assert not label_match.certain
    assert label_match.alternatives == alternatives


def test_a_bare_lumbar_name_is_a_lesion_unless_other_vertebrae_keep_it_company():
    alone = {p.segment: p.structure for p in recognise(["liver", "L1", "L2", "R1"])}
    assert (alone["L1"], alone["L2"]) == ("liver_lesion", "liver_lesion")
    beside = {p.segment: p for p in recognise(["L1", "L3", "vertebrae_L1", "vertebrae_L2"])}
    assert beside["L1"].structure == "liver_lesion"  # the vertebra of that level is there already
    assert beside["L3"].alternatives == ("liver_lesion", "vertebrae_L3")
    for company in ("T12", "Th11", "S1", "Wirbel L4"):
        assert recognise(["L2", company])[0].alternatives == ("liver_lesion", "vertebrae_L2")


def test_two_of_one_kind_are_both_doubtful_but_lesions_are_many():
    found = {p.segment: p for p in recognise(["liver", "Leber", "lesion 1", "lesion 2", "IVa segment", "IVb segment"])}
    assert not found["liver"].certain
    assert "'Leber'" in found["liver"].reason
    assert found["lesion 2"].structure == "liver_lesion"
    assert found["IVb segment"].structure == "liver_segment_4"


def test_order_of_the_list_does_not_matter():
    names = ["spleen", "liver", "left kidney", "foo", "kidney"]
    forth = {p.segment: p for p in recognise(names)}
    back = {p.segment: p for p in recognise(names[::-1])}
    assert forth == back


@pytest.mark.parametrize("item", codes.known_structures(), ids=lambda item: item.key)
def test_terminology_round_trip(item):
    entry = parse_terminology(terminology_entry(item.key))
    keys = {found.key for found in codes.structures_of(entry)}
    if item.key in ("liver_lobe_caudate", "liver_segment_1"):  # one code for both
        assert keys == {"liver_lobe_caudate", "liver_segment_1"}
    elif item.key == "extrahepatic_lesion":  # its place decides
        assert keys == {"liver_lesion", "extrahepatic_lesion"}
    else:
        assert keys == {item.key}
    assert recognise_one(item.name, entry).structure == item.key


def test_codes_go_before_names_and_contradiction_is_reported():
    liver = CodedEntry(Code("10200004", "Liver"))
    assert recognise_one("ROI 7", liver).structure == "liver"
    assert recognise_one("left liver lobe", liver).structure == "liver_lobe_left"  # the name only says more
    contradiction = recognise_one("spleen", liver)
    assert contradiction.alternatives == ("liver", "spleen")
    unknown = CodedEntry(Code("85756007", "Tissue"))  # what Slicer writes by default
    assert recognise_one("Milz", unknown).structure == "spleen"
    kidney = CodedEntry(Code("64033007", "Kidney"), modifier=codes.LEFT)
    assert recognise_one("x", kidney).structure == "kidney_left"
    assert set(recognise_one("x", CodedEntry(codes.KIDNEY)).alternatives) == {"kidney_left", "kidney_right", "kidneys"}
    assert recognise_one("rechte Niere", CodedEntry(codes.KIDNEY)).structure == "kidney_right"
    assert recognise_one("x", CodedEntry(codes.METASTASIS, region=Code("272673000", "Bone"))).structure == (
        "extrahepatic_lesion"
    )


def test_code_shared_by_caudate_lobe_and_segment_one():
    shared = {"a": CodedEntry(Code("71133005", ""))}
    beside_segments = recognise(["a", "liver_segment_2", "liver_segment_5"], shared)
    assert beside_segments[0].structure == "liver_segment_1"
    assert recognise(["a", "left lobe", "right lobe"], shared)[0].structure == "liver_lobe_caudate"
    assert not recognise(["a"], shared)[0].certain


def test_codes_agree_with_the_dicom_dictionary():
    """The dictionary that pydicom holds from DICOM PS3.16 knows each code, under a meaning with a common word."""
    from pydicom.sr._concepts_dict import concepts

    known = {}
    for entries in (concepts["SCT"], concepts["NCIt"]):
        for by_code in entries.values():
            for value, meaning in by_code.items():
                known.setdefault(value, []).append(meaning[0].lower())
    absent = {"48521005", "69842003"}  # right and left lobe: SNOMED CT, not in the DICOM dictionary
    for item in codes.known_structures():
        if item.code.value in absent:
            continue
        words = set(item.code.meaning.lower().replace(",", "").split())
        assert any(words & set(text.replace(",", "").split()) for text in known[item.code.value]), item.key


def test_proposals_label_segments_but_keep_what_was_given():
    mask = np.ones((1, 1, 1), bool)
    grid = Grid((2, 2, 2), np.eye(4))
    segmentation = Segmentation(
        grid, (Segment("Leber", mask), Segment("R1", mask, role="target", lobe="right"), Segment("kidney", mask))
    )
    labelled = with_matches(segmentation, recognise([s.name for s in segmentation]))
    assert (labelled["Leber"].structure, labelled["Leber"].role) == ("liver", "organ")
    assert (labelled["R1"].structure, labelled["R1"].role, labelled["R1"].lobe) == ("liver_lesion", "target", "right")
    assert labelled["kidney"].structure == ""
    with pytest.raises(SegmentationError, match="no segment 'ghost'"):
        with_matches(segmentation, recognise(["ghost"]))


def test_bad_terminology_is_reported():
    assert parse_terminology("") is None
    assert parse_terminology("ctx~SCT^1^x~^^~^^") is None
    with pytest.raises(SegmentationError, match="not a terminology entry"):
        parse_terminology("liver")
    with pytest.raises(SegmentationError, match="'lung' is not known"):
        codes.structure("lung")


def test_reference_regions_are_known_by_the_names_of_our_own_masks():
    """Masks that were written and read again were unknown things in the liver, and left nothing of it."""
    names = ["reference_left_lobe", "reference right lobe", "reference_whole_liver", "reference_sphere"]
    found = recognise([*names, "liver"])
    assert [one.lobe for one in found[:2]] == ["left", "right"]
    assert [one.structure for one in found] == [*["reference_liver"] * 4, "liver"]
    assert not recognise(["sphere"])[0].certain
