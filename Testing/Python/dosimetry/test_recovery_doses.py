"""Lesion doses corrected for partial volume: analytic cases, what is refused, a blurred patient against the truth."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PRRTDosimetryLib.dosimetry.dose_rows import Labels, dose_table, recovered_rows
from PRRTDosimetryLib.dosimetry.engine import dosimetry
from PRRTDosimetryLib.dosimetry.recovery_doses import LesionPoints, recovered_doses
from PRRTDosimetryLib.dosimetry.regions import Patient, Region
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.options import Options
from PRRTDosimetryLib.mrml.run import run_case_with_doses
from PRRTDosimetryLib.uncertainty.chain import ChainInputs
from PRRTUptakeLib.report.study_report import study_text
from PRRTUptakeLib.synthetic.cases import write_synthetic_serial
from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve, recovery_curve_from_text
from scipy.ndimage import gaussian_filter

TIMES = np.array([4.0, 24.0, 72.0, 168.0])
VOLUME_mL, HALF_LIFE_h = 6.0, 60.0
COUNTS_u = 0.02
CHAIN = ChainInputs(0.05, COUNTS_u, 0.0, 0.03, 1.0, 1.0, 12.0, False)
OPTIONS = Options(Weights(COUNTS_u, 0.0))
SPHERE = Patient("male", 7400.0, sphere_S_Gy_per_Bq_s=lambda mass_g: 2.4e-11 / mass_g)
LESION = {"L1": Region("lesion", "liver", "left", "L1", "target")}


def phantom(a_mL=VOLUME_mL, b=1.0, u_a_mL=0.0):
    """With a equal to the lesion's volume half is recovered."""
    return RecoveryCurve(a_mL, b, ((u_a_mL**2, 0.0), (0.0, 0.0)), (1.0, 30.0), "a made-up phantom")


def falling(at_zero, half_life_h=HALF_LIFE_h):
    return at_zero * 2 ** (-TIMES / half_life_h)


def uncorrected(mean, model="mono", earlier=None, times=TIMES):
    curve = Curve("L1", tuple(times), tuple(mean * VOLUME_mL * 1e-6), volume_mL=VOLUME_mL)
    if len(times) == 1:
        curve = replace(curve, u_activity_MBq=tuple(COUNTS_u * one for one in curve.activity_MBq))
    return dosimetry([curve], LESION, SPHERE, model, OPTIONS, CHAIN, earlier=earlier)


def points(mean, background):
    return {"L1": LesionPoints(tuple(mean), tuple(background), (VOLUME_mL,) * len(mean), "healthy")}


def corrected(mean, background, curve=None, model="mono"):
    return recovered_doses(uncorrected(mean, model), points(mean, background), curve or phantom(), CHAIN, OPTIONS)


@pytest.mark.parametrize("model", ["auto", "mono", "trapezoid"])
def test_a_constant_recovery_without_background_scales_the_dose(model):
    mean = falling(1e6)
    before = uncorrected(mean, model).regions["L1"]
    after = corrected(mean, 0.0 * mean, model=model).lesions["L1"]
    assert after.dose.dose_Gy == pytest.approx(2 * before.dose_Gy, rel=1e-9)
    assert after.dose.integral.model == before.integral.model
    assert (after.recovery, after.u_recovery) == (0.5, 0.0)


def test_background_of_another_half_life_is_taken_out():
    """The true curve is one exponential, what is seen is not; the corrected dose is that of the true one."""
    true, background = falling(1e6), falling(2e5, 30.0)
    seen = background + 0.5 * (true - background)
    found = corrected(seen, background).lesions["L1"].dose
    tia_MBq_h = 1e6 * VOLUME_mL * 1e-6 * HALF_LIFE_h / math.log(2)
    assert found.dose_Gy == pytest.approx(tia_MBq_h * 3.6e9 * 2.4e-11 / (VOLUME_mL * 1.05), rel=1e-6)
    assert found.integral.curve.activity_MBq == pytest.approx(true * VOLUME_mL * 1e-6)
    assert found.integral.teff_h == pytest.approx(HALF_LIFE_h)


def share(dose, name):
    return next(one.relative_u for one in dose.uncertainty.budget if one.name == name)


def test_budget_of_recovery_and_noise_is_what_repeating_the_calculation_says():
    """Each input moved on its own by its uncertainty, everything calculated anew."""
    background, u_a = falling(2e5), 0.3
    mean = background + 0.5 * (falling(1e6) - background)
    found = corrected(mean, background, phantom(u_a_mL=u_a)).lesions["L1"].dose

    def moved(a_mL=VOLUME_mL, lesion=0.0, healthy=0.0):
        return corrected(mean * (1 + lesion), background * (1 + healthy), phantom(a_mL)).lesions["L1"].dose.dose_Gy

    by_a = (moved(VOLUME_mL + u_a) - moved(VOLUME_mL - u_a)) / 2 / found.dose_Gy
    assert share(found, "recovery") == pytest.approx(by_a, rel=0.01)
    noise = []
    for n in range(len(TIMES)):
        step = COUNTS_u * (np.arange(len(TIMES)) == n)
        noise += [(moved(lesion=step) - moved(lesion=-step)) / 2, (moved(healthy=step) - moved(healthy=-step)) / 2]
    assert share(found, "counts") == pytest.approx(math.hypot(*noise) / found.dose_Gy, rel=0.02)


