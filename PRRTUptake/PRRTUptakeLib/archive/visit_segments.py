"""Segments of the visits of a case that is being assembled: found ones, a choice of several, or none yet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.draft import DraftVisit, OpenQuestion
from PRRTUptakeLib.archive.series_kind import CT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.archive.contours import Contours
    from PRRTUptakeLib.archive.sessions import Session

CONTOURS, SEGMENTS, IMAGES = "contours", "segments", "DICOM"


def folder_of(visit: DraftVisit) -> str:
    """The folder of a visit's files within the data of its case.

    Examples
    --------
    >>> folder_of(DraftVisit("24 h/late", 2))
    '2-24-h-late'
    """
    return f"{visit.cycle}-{re.sub(r'[^A-Za-z0-9]+', '-', visit.name).strip('-') or 'visit'}"


def give_segments(visit: DraftVisit, session: Session, found: Sequence[Contours]) -> None:
    """Note the contours that belong to a visit."""
    visit.contours = [one.files for one in found if one.files]
    visit.masks = [one.path for one in found if not one.files]
    visit.needs_segments = bool(found)
    visit.found["segments"] = "; ".join(one.reason for one in found)
    visit.found["has_ct"] = any(one.kind.word == CT for one in session.anatomy)
    visit.found["has_contrast"] = any(one.kind.contrast for one in session.anatomy)
    visit.found["contour_names"] = [name for one in found if one.files for name in one.names]
    visit.questions += [
        OpenQuestion(question=f"{one.doubt[:1].upper()}{one.doubt[1:]}. Are they of this one?")
        for one in found
        if one.doubt
    ]


def draw_on_each_other(visits: Sequence[DraftVisit], routes: bool, data: str) -> None:
    """Visits without segments use those of the visit that has them; without any, one is chosen to be drawn on."""
    drawn = [one for one in visits if one.needs_segments]
    if not drawn:
        source = _to_draw_on(visits, routes)
        source.needs_segments = True
        drawn = [source]
        path = f"{data}/{folder_of(source)}/{SEGMENTS}"
        source.questions.append(
            OpenQuestion(
                question="No segments were found. Segment liver and lesions ('prrt segment' does it where "
                f"TotalSegmentator is installed), put the masks into {path}, or name another file or folder.",
                key="segments",
                proposed=path,
            )
        )
    for visit in visits:
        if visit.needs_segments:
            continue
        same = [one for one in drawn if one.cycle == visit.cycle] or drawn
        visit.keys["drawn_on"] = _named(same[0], visit)
        if len(same) > 1:
            visit.questions.append(
                OpenQuestion(
                    question="It has no segments of its own. Those of which visit are used?",
                    key="drawn_on",
                    choices=tuple((_named(one, visit), f"cycle {one.cycle}, visit {one.name}") for one in same),
                    proposed=_named(same[0], visit),
                )
            )


def _named(source: DraftVisit, visit: DraftVisit) -> str:
    return source.name if source.cycle == visit.cycle else f"{source.cycle}/{source.name}"


def _to_draw_on(visits: Sequence[DraftVisit], routes: bool) -> DraftVisit:
    """The visit without a measured image where routes are compared, else the first with contrast, or with a CT."""
    if routes:
        alone = [one for one in visits if "route" not in one.keys]
        if alone:
            return alone[0]
    for key in ("has_contrast", "has_ct"):
        found = [one for one in visits if one.found.get(key)]
        if found:
            return found[0]
    return visits[0]


def segments_of(visit: DraftVisit, base: str, masks: Sequence[str]) -> tuple[str, OpenQuestion | None]:
    """The path of a visit's segments in the case file, and the question if several come into question.

    Parameters
    ----------
    base : folder of the visit in the case file's words.
    masks : paths of its masks in the case file's words.
    """
    number = len(visit.contours)
    if number + len(masks) < 2:
        own = f"{base}/{CONTOURS if number else SEGMENTS}"
        return (masks[0] if masks else own), None
    choices = [(path, "masks") for path in masks]
    choices += [(f"{base}/{CONTOURS}/{n}", f"DICOM contours {n} alone") for n in range(1, number + 1)]
    if number > 1:
        choices.append((f"{base}/{CONTOURS}", "all DICOM contours together"))
    return choices[0][0], OpenQuestion(
        question="Several segmentations belong to this visit. Which is used?",
        key="segments",
        choices=tuple(choices),
        proposed=choices[0][0],
    )
