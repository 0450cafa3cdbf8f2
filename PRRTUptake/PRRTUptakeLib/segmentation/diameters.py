"""Sizes of lesions on the true geometry: longest axial diameter and its perpendicular, longest 3D diameter, volume.

"Axial" is the family of the grid's slices that lies nearest to the patient's axial plane, so that on an oblique grid
the diameter is measured in the slices that a reader sees. The diameters are those of RECIST 1.1 (E. Eisenhauer et al.,
Eur J Cancer 2009;45:228, doi:10.1016/j.ejca.2008.10.026): the longest in any slice, and the longest at right angles
to it in the same slice, both between border points (the line may leave a hollow outline).

Border points lie a quarter of a voxel outside the outermost voxel centres, along the voxel axes. Between centres a
diameter comes out short (by 0.2 of a voxel for discs, 0.8 for slender ellipses); between voxel faces it comes out long
(by 0.8 and 0.1), since the longest of many chords picks the luckiest. A quarter lies between: within half a voxel for
both on average. Between slices nothing is interpolated: a sphere centred between two slices a distance s apart is cut
s/2 beside its centre, so a sphere of 30 mm shows at most 29.8 mm axially with 5 mm slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.bounding_box import volume_mL

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment

BORDER = 0.25  # of a voxel; see above


class DiameterError(PRRTError):
    """A lesion has no size."""


@dataclass(frozen=True, eq=False)
class LesionSize:
    """Size of one lesion, in mm and mL.

    Attributes
    ----------
    longest_axial_mm, perpendicular_mm : in the slice ``slice_index`` along ``slice_axis`` ("i", "j" or "k").
    longest_3d_mm : between any two border points.
    volume_mL : voxels times voxel volume.
    axial_ends_ras, perpendicular_ends_ras : (2, 3) end points in RAS mm, for drawing.
    """

    longest_axial_mm: float
    perpendicular_mm: float
    longest_3d_mm: float
    volume_mL: float
    slice_axis: str
    slice_index: int
    axial_ends_ras: np.ndarray
    perpendicular_ends_ras: np.ndarray


def axial_axis(grid: Grid) -> int:
    """Array axis (0 k, 1 j, 2 i) across whose planes the axial slices lie: plane normal nearest to foot-head.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> coronal = np.array([[1, 0, 0, 0], [0, 0, -3, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    >>> axial_axis(Grid((4, 5, 6), np.eye(4))), axial_axis(Grid((4, 5, 6), coronal))
    (0, 1)
    """
    normals = np.linalg.inv(grid.ijk_to_ras[:3, :3])  # rows are at right angles to the planes of constant i, j, k
    upright = np.abs(normals[:, 2]) / np.linalg.norm(normals, axis=1)
    return 2 - int(np.argmax(upright))


def measure_size(grid: Grid, lesion: Segment) -> LesionSize:
    """Measure one lesion.

    Raises
    ------
    DiameterError
        If the segment is empty.
    """
    lesion = lesion.cropped()
    if not lesion.voxel_count:
        raise DiameterError(f"The lesion '{lesion.name}' is empty, so it has no size: draw or delete it.")
    axis = axial_axis(grid)
    length, index, ends = _longest_axial(grid, lesion, axis)
    across, across_ends = _perpendicular(_slice_points(grid, lesion, axis, index), ends)
    return LesionSize(
        length,
        across,
        max(length, _longest_3d(grid, lesion)),
        volume_mL(grid, lesion),
        "kji"[axis],
        index + lesion.origin[axis],
        ends,
        across_ends,
    )


def _longest_axial(grid: Grid, lesion: Segment, axis: int) -> tuple[float, int, np.ndarray]:
    """Length, slice (in the lesion's mask) and ends (2, 3) of the longest chord in any slice; the first of equals."""
    best, where, ends = -1.0, 0, np.zeros((2, 3))
    for index in range(lesion.mask.shape[axis]):
        points = _slice_points(grid, lesion, axis, index)
        if not len(points) or np.linalg.norm(np.ptp(points, axis=0)) <= best:
            continue
        hull = points[_hull_in_plane(points)]
        apart = squareform(pdist(hull))
        first, second = np.unravel_index(np.argmax(apart), apart.shape)
        if apart[first, second] > best + 1e-9:
            best, where, ends = float(apart[first, second]), index, hull[[first, second]]
    return best, where, ends


def _slice_points(grid: Grid, lesion: Segment, axis: int, index: int) -> np.ndarray:
    """Border points (n, 3) in RAS of the lesion in one slice."""
    flat = np.take(lesion.mask, index, axis=axis)
    found = _extremes(flat)
    full = np.insert(found, axis, index, axis=1)
    in_plane = [other for other in range(3) if other != axis]
    return _border_points(grid, full + np.array(lesion.origin), in_plane)


def _extremes(mask: np.ndarray) -> np.ndarray:
    """Indices (n, ndim) of the first and last voxel of every line along the last axis: they hold the convex hull."""
    lines = np.argwhere(mask.any(axis=-1))
    rows = mask[tuple(lines.T)]
    first = np.argmax(rows, axis=1)
    last = rows.shape[1] - 1 - np.argmax(rows[:, ::-1], axis=1)
    return np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])


def _border_points(grid: Grid, kji: np.ndarray, axes: list[int]) -> np.ndarray:
    """The points a quarter of a voxel to both sides of voxel centres along ``axes``, in RAS."""
    steps = np.concatenate([np.eye(3)[axes], -np.eye(3)[axes]]) * BORDER
    return grid.to_ras((kji[None] + steps[:, None]).reshape(-1, 3)[:, ::-1])


def _plane_axes(points: np.ndarray) -> np.ndarray:
    """Two unit vectors (2, 3) that span the plane in which the points lie."""
    return np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][:2]


def _hull_in_plane(points: np.ndarray) -> np.ndarray:
    """Indices of the convex hull of points in one plane, in order around it."""
    return ConvexHull((points - points[0]) @ _plane_axes(points).T).vertices


def _longest_3d(grid: Grid, lesion: Segment) -> float:
    points = _border_points(grid, _extremes(lesion.mask) + np.array(lesion.origin), [0, 1, 2])
    return float(pdist(points[ConvexHull(points - points[0]).vertices]).max())


def _perpendicular(points: np.ndarray, ends: np.ndarray) -> tuple[float, np.ndarray]:
    """Longest chord of the points' convex hull at right angles to the line between ``ends``, and its ends (2, 3).

    Along the line, the chord of a polygon changes linearly between corners, so the longest stands at a corner.
    """
    hull = points[_hull_in_plane(points)]
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    axes = _plane_axes(points)
    across = axes[0] - (axes[0] @ along) * along
    other = axes[1] - (axes[1] @ along) * along
    across = max(across, other, key=lambda vector: float(np.linalg.norm(vector)))
    across = across / np.linalg.norm(across)
    u, v = (hull - ends[0]) @ along, (hull - ends[0]) @ across
    stations = np.unique(u)
    top, bottom = _chain(u, v, stations), -_chain(u, -v, stations)
    best = int(np.argmax(top - bottom))
    base = ends[0] + stations[best] * along
    return float(top[best] - bottom[best]), np.array([base + bottom[best] * across, base + top[best] * across])


def _chain(u: np.ndarray, v: np.ndarray, stations: np.ndarray) -> np.ndarray:
    """Upper border of a convex polygon (corners u, v in order) at the stations."""
    following_u, following_v = np.roll(u, -1), np.roll(v, -1)
    low, high = np.minimum(u, following_u)[:, None], np.maximum(u, following_u)[:, None]
    width = np.where(following_u == u, 1.0, following_u - u)[:, None]
    height = v[:, None] + (stations - u[:, None]) / width * (following_v - v)[:, None]
    upright = (following_u == u)[:, None]
    height = np.where(upright, np.maximum(v, following_v)[:, None], height)
    return np.where((stations >= low) & (stations <= high), height, -np.inf).max(axis=0)
