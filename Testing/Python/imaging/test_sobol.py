"""Sobol points are those of an independent program, bit by bit."""

import numpy as np
import pytest
from PRRTUptakeLib.imaging.sobol import MOST_DIMENSIONS, sobol_points
from scipy.stats import qmc


@pytest.mark.parametrize("dimensions", [1, 3, MOST_DIMENSIONS])
def test_points_are_those_of_scipy(dimensions):
    expected = qmc.Sobol(dimensions, scramble=False).random_base2(10)
    np.testing.assert_array_equal(sobol_points(dimensions, 1024), expected)


@pytest.mark.parametrize(("dimensions", "seed"), [(2, 11), (5, 20240608), (MOST_DIMENSIONS, 3)])
def test_scrambled_points_are_those_of_scipy(dimensions, seed):
    expected = qmc.Sobol(dimensions, seed=seed).random(4096)
    np.testing.assert_array_equal(sobol_points(dimensions, 4096, seed), expected)


def test_one_point_and_none():
    np.testing.assert_array_equal(sobol_points(3, 1), np.zeros((1, 3)))
    np.testing.assert_array_equal(sobol_points(2, 1, 5), qmc.Sobol(2, seed=5).random(1))


@pytest.mark.parametrize(("dimensions", "count"), [(0, 8), (MOST_DIMENSIONS + 1, 8), (2, 6), (2, 0)])
def test_other_sizes_are_refused(dimensions, count):
    with pytest.raises(ValueError, match="Sobol points"):
        sobol_points(dimensions, count)
