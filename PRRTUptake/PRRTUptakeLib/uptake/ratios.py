"""Ratios of uptakes (tumour over non-tumour, treated over control, intra-arterial over intravenous).

Standard uncertainties follow the Guide to the Expression of Uncertainty in Measurement (JCGM 100:2008, section 5.1):
first order, inputs taken as independent; nan where one of the inputs has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PRRTUptakeLib.uptake.errors import UptakeError


@dataclass(frozen=True)
class Estimate:
    """A value and its standard uncertainty in the same unit (nan where it is not known)."""

    value: float
    uncertainty: float = math.nan


def tn_ratio(tumour: Estimate | float, reference: Estimate | float, lesion: str) -> Estimate:
    """Tumour-to-non-tumour ratio: mean uptake of a lesion over mean uptake of the liver reference, same unit.

    Raises
    ------
    UptakeError
        If an uptake is zero, negative or not finite, or an uncertainty is negative.

    Examples
    --------
    >>> ratio = tn_ratio(Estimate(30.0, 3.0), Estimate(2.0, 0.2), "L1")
    >>> ratio.value, round(ratio.uncertainty, 6)
    (15.0, 2.12132)
    >>> tn_ratio(30.0, 0.0, "L")
    Traceback (most recent call last):
    ...
    PRRTUptakeLib.uptake.errors.UptakeError: Lesion 'L': the uptake of the liver reference is 0.0, but must be positive.
    """
    return _ratio(tumour, reference, lesion, ("uptake of the tumour", "uptake of the liver reference"))


def treated_control_ratio(treated: Estimate | float, control: Estimate | float, patient: str) -> Estimate:
    """Value of the treated lobe over value of the control lobe (T/N, dose); errors as in ``tn_ratio``."""
    return _ratio(treated, control, patient, ("value of the treated lobe", "value of the control lobe"), "Patient")


def enhancement_ratio(ia: Estimate | float, iv: Estimate | float, region: str) -> Estimate:
    """Intra-arterial over intravenous uptake of the same lesion or organ, same unit; errors as in ``tn_ratio``."""
    return _ratio(ia, iv, region, ("intra-arterial uptake", "intravenous uptake"))


def _ratio(
    upper: Estimate | float, lower: Estimate | float, name: str, words: tuple[str, str], kind: str = "Lesion"
) -> Estimate:
    top = _checked(upper, f"{kind} '{name}'", words[0])
    bottom = _checked(lower, f"{kind} '{name}'", words[1])
    ratio = top.value / bottom.value
    return Estimate(ratio, ratio * math.hypot(top.uncertainty / top.value, bottom.uncertainty / bottom.value))


def _checked(value: Estimate | float, owner: str, word: str) -> Estimate:
    estimate = value if isinstance(value, Estimate) else Estimate(float(value))
    if not (math.isfinite(estimate.value) and estimate.value > 0):
        raise UptakeError(f"{owner}: the {word} is {estimate.value}, but must be positive.")
    if estimate.uncertainty < 0 or math.isinf(estimate.uncertainty):
        raise UptakeError(f"{owner}: the uncertainty of the {word} is {estimate.uncertainty}, but must be 0 or more.")
    return estimate
