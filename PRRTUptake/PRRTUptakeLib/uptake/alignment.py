"""Two grids whose axes are parallel: how they run along each other, and how their voxels overlap in boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment

ROUNDING = 1e-9  # fractions nearer than this to 0 or 1 are 0 or 1

_ALIGNED_VOXELS = 1e-3  # axes are parallel, voxels the same, if nothing is off by more than this part of a voxel
_FACE_DIGITS = 3  # of a mask voxel: a centre that near to a face is on it
_LARGE = 500_000  # voxels of a mask from which sparse products pay
_CHUNK = 4_000_000  # mask voxels held as float64 at a time


@dataclass(frozen=True)
class Alignment:
    """Target axis = scale * mask axis + offset; tuples in array order k, j, i of the mask."""

    target_axis: tuple[int, int, int]  # array axis of the target along which each mask axis runs
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]

    @property
    def same_grid(self) -> bool:
        """Whether source and target share their voxels."""
        return all(
            abs(abs(a) - 1.0) < 1e-9 and abs(b - round(b)) < 1e-9 for a, b in zip(self.scale, self.offset, strict=True)
        )

    def to_target_axes(self, array: np.ndarray) -> np.ndarray:
        """Flip and transpose a mask so that its axes are the target's (lattice alignments)."""
        flipped = array[tuple(slice(None, None, 1 if a > 0 else -1) for a in self.scale)]
        return self.transposed(flipped)

    def transposed(self, array: np.ndarray) -> np.ndarray:
        """Array along the mask's axes, seen along the target's."""
        return np.transpose(array, [self.target_axis.index(axis) for axis in range(3)])

    def box(self, segment: Segment, shape: tuple[int, int, int]) -> tuple[tuple[slice, ...], np.ndarray] | None:
        """Where a segment's mask is in a target of ``shape``, and the mask along its axes; None if it sticks out.

        For a lattice alignment of the whole source grid.
        """
        first = tuple(a * n + b for a, n, b in zip(self.scale, segment.origin, self.offset, strict=True))
        mask = self.to_target_axes(segment.mask)
        origin = self.grid_origin(segment.mask.shape, first)
        ends = tuple(start + size for start, size in zip(origin, mask.shape, strict=True))
        if min(origin) < 0 or any(end > size for end, size in zip(ends, shape, strict=True)):
            return None
        return tuple(slice(start, end) for start, end in zip(origin, ends, strict=True)), mask

    def grid_origin(self, shape: tuple[int, ...], first: tuple[float, ...] | None = None) -> tuple[int, ...]:
        """Target index of the lowest corner of a block of ``shape`` whose voxel 0 is at ``first``, by mask axis."""
        starts = first or self.offset
        ends = [min(round(b), round(a * (n - 1) + b)) for a, b, n in zip(self.scale, starts, shape, strict=True)]
        return tuple(ends[self.target_axis.index(axis)] for axis in range(3))


def alignment(shape: tuple[int, ...], origin: tuple[int, ...], matrix: np.ndarray) -> Alignment | None:
    """How the axes of a block of the source run along the target's, None if they do not.

    Parameters
    ----------
    shape, origin : of the block in the source, k, j, i.
    matrix : 4x4, from source indices (i, j, k) to target indices.
    """
    linear = matrix[:3, :3]
    main = np.abs(linear).argmax(axis=0)  # target ijk axis of each source ijk axis
    if sorted(main) != [0, 1, 2]:
        return None
    size = np.array(shape[::-1], dtype=np.float64)
    scales = linear[main, np.arange(3)]
    off_axis = np.abs(linear).copy()
    off_axis[main, np.arange(3)] = 0.0
    if (off_axis @ size).max() > _ALIGNED_VOXELS:
        return None
    centre = np.array(origin[::-1]) + (size - 1.0) / 2.0
    middle = (linear @ centre + matrix[:3, 3])[main]  # small tilts below the tolerance leave the centre in place
    if np.abs(np.abs(scales) - 1.0).dot(size) < _ALIGNED_VOXELS:
        scales = np.sign(scales)
    offsets = middle - scales * (size - 1.0) / 2.0
    if (np.abs(scales) == 1.0).all() and np.abs(offsets - np.round(offsets)).max() < _ALIGNED_VOXELS:
        offsets = np.round(offsets)
    i, j, k = range(3)
    order = [k, j, i]
    return Alignment(
        tuple(int(2 - main[axis]) for axis in order),  # type: ignore[arg-type]
        tuple(float(scales[axis]) for axis in order),  # type: ignore[arg-type]
        tuple(float(offsets[axis]) for axis in order),  # type: ignore[arg-type]
    )


def aligned_fractions(
    mask: np.ndarray, aligned: Alignment, weights: np.ndarray | None = None, towards: Sequence[bool] = (True,) * 3
) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """Origin in the target, and fractions and centre flags [k, j, i] of the box from there on (axes of the target).

    ``weights`` are the parts of the mask's voxels that are inside, where they are known; else each counts wholly.
    ``towards`` says of each axis of the mask whether a centre on a face is in the voxel further along it, see
    `towards_patient`.
    """
    weights = mask if weights is None else weights
    if aligned.same_grid:
        box = aligned.to_target_axes(mask)
        return aligned.grid_origin(mask.shape), aligned.to_target_axes(weights).astype(np.float64), box
    starts, overlaps, lookups = [], [], []
    for size, scale, offset, onwards in zip(mask.shape, aligned.scale, aligned.offset, towards, strict=True):
        start, overlap = _overlaps(size, scale, offset)
        centres = (start + np.arange(overlap.shape[0]) - offset) / scale
        starts.append(start)
        overlaps.append(overlap)
        lookups.append(_nearest(centres, onwards))
    fraction = _contracted(weights, overlaps)
    fraction[fraction < ROUNDING] = 0.0
    fraction[fraction > 1.0 - ROUNDING] = 1.0
    centre = np.pad(mask, 1)[np.ix_(*[np.clip(n + 1, 0, s + 1) for n, s in zip(lookups, mask.shape, strict=True)])]
    origin = tuple(starts[aligned.target_axis.index(axis)] for axis in range(3))
    return origin, aligned.transposed(fraction), aligned.transposed(centre)


