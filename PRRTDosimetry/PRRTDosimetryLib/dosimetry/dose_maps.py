"""Dose in every voxel of a case whose cycle was imaged more than once: the key ``dose_map`` under ``dosimetry``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.progress import Progress, ProgressPrinter, no_progress, sub_progress
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.model import ResultPart, VisitContents
from PRRTUptakeLib.study.placement import place
from PRRTUptakeLib.study.response_case import is_follow_up
from PRRTUptakeLib.study.visit_registration import VisitRegistration

from PRRTDosimetryLib.dose.density import SOFT_TISSUE_g_per_mL
from PRRTDosimetryLib.dose.dvh import DoseVolumeHistogram, dose_volume_histogram
from PRRTDosimetryLib.dose.isodose import isodose_regions
from PRRTDosimetryLib.dosimetry.cross_fire import cross_fire_Gy
from PRRTDosimetryLib.dosimetry.cycle import RENDERER, CycleDoses, settings_of
from PRRTDosimetryLib.dosimetry.derived_intervals import map_mean
from PRRTDosimetryLib.dosimetry.dose_map_rows import cross_fire_rows, dose_map_rows
from PRRTDosimetryLib.dosimetry.dvh_intervals import level_intervals, sharpening_of, with_levels
from PRRTDosimetryLib.dosimetry.effect_maps import EffectMaps, effect_maps
from PRRTDosimetryLib.dosimetry.errors import DosimetryError
from PRRTDosimetryLib.dosimetry.map_registration import visit_key, visit_registrations
from PRRTDosimetryLib.dosimetry.one_injection import contradiction, counted_injection
from PRRTDosimetryLib.dosimetry.patient_density import PatientDensity, visit_density
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.dosimetry.voxel_dose import METHODS, VoxelDose, dose_by_rates, voxel_dose, voxel_tia
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.kinetics.voxelwise import TiaMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.study.model import StudyInput, StudyResult, VisitImages
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

    from PRRTDosimetryLib.dose.dose_levels import DoseLevel
    from PRRTDosimetryLib.effect.bed import Tissue
    from PRRTDosimetryLib.kinetics.curve_shape import Shape

__all__ = [
    "METHODS",
    "CycleDoseMap",
    "CycleMap",
    "RegionMap",
    "add_dose_maps",
    "cycle_map",
    "dose_map_part",
    "finished_map",
    "visit_registrations",
    "voxel_tia",
]
_MOST_UNSEEN = 0.05  # share of a region outside one of the images from which there is a warning
_MOST_STATISTICAL = 0.02  # of a region's dose: statistical uncertainty of a transport from which there is a warning


@dataclass(frozen=True, eq=False)
class RegionMap:
    """One region in the dose map.

    Attributes
    ----------
    histogram, tia_MBq_h : doses of its voxels; integral of the activity map over it.
    unseen : share outside some image.
    u_Gy : statistical standard uncertainty of the mean by transport; nan for other methods.
    levels : D98, D50 and D2 by percent, with and without noise and blur.
    uniform_Gy : its dose if it is uniform in truth: the mean after region-based correction; nan where it was not among
        the regions that are corrected together.
    """

    segment: Segment
    histogram: DoseVolumeHistogram
    tia_MBq_h: float
    unseen: float
    u_Gy: float = math.nan
    levels: Mapping[int, DoseLevel] = field(default_factory=dict)
    uniform_Gy: float = math.nan


@dataclass(frozen=True, eq=False)
class CycleMap:
    """Dose map of one cycle on the grid of its first emission image.

    Attributes
    ----------
    tia, dose : MBq.h/mL and Gy.
    registrations : by visit, from the first visit's space to that visit's; "identity" where the frame is the same.
    regions : by name.
    density_g_per_mL : of the tissue; nan where it is that of a CT.
    density : that of the CT in g/mL; None where there is one density.
    uncertainty : statistical standard uncertainty of a transport, Gy.
    effects : BED and EQD2; None where no radiosensitivity is stated.
    doubts : sentences on where density or method do not hold.
    facts : on method and transport, plain values.
    isodoses : regions that receive at least the levels of the settings; None for none.
    cross_fire_Gy : photon dose from outside by lesion and organ.
    """

    tia: TiaMap
    dose: Volume
    registrations: dict[str, Registration]
    regions: dict[str, RegionMap]
    density_g_per_mL: float = SOFT_TISSUE_g_per_mL
    density: Volume | None = None
    uncertainty: Volume | None = None
    effects: EffectMaps | None = None
    doubts: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    isodoses: Segmentation | None = None
    cross_fire_Gy: Mapping[str, float] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """Doubts on the registrations, and regions that some image does not wholly show."""
        found = [f"{name}: {text}" for name, one in self.registrations.items() for text in one.quality.warnings]
        return [*found, *self.doubts] + [
            f"{region.unseen:.0%} of '{name}' is outside one of the images and is integrated from the others."
            for name, region in self.regions.items()
            if region.unseen > _MOST_UNSEEN
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class CycleDoseMap(ResultPart):
    """The dose map of one cycle as part of a result.

    Attributes
    ----------
    made : the map.
    cycle, method : the method is one of METHODS.
    by_region : dose (Gy), tia (MBq.h) and mass (g) by region, of the doses beside which the map is shown.
    known : 95 % intervals of the means by region, where they are known.
    levels : those of D98, D50 and D2, by region and percent.
    shown : registrations between the cycle's images with what the report shows of them.
    """

    renderer = RENDERER
    made: CycleMap
    cycle: int
    method: str
    by_region: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    known: Mapping[str, UncertainValue] = field(default_factory=dict)
    levels: Mapping[tuple[str, int], UncertainValue] = field(default_factory=dict)
    shown: tuple[VisitRegistration, ...] = ()


def add_dose_maps(result: StudyResult) -> StudyResult:
    """Add dose map, histograms and their comparison with the doses of regions, for every cycle with several images.

    Comes after ``add_doses``, with whose doses it compares. A cycle whose images cannot be brought together gives a
    warning.

    Raises
    ------
    InputFileError
        If the settings are not usable, or a transform names a visit that is not there.
    """
    settings = settings_of(result.input)
    if not settings.dose_map:
        return result
    _require_known_visits(settings, result.visits)
    same_person = bool(result.input.same_patient)
    by_cycle = groupby(sorted(result.visits, key=lambda one: one.labels.cycle), key=lambda one: one.labels.cycle)
    # A transport takes minutes, in a terminal too; the other methods take seconds.
    progress = ProgressPrinter() if settings.dose_map == "transport" else no_progress
    parts: list[ResultPart] = []
    for cycle, group in by_cycle:
        visits = [one for one in group if not is_follow_up(one.labels.visit)]
        if len(visits) < 2:
            continue
        images = [one for one in result.images if one.cycle == cycle]
        try:
            made = cycle_map(visits, images, settings, same_person, result.input, _shapes(result, cycle), progress)
        except PRRTError as error:
            parts.append(ResultPart(warnings=(f"Cycle {cycle}: no dose map. {error}",)))
            continue
        doses = [one for one in result.parts if isinstance(one, CycleDoses) and one.cycle == cycle]
        shown = _shown(made, visits, images)
        parts.append(dose_map_part(made, visits[0], settings.dose_map, doses[0] if doses else None, shown))
    return result.with_parts(*parts)


def dose_map_part(
    made: CycleMap,
    first: VisitResult,
    method: str,
    doses: CycleDoses | None,
    shown: Sequence[VisitRegistration] = (),
) -> CycleDoseMap:
    """A map with its rows, warnings and volumes; ``first`` names patient, cycle and image."""
    labels = first.labels
    study = f"cycle {labels.cycle} dosimetry"
    contents = VisitContents(study=study, volumes=_volumes(made, study), isodoses=made.isodoses)
    known = _intervals(made, doses)
    levels = {} if doses is None else level_intervals(made, doses.dosimetry)
    return CycleDoseMap(
        made=made,
        cycle=labels.cycle,
        method=method,
        by_region=_by_region(doses),
        known=known,
        levels=levels,
        shown=tuple(shown),
        rows=(
            *dose_map_rows(made, labels.patient, labels.cycle, labels.image, known, levels),
            *cross_fire_rows(made, first, _by_region(doses)["dose"]),
        ),
        warnings=tuple(f"Cycle {labels.cycle}, dose map: {text}" for text in made.warnings),
        contents=(contents,),
        alignment=tuple({**one.facts(), "cycle": labels.cycle, "for": "dose map"} for one in shown),
        parameters={"dose_map": {"cycle": labels.cycle, "method": method, **made.facts}},
    )


def _volumes(made: CycleMap, study: str) -> tuple[tuple[str, Volume], ...]:
    """The maps for the scene; dose and activity refer to their image, so that they are written as DICOM too."""
    found = [(f"Absorbed dose {study}", made.dose), (f"TIA {study}", made.tia.tia)]
    more = [("Dose uncertainty", made.uncertainty), ("Density", made.density)]
    if made.effects is not None:
        more += [("BED", made.effects.bed), ("EQD2", made.effects.eqd2)]
    for name, volume in more:
        if volume is not None:
            unlinked = {key: value for key, value in volume.provenance.items() if key != "series_uid"}
            found.append((f"{name} {study}", volume.with_values(volume.array, provenance=unlinked)))
    return tuple(found)


def _shapes(result: StudyResult, cycle: int) -> dict[str, Shape]:
    """Course of the activity of every region with a curve in a cycle."""
    doses = [one for one in result.parts if isinstance(one, CycleDoses) and one.cycle == cycle]
    return {name: one.shape for part in doses for name, one in part.dosimetry.integrals.items()}


def _intervals(made: CycleMap, doses: CycleDoses | None) -> dict[str, UncertainValue]:
    """By region, of the map's mean."""
    if doses is None:
        return {}
    found = {name: map_mean(doses.dosimetry, name, one.histogram.mean_Gy) for name, one in made.regions.items()}
    return {name: one for name, one in found.items() if one is not None}


