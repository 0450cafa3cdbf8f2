"""DICOM headers: reading one without its pixels, and getting single attributes out of it with errors that name them."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.datadict import dictionary_description, dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from PRRTUptakeLib.dicom.errors import HeaderError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

_PREAMBLE = 132
_FIRST_bytes = 8192  # read at once: in files of one plane all that comes before the pixels
_MAGIC = slice(128, _PREAMBLE)
_FIRST_PIXELS = 0x7FE00008  # float pixel data; integers are 7FE00010
_PLAIN_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_PIXELS_BEGIN = b"\xe0\x7f\x10\0"  # the tag of pixel data, little endian
_PIXEL_ELEMENTS = (0x0008, 0x0009, 0x0010)  # of group 7FE0: float, double and integer pixel data
_UNDEFINED = 0xFFFFFFFF
_SOP_CLASS = Tag("SOPClassUID")
_PLAIN_TEXT = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
_DEFLATED = "1.2.840.10008.1.2.1.99"
_WITH_PIXELS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT
        "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced CT
        "1.2.840.10008.5.1.4.1.1.4",  # MR
        "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.4",  # legacy converted enhanced MR
        "1.2.840.10008.5.1.4.1.1.20",  # NM
        "1.2.840.10008.5.1.4.1.1.128",  # PET
        "1.2.840.10008.5.1.4.1.1.128.1",  # legacy converted enhanced PET
        "1.2.840.10008.5.1.4.1.1.130",  # enhanced PET
        "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
    }
)


@dataclass(frozen=True, eq=False)
class Header:
    """One DICOM file without its pixels.

    Attributes
    ----------
    path : the file.
    dataset : every attribute before the pixel data.
    pixel_offset : byte at which uncompressed pixel values start; None if compressed or absent.
    pixel_bytes : how many bytes of pixel values follow there.
    """

    path: Path
    dataset: Dataset
    pixel_offset: int | None = None
    pixel_bytes: int = 0


def read_header(path: Path) -> Header | None:
    """Read one file up to its pixels; None if it is not DICOM at all.

    Raises
    ------
    HeaderError
        If the file is DICOM but ends too early or cannot be understood.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_FIRST_bytes)
        if not _looks_like_dicom(first[:_PREAMBLE]):
            return None
        try:
            dataset = _of_first_bytes(first, file)
            if dataset is None:
                file.seek(0)
                dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        except Exception as error:  # pydicom raises many kinds on broken files; all mean the same to the user
            raise HeaderError(f"The DICOM file {path} is broken ({error}): export it again.") from error
        if _SOP_CLASS not in dataset and "MediaStorageSOPClassUID" not in dataset.file_meta:
            raise HeaderError(
                f"The DICOM file {path} is broken or truncated, it has no SOP Class UID: export it again."
            )
        syntax = text(dataset.file_meta, "TransferSyntaxUID", str(path)) or "1.2.840.10008.1.2"
        if syntax == _DEFLATED:  # its pixels can only be reached by inflating; dcmread has done so without complaint
            return Header(path, dataset)
        return _with_pixels(path, dataset, file, size, syntax)


def _of_first_bytes(first: bytes, file: BinaryIO) -> Dataset | None:
    """The data set before the pixels, at which ``file`` then is; None if the whole file has to be looked at.

    Headers come in hundreds: for plain files pydicom is asked for no more than file meta information and data set,
    from bytes at hand, which takes two thirds of the time of `pydicom.dcmread`.
    """
    if first[_MAGIC] != b"DICM" or _PIXELS_BEGIN not in first:
        return None
    stream = BytesIO(first)
    stream.seek(_PREAMBLE)
    try:
        meta = FileMetaDataset(read_dataset(stream, False, True, stop_when=lambda tag, _, __: tag >> 16 != 2))
        syntax = text(meta, "TransferSyntaxUID")
        has_command_set = first[stream.tell() : stream.tell() + 2] == b"\0\0"  # elements of group 0000 come next
        if syntax not in _PLAIN_SYNTAXES or has_command_set:
            return None
        implicit = syntax == ImplicitVRLittleEndian
        # As a number, since pydicom's own tags are compared ten times slower.
        dataset = read_dataset(stream, implicit, True, stop_when=lambda tag, _, __: int(tag) >= _FIRST_PIXELS)
    except Exception:  # as where an icon has pixels too, or what is wrong is the file: dcmread decides
        return None
    if first[stream.tell() : stream.tell() + 4] != _PIXELS_BEGIN:
        return None
    dataset.file_meta = meta
    file.seek(stream.tell())
    return dataset


