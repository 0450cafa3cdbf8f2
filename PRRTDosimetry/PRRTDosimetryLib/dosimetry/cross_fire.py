"""Cross-fire: what photons from outside a lesion or organ add to it, from the map of time-integrated activity.

The sphere model of lesions has no surroundings and a phantom has reference distances; the map has the patient's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.convolution import EvenKernel
from PRRTDosimetryLib.dose.density import SOFT_TISSUE_g_per_mL
from PRRTDosimetryLib.dose.dose_map import kernel_dose
from PRRTDosimetryLib.dose.point_kernel import point_kernel
from PRRTDosimetryLib.dose.voxel_kernel import voxel_kernel
from PRRTDosimetryLib.dosimetry.regions import KIDNEYS, KIDNEYS_APART

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.uptake.occupancy import Occupancy

ORGANS = ("liver", "kidney_left", "kidney_right", "spleen")
_LEAST_keV = 0.1  # of photons per decay that are worth a map


def cross_fire_Gy(tia: Volume, nuclide: str, placed: Mapping[str, tuple[Segment, Occupancy]]) -> dict[str, float]:
    """Mean photon dose in Gy from activity outside, of every lesion and of liver, kidneys and spleen, by name.

    Tissue of 1.04 g/mL everywhere. None for nuclides without photons to speak of. Activity in a voxel that a region
    occupies partly counts by that part as its own.
    """
    structures = {segment.structure for segment, _ in placed.values()}
    organs = ORGANS if structures & set(KIDNEYS_APART) else (*ORGANS, KIDNEYS)
    wanted = {
        name: one
        for name, (segment, one) in placed.items()
        if segment.role in ("target", "lesion") or segment.structure in organs
    }
    if not wanted or point_kernel(nuclide, "photons").emitted_keV < _LEAST_keV:
        return {}
    everything = kernel_dose(tia, nuclide, SOFT_TISSUE_g_per_mL, "photons")
    boxes = {name: _box(one) for name, one in wanted.items()}
    sizes = [tuple(part.stop - part.start for part in box) for box in boxes.values()]
    largest = (max(one[0] for one in sizes), max(one[1] for one in sizes), max(one[2] for one in sizes))
    kernel = voxel_kernel(nuclide, tia.spacing_mm, SOFT_TISSUE_g_per_mL, "photons", range_mm=1e6, largest=largest)
    found = {}
    for name, one in wanted.items():
        share = one.full_fraction()[boxes[name]]
        own = EvenKernel.from_octant(kernel.octant_mGy_per_MBq_s, share.shape).convolve(tia.array[boxes[name]] * share)
        own_Gy = own * (tia.grid.voxel_volume_mL * 3.6)  # as in `kernel_dose`
        total = float(one.values(everything) @ one.fraction)
        found[name] = max(0.0, (total - float((own_Gy * share).sum())) / float(one.fraction.sum()))
    return found


def _box(region: Occupancy) -> tuple[slice, slice, slice]:
    """The smallest box of the grid that holds a region."""
    k, j, i = np.unravel_index(region.indices, region.grid.shape)
    return (
        slice(int(k.min()), int(k.max()) + 1),
        slice(int(j.min()), int(j.max()) + 1),
        slice(int(i.min()), int(i.max()) + 1),
    )
