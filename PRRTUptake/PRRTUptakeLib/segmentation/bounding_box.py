"""Work on the blocks of voxels that segments need, never on the whole grid: common blocks, distances, overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

from PRRTUptakeLib.imaging.dilation import grown_mask
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PRRTUptakeLib.imaging.volume import Grid

BoundingBox = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Overlap:
    """Two segments that share voxels."""

    first: str
    second: str
    volume_mL: float

    def __str__(self) -> str:
        return f"Segments '{self.first}' and '{self.second}' overlap by {self.volume_mL:.3g} mL; both are kept."


def common_box(grid: Grid, segments: Iterable[Segment], margin_mm: float = 0.0, margin_voxels: int = 0) -> BoundingBox:
    """The smallest block (k, j, i) that holds all voxels of ``segments`` and a margin, cut at the grid's ends.

    Raises
    ------
    SegmentationError
        If all segments are empty.
    """
    filled = [segment for segment in segments if segment.mask.size]
    if not filled:
        raise SegmentationError("There is no voxel in these segments: draw them, or leave the empty ones out.")
    low = np.min([segment.origin for segment in filled], axis=0)
    high = np.max([np.add(segment.origin, segment.mask.shape) for segment in filled], axis=0)
    margin = np.ceil(margin_mm / np.array(grid.spacing_mm[::-1])).astype(int) + margin_voxels
    low = np.maximum(low - margin, 0)
    high = np.minimum(high + margin, grid.shape)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return k, j, i


def mask_in(segment: Segment, box: BoundingBox) -> np.ndarray:
    """The part of a segment's mask that is in ``box``, bool, of the box's shape."""
    result = np.zeros([part.stop - part.start for part in box], dtype=bool)
    paste(segment, box, result)
    return result


def paste(segment: Segment, box: BoundingBox, onto: np.ndarray) -> None:
    """Set in ``onto`` (bool, of the box's shape) the voxels of ``segment``."""
    source, target = [], []
    for start, size, part in zip(segment.origin, segment.mask.shape, box, strict=True):
        low, high = max(start, part.start), min(start + size, part.stop)
        if high <= low:
            return
        source.append(slice(low - start, high - start))
        target.append(slice(low - part.start, high - part.start))
    onto[tuple(target)] |= segment.mask[tuple(source)]


def union_in(segments: Iterable[Segment], box: BoundingBox) -> np.ndarray:
    """Voxels [k, j, i] of ``box`` in any of the segments, bool."""
    result = np.zeros([part.stop - part.start for part in box], dtype=bool)
    for segment in segments:
        paste(segment, box, result)
    return result


def segment_in(name: str, mask: np.ndarray, box: BoundingBox, **labels: Any) -> Segment:
    """A segment from a mask [k, j, i] over ``box``, cropped to its voxels."""
    return Segment(name, mask, origin=tuple(part.start for part in box), **labels).cropped()


def shared_voxels(first: Segment, second: Segment) -> int:
    """Number of voxels that lie in both segments."""
    ranges = []
    for a, n, b, m in zip(first.origin, first.mask.shape, second.origin, second.mask.shape, strict=True):
        low, high = max(a, b), min(a + n, b + m)
        if high <= low:
            return 0
        ranges.append((slice(low - a, high - a), slice(low - b, high - b)))
    here, there = zip(*ranges, strict=True)
    return int(np.count_nonzero(first.mask[here] & second.mask[there]))


def overlaps(grid: Grid, segments: Sequence[Segment]) -> tuple[Overlap, ...]:
    """All pairs of segments that share voxels, in order; nothing is changed."""
    found = []
    for first, second in combinations(segments, 2):
        count = shared_voxels(first, second)
        if count:
            found.append(Overlap(first.name, second.name, count * grid.voxel_volume_mL))
    return tuple(found)


def volume_mL(grid: Grid, segment: Segment) -> float:
    """Volume of a segment: voxels, or the parts of voxels where they are known, times voxel volume."""
    return segment.voxels_inside * grid.voxel_volume_mL


def require_orthogonal(grid: Grid) -> None:
    """Distances are exact only where voxel axes are at right angles (within 0.06 degrees).

    Raises
    ------
    SegmentationError
        For a sheared grid (tilted gantry).
    """
    axes = grid.ijk_to_ras[:3, :3] / np.array(grid.spacing_mm)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise SegmentationError(
            "The voxel axes are not at right angles (tilted gantry): resample the image to a straight grid."
        )


def distance_mm(grid: Grid, mask: np.ndarray) -> np.ndarray:
    """Euclidean distance in mm from each voxel centre to the nearest voxel centre in ``mask``; float32, 0 inside.

    Infinite everywhere if the mask is empty. On the true spacing, but for 1e-6 of rounding: ask `within_mm` whether a
    distance is reached. C. Maurer et al., IEEE TPAMI 2003;25:265, doi:10.1109/TPAMI.2003.1177156.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> mask = np.zeros((1, 2, 3), bool); mask[0, 0, 0] = True
    >>> distance_mm(Grid((1, 2, 3), np.diag([3.0, 4.0, 5.0, 1.0])), mask)[0].tolist()
    [[0.0, 3.0, 6.0], [4.0, 5.0, 7.211102485656738]]
    """
    require_orthogonal(grid)
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(grid.spacing_mm)
    distances = SimpleITK.GetArrayFromImage(
        SimpleITK.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    )
    np.maximum(distances, 0.0, out=distances)
    return np.asarray(distances)


def within_mm(grid: Grid, mask: np.ndarray, margin_mm: float) -> np.ndarray:
    """Voxels [k, j, i] whose centre is within ``margin_mm`` of that of one in ``mask``; none if the mask is empty."""
    require_orthogonal(grid)
    return grown_mask(mask, grid.spacing_mm[::-1], margin_mm)


def grown(grid: Grid, segment: Segment, margin_mm: float) -> Segment:
    """The segment and every voxel whose centre is within ``margin_mm`` of one of its voxel centres."""
    if margin_mm <= 0 or not segment.voxel_count:
        return segment
    box = common_box(grid, [segment], margin_mm)
    return segment_in(segment.name, within_mm(grid, mask_in(segment, box), margin_mm), box)


def ball_box(grid: Grid, centre_ras: np.ndarray, radius_mm: float) -> tuple[BoundingBox, np.ndarray]:
    """The box of the grid around a sphere, and the distance in mm [k, j, i] of its voxel centres from the centre (3,).

    Raises
    ------
    SegmentationError
        If the sphere is outside the grid.
    """
    per_mm = np.linalg.norm(grid.ras_to_ijk[:3, :3], axis=1)[::-1]  # indices per mm at right angles to voxel planes
    middle = grid.to_ijk(np.asarray(centre_ras))[::-1]
    low = np.maximum(np.floor(middle - radius_mm * per_mm).astype(int), 0)
    high = np.minimum(np.ceil(middle + radius_mm * per_mm).astype(int) + 1, grid.shape)
    if (high <= low).any():
        raise SegmentationError(f"The point {np.round(centre_ras, 1).tolist()} is outside the image: move it.")
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    kji = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), axis=-1)
    return (k, j, i), np.linalg.norm(grid.to_ras(kji[..., ::-1]) - centre_ras, axis=-1)


