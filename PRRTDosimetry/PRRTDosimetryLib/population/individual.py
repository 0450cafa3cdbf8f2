"""One patient by a population: empirical-Bayes estimate of each curve, or why the population does not hold for it.

Curves of the same kind belong together: the other kidney, other lesions and earlier cycles narrow the prior as far as
the spread within patients and between cycles lets them. A curve that is outside that prior is tried with the
population alone, and, if it is outside that too, is integrated without any population.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.averaging import estimates, possible_models
from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.integral import Integral, physical_notes
from PRRTDosimetryLib.kinetics.selection import averaged, integrate
from PRRTDosimetryLib.population.curve_sets import PatientCurve, grouped, kind_of
from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.outside import SIGNIFICANCE
from PRRTDosimetryLib.population.posterior import SEED, chance_of_all, posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.options import Options
    from PRRTDosimetryLib.population.hierarchy import Group
    from PRRTDosimetryLib.population.kind_model import KindModel
    from PRRTDosimetryLib.population.model import Population
    from PRRTDosimetryLib.population.posterior import Posterior

    Floats = NDArray[np.float64]

METHOD = "population"
_LEVELS = np.concatenate([[0.0005], np.arange(1, 400) / 400, [0.9995]])
_POOR_SAMPLING = 100.0  # effective draws below which the interval is doubted


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationUse:
    """How a patient's curves are integrated by a population; what `kinetics.options.Options.population` takes.

    Attributes
    ----------
    population : the kinetics.
    administered_MBq : of this cycle; nan where the population is in MBq.
    cycle : number of this cycle.
    kinds : kind of each region, for regions whose name does not say it; "" for none.
    earlier : the same patient's curves of earlier cycles.
    covariates : of this patient, such as egfr; the cycle is known.
    """

    population: Population
    administered_MBq: float = math.nan
    cycle: int = 1
    kinds: Mapping[str, str] = field(default_factory=dict)
    earlier: tuple[PatientCurve, ...] = ()
    covariates: Mapping[str, float] = field(default_factory=dict)
    seed: int = SEED

    def covers(self, region: str) -> bool:
        """Whether the population has kinetics of a region's kind."""
        return self.kind(region) in self.population.kinds

    def kind(self, region: str) -> str:
        """Kind of a region."""
        return self.kinds[region] if region in self.kinds else kind_of(region)

    def require_kinds(self, curves: Sequence[Curve]) -> None:
        """Refuse curves none of which a population says anything of.

        Raises
        ------
        PopulationError
            Naming the regions and the kinds.
        """
        if not any(self.covers(curve.region) for curve in curves):
            raise PopulationError(
                f"{self.population.name} has kinetics of {', '.join(self.population.kinds)}, but no region "
                f"({', '.join(curve.region for curve in curves)}) is of these kinds by its name: rename regions, such "
                "as Kidney_Left or L1, or leave the population out."
            )

    def integrals(self, curves: Sequence[Curve], decay: Radionuclide, options: Options) -> dict[str, Integral]:
        """The integrals of all curves of kinds that the population has, by region.

        Raises
        ------
        PopulationError
            If amplitudes are per administered activity, and it is missing.
        """
        own = [self._patient_curve(curve) for curve in curves if self.covers(curve.region)]
        return {one.region: self._integral(one, own, decay, replace(options, population=None)) for one in own}

    def _patient_curve(self, curve: Curve) -> PatientCurve:
        return PatientCurve(
            "",
            curve.region,
            self.cycle,
            self.kind(curve.region),
            curve,
            self._amount(),
            {**self.covariates, "cycle": float(self.cycle)},
        )

    def _amount(self) -> float:
        if not self.population.per_administered:
            return 1.0
        if not 0 < self.administered_MBq < math.inf:
            raise PopulationError(
                f"{self.population.name} is per administered activity: give the administered activity in MBq too."
            )
        return self.administered_MBq

    def _integral(
        self, one: PatientCurve, own: Sequence[PatientCurve], decay: Radionuclide, options: Options
    ) -> Integral:
        model = self.population.model(one.kind)
        before = [curve for curve in self.earlier if curve.kind == one.kind and curve.cycle != self.cycle]
        others = [curve for curve in own if curve.kind == one.kind and curve.region != one.region] + before
        if not one.usable.any():
            raise PopulationError(f"{one.region}: no activity above 0 after the injection; measure the region again.")
        outside: list[str] = []
        if others and not before:
            chance = self._chance_of_all(model, [one, *others], decay)
            if chance < SIGNIFICANCE:
                return self._fallback(one.curve, decay, options, [_all_words(one, others, chance)])
        tries = [others, []] if others else [[]]
        for helpers in tries:
            found = self._posterior(model, [one, *helpers], decay)
            if not found.outside[0]:
                notes = [*outside, *_notes(self.population, model, helpers, found), *self._covariate_notes(model)]
                return _as_integral(one, decay, model, found, self.population, notes)
            outside.append(_outside_words(one, helpers, found))
        return self._fallback(one.curve, decay, options, outside)

    def _covariate_notes(self, model: KindModel) -> list[str]:
        """Which covariates are missing, and which the population has no use of."""
        asked = {one.name for one in model.covariates}
        known = {name for kind in self.population.kinds.values() for name in (x.name for x in kind.covariates)}
        missing = sorted(asked - {*self.covariates, "cycle"})
        unused = sorted(set(self.covariates) - known - {"cycle"})
        notes = [f"{name} of this patient is not stated: what it explains is in the interval" for name in missing]
        return notes + [f"the population does not depend on {name}, which is stated: not used" for name in unused]

    def _posterior(self, model: KindModel, curves: Sequence[PatientCurve], decay: Radionuclide) -> Posterior:
        widened, group = self._group(model, curves)
        return posterior(widened, group, decay.decay_constant_per_h, seed=self.seed)

    def _chance_of_all(self, model: KindModel, curves: Sequence[PatientCurve], decay: Radionuclide) -> float:
        """Of a patient of the population, to be as far from typical in all curves of a kind together."""
        widened, group = self._group(model, sorted(curves, key=lambda one: one.region))
        return float(chance_of_all(widened, group, decay.decay_constant_per_h, seed=self.seed)[0])

    def _group(self, model: KindModel, curves: Sequence[PatientCurve]) -> tuple[KindModel, Group]:
        """The patient's curves as arrays, and the population of patients of whom as much is known."""
        noisy = [_with_noise(one, model, self.population.stated_noise) for one in curves]
        (group,) = grouped([replace(one, patient="") for one in noisy], model.covariates)
        missing = [x for x in model.covariates if x.name not in curves[0].covariates]
        return _widened(model, [model.covariates.index(x) for x in missing]), group

    def _fallback(self, curve: Curve, decay: Radionuclide, options: Options, outside: Sequence[str]) -> Integral:
        """Without the population: as without ``--population``, and from one image by weak assumptions, if need be."""
        known = not math.isnan(options.half_life_of(curve.region)[0])
        if len(curve.time_h) > 1 or known:
            result = integrate(curve, decay, "auto", options)
        else:
            (estimate,) = estimates([curve], decay, options, possible_models(1))
            result = averaged(curve, decay, options, estimate)
        notes = (*result.notes, *outside, "the population is not used for this region")
        return replace(result, notes=notes)


