"""Sobol points without ``scipy.stats``, whose import alone takes half a second of every run.

The sequence is that of Sobol (1967, doi:10.1016/0041-5553(67)90144-9) with the direction numbers of Joe and Kuo (2008,
doi:10.1137/070709359), in the order of Gray codes (Antonov and Saleev 1979, doi:10.1016/0041-5553(79)90085-5).
Scrambled are the direction numbers by a random lower triangular matrix and the points by a random digital shift
(Matousek 1998, doi:10.1006/jcom.1998.0489). Values are, bit by bit, those of ``scipy.stats.qmc.Sobol``.
"""

from __future__ import annotations

import numpy as np

_BITS = 30
# Of each dimension after the first: the primitive polynomial, highest power first, and its first direction numbers.
_POLYNOMIALS = (3, 7, 11, 13, 19, 25, 37, 41, 47, 55, 59)
_FIRST = (
    (1,),
    (1, 3),
    (1, 3, 1),
    (1, 1, 1),
    (1, 1, 3, 3),
    (1, 3, 5, 13),
    (1, 1, 5, 5, 17),
    (1, 1, 5, 5, 5),
    (1, 1, 7, 11, 19),
    (1, 1, 5, 1, 1),
    (1, 1, 1, 3, 11),
)
MOST_DIMENSIONS = len(_FIRST) + 1


def sobol_points(dimensions: int, count: int, seed: int | None = None) -> np.ndarray:
    """The first ``count`` points of the Sobol sequence, (count, dimensions) in [0, 1).

    Parameters
    ----------
    dimensions : 1 to 12.
    count : a power of 2, so that the points are evenly spread.
    seed : of the scrambling; None leaves the sequence as it is, with its first point at 0.

    Raises
    ------
    ValueError
        For another number of dimensions or points.

    Examples
    --------
    >>> sobol_points(2, 4).tolist()
    [[0.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]
    """
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"Sobol points have 1 to {MOST_DIMENSIONS} dimensions here, not {dimensions}.")
    if not 1 <= count <= 1 << _BITS or count & (count - 1):
        raise ValueError(f"The number of Sobol points is a power of 2, not {count}.")
    directions = _direction_numbers(dimensions)
    start = np.zeros(dimensions, dtype=np.uint32)
    if seed is not None:
        directions, start = _scrambled(directions, np.random.default_rng(seed))
    number = np.arange(count, dtype=np.uint32)
    gray = number ^ (number >> np.uint32(1))
    points = np.broadcast_to(start, (count, dimensions)).copy()
    for bit in range(max(1, count.bit_length() - 1)):
        points[(gray >> np.uint32(bit)) & 1 == 1] ^= directions[:, bit]
    return points * (1.0 / (1 << _BITS))


def _direction_numbers(dimensions: int) -> np.ndarray:
    """Direction numbers, uint32 (dimensions, bits), the first digit after the point being the highest bit."""
    numbers = np.ones((dimensions, _BITS), dtype=np.uint32)
    for row in range(1, dimensions):
        polynomial, found = _POLYNOMIALS[row - 1], list(_FIRST[row - 1])
        degree = polynomial.bit_length() - 1
        for column in range(degree, _BITS):
            value = found[column - degree]
            for k in range(1, degree + 1):
                if polynomial >> (degree - k) & 1:
                    value ^= found[column - k] << k
            found.append(value)
        numbers[row] = found
    return numbers << np.arange(_BITS - 1, -1, -1, dtype=np.uint32)


def _scrambled(directions: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Direction numbers times a random lower triangular matrix of bits, and the digital shift of all points."""
    dimensions = len(directions)
    powers = np.uint32(1) << np.arange(_BITS, dtype=np.uint32)
    shift = random.integers(2, size=(dimensions, _BITS), dtype=np.uint32) @ powers
    matrix = np.tril(random.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32))
    matrix[:, np.arange(_BITS), np.arange(_BITS)] = 1
    high_first = np.arange(_BITS - 1, -1, -1, dtype=np.uint32)
    digits = (directions[:, None, :] >> high_first[:, None]) & np.uint32(1)  # (dimension, digit, number)
    mixed = (matrix @ digits) % np.uint32(2)
    return (mixed << high_first[:, None]).sum(axis=1, dtype=np.uint32), shift.astype(np.uint32)
