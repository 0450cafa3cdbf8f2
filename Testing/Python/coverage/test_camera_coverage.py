"""A patient with the right camera file: stated intervals hold the true dose; with another camera's numbers they do not.

The camera file's numbers are measured on a synthetic NEMA phantom of the same camera. The study of 20 patients is in
Docs/physics.md; here are a few of them. The warning for another camera is in ``study/test_case_camera.py``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import partial_volume_study as study
from PRRTDosimetryLib.camera.measure import Filled, PhantomScan, factor_of, measure_scan
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.synthetic.camera_phantom_dicom import PhantomPlan, make_scan

ACTIVITY_U, VOLUME_U = 0.03, 0.003
PATIENTS = (0, 1)


def camera_of(index):
    """What a phantom says of a camera of 9 to 14 mm, and how that camera is."""
    fwhm_mm = float(np.random.default_rng([17, index]).uniform(9, 14))
    plan = PhantomPlan(
        seed=index,
        spacing_mm=4.8,
        fwhm_mm=fwhm_mm,
        activity_u=ACTIVITY_U,
        volume_u=VOLUME_U,
        zoom=1.25,
        length_mm=100.0,
    )
    made = make_scan(plan)
    left = 2.0 ** (-3.0 / nuclide(plan.nuclide).half_life_h)  # filled 3 h before the image
    levels = {name: one["activity_MBq"] * left / one["volume_mL"] for name, one in made.fills.items()}
    total = made.fills["background"]["activity_MBq"] * left
    total += levels["spheres"] * sum(one.volume_mL for one in made.filled.phantom.spheres)
    filled = Filled(background=levels["background"], sphere=levels["spheres"], total_MBq=total, u_volume=VOLUME_U)
    found = measure_scan(PhantomScan("phantom", made.filled.phantom, made.image, made.ct, filled))
    factor, blur = factor_of([found], ACTIVITY_U, 0.0), found.blur
    stated_u = blur.u_fwhm_mm / blur.fwhm_mm
    return study.Camera(blur.fwhm_mm, stated_u, factor.u_relative, fwhm_mm, plan.factor / factor.factor)


@pytest.mark.slow
def test_the_right_camera_file_holds_the_truth_and_a_wrong_one_does_not():
    cameras = [camera_of(index) for index in PATIENTS]
    rows = [
        row
        for index, camera in zip(PATIENTS, cameras, strict=True)
        for row in study.study_patient(index, camera=camera)
        if row.mode == "gtm" and not row.diameter_mm < 15
    ]
    assert np.mean([row.held for row in rows]) >= 0.85
    assert np.median([row.u for row in rows]) < 0.10  # 15 % of FWHM would be in it without a camera file
    other = replace(cameras[0], stated_mm=0.75 * cameras[0].true_mm, gain=1.2 * cameras[0].gain)
    wrong = [row for row in study.study_patient(0, camera=other) if row.mode == "gtm" and row.region in study.ORGANS]
    assert not any(row.held for row in wrong)