def _by_region(doses: CycleDoses | None) -> dict[str, dict[str, float]]:
    regions = {} if doses is None else doses.dosimetry.regions
    return {
        "dose": {name: one.dose_Gy for name, one in regions.items()},
        "tia": {name: one.integral.tia_MBq_h for name, one in regions.items()},
        "mass": {name: one.mass_g for name, one in regions.items()},
    }


def cycle_map(
    visits: Sequence[VisitResult],
    images: Sequence[VisitImages],
    settings: DoseSettings,
    same_person: bool = False,
    study: StudyInput | None = None,
    shapes: Mapping[str, Shape] | None = None,
    progress: Progress = no_progress,
) -> CycleMap:
    """The dose map of one cycle from its measured visits.

    Activity is integrated voxel by voxel: uptake and clearance from three images on, a mono-exponential through two.
    ``same_person`` registers images of several patient ids too: the case says why they are of one person. ``study``
    gives the CTs where density is that of the CT; ``shapes`` are regions' curves, for the effect.

    Raises
    ------
    DosimetryError
        If injection or time of an image is not known, or two visits can be brought together in no way.
    PRRTError
        If images cannot be registered, integrated or turned into dose.
    """
    for visit in visits:
        if visit.injection is None or visit.image.reference_time is None:
            raise DosimetryError(
                f"Visit '{visit.labels.visit}' does not state injection or scan time: complete its header."
            )
    contradicting = contradiction({one.labels.visit: one.injection for one in visits if one.injection is not None})
    if contradicting:
        raise DosimetryError(contradicting)
    ordered = sorted(visits, key=lambda one: one.image.reference_time)  # type: ignore[arg-type, return-value]
    first = ordered[0]
    injection = counted_injection(first)
    by_name = {one.visit: one for one in images}
    registrations = visit_registrations(ordered, by_name, settings, same_person)
    transforms = [registrations[visit.labels.visit].ras_transform for visit in ordered]
    taken = [visit.image for visit in ordered]
    series = VoxelSeries.from_volumes(taken, injection.time, injection.nuclide, transforms)
    tia = voxel_tia(series)
    placed = placed_in(first, first.image)
    wanted = ordered if settings.integration == "dose-rate" else ordered[:1]
    densities = [_density(study, visit, by_name, settings) for visit in wanted]
    step = sub_progress(progress, 0.2, 1.0)
    if settings.integration == "dose-rate":
        shown = [_regions_of(placed_in(visit, visit.image)) for visit in ordered]
        made = dose_by_rates(taken, injection, transforms, settings, densities, step, shown)
    else:
        made = voxel_dose(tia.tia, injection.nuclide, settings, densities[0], _regions_of(placed), step)
    unseen = np.isnan(series.activity_Bq_per_mL).any(axis=0)
    found = finished_map(tia, made, densities[0], (first, placed, unseen), settings, shapes or {})
    return replace(found, registrations=registrations)


