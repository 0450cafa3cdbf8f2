"""Dose-volume histograms of regions, each voxel counted by the part of it that the region occupies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.errors import DoseError

if TYPE_CHECKING:
    pass

DOSE_UNITS = "Gy"


@dataclass(frozen=True, eq=False)
class DoseVolumeHistogram:
    """How much of a region's volume receives which dose; exact in volume, no bins.

    Attributes
    ----------
    dose_Gy : doses of the region's voxels, rising.
    volume_mL : volume of the region in each of these voxels.

    Examples
    --------
    >>> histogram = dose_volume_histogram([10.0, 20.0, 30.0, 40.0], [1.0, 1.0, 1.0, 1.0])
    >>> histogram.mean_Gy, float(histogram.cumulative(20.0)), histogram.dose_at_volume_Gy(50.0)
    (25.0, 75.0, 25.0)
    """

    dose_Gy: np.ndarray
    volume_mL: np.ndarray

    @property
    def total_volume_mL(self) -> float:
        """Volume of the region."""
        return float(self.volume_mL.sum())

    @property
    def mean_Gy(self) -> float:
        """Mean dose, each voxel by its occupied volume."""
        return float(self.dose_Gy @ self.volume_mL / self.volume_mL.sum())

    @property
    def maximum_Gy(self) -> float:
        """Greatest dose of a voxel."""
        return float(self.dose_Gy[-1])

    def dose_at_volume_Gy(self, percent: float) -> float:
        """D_percent: the least dose within the ``percent`` of the volume that receive most (D98, D50, D2).

        Each voxel is at the middle of its share of the volume, with straight lines between voxels, as a smooth
        dose field has it (ICRU Report 83, 2010, recommends D98 and D2 instead of the extremes).
        """
        if not 0.0 <= percent <= 100.0:
            raise DoseError(f"A volume is 0 to 100 % of the region, not {percent:g} %.")
        return float(np.interp(1.0 - percent / 100.0, self._middles(), self.dose_Gy))

    def cumulative(self, dose_Gy: np.ndarray) -> np.ndarray:
        """Percent of the volume that receives at least each of ``dose_Gy``."""
        above = np.concatenate([np.cumsum(self.volume_mL[::-1])[::-1], [0.0]])
        return np.asarray(100.0 * above[np.searchsorted(self.dose_Gy, dose_Gy, side="left")] / above[0])

    def _middles(self) -> np.ndarray:
        """Share of the volume below the middle of each voxel."""
        share = self.volume_mL / self.volume_mL.sum()
        return np.asarray(np.cumsum(share) - share / 2.0)


def dose_volume_histogram(dose_Gy: np.ndarray, volume_mL: np.ndarray) -> DoseVolumeHistogram:
    """Histogram of voxel doses (n,) and the volume of the region in each voxel (n,): occupied fraction x voxel volume.

    Raises
    ------
    DoseError
        If the region is empty, or a dose or volume is missing or negative.
    """
    dose = np.asarray(dose_Gy, dtype=np.float64).ravel()
    volume = np.asarray(volume_mL, dtype=np.float64).ravel()
    if dose.size != volume.size:
        raise DoseError(f"There are {dose.size} doses, but {volume.size} volumes.")
    if not (np.isfinite(dose).all() and np.isfinite(volume).all()):
        raise DoseError("A dose-volume histogram needs a number for every dose and volume of the region.")
    if volume.size and volume.min() < 0.0:
        raise DoseError(f"A voxel occupies {volume.min():g} mL of the region: volumes cannot be negative.")
    inside = volume > 0.0
    if not inside.any():
        raise DoseError("The region occupies no voxel of the dose map: check that they overlap.")
    order = np.argsort(dose[inside], kind="stable")
    return DoseVolumeHistogram(dose[inside][order], volume[inside][order])
