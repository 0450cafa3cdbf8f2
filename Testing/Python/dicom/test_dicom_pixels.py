"""Pixels as they come: transfer syntaxes, bit depths, enhanced multi-frame, odd value representations."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK
from builders.dicom_builders import ABSENT, base, mapping, set_all, set_pixels, slices, write, write_nm, write_slices
from PRRTUptakeLib.dicom.errors import DicomError, HeaderError
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange, read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import suv
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

SMOOTH = (np.add.outer(np.arange(3), np.add.outer(np.arange(16), 2 * np.arange(16))) * 37 - 500).astype(np.int16)
LOSSLESS_JPEG, LOSSLESS_JPEG_2000, JPEG_LS = (
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.80",
)


def only(folder):
    (series,) = find_series(folder)
    return series


def recompressed(path, compressor, out):
    """The pixels of a file as GDCM compresses them, put into the file's own header."""
    image = SimpleITK.GetImageFromArray(pydicom.dcmread(path).pixel_array[None])
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor(compressor)
    writer.SetFileName(str(out) + ".dcm")
    writer.Execute(image)
    packed, ds = pydicom.dcmread(str(out) + ".dcm"), pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    ds.PixelData = packed.PixelData
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path)
    return str(packed.file_meta.TransferSyntaxUID)


@pytest.mark.parametrize(("compressor", "syntax"), [("JPEG", LOSSLESS_JPEG), ("JPEG2000", LOSSLESS_JPEG_2000)])
def test_compressed_by_what_pacs_send(tmp_path, compressor, syntax):
    slopes = [1.5, 2.0, 0.25]
    paths = write_slices(tmp_path / "ct", SMOOTH, per_slice={"RescaleSlope": slopes})
    for path in paths:
        assert recompressed(path, compressor, tmp_path / "packed") == syntax
    found = read_volume(only(tmp_path / "ct")).array
    np.testing.assert_allclose(found, SMOOTH * np.array(slopes)[:, None, None] - 1024)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG_LS])
def test_compressed_by_pydicoms_own_decoders(tmp_path, syntax):
    paths = write_slices(tmp_path, SMOOTH.astype(np.uint16) & 0x7FFF)
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.compress(syntax)
        ds.save_as(path)
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), SMOOTH.astype(np.uint16) & 0x7FFF)


def test_compressed_tomogram_in_one_file(tmp_path):
    values = SMOOTH.astype(np.uint16) & 0x7FFF
    path = write_nm(tmp_path / "nm", values, mappings=[mapping(2.0)])
    ds = pydicom.dcmread(path)
    ds.compress(RLELossless)
    ds.save_as(path)
    np.testing.assert_allclose(quantify(only(tmp_path)).volume.array, 2.0 * values)


def test_truncated_compressed_file(tmp_path):
    paths = write_slices(tmp_path, SMOOTH.astype(np.uint16))
    ds = pydicom.dcmread(paths[1])
    ds.compress(RLELossless)
    ds.save_as(paths[1])
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    with pytest.raises(HeaderError, match="slice001 is truncated"):
        find_series(tmp_path)


def test_damaged_compressed_pixels_are_named(tmp_path):
    paths = write_slices(tmp_path, SMOOTH.astype(np.uint16))
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = LOSSLESS_JPEG
        ds.PixelData = pydicom.encaps.encapsulate([b"not a JPEG stream at all"])
        ds["PixelData"].is_undefined_length = True
        ds.save_as(path)
    with pytest.raises(DicomError, match=r"slice00\d .*cannot be decompressed"):
        read_volume(only(tmp_path))


def test_deflated(tmp_path):
    write(tmp_path, slices(SMOOTH, syntax=DeflatedExplicitVRLittleEndian))
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), SMOOTH)


