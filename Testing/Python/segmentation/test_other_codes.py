"""Segments of other programs: retired codes, "organ" in a region, and names that viewers give to any new segment."""

from __future__ import annotations

import numpy as np
import pytest
from builders.contour_objects import code, grid_of, segmentation_file, small_ct
from PRRTUptakeLib.segmentation.codes import Code, CodedEntry, structures_of
from PRRTUptakeLib.segmentation.dicom_contours import read_contours
from PRRTUptakeLib.segmentation.label_matching import recognise

LEFT, RIGHT, BOTH = (Code(value, "", "SRT") for value in ("G-A101", "G-A100", "G-A102"))


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return small_ct(tmp_path_factory.mktemp("ct"))


@pytest.mark.parametrize(
    ("value", "modifier", "key"),
    [
        ("T-62000", None, "liver"),
        ("T-71000", LEFT, "kidney_left"),
        ("T-71000", RIGHT, "kidney_right"),
        ("T-71000", BOTH, "kidneys"),
        ("T-C3000", None, "spleen"),
        ("T-42000", None, "aorta"),
        ("T-D056A", None, "liver_segment_4"),
        ("T-11930", None, "vertebrae_L3"),
    ],
)
@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "99SDM"])
def test_codes_of_snomed_rt(value, modifier, key, scheme):
    assert [item.key for item in structures_of(CodedEntry(Code(value, "", scheme), modifier=modifier))] == [key]


@pytest.mark.parametrize("region", [Code("10200004", "Liver"), Code("T-62000", "Liver", "SRT")])
def test_a_lesion_by_retired_codes_and_its_region(region):
    for value in ("M-80006", "M-8FFFF", "M-01100", "M-03000"):
        entry = CodedEntry(Code(value, "", "SRT"), region=region)
        assert [item.key for item in structures_of(entry)] == ["liver_lesion"]


def test_unknown_codes_stay_unknown():
    assert structures_of(CodedEntry(Code("T-99999", "", "SRT"))) == ()
    assert structures_of(CodedEntry(Code("T-62000", ""))) == ()  # no code of SNOMED CT


@pytest.mark.parametrize(
    "generic", [("113343008", "SCT", "Organ"), ("85756007", "SCT", "Tissue"), ("T-D0050", "SRT", "Tissue")]
)
@pytest.mark.parametrize(
    ("region", "key"), [("10200004", "liver"), ("78961009", "spleen"), ("28231008", "gallbladder")]
)
def test_an_organ_is_what_its_region_says(tmp_path, series, generic, region, key):
    mask = np.zeros(grid_of(series).shape, dtype=bool)
    mask[3:6, 10:20, 10:20] = True

    def with_region(ds):
        ds.SegmentSequence[0].AnatomicRegionSequence = [code(region, "SCT", "")]

    planes = {k: mask[k] for k in range(3, 6)}
    path = segmentation_file(tmp_path / "seg", series, [(1, "Segment_1", generic, planes)], edit=with_region)
    (segment,) = read_contours(path, series)
    assert segment.structure == key


class TestSegmentWithANumber:
    """OHIF calls new segments "Segment 1", "Segment 2"; Couinaud's are called so, too."""

    def test_few_of_them_are_open(self):
        for found in recognise(["Segment 1", "Segment 2", "liver"])[:2]:
            assert not found.certain
            assert f"rename it, to liver segment {found.segment[-1]} if it is Couinaud's" in found.reason

    def test_most_of_the_eight_are_couinauds(self):
        names = [f"Segment {n}" for n in range(2, 9)]
        assert [found.structure for found in recognise(names)] == [f"liver_segment_{n}" for n in range(2, 9)]

    @pytest.mark.parametrize("name", ["Segment IV", "liver segment 4", "S4", "Lebersegment 4", "segment 4"])
    def test_other_names_of_couinauds_stay(self, name):
        assert recognise([name])[0].structure == "liver_segment_4"


def test_an_object_off_the_voxels_of_the_image_that_it_names_is_said(tmp_path, series):
    mask = np.zeros(grid_of(series).shape, dtype=bool)
    mask[3:6, 10:20, 10:20] = True

    def moved(ds):
        for group in ds.PerFrameFunctionalGroupsSequence:
            place = group.PlanePositionSequence[0]
            x, y, z = (float(value) for value in place.ImagePositionPatient)
            place.ImagePositionPatient = [x + 1.0, y, z]

    planes = {k: mask[k] for k in range(3, 6)}
    content = [(1, "liver", ("10200004", "SCT", "Liver"), planes)]
    found = read_contours(segmentation_file(tmp_path / "seg", series, content, edit=moved), series)
    assert found["liver"].voxel_count == mask.sum()
    assert [text for text in found.warnings if "its voxels are not those" in text]
    assert not read_contours(segmentation_file(tmp_path / "same", series, content), series).warnings
