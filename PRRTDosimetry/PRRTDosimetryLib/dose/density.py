"""Mass density from CT, and what it changes in a dose map of soft tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.errors import DoseError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

SOFT_TISSUE_g_per_mL = 1.04  # ICRP Publication 23 (1975), soft tissue
SOFT_TISSUE_RANGE_g_per_mL = (
    0.90,
    1.20,
)  # adipose tissue to enhanced organs; neither lung nor bone
HOUNSFIELD_UNITS = "[hnsf'U]"
DENSITY_UNITS = "g/ml"
# Schneider, Bortfeld and Schlegel, Phys Med Biol 2000;45:459, doi:10.1088/0031-9155/45/2/314, equations 21 to 25.
_HOUNSFIELD = np.array([-1000.0, -98.0, 14.0, 23.0, 100.0, 101.0, 3000.0])  # soft tissue ends and bone starts at 100
_DENSITY = np.array([0.00121, 0.930, 1.0305, 1.030, 1.1199, 1.0768, 2.793])


def density_from_ct(ct: Volume) -> Volume:
    """Mass density in g/mL of each voxel of an unenhanced CT in Hounsfield units.

    Iodine raises the Hounsfield value without raising the density: use the CT of the SPECT/CT, not a contrast phase.

    Raises
    ------
    DoseError
        If the volume is not in Hounsfield units or holds values that are not finite.
    """
    if ct.units != HOUNSFIELD_UNITS:
        raise DoseError(f"Density needs a CT in Hounsfield units, but this volume has the unit '{ct.units}'.")
    if not np.isfinite(ct.array).all():
        raise DoseError("The CT holds values that are not finite: load it again or crop it.")
    density = np.interp(ct.array, _HOUNSFIELD, _DENSITY)
    return ct.with_values(density, quantity="mass density", units=DENSITY_UNITS)


def scaled_to_density(dose: Volume, density: Volume, reference_g_per_mL: float = SOFT_TISSUE_g_per_mL) -> Volume:
    """Scale a dose map that was computed for ``reference_g_per_mL`` by reference over local density, in soft tissue.

    Right where ranges are short beside the extent of the tissue (Dieudonne et al., J Nucl Med 2013;54:236,
    doi:10.2967/jnumed.112.105825). Lung, air and bone keep the dose of the reference density: there the density
    changes over the range of the electrons, and the scaling would be wrong by more than it mends.

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
    least, most = SOFT_TISSUE_RANGE_g_per_mL
    soft = (density.array >= least) & (density.array <= most)
    factor = np.ones(dose.array.shape, dtype=np.float32)
    np.divide(np.float32(reference_g_per_mL), density.array, out=factor, where=soft)
    provenance = {**dose.provenance, "density": "scaled to CT density in soft tissue"}
    return dose.with_values(dose.array * factor, provenance=provenance)
