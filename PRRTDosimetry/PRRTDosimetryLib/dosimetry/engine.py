"""From curves to doses of one cycle: lesions, organs, lobes, marrow, with effect and uncertainty.

Lesions by the sphere model, organs by S-values. A region that is part of an organ (one kidney, the healthy liver of a
lobe) gets its own electron dose, since electrons of 177Lu stay within 2 mm, and the photon and cross dose of its whole
organ, since photons of 113 and 208 keV go further than an organ is wide. Photons from elsewhere onto lesions are left
out; for 177Lu they are below a few percent of a lesion's dose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.vocabulary import LOBES

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.marrow import marrow_mass_g, marrow_tia_from_blood_MBq_h, marrow_tia_from_vertebrae_MBq_h
from PRRTDosimetryLib.dose.organs import OrganDose, organ_doses, remainder_tia_MBq_h
from PRRTDosimetryLib.dose.phantom import GY_PER_MBQ_H, RED_MARROW, Phantom, phantom
from PRRTDosimetryLib.dosimetry.dose_notes import dose_notes, scaling_note, tail_note, without_healthy
from PRRTDosimetryLib.dosimetry.red_marrow import with_marrow
from PRRTDosimetryLib.dosimetry.refused_curves import WITH_DOSE, held_words, refusal_words, slow_words
from PRRTDosimetryLib.dosimetry.regions import Patient, Region, sphere_from_kernel
from PRRTDosimetryLib.effect.bed import tissue_of
from PRRTDosimetryLib.effect.cycles import CumulativeEffect, CycleDose, cumulative_effect
from PRRTDosimetryLib.effect.lobes import LesionDose, LobeComparison, compare_lobes
from PRRTDosimetryLib.kinetics.options import ASSUMED_TEFF_CHANGE
from PRRTDosimetryLib.kinetics.scaled_curve import scaled_curve
from PRRTDosimetryLib.kinetics.selection import integrate_all
from PRRTDosimetryLib.kinetics.single_time_point import WITHOUT_HALF_LIFE
from PRRTDosimetryLib.uncertainty.chain import (
    ChainInputs,
    ChainRegion,
    ChainResult,
    dose_uncertainties,
    sum_uncertainty,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.integral import Integral
    from PRRTDosimetryLib.kinetics.options import Options
    from PRRTDosimetryLib.uncertainty.chain import DoseUncertainty

_SECONDS_TIMES_BQ = 3.6e9  # Bq s in a MBq h
DRAWS = 4000


@dataclass(frozen=True, eq=False)
class RegionDose:
    """Dose of one region.

    Attributes
    ----------
    name, region : as given.
    integral : its time-integrated activity and how that came about.
    mass_g : mass behind the dose.
    local_Gy, other_Gy : dose from its own activity, by its own mass; photons of its organ, cross dose and remainder.
    u_dose_Gy : standard uncertainty: of the chain if its inputs are given, else of the TIA alone.
    uncertainty : budget and interval; None without the chain's inputs.
    effect : BED and EQD2 of this cycle; None for tissues without radiosensitivity.
    """

    name: str
    region: Region
    integral: Integral
    mass_g: float
    local_Gy: float
    other_Gy: float
    u_dose_Gy: float
    uncertainty: DoseUncertainty | None = None
    effect: CumulativeEffect | None = None

    @property
    def dose_Gy(self) -> float:
        """Mean absorbed dose."""
        return self.local_Gy + self.other_Gy


@dataclass(frozen=True, eq=False)
class Dosimetry:
    """Doses of one patient in one cycle.

    Attributes
    ----------
    patient, phantom : what was given, to which reference body.
    integrals : of all curves by region, those without a dose of their own (blood, whole body) included.
    regions : doses of lesions, organ regions and lobes.
    organs : doses of the phantom's organs, among them red marrow.
    lobes : treated against control; None without lobes.
    chain : correlation of the doses; None without the chain's inputs.
    effects : BED and EQD2 by organ, all its regions together.
    notes : assumptions and what is missing.
    partial_volume : what was done about partial volume, to be said first; "" where nothing is known of it.
    refused : by region, why its curve could not be made or integrated.
    described : what each curve's region is, those without a dose of their own included.
    """

    patient: Patient
    phantom: Phantom
    integrals: dict[str, Integral]
    regions: dict[str, RegionDose]
    organs: dict[str, OrganDose]
    lobes: LobeComparison | None
    chain: ChainResult | None
    effects: dict[str, CumulativeEffect]
    notes: tuple[str, ...]
    partial_volume: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    described: Mapping[str, Region] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Regions without dose, curves that no model describes, half-lives taken as exact: sentences to see first."""
        exact = [name for name, one in self.integrals.items() if WITHOUT_HALF_LIFE in one.notes]
        taken = (
            f"The half-lives of {', '.join(exact)} are stated without uncertainty: their error is in no interval; give "
            "'u_teff_h'.",
        )
        held = held_words(self.integrals, self.patient.administered_MBq)
        doubts = (*held, *slow_words(self.integrals), *self._doubtful_fits())
        return (*refusal_words(self.refused), *doubts, *(taken if exact else ()))

    def _doubtful_fits(self) -> tuple[str, ...]:
        doubtful = [
            name for name, one in self.integrals.items() if one.estimate is not None and not one.estimate.adequate
        ]
        if not doubtful:
            return ()
        return (
            f"The fit is not adequate for {', '.join(doubtful)}: no model describes the points within their "
            "uncertainties, and the intervals are widened for it; look at the plots.",
        )


