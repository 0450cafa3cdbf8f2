"""Which part of a value's uncertainty both lobes share: it cancels in their ratio and does not average out in a lobe.

A table states one standard uncertainty per value. What of it is shared is either said by the row itself (an attribute
``shared_uncertainty``, in the unit of the value), or, for absorbed doses, taken from the uncertainty chain that made
them: calibration and S-value are one for all regions of a patient (J. Gear et al., doi:10.1007/s00259-018-4136-7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PRRTUptakeLib.study.measurements import Measurement

_CALIBRATION, _S_VALUE = 0.05, 0.05  # relative; the defaults of the dosimetry settings
_BOTH = math.hypot(_CALIBRATION, _S_VALUE)
SHARED = {"dose": _BOTH, "absorbed_dose": _BOTH, "dose_recovery_corrected": _BOTH, "tia": _CALIBRATION}


def own_uncertainty(row: Measurement) -> float:
    """Standard uncertainty of a value without the part that it shares, in its unit; nan where it is not known.

    An uncertainty that is too small to hold the shared part evidently does not: all of it is the value's own then.

    Examples
    --------
    >>> from PRRTUptakeLib.study.measurements import Measurement
    >>> row = Measurement("P1", 1, "", "SPECT", "L1", "target", "left", "L1", "dose", 50.0, "Gy", 5.0)
    >>> round(own_uncertainty(row), 3)
    3.536
    """
    shared = row.shared_uncertainty
    if math.isnan(shared):
        shared = SHARED.get(row.metric, 0.0) * abs(row.value)
    rest = row.uncertainty**2 - shared**2
    return row.uncertainty if math.isnan(rest) or rest < 0 else math.sqrt(rest)


def shared_note(rows: Iterable[Measurement]) -> tuple[str, ...]:
    """Say what was taken as shared, if anything was."""
    metrics = {
        row.metric
        for row in rows
        if row.metric in SHARED
        and math.isnan(row.shared_uncertainty)
        and own_uncertainty(row) < row.uncertainty * (1 - 1e-9)
    }
    return tuple(
        f"Of each uncertainty of {metric}, {100 * SHARED[metric]:.1f} % of the value (calibration"
        f"{' and S-value' if SHARED[metric] > _CALIBRATION else ''}) is taken as shared by both lobes: it cancels in "
        "their ratio."
        for metric in sorted(metrics)
    )
