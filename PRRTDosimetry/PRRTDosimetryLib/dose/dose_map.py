"""Absorbed dose in every voxel from a map of time-integrated activity, on the image's own grid."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.vocabulary import TIA_UNITS

from PRRTDosimetryLib.dose.convolution import EvenKernel
from PRRTDosimetryLib.dose.density import SOFT_TISSUE_g_per_mL
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import DECAYS_PER_MBQ_H, GY_PER_KEV_PER_G, point_kernel
from PRRTDosimetryLib.dose.spheres import require_positive
from PRRTDosimetryLib.dose.voxel_kernel import voxel_kernel

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

DOSE_UNITS = "Gy"


def kernel_dose(
    tia: Volume,
    nuclide: str,
    density_g_per_mL: float = SOFT_TISSUE_g_per_mL,
    radiation: str = "all",
    range_mm: float | None = None,
) -> Volume:
    """Dose map in Gy: time-integrated activity convolved with the voxel S-values of its own spacing.

    Parameters
    ----------
    tia : time-integrated activity concentration in MBq.h/mL, at least 0 everywhere.
    density_g_per_mL : of the tissue, the same everywhere; see ``density.scaled_to_density`` for the patient's own.
    radiation : one of ``point_kernel.RADIATIONS``.
    range_mm : reach of the kernel; None for the whole image. Activity outside the image is taken to be none.

    Raises
    ------
    DoseError
        If the map has another unit, negative or missing values, or axes that are not at right angles.
    DoseError
        If the nuclide has no kernel or the density or range is not positive.
    """
    require_tia(tia)
    require_right_angles(tia)
    reach = 1e6 if range_mm is None else range_mm
    require_positive("range of the kernel", reach, "mm")
    kernel = _prepared(
        point_kernel(nuclide, radiation).nuclide, tia.spacing_mm, density_g_per_mL, radiation, reach, tia.array.shape
    )
    per_voxel = tia.grid.voxel_volume_mL * 3.6  # MBq.h/mL and mGy/(MBq s) to Gy: mL a voxel, 3600 s/h, 1/1000
    dose = kernel.convolve(tia.array)
    dose *= np.float32(per_voxel)
    np.maximum(dose, 0.0, out=dose)  # rounding of the transforms, some 1e-7 of the maximum
    method = f"{radiation} voxel S-values, {density_g_per_mL:g} g/mL"
    return _dose(tia, dose, nuclide, method)


def local_dose(tia: Volume, nuclide: str, density_g_per_mL: float = SOFT_TISSUE_g_per_mL) -> Volume:
    """Dose map in Gy if all electrons give up their energy in the voxel of their decay and no photon does.

    For 177Lu 0.0853 Gy g/(MBq h); right where voxels, and still more the blur of the image, are wide beside the range
    of the electrons, less right beside hot regions, whose photons are missing.

    Raises
    ------
    DoseError
        If the map has another unit, or negative or missing values.
    """
    require_tia(tia)
    require_positive("density", density_g_per_mL, "g/mL")
    dose = tia.array * np.float32(local_dose_factor(nuclide) / density_g_per_mL)
    return _dose(tia, dose, nuclide, f"local deposition of electrons, {density_g_per_mL:g} g/mL")


def local_dose_factor(nuclide: str) -> float:
    """Dose of locally absorbed electrons, in Gy g/(MBq h).

    Examples
    --------
    >>> round(local_dose_factor("Lu-177"), 4)
    0.0853
    """
    return point_kernel(nuclide, "electrons").emitted_keV * GY_PER_KEV_PER_G * DECAYS_PER_MBQ_H


@lru_cache(maxsize=2)
def _prepared(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    density_g_per_mL: float,
    radiation: str,
    range_mm: float,
    shape: tuple[int, int, int],
) -> EvenKernel:
    """The transform of a kernel, kept for the next map of the same shape (cycles, doses of several curves)."""
    kernel = voxel_kernel(nuclide, spacing_mm, density_g_per_mL, radiation, range_mm=range_mm, largest=shape)
    return EvenKernel.from_octant(kernel.octant_mGy_per_MBq_s, shape)


def _dose(tia: Volume, dose_Gy: np.ndarray, nuclide: str, method: str) -> Volume:
    provenance = {**tia.provenance, "nuclide": nuclide, "dose method": method}
    return tia.with_values(
        dose_Gy, quantity="absorbed dose", units=DOSE_UNITS, reference_time=None, provenance=provenance
    )


def require_tia(tia: Volume) -> None:
    """Refuse what is no map of time-integrated activity with a number of at least 0 in every voxel."""
    if tia.units != TIA_UNITS:
        raise DoseError(f"A dose map needs time-integrated activity in {TIA_UNITS}, but this map has '{tia.units}'.")
    missing = tia.array.size - int(np.count_nonzero(np.isfinite(tia.array)))
    if missing:
        raise DoseError(f"{missing} voxels of the time-integrated activity have no number: fill or crop them first.")
    negative = int(np.count_nonzero(tia.array < 0.0))
    if negative:
        raise DoseError(
            f"{negative} voxels of the time-integrated activity are negative, down to {tia.array.min():g} {TIA_UNITS}: "
            "check the fits or the image that they came from."
        )


def require_right_angles(tia: Volume) -> None:
    """Refuse sheared grids."""
    axes = tia.ijk_to_ras[:3, :3] / np.array(tia.spacing_mm)
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if skew > 1e-3:
        raise DoseError("The voxel axes are not at right angles (a tilted gantry?): resample the map first.")
