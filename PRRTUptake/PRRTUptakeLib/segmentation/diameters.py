"""Sizes of lesions on the true geometry: longest axial diameter and its perpendicular, longest 3D diameter, volume.

"Axial" is the family of the grid's slices that is nearest to the patient's axial plane, so that on an oblique grid
the diameter is measured in the slices that a reader sees. The diameters are those of RECIST 1.1 (E. Eisenhauer et al.,
Eur J Cancer 2009;45:228, doi:10.1016/j.ejca.2008.10.026): the longest in any slice, and the longest at right angles
to it in the same slice, both between border points (the line may leave a hollow outline).

Both come without the bias of voxels, see `widths`, and `section_widths` for a lesion that few thick slices show: on
ellipsoids within 0.3 mm on average axially and within half a voxel in 3D. A lesion too small for that (a few voxels in
its slice) is measured between border points a quarter of a voxel outside its outermost voxel centres. Between slices
nothing is interpolated axially: a sphere centred between two slices a distance s apart is cut s/2 off its centre, so a
sphere of 30 mm shows at most 29.6 mm axially with 5 mm slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from PRRTUptakeLib.segmentation.bounding_box import volume_mL
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.section_widths import width_by_sections
from PRRTUptakeLib.segmentation.storage_order import axial_axis, in_order_of_shape
from PRRTUptakeLib.segmentation.widths import Width, greatest_width, hull_points, line_ends
from PRRTUptakeLib.statistics.ties import resolved_length_mm

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment

BORDER = 0.25  # of a voxel, for lesions of a few voxels; see above
_FEW = 12  # voxels in a slice, below which no ellipse describes them
_NEAR = 1.0  # of a voxel: slices whose longest chords differ by less may all be the longest
_MOST_SLICES = 9


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


def measure_size(grid: Grid, lesion: Segment) -> LesionSize:
    """Measure one lesion.

    Raises
    ------
    SegmentationError
        If the segment is empty.
    """
    lesion = lesion.cropped()
    if not lesion.voxel_count:
        raise SegmentationError(f"The lesion '{lesion.name}' is empty, so it has no size: draw or delete it.")
    stored = in_order_of_shape(grid, lesion)
    axis = axial_axis(stored.grid)
    length, index, ends, ellipse = _longest_axial(stored.grid, stored.lesion, axis)
    across, across_ends = _across(_slice_points(stored.grid, stored.lesion, axis, index), ends, ellipse)
    slice_axis, slice_index = stored.original_slice(axis, index)
    return LesionSize(
        length,
        min(across, length),
        max(length, _longest_3d(stored.grid, stored.lesion)),
        volume_mL(grid, lesion),
        "kji"[slice_axis],
        slice_index + lesion.origin[slice_axis],
        ends,
        across_ends,
    )


@dataclass(frozen=True, eq=False)
class _Slice:
    """One slice of a lesion in the plane: hull of its voxel centres (m, 2) mm, and how the plane is in RAS."""

    corners: np.ndarray
    axes: np.ndarray  # (2, 3) unit vectors
    origin: np.ndarray  # (3,) RAS
    basis: np.ndarray  # (2, 2) steps from voxel to voxel

    def ras(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(self.origin + points @ self.axes)


def _slice(grid: Grid, lesion: Segment, axis: int, index: int) -> _Slice | None:
    """The slice, None if it has too few voxels to be described by more than border points."""
    flat = np.take(lesion.mask, index, axis=axis)
    if np.count_nonzero(flat) < _FEW:
        return None
    full = np.insert(line_ends(flat), axis, index, axis=1) + np.array(lesion.origin)
    points = grid.to_ras(full[:, ::-1])
    steps = grid.ijk_to_ras[:3, :3].T[[2 - other for other in range(3) if other != axis]]  # (2, 3)
    first = steps[1] / np.linalg.norm(steps[1])
    second = steps[0] - (steps[0] @ first) * first
    axes = np.array([first, second / np.linalg.norm(second)])
    corners = hull_points((points - points[0]) @ axes.T)
    return None if corners is None else _Slice(corners, axes, points[0], (steps @ axes.T).T)


def _longest_axial(
    grid: Grid, lesion: Segment, axis: int
) -> tuple[float, int, np.ndarray, tuple[_Slice, Width] | None]:
    """Length, slice (in the lesion's mask) and ends (2, 3) of the longest diameter in any slice, first of equals.

    With it the slice and what was fitted to it, None where it has too few voxels for that.
    """
    chords = {index: _chord(grid, lesion, axis, index) for index in range(lesion.mask.shape[axis])}
    raw = {index: float(np.linalg.norm(ends[1] - ends[0])) for index, ends in chords.items() if ends is not None}
    longest = max(raw, key=lambda index: (resolved_length_mm(raw[index]), -index))
    near = _NEAR * float(np.max(grid.spacing_mm[:2] if axis == 0 else grid.spacing_mm))
    others = sorted((index for index in raw if raw[index] > raw[longest] - near), key=lambda n: abs(n - longest))
    slices = {index: _slice(grid, lesion, axis, index) for index in sorted(others[:_MOST_SLICES])}
    widths = {index: greatest_width(one.corners, one.basis) for index, one in slices.items() if one is not None}
    if not widths:
        ends = chords[longest]
        assert ends is not None
        return raw[longest], longest, ends, None
    lengths = _levelled({index: width.length_mm for index, width in widths.items()})
    best = max(lengths, key=lambda index: (resolved_length_mm(lengths[index]), -index))
    one, direction = slices[best], widths[best].direction
    assert one is not None
    along = one.corners @ direction
    middle = (one.corners[np.argmax(along)] + one.corners[np.argmin(along)]) / 2.0
    ends = one.ras(middle + np.outer([-0.5, 0.5], direction) * lengths[best])
    return lengths[best], best, ends, (one, widths[best])


def _levelled(lengths: dict[int, float]) -> dict[int, float]:
    """Lengths of neighbouring slices by a smooth course, so that no single slice decides.

    The squared length of an ellipsoid's slices is a parabola; where none fits, each slice keeps its own length.
    """
    if len(lengths) < 4:
        return lengths
    index, squares = np.array(list(lengths)), np.array(list(lengths.values())) ** 2
    centred = index - index.mean()
    course = np.polyval(np.polyfit(centred, squares, 2), centred)
    smooth = np.sqrt(np.maximum(course, 0.0))
    if np.abs(smooth - np.sqrt(squares)).max() > 0.02 * np.sqrt(squares.max()):
        return lengths
    return dict(zip(lengths, smooth.tolist(), strict=True))


def _chord(grid: Grid, lesion: Segment, axis: int, index: int) -> np.ndarray | None:
    """Ends (2, 3) of the longest chord between border points of one slice, None if the slice is empty."""
    points = _slice_points(grid, lesion, axis, index)
    if not len(points):
        return None
    hull = points[_hull_in_plane(points)]
    apart = squareform(pdist(hull))
    first, second = np.unravel_index(np.argmax(apart), apart.shape)
    return np.asarray(hull[[first, second]])


def _across(points: np.ndarray, ends: np.ndarray, ellipse: tuple[_Slice, Width] | None) -> tuple[float, np.ndarray]:
    """Longest chord at right angles to the line between ``ends``, and its ends (2, 3).

    It is the chord of the ellipse that describes the slice, through the middle of the longest chord found between
    the slice's border points (n, 3); where no ellipse describes the slice, it is that chord itself.
    """
    found, across = _perpendicular(points, ends)
    if ellipse is None or not ellipse[1].whole:
        return found, across
    one, width = ellipse
    along = one.axes @ (ends[1] - ends[0])
    side = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    length = float(2.0 / np.sqrt(side @ np.linalg.inv(width.model) @ side))
    reach = one.axes.T @ side * length / 2.0
    middle = across.mean(axis=0)
    return length, np.array([middle - reach, middle + reach])


def _slice_points(grid: Grid, lesion: Segment, axis: int, index: int) -> np.ndarray:
    """Border points (n, 3) in RAS of the lesion in one slice."""
    flat = np.take(lesion.mask, index, axis=axis)
    found = line_ends(flat)
    full = np.insert(found, axis, index, axis=1)
    in_plane = [other for other in range(3) if other != axis]
    return _border_points(grid, full + np.array(lesion.origin), in_plane)


def _border_points(grid: Grid, kji: np.ndarray, axes: list[int]) -> np.ndarray:
    """The points a quarter of a voxel to both sides of voxel centres along ``axes``, in RAS."""
    steps = np.concatenate([np.eye(3)[axes], -np.eye(3)[axes]]) * BORDER
    return np.asarray(grid.to_ras((kji[None] + steps[:, None]).reshape(-1, 3)[:, ::-1]))


def _plane_axes(points: np.ndarray) -> np.ndarray:
    """Two unit vectors (2, 3) that span the plane in which the points lie."""
    return np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][:2]


def _hull_in_plane(points: np.ndarray) -> np.ndarray:
    """Indices of the convex hull of points in one plane, in order around it."""
    return np.asarray(ConvexHull((points - points[0]) @ _plane_axes(points).T).vertices)


def _longest_3d(grid: Grid, lesion: Segment) -> float:
    found = line_ends(lesion.mask) + np.array(lesion.origin)
    centres = grid.to_ras(found[:, ::-1])
    corners = hull_points(centres) if lesion.voxel_count >= 2 * _FEW else None
    by_sections = width_by_sections(grid, lesion)
    if by_sections is not None:
        # The lesion reaches its outermost centres, and hardly more than half a voxel beyond them at either end.
        least = float(pdist(centres if corners is None else corners).max())
        return min(max(by_sections, least), least + float(np.linalg.norm(grid.spacing_mm)))
    if corners is not None and min(lesion.mask.shape) > 2:
        frame, steps = np.linalg.qr(grid.ijk_to_ras[:3, :3])  # of the grid itself, so that its turn changes nothing
        signs = np.sign(np.diag(steps))
        return greatest_width(corners @ (frame * signs), signs[:, None] * steps).length_mm
    points = _border_points(grid, found, [0, 1, 2])
    return float(pdist(points[ConvexHull(points - points[0]).vertices]).max())


def _perpendicular(points: np.ndarray, ends: np.ndarray) -> tuple[float, np.ndarray]:
    """Longest chord of the points' convex hull at right angles to the line between ``ends``, and its ends (2, 3).

    Along the line, the chord of a polygon changes linearly between corners, so the longest is at a corner.
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
    return np.asarray(np.where((stations >= low) & (stations <= high), height, -np.inf).max(axis=0))
