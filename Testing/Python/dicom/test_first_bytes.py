"""Headers of which only the first bytes of a file are read, and those that need the whole file."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from builders.dicom_builders import slices, write
from PRRTUptakeLib.dicom.headers import read_header
from PRRTUptakeLib.dicom.series import find_series
from pydicom.dataset import Dataset

VALUES = np.arange(1 * 6 * 5, dtype=np.int16).reshape(1, 6, 5)


def with_icon(ds):
    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.add_new(0x7FE00010, "OW", bytes(64))
    ds.IconImageSequence = [icon]


def with_large_element(ds):
    ds.private_block(0x0029, "OURS", create=True).add_new(1, "OB", bytes(20_000))


def with_large_element_and_icon(ds):
    with_icon(ds)
    with_large_element(ds)


def with_tag_in_text(ds):
    ds.private_block(0x0029, "OURS", create=True).add_new(1, "OB", b"\xe0\x7f\x10\x00OW\0\0")


def implicit(ds):
    with_icon(ds)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian


def unchanged(ds):
    pass


@pytest.mark.parametrize(
    "change", [unchanged, implicit, with_icon, with_large_element, with_large_element_and_icon, with_tag_in_text]
)
def test_header_and_place_of_pixels_are_those_of_the_whole_file(tmp_path, change):
    images = slices(VALUES, "CT")
    change(images[0])
    (path,) = write(tmp_path, images)
    header = read_header(path)
    whole = pydicom.dcmread(path)
    assert list(header.dataset) == [element for element in whole if element.keyword != "PixelData"]
    assert header.dataset.file_meta == whole.file_meta
    stored = path.read_bytes()[header.pixel_offset : header.pixel_offset + header.pixel_bytes]
    assert stored == whole.PixelData
    assert find_series(tmp_path)[0].files == (path,)
