"""Attributes that all files of a series need to share, compared by what they mean, not by how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_description, dictionary_has_tag
from pydicom.sequence import Sequence as Items

from PRRTUptakeLib.dicom.errors import DicomError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.headers import Header


def require_same(headers: Sequence[Header], tag: Any, name: str, remedy: str = "export it again") -> None:
    """Raise DicomError, with the two files and the remedy, if an attribute differs between the files of one series."""
    first = headers[0]
    alike = [_raw(first.dataset, tag)]  # as stored, or already converted by an access, or written otherwise
    for header in headers[1:]:
        stored = _raw(header.dataset, tag)
        if stored in alike:
            continue
        differing = _differing(_value(first, tag, name), _value(header, tag, name))
        if differing is not None:
            within = f" ({differing})" if differing else ""
            raise DicomError(
                f"{name}{within} differs between {first.path.name} and {header.path.name} of one series: {remedy}."
            )
        alike.append(stored)


def _raw(dataset: Dataset, tag: Any) -> Any:
    """Stored bytes of an element, so that hundreds of images are compared without converting each."""
    element = dataset.get_item(tag)
    value = getattr(element, "value", None)
    if isinstance(value, Items):
        return [[(inner, _raw(item, inner)) for inner in tuple(item.keys())] for item in value]
    return value.strip(b" \0") if isinstance(value, bytes) else value


def _value(header: Header, tag: Any, name: str) -> Any:
    if tag not in header.dataset:
        return None
    try:
        return header.dataset[tag].value
    except Exception as error:  # pydicom converts on access and raises many kinds
        raise DicomError(f"{name} of {header.path} cannot be read ({error}).") from error


def _differing(one: Any, other: Any) -> str | None:
    """None if two values mean the same; else the attributes within items that differ, "" for a value without items."""
    if not isinstance(one, Items) or not isinstance(other, Items):
        return None if _meaning(one) == _meaning(other) else ""
    if len(one) != len(other):
        return "number of items"
    names = []
    for first, second in zip(one, other, strict=True):
        for tag in sorted({*first.keys(), *second.keys()}):
            values = [_item_value(item, tag) for item in (first, second)]
            if _differing(*values) is not None:
                names.append(dictionary_description(tag) if dictionary_has_tag(tag) else str(tag))
    return ", ".join(names) if names else None


def _item_value(item: Dataset, tag: Any) -> Any:
    try:
        return item[tag].value if tag in item else None
    except Exception:  # a value that cannot be converted: compared as it is stored
        return _raw(item, tag)


def _meaning(value: Any) -> Any:
    """A value so that 70, "70.0" and "7E1" are the same, and an empty value is the same as an absent one."""
    written = value.decode("latin-1") if isinstance(value, bytes) else str("" if value is None else value)
    try:
        return float(written)
    except ValueError:
        return written.strip(" \0")
