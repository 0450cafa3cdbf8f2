"""Lesion ids that stay the same through all visits: L1 left, R1 right, C1 caudate, E1 outside the liver, H1 undivided.

At the first visit the largest lesion of each lobe is number 1. At later visits a lesion takes the id of the earlier
lesion that it overlaps most, or else of the nearest one; an id that was given once is never given to another lesion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment

PREFIXES = {"left": "L", "right": "R", "caudate": "C", "liver": "H", "none": "E"}
_FAR_mm = 1e6


@dataclass(frozen=True, eq=False)
class EarlierLesions:
    """Lesions of an earlier visit, on their own grid, in RAS coordinates registered to the present visit.

    ``reach_mm`` is how far a lesion's centre may have moved when the two do not overlap; 20 mm bears breathing and
    registration of the liver. ``confirmed_gone`` are ids that were looked for and not found.
    """

    grid: Grid
    lesions: tuple[Segment, ...]
    reach_mm: float = 20.0
    retired_ids: tuple[str, ...] = ()
    confirmed_gone: Sequence[str] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids that were ever given."""
        return (*(lesion.lesion_id for lesion in self.lesions if lesion.lesion_id), *self.retired_ids)


def persistent_ids(grid: Grid, lesions: Sequence[Segment], earlier: EarlierLesions) -> tuple[dict[int, str], list[str]]:
    """The earlier ids of ``lesions``, by position, and remarks on ids that vanished."""
    before = [lesion for lesion in earlier.lesions if lesion.lesion_id and lesion.voxel_count]
    open_now = [n for n, lesion in enumerate(lesions) if not lesion.lesion_id]
    taken = {lesion.lesion_id for lesion in lesions if lesion.lesion_id}
    open_before = [lesion for lesion in before if lesion.lesion_id not in taken]
    kept: dict[int, str] = {}
    if open_now and open_before:
        points = [_points(grid, lesions[n]) for n in open_now]
        kept = {open_now[a]: open_before[b].lesion_id for a, b in _pairs(points, open_before, earlier)}
    known = {*taken, *kept.values(), *earlier.confirmed_gone}
    gone = [lesion.lesion_id for lesion in before if lesion.lesion_id not in known]
    return kept, [f"Lesion {name} of the earlier visit was not found: it vanished or merged, confirm." for name in gone]


def _pairs(points: Sequence[np.ndarray], before: Sequence[Segment], earlier: EarlierLesions) -> list[tuple[int, int]]:
    """One-to-one pairs (now, before) that share the most volume in all, then the nearest centres within reach."""
    pairs = _assigned(np.array([[_shared(cloud, lesion, earlier.grid) for lesion in before] for cloud in points]))
    rest_now = sorted(set(range(len(points))) - {a for a, _ in pairs})
    rest_before = sorted(set(range(len(before))) - {b for _, b in pairs})
    if rest_now and rest_before:
        here = np.array([points[a].mean(axis=0) for a in rest_now])
        there = np.array([_points(earlier.grid, before[b]).mean(axis=0) for b in rest_before])
        apart = cdist(here, there)
        nearness = np.where(apart <= earlier.reach_mm, _FAR_mm - apart, 0.0)  # beyond reach counts alike
        pairs += [(rest_now[a], rest_before[b]) for a, b in _assigned(nearness)]
    return pairs


def _assigned(gains: np.ndarray) -> list[tuple[int, int]]:
    """One-to-one pairs (row, column) of the greatest sum of gains, all of them 0 or more; pairs without gain left out.

    Where no two rows gain most by the same column, no sum is greater. Only where they compete scipy's optimisation is
    asked, which takes long to import.
    """
    rows = np.flatnonzero(gains.max(axis=1) > 0)
    columns = gains[rows].argmax(axis=1)
    if len(np.unique(columns)) < len(columns):
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(gains, maximize=True)
    return [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if gains[a, b] > 0]


def new_ids(lesions: Sequence[Segment], kept: Mapping[int, str], used: Sequence[str]) -> list[str]:
    """Ids of all lesions: their own, else the kept one, else the next number of their lobe, the largest first.

    Examples
    --------
    >>> from PRRTUptakeLib.segmentation.segments import Segment
    >>> one = Segment("a", np.ones((1, 1, 1), bool), lobe="left")
    >>> two = Segment("b", np.ones((1, 1, 2), bool), lobe="left")
    >>> new_ids([one, two], {}, []), new_ids([one, two], {1: "L4"}, ["L4"])
    (['L2', 'L1'], ['L5', 'L4'])
    """
    ids = [lesion.lesion_id or kept.get(n, "") for n, lesion in enumerate(lesions)]
    highest = dict.fromkeys(PREFIXES.values(), 0)
    for name in (*used, *ids):
        if name[:1] in highest and name[1:].isdigit():
            highest[name[:1]] = max(highest[name[:1]], int(name[1:]))
    for n in sorted(range(len(lesions)), key=lambda n: -lesions[n].voxel_count):
        if not ids[n]:
            prefix = PREFIXES[lesions[n].lobe or "none"]
            highest[prefix] += 1
            ids[n] = f"{prefix}{highest[prefix]}"
    return ids


def _points(grid: Grid, lesion: Segment) -> np.ndarray:
    return grid.to_ras((np.argwhere(lesion.mask) + lesion.origin)[:, ::-1])


def _shared(points: np.ndarray, lesion: Segment, grid: Grid) -> int:
    """How many of the points (RAS) lie in a lesion on another grid."""
    indices = np.rint(grid.to_ijk(points)[:, ::-1]).astype(int) - np.array(lesion.origin)
    within = ((indices >= 0) & (indices < np.array(lesion.mask.shape))).all(axis=1)
    return int(np.count_nonzero(lesion.mask[tuple(indices[within].T)]))
