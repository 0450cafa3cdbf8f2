"""One visit measured: uptake of every region, T/N per target, geometric mean per lobe, treated/control ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.errors import ReferenceRegionError
from PRRTUptakeLib.segmentation.plausibility import uptake_doubts
from PRRTUptakeLib.segmentation.reference import KINDS
from PRRTUptakeLib.segmentation.segments import UNDIVIDED
from PRRTUptakeLib.study.contour_propagation import require_lesions
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.placement import cut_off, nothing_in, placed_regions
from PRRTUptakeLib.study.visit_uptakes import (
    Quantity,
    VisitResolution,
    VisitUptakes,
    liver_ratio_metric,
    ratio_metric,
    visit_quantities,
    visit_uptakes,
)
from PRRTUptakeLib.uptake.aggregation import aggregate_lesions
from PRRTUptakeLib.uptake.metrics import RegionMetrics, region_metrics
from PRRTUptakeLib.uptake.partial_volume import (
    CorrectedUptake,
    RecoveryCurve,
    border_recovery,
    corrected_uptake,
    shape_recovery,
    sphere_mean_recovery,
)
from PRRTUptakeLib.uptake.ratios import tn_ratio, treated_control_ratio
from PRRTUptakeLib.vocabulary import OPPOSITE_LOBE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.preparation import Prepared, SizedLesion
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.occupancy import Occupancy


@dataclass(frozen=True)
class VisitLabels:
    """What a measurement is called: patient, cycle, visit and image, and the lobe that was treated ("" if blinded)."""

    patient: str
    cycle: int
    visit: str
    image: str
    treated_lobe: str = ""


@dataclass(frozen=True, kw_only=True)
class LesionUptake:
    """One target lesion: T, N (concentrations in the image's unit), T/N, and how much contrast its mean keeps.

    They are the protocol's result: as measured, or corrected for partial volume where ``partial_volume`` asks for it;
    ``known`` has T/N both ways with its intervals, None where these could not be had. ``corrected`` is the measured T
    corrected by a phantom's recovery curve where one was given; ``border_recovery`` is what the voxel size alone
    leaves, ``recovery`` what the protocol's resolution leaves of this shape, ``sphere_recovery`` what theory says of a
    sphere of the same volume.
    """

    lesion_id: str
    lobe: str
    diameter_mm: float
    volume_mL: float
    tumour: float
    reference: float
    tn_ratio: float
    border_recovery: float
    recovery: float
    sphere_recovery: float
    corrected: CorrectedUptake | None = None
    known: Quantity | None = None


@dataclass(frozen=True)
class LobeUptake:
    """One lobe: volume, its share of the liver, and the aggregated T/N of its targets (None without targets).

    ``known`` has T/N as measured and corrected with its intervals, None where these could not be had.
    """

    lobe: str
    volume_mL: float
    fraction: float
    tn_ratio: float | None
    target_count: int
    known: Quantity | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitResult:
    """Everything that one visit gives.

    Attributes
    ----------
    labels, protocol, image, prepared : what was measured, and how.
    metrics : of every region, by name.
    targets, lobes : uptake per target lesion and per lobe.
    lobe_ratio : treated over control, or left over right while blinded; None if a lobe has no target.
    sensitivity : by reference kind: aggregated T/N per lobe and the ratio as measured, None where the kind has no
        region.
    quantities : with their intervals, by region and metric as in the rows; see ``visit_uptakes.visit_quantities``.
    liver_ratios : mean of every lesion and organ over that of the protocol's reference, by name; empty in a design with
        lobes.
    warnings : sentences for the user.
    injection : what was given, where the image states it.
    uptakes : every region's uptake with its interval, measured and corrected; None where that could not be had.
    manual_shifts : lesions that were moved by hand.
    regions : every region as it was placed in the image, by name; whoever needs a region's voxels takes these.
    anatomy : CT or MRI behind the contours in pictures; None if there is none.
    """

    labels: VisitLabels
    protocol: Protocol
    image: Volume
    prepared: Prepared
    metrics: dict[str, RegionMetrics]
    targets: tuple[LesionUptake, ...]
    lobes: tuple[LobeUptake, ...]
    lobe_ratio: float | None
    sensitivity: dict[str, dict[str, float | None]]
    warnings: tuple[str, ...]
    injection: Injection | None = None
    manual_shifts: tuple[ManualShift, ...] = ()
    uptakes: VisitUptakes | None = None
    quantities: Mapping[tuple[str, str], Quantity] = field(default_factory=dict)
    regions: Mapping[str, Occupancy] = field(default_factory=dict)
    anatomy: Volume | None = None
    liver_ratios: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio_name(self) -> str:
        """What `lobe_ratio` is a ratio of."""
        if not self.labels.treated_lobe:
            return "left/right (blinded)"
        return f"treated/control ({self.labels.treated_lobe}/{OPPOSITE_LOBE[self.labels.treated_lobe]})"

    @property
    def known_ratio(self) -> Quantity | None:
        """`lobe_ratio` as measured and corrected with its intervals; None where these could not be had."""
        return self.quantities.get(("patient", ratio_metric(self.labels.treated_lobe)))

    @property
    def partial_volume(self) -> str:
        """Which values are the result: "none" (as measured), "gtm" or "recovery"."""
        return self.uptakes.image.settings.mode if self.uptakes is not None else "none"


def measure_visit(
    prepared: Prepared,
    image: Volume,
    protocol: Protocol,
    labels: VisitLabels,
    injection: Injection | None = None,
    recovery: RecoveryCurve | None = None,
    manual_shifts: Sequence[ManualShift] = (),
    partial_volume: str = "none",
) -> VisitResult:
    """Measure all regions in the image and form the ratios that the protocol asks for.

    Parameters
    ----------
    prepared : labelled segments, in the space of the image, or with the bending that brings them there.
    image : activity concentration (Bq/ml) or SUV.
    protocol, labels : the trial's rules, and names for the rows.
    injection : what was given, where the image states it.
    recovery : of the camera, from a phantom, for the correction of T on request.
    manual_shifts : lesions that are measured where they were moved by hand, each with its reason.
    partial_volume : the correction whose values are the result: "none", "gtm" or "recovery".

    Raises
    ------
    StudyError
        If segments and image do not overlap, or the image cannot be corrected though that is asked for.
    PRRTError
        If a region that is needed is missing or cannot be measured.
    """
    require_lesions(manual_shifts, prepared, labels.visit)
    placed, warnings = _placed(prepared, image, manual_shifts, anywhere=not protocol.rules.by_lobe)
    metrics = region_metrics(image, placed.values())
    targets = _measured_targets(prepared, placed, metrics, protocol, recovery)
    resolution = _resolution(protocol, partial_volume, recovery)
    uptakes, notes = _uptakes(prepared, placed, image, resolution, labels.visit, protocol.reference.kind)
    known = {} if uptakes is None else visit_quantities(uptakes, prepared, protocol, labels.treated_lobe)
    sensitivity = _sensitivity(prepared, metrics, protocol, labels.treated_lobe)
    chosen = sensitivity.get(protocol.reference.kind, {})
    warnings += [*notes, *_doubts(prepared, metrics, targets, protocol), *_without_ratio(chosen)]
    targets = _resulting_targets(targets, prepared, known, protocol)
    lobes = _lobes(prepared, chosen, targets, known)
    warnings += _not_corrected(targets, lobes, partial_volume)
    return VisitResult(
        labels=labels,
        protocol=protocol,
        image=image,
        prepared=prepared,
        metrics=metrics,
        targets=targets,
        lobes=lobes,
        lobe_ratio=_lobe_ratio(chosen, known, labels.treated_lobe),
        sensitivity=sensitivity,
        warnings=(*prepared.warnings, *warnings),
        injection=injection,
        manual_shifts=tuple(manual_shifts),
        regions=placed,
        uptakes=uptakes,
        quantities=known,
        liver_ratios=_liver_ratios(prepared, metrics, protocol),
    )


def _liver_ratios(prepared: Prepared, metrics: dict[str, RegionMetrics], protocol: Protocol) -> dict[str, float]:
    """Mean over that of healthy liver, of all lesions and of organs but the liver; none in a design with lobes."""
    if protocol.rules.by_lobe:
        return {}
    healthy = metrics[prepared.references.region(protocol.reference.kind, UNDIVIDED).name].mean
    if not healthy > 0:
        return {}
    wanted = [s for s in prepared.segmentation if liver_ratio_metric(s) and s.name in metrics]
    return {s.name: metrics[s.name].mean / healthy for s in wanted if metrics[s.name].mean > 0}


def _uptakes(
    prepared: Prepared,
    placed: dict[str, Occupancy],
    image: Volume,
    resolution: VisitResolution,
    visit: str,
    reference_kind: str,
) -> tuple[VisitUptakes | None, list[str]]:
    """Uptakes with their intervals, or none and the reason as a warning; an error if corrected values are asked for."""
    try:
        found = visit_uptakes(prepared, placed, image, resolution, name=visit, reference_kind=reference_kind)
    except PRRTError as error:
        if resolution.mode != "none":
            raise StudyError(
                f"Visit '{visit}' cannot be corrected for partial volume ('{resolution.mode}' is asked for): {error}"
            ) from error
        return None, [f"Uptakes have no uncertainty, and partial volume is not in any interval: {error}"]
    return found, []


def _resulting_targets(
    targets: Sequence[LesionUptake],
    prepared: Prepared,
    known: Mapping[tuple[str, str], Quantity],
    protocol: Protocol,
) -> tuple[LesionUptake, ...]:
    """The targets with what is known of their T/N; T, N and T/N corrected where that is the result."""
    found = []
    shown = {target.lesion_id: target for target in targets}
    for lesion in prepared.targets:
        target = shown.get(lesion.lesion.lesion_id)
        if target is None:  # outside the image
            continue
        tn = known.get((lesion.segment.name, "tn_ratio"))
        if tn is None:
            found.append(target)
            continue
        one = replace(target, known=tn, tn_ratio=tn.result.value)
        if tn.is_corrected:
            reference = prepared.references.region(protocol.reference.kind, lesion.segment.lobe).name
            one = replace(
                one,
                tumour=known[lesion.segment.name, "mean"].corrected.value,
                reference=known[reference, "mean"].corrected.value,
            )
        found.append(one)
    return tuple(found)


def _lobes(
    prepared: Prepared,
    chosen: Mapping[str, float | None],
    targets: Sequence[LesionUptake],
    known: Mapping[tuple[str, str], Quantity],
) -> tuple[LobeUptake, ...]:
    """The lobes with the T/N that is the result; ``chosen`` has it as measured."""
    found = []
    for item in prepared.lobes:
        tn = known.get((f"{item.lobe} lobe", "tn_ratio_aggregated"))
        value = chosen.get(item.lobe) if tn is None else tn.result.value
        count = sum(target.lobe == item.lobe for target in targets)
        found.append(LobeUptake(item.lobe, item.volume_mL, item.fraction, value, count, tn))
    return tuple(found)


def _lobe_ratio(
    chosen: Mapping[str, float | None], known: Mapping[tuple[str, str], Quantity], treated: str
) -> float | None:
    """The ratio of the lobes that is the result; ``chosen`` has it as measured."""
    ratio = known.get(("patient", ratio_metric(treated)))
    return chosen.get("ratio") if ratio is None else ratio.result.value


def _without_ratio(chosen: Mapping[str, float | None]) -> list[str]:
    if not chosen or chosen["ratio"] is not None:
        return []
    empty = " and ".join(lobe for lobe in OPPOSITE_LOBE if chosen.get(lobe) is None)
    return [f"No ratio of the lobes: there is no target lesion in the {empty} lobe."]


def _not_corrected(targets: Sequence[LesionUptake], lobes: Sequence[LobeUptake], mode: str) -> list[str]:
    """A sentence on the targets and lobes whose result is as measured though a correction is asked for."""
    if mode == "none":
        return []
    names = [one.lesion_id for one in targets if one.known is None or not one.known.is_corrected]
    shown = [one for one in lobes if one.tn_ratio is not None]
    names += [f"{one.lobe} lobe" for one in shown if one.known is None or not one.known.is_corrected]
    if not names:
        return []
    return [f"T/N as measured, not corrected for partial volume though '{mode}' is asked for: {', '.join(names)}."]


def _doubts(
    prepared: Prepared, metrics: dict[str, RegionMetrics], targets: Sequence[LesionUptake], protocol: Protocol
) -> tuple[str, ...]:
    """What is hardly plausible in the uptake of targets and of the references that the protocol takes."""
    means = {lobe: metrics[region.name].mean for lobe, region in prepared.references.by_lobe.items()}
    lobes = dict.fromkeys(target.lobe for target in targets)
    used = {region.name: metrics[region.name] for region in (_used(prepared, lobe, protocol) for lobe in lobes)}
    spread = {name: found.sd / found.mean for name, found in used.items() if found.mean > 0}
    return uptake_doubts({target.lesion_id: target.tn_ratio for target in targets}, means, spread)


def _used(prepared: Prepared, lobe: str, protocol: Protocol) -> Segment:
    return prepared.references.region(protocol.reference.kind, lobe)


def _placed(
    prepared: Prepared, image: Volume, manual_shifts: Sequence[ManualShift], anywhere: bool
) -> tuple[dict[str, Occupancy], list[str]]:
    """Regions on the image's grid; those that are only partly in it are left out with a warning.

    Targets never are, unless they may be ``anywhere`` in the body: an image need not show all of it.
    """
    needed = ("reference", "lobe") if anywhere else ("target", "reference", "lobe")
    segmentation = prepared.segmentation
    grid, bending, outside = image.grid, prepared.bending, image.outside_field
    placed, refused = placed_regions(segmentation, segmentation.grid, grid, bending, manual_shifts, outside)
    empty = [name for name in placed if segmentation[name].role == "target" and not placed[name].values(image).any()]
    refused |= {name: nothing_in(placed.pop(name)) for name in empty}
    warnings = []
    for name, error in refused.items():
        if segmentation[name].role in needed:
            raise StudyError(f"The image does not cover what is to be measured: {str(error).rstrip('.')}.") from error
        warnings.append(f"'{name}' is not measured: {str(error).rstrip('.')}.")
    warnings += cut_off(segmentation, placed)
    return placed, warnings + [manual_shift.sentence for manual_shift in manual_shifts]


def _resolution(protocol: Protocol, mode: str, recovery: RecoveryCurve | None) -> VisitResolution:
    imaging = protocol.imaging
    return VisitResolution(mode=mode, fwhm_mm=imaging.fwhm_mm, fwhm_u=imaging.fwhm_u_percent / 100.0, phantom=recovery)


def _measured_targets(
    prepared: Prepared,
    placed: dict[str, Occupancy],
    metrics: dict[str, RegionMetrics],
    protocol: Protocol,
    recovery: RecoveryCurve | None,
) -> tuple[LesionUptake, ...]:
    """The targets that the image shows, as measured, with their T corrected where there is a phantom's curve."""
    shown = [lesion for lesion in prepared.targets if lesion.segment.name in placed]
    targets = tuple(_target(lesion, prepared, placed, metrics, protocol) for lesion in shown)
    if recovery is None:
        return targets
    return tuple(replace(one, corrected=_corrected(one, recovery)) for one in targets)


def _target(
    lesion: SizedLesion,
    prepared: Prepared,
    placed: dict[str, Occupancy],
    metrics: dict[str, RegionMetrics],
    protocol: Protocol,
) -> LesionUptake:
    segment, region = lesion.segment, placed[lesion.segment.name]
    reference = prepared.references.region(protocol.reference.kind, segment.lobe)
    tumour, healthy = metrics[segment.name].mean, metrics[reference.name].mean
    equivalent_mm = (6.0 * lesion.size.volume_mL * 1000.0 / math.pi) ** (1 / 3)
    fwhm_mm = protocol.imaging.fwhm_mm
    return LesionUptake(
        lesion_id=lesion.lesion.lesion_id,
        lobe=segment.lobe,
        diameter_mm=lesion.size.longest_axial_mm,
        volume_mL=lesion.size.volume_mL,
        tumour=tumour,
        reference=healthy,
        tn_ratio=tn_ratio(tumour, healthy, segment.name).value,
        border_recovery=border_recovery(region),
        recovery=shape_recovery(region, fwhm_mm),
        sphere_recovery=float(sphere_mean_recovery(equivalent_mm, fwhm_mm)),
    )


def _corrected(target: LesionUptake, recovery: RecoveryCurve) -> CorrectedUptake | None:
    """The liver around the lesion shines in, so that the contrast to it is what the volume costs; None elsewhere."""
    if target.lobe in ("none", ""):
        return None
    return corrected_uptake(recovery, target.tumour, target.volume_mL, target.reference)


def _sensitivity(
    prepared: Prepared, metrics: dict[str, RegionMetrics], protocol: Protocol, treated: str
) -> dict[str, dict[str, float | None]]:
    """The ratios with every kind of reference; none in a design without lobes."""
    kinds = KINDS if protocol.rules.by_lobe else ()
    return {kind: _ratios(kind, prepared, metrics, protocol, treated) for kind in kinds}


def _ratios(
    kind: str, prepared: Prepared, metrics: dict[str, RegionMetrics], protocol: Protocol, treated: str
) -> dict[str, float | None]:
    """Aggregated T/N per lobe and their ratio with one kind of reference; None where it cannot be formed."""
    found: dict[str, float | None] = {}
    for lobe in OPPOSITE_LOBE:
        try:
            values = {
                lesion.segment.name: _tn(lesion.segment, kind, prepared, metrics)
                for lesion in prepared.targets
                if lesion.segment.lobe == lobe
            }
        except ReferenceRegionError:
            if kind == protocol.reference.kind:
                raise
            values = {}
        volumes = {lesion.segment.name: lesion.size.volume_mL for lesion in prepared.targets}
        found[lobe] = aggregate_lesions(values, protocol.endpoint.aggregation, volumes).value if values else None
    upper = treated or "left"
    above, below = found[upper], found[OPPOSITE_LOBE[upper]]
    found["ratio"] = None
    if above is not None and below is not None:
        found["ratio"] = treated_control_ratio(above, below, "the patient").value
    return found


def _tn(segment: Segment, kind: str, prepared: Prepared, metrics: dict[str, RegionMetrics]) -> float:
    reference = prepared.references.region(kind, segment.lobe)
    return tn_ratio(metrics[segment.name].mean, metrics[reference.name].mean, segment.name).value
