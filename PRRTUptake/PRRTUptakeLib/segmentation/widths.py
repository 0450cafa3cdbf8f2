"""The greatest width of a shape of which only the voxels are known, without the bias of voxels.

The longest chord between voxel centres is too short, since no centre is at the very end, and too long, since the
longest of many chords is the one with the largest error. Both are avoided here. The squared width of an ellipsoid in
the direction u is exactly the quadratic form u'Qu, and that of a corner-to-corner diagonal is one near its direction;
so a form is fitted to the widths in many directions (in all, or in a cone about the longest where one form does not
fit; the best of these where none does), and no single direction decides. A width beyond what the voxels allow is none.
By how much centres fall short is found by putting that very ellipsoid on the voxel grid at evenly spread positions, so
that thick slices and sheared axes are allowed for.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.spatial import ConvexHull, QhullError

_POSITIONS = {2: 5, 3: 2}  # of the model on the grid, times their mirror images
_PIECE = 200  # points
_MANY = 20_000  # voxels about a model, from which one position and its mirror images say enough
_ROUNDS = {False: 2, True: 3}  # of form and shortfall; with thick slices the first form is further off
_CONES_deg = (90.0, 45.0, 30.0)  # with thick slices the narrowest holds too few of them
_FITS = 0.35  # of a voxel: greatest residual of a form that describes the shape
_SHARPEST = 0.3  # of a voxel: least radius of curvature, since a corner of a shape is not a needle


@dataclass(frozen=True, eq=False)
class Width:
    """Greatest width in mm, its unit direction (d,), and the model: squared half axes as a matrix (d, d) in mm2.

    ``whole`` says that the model describes the shape in all directions, not only about the longest.
    """

    length_mm: float
    direction: np.ndarray
    model: np.ndarray
    whole: bool


def hull_points(points: np.ndarray) -> np.ndarray | None:
    """Corners (m, d) of the convex hull of points; None if they do not fill their space."""
    if len(points) <= points.shape[1]:
        return None
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        return None


def greatest_width(corners: np.ndarray, basis: np.ndarray) -> Width:
    """Greatest width of a shape from its voxel centres.

    Parameters
    ----------
    corners : (m, d) in mm, the hull's corners of the voxel centres in the plane (d of 2) or in space (d of 3).
    basis : (d, d), columns are the steps in mm from voxel to voxel.

    Examples
    --------
    >>> grid = np.stack(np.meshgrid(np.arange(40), np.arange(40)), axis=-1).reshape(-1, 2) - 19.7
    >>> disc = grid[np.linalg.norm(grid, axis=1) <= 15]
    >>> abs(greatest_width(hull_points(disc), np.eye(2)).length_mm - 30) < 0.3
    True
    """
    voxel = abs(np.linalg.det(basis)) ** (1 / len(basis))
    directions = _directions(len(basis))
    raw = np.ptp(corners @ directions.T, axis=0)
    # The shape reaches the outermost centres, and seldom more than half a voxel beyond them at either end.
    least, most = float(raw.max()), float((raw + np.abs(directions @ basis).sum(axis=1)).max())
    found: list[tuple[float, Width]] = []
    for cone in _CONES_deg[:2] if _is_thick(basis) else _CONES_deg:
        one, misfit = _fitted(raw, directions, basis, cone)
        if not least <= one.length_mm <= most:
            one, misfit = replace(one, length_mm=min(max(one.length_mm, least), most)), math.inf
        found.append((misfit, one))
        if misfit <= _FITS * voxel:
            break
    return min(found, key=lambda pair: pair[0])[1] if found[-1][0] > _FITS * voxel else found[-1][1]


def _fitted(raw: np.ndarray, directions: np.ndarray, basis: np.ndarray, cone_deg: float) -> tuple[Width, float]:
    """The width by a form over the directions within ``cone_deg`` of the longest, and its root mean square residual."""
    centre = directions[np.argmax(raw)]
    inside = np.abs(directions @ centre) >= math.cos(math.radians(cone_deg)) - 1e-12
    near, widths = directions[inside], raw[inside]
    terms = _terms(near)
    short = np.zeros(len(near))
    for _ in range(_ROUNDS[_is_thick(basis)]):
        form = np.linalg.lstsq(terms, (widths + short) ** 2, rcond=None)[0]
        model = _ellipsoid(_matrix(form, len(basis)), basis)
        short = _shortfall(model, basis, near)
    expected = np.sqrt(np.maximum(terms @ form, 0.0))
    misfit = float(np.sqrt(np.mean((expected - widths - short) ** 2)))
    matrix = _matrix(form, len(basis))
    values, vectors = np.linalg.eigh(matrix)
    best, length = vectors[:, -1], math.sqrt(max(values[-1], 0.0))
    if cone_deg < 90 and abs(best @ centre) < math.cos(math.radians(cone_deg)):
        best, length = near[np.argmax(expected)], float(expected.max())
    return Width(length, best, _ellipsoid(matrix, basis), cone_deg == _CONES_deg[0]), misfit


def _is_thick(basis: np.ndarray) -> bool:
    spacing = np.linalg.norm(basis, axis=0)
    return bool(spacing.max() > 3.0 * spacing.min())


@cache
def _directions(dimensions: int) -> np.ndarray:
    """Unit vectors (n, d) spread evenly over half of the circle or sphere."""
    if dimensions == 2:
        angle = np.radians(np.arange(0.0, 180.0, 2.0))
        return np.column_stack([np.cos(angle), np.sin(angle)])
    n = np.arange(300) + 0.5
    height, turn = 1.0 - n / 300, n * math.pi * (3.0 - math.sqrt(5.0))
    return np.column_stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height])


def _pairs(dimensions: int) -> list[tuple[int, int]]:
    return list(itertools.combinations_with_replacement(range(dimensions), 2))


def _terms(directions: np.ndarray) -> np.ndarray:
    pairs = _pairs(directions.shape[1])
    return np.column_stack([(1 if i == j else 2) * directions[:, i] * directions[:, j] for i, j in pairs])


def _matrix(form: np.ndarray, dimensions: int) -> np.ndarray:
    matrix = np.empty((dimensions, dimensions))
    for (i, j), value in zip(_pairs(dimensions), form, strict=True):
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _ellipsoid(form: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Squared half axes as a matrix: a quarter of the form, no sharper at its ends than a corner of voxels."""
    values, vectors = np.linalg.eigh(form / 4.0)
    voxel = abs(np.linalg.det(basis)) ** (1 / len(basis))
    longest = math.sqrt(max(values[-1], voxel**2))
    kept = np.maximum(values, _SHARPEST * voxel * longest)
    return np.asarray((vectors * kept) @ vectors.T)