def resampled(segment: Segment, grid: Grid, onto: Grid) -> Segment:
    """The segment on another grid: a voxel belongs to it when its centre is in one of the segment's voxels.

    May come out empty, when the segment is outside ``onto`` or is smaller than its voxels.
    """
    if not segment.mask.size or grid.matches(onto):
        return segment
    ends = [(start - 0.5, start + size - 0.5) for start, size in zip(segment.origin, segment.mask.shape, strict=True)]
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1).T[:, ::-1]
    reach = onto.to_ijk(grid.to_ras(corners))[:, ::-1]
    low = np.clip(np.floor(reach.min(axis=0)).astype(int), 0, onto.shape)
    high = np.clip(np.ceil(reach.max(axis=0)).astype(int) + 1, low, onto.shape)
    kji = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), axis=-1)
    places = np.round(grid.to_ijk(onto.to_ras(kji[..., ::-1])), 3)  # so that rounding does not decide on faces
    source = np.rint(places)[..., ::-1].astype(int) - np.array(segment.origin)
    within = ((source >= 0) & (source < np.array(segment.mask.shape))).all(axis=-1)
    mask = np.zeros(within.shape, dtype=bool)
    mask[within] = segment.mask[tuple(source[within].T)]
    return segment.relabelled(mask=mask, origin=tuple(int(start) for start in low)).cropped()


def joined(segmentation: Segmentation, other: Segmentation) -> Segmentation:
    """Both sets of segments in one segmentation.

    Raises
    ------
    SegmentationError
        If they lie on different grids, or a name is in both.
    """
    if not segmentation.grid.matches(other.grid):
        names = ", ".join(f"'{segment.name}'" for segment in other)
        raise SegmentationError(
            f"Segment(s) {names} lie on another grid ({other.grid.described()}) than the rest "
            f"({segmentation.grid.described()}): resample them to the image on which the liver is drawn."
        )
    twice = [segment.name for segment in other if segment.name in segmentation]
    if twice:
        raise SegmentationError(f"There are two segments '{twice[0]}': rename one.")
    return segmentation.with_segments(*other)


def remarks(segmentation: Segmentation) -> tuple[str, ...]:
    """What a user should know about the segments: lesions that overlap, and empty ones among those that are known.

    Nothing is changed.
    """
    lesions = [s for s in segmentation if s.role in ("lesion", "target")]
    empty = ", ".join(f"'{s.name}'" for s in segmentation if not s.voxel_count and (s.structure or s.role))
    said = (f"Without a voxel: {empty}. Draw what is in the image.",) if empty else ()
    return (*(str(item) for item in overlaps(segmentation.grid, lesions)), *said)
