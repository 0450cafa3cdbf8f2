"""Finding and ordering series: any file names, foreign files, geometry, and every bad input by its name."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from builders.dicom_builders import ABSENT, mapping, set_all, write_nm, write_slices
from PRRTUptakeLib.dicom.errors import DicomError, HeaderError
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange, read_volume
from PRRTUptakeLib.dicom.series import find_series, group_files, scan_folder
from PRRTUptakeLib.errors import PRRTError

CUBE = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)


def edit(path, **changes):
    ds = pydicom.dcmread(path)
    set_all(ds, changes)
    ds.save_as(path)


def only(folder):
    (series,) = find_series(folder)
    return series


def test_names_and_foreign_files_do_not_matter(tmp_path):
    paths = write_slices(tmp_path / "a", CUBE)
    for path, name in zip(paths, ["z.png", "IM 1", "y.txt", ".hidden", "x.dcm"], strict=True):
        path.rename(path.with_name(name))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    contents = scan_folder(tmp_path)
    assert len(contents.series) == 1
    assert {path.name: reason for path, reason in contents.ignored} == {
        "notes.txt": "not DICOM",
        "empty.dcm": "empty file",
        "DICOMDIR": "DICOM directory",
    }
    np.testing.assert_array_equal(arrange(contents.series[0]).stored_values(), CUBE)


def test_series_says_what_it_is(tmp_path):
    write_slices(tmp_path, CUBE, changes={"SeriesDescription": "Abdomen", "TimezoneOffsetFromUTC": "+0100"})
    series = only(tmp_path)
    assert (series.modality, series.patient_id, series.patient_name) == ("CT", "P1", "Test^Patient")
    assert series.description == "Abdomen"
    assert series.started.isoformat() == "2025-03-01T11:00:00+01:00"
    assert len(series.files) == 5


def test_file_without_preamble_is_read(tmp_path):
    paths = write_slices(tmp_path, CUBE, syntax=pydicom.uid.ImplicitVRLittleEndian)
    for path in paths:
        path.write_bytes(dataset_only(path))
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), CUBE)


def dataset_only(path):
    """Bytes after preamble and file meta information."""
    data = path.read_bytes()
    length = pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength
    return data[132 + 12 + length :]


def test_ct_in_hounsfield_units_with_slope_per_slice(tmp_path):
    slopes, intercepts = [1, 2, 0.5, 1, 3], [-1024, 0, 10, -1000, 5]
    write_slices(tmp_path, CUBE, per_slice={"RescaleSlope": slopes, "RescaleIntercept": intercepts})
    volume = read_volume(only(tmp_path))
    expected = CUBE * np.array(slopes)[:, None, None] + np.array(intercepts)[:, None, None]
    np.testing.assert_allclose(volume.array, expected)
    assert (volume.quantity, volume.units) == ("attenuation", "[hnsf'U]")
    np.testing.assert_allclose(
        volume.ijk_to_ras, [[-2, 0, 0, 10], [0, -3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]], atol=1e-12
    )


@pytest.mark.parametrize("bits", [12, 16])
def test_unused_high_bits_are_not_values(tmp_path, bits):
    values = np.array([[[5, -7]], [[100, -2000]]], dtype=np.int16)
    stored = values & 0x0FFF if bits == 12 else values
    write_slices(tmp_path, stored.astype(np.int16), changes={"BitsStored": bits, "HighBit": bits - 1})
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), values)


def oblique(seed):
    """A random rotation, as row and column directions."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return tuple(q[:, 0]) + tuple(q[:, 1])


@pytest.mark.parametrize("seed", range(4))
def test_oblique_stack_is_where_dicom_says(tmp_path, seed):
    """Equation C.7.6.2.1-1 of PS3.3, for every voxel, found by its stored value."""
    directions = oblique(seed)
    paths = write_slices(tmp_path, CUBE, orientation=directions, spacing=(1.5, 2.5, 3.5))
    volume = read_volume(only(tmp_path))
    for path in paths:
        ds = pydicom.dcmread(path)
        row, column = np.array(directions[:3]), np.array(directions[3:])
        for r in range(4):
            for c in range(3):
                lps = np.array(ds.ImagePositionPatient, float) + row * c * 1.5 + column * r * 2.5
                k, j, i = np.argwhere(volume.array == ds.pixel_array[r, c] - 1024)[0]
                ras = volume.ijk_to_ras @ [i, j, k, 1]
                np.testing.assert_allclose(ras[:3], lps * [-1, -1, 1], atol=2e-6)