def _regions_of(placed: Mapping[str, tuple[Segment, Occupancy]]) -> dict[str, Occupancy]:
    return {name: one for name, (_, one) in placed.items()}


def placed_in(first: VisitResult, image: Volume) -> dict[str, tuple[Segment, Occupancy]]:
    """Every measured region of the first visit with its voxels on the grid of ``image``."""
    found = {}
    for segment in first.prepared.segmentation:
        if segment.name in first.metrics:
            placed = first.regions[segment.name]
            if not placed.grid.matches(image.grid):  # a map on another grid than the image that was measured
                prepared = first.prepared
                placed = place(segment, prepared.segmentation.grid, image.grid, prepared.bending, first.manual_shifts)
            found[segment.name] = (segment, placed)
    return found


def finished_map(
    tia: TiaMap,
    made: VoxelDose,
    density: PatientDensity | None,
    where: tuple[VisitResult, Mapping[str, tuple[Segment, Occupancy]], np.ndarray],
    settings: DoseSettings,
    shapes: Mapping[str, Shape],
) -> CycleMap:
    """A dose map with its regions, their effect, isodoses and doubts, without registrations.

    ``where`` are the first visit, its regions with their voxels, and the voxels [k, j, i] outside some image.
    """
    first, placed, unseen = where
    tissues: dict[str, Tissue] = settings.radiosensitivities(first.protocol)
    sharpening, corrected = sharpening_of(first, made.dose)
    regions = {}
    for name, (segment, one) in placed.items():
        region = _region_map(segment, one, (tia.tia, made.dose, unseen), made.regions_u_Gy.get(name, math.nan))
        regions[name] = with_levels(region, one, (tia, made.dose), sharpening, name in corrected)
    isodoses = isodose_regions(made.dose, settings.isodoses_Gy) if settings.isodoses_Gy else None
    doubts = (*(density.warnings if density is not None else ()), *made.warnings)
    if density is not None and made.facts.get("engine"):
        doubts = (*doubts, *_statistics(regions))
    return CycleMap(
        tia,
        made.dose,
        {},
        regions,
        settings.density_g_per_mL if density is None else math.nan,
        density.volume if density is not None else None,
        made.uncertainty,
        effect_maps(made.dose, tia.half_life, placed, tissues, shapes),
        doubts,
        made.facts,
        isodoses,
        cross_fire_Gy(tia.tia, first.injection.nuclide, placed) if first.injection is not None else {},
    )


