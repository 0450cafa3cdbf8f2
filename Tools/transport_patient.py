"""The synthetic patient by kernel, local deposition and transport, side by side: the table of Docs/physics.md.

``PYTHONPATH=Tools:PRRTUptake:PRRTDosimetry python -m transport_patient [NUCLIDE] [HISTORIES] [kernel|monte-carlo]``. A
lesion of 15 mm radius at the base of the right lung is added to the phantom; the body's outermost voxels are the skin.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from PRRTDosimetryLib.dose.density_curves import shipped_curve
from PRRTDosimetryLib.dose.density_dose import dose_in_tissues
from PRRTDosimetryLib.dosimetry.patient_density import patient_density
from PRRTDosimetryLib.transport.options import TransportOptions
from PRRTDosimetryLib.transport.transport_dose import transport_dose
from PRRTUptakeLib.imaging.volume import Volume
from PRRTUptakeLib.registration.result import identity_registration
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import LOW_DOSE_CT_GRID, axial_grid, region_labels, tissue_image, voxel_averages
from PRRTUptakeLib.uptake.occupancy import Occupancy
from scipy import ndimage

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid

SEED = 4
GRID = axial_grid((128, 128, 77), (4.8, 4.8, 4.8), np.array([0.0, 0.0, 0.0]))
LESION_RAS_mm, LESION_RADIUS_mm, LESION_MBQ_H_PER_ML = (84.0, -8.0, 100.0), 15.0, 60.0


def patient_maps() -> tuple[Volume, Volume, dict[str, np.ndarray]]:
    """Activity in MBq.h/mL, density in g/mL, and masks [k, j, i] of what is compared."""
    patient = synthetic_patient(SEED)
    truth = {region.name: patient.tia_MBq_h_per_mL(region.name) for region in patient.regions}
    activity = np.asarray(voxel_averages(patient, GRID, truth, supersampling=(2, 2, 2)))
    image = Volume(activity, GRID.ijk_to_ras, "time-integrated activity concentration", "MBq.h/ml")
    ct = tissue_image(patient, LOW_DOSE_CT_GRID, "native_HU")
    density = patient_density(
        ct, image, identity_registration("simulated together"), shipped_curve()
    ).volume.array.copy()
    labels, names = region_labels(patient, GRID), [region.name for region in patient.regions]
    masks = {name: labels == names.index(name) + 1 for name in ("kidney_right", "spleen", "vertebra_L3_marrow")}
    masks["liver"] = (labels == names.index("liver_right") + 1) | (labels == names.index("liver_left") + 1)
    lesion = _ball(GRID)
    activity[lesion], density[lesion] = LESION_MBQ_H_PER_ML, 1.04
    body = ndimage.binary_fill_holes(density > 0.5)
    inner = ndimage.binary_erosion(body)
    inner[[0, -1]] = body[[0, -1]]
    masks |= {"lesion at lung base": lesion, "lung beside it": ndimage.binary_dilation(lesion) & (density < 0.4)}
    masks["skin"] = body & ~inner
    masks["skin"][:15] = masks["skin"][-15:] = False
    return image.with_values(activity), image.with_values(density, units="g/ml"), masks


def _ball(grid: Grid) -> np.ndarray:
    k, j, i = np.mgrid[: grid.shape[0], : grid.shape[1], : grid.shape[2]]
    places = grid.to_ras(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    inside: np.ndarray = np.linalg.norm(places - np.array(LESION_RAS_mm), axis=1) <= LESION_RADIUS_mm
    return inside.reshape(grid.shape)


def main() -> None:
    """Print the table."""
    nuclide = sys.argv[1] if len(sys.argv) > 1 else "Lu-177"
    histories = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    electrons = sys.argv[3] if len(sys.argv) > 3 else "kernel"
    tia, density, masks = patient_maps()
    regions = {}
    for name, mask in masks.items():
        indices = np.flatnonzero(mask)
        regions[name] = Occupancy(name, tia.grid, indices, np.ones(indices.size), np.ones(indices.size, dtype=bool))
    maps = {
        "kernel 1.04 g/mL": dose_in_tissues(tia, nuclide, "kernel"),
        "kernel CT": dose_in_tissues(tia, nuclide, "kernel", density),
        "local CT": dose_in_tissues(tia, nuclide, "local", density),
    }
    wall, processor = time.perf_counter(), time.process_time()
    options = TransportOptions(electrons=electrons, histories=histories)
    made = transport_dose(tia, nuclide, density, options, regions)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    count = made.facts["histories"]
    print(f"{nuclide}, {count} particles, electrons by {electrons}: {wall:.0f} s, {processor:.0f} s CPU\n")
    print("| region | density g/mL | " + " | ".join(maps) + " | transport | u % |")
    print("| --- " * (len(maps) + 4) + "|")
    for name, one in regions.items():
        means = [float(one.values(dose).mean()) for dose in maps.values()]
        mean, u = made.regions[name]
        cells = [f"{value:.4g}" for value in (float(one.values(density).mean()), *means, mean)]
        print(f"| {name} | " + " | ".join(cells) + f" | {100 * u / mean:.1f} |")


if __name__ == "__main__":
    main()
