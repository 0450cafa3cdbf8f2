"""From what is possible of a region's concentration in every image to what is possible of its time-integrated activity.

The TIA is linear in the scale of its points: each image counts by the share of the TIA that hangs on its point. What
the images share (resolution, contour) does not average out over them; each one's own place does. Noise of the points is
the fit's business and is left out here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.uncertainty.errors import UncertaintyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from PRRTUptakeLib.uptake.uncertainty import DrawnValue

    from PRRTDosimetryLib.kinetics.integral import Integral

    Floats = NDArray[np.float64]

NOISE = "counting noise"  # the cause as ``uptake.region_uptake`` calls it


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionFactors:
    """What may be in truth of a region's TIA, over what was integrated.

    Attributes
    ----------
    log_loss : log of the corrected over the integrated TIA; 0 where corrected concentrations were integrated.
    causes : log of the possible truth over the corrected TIA by cause, (draws,) each.
    """

    log_loss: float
    causes: Mapping[str, Floats]

    @property
    def truth(self) -> Floats:
        """All causes together, (draws,)."""
        return np.asarray(np.sum(list(self.causes.values()), axis=0), dtype=np.float64)


def region_factors(integral: Integral, points: Sequence[DrawnValue], corrected: bool) -> RegionFactors:
    """Factors of one region.

    Parameters
    ----------
    integral : of its curve.
    points : its concentration in every image, in the order of the curve's times.
    corrected : whether the curve holds corrected concentrations.

    Raises
    ------
    UncertaintyError
        If the points are not those of the curve.
    """
    number = len(integral.curve.time_h)
    if len(points) != number:
        raise UncertaintyError(
            f"{integral.region}: its curve has {number} times, but {len(points)} concentrations with their "
            "uncertainty were given: give one for each."
        )
    weights = point_shares(integral)
    lost = math.log(sum(w * one.corrected / one.measured for w, one in zip(weights, points, strict=True)))
    if not corrected:  # each point's share of the true TIA, not of the measured one
        weights = np.array([w * one.corrected / one.measured for w, one in zip(weights, points, strict=True)])
        weights = weights / weights.sum()
    words = dict.fromkeys(word for one in points for word in one.causes if word != NOISE)
    causes = {
        word: np.sum([w * one.causes.get(word, 0.0) for w, one in zip(weights, points, strict=True)], axis=0)
        for word in words
    }
    return RegionFactors(log_loss=0.0 if corrected else lost, causes=causes)


def point_shares(integral: Integral) -> Floats:
    """Share of the TIA that hangs on each point, (points,), adding up to 1.

    Sensitivity times activity over the TIA, which adds up to 1 for every method that is linear in scale. A point that
    lowers the TIA when it rises counts as nothing; equal shares where no sensitivity is known.
    """
    activity = np.asarray(integral.curve.activity_MBq, dtype=np.float64)
    sensitivity = np.asarray(integral.sensitivity_h, dtype=np.float64)
    shares = np.full(activity.size, 1.0 / activity.size)
    if sensitivity.size == activity.size and np.isfinite(sensitivity).all():
        positive = np.clip(sensitivity * activity, 0.0, None)
        if positive.sum() > 0:
            shares = positive / positive.sum()
    return shares
