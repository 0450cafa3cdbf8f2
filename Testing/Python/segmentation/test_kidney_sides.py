"""Kidneys that were named without their side, and names as planning systems and clinics write them."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.label_matching import recognise
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.study.preparation import recognised

GRID = Grid((12, 30, 60), np.diag([5.0, 5.0, 5.0, 1.0]))  # i grows to the patient's right
FLIPPED = Grid(GRID.shape, np.array([[-5.0, 0, 0, 0], [0, 5.0, 0, 0], [0, 0, 5.0, 0], [0, 0, 0, 1]]))


def segment(name, *columns, grid=GRID):
    mask = np.zeros(grid.shape, dtype=bool)
    for first in columns:
        start = first if grid is GRID else 60 - first - 10
        mask[2:10, 8:16, start : start + 10] = True
    return Segment(name, mask)


def structures(*segments, grid=GRID):
    found, _, _ = recognised(Segmentation(grid, segments))
    return [one.structure for one in found]


@pytest.mark.parametrize("grid", [GRID, FLIPPED])
class TestByPlace:
    @pytest.mark.parametrize("name", ["Kidney", "Kidney mask", "Niere", "renal", "kidney 1", "Rein"])
    def test_one_segment_on_both_sides_is_both(self, name, grid):
        assert structures(segment(name, 5, 45, grid=grid), grid=grid) == ["kidneys"]

    @pytest.mark.parametrize("names", [("kidney_1", "kidney_2"), ("Niere (1)", "Niere (2)"), ("Kidney", "renal")])
    def test_two_segments_have_the_sides_where_they_are(self, names, grid):
        left, right = segment(names[0], 5, grid=grid), segment(names[1], 45, grid=grid)
        assert structures(left, right, grid=grid) == ["kidney_left", "kidney_right"]
        assert structures(right, left, grid=grid) == ["kidney_right", "kidney_left"]

    def test_the_one_beside_a_named_one(self, grid):
        drawn = segment("left kidney", 5, grid=grid), segment("Kidney", 45, grid=grid)
        assert structures(*drawn, grid=grid) == ["kidney_left", "kidney_right"]

    def test_on_the_wrong_side_of_a_named_one_stays_open(self, grid):
        drawn = segment("left kidney", 45, grid=grid), segment("Kidney", 5, grid=grid)
        assert structures(*drawn, grid=grid) == ["kidney_left", ""]


@pytest.mark.parametrize(
    "drawn",
    [
        [segment("Kidney", 45)],  # one of them: nothing shows where the middle is
        [segment("kidney_1", 5), segment("kidney_2", 12)],  # parts of one
        [segment("kidney_1", 5, 45), segment("kidney_2", 45)],
        [segment("kidney_1", 0), segment("kidney_2", 20), segment("kidney_3", 45)],
        [segment("Kidney", 5, 25, 45)],
        [segment("kidney cyst", 5, 45)],
        [segment("renal pelvis", 5, 45)],
    ],
    ids=["one", "close", "overlapping", "three", "three parts", "cyst", "pelvis"],
)
def test_what_its_place_does_not_show_stays_open(drawn):
    assert not any(structures(*drawn))


def test_an_open_one_says_what_to_call_it():
    (found,) = recognise(["Kidney"])
    assert found.alternatives == ("kidney_left", "kidney_right")
    assert found.reason.endswith("choose one, or call it left kidney or right kidney, or kidneys for both.")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, "kidneys") for name in ("Kidneys L+R", "beide Nieren", "Nieren bds", "left and right kidney")],
        *[(name, "kidneys") for name in ("both kidneys", "bilateral kidneys", "Kidney_Both", "Kidney_LR")],
        *[(name, "liver") for name in ("Liver_CT", "Leber gesamt", "Lever totaal", "fegato intero", "Liver_contour")],
        *[(name, "spleen") for name in ("Spleen PET", "SPLEEN_CT", "Milz gesamt")],
        *[(name, "reference_liver") for name in ("Liver-GTV", "Liver-GTV1", "liver minus tumour", "Leber ohne Herde")],
        *[(name, "reference_liver") for name in ("hígado sin tumor", "tumour-free liver", "foie sans lésions")],
        ("liver-lesion-1", "liver_lesion"),
        ("liver met sin", "liver_lesion"),
        ("GTV-1", "liver_lesion"),
        ("liver lesion no 3", "liver_lesion"),
        ("A_Aorta", "aorta"),
        ("V_Portal", "portal_vein_and_splenic_vein"),
        ("V_Venacava_I", "inferior_vena_cava"),
        ("A_Hepatic", "hepatic_artery"),
        ("VB_L3", "vertebrae_L3"),
        ("LWK3", "vertebrae_L3"),
        ("Ren sinister", "kidney_left"),
        *[(name, "") for name in ("Lung", "Parotid_L", "Salivary gland", "Femur", "Adrenal", "RL", "both lobes")],
    ],
)
def test_names_of_planning_systems_and_clinics(name, expected):
    assert recognise([name])[0].structure == expected
