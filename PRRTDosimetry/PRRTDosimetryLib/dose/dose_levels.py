"""D98, D50 and D2 of a region without the noise of its voxels, with the pattern sharpened, and how noise moves them.

Noise widens a histogram: D98 comes out too low and D2 too high, the more the noisier the voxels, and blur moves both
towards what is around. Voxels' doses have the variance of the true doses and that of the noise, so that the deviations
from the mean are scaled to the former (exact for normal distributions, and where the region is uniform). A level is the
mean of the noise over the voxels whose doses the noise can exchange with it; these count by independent cells, since
noise of neighbouring voxels is alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from PRRTDosimetryLib.dose.dvh import dose_volume_histogram

PERCENTS = (98, 50, 2)
_FWHM_PER_SIGMA = 2.354820


@dataclass(frozen=True)
class DoseLevel:
    """One level of a region's histogram.

    Attributes
    ----------
    measured_Gy : as the map has it.
    noiseless_Gy : without the width that noise adds.
    sharp_Gy : the same after region-based voxel-wise correction for partial volume; nan where that is not there.
    noise_u : relative standard uncertainty of the level by the voxels' noise.
    """

    measured_Gy: float
    noiseless_Gy: float
    sharp_Gy: float
    noise_u: float


@dataclass(frozen=True, eq=False)
class VoxelDoses:
    """Doses of a region's voxels, all of shape (n,).

    Attributes
    ----------
    dose_Gy, volume_mL : dose, and volume of the region in the voxel.
    relative_u : standard uncertainty of a voxel by noise, over its dose.
    sharpening : factor of the region-based voxel-wise correction; None where there is none.
    """

    dose_Gy: np.ndarray
    volume_mL: np.ndarray
    relative_u: np.ndarray
    sharpening: np.ndarray | None = None


def noise_cell_mL(fwhm_mm: float, spacing_mm: tuple[float, float, float]) -> float:
    """Volume over which noise counts as one: the integral of its correlation, 2 sqrt(pi) sigma along each axis.

    ``fwhm_mm`` is that of the Gaussian that made white noise alike; the cell is a voxel at least.
    """
    width = 2.0 * math.sqrt(math.pi) * fwhm_mm / _FWHM_PER_SIGMA
    return math.prod(max(width, edge) for edge in spacing_mm) / 1000.0


def dose_levels(voxels: VoxelDoses, cell_mL: float) -> dict[int, DoseLevel]:
    """The levels of PERCENTS.

    Raises
    ------
    DoseError
        If the region is empty, or a dose is missing.
    """
    measured = dose_volume_histogram(voxels.dose_Gy, voxels.volume_mL)
    u_Gy = np.nan_to_num(voxels.relative_u, nan=0.0, posinf=0.0) * voxels.dose_Gy
    quiet = dose_volume_histogram(_without_noise(voxels.dose_Gy, u_Gy, voxels.volume_mL, cell_mL), voxels.volume_mL)
    sharp = None
    if voxels.sharpening is not None:
        values, noise = voxels.dose_Gy * voxels.sharpening, u_Gy * voxels.sharpening
        sharp = dose_volume_histogram(_without_noise(values, noise, voxels.volume_mL, cell_mL), voxels.volume_mL)
    found = {}
    for percent in PERCENTS:
        level = measured.dose_at_volume_Gy(percent)
        found[percent] = DoseLevel(
            level,
            quiet.dose_at_volume_Gy(percent),
            sharp.dose_at_volume_Gy(percent) if sharp is not None else math.nan,
            _noise_of_level(level, voxels, u_Gy, cell_mL),
        )
    return found


def _without_noise(dose_Gy: np.ndarray, u_Gy: np.ndarray, volume_mL: np.ndarray, cell_mL: float) -> np.ndarray:
    """Doses (n,) with their deviations from the mean scaled to the variance that noise leaves to the truth, above 0."""
    share = volume_mL / volume_mL.sum()
    mean = float(share @ dose_Gy)
    variance = float(share @ (dose_Gy - mean) ** 2)
    cells = max(1.0, float(volume_mL.sum()) / cell_mL)
    noise = float(share @ u_Gy**2) * (1.0 - 1.0 / cells)
    scale = math.sqrt(max(0.0, 1.0 - noise / variance)) if variance > 0 else 0.0
    return np.asarray(np.maximum(mean + scale * (dose_Gy - mean), 0.0))


def _noise_of_level(level_Gy: float, voxels: VoxelDoses, u_Gy: np.ndarray, cell_mL: float) -> float:
    """Relative uncertainty: noise there, averaged over the voxels within one standard deviation of the level."""
    if not level_Gy > 0:
        return 0.0
    near = np.abs(voxels.dose_Gy - level_Gy) <= u_Gy
    volume = voxels.volume_mL[near]
    if not volume.sum() > 0:
        return 0.0
    u = math.sqrt(float(volume @ u_Gy[near] ** 2) / float(volume.sum()))
    return u / level_Gy / math.sqrt(max(1.0, float(volume.sum()) / cell_mL))
