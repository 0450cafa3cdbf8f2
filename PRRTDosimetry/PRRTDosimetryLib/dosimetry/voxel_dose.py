"""Dose in every voxel by the method that the settings choose: kernel, local deposition, or transport through the CT."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.vocabulary import TIA_UNITS

from PRRTDosimetryLib.dose.density_dose import density_doubts, dose_in_tissues
from PRRTDosimetryLib.dose.dose_map import DOSE_UNITS
from PRRTDosimetryLib.kinetics.voxel_series import VoxelSeries
from PRRTDosimetryLib.kinetics.voxelwise import TiaMap, mono_exponential_tia_by_surroundings, uptake_clearance_tia
from PRRTDosimetryLib.transport.transport_dose import transport_dose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.mapping import RasTransform
    from PRRTUptakeLib.uptake.occupancy import Occupancy

    from PRRTDosimetryLib.dosimetry.patient_density import PatientDensity
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings

METHODS = ("kernel", "local", "transport")
_BQ_PER_MBQ = 1e6
_STEP = 0.02  # by which the rates of a time are raised, to see what they are worth


@dataclass(frozen=True, eq=False)
class VoxelDose:
    """A dose map.

    Attributes
    ----------
    dose : Gy.
    uncertainty : statistical standard uncertainty of a transport, Gy; None for other methods.
    regions_u_Gy : the same of regions' means, by name.
    warnings : sentences on where the method does not hold.
    facts : of the transport, plain values.
    """

    dose: Volume
    uncertainty: Volume | None = None
    regions_u_Gy: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def voxel_dose(
    tia: Volume,
    nuclide: str,
    settings: DoseSettings,
    density: PatientDensity | None = None,
    regions: Mapping[str, Occupancy] | None = None,
    progress: Progress = no_progress,
) -> VoxelDose:
    """Dose in every voxel from time-integrated activity.

    Parameters
    ----------
    settings : ``dose_map`` is one of METHODS; ``transport`` and ``density_g_per_mL`` hold too.
    density : of the CT on the map's grid; None for one density, which transport cannot do.
    regions : placed on the map's grid: for warnings, and the statistical uncertainty of a transport.

    Raises
    ------
    PRRTError
        If maps do not fit, the nuclide has no kernel, or the transport code is missing.
    """
    placed = regions or {}
    if settings.dose_map == "transport":
        assert density is not None
        made = transport_dose(tia, nuclide, density.volume, settings.transport, placed, progress, density.fine)
        by_region = {name: u for name, (_, u) in made.regions.items()}
        doubts = density_doubts(nuclide, density.volume, placed) if settings.transport.electrons == "kernel" else []
        return VoxelDose(made.dose, made.uncertainty, by_region, tuple(doubts), made.facts)
    if density is None:
        return VoxelDose(dose_in_tissues(tia, nuclide, settings.dose_map, settings.density_g_per_mL))
    dose = dose_in_tissues(tia, nuclide, settings.dose_map, density.volume)
    return VoxelDose(dose, warnings=tuple(density_doubts(nuclide, density.volume, placed)))


def voxel_tia(series: VoxelSeries) -> TiaMap:
    """Time-integrated activity: uptake and clearance of each voxel from three images on, else its clearance alone.

    A mono-exponential through lesions that still take up at the first image would be a fifth too high.
    """
    return mono_exponential_tia_by_surroundings(series) if series.times_h.size < 3 else uptake_clearance_tia(series)


def dose_by_rates(
    images: Sequence[Volume],
    injection: Injection,
    transforms: Sequence[RasTransform | None],
    settings: DoseSettings,
    densities: Sequence[PatientDensity | None],
    progress: Progress = no_progress,
    regions: Sequence[Mapping[str, Occupancy]] = (),
) -> VoxelDose:
    """Dose from the dose rate of every image in its own tissues, integrated voxel by voxel like activity.

    Energy is deposited where the patient's organs were at each time; only then the rates are brought together.

    Parameters
    ----------
    images : activity in Bq/mL, the earliest first, each on its own grid.
    injection : nuclide, and from when hours count.
    transforms : from the first image's space to each.
    densities : on each image's own grid; None for one density.
    regions : of each image, placed on its own grid, for the statistical uncertainty of a transport and for warnings.

    Raises
    ------
    PRRTError
        As `voxel_dose`, or if the rates cannot be integrated.
    """
    placed = list(regions) or [{} for _ in images]
    hourly: list[VoxelDose] = []
    for n, (image, density) in enumerate(zip(images, densities, strict=True)):
        # The same random numbers at all times would let their errors add up.
        seeded = replace(settings, transport=replace(settings.transport, seed=settings.transport.seed + 7919 * n))
        step = sub_progress(progress, n / len(images), (n + 1) / len(images))
        # 1 MBq/mL for one hour is 1 MBq.h/mL, so that its dose is what is given in an hour.
        activity = image.with_values(image.array.clip(min=0.0) / _BQ_PER_MBQ, units=TIA_UNITS)
        hourly.append(voxel_dose(activity, injection.nuclide, seeded, density, placed[n], step))
    first = hourly[0]
    facts = {**first.facts, "dose method": first.dose.provenance["dose method"], "integration": "dose-rate"}

    def together(maps: Sequence[Volume]) -> VoxelSeries:
        """Hourly doses as the fits take activities: millionths of Gy/h."""
        rates = [
            image.with_values(one.array * np.float32(_BQ_PER_MBQ)) for image, one in zip(images, maps, strict=True)
        ]
        return VoxelSeries.from_volumes(rates, injection.time, injection.nuclide, list(transforms))

    series = together([one.dose for one in hourly])
    found = voxel_tia(series).tia
    provenance = {**found.provenance, "nuclide": injection.nuclide, **facts}
    made = {"units": DOSE_UNITS, "provenance": provenance}
    dose = found.with_values(found.array, quantity="absorbed dose", **made)
    known = [one.uncertainty for one in hourly if one.uncertainty is not None]
    if len(known) < len(hourly):
        return VoxelDose(dose, warnings=first.warnings, facts=facts)
    u, by_region = _statistics(series, together(known), found.array, hourly, placed)
    spread = found.with_values(u, quantity="standard uncertainty of absorbed dose (statistical)", **made)
    return VoxelDose(dose, spread, by_region, first.warnings, facts)


def _statistics(
    series: VoxelSeries,
    spreads: VoxelSeries,
    dose: np.ndarray,
    hourly: Sequence[VoxelDose],
    regions: Sequence[Mapping[str, Occupancy]],
) -> tuple[np.ndarray, dict[str, float]]:
    """Statistical standard uncertainty of integrated dose rates, by voxel and by region in Gy.

    Transports of different times are independent. What a time point is worth is the change of the integral where its
    rates are a little higher, in each voxel; a region takes its mean of that. All times together are worth the whole,
    since twice the rates give twice the integral, so that the last one is known from the others.
    """
    left = dose.astype(np.float64)
    variance = np.zeros(dose.shape, dtype=np.float64)
    by_region = dict.fromkeys(regions[0], 0.0)
    for n, (one, placed) in enumerate(zip(hourly, regions, strict=True)):
        slope = left
        if n + 1 < len(hourly):
            raised = series.activity_Bq_per_mL.copy()
            raised[n] *= np.float32(1.0 + _STEP)
            higher = voxel_tia(replace(series, activity_Bq_per_mL=raised)).tia.array.astype(np.float64)
            slope = (higher - dose) / _STEP
            left = left - slope
        rate, u = series.activity_Bq_per_mL[n], spreads.activity_Bq_per_mL[n]
        relative = np.divide(u, rate, out=np.zeros_like(rate), where=rate > 0.0)
        variance += np.square(slope * np.nan_to_num(relative))
        for name in by_region:
            if name not in placed:
                continue
            mean = _mean(one.dose.array, placed[name])
            worth = _mean(slope, regions[0][name])
            by_region[name] += (worth * one.regions_u_Gy[name] / mean) ** 2 if mean > 0 else 0.0
    return np.sqrt(variance).astype(np.float32), {name: math.sqrt(value) for name, value in by_region.items()}


def _mean(array: np.ndarray, region: Occupancy) -> float:
    return float(array.reshape(-1)[region.indices] @ region.fraction / region.fraction.sum())
