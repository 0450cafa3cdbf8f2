"""Where the raw and the log scale of a trial contradict each other, and why that can be.

A test of differences gives weight to patients with high values, a test of ratios gives every patient the same. They
part where the ratio depends on the level: if patients with a high control value gain least, the mean difference is
small and its scatter large, while most ratios exceed 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.ties import RELATIVE, log_ratios, no_scatter

if TYPE_CHECKING:
    from PRRTUptakeLib.statistics.paired import PairedComparison

_UNLIKE, _SUGGESTIVE, _ALPHA = 3.0, 0.1, 0.05


@dataclass(frozen=True)
class ScaleConflict:
    """Two p-values of one trial that lead to different conclusions, and the dependence of the ratio on the level.

    ``correlation`` is that of log control with log ratio, with its interval (Fisher's z); chance errors of the control
    alone make it negative. ``correlation_level`` is that of the geometric mean of both with the log ratio, which they
    do not (P. Oldham, doi:10.1016/0021-9681(62)90116-9), with ``p_level``: both lobes scatter alike if it is 0.
    """

    p_raw: float
    p_log: float
    correlation: float
    correlation_ci: tuple[float, float]
    correlation_level: float
    p_level: float

    @property
    def sentence(self) -> str:
        """What it means, for a note."""
        low, high = self.correlation_ci
        how = "least" if self.correlation < 0 else "most"
        return (
            f"The scales disagree: p = {self.p_raw:.3f} for the difference, p = {self.p_log:.3f} for the ratio. "
            f"Patients with a high control value gain {how} (correlation of log control with log ratio "
            f"{self.correlation:.2f} [{low:.2f}; {high:.2f}]; with the level of both lobes "
            f"{self.correlation_level:.2f}, p = {self.p_level:.3f}): no single ratio or difference describes all "
            "patients. See the page 'LUTIA, explained'."
        )


def scale_conflict(
    first: np.ndarray, second: np.ndarray, comparison: PairedComparison, confidence: float = 0.95
) -> ScaleConflict | None:
    """Return the conflict of raw and log scale, None where they agree or too few patients could show it.

    They disagree if one p is at most 0.1, the other above 0.05, and one three times the other or more.

    Parameters
    ----------
    first, second : shape (n,), positive, treated and control.
    """
    least, most = sorted((comparison.p_raw, comparison.p_log))
    if math.isnan(least + most) or least > _SUGGESTIVE or most <= _ALPHA or most < _UNLIKE * least or first.size < 4:
        return None
    ratio, _ = log_ratios(first, second)
    control, level = np.log(second), (np.log(first) + np.log(second)) / 2.0
    if any(no_scatter(values, np.full(ratio.size, RELATIVE)) for values in (control, level, ratio)):
        return None
    whole = stats.pearsonr(control, ratio)
    interval = whole.confidence_interval(confidence)
    on_level = stats.pearsonr(level, ratio)
    return ScaleConflict(
        p_raw=comparison.p_raw,
        p_log=comparison.p_log,
        correlation=float(whole.statistic),
        correlation_ci=(float(interval.low), float(interval.high)),
        correlation_level=float(on_level.statistic),
        p_level=float(on_level.pvalue),
    )
