"""Everything that a folder holds, whatever is broken in it: series with their kind, masks, and what was left out.

Unlike `dicom.series.find_series`, which refuses a folder with a broken file, this goes on and says what it left out:
an export of an archive has thousands of files, and a truncated localiser must not stop a case.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom

from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.series_kind import SeriesKind, kind_of
from PRRTUptakeLib.dicom.headers import read_header, text
from PRRTUptakeLib.dicom.series import series_of_headers
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.progress import Progress, no_progress
from PRRTUptakeLib.segmentation.files import is_mask_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.headers import Header
    from PRRTUptakeLib.dicom.series import Series

DICOMDIR = "DICOMDIR"
_DIRECTORY = "1.2.840.10008.1.3.10"
_REPORTED_EVERY = 100  # files between two reports of progress
_HEADER_TAGS = ("PatientName", "PatientBirthDate", "PatientSex")


@dataclass(frozen=True, eq=False)
class FoundSeries:
    """A series, what it is, and doubts about its files."""

    series: Series
    kind: SeriesKind

    @property
    def folder(self) -> Path:
        """Where its first file is."""
        return self.series.files[0].parent

    @property
    def label(self) -> str:
        """For messages."""
        return self.series.label


@dataclass(frozen=True, eq=False)
class Scan:
    """What a source holds.

    Attributes
    ----------
    series : by time, those of unknown time first.
    masks : folders of masks, and ``.seg.nrrd`` files.
    ignored : files with the reason why they were left out, copies apart.
    copies : number of files that are copies of others.
    """

    series: tuple[FoundSeries, ...]
    masks: tuple[Path, ...] = ()
    ignored: tuple[tuple[Path, str], ...] = ()
    copies: int = 0

    def patients(self) -> tuple[str, ...]:
        """Patient IDs in the order of the alphabet, "" for images without one."""
        return tuple(sorted({one.series.patient_id for one in self.series}))

    def of_patient(self, patient_id: str) -> Scan:
        """The part of one patient; masks name nobody and stay."""
        return replace(self, series=tuple(one for one in self.series if one.series.patient_id == patient_id))


def scan_source(source: Path, without: Sequence[Path] = (), progress: Progress = no_progress) -> Scan:
    """Look through a folder, or what a DICOMDIR lists.

    Parameters
    ----------
    source : a folder, searched to any depth, or a DICOMDIR file.
    without : folders that are passed over, such as that of an older case.
    progress : called with how far it is.

    Raises
    ------
    ArchiveError
        If there is no such folder, or no DICOM series in it.
    """
    if source.is_file() and source.name.upper() == DICOMDIR:
        files, missing = _listed_in(source)
        masks: tuple[Path, ...] = ()
    elif source.is_dir():
        apart = [one.resolve() for one in without]
        files = [
            one
            for one in sorted(source.rglob("*"))
            if one.is_file() and not any(a in one.resolve().parents for a in apart)
        ]
        missing, masks = [], _masks_among(files)
    else:
        raise ArchiveError(f"There is no folder {source}: give a folder, a DICOMDIR or the address of an archive.")
    found = scan_files(files, progress)
    if not found.series:
        raise ArchiveError(f"{source} holds no DICOM series ({len(found.ignored)} other files): name another folder.")
    return replace(found, masks=masks, ignored=(*missing, *found.ignored))


def scan_files(files: Sequence[Path], progress: Progress = no_progress) -> Scan:
    """The series among files; see `scan_source`."""
    groups: dict[tuple[str, ...], dict[str, Header]] = defaultdict(dict)
    doubts: dict[tuple[str, ...], list[str]] = defaultdict(list)
    ignored: list[tuple[Path, str]] = []
    copies = 0
    for n, path in enumerate(files):
        if n % _REPORTED_EVERY == 0:
            progress(n / len(files), f"reading headers, {n} of {len(files)} files")
        header, reason = _header(path)
        if header is None:
            ignored.append((path, reason))
            continue
        key = tuple(
            text(header.dataset, name, str(path))
            for name in ("SeriesInstanceUID", "PatientID", "StudyInstanceUID", "SOPClassUID")
        )
        instance = text(header.dataset, "SOPInstanceUID", str(path)) or str(path)
        first = groups[key].setdefault(instance, header)
        if first is header:
            continue
        if _same_bytes(first.path, path):
            copies += 1
        else:
            doubts[key].append(f"{first.path.name} and {path.name} differ under one SOP Instance UID")
            ignored.append((path, f"has the SOP Instance UID of {first.path}, but another content"))
    series = []
    for key, headers in groups.items():
        try:
            one = series_of_headers(list(headers.values()))
        except PRRTError as error:
            ignored += [(header.path, str(error)) for header in headers.values()]
            continue
        series.append(FoundSeries(one, _with_doubts(kind_of(one), doubts[key])))
    series.sort(key=lambda one: (_started(one.series), one.series.number.zfill(8), one.series.uid))
    return Scan(tuple(series), (), tuple(ignored), copies)


def _started(series: Series) -> float:
    return series.started.timestamp() if series.started else 0.0


def _with_doubts(kind: SeriesKind, doubts: Sequence[str]) -> SeriesKind:
    joined = "; ".join([*([kind.doubt] if kind.doubt else []), *doubts[:3]])
    return replace(kind, doubt=joined)


def _header(path: Path) -> tuple[Header | None, str]:
    """The header of a file, or why it is left out."""
    try:
        if path.stat().st_size == 0:
            return None, "empty file"
        if path.name.upper() == DICOMDIR:
            return None, "DICOM directory"
        header = read_header(path)
        if header is None:
            return None, "not DICOM"
        if str(header.dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
            return None, "DICOM directory"
        if not text(header.dataset, "SeriesInstanceUID", str(path)):
            return None, "no Series Instance UID"
    except PRRTError as error:
        return None, str(error)
    except OSError as error:
        return None, f"cannot be read ({error.strerror or error})"
    return header, ""


def _same_bytes(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def _masks_among(files: Sequence[Path]) -> tuple[Path, ...]:
    """Folders that hold masks, and segmentations of Slicer in folders without."""
    folders = dict.fromkeys(one.parent for one in files if is_mask_file(one))
    slicer = [one for one in files if one.name.lower().endswith(".seg.nrrd") and one.parent not in folders]
    return (*folders, *slicer)


def _listed_in(directory: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Files that a DICOMDIR lists, and those of them that are not there."""
    try:
        records = pydicom.dcmread(directory).DirectoryRecordSequence
    except Exception as error:  # pydicom raises many kinds on broken files
        raise ArchiveError(f"{directory} is no readable DICOMDIR ({error}): give the folder instead.") from error
    files, missing = [], []
    for record in records:
        names = record.get("ReferencedFileID")
        if not names:
            continue
        path = directory.parent.joinpath(*([names] if isinstance(names, str) else names))
        if path.is_file():
            files.append(path)
        else:
            missing.append((path, "is listed in the DICOMDIR, but is not there"))
    return files, missing


def patient_facts(found: FoundSeries) -> tuple[str, str, str]:
    """Name, birth date and sex as a series has them."""
    name, born, sex = (text(found.series.headers[0].dataset, tag, found.label) for tag in _HEADER_TAGS)
    return " ".join(name.upper().replace("^", " ").split()), born, sex


def pixel_digest(series: Series) -> str:
    """SHA-256 over the pixel bytes of a series, in the order of their position; "" if they are compressed."""
    parts = []
    for header in series.headers:
        if header.pixel_offset is None:
            return ""
        with header.path.open("rb") as file:
            file.seek(header.pixel_offset)
            where = text(header.dataset, "ImagePositionPatient", str(header.path))
            parts.append((where, hashlib.sha256(file.read(header.pixel_bytes)).hexdigest()))
    return hashlib.sha256(repr(sorted(parts)).encode()).hexdigest()
