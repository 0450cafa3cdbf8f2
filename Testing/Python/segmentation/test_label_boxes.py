"""Boxes of labels against a search label by label."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.segmentation.label_boxes import label_boxes
from PRRTUptakeLib.segmentation.segments import Segment


def one_by_one(values):
    segments = {int(n): Segment.from_full("", values == n) for n in np.unique(values) if n != 0}
    return {number: segment.box for number, segment in segments.items()}


def scattered(numbers, dtype, seed=3):
    """Blocks of labels over each other, most of the grid empty, some labels in several places."""
    random = np.random.default_rng(seed)
    values = np.zeros((11, 13, 17), dtype)
    for number in [*numbers, *numbers[:3]]:
        start, size = random.integers(0, 9, 3), random.integers(1, 5, 3)
        values[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = number
    return values


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "u8", "f4", "f8"])
def test_boxes_are_those_of_each_label_alone(dtype):
    values = scattered(range(1, 12), dtype)
    assert label_boxes(values) == one_by_one(values)


@pytest.mark.parametrize("numbers", [(70_000, 3, 1_000_000_000), (-2, 5, 9)])
def test_large_and_negative_labels(numbers):
    values = scattered(numbers, np.int64)
    assert label_boxes(values) == one_by_one(values)


def test_no_voxel_left_empty():
    values = np.full((3, 4, 5), 100_000, np.int32)
    values[1, 2, 3] = 7
    assert label_boxes(values) == {
        7: (slice(1, 2), slice(2, 3), slice(3, 4)),
        100_000: tuple(map(slice, (0,) * 3, (3, 4, 5))),
    }


def test_nothing_labelled():
    assert label_boxes(np.zeros((3, 4, 5), np.uint8)) == {}


@pytest.mark.parametrize("value", [1.5, np.nan, np.inf])
def test_what_is_no_whole_number_is_refused(value):
    values = np.zeros((3, 4, 5))
    values[1, 1, 1] = value
    with pytest.raises(ValueError, match="whole"):
        label_boxes(values)
