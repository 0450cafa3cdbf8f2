"""Doses of lesions corrected for partial volume by a phantom's recovery curve, beside the uncorrected ones.

At every time a lesion's mean concentration T becomes B + (T - B)/RC(V): B is the mean of the healthy tissue around it,
whose activity shines in while the lesion's shines out, RC the phantom's contrast recovery for the lesion's volume (EANM
guidance, Gear et al. 2018, doi:10.1007/s00259-018-4136-7, with B = 0). The curve is then fitted by the model of the
uncorrected one, so that the two doses differ by the correction alone. A lesion smaller than the phantom's spheres is
left out with the reason; for one larger than them the curve goes on towards 1, which is reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.partial_volume import CorrectedUptake, corrected_uptake

from PRRTDosimetryLib.dosimetry.engine import DRAWS, chain_region, lesion_dose
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.scaled_curve import scaled_curve
from PRRTDosimetryLib.kinetics.selection import integrate
from PRRTDosimetryLib.population.individual import METHOD as POPULATION
from PRRTDosimetryLib.uncertainty.chain import dose_uncertainties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve

    from PRRTDosimetryLib.dosimetry.engine import Dosimetry, RegionDose
    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.integral import Integral
    from PRRTDosimetryLib.uncertainty.chain import ChainInputs


@dataclass(frozen=True)
class LesionPoints:
    """What was measured of one lesion, one value per time in the order of its curve.

    Attributes
    ----------
    mean_Bq_per_mL, background_Bq_per_mL : mean of the lesion, and of the healthy tissue around it.
    volume_mL : of the lesion.
    background : the name of the region of healthy tissue.
    """

    mean_Bq_per_mL: tuple[float, ...]
    background_Bq_per_mL: tuple[float, ...]
    volume_mL: tuple[float, ...]
    background: str


@dataclass(frozen=True, eq=False)
class RecoveredLesion:
    """One lesion's corrected dose, with recovery and volume (means over the times) and the region of its background."""

    dose: RegionDose
    recovery: float
    u_recovery: float
    volume_mL: float
    background: str


@dataclass(frozen=True, eq=False)
class RecoveredDoses:
    """Corrected doses of one cycle.

    Attributes
    ----------
    phantom : the recovery curve.
    lesions : by region.
    refused : by region, why a lesion has no corrected dose.
    """

    phantom: RecoveryCurve
    lesions: dict[str, RecoveredLesion]
    refused: dict[str, str]

    @property
    def integrals(self) -> dict[str, Integral]:
        """Integrals of the corrected curves by region."""
        return {name: one.dose.integral for name, one in self.lesions.items()}

    @property
    def method(self) -> str:
        """How the correction was made."""
        curve = self.phantom
        u_a, u_b = (math.sqrt(curve.covariance[n][n]) for n in (0, 1))
        low, high = curve.volume_range_mL
        return (
            "Corrected for partial volume: at every time a lesion's mean T became B + (T - B)/RC, with B the mean of "
            f"its reference region of healthy tissue and RC = 1/(1 + (a/V)^b), a = {curve.a_mL:.3g} ± {u_a:.2g} mL, "
            f"b = {curve.b:.3g} ± {u_b:.2g}, fitted to a phantom of {low:.3g} to {high:.3g} mL "
            f"({curve.source or 'source not stated'}); then each curve was fitted by the model of the uncorrected one. "
            "The uncorrected doses remain the result; organs and dose maps are not corrected."
        )

    @property
    def refusals(self) -> str:
        """What could not be corrected and why, "" if everything was."""
        reasons = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in self.refused.items())
        return f"Not corrected: {reasons}." if reasons else ""

    @property
    def continued(self) -> str:
        """Lesions larger than the phantom's spheres, "" if there are none."""
        high = self.phantom.volume_range_mL[1]
        names = [name for name, one in self.lesions.items() if one.volume_mL > high]
        return f"Larger than the phantom's {high:.3g} mL, the curve continued: {', '.join(names)}." if names else ""

    @property
    def sentences(self) -> list[str]:
        """All, for a report."""
        return [text for text in (self.method, self.continued, self.refusals) if text]


