"""Closed polygons to pixels: which centres lie inside, how much of each pixel is covered, which pixels a line visits.

Polygons are (n, 2), corners (i, j) in pixels with centres at whole numbers; the last corner is joined to the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUB_ROWS = 16  # scan lines per pixel row for covered fractions; along a row the fraction is exact


def fill_polygons(polygons: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Mask [j, i] of the pixels whose centre is inside an odd number of the polygons.

    Each edge toggles, in every row whose centre line it crosses, all pixels right of the crossing.

    Parameters
    ----------
    polygons : each (n, 2).
    shape : rows and columns of the mask.

    Examples
    --------
    >>> fill_polygons([np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])], (4, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.uint8)
    for polygon in polygons:
        row, crossing = _crossings(polygon, rows)
        np.bitwise_xor.at(toggles, (row, np.clip(np.ceil(crossing), 0, columns).astype(int)), 1)
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :columns].astype(bool)


def covered_fractions(polygons: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Fraction of each pixel inside an odd number of polygons, float64 [j, i]: exact along rows, 1/16 across them.

    Examples
    --------
    >>> covered_fractions([np.array([[0.25, -0.5], [1.5, -0.5], [1.5, 0.5], [0.25, 0.5]])], (1, 2)).tolist()
    [[0.25, 1.0]]
    """
    rows, columns = shape
    found = []
    for polygon in polygons:
        fine = np.array(polygon, dtype=float)
        fine[:, 1] = (fine[:, 1] + 0.5) * _SUB_ROWS - 0.5
        found.append(_crossings(fine, rows * _SUB_ROWS))
    row, crossing = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((crossing, row))
    row, crossing = row[order], np.clip(crossing[order], -0.5, columns - 0.5)
    first = np.searchsorted(row, row, side="left")
    sign = np.where((np.arange(len(row)) - first) % 2 == 0, 1.0, -1.0)
    pixel = np.minimum(np.floor(crossing + 0.5).astype(int), columns - 1)
    part = pixel + 0.5 - crossing  # of the pixel of the crossing, what is right of it
    steps = np.zeros((rows * _SUB_ROWS, columns + 1))
    np.add.at(steps, (row, pixel), sign * part)
    np.add.at(steps, (row, pixel + 1), sign * (1.0 - part))
    return np.asarray(steps.cumsum(axis=1)[:, :columns].reshape(rows, _SUB_ROWS, columns).mean(axis=1))


def _crossings(polygon: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and position of every crossing of an edge with the centre line of a row, both (m,)."""
    start = np.asarray(polygon, float)
    end = np.roll(start, -1, axis=0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low), 0, rows).astype(int)  # rows in [low, high): a corner counts for one edge
    count = np.maximum(np.clip(np.ceil(high), 0, rows).astype(int) - first, 0)
    edge = np.repeat(np.arange(len(start)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    return row, start[edge, 0] + (row - start[edge, 1]) * slope


def line_pixels(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mask [j, i] of the pixel centres on the line of a polygon whose corners are whole numbers.

    Examples
    --------
    >>> line_pixels(np.array([[0, 0], [2, 0], [0, 2]]), (3, 3)).astype(int).tolist()
    [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    """
    start = np.rint(polygon).astype(int)
    step = np.roll(start, -1, axis=0) - start
    count = np.maximum(np.gcd(np.abs(step[:, 0]), np.abs(step[:, 1])), 1)
    edge = np.repeat(np.arange(len(start)), count)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    points = start[edge] + step[edge] // count[edge, None] * along[:, None]
    inside = ((points >= 0) & (points < np.array(shape)[::-1])).all(axis=1)
    mask = np.zeros(shape, dtype=bool)
    mask[points[inside, 1], points[inside, 0]] = True
    return mask


def signed_area(polygon: np.ndarray) -> float:
    """Area of a polygon (n, 2) in square pixels (shoelace formula); negative when the corners run the other way round.

    Examples
    --------
    >>> signed_area(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 3.0], [0.0, 3.0]]))
    6.0
    """
    centred = np.asarray(polygon, float) - np.asarray(polygon, float).mean(axis=0)
    after = np.roll(centred, -1, axis=0)
    return float(0.5 * (centred[:, 0] * after[:, 1] - after[:, 0] * centred[:, 1]).sum())


def points_along(polygon: np.ndarray, step: float = 0.25) -> np.ndarray:
    """Points on the line of a polygon, at most ``step`` pixels apart, (m, 2)."""
    start = np.asarray(polygon, float)
    move = np.roll(start, -1, axis=0) - start
    count = np.maximum(np.ceil(np.linalg.norm(move, axis=1) / step).astype(int), 1)
    edge = np.repeat(np.arange(len(start)), count)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(start[edge] + move[edge] * (along / count[edge])[:, None])


def inside_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Whether points (m, 2) lie inside a polygon by the even-odd rule, bool (m,).

    Examples
    --------
    >>> inside_polygon(np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]))
    array([ True, False])
    """
    start = np.asarray(polygon, float)
    end = np.roll(start, -1, axis=0)
    result = np.zeros(len(points), dtype=bool)
    for part in range(0, len(points), 4096):
        x, y = points[part : part + 4096, 0, None], points[part : part + 4096, 1, None]
        crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
        result[part : part + 4096] = (np.count_nonzero(crosses & (at > x), axis=1) % 2).astype(bool)
    return result