@pytest.mark.parametrize("spacing", [5.0, -5.0])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("directions", [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0)])
def test_nm_frames_lie_where_dicom_says(tmp_path, spacing, backwards, directions):
    """The first frame is at Image Position; slice numbers count along the normal by the signed spacing (C.8.4.15)."""
    vector = [5, 4, 3, 2, 1] if backwards else [1, 2, 3, 4, 5]
    write_nm(
        tmp_path / "nm",
        CUBE,
        orientation=directions,
        spacing=(4.0, 4.0, spacing),
        mappings=[mapping(1.0)],
        changes={"SliceVector": vector},
    )
    volume = quantify(only(tmp_path)).volume
    assert np.linalg.det(volume.ijk_to_ras) > 0
    normal = np.cross(directions[:3], directions[3:])
    for frame in range(5):
        lps = np.array([-10.0, -20.0, 30.0]) + (vector[frame] - vector[0]) * spacing * normal
        k, j, i = np.argwhere(volume.array == CUBE[frame, 0, 0])[0]
        np.testing.assert_allclose((volume.ijk_to_ras @ [i, j, k, 1])[:3], lps * [-1, -1, 1], atol=1e-9)


def test_real_world_values_above_65535(tmp_path):
    values = np.array([[[0, 1], [65535, 30000]]] * 2, dtype=np.uint16)
    write_nm(tmp_path / "nm", values, mappings=[mapping(123.5, 7.0)])
    found = quantify(only(tmp_path)).volume
    np.testing.assert_allclose(found.array, values * 123.5 + 7.0, rtol=1e-6)
    assert found.units == "Bq/ml"
    assert found.reference_time.isoformat() == "2025-03-01T11:00:00+00:00"


def test_stored_values_of_32_bits(tmp_path):
    values = np.array([[[0, 4_000_000_000], [70000, 16_777_217]]] * 2, dtype=np.uint32)
    write_nm(tmp_path / "nm", values, mappings=[mapping(0.5)])
    found = quantify(only(tmp_path))
    np.testing.assert_allclose(found.volume.array, values * 0.5, rtol=1e-7)
    assert any("beyond 0 to 65535" in sentence for sentence in found.decisions)