def dosimetry(
    curves: Sequence[Curve],
    regions: Mapping[str, Region],
    patient: Patient,
    method: str = "auto",
    options: Options | None = None,
    chain: ChainInputs | None = None,
    seed: int = 1,
    earlier: Mapping[str, Integral] | None = None,
) -> Dosimetry:
    """Calculate all doses of one cycle.

    Parameters
    ----------
    curves : decayed activities by region, with volumes where the mass is not given.
    regions : what each curve's region is.
    patient : whom and what.
    method, options : how curves are integrated, see :func:`kinetics.selection.integrate`.
    chain : uncertainties of the measurement; None leaves that of the TIA alone.
    seed : of the Monte Carlo.
    earlier : full curves of an earlier cycle by region; a region of one point that is among them keeps its form.

    Raises
    ------
    PRRTError
        In one sentence, for curves without description, without volume or mass, or that cannot be integrated.
    """
    named = {curve.region: curve for curve in curves}
    if len(named) < len(curves):
        raise DoseError("A region has more than one curve; join its points into one.")
    for name in named:
        if name not in regions:
            raise DoseError(f"It is not said what the region {name} is; describe it as organ, lobe, lesion and so on.")
    body = phantom(patient.sex, patient.nuclide)
    decay = nuclide(patient.nuclide)
    full = earlier or {}
    scaled = {name for name, curve in named.items() if name in full and len(curve.time_h) == 1}
    change = options.teff_change if options is not None else ASSUMED_TEFF_CHANGE
    own = integrate_all([curve for name, curve in named.items() if name not in scaled], decay, method, options)
    found = {one.region: one for one in own}
    found |= {name: scaled_curve(full[name], named[name], change) for name in scaled}
    integrals = {name: found[name] for name in named}
    described = {name: regions[name] for name in named}
    sources = _sources(integrals, described, patient, body)
    organs = organ_doses(body, sources.tia, sources.masses, sources.remainder, sources.lesions)
    doses = _region_doses(integrals, described, organs, sources, patient, body)
    result = None
    if chain is not None and doses:
        chain_regions = {name: chain_region(dose, patient) for name, dose in doses.items()}
        of_cycle = np.random.default_rng([seed, patient.cycle])
        result = dose_uncertainties(chain_regions, chain, DRAWS, np.random.default_rng(seed), of_cycle)
        generators = np.random.default_rng(seed), np.random.default_rng([seed, patient.cycle, 1])
        result = with_marrow(result, integrals, described, chain, generators)
    complete = {name: _with_uncertainty(dose, patient, result) for name, dose in doses.items()}
    return Dosimetry(
        patient,
        body,
        integrals,
        complete,
        organs,
        _lobes(complete, patient),
        result,
        _effects(complete, patient),
        (
            *dose_notes(described, (sources.remainder, sources.tia), chain, body),
            *scaling_note([integrals[name] for name in sorted(scaled)]),
            *tail_note(integrals),
        ),
        described=described,
    )


@dataclass(frozen=True)
class _Sources:
    """TIA and mass by source organ, TIA of lesions by their organ, of the remainder (None if not known)."""

    tia: dict[str, float]
    masses: dict[str, float]
    lesions: dict[str, float]
    remainder: float | None


