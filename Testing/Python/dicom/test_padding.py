"""Pixel Padding Value: what fills an image up to a rectangle is no measured value."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from builders.dicom_builders import base, mapping, set_pixels, write_nm, write_slices
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.dosimetry.voxel_dose import voxel_tia
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTUptakeLib.dicom.bed_positions import join_beds
from PRRTUptakeLib.dicom.operator_overrides import Quantified
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange, read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.uptake.errors import OccupancyError
from PRRTUptakeLib.uptake.metrics import region_metrics
from PRRTUptakeLib.uptake.occupancy import occupancy
from PRRTUptakeLib.uptake.region_model import BACKGROUND
from PRRTUptakeLib.uptake.region_uptake import PartialVolumeSettings, region_uptakes

SHAPE = (6, 16, 16)
ROWS, COLUMNS = np.mgrid[:16, :16]
OUTSIDE = np.broadcast_to(np.hypot(ROWS - 7.5, COLUMNS - 7.5) >= 7.5, SHAPE)


def only(folder):
    (series,) = find_series(folder)
    return series


def padded(kind, value, inside=1000):
    values = np.full(SHAPE, inside, dtype=kind)
    values[OUTSIDE] = value
    return values


def region(first_column):
    return Segment("lesion", np.ones((4, 6, 10 - first_column)), (0, 4, first_column))


def mean_of(volume, segment):
    return region_metrics(volume, Segmentation(volume.grid, (segment,)))[segment.name]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize(
    ("kind", "value", "stated"),
    [
        (np.int16, -32768, {"PixelPaddingValue": -32768}),
        (np.int16, -5, {"PixelPaddingValue": -10, "PixelPaddingRangeLimit": -1}),
        (np.int16, -5, {"PixelPaddingValue": -1, "PixelPaddingRangeLimit": -10}),
        (np.uint16, 65535, {"PixelPaddingValue": 65535}),
        (np.uint16, 0, {"PixelPaddingValue": 0}),
    ],
)
def test_pet_measures_nothing_there(tmp_path, kind, value, stated, syntax):
    write_slices(tmp_path, padded(kind, value), "PT", changes=stated, syntax=syntax)
    for found in (quantify(only(tmp_path)), suv(only(tmp_path))):
        volume = found.volume
        assert volume.array[OUTSIDE].max() == volume.array.min() == 0
        np.testing.assert_array_equal(volume.outside_field, OUTSIDE)
        assert mean_of(volume, region(3)).mean == pytest.approx(volume.array.max(), rel=1e-6)
        with pytest.raises(OccupancyError, match=r"10\.0% of region 'lesion' is outside"):
            mean_of(volume, region(0))
        assert sum("Pixel Padding Value (0028,0120)" in sentence for sentence in found.decisions) == 1
    held = quantify(only(tmp_path)).decisions
    assert not [sentence for sentence in held if sentence.startswith("Doubtful")]


def test_a_zero_within_the_body_is_measured(tmp_path):
    values = padded(np.uint16, 0)
    values[2, 5:8, 5:8] = 0
    values[5] = 0
    write_slices(tmp_path, values, "PT", changes={"PixelPaddingValue": 0})
    outside = quantify(only(tmp_path)).volume.outside_field
    assert not outside[2, 6, 6]
    assert outside[5].all()
    assert np.count_nonzero(outside[:5]) == np.count_nonzero(OUTSIDE[:5])


def test_without_padding_nothing_changes(tmp_path):
    write_slices(tmp_path, padded(np.uint16, 0), "PT")
    assert quantify(only(tmp_path)).volume.outside_field is None


def test_suv_command_leaves_padding_out(tmp_path, capsys):
    write_slices(tmp_path, padded(np.int16, -32768), "PT", changes={"PixelPaddingValue": -32768})
    assert main(["suv", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["min"] == found["max"] > 0


def test_nm_by_line_and_table(tmp_path):
    changes = {"PixelPaddingValue": 65535}
    line = write_nm(tmp_path / "line" / "a", padded(np.uint16, 65535, 2), mappings=[mapping(3.0)], changes=changes)
    assert quantify(only(line.parent)).volume.array.max() == 6.0
    table = mapping(1.0)
    del table.RealWorldValueSlope, table.RealWorldValueIntercept
    table.RealWorldValueLastValueMapped = 2
    table.RealWorldValueLUTData = [0.0, 5.0, 20.0]
    path = write_nm(tmp_path / "table" / "a", padded(np.uint16, 65535, 2), mappings=[table], changes=changes)
    volume = quantify(only(path.parent)).volume
    assert volume.array.max() == 20.0
    assert volume.array[OUTSIDE].max() == 0.0


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(
    ("kind", "value", "changes"),
    [
        (np.int16, -2000, {"PixelPaddingValue": -2000}),
        (np.uint16, 63536, {"PixelPaddingValue": 63536}),  # -2000 written without a sign
        (np.uint16, 63536, {"PixelPaddingValue": 63536, "BitsStored": 12, "HighBit": 11}),
        (np.int16, 1024, {"PixelPaddingValue": 1024}),  # 0 HU: water around the patient
    ],
)
def test_ct_counts_as_air(tmp_path, kind, value, changes, compact):
    write_slices(tmp_path, padded(kind, value, 1074), "CT", changes=changes)
    found = read_volume(only(tmp_path), compact).array
    np.testing.assert_array_equal(found, np.where(OUTSIDE, -1000, 50))


def test_padding_written_without_the_sign_of_the_pixels(tmp_path):
    for path in write_slices(tmp_path, padded(np.int16, -2000, 1074), "CT"):
        ds = pydicom.dcmread(path)
        ds.add_new("PixelPaddingValue", "US", 63536)
        pydicom.filewriter.dcmwrite(path, ds)
    np.testing.assert_array_equal(read_volume(only(tmp_path)).array, np.where(OUTSIDE, -1000, 50))


def test_water_of_the_value_of_padding_stays(tmp_path):
    values = padded(np.int16, 1024, 1074)
    values[1, 7, 7] = 1024
    write_slices(tmp_path, values, "CT", changes={"PixelPaddingValue": 1024})
    assert read_volume(only(tmp_path)).array[1, 7, 7] == 0


def test_float_pixels(tmp_path):
    path = tmp_path / "a"
    ds = base("1.2.840.10008.5.1.4.1.1.4", "MR", "1.2.3.9")
    set_pixels(ds, np.ones((4, 4), dtype=np.float32))
    del ds.PixelData, ds.PixelRepresentation
    values = np.ones((4, 4), dtype=np.float32)
    values[0] = -1e30
    ds.FloatPixelData, ds.FloatPixelPaddingValue = values.tobytes(), -1e30
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [1, 1], 1
    ds.save_as(path, enforce_file_format=True)
    arranged = arrange(only(tmp_path))
    np.testing.assert_array_equal(arranged.outside_field[0], values < 0)
    assert arranged.scaled(arranged.slopes).min() == 0


def test_images_of_a_dose_map_are_fitted_where_they_measured():
    """Of four images the last measured nothing on the left: its zeros are no fast clearance."""
    start, left = datetime(2026, 3, 1, tzinfo=timezone.utc), np.zeros((6, 8, 8), dtype=bool)
    left[:, :, :3] = True
    images = []
    for hours in (4, 24, 72, 168):
        array = np.full(left.shape, 1e5 * 2 ** (-hours / 60), dtype=np.float32)
        moment = start + timedelta(hours=hours)
        images.append(Volume(array, np.diag([4.0, 4, 4, 1]), "activity concentration", "Bq/ml", moment))
    last = images[-1]
    images[-1] = replace(last, array=np.where(left, 0, last.array), outside_field=left)
    found = voxel_tia(VoxelSeries.from_volumes(images, start, "Lu-177")).tia.array
    np.testing.assert_allclose(found, 1e5 * 60 / np.log(2) / 1e6, rtol=0.02)


def test_padding_is_no_background_of_a_region():
    """A hot box beside the end of the field of view, in a body of 100: what was not measured must not dilute it."""
    grid, outside = Grid((20, 20, 20), np.diag([4.0, 4, 4, 1])), np.zeros((20, 20, 20), dtype=bool)
    outside[:, :, :8] = True
    array = np.full(grid.shape, 100.0)
    array[8:12, 8:12, 9:13] = 1000.0
    array[outside] = 0.0
    image = Volume(array, grid.ijk_to_ras, "activity concentration", "Bq/ml", outside_field=outside)
    segment = Segment("lesion", np.ones((4, 4, 4)), (8, 8, 9))
    regions = [occupancy(segment, grid, grid)]
    settings = PartialVolumeSettings(mode="none", fwhm_mm=8.0, registration_mm=0.0)
    assert region_uptakes(image, regions, settings).corrected.uncorrected(BACKGROUND) == pytest.approx(100.0)


def test_a_node_remembers_where_nothing_was_measured(tmp_path, scene):
    from PRRTUptakeLib.mrml.volumes import node_from_volume, volume_from_node

    write_slices(tmp_path, padded(np.int16, -32768), "PT", changes={"PixelPaddingValue": -32768})
    node = node_from_volume(quantify(only(tmp_path)).volume, "PET")
    np.testing.assert_array_equal(volume_from_node(node).outside_field, OUTSIDE)


def test_a_bed_that_measured_nothing_in_a_plane_leaves_it_to_the_other():
    beds = []
    for first, padded_plane in ((0, 5), (4, 0)):
        matrix = np.diag([4.0, 4, 5, 1])
        matrix[2, 3] = 5.0 * first
        outside = np.zeros(SHAPE, dtype=bool)
        outside[padded_plane] = True
        outside[:, :, 0] = True  # of both
        moment = datetime(2026, 3, 1, tzinfo=timezone.utc)
        array = np.where(outside, 0.0, 500.0)
        volume = Volume(array, matrix, "activity concentration", "Bq/ml", moment, outside_field=outside)
        beds.append(Quantified(volume, (), "Lu-177", 574_344.0))
    joined = join_beds(beds, ["a", "b"])
    assert set(np.unique(joined.volume.array[:, :, 1:])) == {500.0}
    np.testing.assert_array_equal(
        joined.volume.outside_field, np.arange(16)[None, None, :] + np.zeros((10, 16, 1)) == 0
    )
    assert not joined.doubts
