"""The doses of a cycle by a population: what each region is to it, and what earlier cycles of the patient bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTDosimetryLib.population.curve_sets import PatientCurve, kind_of
from PRRTDosimetryLib.population.individual import METHOD, PopulationUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTDosimetryLib.dosimetry.engine import Dosimetry
    from PRRTDosimetryLib.dosimetry.regions import Region
    from PRRTDosimetryLib.dosimetry.settings import DoseSettings
    from PRRTDosimetryLib.kinetics.integral import Integral

_ORGANS = {"kidneys": "kidney", "spleen": "spleen", "liver": "liver"}
_KINDS = {"lesion": "lesion", "vertebrae": "marrow"}  # healthy liver of a lobe is part of what populations call liver


def kind_of_region(region: Region) -> str:
    """The population's kind of a region, "" for one that has none.

    Examples
    --------
    >>> from PRRTDosimetryLib.dosimetry.regions import Region
    >>> [kind_of_region(one) for one in (Region("organ", "kidneys"), Region("lesion", "liver"), Region("blood"))]
    ['kidney', 'lesion', '']
    """
    return _ORGANS.get(region.organ, "") if region.kind == "organ" else _KINDS.get(region.kind, "")


def population_use(
    settings: DoseSettings,
    administered_MBq: float,
    cycle: int,
    regions: Mapping[str, Region],
    history: Sequence[Dosimetry] = (),
) -> PopulationUse | None:
    """How the curves of a cycle are integrated by the population of the settings; None without one.

    Parameters
    ----------
    settings : with the population.
    administered_MBq, cycle : of this cycle.
    regions : what each region is.
    history : earlier cycles of the same patient, whose curves narrow the prior of this one.
    """
    if settings.population is None:
        return None
    share = settings.population.per_administered
    earlier = [
        PatientCurve(
            "",
            name,
            one.patient.cycle,
            kind_of_region(one.regions[name].region) if name in one.regions else kind_of(name),
            integral.curve,
            one.patient.administered_MBq if share else 1.0,
            {**settings.covariates, "cycle": float(one.patient.cycle)},
        )
        for one in history
        for name, integral in one.integrals.items()
        if one.patient.cycle != cycle
    ]
    return PopulationUse(
        population=settings.population,
        administered_MBq=administered_MBq,
        cycle=cycle,
        kinds={name: kind_of_region(region) for name, region in regions.items()},
        earlier=tuple(earlier),
        covariates=settings.covariates,
    )


def population_notes(integrals: Mapping[str, Integral], use: PopulationUse | None) -> list[str]:
    """What a reader must know of a population behind doses: which, for which regions, and where it does not hold."""
    if use is None:
        return []
    population = use.population
    covered = [name for name in integrals if use.covers(name)]
    inside = [name for name in covered if integrals[name].method == METHOD]
    synthetic = " SYNTHETIC, made from no patients," if population.synthetic else ""
    notes = [f"kinetics by the population {population.name}{synthetic} of: {', '.join(inside) or 'no region'}"]
    for name in covered:
        if name not in inside:
            notes.append(f"{name}: {'; '.join(integrals[name].notes[-3:])}")
    return notes
