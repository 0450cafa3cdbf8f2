"""Points through a matrix in pieces: the same as each point by itself, at the joins too."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.points import affine_points

MATRIX = np.array([[0.9, 0.2, -0.1, 5.0], [0.1, 1.1, 0.3, -7.0], [-0.2, 0.1, 0.8, 11.0], [0, 0, 0, 1]])


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 10000])
def test_many_points_go_where_each_goes_alone(count):
    points = np.random.default_rng(count).uniform(-300, 300, (count, 3))
    expected = np.array([[sum(row[a] * p[a] for a in range(3)) + row[3] for row in MATRIX[:3]] for p in points])
    np.testing.assert_allclose(affine_points(points, MATRIX), expected.reshape(-1, 3), rtol=1e-12, atol=1e-10)


def test_shape_is_kept_and_what_is_not_a_point_is_refused():
    lattice = np.random.default_rng(0).random((20, 30, 40, 3))
    found = affine_points(lattice, MATRIX)
    assert found.shape == lattice.shape
    np.testing.assert_allclose(found[7, 8, 9], affine_points(lattice[7, 8, 9], MATRIX), rtol=1e-14)
    with pytest.raises(ValueError, match=r"matmul|shapes|mismatch"):
        affine_points(np.zeros((5000, 4)), MATRIX)
