"""One visit measured: uptake of every region, T/N per target, geometric mean per lobe, treated/control ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.plausibility import uptake_doubts
from PRRTUptakeLib.segmentation.reference import KINDS, ReferenceRegionError
from PRRTUptakeLib.segmentation.segments import UNDIVIDED
from PRRTUptakeLib.study.contour_propagation import require_lesions
from PRRTUptakeLib.study.placement import placed_regions
from PRRTUptakeLib.study.visit_uptakes import VisitResolution, VisitUptakes, liver_ratio_metric, visit_uptakes
from PRRTUptakeLib.uptake.metrics import RegionMetrics, region_metrics
from PRRTUptakeLib.uptake.partial_volume import (
    CorrectedUptake,
    RecoveryCurve,
    border_recovery,
    corrected_uptake,
    shape_recovery,
    sphere_mean_recovery,
)
from PRRTUptakeLib.uptake.ratios import aggregate, tn_ratio, treated_control_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.preparation import Prepared, SizedLesion
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.uptake.occupancy import Occupancy

OPPOSITE = {"left": "right", "right": "left"}


class PipelineError(PRRTError):
    """A visit cannot be measured."""


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

    ``corrected`` is T after partial volume correction where a phantom's recovery curve was given, beside T and never in
    its place; ``border_recovery`` is what the voxel size alone leaves, ``recovery`` what the protocol's resolution
    leaves of this shape, ``sphere_recovery`` what theory says of a sphere of the same volume.
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


@dataclass(frozen=True)
class LobeUptake:
    """One lobe: volume, its share of the liver, and the aggregated T/N of its targets (None without targets)."""

    lobe: str
    volume_mL: float
    fraction: float
    tn_ratio: float | None
    target_count: int


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitResult:
    """Everything that one visit gives.

    Attributes
    ----------
    labels, protocol, image, prepared : what was measured, and how.
    metrics : of every region, by name.
    targets, lobes : uptake per target lesion and per lobe.
    lobe_ratio : treated over control, or left over right while blinded; None if a lobe has no target.
    sensitivity : by reference kind: aggregated T/N per lobe and the ratio, None where the kind has no region; empty
        in a design without lobes.
    liver_ratios : mean of every lesion and organ over that of the protocol's reference, by name; empty in a design with
        lobes.
    warnings : sentences for the user.
    injection : what was given, where the image tells it.
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
    regions: Mapping[str, Occupancy] = field(default_factory=dict)
    anatomy: Volume | None = None
    liver_ratios: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio_name(self) -> str:
        """What `lobe_ratio` is a ratio of."""
        if not self.labels.treated_lobe:
            return "left/right (blinded)"
        return f"treated/control ({self.labels.treated_lobe}/{OPPOSITE[self.labels.treated_lobe]})"


