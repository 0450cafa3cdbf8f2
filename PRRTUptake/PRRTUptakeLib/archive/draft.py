"""A case as it is assembled: content of the file, files that go with it, and what is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class OpenQuestion:
    """A question of a case file; see `study.schema.case_keys.Question`."""

    question: str
    key: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    proposed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As the case file has it."""
        found: dict[str, Any] = {"question": self.question}
        if self.key:
            found["key"] = self.key
        if self.choices:
            found["choices"] = [{"answer": answer, "meaning": meaning} for answer, meaning in self.choices]
        if self.proposed:
            found["proposed"] = self.proposed
        return found


@dataclass(eq=False)
class DraftVisit:
    """One visit: its keys but the paths, the files of its folders, and what is open about it.

    Attributes
    ----------
    name, cycle : of the visit.
    keys : further keys of the visit.
    images : files of its DICOM folder, series by series; what is measured comes first.
    bed_count : how many of the first images are bed positions that are measured as one volume.
    contours : DICOM contours, each a list of files, which get folders of their own; their order is that of the choices.
    masks : folders of masks and ``.seg.nrrd`` files, which are named where they are.
    needs_segments : whether the visit has segments of its own or still needs them.
    questions : their key is that within the visit.
    found : what the table of a cohort says of it.
    """

    name: str
    cycle: int
    keys: dict[str, Any] = field(default_factory=dict)
    images: list[tuple[Path, ...]] = field(default_factory=list)
    bed_count: int = 1
    contours: list[tuple[Path, ...]] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    needs_segments: bool = True
    questions: list[OpenQuestion] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class CaseDraft:
    """One patient.

    Attributes
    ----------
    patient_id : the DICOM Patient ID.
    protocol : name or path of the protocol.
    visits : in their order.
    questions : on the whole case.
    series : every series that was found: label, kind, reason, and what it is used for.
    remarks : sentences on what was left out.
    """

    patient_id: str
    protocol: str
    visits: list[DraftVisit] = field(default_factory=list)
    questions: list[OpenQuestion] = field(default_factory=list)
    series: list[dict[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def all_questions(self) -> tuple[OpenQuestion, ...]:
        """Of the case and its visits, with whole keys."""
        own = [
            OpenQuestion(
                question=f"Cycle {visit.cycle}, visit '{visit.name}': {one.question}",
                key=f"visits[{n}].{one.key}" if one.key else "",
                choices=one.choices,
                proposed=one.proposed,
            )
            for n, visit in enumerate(self.visits)
            for one in visit.questions
        ]
        return (*self.questions, *own)

    def remark(self, sentences: Sequence[str]) -> None:
        """Add sentences that are not there yet."""
        self.remarks += [one for one in sentences if one not in self.remarks]
