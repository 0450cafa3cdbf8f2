"""The attributes of a plain DICOM file from its first bytes, for folders of hundreds of slices.

pydicom reads attribute by attribute from the file, with every encoding in mind. Nearly all slices are explicit VR,
little endian (PS3.5, section 7.1.2), and their attributes are within the first kilobytes: these are taken out here in
one pass, as the same raw elements, in a third of the time. Whatever is not so plain is left to pydicom.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_sequence
from pydicom.tag import BaseTag

FIRST_BYTES = 32_768  # of a file: attributes that reach further are left to pydicom
_PREAMBLE = 132
_EXPLICIT = "1.2.840.10008.1.2.1"
_COMPRESSED = "1.2.840.10008.1.2.4."  # followed by the kind of compression; all are explicit, little endian
_SYNTAX, _CHARACTER_SET = 0x00020010, 0x00080005
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_UNDEFINED = 0xFFFFFFFF
# fmt: off
_SHORT = (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM",
    "UI", "UL", "US",
)
# fmt: on
_LONG = ("OB", "OD", "OF", "OL", "OW", "OV", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")  # length in four bytes
_KINDS = {vr.encode(): (vr, vr in _LONG) for vr in (*_SHORT, *_LONG)}
_EMPTY = {vr: empty_value_for_VR(vr, raw=True) for vr in (*_SHORT, *_LONG)}
_element = struct.Struct("<HH2sH").unpack_from
_length = struct.Struct("<I").unpack_from

Elements = dict[BaseTag, RawDataElement | DataElement]


def plain_dataset(first: bytes) -> tuple[Dataset, int] | None:
    """Every attribute before the pixels, and the byte at which these begin; None if the file is not so plain.

    Parameters
    ----------
    first : the first ``FIRST_BYTES`` bytes of a file, which begins with the preamble and "DICM".
    """
    try:
        meta, at = _elements(first, _PREAMBLE, in_meta=True)
        syntax = meta[BaseTag(_SYNTAX)].value.decode("ascii").strip(" \0")
        if syntax != _EXPLICIT and not syntax.startswith(_COMPRESSED):
            return None
        elements, at = _elements(first, at)
    except (struct.error, KeyError, ValueError, AttributeError, NotImplementedError, EOFError, OSError):
        return None  # broken ones too: pydicom's message says how
    dataset = Dataset(elements)
    dataset.file_meta = FileMetaDataset(Dataset(meta))
    dataset.set_original_encoding(False, True, dataset._character_set)
    return dataset, at


def _elements(first: bytes, at: int, in_meta: bool = False) -> tuple[Elements, int]:
    """Elements from a byte on: those of group 2, or those up to the pixels; and where the next begins."""
    found: Elements = {}
    encoding: Any = "iso8859"
    while True:
        group, number, vr_bytes, length = _element(first, at)
        tag = group << 16 | number
        if (group != 2) if in_meta else (tag in _PIXELS):
            return found, at
        vr, long = _KINDS[vr_bytes]
        value_at = at + 8
        if long:
            (length,), value_at = _length(first, value_at), at + 12
        if length == _UNDEFINED:
            if vr != "SQ":
                raise ValueError(vr)
            element, at = _sequence(first, BaseTag(tag), value_at, encoding)
        else:
            at = value_at + length
            if at > len(first):
                raise EOFError
            value = first[value_at:at] if length else _EMPTY[vr]
            element = RawDataElement(BaseTag(tag), vr, length, value, value_at, False, True)
            if tag == _CHARACTER_SET:
                encoding = convert_encodings(value.decode("ascii").strip(" \0").split("\\"))
        found[element.tag] = element


def _sequence(first: bytes, tag: BaseTag, at: int, encoding: Any) -> tuple[DataElement, int]:
    """A sequence whose end is marked, by pydicom."""
    stream = BytesIO(first)
    stream.seek(at)
    sequence = read_sequence(stream, False, True, _UNDEFINED, encoding)
    return DataElement(tag, "SQ", sequence, at, is_undefined_length=True), stream.tell()