def measure_visit(
    prepared: Prepared,
    image: Volume,
    protocol: Protocol,
    labels: VisitLabels,
    injection: Injection | None = None,
    recovery: RecoveryCurve | None = None,
    manual_shifts: Sequence[ManualShift] = (),
) -> VisitResult:
    """Measure all regions in the image and form the ratios that the protocol asks for.

    Parameters
    ----------
    prepared : labelled segments, in the space of the image, or with the bending that brings them there.
    image : activity concentration (Bq/ml) or SUV.
    protocol : the trial's rules.
    labels : names for the rows.
    injection : what was given, where the image tells it.
    recovery : of the camera, from a phantom, for the correction of T on request.
    nudges : lesions that are measured beside where they lie, each with its reason.

    Raises
    ------
    PipelineError
        If segments and image do not overlap.
    PRRTError
        If a region that is needed is missing or cannot be measured.
    """
    require_lesions(manual_shifts, prepared, labels.visit)
    placed, warnings = _placed(prepared, image, manual_shifts, anywhere=not protocol.rules.by_lobe)
    warnings += [manual_shift.sentence for manual_shift in manual_shifts]
    metrics = region_metrics(image, placed.values())
    shown = [lesion for lesion in prepared.targets if lesion.segment.name in placed]
    targets = tuple(_target(lesion, prepared, placed, metrics, protocol) for lesion in shown)
    if recovery is not None:
        targets = tuple(replace(one, corrected=_corrected(one, recovery)) for one in targets)
    uptakes, told = _uptakes(prepared, placed, image, protocol, labels, recovery)
    warnings += told
    kinds = KINDS if protocol.rules.by_lobe else ()
    sensitivity = {kind: _ratios(kind, prepared, metrics, protocol, labels.treated_lobe) for kind in kinds}
    chosen = sensitivity.get(protocol.reference.kind, {})
    lobes = tuple(
        LobeUptake(
            item.lobe,
            item.volume_mL,
            item.fraction,
            chosen.get(item.lobe),
            sum(target.lobe == item.lobe for target in targets),
        )
        for item in prepared.lobes
    )
    warnings += _doubts(prepared, metrics, targets, protocol)
    if chosen and chosen["ratio"] is None:
        empty = " and ".join(lobe for lobe in OPPOSITE if chosen.get(lobe) is None)
        warnings.append(f"No ratio of the lobes: there is no target lesion in the {empty} lobe.")
    return VisitResult(
        labels=labels,
        protocol=protocol,
        image=image,
        prepared=prepared,
        metrics=metrics,
        targets=targets,
        lobes=lobes,
        lobe_ratio=chosen.get("ratio"),
        sensitivity=sensitivity,
        warnings=(*prepared.warnings, *warnings),
        injection=injection,
        manual_shifts=tuple(manual_shifts),
        regions=placed,
        uptakes=uptakes,
        liver_ratios={} if protocol.rules.by_lobe else _liver_ratios(prepared, metrics, protocol),
    )


def _liver_ratios(prepared: Prepared, metrics: dict[str, RegionMetrics], protocol: Protocol) -> dict[str, float]:
    """Mean over that of healthy liver, of all lesions and of organs but the liver."""
    healthy = metrics[prepared.references.region(protocol.reference.kind, UNDIVIDED).name].mean
    if not healthy > 0:
        return {}
    wanted = [s for s in prepared.segmentation if liver_ratio_metric(s) and s.name in metrics]
    return {s.name: metrics[s.name].mean / healthy for s in wanted if metrics[s.name].mean > 0}


def _uptakes(
    prepared: Prepared,
    placed: dict[str, Occupancy],
    image: Volume,
    protocol: Protocol,
    labels: VisitLabels,
    recovery: RecoveryCurve | None,
) -> tuple[VisitUptakes | None, list[str]]:
    """Uptakes with their intervals, or none and the reason as a warning."""
    mode = getattr(protocol, "partial_volume", "none")
    resolution = VisitResolution(mode=mode, fwhm_mm=protocol.imaging.fwhm_mm, phantom=recovery)
    try:
        found = visit_uptakes(
            prepared, placed, image, resolution, name=labels.visit, reference_kind=protocol.reference.kind
        )
    except PRRTError as error:
        return None, [f"Uptakes have no uncertainty, and partial volume is not in any interval: {error}"]
    return found, []


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
    placed, refused = placed_regions(segmentation, segmentation.grid, image.grid, prepared.bending, manual_shifts)
    warnings = []
    for name, error in refused.items():
        if segmentation[name].role in needed:
            raise PipelineError(f"The image does not cover what is to be measured: {error}") from error
        warnings.append(f"'{name}' is not measured: {error}")
    return placed, warnings


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


def _ratios(
    kind: str, prepared: Prepared, metrics: dict[str, RegionMetrics], protocol: Protocol, treated: str
) -> dict[str, float | None]:
    """Aggregated T/N per lobe and their ratio with one kind of reference; None where it cannot be formed."""
    found: dict[str, float | None] = {}
    for lobe in OPPOSITE:
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
        found[lobe] = aggregate(values, protocol.endpoint.aggregation, volumes).value if values else None
    upper = treated or "left"
    above, below = found[upper], found[OPPOSITE[upper]]
    found["ratio"] = None
    if above is not None and below is not None:
        found["ratio"] = treated_control_ratio(above, below, "the patient").value
    return found


def _tn(segment: Segment, kind: str, prepared: Prepared, metrics: dict[str, RegionMetrics]) -> float:
    reference = prepared.references.region(kind, segment.lobe)
    return tn_ratio(metrics[segment.name].mean, metrics[reference.name].mean, segment.name).value