class TestBadInput:
    """Each gets one sentence that names the file or series."""

    def test_no_folder(self, tmp_path):
        with pytest.raises(DicomError, match="no folder"):
            find_series(tmp_path / "nowhere")

    def test_empty_folder(self, tmp_path):
        with pytest.raises(DicomError, match="no DICOM series"):
            find_series(tmp_path)

    @pytest.mark.parametrize("end", [-1, -40, 600, 300, 140])
    def test_truncated_file(self, tmp_path, end):
        paths = write_slices(tmp_path, CUBE)
        paths[2].write_bytes(paths[2].read_bytes()[:end])
        with pytest.raises(HeaderError, match=r"slice002 is (truncated|broken)"):
            find_series(tmp_path)

    @pytest.mark.parametrize("missing", [1, 2, 3])
    def test_missing_slice(self, tmp_path, missing):
        paths = write_slices(tmp_path, CUBE)
        paths[missing].unlink()
        with pytest.raises(
            DicomError, match=rf"gap of 8.00 mm between slice00{missing - 1} and slice00{missing + 1}.*1 slice"
        ):
            arrange(only(tmp_path))

    def test_two_missing_slices_of_six(self, tmp_path):
        paths = write_slices(tmp_path, np.zeros((6, 2, 2), np.int16))
        paths[1].unlink()
        paths[4].unlink()
        with pytest.raises(DicomError, match="missing"):
            arrange(only(tmp_path))

    def test_uneven_spacing(self, tmp_path):
        paths = write_slices(tmp_path, CUBE)
        edit(paths[2], ImagePositionPatient=[-10, -20, 39.5])
        with pytest.raises(DicomError, match=r"uneven slice spacing.*slice002"):
            arrange(only(tmp_path))

    def test_two_series_under_one_uid(self, tmp_path):
        first = write_slices(tmp_path / "a", CUBE)
        uid = pydicom.dcmread(first[0]).SeriesInstanceUID
        write_slices(tmp_path / "b", CUBE, changes={"SeriesInstanceUID": uid})
        with pytest.raises(DicomError, match="two images at one place"):
            arrange(only(tmp_path))

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"PatientID": "P2"}, DicomError, "PatientID is 'P1'"),
            ({"Modality": "MR"}, DicomError, "Modality"),
            ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, DicomError, "Image Orientation"),
            ({"PixelSpacing": [1, 1]}, DicomError, "Pixel Spacing"),
            ({"Rows": 3, "Columns": 4}, DicomError, "mixes images of"),
        ],
    )
    def test_one_image_of_another_kind(self, tmp_path, changes, error, words):
        paths = write_slices(tmp_path, CUBE)
        edit(paths[3], **changes)
        with pytest.raises(error, match=words) as caught:
            arrange(only(tmp_path))
        assert "slice003" in str(caught.value)

    def test_gantry_tilt_is_reported_by_its_angle(self, tmp_path):
        paths = write_slices(tmp_path, CUBE)
        for k, path in enumerate(paths):
            edit(path, ImagePositionPatient=[-10, -20 + 4 * k * np.tan(np.radians(12)), 30 + 4 * k])
        with pytest.raises(DicomError, match=r"12\.0 degrees"):
            arrange(only(tmp_path))

    def test_an_exact_copy_is_ignored_but_a_changed_one_is_not(self, tmp_path):
        paths = write_slices(tmp_path, CUBE)
        shutil.copy(paths[0], tmp_path / "copy")
        contents = scan_folder(tmp_path)
        assert len(contents.series[0].files) == 5
        assert "copy of" in contents.ignored[0][1]
        edit(tmp_path / "copy", PatientID="P9")
        with pytest.raises(DicomError, match="same SOP Instance UID"):
            find_series(tmp_path)

    @pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
    def test_missing_geometry_is_named(self, tmp_path, keyword):
        paths = write_slices(tmp_path, CUBE)
        edit(paths[1], **{keyword: ABSENT})
        with pytest.raises(DicomError, match="missing"):
            arrange(only(tmp_path))

    def test_pixels_that_do_not_fit_the_header(self, tmp_path):
        paths = write_slices(tmp_path, CUBE)
        for path in paths:
            edit(path, Rows=5)
        with pytest.raises(DicomError, match="bytes of pixels"):
            read_volume(only(tmp_path))

    def test_nm_without_calibration(self, tmp_path):
        write_nm(tmp_path / "nm", CUBE)
        with pytest.raises(PRRTError, match="no calibration"):
            quantify(only(tmp_path))

    def test_nm_whose_units_are_those_of_pet(self, tmp_path):
        write_nm(tmp_path / "nm", CUBE, changes={"Units": "BQML"})
        with pytest.raises(PRRTError, match=r"its Units \(0054,1001\) are BQML: state 'units' if that is right"):
            quantify(only(tmp_path))
        stated = OperatorOverrides(units="Bq/ml")
        assert quantify(only(tmp_path), stated).volume.array.max() == CUBE.max()

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"SliceVector": [1, 2, 3, 4]}, "4 values for 5 frames"),
            ({"SliceVector": [1, 2, 4, 5, 6]}, "missing or doubled"),
            ({"SliceVector": ABSENT}, "Slice Vector"),
            ({"FrameIncrementPointer": [0x00540080, 0x00540070]}, "gated"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}, "RECON TOMO"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "TRANSMISSION"]}, "attenuation map"),
            ({"DetectorInformationSequence": ABSENT}, "Detector Information"),
            ({"SpacingBetweenSlices": 0}, "Spacing Between Slices"),
        ],
    )
    def test_nm_that_cannot_be_placed(self, tmp_path, changes, words):
        write_nm(tmp_path / "nm", CUBE, mappings=[mapping(1.0)], changes=changes)
        with pytest.raises(DicomError, match=words):
            arrange(only(tmp_path))


def test_slices_missing_at_an_end_are_reported_where_their_number_is_stated(tmp_path):
    paths = write_slices(tmp_path, CUBE, "PT", changes={"NumberOfSlices": 5})
    assert not any("Doubtful" in sentence for sentence in arrange(only(tmp_path)).decisions)
    paths[-1].unlink()
    assert any("Number of Slices" in sentence for sentence in arrange(only(tmp_path)).decisions)


def test_files_that_are_known_already(tmp_path):
    first, second = write_slices(tmp_path / "a", CUBE), write_slices(tmp_path / "b", CUBE, "PT")
    contents = group_files([*first, *second])
    assert sorted(series.modality for series in contents.series) == ["CT", "PT"]


@pytest.mark.parametrize("kind", ["ED", "Z", "MGML"])
def test_a_ct_of_something_else_than_hounsfield_units_is_refused(tmp_path, kind):
    write_slices(tmp_path, CUBE, changes={"RescaleType": kind})
    with pytest.raises(DicomError, match=rf"Rescale Type .* of .* is {kind}, so .* holds no Hounsfield units: choose"):
        read_volume(only(tmp_path))


@pytest.mark.parametrize("kind", ["HU", "US", ABSENT])
def test_a_ct_in_hounsfield_units_is_read_however_it_says_so(tmp_path, kind):
    write_slices(tmp_path, CUBE, changes={"RescaleType": kind})
    assert read_volume(only(tmp_path)).array.min() == -1024
