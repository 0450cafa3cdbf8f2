"""A camera over the dates, and several cameras side by side: trend and control limits, for one number at a time.

Control limits of single values by their moving range, mean ± 2.66 times the mean range of neighbours (NIST/SEMATECH
e-Handbook of Statistical Methods, section 6.3.2.2); with fewer than four dates, by three times the
stated uncertainties, sqrt(1 - 1/n) of them, since the mean is of the same n values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from PRRTUptakeLib.study.camera import CameraFile

_LIMITS = 2.66
_LEAST = 4
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Point:
    """One date: value, standard uncertainty, and whether it is outside the limits."""

    camera: str
    site: str
    date: date
    value: float
    u: float
    outside: bool = False


@dataclass(frozen=True)
class Trend:
    """One number of one camera.

    Attributes
    ----------
    camera, site, quantity, unit : what.
    points : by date.
    mean, low, high : control limits.
    per_year, u_per_year : slope in percent of the mean; nan for fewer than three dates.
    drifts : whether the slope is not 0 by 95 %.
    """

    camera: str
    site: str
    quantity: str
    unit: str
    points: tuple[Point, ...]
    mean: float
    low: float
    high: float
    per_year: float
    u_per_year: float
    drifts: bool

    @property
    def sentence(self) -> str:
        """What was found."""
        outside = [one.date.isoformat() for one in self.points if one.outside]
        where = f" at {self.site}" if self.site else ""
        number = len(self.points)
        found = f"{self.quantity.capitalize()} of {self.camera}{where}: {number} date{'s' * (number > 1)}"
        if number == 1:
            return f"{found}, which shows no trend."
        if not math.isnan(self.per_year):
            found += f", {self.per_year:+.1f} ± {self.u_per_year:.1f} % per year"
            found += " (a drift)" if self.drifts else " (no drift shown)"
        return found + (
            f"; outside the control limits on {', '.join(outside)}." if outside else "; within the control limits."
        )


QUANTITIES: dict[str, tuple[str, Callable[[CameraFile], tuple[float, float] | None]]] = {
    "calibration factor": ("", lambda one: (one.factor, one.factor * one.factor_u) if one.kind else None),
    "resolution": ("mm", lambda one: (one.fwhm_mm, one.fwhm_mm * one.fwhm_u) if one.fwhm_mm else None),
    "volume of half recovery": (
        "mL",
        lambda one: (one.recovery.a_mL, math.sqrt(one.recovery.covariance[0][0])) if one.recovery else None,
    ),
}


def trends(files: Sequence[CameraFile]) -> list[Trend]:
    """Every number of every camera among the files.

    Raises
    ------
    CameraError
        If there are fewer than two files, or two of one camera and date.
    """
    if len(files) < 2:
        raise CameraError("A trend needs two camera files or more: give those of several dates or sites.")
    groups: dict[tuple[str, str, str], list[CameraFile]] = {}
    for one in files:
        groups.setdefault((one.camera, one.site, one.kind), []).append(one)
    found = []
    for (camera, site, _), members in groups.items():
        ordered = sorted(members, key=lambda one: one.date)
        for earlier, later in pairwise(ordered):
            if earlier.date == later.date:
                raise CameraError(
                    f"{earlier.path} and {later.path} are both of {camera} on {later.date.isoformat()}: give one."
                )
        for quantity, (unit, of) in QUANTITIES.items():
            values = [(one, of(one)) for one in ordered]
            points = [Point(camera, site, one.date, value[0], value[1]) for one, value in values if value is not None]
            if points:
                counts = quantity.startswith("calibration") and ordered[0].kind == "counts"
                found.append(_trend(camera, site, quantity, "cps/MBq" if counts else unit, points))
    return found


def _trend(camera: str, site: str, quantity: str, unit: str, points: list[Point]) -> Trend:
    values = np.array([one.value for one in points])
    mean = float(values.mean())
    if len(points) >= _LEAST:
        half = _LIMITS * float(np.abs(np.diff(values)).mean())
    else:
        own_mean = 1.0 - 1.0 / len(points)  # variance of a value about the mean that it is part of
        half = 3.0 * math.sqrt(own_mean) * float(np.mean([one.u for one in points]))
    low, high = mean - half, mean + half
    slope, u_slope, drifts = _slope(points, mean)
    judged = tuple(
        Point(one.camera, one.site, one.date, one.value, one.u, not low <= one.value <= high) for one in points
    )
    return Trend(camera, site, quantity, unit, judged, mean, low, high, slope, u_slope, drifts)


def _slope(points: Sequence[Point], mean: float) -> tuple[float, float, bool]:
    """Percent of the mean per year by least squares, its standard uncertainty, and whether it is not 0."""
    if len(points) < 3:
        return math.nan, math.nan, False
    years = np.array([(one.date - points[0].date).days / _DAYS_PER_YEAR for one in points])
    values = np.array([one.value for one in points])
    centred = years - years.mean()
    spread = float(centred @ centred)
    slope = float(centred @ values) / spread
    rest = values - values.mean() - slope * centred
    freedom = len(points) - 2
    error = math.sqrt(float(rest @ rest) / freedom / spread)
    drifts = abs(slope) > float(student.ppf(0.975, freedom)) * error > 0
    return 100 * slope / mean, 100 * error / mean, drifts
