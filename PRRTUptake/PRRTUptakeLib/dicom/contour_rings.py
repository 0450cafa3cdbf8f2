"""The contours of one structure in one plane put together: what adds, what is a hole, what was drawn twice.

DICOM PS3.3 C.8.8.6: contours of type CLOSED_PLANAR add up, and one inside another bounds a hole; those of type
CLOSEDPLANAR_XOR cancel where they overlap. A contour drawn twice is one contour.

Outlines come in two kinds. Some run between pixels (planning systems, marching squares): a pixel belongs to the
structure if its centre is inside. Others have their corners on the centres of the outermost pixels (the border
following of S. Suzuki and K. Abe, doi:10.1016/0734-189X(85)90016-7, as OpenCV and so rt-utils write it): pixels on the
outline belong to the structure, and those on the outline of a hole too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from PRRTUptakeLib.dicom.polygons import (
    covered_fractions,
    fill_polygons,
    inside_polygon,
    line_pixels,
    points_along,
    signed_area,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CENTRES, EDGES, MIDPOINTS, FREE = "centres", "edges", "midpoints", "free"
KINDS = {  # what they are, as the end of a sentence
    CENTRES: "run through pixel centres, so the pixels on them are inside",
    EDGES: "run along the edges of pixels",
    MIDPOINTS: "run midway between pixels",
    FREE: "are free of pixels, so parts of pixels count",
}
_FEW = 8  # corners
SAME_LINE_pixels = 0.25  # two outlines nowhere further apart are one outline drawn twice


@dataclass(frozen=True, eq=False)
class Plane:
    """What the contours of one plane enclose.

    Attributes
    ----------
    mask : bool [j, i], the pixels inside.
    fractions : float [j, i], how much of each pixel is inside; of outlines through pixel centres as ``mask``.
    repeated, overlapping, holes : how many contours were drawn twice, overlap another, or are holes.
    """

    mask: np.ndarray
    fractions: np.ndarray
    repeated: int = 0
    overlapping: int = 0
    holes: int = 0


@dataclass(eq=False)
class _Ring:
    """One contour: what it fills, and the contours directly inside it."""

    polygon: np.ndarray
    area: float
    fill: np.ndarray
    line: np.ndarray | None
    inner: list[_Ring] = field(default_factory=list)
    depth: int = 0

    @property
    def whole(self) -> np.ndarray:
        """Pixels inside or on the line."""
        return self.fill if self.line is None else self.fill | self.line

    def region(self) -> np.ndarray:
        """Pixels of the ring without those of its holes (for a hole: without its islands)."""
        own = self.whole
        if self.line is not None and self.depth % 2:
            own = self.fill & ~self.line  # the outline of a hole is drawn on the tissue around it
        for ring in self.inner:
            own = own & ~ring.region()
        return own

    def covered(self) -> np.ndarray:
        """Like ``region``, as fractions of pixels."""
        if self.line is not None:
            return self.region().astype(float)
        own = covered_fractions([self.polygon], (self.fill.shape[0], self.fill.shape[1]))
        for ring in self.inner:
            own = own - ring.covered()
        return np.asarray(np.clip(own, 0.0, 1.0))


def kind_of_outlines(polygons: Sequence[np.ndarray], spacing_mm: tuple[float, float]) -> str:
    """Which of KINDS the outlines (n, 2) of one structure are, within what rounding to 0.1 mm may do.

    ``spacing_mm`` is the size of a pixel along i and j.

    Examples
    --------
    >>> kind_of_outlines([np.array([[3.0, 4.0], [5.001, 4.0], [5.0, 6.0]])], (1.0, 1.0))
    'centres'
    >>> kind_of_outlines([np.array([[2.5, 4.0], [3.0, 3.5], [3.5, 4.0], [3.0, 4.5]])], (1.0, 1.0))
    'midpoints'
    >>> kind_of_outlines([np.array([[2.5, 4.1], [5.0, 4.0], [5.0, 6.5]])], (1.0, 1.0))
    'free'
    """
    corners = np.concatenate(list(polygons))
    limit = 0.02 + np.minimum(0.05 / np.array(spacing_mm), 0.06)
    whole = np.abs(corners - np.rint(corners)) <= limit
    half = np.abs(corners - np.floor(corners) - 0.5) <= limit
    if whole.all():
        return CENTRES
    if half.all():
        return EDGES
    if ((whole[:, 0] & half[:, 1]) | (half[:, 0] & whole[:, 1])).all():
        return MIDPOINTS
    return FREE


@dataclass(frozen=True)
class Outlines:
    """Of which of KINDS the outlines of a structure are; ``open`` where nothing but a guess decided it."""

    kind: str
    open: bool = False


def agreed_kinds(
    drawn: Mapping[int, Sequence[np.ndarray]], spacing_mm: tuple[float, float], outlined: bool = False
) -> dict[int, Outlines]:
    """The kind of each structure's outlines, by number; where corners are too few to show it, that of the others.

    A box or a diamond on pixel centres may be the outline of a mask (with the pixels on it) or a polygon (without).
    One program wrote the whole object, so its other structures decide.

    Parameters
    ----------
    drawn : outlines (n, 2) of each structure.
    spacing_mm : see `kind_of_outlines`.
    outlined : whether the program is known to put outlines on pixel centres.

    Examples
    --------
    >>> box = np.array([[2.0, 2.0], [9.0, 2.0], [9.0, 7.0], [2.0, 7.0]])
    >>> turn = np.linspace(0.0, 6.0, 30)
    >>> round = 20 + 9 * np.column_stack([np.cos(turn), np.sin(turn)])
    >>> agreed_kinds({1: [box]}, (1.0, 1.0))[1]
    Outlines(kind='centres', open=True)
    >>> agreed_kinds({1: [box], 2: [round]}, (1.0, 1.0))[1], agreed_kinds({1: [box]}, (1.0, 1.0), True)[1]
    (Outlines(kind='free', open=False), Outlines(kind='centres', open=False))
    """
    kinds = {number: kind_of_outlines(rings, spacing_mm) for number, rings in drawn.items()}
    unclear = {number for number, kind in kinds.items() if kind == CENTRES and _few_corners(drawn[number])}
    clear = {kind for number, kind in kinds.items() if number not in unclear}
    found = {number: Outlines(kind) for number, kind in kinds.items()}
    if not outlined and CENTRES not in clear:
        found.update({number: Outlines(FREE) if clear else Outlines(CENTRES, True) for number in unclear})
    return found


def _few_corners(rings: Sequence[np.ndarray]) -> bool:
    """Whether outlines that enclose something have so few corners that a person may have put them on pixel centres."""
    corners = np.unique(np.rint(np.concatenate(list(rings))), axis=0)
    return len(corners) <= _FEW and all(len(ring) > 2 and abs(signed_area(ring)) > 0.5 for ring in rings)


def without_laps(polygon: np.ndarray) -> np.ndarray:
    """A contour (n, 2) without its repeats: one traced twice around would cancel itself.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    >>> len(without_laps(np.concatenate([square, square])))
    4
    """
    corners = polygon[(np.abs(polygon - np.roll(polygon, 1, axis=0)) > 1e-9).any(axis=1)]
    if len(corners) < 3:
        return corners if len(corners) else polygon[:1]
    for laps in (2, 3, 4):
        size, rest = divmod(len(corners), laps)
        if rest == 0 and size >= 3 and np.abs(corners.reshape(laps, size, 2) - corners[:size]).max() < 1e-3:
            return np.asarray(corners[:size])
    return np.asarray(corners)


def combined(
    adding: Sequence[np.ndarray], cancelling: Sequence[np.ndarray], shape: tuple[int, int], on_centres: bool
) -> Plane:
    """Put the contours of one plane together.

    Parameters
    ----------
    adding, cancelling : polygons (n, 2) of type CLOSED_PLANAR and CLOSEDPLANAR_XOR, corners (i, j) in pixels.
    shape : rows and columns.
    on_centres : whether the corners are centres of pixels that belong to the structure.
    """
    ordered = sorted((_ring(polygon, shape, on_centres) for polygon in adding), key=lambda ring: -abs(ring.area))
    kept: list[_Ring] = []
    repeated = overlapping = 0
    for ring in ordered:
        relations = [_relation(ring, other) for other in kept]
        if "same" in relations:
            repeated += 1
            continue
        overlapping += "across" in relations
        around = [other for other, relation in zip(kept, relations, strict=True) if relation == "inside"]
        if around:
            ring.depth = max(other.depth for other in around) + 1
            for other in around:
                if other.depth == ring.depth - 1:
                    other.inner.append(ring)
        kept.append(ring)
    mask, fractions = np.zeros(shape, dtype=bool), np.zeros(shape)
    for ring in kept:
        if ring.depth == 0:
            mask |= ring.region()
            fractions = np.maximum(fractions, ring.covered())
    if cancelling:
        odd = _cancelled(cancelling, shape, on_centres)
        parts = odd if on_centres else covered_fractions(cancelling, shape)
        mask, fractions = mask | odd, np.maximum(fractions, parts)
    holes = sum(ring.depth % 2 for ring in kept)
    return Plane(mask, fractions, repeated, overlapping, holes)


def _cancelled(polygons: Sequence[np.ndarray], shape: tuple[int, int], on_centres: bool) -> np.ndarray:
    """Pixels inside an odd number of polygons; outlines on centres count as drawn on the tissue."""
    odd = fill_polygons(polygons, shape)
    if on_centres:
        for polygon in polygons:
            odd |= line_pixels(polygon, shape)
    return odd


def _ring(polygon: np.ndarray, shape: tuple[int, int], on_centres: bool) -> _Ring:
    line = line_pixels(polygon, shape) if on_centres else None
    corners = np.rint(polygon) if on_centres else polygon
    return _Ring(corners, signed_area(corners), fill_polygons([corners], shape), line)


def _relation(ring: _Ring, other: _Ring) -> str:
    """How a ring is to one that is not smaller: "same", "inside", "across" or "apart"."""
    low, high = ring.polygon.min(axis=0), ring.polygon.max(axis=0)
    if (low > other.polygon.max(axis=0)).any() or (high < other.polygon.min(axis=0)).any():
        return "apart"
    if ring.line is not None and other.line is not None:
        return _relation_on_centres(ring, other)
    points, theirs = points_along(ring.polygon), points_along(other.polygon)
    away, _ = cKDTree(theirs).query(points)
    if away.max() <= SAME_LINE_pixels and cKDTree(points).query(theirs)[0].max() <= SAME_LINE_pixels:
        return "same"
    free = points[away > 0.2]  # a point on the other line is neither inside nor outside
    if not len(free):
        return "inside"
    within = inside_polygon(free, other.polygon)
    if within.all():
        return "inside"
    if within.any():
        return "across"
    return "across" if inside_polygon(theirs[cKDTree(points).query(theirs)[0] > 0.2], ring.polygon).any() else "apart"


def _relation_on_centres(ring: _Ring, other: _Ring) -> str:
    assert ring.line is not None
    assert other.line is not None
    same_way = ring.area * other.area > 0 or ring.area == 0
    if np.array_equal(ring.line, other.line):
        return "same" if same_way else "inside"  # a hole behind a wall of one pixel has the outline of the wall
    shared = ring.whole & other.whole
    if not shared.any():
        return "apart"
    if (ring.line & ~other.whole).any():
        return "across"
    if not (ring.line & ~other.line).any() and same_way:
        return "same"
    return "inside"
