"""Frames deflated one by one (DICOM PS3.5 A.4.13), and single bits in RLE, come out as they went in."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PRRTUptakeLib.dicom.compressed_frames import DEFLATED_FRAMES, frames_of
from PRRTUptakeLib.dicom.errors import DicomError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless


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


def _run_length_coded(values: np.ndarray, packed: bool) -> Dataset:
    """Frames of one bit in RLE, 8 pixels in a byte or one; coded by pydicom as images of whole bytes."""
    rows = [np.packbits(one.ravel(), bitorder="little") if packed else one.astype(np.uint8).ravel() for one in values]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.NumberOfFrames, ds.Rows, ds.Columns = len(values), 1, rows[0].size
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    data = np.concatenate(rows).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW"
    ds.compress(RLELossless)
    ds.Rows, ds.Columns = values.shape[1:]
    ds.BitsAllocated = ds.BitsStored = 1
    return ds


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.02, 0.0, 1.0])
def test_run_lengths_of_single_bits(packed: bool, share: float) -> None:
    values = np.random.default_rng(2).random((3, 37, 41)) < share
    ds = _run_length_coded(values, packed)
    assert np.array_equal(np.stack(list(frames_of(ds, "seg.dcm"))), values)
    assert np.array_equal(np.stack(list(frames_of(ds, "seg.dcm", [2, 0]))), values[[2, 0]])


def test_run_lengths_that_are_cut_short_are_refused() -> None:
    ds = _run_length_coded(np.random.default_rng(3).random((1, 37, 41)) < 0.5, True)
    ds.Rows = 40
    with pytest.raises(DicomError, match=r"Frame 1 of seg\.dcm has 19\d bytes, not 205: export it again"):
        list(frames_of(ds, "seg.dcm"))
    ds.PixelData = encapsulate([b"\x07" * 80])
    with pytest.raises(DicomError, match=r"Frame 1 of seg\.dcm cannot be decompressed .*: export it uncompressed"):
        list(frames_of(ds, "seg.dcm"))