def test_big_endian(tmp_path):
    images = slices(SMOOTH.astype(">i2"), syntax=pydicom.uid.ExplicitVRBigEndian)
    for k, ds in enumerate(images):
        pydicom.dcmwrite(tmp_path / str(k), ds, enforce_file_format=True, little_endian=False, implicit_vr=False)
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), SMOOTH)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_bit_depths(tmp_path, kind):
    info = np.iinfo(kind)
    values = np.array([[[info.min, info.max], [0, 1]]] * 2, dtype=kind)
    write_slices(tmp_path, values, "MR")
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), values)
    np.testing.assert_allclose(read_volume(only(tmp_path)).array, values.astype(np.float64), rtol=1e-7)


def test_odd_number_of_bytes_is_padded(tmp_path):
    values = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    images = slices(values, "MR")
    for ds in images:
        ds.PixelData += b"\0"
    write(tmp_path, images)
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), values)


def test_attributes_after_the_pixels_do_no_harm(tmp_path):
    images = slices(SMOOTH)
    for ds in images:
        ds.add_new((0xFFFC, 0xFFFC), "OB", b"\0" * 64)
    write(tmp_path, images)
    np.testing.assert_array_equal(arrange(only(tmp_path)).stored_values(), SMOOTH)


def test_weight_and_slope_with_unusual_representations(tmp_path):
    """Anonymisers and converters write DS attributes as UN, FD or LO."""
    values = np.ones((2, 2, 2), np.int16)
    plain = slices(values, "PT")
    odd = slices(values, "PT")
    for ds in odd:
        ds["RescaleSlope"] = pydicom.DataElement(0x00281053, "FD", 1.0)
        ds["PatientWeight"] = pydicom.DataElement(0x00101030, "UN", b"70.0")
        ds["PatientSize"] = pydicom.DataElement(0x00101020, "LO", " 1.75 ")
        ds["Units"] = pydicom.DataElement(0x00541001, "UN", b"BQML")
    write(tmp_path / "plain", plain)
    write(tmp_path / "odd", odd)
    np.testing.assert_allclose(suv(only(tmp_path / "odd")).volume.array, suv(only(tmp_path / "plain")).volume.array)


def enhanced(values, spacing=4.0, slopes=None):
    """An enhanced CT whose frames are stored from top to bottom."""
    ds = base("1.2.840.10008.5.1.4.1.1.2.1", "CT", "1.2.3.9")
    ds.NumberOfFrames = len(values)
    set_pixels(ds, values)
    shared, measures, turn = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [3.0, 2.0], spacing
    turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turn]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(len(values)):
        frame, place, scale = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-10, -20, 100 - spacing * k]
        scale.RescaleSlope, scale.RescaleIntercept = (slopes or [1] * len(values))[k], -1024
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [scale]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    return ds


def test_enhanced_multi_frame(tmp_path):
    write(tmp_path, [enhanced(SMOOTH, slopes=[1, 2, 3])])
    volume = read_volume(only(tmp_path))
    expected = (SMOOTH * np.array([1, 2, 3])[:, None, None] - 1024)[::-1]
    np.testing.assert_allclose(volume.array, expected)
    np.testing.assert_allclose(volume.ijk_to_ras[:3, 3], [10, 20, 92])
    assert volume.spacing_mm == pytest.approx((2, 3, 4))


def test_enhanced_without_a_position(tmp_path):
    ds = enhanced(SMOOTH)
    del ds.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    write(tmp_path, [ds])
    with pytest.raises(DicomError, match="frame 2 of"):
        read_volume(only(tmp_path))


def test_enhanced_pet_is_refused_with_its_reason(tmp_path):
    images = slices(np.ones((1, 2, 2), np.int16), "PT")
    set_all(images[0], {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.130", "Units": ABSENT})
    write(tmp_path, images)
    with pytest.raises(DicomError.__mro__[1], match="Attenuation Corrected"):
        suv(only(tmp_path))


def test_colour_and_projections_are_refused(tmp_path):
    write_slices(tmp_path / "colour", SMOOTH, changes={"SamplesPerPixel": 3})
    with pytest.raises(DicomError, match="colour"):
        read_volume(only(tmp_path / "colour"))
    write_slices(tmp_path / "activity", SMOOTH, "PT")
    with pytest.raises(DicomError, match="quantify"):
        read_volume(only(tmp_path / "activity"))
