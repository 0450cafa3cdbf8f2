"""Wilcoxon's signed-rank test and the sign test, exact, with ties at relative 1e-9 of the values.

The null distribution is counted over all assignments of signs to the ranks that were found, so ties cost nothing
(F. Wilcoxon, doi:10.2307/3001968). Pairs without a difference are left out (Wilcoxon), or ranked with the others and
left out afterwards (J. W. Pratt, doi:10.1080/01621459.1959.10501526).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from PRRTUptakeLib.statistics.ties import settled

_MOST_EXACT = 300  # pairs; beyond that the normal distribution has every digit that is printed


@dataclass(frozen=True)
class SignedRanks:
    """Sum of the ranks of positive differences, its two-sided p, the pairs that decided, and those without difference.

    ``p`` is nan if no pair differs. ``exact`` is False above 300 pairs, where the distribution is taken as normal.
    """

    statistic: float
    p: float
    decided: int
    zeros: int
    exact: bool = True


def signed_rank_test(difference: np.ndarray, tolerance: np.ndarray, pratt: bool = False) -> SignedRanks:
    """Wilcoxon's signed-rank test.

    Parameters
    ----------
    difference, tolerance : shape (n,), from `ties.differences` or `ties.log_ratios`: a zero is exactly 0.
    pratt : rank zeros too.

    Examples
    --------
    >>> found = signed_rank_test(np.array([0.2, -0.1, 0.1, 0.5]), np.full(4, 1e-9))
    >>> found.statistic, found.p
    (8.5, 0.375)
    """
    difference = np.asarray(difference, dtype=np.float64)
    nonzero = difference != 0
    ranked = np.ones_like(nonzero) if pratt else nonzero
    size = settled(np.abs(difference[ranked]), np.asarray(tolerance)[ranked])
    size[difference[ranked] == 0] = 0.0
    doubled = np.rint(2 * stats.rankdata(size)).astype(np.int64)[nonzero[ranked]]
    decided, zeros = int(nonzero.sum()), int((~nonzero).sum())
    if not decided:
        return SignedRanks(0.0, math.nan, 0, zeros)
    observed = int(doubled[difference[nonzero] > 0].sum())
    if decided > _MOST_EXACT:
        spread = math.sqrt(float(np.sum(doubled.astype(np.float64) ** 2))) / 2
        z = abs(observed - doubled.sum() / 2) / spread
        return SignedRanks(observed / 2, float(2 * stats.norm.sf(z)), decided, zeros, exact=False)
    return SignedRanks(observed / 2, _exact_p(doubled, observed), decided, zeros)


def _exact_p(doubled: np.ndarray, observed: int) -> float:
    """Probability of a sum at least as far from its centre; sums are whole numbers, so none is lost by rounding."""
    total = int(doubled.sum())
    probability = np.zeros(total + 1)
    probability[0] = 1.0
    for rank in doubled.tolist():
        moved = np.zeros_like(probability)
        moved[rank:] = probability[: total + 1 - rank]
        probability = (probability + moved) / 2
    return min(1.0, 2.0 * float(probability[: min(observed, total - observed) + 1].sum()))


def sign_test(difference: np.ndarray) -> float:
    """Two-sided p of the sign test of differences (n,); pairs without difference are left out, nan if none differs."""
    decided = int(np.count_nonzero(difference))
    if not decided:
        return math.nan
    return float(stats.binomtest(int(np.count_nonzero(np.asarray(difference) > 0)), decided).pvalue)
