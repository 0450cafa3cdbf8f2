"""Dose of one cycle on the image of another: moved, averaged by mass, and bent with its Jacobian."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTDosimetryLib.dosimetry.accumulation import mapped_dose
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.registration.result import (
    DisplacementField,
    Registration,
    given_registration,
    identity_registration,
)

FINE = np.diag([2.0, 2.0, 2.0, 1.0])


def dose(array, matrix=FINE):
    return Volume(array, matrix, "absorbed dose", "Gy")


def density(array, matrix=FINE):
    return Volume(array, matrix, "mass density", "g/ml")


def blob(shape=(16, 18, 20)):
    k, j, i = np.mgrid[: shape[0], : shape[1], : shape[2]]
    return np.exp(-((k - 8) ** 2 + (j - 9) ** 2 + (i - 10) ** 2) / 18.0)


def test_a_shift_by_whole_voxels_keeps_every_voxel():
    values = blob()
    shift = np.eye(4)
    shift[:3, 3] = [4.0, -2.0, 2.0]  # to the cycle: two voxels along i, one back along j, one along k
    found = mapped_dose(dose(values), dose(values).grid, given_registration(shift, "shift"))
    expected = np.roll(values, (-1, 1, -2), axis=(0, 1, 2))
    inside = np.s_[2:-3, 3:-2, 2:-4]
    np.testing.assert_allclose(found.array[inside], expected[inside], atol=1e-6)
    assert found.untrusted[:, :, -2:].all()  # nothing of the cycle is seen there
    assert not found.untrusted[inside].any()
    assert found.energy_ratio == pytest.approx(1.0, abs=0.01)


def test_a_voxel_of_two_tissues_has_their_energy_over_their_mass():
    """Lung of 0.26 g/mL with 4 Gy and tissue of 1.04 g/mL with 1 Gy: (4 x 0.26 + 1 x 1.04) / 1.3 = 1.6 Gy."""
    values = np.ones((2, 2, 2))
    values[..., 0] = 4.0
    rho = np.full((2, 2, 2), 1.04)
    rho[..., 0] = 0.26
    coarse = np.diag([4.0, 4.0, 4.0, 1.0])
    coarse[:3, 3] = 1.0
    found = mapped_dose(dose(values), Grid((1, 1, 1), coarse), identity_registration("same"), density(rho))
    assert found.array[0, 0, 0] == pytest.approx(1.6, rel=1e-6)
    plain = mapped_dose(dose(values), Grid((1, 1, 1), coarse), identity_registration("same"))
    assert plain.array[0, 0, 0] == pytest.approx(2.5, rel=1e-6)


def test_energy_is_kept_where_tissue_was_stretched():
    """The cycle is the first one stretched by a tenth along i: the same dose, and the energy of the cycle's volume."""
    shape, grid = (12, 12, 24), Grid((12, 12, 24), FINE)
    vectors = np.zeros((*shape, 3))
    vectors[..., 0] = 0.1 * (np.arange(24) - 12) * 2.0
    bent = Registration("deformable", np.eye(4), displacement=DisplacementField(grid, vectors))
    wide = np.zeros((12, 12, 30))
    wide[4:8, 4:8, 8:20] = 3.0
    place = FINE.copy()
    place[0, 3] = -4.0
    found = mapped_dose(dose(wide, place), grid, bent)
    assert found.array[6, 6, 12] == pytest.approx(3.0, rel=1e-5)
    assert found.energy_ratio == pytest.approx(1.0, abs=0.02)
    assert not found.untrusted[4:8, 4:8, 6:18].any()


def test_what_was_stretched_too_far_or_is_on_other_tissue_is_not_trusted():
    shape, grid = (6, 6, 12), Grid((6, 6, 12), FINE)
    vectors = np.zeros((*shape, 3))
    vectors[..., 0] = -0.5 * (np.arange(12) - 6) * 2.0  # half the volume
    crushed = Registration("deformable", np.eye(4), displacement=DisplacementField(grid, vectors))
    assert mapped_dose(dose(np.ones(shape)), grid, crushed).untrusted[2:4, 2:4, 4:8].all()
    tissue, lung = density(np.full(shape, 1.04)), density(np.full(shape, 0.26))
    same = identity_registration("same")
    on_lung = mapped_dose(dose(np.ones(shape)), grid, same, tissue, lung)
    on_tissue = mapped_dose(dose(np.ones(shape)), grid, same, tissue, tissue)
    assert on_lung.untrusted.all()
    assert not on_tissue.untrusted.any()
