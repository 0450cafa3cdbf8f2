"""Serial SPECT/CT through ``prrt run``: integrals and doses against the known truth.

The truth of a region is its integral averaged over voxels as the image is: border voxels mix, whatever the kinetics.
"""

from __future__ import annotations

import csv
import importlib
import json
import math

import numpy as np
import pytest
from PRRTDosimetryLib.commands import RUN_CASE, main
from PRRTDosimetryLib.mrml.run import run_case_with_doses
from PRRTUptakeLib.synthetic.cases import write_synthetic_serial
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import SPECT_GRID, voxel_averages

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them

SEED = 2
# Self-dose of spheres of soft tissue, Gy g/(Bq s) = S x mass, rising slowly with mass by the photons' part: from
# 177Lu 4.31 g 5.46e-12 and 116 g 2.07e-13 Gy/(Bq s).
ENERGY_4_G, ENERGY_116_G = 4.31 * 5.46e-12, 116 * 2.07e-13


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    case = write_synthetic_serial(folder / "patient", seed=SEED, moving=False, blur=False, noise=False)
    made = run_case_with_doses(case, folder / "out")
    with (folder / "out" / "measurements.csv").open(encoding="utf-8") as stream:
        found = list(csv.DictReader(stream))
    return folder, found, made.result.visits


def test_the_patients_of_a_cohort_get_doses_too():
    """The workers of ``prrt cohort`` call by name the function that the fixture calls."""
    module, name = RUN_CASE.split(":")
    assert getattr(importlib.import_module(module), name) is run_case_with_doses


@pytest.fixture(scope="module")
def truth(rows):
    """Voxel-averaged integral (MBq h) and volume (mL) of every region, by brute force, mean over the visits."""
    patient = synthetic_patient(SEED)
    per_mL = {region.name: patient.tia_MBq_h_per_mL(region.name) for region in patient.regions}
    image = np.asarray(voxel_averages(patient, SPECT_GRID, per_mL))
    segmentations = [visit.prepared.segmentation for visit in rows[2]]
    return {
        name: tuple(np.mean([_integral_and_volume(image, one, name) for one in segmentations], axis=0))
        for name in values(rows, "tia")
    }


def _integral_and_volume(image, segmentation, name):
    """Every voxel of the segment is cut into 4^3 points that fall into the image's voxels where they fall."""
    segment = segmentation[name]
    steps = (np.arange(4) + 0.5) / 4 - 0.5
    kji = np.argwhere(segment.mask) + segment.origin
    means = []
    for offset in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        index = np.rint(SPECT_GRID.to_ijk(segmentation.grid.to_ras(kji[:, ::-1] + offset))).astype(int)
        means.append(image[index[:, 2], index[:, 1], index[:, 0]].mean())
    volume = segment.voxel_count * segmentation.grid.voxel_volume_mL
    return float(np.mean(means)) * volume, volume


def values(rows, metric):
    return {row["region"]: float(row["value"]) for row in rows[1] if row["metric"] == metric}


def test_integral_of_every_region(rows, truth):
    found = values(rows, "tia")
    assert len(found) >= 16
    for name, tia_MBq_h in found.items():
        assert tia_MBq_h == pytest.approx(truth[name][0], rel=0.02), name


def test_lesion_doses_by_published_spheres(rows, truth):
    doses = values(rows, "dose")
    lesions = {row["region"] for row in rows[1] if row["metric"] == "dose" and row["role"] in ("target", "lesion")}
    assert len(lesions) >= 8
    for name in lesions:
        tia_MBq_h, volume_mL = truth[name]
        mass = volume_mL * 1.05  # liver, ICRP 110
        position = (math.log(mass) - math.log(4.31)) / (math.log(116) - math.log(4.31))
        energy = ENERGY_4_G * (ENERGY_116_G / ENERGY_4_G) ** position
        assert doses[name] == pytest.approx(tia_MBq_h * 3.6e9 * energy / mass, rel=0.03), name


def test_kidney_dose_by_the_self_dose_and_patient_mass(rows, truth):
    """2 kidneys of 310 g have 7.76e-5 mGy/(MBq s): 0.0866 Gy g/(MBq h); cross dose adds a percent or so."""
    doses, masses = values(rows, "dose"), values(rows, "mass")
    for name in ("kidney_left", "kidney_right"):
        tia_MBq_h, _ = truth[name]
        assert doses[name] == pytest.approx(tia_MBq_h * 7.76e-5 * 3.6 * 310 / masses[name], rel=0.03)


def test_report_shows_curves_and_losses(rows):
    page = (rows[0] / "out" / "report.html").read_text(encoding="utf-8")
    for words in ("absorbed dose", "curves", "uncertainty budget", "lost with blur", "not a verdict"):
        assert words in page
    assert page.count("time after injection (h)") >= len(values(rows, "tia"))


def test_settings_of_a_case_are_checked(rows, tmp_path, capsys):
    content = json.loads((rows[0] / "patient" / "case.json").read_text(encoding="utf-8"))
    content["dosimetry"] = {"calibration": 0.05}
    case = rows[0] / "patient" / "wrong.json"
    case.write_text(json.dumps(content), encoding="utf-8")
    assert main(["run", str(case), "-o", str(tmp_path / "out")]) == 1
    assert "unknown key 'calibration'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