def _with_noise(one: PatientCurve, model: KindModel, stated_noise: bool) -> PatientCurve:
    """The curve with the part of its uncertainty that is not in the population's noise already."""
    u = one.curve.u_activity_MBq
    if not u or stated_noise:
        return one
    relative = np.array(u) / np.maximum(one.curve.activity_MBq, 1e-300)
    beyond = np.sqrt(np.maximum(relative**2 - model.noise**2, 0.0))
    values = tuple(float(max(b, 1e-9)) * (a or 1.0) for b, a in zip(beyond, one.curve.activity_MBq, strict=True))
    return replace(one, curve=replace(one.curve, u_activity_MBq=values))


def _widened(model: KindModel, missing: Sequence[int]) -> KindModel:
    """The population of patients whose covariates are not known: what they explain is spread between patients."""
    if not missing:
        return model
    effects = model.effects[list(missing)]
    return replace(model, between=model.between + effects.T @ effects)


def _as_integral(
    one: PatientCurve,
    decay: Radionuclide,
    model: KindModel,
    found: Posterior,
    population: Population,
    notes: Sequence[str],
) -> Integral:
    amount = one.administered_MBq
    logs = found.quantiles(_LEVELS)[0] + math.log(amount)
    value = math.exp(float(np.interp(0.5, _LEVELS, logs)))
    theta = (found.weight[0][:, None] * found.theta[0]).sum(axis=0)
    shape = Shape(model.kinetics.exponentials(theta, decay.decay_constant_per_h))
    shape = shape.scaled(value / shape.integral_MBq_h)
    half_life = float((found.weight[0] * np.log(found.half_life_h[0])).sum())
    count = len(one.curve.time_h)
    sensitivity = found.sensitivity[0][:count] * value / np.maximum(one.curve.activity_MBq, 1e-300)
    u = value * math.hypot(float(found.sd[0]), float(found.mean[0]) + math.log(amount) - math.log(value))
    stated = "the points' own standard uncertainties and " if one.curve.u_activity_MBq else ""
    return Integral(
        one.curve,
        decay,
        model.kinetics.name,
        shape,
        u,
        math.inf,
        tuple(float(s) for s in np.where(one.usable, sensitivity, 0.0)),
        f"{stated}the population's scatter of {100 * model.noise:.1f} %",
        f"population of {model.patients} {'synthetic ' if population.synthetic else ''}patients ({one.kind}), "
        f"{model.kinetics.name}, and {count} image{'s' * (count > 1)}",
        (*notes, *physical_notes(one.curve, decay, shape.terminal_half_life_h)),
        method=METHOD,
        quantiles=lambda levels: np.exp(np.interp(levels, _LEVELS, logs)),
        half_life_h=math.exp(half_life),
    )


