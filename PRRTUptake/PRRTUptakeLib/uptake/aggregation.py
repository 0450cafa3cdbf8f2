"""Patient level first: the lesions of one lobe become one value, by the rule of the protocol.

The only implementation of the rules of `vocabulary.AGGREGATIONS`: for the values of lesions, for lesions by name with
their uncertainties, and for many simulated patients at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.statistics.ties import settled
from PRRTUptakeLib.uptake.errors import AggregationError
from PRRTUptakeLib.uptake.ratios import Estimate
from PRRTUptakeLib.vocabulary import AGGREGATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
    rule : a word of `vocabulary.AGGREGATIONS`.
    uncertainties : standard uncertainties in the unit of the values; nan where unknown, which makes the result's nan.
    volumes_mL : volumes of the lesions, for the volume-weighted mean only.

    Returns
    -------
    value, standard uncertainty : in the unit of the values; the uncertainty is nan if it is not known.

    Raises
    ------
    AggregationError
        For no lesion, an unknown rule, a value that is not positive under the geometric mean, or missing volumes.

    Examples
    --------
    >>> lesions = [1.2, 1.5, 2, 3, 9]
    >>> [round(aggregate(lesions, rule)[0], 2) for rule in ("arithmetic-mean", "geometric-mean", "median")]
    [3.34, 2.5, 2.0]
    """
    number = len(values)
    if number == 0:
        raise AggregationError("There is no lesion to aggregate: choose at least one.")
    x = np.asarray(values, dtype=np.float64)
    u = np.full(number, math.nan) if uncertainties is None else np.asarray(uncertainties, dtype=np.float64)
    centre = float(_centre(x, rule, volumes_mL))
    if rule == "geometric-mean":
        return centre, centre * _root_sum(u / x) / number
    if rule == "median":
        return centre, _median_uncertainty(x, u)
    weights = np.full(number, 1.0) if rule == "arithmetic-mean" else np.asarray(volumes_mL, dtype=np.float64)
    return centre, _root_sum(weights * u) / math.fsum(weights)


def aggregate_lesions(
    values: Mapping[str, Estimate | float], rule: str, volumes_mL: Mapping[str, float] | None = None
) -> Estimate:
    """`aggregate` for lesions by name, with messages that name them.

    Parameters
    ----------
    values : positive values by lesion, with or without uncertainty.
    rule : a word of `vocabulary.AGGREGATIONS`.
    volumes_mL : volumes by lesion, for ``volume-weighted-mean``.

    Raises
    ------
    AggregationError
        As `aggregate`, and for a value that is zero, negative or not finite, or a negative uncertainty.
    """
    estimates = {name: _estimate(value, name) for name, value in values.items()}
    volumes = None
    if rule == "volume-weighted-mean":
        missing = [name for name in values if not (volumes_mL or {}).get(name, 0.0) > 0]
        if missing:
            raise AggregationError(
                f"Lesion '{missing[0]}' has no volume, which the volume-weighted mean needs: measure it."
            )
        volumes = [(volumes_mL or {})[name] for name in values]
    found = aggregate([e.value for e in estimates.values()], rule, [e.uncertainty for e in estimates.values()], volumes)
    return Estimate(*found)


def aggregate_draws(values: np.ndarray, rule: str, volumes_mL: Sequence[float] | None = None) -> np.ndarray:
    """Each row of ``values`` (draws, lesions) aggregated by ``rule``, (draws,); errors as of `aggregate`."""
    return np.asarray(_centre(values, rule, volumes_mL))


def _centre(values: np.ndarray, rule: str, volumes_mL: Sequence[float] | None) -> np.ndarray:
    """The rule along the last axis, for one row of lesions or many."""
    number = values.shape[-1]
    if rule not in AGGREGATIONS:
        raise AggregationError(f"The aggregation '{rule}' is not one of {', '.join(AGGREGATIONS)}.")
    if rule == "geometric-mean":
        if not values.min() > 0:
            raise AggregationError(f"The value {values.min():g} is not positive and has no geometric mean.")
        return np.asarray(np.exp(_sum(np.log(values)) / number))
    if rule == "median":
        return np.asarray(np.median(values, axis=-1))
    if rule == "arithmetic-mean":
        return np.asarray(_sum(values) / number)
    if volumes_mL is None or len(volumes_mL) != number or not all(volume > 0 for volume in volumes_mL):
        raise AggregationError("The volume-weighted mean needs a positive volume for each lesion.")
    return _sum(values * np.asarray(volumes_mL, dtype=np.float64)) / math.fsum(volumes_mL)


def _sum(terms: np.ndarray) -> np.ndarray:
    """Sum along the last axis, correctly rounded for a single row."""
    return np.asarray(math.fsum(terms)) if terms.ndim == 1 else terms.sum(axis=-1)


def _root_sum(terms: np.ndarray) -> float:
    return math.sqrt(math.fsum(terms**2))


def _median_uncertainty(values: np.ndarray, u: np.ndarray) -> float:
    # Of equal values those with the smaller uncertainty come first, so that the order of the rows changes nothing.
    order = np.lexsort((values, u, settled(values)))
    middle = order[(len(values) - 1) // 2 : len(values) // 2 + 1]  # one lesion, or the two in the middle
    return _root_sum(u[middle]) / len(middle)


def _estimate(value: Estimate | float, name: str) -> Estimate:
    found = value if isinstance(value, Estimate) else Estimate(float(value))
    if not (math.isfinite(found.value) and found.value > 0):
        raise AggregationError(f"Lesion '{name}': the value is {found.value}, but must be positive.")
    if found.uncertainty < 0 or math.isinf(found.uncertainty):
        raise AggregationError(f"Lesion '{name}': the uncertainty is {found.uncertainty}, but must be 0 or more.")
    return found
