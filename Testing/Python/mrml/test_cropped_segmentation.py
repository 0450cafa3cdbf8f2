"""Segmentations in a bundle are cropped; the file beside it is on the grid of its image, as Slicer writes it."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.nrrd_extent import write_on_whole_grid
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

OBLIQUE = np.array([[1.5, 0.1, 0, -90], [-0.1, 1.5, 0, -80], [0, 0, 3, 40], [0, 0, 0, 1.0]])


def drawn(overlapping: bool, with_empty: bool = False) -> Segmentation:
    masks = {"liver": (slice(2, 9), slice(3, 20), slice(5, 15)), "spleen": (slice(10, 12), slice(2, 6), slice(20, 24))}
    if overlapping:
        masks["lesion"] = (slice(4, 6), slice(5, 9), slice(7, 9))
    segments = []
    for name, place in masks.items():
        mask = np.zeros((14, 22, 30), dtype=bool)
        mask[place] = True
        segments.append(Segment(name, mask))
    if with_empty:
        segments.insert(1, Segment("nothing", np.zeros((0, 0, 0), dtype=bool)))
    return Segmentation(Grid((14, 22, 30), OBLIQUE), tuple(segments))


def split(path) -> tuple[list[str], np.ndarray]:
    head, _, payload = path.read_bytes().partition(b"\n\n")
    return head.decode().split("\n"), np.frombuffer(gzip.decompress(payload), np.uint8)


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("with_empty", [False, True])
def test_file_beside_a_bundle_is_what_slicer_writes_on_the_whole_grid(scene, tmp_path, overlapping, with_empty):
    from PRRTUptakeLib.mrml.scene_bundle import write_bundle, write_segments_of_bundle
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, read_segmentation_file, write_segmentation_file

    segmentation = drawn(overlapping, with_empty)
    node = node_from_segmentation(segmentation, "Segments a")
    write_segmentation_file(node, tmp_path / "slicer.seg.nrrd")
    write_bundle(tmp_path / "a.mrb")
    write_segments_of_bundle(node, tmp_path / "a.mrb", tmp_path / "ours.seg.nrrd")
    with zipfile.ZipFile(tmp_path / "a.mrb") as bundle:
        cropped = bundle.read("a/Data/Segments a.seg.nrrd")
    layers = 2 if overlapping else 1
    assert len(gzip.decompress(cropped.partition(b"\n\n")[2])) == layers * 10 * 18 * 19  # not 14 x 22 x 30
    (ours, voxels), (theirs, expected) = split(tmp_path / "ours.seg.nrrd"), split(tmp_path / "slicer.seg.nrrd")
    np.testing.assert_array_equal(voxels, expected)
    for line, other in zip(ours, theirs, strict=True):
        if line.startswith("space origin: "):
            numbers = [[float(word) for word in text[15:-1].split(",")] for text in (line, other)]
            np.testing.assert_allclose(*numbers, atol=1e-9)
        elif "_Extent:=" not in line:  # where a reader may look for voxels: held by reading, below
            assert line == other
    back = read_segmentation_file(tmp_path / "ours.seg.nrrd")
    assert back.grid.shape == segmentation.grid.shape
    np.testing.assert_allclose(back.grid.ijk_to_ras, OBLIQUE, atol=1e-9)
    for one, read in zip(segmentation, back, strict=True):
        assert one.name == read.name
        assert one.voxel_count == read.voxel_count
        if one.mask.size:
            np.testing.assert_array_equal(one.cropped().mask, read.cropped().mask)
            assert one.cropped().origin == read.cropped().origin


@pytest.mark.parametrize("chosen", [False, True])
def test_cropping_stays_as_the_user_chose_it(scene, tmp_path, chosen):
    import slicer
    from PRRTUptakeLib.mrml.scene_bundle import write_bundle
    from PRRTUptakeLib.mrml.segmentations import node_from_segmentation, segmentation_from_node

    node = node_from_segmentation(drawn(True), "Segments a")
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetCropToMinimumExtent(chosen)
    write_bundle(tmp_path / "a.mrb")
    assert bool(node.GetStorageNode().GetCropToMinimumExtent()) is chosen
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "a.mrb"), True)
    read = slicer.util.getNode("Segments a")
    assert bool(read.GetStorageNode().GetCropToMinimumExtent()) is chosen
    assert segmentation_from_node(read).grid.shape == (14, 22, 30)


def test_ct_of_whole_hounsfield_units_is_kept_as_integers_and_any_other_as_it_is(scene):
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.volumes import node_from_volume, volume_from_node

    whole = np.random.default_rng(2).integers(-1024, 3000, (3, 4, 5)).astype(np.float32)
    for values, kind in ((whole, "short"), (whole + np.float32(0.5), "float"), (whole * 100, "float")):
        node = node_from_volume(Volume(values, np.eye(4), "attenuation", "[hnsf'U]"), "CT")
        assert node.GetImageData().GetScalarTypeAsString() == kind
        back = volume_from_node(node).array
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, values)
    spoilt = whole.copy()
    spoilt[1, 1, 1] = np.nan
    node = node_from_volume(Volume(spoilt, np.eye(4), "attenuation", "[hnsf'U]"), "CT")
    np.testing.assert_array_equal(volume_from_node(node).array, spoilt)
    counts = node_from_volume(Volume(whole, np.eye(4), "activity concentration", "Bq/ml"), "SPECT")
    assert counts.GetImageData().GetScalarTypeAsString() == "float"


@pytest.mark.parametrize("content", [b"", b"NRRD0004\ntype: short\nencoding: gzip\n\nx"])
def test_another_file_is_refused(tmp_path, content):
    with pytest.raises(SegmentationError, match="write it anew"):
        write_on_whole_grid(content, (2, 2, 2), tmp_path / "a.seg.nrrd")
    assert not list(tmp_path.iterdir())
