"""A study's result without the patient's identity; whatever goes out is rendered from it afterwards.

Names, ids, dates and UIDs are replaced in the data: the patient, moments of injections and images, UIDs in provenance,
and every text that somebody may have typed, such as names of visits and segments, reasons and series descriptions.
Words of our own vocabularies stay. DICOM objects are made of the source headers, and cleaned so (`export.deidentify`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.export.deidentify_text import Identity

if TYPE_CHECKING:
    from PRRTUptakeLib.export.deidentify_text import Cleaner
    from PRRTUptakeLib.study.model import StudyResult

# Fields that hold words of our vocabularies, never typed by a person.
_VOCABULARY = frozenset(
    {
        *("code", "design", "image", "kind", "lobe", "method", "metric", "modality", "model", "models", "nuclide"),
        *("quantity", "role", "route", "sex", "structure", "treated_lobe", "unit", "units"),
    }
)
# Source headers are cleaned as DICOM; rules and grids name nobody.
_KEPT_TYPES = ("Series", "Header", "Protocol", "Grid")
_OURS = ("PRRTUptakeLib.", "PRRTDosimetryLib.")


def identity_of(result: StudyResult) -> Identity:
    """Whose results they are, by the headers of the images and by the case file, whose folder may be named so too."""
    series = [one for images in result.images for one in (images.measured, images.contours) if one is not None]
    study = result.input
    operator = str(study.notes.get("operator", ""))
    return Identity.of([one.headers[0].dataset for one in series], study.patient, *([operator] if operator else []))


def without_identity(result: StudyResult, cleaner: Cleaner) -> StudyResult:
    """The result with a subject in place of the patient, dates shifted, UIDs mapped and typed texts cleaned."""
    cleaned: StudyResult = _Freeing(result, cleaner).of(result)
    study = replace(cleaned.input, patient=cleaner.subject, notes={"operator": "removed"}, source=None, files=())
    rows = tuple(replace(row, patient=cleaner.subject) for row in cleaned.measured_rows)
    parts = tuple(
        replace(part, rows=tuple(replace(row, patient=cleaner.subject) for row in part.rows)) for part in cleaned.parts
    )
    contents = tuple(
        replace(one, rows=tuple(replace(row, patient=cleaner.subject) for row in one.rows))
        for one in cleaned.visit_contents
    )
    visits = tuple(replace(one, labels=replace(one.labels, patient=cleaner.subject)) for one in cleaned.visits)
    return replace(
        cleaned,
        input=study,
        measured_rows=rows,
        parts=parts,
        visit_contents=contents,
        visits=visits,
        images=cleaned.images,
    )


class _Freeing:
    """Goes through the result's data; what occurs twice is replaced once, so that it stays one thing."""

    def __init__(self, result: StudyResult, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._made: dict[int, tuple[Any, Any]] = {}
        typed = {one.visit for one in result.input.visits} | {one.study for one in result.contents}
        for one in result.contents:
            if one.segmentation is not None:
                typed |= {name for segment in one.segmentation for name in (segment.name, segment.lesion_id)}
        typed |= {name for images in result.images for name in images.regions}
        self._keys = {name: cleaner.text(name) for name in typed}

    def of(self, value: Any) -> Any:
        """The value without the identity."""
        if isinstance(value, str):
            return self._cleaner.text(value)
        if isinstance(value, datetime):
            return value - self._cleaner.shift
        if value is None or isinstance(value, (bool, int, float, complex, bytes, np.ndarray, np.generic, Path)):
            return value
        kept = self._made.get(id(value))
        if kept is None:
            kept = self._made[id(value)] = (value, self._replaced(value))
        return kept[1]

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._key(key): self.of(item) for key, item in value.items()}
        if type(value) in (tuple, list, set, frozenset):
            return type(value)(self.of(item) for item in value)
        if not is_dataclass(value) or isinstance(value, type) or not type(value).__module__.startswith(_OURS):
            return value
        if type(value).__name__ in _KEPT_TYPES:
            return value
        made = copy(value)
        for name in (item.name for item in fields(value)):
            if name not in _VOCABULARY or not isinstance(getattr(value, name), (str, tuple)):
                object.__setattr__(made, name, self.of(getattr(value, name)))
        return made

    def _key(self, key: Any) -> Any:
        """Names of regions and visits are cleaned, words of our own that key other values are not."""
        if isinstance(key, str):
            return self._keys.get(key, key)
        return tuple(self._key(item) for item in key) if isinstance(key, tuple) else key
