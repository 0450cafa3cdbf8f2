"""Populations, validations and plans as text and JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from PRRTUptakeLib.formatting import number, plain_table
from PRRTUptakeLib.nuclides.radionuclides import nuclide

from PRRTDosimetryLib.population.courses import CLEARANCE
from PRRTDosimetryLib.population.making import between_cycle_words
from PRRTDosimetryLib.population.validation import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.population.kind_model import KindModel
    from PRRTDosimetryLib.population.model import Population
    from PRRTDosimetryLib.population.planning import Plan, PlannedSet
    from PRRTDosimetryLib.population.validation import Validated

_LEVELS = {"between": "between patients", "within": "within a patient", "cycles": "between cycles"}


def population_text(population: Population) -> str:
    """What a population says of each kind: kinetics, spreads, checks."""
    physical = nuclide(population.nuclide).decay_constant_per_h
    lines = []
    if population.synthetic:
        lines += ["SYNTHETIC: made from no patients, for tests and the tutorial only.", ""]
    rows = []
    for kind, one in population.kinds.items():
        rows.append(
            (
                kind,
                one.kinetics.name,
                one.patients,
                one.curves,
                one.images,
                number(one.typical_half_life_h(physical)),
                *(_percent(_clearance_sd(one, level)) for level in _LEVELS),
                _percent(one.noise),
            )
        )
    header = ("kind", "model", "patients", "curves", "images", "T_eff h", *_LEVELS.values(), "noise")
    lines.append(plain_table(header, rows))
    lines += [
        "",
        "T_eff: typical effective half-life. Spreads are standard deviations of ln biological clearance: 25 % is a "
        "factor of 1.28.",
    ]
    for kind, one in population.kinds.items():
        lines += ["", *_kind_lines(kind, one)]
    words = between_cycle_words(population.kinds)
    if words:
        lines += ["", f"Note: {words}."]
    return "\n".join(lines)


def _kind_lines(kind: str, one: KindModel) -> list[str]:
    u = np.sqrt(np.diag(one.covariance))
    lines = [f"{kind}: {one.kinetics.name}"]
    for n, name in enumerate(one.kinetics.parameters):
        parts = [f"{_LEVELS[level]} {number(_sd(one, level, n), 2)}" for level in _LEVELS if _sd(one, level, n) > 0]
        shrunk = f", shrinkage {_percent(one.shrinkage[n])}" if one.shrinkage else ""
        lines.append(f"  {name} {one.typical[n]:.3f} ± {u[n]:.3f}; {', '.join(parts)}{shrunk}")
    for covariate, effect in zip(one.covariates, one.effects, strict=True):
        parts = [f"{name} {value:+.3f}" for name, value in zip(one.kinetics.parameters, effect, strict=True)]
        lines.append(f"  per {covariate.sd:.3g} of {covariate.name} (mean {covariate.mean:.3g}): {', '.join(parts)}")
    if one.tried:
        best = min(other.aic for other in one.tried)
        lines.append("  AIC above the best: " + ", ".join(f"{t.model} {t.aic - best:.1f}" for t in one.tried))
    checks = one.checks
    checked = ["converged" if checks.converged else "NOT CONVERGED: add patients or images, or choose a simpler model"]
    if math.isfinite(checks.starts_apart):
        checked.append(f"a second start ends {checks.starts_apart:.2g} nats away")
    if not checks.curved:
        checked.append("some numbers are not determined by these patients")
    if math.isfinite(checks.laplace_error):
        checked.append(f"Laplace within {checks.laplace_error:.2g} nats of importance sampling for every patient")
    lines.append(f"  Checks: {'; '.join(checked)}")
    return lines


def _sd(one: KindModel, level: str, parameter: int) -> float:
    if level == "between":
        return math.sqrt(float(one.between[parameter, parameter]))
    values = one.within if level == "within" else one.cycles
    return 0.0 if values is None else float(values[parameter])


def _clearance_sd(one: KindModel, level: str) -> float:
    return _sd(one, level, CLEARANCE) or math.nan


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.0f} %"


def hours_words(hours: Sequence[float]) -> str:
    """Hours of a set of images.

    Examples
    --------
    >>> hours_words((24.0, 96.0)), hours_words((24.0,))
    ('24 + 96 h', '24 h')
    """
    return " + ".join(f"{hour:g}" for hour in hours) + " h"


def validation_text(rows: Sequence[Validated]) -> str:
    """The table of leave-one-out validation."""
    header = (
        "kind",
        "images",
        "method",
        "curves",
        "bias",
        "RMS error",
        "within 10 %",
        "95 % holds",
        "width",
        "outside",
    )
    cells = [
        (
            one.kind,
            hours_words(one.hours),
            one.method,
            one.curves,
            f"{100 * one.bias:+.1f} %",
            f"{100 * one.rms:.1f} %",
            *(_percent(value) for value in (one.within_10, one.coverage, one.width, one.outside)),
        )
        for one in rows
    ]
    words = "; ".join(f"{name}: {meaning}" for name, meaning in METHODS.items())
    return (
        "Leave-one-out validation against all images of each curve (average over models, without the population).\n\n"
        f"{plain_table(header, cells)}\n\n{words}.\n"
        "width: upper over lower end of the interval, minus 1. outside: seen by the predictive check."
    )


def validation_json(rows: Sequence[Validated]) -> list[dict[str, Any]]:
    """The same for ``--json``."""
    return [asdict(one) for one in rows]


def population_json(population: Population) -> dict[str, Any]:
    """A summary for ``prrt population --json``."""
    physical = nuclide(population.nuclide).decay_constant_per_h
    return {
        "synthetic": population.synthetic,
        "nuclide": population.nuclide,
        "sha256": population.sha256,
        "regions": {
            kind: {
                "model": one.kinetics.name,
                "patients": one.patients,
                "curves": one.curves,
                "images": one.images,
                "teff_h": one.typical_half_life_h(physical),
                "typical": one.typical,
                "between_patients": np.sqrt(np.diag(one.between)),
                "within_patient": one.within,
                "between_cycles": one.cycles,
                "noise": one.noise,
                "shrinkage": list(one.shrinkage),
                "checks": asdict(one.checks),
            }
            for kind, one in population.kinds.items()
        },
    }


def plan_rows(found: Plan) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of a plan: the best set, others, and what leaving one out or fewer images cost."""
    kinds = tuple(found.best.widths)
    header = ("images at", "what", *(f"{kind}, width" for kind in kinds), "cost")
    return header, [_plan_row(found, one, what) for one, what in _plan_sets(found)]


