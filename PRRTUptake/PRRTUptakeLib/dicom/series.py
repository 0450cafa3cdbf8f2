"""Finding the DICOM series in a folder tree, whatever its files are called."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import Header, read_header, text
from PRRTUptakeLib.dicom.times import clock_of
from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_LOG = logging.getLogger(__name__)
_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class Series:
    """The files of one DICOM series, in no particular order (the geometry puts them in order on reading).

    Attributes
    ----------
    uid, study_uid, frame_of_reference_uid : Series, Study and Frame of Reference Instance UIDs.
    modality : for instance CT, NM, PT, MR, SEG, RTSTRUCT.
    sop_class : SOP Class UID of its objects.
    patient_id, patient_name, description : as stored.
    number : Series Number, "" if absent.
    started : the earliest acquisition (else series, else study) time, with its zone; None where none is stated.
    files : paths.
    headers : what was read from each file, so that reading the volume needs the pixels only.
    """

    uid: str
    modality: str
    sop_class: str
    study_uid: str
    patient_id: str
    patient_name: str
    description: str
    frame_of_reference_uid: str
    number: str
    started: datetime | None
    files: tuple[Path, ...]
    headers: tuple[Header, ...] = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        """How messages name this series: modality, description and the end of its UID."""
        words = [self.modality, "series"]
        if self.description:
            words.append(f"'{self.description}'")
        return f"{' '.join(words)} (...{self.uid[-12:]}, {len(self.files)} files)"


EMISSION_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.20",  # NM
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.130",  # enhanced PET
)


def one_emission_series(found: Sequence[Series], uid: str | None = None) -> Series:
    """The PET or NM series among those of a folder; ``uid`` (or its end) chooses where there are several.

    Raises
    ------
    DicomError
        If there is none, or more than one fits.
    """
    emission = [series for series in found if series.sop_class in EMISSION_CLASSES]
    fitting = [series for series in emission if uid is None or series.uid.endswith(uid)]
    if len(fitting) == 1:
        return fitting[0]
    if not emission:
        kinds = ", ".join(sorted({series.modality for series in found}))
        raise DicomError(f"The folder holds no PET or SPECT series, only {kinds}.")
    listed = "; ".join(f"{series.label} {series.uid}" for series in fitting or emission)
    which = "holds several PET or SPECT series" if fitting else f"holds no PET or SPECT series whose UID ends in {uid}"
    raise DicomError(f"The folder {which}: choose one with --series from {listed}.")


@dataclass(frozen=True)
class FolderContents:
    """What a folder tree holds: its series, and the files that were ignored with the reason."""

    series: tuple[Series, ...]
    ignored: tuple[tuple[Path, str], ...]


def find_series(folder: str | Path) -> tuple[Series, ...]:
    """Every DICOM series in a folder tree, by time; files that are not DICOM are ignored, and logged.

    Raises
    ------
    DicomError
        If the folder is absent or holds no DICOM series, or a series mixes patients or kinds of image.
    HeaderError
        If a file is DICOM but truncated or broken.
    """
    contents = scan_folder(folder)
    for path, reason in contents.ignored:
        _LOG.info("ignored %s: %s", path, reason)
    return contents.series


def scan_folder(folder: str | Path) -> FolderContents:
    """Like ``find_series``, and also which files were ignored and why."""
    folder = Path(folder)
    if not folder.is_dir():
        what = (
            f"{folder} is a file: name the folder that holds it" if folder.exists() else f"There is no folder {folder}"
        )
        raise DicomError(f"{what}.")
    contents = group_files(sorted(path for path in folder.rglob("*") if path.is_file()))
    if not contents.series:
        raise DicomError(f"The folder {folder} holds no DICOM series ({len(contents.ignored)} other files).")
    return contents


def group_files(paths: Iterable[Path]) -> FolderContents:
    """The series that files make up (a DICOM browser knows the files already); raises as ``find_series``."""
    groups: dict[str, dict[str, Header]] = defaultdict(dict)
    ignored = []
    for path in paths:  # in threads this takes three times as long: parsing holds the GIL
        header = _read(path)
        reason = header if isinstance(header, str) else _add(groups, header)
        if reason:
            ignored.append((path, reason))
    series = [series_of_headers(list(group.values())) for group in groups.values()]
    series.sort(key=lambda one: (one.started.timestamp() if one.started else 0.0, one.number, one.uid))
    return FolderContents(tuple(series), tuple(ignored))


def _read(path: Path) -> Header | str:
    if path.stat().st_size == 0:
        return "empty file"
    if path.name == "DICOMDIR":
        return "DICOM directory"
    header = read_header(path)
    return "not DICOM" if header is None else header


def _add(groups: dict[str, dict[str, Header]], header: Header) -> str:
    """Put a header with its series; the reason if it is ignored instead."""
    dataset, where = header.dataset, str(header.path)
    if text(dataset.file_meta, "MediaStorageSOPClassUID", where) == _DIRECTORY:
        return "DICOM directory"
    uid = text(dataset, "SeriesInstanceUID", where)
    if not uid:
        raise DicomError(f"The DICOM file {where} has no Series Instance UID (0020,000E): export it again.")
    instance = text(dataset, "SOPInstanceUID", where) or where
    group = groups[uid]
    if instance not in group:
        group[instance] = header
        return ""
    first = group[instance].path
    if first.read_bytes() == header.path.read_bytes():
        return f"copy of {first}"
    raise DicomError(
        f"{first} and {where} differ, but have the same SOP Instance UID (0008,0018): remove the one that is wrong."
    )


def series_of_headers(headers: list[Header]) -> Series:
    """One series from the headers of its files.

    Raises
    ------
    DicomError
        If the files mix series, patients, studies or kinds of image.
    """
    first = headers[0]
    shared = {
        keyword: _same(headers, keyword)
        for keyword in ("SeriesInstanceUID", "Modality", "SOPClassUID", "StudyInstanceUID", "PatientID")
    }
    where = str(first.path)
    return Series(
        uid=shared["SeriesInstanceUID"],
        modality=shared["Modality"],
        sop_class=shared["SOPClassUID"],
        study_uid=shared["StudyInstanceUID"],
        patient_id=shared["PatientID"],
        patient_name=text(first.dataset, "PatientName", where),
        description=text(first.dataset, "SeriesDescription", where),
        frame_of_reference_uid=text(first.dataset, "FrameOfReferenceUID", where),
        number=text(first.dataset, "SeriesNumber", where),
        started=_started(headers),
        files=tuple(header.path for header in headers),
        headers=tuple(headers),
    )


def _same(headers: list[Header], keyword: str) -> str:
    first = headers[0]
    value = text(first.dataset, keyword, str(first.path))
    for header in headers[1:]:
        other = text(header.dataset, keyword, str(header.path))
        if other != value:
            raise DicomError(
                f"One series mixes images: {keyword} is '{value}' in {first.path} and '{other}' in {header.path}; "
                "separate them."
            )
    return value


def _started(headers: list[Header]) -> datetime | None:
    """For sorting and showing only: a time that cannot be read is reported where it is used, not here."""
    for kind in ("Acquisition", "Series", "Study"):
        try:
            earliest = min(headers, key=lambda header: _written(header, kind))
            clock = clock_of(earliest.dataset, str(earliest.path))
            moment = clock.moment(earliest.dataset, f"{kind}Date", f"{kind}Time")
        except PRRTError:
            continue
        if moment is not None:
            return moment
    return None


def _written(header: Header, kind: str) -> str:
    where = str(header.path)
    return text(header.dataset, f"{kind}Date", where) + text(header.dataset, f"{kind}Time", where)
