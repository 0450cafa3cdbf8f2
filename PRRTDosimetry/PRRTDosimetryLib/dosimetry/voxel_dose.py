"""Dose in every voxel by the method that the settings choose: kernel, local deposition, or transport through the CT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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

    from PRRTDosimetryLib.dosimetry.settings import DoseSettings

METHODS = ("kernel", "local", "transport")
_BQ_PER_MBQ = 1e6


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
    density: Volume | None = None,
    regions: Mapping[str, Occupancy] | None = None,
    progress: Progress = no_progress,
) -> VoxelDose:
    """Dose in every voxel from time-integrated activity.

    Parameters
    ----------
    settings : ``dose_map`` is one of METHODS; ``transport`` and ``density_g_per_mL`` hold too.
    density : of the CT in g/mL on the map's grid; None for one density, which transport cannot do.
    regions : placed on the map's grid: for warnings, and the statistical uncertainty of a transport.

    Raises
    ------
    PRRTError
        If maps do not fit, the nuclide has no kernel, or the transport code is missing.
    """
    placed = regions or {}
    if settings.dose_map == "transport":
        assert density is not None
        made = transport_dose(tia, nuclide, density, settings.transport, placed, progress)
        by_region = {name: u for name, (_, u) in made.regions.items()}
        doubts = density_doubts(nuclide, density, placed) if settings.transport.electrons == "kernel" else []
        return VoxelDose(made.dose, made.uncertainty, by_region, tuple(doubts), made.facts)
    if density is None:
        return VoxelDose(dose_in_tissues(tia, nuclide, settings.dose_map, settings.density_g_per_mL))
    dose = dose_in_tissues(tia, nuclide, settings.dose_map, density)
    return VoxelDose(dose, warnings=tuple(density_doubts(nuclide, density, placed)))


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
    densities: Sequence[Volume | None],
    progress: Progress = no_progress,
) -> VoxelDose:
    """Dose from the dose rate of every image in its own tissues, integrated voxel by voxel like activity.

    Energy is deposited where the patient's organs were at each time; only then the rates are brought together.

    Parameters
    ----------
    images : activity in Bq/mL, the earliest first, each on its own grid.
    injection : nuclide, and from when hours count.
    transforms : from the first image's space to each.
    densities : g/mL on each image's own grid; None for one density.

    Raises
    ------
    PRRTError
        As `voxel_dose`, or if the rates cannot be integrated.
    """
    rates, facts = [], {}
    for n, (image, density) in enumerate(zip(images, densities, strict=True)):
        step = sub_progress(progress, n / len(images), (n + 1) / len(images))
        # 1 MBq/mL for one hour is 1 MBq.h/mL, so that its dose is what is given in an hour.
        hourly = image.with_values(image.array.clip(min=0.0) / _BQ_PER_MBQ, units=TIA_UNITS)
        made = voxel_dose(hourly, injection.nuclide, settings, density, None, step)
        rates.append(image.with_values(made.dose.array * _BQ_PER_MBQ))  # fitted as activities are: millionths of Gy/h
        facts = {**made.facts, "dose method": made.dose.provenance["dose method"], "integration": "dose-rate"}
    together = VoxelSeries.from_volumes(rates, injection.time, injection.nuclide, list(transforms))
    found = voxel_tia(together).tia
    provenance = {**found.provenance, "nuclide": injection.nuclide, **facts}
    dose = found.with_values(found.array, quantity="absorbed dose", units=DOSE_UNITS, provenance=provenance)
    return VoxelDose(dose, facts=facts)
