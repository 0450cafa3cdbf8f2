"""NIfTI-1 and NIfTI-2 files as arrays on a grid, every byte accounted for and both orientations looked at.

A NIfTI file may state its orientation twice, as a quaternion (qform) and as a matrix (sform), each with a code of what
its coordinates are (NIfTI-1 standard, nifti1.h: 1 scanner, 2 another scan, 3 and above a template). Programs that move
an image often change one and leave the other. Here the better coded form counts, and is named when they differ.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from PRRTUptakeLib.imaging.errors import ImagingError
from PRRTUptakeLib.imaging.volume import Grid

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_UNITS_mm = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown counts as mm, as all programs take it
_PATIENT_CODES = (1, 2)  # coordinates of the scanner, or of another scan of the patient
_NOTED_SHEAR = 1e-4
_GZIP = 31  # of zlib: a header and a checksum as RFC 1952 has them
_MEMBER = b"\x1f\x8b\x08"  # what every member of a gzip file begins with
_LARGEST_RATIO = 1032  # of deflate
_LARGEST_SHEAR_voxels = 0.5  # at a corner of the grid


@dataclass(frozen=True, eq=False)
class Nifti:
    """Values [k, j, i] on their grid, the names of labels that the file brings, and sentences on its orientation."""

    values: np.ndarray
    grid: Grid
    labels: dict[int, str]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """What a NIfTI header says, whichever version; ``order`` is the byte order of struct."""

    order: str
    sizes: tuple[int, ...]
    dtype: np.dtype
    pixdim: tuple[float, ...]
    offset: int
    slope: float
    intercept: float
    units: int
    codes: tuple[int, int]  # qform, sform
    quaternion: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]
    size: int


def read_nifti(path: Path) -> Nifti:
    """Read a NIfTI file (.nii, .nii.gz).

    Raises
    ------
    ImagingError
        If it is damaged or cut short, has not three dimensions, states no orientation, or two that contradict.
    """
    data = whole_bytes(path)
    header = _header(data, path.name)
    values = _values(data, header, path.name)
    matrix, remarks = _orientation(header, path.name)
    matrix[:3] *= _UNITS_mm.get(header.units & 7, 1.0)
    grid, sheared = straightened(Grid(values.shape, matrix), path.name)
    return Nifti(values, grid, _labels(data, header), (*remarks, *sheared))


def whole_bytes(path: Path) -> bytes:
    """The content of a file, uncompressed where it is gzip, its checksum and length verified.

    Raises
    ------
    ImagingError
        If the file cannot be read, or is damaged or cut short.
    """
    try:
        data = path.read_bytes()
        return _inflated(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise ImagingError(f"{path.name} is damaged or cut short ({error}): copy or write it again.") from error


def _inflated(data: bytes) -> bytes:
    """The content of a gzip file, written once where it stays, by the length that its end states.

    `gzip.decompress`, in half again the time, is for what needs more than a look: several members, a length that is not
    the stated one, whatever is wrong.
    """
    size = int.from_bytes(data[-4:], "little")  # RFC 1952: modulo 2^32, of the last member
    if size > _LARGEST_RATIO * len(data) or data.find(_MEMBER, 1) > 0:
        return gzip.decompress(data)
    content = zlib.decompress(data, _GZIP, max(size, 1))
    return content if len(content) == size else gzip.decompress(data)


def _header(data: bytes, name: str) -> _Header:
    for order in "<>":
        if len(data) >= 348 and struct.unpack_from(order + "i", data)[0] == 348:
            return _version_1(data, order, name)
        if len(data) >= 540 and struct.unpack_from(order + "i", data)[0] == 540:
            return _version_2(data, order, name)
    raise ImagingError(f"{name} is not a NIfTI file: write it again as NIfTI or NRRD.")


def _version_1(data: bytes, order: str, name: str) -> _Header:
    def get(kind: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + kind, data, at)

    if data[344:347] != b"n+1":
        raise ImagingError(f"{name} is a header without its image (.hdr and .img): write it as one .nii file.")
    return _Header(
        order,
        _sizes(get("8h", 40), name),
        _dtype(int(get("h", 70)[0]), order, name),
        get("8f", 76),
        int(get("f", 108)[0]),
        get("2f", 112)[0],
        get("2f", 112)[1],
        data[123],
        (int(get("2h", 252)[0]), int(get("2h", 252)[1])),
        get("6f", 256),
        tuple(get("4f", 280 + 16 * row) for row in range(3)),
        348,
    )


def _version_2(data: bytes, order: str, name: str) -> _Header:
    def get(kind: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + kind, data, at)

    return _Header(
        order,
        _sizes(get("8q", 16), name),
        _dtype(int(get("h", 12)[0]), order, name),
        get("8d", 104),
        int(get("q", 168)[0]),
        get("2d", 176)[0],
        get("2d", 176)[1],
        int(get("i", 500)[0]) & 0xFF,
        (int(get("2i", 344)[0]), int(get("2i", 344)[1])),
        get("6d", 352),
        tuple(get("4d", 400 + 32 * row) for row in range(3)),
        540,
    )


def _sizes(dim: tuple[float, ...], name: str) -> tuple[int, ...]:
    sizes = [int(n) for n in dim[1 : int(dim[0]) + 1]] if 1 <= dim[0] <= 7 else []
    if len(sizes) < 3 or min(sizes) < 1 or any(n > 1 for n in sizes[3:]):
        shown = " x ".join(map(str, sizes)) or "unknown"
        raise ImagingError(f"{name} has the size {shown}, but a mask has three dimensions with one value per voxel.")
    return tuple(sizes[:3])


def _dtype(code: int, order: str, name: str) -> np.dtype:
    if code not in _TYPES:
        raise ImagingError(f"{name} holds values of type {code}, which no mask has: write it as uint8 or int16.")
    return np.dtype(order + _TYPES[code])


def _values(data: bytes, header: _Header, name: str) -> np.ndarray:
    count = int(np.prod(header.sizes, dtype=np.int64))
    needed, found = count * header.dtype.itemsize, len(data) - header.offset
    if header.offset < header.size or found != needed:
        raise ImagingError(
            f"{name} has {max(found, 0)} bytes of voxels where its header calls for {needed}: it is damaged or cut "
            "short; copy or write it again."
        )
    values = np.frombuffer(data, dtype=header.dtype, count=count, offset=header.offset)
    values = values.reshape(header.sizes[::-1]).astype(header.dtype.newbyteorder("="), copy=False)
    slope = header.slope if np.isfinite(header.slope) else 0.0
    if slope not in (0.0, 1.0) or (slope and header.intercept):
        return values * slope + header.intercept
    return values


def _orientation(header: _Header, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The better coded of the two forms, and what is to be said of it."""
    quaternion_code, matrix_code = header.codes
    forms = {}
    if quaternion_code > 0:
        forms["qform"] = (quaternion_code, _qform(header))
    sform = np.vstack([np.array(header.rows, dtype=float), [0.0, 0.0, 0.0, 1.0]])
    if matrix_code > 0 and np.isfinite(sform).all() and abs(np.linalg.det(sform[:3, :3])) > 1e-9:
        forms["sform"] = (matrix_code, sform)
    if not forms:
        raise ImagingError(f"{name} does not say where its voxels are (qform and sform code 0): write it again.")
    if len(forms) == 1:
        return next(iter(forms.values()))[1], ()
    apart = _apart_voxels(forms["qform"][1], forms["sform"][1], header.sizes)
    ranked = sorted(forms, key=lambda key: (forms[key][0] in _PATIENT_CODES, forms[key][0], key == "sform"))
    better = ranked[-1]
    if apart <= 0.1:
        return forms["sform"][1], ()
    if quaternion_code == matrix_code and apart > 1.0:
        raise ImagingError(
            f"{name} states its orientation twice, and the two contradict by {apart:.0f} voxels (qform and sform, both "
            f"of code {matrix_code}): write it again with one geometry."
        )
    other = ranked[0]
    note = (
        f"{name} states its orientation twice, {apart:.1f} voxels apart: {better} (code {forms[better][0]}) is taken, "
        f"not {other} (code {forms[other][0]})."
    )
    return forms[better][1], (note,)


