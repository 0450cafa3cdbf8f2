"""The activity of the red marrow by lumbar vertebrae: its interval holds the truth of synthetic patients.

Patients, camera and errors are those of `partial_volume_study`; marrow and bone have an uptake of their own in each
patient. What is looked for is the activity of the marrow of L2 to L4, of which the core without 3 mm is measured.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from builders import partial_volume_study as study
from PRRTDosimetryLib.dosimetry.red_marrow import Core, activities_of_marrow, with_marrow
from PRRTDosimetryLib.dosimetry.regions import Region
from PRRTDosimetryLib.uncertainty.chain import ChainInputs, ChainResult
from PRRTUptakeLib.segmentation.organs import marrow
from PRRTUptakeLib.synthetic.simulation import CONTRAST_CT_GRID, SPECT_GRID, random_posture
from PRRTUptakeLib.uptake.noise import image_noise
from PRRTUptakeLib.uptake.occupancy import occupancy
from PRRTUptakeLib.uptake.region_uptake import PartialVolumeSettings, region_uptakes

pytestmark = pytest.mark.slow

LEVELS = (2, 3, 4)
NAMES = tuple(f"vertebrae_L{level}" for level in LEVELS)
PATIENTS = 16
SEGMENTS = {
    f"vertebrae_L{level}": tuple(f"vertebra_L{level}_{part}" for part in ("process", "cortex", "marrow"))
    for level in range(1, 6)
} | {"marrow": tuple(f"vertebra_L{level}_marrow" for level in LEVELS)}


def cycle_of(index):
    """Images of a patient's cycle, the cores measured in them, the true time-integrated activity, and the patient."""
    patient, size, rng = study.patient_of(index, seed=11)
    width = study.FWHM_mm * math.exp(study.FWHM_u * rng.standard_normal())
    gain = math.exp(study.CALIBRATION_u * rng.standard_normal())
    settings = PartialVolumeSettings(
        mode="gtm",
        fwhm_mm=study.FWHM_mm,
        fwhm_u=study.FWHM_u,
        contour_mm=study.CONTOUR_mm,
        own_contours=True,
        draws=study.DRAWS,
    )
    images, cores = [], []
    for time_h in study.TIMES_h:
        posture = random_posture(rng, 8.0, 0.0, 4.0)
        image = study.spect(patient, size, time_h, posture, width, rng)
        image = replace(image, array=image.array * gain)
        masks = study.masks_of(patient, size, posture, SEGMENTS)
        marrow_mL = masks.pop("marrow").voxel_count * CONTRAST_CT_GRID.voxel_volume_mL
        core = marrow(CONTRAST_CT_GRID, [masks[name] for name in NAMES], 3.0)
        shift, surface = study.PLACE_mm * rng.standard_normal(3), study.CONTOUR_mm * rng.standard_normal()
        placed = {
            name: occupancy(mask, CONTRAST_CT_GRID, SPECT_GRID, study.off(mask, shift, surface))
            for name, mask in {**masks, "core": core}.items()
        }
        inside = placed.pop("core")
        noise = image_noise(image, occupancy(study.healthy_liver(masks), CONTRAST_CT_GRID, SPECT_GRID))
        images.append(region_uptakes(image, list(placed.values()), settings, noise=noise, name=f"{time_h:g}h"))
        measured = float(inside.fraction @ inside.values(image)) * SPECT_GRID.voxel_volume_mL * 1e-6
        cores.append(Core(measured, inside.volume_mL, NAMES))
    return images, cores, patient.tia_MBq_h_per_mL("vertebra_L3_marrow") * marrow_mL, patient


def found_of(index):
    """By mode: reported over true activity, and its interval over the truth."""
    images, cores, truth, patient = cycle_of(index)
    points = activities_of_marrow(images, cores)
    found = {}
    for mode in ("none", "gtm"):
        values = tuple(one.corrected if mode == "gtm" else one.measured for one in points)
        integral = study.KnownKinetics("vertebra_L3_marrow", patient, values)
        corrected = frozenset({"marrow"} if mode == "gtm" else ())
        inputs = ChainInputs(
            study.CALIBRATION_u, 0.0, 0.0, 0.05, 1.0, 1.0, study.FWHM_mm, False, {"marrow": points}, corrected
        )
        empty = ChainResult({}, np.eye(1), s_value=np.zeros(study.DRAWS))
        generators = np.random.default_rng(1), np.random.default_rng(2)
        regions = {"marrow": Region("vertebrae")}
        drawn = with_marrow(empty, {"marrow": integral}, regions, inputs, generators).tias["marrow"]
        known = drawn.result(mode == "gtm")
        found[mode] = (known.value / truth, known.lower / truth, known.upper / truth)
    return found


@pytest.fixture(scope="module")
def found():
    rows = [found_of(index) for index in range(PATIENTS)]
    return {mode: np.array([row[mode] for row in rows]) for mode in ("none", "gtm")}


@pytest.mark.parametrize("mode", ["none", "gtm"])
def test_intervals_hold_the_true_activity(found, mode):
    _, low, high = found[mode].T
    assert np.mean((low <= 1) & (high >= 1)) >= 0.90


def test_corrected_activity_is_right_and_the_uncorrected_low(found):
    assert found["none"][:, 0].mean() < 0.75
    assert found["gtm"][:, 0].mean() == pytest.approx(1, abs=0.12)
    assert np.median(found["gtm"][:, 2] - found["gtm"][:, 1]) < 1.0