def towards_patient(ijk_to_ras: np.ndarray) -> tuple[bool, bool, bool]:
    """Whether each array axis k, j, i runs to the patient's left, back or head, whichever is nearest.

    Centres of image voxels that are on faces of a mask are taken to be further that way: so neither where the patient
    lay nor how mask and image are stored changes which voxels are inside.

    Examples
    --------
    >>> towards_patient(np.diag([-1.0, -1.0, 1.0, 1.0])), towards_patient(np.diag([1.0, -1.0, -1.0, 1.0]))
    ((True, True, True), (False, True, False))
    """
    lps = ijk_to_ras[:3, :3] * np.array([[-1.0], [-1.0], [1.0]])
    i, j, k = (bool(column[np.abs(column).argmax()] > 0) for column in lps.T)
    return k, j, i


def _nearest(centres: np.ndarray, onwards: bool) -> np.ndarray:
    """Mask voxels that hold the centres of image voxels; a place is rounded to what single precision keeps of it."""
    places = np.round(centres, _FACE_DIGITS)
    return (np.floor(places + 0.5) if onwards else np.ceil(places - 0.5)).astype(np.intp)


def _overlaps(size: int, scale: float, offset: float) -> tuple[int, np.ndarray]:
    """First target index touched, and lengths (target, mask), in target voxels, of the overlaps along one axis."""
    edges = np.sort(scale * (np.arange(size)[:, None] + np.array([-0.5, 0.5])) + offset, axis=1)
    low, high = edges[:, 0], edges[:, 1]
    start, stop = int(np.floor(low.min() + 0.5)), int(np.ceil(high.max() + 0.5))
    voxels = np.arange(start, stop)[:, None]
    return start, np.clip(np.minimum(high, voxels + 0.5) - np.maximum(low, voxels - 0.5), 0.0, None)


def _contracted(mask: np.ndarray, overlaps: list[np.ndarray]) -> np.ndarray:
    """Sum of the overlap boxes of all mask voxels, float64, few slices at a time to keep the memory small."""
    along_k, along_j, along_i = overlaps
    result = np.zeros((along_k.shape[0], along_j.shape[0], along_i.shape[0]))
    if mask.size > _LARGE:
        from scipy.sparse import csr_array  # of each voxel's overlaps nearly all are 0

        along_j, along_i = csr_array(along_j), csr_array(along_i)
    step = max(1, _CHUNK // max(1, mask.shape[1] * mask.shape[2]))
    for start in range(0, mask.shape[0], step):
        part = _in_plane(mask[start : start + step].astype(np.float64), along_j, along_i)
        rows = np.flatnonzero(along_k[:, start : start + step].any(axis=1))
        result[rows] += np.tensordot(along_k[rows, start : start + step], part, axes=1)
    return result


def _in_plane(values: np.ndarray, along_j: Any, along_i: Any) -> np.ndarray:
    """Values [k, j, i] contracted by (target, j) and (target, i), which may be sparse."""
    if isinstance(along_j, np.ndarray):
        return np.asarray(along_j @ values @ along_i.T)
    return np.stack([along_j @ (along_i @ plane.T).T for plane in values])


def image_in_mask_voxels(
    image: np.ndarray, aligned: Alignment, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What each voxel of a mask's block adds to sums over an image: the other way round of `aligned_fractions`.

    Parameters
    ----------
    image : [k, j, i], along the target's axes.
    aligned : of the block in the target.
    shape : of the block, k, j, i of the mask.

    Returns
    -------
    amount, weight : float64 of ``shape``; sums over any part of the block are the sums of image value times occupied
        fraction, and of the fractions, that the part has in the image.
    """
    seen = np.transpose(image, aligned.target_axis)
    amount, weight = seen, np.ones((1, 1, 1))
    for axis, (size, scale, offset) in enumerate(zip(shape, aligned.scale, aligned.offset, strict=True)):
        start, overlap = _overlaps(size, scale, offset)
        low, high = max(start, 0), min(start + overlap.shape[0], seen.shape[axis])
        part = overlap[low - start : max(high, low) - start]
        piece = amount[tuple(slice(low, max(high, low)) if n == axis else slice(None) for n in range(3))]
        amount = np.moveaxis(np.tensordot(part.T, piece.astype(np.float64), axes=(1, axis)), 0, axis)
        weight = weight * part.sum(axis=0).reshape([-1 if n == axis else 1 for n in range(3)])
    return amount, weight


def shared_grid(source: Grid, target: Grid) -> Alignment | None:
    """Alignment of two grids that share their voxels (shifted, cropped, flipped or transposed), else None.

    The usual case of contours drawn on the image itself, where whole voxels can be read directly.
    """
    aligned = alignment(source.shape, (0, 0, 0), target.ras_to_ijk @ source.ijk_to_ras)
    return aligned if aligned is not None and aligned.same_grid else None
