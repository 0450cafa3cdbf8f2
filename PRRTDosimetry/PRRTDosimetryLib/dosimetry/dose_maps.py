"""Dose in every voxel of a case whose cycle was imaged more than once: the key ``dose_map`` under ``dosimetry``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.registration.engine import RegistrationOptions
from PRRTUptakeLib.registration.result import (
    Registration,
    given_registration,
    identity_registration,
)
from PRRTUptakeLib.registration.rigid import rigid_registration
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.model import ResultPart, VisitContents
from PRRTUptakeLib.study.placement import place
from PRRTUptakeLib.study.visit_registration import VisitRegistration

from PRRTDosimetryLib.dose.density import SOFT_TISSUE_g_per_mL
from PRRTDosimetryLib.dose.dose_map import kernel_dose, local_dose
from PRRTDosimetryLib.dose.dvh import DoseVolumeHistogram, dose_volume_histogram
from PRRTDosimetryLib.dosimetry.cycle import DOSIMETRY, RENDERER, CycleDoses, settings_of
from PRRTDosimetryLib.dosimetry.derived_intervals import map_mean
from PRRTDosimetryLib.dosimetry.errors import DosimetryError
from PRRTDosimetryLib.dosimetry.settings import DoseSettings
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.kinetics.voxelwise import TiaMap, mono_exponential_tia_by_surroundings, uptake_clearance_tia

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.model import StudyResult, VisitImages
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

METHODS = {"kernel": kernel_dose, "local": local_dose}
_MOST_UNSEEN = 0.05  # share of a region outside one of the images that is reported


@dataclass(frozen=True, eq=False)
class RegionMap:
    """One region in the dose map: histogram, integral of the activity map over it, and share unseen in some image."""

    segment: Segment
    histogram: DoseVolumeHistogram
    tia_MBq_h: float
    unseen: float


@dataclass(frozen=True, eq=False)
class CycleMap:
    """Dose map of one cycle on the grid of its first emission image.

    Attributes
    ----------
    tia, dose : MBq.h/mL and Gy.
    registrations : by visit, from the first visit's space to that visit's; "identity" where the frame is the same.
    regions : by name.
    density_g_per_mL : of the tissue; nan where it is that of a CT.
    """

    tia: TiaMap
    dose: Volume
    registrations: dict[str, Registration]
    regions: dict[str, RegionMap]
    density_g_per_mL: float = SOFT_TISSUE_g_per_mL

    @property
    def warnings(self) -> list[str]:
        """Doubts on the registrations, and regions that some image does not wholly show."""
        found = [f"{name}: {text}" for name, one in self.registrations.items() for text in one.quality.warnings]
        return found + [
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
    cycle, method : "kernel" or "local".
    by_region : dose (Gy), tia (MBq.h) and mass (g) by region, of the doses beside which the map is shown.
    known : 95 % intervals of the means by region, where they are known.
    shown : registrations between the cycle's images with what the report shows of them.
    """

    renderer = RENDERER
    made: CycleMap
    cycle: int
    method: str
    by_region: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    known: Mapping[str, UncertainValue] = field(default_factory=dict)
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
    parts: list[ResultPart] = []
    for cycle, group in by_cycle:
        visits = list(group)
        if len(visits) < 2:
            continue
        images = [one for one in result.images if one.cycle == cycle]
        try:
            made = cycle_map(visits, images, settings, same_person)
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
    volumes = ((f"Absorbed dose {study}", made.dose), (f"TIA {study}", made.tia.tia))
    known = _intervals(made, doses)
    return CycleDoseMap(
        made=made,
        cycle=labels.cycle,
        method=method,
        by_region=_by_region(doses),
        known=known,
        shown=tuple(shown),
        rows=dose_map_rows(made, labels.patient, labels.cycle, labels.image, known),
        warnings=tuple(f"Cycle {labels.cycle}, dose map: {text}" for text in made.warnings),
        contents=(VisitContents(study=study, volumes=volumes),),
        alignment=tuple({**one.facts(), "cycle": labels.cycle, "for": "dose map"} for one in shown),
    )


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
    visits: Sequence[VisitResult], images: Sequence[VisitImages], settings: DoseSettings, same_person: bool = False
) -> CycleMap:
    """The dose map of one cycle from its measured visits.

    Activity is integrated voxel by voxel: uptake and clearance from three images on, a mono-exponential through two.
    ``same_person`` registers images of several patient ids too: the case says why they are of one person.

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
    ordered = sorted(visits, key=lambda one: one.image.reference_time)  # type: ignore[arg-type, return-value]
    first = ordered[0]
    assert first.injection is not None
    registrations = visit_registrations(ordered, {one.visit: one for one in images}, settings, same_person)
    series = VoxelSeries.from_volumes(
        [visit.image for visit in ordered],
        first.injection.time,
        first.injection.nuclide,
        [registrations[visit.labels.visit].ras_transform for visit in ordered],
    )
    tia = voxel_tia(series)
    dose = METHODS[settings.dose_map](tia.tia, first.injection.nuclide)
    unseen = np.isnan(series.activity_Bq_per_mL).any(axis=0)
    segments = [segment for segment in first.prepared.segmentation if segment.name in first.metrics]
    regions = {segment.name: region_map(segment, first, tia.tia, dose, unseen) for segment in segments}
    return CycleMap(tia, dose, registrations, regions)


def voxel_tia(series: VoxelSeries) -> TiaMap:
    """Time-integrated activity: uptake and clearance of each voxel from three images on, else its clearance alone.

    A mono-exponential through lesions that still take up at the first image would be a fifth too high.
    """
    return mono_exponential_tia_by_surroundings(series) if series.times_h.size < 3 else uptake_clearance_tia(series)


def visit_registrations(
    ordered: Sequence[VisitResult], images: dict[str, VisitImages], settings: DoseSettings, same_person: bool = False
) -> dict[str, Registration]:
    """Where each visit's images show the points of the first visit: given, the same, or by registration of the CTs.

    Raises
    ------
    DosimetryError
        If a visit has another frame of reference, no transform, and no CT or MRI to register.
    RegistrationError
        If a registration fails.
    """
    first = ordered[0]
    base = images[first.labels.visit]
    found = {first.labels.visit: identity_registration("the cycle's first visit")}
    fixed: Volume | None = None
    for visit in ordered[1:]:
        name = visit.labels.visit
        given = settings.transforms.get(_key(visit))
        frames = {_frame(images[name]), _frame(base)}
        if given is not None:
            found[name] = given.registration(first.image.grid)
        elif len(frames) == 1 and frames != {""}:
            found[name] = identity_registration("both images name the same frame of reference")
        elif _contours_of(base) == _contours_of(images[name]) and not (_bends(base) or _bends(images[name])):
            found[name] = _by_contours(base, images[name])
        else:
            fixed = fixed or _anatomy(first, base)
            moving = _anatomy(visit, images[name])
            found[name] = rigid_registration(
                fixed,
                moving,
                fixed_liver=_liver(first, fixed.grid),
                moving_liver=_liver(visit, moving.grid),
                options=RegistrationOptions(force=same_person),
            )
    return found


def _frame(images: VisitImages) -> str:
    return images.measured.frame_of_reference_uid if images.measured is not None else ""


def _contours_of(images: VisitImages) -> tuple[int, str]:
    """Cycle and name of the visit whose contours a visit was measured with."""
    return images.drawn_on or (images.cycle, images.visit)


def _bends(images: VisitImages) -> bool:
    """Whether the contours were bent on their way to a visit; then its images are registered rigidly by themselves."""
    return callable(images.ras_transform)


def _by_contours(base: VisitImages, images: VisitImages) -> Registration:
    """Two visits measured with the same contours were brought together with them: one registration after the other."""
    found = [np.eye(4) if one.ras_transform is None else one.ras_transform for one in (base, images)]
    to_base, to_visit = (np.asarray(one, dtype=np.float64) for one in found)
    return given_registration(to_visit @ np.linalg.inv(to_base), "registrations of the contours to both visits")


def dose_map_rows(
    made: CycleMap, patient: str, cycle: int, image: str, known: Mapping[str, UncertainValue] | None = None
) -> tuple[Measurement, ...]:
    """Per region ``voxel_dose_mean``, ``dvh_d98``, ``dvh_d50``, ``dvh_d2`` (Gy) and ``voxel_tia`` (MBq.h).

    ``known`` are the intervals of the means; histograms have none, since noise and blur shape them.
    """
    rows = []
    for name, region in made.regions.items():
        segment, histogram = region.segment, region.histogram
        values = [
            ("voxel_dose_mean", histogram.mean_Gy, "Gy"),
            *((f"dvh_d{percent}", histogram.dose_at_volume_Gy(percent), "Gy") for percent in (98, 50, 2)),
            ("voxel_tia", region.tia_MBq_h, "MBq.h"),
        ]
        labels = (segment.role, segment.lobe or "none", segment.lesion_id)
        rows += [
            Measurement(patient, cycle, DOSIMETRY, image, name, *labels, metric, value, unit)
            for metric, value, unit in values
        ]
        one = (known or {}).get(name)
        if one is not None:
            (number,) = (n for n, row in enumerate(rows) if (row.region, row.metric) == (name, "voxel_dose_mean"))
            rows[number] = replace(rows[number], uncertainty=one.u, lower_95=one.lower, upper_95=one.upper)
    return tuple(rows)


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
                    visit=name, registration=one, fixed=fixed, moving=moving.load(), names=names, liver=liver
                )
            )
    return found


def region_map(segment: Segment, first: VisitResult, tia: Volume, dose: Volume, unseen: np.ndarray) -> RegionMap:
    """One region of the first visit, where it was measured; ``unseen`` marks voxels [k, j, i] outside an image."""
    placed = first.regions[segment.name]
    if not placed.grid.matches(dose.grid):  # a map on another grid than the image that was measured
        prepared = first.prepared
        grid, shifts = prepared.segmentation.grid, first.manual_shifts
        placed = place(segment, grid, dose.grid, prepared.bending, shifts)
    volume_mL = placed.fraction * dose.grid.voxel_volume_mL
    outside = placed.fraction @ unseen.reshape(-1)[placed.indices] / placed.fraction.sum()
    histogram = dose_volume_histogram(placed.values(dose), volume_mL)
    return RegionMap(segment, histogram, float(placed.values(tia) @ volume_mL), float(outside))


def _anatomy(visit: VisitResult, images: VisitImages) -> Volume:
    if images.anatomy is None:
        raise DosimetryError(
            f"Visit '{visit.labels.visit}' has another frame of reference than the first and no CT on the grid of its "
            f"segments: give its transform as '{_key(visit)}' under 'transforms'."
        )
    return images.anatomy.load()


def _liver(visit: VisitResult, grid: Grid) -> np.ndarray | None:
    """The liver on the grid of its CT; None where the segments' voxels are ordered another way."""
    segmentation = visit.prepared.segmentation
    livers = segmentation.having(structure="liver")
    if not livers or not segmentation.grid.matches(grid):
        return None
    return livers[0].full_mask(grid.shape)


def _key(visit: VisitResult) -> str:
    return f"{visit.labels.cycle}/{visit.labels.visit}"


def _require_known_visits(settings: DoseSettings, visits: Sequence[VisitResult]) -> None:
    known = [_key(visit) for visit in visits]
    unknown = [name for name in settings.transforms if name not in known]
    if unknown:
        raise InputFileError(
            f"dosimetry: 'transforms' names '{unknown[0]}', but the visits are {', '.join(known)} (CYCLE/VISIT)."
        )