def test_the_corrected_dose_is_less_certain_and_has_a_row_and_a_column():
    mean = falling(1e6)
    result = uncorrected(mean)
    made = recovered_doses(result, points(mean, 0.1 * mean), phantom(u_a_mL=1.0), CHAIN, OPTIONS)
    before, after = result.regions["L1"], made.lesions["L1"].dose
    assert after.u_dose_Gy / after.dose_Gy > before.u_dose_Gy / before.dose_Gy
    (row,) = recovered_rows(made, result, Labels("P1", "dosimetry", "SPECT"))
    assert (row.region, row.metric, row.unit, row.lesion) == ("L1", "dose_recovery_corrected", "Gy", "L1")
    assert (row.value, row.uncertainty) == (after.dose_Gy, after.u_dose_Gy)
    text = dose_table(result, made)
    assert f"{after.dose_Gy:.3f}" in text
    assert f"{before.dose_Gy:.3f}" in text
    assert "a = 6 ± 1 mL" in text
    assert "a made-up phantom" in text
    assert "corr." not in dose_table(result)


def test_beyond_the_largest_sphere_the_curve_goes_on_and_that_is_reported():
    values = falling(1e6)
    for volume_mL, note in ((30.0, ""), (60.0, "Larger than the phantom's 30 mL, the curve continued: L1.")):
        measured = LesionPoints(tuple(values), (0.0,) * len(TIMES), (volume_mL,) * len(TIMES), "healthy")
        made = recovered_doses(uncorrected(values), {"L1": measured}, phantom(), CHAIN, OPTIONS)
        assert made.continued == note
        curve = made.phantom
        assert made.lesions["L1"].recovery == pytest.approx(1.0 / (1.0 + (curve.a_mL / volume_mL) ** curve.b))


@pytest.mark.parametrize(
    ("volume_mL", "mean", "words"),
    [
        (0.9, 1e6, "its 0.9 mL are less than the phantom's smallest 1 mL"),
        (1.0, 5e4, "is so far below its background"),
    ],
)
def test_what_the_phantom_does_not_cover_is_reported(volume_mL, mean, words):
    values, background = falling(mean), falling(2e5)
    measured = LesionPoints(tuple(values), tuple(background), (volume_mL,) * len(TIMES), "healthy")
    made = recovered_doses(uncorrected(values), {"L1": measured}, phantom(), CHAIN, OPTIONS)
    assert not made.lesions
    assert words in made.refusals
    assert made.refusals in dose_table(uncorrected(values), made)


def test_a_later_image_scales_the_corrected_curve():
    """Half the uptake in cycle 2, in lesion and liver: half the dose; without a corrected full curve there is none."""
    true, background = falling(1e6), falling(2e5)
    seen = background + 0.5 * (true - background)
    first = corrected(seen, background)
    integrals = uncorrected(seen).integrals
    later = uncorrected(seen[1:2] / 2, earlier=integrals, times=TIMES[1:2])
    measured = points(seen[1:2] / 2, background[1:2] / 2)
    second = recovered_doses(later, measured, phantom(), CHAIN, OPTIONS, first.integrals)
    assert second.lesions["L1"].dose.dose_Gy == pytest.approx(first.lesions["L1"].dose.dose_Gy / 2, rel=1e-6)
    assert second.lesions["L1"].dose.u_dose_Gy > 0
    alone = recovered_doses(later, measured, phantom(), CHAIN, OPTIONS)
    assert "full curve of the earlier cycle" in alone.refusals


@pytest.mark.parametrize(
    ("volumes", "recoveries", "words"),
    [
        ("0.5 2 8", "", "recoveries of the phantom's spheres are not given"),
        ("0.5 2 8", "0.2 0.4", "3 volumes but 2 recoveries"),
        ("0.5 two 8", "0.2 0.4 0.6", "'two' is not a number"),
        ("0.5 2 8", "20 40 60", "give no percent"),
        ("0.5 2 8", "0.2 -0.4 0.6", "must be a positive number"),
        ("0,5 2 8", "0,2 0,4 0,6", "4 volumes but 6 recoveries"),
    ],
)
def test_what_is_typed_wrongly_is_one_sentence(volumes, recoveries, words):
    with pytest.raises(RecoveryError) as caught:
        recovery_curve_from_text(volumes, recoveries, "a test")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_typed_is_no_phantom():
    assert recovery_curve_from_text(" ", "", "a test") is None


# The blurred patient. Self-dose of spheres, Gy g/(Bq s): 4.31 g 5.46e-12, 116 g 2.07e-13 Gy/(Bq s), as published.
ENERGY_4_G, ENERGY_116_G = 4.31 * 5.46e-12, 116 * 2.07e-13
DIAMETERS_mm = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0, 60.0)  # of the NEMA phantom, and a larger one


