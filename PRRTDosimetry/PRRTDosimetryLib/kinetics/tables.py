"""Results of curve integration as JSON and as a readable table, and the series from which a report plots a curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTDosimetryLib.kinetics.ensemble import monte_carlo
from PRRTDosimetryLib.kinetics.models import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTDosimetryLib.kinetics.integral import Alternative, Integral


@dataclass(frozen=True)
class PlotSeries:
    """What a plot of one region shows, in hours and MBq.

    Attributes
    ----------
    region, model : for the title and the legend.
    time_h, activity_MBq : the measured points.
    low_MBq, high_MBq : ends of their error bars (one standard uncertainty), empty where it is not known.
    curve_time_h, curve_MBq : the curve, from the injection to beyond the last point.
    """

    region: str
    model: str
    time_h: tuple[float, ...]
    activity_MBq: tuple[float, ...]
    low_MBq: tuple[float, ...]
    high_MBq: tuple[float, ...]
    curve_time_h: tuple[float, ...]
    curve_MBq: tuple[float, ...]


def plot_series(integral: Integral, steps: int = 240) -> PlotSeries:
    """Points with error bars and the curve, ready for ``report.plots.line_chart``.

    Examples
    --------
    >>> from PRRTUptakeLib.nuclides.radionuclides import nuclide
    >>> from PRRTDosimetryLib.kinetics.curves import Curve
    >>> from PRRTDosimetryLib.kinetics.selection import integrate
    >>> curve = Curve("Kidney", (24.0, 96.0), (80.0, 20.0), (4.0, 1.0))
    >>> series = plot_series(integrate(curve, nuclide("Lu-177")))
    >>> series.low_MBq, len(series.curve_MBq)
    ((76.0, 19.0), 242)
    """
    curve = integral.curve
    sigma = curve.u_activity_MBq
    if not sigma and integral.fit is not None and np.all(np.isfinite(integral.fit.sigma_MBq)):
        sigma = integral.fit.sigma_MBq
    # The measured times are on the grid, so that the corners of a polygon are drawn.
    times = np.unique(np.concatenate([np.linspace(0, 1.15 * curve.time_h[-1], steps), curve.time_h]))
    pairs = list(zip(curve.activity_MBq, sigma, strict=False))
    return PlotSeries(
        curve.region,
        integral.model,
        curve.time_h,
        curve.activity_MBq,
        tuple(max(0.0, a - s) for a, s in pairs),
        tuple(a + s for a, s in pairs),
        tuple(float(t) for t in times),
        tuple(float(a) for a in integral.activity_MBq(times)),
    )


def integral_as_json(integral: Integral, administered_MBq: float | None = None) -> dict[str, Any]:
    """One region for ``prrt tiac --json``."""
    low, high = integral.interval_MBq_h()
    content: dict[str, Any] = {
        "model": integral.model,
        "tia_MBq_h": integral.tia_MBq_h,
        "u_tia_MBq_h": integral.u_tia_MBq_h,
        "tia_interval_MBq_h": [low, high],
        "teff_h": integral.teff_h,
    }
    if administered_MBq is not None:
        content["tiac_h"], content["u_tiac_h"] = integral.tiac_h(administered_MBq)
    content |= {
        "points": len(integral.curve.time_h),
        "extrapolated_fraction": integral.extrapolated_fraction,
        "tia_without_later_clearance_MBq_h": integral.without_later_clearance_MBq_h,
        "decay": integral.curve.decay,
        "weights": integral.weighting,
        "choice": integral.choice,
        "notes": list(integral.notes),
    }
    if integral.method == "auto" and integral.estimate is not None:
        best = integral.estimate.best
        content["formula"] = best.model.formula
        content["half_lives_h"] = list(best.half_lives_h)
        content["correlation"] = best.correlation
        content["share_before_first_97_5"] = integral.estimate.before
        content["share_after_last_97_5"] = integral.estimate.after
    elif integral.fit is not None:
        content["formula"] = MODELS[integral.model].formula
        content["half_lives_h"] = [math.log(2) / rate for rate in integral.fit.rates_per_h]
        content["correlation"] = integral.fit.correlation
    if integral.alternatives:
        content["alternatives"] = [_alternative(one) for one in integral.alternatives]
    if integral.averaged is not None:
        content["averaged"] = {
            "tia_MBq_h": integral.averaged.tia_MBq_h,
            "u_tia_MBq_h": integral.averaged.u_tia_MBq_h,
        }
    return content


def monte_carlo_as_json(integral: Integral, draws: int, seed: int = 1) -> dict[str, Any] | None:
    """TIA by refitting noisy copies of the curve, for ``prrt tiac --monte-carlo``; None for methods without a fit.

    Raises
    ------
    KineticsError
        If the points' uncertainties are neither given nor to be seen from residuals.
    """
    fit = integral.fit
    if fit is None and integral.estimate is None:
        return None
    if fit is None:
        return _draws_as_json(integral)
    found = monte_carlo(fit, draws, np.random.default_rng(seed))
    return {
        "draws": draws,
        "tia_MBq_h": found.mean_MBq_h,
        "u_tia_MBq_h": found.u_tia_MBq_h,
        "tia_interval_MBq_h": list(found.interval_MBq_h()),
        "correlation": found.correlation,
    }


def _draws_as_json(integral: Integral) -> dict[str, Any]:
    """An average has its draws already: no single model is refitted."""
    return {
        "draws": 0,
        "tia_MBq_h": integral.tia_MBq_h,
        "u_tia_MBq_h": integral.u_tia_MBq_h,
        "tia_interval_MBq_h": list(integral.interval_MBq_h()),
        "remark": "an average over models is made of draws already, so nothing is refitted; name a model to refit it",
    }


def monte_carlo_as_text(integral: Integral, draws: int, seed: int = 1) -> str:
    """The same as one line."""
    found = monte_carlo_as_json(integral, draws, seed)
    if found is None:
        return f"{integral.region}: no Monte Carlo for {integral.model}."
    if "remark" in found:
        return f"{integral.region}: {found['remark']}."
    low, high = found["tia_interval_MBq_h"]
    return (
        f"{integral.region}: by Monte Carlo ({draws} refits) {found['tia_MBq_h']:.2f} ± {found['u_tia_MBq_h']:.2f} "
        f"MBq h, 95 % from {low:.2f} to {high:.2f}."
    )


def integrals_as_text(integrals: Sequence[Integral], administered_MBq: float | None = None) -> str:
    """A table of all regions, then what each is based on."""
    header = ["region", "model", "TIA MBq h", "u", "95 % interval", "T_eff h", "after last"]
    if administered_MBq is not None:
        header.insert(5, "TIAC h")
    rows = [header]
    for one in integrals:
        low, high = one.interval_MBq_h()
        row = [
            one.region,
            one.model if one.averaged is None else "average",
            f"{one.tia_MBq_h:.2f}",
            _number(one.u_tia_MBq_h),
            "not known" if math.isnan(low) else f"{low:.2f} to {high:.2f}",
            f"{one.teff_h:.2f}",
            f"{100 * one.extrapolated_fraction:.0f} %",
        ]
        if administered_MBq is not None:
            row.insert(5, f"{one.tiac_h(administered_MBq)[0]:.4g}")
        rows.append(row)
    widths = [max(len(row[n]) for row in rows) for n in range(len(header))]
    lines = [
        "  ".join(_placed(n, cell, width) for n, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
    for one in integrals:
        lines += ["", f"{one.region}: {one.choice}.", f"  Activity: {one.curve.decay}.", f"  Weights: {one.weighting}."]
        lines += [f"  Note: {note}." for note in one.notes]
        averaged = one.averaged is not None
        lines += [
            f"  Model: {_alternative_text(other)}" for other in one.alternatives if averaged or other.model != one.model
        ]
    return "\n".join(lines)


def _alternative(one: Alternative) -> dict[str, Any]:
    return {
        "model": one.model,
        "parameters": one.parameters,
        "tia_MBq_h": one.tia_MBq_h,
        "u_tia_MBq_h": one.u_tia_MBq_h,
        "teff_h": one.teff_h,
        "aicc": one.aicc,
        "akaike_weight": one.akaike_weight,
        "adequate": one.adequate,
        "remark": one.remark,
    }


def _alternative_text(one: Alternative) -> str:
    if one.remark:
        return f"{one.model}: {one.remark}"
    aicc = "AICc not defined" if math.isnan(one.aicc) else f"AICc {one.aicc:.2f}"
    aicc = f"weight {one.akaike_weight:.3f}, {aicc}"
    adequate = "adequate" if one.adequate else "not adequate"
    return f"{one.model} {one.tia_MBq_h:.2f} ± {_number(one.u_tia_MBq_h)} MBq h ({aicc}; {adequate})"


def _placed(column: int, cell: str, width: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)


def _number(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.2f}"
