"""The uptakes of a visit with their intervals: which regions are corrected together, and the trial's ratios of them.

The whole visit is one image of disjoint regions: lesions first, then organs, the reference region of each lobe, and
what remains of the lobes or the liver. Regions that overlap those (the whole liver, other kinds of reference) are not
corrected and have no interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.errors import ReferenceRegionError
from PRRTUptakeLib.segmentation.reference import SAME_LOBE
from PRRTUptakeLib.segmentation.segments import UNDIVIDED
from PRRTUptakeLib.uptake.errors import NoiseError
from PRRTUptakeLib.uptake.noise import image_noise
from PRRTUptakeLib.uptake.partial_volume import contour_uncertainty_mm
from PRRTUptakeLib.uptake.region_model import box_of
from PRRTUptakeLib.uptake.region_uptake import RESOLUTION, ImageUptakes, PartialVolumeSettings, region_uptakes
from PRRTUptakeLib.uptake.uncertainty import (
    DrawnValue,
    UncertainValue,
    aggregated,
    corrected_value,
    ratio,
    uncorrected_value,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.noise import ImageNoise
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve
    from PRRTUptakeLib.uptake.region_model import Box

CONTOUR_FWHM_mm = 1.0  # of CT or MRI on which contours are drawn
_LEAST_LEFT = 0.5  # share of a region that earlier ones must leave of it
_LESIONS = ("target", "lesion")


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What is reported by the protocol's ``partial_volume``, and both values side by side.

    ``shared_u`` is the part of the result's uncertainty that all targets of the visit share, in its unit: it cancels
    between lobes and does not average out over lesions. nan where it is not known.
    """

    result: UncertainValue
    uncorrected: UncertainValue
    corrected: UncertainValue
    shared_u: float = math.nan

    @property
    def is_corrected(self) -> bool:
        """Whether the corrected value is the result."""
        return self.result == self.corrected

    @property
    def other(self) -> UncertainValue:
        """The value that is not the result."""
        return self.uncorrected if self.is_corrected else self.corrected


@dataclass(frozen=True, eq=False)
class VisitUptakes:
    """All uptakes of one visit.

    Attributes
    ----------
    image : the regions that were corrected together, with their draws.
    noise : of the image; None where no region was uniform and large enough to read it from.
    left_out : regions that are not among them, with the reason.
    """

    image: ImageUptakes
    noise: ImageNoise | None
    left_out: Mapping[str, str]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was done about partial volume, and what is not in the intervals: first lines of a report."""
        if self.noise is not None:
            return (self.image.sentence,)
        return (self.image.sentence, "Counting noise is not in the intervals: no reference region is large enough.")

    @cached_property
    def interval_words(self) -> str:
        """What is in the 95 % intervals: one line under a table; "" if no region has one."""
        covered = [name for name in self.image.regions if self.covers(name)]
        causes = dict.fromkeys(word for name in covered for word in self.image.uptake(name).causes)
        if not causes:
            return ""
        loss = (
            "" if self.image.settings.mode == "gtm" else "; where a value is not corrected, the loss expected of it too"
        )
        return f"In the 95 % intervals are: {', '.join(causes)}{loss}."

    def covers(self, name: str) -> bool:
        """Whether a region has an interval."""
        return self.reason(name) == ""

    def reason(self, name: str) -> str:
        """Why a region has no interval, "" if it has one."""
        if name in self.left_out:
            return self.left_out[name]
        try:
            self.image.uptake(name)
        except PRRTError as error:
            return str(error)
        return ""

    def uptake(self, name: str) -> Quantity:
        """A region's mean."""
        return self._quantity(self.image.uptake(name), name)

    def tn(self, lesion: str, reference: str) -> Quantity:
        """T/N of a lesion: both as measured, or both corrected."""
        return self._quantity(self._drawn_tn(lesion, reference), lesion)

    def shared_log(self, lesion: str, reference: str) -> float:
        """What other lesions of the image may share of a T/N's error: log of its loss, and the camera's resolution.

        Lost is what is not corrected, and what a contour that is off its place loses on average.
        """
        drawn = self._drawn_tn(lesion, reference)
        loss = 0.0 if self.image.is_corrected(lesion) else math.log(drawn.corrected / drawn.measured)
        loss += float(np.mean(drawn.truth))
        return math.copysign(math.hypot(loss, float(np.std(drawn.causes.get(RESOLUTION, 0.0)))), loss)

    def aggregated_tn(
        self, lesions: Mapping[str, str], rule: str, volumes_mL: Mapping[str, float] | None = None
    ) -> Quantity:
        """T/N of a lobe from its lesions, each with the name of its reference."""
        return self._quantity(self._drawn_lobe(lesions, rule, volumes_mL), *lesions)

    def lobe_ratio(
        self,
        upper: Mapping[str, str],
        lower: Mapping[str, str],
        rule: str,
        volumes_mL: Mapping[str, float] | None = None,
    ) -> Quantity:
        """Aggregated T/N of one lobe over that of the other (treated over control)."""
        drawn = ratio(self._drawn_lobe(upper, rule, volumes_mL), self._drawn_lobe(lower, rule, volumes_mL))
        return self._quantity(drawn, *upper, *lower)

    def _drawn_tn(self, lesion: str, reference: str) -> DrawnValue:
        return ratio(self.image.uptake(lesion), self.image.uptake(reference))

    def _drawn_lobe(self, lesions: Mapping[str, str], rule: str, volumes_mL: Mapping[str, float] | None) -> DrawnValue:
        volumes = None if volumes_mL is None else [volumes_mL[name] for name in lesions]
        return aggregated([self._drawn_tn(*pair) for pair in lesions.items()], rule, volumes)

    def _quantity(self, drawn: DrawnValue, *names: str) -> Quantity:
        return Quantity(
            result=drawn.result(all(self.image.is_corrected(name) for name in names)),
            uncorrected=uncorrected_value(drawn),
            corrected=corrected_value(drawn),
        )


