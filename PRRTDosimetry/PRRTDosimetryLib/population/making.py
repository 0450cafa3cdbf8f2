"""From the curves of a centre's patients to their population: levels, covariates, form of the course, checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.population.courses import KINDS, KINETICS
from PRRTDosimetryLib.population.curve_sets import grouped
from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.fitting import fit_kind, start_vector, without_each_patient
from PRRTDosimetryLib.population.hierarchy import Layout
from PRRTDosimetryLib.population.importance import laplace_error
from PRRTDosimetryLib.population.kind_model import Covariate, KindModel, TriedForm
from PRRTDosimetryLib.population.model import Population

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.population.curve_sets import PatientCurve
    from PRRTDosimetryLib.population.hierarchy import Group

    Floats = NDArray[np.float64]

LEAST_PATIENTS, LEAST_IMAGES = 5, 3
"""A population is made from at least so many patients who have so many images."""

_SECOND_START_H, _APART = 25.0, 1e-3
_REFITTED_UP_TO = 12

CORRELATED_FROM = 5
"""Patients per parameter from which correlations between patients' parameters are estimated."""


@dataclass(frozen=True)
class Wanted:
    """How a population is made: form of the course ("auto" compares all), covariates by name."""

    model: str = "auto"
    covariates: tuple[str, ...] = ()


def make_population(curves: Sequence[PatientCurve], decay: Radionuclide, wanted: Wanted | None = None) -> Population:
    """The population of all kinds that enough patients have.

    Parameters
    ----------
    curves : of all patients and kinds.
    decay : their nuclide.
    wanted : form and covariates.

    Raises
    ------
    PopulationError
        If no kind has enough patients with enough images, or a covariate is missing or never varies.
    """
    wanted = wanted or Wanted()
    kinds = {kind: [one for one in curves if one.kind == kind] for kind in KINDS}
    enough = {kind: own for kind, own in kinds.items() if len(full_patients(own)) >= LEAST_PATIENTS}
    if not enough:
        counts = ", ".join(f"{kind} {len(full_patients(own))}" for kind, own in kinds.items() if own) or "none"
        raise PopulationError(
            f"A population needs at least {LEAST_PATIENTS} patients with {LEAST_IMAGES} images of a kind of region; "
            f"there are: {counts}. Add patients, or name the kind of each region in a column 'kind'."
        )
    models = {kind: make_kind(own, decay, wanted) for kind, own in enough.items()}
    return Population(
        kinds=models,
        nuclide=decay.name,
        per_administered=any(one.administered_MBq != 1 for one in curves),
        stated_noise=all(one.curve.u_activity_MBq for own in enough.values() for one in own),
    )


def full_patients(curves: Sequence[PatientCurve]) -> list[str]:
    """Patients with a curve of enough images."""
    return list(dict.fromkeys(one.patient for one in curves if int(one.usable.sum()) >= LEAST_IMAGES))


def make_kind(curves: Sequence[PatientCurve], decay: Radionuclide, wanted: Wanted) -> KindModel:
    """The population of one kind; with "auto" the form with the smallest AIC of the marginal likelihood."""
    covariates = _covariates(curves, wanted.covariates)
    names = list(KINETICS) if wanted.model == "auto" else [wanted.model]
    most = max(int(one.usable.sum()) for one in curves)
    names = [name for name in names if KINETICS[name].size <= most] or ["mono"]
    found = []
    for name in names:
        layout = layout_of(curves, KINETICS[name].size, len(covariates))
        groups = grouped(curves, covariates)
        found.append(fit_kind(KINETICS[name], groups, layout, decay.decay_constant_per_h, covariates, rounds=1))
    tried = tuple(TriedForm(one.kinetics.name, one.log_likelihood, one.layout.length) for one in found)
    best = found[int(np.argmin([one.aic for one in tried]))]
    groups = grouped(curves, covariates)
    best = fit_kind(best.kinetics, groups, best.layout, decay.decay_constant_per_h, covariates, start=best.vector)
    best, apart = _confirmed(best, groups, decay)
    error = laplace_error(best, groups, decay.decay_constant_per_h)
    return replace(best, tried=tried, checks=replace(best.checks, starts_apart=apart, laplace_error=error))


def _confirmed(model: KindModel, groups: Sequence[Group], decay: Radionuclide) -> tuple[KindModel, float]:
    """The better of a model and of the same from another start, and how far apart they are (nats)."""
    physical = decay.decay_constant_per_h
    start = start_vector(model.kinetics, groups, model.layout, physical, _SECOND_START_H)
    other = fit_kind(model.kinetics, groups, model.layout, physical, model.covariates, start)
    apart = abs(other.log_likelihood - model.log_likelihood)
    return (other if other.log_likelihood > model.log_likelihood + _APART else model), apart


def without_each(model: KindModel, curves: Sequence[PatientCurve], decay: Radionuclide) -> dict[str, KindModel]:
    """The population without each patient in turn, by patient: estimated again where patients are few.

    With more than 12 patients it is one Newton step from the estimates with all, unless a patient moves them far.
    """
    patients = list(dict.fromkeys(one.patient for one in curves))
    found: dict[str, KindModel] = {}
    if len(patients) > _REFITTED_UP_TO:
        groups = grouped(curves, model.covariates)
        stepped = without_each_patient(model, groups, decay.decay_constant_per_h)
        found = {patients[number]: one for number, one in stepped.items()}
    for name in patients:
        if name not in found:
            found[name] = refitted(model, [one for one in curves if one.patient != name], decay)
    return found


def refitted(model: KindModel, curves: Sequence[PatientCurve], decay: Radionuclide) -> KindModel:
    """The same form and covariates estimated from other curves, such as those without one patient."""
    groups = grouped(curves, model.covariates)
    found = fit_kind(
        model.kinetics, groups, model.layout, decay.decay_constant_per_h, model.covariates, start=model.vector
    )
    return replace(found, tried=model.tried)


def layout_of(curves: Sequence[PatientCurve], size: int, covariates: int) -> Layout:
    """Which levels the curves can show: regions within patients, cycles within regions, correlations."""
    by_patient: dict[str, set[str]] = {}
    by_region: dict[tuple[str, str], set[int]] = {}
    for one in curves:
        by_patient.setdefault(one.patient, set()).add(one.region)
        by_region.setdefault((one.patient, one.region), set()).add(one.cycle)
    within = any(len(regions) > 1 for regions in by_patient.values())
    cycles = any(len(numbers) > 1 for numbers in by_region.values())
    return Layout(size, covariates, len(by_patient) >= CORRELATED_FROM * size, within, cycles)


def _covariates(curves: Sequence[PatientCurve], names: Sequence[str]) -> tuple[Covariate, ...]:
    found = []
    for name in names:
        missing = [one for one in curves if name not in one.covariates]
        if missing:
            raise PopulationError(
                f"The covariate '{name}' is missing for patient {missing[0].patient}: give it as a column of the table."
            )
        values = np.array([one.covariates[name] for one in curves])
        if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            raise PopulationError(f"The covariate '{name}' is {values[0]:g} in all patients: leave it out.")
        found.append(Covariate(name, float(values.mean()), float(values.std())))
    return tuple(found)


def between_cycle_words(models: Mapping[str, KindModel]) -> str:
    """Which kinds say how far kinetics change between cycles, "" if all do."""
    silent = [kind for kind, one in models.items() if one.cycles is None]
    if not silent:
        return ""
    return (
        f"no patient has two cycles of {', '.join(silent)}, so changes between cycles are not known: a later cycle is "
        "treated as another region of the patient, or as another patient"
    )
