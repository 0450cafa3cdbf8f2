"""Whose images these are: the patient that was expected, and no scan that counts twice.

A copy of a scan under another patient id, or in a second visit or cycle, would count as independent data. It is found
by Series Instance UID, by the hashes of its files, and by those of its pixels alone, which stay when a header is
rewritten.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from PRRTUptakeLib.dicom.headers import Header
    from PRRTUptakeLib.dicom.series import Series

_CHUNK = 1 << 20


@dataclass(frozen=True)
class ImageUse:
    """One measured series in its place: patient (of the case), cycle and visit, with what distinguishes it from others.

    Attributes
    ----------
    file_sha256, pixel_sha256 : of its files and of their pixel values alone.
    """

    patient: str
    cycle: int
    visit: str
    series_uid: str
    file_sha256: frozenset[str] = field(default_factory=frozenset)
    pixel_sha256: frozenset[str] = field(default_factory=frozenset)

    @property
    def place(self) -> str:
        """For messages."""
        return f"patient {self.patient}, cycle {self.cycle}, visit '{self.visit}'"

    @classmethod
    def of(cls, patient: str, cycle: int, visit: str, series: Series, with_hashes: bool = True) -> ImageUse:
        """The use of a series; hashing reads its files once."""
        if not with_hashes:
            return cls(patient, cycle, visit, series.uid)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(_hashes, series.headers))
        files, pixels = zip(*found, strict=True)
        return cls(patient, cycle, visit, series.uid, frozenset(files), frozenset(one for one in pixels if one))


def check_expected_patient(series: Iterable[Series], expected_id: str, where: str) -> None:
    """Refuse images whose Patient ID is not the one that was expected; an absent one is none.

    Parameters
    ----------
    series : all that is used of a case.
    expected_id : ``expected_patient_id`` of the case file; "" expects nothing.
    where : names the case file in messages.

    Raises
    ------
    DicomError
        Naming both ids and the series.
    """
    for one in series:
        if expected_id and one.patient_id.strip() != expected_id.strip():
            found = f"is '{one.patient_id}' ({one.patient_name})" if one.patient_id.strip() else "is missing"
            raise DicomError(
                f"Patient ID (0010,0020) of {one.label} {found}, but {where} expects '{expected_id}': correct the "
                "folder or 'expected_patient_id'."
            )


def check_used_once(uses: Sequence[ImageUse]) -> None:
    """Refuse a scan that is measured in two patients, visits or cycles.

    Parameters
    ----------
    uses : all measured series of a case, or of a cohort.

    Raises
    ------
    DicomError
        Naming both places and by what they are the same.
    """
    ways: tuple[tuple[str, Callable[[ImageUse], frozenset[str]], float], ...] = (
        ("Series Instance UID", lambda use: frozenset({use.series_uid}), 0.0),
        ("a file", lambda use: use.file_sha256, 0.0),
        ("pixels", lambda use: use.pixel_sha256, _SHARE_OF_PLANES),
    )
    for what, keys, share in ways:
        for first, second in _pairs_with_a_common_key(uses, keys):
            common = len(keys(first) & keys(second))
            if common >= share * min(len(keys(first)), len(keys(second))):
                raise DicomError(
                    f"One scan is used twice: {first.place} and {second.place} share {what} (series "
                    f"{first.series_uid}): it would count as two; name the right folder in one of them."
                )


def _pairs_with_a_common_key(
    uses: Sequence[ImageUse], keys: Callable[[ImageUse], frozenset[str]]
) -> list[tuple[ImageUse, ImageUse]]:
    """Uses in different places that have a key in common, each pair once."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, use in enumerate(uses):
        for key in keys(use):
            places[key].append(number)
    numbers = {pair for found in places.values() for pair in combinations(found, 2)}
    pairs = [(uses[first], uses[second]) for first, second in sorted(numbers)]
    return [(first, second) for first, second in pairs if first.place != second.place]


def _hashes(header: Header) -> tuple[str, str]:
    """SHA-256 of a file and of its pixels; "" for pixels that are too few to distinguish one scan from another."""
    digest, pixels = hashlib.sha256(), hashlib.sha256()
    with header.path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        if header.pixel_offset is None:
            return digest.hexdigest(), ""
        stream.seek(header.pixel_offset)
        left, first, varied = header.pixel_bytes, b"", False
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            pixels.update(chunk)
            first = first or chunk[:1]
            varied = varied or bool(chunk.lstrip(first))
            left -= len(chunk)
    distinct = header.pixel_bytes >= _LEAST_PIXEL_BYTES and varied  # empty planes are alike in all scans
    return digest.hexdigest(), pixels.hexdigest() if distinct else ""


_LEAST_PIXEL_BYTES = 512
_SHARE_OF_PLANES = 0.9  # below it, single planes of phantoms without noise are alike: background, or no lesion in them