@dataclass(frozen=True, kw_only=True)
class VisitResolution:
    """What is known of the camera and asked for by the protocol.

    Attributes
    ----------
    mode : the protocol's ``partial_volume``.
    fwhm_mm, fwhm_u : resolution and its relative uncertainty: of the camera file, else the protocol's and 15 %.
    registration_mm : see ``uptake.region_uptake.PartialVolumeSettings``.
    phantom : recovery curve, for the mode ``recovery``.
    """

    mode: str
    fwhm_mm: float
    fwhm_u: float = 0.15
    registration_mm: float = 2.0
    phantom: RecoveryCurve | None = None


def visit_uptakes(
    prepared: Prepared,
    placed: Mapping[str, Occupancy],
    image: Volume,
    resolution: VisitResolution,
    *,
    name: str = "",
    reference_kind: str = SAME_LOBE,
    body: np.ndarray | None = None,
) -> VisitUptakes:
    """Uptakes of all regions of a visit, corrected together.

    Parameters
    ----------
    prepared, placed : labelled segments, and where they are in the image.
    image : the measured one.
    resolution : of the camera, and the protocol's wish.
    name : of the visit among those of the patient.
    reference_kind : of the protocol's T/N; its regions are among those that are corrected together.
    body : fraction of each voxel that is body, [k, j, i]; None takes the whole image.

    Raises
    ------
    PRRTError
        If the resolution is not known, or the regions do not allow the correction at all.
    """
    segmentation = prepared.segmentation
    lesions = [segment for segment in segmentation if segment.role in _LESIONS]
    around = {}
    for segment in lesions:
        reference = _reference_of(segment.lobe, prepared, reference_kind)
        inside = segment.lobe not in ("none", "")  # the liver is not around a lesion outside it
        if inside and reference is not None and reference.name in placed:
            around[segment.name] = reference.name
    healthy = _healthy_liver(prepared, placed, frozenset(around.values()))
    chosen, left_out = disjoint_regions(segmentation, placed, healthy)
    settings = PartialVolumeSettings(
        mode=resolution.mode,
        fwhm_mm=resolution.fwhm_mm,
        fwhm_u=resolution.fwhm_u,
        registration_mm=resolution.registration_mm,
        contour_mm=contour_uncertainty_mm(segmentation.grid.spacing_mm, CONTOUR_FWHM_mm),
        phantom=resolution.phantom,
        surroundings=around if resolution.mode == "recovery" else {},
    )
    noise = _noise(prepared, placed, image)
    sampled = {reference: placed[reference] for reference in healthy.values()}
    found = region_uptakes(image, chosen, settings, noise=noise, body=body, sampled=sampled, name=name)
    return VisitUptakes(found, noise, left_out)


