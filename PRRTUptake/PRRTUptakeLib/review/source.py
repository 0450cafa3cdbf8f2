"""What is reviewed: one case, the case of a folder of results, or a cohort; and where readings are kept."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.review.access import require_inside
from PRRTUptakeLib.review.blinding import Blinding, blinded, blinding_of
from PRRTUptakeLib.review.case_review import CaseReview
from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.case_files import case_files
from PRRTUptakeLib.study.cohort.cohort import find_cases
from PRRTUptakeLib.study.inputs import study_input
from PRRTUptakeLib.study.readings.journal import SUFFIX, Journal, State, read_records, states
from PRRTUptakeLib.study.readings.lock import held
from PRRTUptakeLib.study.readings.worklist import Worklist, checked_reader, worklist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.model import Extension

READINGS = "readings"
"""Folder of readings in a cohort, unless another is named."""


@dataclass(frozen=True)
class Source:
    """Cases by name, the folder that was given, and the folders that may be read."""

    cases: Mapping[str, Path]
    folder: Path
    roots: tuple[Path, ...]


def source_of(path: Path, folders: Sequence[Path] = ()) -> Source:
    """What a path is.

    Parameters
    ----------
    path : a case file, a folder of results, or a folder with the case files of patients.
    folders : further folders that may be read, besides that of each case.

    Raises
    ------
    PRRTError
        If there is no case, or the case of the results is gone.
    """
    path = path.resolve()
    if path.is_file():
        return Source({path.parent.name or path.stem: path}, path.parent, (path.parent, *folders))
    facts = path / "provenance.json"
    if facts.is_file():
        case = Path(json.loads(facts.read_text(encoding="utf-8")).get("parameters", {}).get("case", ""))
        if not case.is_file():
            raise ReviewError(
                f"The results {path} were made from a case that is not at {case or 'a known place'} any more: name the "
                "case file."
            )
        return Source({case.parent.name or case.stem: case}, path, (case.parent, *folders))
    found = find_cases(path)
    return Source(found, path, (path, *folders))


@dataclass
class ReadingRoom:
    """A source with a reader's file, or with those of two readers for a third who decides.

    Attributes
    ----------
    reader : "" for a review that keeps nothing.
    journal : the reader's file, held against other programs until `close`.
    others : the states of two readers by name, for an adjudication.
    seed : of the order of worklists.
    serves_this_machine : whether the page is on the machine of the one who looks at it, so that Slicer may be opened.
    """

    source: Source
    reader: str = ""
    journal: Journal | None = None
    others: dict[str, dict[str, State]] = field(default_factory=dict)
    seed: str = ""
    extensions: Sequence[Extension] = ()
    serves_this_machine: bool = True
    _held: ExitStack = field(default_factory=ExitStack)

    @property
    def is_blinded(self) -> bool:
        """Whether names, dates, routes and arms are hidden."""
        return bool(self.reader)

    @property
    def opens_slicer(self) -> bool:
        """Whether the page may open Slicer: not for blinded readers, and only on the machine that serves it."""
        return self.serves_this_machine and not self.is_blinded

    def worklist(self) -> Worklist:
        """The cases in the reader's order, or in that of their names without a reader."""
        known = self.journal.states() if self.journal is not None else {}
        found = worklist(self.source.cases, self.reader, known, self.seed)
        if self.reader:
            return found
        items = sorted(found.items, key=lambda one: one.case)
        return Worklist(tuple(type(one)(n, one.case, one.status) for n, one in enumerate(items, start=1)))

    def open(self, case: str) -> tuple[CaseReview, Blinding | None]:
        """A case with what was decided on it before, and what hides its names.

        Raises
        ------
        PRRTError
            If it cannot be read, or names files outside the folders that were given.
        """
        path = self.source.cases[case]
        require_inside(case_files(path), self.source.roots)
        study = study_input(load_case(path), _read_file)
        state = self.journal.states().get(case) if self.journal is not None else None
        reading = state.reading if state is not None else None
        if not self.is_blinded:
            return CaseReview(study, case, reading, self.journal, self.extensions), None
        label = next(one.label for one in self.worklist().items if one.case == case)
        review = CaseReview(blinded(study), case, reading, self.journal, self.extensions)
        return review, blinding_of(study, label, f"{self.seed}{case}")

    def close(self) -> None:
        """Let go of the reader's file."""
        self._held.close()


def reading_room(
    source: Source,
    reader: str = "",
    folder: Path | None = None,
    adjudicated: Sequence[str] = (),
    extensions: Sequence[Extension] = (),
) -> ReadingRoom:
    """Open a source for a reader.

    Parameters
    ----------
    reader : "" for a review that keeps nothing.
    folder : of the readings; None for `READINGS` in the source's folder.
    adjudicated : names of the two readers between whom ``reader`` decides.

    Raises
    ------
    PRRTError
        If the name cannot be, another program holds the file, or it was changed.
    """
    room = ReadingRoom(source, extensions=extensions)
    place = folder or source.folder / READINGS
    if reader:
        room.reader = checked_reader(reader)
        path = place / f"{room.reader}{SUFFIX}"
        room._held.enter_context(held(path))
        try:
            room.journal = Journal(path, room.reader)
        except PRRTError:
            room.close()
            raise
    for name in adjudicated:
        other = place / f"{checked_reader(name)}{SUFFIX}"
        room.others[name] = states(list(read_records(other)), other.name)
    return room


def _read_file(path: Path) -> Segmentation:
    from PRRTUptakeLib.mrml.segmentations import read_segmentation_file  # brings Slicer's core, only where needed

    return read_segmentation_file(path)
