"""Pixels that fill an image up to a rectangle (Pixel Padding Value, DICOM PS3.3 C.7.5.1.1.2) were not measured.

The stated value may be one that is measured as well (0 in PET and SPECT). Then only what is padding in all planes, or a
whole plane, is outside the field of view, which is the same in every plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.headers import label, number

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.headers import Header

_KEYWORDS = {  # by the stored type: value and limit
    "f4": ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    "f8": ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
}
_WHOLE = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_VALUE = "PixelPaddingValue"


@dataclass(frozen=True)
class Padding:
    """Stored values from ``low`` to ``high`` are padding; both ends count."""

    low: float
    high: float

    def marks(self, written: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Which pixels are padding: ``written`` as they are in the file, ``values`` without bits above Bits Stored.

        Padding may use bits that no measured value has (63536 in pixels of 12 bits, as scanners write -2000).
        """
        if self.low != self.high:
            return np.asarray((values >= self.low) & (values <= self.high))
        inside = values == self.low
        if values is not written and written.dtype.kind in "iu" and written.dtype.itemsize == 2:
            bits = written.view(written.dtype.str.replace("i", "u"))
            inside |= bits == int(self.low) % 65536
        return np.asarray(inside)


def padding_of(header: Header, stored: np.dtype) -> Padding | None:
    """The padding of a file whose pixels have the type ``stored``; None if none is stated.

    Raises
    ------
    HeaderError
        If the stated value is no number.
    """
    value, limit = (_stated(header, keyword, stored) for keyword in _KEYWORDS.get(stored.str[1:], _WHOLE))
    if value is None:
        return None
    ends = sorted((value, value if limit is None else limit))
    return Padding(ends[0], ends[1])


def _stated(header: Header, keyword: str, stored: np.dtype) -> float | None:
    """A value of padding with the sign that the pixels have, whatever sign its own attribute was written with."""
    where = str(header.path)
    element = header.dataset.get_item(keyword)
    raw = getattr(element, "value", None)
    if stored.kind == "f" or raw is None:
        return number(header.dataset, keyword, where)
    if isinstance(raw, bytes) and len(raw) == 2:  # not yet converted, or of a VR that depends on the pixels
        found = int.from_bytes(raw, "little" if getattr(element, "is_little_endian", True) else "big")
    else:
        known = number(header.dataset, keyword, where)
        if known is None:
            return None
        found = int(known) % 65536
    return float(found - 65536 if stored.kind == "i" and found >= 32768 else found)


def outside_of(marked: np.ndarray, measurable: bool) -> np.ndarray | None:
    """The voxels outside the field of view, bool [k, j, i]; None if there is none.

    Parameters
    ----------
    marked : bool [k, j, i], voxels that have the value of padding.
    measurable : whether that value may be a measured one, too.

    Examples
    --------
    >>> marked = np.array([[[1, 0, 1]], [[1, 0, 0]], [[1, 1, 1]]], dtype=bool)
    >>> outside_of(marked, measurable=True).astype(int).tolist()
    [[[1, 0, 0]], [[1, 0, 0]], [[1, 1, 1]]]
    """
    if measurable:
        empty = np.asarray(marked.all(axis=(1, 2)))
        if empty.all():
            return None  # an image of nothing but 0
        everywhere = np.asarray(marked[~empty].all(axis=0))
        marked = np.broadcast_to(everywhere, marked.shape) | empty[:, None, None]
    return marked if marked.any() else None


def padding_note(outside: np.ndarray | None) -> tuple[str, ...]:
    """What a report says of the padding (bool [k, j, i]) of an emission image; nothing where there is none."""
    if outside is None:
        return ()
    share = np.count_nonzero(outside) / outside.size
    return (
        f"{share:.1%} of the image is padding ({label(_VALUE)}), outside its field of view: it counts as no activity, "
        "and what of a region reaches there is not measured.",
    )
