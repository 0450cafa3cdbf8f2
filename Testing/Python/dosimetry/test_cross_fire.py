"""Photons from outside a region, against two spheres whose distance is known, and against nothing around a lesion."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTDosimetryLib.dose.point_kernel import DECAYS_PER_MBQ_H, GY_PER_KEV_PER_G, point_kernel
from PRRTDosimetryLib.dosimetry.cross_fire import cross_fire_Gy
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.uptake.occupancy import occupancy

MATRIX = np.diag([4.0, 4.0, 4.0, 1.0])
SHAPE = (24, 24, 48)


def ball(i):
    k, j, x = np.mgrid[:24, :24, :48]
    return (k - 12) ** 2 + (j - 12) ** 2 + (x - i) ** 2 <= 9


def placed(*masks):
    grid = Volume(np.zeros(SHAPE), MATRIX).grid
    found = {}
    for number, mask in enumerate(masks, 1):
        segment = Segment.from_full(f"L{number}", mask, role="lesion")
        found[segment.name] = (segment, occupancy(segment, grid, grid))
    return found


def test_a_distant_ball_acts_like_a_point():
    first, second = ball(8), ball(38)
    tia = Volume(second.astype(float), MATRIX, "", "MBq.h/ml")
    found = cross_fire_Gy(tia, "Lu-177", placed(first, second))
    decays = second.sum() * 0.064 * DECAYS_PER_MBQ_H
    photons = point_kernel("Lu-177", "photons")
    expected = float(photons.energy_density_keV_per_mm3(np.array([120.0]), 1.04)[0]) / 1.04e-3  # keV/g at 12 cm
    assert found["L1"] == pytest.approx(decays * expected * GY_PER_KEV_PER_G, rel=0.03)
    assert found["L2"] == pytest.approx(0.0, abs=1e-3 * found["L1"])  # its own photons are no cross-fire


def test_nuclides_without_photons_have_no_cross_fire():
    tia = Volume(ball(8).astype(float), MATRIX, "", "MBq.h/ml")
    assert cross_fire_Gy(tia, "Y-90", placed(ball(8))) == {}
