"""Slices through images as pictures: where a pixel is in the patient, grey and colour values, outlines, the plane.

Views are those of radiology: the patient's right is on the left of the screen. All positions are RAS in mm; pixels are
counted in columns and rows from the top left corner, their centres at half numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.segmentation.lobes import Plane

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment

Place = tuple[float, float]
"""On the screen, 0 to 1 from the left and from the top."""
# Direction of columns and of rows, in RAS.
AXES = {
    "axial": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "coronal": ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0)),
}
HANDLE_SHARE = 0.3  # of the field of view between the middle handle of a plane and those at its ends
# Colours at equal steps from lowest to highest value, 0-255.
COLOUR_MAPS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "hot": ((0, 0, 0), (128, 0, 0), (255, 64, 0), (255, 160, 0), (255, 240, 64), (255, 255, 255)),
    "rainbow": ((0, 0, 96), (0, 64, 255), (0, 220, 220), (0, 220, 0), (255, 230, 0), (255, 0, 0)),
    "grey": ((0, 0, 0), (255, 255, 255)),
    "inverse grey": ((255, 255, 255), (0, 0, 0)),
}


@dataclass(frozen=True, eq=False)
class Frame:
    """One square slice: ``centre`` (3,) RAS mm is its middle, ``fov_mm`` its width, ``pixels`` how many along it."""

    view: str
    centre: np.ndarray
    fov_mm: float
    pixels: int = 320

    @property
    def columns(self) -> np.ndarray:
        """Direction in which columns increase, RAS."""
        return np.array(AXES[self.view][0])

    @property
    def rows(self) -> np.ndarray:
        """Direction in which rows increase, RAS."""
        return np.array(AXES[self.view][1])

    @property
    def normal(self) -> np.ndarray:
        """Direction through the screen, RAS."""
        return np.cross(self.columns, self.rows)

    def to_ras(self, u: np.ndarray | float, v: np.ndarray | float) -> np.ndarray:
        """Positions (..., 3) of places on the screen, 0 to 1 from its left and its top.

        Examples
        --------
        >>> frame = Frame("axial", np.array([10.0, 20.0, 30.0]), 100.0)
        >>> frame.to_ras(0.5, 0.5).tolist(), frame.to_ras(0.0, 0.0).tolist()
        ([10.0, 20.0, 30.0], [60.0, 70.0, 30.0])
        """
        across = (np.asarray(u, dtype=np.float64) - 0.5)[..., None] * self.fov_mm
        down = (np.asarray(v, dtype=np.float64) - 0.5)[..., None] * self.fov_mm
        return np.asarray(self.centre + across * self.columns + down * self.rows)

    def to_screen(self, ras: np.ndarray) -> tuple[float, float]:
        """Place on the screen, 0 to 1, of a position seen along the normal."""
        step = (np.asarray(ras, dtype=np.float64) - self.centre) / self.fov_mm
        return float(step @ self.columns) + 0.5, float(step @ self.rows) + 0.5

    def through(self, ras: np.ndarray) -> Frame:
        """The same field of view in the slice through a position."""
        step = float((np.asarray(ras, dtype=np.float64) - self.centre) @ self.normal)
        return replace(self, centre=self.centre + step * self.normal)

    def centres(self) -> np.ndarray:
        """Positions of all pixel centres, (rows, columns, 3)."""
        steps = (np.arange(self.pixels) + 0.5) / self.pixels
        v, u = np.meshgrid(steps, steps, indexing="ij")
        return self.to_ras(u, v)


def sampled(volume: Volume, frame: Frame, to_volume: np.ndarray | None = None, order: int = 1) -> np.ndarray:
    """The image on a frame, float32 (rows, columns); nan outside the image.

    Parameters
    ----------
    to_volume : 4x4, from the frame's positions to those of the volume; None for one space.
    order : 1 interpolates between voxels, 0 shows them as they are.
    """
    indices = _indices(volume.grid, frame, to_volume)
    return np.asarray(
        ndimage.map_coordinates(volume.array, indices, np.float32, order=order, cval=np.nan, prefilter=False)
    )


def _indices(grid: Grid, frame: Frame, to_grid: np.ndarray | None) -> np.ndarray:
    """Indices k, j, i of all pixels, (3, rows, columns)."""
    matrix = grid.ras_to_ijk if to_grid is None else grid.ras_to_ijk @ to_grid
    points = frame.centres() @ matrix[:3, :3].T + matrix[:3, 3]
    return np.moveaxis(points[..., ::-1], -1, 0)


def value_at(volume: Volume, ras: np.ndarray) -> float | None:
    """Value of the voxel at a position (3,); None outside the image."""
    k, j, i = np.rint(volume.grid.to_ijk(np.asarray(ras, dtype=np.float64)[None])[0][::-1]).astype(int)
    inside = all(0 <= n < size for n, size in zip((k, j, i), volume.array.shape, strict=True))
    return float(volume.array[k, j, i]) if inside else None


def mask_on(segment: Segment, grid: Grid, frame: Frame, to_grid: np.ndarray | None = None) -> np.ndarray:
    """Whether each pixel's centre is in a segment, bool (rows, columns)."""
    indices = np.rint(_indices(grid, frame, to_grid)).astype(np.intp)
    indices -= np.array(segment.origin)[:, None, None]
    sizes = np.array(segment.mask.shape)[:, None, None]
    inside = ((indices >= 0) & (indices < sizes)).all(axis=0)
    found = np.zeros(inside.shape, dtype=bool)
    found[inside] = segment.mask[tuple(indices[:, inside])]
    return found


