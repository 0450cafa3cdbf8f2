"""Wide assumptions in place of a population, to plan images before a centre has patients of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.priors import ASSUMED_RELATIVE_UNCERTAINTY
from PRRTDosimetryLib.population.courses import AMPLITUDE, CLEARANCE, KINETICS, log_rate
from PRRTDosimetryLib.population.kind_model import KindModel
from PRRTDosimetryLib.population.model import Population

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPICAL_HALF_LIFE_H, FACTOR = 60.0, 2.0
"""Typical effective half-life and the factor of one standard deviation of the biological one: judgement, no data."""

_ANY_AMPLITUDE = math.log(30.0)


def assumed_population(kinds: Sequence[str], nuclide: str, physical_half_life_h: float) -> Population:
    """A population of every kind by the same wide assumptions.

    Parameters
    ----------
    kinds : of regions.
    nuclide, physical_half_life_h : whose decay goes with the assumed biological clearance.
    """
    physical = math.log(2) / physical_half_life_h
    kinetics = KINETICS["uptake-clearance"]
    typical = np.array([0.0 if math.isnan(mean) else mean for mean, _ in kinetics.weak])
    sd = np.array([_ANY_AMPLITUDE, math.log(FACTOR), kinetics.weak[2][1]])
    typical[AMPLITUDE] = 0.0
    effective = min(TYPICAL_HALF_LIFE_H, 0.6 * physical_half_life_h)
    typical[CLEARANCE] = log_rate(1 / (1 / effective - 1 / physical_half_life_h))
    model = KindModel(
        kinetics=kinetics,
        typical=typical,
        effects=np.zeros((0, 3)),
        between=np.diag(sd**2),
        within=None,
        cycles=None,
        noise=ASSUMED_RELATIVE_UNCERTAINTY,
        covariance=np.zeros((10, 10)),
    )
    assert physical > 0
    return Population(
        kinds=dict.fromkeys(kinds, model),
        nuclide=nuclide,
        per_administered=False,
        synthetic=True,
        source=f"wide assumptions, the same for all regions: effective half-life about {effective:g} h",
        name="assumed kinetics",
    )
