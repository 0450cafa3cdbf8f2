"""Dose maps in tissues of several densities, and how far they can be trusted where electrons reach far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import ndimage

from PRRTDosimetryLib.dose.density import (
    AIR_BELOW_g_per_mL,
    SOFT_TISSUE_g_per_mL,
    SOFT_TISSUE_RANGE_g_per_mL,
    scaled_to_density,
)
from PRRTDosimetryLib.dose.dose_map import kernel_dose, local_dose
from PRRTDosimetryLib.dose.point_kernel import point_kernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.occupancy import Occupancy

LONG_RANGE_mm = 2.0
"""Radius of 90 % of the electron energy in water from which a border with lung or bone matters in SPECT voxels: below
are 177Lu, 161Tb, 131I, 111In, 18F and 64Cu (1 mm at most), above are 90Y, 68Ga and 166Ho (4 to 5.5 mm)."""
_LEAST_SHARE = 0.02  # of a region beside lung or bone that is worth a warning


def dose_in_tissues(tia: Volume, nuclide: str, method: str, density: Volume | float = SOFT_TISSUE_g_per_mL) -> Volume:
    """Dose map in Gy by voxel S-values ("kernel") or local deposition ("local"), in one density or that of a CT.

    With a density map the electrons' dose is scaled to it (see `scaled_to_density`), the photons' is not.

    Raises
    ------
    PRRTError
        If the maps do not fit, or the nuclide has no kernel.
    """
    if not isinstance(density, (int, float)):
        if method == "local":
            return scaled_to_density(local_dose(tia, nuclide), density)
        electrons = scaled_to_density(kernel_dose(tia, nuclide, radiation="electrons"), density)
        if point_kernel(nuclide, "photons").emitted_keV < 0.1:
            return electrons
        photons = kernel_dose(tia, nuclide, radiation="photons")
        words = "voxel S-values, electrons scaled to the density of CT, photons of 1.04 g/mL"
        provenance = {**electrons.provenance, "dose method": words}
        return electrons.with_values(electrons.array + photons.array, provenance=provenance)
    return local_dose(tia, nuclide, density) if method == "local" else kernel_dose(tia, nuclide, density)


def density_doubts(nuclide: str, density: Volume, regions: Mapping[str, Occupancy]) -> list[str]:
    """Sentences on regions that are in, or within the electrons' reach of, lung or bone, for nuclides that reach far.

    There scaling by density is wrong by 5 to 20 % at lung and 2 to 5 % at bone for 90Y, and a voxel of lung that gets
    its dose from a hot neighbour comes out up to three times too high (Docs/physics.md). None for nuclides whose
    electrons stay within a millimetre: their error is 0.5 to 2 %.
    """
    reach_mm = point_kernel(nuclide, "electrons").reach_mm(0.9)
    if reach_mm < LONG_RANGE_mm:
        return []
    name = point_kernel(nuclide, "electrons").nuclide
    least, most = SOFT_TISSUE_RANGE_g_per_mL
    value = density.array
    found = []
    for tissue, there, error in (
        (
            "lung",
            (value >= AIR_BELOW_g_per_mL) & (value < least),
            "5 to 20 %, and by up to three times in lung beside a hot region",
        ),
        ("bone", value > most, "2 to 5 %"),
    ):
        if not there.any():
            continue
        near = ndimage.distance_transform_edt(~there, sampling=density.spacing_mm[::-1]) <= reach_mm
        for region, one in regions.items():
            share = float(one.fraction @ near.reshape(-1)[one.indices] / one.fraction.sum())
            if share > _LEAST_SHARE:
                found.append(
                    f"{share:.0%} of '{region}' is {tissue} or within {reach_mm:.1f} mm of it, the reach of {name}'s "
                    f"electrons; a dose map by kernel or local deposition errs there by {error}: choose transport with "
                    "electrons by Monte Carlo."
                )
    return found
