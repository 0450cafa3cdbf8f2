"""Whether an NRRD or MetaImage file is whole: its header against its bytes, before a reader gets it.

Readers in C++ trust the header; a file that was cut short can end the process, or be read as if it were whole.
"""

from __future__ import annotations

import bz2
import gzip
import math
import re
import zlib
from typing import TYPE_CHECKING

from PRRTUptakeLib.imaging.errors import ImagingError

if TYPE_CHECKING:
    from pathlib import Path

_NRRD_BYTES = {
    "signed char": 1, "int8": 1, "int8_t": 1, "uchar": 1, "unsigned char": 1, "uint8": 1, "uint8_t": 1,
    "short": 2, "short int": 2, "signed short": 2, "signed short int": 2, "int16": 2, "int16_t": 2, "ushort": 2,
    "unsigned short": 2, "unsigned short int": 2, "uint16": 2, "uint16_t": 2, "int": 4, "signed int": 4, "int32": 4,
    "int32_t": 4, "uint": 4, "unsigned int": 4, "uint32": 4, "uint32_t": 4, "longlong": 8, "long long": 8,
    "long long int": 8, "signed long long": 8, "signed long long int": 8, "int64": 8, "int64_t": 8, "ulonglong": 8,
    "unsigned long long": 8, "unsigned long long int": 8, "uint64": 8, "uint64_t": 8, "float": 4, "double": 8,
}  # fmt: skip
_META_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 4,
    "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_PATIENT_SPACES = ("left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las")
_META_MM = ("", "?", "mm")  # not stated, not known (as MetaIO writes it), or millimetres
_META_PLACES = (
    ("TransformMatrix", "Rotation", "Orientation"),
    ("Offset", "Origin", "Position"),
    ("ElementSpacing", "ElementSize"),
)
_LARGEST_VOXELS = 1 << 36
_LONGEST_HEADER = 1 << 20


def check_nrrd(path: Path) -> dict[str, str]:
    """Raise if an NRRD file (.nrrd, .seg.nrrd) does not hold what its header says; else the header's fields.

    The layout is that of http://teem.sourceforge.net/nrrd/format.html.

    Raises
    ------
    ImagingError
        If the file is damaged or cut short, keeps its voxels in another file, or does not say where they are.
    """
    data = _bytes(path)
    head, separator, payload = data.partition(b"\n\n")
    crlf = data.partition(b"\r\n\r\n")
    if crlf[1] and (not separator or len(crlf[0]) < len(head)):
        head, separator, payload = crlf
    if not data.startswith(b"NRRD000") or not separator or len(head) > _LONGEST_HEADER:
        raise ImagingError(f"{path.name} is not an NRRD file, or its header is damaged: write it again.")
    fields = _nrrd_fields(head.decode("utf-8", "replace"))
    if "data file" in fields or "datafile" in fields:
        raise ImagingError(f"{path.name} keeps its voxels in another file: write it as one .nrrd file.")
    sizes = _sizes(fields.get("sizes", ""), path, fields.get("dimension", ""))
    width = _NRRD_BYTES.get(fields.get("type", ""))
    if width is None:
        raise ImagingError(f"{path.name} has voxels of the type '{fields.get('type', '')}', which is not known.")
    _check_place(fields, path)
    _check_directions(fields, path)
    _check_extents(head.decode("utf-8", "replace"), sizes, path)
    skipped = any(fields.get(key, "0") != "0" for key in ("line skip", "lineskip", "byte skip", "byteskip"))
    if skipped:
        raise ImagingError(f"{path.name} skips lines or bytes before its voxels: write it again without.")
    _compare(path, _nrrd_payload(payload, fields.get("encoding", ""), path), _product(sizes) * width)
    return fields


def _nrrd_fields(head: str) -> dict[str, str]:
    """Fields of the header by lower-case name; key/value pairs (with :=) are no fields."""
    lines = [line for line in head.splitlines()[1:] if ": " in line and ":=" not in line.split(": ")[0]]
    pairs = [line.split(": ", 1) for line in lines if not line.startswith("#")]
    return {key.strip().lower(): value.strip() for key, value in pairs}


def check_stated_place(path: Path) -> dict[str, str]:
    """Raise if the header of an NRRD or MetaImage file does not say where its voxels are, in mm; return its fields.

    Nothing else is read, so that the voxels may be in another file (.nhdr, .mhd). Of other files there are no fields.

    Raises
    ------
    ImagingError
        Naming what is missing.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_LONGEST_HEADER)
    except OSError as error:
        raise ImagingError(f"{path} cannot be read ({error.strerror}).") from error
    fields = {}
    if path.name.lower().endswith((".nrrd", ".nhdr")):
        head = head.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        fields = _nrrd_fields(head.decode("utf-8", "replace"))
        _check_place(fields, path)
    elif path.name.lower().endswith((".mha", ".mhd")):
        fields = _meta_fields(head.partition(b"ElementDataFile")[0])
        _check_meta_place(fields, path)
    return fields


def _check_place(fields: dict[str, str], path: Path) -> None:
    """Space, directions and origin must be stated, since readers take the scanner's own corner and 1 mm without."""
    missing = [key for key in ("space", "space directions", "space origin") if not fields.get(key)]
    if missing:
        raise ImagingError(
            f"{path.name} does not say where its voxels are in the patient ({', '.join(missing)} missing in its "
            "header): write it again with the geometry of its image."
        )
    if fields["space"].lower() not in _PATIENT_SPACES:
        raise ImagingError(
            f"{path.name} states 'space: {fields['space']}', which does not say what is left or right of the patient: "
            "write it again in left-posterior-superior or right-anterior-superior."
        )
    units = {word for word in re.findall(r'"([^"]*)"', fields.get("space units", "")) if word.strip()}
    if units - {"mm", "???"}:
        raise ImagingError(f"{path.name} states 'space units: {fields['space units']}': write it again in mm.")


