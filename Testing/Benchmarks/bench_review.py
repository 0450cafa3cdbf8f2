"""The plane between the lobes while it is dragged, on a CT of 512 x 512 x 150 and a SPECT of 128 x 128 x 128."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.review.live_plane import LiveInput, LivePlane
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from PRRTUptakeLib.study.protocol import load_protocol

LESIONS = ((-40, 10, 0, 22), (60, 20, 10, 24), (70, -20, -30, 18), (0, 30, 20, 17), (30, -20, 40, 20))


@pytest.fixture(scope="module")
def live():
    grid = Grid((150, 512, 512), np.array([[-0.8, 0, 0, 205], [0, -0.8, 0, 205], [0, 0, 3.0, -225], [0, 0, 0, 1]]))
    k, j, i = np.ogrid[:150, :512, :512]
    x, y, z = 205 - 0.8 * i, 205 - 0.8 * j, -225 + 3.0 * k
    liver = ((x - 20) / 105) ** 2 + ((y - 10) / 75) ** 2 + (z / 80) ** 2 < 1
    lesions = np.zeros(grid.shape, dtype=bool)
    for a, b, c, radius in LESIONS:
        lesions |= (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= radius**2
    segments = (Segment.from_full("liver", liver), Segment.from_full("liver_lesions", lesions))
    coarse = np.array([[-4.0, 0, 0, 255], [0, -4.0, 0, 255], [0, 0, 4.0, -255], [0, 0, 0, 1]])
    values = np.random.default_rng(1).uniform(100, 2000, (128, 128, 128)).astype(np.float32)
    image = Volume(values, coarse, "activity concentration", "Bq/ml")
    return LivePlane(LiveInput(Segmentation(grid, segments), image, load_protocol("lutia")))


def test_live_plane(live, benchmark):
    found = benchmark(lambda: live.at(Plane((5.0, 1.0, 0.0), (0.97, 0.2, 0.1))))
    assert found.ratio is not None
