"""The result of integrating a time-activity curve by any method: TIA, its uncertainty, and how it came about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from PRRTDosimetryLib.kinetics.curves import looks_decay_corrected
from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.averaging import Estimate
    from PRRTDosimetryLib.kinetics.curve_shape import Shape
    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.fitting import CurveFit

    Floats = NDArray[np.float64]


_AT_PHYSICAL = 1e-3  # relative distance to the physical half-life that is none


@dataclass(frozen=True)
class Alternative:
    """A model that was tried: its TIA, AICc (nan where not defined), weight in the average, whether it is adequate."""

    model: str
    parameters: int
    tia_MBq_h: float
    u_tia_MBq_h: float
    teff_h: float
    aicc: float
    akaike_weight: float
    adequate: bool
    remark: str = ""


@dataclass(frozen=True)
class Averaged:
    """TIA averaged over all models that are not refused, models' disagreement included in u."""

    tia_MBq_h: float
    u_tia_MBq_h: float


@dataclass(frozen=True, eq=False)
class Integral:
    """Time-integrated activity (TIA) of one region.

    Attributes
    ----------
    curve, nuclide : what was integrated.
    model : name of the model or method; of an average, the model with the largest weight.
    shape : the course of the activity from 0 h to infinity.
    u_tia_MBq_h : standard uncertainty of the TIA; nan where the input does not say it.
    degrees_of_freedom : behind the uncertainty; infinite if the points' uncertainties were given.
    sensitivity_h : derivative of the TIA by each point's activity, in hours.
    weighting, choice : in words: what the points' weights were, and why this model.
    notes : what a reader must know: bounds that were hit, assumptions, times outside a method's range.
    alternatives, averaged : all models that were tried.
    fit : the fit behind it, None for the other methods.
    estimate : the distribution of the TIA of models, None for the other methods.
    method : what was asked for, "auto" for an average.
    quantiles : function of levels that gives the TIA's quantiles, for methods without an estimate whose distribution is
        not log-normal.
    half_life_h : effective half-life of the last phase, where it is another one than that of ``shape``; else nan.
    """

    curve: Curve
    nuclide: Radionuclide
    model: str
    shape: Shape
    u_tia_MBq_h: float
    degrees_of_freedom: float
    sensitivity_h: tuple[float, ...]
    weighting: str
    choice: str
    notes: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    averaged: Averaged | None = None
    fit: CurveFit | None = None
    estimate: Estimate | None = None
    method: str = ""
    quantiles: Callable[[Floats], Floats] | None = None
    half_life_h: float = math.nan

    @property
    def region(self) -> str:
        """Name of the region."""
        return self.curve.region

    @property
    def tia_MBq_h(self) -> float:
        """Time-integrated activity from injection to infinity."""
        return self.fit.tia_MBq_h if self.fit is not None else self.shape.integral_MBq_h

    @property
    def teff_h(self) -> float:
        """Effective half-life of the last phase.

        Of an average: that of the one exponential which has the average's activity and integral from the last point on.
        """
        if not math.isnan(self.half_life_h):
            return self.half_life_h
        if self.method != "auto" or self.estimate is None:
            return self.shape.terminal_half_life_h
        last = self.curve.time_h[-1]
        return math.log(2) * self.shape.integral_after_MBq_h(last) / float(self.shape.activity_MBq(last))

    @property
    def extrapolated_fraction(self) -> float:
        """Share of the TIA that is after the last measured point."""
        return self.shape.integral_after_MBq_h(self.curve.time_h[-1]) / self.tia_MBq_h

    @property
    def without_later_clearance_MBq_h(self) -> float:
        """TIA if nothing is cleared after the last point: activity only decays from there on, which nothing outlives.

        No tail that the points do not show can have more, however slow it is, but for the noise of the points.
        """
        last = self.curve.time_h[-1]
        activity = max(float(self.shape.activity_MBq(last)), self.curve.activity_MBq[-1])
        kept = activity * self.nuclide.half_life_h / math.log(2)
        before = self.tia_MBq_h - self.shape.integral_after_MBq_h(last)
        return max(before + kept, self.tia_MBq_h)

    def interval_MBq_h(self, confidence: float = 0.95) -> tuple[float, float]:
        """Interval of the TIA that holds the truth with the stated probability; nan if the uncertainty is not known.

        Of models: from the distribution that points and stated priors leave, see :mod:`averaging`. Else log-normal, by
        Student's t: the logarithm keeps it positive and its coverage closer to nominal for skewed estimates.
        """
        value = self.tia_MBq_h
        if self.estimate is not None:
            low, high = self.estimate.interval_MBq_h(confidence)
            return min(low, value), max(high, value)
        if self.quantiles is not None:
            low, high = self.quantiles(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
            return min(float(low), value), max(float(high), value)
        factor = float(stdtrit(self.degrees_of_freedom, 0.5 + confidence / 2))
        spread = math.exp(factor * self.u_tia_MBq_h / value)
        return value / spread, value * spread

    def tiac_h(self, administered_MBq: float) -> tuple[float, float]:
        """Time-integrated activity coefficient (TIA per administered activity) and its standard uncertainty, hours."""
        if not 0 < administered_MBq < math.inf:
            raise KineticsError(f"The administered activity {administered_MBq:g} MBq is not above 0; give it in MBq.")
        return self.tia_MBq_h / administered_MBq, self.u_tia_MBq_h / administered_MBq

    def activity_MBq(self, time_h: ArrayLike) -> Floats:
        """Activity at any times after injection."""
        return self.fit.activity_MBq(time_h) if self.fit is not None else self.shape.activity_MBq(time_h)


def from_fit(fit: CurveFit, estimate: Estimate, weighting: str, choice: str) -> Integral:
    """The result of a fit, its interval from ``estimate`` of the same model, with notes on what the bounds did."""
    notes = []
    if fit.clearance_is_physical:
        notes += physical_notes(fit.curve, fit.nuclide, fit.nuclide.half_life_h)
    if fit.model.uptake and not fit.free[-1]:
        notes.append("the uptake is faster than the first point can show")
    if fit.model.phases == 2 and 0.0 in fit.shares_MBq_h:
        notes.append("one of the two clearance phases vanishes: the points do not support it")
    notes += misfit_notes(estimate)
    return Integral(
        fit.curve,
        fit.nuclide,
        fit.model.name,
        fit.shape,
        _u_of_fit(fit, estimate),
        math.inf if fit.sigma_known else max(fit.degrees_of_freedom, 1),
        fit.sensitivity_h,
        weighting,
        choice,
        tuple(notes),
        fit=fit,
        estimate=estimate,
        method=fit.model.name,
    )


def _u_of_fit(fit: CurveFit, estimate: Estimate) -> float:
    """From the covariance where all parameters are free and determined, else from the distribution of the TIA."""
    if all(fit.free) and math.isfinite(fit.u_tia_MBq_h) and estimate.misfit == 1:
        return fit.u_tia_MBq_h
    return fit.tia_MBq_h * math.hypot(estimate.log_sd, estimate.log_tia - math.log(fit.tia_MBq_h))


def physical_notes(curve: Curve, nuclide: Radionuclide, half_life_h: float) -> list[str]:
    """What is said of a curve whose slowest phase, of ``half_life_h``, is at physical decay."""
    if half_life_h < (1 - _AT_PHYSICAL) * nuclide.half_life_h:
        return []
    notes = [
        f"no biological clearance is seen: held at physical decay ({nuclide.half_life_h:.2f} h), since no activity "
        "clears slower"
    ]
    if looks_decay_corrected(curve, nuclide):
        notes.append(
            "the last activities fall slower than decay: if they are corrected to the injection, say so (ADMIN)"
        )
    return notes


def misfit_notes(estimate: Estimate) -> list[str]:
    """What is said and done where no model describes the points."""
    if estimate.adequate:
        return []
    wider = (
        f"; the interval is {estimate.misfit:.1f} times as wide as the uncertainties ask" if estimate.misfit > 1 else ""
    )
    return [f"no model describes the points within their uncertainties: look at the plot{wider}"]