def _check_directions(fields: dict[str, str], path: Path) -> None:
    """Directions and origin must be finite numbers, and no axis of space may have the length 0."""
    for key in ("space directions", "space origin"):
        for vector in re.findall(r"\(([^)]*)\)", fields.get(key, "")):
            try:
                values = [float(word) for word in vector.split(",")]
            except ValueError:
                values = [math.nan]
            if not all(map(math.isfinite, values)) or (key == "space directions" and not any(values)):
                raise ImagingError(f"{path.name} states '{key}: {fields[key]}', which is impossible: write it again.")


def _check_extents(head: str, sizes: list[int], path: Path) -> None:
    """The extent of each segment of a Slicer segmentation must lie within the stated size."""
    spatial = sizes[-3:]
    for name, text in re.findall(r"^(Segment\d+)_Extent:=(.*)$", head, flags=re.MULTILINE):
        try:
            ends = [int(word) for word in text.split()]
        except ValueError:
            ends = []
        pairs = list(zip(ends[::2], ends[1::2], spatial, strict=False))
        outside = any(not _within(first, last, size) for first, last, size in pairs)
        if len(ends) != 6 or len(pairs) != 3 or outside:
            raise ImagingError(f"{path.name} puts {name} at '{text.strip()}', outside its size: write it again.")


def _within(first: int, last: int, size: int) -> bool:
    """Whether an extent is within the size, or is that of an empty segment (0 -1)."""
    return 0 <= first <= last < size or last == first - 1


def _nrrd_payload(payload: bytes, encoding: str, path: Path) -> int | None:
    """Bytes of voxels; None where the encoding is text, whose length says nothing."""
    encoding = encoding.lower()
    try:
        if encoding in ("gzip", "gz"):
            return len(gzip.decompress(payload))
        if encoding in ("bzip2", "bz2"):
            return len(bz2.decompress(payload))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ImagingError(f"{path.name} is damaged or cut short ({error}): copy or write it again.") from error
    if encoding == "raw":
        return len(payload)
    if encoding in ("ascii", "txt", "text", "hex"):
        return None
    raise ImagingError(f"{path.name} has the encoding '{encoding}', which is not known: write it as gzip or raw.")


def check_metaimage(path: Path) -> None:
    """Raise if a MetaImage file (.mha) does not hold what its header says.

    Raises
    ------
    ImagingError
        If the file is damaged or cut short, keeps its voxels in another file, or does not say where they are.
    """
    data = _bytes(path)
    head, marker, rest = data[:_LONGEST_HEADER].partition(b"ElementDataFile")
    line, newline, _ = rest.partition(b"\n")
    if not marker or not newline or not head.lstrip().startswith((b"ObjectType", b"NDims", b"Comment")):
        raise ImagingError(f"{path.name} is not a MetaImage file, or its header is damaged: write it again.")
    if line.strip(b" =\r").upper() != b"LOCAL":
        raise ImagingError(f"{path.name} keeps its voxels in another file: write it as one .mha file.")
    fields = _meta_fields(head)
    _check_meta_place(fields, path)
    payload = data[len(head) + len(marker) + len(line) + 1 :]
    sizes = _sizes(fields.get("DimSize", ""), path, fields.get("NDims", ""))
    width = _META_BYTES.get(fields.get("ElementType", ""))
    if width is None:
        raise ImagingError(f"{path.name} has voxels of the type '{fields.get('ElementType', '')}', not a known one.")
    found = len(payload)
    if fields.get("CompressedData", "False").lower() == "true":
        try:
            found = len(zlib.decompress(payload))
        except zlib.error as error:
            raise ImagingError(f"{path.name} is damaged or cut short ({error}): copy or write it again.") from error
    channels = fields.get("ElementNumberOfChannels", "1")
    _compare(path, found, _product(sizes) * width * (int(channels) if channels.isdigit() else 1))


def _meta_fields(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").splitlines()
    return {key.strip(): value.strip() for key, value in (one.split("=", 1) for one in lines if "=" in one)}


def _check_meta_place(fields: dict[str, str], path: Path) -> None:
    missing = [names[0] for names in _META_PLACES if not any(fields.get(name) for name in names)]
    if missing:
        raise ImagingError(
            f"{path.name} does not say where its voxels are in the patient ({', '.join(missing)} missing in its "
            "header): write it again with the geometry of its image."
        )
    units = fields.get("DistanceUnits", "")
    if units.lower() not in _META_MM:  # ITK takes any for mm
        raise ImagingError(f"{path.name} states 'DistanceUnits = {units}': write it again in mm.")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImagingError(f"{path} cannot be read ({error.strerror}).") from error


def _sizes(text: str, path: Path, dimensions: str) -> list[int]:
    words = text.split()
    if not words or not all(word.isdigit() and int(word) > 0 for word in words) or dimensions != str(len(words)):
        raise ImagingError(f"{path.name} has the size '{text}' in {dimensions or 'no'} dimensions: write it again.")
    return [int(word) for word in words]


def _product(sizes: list[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


def _compare(path: Path, found: int | None, needed: int) -> None:
    if needed > _LARGEST_VOXELS:
        raise ImagingError(f"{path.name} states {needed} bytes of voxels: its header is damaged.")
    if found is not None and found != needed:
        raise ImagingError(
            f"{path.name} has {found} bytes of voxels where its header calls for {needed}: it is damaged or cut short; "
            "copy or write it again."
        )