def blurred_sphere_recovery(diameter_mm, fwhm_mm):
    """Mean over a digital sphere of 1 mm voxels after blur; its border voxels count by the part that is inside."""
    half = math.ceil(diameter_mm / 2 + 2 * fwhm_mm)
    axis = np.arange(-half, half + 1.0)
    x, y, z = np.meshgrid(axis, axis, axis, sparse=True)
    sphere = np.clip(0.5 + diameter_mm / 2 - np.sqrt(x**2 + y**2 + z**2), 0, 1)
    blurred = gaussian_filter(sphere, fwhm_mm / 2.3548, truncate=5)
    return float((sphere * blurred).sum() / sphere.sum())


def run(folder, seed):
    case = write_synthetic_serial(folder / "in", seed=seed, times_h=(4, 24, 168), moving=False, blur=True, noise=False)
    truth = json.loads((case.parent / "truth.json").read_text(encoding="utf-8"))
    content = json.loads(case.read_text(encoding="utf-8"))
    recoveries = [blurred_sphere_recovery(one, truth["imaging"]["fwhm_mm"]) for one in DIAMETERS_mm]
    volumes = [math.pi / 6000 * one**3 for one in DIAMETERS_mm]
    content["recovery_phantom"] = {"volumes_mL": volumes, "recoveries": recoveries, "source": "digital spheres"}
    case.write_text(json.dumps(content), encoding="utf-8")
    made = run_case_with_doses(case, folder / "out").result
    with (folder / "out" / "measurements.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return made, truth, rows


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blurred")
    return folder, *run(folder, 1)


def true_doses(outcome, truth):
    """Diameter and dose of each lesion by name, the true lesion being the one that is nearest."""
    visit = outcome.visits[0]
    grid, found = visit.prepared.segmentation.grid, {}
    for lesion in visit.prepared.lesions:
        segment = lesion.segment
        centre = grid.to_ras((np.argwhere(segment.mask).mean(axis=0) + segment.origin)[::-1])
        places = [np.subtract(one["centre_ras_mm"][visit.labels.visit], centre) for one in truth["lesions"]]
        true = truth["lesions"][int(np.argmin(np.linalg.norm(places, axis=1)))]
        mass = true["volume_mL"] * 1.05
        position = math.log(mass / 4.31) / math.log(116 / 4.31)
        energy = ENERGY_4_G * (ENERGY_116_G / ENERGY_4_G) ** position
        tia_MBq_h = true["tia_MBq_h"][visit.labels.visit]
        found[segment.name] = (true["diameter_mm"], tia_MBq_h * 3.6e9 * energy / mass)
    return found


def check_against_truth(outcome, truth, rows):
    """From 15 mm on corrected doses are within 16 % of the true ones, from 20 mm on within 7 %; others 24 to 69 % low.

    What is left is the voxels' share (4.8 mm, which pure blur does not hold), contours, neighbours, the curve's form.
    """
    dose, after = (
        {row["region"]: (float(row["value"]), float(row["uncertainty"])) for row in rows if row["metric"] == metric}
        for metric in ("dose", "dose_recovery_corrected")
    )
    checked = 0
    for name, (diameter_mm, true_Gy) in true_doses(outcome, truth).items():
        if diameter_mm < 15 or name.startswith("E"):
            continue
        value, u = after[name]
        bound = 0.16 if diameter_mm < 20 else 0.07
        assert value == pytest.approx(true_Gy, rel=bound), name
        assert abs(value - true_Gy) < 0.25 * abs(dose[name][0] - true_Gy), name
        assert abs(value - true_Gy) < u, name
        assert dose[name][0] < 0.77 * true_Gy, name
        checked += 1
    assert checked >= 8
    assert set(after) <= set(dose)


@pytest.mark.slow
def test_corrected_doses_against_the_truth(serial):
    _, outcome, truth, rows = serial
    check_against_truth(outcome, truth, rows)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 5])
def test_corrected_doses_of_further_patients(tmp_path, seed):
    check_against_truth(*run(tmp_path, seed))


@pytest.mark.slow
def test_report_and_text_state_the_correction(serial):
    folder, outcome, _, rows = serial
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    text = "\n".join(study_text(outcome))
    for words in ("fitted to a phantom of 0.524 to 113 mL (digital spheres)", "E1: it is outside the liver"):
        assert words in page
        assert words in text
    assert "dose corrected Gy" in page
    assert "corr. Gy" in text
    assert "L1, corrected: " in page  # its budget
    organs = {row["role"] for row in rows if row["metric"] == "dose_recovery_corrected"}
    assert organs == {"target", "lesion"}
    schema = json.loads((folder / "out" / "measurements.schema.json").read_text(encoding="utf-8"))
    assert (
        "phantom" in next(one for one in schema["metrics"] if one["name"] == "dose_recovery_corrected")["description"]
    )
