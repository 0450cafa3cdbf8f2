"""Calibration factor by several ways, whether they agree, and the value of all together with its uncertainty.

A way's factor is what the image holds over what was filled. Its own uncertainty (noise, volume) differs between ways;
those of the dose calibrator and of the clock are shared by all and are added at the end, so that they do not average
out. Where ways differ by more than their own uncertainties allow, these are widened by the Birge ratio, the root of chi
squared over its degrees of freedom (Birge, Phys Rev 1932;40:207-227, doi:10.1103/PhysRev.40.207).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import chi2

from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Sequence

WHOLE, UNIFORM, SPHERES = "all counts of the phantom", "uniform part of the phantom", "spheres by matching blur"
_DOUBT_P = 0.01


@dataclass(frozen=True)
class Way:
    """One way to the factor: ``name`` (with its scan), factor, and its own relative standard uncertainty."""

    name: str
    factor: float
    u_own: float


@dataclass(frozen=True)
class CalibrationFactor:
    """What all ways together say.

    Attributes
    ----------
    factor : cps/MBq for counts, or image over truth for activity concentrations.
    u_relative : standard uncertainty, all included.
    u_shared : the part of it from dose calibrator and clock.
    ways : in the order given.
    birge : factor by which own uncertainties were widened, 1 where ways agree.
    p : probability of differences as large as these if the uncertainties are right; nan for one way.
    """

    factor: float
    u_relative: float
    u_shared: float
    ways: tuple[Way, ...]
    birge: float
    p: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return self.factor * (1 - 1.96 * self.u_relative), self.factor * (1 + 1.96 * self.u_relative)

    @property
    def agreement(self) -> str:
        """How the ways agree, in words."""
        if len(self.ways) < 2:
            return "There is one way only to the calibration factor, so that nothing checks it."
        spread = 100 * (max(way.factor for way in self.ways) / min(way.factor for way in self.ways) - 1)
        if self.p < _DOUBT_P:
            return (
                f"The {len(self.ways)} ways to the calibration factor differ by {spread:.1f} %, more than their "
                f"uncertainties allow (p = {self.p:.2g}): these were widened by {self.birge:.1f}; look for the cause."
            )
        return f"The {len(self.ways)} ways to the calibration factor agree within {spread:.1f} % (p = {self.p:.2g})."

    @property
    def doubtful(self) -> bool:
        """Whether the ways contradict each other."""
        return len(self.ways) > 1 and self.p < _DOUBT_P


def combined(ways: Sequence[Way], u_activity: float, u_time: float = 0.0) -> CalibrationFactor:
    """The factor of several ways.

    Parameters
    ----------
    ways : at least one.
    u_activity : relative standard uncertainty of the dose calibrator, shared by all.
    u_time : relative standard uncertainty from the clocks, shared by all.

    Raises
    ------
    CameraError
        If there is no way, or a factor is not positive.

    Examples
    --------
    >>> found = combined([Way("a", 9.9, 0.01), Way("b", 10.1, 0.01)], 0.015)
    >>> round(found.factor, 2), round(found.u_relative, 4), round(found.birge, 2)
    (10.0, 0.018, 1.41)
    """
    if not ways:
        raise CameraError(
            "Nothing gives the calibration factor: state what was filled ('fills' with background or spheres), so that "
            "image and truth can be compared."
        )
    for way in ways:
        if not way.factor > 0:
            raise CameraError(f"The calibration factor by {way.name} is {way.factor:g}: the image holds no activity.")
    logs = [math.log(way.factor) for way in ways]
    weights = [1.0 / max(way.u_own, 1e-4) ** 2 for way in ways]
    mean = sum(w * x for w, x in zip(weights, logs, strict=True)) / sum(weights)
    squares = sum(w * (x - mean) ** 2 for w, x in zip(weights, logs, strict=True))
    freedom = len(ways) - 1
    birge = max(1.0, math.sqrt(squares / freedom)) if freedom else 1.0
    shared = math.hypot(u_activity, u_time)
    own = birge / math.sqrt(sum(weights))
    p = float(chi2.sf(squares, freedom)) if freedom else math.nan
    return CalibrationFactor(math.exp(mean), math.hypot(own, shared), shared, tuple(ways), birge, p)