def _shortfall(model: np.ndarray, basis: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """By how much voxel centres fall short of an ellipsoid's width in each direction, (n,) mm, on average."""
    full = 2.0 * np.sqrt(np.einsum("ni,ij,nj->n", directions, model, directions))
    return np.asarray(full - _digitised_widths(model, basis, directions).mean(axis=0))


def _digitised_widths(model: np.ndarray, basis: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Widths (positions, n) in mm between the voxel centres of an ellipsoid at evenly spread positions on the grid."""
    dimensions = len(basis)
    inverse = np.linalg.inv(basis)
    reach = np.ceil(np.sqrt(np.diag(inverse @ model @ inverse.T))).astype(int) + 1
    steps = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)
    steps = steps.reshape(-1, dimensions).astype(np.float64)
    metric = basis.T @ np.linalg.inv(model) @ basis
    # An even spread of positions (multiples of the generalised golden ratio), with their mirror images: the result does
    # not depend on the handedness of the grid. Points mirrored at the centre are the same ellipsoid.
    ratio = {2: 1.32471795724474602596, 3: 1.22074408460575947536}[dimensions]
    positions = _POSITIONS[dimensions] if len(steps) < _MANY else 1
    # Size of each centre about each position: that of the centre, less a linear term, plus that of the position.
    own, slope = ((steps @ metric) * steps).sum(axis=1), steps @ (2.0 * metric)
    places = steps @ (basis.T @ directions.T) if dimensions == 2 else steps @ basis.T
    found = np.zeros((positions * 2 ** (dimensions - 1), len(directions)))
    for row, (n, signs) in enumerate(
        itertools.product(range(positions), itertools.product((1.0, -1.0), repeat=dimensions - 1))
    ):
        shift = ((0.5 + (n + 1) / ratio ** np.arange(1, dimensions + 1)) % 1.0 - 0.5) * np.array([1.0, *signs])
        inside = own - slope @ shift + shift @ metric @ shift <= 1.0
        # No other centre of a line is at a greatest width; that does not depend on where the shape is.
        ends = np.ravel_multi_index(tuple(line_ends(inside.reshape(2 * reach + 1)).T), tuple(2 * reach + 1))
        if len(ends):
            found[row] = np.ptp(places[ends] if dimensions == 2 else _along(places[ends], directions), axis=0)
    return found


def _along(points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Points (m, 3) along each direction, (m, n) mm; in pieces, since larger products wake idle BLAS threads."""
    pieces = range(0, len(points), _PIECE)
    return np.concatenate([points[first : first + _PIECE] @ directions.T for first in pieces])


def line_ends(mask: np.ndarray) -> np.ndarray:
    """Indices (n, ndim) of the first and last voxel of every line along the last axis: they hold the convex hull."""
    lines = np.argwhere(mask.any(axis=-1))
    rows = mask[tuple(lines.T)]
    first = np.argmax(rows, axis=1)
    last = rows.shape[1] - 1 - np.argmax(rows[:, ::-1], axis=1)
    return np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])