def recovered_doses(
    result: Dosimetry,
    points: Mapping[str, LesionPoints],
    phantom: RecoveryCurve,
    chain: ChainInputs,
    options: Options,
    earlier: Mapping[str, Integral] | None = None,
    seed: int = 1,
) -> RecoveredDoses:
    """Correct the lesions of one cycle.

    Parameters
    ----------
    result : the uncorrected doses.
    points : of the lesions among its regions.
    phantom : recovery curve of the camera.
    chain : the uncertainties of the uncorrected doses; those of counts and recovery are set for each lesion.
    options : how the uncorrected curves were integrated.
    earlier : corrected full curves of an earlier cycle, for lesions whose uncorrected one was scaled.
    seed : of the Monte Carlo.
    """
    lesions: dict[str, RecoveredLesion] = {}
    refused: dict[str, str] = {}
    for name, measured in points.items():
        try:
            steps = _steps(measured, phantom)
            curve = _corrected_curve(result.integrals[name].curve, measured, steps)
            inputs = _chain_of(chain, measured, steps)
            integral = _integral(curve, result.integrals[name], options, inputs.counts, earlier or {})
            dose = lesion_dose(name, result.regions[name].region, integral, result.patient)
            spread = dose_uncertainties(
                {name: chain_region(dose, result.patient)}, inputs, DRAWS, np.random.default_rng(seed)
            ).regions[name]
        except PRRTError as error:
            refused[name] = str(error)
            continue
        dose = replace(dose, u_dose_Gy=spread.u_dose_Gy, uncertainty=spread)
        recovery, u_recovery = np.mean([(one.recovery, one.u_recovery) for one in steps], axis=0)
        volume = float(np.mean(measured.volume_mL))
        lesions[name] = RecoveredLesion(dose, float(recovery), float(u_recovery), volume, measured.background)
    return RecoveredDoses(phantom, lesions, refused)


def _steps(measured: LesionPoints, phantom: RecoveryCurve) -> list[CorrectedUptake]:
    """The correction at every time."""
    found = []
    columns = (measured.mean_Bq_per_mL, measured.background_Bq_per_mL, measured.volume_mL)
    for mean, background, volume in zip(*columns, strict=True):
        step = corrected_uptake(phantom, mean, volume, background)
        low, _ = phantom.volume_range_mL
        if volume < low:
            raise RecoveryError(f"its {volume:.3g} mL are less than the phantom's smallest {low:.3g} mL")
        if step.corrected <= 0:
            raise RecoveryError(
                f"its mean of {mean:.4g} Bq/mL is so far below its background of {background:.4g} that the "
                "correction leaves nothing"
            )
        found.append(step)
    return found


def _corrected_curve(curve: Curve, measured: LesionPoints, steps: list[CorrectedUptake]) -> Curve:
    activities = tuple(one.corrected * volume * 1e-6 for one, volume in zip(steps, measured.volume_mL, strict=True))
    return replace(curve, activity_MBq=activities, u_activity_MBq=())


def _chain_of(chain: ChainInputs, measured: LesionPoints, steps: list[CorrectedUptake]) -> ChainInputs:
    """The chain with this lesion's uncertainties of corrected counts and of the recovery, relative to its activity.

    Lesion and background have the relative noise of the chain's counts each: that of T counts 1/RC times and that of B
    (1/RC - 1) times, and what it is of the corrected activity is taken as the same at all times. An error of RC changes
    the contrast alone, (T_c - B)/T_c of the activity, and all times alike.
    """
    corrected = np.array([one.corrected for one in steps])
    volume = np.array(measured.volume_mL)
    relative = np.array([one.u_recovery / one.recovery for one in steps])
    by_recovery = np.abs(corrected - np.array(measured.background_Bq_per_mL)) * relative
    counts = chain.counts * np.sqrt(np.mean([_noise(one, measured, n) for n, one in enumerate(steps)]))
    return replace(
        chain,
        counts=float(counts),
        recovery=float((volume * by_recovery).sum() / (volume * corrected).sum()),
        recovery_corrected=True,
    )


def _noise(step: CorrectedUptake, measured: LesionPoints, number: int) -> float:
    """Relative variance of the corrected activity over that of the counts."""
    by_lesion = step.uncorrected / step.recovery
    by_background = measured.background_Bq_per_mL[number] * (1.0 - 1.0 / step.recovery)
    return (by_lesion**2 + by_background**2) / step.corrected**2


def _integral(
    curve: Curve, uncorrected: Integral, options: Options, counts_u: float, earlier: Mapping[str, Integral]
) -> Integral:
    """The corrected curve integrated as the uncorrected one was, its noise being relative to the fitted activity."""
    single = len(curve.time_h) == 1
    if single and counts_u > 0:
        curve = replace(curve, u_activity_MBq=(counts_u * curve.activity_MBq[0],))
    if uncorrected.method == "scaled-curve":
        if curve.region not in earlier:
            raise RecoveryError("its full curve of the earlier cycle could not be corrected")
        return scaled_curve(earlier[curve.region], curve, options.teff_change)
    if options.weights is not None and counts_u > 0:
        options = replace(options, weights=replace(options.weights, relative=counts_u))
    if uncorrected.method == POPULATION:
        method = "auto"
    else:
        method, options = uncorrected.method, replace(options, population=None)
    integral = integrate(curve, uncorrected.nuclide, method, options)
    return replace(integral, choice="as without correction")
