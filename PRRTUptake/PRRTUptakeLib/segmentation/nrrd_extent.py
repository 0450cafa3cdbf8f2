"""A Slicer segmentation file (``.seg.nrrd``) that was cropped to its segments, on the whole grid of its image again.

Cropping is what Slicer offers as "crop to minimum extent": the same segments at the same place in fewer voxels. With
the image's own grid, a script finds image and segments voxel by voxel. The layout is that of
http://teem.sourceforge.net/nrrd/format.html, with the keys that Slicer adds for segments.
"""

from __future__ import annotations

import functools
import gzip
import math
import re
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.errors import SegmentationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OFFSET = "Segmentation_ReferenceImageExtentOffset:="
_GZIP = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # RFC 1952: deflated, no name, no time
_END = b"\x03\0"  # an empty last block
_LEVEL = 4  # of zlib: a third of the size of faster levels, and larger ones hardly make it smaller


def write_on_whole_grid(cropped: bytes, shape: tuple[int, int, int], path: Path) -> None:
    """Write a cropped file on the whole grid of its image.

    Parameters
    ----------
    cropped : content of the cropped file, whose voxels are bytes in gzip.
    shape : (k, j, i) of the image, whose first voxel is the origin of the file's extents.
    path : written slice by slice.

    Raises
    ------
    SegmentationError
        If that is not such a file, or segments reach beyond the image.
    """
    head, _, payload = cropped.partition(b"\n\n")
    lines = head.decode("utf-8").split("\n")
    fields = dict(re.findall(r"^([a-z ]+): (.*)$", "\n".join(lines), flags=re.MULTILINE))
    offset = next((_numbers(line[len(_OFFSET) :]) for line in lines if line.startswith(_OFFSET)), None)
    if offset is None or fields.get("type") != "unsigned char" or fields.get("encoding") != "gzip":
        raise SegmentationError("That is not a cropped segmentation file of bytes: write it anew.")
    sizes = _numbers(fields["sizes"])
    layers, (width, height, depth) = sizes[:-3], sizes[-3:]
    first = np.array(offset[::-1])
    if (first < 0).any() or (first + np.array([depth, height, width]) > shape).any():
        raise SegmentationError(f"The segments reach beyond an image of {shape}: write them anew.")
    values = np.frombuffer(gzip.decompress(payload), np.uint8).reshape(depth, height, width, *layers)
    k, j, i = (int(n) for n in first)
    with path.open("wb") as file:
        file.write("\n".join(_moved(line, fields, offset, shape) for line in lines).encode() + b"\n\n" + _GZIP)
        checksum = 0
        for part, packed in _parts(values, (k, j, i), shape):
            file.write(packed)
            checksum = zlib.crc32(part.data, checksum)
        size = math.prod((*shape, *layers))
        file.write(_END + struct.pack("<II", checksum, size & 0xFFFFFFFF))


def _parts(
    values: np.ndarray, first: tuple[int, int, int], shape: tuple[int, int, int]
) -> Iterator[tuple[np.ndarray, bytes]]:
    """All rows of the grid in order, as they are and deflated; most are empty, and are deflated once only."""
    (k, j, i), (depth, height, width) = first, values.shape[:3]
    row = (shape[2], *values.shape[3:])

    @functools.cache
    def empty(rows: int) -> tuple[np.ndarray, bytes]:
        part = np.zeros((rows, *row), np.uint8)
        return part, _packed(part)

    for n in range(shape[0]):
        if not k <= n < k + depth:
            yield empty(shape[1])
            continue
        drawn = np.zeros((height, *row), np.uint8)
        drawn[:, i : i + width] = values[n - k]
        yield empty(j)
        yield drawn, _packed(drawn)
        yield empty(shape[1] - j - height)


def _packed(rows: np.ndarray) -> bytes:
    """Rows [j, i, layer] as deflated blocks of its own, which others can follow (Z_FULL_FLUSH)."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(rows.data) + packer.flush(zlib.Z_FULL_FLUSH)


def _moved(line: str, fields: dict[str, str], offset: list[int], shape: tuple[int, int, int]) -> str:
    """A line of the header as it is on the whole grid."""
    if line.startswith("sizes: "):
        return " ".join(map(str, ["sizes:", *_numbers(fields["sizes"])[:-3], *shape[::-1]]))
    if line.startswith("space origin: "):
        steps, (origin,) = _vectors(fields["space directions"]), _vectors(fields["space origin"])
        return f"space origin: ({','.join(repr(float(n)) for n in origin - np.array(offset) @ steps)})"
    if line.startswith(_OFFSET):
        return _OFFSET + "0 0 0"
    if extent := re.fullmatch(r"(Segment\d+_Extent:=)(.*)", line):
        ends = _numbers(extent[2])
        return extent[1] + " ".join(str(end + offset[n // 2]) for n, end in enumerate(ends))
    return line


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _vectors(text: str) -> np.ndarray:
    """Vectors (n, 3) as a header states them: ``none (1.5,0,0) (0,1.5,0) (0,0,3)``."""
    return np.array([[float(word) for word in one.split(",")] for one in re.findall(r"\(([^)]*)\)", text)])
