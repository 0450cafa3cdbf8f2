"""Formulas for one image: what a population is compared with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

HALF_LIFE_SPREAD = 0.20
"""Relative standard uncertainty of a single half-life in comparisons: an assumption, as made where none is known."""


def haenscheid_tia_MBq_h(time_h: ArrayLike, activity_MBq: ArrayLike) -> Floats:
    """TIA = 2 A(t) t / ln 2, without any half-life (Haenscheid et al. 2018, doi:10.2967/jnumed.117.193706).

    Exact at one and at two effective half-lives after the injection, within about 10 % from 0.75 to 2.5 of them.

    Examples
    --------
    >>> float(haenscheid_tia_MBq_h(50.0, 10.0)) == float(single_half_life_tia_MBq_h(50.0, 10.0, 50.0))
    True
    """
    return np.asarray(2 * np.asarray(activity_MBq) * np.asarray(time_h) / math.log(2), dtype=np.float64)


def single_half_life_tia_MBq_h(time_h: ArrayLike, activity_MBq: ArrayLike, half_life_h: ArrayLike) -> Floats:
    """TIA = A(t) T / ln 2 * 2^(t/T) with one effective half-life T for all.

    With the mean of the population's clearance it is Madsen et al. 2018, doi:10.1002/mp.12886.
    """
    half_life = np.asarray(half_life_h, dtype=np.float64)
    return np.asarray(activity_MBq) * half_life / math.log(2) * 2 ** (np.asarray(time_h) / half_life)
