"""Single lesions: connected components, lobes, ids that persist through all visits, merging (splitting: ``division``).

Voxels are connected when they share a face, an edge or a corner (26 neighbours), so that a thin oblique bridge does not
fall apart; lesions that touch must be split by the user.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import common_box, overlaps, segment_in, shared_voxels, union_in
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.lesion_tracking import new_ids, persistent_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.lesion_tracking import EarlierLesions
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

STRADDLING_SHARE = 0.8
TOUCHING = np.ones((3, 3, 3), dtype=bool)  # 26 neighbours


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion and where it is.

    Attributes
    ----------
    segment : role lesion (or target), with lobe and lesion_id.
    shares : fraction of its voxels in "left", "right", "caudate" and "none" (outside the liver); they add up to 1.
    straddles : whether the largest share is below 80 %.
    source : name of the segment it came from.
    """

    segment: Segment
    shares: dict[str, float]
    straddles: bool
    source: str = ""

    @property
    def lesion_id(self) -> str:
        """Persistent id such as L1."""
        return self.segment.lesion_id


@dataclass(frozen=True, eq=False)
class LesionList:
    """Lesions in the order of their ids, and what the user should know, as sentences."""

    lesions: tuple[Lesion, ...]
    remarks: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The lesions' segments."""
        return tuple(lesion.segment for lesion in self.lesions)


def find_lesions(
    segmentation: Segmentation, lobes: Sequence[Segment], earlier: EarlierLesions | None = None
) -> LesionList:
    """All lesions of a segmentation whose structures are recognised, with lobes and ids.

    Segments of role lesion or target, or of a lesion structure, count. One that has a lesion id already is one lesion,
    even in several pieces; any other is divided into its connected components.

    Parameters
    ----------
    segmentation : holds the lesion segments; others are ignored.
    lobes : segments of role lobe on the same grid, from a split.
    earlier : lesions of an earlier visit, registered to this one, whose ids persist.

    Raises
    ------
    SegmentationError
        If there is no lesion voxel, or two segments have the same lesion id.
    """
    pieces, notes = lesion_pieces(segmentation)
    found = placed_lesions(segmentation.grid, pieces, lobes, earlier)
    return LesionList(found.lesions, (*notes, *found.remarks))


