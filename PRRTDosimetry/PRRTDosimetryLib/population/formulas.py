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

    Exact at one and at two effective half-lives after the injection, within about 10 % from 0.75 to 2.5 of them. Arrays
    of one shape (n,), or numbers.

    Examples
    --------
    >>> half_life_h, start_MBq = 50.0, 20.0
    >>> bool(np.isclose(haenscheid_tia_MBq_h(half_life_h, start_MBq / 2), start_MBq * half_life_h / math.log(2)))
    True
    """
    return np.asarray(2 * np.asarray(activity_MBq) * np.asarray(time_h) / math.log(2), dtype=np.float64)
