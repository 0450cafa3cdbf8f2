"""How much of a region's contrast its mean keeps, given its own shape, the voxel size and the resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.uptake.recovery import FWHM_PER_SIGMA, RecoveryError

if TYPE_CHECKING:
    from PRRTUptakeLib.uptake.occupancy import Occupancy


def border_recovery(region: Occupancy) -> float:
    """Contrast kept where no blur acts: border voxels mix region and surroundings.

    A voxel occupied by the fraction f shows f T + (1 - f) B; weighted by f, the mean over the region keeps
    sum(f^2) / sum(f) of the contrast T - B. Dimensionless, 0 to 1.
    """
    return float(region.fraction @ region.fraction / region.fraction.sum())


def shape_recovery(region: Occupancy, fwhm_mm: float) -> float:
    """Contrast kept under Gaussian resolution, from the region's own shape in uniform surroundings.

    With f the occupied fraction of each voxel and G f its image after blur, the mean over the region keeps
    sum(f G f) / sum(f) of the contrast. Neighbouring hot structures are not accounted for.

    Parameters
    ----------
    region : the region on the image's grid.
    fwhm_mm : full width at half maximum of the resolution, isotropic; 0 gives `border_recovery`.

    Raises
    ------
    RecoveryError
        If ``fwhm_mm`` is negative.
    """
    if fwhm_mm < 0:
        raise RecoveryError(f"The resolution (FWHM) must not be negative, but is {fwhm_mm} mm.")
    spacing_kji = np.array(region.grid.spacing_mm[::-1])
    sigma = fwhm_mm / FWHM_PER_SIGMA / spacing_kji
    margin = np.ceil(4 * sigma).astype(int) + 1
    where = np.array(np.unravel_index(region.indices, region.grid.shape))
    low = where.min(axis=1) - margin
    box = np.zeros(where.max(axis=1) + margin + 1 - low)
    inside = tuple(where - low[:, None])
    box[inside] = region.fraction
    blurred = ndimage.gaussian_filter(box, sigma, mode="constant")
    return float(region.fraction @ blurred[inside] / region.fraction.sum())
