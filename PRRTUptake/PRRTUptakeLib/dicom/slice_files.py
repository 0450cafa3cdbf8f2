"""The slices of one series as files of DICOM PS3.10: what they share is encoded once.

Most elements of a slice are those of the one before. Their bytes are kept, which halves the time; the files are byte by
byte those that ``Dataset.save_as`` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.dataset import FileMetaDataset, validate_file_meta
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element, write_file_meta_info

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

_PREAMBLE = b"\0" * 128 + b"DICM"


class SliceFiles:
    """Writes data sets in explicit VR, little endian; one object for each series."""

    def __init__(self) -> None:
        self._encoded: dict[int, tuple[str, Any, bytes]] = {}

    def save(self, ds: Dataset, path: Path) -> Path:
        """Write one file with the data set's own file meta information, as ``writing.start_dataset`` makes it.

        Raises
        ------
        ValueError
            If the file meta information is not complete.
        """
        meta = FileMetaDataset()
        meta.update(ds.file_meta)
        validate_file_meta(meta, enforce_standard=True)
        buffer = _buffer()
        buffer.write(_PREAMBLE)
        write_file_meta_info(buffer, meta, enforce_standard=True)
        correct_ambiguous_vr(ds, True)
        character_set = ds.get("SpecificCharacterSet", "iso8859")
        for tag in sorted(ds.keys()):
            buffer.write(self._bytes_of(ds[tag], character_set))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        return path

    def _bytes_of(self, element: Any, character_set: str) -> bytes:
        """One element encoded; kept unless it is a sequence, which may change from within, or large."""
        known = self._encoded.get(element.tag)
        if known is not None and known[0] == element.VR and known[1] == element.value:
            return known[2]
        single = _buffer()
        write_data_element(single, element, character_set)
        encoded = bytes(single.getvalue())
        if element.VR not in ("SQ", "OW", "OB", "UN"):
            value = element.value
            self._encoded[element.tag] = (element.VR, value if isinstance(value, str) else _kept(value), encoded)
        return encoded


def _kept(value: Any) -> Any:
    """A value that does not change when the data set's does."""
    return list(value) if hasattr(value, "__iter__") else value


def _buffer() -> DicomBytesIO:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    return buffer
