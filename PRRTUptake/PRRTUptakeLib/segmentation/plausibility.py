"""Whether segments and what is measured in them can be true: sentences where they hardly can.

None of these stops a measurement. Each is a sign of a mask on the wrong image, on the wrong side, or of another thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.contour_gaps import find_gaps
from PRRTUptakeLib.segmentation.bounding_box import volume_mL
from PRRTUptakeLib.segmentation.codes import LESIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation


@dataclass(frozen=True)
class PlausibleLimits:
    """Beyond which a value is doubted; the defaults are wide, so that an unusual patient passes.

    Attributes
    ----------
    liver_mL : smallest and largest volume of a liver.
    liver_HU : lowest and highest median of a liver, unenhanced, fatty or in any phase of contrast.
    soft_HU : range of soft tissue; ``foreign_share`` is how much of a liver may be beyond it.
    air_HU, air_share : a lesion of which more than the share is below is outside the body, or in the lung.
    lobe_ratio : by how much the healthy uptake of the two lobes may differ.
    reference_cv : largest coefficient of variation of a reference region.
    """

    liver_mL: tuple[float, float] = (600.0, 5000.0)
    liver_HU: tuple[float, float] = (-20.0, 200.0)
    soft_HU: tuple[float, float] = (-60.0, 260.0)
    foreign_share: float = 0.15
    air_HU: float = -300.0
    air_share: float = 0.3
    lobe_ratio: float = 2.0
    reference_cv: float = 0.4


LIMITS = PlausibleLimits()
_WHOLE = frozenset({"liver", "liver_lobe_left", "liver_lobe_right", "kidney_left", "kidney_right", "spleen", *LESIONS})
_MOST_POINTS = 50_000


def liver_volume_doubt(volume: float, limits: PlausibleLimits = LIMITS) -> tuple[str, ...]:
    """A warning on a liver (mL) that is too small or too large.

    Examples
    --------
    >>> liver_volume_doubt(1600.0), len(liver_volume_doubt(450.0))
    ((), 1)
    """
    low, high = limits.liver_mL
    if low <= volume <= high:
        return ()
    word = "smaller" if volume < low else "larger"
    limit = low if volume < low else high
    return (f"The liver has {volume:.0f} mL, {word} than {limit:.0f} mL: check its mask and the voxel size.",)


def side_doubts(segmentation: Segmentation) -> tuple[str, ...]:
    """Warnings where left and right seem to be swapped: kidneys, spleen against liver, lobes of the liver.

    In RAS, x grows to the patient's right. A patient with organs on the other side (situs inversus) is warned of too.
    """
    pairs = (("kidney_left", "kidney_right"), ("spleen", "liver"), ("liver_lobe_left", "liver_lobe_right"))
    found = []
    for left, right in pairs:
        places = [_middle_x(segmentation, key) for key in (left, right)]
        if None not in places and places[0] >= places[1]:  # type: ignore[operator]
            found.append(f"{left.replace('_', ' ')} is to the right of {right.replace('_', ' ')}")
    if not found:
        return ()
    return (f"Left and right seem to be swapped ({'; '.join(found)}): check names and orientation of the masks.",)


def _middle_x(segmentation: Segmentation, structure: str) -> float | None:
    segments = [s for s in segmentation.having(structure=structure) if s.voxel_count]
    if len(segments) != 1:
        return None
    kji = np.argwhere(segments[0].mask).mean(axis=0) + segments[0].origin
    return float(segmentation.grid.to_ras(kji[::-1])[0])


def ct_doubts(
    ct: Volume, grid: Grid, liver: Segment | None, lesions: Sequence[Segment], limits: PlausibleLimits = LIMITS
) -> tuple[str, ...]:
    """Warnings on a liver mask off the CT's liver, and on lesions in air.

    Parameters
    ----------
    ct : in Hounsfield units; of another image nothing is said.
    grid : of the segments, in the space of the CT.
    liver, lesions : on that grid.
    """
    if ct.units != "[hnsf'U]":
        return ()
    found: list[str] = []
    if liver is not None and liver.voxel_count:
        found += _liver_on_ct(_values(ct, grid, liver), limits)
    airy = []
    for lesion in lesions:
        values = _values(ct, grid, lesion)
        if not values.size or (values < limits.air_HU).mean() > limits.air_share:
            airy.append(lesion.lesion_id or lesion.name)
    if airy:
        found.append(f"Outside the body or in air on the CT: {', '.join(airy)}. Check that masks and image match.")
    return tuple(found)


def _liver_on_ct(values: np.ndarray, limits: PlausibleLimits) -> list[str]:
    if not values.size:
        return ["The liver's mask is outside the CT: check that they belong together."]
    middle = float(np.median(values))
    foreign = float(((values < limits.soft_HU[0]) | (values > limits.soft_HU[1])).mean())
    if limits.liver_HU[0] <= middle <= limits.liver_HU[1] and foreign <= limits.foreign_share:
        return []
    return [
        f"The liver's mask is hardly on the CT's liver: median {middle:.0f} HU, {foreign:.0%} of it fat, air or bone. "
        "Check that masks and image match."
    ]


def _values(ct: Volume, grid: Grid, segment: Segment) -> np.ndarray:
    """CT values at the segment's voxel centres (at most some thousand of them) that lie in the CT."""
    kji = np.argwhere(segment.mask)
    if not len(kji):
        return np.zeros(0)
    kji = kji[:: max(1, len(kji) // _MOST_POINTS)] + np.array(segment.origin)
    index = np.rint(ct.grid.to_ijk(grid.to_ras(kji[:, ::-1])))[:, ::-1].astype(int)
    inside = ((index >= 0) & (index < np.array(ct.array.shape))).all(axis=1)
    return np.asarray(ct.array[tuple(index[inside].T)], dtype=np.float64)


def missing_plane_doubts(segmentation: Segmentation) -> tuple[str, ...]:
    """A warning on masks in which whole planes seem to be missing: nothing is on them, but the same shape beside them.

    Masks are taken as drawn. What a reader has said of a segment's planes already is not said again.
    """
    said = " ".join(segmentation.warnings)
    step_mm = segmentation.grid.spacing_mm[2]
    found = []
    for segment in segmentation:
        wanted = segment.structure in _WHOLE or segment.role in ("target", "lesion")
        if not wanted:
            continue
        drawn: np.ndarray = np.asarray(segment.mask.any(axis=(1, 2)))
        levels = np.flatnonzero(drawn)
        if len(levels) < 2 or len(levels) == levels[-1] - levels[0] + 1 or f"'{segment.name}'" in said:
            continue
        gaps = [gap for gap in find_gaps(segment.mask, step_mm) if gap.fillable]
        missing = sum(gap.missing for gap in gaps if not drawn[gap.below + 1 : gap.above].any())
        if missing:
            found.append(f"'{segment.name}' ({missing} plane(s))")
    if not found:
        return ()
    return (
        f"Nothing is drawn on planes between alike parts of {', '.join(found)}: taken as drawn, which is too small if "
        "planes were left out; check them.",
    )


def segment_doubts(segmentation: Segmentation, liver: Segment) -> tuple[str, ...]:
    """What can be said of the segments alone: volume of the liver, and sides."""
    return (*liver_volume_doubt(volume_mL(segmentation.grid, liver)), *side_doubts(segmentation))


def uptake_doubts(
    tn_ratios: Mapping[str, float],
    lobe_references: Mapping[str, float],
    reference_cv: Mapping[str, float],
    limits: PlausibleLimits = LIMITS,
) -> tuple[str, ...]:
    """Warnings on what was measured.

    Parameters
    ----------
    tn_ratios : T/N of each target, by id.
    lobe_references : mean of the healthy liver by lobe ("left", "right").
    reference_cv : standard deviation over mean of each reference region that is used, by name.

    Examples
    --------
    >>> uptake_doubts({"L1": 5.0, "R1": 0.8}, {"left": 1.0, "right": 1.2}, {"reference left lobe": 0.2})
    ('T/N is below 1 in R1: check its mask and its uptake.',)
    """
    found = []
    low = [name for name, value in tn_ratios.items() if value < 1.0]
    if low:
        found.append(f"T/N is below 1 in {', '.join(low)}: check its mask and its uptake.")
    means = [lobe_references[lobe] for lobe in ("left", "right") if lobe_references.get(lobe, 0.0) > 0]
    if len(means) == 2 and max(means) > limits.lobe_ratio * min(means):
        found.append(
            f"Healthy liver differs between the lobes {max(means) / min(means):.1f}-fold (left {means[0]:.4g}, right "
            f"{means[1]:.4g}): check for tumour that is not contoured, and the lobes."
        )
    uneven = [f"{name} ({value:.0%})" for name, value in reference_cv.items() if value > limits.reference_cv]
    if uneven:
        found.append(
            f"The reference is uneven, with a coefficient of variation above {limits.reference_cv:.0%}: "
            f"{', '.join(uneven)}. Check for tumour or vessels in it."
        )
    return tuple(found)
