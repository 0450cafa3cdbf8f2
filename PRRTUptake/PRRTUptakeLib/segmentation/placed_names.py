"""Names against geometry: what a segment is called, and whether it is where such a thing can be.

A kidney may be named without its side (`kidney_sides`), a lesion called L1 may be a lumbar vertebra, a vertebra's mask
may have been saved under a wrong name, and a mask whose name means nothing may be a metastasis that must not count as
healthy liver. Its place decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import common_box, segment_in, shared_voxels, union_in
from PRRTUptakeLib.segmentation.kidney_sides import sided_kidneys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.label_matching import LabelMatch
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation

_MOSTLY = 0.5  # of a segment: more of it in the liver means that it is there
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


def liver_region(segmentation: Segmentation, label_matches: Sequence[LabelMatch] = ()) -> Segment | None:
    """Everything that is known, or proposed, to be liver or a part of it; None if nothing is."""
    proposed = {one.segment: one.structure for one in label_matches}
    parts = [s for s in segmentation if s.voxel_count and (s.structure or proposed.get(s.name, "")) in _LIVER_PARTS]
    if not parts:
        return None
    box = common_box(segmentation.grid, parts)
    return segment_in("liver region", union_in(parts, box), box)


def share_in(segment: Segment, region: Segment) -> float:
    """Fraction of a segment that is in a region; of what touches it from outside, if that is more.

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
    segmentation: Segmentation, label_matches: Sequence[LabelMatch]
) -> tuple[tuple[LabelMatch, ...], tuple[str, ...]]:
    """Proposals in which geometry was asked where the name leaves doubt, and warnings on contradictions."""
    label_matches = sided_kidneys(segmentation, label_matches)
    region = liver_region(segmentation, label_matches)
    if region is None:
        return tuple(label_matches), ()
    checked, warnings = [], []
    for label_match in label_matches:
        segment = segmentation[label_match.segment]
        if not segment.voxel_count:
            checked.append(label_match)
        elif set(label_match.alternatives) & {f"vertebrae_L{n}" for n in range(1, 6)} and not label_match.structure:
            checked.append(_vertebra_or_lesion(label_match, share_in(segment, region)))
        elif label_match.structure.startswith("vertebrae_") or label_match.structure in _NEVER_IN_LIVER:
            own = shared_voxels(segment, region) / segment.voxel_count
            checked.append(label_match if own < _MOSTLY else replace(label_match, structure="", alternatives=()))
            if own >= _MOSTLY:
                name = codes.structure(label_match.structure).name
                warnings.append(
                    f"'{segment.name}' is called {name}, but {own:.0%} of it is in the liver: its name does not count."
                )
        else:
            checked.append(label_match)
    return tuple(checked), tuple(warnings)


def _vertebra_or_lesion(label_match: LabelMatch, share: float) -> LabelMatch:
    lesion, vertebra = label_match.alternatives
    key = lesion if share >= _MOSTLY else vertebra
    where = "in" if share >= _MOSTLY else "outside"
    reason = f"'{label_match.segment}' is {where} the liver, so it is taken for {codes.structure(key).name}."
    return replace(label_match, structure=key, reason=reason, alternatives=(), lobe=codes.structure(key).lobe)


def unnamed_in_liver(grid: Grid, liver: Segment, segments: Sequence[Segment]) -> Unnamed:
    """What is in the liver and has no known meaning: it must not be taken for healthy liver.

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
