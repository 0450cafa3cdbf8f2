"""Analytic shapes as segments on any grid, for tests: a voxel belongs to a shape when its centre does."""

from __future__ import annotations

import numpy as np
from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.segments import Segment


def rotation(axis, degrees):
    """Rotation matrix 3x3 about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def centred_grid(extent_mm, spacing_mm, turn=None, left_handed=False, shift_mm=(0.0, 0.0, 0.0)):
    """A grid (spacing along i, j, k) around the origin that covers a cube of ``extent_mm``, turned by ``turn`` 3x3."""
    spacing = np.array(spacing_mm, float)
    sizes = np.ceil(extent_mm / spacing).astype(int)
    axes = np.eye(3) if turn is None else np.asarray(turn, float)
    if left_handed:
        axes = axes @ np.diag([1.0, 1.0, -1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing
    matrix[:3, 3] = np.array(shift_mm) - matrix[:3, :3] @ ((sizes - 1) / 2)
    return Grid(tuple(int(n) for n in sizes[::-1]), matrix)


def ras_of(grid):
    """RAS coordinates of all voxel centres, (k, j, i, 3)."""
    kji = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    return grid.to_ras(kji[..., ::-1])


def ball(grid, name, centre, radius, **labels):
    """A sphere."""
    return ellipsoid(grid, name, centre, (radius, radius, radius), **labels)


def ellipsoid(grid, name, centre, half_axes, axes=None, **labels):
    """An ellipsoid with half axes along the columns of ``axes`` (RAS if None)."""
    local = (ras_of(grid) - np.asarray(centre, float)) @ (np.eye(3) if axes is None else axes)
    return Segment.from_full(name, (np.square(local / np.asarray(half_axes)).sum(axis=-1) <= 1.0), **labels)


def box(grid, name, low, high, **labels):
    """A box in RAS; a centre on the upper face is outside."""
    points = ras_of(grid)
    return Segment.from_full(name, ((points >= low) & (points < high)).all(axis=-1), **labels)
