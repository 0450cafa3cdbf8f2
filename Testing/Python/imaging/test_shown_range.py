"""Over which values an image is shown."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.shown_range import shown_range
from PRRTUptakeLib.imaging.volume import Volume


def _volume(array: np.ndarray, quantity: str) -> Volume:
    return Volume(array.astype(np.float32), np.eye(4), quantity)


def test_a_ct_is_shown_in_the_window_of_the_abdomen() -> None:
    assert shown_range(_volume(np.full((4, 5, 6), 3000.0), "attenuation")) == (-110.0, 190.0)


def test_activity_is_shown_from_zero_to_nearly_its_highest_value() -> None:
    values = np.linspace(-5.0, 1000.0, 70_000).reshape(70, 100, 10)
    values[0, 0, 0] = 1e9  # a single hot voxel among the ten thousand that are looked at
    low, high = shown_range(_volume(values, "activity concentration"))
    assert low == 0.0
    assert high == pytest.approx(0.9995 * 1005 - 5, rel=2e-3)


@pytest.mark.parametrize(("quantity", "value"), [("", 5.0), ("signal intensity", 5.0), ("SUVbw", 0.0)])
def test_neither_other_images_nor_empty_ones_have_a_range(quantity: str, value: float) -> None:
    assert shown_range(_volume(np.full((3, 3, 3), value), quantity)) is None
