"""Dead time from a series of rising (or decaying) activity: both models fitted, and which of them fits.

Rates as in ``PRRTUptakeLib.dicom.dead_time``: paralysable m = n exp(-n tau), non-paralysable m = n/(1 + n tau), with
the true rate n = sensitivity x activity (Knoll, Radiation Detection and Measurement, 4th ed. 2010, section 4.VII).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS = ("paralysable", "non-paralysable")
_LEAST = 4
_DECIDED = 4.0  # difference of chi squared from which one model is said to fit better


@dataclass(frozen=True)
class Rate:
    """One point: activity in the field of view, observed count rate, and its standard uncertainty."""

    activity_MBq: float
    observed_cps: float
    u_cps: float


@dataclass(frozen=True)
class DeadTimeModel:
    """One model: tau and sensitivity with standard uncertainties, and chi squared over its degrees of freedom."""

    model: str
    tau_us: float
    u_tau_us: float
    cps_per_MBq: float
    u_cps_per_MBq: float
    chi_squared: float
    freedom: int


@dataclass(frozen=True)
class DeadTimeFit:
    """Both models, and the rates they hold for.

    Attributes
    ----------
    models : the better one first.
    decided : whether the data prefer it clearly.
    highest_cps : observed rate up to which the series goes.
    rates : the points.
    """

    models: tuple[DeadTimeModel, DeadTimeModel]
    decided: bool
    highest_cps: float
    rates: tuple[Rate, ...]

    @property
    def best(self) -> DeadTimeModel:
        """The model that fits better."""
        return self.models[0]

    @property
    def sentence(self) -> str:
        """What was found."""
        best = self.best
        how = "fits better" if self.decided else "fits, as does the other model up to these rates"
        return (
            f"The {best.model} model {how}: dead time {best.tau_us:.3g} ± {best.u_tau_us:.2g} us, valid up to "
            f"{self.highest_cps:.0f} observed counts per second."
        )


def observed_rate(model: str, true_cps: np.ndarray, tau_s: float) -> np.ndarray:
    """Observed for true count rates, of the same shape.

    Examples
    --------
    >>> observed_rate("non-paralysable", np.array([250_000.0]), 1e-6).tolist()
    [200000.0]
    """
    loss = true_cps * tau_s
    return np.asarray(true_cps * np.exp(-loss) if model == "paralysable" else true_cps / (1.0 + loss))


def fit_dead_time(rates: Sequence[Rate]) -> DeadTimeFit:
    """Fit both models by weighted least squares.

    Parameters
    ----------
    rates : at least four points of different activity.

    Raises
    ------
    CameraError
        If there are too few points, or they show no loss.
    """
    points = sorted(rates, key=lambda one: one.activity_MBq)
    if len(points) < _LEAST or points[-1].activity_MBq < 1.5 * points[0].activity_MBq:
        raise CameraError(
            f"A dead time needs {_LEAST} count rates or more, the highest activity 1.5 times the lowest or more: there "
            f"are {len(points)}."
        )
    activity = np.array([one.activity_MBq for one in points])
    observed = np.array([one.observed_cps for one in points])
    u = np.array([one.u_cps for one in points])
    fits = sorted((_fitted(model, activity, observed, u) for model in MODELS), key=lambda one: one.chi_squared)
    best, other = fits
    if not best.tau_us > 1.645 * best.u_tau_us:
        raise CameraError(
            f"The count rates show no loss: the dead time comes out as {best.tau_us:.2g} ± {best.u_tau_us:.2g} us; "
            "measure at higher activity."
        )
    scale = max(1.0, best.chi_squared / max(1, best.freedom))
    decided = (other.chi_squared - best.chi_squared) / scale > _DECIDED
    return DeadTimeFit((best, other), decided, float(observed.max()), tuple(points))


def _fitted(model: str, activity: np.ndarray, observed: np.ndarray, u: np.ndarray) -> DeadTimeModel:
    sensitivity = float((observed / activity)[0])
    loss = max(1e-9, 1.0 - float(observed[-1] / activity[-1]) / sensitivity)
    start = [math.log(sensitivity), loss / (sensitivity * float(activity[-1])) * 1e6]

    def residuals(p: np.ndarray) -> np.ndarray:
        return np.asarray((observed - observed_rate(model, math.exp(p[0]) * activity, p[1] * 1e-6)) / u)

    found = least_squares(residuals, start, x_scale=[0.01, max(start[1], 1e-3)], xtol=1e-12, ftol=1e-12)
    chi = float(found.fun @ found.fun)
    freedom = len(activity) - 2
    scale = max(1.0, chi / freedom) if freedom else 1.0
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * scale
    value = math.exp(found.x[0])
    return DeadTimeModel(
        model,
        float(found.x[1]),
        math.sqrt(covariance[1, 1]),
        value,
        value * math.sqrt(covariance[0, 0]),
        chi,
        freedom,
    )
