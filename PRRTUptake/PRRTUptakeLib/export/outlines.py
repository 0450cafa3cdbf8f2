"""Outlines of masks along the edges of their pixels, which give the mask back pixel by pixel.

Pixels that touch by a corner only are parted; a hole is joined to the outline around it by a keyhole (a cut of no
width, PS3.3 C.8.8.6.3), since programs disagree about inner rings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Corner = tuple[int, int]
_TURNS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # along i, along j, and back: the inside is on the right, j downwards


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Closed outlines of a mask [j, i], bool; none if it is empty.

    Returns
    -------
    list of (n, 2) float arrays
        Corners (i, j) in pixels, whose centres have whole numbers: corners are halves. The last corner is joined to the
        first.

    Examples
    --------
    >>> outlines(np.ones((1, 2), dtype=bool))[0].tolist()
    [[-0.5, -0.5], [1.5, -0.5], [1.5, 0.5], [-0.5, 0.5]]
    """
    rings = _rings(_edges(np.asarray(mask, dtype=bool)))
    outer = [ring for ring in rings if _area(ring) > 0]
    holes = sorted((ring for ring in rings if _area(ring) < 0), key=lambda ring: -max(ring)[0])
    return [np.array(_without_straight_corners(ring), dtype=float) - 0.5 for ring in _joined(outer, holes)]


def _edges(mask: np.ndarray) -> dict[_Corner, dict[int, _Corner]]:
    """Directed edges between pixels inside and outside: by their first corner and direction."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    starts = ((0, 0), (1, 0), (1, 1), (0, 1))  # first corner of the upper, right, lower and left edge of a pixel
    beyond = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    found: dict[_Corner, dict[int, _Corner]] = {}
    for direction, ((di, dj), outside) in enumerate(zip(starts, beyond, strict=True)):
        step_i, step_j = _TURNS[direction]
        for j, i in np.argwhere(inside & ~outside).tolist():
            corner = (i + di, j + dj)
            found.setdefault(corner, {})[direction] = (corner[0] + step_i, corner[1] + step_j)
    return found


def _rings(edges: dict[_Corner, dict[int, _Corner]]) -> list[list[_Corner]]:
    """Closed rings; where two meet in a corner each keeps to its own pixel."""
    rings = []
    for start, leaving in edges.items():
        while leaving:
            direction, corner = leaving.popitem()
            ring = [start]
            while corner != start or (direction + 1) % 4 in edges[corner]:
                ring.append(corner)
                ways = edges[corner]
                direction = next(turn % 4 for turn in (direction + 1, direction, direction + 3) if turn % 4 in ways)
                corner = ways.pop(direction)
            rings.append(ring)
    return rings


def _area(ring: Sequence[_Corner]) -> float:
    i, j = np.array(ring, dtype=float).T
    return 0.5 * float((i * np.roll(j, -1) - np.roll(i, -1) * j).sum())


def _joined(outer: Sequence[list[_Corner]], holes: Sequence[list[_Corner]]) -> list[list[_Corner]]:
    """Outer rings with their holes joined to them, the rightmost hole first."""
    rings = [list(ring) for ring in outer]
    owner = {corner: n for n, ring in enumerate(rings) for corner in ring}
    for hole in holes:
        right = max(i for i, _ in hole)
        first = min(corner for corner in hole if corner[0] == right)
        meeting = _to_the_right(first, owner)
        n = owner[meeting]
        at, own = rings[n].index(meeting), hole.index(first)
        there = [(i, first[1]) for i in range(meeting[0] - 1, right, -1)]
        cut = [*there, *hole[own:], *hole[: own + 1], *reversed(there)]
        rings[n] = [*rings[n][: at + 1], *cut, *rings[n][at:]]
        owner.update(dict.fromkeys(hole, n))
    return rings


def _to_the_right(corner: _Corner, owner: Mapping[_Corner, int]) -> _Corner:
    """The first corner of another ring along i; inside a ring there always is one."""
    i, j = corner
    i += 1
    while (i, j) not in owner:
        i += 1
    return i, j


def _without_straight_corners(ring: Sequence[_Corner]) -> list[_Corner]:
    corners = np.array(ring)
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    turns = (np.sign(before) != np.sign(after)).any(axis=1)
    return [corner for corner, keep in zip(ring, turns.tolist(), strict=True) if keep]
