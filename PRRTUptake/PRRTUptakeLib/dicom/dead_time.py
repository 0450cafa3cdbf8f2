"""Dead-time loss of a gamma camera: from the observed to the true count rate.

Models: Knoll, Radiation Detection and Measurement, 4th ed. (2010), section 4.VII. Paralysable m = n exp(-n tau);
non-paralysable m = n / (1 + n tau); n true, m observed rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.operator_overrides import DeadTime


def dead_time_note(loss: DeadTime, reason: str) -> str:
    """That the factor was applied, for reports; ``reason`` says by whose word."""
    return (
        f"Dead-time factor {dead_time_factor(loss):.4f} applied ({loss.model}, {loss.tau_us:g} us, observed "
        f"{loss.observed_cps:g} cps), {reason}."
    )


def dead_time_factor(loss: DeadTime) -> float:
    """True over observed count rate (at least 1).

    For the paralysable model the smaller of the two true rates is meant, the one below 1/tau.

    Raises
    ------
    DicomError
        If the camera cannot show such a rate.

    Examples
    --------
    >>> from PRRTUptakeLib.dicom.operator_overrides import DeadTime
    >>> round(dead_time_factor(DeadTime("non-paralysable", 1.0, 200_000)), 4)
    1.25
    """
    lost = loss.observed_cps * loss.tau_us * 1e-6
    highest = 1 / math.e if loss.model == "paralysable" else 1.0
    if lost >= highest:
        raise DicomError(
            f"A {loss.model} camera with a dead time of {loss.tau_us:g} us shows at most "
            f"{highest / loss.tau_us * 1e6:.0f} counts per second, not {loss.observed_cps:g}: check both."
        )
    if loss.model == "paralysable":
        from scipy.special import lambertw

        return float(-lambertw(-lost).real / lost)
    return 1 / (1 - lost)
