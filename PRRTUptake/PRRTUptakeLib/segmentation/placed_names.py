"""Names against geometry: what a segment is called, and whether it lies where such a thing can be.

A lesion called L1 may be a lumbar vertebra, a vertebra's mask may have been saved under a wrong name, and a mask whose
name means nothing may be a metastasis that must not count as healthy liver. Where it lies tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.blocks import common_block, segment_in, shared_voxels, union_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.recognition import Proposal
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

_MOSTLY = 0.5  # of a segment: more of it in the liver means that it lies there
_ALL_LIVER = 0.9  # of the liver: what covers more is another outline of it, or of the body
_NOTED_mL = 1.0
_NEVER_IN_LIVER = ("kidney_left", "kidney_right", "kidneys", "spleen", "aorta", "marrow")
_LIVER_PARTS = ("liver", *codes.LOBE_STRUCTURES.values(), *codes.COUINAUD)


@dataclass(frozen=True, eq=False)
class Unnamed:
    """Segments in the liver without a known meaning: ``lesions`` are grown as lesions are, ``excluded`` are not."""

    lesions: tuple[Segment, ...]
    excluded: tuple[Segment, ...]
    warnings: tuple[str, ...]


def liver_region(segmentation: Segmentation, proposals: Sequence[Proposal] = ()) -> Segment | None:
    """Everything that is known, or proposed, to be liver or a part of it; None if nothing is."""
    proposed = {one.segment: one.structure for one in proposals}
    parts = [s for s in segmentation if s.voxel_count and (s.structure or proposed.get(s.name, "")) in _LIVER_PARTS]
    if not parts:
        return None
    block = common_block(segmentation.grid, parts)
    return segment_in("liver region", union_in(parts, block), block)


def share_in(segment: Segment, region: Segment) -> float:
    """Fraction of a segment that lies in a region; of what touches it from outside, if that is more.

    A liver may have been drawn without its lesions: then what surrounds a lesion is liver.
    """
    if not segment.voxel_count:
        return 0.0
    own = shared_voxels(segment, region) / segment.voxel_count
    if own >= _MOSTLY:
        return own
    padded = np.pad(segment.mask, 1)
    shell = ndimage.binary_dilation(padded, np.ones((3, 3, 3), dtype=bool)) & ~padded
    around = segment.relabelled(mask=shell, origin=tuple(start - 1 for start in segment.origin))
    return max(own, shared_voxels(around, region) / around.voxel_count)


def checked_by_place(
    segmentation: Segmentation, proposals: Sequence[Proposal]
) -> tuple[tuple[Proposal, ...], tuple[str, ...]]:
    """Proposals in which geometry was asked where the name leaves doubt, and warnings on contradictions."""
    region = liver_region(segmentation, proposals)
    if region is None:
        return tuple(proposals), ()
    checked, warnings = [], []
    for proposal in proposals:
        segment = segmentation[proposal.segment]
        if not segment.voxel_count:
            checked.append(proposal)
        elif set(proposal.alternatives) & {f"vertebrae_L{n}" for n in range(1, 6)} and not proposal.structure:
            checked.append(_vertebra_or_lesion(proposal, share_in(segment, region)))
        elif proposal.structure.startswith("vertebrae_") or proposal.structure in _NEVER_IN_LIVER:
            own = shared_voxels(segment, region) / segment.voxel_count
            checked.append(proposal if own < _MOSTLY else replace(proposal, structure="", alternatives=()))
            if own >= _MOSTLY:
                name = codes.structure(proposal.structure).name
                warnings.append(
                    f"'{segment.name}' is called {name}, but {own:.0%} of it is in the liver: its name does not count."
                )
        else:
            checked.append(proposal)
    return tuple(checked), tuple(warnings)


def _vertebra_or_lesion(proposal: Proposal, share: float) -> Proposal:
    lesion, vertebra = proposal.alternatives
    key = lesion if share >= _MOSTLY else vertebra
    where = "in" if share >= _MOSTLY else "outside"
    reason = f"'{proposal.segment}' is {where} the liver, so it is taken for {codes.structure(key).name}."
    return replace(proposal, structure=key, reason=reason, alternatives=(), lobe=codes.structure(key).lobe)


def unnamed_in_liver(grid: Grid, liver: Segment, segments: Sequence[Segment]) -> Unnamed:
    """What lies in the liver and has no known meaning: it must not be taken for healthy liver.

    Parameters
    ----------
    grid, liver : the liver on its grid.
    segments : all segments; those with a structure, or of role lesion, target, lobe or reference, are known.
    """
    unknown = [s for s in segments if not s.structure and s.role in ("", "organ") and s.voxel_count]
    lesions, excluded, names, outlines = [], [], [], []
    for segment in unknown:
        inside = shared_voxels(segment, liver)
        share = share_in(segment, liver)
        if inside >= _ALL_LIVER * liver.voxel_count:
            if inside >= _MOSTLY * segment.voxel_count:
                outlines.append(f"'{segment.name}'")
            continue
        if share >= _MOSTLY:
            lesions.append(segment)
        elif inside:
            excluded.append(segment)
        if share >= _MOSTLY or inside * grid.voxel_volume_mL > _NOTED_mL:
            names.append(f"'{segment.name}' ({inside * grid.voxel_volume_mL:.1f} mL in the liver)")
    warnings = []
    if names:
        warnings.append(
            f"Not known, and taken out of the healthy liver: {', '.join(names)}. Say what each is; a lesion that is "
            "not named is not measured."
        )
    if outlines:
        warnings.append(
            f"{', '.join(outlines)} cover(s) the liver and has no known name: it is not used. Say what it is."
        )
    return Unnamed(tuple(lesions), tuple(excluded), tuple(warnings))
