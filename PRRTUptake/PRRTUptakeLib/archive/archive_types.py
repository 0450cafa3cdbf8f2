"""What an archive is to the rest of the program, whichever way it is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset


@dataclass(frozen=True)
class SeriesEntry:
    """A series as an archive lists it."""

    patient_id: str
    study_uid: str
    uid: str
    modality: str
    description: str = ""


class Archive(Protocol):
    """Queries, retrievals and storage; each raises ArchiveError in one sentence if the archive does not do it."""

    @property
    def name(self) -> str:
        """Its address, without secrets."""

    def series_of(self, patient_id: str) -> list[SeriesEntry]:
        """Every series of a patient."""

    def instances_of(self, series: SeriesEntry) -> list[str]:
        """SOP Instance UIDs of a series."""

    def fetch(self, series: SeriesEntry, wanted: Sequence[str], whole: bool) -> Iterator[Dataset]:
        """The wanted instances of a series; ``whole`` if they are all of it."""

    def patient_of_study(self, study_uid: str) -> str | None:
        """Patient ID of a study, None if there is no such study."""

    def holds(self, study_uid: str, series_uid: str, instance_uid: str) -> bool:
        """Whether an instance is there."""

    def store(self, dataset: Dataset) -> str:
        """Store one instance; "" if it is stored, else why not."""

    def close(self) -> None:
        """End the connection."""
