"""What a blinded reader sees: no allocation, treated lobe, route, date or name, in no text that reaches the screen."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.readings.worklist import seeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PRRTUptakeLib.study.model import StudyInput

HIDDEN = "..."
_ROUTES = ("intra-arterial", "intraarterial", "intravenous", "IA/IV", "IA", "IV")
_ALLOCATION = ("treated", "control", "allocation", "untreated", "allocated")
_DATES = (
    r"\b(?:19|20)\d{2}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    r"\b(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{6})?\b",
    r"\b\d{1,2}[./]\d{1,2}[./](?:19|20)?\d{2}\b",
)
_UIDS = r"\b[0-2](?:\.\d+){4,}\b"
_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def blinded(study: StudyInput) -> StudyInput:
    """The study without what must not decide a reading: treated lobe and notes; it measures the same.

    The patient's name in tables stays, since they are not shown; screens get their texts through `Blinding`.
    """
    return replace(study, treated_lobe="", notes={}, iv_cycle=None, delivered=None, doubts=())


@dataclass(frozen=True, kw_only=True)
class Blinding:
    """What stands for names on the screen.

    Attributes
    ----------
    label : of the case, such as "Reading 3".
    visits : label of each visit, such as "image A", by cycle and name.
    words : texts that identify the patient, the visit or the arm; the longest first.
    """

    label: str
    visits: Mapping[tuple[int, str], str]
    words: tuple[str, ...]

    def text(self, said: str) -> str:
        """A text without anything that identifies.

        Examples
        --------
        >>> blinding = Blinding(label="Reading 3", visits={(1, "IA day 0"): "image A"}, words=("Doe^Jane", "P01"))
        >>> blinding.text("IA day 0: P01 of Doe^Jane, 2024-04-18T10:58, intra-arterial, treated lobe 12.3")
        'image A: ... of ..., ..., ..., ... lobe 12.3'
        """
        shown = said
        for (_, name), label in sorted(self.visits.items(), key=lambda one: -len(one[0][1])):
            shown = _whole_words(name).sub(label, shown)
        for word in self.words:
            shown = _whole_words(word).sub(HIDDEN, shown)
        for pattern in (*_DATES, _UIDS):
            shown = re.sub(pattern, HIDDEN, shown)
        for word in (*_ROUTES, *_ALLOCATION):
            flags = 0 if word.isupper() else re.IGNORECASE
            shown = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", HIDDEN, shown, flags=flags)
        return shown

    def leaks(self, said: str) -> bool:
        """Whether a text has something that must not be seen."""
        return self.text(said) != said


def blinding_of(study: StudyInput, label: str, seed: str) -> Blinding:
    """The blinding of a case; visits get letters in an order of ``seed``, so that the first is not known by it."""
    keys = sorted((visit.key for visit in study.visits), key=lambda key: seeded(seed, str(key[0]), key[1]))
    visits = {key: f"image {_letter(n)}" for n, key in enumerate(keys)}
    return Blinding(label=label, visits=visits, words=_identifying(study))


def _letter(n: int) -> str:
    return _LABELS[n % 26] + ("" if n < 26 else str(n // 26))


def _identifying(study: StudyInput) -> tuple[str, ...]:
    found: set[str] = {study.patient, study.same_patient}
    if study.source is not None:
        found |= {study.source.name, study.source.parent.name}
    for visit in study.visits:
        images = [one for one in (visit.emission, visit.anatomy) if one is not None]
        for image in images:
            if image.series is not None:
                found |= {image.series.patient_id, image.series.patient_name, image.series.description}
                found |= set(re.split(r"[\^, ]+", image.series.patient_name))
    return tuple(sorted(_useful(found), key=lambda word: (-len(word), word)))


def _useful(words: Iterable[str]) -> list[str]:
    """Words that can identify: not single letters, which every text has."""
    return [word for word in words if len(word.strip()) > 1]


def _whole_words(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)
