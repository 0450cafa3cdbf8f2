"""Measurement uncertainty carried into the interval of the cohort.

Random errors of measurement are already part of the scatter between patients, so that adding them to the interval
would count them twice. What they do change is the weight of each patient, the lower bound of the interval, and what
of the scatter is biology. A random-effects model with known variances within patients says all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from scipy import optimize, stats


class UncertaintyError(PRRTError):
    """Uncertainties cannot be carried into the cohort."""


@dataclass(frozen=True)
class PropagatedUncertainty:
    """Geometric mean ratio weighted by measurement uncertainty.

    ``sd_between_log`` is the scatter of true log ratios between patients, ``u_log_median`` the median standard
    uncertainty of a patient's log ratio, ``share_of_variance`` the part of the observed variance due to measurement.
    """

    gmr: float
    gmr_ci: tuple[float, float]
    p: float
    sd_between_log: float
    u_log_median: float
    share_of_variance: float


def propagate_uncertainty(log_ratio: np.ndarray, u_log: np.ndarray, confidence: float = 0.95) -> PropagatedUncertainty:
    """Random-effects mean of the patients' log ratios.

    The variance between patients is Paule and Mandel's (doi:10.6028/jres.087.022), the interval Hartung and Knapp's
    (doi:10.1002/sim.791), never narrower than the uncertainties alone imply (doi:10.1186/s12874-015-0091-1). With
    equal uncertainties below the scatter it is the interval of the paired t-test.

    Parameters
    ----------
    log_ratio : natural logarithms of the patients' ratios, shape (n,), n of at least 2.
    u_log : their standard uncertainties, shape (n,), independent between patients; all positive, or all zero.

    Raises
    ------
    UncertaintyError
        If an uncertainty is unknown, negative, or zero beside others that are not, or the shapes do not fit.

    Examples
    --------
    >>> result = propagate_uncertainty(np.log([1.25, 0.92, 1.36]), np.array([0.05, 0.05, 0.05]))
    >>> round(result.gmr, 4)
    1.1608
    """
    log_ratio, u_log = np.asarray(log_ratio, dtype=np.float64), np.asarray(u_log, dtype=np.float64)
    if log_ratio.ndim != 1 or log_ratio.shape != u_log.shape or log_ratio.size < 2:
        raise UncertaintyError(f"{log_ratio.size} ratios with {u_log.size} uncertainties: give two or more of both.")
    if not ((u_log > 0) & np.isfinite(u_log)).all() and u_log.any():
        raise UncertaintyError("The measurement uncertainty of some patients is unknown or zero.")
    degrees = log_ratio.size - 1
    between = _between_variance(log_ratio, u_log**2)
    total = between + u_log**2
    # Equal ratios measured without error have no variance, and so no weights.
    weights = 1.0 / total if total.all() else np.ones_like(total)
    centre = float(np.average(log_ratio, weights=weights))
    excess = float(np.sum(weights * (log_ratio - centre) ** 2)) / degrees
    scale = math.sqrt((max(1.0, excess) if between == 0 and total.all() else excess) / float(weights.sum()))
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * scale
    within = float(np.mean(u_log**2))
    return PropagatedUncertainty(
        gmr=math.exp(centre),
        gmr_ci=(math.exp(centre - reach), math.exp(centre + reach)),
        p=float(2 * stats.t.sf(abs(centre) / scale, degrees)) if scale else math.nan,
        sd_between_log=math.sqrt(between),
        u_log_median=float(np.median(u_log)),
        share_of_variance=within / (within + between) if within + between else math.nan,
    )


def _between_variance(log_ratio: np.ndarray, variance: np.ndarray) -> float:
    """Paule and Mandel: the variance between patients that makes the weighted scatter equal its expectation."""
    degrees = log_ratio.size - 1
    observed = float(np.var(log_ratio, ddof=1))
    if not variance.any():
        return observed

    def surplus(between: float) -> float:
        weights = 1.0 / (variance + between)
        return float(np.sum(weights * (log_ratio - np.average(log_ratio, weights=weights)) ** 2)) - degrees

    # The scatter exceeds its expectation at 0, or patients do not differ; it never does at the observed variance.
    return float(optimize.brentq(surplus, 0.0, observed)) if surplus(0.0) > 0 else 0.0
