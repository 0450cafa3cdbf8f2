"""Points of a region's grid in the image's grid and back, through a matrix or any smooth function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.points import affine_points
from PRRTUptakeLib.uptake.errors import UptakeError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment

PointMap = Callable[[np.ndarray], np.ndarray]
RasTransform = np.ndarray | PointMap

_CONVERGED_MM = 1e-3
_ITERATIONS = 50


def as_matrix(transform: RasTransform | None) -> np.ndarray | None:
    """The 4x4 matrix of a transform (identity for None), or None when it is a function.

    Raises
    ------
    UptakeError
        If an array is not a finite, invertible 4x4 matrix with last row 0 0 0 1.
    """
    if transform is None:
        return np.eye(4)
    if callable(transform):
        return None
    matrix = np.asarray(transform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise UptakeError("A transform is a finite 4x4 matrix with last row 0 0 0 1, or a function of RAS points.")
    if abs(np.linalg.det(matrix)) < 1e-9:
        raise UptakeError("The transform's matrix cannot be inverted: it flattens the patient.")
    return matrix


def affine(matrix: np.ndarray) -> PointMap:
    """Function of points (..., 3) that applies a 4x4 ``matrix``."""
    return lambda points: affine_points(points, matrix)


def push_map(source: Grid, target: Grid, transform: RasTransform | None) -> PointMap:
    """Function from source indices (n, 3), ordered i, j, k, to target indices."""
    matrix = as_matrix(transform)
    if matrix is not None:
        return affine(target.ras_to_ijk @ matrix @ source.ijk_to_ras)
    return lambda points: target.to_ijk(_checked(transform, source.to_ras(points)))  # type: ignore[arg-type]


def pull_map(cropped: Segment, source: Grid, target: Grid, transform: RasTransform | None) -> PointMap:
    """Function from target indices (n, 3), ordered i, j, k, to indices of the segment's mask."""
    origin = np.array(cropped.origin[::-1], dtype=np.float64)
    matrix = as_matrix(transform)
    if matrix is not None:
        to_source = affine(source.ras_to_ijk @ np.linalg.inv(matrix) @ target.ijk_to_ras)
        return lambda points: to_source(points) - origin
    inverse = _inverted(transform, cropped, source)  # type: ignore[arg-type]
    return lambda points: source.to_ijk(inverse(target.to_ras(points))) - origin


def _checked(function: PointMap, points: np.ndarray) -> np.ndarray:
    moved = np.asarray(function(points), dtype=np.float64)
    if moved.shape != points.shape or not np.isfinite(moved).all():
        raise UptakeError("The transform does not give a finite point for each point of the region.")
    return moved


def _inverted(function: PointMap, cropped: Segment, source: Grid) -> PointMap:
    """Inverse of a smooth, invertible function near the region.

    Fixed-point iteration x <- x + A^-1 (y - f(x)), with A the affine fit of f over the region's box, so that large
    rotations converge too; without A this is Chen et al., Med Phys 2008;35:81, doi:10.1118/1.2816107.
    """
    ends = np.array(cropped.mask.shape[::-1], dtype=np.float64)
    steps = np.linspace(-0.1, 1.1, 5)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = source.to_ras(np.array(cropped.origin[::-1]) - 0.5 + lattice * ends)
    fit, *_ = np.linalg.lstsq(np.c_[points, np.ones(len(points))], _checked(function, points), rcond=None)
    if abs(np.linalg.det(fit[:3])) < 1e-6:
        raise UptakeError("The transform folds or flattens the region: check the registration.")
    back = np.linalg.inv(fit[:3])

    def inverse(wanted: np.ndarray) -> np.ndarray:
        found = (wanted - fit[3]) @ back
        for _ in range(_ITERATIONS):
            gap = wanted - _checked(function, found)
            if np.abs(gap).max(initial=0.0) < _CONVERGED_MM:
                return np.asarray(found)
            found = found + gap @ back
        raise UptakeError("The transform could not be inverted near the region (it folds): check the registration.")

    return inverse
