"""Mass density from CT, and what it changes in a dose map that was computed for one density."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.density_curves import DensityCurve, shipped_curve
from PRRTDosimetryLib.dose.errors import DoseError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

SOFT_TISSUE_g_per_mL = 1.04  # ICRP Publication 23 (1975), soft tissue
SOFT_TISSUE_RANGE_g_per_mL = (0.90, 1.20)  # adipose tissue to enhanced organs; neither lung nor bone
AIR_BELOW_g_per_mL = 0.10  # less is air outside the body, in airways or bowel, not lung (0.15 to 0.5)
ENHANCED_MOST_g_per_mL = 1.07  # an organ is no denser, however much iodine brightens it (ICRU Report 46, 1992)
METAL_HOUNSFIELD = 3000.0  # the end of the curves, and of the range of most scanners
HOUNSFIELD_UNITS = "[hnsf'U]"
DENSITY_UNITS = "g/ml"


def density_from_ct(ct: Volume, curve: DensityCurve | None = None, soft_tissue: np.ndarray | None = None) -> Volume:
    """Mass density in g/mL of each voxel of a CT in Hounsfield units.

    Iodine raises the Hounsfield value without raising the density: use the CT of the SPECT/CT, or say which voxels are
    soft tissue. Metal (`METAL_HOUNSFIELD` and more) gets the density of soft tissue, since no dose to tissue is in it.

    Parameters
    ----------
    curve : from Hounsfield values to density; that of Schneider et al. (2000) if None.
    soft_tissue : bool [k, j, i], voxels known to be organs or lesions: no denser than `ENHANCED_MOST_g_per_mL`, so that
        an enhanced liver is not taken for bone. None for none.

    Raises
    ------
    DoseError
        If the volume is not in Hounsfield units or holds values that are not finite.
    """
    if ct.units != HOUNSFIELD_UNITS:
        raise DoseError(f"Density needs a CT in Hounsfield units, but this volume has the unit '{ct.units}'.")
    if not np.isfinite(ct.array).all():
        raise DoseError("The CT holds values that are not finite: load it again or crop it.")
    used = curve or shipped_curve()
    density = used.density(ct.array)
    if soft_tissue is not None:
        density[soft_tissue] = np.minimum(density[soft_tissue], ENHANCED_MOST_g_per_mL)
    density[ct.array >= METAL_HOUNSFIELD] = SOFT_TISSUE_g_per_mL
    provenance = {**ct.provenance, "density curve": used.name, "density curve source": used.source}
    return ct.with_values(density, quantity="mass density", units=DENSITY_UNITS, provenance=provenance)


def metal_mL(ct: Volume) -> float:
    """Volume of the CT's voxels that are metal, around which streaks make densities wrong."""
    return float(np.count_nonzero(ct.array >= METAL_HOUNSFIELD)) * ct.grid.voxel_volume_mL


def scaled_to_density(dose: Volume, density: Volume, reference_g_per_mL: float = SOFT_TISSUE_g_per_mL) -> Volume:
    """Scale a dose map that was computed for ``reference_g_per_mL`` by reference over local density, in all tissues.

    The energy that a voxel absorbs stays, its mass is its own. Deep in a tissue that is exact for electrons: they are
    in equilibrium, whatever the density (Fano, Radiat Res 1954;1:237). At a border with lung or bone it is wrong as
    far as electrons reach (Docs/physics.md has the figures by nuclide). Photons reach farther than tissues are wide,
    and what they leave in a gram hardly depends on its density: do not scale their dose. Air keeps the dose of the
    reference density, since no tissue is there.

    Raises
    ------
    DoseError
        If the density map is on another grid or not in g/mL.
    """
    if density.units != DENSITY_UNITS:
        raise DoseError(f"A density map is in {DENSITY_UNITS}, but this one has the unit '{density.units}'.")
    if not dose.grid.matches(density.grid):
        raise DoseError(
            f"The density map ({density.grid.described()}) and the dose map ({dose.grid.described()}) are on "
            "different grids: resample the CT to the SPECT first."
        )
    factor = np.ones(dose.array.shape, dtype=np.float32)
    np.divide(np.float32(reference_g_per_mL), density.array, out=factor, where=density.array >= AIR_BELOW_g_per_mL)
    provenance = {**dose.provenance, "density": "scaled to the density of CT"}
    return dose.with_values(dose.array * factor, provenance=provenance)
