"""Pixels of large objects frame by frame: highdicom makes the headers, from one voxel a plane, and these the frames.

Given whole arrays, highdicom sorts and copies them several times; a voxel for each plane says as much to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Box = tuple[slice, slice, slice]
_PACKED_TOGETHER = 8  # frames of single bits whose number of bits fills whole bytes, whatever their size


def sources_of_one_voxel(sources: Sequence[Dataset]) -> list[Dataset]:
    """Copies of images' headers with one row and one column, so that one voxel a plane matches them as all would."""
    made = []
    for image in sources:
        small = Dataset(dict(image.items()))
        small.add_new("Rows", "US", 1)  # new elements: setting a value would change the one that both share
        small.add_new("Columns", "US", 1)
        vars(small)["SOPInstanceUID"] = small.SOPInstanceUID  # found at once: it is asked for images x planes times
        made.append(small)
    return made


def planes_with_content(boxes: Sequence[tuple[Box, np.ndarray]], first: int, count: int) -> np.ndarray:
    """Whether a region has content in a plane: uint8 [k, 1, 1, region] of ``count`` planes from ``first`` on.

    ``boxes`` are the regions' boxes in the grid, as slices (k, j, i), with the values in them [k, j, i].
    """
    found = np.zeros((count, 1, 1, len(boxes)), dtype=np.uint8)
    for n, ((k, _, _), values) in enumerate(boxes):
        found[k.start - first : k.stop - first, 0, 0, n] = values.any(axis=(1, 2))
    return found


def overlapping(boxes: Sequence[tuple[Box, np.ndarray]]) -> bool:
    """Whether any voxel has content of two regions, given by box and values [k, j, i]; sought where boxes meet."""
    for n, (box, values) in enumerate(boxes):
        for other, more in boxes[:n]:
            common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other, strict=True)]
            if all(part.start < part.stop for part in common):
                one, two = (
                    array[tuple(slice(c.start - b.start, c.stop - b.start) for c, b in zip(common, place, strict=True))]
                    for place, array in ((box, values), (other, more))
                )
                if np.logical_and(one, two).any():
                    return True
    return False


def region_frames(
    places: Iterable[tuple[int, int]], boxes: Sequence[tuple[Box, np.ndarray]], shape: tuple[int, int]
) -> Iterator[np.ndarray]:
    """The frames of regions in their boxes, uint8 [j, i] of ``shape``, for each region and plane of ``places``."""
    for region, plane in places:
        (k, j, i), values = boxes[region]
        frame = np.zeros(shape, dtype=np.uint8)
        frame[j, i] = values[plane - k.start]
        yield frame


def planes_of_frames(made: Dataset, origin: np.ndarray, step: np.ndarray) -> list[int]:
    """The plane of each frame, counted from ``origin`` (3,) in steps of ``step`` (3,), LPS mm."""
    positions = np.array(
        [
            [float(one) for one in frame.PlanePositionSequence[0].ImagePositionPatient]
            for frame in made.PerFrameFunctionalGroupsSequence
        ]
    )
    return [int(n) for n in np.rint((positions - origin) @ step / (step @ step))]


def set_frames(made: Dataset, frames: Iterable[np.ndarray], shape: tuple[int, int]) -> None:
    """Put frames [j, i] of ``shape`` into a segmentation that was made of one voxel a plane, bits packed."""
    made.Rows, made.Columns = shape
    single_bits = made.BitsAllocated == 1
    parts = [*_packed(frames)] if single_bits else [frame.tobytes() for frame in frames]
    length = sum(map(len, parts))
    made.PixelData = b"".join([*parts, bytes(length % 2)])


def _packed(frames: Iterable[np.ndarray]) -> Iterator[bytes]:
    """Single bits of frames, the first in the lowest bit of a byte (PS3.5 8.1.1); frames do not begin new bytes."""
    together: list[np.ndarray] = []
    for frame in frames:
        together.append(frame.ravel())
        if len(together) == _PACKED_TOGETHER:
            yield np.packbits(np.concatenate(together), bitorder="little").tobytes()
            together = []
    if together:
        yield np.packbits(np.concatenate(together), bitorder="little").tobytes()