def outline(mask: np.ndarray) -> str:
    """The border of a mask [row, column] as the path of an SVG along the edges of pixels; "" for an empty mask.

    Examples
    --------
    >>> outline(np.array([[False, False], [False, True]]))
    'M1 1H2M1 2H2M1 1V2M2 1V2'
    """
    if not mask.any():
        return ""
    padded = np.pad(mask, 1)
    across = _runs(padded[1:, 1:-1] != padded[:-1, 1:-1])
    down = _runs((padded[1:-1, 1:] != padded[1:-1, :-1]).T)
    parts = [f"M{start} {line}H{stop}" for line, start, stop in across]
    parts += [f"M{line} {start}V{stop}" for line, start, stop in down]
    return "".join(parts)


def _runs(edges: np.ndarray) -> list[tuple[int, int, int]]:
    """Line, first and last-plus-one of every run of true values along the second axis."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(steps == 1)
    stops = np.nonzero(steps == -1)[1]
    return list(zip(lines.tolist(), starts.tolist(), stops.tolist(), strict=True))


def window_grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values as grey, uint8 of the same shape: black up to ``low`` and outside, white from ``high`` on."""
    scaled = (values - low) * (255.0 / max(high - low, 1e-9))
    return np.nan_to_num(np.clip(scaled, 0.0, 255.0), nan=0.0).astype(np.uint8)


def coloured(values: np.ndarray, low: float, high: float, name: str) -> np.ndarray:
    """Values as colours of a map of COLOUR_MAPS, uint8 (..., 3)."""
    return np.asarray(colour_table(name)[window_grey(values, low, high)])


def colour_table(name: str) -> np.ndarray:
    """256 colours of a map, uint8 (256, 3).

    Examples
    --------
    >>> colour_table("grey")[[0, 128, 255]].tolist()
    [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    """
    nodes = np.array(COLOUR_MAPS[name], dtype=np.float64)
    places = np.linspace(0.0, 255.0, len(nodes))
    found = [np.interp(np.arange(256), places, nodes[:, channel]) for channel in range(3)]
    return np.rint(np.stack(found, axis=-1)).astype(np.uint8)


def fused(
    grey: np.ndarray | None, colour: np.ndarray | None, strength: np.ndarray | None, opacity: float
) -> np.ndarray:
    """Grey below and colour above, uint8 (rows, columns, 3).

    Parameters
    ----------
    grey : uint8 (rows, columns), None for black.
    colour : uint8 (rows, columns, 3), None for grey alone.
    strength : 0 to 1 of each pixel's colour beside ``opacity``; None for 1 everywhere.
    opacity : 0 to 1 of the colour.
    """
    if colour is None:
        assert grey is not None
        return np.repeat(grey[..., None], 3, axis=-1)
    base = np.zeros(colour.shape) if grey is None else np.repeat(grey[..., None], 3, axis=-1).astype(np.float64)
    share = opacity * (np.ones(colour.shape[:2]) if strength is None else strength)[..., None]
    return np.rint(base * (1.0 - share) + colour * share).astype(np.uint8)


# The plane between the lobes


