"""Which segments belong to which session: what SEG and RTSTRUCT refer to, and on whose voxels masks are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pydicom

from PRRTUptakeLib.archive.series_kind import RTSTRUCT, SEG
from PRRTUptakeLib.dicom.drawn_on import references_of
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.study.images import same_voxels
from PRRTUptakeLib.study.segment_names import segment_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.archive.scan import FoundSeries, Scan
    from PRRTUptakeLib.archive.sessions import Session


@dataclass(eq=False)
class Contours:
    """Segments that were found: ``path`` is a file or folder, ``files`` what is copied with the case if DICOM.

    ``names`` are those of the segments; ``reason`` says why they belong to the session; ``doubt`` what is open.
    """

    path: Path
    names: tuple[str, ...]
    reason: str
    files: tuple[Path, ...] = ()
    doubt: str = ""


@dataclass(eq=False)
class FoundContours:
    """Contours by the number of their session, and sentences on those that belong to none."""

    of_session: dict[int, list[Contours]] = field(default_factory=dict)
    unplaced: list[str] = field(default_factory=list)


def contours_of(scan: Scan, sessions: Sequence[Session]) -> FoundContours:
    """Put each segmentation of a source with its session."""
    found = FoundContours()
    for one in scan.series:
        if one.kind.word in (SEG, RTSTRUCT):
            _place_object(one, sessions, found)
    grids = {id(image): _grid(image) for session in sessions for image in session.anatomy} if scan.masks else {}
    for path in scan.masks:
        _place_masks(path, sessions, grids, found)
    return found


def _place_object(one: FoundSeries, sessions: Sequence[Session], found: FoundContours) -> None:
    """A SEG or RTSTRUCT goes with the image that it names, else with the one session of its frame of reference."""
    for file in one.series.files:
        try:
            ds = pydicom.dcmread(file, stop_before_pixels=True)
            frames = [str(ds.get("FrameOfReferenceUID", "") or "")]
            frames += [
                str(item.get("FrameOfReferenceUID", "")) for item in ds.get("ReferencedFrameOfReferenceSequence", [])
            ]
            named = references_of(ds, frames)
            names = segment_names(file).names
        except (PRRTError, OSError, ValueError, AttributeError) as error:
            found.unplaced.append(f"{one.label} cannot be used: {error}")
            continue
        by_name = [n for n, session in enumerate(sessions) if any(_named(image, named) for image in session.series)]
        by_frame = [n for n, session in enumerate(sessions) if session.keys[0] and session.keys[0] in named.frames]
        for numbers, reason in ((by_name, "it names the session's image"), (by_frame, "it has its frame of reference")):
            if len(numbers) == 1:
                contours = Contours(file, names, f"{one.kind.word}: {reason}", (file,))
                found.of_session.setdefault(numbers[0], []).append(contours)
                break
        else:
            found.unplaced.append(f"{one.label} refers to no image that is here: it is left out.")


def _named(image: FoundSeries, named: object) -> bool:
    instances = {str(header.dataset.get("SOPInstanceUID", "")) for header in image.series.headers}
    return image.series.uid in named.series or bool(instances & named.instances)  # type: ignore[attr-defined]


def _grid(image: FoundSeries) -> Grid | None:
    try:
        arranged = arrange(image.series)
    except PRRTError:
        return None
    return Grid(arranged.shape, arranged.ijk_to_ras)


def _place_masks(path: Path, sessions: Sequence[Session], grids: dict[int, Grid | None], found: FoundContours) -> None:
    """Masks go with the session whose CT or MR has their voxels; of several, with the one in the nearest folder."""
    try:
        listed = segment_names(path)
    except PRRTError as error:
        found.unplaced.append(f"{path} cannot be used as segments: {error}")
        return
    fitting = []
    if listed.grid is not None:
        for n, session in enumerate(sessions):
            own = [grids[id(image)] for image in session.anatomy]
            if any(grid is not None and same_voxels(grid, listed.grid) for grid in own):
                fitting.append(n)
    if not fitting:
        found.unplaced.append(f"{path.name}: no CT or MR of the source has the voxels of these masks; left out.")
        return
    if len(fitting) == 1:
        chosen, reason, doubt = fitting[0], "masks on the voxels of the session's image", ""
    else:
        depths = {n: _shared_depth(path, sessions[n]) for n in fitting}
        best = max(depths.values())
        nearest = [n for n in fitting if depths[n] == best]
        chosen, reason = nearest[0], "masks on the voxels of several images, in the folder of this one"
        doubt = "" if len(nearest) == 1 else f"the masks in {path.name} fit the images of {len(nearest)} visits"
    found.of_session.setdefault(chosen, []).append(Contours(path, listed.names, reason, (), doubt))


def _shared_depth(path: Path, session: Session) -> int:
    """Number of folders that a path shares with the images of a session."""
    parts = path.resolve().parts
    depths = []
    for one in session.anatomy:
        other = one.folder.resolve().parts
        depths.append(
            next((n for n, pair in enumerate(zip(parts, other, strict=False)) if pair[0] != pair[1]), len(parts))
        )
    return max(depths, default=0)