def _sources(
    integrals: Mapping[str, Integral], regions: Mapping[str, Region], patient: Patient, body: Phantom
) -> _Sources:
    tia: dict[str, float] = {}
    masses: dict[str, float] = {}
    whole = {region.organ for region in regions.values() if region.kind == "organ"}
    full = {region.organ for region in regions.values() if region.kind == "organ" and region.contains_lesions}
    for name, region in regions.items():
        # Lobes stand for their organ only where it has no region of its own: nothing is counted twice.
        if region.kind == "organ" or (region.kind == "lobe" and region.organ not in whole):
            tia[region.organ] = tia.get(region.organ, 0.0) + integrals[name].tia_MBq_h
            mass = region.mass_of(integrals[name].curve)
            masses[region.organ] = masses.get(region.organ, 0.0) + mass
    lesions: dict[str, float] = {}
    elsewhere = 0.0
    for name, region in regions.items():
        if region.kind == "lesion" and region.organ not in full:
            if region.organ:
                lesions[region.organ] = lesions.get(region.organ, 0.0) + integrals[name].tia_MBq_h
            else:
                elsewhere += integrals[name].tia_MBq_h
    marrow = _marrow(integrals, regions, patient, body)
    if marrow is not None:
        if RED_MARROW in tia:
            raise DoseError("The red marrow has a curve of its own besides blood or vertebrae; leave one of them out.")
        tia[RED_MARROW] = marrow
        masses[RED_MARROW] = marrow_mass_g(body, patient.marrow_fat_fraction)
    remainder = None
    bodies = [integrals[name] for name, region in regions.items() if region.kind == "whole-body"]
    if bodies:
        inside = {**tia, **{f"lesions in {organ}": value for organ, value in lesions.items()}, "lesions": elsewhere}
        remainder = remainder_tia_MBq_h(sum(one.tia_MBq_h for one in bodies), inside)
    return _Sources(tia, masses, lesions, remainder)


def _marrow(
    integrals: Mapping[str, Integral], regions: Mapping[str, Region], patient: Patient, body: Phantom
) -> float | None:
    """TIA of the red marrow from blood or vertebrae, None without either, or where its S-value is not known."""
    if body.self_only:
        return None
    found = [(name, region) for name, region in regions.items() if region.kind in ("blood", "vertebrae")]
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(name for name, _ in found)
        raise DoseError(f"The red marrow's activity would follow from {names}; choose one of them.")
    name, region = found[0]
    integral = integrals[name]
    if region.kind == "vertebrae":
        return marrow_tia_from_vertebrae_MBq_h(integral.tia_MBq_h, region.vertebrae)
    volume = integral.curve.volume_mL
    if math.isnan(volume):
        raise DoseError(
            f"{name} has no volume, so its activity per mL is unknown; give the volume of the samples in mL."
        )
    return marrow_tia_from_blood_MBq_h(
        body,
        integral.tia_MBq_h / volume,
        patient.marrow_to_blood_ratio,
        blood_density_g_per_mL=patient.blood_density_g_per_mL,
    )


def _region_doses(
    integrals: Mapping[str, Integral],
    regions: Mapping[str, Region],
    organs: Mapping[str, OrganDose],
    sources: _Sources,
    patient: Patient,
    body: Phantom,
) -> dict[str, RegionDose]:
    doses = {}
    for name, region in regions.items():
        if region.kind not in WITH_DOSE:
            continue
        integral = integrals[name]
        if region.kind == "lesion":
            doses[name] = lesion_dose(name, region, integral, patient)
            continue
        mass = region.mass_of(integral.curve)
        local, other = _organ_parts(region.organ, integral.tia_MBq_h, mass, organs, sources, body)
        doses[name] = RegionDose(name, region, integral, mass, local, other, _u_of_tia(integral, local))
    return doses


def lesion_dose(name: str, region: Region, integral: Integral, patient: Patient) -> RegionDose:
    """Dose of one lesion by the sphere model, with the uncertainty of its TIA alone."""
    mass = region.mass_of(integral.curve)
    local = integral.tia_MBq_h * _SECONDS_TIMES_BQ * _sphere(patient)(mass)
    return RegionDose(name, region, integral, mass, local, 0.0, _u_of_tia(integral, local))


def _organ_parts(
    organ: str, tia_MBq_h: float, mass_g: float, organs: Mapping[str, OrganDose], sources: _Sources, body: Phantom
) -> tuple[float, float]:
    """Electron dose of a region by its own concentration; photons and cross dose of its whole organ."""
    electrons, _ = body.self_parts(organ)
    per_concentration = electrons * body.mass_g(organ) * GY_PER_MBQ_H
    own = per_concentration * tia_MBq_h / mass_g
    of_organ = per_concentration * sources.tia[organ] / sources.masses[organ]
    return own, organs[organ].dose_Gy - of_organ