def _qform(header: _Header) -> np.ndarray:
    """The matrix of a quaternion, after nifti1.h."""
    b, c, d, x, y, z = header.quaternion
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    scale = np.abs(header.pixdim[1:4]) * [1.0, 1.0, -1.0 if header.pixdim[0] < 0 else 1.0]
    matrix[:3, :3], matrix[:3, 3] = turn * scale, (x, y, z)
    return matrix


def _apart_voxels(one: np.ndarray, other: np.ndarray, sizes: tuple[int, ...]) -> float:
    """How far the two forms put a corner of the image apart, in voxels."""
    corners = np.array(np.meshgrid(*[[0.0, n - 1.0] for n in sizes])).reshape(3, -1).T
    ones = np.ones((len(corners), 1))
    places = [np.hstack([corners, ones]) @ matrix.T for matrix in (one, other)]
    edge = np.linalg.norm(other[:3, :3], axis=0).min()
    return float(np.linalg.norm(places[0][:, :3] - places[1][:, :3], axis=1).max() / edge)


def straightened(grid: Grid, name: str) -> tuple[Grid, tuple[str, ...]]:
    """The nearest grid with axes at right angles, and how far that is; what is sheared by much stays as it is.

    Parameters
    ----------
    grid : as a file of any kind states it.
    name : of the file, for the sentence.
    """
    edges = np.linalg.norm(grid.ijk_to_ras[:3, :3], axis=0)
    axes = grid.ijk_to_ras[:3, :3] / edges
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if shear < _NOTED_SHEAR:
        return grid, ()
    left, _, right = np.linalg.svd(axes)
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, :3] = left @ right * edges
    centre = (np.array(grid.shape[::-1]) - 1.0) / 2.0
    matrix[:3, 3] = grid.to_ras(centre) - matrix[:3, :3] @ centre
    moved = _apart_voxels(grid.ijk_to_ras, matrix, grid.shape[::-1])
    degrees = float(np.degrees(np.arcsin(min(1.0, shear))))
    if moved > _LARGEST_SHEAR_voxels:
        return grid, (f"The axes of {name} are sheared by {degrees:.2f} degrees.",)
    said = f"The axes of {name} are sheared by {degrees:.2f} degrees: read as straight, at most {moved:.2f} voxels off."
    return Grid(grid.shape, matrix), (said,)


def _labels(data: bytes, header: _Header) -> dict[int, str]:
    """Names of labels from a table in the header's extensions (XML of Caret, as TotalSegmentator writes it)."""
    at = header.size + 4
    found: dict[int, str] = {}
    if header.offset < at or len(data) < at or not data[header.size]:
        return found
    while at + 8 <= header.offset:
        size, _ = struct.unpack_from(header.order + "2i", data, at)
        if size < 8 or at + size > header.offset:
            break
        found.update(_label_table(bytes(data[at + 8 : at + size]).strip(b"\0 \n")))
        at += size
    return found


def _label_table(text: bytes) -> dict[int, str]:
    if b"<LabelTable>" not in text or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return {}
    try:
        labels = ElementTree.fromstring(text).iter("Label")
        return {int(one.get("Key", "0")): (one.text or "").strip() for one in labels if (one.text or "").strip()}
    except (ElementTree.ParseError, ValueError):
        return {}
