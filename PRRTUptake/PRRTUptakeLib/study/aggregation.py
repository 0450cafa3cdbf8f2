"""Patient level first: the lesions of one lobe become one value, by the rule of the protocol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.statistics.ties import settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class AggregationError(PRRTError):
    """Lesions cannot be aggregated by the rule."""


def aggregate(
    values: Sequence[float],
    rule: str,
    uncertainties: Sequence[float] | None = None,
    volumes_mL: Sequence[float] | None = None,
) -> tuple[float, float]:
    """Value of a lobe from those of its lesions, and its standard uncertainty.

    Sums are correctly rounded (`math.fsum`), so that measuring every lesion twice changes no digit. The uncertainty is
    propagated to first order with independent lesions (JCGM 100:2008, 5.1.2).

    Parameters
    ----------
    values : one per lesion, positive for the geometric mean.
    rule : a word of `protocol.AGGREGATIONS`.
    uncertainties : standard uncertainties in the unit of the values; nan where unknown, which makes the result's nan.
    volumes_mL : volumes of the lesions, for the volume-weighted mean only.

    Returns
    -------
    value, standard uncertainty : in the unit of the values; the uncertainty is nan if it is not known.

    Raises
    ------
    AggregationError
        For no lesion, a value that is not positive under the geometric mean, or missing volumes.

    Examples
    --------
    >>> lesions = [1.2, 1.5, 2, 3, 9]
    >>> [round(aggregate(lesions, rule)[0], 2) for rule in ("arithmetic-mean", "geometric-mean", "median")]
    [3.34, 2.5, 2.0]
    """
    number = len(values)
    if number == 0:
        raise AggregationError("There is no lesion to aggregate.")
    u = [math.nan] * number if uncertainties is None else list(uncertainties)
    if rule == "geometric-mean":
        if min(values) <= 0:
            raise AggregationError(f"The value {min(values):g} is not positive and has no geometric mean.")
        centre = math.exp(math.fsum(math.log(value) for value in values) / number)
        return centre, centre * _root_sum(u_one / value for u_one, value in zip(u, values, strict=True)) / number
    if rule == "arithmetic-mean":
        return math.fsum(values) / number, _root_sum(u) / number
    if rule == "median":
        return _median(values, u)
    if rule == "volume-weighted-mean":
        return _weighted(values, u, volumes_mL)
    raise AggregationError(f"The aggregation '{rule}' is unknown.")


def _root_sum(terms: Iterable[float]) -> float:
    return math.sqrt(math.fsum(term**2 for term in terms))


def _median(values: Sequence[float], u: Sequence[float]) -> tuple[float, float]:
    # Of equal values those with the smaller uncertainty come first, so that the order of the rows changes nothing.
    order = np.lexsort((np.asarray(values), np.asarray(u), settled(np.asarray(values))))
    middle = order[(len(values) - 1) // 2 : len(values) // 2 + 1]  # one lesion, or the two in the middle
    return math.fsum(values[n] for n in middle) / len(middle), _root_sum(u[n] for n in middle) / len(middle)


def _weighted(values: Sequence[float], u: Sequence[float], volumes_mL: Sequence[float] | None) -> tuple[float, float]:
    if volumes_mL is None or len(volumes_mL) != len(values) or not all(volume > 0 for volume in volumes_mL):
        raise AggregationError("The volume-weighted mean needs a positive volume for each lesion.")
    total = math.fsum(volumes_mL)
    centre = math.fsum(w * value for w, value in zip(volumes_mL, values, strict=True)) / total
    return centre, _root_sum(w * u_one for w, u_one in zip(volumes_mL, u, strict=True)) / total
