"""Frames that are deflated one by one (DICOM PS3.5 A.4.13) come out as they went in."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PRRTUptakeLib.dicom.deflated_frames import DEFLATED_FRAMES, frames_of
from PRRTUptakeLib.dicom.errors import DicomError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID


def _deflated(values: np.ndarray, bits: int) -> Dataset:
    """A data set whose frames [n, j, i] are deflated; of 1, 8 or 16 bits each."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(DEFLATED_FRAMES)
    ds.NumberOfFrames, ds.Rows, ds.Columns = values.shape
    ds.BitsAllocated = bits
    packed = []
    for frame in values:
        plain = np.packbits(frame.ravel(), bitorder="little") if bits == 1 else frame.astype(f"<u{bits // 8}")
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed.append(packer.compress(plain.tobytes()) + packer.flush())
    ds.PixelData = encapsulate(packed)
    return ds


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_frames_come_out_as_they_went_in(bits: int) -> None:
    values = np.random.default_rng(1).integers(0, 2**bits, (3, 7, 9))  # 63 bits in a frame: no whole bytes
    ds = _deflated(values, bits)
    assert np.array_equal(np.stack(list(frames_of(ds, "seg.dcm"))), values)
    assert np.array_equal(np.stack(list(frames_of(ds, "seg.dcm", [2, 0]))), values[[2, 0]])


def test_a_frame_that_is_too_short_is_refused() -> None:
    ds = _deflated(np.zeros((2, 7, 9), dtype=int), 8)
    ds.Rows = 8
    with pytest.raises(DicomError, match=r"Frame 1 of seg\.dcm has 63 bytes, not 72: export it again"):
        list(frames_of(ds, "seg.dcm"))


def test_a_damaged_frame_is_refused() -> None:
    ds = _deflated(np.ones((1, 8, 8), dtype=int), 8)
    ds.PixelData = encapsulate([b"\xff" * 40])
    with pytest.raises(DicomError, match=r"Frame 1 of seg\.dcm cannot be decompressed .*: export it uncompressed"):
        list(frames_of(ds, "seg.dcm"))
