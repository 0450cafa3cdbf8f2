"""Which lesion is which at a later visit: pairs against all ways to pair, one after the other."""

from itertools import permutations

import numpy as np
import pytest
from PRRTUptakeLib.segmentation.lesion_tracking import _assigned


def best_sum(gains):
    """The greatest sum over all one-to-one pairs, by trying each."""
    wide = gains if gains.shape[0] <= gains.shape[1] else gains.T
    rows, columns = wide.shape
    orders = permutations(range(columns), rows)
    return max(sum(wide[row, column] for row, column in enumerate(order)) for order in orders)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 3), (4, 5), (5, 3)])
@pytest.mark.parametrize("full", [0.2, 0.5, 1.0])
def test_no_pairing_shares_more(shape, full):
    random = np.random.default_rng([*shape, int(10 * full)])
    for _ in range(100):
        gains = np.where(random.random(shape) < full, random.integers(1, 9, shape), 0).astype(float)
        pairs = _assigned(gains)
        assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
        assert all(gains[pair] > 0 for pair in pairs)
        assert sum(gains[pair] for pair in pairs) == best_sum(gains)