def _statistics(regions: Mapping[str, RegionMap]) -> list[str]:
    """Regions whose statistical uncertainty is large enough to matter."""
    return [
        f"the transport's statistical uncertainty of '{name}' is {one.u_Gy / one.histogram.mean_Gy:.0%}: give more "
        "'histories'."
        for name, one in regions.items()
        if one.u_Gy > _MOST_STATISTICAL * one.histogram.mean_Gy
    ]


def _density(
    study: StudyInput | None, visit: VisitResult, images: Mapping[str, VisitImages], settings: DoseSettings
) -> PatientDensity | None:
    if not settings.by_ct:
        return None
    if study is None:
        raise DosimetryError("A dose map by the density of the CT needs the study that the CT is of.")
    divided = settings.divided(visit.image.spacing_mm)
    return visit_density(study, visit, images[visit.labels.visit], settings.ct_curve, divided)


def _shown(made: CycleMap, visits: Sequence[VisitResult], images: Sequence[VisitImages]) -> list[VisitRegistration]:
    """The registrations between CTs of the cycle's visits, each with its images, for the report."""
    by_visit = {one.visit: one for one in images}
    first, *others = made.registrations
    base = by_visit[first].anatomy
    if base is None:
        return []
    result = next(one for one in visits if one.labels.visit == first)
    livers = result.prepared.segmentation.having(structure="liver")
    liver = (livers[0], result.prepared.segmentation.grid) if livers else None
    fixed: Volume | None = None
    found = []
    for name in others:
        moving, one = by_visit[name].anatomy, made.registrations[name]
        if moving is not None and one.kind != "identity":
            fixed = fixed or base.load()
            names = (base.name, moving.name)
            found.append(
                VisitRegistration(
                    visit=name, registration=one, fixed=fixed, load_moving=moving.load, names=names, liver=liver
                )
            )
    return found


def _region_map(segment: Segment, placed: Occupancy, maps: tuple[Volume, Volume, np.ndarray], u_Gy: float) -> RegionMap:
    """One region; ``maps`` are activity, dose, and the voxels [k, j, i] outside an image."""
    tia, dose, unseen = maps
    volume_mL = placed.fraction * dose.grid.voxel_volume_mL
    outside = placed.fraction @ unseen.reshape(-1)[placed.indices] / placed.fraction.sum()
    histogram = dose_volume_histogram(placed.values(dose), volume_mL)
    return RegionMap(segment, histogram, float(placed.values(tia) @ volume_mL), float(outside), u_Gy)


def _require_known_visits(settings: DoseSettings, visits: Sequence[VisitResult]) -> None:
    known = [visit_key(visit) for visit in visits]
    unknown = [name for name in settings.transforms if name not in known]
    if unknown:
        raise InputFileError(
            f"dosimetry: 'transforms' names '{unknown[0]}', but the visits are {', '.join(known)} (CYCLE/VISIT)."
        )
