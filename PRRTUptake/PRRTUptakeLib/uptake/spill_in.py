"""The part of a healthy region that no hot neighbour spills into, for its maximum and peak.

A mean hardly feels the tail of a hot lesion's blur; a maximum is made of it: one FWHM from the edge of a lesion of 25
times the liver's uptake the tail still doubles the liver. So extremes of a reference are read where the blurred
neighbours together give less than a stated share of the reference's own uptake.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.dilation import SAME_MM
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.mapping import push_map
from PRRTUptakeLib.uptake.occupancy import occupancy
from PRRTUptakeLib.uptake.region_model import box_of, line_kernel, overlap, part, spread_box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.uptake.mapping import RasTransform
    from PRRTUptakeLib.uptake.occupancy import Occupancy

DEFAULT_SHARE = 0.01  # of the reference's median: what its neighbours may add to a voxel of it
_MUCH = 0.5  # of a region: leaving out more of it is worth a sentence
DEFAULT_WIDENING = 1.15  # the resolution is known to 15 %: neighbours are blurred by so much more


@dataclass(frozen=True, kw_only=True)
class SpillInRule:
    """How far neighbours may reach.

    Attributes
    ----------
    fwhm_mm : resolution of the image.
    share : of the region's median that neighbours may add.
    keep_mm : distance that is kept from voxels beyond it: the radius of SUVpeak's sphere.
    minimum_mL : below which the clear part is too small to be used.
    """

    fwhm_mm: float
    share: float = DEFAULT_SHARE
    keep_mm: float = 0.0
    minimum_mL: float = 10.0

    def __post_init__(self) -> None:
        if not (self.fwhm_mm >= 0 and 0 < self.share < 1 and self.keep_mm >= 0 and self.minimum_mL >= 0):
            raise RecoveryError(f"A rule for spill-in has positive numbers and a share below 1, not {self}.")


def spill_in(
    image: Volume, neighbours: Sequence[Occupancy], fwhm_mm: float, within: tuple[slice, ...] | None = None
) -> np.ndarray:
    """What the blurred neighbours give to every voxel of an image, each as hot all over as its hottest voxel.

    Parameters
    ----------
    within : the part of the image that is asked for, slices (k, j, i); all of it by default.

    Returns
    -------
    float64 [k, j, i] of that part, in the image's unit; 0 where none reaches.

    Raises
    ------
    RecoveryError
        If the resolution is negative.
    """
    if fwhm_mm < 0:
        raise RecoveryError(f"The resolution must not be negative, but is {fwhm_mm} mm.")
    asked = within or tuple(slice(0, size) for size in image.grid.shape)
    low, high = [one.start for one in asked], [one.stop for one in asked]
    found = np.zeros([b - a for a, b in zip(low, high, strict=True)])
    kernels = [line_kernel(max(fwhm_mm, 1e-3), spacing) for spacing in image.grid.spacing_mm[::-1]]
    for neighbour in neighbours:
        spread = spread_box(box_of(neighbour), kernels, image.grid.shape)
        both = overlap(low, high, spread.low, spread.high)
        if both is not None:
            hottest = float(np.nanmax(neighbour.values(image)))
            found[part(both, low)] += max(hottest, 0.0) * np.maximum(spread.values[part(both, spread.low)], 0.0)
    return found


def clear_of_spill_in(
    region: Segment,
    neighbours: Sequence[Segment],
    source: Grid,
    shown: Sequence[tuple[Volume, RasTransform | None]],
    rule: SpillInRule,
    placed: Sequence[Mapping[str, Occupancy]] = (),
) -> tuple[Segment, str]:
    """The part of a region that is clear of its neighbours' spill-in in all images.

    Parameters
    ----------
    region, neighbours, source : the region, what may spill into it, and their grid.
    shown : images with the transform from the segments' frame to each.
    rule : how far neighbours may reach.
    placed : for each image, what of the region and its neighbours is placed in it already, by name.

    Returns
    -------
    The clear part, or the region itself where nothing need be left out or too little would remain; and a sentence on
    that, "" where nothing need be said.
    """
    clear = region.mask.copy()
    points = (np.argwhere(region.mask) + np.array(region.origin))[:, ::-1].astype(np.float64)
    for number, (image, transform) in enumerate(shown):
        index = np.round(push_map(source, image.grid, transform)(points)).astype(np.intp)[:, ::-1]
        inside = ((index >= 0) & (index < image.grid.shape)).all(axis=1)
        kept = np.zeros(len(points), dtype=bool)
        if inside.any():
            low, high = index[inside].min(axis=0), index[inside].max(axis=0) + 1
            known = placed[number] if placed else {}
            own, others = _found(known, region, neighbours, source, image, transform)
            flags = _clear_voxels(image, own, others, rule, (low, high))
            kept[inside] = flags[tuple((index[inside] - low).T)]
        clear[region.mask] &= kept
    left_mL = float(clear.sum()) * source.voxel_volume_mL
    lost = 1.0 - clear.sum() / max(1, region.mask.sum())
    if lost == 0:
        return region, ""
    if left_mL < rule.minimum_mL:
        return region, (
            f"Only {left_mL:.1f} mL of {region.name} are clear of spill-in from its neighbours, less than "
            f"{rule.minimum_mL:g} mL: its maximum and peak may be theirs, so use its mean."
        )
    if lost < _MUCH:
        return replace(region, mask=clear), ""
    return replace(region, mask=clear), (
        f"{lost:.0%} of {region.name} are left out, where neighbours may add more than {rule.share:.0%} to its uptake; "
        f"{left_mL:.0f} mL remain."
    )


def _found(
    known: Mapping[str, Occupancy],
    region: Segment,
    neighbours: Sequence[Segment],
    source: Grid,
    image: Volume,
    transform: RasTransform | None,
) -> tuple[Occupancy, list[Occupancy]]:
    """The region and its neighbours in an image; those wholly outside it are left out, nothing of them spills in."""

    def at(segment: Segment) -> Occupancy:
        found = known.get(segment.name)
        return found or occupancy(segment, source, image.grid, transform, 1.0, image.outside_field)

    others = []
    for segment in neighbours:
        with contextlib.suppress(PRRTError):
            others.append(at(segment))
    return at(region), others


def _clear_voxels(
    image: Volume,
    own: Occupancy,
    others: Sequence[Occupancy],
    rule: SpillInRule,
    box: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Voxels of a box that are far enough from those with more spill-in than the rule allows, bool [k, j, i].

    ``box`` is the first and last-plus-one index (k, j, i) of it; what is further from it than the rule's distance does
    not matter and is not looked at.
    """
    usual = float(np.median(own.values(image)))
    room = np.ceil(rule.keep_mm / np.array(image.grid.spacing_mm[::-1])).astype(int)
    low, high = np.maximum(box[0] - room, 0), np.minimum(box[1] + room, image.grid.shape)
    around = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    spilled = spill_in(image, others, rule.fwhm_mm * DEFAULT_WIDENING, around) > rule.share * max(usual, 0.0)
    clear = ~spilled
    if rule.keep_mm > 0 and spilled.any():
        clear = ndimage.distance_transform_edt(clear, sampling=image.grid.spacing_mm[::-1]) > rule.keep_mm + SAME_MM
    return np.asarray(clear[tuple(slice(a - c, b - c) for a, b, c in zip(*box, low, strict=True))])
