"""How a curve is integrated: by the average over all possible models, a named model, or a method without a model.

``auto`` averages (see :mod:`averaging`). Everything that was tried is shown. AICc = chi^2 + sum ln sigma^2 + 2k +
2k(k+1)/(n-k-1) is defined for n > k+1 points, k being the parameters of the curve; with an unknown common factor of the
uncertainties chi^2 becomes n ln(chi^2/n) (Hurvich and Tsai 1989, doi:10.1093/biomet/76.2.297; for radionuclide therapy
Kletting et al. 2013, doi:10.1118/1.4820367).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.vocabulary import TIAC_MODELS
from scipy.special import chdtrc

from PRRTDosimetryLib.kinetics.averaging import SIGNIFICANCE, estimates
from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.fitting import CurveFit, Weights, fit_curve
from PRRTDosimetryLib.kinetics.integral import Alternative, Averaged, Integral, from_fit, misfit_notes, physical_notes
from PRRTDosimetryLib.kinetics.models import MODELS
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.kinetics.priors import ASSUMED_RELATIVE_UNCERTAINTY
from PRRTDosimetryLib.kinetics.single_time_point import single_time_point
from PRRTDosimetryLib.kinetics.trapezoid import trapezoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.averaging import Estimate
    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.least_squares import Priors

METHODS = TIAC_MODELS
"""All ways to integrate a curve."""


def integrate(curve: Curve, nuclide: Radionuclide, method: str = "auto", options: Options | None = None) -> Integral:
    """Integrate one curve by a named model or method, or by the average over all models (``auto``).

    Raises
    ------
    KineticsError
        For an unknown method, too few points, or one point without a half-life.
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> clamped = integrate(Curve("Liver", (24.0, 96.0), (50.0, 40.0)), nuclide("Lu-177"), "mono")
    >>> clamped.model, round(clamped.teff_h, 1)
    ('mono', 159.5)
    """
    return integrate_all([curve], nuclide, method, options)[0]


def integrate_all(
    curves: Sequence[Curve], nuclide: Radionuclide, method: str = "auto", options: Options | None = None
) -> list[Integral]:
    """Integrate many curves; the averages of all are calculated together, which is much faster than one by one.

    Raises
    ------
    KineticsError, FitError
        As :func:`integrate`, for the first curve that cannot be integrated.
    """
    options = options or Options()
    if method not in METHODS:
        raise KineticsError(f"There is no model '{method}'; known are {', '.join(METHODS)}.")
    _check_prior(nuclide, options)
    found = _by_population(curves, nuclide, method, options)
    rest = []
    for number, curve in enumerate(curves):
        if number in found:
            continue
        if method == "trapezoid":
            found[number] = trapezoid(curve, nuclide, options.start, options.tail, options.weights)
        elif method == "single-time-point" or (len(curve.time_h) == 1 and method == "auto" and options.priors is None):
            found[number] = _single(curve, nuclide, options)
        else:
            rest.append(number)
    several = [n for n in rest if method == "auto" and len(curves[n].time_h) > 1]
    for number, estimate in zip(several, estimates([curves[n] for n in several], nuclide, options), strict=True):
        found[number] = averaged(curves[number], nuclide, options, estimate)
    named = [n for n in rest if n not in found]
    name = "mono" if method == "auto" else method
    priors = _priors_for(name, options)
    fits = [fit_curve(curves[n], nuclide, name, options.weights, priors) for n in named]
    choice = "asked for" if method != "auto" else "one point and a population half-life"
    for number, fit, estimate in zip(
        named, fits, estimates([curves[n] for n in named], nuclide, options, (name,), equal=True), strict=True
    ):
        found[number] = from_fit(fit, estimate, _weighting(curves[number], options, name), choice)
    return [found[number] for number in range(len(curves))]


def _check_prior(nuclide: Radionuclide, options: Options) -> None:
    clearance = options.priors.clearance if options.priors is not None else None
    if clearance is not None and clearance.half_life_h > nuclide.half_life_h * (1 + 1e-9):
        raise KineticsError(
            f"The prior of the effective half-life, {clearance.half_life_h:g} h, is longer than the physical "
            f"{nuclide.half_life_h:.2f} h of {nuclide.name}, which nothing outlives: give the effective one."
        )


def _by_population(
    curves: Sequence[Curve], nuclide: Radionuclide, method: str, options: Options
) -> dict[int, Integral]:
    """What a population says of the curves of its kinds, by their number."""
    if options.population is None:
        return {}
    if method != "auto":
        raise KineticsError(f"A population chooses its own models: leave out the model '{method}', or the population.")
    known = options.population.integrals(curves, nuclide, options)
    return {number: known[curve.region] for number, curve in enumerate(curves) if curve.region in known}


def _priors_for(name: str, options: Options) -> Priors | None:
    """The population half-lives that a model can have: no uptake, no prior on it."""
    if options.priors is None or MODELS[name].uptake:
        return options.priors
    return replace(options.priors, uptake=None)


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


def is_adequate(fit: CurveFit) -> bool:
    """Whether the residuals are as small as the uncertainties allow (chi-square test at 5 %).

    Test and fit have the same weights: where no uncertainties are given, the model is fitted once more with 5 % of the
    fitted activity, and that fit is tested. A model that passes through all points leaves nothing to test.
    """
    if not fit.sigma_known:
        floor = 1e-6 * max(fit.curve.activity_MBq)
        fit = fit_curve(fit.curve, fit.nuclide, fit.model.name, Weights(ASSUMED_RELATIVE_UNCERTAINTY, floor))
    freedom = fit.degrees_of_freedom
    return freedom <= 0 or float(chdtrc(freedom, fit.chi_square)) >= SIGNIFICANCE


def _single(curve: Curve, nuclide: Radionuclide, options: Options) -> Integral:
    teff, u_teff = options.half_life_of(curve.region)
    if math.isnan(teff):
        raise KineticsError(
            f"{curve.region} is to be integrated from one time point, but no effective half-life is given; give one "
            "(--teff-h), or measure more points."
        )
    return single_time_point(curve, nuclide, teff, u_teff)


def _weighting(curve: Curve, options: Options, name: str) -> str:
    if curve.u_activity_MBq:
        return "the points' own standard uncertainties"
    if options.weights is not None:
        weights = options.weights
        return f"sigma^2 = ({weights.relative:g} A)^2 + ({weights.floor_MBq:g} MBq)^2, A being the fitted activity"
    if name == "auto":
        return (
            "all points equal in relative uncertainty (none given); how large it is follows from the scatter and a "
            f"weak assumption around {ASSUMED_RELATIVE_UNCERTAINTY:.0%}"
        )
    words = "all points equal (no uncertainties given); the uncertainty follows from the residuals"
    if len(curve.time_h) > MODELS[name].parameters:
        return words
    return f"{words}, and, as none are left, from an assumed {ASSUMED_RELATIVE_UNCERTAINTY:.0%} of the largest activity"


def averaged(curve: Curve, nuclide: Radionuclide, options: Options, estimate: Estimate) -> Integral:
    """The result of an average over models."""
    tia = math.exp(estimate.log_best)
    u = tia * estimate.relative_u
    found = Integral(
        curve,
        nuclide,
        estimate.best.model.name,
        estimate.shape(),
        u,
        math.inf,
        estimate.sensitivity_h,
        _weighting(curve, options, "auto"),
        _choice(estimate),
        _notes(curve, nuclide, estimate),
        tuple(_alternative(estimate, number) for number in range(len(estimate.models))),
        Averaged(tia, u),
        estimate=estimate,
        method="auto",
    )
    return replace(found, notes=(*found.notes, tail_note(found)))


def tail_note(integral: Integral) -> str:
    """What of a slow tail after the last point is in the interval, and the most that it could be."""
    more = integral.without_later_clearance_MBq_h / integral.tia_MBq_h - 1.0
    return (
        "slow tails that the points do not show are in the interval only as far as the stated priors have them; with "
        f"no clearance after the last point but decay, the integral would be {_percent(more)} larger"
    )


def _alternative(estimate: Estimate, number: int) -> Alternative:
    one = estimate.models[number]
    tia = one.tia_MBq_h
    return Alternative(
        one.model.name,
        one.model.parameters,
        tia,
        tia * one.log_sd,
        one.shape.terminal_half_life_h,
        one.aicc,
        one.weight,
        one.adequate,
    )


def _choice(estimate: Estimate) -> str:
    how = "AICc" if estimate.by_aicc else "their likelihood over the stated priors"
    parts = ", ".join(
        f"{one.model.name} {one.weight:.0%}"
        for one in sorted(estimate.models, key=lambda one: -one.weight)
        if one.weight >= 0.005
    )
    refused = "" if estimate.adequate else "; none of which is adequate"
    return f"average of the possible models, weighted by {how}: {parts}{refused}"


def _notes(curve: Curve, nuclide: Radionuclide, estimate: Estimate) -> tuple[str, ...]:
    notes = [
        f"in the uncertainty: up to {_percent(estimate.before)} of the integral may be before the first point and up "
        f"to {_percent(estimate.after)} after the last (97.5 % limits)",
        *physical_notes(curve, nuclide, estimate.best.shape.terminal_half_life_h),
        *misfit_notes(estimate),
    ]
    return tuple(notes)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "1 %".replace(" ", "")