def _looks_like_dicom(start: bytes) -> bool:
    if start[128:132] == b"DICM":
        return True
    if len(start) < 8:  # without the preamble a file starts with a small element of group 0002 or 0008
        return False
    group, element = struct.unpack("<HH", start[:4])
    return group in (0x0002, 0x0008) and element <= 0x0018 and start[4:8] != b"\0\0\0\0"


def _with_pixels(path: Path, dataset: Dataset, file: BinaryIO, size: int, syntax: str) -> Header:
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    start = file.read(12)
    has_pixels = False
    if len(start) >= 8:
        group, element = struct.unpack(order + "HH", start[:4])
        has_pixels = group == 0x7FE0 and element in _PIXEL_ELEMENTS
    if not has_pixels:
        _check_complete(path, dataset, leftover=len(start))
        return Header(path, dataset)
    explicit = start[4:6].isalpha()
    length_at = 8 if explicit else 4
    if len(start) < length_at + 4:
        raise HeaderError(_truncated(path))
    length = struct.unpack(order + "I", start[length_at : length_at + 4])[0]
    offset = file.tell() - len(start) + length_at + 4
    if length == _UNDEFINED:
        _check_fragments(path, file, offset)
        return Header(path, dataset)
    if offset + length > size:
        raise HeaderError(_truncated(path))
    return Header(path, dataset, offset, length)


def _truncated(path: Path) -> str:
    return f"The DICOM file {path} is truncated, it ends before its last pixel: copy or export it again."


def _check_complete(path: Path, dataset: Dataset, leftover: int) -> None:
    """A file without pixel data: is it one that should have some, or does it end in the middle of an element?"""
    kind = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID", "")
    if leftover or str(kind) in _WITH_PIXELS:
        raise HeaderError(_truncated(path))
    tags = list(dataset.keys())  # in the order of the file
    last = dataset.get_item(tags[-1]) if tags else None
    length = getattr(last, "length", None)
    value = getattr(last, "value", None)
    if length not in (None, _UNDEFINED) and isinstance(value, bytes) and len(value) < length:
        raise HeaderError(f"The DICOM file {path} is truncated, it ends within its last attribute: export it again.")


def _check_fragments(path: Path, file: BinaryIO, offset: int) -> None:
    """Walk over the compressed fragments, which need to end with the sequence delimiter."""
    file.seek(offset)
    while True:
        item = file.read(8)
        if len(item) < 8:
            raise HeaderError(_truncated(path))
        group, element, length = struct.unpack("<HHI", item)
        if (group, element) == (0xFFFE, 0xE0DD):
            return
        if (group, element) != (0xFFFE, 0xE000) or length == _UNDEFINED:
            raise HeaderError(f"The compressed pixels of {path} are broken: export it again, best uncompressed.")
        file.seek(length, 1)


