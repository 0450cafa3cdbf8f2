"""Masks from files: TotalSegmentator folders and label maps."""

import numpy as np
import pytest
import SimpleITK
from builders.shapes import rotation
from PRRTUptakeLib.segmentation.bounding_box import remarks
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.files import read_labelmap, read_segment_folder

TURN = rotation((1, 1, 1), 12.0)


def write(path, array, origin=(10.0, -20.0, 30.0), spacing=(1.0, 1.5, 3.0)):
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(TURN.ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    return image


@pytest.fixture
def folder(tmp_path):
    liver = np.zeros((4, 5, 6), np.uint8)
    liver[1:3, 1:4, 2:5] = 1
    spleen = np.zeros_like(liver)
    spleen[3, 4, 5] = 255
    write(tmp_path / "liver.nii.gz", liver)
    write(tmp_path / "spleen.nii.gz", spleen)
    write(tmp_path / "stomach.nii.gz", np.zeros_like(liver))
    (tmp_path / "statistics.json").write_text("{}")
    return tmp_path


def test_folder_gives_named_segments_in_true_geometry(folder):
    segmentation = read_segment_folder(folder)
    assert [s.name for s in segmentation] == ["liver", "spleen", "stomach"]
    assert segmentation["liver"].voxel_count == 18
    assert segmentation["spleen"].origin == (3, 4, 5)
    image = SimpleITK.ReadImage(str(folder / "liver.nii.gz"))
    for ijk in ((0, 0, 0), (5, 4, 3)):
        lps = np.array(image.TransformIndexToPhysicalPoint(ijk))
        assert segmentation.grid.to_ras(np.array(ijk)) == pytest.approx(lps * [-1, -1, 1], abs=1e-4)
    assert remarks(segmentation) == ()  # an organ that plays no part may be outside the image
    named = segmentation.with_segments(segmentation["stomach"].relabelled(structure="spleen", role="organ"))
    assert remarks(named) == ("Without a voxel: 'stomach'. Draw what is in the image.",)


def test_only_the_asked_for(folder):
    assert [s.name for s in read_segment_folder(folder, only=["spleen"])] == ["spleen"]
    with pytest.raises(SegmentationError, match=r"no mask 'kidney'; it has liver, spleen"):
        read_segment_folder(folder, only=["kidney"])


def test_bad_folders_are_reported(folder, tmp_path):
    with pytest.raises(SegmentationError, match="There is no folder"):
        read_segment_folder(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SegmentationError, match="holds no mask"):
        read_segment_folder(empty)
    one = np.zeros((4, 5, 6), np.uint8)
    one[1:3, 1:4, 2:5] = 1
    write(folder / "aorta.nii.gz", one)
    write(folder / "lesion.nii.gz", one, origin=(910.5, -20, 30))
    with pytest.raises(SegmentationError, match=r"'lesion' .* from RAS .* but 0.00 mL on the grid of the other masks"):
        read_segment_folder(folder, only=["aorta", "lesion"])


@pytest.mark.parametrize("values", [[0, 1, 2], [0, -1, 0], [0.0, 0.3, 0.9]])
def test_images_are_not_masks(folder, values):
    dtype = np.float32 if isinstance(values[0], float) else np.int16
    array = np.zeros((4, 5, 6), dtype)
    array[0, 0, :3] = values
    write(folder / "ct.nii.gz", array)
    with pytest.raises(SegmentationError, match=r"ct.nii.gz is not a mask"):
        read_segment_folder(folder, only=["ct"])


def test_damaged_file_is_reported(folder):
    data = (folder / "liver.nii.gz").read_bytes()
    (folder / "liver.nii.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(SegmentationError, match=r"liver.nii.gz is damaged or cut short"):
        read_segment_folder(folder, only=["liver"])


def test_labelmap(folder):
    array = np.zeros((4, 5, 6), np.uint8)
    array[0, 0, 0], array[1, 1, 1:4] = 5, 7
    write(folder / "all.nrrd", array)
    segmentation = read_labelmap(folder / "all.nrrd", {5: "liver", 7: "spleen", 9: "aorta"})
    assert [s.voxel_count for s in segmentation] == [1, 3, 0]
    with pytest.raises(SegmentationError, match="label 7 without a name"):
        read_labelmap(folder / "all.nrrd", {5: "liver"})
    write(folder / "half.nrrd", array.astype(np.float32) / 2)
    with pytest.raises(SegmentationError, match="not whole numbers"):
        read_labelmap(folder / "half.nrrd", {5: "liver"})


@pytest.mark.parametrize(("values", "names"), [((0, 0.5), '{"1": "liver"}'), ((0, 1), '{"1": "liver"}')])
def test_a_scaled_mask_with_names_next_to_it_is_a_mask(tmp_path, values, names):
    array = np.zeros((4, 5, 6), np.float32)
    array[1:3, 2:4, 1:5] = values[1]
    write(tmp_path / "lesion.nii.gz", array)
    (tmp_path / "lesion.json").write_text(names, encoding="utf-8")
    (found,) = read_segment_folder(tmp_path)
    assert (found.name, found.voxel_count) == ("lesion", 16)


def test_a_label_map_with_names_next_to_it_must_hold_whole_numbers(tmp_path):
    array = np.zeros((4, 5, 6), np.float32)
    array[1], array[2] = 1.0, 1.5
    write(tmp_path / "organs.nii.gz", array)
    (tmp_path / "organs.json").write_text('{"1": "liver", "2": "spleen"}', encoding="utf-8")
    with pytest.raises(SegmentationError, match="not whole numbers"):
        read_segment_folder(tmp_path)
