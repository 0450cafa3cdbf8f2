"""The non-tumour reference: healthy liver of the same lobe, of the other lobe, of the whole liver, or a
minimum-variance sphere.

Healthy liver is the liver minus lesions grown by a margin (by default one FWHM, so that their spill-out stays outside),
minus vessels and gallbladder, minus the rim, where breathing and neighbours mix in. Which reference is taken decides
the T/N ratio, so all of them are made together for the sensitivity table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import (
    common_box,
    grown,
    mask_in,
    paste,
    segment_in,
    volume_mL,
    within_mm,
)
from PRRTUptakeLib.segmentation.errors import ReferenceRegionError
from PRRTUptakeLib.segmentation.minimum_variance_sphere import minimum_variance_sphere_at
from PRRTUptakeLib.segmentation.segments import UNDIVIDED
from PRRTUptakeLib.vocabulary import OPPOSITE_LOBE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment

SAME_LOBE, OTHER_LOBE, WHOLE_LIVER, SPHERE = "same-lobe", "contralateral-lobe", "whole-liver", "fixed-sphere"
WHOLE_LIVER_REFERENCE = "reference whole liver"  # name of the segment
KINDS = (SAME_LOBE, OTHER_LOBE, WHOLE_LIVER, SPHERE)


@dataclass(frozen=True)
class ReferenceRule:
    """How far the reference stays from lesions and from the liver's rim, and how small it may be."""

    lesion_margin_mm: float
    rim_mm: float
    minimum_volume_mL: float = 10.0
    sphere_radius_mm: float = 15.0

    def __post_init__(self) -> None:
        for name in ("lesion_margin_mm", "rim_mm", "minimum_volume_mL", "sphere_radius_mm"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ReferenceRegionError(
                    f"The reference's {name} must be a number of at least 0, not {getattr(self, name)}."
                )


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """All reference regions of one patient.

    Attributes
    ----------
    by_lobe : healthy liver of each lobe ("left", "right", "caudate").
    whole, sphere : healthy liver of the whole liver, and the minimum-variance sphere.
    refusals : why a region is missing, by "left", "right", "caudate", "whole-liver" or "fixed-sphere".
    """

    by_lobe: Mapping[str, Segment]
    whole: Segment | None
    sphere: Segment | None
    refusals: Mapping[str, str]

    def region(self, kind: str, lobe: str) -> Segment:
        """The reference of ``kind`` (one of KINDS) for a lesion in ``lobe``.

        Raises
        ------
        ReferenceRegionError
            If the region could not be made, or the kind has no meaning for the lobe.
        """
        if kind not in KINDS:
            raise ReferenceRegionError(f"The reference '{kind}' is not one of {', '.join(KINDS)}.")
        if lobe == UNDIVIDED and kind == SAME_LOBE:
            kind = WHOLE_LIVER  # the only lobe that there is
        if kind in (WHOLE_LIVER, SPHERE):
            found, key = (self.whole if kind == WHOLE_LIVER else self.sphere), kind
        else:
            key = lobe if kind == SAME_LOBE else OPPOSITE_LOBE.get(lobe, "")
            if not key or key == "none":
                raise ReferenceRegionError(f"A lesion in lobe '{lobe}' has no {kind} reference: take the whole liver.")
            found = self.by_lobe.get(key)
        if found is None:
            raise ReferenceRegionError(self.refusals.get(key, f"The liver has no {key} lobe, so no {kind} reference."))
        return found

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All regions that could be made."""
        return tuple(item for item in (*self.by_lobe.values(), self.whole, self.sphere) if item is not None)


def reference_regions(
    grid: Grid,
    liver: Segment,
    lobes: Sequence[Segment],
    lesions: Sequence[Segment],
    excluded: Sequence[Segment],
    rule: ReferenceRule,
    image: Volume | None = None,
) -> ReferenceSet:
    """Make every kind of reference region.

    Parameters
    ----------
    grid : of all segments.
    liver, lobes : the liver and its lobes (role lobe).
    lesions : all lesions, targets or not, hepatic or not; grown by ``rule.lesion_margin_mm``.
    excluded : vessels, gallbladder and whatever else is not liver tissue.
    rule : margins and the smallest volume.
    image : the sphere goes where this image varies least; no sphere without it.

    Returns
    -------
    ReferenceSet; a region below ``minimum_volume_mL`` is left out and its refusal says why and what to do.
    """
    healthy = healthy_liver(grid, liver, lesions, excluded, rule)
    regions: dict[str, Segment] = {}
    refusals: dict[str, str] = {}
    box = healthy.box
    for lobe in lobes:
        part = mask_in(lobe, box) & healthy.mask
        _keep(grid, segment_in(f"reference {lobe.lobe} lobe", part, box), lobe.lobe, rule, regions, refusals)
    _keep(grid, healthy.relabelled(name=WHOLE_LIVER_REFERENCE), WHOLE_LIVER, rule, regions, refusals)
    sphere = None
    if image is None:
        refusals[SPHERE] = "The minimum-variance sphere needs an image: give the one that is measured."
    else:
        sphere, refusal = minimum_variance_sphere_at(grid, healthy, image, rule.sphere_radius_mm)
        if refusal:
            refusals[SPHERE] = refusal
    labels = {"role": "reference", "structure": "reference_liver", "color": codes.structure("reference_liver").color}
    return ReferenceSet(
        {key: item.relabelled(lobe=key, **labels) for key, item in regions.items() if key != WHOLE_LIVER},
        regions[WHOLE_LIVER].relabelled(lobe="none", **labels) if WHOLE_LIVER in regions else None,
        sphere.relabelled(lobe="none", **labels) if sphere is not None else None,
        refusals,
    )


def healthy_liver(
    grid: Grid, liver: Segment, lesions: Sequence[Segment], excluded: Sequence[Segment], rule: ReferenceRule
) -> Segment:
    """The liver minus grown lesions, excluded structures and rim; may come out empty.

    A voxel is in the rim when its centre is within ``rim_mm`` of the centre of a voxel that is neither liver nor
    lesion. The grid's end is no rim. Distances between voxel centres, exact on the true spacing.

    Raises
    ------
    ReferenceRegionError
        If the liver is empty.
    """
    if not liver.voxel_count:
        raise ReferenceRegionError(f"The liver segment '{liver.name}' is empty: draw it.")
    box = common_box(grid, [liver], margin_voxels=1)
    inside = mask_in(liver, box)
    healthy = inside.copy()
    if rule.rim_mm > 0:
        tissue = inside
        for lesion in lesions:  # a lesion that the liver segment leaves out makes no rim of its own
            paste(lesion, box, tissue)
        healthy &= ~within_mm(grid, ~tissue, rule.rim_mm)
    for lesion in lesions:
        wide = grown(grid, lesion, rule.lesion_margin_mm)
        if wide.mask.size:
            healthy &= ~mask_in(wide, box)
    for segment in excluded:
        healthy &= ~mask_in(segment, box)
    return segment_in("healthy liver", healthy, box)


def _keep(
    grid: Grid,
    region: Segment,
    key: str,
    rule: ReferenceRule,
    regions: dict[str, Segment],
    refusals: dict[str, str],
) -> None:
    volume = volume_mL(grid, region)
    if region.voxel_count and volume >= rule.minimum_volume_mL:
        regions[key] = region
        return
    refusals[key] = (
        f"The {region.name} has {volume:.1f} mL of healthy liver, less than {rule.minimum_volume_mL:g} mL: "
        f"reduce the lesion margin ({rule.lesion_margin_mm:g} mm) or rim ({rule.rim_mm:g} mm), or take another kind."
    )
