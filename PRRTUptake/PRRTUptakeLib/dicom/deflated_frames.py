"""Frames that are deflated one by one (Deflated Image Frame Compression, DICOM PS3.5 A.4.13); pydicom 3.0 cannot.

It was added to the standard for segmentations and label maps, whose frames are mostly zeros.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels import iter_pixels

from PRRTUptakeLib.dicom.errors import DicomError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"

_RAW = -zlib.MAX_WBITS  # RFC 1951 without a header


def has_deflated_frames(ds: Dataset) -> bool:
    """Whether the frames of a data set are deflated one by one."""
    return str(ds.file_meta.TransferSyntaxUID) == DEFLATED_FRAMES


def frames_of(ds: Dataset, where: str, indices: Sequence[int] | None = None) -> Iterator[np.ndarray]:
    """The frames [j, i] of whole numbers, one after the other, or those of ``indices``; of one bit as 0 and 1.

    Raises
    ------
    DicomError
        If a frame is not as long as rows and columns call for.
    """
    if not has_deflated_frames(ds):
        yield from iter_pixels(ds, indices=indices)
        return
    rows, columns, bits = int(ds.Rows), int(ds.Columns), int(ds.BitsAllocated)
    needed = (rows * columns * bits + 7) // 8
    packed = list(generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames)))
    for n in range(len(packed)) if indices is None else indices:
        try:
            values = zlib.decompressobj(_RAW).decompress(packed[n], needed + 2)  # no more is asked for, whatever comes
        except zlib.error as error:
            raise DicomError(
                f"Frame {n + 1} of {where} cannot be decompressed ({error}): export it uncompressed."
            ) from error
        if len(values) - needed not in (0, 1):  # padded to an even length or not
            raise DicomError(f"Frame {n + 1} of {where} has {len(values)} bytes, not {needed}: export it again.")
        yield _unpacked(values[:needed], bits)[: rows * columns].reshape(rows, columns)


def _unpacked(values: bytes, bits: int) -> np.ndarray:
    if bits == 1:
        return np.unpackbits(np.frombuffer(values, dtype=np.uint8), bitorder="little")
    return np.frombuffer(values, dtype=f"<u{bits // 8}")