def _sphere(patient: Patient) -> Callable[[float], float]:
    return patient.sphere_S_Gy_per_Bq_s or sphere_from_kernel(patient.nuclide)


def _u_of_tia(integral: Integral, local_Gy: float) -> float:
    return local_Gy * integral.u_tia_MBq_h / integral.tia_MBq_h


def chain_region(dose: RegionDose, patient: Patient) -> ChainRegion:
    """The region for the chain of uncertainties; its volume from the mass if the curve has none."""
    volume = dose.integral.curve.volume_mL
    if math.isnan(volume):
        volume = dose.mass_g / dose.region.density
    if dose.region.kind == "lesion":
        sphere = _sphere(patient)

        def by_mass(ratios: np.ndarray) -> np.ndarray:
            table = np.geomspace(0.05, 20, 81)
            values = np.array([_inside(sphere, dose.mass_g * ratio) for ratio in table])
            # Masses outside the sphere model's range keep S m of its end, as for electrons alone.
            known = ~np.isnan(values)
            relative = np.interp(np.log(table), np.log(table[known]), np.log((values * table)[known]))
            here = math.log(sphere(dose.mass_g))
            result: np.ndarray = np.exp(np.interp(np.log(ratios), np.log(table), relative) - here) / ratios
            return result
    else:

        def by_mass(ratios: np.ndarray) -> np.ndarray:
            inverse: np.ndarray = 1 / ratios
            return inverse

    return ChainRegion(dose.integral, volume, dose.local_Gy, dose.other_Gy, by_mass)


def _inside(sphere: Callable[[float], float], mass_g: float) -> float:
    try:
        return sphere(mass_g)
    except PRRTError:
        return math.nan


def _with_uncertainty(dose: RegionDose, patient: Patient, chain: ChainResult | None) -> RegionDose:
    found = None if chain is None else chain.regions[dose.name]
    u = dose.u_dose_Gy if found is None else found.u_dose_Gy
    lesion = dose.region.kind == "lesion"
    tissue = tissue_of(patient.tissues, dose.name, dose.region.organ, lesion)
    effect = None
    if tissue is not None:
        cycle = CycleDose(patient.cycle, dose.dose_Gy, dose.integral.shape, u)
        effect = cumulative_effect(dose.name if lesion else dose.region.organ, [cycle], tissue)
    return RegionDose(
        dose.name, dose.region, dose.integral, dose.mass_g, dose.local_Gy, dose.other_Gy, u, found, effect
    )


def _effects(doses: Mapping[str, RegionDose], patient: Patient) -> dict[str, CumulativeEffect]:
    """BED of whole organs: mean dose by mass of their regions, and the course of their activities together."""
    effects = {}
    for organ, tissue in patient.tissues.items():
        parts = [dose for dose in doses.values() if dose.region.organ == organ and dose.region.kind == "organ"]
        if parts:
            mass = sum(part.mass_g for part in parts)
            mean = sum(part.mass_g * part.dose_Gy for part in parts) / mass
            u = sum_uncertainty([_parts_of_mean(part, mass) for part in parts])
            shape = parts[0].integral.shape
            for part in parts[1:]:
                shape = shape + part.integral.shape
            effects[organ] = cumulative_effect(organ, [CycleDose(patient.cycle, mean, shape, u)], tissue)
    return effects


def _parts_of_mean(dose: RegionDose, mass_g: float) -> tuple[float, float]:
    """Shared and own part of what a region's uncertainty makes of the mean over ``mass_g``."""
    known = dose.uncertainty
    shared, own = known.parts_Gy(dose.dose_Gy) if known is not None else (dose.u_dose_Gy, 0.0)
    return shared * dose.mass_g / mass_g, own * dose.mass_g / mass_g


def _lobes(doses: Mapping[str, RegionDose], patient: Patient) -> LobeComparison | None:
    healthy = [dose for dose in doses.values() if dose.region.kind == "lobe" and dose.region.lobe in LOBES]
    if not healthy:
        return None
    by_lobe = {dose.region.lobe: (dose.dose_Gy, dose.u_dose_Gy) for dose in healthy}
    if len(by_lobe) < len(healthy):
        raise DoseError("A lobe has more than one region of healthy liver; join them into one.")
    lesions = [
        LesionDose(dose.region.lesion or dose.name, dose.region.lobe, dose.dose_Gy, dose.u_dose_Gy)
        for dose in doses.values()
        if dose.region.kind == "lesion" and not without_healthy(dose.region, by_lobe)
    ]
    return compare_lobes(by_lobe, lesions, patient.treated_lobe)
