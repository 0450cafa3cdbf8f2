"""Frames of a DICOM Segmentation (PS3.3 A.51): which segment each shows, and what several of one plane mean.

Tiles beside each other are parts of one plane. Frames that show the same pixels of one segment must agree there: those
of several times are several masks, fractions cannot be added nor chosen from, and a pixel of a label map has one label.
Of marks (BINARY) each frame says what belongs to the segment, so that all together do.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.compressed_frames import frames_of
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydicom.dataset import Dataset

LABELMAP, FRACTIONAL = "LABELMAP", "FRACTIONAL"
_Place = tuple[int, int, int]


def numbers_of_frames(ds: Dataset, where: str) -> list[int]:
    """The segment that each frame shows.

    Raises
    ------
    DicomError
        If a frame names none.
    """
    shared = items(ds, "SharedFunctionalGroupsSequence", where)
    common = items(shared[0], "SegmentIdentificationSequence", where) if shared else ()
    numbers = []
    for n, group in enumerate(items(ds, "PerFrameFunctionalGroupsSequence", where), start=1):
        own = items(group, "SegmentIdentificationSequence", where) or common
        if not own:
            raise DicomError(f"Frame {n} of {where} does not say which segment it shows: export it again.")
        numbers.append(int(own[0].ReferencedSegmentNumber))
    return numbers


def same_planes(ds: Dataset, places: Sequence[_Place], where: str) -> list[str]:
    """Warnings on frames that show the same pixels of one segment.

    Parameters
    ----------
    ds : the object.
    places : first voxel (k, j, i) of each frame on the object's grid.
    where : names the file in messages.

    Raises
    ------
    DicomError
        If they are of several times, or contradict each other in fractions or labels.
    """
    kind = str(ds.get("SegmentationType", "BINARY"))
    numbers = [0] * len(places) if kind == LABELMAP else numbers_of_frames(ds, where)
    pairs = _pairs(places, numbers, (int(ds.Rows), int(ds.Columns)))
    if not pairs:
        return []
    wanted = sorted({n for pair in pairs for n in pair})
    frames = dict(zip(wanted, frames_of(ds, where, wanted), strict=True))
    repeated = [pair for pair in pairs if places[pair[0]] == places[pair[1]]]
    differing = [pair for pair in pairs if not _agree(frames, places, pair)]
    times = _times(ds, where)
    for one, other in [*differing, *repeated]:
        if times[one] != times[other]:
            raise DicomError(
                f"{_named([(one, other)], numbers, where)} at several times ({times[one]}, {times[other]}): export the "
                "segmentation of one time."
            )
    if differing and kind in (LABELMAP, FRACTIONAL):
        raise DicomError(
            f"{_named(differing, numbers, where)}, and their {'labels' if kind == LABELMAP else 'fractions'} differ: "
            "export one frame for each plane and segment."
        )
    if differing:
        return [
            f"{_named(differing, numbers, where)}, and they differ: what any of them marks is taken. Compare the "
            "outlines with the image."
        ]
    return [f"{_named(repeated, numbers, where)}; they are the same and count once."] if repeated else []


def _pairs(places: Sequence[_Place], numbers: Sequence[int], size: tuple[int, int]) -> list[tuple[int, int]]:
    """Pairs of frames of one segment whose pixels overlap."""
    planes: dict[tuple[int, int], list[int]] = {}
    for n, (place, number) in enumerate(zip(places, numbers, strict=True)):
        planes.setdefault((number, place[0]), []).append(n)
    return [
        (one, other)
        for frames in planes.values()
        for one, other in itertools.combinations(frames, 2)
        if all(abs(places[one][1 + axis] - places[other][1 + axis]) < size[axis] for axis in range(2))
    ]


def _agree(frames: Mapping[int, np.ndarray], places: Sequence[_Place], pair: tuple[int, int]) -> bool:
    """Whether two frames hold the same values where they overlap."""
    one, other = (frames[n] for n in pair)
    down, right = (places[pair[1]][axis] - places[pair[0]][axis] for axis in (1, 2))
    rows, columns = one.shape
    first = one[max(down, 0) : rows + min(down, 0), max(right, 0) : columns + min(right, 0)]
    second = other[max(-down, 0) : rows + min(-down, 0), max(-right, 0) : columns + min(-right, 0)]
    return bool(np.array_equal(first, second))


def _times(ds: Dataset, where: str) -> list[str]:
    """What each frame says of its time, as text; "" if nothing."""
    found = []
    for group in items(ds, "PerFrameFunctionalGroupsSequence", where):
        content = items(group, "FrameContentSequence", where)
        index = str(content[0].get("TemporalPositionIndex", "") or "") if content else ""
        position = items(group, "TemporalPositionSequence", where)
        offset = str(position[0].get("TemporalPositionTimeOffset", "") or "") if position else ""
        found.append(", ".join(words for words in (index and f"position {index}", offset and f"{offset} s") if words))
    return found


def _named(pairs: Sequence[tuple[int, int]], numbers: Sequence[int], where: str) -> str:
    shown = "; ".join(f"{one + 1} and {other + 1}" for one, other in pairs[:3])
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    segments = sorted({numbers[one] for one, _ in pairs} - {0})
    whose = f" of its segment{'s'[: len(segments) > 1]} {', '.join(map(str, segments))}" if segments else ""
    return f"{where} holds more than one frame of a plane{whose} (frames {shown}{more})"
