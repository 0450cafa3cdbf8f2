"""DICOM segmentations of several programs' habits: frames come to their place with the height of the image's voxels."""

from __future__ import annotations

import numpy as np
import pytest
from builders.contour_objects import LIVER, MASS, code, grid_of, item, segmentation_file, small_ct
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.segmentation.dicom_contours import read_contours


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return small_ct(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def grid(series):
    return grid_of(series)


def disc(grid, centre=(20, 18), radius=6.0):
    j, i = np.mgrid[: grid.shape[1], : grid.shape[2]]
    return (i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= radius**2


def wanted(grid, planes, array):
    full = np.zeros(grid.shape, bool)
    full[list(planes)] = array
    return full


def test_lesions_on_single_planes_are_as_high_as_the_image(tmp_path, series, grid):
    small, large = disc(grid, radius=3.0), disc(grid, (10, 30), 5.0)
    segments = [(1, "Lesion 1", MASS, {2: small}), (2, "Lesion 2", MASS, {9: large})]
    found = read_contours(segmentation_file(tmp_path / "seg.dcm", series, segments), series)
    assert np.array_equal(found["Lesion 1"].full_mask(grid.shape), wanted(grid, [2], small))
    assert np.array_equal(found["Lesion 2"].full_mask(grid.shape), wanted(grid, [9], large))


@pytest.mark.parametrize("stated", [{"thickness": None}, {"thickness": 99.0}, {"thickness": 21.0, "between": 21.0}, {}])
def test_the_image_decides_on_the_height_whatever_is_stated(tmp_path, series, grid, stated):
    planes = {k: disc(grid) for k in (2, 6, 9)}
    path = segmentation_file(tmp_path / "seg.dcm", series, [(1, "liver", LIVER, planes)], **stated)
    found = read_contours(path, series)
    assert np.array_equal(found["liver"].full_mask(grid.shape), wanted(grid, planes, disc(grid)))


def test_without_the_image_the_stated_height_counts_or_nothing(tmp_path, series, grid):
    planes = {k: disc(grid) for k in (2, 9)}
    pixels = disc(grid).sum() * grid.spacing_mm[0] * grid.spacing_mm[1] / 1000
    found = read_contours(segmentation_file(tmp_path / "a.dcm", series, [(1, "liver", LIVER, planes)]), ())
    assert found["liver"].voxel_count * found.grid.voxel_volume_mL == pytest.approx(2 * 3.0 * pixels)
    assert "no two planes side by side" in found.warnings[0]
    silent = segmentation_file(tmp_path / "b.dcm", series, [(1, "liver", LIVER, planes)], thickness=None)
    with pytest.raises(DicomError, match=r"does not say how high its voxels are .* add that image"):
        read_contours(silent, ())
    even = {k: disc(grid) for k in range(3, 7)}
    found = read_contours(
        segmentation_file(tmp_path / "c.dcm", series, [(1, "liver", LIVER, even)], thickness=None), ()
    )
    assert found["liver"].voxel_count * found.grid.voxel_volume_mL == pytest.approx(4 * 3.0 * pixels)
    assert "the distance of its planes" in found.warnings[0]


def without_frame(ds):
    del ds.FrameOfReferenceUID


def without_series(ds):
    del ds.ReferencedSeriesSequence


def without_both(ds):
    without_frame(ds)
    without_series(ds)


@pytest.mark.parametrize("edit", [without_frame, without_series, without_both])
def test_what_identifies_the_image_is_enough(tmp_path, series, grid, edit):
    planes = {k: disc(grid) for k in (3, 4, 5)}
    path = segmentation_file(tmp_path / "s.dcm", series, [(1, "liver", LIVER, planes)], thickness=None, edit=edit)
    found = read_contours(path, series)
    assert np.array_equal(found["liver"].full_mask(grid.shape), wanted(grid, planes, disc(grid)))


def test_frames_in_any_order_and_segments_that_overlap(tmp_path, series, grid):
    liver, lesion = {k: disc(grid) for k in range(2, 8)}, {k: disc(grid, (22, 18), 3.0) for k in (4, 5)}
    order = np.random.default_rng(1).permutation(8).tolist()
    path = segmentation_file(
        tmp_path / "s.dcm", series, [(3, "liver", LIVER, liver), (7, "met", MASS, lesion)], order=order
    )
    found = read_contours(path, series)
    assert np.array_equal(found["liver"].full_mask(grid.shape), wanted(grid, liver, disc(grid)))
    assert np.array_equal(found["met"].full_mask(grid.shape), wanted(grid, lesion, disc(grid, (22, 18), 3.0)))


def test_frames_of_parts_of_the_plane_come_to_their_place(tmp_path, series, grid):
    """Tiles: each frame has its own position within the plane."""
    array = disc(grid)

    def tiles(ds):
        groups, pixels = [], []
        for group in ds.PerFrameFunctionalGroupsSequence:
            for half in (0, 1):
                columns = slice(0, 22) if half == 0 else slice(22, 44)
                pixels.append(array[:, columns])
                place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
                place[0] += half * 22 * grid.spacing_mm[0]
                groups.append(
                    item(
                        PlanePositionSequence=[item(ImagePositionPatient=[float(v) for v in place])],
                        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
                    )
                )
        ds.PerFrameFunctionalGroupsSequence = groups
        ds.Columns, ds.NumberOfFrames = 22, len(pixels)
        data = np.packbits(np.stack(pixels).ravel(), bitorder="little").tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)

    planes = dict.fromkeys((3, 4), array)
    path = segmentation_file(tmp_path / "t.dcm", series, [(1, "liver", LIVER, planes)], edit=tiles)
    found = read_contours(path, series)
    assert np.array_equal(found["liver"].full_mask(grid.shape), wanted(grid, planes, array))


def test_the_background_of_a_label_map_is_no_segment(tmp_path, series, grid):
    values = disc(grid).astype(np.uint8) * 2 + disc(grid, (40, 35), 3.0).astype(np.uint8) * 9
    planes = dict.fromkeys((3, 4, 5), values)

    def background(ds):
        nothing = item(SegmentNumber=0, SegmentLabel="Background")
        nothing.SegmentedPropertyTypeCodeSequence = [code("125040", "DCM", "Background")]
        ds.SegmentSequence.insert(0, nothing)

    path = segmentation_file(
        tmp_path / "l.dcm", series, [(2, "liver", LIVER, planes)], kind="LABELMAP", edit=background
    )
    found = read_contours(path, series)
    assert [segment.name for segment in found] == ["liver", "Segment_9"]
    assert np.array_equal(found["liver"].full_mask(grid.shape), wanted(grid, planes, disc(grid)))
    assert "does not describe its segment(s) 9" in found.warnings[0]


def test_fractions_count_from_one_half(tmp_path, series, grid):
    values = np.zeros(grid.shape[1:], np.uint8)
    values[10:14, 10] = (0, 127, 128, 255)
    path = segmentation_file(tmp_path / "f.dcm", series, [(1, "met", MASS, {4: values})], kind="FRACTIONAL")
    found = read_contours(path, series)
    assert np.argwhere(found["met"].full_mask(grid.shape)).tolist() == [[4, 12, 10], [4, 13, 10]]


def test_what_nobody_named_is_no_segment_of_the_liver(tmp_path, series, grid):
    """Numbers 4 and 7 without a label were called "segment 4" and "segment 7", and so taken for Couinaud's."""

    def unnamed(ds):
        del ds.SegmentSequence[0].SegmentLabel
        ds.SegmentSequence = ds.SegmentSequence[:1]

    tissue = ("85756007", "SCT", "Tissue")
    segments = [(n, "x", tissue, {3: disc(grid, (n * 4, 18), 3.0)}) for n in (4, 7)]
    found = read_contours(segmentation_file(tmp_path / "s.dcm", series, segments, edit=unnamed), series)
    assert [(one.name, one.structure) for one in found] == [("Segment_4", ""), ("Segment_7", "")]


def test_a_fractional_segment_that_is_nowhere_half_inside_is_said(tmp_path, series, grid):
    planes = {4: disc(grid).astype(np.uint8) * 100}
    found = read_contours(
        segmentation_file(tmp_path / "s.dcm", series, [(1, "met", MASS, planes)], kind="FRACTIONAL"), series
    )
    assert found["met"].voxel_count == 0
    assert found.warnings == ("No voxel of 'met' of s.dcm is at least half inside: it is empty; check its fractions.",)


def twice(ds):
    """All frames show segment 1, as if one plane had been written once more."""
    ds.SegmentSequence = ds.SegmentSequence[:1]
    for group in ds.PerFrameFunctionalGroupsSequence:
        if "SegmentIdentificationSequence" in group:
            group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1


def at_times(ds):
    twice(ds)
    for n, group in enumerate(ds.PerFrameFunctionalGroupsSequence, start=1):
        group.FrameContentSequence = [item(TemporalPositionIndex=n)]


def two_frames(path, series, first, second, kind="BINARY", edit=twice):
    segments = [(n, f"met {n}", MASS, {4: array}) for n, array in ((1, first), (2, second))]
    return read_contours(segmentation_file(path, series, segments, kind=kind, edit=edit), series)


def test_frames_of_one_plane_that_are_the_same_count_once(tmp_path, series, grid):
    found = two_frames(tmp_path / "s.dcm", series, disc(grid), disc(grid))
    assert found["met 1"].voxel_count == disc(grid).sum()
    assert "of its segment 1 (frames 1 and 2); they are the same and count once" in found.warnings[0]


def test_marks_of_one_plane_in_two_frames_are_joined_and_said(tmp_path, series, grid):
    one, other = disc(grid), disc(grid, (24, 18))
    found = two_frames(tmp_path / "s.dcm", series, one, other)
    assert np.array_equal(found["met 1"].full_mask(grid.shape), wanted(grid, [4], one | other))
    assert "(frames 1 and 2), and they differ: what any of them marks is taken" in found.warnings[0]


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_fractions_and_labels_of_one_plane_that_differ_are_refused(tmp_path, series, grid, kind):
    one, other = (disc(grid, (x, 18)).astype(np.uint8) * value for x, value in ((20, 100), (24, 120)))
    with pytest.raises(DicomError, match=r"s.dcm holds more than one frame of a plane.*frames 1 and 2.*differ: export"):
        two_frames(tmp_path / "s.dcm", series, one, other, kind)
    two_frames(tmp_path / "t.dcm", series, one, one, kind)  # the same twice is one


def test_frames_of_several_times_are_refused(tmp_path, series, grid):
    for other in (disc(grid), disc(grid, (24, 18))):
        with pytest.raises(DicomError, match=r"at several times \(position 1, position 2\): export the segmentation"):
            two_frames(tmp_path / "s.dcm", series, disc(grid), other, edit=at_times)


def test_equal_labels_get_their_numbers(tmp_path, series, grid):
    segments = [(n, "Lesion", MASS, {3: disc(grid, (10 * n, 18), 3.0)}) for n in (1, 2)]
    found = read_contours(segmentation_file(tmp_path / "s.dcm", series, segments), series)
    assert [segment.name for segment in found] == ["Lesion (1)", "Lesion (2)"]


def test_pixels_cut_short_are_refused_in_one_sentence(tmp_path, series, grid):
    def cut(ds):
        ds.PixelData = ds.PixelData[:200]

    path = segmentation_file(tmp_path / "s.dcm", series, [(1, "liver", LIVER, {3: disc(grid)})], edit=cut)
    with pytest.raises(DicomError, match=r"s.dcm is cut short: 200 bytes of pixels where 220 are stated"):
        read_contours(path, series)


def test_a_sagittal_segmentation_of_an_axial_image(tmp_path, series, grid):
    """Frames along another axis of the image: turned to its voxels, nothing resampled."""
    k, j, i = (np.arange(n) for n in grid.shape)
    full = ((k[:, None, None] - 6) / 4) ** 2 + ((j[:, None] - 20) / 9) ** 2 + ((i - 18) / 7) ** 2 <= 1
    frames = {n: full[:, :, n] for n in range(11, 26)}

    def sagittal(ds):
        groups = []
        for n in frames:
            place = grid.to_ras(np.array([float(n), 0.0, 0.0])) * [-1, -1, 1]
            groups.append(
                item(
                    PlanePositionSequence=[item(ImagePositionPatient=[float(v) for v in place])],
                    SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
                )
            )
        shared = ds.SharedFunctionalGroupsSequence[0]
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, 1]
        shared.PixelMeasuresSequence[0].PixelSpacing = [grid.spacing_mm[2], grid.spacing_mm[1]]
        ds.PerFrameFunctionalGroupsSequence = groups
        ds.NumberOfFrames, ds.Rows, ds.Columns = len(frames), grid.shape[0], grid.shape[1]
        data = np.packbits(np.stack(list(frames.values())).ravel(), bitorder="little").tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)

    path = segmentation_file(tmp_path / "s.dcm", series, [(1, "liver", LIVER, {3: disc(grid)})], edit=sagittal)
    found = read_contours(path, series)
    assert np.array_equal(found["liver"].full_mask(grid.shape), full)
