"""Search of files for whatever in DICOM headers says whose they are."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset


def everything(data: bytes) -> Iterator[bytes]:
    """Bytes of a file, and of all that is packed in it."""
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from everything(gzip.decompress(data))
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from everything(archive.read(name))


def identifying(headers: Iterable[Dataset], more: Iterable[str] = ()) -> set[str]:
    """Every name, id, date and UID in headers, and ``more``."""
    words = set(more)
    for header in headers:
        for element in header.iterall():
            values = [str(one) for one in (element.value if element.VM > 1 else [element.value])]
            if element.VR == "UI":
                words.update(one for one in values if one and not one.startswith("1.2.840.10008."))
            elif element.VR in ("DA", "DT"):
                days = {one[:8] for one in values if one}
                words.update(days | {f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days})
            elif element.VR == "PN" or element.keyword == "PatientID":
                words.update(word for one in values for word in (one, *one.split("^")) if word)
    return words - {"PRRT"}  # the synthetic patient's family name is our own word too
