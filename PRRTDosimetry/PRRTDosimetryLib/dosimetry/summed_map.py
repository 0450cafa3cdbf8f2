"""The dose maps of all cycles on the image of the first: the key ``accumulate`` under ``dosimetry``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.model import ResultPart, VisitContents

from PRRTDosimetryLib.dose.dvh import DoseVolumeHistogram, dose_volume_histogram
from PRRTDosimetryLib.dosimetry.accumulation import mapped_dose, untrusted_share
from PRRTDosimetryLib.dosimetry.cumulative import VISIT
from PRRTDosimetryLib.dosimetry.cycle import RENDERER, settings_of
from PRRTDosimetryLib.dosimetry.dose_maps import CycleDoseMap, placed_in
from PRRTDosimetryLib.dosimetry.effect_maps import effect_rows
from PRRTDosimetryLib.dosimetry.map_registration import cycle_registration
from PRRTDosimetryLib.effect.voxels import VoxelEffect, voxel_bed_Gy, voxel_effect

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.study.model import StudyResult, VisitImages
    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.dosimetry.settings import DoseSettings

_MOST_UNTRUSTED = 0.05  # of a region, from which there is a warning
_ENERGY_OFF = 0.05


@dataclass(frozen=True, eq=False)
class SummedRegion:
    """A region of the first cycle in the summed maps; ``untrusted`` is the share of it that is not trusted."""

    segment: Segment
    histogram: DoseVolumeHistogram
    untrusted: float
    effect: VoxelEffect | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SummedDoseMap(ResultPart):
    """Dose and BED of several cycles on the image of the first.

    Attributes
    ----------
    cycles, dose : what is summed, Gy.
    registrations : by cycle, from the first cycle's image.
    untrusted : where a cycle's mapping is not trusted, bool [k, j, i].
    regions : of the first cycle, by name.
    """

    renderer = RENDERER
    cycles: tuple[int, ...]
    dose: Volume
    untrusted: np.ndarray
    registrations: Mapping[int, Registration] = field(default_factory=dict)
    regions: Mapping[str, SummedRegion] = field(default_factory=dict)


def add_summed_map(result: StudyResult) -> StudyResult:
    """Sum the dose maps of all cycles that have one; comes after ``add_dose_maps``. Fewer than two add nothing.

    A cycle that cannot be registered gives a warning, and then there is no sum: a part would pass for the whole.
    """
    settings = settings_of(result.input)
    maps = [one for one in result.parts if isinstance(one, CycleDoseMap)]
    if not settings.accumulate or len(maps) < 2:
        return result
    try:
        return result.with_parts(summed_map(result, sorted(maps, key=lambda one: one.cycle), settings))
    except PRRTError as error:
        return result.with_parts(ResultPart(warnings=(f"The dose maps of the cycles were not summed. {error}",)))


def summed_map(
    result: StudyResult,
    maps: list[CycleDoseMap],
    settings: DoseSettings,
    known: Mapping[int, Registration] | None = None,
) -> SummedDoseMap:
    """The sum of maps of several cycles on the first visit of the first.

    Parameters
    ----------
    result : with the first visits and images of all these cycles.
    maps : of two cycles or more, in their order.
    known : by cycle, from the first cycle's image to that of the cycle; the others are registered by `settings`.

    Raises
    ------
    PRRTError
        If a cycle cannot be registered.
    """
    first = maps[0]
    base = _first_visit(result, first.cycle)
    grid = first.made.dose.grid
    total = first.made.dose.array.astype(np.float64)
    doses = [first.made.dose.array]
    untrusted = np.zeros(grid.shape, dtype=bool)
    registrations, warnings = {}, []
    for one in maps[1:]:
        found = (known or {}).get(one.cycle) or cycle_registration(
            base, _first_visit(result, one.cycle), settings, bool(result.input.same_patient)
        )
        mapped = mapped_dose(one.made.dose, grid, found, one.made.density, first.made.density)
        total += mapped.array
        untrusted |= mapped.untrusted
        doses.append(mapped.array)
        registrations[one.cycle] = found
        if abs(mapped.energy_ratio - 1.0) > _ENERGY_OFF:
            warnings.append(f"cycle {one.cycle}: the mapped dose holds {mapped.energy_ratio:.0%} of the map's energy")
        warnings += [f"cycle {one.cycle}: {text}" for text in found.quality.warnings]
    dose = _unlinked(first.made.dose, total)
    regions = _regions(base[0], maps, dose, doses, untrusted)
    warnings += [
        f"{region.untrusted:.0%} of '{name}' is in voxels where the mapping of a cycle is not trusted"
        for name, region in regions.items()
        if region.untrusted > _MOST_UNTRUSTED
    ]
    cycles = tuple(one.cycle for one in maps)
    return SummedDoseMap(
        cycles=cycles,
        dose=dose,
        untrusted=untrusted,
        registrations=registrations,
        regions=regions,
        rows=tuple(_rows(regions, base[0], cycles)),
        warnings=tuple(f"Summed dose map: {text.rstrip('.')}." for text in warnings),
        contents=(_contents(dose, _bed_volume(base[0], maps, dose, doses), untrusted),),
        alignment=tuple({**one.facts(), "cycle": n, "for": "summed dose map"} for n, one in registrations.items()),
    )


def _bed_Gy(name: str, maps: list[CycleDoseMap], doses: list[np.ndarray]) -> tuple[np.ndarray, VoxelEffect] | None:
    """Sum of the cycles' BED by a region's radiosensitivity and its G in each; None if some cycle has none.

    ``doses`` (n,) are those of the region's voxels, by cycle.
    """
    known = [one.made.effects.regions.get(name) if one.made.effects is not None else None for one in maps]
    if None in known:
        return None
    effects = [one for one in known if one is not None]
    tissue = effects[0].tissue
    factors = tuple(factor for one in effects for factor in one.protraction)
    total = np.zeros(doses[0].size)
    for dose, factor in zip(doses, factors, strict=True):
        total += voxel_bed_Gy(dose, factor, tissue.alpha_beta_Gy)
    return total, replace(effects[0], protraction=factors)


def _bed_volume(visit: VisitResult, maps: list[CycleDoseMap], dose: Volume, doses: list[np.ndarray]) -> Volume | None:
    """BED of all cycles, 0 where no radiosensitivity is stated; None where none is at all."""
    bed = np.zeros(dose.array.size)
    for name, (_, one) in placed_in(visit, dose).items():
        chosen = one.indices[one.fraction >= 0.5]
        found = _bed_Gy(name, maps, [array.reshape(-1)[chosen].astype(np.float64) for array in doses])
        if found is not None:
            bed[chosen] = found[0]
    if not bed.any():
        return None
    return dose.with_values(bed.reshape(dose.array.shape), quantity="biologically effective dose")


def _first_visit(result: StudyResult, cycle: int) -> tuple[VisitResult, VisitImages]:
    visits = [one for one in result.visits if one.labels.cycle == cycle]
    visit = min(visits, key=lambda one: one.image.reference_time)  # type: ignore[arg-type, return-value]
    key = (cycle, visit.labels.visit)
    return visit, next(one for one in result.images if one.key == key)


def _unlinked(volume: Volume, array: np.ndarray) -> Volume:
    """Of no single image, so that no DICOM object claims to be one's."""
    provenance = {key: value for key, value in volume.provenance.items() if key not in ("series_uid", "series_uids")}
    return volume.with_values(array, provenance=provenance)


