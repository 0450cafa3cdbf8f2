"""A sphere in the part of healthy liver where an image varies least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from PRRTUptakeLib.imaging.dilation import SAME_MM
from PRRTUptakeLib.segmentation.bounding_box import (
    BoundingBox,
    ball_box,
    common_box,
    distance_mm,
    mask_in,
    segment_in,
)

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment


def minimum_variance_sphere_at(
    grid: Grid, healthy: Segment, image: Volume, radius_mm: float
) -> tuple[Segment | None, str]:
    """The sphere of ``radius_mm`` inside ``healthy`` with the lowest variance of ``image``, or the reason for none.

    Centres are tried at all voxels of the image in which something was measured; of equally uniform places (no noise)
    the deepest in healthy liver wins. The image may lie on another grid in the same RAS frame.
    """
    too_small = (
        f"No sphere of {radius_mm:g} mm radius fits into the healthy liver: take a smaller one, or reduce the margins."
    )
    if not healthy.voxel_count or radius_mm <= 0:
        return None, too_small
    box = common_box(grid, [healthy], margin_voxels=1)
    depth = distance_mm(grid, ~mask_in(healthy, box))
    window = _image_window(grid, box, image.grid)
    if window is None:
        return None, "The image does not cover the liver: give the image that belongs to this segmentation."
    values = image.array[window].astype(np.float64)
    values[values == 0] = np.nan  # nothing in a liver is exactly 0: the image does not reach there
    if image.outside_field is not None:
        values[image.outside_field[window]] = np.nan
    room = _depth_at(grid, box, depth, image.grid, window)
    candidates = (room > radius_mm + SAME_MM) & np.isfinite(values)
    variance, complete = _local_variance(values, _ball(image.grid, radius_mm))
    candidates &= complete
    if not candidates.any():
        return None, too_small
    spread = variance[candidates]
    uniform = candidates & (variance <= spread.min() + 1e-9 * max(float(spread.max()), 1e-30))
    best = np.unravel_index(np.argmax(np.where(uniform, room, -np.inf)), room.shape)
    centre = np.array([index + part.start for index, part in zip(best, window, strict=True)], dtype=np.float64)
    around, away = ball_box(grid, image.grid.to_ras(centre[::-1]), radius_mm)
    return segment_in("reference sphere", away <= radius_mm + SAME_MM, around), ""


def _image_window(grid: Grid, box: BoundingBox, image_grid: Grid) -> BoundingBox | None:
    """The block of the image grid that covers ``block`` of ``grid``; None if they do not meet."""
    corners = np.array(np.meshgrid(*[[part.start, part.stop - 1] for part in box])).reshape(3, -1).T
    indices = image_grid.to_ijk(grid.to_ras(corners[:, ::-1]))[:, ::-1]
    low = np.maximum(np.floor(indices.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(indices.max(axis=0)).astype(int) + 1, image_grid.shape)
    if (high <= low).any():
        return None
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return k, j, i


def _depth_at(grid: Grid, box: BoundingBox, depth: np.ndarray, image_grid: Grid, window: BoundingBox) -> np.ndarray:
    """Depth in healthy liver (mm) at the image's voxel centres, from the nearest voxel of the segment's grid."""
    axes = [np.arange(part.start, part.stop) for part in window]
    kji = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    there = np.rint(np.round(grid.to_ijk(image_grid.to_ras(kji[..., ::-1])), 3))[..., ::-1].astype(int)
    there -= [part.start for part in box]
    within = ((there >= 0) & (there < depth.shape)).all(axis=-1)
    result = np.zeros(within.shape)
    result[within] = depth[tuple(there[within].T)]
    return result


def _ball(grid: Grid, radius_mm: float) -> np.ndarray:
    """Voxels whose centres lie within the radius of the middle voxel's centre, float64 [k, j, i]."""
    rows = np.linalg.norm(np.linalg.inv(grid.ijk_to_ras[:3, :3]), axis=1)  # indices per mm at right angles to planes
    reach = np.floor((radius_mm + SAME_MM) * rows).astype(int)
    i, j, k = (np.arange(-n, n + 1) for n in reach)
    offsets = np.stack(np.meshgrid(k, j, i, indexing="ij"), axis=-1)[..., ::-1] @ grid.ijk_to_ras[:3, :3].T
    return np.asarray((np.square(offsets).sum(axis=-1) <= (radius_mm + SAME_MM) ** 2).astype(np.float64))


def _local_variance(values: np.ndarray, ball: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the values in the ball around each voxel, and where the whole ball is in the array."""
    finite = np.isfinite(values)
    middle = float(values[finite].mean()) if finite.any() else 0.0
    centred = np.where(finite, values - middle, 0.0)  # keeps the difference of squares exact
    size = ball.sum()
    shape = [fft.next_fast_len(n + m - 1, real=True) for n, m in zip(values.shape, ball.shape, strict=True)]
    transform = fft.rfftn(ball, shape)
    middle_part = tuple(slice(m // 2, m // 2 + n) for n, m in zip(values.shape, ball.shape, strict=True))

    def summed(array: np.ndarray) -> np.ndarray:
        """Sums over the ball around each voxel; what is outside the array counts as 0."""
        return np.asarray(fft.irfftn(fft.rfftn(array, shape) * transform, shape)[middle_part])

    mean = summed(centred) / size
    square = summed(centred**2) / size
    complete = summed(finite.astype(np.float64)) > size - 0.5
    return np.maximum(square - mean**2, 0.0), complete
