"""Synthetic patients and their population: round numbers, invented for tests and the tutorial, not measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.table_file import csv_text

from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.population.courses import KINDS, KINETICS, log_rate
from PRRTDosimetryLib.population.curve_sets import PatientCurve
from PRRTDosimetryLib.population.kind_model import KindModel
from PRRTDosimetryLib.population.model import Population

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NUCLIDE, ADMINISTERED_MBQ, NOISE = "Lu-177", 7400.0, 0.05
HOURS = (4.0, 24.0, 72.0, 168.0)
_JITTER_H = (0.5, 2.0, 3.0, 4.0)  # of the hours, uniform to both sides
_REGIONS = {
    "kidney": ("Kidney_Left", "Kidney_Right"),
    "spleen": ("Spleen",),
    "liver": ("Liver",),
    "marrow": ("Vertebra_L3",),
    "lesion": ("L1", "L2", "L3"),
}


@dataclass(frozen=True)
class Truth:
    """Invented kinetics of one kind: medians, and standard deviations of the logarithms between patients.

    Attributes
    ----------
    share : amplitude per administered activity.
    biological_h, uptake_h : half-lives.
    between : of ln amplitude, ln clearance, ln uptake; those within patients and between cycles are a third of it.
    """

    share: float
    biological_h: float
    uptake_h: float
    between: tuple[float, float, float]


TRUTH = {
    "kidney": Truth(0.012, 72.0, 1.0, (0.25, 0.25, 0.30)),
    "spleen": Truth(0.020, 110.0, 1.5, (0.50, 0.25, 0.30)),
    "liver": Truth(0.080, 110.0, 2.0, (0.40, 0.25, 0.30)),
    "marrow": Truth(0.002, 60.0, 1.0, (0.40, 0.30, 0.30)),
    "lesion": Truth(0.004, 170.0, 3.0, (0.80, 0.40, 0.30)),
}


def synthetic_model(kind: str) -> KindModel:
    """The true population of one kind, as if its numbers were known exactly."""
    truth = TRUTH[kind]
    between = np.array(truth.between)
    model = KindModel(
        kinetics=KINETICS["uptake-clearance"],
        typical=np.array([math.log(truth.share), log_rate(truth.biological_h), log_rate(truth.uptake_h)]),
        effects=np.zeros((0, 3)),
        between=np.diag(between**2),
        within=between / 3 if len(_REGIONS[kind]) > 1 else None,
        cycles=between / 3,
        noise=NOISE,
        covariance=np.zeros((0, 0)),
    )
    length = model.layout.length
    return replace(model, covariance=np.zeros((length, length)))


def synthetic_population(kinds: Sequence[str] = KINDS) -> Population:
    """The true population behind synthetic patients."""
    return Population(
        kinds={kind: synthetic_model(kind) for kind in kinds},
        nuclide=NUCLIDE,
        per_administered=True,
        synthetic=True,
        source="invented numbers, no patients",
        name="the synthetic population",
    )


def synthetic_patients(
    patients: int,
    seed: int,
    kinds: Sequence[str] = KINDS,
    cycles: int = 1,
    hours: Sequence[float] = HOURS,
) -> tuple[list[PatientCurve], dict[tuple[str, str, int], float]]:
    """Noisy curves of synthetic patients, and the true TIA in MBq h by patient, region and cycle.

    Parameters
    ----------
    patients, cycles : how many.
    seed : of all random numbers.
    kinds : of the regions.
    hours : of the images; those of the default vary by some hours.
    """
    rng = np.random.default_rng(seed)
    physical = nuclide(NUCLIDE).decay_constant_per_h
    jitter = np.array(_JITTER_H if tuple(hours) == HOURS else [0.0] * len(hours))
    curves, truth = [], {}
    for number in range(1, patients + 1):
        name = f"SYN{number:03d}"
        times = np.array(hours) + jitter * rng.uniform(-1, 1, (cycles, len(hours)))
        for kind in kinds:
            model = synthetic_model(kind)
            spread = np.sqrt(np.diag(model.between))
            patient = model.typical + spread * rng.standard_normal(3)
            for region in _REGIONS[kind]:
                own = patient + (0.0 if model.within is None else model.within * rng.standard_normal(3))
                for cycle in range(1, cycles + 1):
                    assert model.cycles is not None
                    theta = own + model.cycles * rng.standard_normal(3)
                    time = np.round(times[cycle - 1], 2)
                    logs = model.kinetics.log_activity(theta, time, physical) + NOISE * rng.standard_normal(len(time))
                    activity = np.exp(logs) * ADMINISTERED_MBQ
                    curve = Curve(region, tuple(map(float, time)), tuple(float(f"{a:.6g}") for a in activity))
                    covariates = {"cycle": float(cycle)}
                    curves.append(PatientCurve(name, region, cycle, kind, curve, ADMINISTERED_MBQ, covariates))
                    truth[name, region, cycle] = ADMINISTERED_MBQ * math.exp(
                        float(model.kinetics.log_tia(theta, physical))
                    )
    return curves, truth


def curves_text(curves: Sequence[PatientCurve]) -> str:
    """A table of curves as ``prrt population`` reads it."""
    rows = [
        (one.patient, one.cycle, one.region, one.kind, f"{time:g}", f"{activity:g}", f"{one.administered_MBq:g}")
        for one in curves
        for time, activity in zip(one.curve.time_h, one.curve.activity_MBq, strict=True)
    ]
    return csv_text(("patient", "cycle", "region", "kind", "time_h", "activity_MBq", "administered_MBq"), rows)
