"""Which numbers count as equal: everything that ranks, signs, counts or compares with a threshold asks here.

Decimal values such as 3.4 and 3.2 have no exact binary form, so that differences that are equal on paper, or a ratio of
exactly 1, differ in the sixteenth digit. Two numbers count as equal if they differ by at most `RELATIVE` of the larger;
differences and logarithms inherit that tolerance from the values that they were formed of.
"""

from __future__ import annotations

import math

import numpy as np

RELATIVE = 1e-9
LENGTH_STEP_mm, VOLUME_STEP_mL = 0.1, 0.01
# A boundary between two steps must not be a number that images produce by themselves, such as half a step.
_OFF_HALF = 1e-3


def equal(first: np.ndarray | float, second: np.ndarray | float) -> np.ndarray:
    """Whether values are equal within `RELATIVE` of the larger, element by element.

    Examples
    --------
    >>> bool(equal(0.1 + 0.2, 0.3)), bool(equal(1.0, 1.0001))
    (True, False)
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # infinite values are equal to themselves only
        near = np.abs(one - other) <= RELATIVE * np.maximum(np.abs(one), np.abs(other))
    return np.asarray((one == other) | (near & np.isfinite(one) & np.isfinite(other)))


def above(value: np.ndarray | float, limit: np.ndarray | float) -> np.ndarray:
    """Whether values are above a limit, and not equal to it.

    Examples
    --------
    >>> bool(above(30.000000000000004, 30.0)), bool(above(30.1, 30.0))
    (False, True)
    """
    return np.asarray((np.asarray(value) > np.asarray(limit)) & ~equal(value, limit))


def at_least(value: np.ndarray | float, limit: np.ndarray | float) -> np.ndarray:
    """Whether values are above a limit or equal to it.

    Examples
    --------
    >>> bool(at_least(2.9999999999999996, 3.0)), bool(at_least(2.999, 3.0))
    (True, False)
    """
    return np.asarray((np.asarray(value) > np.asarray(limit)) | equal(value, limit))


def differences(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of paired values, exactly 0 where the values are equal, and the tolerance of each.

    Parameters
    ----------
    first, second : shape (n,).

    Returns
    -------
    difference, tolerance : shape (n,), in the unit of the values.

    Examples
    --------
    >>> difference, tolerance = differences(np.array([0.1 + 0.2, 5.5]), np.array([0.3, 5.3]))
    >>> difference.round(3).tolist()
    [0.0, 0.2]
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    found = np.where(equal(first, second), 0.0, first - second)
    return found, RELATIVE * np.maximum(np.abs(first), np.abs(second))


def log_ratios(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithms of first/second, exactly 0 where the values are equal, and their tolerance.

    Parameters
    ----------
    first, second : positive, shape (n,).
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    found = np.where(equal(first, second), 0.0, np.log(first) - np.log(second))
    return found, np.full(found.shape, RELATIVE)


def settled(values: np.ndarray, tolerance: np.ndarray | None = None) -> np.ndarray:
    """The values, those that are equal made the same number, so that any ranking finds their ties.

    Neighbours in order of size are equal if they differ by no more than the larger of their tolerances.

    Parameters
    ----------
    values : shape (n,), finite.
    tolerance : shape (n,); `RELATIVE` of each value if it is not given.

    Examples
    --------
    >>> settled(np.array([0.3, 1.0, 0.1 + 0.2])).tolist()
    [0.3, 1.0, 0.3]
    """
    values = np.asarray(values, dtype=np.float64)
    allowed = RELATIVE * np.abs(values) if tolerance is None else np.asarray(tolerance, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    ranked, reach = values[order], allowed[order]
    new_group = np.ones(values.size, dtype=bool)
    new_group[1:] = np.diff(ranked) > np.maximum(reach[1:], reach[:-1])
    result = np.empty_like(values)
    result[order] = ranked[new_group][np.cumsum(new_group) - 1]
    return result


def no_scatter(values: np.ndarray, tolerance: np.ndarray | None = None) -> bool:
    """Whether all values (n,) are equal, so that they have no scatter to test with."""
    return bool(np.ptp(settled(values, tolerance)) == 0)


def resolved_length_mm(length_mm: float) -> float:
    """A length in the tenths of a millimetre in which lengths are printed and compared.

    No image resolves more, while the same contour gives lengths that differ in the seventh digit with the precision
    in which a program keeps its spacing. Boundaries between steps are off the halves, which spacings often produce.

    Examples
    --------
    >>> resolved_length_mm(22.31148807229136) == resolved_length_mm(22.31148807229137)
    True
    >>> resolved_length_mm(22.35), resolved_length_mm(22.349999)
    (22.4, 22.4)
    """
    return _to_step(length_mm, LENGTH_STEP_mm)


def resolved_volume_mL(volume_mL: float) -> float:
    """A volume in the hundredths of a millilitre in which volumes are compared; nan remains nan."""
    return _to_step(volume_mL, VOLUME_STEP_mL)


def _to_step(value: float, step: float) -> float:
    if not math.isfinite(value):
        return value
    return round(math.floor(value / step + 0.5 + _OFF_HALF) * step, 6)