def lesion_pieces(segmentation: Segmentation) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Every single lesion as it was drawn, without lobe and id, and remarks; see `find_lesions`."""
    sources = _lesion_sources(segmentation)
    pieces = [piece for source in sources for piece in ([source] if source.lesion_id else connected_lesions(source))]
    notes = [f"Lesion segment '{s.name}' is empty." for s in sources if not s.voxel_count]
    pieces = [piece for piece in pieces if piece.voxel_count]
    if not pieces:
        raise SegmentationError(
            "No lesion has a voxel: draw the lesions as segments (such as 'liver_lesions') or recognise their segments "
            "first; at a later visit, list the lesions that have vanished."
        )
    notes += [str(item) for item in overlaps(segmentation.grid, _numbered_names(pieces))]
    return tuple(pieces), tuple(notes)


def placed_lesions(
    grid: Grid, pieces: Sequence[Segment], lobes: Sequence[Segment], earlier: EarlierLesions | None = None
) -> LesionList:
    """Pieces with lobes and ids, in the order of the ids; parameters and errors as `find_lesions`."""
    placed = [assign_lobe(piece, lobes) for piece in pieces]
    ids, remarks = _ids(grid, placed, earlier)
    named = [_named(lesion, lesion_id) for lesion, lesion_id in zip(placed, ids, strict=True)]
    notes = [*remarks, *(text for lesion in named if (text := straddling_text(lesion)))]
    return LesionList(tuple(sorted(named, key=lambda lesion: id_order(lesion.lesion_id))), tuple(notes))


def lesion_segments(segmentation: Segmentation) -> tuple[Segment, ...]:
    """Segments of role lesion or target, or of a lesion structure, that have a voxel."""
    return tuple(source for source in _lesion_sources(segmentation) if source.voxel_count)


def _lesion_sources(segmentation: Segmentation) -> list[Segment]:
    return [s for s in segmentation if s.role in ("lesion", "target") or s.structure in codes.LESIONS]


def connected_lesions(segment: Segment) -> tuple[Segment, ...]:
    """The connected components of a segment (26 neighbours), the largest first; none for an empty segment."""
    if not segment.voxel_count:
        return ()
    labels, count = ndimage.label(segment.mask, structure=TOUCHING)
    if segment.fractions is not None:
        pieces = [segment.part(labels == number) for number in range(1, count + 1)]
        return tuple(sorted(pieces, key=lambda piece: -piece.voxel_count))
    pieces = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        origin = tuple(start + part.start for start, part in zip(segment.origin, box, strict=True))
        pieces.append(segment.relabelled(mask=labels[box] == number, origin=origin))
    return tuple(sorted(pieces, key=lambda piece: -piece.voxel_count))


def assign_lobe(lesion: Segment, lobes: Sequence[Segment]) -> Lesion:
    """The lobe of a lesion by largest overlap; "none" if less than half of it is in the liver.

    Where the liver segment leaves lesions out, the voxels around the lesion (26 neighbours) decide in its place.
    """
    if not lesion.voxel_count:
        raise SegmentationError(f"The lesion '{lesion.name}' is empty: draw or delete it.")
    shares = _shares(lesion, lobes)
    if shares["none"] > 0.5:
        around = _shares(_shell(lesion), lobes)
        if around["none"] < 0.5:
            shares = around
    hepatic = {lobe: share for lobe, share in shares.items() if lobe != "none"}
    lobe = max(hepatic, key=lambda name: hepatic[name]) if shares["none"] <= 0.5 and hepatic else "none"
    item = codes.structure("extrahepatic_lesion" if lobe == "none" else "liver_lesion")
    role = lesion.role if lesion.role in ("lesion", "target") else "lesion"
    segment = lesion.relabelled(lobe=lobe, role=role, structure=item.key, color=item.color)
    return Lesion(segment, shares, max(shares.values()) < STRADDLING_SHARE, lesion.name)


def straddling_text(lesion: Lesion) -> str:
    """A sentence on a lesion that straddles, or ""."""
    if not lesion.straddles:
        return ""
    words = {
        "left": "left lobe",
        "right": "right lobe",
        "caudate": "caudate lobe",
        "liver": "liver",
        "none": "outside the liver",
    }
    parts = ", ".join(f"{share:.0%} {words[lobe]}" for lobe, share in lesion.shares.items() if share > 0)
    return f"Lesion {lesion.lesion_id} straddles ({parts}): it counts where most of it is, confirm."


def id_order(lesion_id: str) -> tuple[str, int]:
    """Sorting key: L1, L2, L10, R1."""
    digits = lesion_id.lstrip("LRCHE")
    return lesion_id[:1], int(digits) if digits.isdigit() else 0


def merge_lesions(grid: Grid, lesions: Sequence[Segment], lobes: Sequence[Segment]) -> Lesion:
    """One lesion from several; it keeps the id of the largest and gets its lobe anew.

    Raises
    ------
    SegmentationError
        If fewer than two are given.
    """
    if len(lesions) < 2:
        raise SegmentationError("Choose at least two lesions to merge.")
    largest = max(lesions, key=lambda segment: segment.voxel_count)
    box = common_box(grid, lesions)
    merged = segment_in(largest.name, union_in(lesions, box), box)
    return assign_lobe(largest.relabelled(mask=merged.mask, origin=merged.origin), lobes)


def _shares(lesion: Segment, lobes: Sequence[Segment]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for lobe in lobes:
        counts[lobe.lobe] = counts.get(lobe.lobe, 0) + shared_voxels(lesion, lobe)
    total = lesion.voxel_count
    shares = {lobe: count / total for lobe, count in counts.items()}
    return {**shares, "none": max(0.0, 1.0 - sum(shares.values()))}


def _shell(lesion: Segment) -> Segment:
    """The voxels that touch a lesion from outside (they may reach beyond the grid, where no lobe is)."""
    padded = np.pad(lesion.mask, 1)
    shell = ndimage.binary_dilation(padded, TOUCHING) & ~padded
    return lesion.relabelled(mask=shell, origin=tuple(start - 1 for start in lesion.origin))


def _numbered_names(pieces: Sequence[Segment]) -> list[Segment]:
    names = [piece.name for piece in pieces]
    return [
        piece.relabelled(name=f"{piece.name} ({number})") if names.count(piece.name) > 1 else piece
        for number, piece in enumerate(pieces, start=1)
    ]


def _ids(grid: Grid, placed: Sequence[Lesion], earlier: EarlierLesions | None) -> tuple[list[str], list[str]]:
    segments = [lesion.segment for lesion in placed]
    own = [segment.lesion_id for segment in segments if segment.lesion_id]
    twice = sorted({name for name in own if own.count(name) > 1})
    if twice:
        raise SegmentationError(f"Two lesion segments have the id {twice[0]}: merge them, or clear one id.")
    kept, note = persistent_ids(grid, segments, earlier) if earlier is not None else ({}, [])
    used = [*own, *(earlier.ids if earlier is not None else ())]
    return new_ids(segments, kept, used), note


def _named(lesion: Lesion, lesion_id: str) -> Lesion:
    segment = lesion.segment.relabelled(name=lesion_id, lesion_id=lesion_id).cropped()
    return replace(lesion, segment=segment)
