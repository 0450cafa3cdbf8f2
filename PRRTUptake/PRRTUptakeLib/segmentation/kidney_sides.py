"""Kidneys that were named without their side: where they are says which, if anything does.

A segment in two parts on both sides of the body is both kidneys. Of two segments apart from each other across the body
the one further to the patient's right is the right one. A single kidney by itself stays open: nothing beside it shows
where the middle of the body is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.segmentation import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.label_matching import LabelMatch
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

_APART_mm = 50.0  # across the body: 100 mm and more in adults, with the spine and the great vessels between them
_SMALL_PART = 0.2  # of a segment: less is a cyst's remainder or a speck
_OPEN = {"kidney_left", "kidney_right"}
_SIDE = {"kidney_left": "left", "kidney_right": "right"}


def sided_kidneys(segmentation: Segmentation, label_matches: Sequence[LabelMatch]) -> tuple[LabelMatch, ...]:
    """Proposals in which kidneys without a side have one, or are both, where their place shows it."""
    unsided = [one for one in label_matches if not one.structure and set(one.alternatives) >= _OPEN]
    unsided = [one for one in unsided if segmentation[one.segment].voxel_count]
    if not unsided:
        return tuple(label_matches)
    named = {one.segment: one.structure for one in label_matches}
    known = {
        key: segment
        for segment in segmentation
        if (key := segment.structure or named.get(segment.name, "")) in _SIDE and segment.voxel_count
    }
    found: dict[str, str] = {}
    if len(unsided) == 1 and not known:
        if _in_two_halves(segmentation.grid, segmentation[unsided[0].segment]):
            found[unsided[0].segment] = "kidneys"
    elif len(unsided) == 1 and len(known) == 1:
        (key, other), mine = next(iter(known.items())), segmentation[unsided[0].segment]
        free = next(iter(_OPEN - {key}))
        pair = (mine, other) if free == "kidney_left" else (other, mine)
        if _left_of(segmentation.grid, *pair):
            found[mine.name] = free
    elif len(unsided) == 2 and not known:
        one, two = (segmentation[item.segment] for item in unsided)
        for left, right in ((one, two), (two, one)):
            if _left_of(segmentation.grid, left, right):
                found |= {left.name: "kidney_left", right.name: "kidney_right"}
    return tuple(_placed(one, found[one.segment]) if one.segment in found else one for one in label_matches)


def _placed(label_match: LabelMatch, key: str) -> LabelMatch:
    where = "is in two parts on both sides" if key == "kidneys" else f"is the one on the {_SIDE[key]}"
    reason = f"'{label_match.segment}' {where}, so it is taken for {codes.structure(key).name}."
    return replace(label_match, structure=key, reason=reason, alternatives=(), lobe="none")


def _left_of(grid: Grid, left: Segment, right: Segment) -> bool:
    """Whether the whole of one segment is to the patient's left of another, their centres well apart."""
    one, two = (_across(grid, segment.mask, segment) for segment in (left, right))
    return bool(one.max() < two.min() and two.mean() - one.mean() >= _APART_mm)


def _in_two_halves(grid: Grid, segment: Segment) -> bool:
    labels, count = ndimage.label(segment.mask, structure=np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(labels.ravel())[1:]
    large = [n for n in range(1, count + 1) if sizes[n - 1] >= _SMALL_PART * sizes.sum()]
    if len(large) != 2:
        return False
    one, two = sorted((_across(grid, labels == n, segment) for n in large), key=lambda x: float(x.mean()))
    return bool(one.max() < two.min() and two.mean() - one.mean() >= _APART_mm)


def _across(grid: Grid, mask: np.ndarray, segment: Segment) -> np.ndarray:
    """How far to the patient's right each voxel of a mask in the segment's block is, mm."""
    kji = np.argwhere(mask) + np.array(segment.origin)
    return np.asarray(grid.to_ras(kji[:, ::-1])[:, 0])
