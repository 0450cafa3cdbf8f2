"""Results into an archive: object by object with its status; what is there already is not sent again.

A de-identified object never goes into a study that the archive has under another Patient ID, which is that of the
identified patient, and never together with identified ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pydicom

from PRRTUptakeLib.archive.document import report_object
from PRRTUptakeLib.archive.errors import ArchiveError, NoServiceError
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.results import REPORT
from PRRTUptakeLib.progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.archive.archive_types import Archive

SENT, THERE = "sent", "already there"


@dataclass(frozen=True)
class SentObject:
    """One object: what it is called, its SOP Instance UID, and SENT, THERE, or why it is not in the archive."""

    name: str
    instance_uid: str
    status: str

    @property
    def arrived(self) -> bool:
        """Whether the archive has it."""
        return self.status in (SENT, THERE)


@dataclass(eq=False)
class _Journal:
    """What was confirmed, for archives that cannot be asked; a file next to the results, never in them."""

    path: Path
    destination: str
    known: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, results: Path, destination: str) -> _Journal:
        made = cls(results.resolve().with_name(f"{results.resolve().name}.sent.jsonl"), destination)
        if made.path.is_file():
            for line in made.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    if entry["to"] == destination:
                        made.known.add(str(entry["instance"]))
                except (ValueError, KeyError, TypeError):
                    continue  # a line that was cut short
        return made

    def note(self, instance: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"to": self.destination, "instance": instance}) + "\n")


def result_objects(results: Path, pdf: Path | None = None, report: bool = True) -> tuple[list[Dataset], list[str], str]:
    """The objects of a folder of results with their names, and why the report is not among them, "" if it is.

    Raises
    ------
    ArchiveError
        If there is none, one is broken, or identified and de-identified ones are mixed.
    """
    files = sorted((results / "dicom").rglob("*.dcm")) if results.is_dir() else []
    if not files:
        raise ArchiveError(f"{results} has no DICOM results: run the case with 'prrt run --dicom'.")
    objects, names = [], []
    for file in files:
        try:
            objects.append(pydicom.dcmread(file))
        except Exception as error:  # pydicom raises many kinds on broken files
            raise ArchiveError(f"{file} is not a readable DICOM file ({error}): run the case again.") from error
        names.append(file.relative_to(results).as_posix())
    if len({_is_cleaned(one) for one in objects}) > 1:
        raise ArchiveError(
            f"{results} mixes de-identified and identified objects: nothing was sent; run the case again."
        )
    if not report:
        return objects, names, "left out as wished"
    try:
        objects.append(report_object(results / REPORT, objects, pdf))
        names.append(REPORT)
    except (PRRTError, OSError) as error:
        if pdf is not None:
            raise
        return objects, names, str(error)
    return objects, names, ""


def send(
    archive: Archive, objects: Sequence[Dataset], names: Sequence[str], results: Path, progress: Progress = no_progress
) -> list[SentObject]:
    """Store objects in an archive one by one.

    Raises
    ------
    ArchiveError
        If the archive fails (what was stored stays, and a second call goes on), or an object would come into the study
        of another patient: then nothing is sent.
    """
    _refuse_wrong_study(archive, objects)
    journal = _Journal.of(results, archive.name)
    there = [_is_there(archive, one, journal) for one in objects]
    statuses = dict.fromkeys([n for n, known in enumerate(there) if known], THERE)
    todo = sorted((n for n, known in enumerate(there) if not known), key=lambda n: str(objects[n].SOPClassUID))
    for done, n in enumerate(todo):
        progress(done / len(todo), f"{names[n]}, {done + 1} of {len(todo)}")
        status = archive.store(objects[n])
        if not status:
            journal.note(str(objects[n].SOPInstanceUID))
        statuses[n] = status or SENT
    progress(1.0, "done")
    return [SentObject(names[n], str(one.SOPInstanceUID), statuses[n]) for n, one in enumerate(objects)]


def _is_cleaned(one: Dataset) -> bool:
    return str(one.get("PatientIdentityRemoved", "")).upper() == "YES"


def _refuse_wrong_study(archive: Archive, objects: Sequence[Dataset]) -> None:
    """Refuse before anything is sent."""
    for study in dict.fromkeys(str(one.StudyInstanceUID) for one in objects):
        example = next(one for one in objects if one.StudyInstanceUID == study)
        cleaned, patient = _is_cleaned(example), str(example.get("PatientID", "")).strip()
        try:
            known = archive.patient_of_study(study)
        except NoServiceError:
            if cleaned:
                raise ArchiveError(
                    f"{archive.name} cannot be asked whether the study is one of an identified patient: de-identified "
                    "results are sent to archives with queries only."
                ) from None
            continue
        if known is not None and known != patient:
            what = "de-identified results" if cleaned else f"results of patient '{patient}'"
            raise ArchiveError(
                f"{archive.name} has the study ...{study[-12:]} under another Patient ID: {what} do not go into it; "
                "nothing was sent."
            )


def _is_there(archive: Archive, one: Dataset, journal: _Journal) -> bool:
    try:
        return archive.holds(str(one.StudyInstanceUID), str(one.SeriesInstanceUID), str(one.SOPInstanceUID))
    except NoServiceError:
        return str(one.SOPInstanceUID) in journal.known