def _notes(population: Population, model: KindModel, helpers: Sequence[PatientCurve], found: Posterior) -> list[str]:
    notes = []
    if population.synthetic:
        notes.append(f"{population.name} is synthetic, made from no patients: for tests and the tutorial only")
    cycles = sorted({one.cycle for one in helpers if one.cycle})
    if helpers:
        named = ", ".join(dict.fromkeys(one.region for one in helpers))
        notes.append(f"the prior is narrowed by {named} of cycle {', '.join(map(str, cycles))} of this patient")
    if helpers and len(cycles) > 1 and model.cycles is None:
        notes.append("the population does not say how kinetics change between cycles: taken as between its regions")
    if found.effective_draws[0] < _POOR_SAMPLING:
        notes.append(f"the interval is from {found.effective_draws[0]:.0f} effective draws only: doubt its ends")
    if found.p_outside[0] > 0.999:
        notes.append("the images say next to nothing beyond the population")
    return notes


def _all_words(one: PatientCurve, others: Sequence[PatientCurve], chance: float) -> str:
    named = ", ".join(dict.fromkeys(x.region for x in (one, *others)))
    return f"{named} together are outside the population of {one.kind} (p = {chance:.2g}: so few of its patients are)"


def _outside_words(one: PatientCurve, helpers: Sequence[PatientCurve], found: Posterior) -> str:
    against = "the patient's other curves and the population" if helpers else f"the population of {one.kind}"
    if found.p_outside[0] < found.p_misfit[0]:
        return f"outside {against} (p = {found.p_outside[0]:.2g}: so few of its patients are as far from typical)"
    return f"its points follow no course of {against} (p = {found.p_misfit[0]:.2g})"
