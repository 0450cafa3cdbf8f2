"""Energy deposited in spherical shells around the point."""

from __future__ import annotations

import numpy as np

SMALLEST_MM, LARGEST_MM, SHELLS_PER_DECADE = 1e-3, 1e3, 48
SHELLS = 6 * SHELLS_PER_DECADE + 1


def radii_mm() -> np.ndarray:
    """Outer radii of the shells in mm at unit density; the first shell is a ball around the point."""
    return np.geomspace(SMALLEST_MM, LARGEST_MM, SHELLS)


class Tally:
    """Adds up energy by shell; what is deposited beyond the last radius has its own, last place."""

    def __init__(self) -> None:
        self.energy = np.zeros(SHELLS + 1)

    def add(self, position_cm: np.ndarray, energy: np.ndarray) -> None:
        """Deposit ``energy`` at ``position_cm`` (3, n)."""
        radius_mm = 10.0 * np.sqrt(np.einsum("ij,ij->j", position_cm, position_cm))
        with np.errstate(divide="ignore"):
            shell = np.ceil(np.log10(radius_mm / SMALLEST_MM) * SHELLS_PER_DECADE)
        self.energy += np.bincount(np.clip(shell, 0, SHELLS).astype(np.intp), weights=energy, minlength=SHELLS + 1)
