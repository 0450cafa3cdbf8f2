"""Intra-arterial against intravenous uptake of one patient: the same regions in both images, which stay as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.segments import Segmentation
from PRRTUptakeLib.study.contour_propagation import require_lesions
from PRRTUptakeLib.study.eligibility import Eligibility, eligibility, log_ratio_sd
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.placement import manual_shift_of, nothing_in, parts_cut_off, placed_regions, transform_of
from PRRTUptakeLib.study.route_doubts import weight_doubts
from PRRTUptakeLib.study.route_intervals import RegionIntervals, added_by_noise, drawn_means, region_intervals
from PRRTUptakeLib.uptake.metrics import region_metrics
from PRRTUptakeLib.uptake.peak import PeakRule, region_peaks
from PRRTUptakeLib.uptake.ratios import enhancement_ratio
from PRRTUptakeLib.uptake.spill_in import SpillInRule, clear_of_spill_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.segmentation.targets import Decision
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.mapping import RasTransform
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

METRICS = ("suv_max", "suv_peak", "suv_mean")
LESION_ROLES = ("target", "lesion")
ORGANS = ("kidney_left", "kidney_right", "spleen", "marrow", "blood_pool")


@dataclass(frozen=True, kw_only=True, eq=False)
class RoutedImage:
    """An SUV image after injection by one route.

    ``ras_transform`` takes the segments' space into the image's (4x4 RAS or a function of points); ``manual_shifts``
    move single lesions on; ``placed`` are the regions with a role as they were placed in it, by name.
    """

    route: str
    visit: str
    image: Volume
    ras_transform: RasTransform | None
    injection: Injection
    manual_shifts: tuple[ManualShift, ...] = ()
    placed: Mapping[str, Occupancy] = field(default_factory=dict)

    def transform_of(self, segment: Segment) -> RasTransform | None:
        """The transform for one segment, its manual shift included."""
        return transform_of(segment, self.ras_transform, self.manual_shifts)

    @property
    def hours(self) -> float:
        """Hours from the injection to the scan, whatever moment its values were decay corrected to."""
        scanned = self.image.provenance.get("scanned_at")
        if scanned:
            return self.injection.hours_to(datetime.fromisoformat(scanned))
        if self.image.reference_time is None:
            raise StudyError(f"The {self.route} image '{self.visit}' does not state its time: give it.")
        return self.injection.hours_to(self.image.reference_time)


@dataclass(frozen=True, kw_only=True)
class RegionRatio:
    """One region: each metric after IA and IV, their ratio, and the intervals of all."""

    region: str
    role: str
    lobe: str
    lesion_id: str
    ia: dict[str, float]
    iv: dict[str, float]
    ratio: dict[str, float]
    volume_mL: float
    known: RegionIntervals = field(default_factory=RegionIntervals)


@dataclass(frozen=True, kw_only=True, eq=False)
class EnhancementResult:
    """The comparison of one patient.

    ``gains`` is, by region, the targets' enhancement over the region's: of organs by the protocol's metric, of healthy
    liver by its mean; ``ratio_sd`` the standard deviation of the log of any region's ratio, from how well SUV repeats.
    ``segments`` are what was measured, references without the parts that lesions or organs spill into; ``decisions``
    say of every lesion whether it is a target, and why.
    """

    ia: RoutedImage
    iv: RoutedImage
    regions: tuple[RegionRatio, ...]
    eligibility: Eligibility
    gains: dict[str, float]
    warnings: tuple[str, ...]
    ratio_sd: float
    segments: tuple[Segment, ...] = ()
    decisions: tuple[Decision, ...] = ()


def measured_segments(prepared: Prepared) -> tuple[Segment, ...]:
    """Targets, other lesions, healthy liver and organs: what the two images are compared in."""
    lesions = [lesion.segment for lesion in prepared.lesions]
    organs = [s for s in prepared.segmentation if s.structure in ORGANS and s.voxel_count]
    liver = [prepared.references.whole] if prepared.references.whole is not None else []
    return (*lesions, *liver, *organs)


def compare_routes(prepared: Prepared, ia: RoutedImage, iv: RoutedImage, protocol: Protocol) -> EnhancementResult:
    """Measure the same regions after intra-arterial and intravenous injection.

    Parameters
    ----------
    prepared : lesions, targets and references as drawn.
    ia, iv : the images, each with the transform from the segments' space.
    protocol : metric, aggregation, threshold, repeatability.

    Raises
    ------
    PRRTError
        If a target is outside an image, units differ, or a ratio cannot be formed.
    """
    if ia.image.units != iv.image.units:
        raise StudyError(
            f"The IA image is in '{ia.image.units}', the IV image in '{iv.image.units}': quantify both alike."
        )
    for shown in (ia, iv):
        require_lesions(shown.manual_shifts, prepared, shown.visit)
    ia, iv = (_placed(prepared, one) for one in (ia, iv))
    segments, warnings = _clear_references(measured_segments(prepared), prepared, (ia, iv), protocol)
    warnings += [text for shown in (ia, iv) for text in _cut_off(prepared, shown)]
    ia, iv = (_with_references(one, segments, prepared) for one in (ia, iv))
    after_ia, after_iv = (_measured(segments, prepared, one, warnings) for one in (ia, iv))
    (ia_means, ia_missing), (iv_means, iv_missing) = (drawn_means(prepared, one, protocol) for one in (ia, iv))
    warnings += [*ia_missing, *iv_missing]
    names = [segment.name for segment in segments if segment.name in after_ia and segment.name in after_iv]
    added = (added_by_noise(names, ia_means), added_by_noise(names, iv_means))
    regions = []
    for segment in segments:
        name = segment.name
        if name not in after_ia or name not in after_iv:
            warnings.append(f"{name} is not within both images and is left out.")
            continue
        ratio = {m: enhancement_ratio(after_ia[name][m], after_iv[name][m], name).value for m in METRICS}
        regions.append(
            RegionRatio(
                region=name,
                role=segment.role,
                lobe=segment.lobe or "none",
                lesion_id=segment.lesion_id,
                ia=after_ia[name],
                iv=after_iv[name],
                ratio=ratio,
                volume_mL=segment.voxels_inside * prepared.segmentation.grid.voxel_volume_mL,
                known=region_intervals(name, (after_ia[name], after_iv[name]), (ia_means, iv_means), added, protocol),
            )
        )
    metric = protocol.endpoint.metric
    targets = {region.region: region.ratio[metric] for region in regions if region.role == "target"}
    decided = eligibility(targets, protocol.endpoint, protocol.repeatability)
    gains = {r.region: decided.value / r.ratio[_gain_metric(r, metric)] for r in regions if r.role not in LESION_ROLES}
    note = (*warnings, *_differences(ia, iv))
    return EnhancementResult(
        ia=ia,
        iv=iv,
        regions=tuple(regions),
        eligibility=decided,
        gains=gains,
        warnings=note,
        ratio_sd=log_ratio_sd(protocol.repeatability),
        segments=segments,
        decisions=tuple(lesion.decision for lesion in prepared.lesions),
    )


def _gain_metric(region: RegionRatio, metric: str) -> str:
    """Of healthy liver the mean: its extremes are noise, and what of spill-in is not foreseen."""
    return "suv_mean" if region.role == "reference" else metric


def _clear_references(
    segments: tuple[Segment, ...], prepared: Prepared, shown: tuple[RoutedImage, ...], protocol: Protocol
) -> tuple[tuple[Segment, ...], list[str]]:
    """The segments, references without the parts into which lesions or organs spill in one of the images."""
    neighbours = [segment for segment in segments if segment.role != "reference"]
    rule = SpillInRule(
        fwhm_mm=protocol.imaging.fwhm_mm,
        keep_mm=PeakRule().radius_mm,
        minimum_mL=protocol.reference.minimum_volume_mL,
    )
    images = [(one.image, one.ras_transform) for one in shown]
    moved = {segment.name for one in shown for segment in segments if manual_shift_of(segment, one.manual_shifts)}
    placed = [{name: region for name, region in one.placed.items() if name not in moved} for one in shown]
    found, notes = [], []
    for segment in segments:
        if segment.role == "reference":
            part, words = clear_of_spill_in(segment, neighbours, prepared.segmentation.grid, images, rule, placed)
            found.append(part)
            notes += [words] if words else []
        else:
            found.append(segment)
    return tuple(found), notes


def _placed(prepared: Prepared, shown: RoutedImage) -> RoutedImage:
    """The image with every region that has a role placed in it; a target that cannot be placed is an error."""
    segmentation = prepared.segmentation
    segments = [segment for segment in segmentation if segment.role or segment.structure in ORGANS]
    transform, shifts = shown.ras_transform, shown.manual_shifts
    image = shown.image
    placed, refused = placed_regions(segments, segmentation.grid, image.grid, transform, shifts, image.outside_field)
    for name, error in refused.items():
        if segmentation[name].role == "target":
            raise error
    return replace(shown, placed=placed)


def _cut_off(prepared: Prepared, shown: RoutedImage) -> list[str]:
    """A warning on regions that are compared and of which an image holds a part only."""
    compared = {segment.name for segment in measured_segments(prepared)}
    placed = {name: region for name, region in shown.placed.items() if name in compared}
    parts = parts_cut_off(prepared.segmentation, placed)
    if not parts:
        return []
    return [
        f"{shown.visit}: {', '.join(parts)} is outside the image: mean, maximum and peak are those of the rest, and so "
        "are their ratios."
    ]


def _with_references(shown: RoutedImage, segments: Sequence[Segment], prepared: Prepared) -> RoutedImage:
    """The image with the reference regions as they are measured, clear of spill-in, in place of the whole ones."""
    references = [segment for segment in segments if segment.role == "reference"]
    grid, image = prepared.segmentation.grid, shown.image
    placed, _ = placed_regions(
        references, grid, image.grid, shown.ras_transform, shown.manual_shifts, image.outside_field
    )
    return replace(shown, placed={**shown.placed, **placed})


def _measured(
    segments: tuple[Segment, ...], prepared: Prepared, shown: RoutedImage, warnings: list[str]
) -> dict[str, dict[str, float]]:
    """SUVmax, SUVpeak and SUVmean of every segment in the image; why one within it has none goes to ``warnings``."""
    grid = prepared.segmentation.grid
    found: dict[str, dict[str, float]] = {}
    for segment in segments:
        region = shown.placed.get(segment.name)
        if region is None:
            continue
        try:
            if not region.values(shown.image).any():
                raise nothing_in(region)
            metrics = region_metrics(shown.image, [region])[segment.name]
            alone = Segmentation(grid, (segment,))
            peak = region_peaks(shown.image, alone, ras_transform=shown.transform_of(segment))[segment.name]
        except PRRTError as error:
            if segment.role == "target":
                raise
            warnings.append(f"{shown.visit}: {segment.name} is not measured: {error}")
            continue
        found[segment.name] = {"suv_max": metrics.maximum, "suv_peak": peak.value, "suv_mean": metrics.mean}
    return found


def _differences(ia: RoutedImage, iv: RoutedImage) -> list[str]:
    """What differs between the two days beside the route, as warnings where it matters."""
    notes = [f"{shown.visit}: {manual_shift.sentence}" for shown in (ia, iv) for manual_shift in shown.manual_shifts]
    if abs(ia.hours - iv.hours) > 0.25:
        notes.append(
            f"The images were taken {ia.hours * 60:.0f} and {iv.hours * 60:.0f} min after injection (IA, IV): uptake "
            "still changes in between."
        )
    if ia.injection.nuclide != iv.injection.nuclide:
        notes.append(f"The nuclides differ: {ia.injection.nuclide} after IA, {iv.injection.nuclide} after IV.")
    return [*notes, *weight_doubts(ia, iv)]


def _with_interval(row: Measurement, known: UncertainValue | None) -> Measurement:
    if known is None:
        return row
    return replace(row, uncertainty=known.u, lower_95=known.lower, upper_95=known.upper)


def enhancement_rows(
    result: EnhancementResult, patient: str, cycle: int, image: str = "PET"
) -> tuple[Measurement, ...]:
    """The comparison in long form: the SUVs with their visits, ``er_<metric>`` with the visit "IA/IV"."""
    rows = []
    units = result.ia.image.units
    for region in result.regions:
        names = (region.region, region.role, region.lobe, region.lesion_id)
        known = region.known
        for shown, values, spread in ((result.ia, region.ia, known.ia), (result.iv, region.iv, known.iv)):
            for metric, value in values.items():
                row = Measurement(patient, cycle, shown.visit, image, *names, metric, value, units)
                rows.append(_with_interval(row, spread.get(metric)))
            for manual_shift in shown.manual_shifts:
                if manual_shift.lesion == region.lesion_id:
                    rows += manual_shift.rows(Measurement(patient, cycle, shown.visit, image, *names, "", 0.0, "mm"))
        for metric, value in region.ratio.items():
            row = Measurement(patient, cycle, "IA/IV", image, *names, f"er_{metric}", value, "1")
            rows.append(_with_interval(row, known.ratio.get(metric)))
        rows.append(Measurement(patient, cycle, "IA/IV", image, *names, "volume", region.volume_mL, "mL"))
    decided = result.eligibility
    patient_names = (patient, cycle, "IA/IV", image, "patient", "", "none", "")
    interval = decided.interval_95
    rows.append(Measurement(*patient_names, "enhancement_ratio", decided.value, "1", math.nan, *interval))
    rows.append(Measurement(*patient_names, "probability_at_threshold", decided.probability, "1"))
    return tuple(rows)