@dataclass(frozen=True, eq=False)
class PlaneLine:
    """A plane in a frame, on the screen from 0 to 1: the ends of its line, its handles, and the side of the right lobe.

    ``right_side`` is the polygon of the frame's half on the patient's right of the plane.
    """

    first: tuple[float, float]
    last: tuple[float, float]
    middle: tuple[float, float]
    turn_first: tuple[float, float]
    turn_last: tuple[float, float]
    right_side: tuple[tuple[float, float], ...]


def plane_line(plane: Plane, frame: Frame) -> PlaneLine | None:
    """Where a plane cuts a frame; None if it does not, or is the frame's own plane."""
    across, down = float(plane.normal_ras @ frame.columns), float(plane.normal_ras @ frame.rows)
    length = math.hypot(across, down)
    if length < 1e-6:
        return None
    offset = float(plane.normal_ras @ (frame.centre - plane.origin_ras)) / frame.fov_mm

    def side(point: tuple[float, float]) -> float:
        return across * (point[0] - 0.5) + down * (point[1] - 0.5) + offset

    near = frame.to_screen(plane.origin_ras)
    step = side(near) / length**2
    middle = (near[0] - step * across, near[1] - step * down)
    direction = (-down / length, across / length)
    ends = _clipped_line(middle, direction)
    if ends is None:
        return None
    middle = _nearest_between(middle, *ends)
    turns = [
        (middle[0] + sign * HANDLE_SHARE * direction[0], middle[1] + sign * HANDLE_SHARE * direction[1])
        for sign in (-1.0, 1.0)
    ]
    to_the_right = math.copysign(1.0, float(plane.normal_ras[0]))
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    right = [corner for corner in corners if to_the_right * side(corner) >= 0]
    return PlaneLine(*ends, middle, turns[0], turns[1], _around([*right, *ends]))


def _clipped_line(point: Place, direction: Place) -> tuple[Place, Place] | None:
    """The ends of a line within the unit square."""
    low, high = -math.inf, math.inf
    for start, step in zip(point, direction, strict=True):
        if abs(step) < 1e-12:
            if not 0 <= start <= 1:
                return None
            continue
        one, other = sorted(((0 - start) / step, (1 - start) / step))
        low, high = max(low, one), min(high, other)
    if low >= high:
        return None
    first, last = ((point[0] + at * direction[0], point[1] + at * direction[1]) for at in (low, high))
    return first, last


def _nearest_between(
    point: tuple[float, float], first: tuple[float, float], last: tuple[float, float]
) -> tuple[float, float]:
    """The place of a line between its ends that is nearest to one on it, and not within a tenth of the ends."""
    length = math.dist(first, last)
    at = ((point[0] - first[0]) * (last[0] - first[0]) + (point[1] - first[1]) * (last[1] - first[1])) / length**2
    at = min(max(at, 0.1), 0.9)
    return first[0] + at * (last[0] - first[0]), first[1] + at * (last[1] - first[1])


def _around(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Corners of a convex polygon in the order of their angle."""
    x, y = (sum(one[n] for one in points) / len(points) for n in (0, 1))
    return tuple(sorted(points, key=lambda one: math.atan2(one[1] - y, one[0] - x)))


def moved_plane(plane: Plane, frame: Frame, place: tuple[float, float]) -> Plane:
    """The plane moved along its normal until it passes through a place of the frame; its point moves with it."""
    target = frame.to_ras(*place)
    step = float((target - plane.origin_ras) @ plane.normal_ras)
    return Plane(plane.origin_ras + step * plane.normal_ras, plane.normal_ras)


def turned_plane(plane: Plane, frame: Frame, place: tuple[float, float]) -> Plane:
    """The plane turned about its middle handle, within the frame, so that it passes through a place.

    The sense of the normal stays as near to what it was as it can.
    """
    line = plane_line(plane, frame)
    if line is None or math.dist(place, line.middle) < 1e-3:
        return plane
    before = math.atan2(line.turn_last[1] - line.middle[1], line.turn_last[0] - line.middle[0])
    angle = math.atan2(place[1] - line.middle[1], place[0] - line.middle[0]) - before
    angle -= math.pi * round(angle / math.pi)  # the line has no sense
    axis = frame.normal  # columns turn towards rows about it
    cosine, sine = math.cos(angle), math.sin(angle)
    old = plane.normal_ras
    normal = old * cosine + np.cross(axis, old) * sine + axis * float(axis @ old) * (1.0 - cosine)
    return Plane(frame.to_ras(*line.middle), normal)
