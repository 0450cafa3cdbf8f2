"""Which image contours were drawn on: by what an object refers to, then by frame of reference, then by geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import text
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.imaging.volume import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series

_ON_PLANE = 0.25  # of the distance of planes
_SERIES_UID, _INSTANCE_UID = 0x0020000E, 0x00081155
_FINE = ("CT", "MR")
_DRAWN_ON = (*_FINE, "PT", "NM")


@dataclass(frozen=True, eq=False)
class References:
    """What an object says of its images: UIDs of series, of instances, and of frames of reference; any may be empty."""

    series: frozenset[str]
    instances: frozenset[str]
    frames: frozenset[str]


@dataclass(frozen=True, eq=False)
class Candidate:
    """An image that contours may have been drawn on, and how it was found: "named", "frame" or "geometry"."""

    series: Series
    grid: Grid
    found_by: str


def references_of(ds: Dataset, frames: Iterable[str]) -> References:
    """All series and instances that an object names, wherever it does; ``frames`` are those of its contours."""
    series, instances = set(), set()
    for element in ds.iterall():
        if element.tag == _SERIES_UID and element.value:
            series.add(str(element.value))
        elif element.tag == _INSTANCE_UID and element.value:
            instances.add(str(element.value))
    series.discard(str(ds.get("SeriesInstanceUID", "")))
    return References(frozenset(series), frozenset(instances), frozenset(frame for frame in frames if frame))


def candidates(references: References, series: Sequence[Series], where: str) -> list[Candidate]:
    """The images in the order in which they come into question: those that are named, else of the frame, else any.

    Raises
    ------
    DicomError
        If the object's frame of reference is not that of the image it names, or of no image that is here.
    """
    images = sorted((s for s in series if s.modality in _DRAWN_ON), key=lambda s: _DRAWN_ON.index(s.modality))
    named = [one for one in images if one.uid in references.series]
    named = named or [one for one in images if references.instances & _instances(one)]
    fitting = [one for one in named if not references.frames or one.frame_of_reference_uid in ("", *references.frames)]
    if named and not fitting:
        raise DicomError(
            f"{where} is in another frame of reference than {named[0].label}, on which it was drawn: export both again."
        )
    if fitting:
        return [_candidate(one, "named") for one in fitting]
    if not references.frames:
        return [_candidate(one, "geometry") for one in images]
    same = [one for one in images if one.frame_of_reference_uid in references.frames]
    if images and not same and all(one.frame_of_reference_uid for one in images):
        raise DicomError(
            f"{where} is in another frame of reference than the visit's images: register it, or add the image it was "
            "drawn on."
        )
    if references.series:  # drawn on an image that is not here: another of its frame may do, if it is as fine
        same = [one for one in same if one.modality in _FINE]
    return [_candidate(one, "frame") for one in same]


def _instances(series: Series) -> set[str]:
    return {text(header.dataset, "SOPInstanceUID", str(header.path)) for header in series.headers}


def _candidate(series: Series, found_by: str) -> Candidate:
    arranged = arrange(series)
    return Candidate(series, Grid(arranged.shape, arranged.ijk_to_ras), found_by)


def planes_fit(grid: Grid, points_ras: np.ndarray) -> bool:
    """Whether at least nine in ten of the points (n, 3) are in planes of the grid."""
    k = grid.to_ijk(points_ras)[:, 2]
    on = (np.abs(k - np.rint(k)) <= _ON_PLANE) & (k > -0.5) & (k < grid.shape[0] - 0.5)
    return bool(on.mean() >= 0.9)
