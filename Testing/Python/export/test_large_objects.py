"""SEG and maps of large images: written frame by frame, with the pixels that whole arrays would give."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pydicom
import pytest
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.writing import Series, write_ct
from PRRTUptakeLib.export.dicom_maps import parametric_map, read_map
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_seg import occupancy_object, segmentation_object
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.session import subject
from PRRTUptakeLib.uptake.occupancy import occupancy

SHAPE = (24, 130, 127)  # rows x columns is no multiple of 8: bits of a frame go on in the byte of the last
REGIONS = 12


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder, patient = tmp_path_factory.mktemp("ct"), synthetic_patient(1, lesions=())
    moment = patient.injection.time
    about = Series(subject(patient), ("large",), 1, "CT", moment, moment, ("large",))
    write_ct(Volume(np.zeros(SHAPE), np.diag([-2.0, -2.0, 3.0, 1.0])), folder, about)
    return find_series(folder)[0]


@pytest.fixture(scope="module")
def drawn(series):
    """Twelve regions of 6 x 20 x 20 voxels; each overlaps the next, and one plane of each is empty."""
    arranged, random = arrange(series), np.random.default_rng(3)
    segments = []
    for n in range(REGIONS):
        mask = random.random((6, 20, 20)) > 0.5
        mask[n % 5] = False
        segments.append(Segment(f"region {n}", mask, (n, 8 * n, 3 + 8 * n), role="lesion"))
    return Segmentation(Grid(arranged.shape, arranged.ijk_to_ras), tuple(segments))


def _frames(ds, path):
    """Region (from 0), plane and pixels of each frame, as pydicom reads the file."""
    read = pydicom.dcmread(save_object(ds, path))
    frames = read.pixel_array
    first = min(float(one.PlanePositionSequence[0].ImagePositionPatient[2]) for one in _per_frame(read))
    for one, pixels in zip(_per_frame(read), frames, strict=True):
        number = one.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        yield int(number) - 1, float(one.PlanePositionSequence[0].ImagePositionPatient[2]) - first, pixels


def _per_frame(ds):
    return ds.PerFrameFunctionalGroupsSequence


def test_every_frame_of_a_binary_seg_is_the_mask_in_its_plane(series, drawn, tmp_path):
    ds = segmentation_object(drawn, series)
    step = drawn.grid.spacing_mm[2]
    seen = 0
    for region, away_mm, pixels in _frames(ds, tmp_path / "seg.dcm"):
        full = list(drawn)[region].full_mask(SHAPE)
        plane = round(away_mm / step)  # region 0 begins in plane 0, but its first plane is empty
        np.testing.assert_array_equal(pixels, full[plane + 1])
        seen += int(pixels.sum())
    assert seen == sum(segment.voxel_count for segment in drawn)
    assert ds.SegmentsOverlap == "YES"
    assert (ds.Rows, ds.Columns) == SHAPE[1:]


def test_regions_that_share_no_voxel_do_not_overlap_though_their_boxes_do(series, drawn):
    mask = np.zeros((2, 4, 4), dtype=bool)
    mask[:, ::2] = True
    pair = (Segment("a", mask, (3, 5, 5)), Segment("b", ~mask, (3, 5, 5)))
    assert segmentation_object(Segmentation(drawn.grid, pair), series).SegmentsOverlap == "NO"


def test_fractions_are_stored_to_1_255_with_their_plane(series, drawn, tmp_path):
    fine = Grid((12, 16, 16), drawn.grid.ijk_to_ras @ np.diag([0.5, 0.5, 0.5, 1.0]))
    region = Segment("L1", np.random.default_rng(1).random((8, 9, 10)) > 0.4, (2, 3, 4), role="lesion")
    placed = occupancy(region, fine, drawn.grid)
    other = occupancy(Segment("L2", np.ones((2, 2, 2), dtype=bool), (4, 4, 4), role="lesion"), fine, drawn.grid)
    ds = occupancy_object([(region, placed), (region.relabelled(name="L2"), other)], series)
    stored = np.zeros(SHAPE)
    low = int(np.unravel_index(placed.indices, SHAPE)[0].min())
    for number, away_mm, pixels in _frames(ds, tmp_path / "fractions.dcm"):
        if number == 0:
            stored[low + round(away_mm / drawn.grid.spacing_mm[2])] = pixels / 255.0
    np.testing.assert_allclose(stored, placed.full_fraction(), atol=0.5 / 255.0 + 1e-6)
    assert ds.SegmentsOverlap == "UNDEFINED"


def test_a_seg_takes_no_array_of_every_region(series, drawn):
    segmentation_object(drawn, series)  # what is made once and kept
    peak = _peak_of(lambda: segmentation_object(drawn, series))
    assert peak < 6 * np.prod(SHAPE), "twelve bytes and more a voxel are whole arrays of the regions"


def test_a_map_takes_its_values_once_more(series, tmp_path):
    arranged = arrange(series)
    values = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    volume = Volume(values, arranged.ijk_to_ras, "SUVbw", "g/ml{SUVbw}")
    parametric_map(volume, series)
    peak = _peak_of(lambda: parametric_map(volume, series))
    assert peak < 2 * values.nbytes
    read = read_map(save_object(parametric_map(volume, series), tmp_path / "map.dcm"))
    np.testing.assert_array_equal(read.array, values)


def _peak_of(make):
    """Bytes that Python's and numpy's memory grows by, at most."""
    tracemalloc.start()
    try:
        make()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
