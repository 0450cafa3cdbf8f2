"""Synthetic images of fewer voxels, for tests that look at words and rows, not at resolution."""

from __future__ import annotations

from typing import Any

import numpy as np
from PRRTUptakeLib.synthetic import cases, session
from PRRTUptakeLib.synthetic.simulation import axial_grid

SPECT = axial_grid((72, 48, 50), (4.8, 4.8, 4.8), np.array([0.0, 0.0, -14.0]))
CT = axial_grid((116, 76, 56), (3.0, 3.0, 4.0), np.array([0.0, 0.0, -16.0]))
PET = axial_grid((88, 60, 80), (4.0, 4.0, 3.0), np.array([0.0, 0.0, -12.0]))
MR = axial_grid((116, 76, 56), (3.0, 3.0, 4.0), np.array([0.0, 0.0, -16.0]))


def use_small_grids(patch: Any) -> None:
    """Let ``write_synthetic_*`` write few voxels for as long as the pytest.MonkeyPatch holds."""
    patch.setattr(session, "SPECT_GRID", SPECT)
    patch.setattr(session, "PET_GRID", PET)
    for module in (session, cases):
        patch.setattr(module, "LOW_DOSE_CT_GRID", CT)
        patch.setattr(module, "CONTRAST_CT_GRID", CT)
        patch.setattr(module, "MR_GRID", MR)
