"""What segments are called against where they lie, one lobe or none, and what is hardly plausible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.shapes import ball, box, centred_grid, ellipsoid, ras_of
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.segmentation.errors import LobeError
from PRRTUptakeLib.segmentation.plausibility import liver_volume_doubt, uptake_doubts
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.segmentation.totalsegmentator import TOTAL, TOTAL_V3
from PRRTUptakeLib.study.errors import PreparationError
from PRRTUptakeLib.study.preparation import prepare, recognised, with_ct_doubts
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit

GRID = centred_grid(260.0, (5.0, 5.0, 5.0))
PLACES = {"R1": (60, 20, 10), "R2": (55, -10, -15), "L1": (-35, 20, 10), "L2": (-30, -15, -20)}  # RAS
VALUES = {"R1": 80.0, "R2": 60.0, "L1": 40.0, "L2": 45.0}
LUTIA, ROUTES = load_protocol("lutia"), load_protocol("ia-versus-iv")


def liver():
    return ellipsoid(GRID, "liver", (15, 0, 0), (95, 60, 55))


def organs():
    return [
        liver(),
        ellipsoid(GRID, "gallbladder", (15, 45, -35), (12, 12, 15)),
        box(GRID, "inferior_vena_cava", (0, -60, -110), (16, -44, 110)),
        ball(GRID, "kidney_right", (70, -70, -70), 25.0),
        ball(GRID, "kidney_left", (-70, -70, -70), 25.0),
        ball(GRID, "spleen", (-100, -40, 20), 22.0),
        ball(GRID, "vertebrae_L2", (0, -90, -90), 18.0),
    ]


def lesions(*names):
    return [ball(GRID, name, PLACES[name], 18.0) for name in names or PLACES]


def image():
    values = np.full(GRID.shape, 1.0, np.float32)
    values[liver().full_mask(GRID.shape)] = 3.0
    for name, value in VALUES.items():
        values[ball(GRID, name, PLACES[name], 18.0).full_mask(GRID.shape)] = value
    return Volume(values, GRID.ijk_to_ras, "activity concentration", "Bq/ml")


def prepared(segments, protocol=LUTIA, cut=None):
    return prepare(Segmentation(GRID, tuple(segments)), protocol, image(), cut)


def reference_maximum(found):
    region = found.references.whole
    return float(image().array[region.full_mask(GRID.shape)].max())


def test_our_own_ids_next_to_vertebrae_are_lesions_and_keep_their_ids():
    found = prepared([*organs(), *lesions(), ball(GRID, "vertebrae_L1", (0, -90, -50), 18.0)])
    assert [(one.lesion.lesion_id, one.segment.lobe) for one in found.lesions] == [
        ("L1", "left"), ("L2", "left"), ("R1", "right"), ("R2", "right"),
    ]  # fmt: skip
    assert reference_maximum(found) == 3.0
    assert found.segmentation.having(structure="vertebrae_L1")[0].name == "vertebrae_L1"


def test_a_bare_vertebra_in_company_is_known_by_its_place():
    spine = [ball(GRID, name, (0, -90, z), 16.0) for name, z in (("T12", 60), ("L3", -40))]
    named, _, unclear = recognised(Segmentation(GRID, (*organs(), *spine, *lesions("L1", "R1"))))
    assert named["L3"].structure == "vertebrae_L3"
    assert named["L1"].structure == "liver_lesion"
    assert unclear == ("Left out, because it is not clear what they are: 'T12'.",)


def test_a_vertebra_in_the_liver_is_no_vertebra():
    wrong = ball(GRID, "vertebrae_L4", PLACES["R2"], 18.0)
    found = prepared([*organs(), *lesions("L1", "R1"), wrong])
    assert "'vertebrae_L4' is called vertebra L4, but 100% of it is in the liver" in " ".join(found.warnings)
    assert reference_maximum(found) == 45.0  # L2, which nobody drew
    assert not found.references.whole.full_mask(GRID.shape)[wrong.full_mask(GRID.shape)].any()


@pytest.mark.parametrize("name", ["Tu seg 7??", "ROI-14", "hot spot", "vertebra", "Segment_3", "unbekannt"])
def test_nothing_unknown_in_the_liver_stays_in_the_healthy_reference(name):
    found = prepared([*organs(), *lesions("L1", "L2", "R1"), ball(GRID, name, PLACES["R2"], 18.0)])
    assert reference_maximum(found) == 3.0
    assert found.warnings[0].startswith(f"Not known, and taken out of the healthy liver: '{name}' (2")


def test_an_unknown_lesion_that_the_liver_leaves_out_is_taken_out_with_its_margin():
    hole = ball(GRID, "x1y", PLACES["R2"], 18.0)
    rest = liver().full_mask(GRID.shape) & ~hole.full_mask(GRID.shape)
    found = prepared([Segment.from_full("liver", rest), *organs()[1:], *lesions("L1", "L2", "R1"), hole])
    away = np.linalg.norm(ras_of(GRID) - PLACES["R2"], axis=-1)
    assert away[found.references.whole.full_mask(GRID.shape)].min() > 18.0 + LUTIA.reference.lesion_margin_mm - 5.0
    assert "'x1y'" in found.warnings[0]


def test_an_outline_of_the_body_or_of_the_liver_leaves_the_reference():
    body = ellipsoid(GRID, "torso outline", (0, 0, 0), (125, 120, 125))
    other = ellipsoid(GRID, "hepar copy B", (15, 0, 0), (94, 59, 54))
    found = prepared([*organs(), *lesions(), body, other])
    assert found.references.whole.voxel_count == prepared([*organs(), *lesions()]).references.whole.voxel_count
    assert "'hepar copy B' cover(s) the liver" in found.warnings[0]


def test_the_output_of_totalsegmentator_gives_at_most_three_warnings():
    """All 117 masks, half of them empty, and lesions drawn by a reader."""
    known = {segment.name for segment in organs()}
    small = [ball(GRID, name, (-110, 100, 100), 8.0 if n % 2 else 0.1) for n, name in enumerate(TOTAL.values())]
    masks = [*organs(), *(one for one in small if one.name not in known)]
    found = prepared([*masks, *lesions()])
    assert len(found.warnings) <= 3, found.warnings
    odd = prepared([*masks, *lesions("L1", "L2", "R1"), ball(GRID, "spot", PLACES["R2"], 18.0)])
    assert len(odd.warnings) <= 3
    assert "'spot'" in odd.warnings[0]  # the dangerous one comes first


def test_the_tables_of_totalsegmentator_differ_at_one_label():
    assert len(TOTAL) == 117
    assert {n for n in TOTAL if TOTAL[n] != TOTAL_V3[n]} == {26}
    assert (TOTAL[5], TOTAL[26], TOTAL_V3[26]) == ("liver", "vertebrae_S1", "vertebrae_L6")
    assert TOTAL[117] == "costal_cartilages"


def test_an_id_on_the_wrong_side_is_said():
    swapped = [lesion.relabelled(name=name) for lesion, name in zip(lesions("R1", "L1"), ("L7", "R4"), strict=True)]
    found = prepared([*organs(), *swapped])
    assert {(one.lesion.lesion_id, one.segment.lobe) for one in found.lesions} == {("L7", "right"), ("R4", "left")}
    assert "contradict: L7 is in the right lobe, R4 is in the left lobe" in " ".join(found.warnings)


@pytest.mark.parametrize("lobe", ["left", "right"])
def test_the_liver_may_be_one_lobe(lobe):
    segments = [one for one in organs() if one.name not in ("gallbladder", "inferior_vena_cava")]
    with pytest.raises(PreparationError, match=r"or state that the liver is one lobe \('lobes': left or right\)"):
        prepared([*segments, *lesions()])
    found = prepared([*segments, *lesions()], cut=lobe)
    assert {one.segment.lobe for one in found.lesions} == {lobe}
    assert [(one.lobe, round(one.fraction, 9)) for one in found.lobes] == [(lobe, 1.0)]
    result = measure_visit(found, image(), LUTIA, VisitLabels("P", 1, "24h", "SPECT", "left"))
    ratios = {one.lesion_id: one.tn_ratio for one in result.targets}
    assert ratios["R1"] == pytest.approx(80.0 / 3.0, rel=1e-6)
    assert result.lobe_ratio is None
    with pytest.raises(LobeError, match="cannot be the lobe 'middle' alone"):
        prepared([*segments, *lesions()], cut="middle")


def test_a_comparison_of_routes_needs_no_lobes():
    segments = [one for one in organs() if one.name not in ("gallbladder", "inferior_vena_cava")]
    plain = [lesion.relabelled(name=f"lesion {n}") for n, lesion in enumerate(lesions(), start=1)]
    for found in (prepared([*segments, *plain], ROUTES), prepared([*segments, *plain], LUTIA, "none")):
        assert {one.lesion.lesion_id for one in found.lesions} == {"H1", "H2", "H3", "H4"}
        assert {one.segment.structure for one in found.lesions} == {"liver_lesion"}
        assert (found.lobes, found.references.by_lobe) == ((), {})
    result = measure_visit(found, image(), LUTIA, VisitLabels("P", 1, "24h", "SPECT"))
    assert result.targets[0].reference == pytest.approx(3.0)  # the whole liver is the only lobe that there is


def test_a_small_or_huge_liver_is_doubted():
    assert liver_volume_doubt(599.0)
    assert liver_volume_doubt(5001.0)
    assert not liver_volume_doubt(601.0)
    tiny = [ellipsoid(GRID, "liver", (15, 0, 0), (95, 28, 30)), *organs()[1:]]
    found = prepared([*tiny, ball(GRID, "L1", (-40, 0, 0), 18.0), ball(GRID, "R1", (60, 0, 0), 18.0)])
    assert any(text.startswith("The liver has 33") and "smaller than 600 mL" in text for text in found.warnings)


def test_swapped_sides_are_said():
    names = {"kidney_left": "kidney_right", "kidney_right": "kidney_left"}
    swapped = [one.relabelled(name=names.get(one.name, one.name)) for one in organs()]
    found = prepared([*swapped, *lesions()])
    assert any("kidney left is to the right of kidney right" in text for text in found.warnings)
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0]) @ GRID.ijk_to_ras
    segmentation = Segmentation(replace(GRID, ijk_to_ras=mirrored), (*organs(), *lesions()))
    notes = prepare(segmentation, LUTIA, None, "left").warnings
    assert any("spleen is to the right of liver" in text for text in notes)


def ct(shift=0):
    values = np.full(GRID.shape, -1000.0, np.float32)
    values[ellipsoid(GRID, "body", (0, 0, 0), (125, 110, 128)).full_mask(GRID.shape)] = -90.0  # fat
    values[np.roll(liver().full_mask(GRID.shape), shift, axis=2)] = 60.0
    return Volume(values, GRID.ijk_to_ras, "attenuation", "[hnsf'U]")


def test_a_liver_off_the_liver_of_its_ct_is_said():
    found = prepared([*organs(), *lesions()])
    assert with_ct_doubts(found, ct()).warnings == found.warnings
    notes = with_ct_doubts(found, ct(shift=12)).warnings
    assert notes[0].startswith("The liver's mask is hardly on the CT's liver")
    assert with_ct_doubts(found, None) is found
    mr = replace(ct(shift=12), units="1")
    assert with_ct_doubts(found, mr).warnings == found.warnings


def test_a_lesion_outside_the_body_is_said():
    found = prepared([*organs(), *lesions(), ball(GRID, "E1", (-118, 118, 100), 10.0)])
    assert "Outside the body or in air on the CT: E1." in with_ct_doubts(found, ct()).warnings[0]


def test_uptake_that_is_hardly_plausible_is_said():
    notes = uptake_doubts({"L1": 0.9, "R1": 4.0}, {"left": 1.0, "right": 2.1}, {"a": 0.41, "b": 0.39})
    starts = ("T/N is below 1 in L1: ", "Healthy liver differs between", "The reference is uneven")
    assert all(text.startswith(start) for text, start in zip(notes, starts, strict=True))
    assert "2.1-fold (left 1, right 2.1)" in notes[1]
    assert "a (41%)" in notes[2]
    assert "b (" not in notes[2]
    assert not uptake_doubts({"L1": 1.1}, {"left": 1.0, "right": 1.9}, {"a": 0.2})


def test_a_cold_lesion_and_a_tumour_nobody_drew_are_said_where_a_visit_is_measured():
    values = image().array.copy()
    values[lesions("R1")[0].full_mask(GRID.shape)] = 1.0
    shown = image().with_values(values)
    drawn = prepared([*organs(), *lesions("L1", "R1", "R2")])
    notes = measure_visit(drawn, shown, LUTIA, VisitLabels("P", 1, "24h", "SPECT")).warnings
    assert any(text.startswith("T/N is below 1 in R1") for text in notes)
    assert any("The reference is uneven" in text and "left lobe" in text for text in notes)