def _plan_sets(found: Plan) -> list[tuple[PlannedSet, str]]:
    sets = [(found.best, "best"), *((one, "other") for one in found.others)]
    sets += [(one, f"without {hour:g} h") for hour, one in found.without.items()]
    return sets + [(one, "best of fewer") for one in reversed(found.fewer)]


def plan_summary(found: Plan) -> list[tuple[str, str, str, str]]:
    """The same in four columns: hours, what, mean width over regions, cost."""
    sets = _plan_sets(found)
    cells = [_plan_row(found, one, what) for one, what in sets]
    return [(row[0], row[1], _width(one.width), row[-1]) for row, (one, _) in zip(cells, sets, strict=True)]


def _plan_row(found: Plan, one: PlannedSet, what: str) -> tuple[str, ...]:
    cost = one.width / found.best.width
    shown = "" if one is found.best else f"{100 * (cost - 1):+.0f} %" if cost < 3 else f"x {cost:.3g}"
    return hours_words(one.hours), what, *(_width(value) for value in one.widths.values()), shown


def _width(value: float) -> str:
    return f"{100 * value:.0f} %" if value < 10 else "> 1000 %"


def plan_text(found: Plan) -> str:
    """A plan as text."""
    header, rows = plan_rows(found)
    clocks = ", ".join(found.hours.clock_words(hour) for hour in found.best.hours)
    tried = "; ".join(
        f"{kind} width {_width(width)}, holds the truth in {100 * coverage:.0f} %"
        for kind, (width, coverage) in found.simulated.items()
    )
    return "\n".join(
        [
            f"Kinetics: {found.source}.",
            f"Images at {hours_words(found.best.hours)} after the injection ({clocks}).",
            "",
            plain_table(header, rows),
            "",
            "width: expected upper over lower end of the 95 % interval of the dose, minus 1, as far as hours decide. "
            "cost: mean width over the best one's.",
            f"Tried on simulated patients: {tried}.",
        ]
    )


def plan_json(found: Plan) -> dict[str, Any]:
    """A plan for ``--json``."""
    return {
        "hours": list(found.best.hours),
        "clock": [found.hours.clock_words(hour) for hour in found.best.hours],
        "width": found.best.width,
        "widths": found.best.widths,
        "others": [asdict(one) for one in found.others],
        "without": {f"{hour:g}": asdict(one) for hour, one in found.without.items()},
        "fewer": [asdict(one) for one in found.fewer],
        "simulated": {kind: {"width": w, "coverage": c} for kind, (w, c) in found.simulated.items()},
        "kinetics": found.source,
    }
