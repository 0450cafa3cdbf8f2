"""Biologically effective dose: the linear-quadratic model with repair during the decaying dose rate.

BED = D (1 + G D/(alpha/beta)) with the Lea-Catcheside factor (Dale 1985, doi:10.1259/0007-1285-58-690-515; MIRD
Pamphlet 20, Wessels et al. 2008, doi:10.2967/jnumed.108.053306)

    G = 2/D^2  int_0^inf R(t) int_0^t R(s) exp(-m (t-s)) ds dt,   m = ln 2 / T_rep

for the dose rate R. For a sum of exponentials a_i exp(-l_i t) it is
2 sum_ij a_i a_j / ((l_i+l_j)(l_i+m)) / (sum a_i/l_i)^2; for one exponential T_rep/(T_rep + T_eff).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTDosimetryLib.effect.errors import EffectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTDosimetryLib.kinetics.curve_shape import Shape

_STEPS_PER_INTERVAL = 256  # of a polygon; the error of G is below 1e-6


@dataclass(frozen=True)
class TumourControl:
    """Parameters of the Poisson model: mean radiosensitivity, density of clonogenic cells, and where they are from."""

    alpha_per_Gy: float
    clonogens_per_mL: float
    source: str


@dataclass(frozen=True)
class Tissue:
    """Radiosensitivity of a tissue: alpha over beta, and half-time of repair.

    ``eud_a`` is the exponent of the generalised equivalent uniform dose, ``tumour_control`` what the Poisson model
    needs; None for a tissue without them.
    """

    alpha_beta_Gy: float
    repair_half_time_h: float
    source: str
    eud_a: float | None = None
    tumour_control: TumourControl | None = None

    @classmethod
    def from_values(cls, stated: Mapping[str, Any]) -> Tissue:
        """The tissue that a case or protocol file states."""
        control = stated.get("tumour_control")
        return cls(**{**stated, "tumour_control": TumourControl(**control) if control else None})

    def __post_init__(self) -> None:
        if not (0 < self.alpha_beta_Gy < math.inf and 0 < self.repair_half_time_h < math.inf):
            raise EffectError(
                f"alpha/beta {self.alpha_beta_Gy:g} Gy with a repair half-time of {self.repair_half_time_h:g} h is not "
                "possible; both must be above 0."
            )


KIDNEY = Tissue(2.6, 2.8, "MIRD Pamphlet 20, doi:10.2967/jnumed.108.053306")
DEFAULT_TISSUES: Mapping[str, Tissue] = {"kidneys": KIDNEY}
"""Radiosensitivities where neither case nor protocol states any."""
LESIONS = "lesions"


def tissue_of(tissues: Mapping[str, Tissue], region: str, organ: str, lesion: bool) -> Tissue | None:
    """Radiosensitivity of a region: its own, else that of all lesions or of its organ; None where none is stated."""
    return tissues.get(region) or tissues.get(LESIONS if lesion else organ)


def dose_protraction_factor(shape: Shape, repair_half_time_h: float) -> float:
    """G of a dose rate that follows the activity; 1 for an instant dose, towards 0 for a slow one.

    Examples
    --------
    >>> from PRRTDosimetryLib.kinetics.curve_shape import Shape
    >>> clearance, uptake = math.log(2) / 50, math.log(2) / 2
    >>> round(dose_protraction_factor(Shape(((1.0, clearance),)), 2.8), 5)
    0.05303
    >>> round(dose_protraction_factor(Shape(((1.0, clearance), (-1.0, uptake))), 2.8), 5)
    0.05218
    """
    if not 0 < repair_half_time_h < math.inf:
        raise EffectError(f"A repair half-time of {repair_half_time_h:g} h is not possible; it must be above 0.")
    repair = math.log(2) / repair_half_time_h
    amplitudes, rates = np.array(shape.exponentials).T
    pairs = np.outer(amplitudes, amplitudes) / ((rates[:, None] + rates) * (rates[:, None] + repair))
    twice = float(pairs.sum())
    if shape.nodes:
        before, unrepaired = _polygon(shape, repair)
        # What the polygon left unrepaired fades while the tail goes on.
        twice += before + unrepaired * float((amplitudes / (rates + repair)).sum())
    return 2 * twice / shape.integral_MBq_h**2


def bed_Gy(dose_Gy: float, protraction: float, alpha_beta_Gy: float) -> float:
    """Biologically effective dose of one cycle.

    Examples
    --------
    >>> round(bed_Gy(5.0, 0.05303, 2.6), 2)
    5.51
    """
    if not (dose_Gy >= 0 and alpha_beta_Gy > 0):
        raise EffectError(f"A BED of {dose_Gy:g} Gy with alpha/beta {alpha_beta_Gy:g} Gy is not possible.")
    return dose_Gy * (1 + protraction * dose_Gy / alpha_beta_Gy)


def eqd2_Gy(bed: float, alpha_beta_Gy: float) -> float:
    """Dose in fractions of 2 Gy with the same BED: BED / (1 + 2/(alpha/beta)).

    Examples
    --------
    >>> round(eqd2_Gy(22.04, 2.6), 2)
    12.46
    """
    return bed / (1 + 2 / alpha_beta_Gy)


def _polygon(shape: Shape, repair: float) -> tuple[float, float]:
    """Inner double integral over the polygon, and the unrepaired part at its end, by fine steps.

    Within a step the unrepaired part is exact for a constant activity; activities are means of the step's ends.
    """
    time = np.concatenate(
        [
            np.linspace(t0, t1, _STEPS_PER_INTERVAL, endpoint=False)
            for (t0, _), (t1, _) in zip(shape.nodes, shape.nodes[1:], strict=False)
        ]
        + [[shape.nodes[-1][0]]]
    )
    activity = shape.activity_MBq(time)
    steps, means = np.diff(time), (activity[1:] + activity[:-1]) / 2
    faded = np.exp(-repair * steps)
    filled = -np.expm1(-repair * steps) / repair  # int exp(-m s) ds over a step
    total = unrepaired = 0.0
    for step, mean, fade, fill in zip(steps, means, faded, filled, strict=True):
        total += mean * (unrepaired * fill + mean * (step - fill) / repair)
        unrepaired = unrepaired * fade + mean * fill
    return float(total), float(unrepaired)
