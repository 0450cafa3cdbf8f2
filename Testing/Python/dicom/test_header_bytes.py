"""Attributes from the first bytes of a file: the same raw elements as pydicom's, or none."""

from __future__ import annotations

from io import BytesIO

import pydicom
import pytest
from PRRTUptakeLib.dicom.header_bytes import FIRST_BYTES, plain_dataset
from PRRTUptakeLib.dicom.headers import read_header
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless

PET = "1.2.840.10008.5.1.4.1.1.128"


def example(syntax=ExplicitVRLittleEndian, **more):
    """A slice with text in Japanese, an empty value, nested sequences with and without a stated end, private ones."""
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "C-B1031", "癌"
    outer = Dataset()
    outer.RadionuclideCodeSequence = Sequence([inner])
    outer["RadionuclideCodeSequence"].is_undefined_length = True
    ds = Dataset()
    ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = PET, "1.2.3.4", "1.2.3"
    ds.PatientName, ds.PatientWeight, ds.PatientSex = "Yamada^Tarou=山田^太郎", 70.5, ""
    ds.RadiopharmaceuticalInformationSequence = Sequence([outer])
    ds["RadiopharmaceuticalInformationSequence"].is_undefined_length = more.pop("open_end", True)
    block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "OB", b"\1\2\3\4")
    block.add_new(0x0E, "UN", b"")
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.PixelData = 2, 2, 16, bytes(8)
    ds["PixelData"].VR = "OW"
    for name, value in more.items():
        setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = PET, "1.2.3.4"
    return ds


def written(ds, tmp_path):
    path = tmp_path / "slice.dcm"
    if ds.file_meta.TransferSyntaxUID == JPEG2000Lossless:
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51"])
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("open_end", [True, False])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEG2000Lossless])
def test_elements_are_those_of_pydicom(tmp_path, syntax, open_end):
    path = written(example(syntax, open_end=open_end), tmp_path)
    expected = pydicom.dcmread(path, stop_before_pixels=True)
    found, at = plain_dataset(path.read_bytes())
    assert list(found.keys()) == list(expected.keys())
    assert all(found.get_item(tag) == expected.get_item(tag) for tag in expected.keys())  # noqa: SIM118
    assert found == expected
    assert found.file_meta == expected.file_meta
    assert str(found.PatientName) == str(expected.PatientName)
    assert found.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence[0].CodeMeaning == "癌"
    assert found.original_encoding == expected.original_encoding
    assert path.read_bytes()[at : at + 4] == b"\xe0\x7f\x10\x00"


def test_a_header_is_the_same_either_way(tmp_path, monkeypatch):
    path = written(example(), tmp_path)
    quick = read_header(path)
    monkeypatch.setattr("PRRTUptakeLib.dicom.headers.plain_dataset", lambda _: None)
    slow = read_header(path)
    assert (quick.pixel_offset, quick.pixel_bytes) == (slow.pixel_offset, slow.pixel_bytes)
    assert quick.dataset == slow.dataset


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_another_encoding_is_left_to_pydicom(tmp_path, syntax):
    ds = example(syntax)
    ds.PixelData = bytes(8)
    path = written(ds, tmp_path)
    assert plain_dataset(path.read_bytes()) is None
    assert read_header(path).dataset.PatientWeight == 70.5


def test_attributes_beyond_the_first_bytes_are_left_to_pydicom(tmp_path):
    path = written(example(ImageComments="x" * (FIRST_BYTES - 100)), tmp_path)
    assert plain_dataset(path.read_bytes()[:FIRST_BYTES]) is None
    assert read_header(path).pixel_bytes == 8


def test_what_ends_anywhere_before_the_pixels_is_left_to_pydicom(tmp_path):
    whole = written(example(), tmp_path).read_bytes()
    pixels = plain_dataset(whole)[1]
    assert all(plain_dataset(whole[:end]) is None for end in range(132, pixels + 4))


def test_a_file_without_pixels_is_left_to_pydicom():
    ds = example()
    del ds.PixelData
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    assert plain_dataset(stream.getvalue()) is None
