"""Folders and label maps as other programs leave them: tables of names, equal names, other grids, damaged scenes."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
import SimpleITK
from builders.shapes import ball, centred_grid
from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.imaging.volume import LPS_TO_RAS
from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, read_segmentation_file, write_segmentation_file
from PRRTUptakeLib.segmentation.bounding_box import volume_mL
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.files import read_mask_file, read_segment_folder
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.segment_files import read_segments

GRID = centred_grid(60.0, (2.0, 2.0, 3.0))


def write(path, values, grid=GRID):
    image = SimpleITK.GetImageFromArray(values.astype(np.uint8))
    lps = LPS_TO_RAS @ grid.ijk_to_ras
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / grid.spacing_mm).ravel().tolist())
    SimpleITK.WriteImage(image, str(path))


def mask(centre=(0, 0, 0), radius=12.0, grid=GRID):
    return ball(grid, "x", centre, radius).full_mask(grid.shape)


def label_map():
    return np.where(mask((-8, 0, 0), 9.0), 5, 0) + np.where(mask((14, 0, 0), 7.0), 1, 0)


def with_table(path, names):
    """Put a table of labels into the header of a NIfTI file, as TotalSegmentator does with --ml."""
    rows = "".join(f'<Label Key="{n}" Red="1.0"><![CDATA[{name}]]></Label>\n' for n, name in names.items())
    head = '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension> <VolumeInformation Index="0"> <LabelTable>'
    text = f"{head}\n{rows} </LabelTable></VolumeInformation></CaretExtension>".encode()
    size = -(-(len(text) + 8) // 16) * 16
    content = gzip.decompress(path.read_bytes())
    extension = struct.pack("<2i", size, 0) + text.ljust(size - 8, b"\0")
    made = bytearray(content[:348] + b"\1\0\0\0" + extension + content[352:])
    struct.pack_into("<f", made, 108, 352.0 + size)
    path.write_bytes(gzip.compress(bytes(made)))


def test_a_label_map_brings_its_names(tmp_path):
    write(tmp_path / "segmentations.nii.gz", label_map())
    with_table(tmp_path / "segmentations.nii.gz", {1: "spleen", 5: "liver", 26: "vertebrae_S1"})
    for found in (read_segments(tmp_path), read_segments(tmp_path / "segmentations.nii.gz")):
        assert [s.name for s in found] == ["spleen", "liver", "vertebrae_S1"]
        assert np.array_equal(found["liver"].full_mask(GRID.shape), label_map() == 5)
        assert found["vertebrae_S1"].voxel_count == 0


@pytest.mark.parametrize(
    "content", [{"1": "spleen", "5": "liver"}, {"labels": {"background": 0, "spleen": 1, "liver": 5}}]
)
def test_names_may_be_next_to_the_label_map(tmp_path, content):
    write(tmp_path / "all.nrrd", label_map())
    (tmp_path / "all.json").write_text(json.dumps(content), encoding="utf-8")
    found = read_segment_folder(tmp_path)
    assert {s.name for s in found} == {"spleen", "liver"}
    assert np.array_equal(found["spleen"].full_mask(GRID.shape), label_map() == 1)


def test_a_table_may_be_named_and_is_never_guessed(tmp_path):
    values = label_map()
    values[0, 0, 0] = 26
    write(tmp_path / "all.nii.gz", values)
    with pytest.raises(SegmentationError, match="Give one file per structure, or the names of its labels"):
        read_segments(tmp_path)
    names = {table: read_mask_file(tmp_path / "all.nii.gz", table).segments[25].name for table in ("total", "total_v3")}
    assert names == {"total": "vertebrae_S1", "total_v3": "vertebrae_L6"}
    found = read_segments(tmp_path / "all.nii.gz", labels="total")
    assert np.array_equal(found["liver"].full_mask(GRID.shape), label_map() == 5)
    with pytest.raises(SegmentationError, match="no table of labels 'totally'"):
        read_mask_file(tmp_path / "all.nii.gz", "totally")


def test_two_files_of_one_name_are_both_kept(tmp_path):
    write(tmp_path / "lesion.nii.gz", mask((-10, 0, 0), 6.0))
    write(tmp_path / "lesion.nrrd", mask((10, 0, 0), 6.0))
    found = read_segment_folder(tmp_path)
    assert [s.name for s in found] == ["lesion.nii.gz", "lesion.nrrd"]


def test_a_mask_whose_axes_are_turned_is_turned_back(tmp_path):
    write(tmp_path / "liver.nii.gz", mask())
    turned = np.flip(mask((4, 0, 6), 5.0), (0, 2))
    back = GRID.ijk_to_ras @ np.array(
        [[-1, 0, 0, GRID.shape[2] - 1], [0, 1, 0, 0], [0, 0, -1, GRID.shape[0] - 1], [0, 0, 0, 1.0]]
    )
    write(tmp_path / "met.nii.gz", turned, type(GRID)(GRID.shape, back))
    found = read_segment_folder(tmp_path)
    assert np.array_equal(found["met"].full_mask(GRID.shape), mask((4, 0, 6), 5.0))
    assert not found.warnings


def test_masks_on_several_grids_come_to_the_finest_and_it_is_said(tmp_path):
    fine = centred_grid(50.0, (1.0, 1.0, 1.5))
    write(tmp_path / "liver.nii.gz", mask())
    write(tmp_path / "met.nii.gz", mask((3, 1, 0), 5.0, fine), fine)
    found = read_segment_folder(tmp_path)
    assert found.grid.matches(fine)
    assert volume_mL(found.grid, found["met"]) == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.05)
    drawn = volume_mL(GRID, ball(GRID, "liver", (0, 0, 0), 12.0))
    assert volume_mL(found.grid, found["liver"]) == pytest.approx(drawn, rel=0.02)
    assert found.warnings == ("'liver' had other voxels than the other masks and were resampled to theirs.",)
    small = centred_grid(16.0, (1.0, 1.0, 1.0))
    write(tmp_path / "met.nii.gz", mask((0, 0, 0), 5.0, small), small)
    with pytest.raises(SegmentationError, match=r"'liver' .* has 7.\d\d mL, but"):
        read_segment_folder(tmp_path)


@pytest.mark.parametrize("how", ["cut", "flipped", "sizes", "extent", "directions"])
def test_a_damaged_scene_of_segments_does_not_reach_the_reader(tmp_path, scene, how):
    segmentation = Segmentation(GRID, (ball(GRID, "liver", (0, 0, 0), 12.0), ball(GRID, "R1", (5, 0, 0), 5.0)))
    path = tmp_path / "drawn.seg.nrrd"
    write_segmentation_file(node_from_segmentation(segmentation, "drawn"), path)
    assert {s.name for s in read_segments(path, read_file=read_segmentation_file)} == {"liver", "R1"}
    content = path.read_bytes()
    head, _, _ = content.partition(b"\n\n")
    flipped = bytearray(content)
    flipped[(len(head) + len(content)) // 2] ^= 0x41
    changed = {
        "cut": content[: -len(content) // 5],
        "flipped": bytes(flipped),
        "sizes": content.replace(b"sizes: ", b"sizes: 9", 1),
        "extent": content.replace(b"_Extent:=", b"_Extent:=9", 1),
        "directions": content.replace(b"(2,0,0)", b"(0,0,0)").replace(b"(-2,0,0)", b"(0,0,0)"),
    }[how]
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(ImagingError, match=r"drawn.seg.nrrd"):
        read_segments(path, read_file=read_segmentation_file)


def test_a_folder_with_one_scene_of_segments_is_read(tmp_path, scene):
    segmentation = Segmentation(GRID, (ball(GRID, "liver", (0, 0, 0), 12.0),))
    write_segmentation_file(node_from_segmentation(segmentation, "drawn"), tmp_path / "drawn.seg.nrrd")
    assert [s.name for s in read_segments(tmp_path, read_file=read_segmentation_file)] == ["liver"]
