"""Analytic shapes from which the synthetic patient is made.

A shape answers one question: which of these points lie inside? Coordinates are RAS millimetres and come as three arrays
that broadcast against each other, so that an axis-aligned lattice costs three vectors and not three volumes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np

Point = tuple[float, float, float]
Bounds = tuple[np.ndarray, np.ndarray]


class Shape(Protocol):
    """What every shape can do."""

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Bool array of the broadcast shape of ``x``, ``y``, ``z`` (RAS, mm): True inside."""
        ...

    def bounds(self) -> Bounds:
        """Lower and upper corner (3,) of a box that holds the shape, in mm; infinite where it does not end."""
        ...


def inside(shape: Shape, points: np.ndarray) -> np.ndarray:
    """Which of ``points`` (..., 3), RAS mm, lie inside ``shape``; bool (...).

    Examples
    --------
    >>> inside(sphere((0, 0, 0), 20.0), np.array([[9.9, 0, 0], [0, 10.1, 0]])).tolist()
    [True, False]
    """
    points = np.asarray(points, dtype=np.float64)
    return shape.contains(points[..., 0], points[..., 1], points[..., 2])


@dataclass(frozen=True)
class Ellipsoid:
    """Axes along x, y, z."""

    centre: Point
    semi_axes: Point

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        (a, b, c), (x0, y0, z0) = self.semi_axes, self.centre
        return ((x - x0) / a) ** 2 + ((y - y0) / b) ** 2 + ((z - z0) / c) ** 2 <= 1.0

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        return np.subtract(self.centre, self.semi_axes), np.add(self.centre, self.semi_axes)

    @property
    def volume_mL(self) -> float:
        """4/3 pi abc."""
        return 4.0 / 3.0 * math.pi * math.prod(self.semi_axes) / 1000.0


def sphere(centre: Point, diameter_mm: float) -> Ellipsoid:
    """A sphere of the given diameter."""
    radius = diameter_mm / 2.0
    return Ellipsoid(centre, (radius, radius, radius))


@dataclass(frozen=True)
class Column:
    """An elliptic cylinder along z: ``centre`` (x, y), ``semi_axes`` (a, b), from ``z_low`` to ``z_high``."""

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    z_low: float
    z_high: float

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        (a, b), (x0, y0) = self.semi_axes, self.centre
        return (((x - x0) / a) ** 2 + ((y - y0) / b) ** 2 <= 1.0) & ((z >= self.z_low) & (z <= self.z_high))

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        (a, b), (x0, y0) = self.semi_axes, self.centre
        return np.array([x0 - a, y0 - b, self.z_low]), np.array([x0 + a, y0 + b, self.z_high])


@dataclass(frozen=True)
class Tube:
    """All points within ``radius_mm`` of the line from ``start`` to ``end``: a vessel with round ends."""

    start: Point
    end: Point
    radius_mm: float

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        along = np.subtract(self.end, self.start)
        dx, dy, dz = x - self.start[0], y - self.start[1], z - self.start[2]
        t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / float(along @ along), 0.0, 1.0)
        square = (dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2 + (dz - t * along[2]) ** 2
        return np.asarray(square <= self.radius_mm**2)

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        return np.minimum(self.start, self.end) - self.radius_mm, np.maximum(self.start, self.end) + self.radius_mm


@dataclass(frozen=True)
class HalfSpace:
    """The side of a plane to which ``normal`` points, the plane itself included."""

    origin: Point
    normal: Point

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        (x0, y0, z0), (a, b, c) = self.origin, self.normal
        return a * (x - x0) + b * (y - y0) + c * (z - z0) >= 0.0

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        return np.full(3, -np.inf), np.full(3, np.inf)


@dataclass(frozen=True)
class Union:
    """Inside any of the parts."""

    parts: tuple[Shape, ...]

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        return reduce(np.logical_or, (part.contains(x, y, z) for part in self.parts))

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        low, high = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.min(low, axis=0), np.max(high, axis=0)


@dataclass(frozen=True)
class Intersection:
    """Inside every part."""

    parts: tuple[Shape, ...]

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        return reduce(np.logical_and, (part.contains(x, y, z) for part in self.parts))

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        low, high = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.max(low, axis=0), np.min(high, axis=0)


@dataclass(frozen=True)
class Difference:
    """Inside ``whole`` and outside ``hole``."""

    whole: Shape
    hole: Shape

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        return np.asarray(self.whole.contains(x, y, z) & ~self.hole.contains(x, y, z))

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        return self.whole.bounds()


@dataclass(frozen=True)
class Shifted:
    """``shape`` moved by ``shift_mm``, for instance by breathing."""

    shape: Shape
    shift_mm: Point

    def contains(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See ``Shape``."""
        dx, dy, dz = self.shift_mm
        return self.shape.contains(x - dx, y - dy, z - dz)

    def bounds(self) -> Bounds:
        """See ``Shape``."""
        low, high = self.shape.bounds()
        return low + self.shift_mm, high + self.shift_mm
