"""Frames in compressions that pydicom 3.0 cannot read.

Frames deflated one by one (Deflated Image Frame Compression, DICOM PS3.5 A.4.13) came into the standard for
segmentations and label maps. Frames of single bits in RLE Lossless (PS3.5 Annex G) hold 8 pixels in a byte, or one.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels import iter_pixels

from PRRTUptakeLib.dicom.errors import DicomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydicom.dataset import Dataset

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

_RAW = -zlib.MAX_WBITS  # RFC 1951 without a header
_RLE_HEADER_bytes = 64


def has_deflated_frames(ds: Dataset) -> bool:
    """Whether the frames of a data set are deflated one by one."""
    return str(ds.file_meta.TransferSyntaxUID) == DEFLATED_FRAMES


def _has_rle_bits(ds: Dataset) -> bool:
    return str(ds.file_meta.TransferSyntaxUID) == RLE_LOSSLESS and int(ds.BitsAllocated) == 1


def frames_of(ds: Dataset, where: str, indices: Sequence[int] | None = None) -> Iterator[np.ndarray]:
    """The frames [j, i] of whole numbers, one after the other, or those of ``indices``; of one bit as 0 and 1.

    Raises
    ------
    DicomError
        If a frame is not as long as rows and columns call for.
    """
    if not has_deflated_frames(ds) and not _has_rle_bits(ds):
        yield from iter_pixels(ds, indices=indices)
        return
    unpack: Callable[[bytes, int], bytes] = _inflated if has_deflated_frames(ds) else _run_lengths
    rows, columns, bits = int(ds.Rows), int(ds.Columns), int(ds.BitsAllocated)
    needed = (rows * columns * bits + 7) // 8
    whole = rows * columns if _has_rle_bits(ds) else needed  # a byte for each pixel of one bit
    packed = list(generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames)))
    for n in range(len(packed)) if indices is None else indices:
        try:
            values = unpack(packed[n], whole + 2)  # no more is asked for, whatever comes
        except (zlib.error, ValueError) as error:
            raise DicomError(
                f"Frame {n + 1} of {where} cannot be decompressed ({error}): export it uncompressed."
            ) from error
        if len(values) - whole in (0, 1) and whole > needed + 1:
            yield np.frombuffer(values[:whole], dtype=np.uint8).reshape(rows, columns) > 0
            continue
        if len(values) - needed not in (0, 1):  # padded to an even length or not
            raise DicomError(f"Frame {n + 1} of {where} has {len(values)} bytes, not {needed}: export it again.")
        yield _unpacked(values[:needed], bits)[: rows * columns].reshape(rows, columns)


def _inflated(frame: bytes, most: int) -> bytes:
    return zlib.decompressobj(_RAW).decompress(frame, most)


def _run_lengths(frame: bytes, most: int) -> bytes:
    r"""At most ``most`` bytes of a frame of one RLE segment (PS3.5 G.3.2: PackBits).

    Examples
    --------
    >>> header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
    >>> _run_lengths(header + bytes([254, 7, 1, 8, 9]), 100)
    b'\x07\x07\x07\x08\t'
    """
    count, start = (int.from_bytes(frame[n : n + 4], "little") for n in (0, 4))
    if count != 1 or start < _RLE_HEADER_bytes or start > len(frame):
        raise ValueError(f"{count} RLE segments where one bit per pixel has 1")
    found, at = bytearray(), start
    while at < len(frame) - 1 and len(found) < most:
        head = frame[at]
        if head < 128:
            found += frame[at + 1 : at + 2 + head]
            at += 2 + head
        elif head > 128:
            found += frame[at + 1 : at + 2] * (257 - head)
            at += 2
        else:
            at += 1
    return bytes(found[:most])


def _unpacked(values: bytes, bits: int) -> np.ndarray:
    if bits == 1:
        return np.unpackbits(np.frombuffer(values, dtype=np.uint8), bitorder="little")
    return np.frombuffer(values, dtype=f"<u{bits // 8}")
