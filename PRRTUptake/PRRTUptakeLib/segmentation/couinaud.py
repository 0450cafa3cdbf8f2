"""Lobes from Couinaud segments I-VIII, with segments I and IV on the side that the patient's arteries feed.

Anatomy gives the default: I caudate, II-IV left, V-VIII right (C. Couinaud 1957; S. Strasberg, HPB 2000;2:333). The
artery of segments I and IV varies, so these two can be moved per patient; each move is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import common_box, overlaps, require_orthogonal, union_in
from PRRTUptakeLib.segmentation.errors import LobeError
from PRRTUptakeLib.segmentation.lobes import lobe_segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

MOVABLE = (1, 4)


@dataclass(frozen=True)
class TerritoryOverride:
    """Segment ``number`` (1 or 4) counted to ``lobe``, because ``reason`` (what the angiography showed)."""

    number: int
    lobe: str
    reason: str

    def __post_init__(self) -> None:
        if self.number not in MOVABLE:
            raise LobeError(f"Only segments I and IV can be moved to another lobe, not segment {self.number}.")
        if self.lobe not in ("left", "right"):
            raise LobeError(
                f"Segment {codes.ROMAN[self.number - 1]} moves to the left or right lobe, not '{self.lobe}'."
            )
        if not self.reason.strip():
            raise LobeError(f"Say why segment {codes.ROMAN[self.number - 1]} moves to the {self.lobe} lobe.")


@dataclass(frozen=True, eq=False)
class CouinaudLobes:
    """Lobes, the lobe of each Couinaud segment present, and what was changed or is remarkable, as sentences."""

    lobes: tuple[Segment, ...]
    assignment: dict[int, str]
    changes: tuple[str, ...]
    remarks: tuple[str, ...]


def lobes_from_couinaud(
    segmentation: Segmentation, liver: Segment | None = None, territory_overrides: Sequence[TerritoryOverride] = ()
) -> CouinaudLobes:
    """Left, right and, unless segment I was moved, caudate lobe from segments recognised as ``liver_segment_1..8``.

    A liver voxel in no segment joins the nearest one; a voxel in two belongs to the earlier, and the overlap is
    reported. Without a liver segment the liver is the union of the segments.

    Raises
    ------
    LobeError
        If segments are missing on one side, or a segment is moved twice.
    """
    parts = {number: segmentation.having(structure=f"liver_segment_{number}") for number in range(1, 9)}
    present = {number: found for number, found in parts.items() if any(s.voxel_count for s in found)}
    assignment = {number: codes.SEGMENT_LOBES[number - 1] for number in present}
    changes = _apply_territory_overrides(assignment, territory_overrides)
    for side in ("left", "right"):
        if side not in assignment.values():
            raise LobeError(f"No Couinaud segment of the {side} lobe was found: add segments or split by a plane.")
    flat = [segment for found in present.values() for segment in found]
    notes = [f"Couinaud segment {codes.ROMAN[n - 1]} was not found." for n in parts if n not in present]
    notes += [f"{item} The earlier one counts there." for item in overlaps(segmentation.grid, flat)]
    whole = [liver] if liver is not None and liver.voxel_count else flat
    box = common_box(segmentation.grid, whole)
    inside = union_in(whole, box)
    labels = np.zeros(inside.shape, dtype=np.uint8)
    for number, found in reversed(present.items()):  # the earlier segment is written last and so prevails
        labels[union_in(found, box)] = number
    gap = inside & (labels == 0)
    if gap.any():
        notes.append(
            f"{np.count_nonzero(gap) * segmentation.grid.voxel_volume_mL:.3g} mL of the liver in no Couinaud "
            "segment were given to the nearest one."
        )
        _fill_nearest(segmentation.grid, labels, gap)
    lobes = []
    for lobe in ("left", "right", "caudate"):
        if lobe in assignment.values():
            belongs = np.array([assignment.get(number) == lobe for number in range(9)])
            lobes.append(lobe_segment(lobe, inside & belongs[labels], box))
    return CouinaudLobes(tuple(lobes), assignment, tuple(changes), tuple(notes))


def _apply_territory_overrides(
    assignment: dict[int, str], territory_overrides: Sequence[TerritoryOverride]
) -> list[str]:
    changes = []
    if len({move.number for move in territory_overrides}) < len(territory_overrides):
        raise LobeError("A Couinaud segment is moved twice: keep one of the moves.")
    for move in territory_overrides:
        roman = codes.ROMAN[move.number - 1]
        if move.number not in assignment:
            raise LobeError(f"Segment {roman} cannot be moved, since there is no such segment: add it first.")
        before = assignment[move.number]
        changes.append(f"Segment {roman} counts to the {move.lobe} lobe instead of {before}: {move.reason.strip()}")
        assignment[move.number] = move.lobe
    return changes


def _fill_nearest(grid: Grid, labels: np.ndarray, gap: np.ndarray) -> None:
    """Give each voxel of ``gap`` the label of the nearest labelled voxel centre, in place."""
    require_orthogonal(grid)
    nearest = ndimage.distance_transform_edt(
        labels == 0, sampling=grid.spacing_mm[::-1], return_distances=False, return_indices=True
    )
    labels[gap] = labels[tuple(axis[gap] for axis in nearest)]
