"""Images of patients from an archive into a temporary folder: whole files, hashes kept, an interrupted one goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.errors import reason
from PRRTUptakeLib.progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.archive.archive_types import Archive, SeriesEntry

RECORD, SOURCE = "received.jsonl", "source.json"
USED_MODALITIES = ("CT", "MR", "PT", "NM", "SEG", "RTSTRUCT")


def received_folder(case: Path) -> Path:
    """Where downloads for a case or a cohort are kept until it is written."""
    return case.with_name(f"{case.stem}_received")


def download(
    archive: Archive, patients: Sequence[str], folder: Path, progress: Progress = no_progress
) -> tuple[str, ...]:
    """Fetch every series of the patients that a case may have use of; returns sentences on what was passed over.

    ``folder`` is made, or holds what an interrupted run received: files whose hash is still right are not fetched
    again.

    Raises
    ------
    ArchiveError
        If the archive fails, has no such patient, the folder is of another archive, or the disk is full; what was
        received is kept.
    """
    try:
        have = _opened(folder, archive.name)
        series, passed = _wanted(archive, patients)
        listed = []
        for n, one in enumerate(series):
            progress(0.1 * n / len(series), f"listing series {n + 1} of {len(series)}")
            listed.append(archive.instances_of(one))
        for n, (one, instances) in enumerate(zip(series, listed, strict=True)):
            progress(0.1 + 0.9 * n / len(series), f"{one.modality} series {n + 1} of {len(series)}")
            _receive(archive, one, instances, folder, have)
        progress(1.0, f"{len(have)} images received")
    except OSError as error:
        raise ArchiveError(
            f"{folder} cannot be written ({reason(error)}): make room, then run the same command again; what was "
            "received is kept."
        ) from error
    return tuple(passed)


def remove_received(folder: Path) -> None:
    """Remove the temporary folder of a download; only one of ours."""
    if (folder / SOURCE).is_file():
        shutil.rmtree(folder, ignore_errors=True)


def _wanted(archive: Archive, patients: Sequence[str]) -> tuple[list[SeriesEntry], list[str]]:
    series: list[SeriesEntry] = []
    passed = []
    for patient in patients:
        found = archive.series_of(patient)
        if not found:
            raise ArchiveError(f"{archive.name} has no images of the Patient ID '{patient}': check how it is written.")
        for one in found:
            if one.modality in USED_MODALITIES:
                series.append(one)
            else:
                words = f" '{one.description}'" if one.description else ""
                passed.append(f"{one.modality} series{words} (...{one.uid[-12:]}) was not fetched: no image.")
    return series, passed


def _opened(folder: Path, source: str) -> dict[str, str]:
    """The instances that are there and whole: SOP Instance UID to file name."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / SOURCE
    if place.is_file() and (folder / RECORD).is_file():
        try:
            before = json.loads(place.read_text(encoding="utf-8"))["source"]
        except (ValueError, KeyError, TypeError):
            before = "another program"
        if before != source:
            raise ArchiveError(f"{folder} holds images from {before}: remove it, or choose another name with -o.")
    elif any(one.name != SOURCE for one in folder.iterdir()):
        raise ArchiveError(f"{folder} is not empty and not of a download: remove it, or choose another name with -o.")
    else:
        place.write_text(json.dumps({"source": source}) + "\n", encoding="utf-8")
    have = {}
    record = folder / RECORD
    if record.is_file():
        for line in record.read_text(encoding="utf-8").splitlines():
            entry = _entry(line)
            if entry and _is_whole(folder / entry["file"], entry["sha256"]):
                have[entry["instance"]] = entry["file"]
    return have


def _entry(line: str) -> dict[str, Any]:
    """A line of the record; empty for one that was cut short."""
    try:
        entry = json.loads(line)
        return entry if {"instance", "file", "sha256"} <= set(entry) else {}
    except (ValueError, TypeError):
        return {}


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _receive(archive: Archive, series: SeriesEntry, listed: Sequence[str], folder: Path, have: dict[str, str]) -> None:
    """Fetch what is missing of the listed instances of a series, and check that all of it came."""
    missing = [uid for uid in listed if uid not in have]
    if not missing:
        return
    for dataset in archive.fetch(series, missing, whole=len(missing) == len(listed)):
        uid = str(dataset.SOPInstanceUID)
        if uid not in have:
            have[uid] = _keep(dataset, series, folder)
    lost = [uid for uid in missing if uid not in have]
    if lost:
        raise ArchiveError(
            f"{archive.name} lists {len(listed)} images of series ...{series.uid[-12:]}, but {len(lost)} did not come: "
            "run the same command again."
        )


def _keep(dataset: Dataset, series: SeriesEntry, folder: Path) -> str:
    """Write one instance under a name of its own, and note it once it is whole; returns its name within the folder."""
    name = f"{_short(series.uid)}/{_short(str(dataset.SOPInstanceUID))}.dcm"
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    try:
        dataset.save_as(part, enforce_file_format=True)
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    with (folder / RECORD).open("a", encoding="utf-8") as record:
        record.write(json.dumps({"instance": str(dataset.SOPInstanceUID), "file": name, "sha256": digest}) + "\n")
    return name


def _short(uid: str) -> str:
    """A short name for a UID, for file systems that count letters."""
    return hashlib.sha256(uid.encode()).hexdigest()[:16]
