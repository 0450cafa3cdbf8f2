"""Synthetic patients of each design on coarse grids, with their segments as DICOM SEG: quick to make and to measure."""

from __future__ import annotations

import json
from unittest.mock import patch

import numpy as np
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.export.dicom_objects import save_object
from PRRTUptakeLib.export.dicom_seg import segmentation_object
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.segmentation.label_matching import recognise, with_matches
from PRRTUptakeLib.study.images import contour_series
from PRRTUptakeLib.synthetic import cases, session
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import axial_grid

GRIDS = {
    "SPECT_GRID": axial_grid((64, 64, 40), (9.6, 9.6, 9.6), np.zeros(3)),
    "CONTRAST_CT_GRID": axial_grid((96, 96, 52), (4.0, 4.0, 6.0), np.array([0.0, 0.0, -12.0])),
    "LOW_DOSE_CT_GRID": axial_grid((80, 80, 48), (6.0, 6.0, 8.0), np.zeros(3)),
    "PET_GRID": axial_grid((64, 64, 52), (8.0, 8.0, 6.0), np.array([0.0, 0.0, -12.0])),
    "MR_GRID": axial_grid((102, 92, 51), (4.0, 4.0, 6.0), np.array([0.0, 0.0, -8.0])),
}
PLANS = [LesionPlan(40.0, "left", 1.1), LesionPlan(36.0, "right", 1.0), LesionPlan(30.0, "none", 1.0)]


def _few_lesions(seed):
    """Lesions that are large enough for coarse voxels."""
    return synthetic_patient(seed, lesions=PLANS)


WRITERS = {
    "lutia": lambda folder: cases.write_synthetic_lutia(folder, noise=False, patient=_few_lesions(4)),
    "single-arm": lambda folder: cases.write_synthetic_single_arm(
        folder, times_h=(24.0, 96.0), moving=False, noise=False, patient=_few_lesions(3)
    ),
    "ia-versus-iv": lambda folder: cases.write_synthetic_ia_versus_iv(folder, seed=5, moving=False, noise=False),
}


def write_coarse(kind, folder):
    """Write a patient, whose case file names a SEG object per drawn visit; returns its path."""
    with (
        patch.multiple(session, **GRIDS),
        patch.multiple(cases, **{name: grid for name, grid in GRIDS.items() if hasattr(cases, name)}),
    ):
        case = WRITERS[kind](folder)
    content = json.loads(case.read_text(encoding="utf-8"))
    made = {}
    for visit in content["visits"]:
        masks = visit["segments"]
        if masks not in made:
            made[masks] = _as_object(case.parent, visit)
        visit["segments"] = made[masks]
    case.write_text(json.dumps(content), encoding="utf-8")
    return case


def _as_object(folder, visit):
    drawn = read_segment_folder(folder / visit["segments"])
    drawn = with_matches(drawn, recognise([one.name for one in drawn]))
    image = contour_series(find_series(folder / visit["dicom"]), drawn.grid)
    name = f"{visit['visit']}-segments/SEG.dcm"
    save_object(segmentation_object(drawn, image), folder / name)
    return name