@cache
def label(keyword: str) -> str:
    """Name and tag of an attribute for a message.

    Examples
    --------
    >>> label("PatientWeight")
    "Patient's Weight (0010,1030)"
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        return keyword
    name = dictionary_description(tag) if dictionary_has_tag(tag) else keyword
    return f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


@cache
def _dictionary_entry(keyword: str) -> tuple[BaseTag, str]:
    """Tag and value representation of a keyword."""
    tag = Tag(keyword)
    return tag, str(dictionary_VR(tag))


def raw_value(dataset: Dataset, keyword: str, where: str) -> Any:
    """The value of an attribute; None if it is absent or empty.

    Values of plain text (numbers among them) come as they are stored, several joined by backslashes: pydicom's own
    conversion, which every other kind of value goes through, takes ten times as long, and headers come in hundreds.

    Raises
    ------
    HeaderError
        If the stored value does not fit the attribute; ``where`` names the file or series in the message.
    """
    tag, usual_VR = _dictionary_entry(keyword)
    stored = dataset.get_item(tag)
    if stored is None:
        return None
    if isinstance(stored, RawDataElement) and isinstance(stored.value, bytes):
        kind = stored.VR or usual_VR
        if kind in _PLAIN_TEXT:
            return stored.value.decode("latin-1").strip(" \0") or None
        if kind == "US" and len(stored.value) == 2:
            return int.from_bytes(stored.value, "little" if stored.is_little_endian else "big")
    try:
        value = dataset[tag].value
    except Exception as error:  # pydicom converts on access and raises many kinds
        raise HeaderError(f"{label(keyword)} of {where} cannot be read ({error}).") from error
    return None if _is_empty(value) else value


def _is_empty(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, (str, bytes)):
        return not value.strip()
    return hasattr(value, "__len__") and len(value) == 0


def text(dataset: Dataset, keyword: str, where: str = "this file") -> str:
    """The value of an attribute as text without padding; several values joined by a backslash; "" if absent."""
    value = raw_value(dataset, keyword, where)
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        if "\\" not in value:
            return value.strip(" \0")
        value = value.split("\\")
    if isinstance(value, (MultiValue, list, tuple)):  # a PersonName iterates over its letters
        return "\\".join(str(item).strip(" \0") for item in value)
    return str(value).strip(" \0")


def words(dataset: Dataset, keyword: str, where: str = "this file") -> tuple[str, ...]:
    """The values of an attribute with several words, in capitals."""
    joined = text(dataset, keyword, where)
    return tuple(word.strip().upper() for word in joined.split("\\")) if joined else ()


def numbers(dataset: Dataset, keyword: str, where: str, count: int | None = None) -> tuple[float, ...] | None:
    """The values of an attribute as finite numbers, None if absent; ``count`` states how many there must be.

    Raises
    ------
    HeaderError
        If a value is no number, not finite, or their count is wrong.
    """
    value = raw_value(dataset, keyword, where)
    if value is None:
        return None
    return as_numbers(value, label(keyword), where, count)


def as_numbers(value: Any, name: str, where: str, count: int | None = None) -> tuple[float, ...]:
    r"""Turn a stored value (number, text, bytes of an unknown VR, or several) into finite numbers.

    Examples
    --------
    >>> as_numbers(b"1.5\\2 ", "Size", "a.dcm")
    (1.5, 2.0)
    """
    if isinstance(value, bytes):
        value = value.decode("latin-1").strip(" \0")
    if isinstance(value, str):
        value = value.split("\\")
    items = list(value) if hasattr(value, "__iter__") else [value]
    for item in items:
        if isinstance(item, str) and "_" in item:  # Python reads 1_0 as 10
            raise HeaderError(f"{name} of {where} is {_shown(items)}, which is not a number.")
    try:
        found = tuple(map(float, items))
    except (TypeError, ValueError) as error:
        raise HeaderError(f"{name} of {where} is {_shown(items)}, which is not a number.") from error
    if not all(map(math.isfinite, found)):
        raise HeaderError(f"{name} of {where} is {_shown(items)}, which is not finite.")
    if count is not None and len(found) != count:
        raise HeaderError(f"{name} of {where} has {len(found)} values ({_shown(items)}), but must have {count}.")
    return found


def _shown(items: list[Any]) -> str:
    return "\\".join(str(item) for item in items)[:80]


def number(dataset: Dataset, keyword: str, where: str) -> float | None:
    """The one value of an attribute as a finite number; None if absent or empty. Raises as ``numbers``."""
    found = numbers(dataset, keyword, where, 1)
    return None if found is None else found[0]


def required_number(dataset: Dataset, keyword: str, where: str, low: float, high: float) -> float:
    """A number that must be there and lie between ``low`` and ``high``.

    Raises
    ------
    HeaderError
        If it is missing or outside.
    """
    found = number(dataset, keyword, where)
    if found is None:
        raise HeaderError(f"{label(keyword)} of {where} is missing.")
    if not low <= found <= high:
        raise HeaderError(
            f"{label(keyword)} of {where} is {found:g}, but must be from {low:g} to {high:g}: correct it, or state it."
        )
    return found


def items(dataset: Dataset, keyword: str, where: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none if it is absent or empty.

    Raises
    ------
    HeaderError
        If the attribute is not a sequence.
    """
    value = raw_value(dataset, keyword, where)
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise HeaderError(f"{label(keyword)} of {where} is not a sequence.")
    return tuple(value)
