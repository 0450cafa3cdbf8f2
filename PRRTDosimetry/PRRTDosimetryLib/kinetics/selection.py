"""Which model integrates a curve: AICc where it is defined, else the simplest adequate model; everything is shown.

AICc = chi^2 + sum ln sigma^2 + 2k + 2k(k+1)/(n-k-1), defined for n > k+1 points, k being the parameters of the curve;
with unknown, equal uncertainties the first two terms are n ln(RSS/n) (Hurvich and Tsai 1989,
doi:10.1093/biomet/76.2.297; for radionuclide therapy Kletting et al. 2013, doi:10.1118/1.4820367).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2

from PRRTDosimetryLib.kinetics.curves import CurveError
from PRRTDosimetryLib.kinetics.fitting import CurveFit, fit_curve
from PRRTDosimetryLib.kinetics.integral import Alternative, Averaged, Integral, from_fit, with_notes
from PRRTDosimetryLib.kinetics.least_squares import FitError
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
from PRRTDosimetryLib.kinetics.trapezoid import trapezoid

if TYPE_CHECKING:
    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve

METHODS = ("auto", *MODELS, "trapezoid", "single-time-point")
"""All ways to integrate a curve."""

ASSUMED_RELATIVE_UNCERTAINTY = 0.05
"""Judges whether a model is adequate where no uncertainties are given; it never weights a fit."""

_SIGNIFICANCE = 0.05


def integrate(curve: Curve, nuclide: Radionuclide, method: str = "auto", options: Options | None = None) -> Integral:
    """Integrate one curve by a named model or method, or by the one that ``auto`` chooses.

    Raises
    ------
    CurveError
        For an unknown method, too few points, or one point without a half-life.
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> clamped = integrate(Curve("Liver", (24.0, 96.0), (50.0, 40.0)), nuclide("Lu-177"))
    >>> clamped.model, round(clamped.teff_h, 1)
    ('mono', 159.5)
    """
    options = options or Options()
    if method not in METHODS:
        raise CurveError(f"There is no model '{method}'; known are {', '.join(METHODS)}.")
    if method == "trapezoid":
        return trapezoid(curve, nuclide, options.start, options.tail)
    if method == "single-time-point" or (method == "auto" and len(curve.time_h) == 1 and options.priors is None):
        return _single(curve, nuclide, options)
    weighting = _weighting(curve, options)
    if method != "auto":
        return from_fit(fit_curve(curve, nuclide, method, options.weights, options.priors), weighting, "asked for")
    return _automatic(curve, nuclide, options, weighting)


def aicc(fit: CurveFit) -> float:
    """Corrected Akaike information criterion; nan where it is not defined (n <= k + 1)."""
    n, k = len(fit.curve.time_h), fit.model.parameters
    if n <= k + 1:
        return math.nan
    penalty = 2 * k + 2 * k * (k + 1) / (n - k - 1)
    if fit.sigma_known:
        return fit.chi_square + 2 * float(np.log(fit.sigma_MBq).sum()) + penalty
    negligible = (1e-9 * max(fit.curve.activity_MBq)) ** 2  # an exact fit is not infinitely better than another one
    return n * math.log(max(fit.chi_square / n, negligible)) + penalty


def akaike_weights(criteria: list[float]) -> list[float]:
    """Relative likelihoods exp(-(AICc - min)/2), summing to 1; nan where the criterion is.

    Examples
    --------
    >>> [round(weight, 3) for weight in akaike_weights([10.0, 12.0, float("nan")])]
    [0.731, 0.269, nan]
    """
    values = np.array(criteria, dtype=np.float64)
    if np.all(np.isnan(values)):
        return [math.nan] * len(criteria)
    likelihood = np.exp(-(values - np.nanmin(values)) / 2)
    return [float(weight) for weight in likelihood / np.nansum(likelihood)]


def is_adequate(fit: CurveFit) -> bool:
    """Whether the residuals are as small as the uncertainties allow (chi-square test at 5 %).

    Without given uncertainties 5 % of the fitted activity are assumed for this test alone. A model that passes through
    all points leaves nothing to test and is adequate.
    """
    freedom = fit.degrees_of_freedom
    if fit.sigma_known:
        misfit = fit.chi_square
    else:
        curve = fit.activity_MBq(fit.curve.time_h)
        sigma = np.maximum(ASSUMED_RELATIVE_UNCERTAINTY * curve, 1e-9 * max(fit.curve.activity_MBq))
        misfit = float((((curve - np.array(fit.curve.activity_MBq)) / sigma) ** 2).sum())
    if freedom <= 0:
        return True
    return float(chi2.sf(misfit, freedom)) >= _SIGNIFICANCE


def _single(curve: Curve, nuclide: Radionuclide, options: Options) -> Integral:
    teff, u_teff = options.half_life_of(curve.region)
    if math.isnan(teff):
        raise CurveError(
            f"{curve.region} is to be integrated from one time point, but no effective half-life is given; give one "
            "(--teff-h), or measure more points."
        )
    return single_time_point(curve, nuclide, teff, u_teff)


def _weighting(curve: Curve, options: Options) -> str:
    if curve.u_activity_MBq:
        return "the points' own standard uncertainties"
    if options.weights is None:
        return "all points equal (no uncertainties given); the uncertainty follows from the residuals"
    weights = options.weights
    return f"sigma^2 = ({weights.relative:g} A)^2 + ({weights.floor_MBq:g} MBq)^2, A being the fitted activity"


def _automatic(curve: Curve, nuclide: Radionuclide, options: Options, weighting: str) -> Integral:
    fits, remarks = _all_fits(curve, nuclide, options)
    if not fits:
        raise FitError(f"{curve.region}: no model can be fitted to its {len(curve.time_h)} point(s); add points.")
    criteria = [aicc(fit) for fit in fits]
    weights = akaike_weights(criteria)
    adequate = [is_adequate(fit) for fit in fits]
    chosen, choice = _choose(fits, criteria, adequate)
    alternatives = tuple(
        Alternative(
            fit.model.name,
            fit.model.parameters,
            fit.tia_MBq_h,
            fit.u_tia_MBq_h,
            fit.shape.terminal_half_life_h,
            criterion,
            weight,
            good,
        )
        for fit, criterion, weight, good in zip(fits, criteria, weights, adequate, strict=True)
    )
    result = from_fit(fits[chosen], weighting, choice)
    if not adequate[chosen]:
        result = with_notes(result, "no model describes the points within their uncertainties: look at the plot")
    return replace(result, alternatives=(*alternatives, *remarks), averaged=_average(fits, weights))


def _all_fits(curve: Curve, nuclide: Radionuclide, options: Options) -> tuple[list[CurveFit], list[Alternative]]:
    """Fits of all models that the points allow, from few to many parameters, and remarks on those that failed."""
    fits: list[CurveFit] = []
    remarks: list[Alternative] = []
    for model in sorted(MODELS.values(), key=lambda model: model.parameters):
        priors = options.priors
        if priors is not None and not model.uptake:
            priors = replace(priors, uptake=None)
        if len(curve.time_h) + (0 if priors is None else priors.count) < model.parameters:
            continue
        try:
            fits.append(fit_curve(curve, nuclide, model.name, options.weights, priors))
        except FitError as error:
            nan = math.nan
            remarks.append(Alternative(model.name, model.parameters, nan, nan, nan, nan, nan, False, str(error)))
    return fits, remarks


def _choose(fits: list[CurveFit], criteria: list[float], adequate: list[bool]) -> tuple[int, str]:
    """Index of the chosen fit and why."""
    defined = [i for i, value in enumerate(criteria) if not math.isnan(value)]
    if defined:
        best = min(defined, key=lambda i: criteria[i])
        if adequate[best]:
            others = "" if len(defined) > 1 else ", the only model for which it is defined with so few points"
            return best, f"smallest AICc{others}"
    for i, fit in enumerate(fits):
        if adequate[i] and i not in defined:
            reason = (
                "AICc prefers a model that is not adequate" if defined else "AICc is not defined with so few points"
            )
            return i, f"simplest adequate model ({fit.model.parameters} parameters; {reason})"
    best = min(defined or range(len(fits)), key=lambda i: criteria[i] if defined else fits[i].chi_square)
    return best, "best of models none of which is adequate"


def _average(fits: list[CurveFit], weights: list[float]) -> Averaged | None:
    """Mean TIA by Akaike weights; the variance adds the models' spread (Burnham and Anderson 2002, section 4.3)."""
    used = [(fit.tia_MBq_h, fit.u_tia_MBq_h, weight) for fit, weight in zip(fits, weights, strict=True) if weight > 0]
    if not used:
        return None
    mean = sum(weight * tia for tia, _, weight in used)
    variance = sum(weight * (u**2 + (tia - mean) ** 2) for tia, u, weight in used)
    return Averaged(mean, math.sqrt(variance))
