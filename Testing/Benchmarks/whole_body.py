"""A patient with two whole-body PET/CT, after infusion into the artery and into a vein, larger than the demo's.

``python Testing/Benchmarks/whole_body.py FOLDER [--size 0.5]``: CT 512 x 512 x 600 and PET 400 x 400 x 600 (at size 1),
1.2 m of a body whose abdomen is that of the synthetic patient; liver, lesions, organs and vertebrae are drawn on the CT
of the first visit and come to the second by registration. Both builds of a comparison read the same files.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.dicom.writing import write_ct
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.synthetic.cases import two_injections
from PRRTUptakeLib.synthetic.pet_writing import write_pet
from PRRTUptakeLib.synthetic.segments import write_segments
from PRRTUptakeLib.synthetic.session import LOW_DOSE_CT_NOISE_HU, PET_BED_TIME, Session, radiopharmaceutical
from PRRTUptakeLib.synthetic.simulation import (
    PET_FWHM_mm,
    activity_image,
    axial_grid,
    random_posture,
    tissue_image,
)
from PRRTUptakeLib.synthetic.truth import lobe_plane

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH_mm, IN_PLANE_mm = 1200.0, 700.0
CT_SIZE, PET_SIZE, SLICES = 512, 400, 600
LEFT_OUT = ("aorta", "portal_vein_and_splenic_vein", *(f"vertebrae_L{n}" for n in (1, 2, 3, 5)))  # not measured
_SIMULATED_mm = 560.0  # the phantom ends at 640 mm; further slices repeat the last
_PET_NOISE = 0.1


def write_whole_body(folder: Path, size: float = 1.0, seed: int = 1) -> Path:
    """Write the patient and return its case file; ``size`` is the part of the full matrix along each axis."""
    visits = []
    for patient, name in zip(two_injections(seed, 0, None), ("IA", "IV"), strict=True):
        posture = random_posture(patient.random(f"posture {name}"), 12.0, 3.0, 5.0)
        session = Session(patient, name, 1.0, posture)
        ct_grid, pet_grid = (_grid(round(edge * size), round(SLICES * size)) for edge in (CT_SIZE, PET_SIZE))
        _write_images(session, ct_grid, pet_grid, folder / name / "DICOM")
        visit = {"visit": name, "cycle": 1, "dicom": f"{name}/DICOM", "route": patient.injection.route}
        if visits:
            visits.append({**visit, "drawn_on": "IA"})
        else:
            write_segments(patient, ct_grid, folder / name / "segments", posture, lesions_apart=True)
            for segment in LEFT_OUT:
                (folder / name / "segments" / f"{segment}.nii.gz").unlink()
            visits.append({**visit, "segments": f"{name}/segments", "lobe_plane": lobe_plane(posture)})
    case = folder / "case.json"
    content = {"patient": patient.patient_id, "protocol": "ia-versus-iv", "visits": visits}
    case.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return case


def _grid(edge: int, slices: int) -> Grid:
    spacing = (IN_PLANE_mm / edge, IN_PLANE_mm / edge, LENGTH_mm / slices)
    return axial_grid((edge, edge, slices), spacing, np.zeros(3))


def _write_images(session: Session, ct_grid: Grid, pet_grid: Grid, folder: Path) -> None:
    patient, posture = session.patient, session.posture
    random = patient.random(f"whole-body noise {session.visit}")
    noise_HU = LOW_DOSE_CT_NOISE_HU * (ct_grid.shape[0] / SLICES) ** 1.5  # larger voxels have less
    ct = _lengthened(ct_grid, lambda part: tissue_image(patient, part, "native_HU", posture=posture))
    for plane in ct.array:
        plane += noise_HU * random.standard_normal(plane.shape, dtype=np.float32)
    write_ct(ct, folder, session.series(3, "CT whole body", -5))
    pet = _lengthened(pet_grid, lambda part: _activity(session, part))
    for plane in pet.array:  # noise of a reconstructed image: a part of the mean and of the square root
        plane *= np.maximum(1.0 + _PET_NOISE * random.standard_normal(plane.shape, dtype=np.float32), 0.0)
    drug = radiopharmaceutical(patient)
    write_pet(pet, folder, session.series(5, "PET whole body AC"), drug, bed_time=PET_BED_TIME, beds=6)


def _activity(session: Session, grid: Grid) -> Volume:
    return activity_image(session.patient, grid, session.time_h, fwhm_mm=PET_FWHM_mm, posture=session.posture)


def _lengthened(grid: Grid, simulated: Callable[[Grid], Volume]) -> Volume:
    """An image of the middle of a grid, its end slices repeated to the ends of the grid."""
    slices, rows, columns = grid.shape
    thickness = grid.spacing_mm[2]
    count = min(slices, 2 * round(_SIMULATED_mm / thickness / 2) + slices % 2)
    missing = (slices - count) // 2
    part = simulated(
        axial_grid((columns, rows, count), grid.spacing_mm, grid.to_ras(np.array(grid.shape[::-1]) / 2 - 0.5))
    )
    array = np.pad(part.array, ((missing, missing), (0, 0), (0, 0)), mode="edge")
    return Volume(array, grid.ijk_to_ras, part.quantity, part.units, part.reference_time)


def main() -> None:
    """Write the patient to a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=float, default=1.0, help="part of the full matrix along each axis (default: 1)")
    chosen = parser.parse_args()
    print(write_whole_body(chosen.folder, chosen.size))


if __name__ == "__main__":
    main()