def _regions(
    visit: VisitResult, maps: list[CycleDoseMap], dose: Volume, doses: list[np.ndarray], untrusted: np.ndarray
) -> dict[str, SummedRegion]:
    found = {}
    for name, (segment, one) in placed_in(visit, dose).items():
        volume_mL = one.fraction * dose.grid.voxel_volume_mL
        histogram = dose_volume_histogram(one.values(dose), volume_mL)
        known = _bed_Gy(name, maps, [array.reshape(-1)[one.indices].astype(np.float64) for array in doses])
        effect = None
        if known is not None:
            effect = voxel_effect(known[0], volume_mL, known[1].tissue, known[1].protraction)
        found[name] = SummedRegion(segment, histogram, untrusted_share(untrusted, one), effect)
    return found


def _rows(regions: Mapping[str, SummedRegion], visit: VisitResult, cycles: tuple[int, ...]) -> list[Measurement]:
    rows = []
    for name, region in regions.items():
        segment = region.segment
        labels = (visit.labels.patient, max(cycles), VISIT, visit.labels.image, name)
        more = (segment.role, segment.lobe or "none", segment.lesion_id)
        rows.append(Measurement(*labels, *more, "cumulative_voxel_dose_mean", region.histogram.mean_Gy, "Gy"))
        rows.append(Measurement(*labels, *more, "cumulative_untrusted", region.untrusted, "1"))
        if region.effect is not None:
            made = effect_rows({name: region.effect}, {name: (*labels, *more)})
            rows += [_cumulative(row) for row in made if row.metric in _SUMMED]
    return rows


_SUMMED = {"voxel_bed_mean": "cumulative_voxel_bed_mean", "eud_eqd2": "eud_eqd2", "tumour_control": "tumour_control"}


def _cumulative(row: Measurement) -> Measurement:
    return replace(row, metric=_SUMMED[row.metric])


def _contents(dose: Volume, bed: Volume | None, untrusted: np.ndarray) -> VisitContents:
    volumes = [("Absorbed dose all cycles", dose)]
    if bed is not None:
        volumes.append(("BED all cycles", bed))
    segment = Segment.from_full("mapping not trusted", untrusted, color=(0.8, 0.2, 0.2))
    marked = Segmentation(dose.grid, (segment,)) if segment.voxel_count else None
    return VisitContents(study="all cycles dosimetry", volumes=tuple(volumes), isodoses=marked)
