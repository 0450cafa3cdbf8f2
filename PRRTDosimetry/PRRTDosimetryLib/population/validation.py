"""Leave-one-out validation: every patient by the population of the others, from few of the patient's images.

The reference is the integral of all images by the average over models, which knows no population. Each estimate is
compared with it: error, how often the 95 % interval holds it, and how wide that interval is. The reference has an
uncertainty of its own, so intervals hold it a little less often than the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.averaging import estimates
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
from PRRTDosimetryLib.population.curve_sets import PatientCurve, grouped
from PRRTDosimetryLib.population.formulas import HALF_LIFE_SPREAD, haenscheid_tia_MBq_h
from PRRTDosimetryLib.population.making import LEAST_IMAGES, without_each
from PRRTDosimetryLib.population.posterior import posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.population.kind_model import KindModel
    from PRRTDosimetryLib.population.model import Population

    Floats = NDArray[np.float64]

METHODS = {
    "population": "population of the other patients",
    "average": "the patient alone, average over models",
    "haenscheid": "Haenscheid 2018: 2 A t / ln 2",
    "madsen": "Madsen 2018: mean half-life of the others",
    "half-life": f"the same half-life, u = {HALF_LIFE_SPREAD:.0%}",
}
"""Methods that are compared, with what they are."""

_NEAR = 0.25  # images count as being at the same time when they are within this share of it, at least 3 h
_MOST_SETS = 8
_POPULATIONS = 32


@dataclass(frozen=True)
class Validated:
    """One method with one set of images over all curves of a kind.

    Attributes
    ----------
    kind, hours, method : which.
    curves : how many were compared.
    bias, rms : mean and root mean square of the relative error, from logarithms.
    within_10 : share of errors within 10 %.
    coverage : share of 95 % intervals that hold the reference; nan where the method has none.
    width : median ratio of upper to lower end of the intervals, minus 1; nan likewise.
    outside : share of curves that the predictive check sees outside the population; nan for other methods.
    """

    kind: str
    hours: tuple[float, ...]
    method: str
    curves: int
    bias: float
    rms: float
    within_10: float
    coverage: float
    width: float
    outside: float = math.nan


@dataclass(frozen=True, eq=False)
class _Cases:
    """Curves with chosen images, their references, and whose they are."""

    curves: list[PatientCurve]
    log_reference: Floats


def usual_hours(curves: Sequence[PatientCurve]) -> tuple[float, ...]:
    """Times at which most patients were imaged: medians of clusters of times that half of the full curves have."""
    full = [one for one in curves if int(one.usable.sum()) >= LEAST_IMAGES]
    times = np.sort(np.concatenate([np.array(one.curve.time_h)[one.usable] for one in full]))
    cut = np.flatnonzero(np.diff(times) > np.maximum(3.0, _NEAR * times[:-1])) + 1
    clusters = np.split(times, cut)
    return tuple(float(f"{np.median(one):.3g}") for one in clusters if len(one) >= 0.5 * len(full))


def image_sets(hours: Sequence[float]) -> list[tuple[float, ...]]:
    """Single images and pairs of them, the later single ones and wider pairs first where there are many.

    Examples
    --------
    >>> image_sets([24, 96])
    [(24,), (96,), (24, 96)]
    """
    single = [(hour,) for hour in hours]
    pairs = sorted(combinations(hours, 2), key=lambda pair: pair[0] - pair[1])
    return [*single, *sorted(pairs[: max(0, _MOST_SETS - len(single))])]


def validate(
    curves: Sequence[PatientCurve],
    population: Population,
    decay: Radionuclide,
    sets: Sequence[tuple[float, ...]] = (),
) -> list[Validated]:
    """Leave-one-out validation of every kind of a population.

    Parameters
    ----------
    curves : what the population was made from.
    population : its form is kept, its numbers are estimated again without each patient.
    sets : hours of the images that are kept; none takes the usual ones, alone and in pairs.
    """
    found = []
    for kind, model in population.kinds.items():
        own = [one for one in curves if one.kind == kind]
        full = [one for one in own if int(one.usable.sum()) >= LEAST_IMAGES]
        others = without_each(model, own, decay)
        references = estimates([one.curve for one in full], decay, Options())
        logs = np.array([one.log_best for one in references])
        for hours in sets or image_sets(usual_hours(own)):
            cases = _cases(full, logs, hours)
            if len(cases.curves) >= LEAST_IMAGES:
                found += _compared(kind, hours, cases, others, decay)
    return found


def _patients(curves: Sequence[PatientCurve]) -> list[str]:
    return list(dict.fromkeys(one.patient for one in curves))


def _cases(full: Sequence[PatientCurve], logs: Floats, hours: Sequence[float]) -> _Cases:
    """Curves that have an image near each of the hours, with these images alone."""
    chosen, references = [], []
    for one, log in zip(full, logs, strict=True):
        time = np.array(one.curve.time_h)
        places = [int(np.argmin(np.abs(time - hour))) for hour in hours]
        near = all(abs(time[p] - hour) <= max(3.0, _NEAR * hour) for p, hour in zip(places, hours, strict=True))
        if near and len(set(places)) == len(places) and bool(one.usable[places].all()):
            curve = one.curve
            kept = sorted(places)
            u = tuple(curve.u_activity_MBq[p] for p in kept) if curve.u_activity_MBq else ()
            part = Curve(
                curve.region, tuple(curve.time_h[p] for p in kept), tuple(curve.activity_MBq[p] for p in kept), u
            )
            chosen.append(
                PatientCurve(one.patient, one.region, one.cycle, one.kind, part, one.administered_MBq, one.covariates)
            )
            references.append(log)
    return _Cases(chosen, np.array(references))


def _compared(
    kind: str,
    hours: tuple[float, ...],
    cases: _Cases,
    others: dict[str, KindModel],
    decay: Radionuclide,
) -> list[Validated]:
    results = {"population": _by_population(cases, others, decay)}
    if len(hours) > 1:
        results["average"] = _by_average(cases, decay)
    else:
        results |= _by_formulas(cases, others, decay)
    return [_summary(kind, hours, method, cases.log_reference, *arrays) for method, arrays in results.items()]


_Arrays = tuple["Floats", "Floats", "Floats", "Floats"]  # ln TIA, ln lower, ln upper, outside (nan for none)


def _by_population(cases: _Cases, others: dict[str, KindModel], decay: Radionuclide) -> _Arrays:
    rows = []
    for name in _patients(cases.curves):
        model = others[name]
        own = [one for one in cases.curves if one.patient == name]
        (group,) = grouped([_alone(one, number) for number, one in enumerate(own)], model.covariates)
        found = posterior(model, group, decay.decay_constant_per_h, populations=_POPULATIONS)
        amounts = np.log([one.administered_MBq for one in own])
        logs = found.quantiles(np.array([0.5, 0.025, 0.975])) + amounts[:, None]
        rows += [(*row, float(out)) for row, out in zip(logs, found.outside, strict=True)]
    columns = np.array(rows).T
    return columns[0], columns[1], columns[2], columns[3]


def _alone(one: PatientCurve, number: int) -> PatientCurve:
    """A curve without the patient's others: what one region's image alone says."""
    return PatientCurve(str(number), one.region, one.cycle, one.kind, one.curve, one.administered_MBq, one.covariates)


def _by_average(cases: _Cases, decay: Radionuclide) -> _Arrays:
    found = estimates([one.curve for one in cases.curves], decay, Options())
    ends = np.log([one.interval_MBq_h(0.95) for one in found])
    logs = np.array([one.log_best for one in found])
    return logs, ends[:, 0], ends[:, 1], np.full(len(logs), math.nan)


def _by_formulas(cases: _Cases, others: dict[str, KindModel], decay: Radionuclide) -> dict[str, _Arrays]:
    time = np.array([one.curve.time_h[0] for one in cases.curves])
    activity = np.array([one.curve.activity_MBq[0] for one in cases.curves])
    unknown = np.full(len(time), math.nan)
    results = {"haenscheid": (np.log(haenscheid_tia_MBq_h(time, activity)), unknown, unknown, unknown)}
    physical = decay.decay_constant_per_h
    integrals = []
    for one in cases.curves:
        half_life = others[one.patient].typical_half_life_h(physical)
        known = one.curve.u_activity_MBq or (others[one.patient].noise * one.curve.activity_MBq[0],)
        curve = Curve(one.region, one.curve.time_h, one.curve.activity_MBq, known)
        integrals.append(single_time_point(curve, decay, half_life, HALF_LIFE_SPREAD * half_life))
    logs = np.log([one.tia_MBq_h for one in integrals])
    ends = np.log([one.interval_MBq_h() for one in integrals])
    results["madsen"] = (logs, unknown, unknown, unknown)
    results["half-life"] = (logs, ends[:, 0], ends[:, 1], unknown)
    return results


def _summary(
    kind: str,
    hours: tuple[float, ...],
    method: str,
    reference: Floats,
    logs: Floats,
    low: Floats,
    high: Floats,
    outside: Floats,
) -> Validated:
    error = logs - reference
    relative = np.expm1(error)
    known = np.isfinite(low).all()
    holds = (low <= reference) & (reference <= high)
    return Validated(
        kind,
        tuple(hours),
        method,
        len(error),
        float(np.expm1(error.mean())),
        float(np.sqrt((relative**2).mean())),
        float((np.abs(relative) <= 0.1).mean()),
        float(holds.mean()) if known else math.nan,
        float(np.expm1(np.median(high - low))) if known else math.nan,
        float(outside.mean()) if np.isfinite(outside).all() else math.nan,
    )
