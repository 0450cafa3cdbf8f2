"""Emission image, CT and liver of one session of the synthetic patient, as the checks of a session get them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.phantom_uptake import uptake_table
from PRRTUptakeLib.synthetic.simulation import (
    CONTRAST_CT_GRID,
    LOW_DOSE_CT_GRID,
    PET_GRID,
    SPECT_GRID,
    PET_FWHM_mm,
    PoissonNoise,
    Posture,
    activity_image,
    random_posture,
    region_labels,
    tissue_image,
)


@cache
def session(kind, seed, breathing_mm=0.0):
    """Emission image, CT and liver of one session; with breathing the emission is the mean over the cycle."""
    patient = synthetic_patient(seed)
    random = patient.random(f"session check {kind}")
    posture = Posture() if kind == "lutia" else random_posture(random, 10.0, 5.0, 4.0)
    grid, fwhm, time_h = SPECT_GRID, 12.0, 24.0
    noise = PoissonNoise(random)
    if kind == "late":
        time_h = 168.0
    if kind == "pet":
        patient = patient.after(replace(patient.injection, table=uptake_table("Ga-68"), activity_MBq=150.0))
        grid, fwhm, time_h, noise = PET_GRID, PET_FWHM_mm, 1.0, PoissonNoise(random, 6000.0, 180.0)
    phases = np.linspace(-breathing_mm, breathing_mm, 3) if breathing_mm else [0.0]
    images = [
        activity_image(
            patient, grid, time_h, fwhm_mm=fwhm, posture=replace(posture, breathing_mm=posture.breathing_mm + phase)
        )
        for phase in phases
    ]
    mean = np.mean([one.array for one in images], axis=0)
    emission = images[0].with_values(noise.apply(mean, grid.voxel_volume_mL))
    contrast = kind == "lutia"
    ct_grid = CONTRAST_CT_GRID if contrast else LOW_DOSE_CT_GRID
    look, noise_HU = ("contrast_HU", 12.0) if contrast else ("native_HU", 25.0)
    ct = tissue_image(patient, ct_grid, look, noise_sd=noise_HU, random=random, posture=posture)
    names = [region.name for region in patient.regions]
    parts = [n + 1 for n, name in enumerate(names) if name.startswith(("liver_", "lesion_"))]
    return emission, ct, np.isin(region_labels(patient, ct_grid, posture), parts)