def disjoint_regions(
    segmentation: Segmentation, placed: Mapping[str, Occupancy], healthy: Mapping[str, str]
) -> tuple[list[Occupancy], dict[str, str]]:
    """Regions in their order of precedence, and those that are left out with the reason.

    Lesions, organs, then lobes or the liver. ``healthy`` names, by lobe or liver, the reference region whose healthy
    liver fills it: it goes by that name.

    A region of which earlier ones leave less than half (the whole liver in addition to its lobes, a second kind of
    reference) is not one of its own.
    """
    ordered = sorted((s for s in segmentation if s.name in placed), key=_precedence)
    chosen: list[Occupancy] = []
    boxes: list[Box] = []
    left_out: dict[str, str] = {}
    for segment in ordered:
        if segment.name in healthy.values():
            continue
        if segment.role == "lobe" and healthy and segment.name not in healthy:
            left_out[segment.name] = "it is part of the healthy liver, which is measured in another region"
            continue
        region = placed[segment.name]
        if segment.role == "reference":
            left_out[segment.name] = "it is part of the healthy liver, which is measured in another reference region"
            continue
        box = box_of(region)
        covered = _covered(box, boxes)
        if covered > 1 - _LEAST_LEFT and segment.role not in _LESIONS:
            left_out[segment.name] = f"{covered:.0%} of it are other regions that are corrected by themselves"
        elif covered > 1 - 1e-6:
            left_out[segment.name] = "another region covers it"
        else:
            boxes.append(box)
            chosen.append(replace(region, name=healthy.get(segment.name, region.name)))
        if segment.name in healthy and segment.name not in left_out:
            left_out[segment.name] = f"its healthy liver is measured in '{healthy[segment.name]}'"
    return chosen, left_out


def _healthy_liver(prepared: Prepared, placed: Mapping[str, Occupancy], references: frozenset[str]) -> dict[str, str]:
    """By the name of a lobe or of the liver: the reference region in which its healthy liver is measured."""
    found = {}
    for segment in prepared.segmentation:
        if segment.role == "lobe" and segment.name in placed:
            own = prepared.references.by_lobe.get(segment.lobe)
            if own is not None and own.name in references:
                found[segment.name] = own.name
    whole = references - set(found.values())
    liver = [s.name for s in prepared.segmentation if s.structure == "liver" and s.role == "organ" and s.name in placed]
    if not found and len(whole) == 1 and liver:
        found[liver[0]] = next(iter(whole))
    return found


def liver_ratio_metric(segment: Segment) -> str:
    """What a region's uptake over that of healthy liver is called in rows; "" for a region that has no such ratio."""
    if segment.role in _LESIONS:
        return "tn_ratio"
    is_organ = segment.role == "organ" and segment.structure not in ("", "liver")
    return "organ_to_liver_ratio" if is_organ else ""


def _precedence(segment: Segment) -> int:
    if segment.role in _LESIONS:
        return 0
    if segment.role == "lobe":
        return 2
    return 3 if segment.structure == "liver" else 1


def _covered(box: Box, chosen: Sequence[Box]) -> float:
    """Share of a region that earlier ones take."""
    taken = np.zeros_like(box.values)
    for earlier in chosen:
        here = earlier.crop(box.low, box.high)
        if here is not None:
            taken += here
    return float(np.minimum(taken, box.values).sum() / box.values.sum())


def _reference_of(lobe: str, prepared: Prepared, kind: str) -> Segment | None:
    """Reference of a lesion in ``lobe``, None where it has none (outside the liver)."""
    try:
        return prepared.references.region(kind, lobe)
    except ReferenceRegionError:
        return None


def _noise(prepared: Prepared, placed: Mapping[str, Occupancy], image: Volume) -> ImageNoise | None:
    """Read from the largest reference region that allows it."""
    regions = [placed[segment.name] for segment in prepared.references.segments if segment.name in placed]
    for region in sorted(regions, key=lambda one: -one.volume_mL):
        try:
            return image_noise(image, region)
        except NoiseError:
            continue
    return None


def _liver_quantities(
    uptakes: VisitUptakes, prepared: Prepared, protocol: Protocol, names: Sequence[str]
) -> dict[tuple[str, str], Quantity]:
    """Ratios to healthy liver with their intervals, of all lesions and organs among ``names``."""
    reference = _reference_of(UNDIVIDED, prepared, protocol.reference.kind)
    if reference is None or reference.name not in names:
        return {}
    ratios = [(segment.name, liver_ratio_metric(segment)) for segment in prepared.segmentation if segment.name in names]
    return {(name, metric): uptakes.tn(name, reference.name) for name, metric in ratios if metric}


def visit_quantities(
    uptakes: VisitUptakes, prepared: Prepared, protocol: Protocol, treated_lobe: str
) -> dict[tuple[str, str], Quantity]:
    """All quantities of a visit that have an interval, by region and metric as in its rows.

    ``mean`` of every region that was corrected together; ``tn_ratio`` of targets; ``tn_ratio_aggregated`` of lobes;
    ``treated_control_ratio`` (``left_right_ratio`` while blinded) of the patient; or the ratios to healthy liver of a
    design without lobes.
    """
    names = [name for name in uptakes.image.regions if uptakes.covers(name)]
    found = {(name, "mean"): uptakes.uptake(name) for name in names}
    if not protocol.rules.by_lobe:
        return found | _liver_quantities(uptakes, prepared, protocol, names)
    lobes: dict[str, dict[str, str]] = {"left": {}, "right": {}}
    for lesion in prepared.targets:
        segment = lesion.segment
        reference = _reference_of(segment.lobe, prepared, protocol.reference.kind)
        if reference is not None and segment.name in names and reference.name in names:
            found[segment.name, "tn_ratio"] = uptakes.tn(segment.name, reference.name)
            if segment.lobe in lobes:
                lobes[segment.lobe][segment.name] = reference.name
    found |= _with_shared(uptakes, found, {name: one for pairs in lobes.values() for name, one in pairs.items()})
    wanted = {lobe: sum(one.segment.lobe == lobe for one in prepared.targets) for lobe in lobes}
    complete = [lobe for lobe, lesions in lobes.items() if lesions and len(lesions) == wanted[lobe]]
    rule = protocol.endpoint.aggregation
    volumes = {lesion.segment.name: lesion.size.volume_mL for lesion in prepared.targets}
    for lobe in complete:
        found[f"{lobe} lobe", "tn_ratio_aggregated"] = uptakes.aggregated_tn(lobes[lobe], rule, volumes)
    if len(complete) == len(lobes):
        upper = treated_lobe or "left"
        lower = "right" if upper == "left" else "left"
        found["patient", ratio_metric(treated_lobe)] = uptakes.lobe_ratio(lobes[upper], lobes[lower], rule, volumes)
    return found


def _with_shared(
    uptakes: VisitUptakes, found: Mapping[tuple[str, str], Quantity], references: Mapping[str, str]
) -> dict[tuple[str, str], Quantity]:
    """T/N of the targets with what all of them share: the least of what each could, none where they err oppositely."""
    logs = [uptakes.shared_log(lesion, reference) for lesion, reference in references.items()]
    if len(logs) < 2:
        return {}
    shared = max(0.0, min(logs), -max(logs))
    changed = {}
    for lesion in references:
        one = found[lesion, "tn_ratio"]
        changed[lesion, "tn_ratio"] = replace(one, shared_u=min(shared * one.result.value, one.result.u))
    return changed


def ratio_metric(treated_lobe: str) -> str:
    """Metric of the lobes' ratio: treated over control, or left over right while blinded ("")."""
    return "treated_control_ratio" if treated_lobe else "left_right_ratio"
