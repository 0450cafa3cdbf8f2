"""The known answers of the self-test, by group. Expected values come from standards, closed forms or the phantom."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.dicom.body import Body, body_surface_area_m2, ideal_body_weight_kg, lean_body_mass_kg
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.suv import concentration_at_suv_1
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.statistics.paired import compare_pairs
from PRRTUptakeLib.statistics.power import plan
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.images import emission_series
from PRRTUptakeLib.study.preparation import prepare
from PRRTUptakeLib.study.visit import VisitLabels, measure_visit
from PRRTUptakeLib.synthetic.cases import write_synthetic_lutia
from PRRTUptakeLib.synthetic.lesion_placement import LesionPlan
from PRRTUptakeLib.synthetic.phantom import synthetic_patient

from PRRTDosimetryLib.dose.dose_map import local_dose_factor
from PRRTDosimetryLib.dose.sphere_table import sphere_S_Gy_per_Bq_s
from PRRTDosimetryLib.dose.spheres import sphere_dose
from PRRTDosimetryLib.dose.voxel_kernel import voxel_kernel
from PRRTDosimetryLib.effect.bed import bed_Gy, dose_protraction_factor
from PRRTDosimetryLib.kinetics.coverage import SCENARIOS, coverage, held_where_truth_is_as_assumed
from PRRTDosimetryLib.kinetics.curve_shape import Shape
from PRRTDosimetryLib.kinetics.curves import Curve
from PRRTDosimetryLib.kinetics.selection import integrate
from PRRTDosimetryLib.selftest.self_test import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.synthetic.phantom import SyntheticPatient

_SEED = 7
_SIMULATED = 150
_COVERAGE_TOLERANCE = 0.055  # three standard deviations of 150 curves; intervals may be wider than needed
_PLANS = (LesionPlan(40.0, "left", 1.1), LesionPlan(36.0, "right", 1.0))


def suv_checks() -> list[Check]:
    """Body sizes to which SUVs are normalised, of a man of 70 kg and 175 cm, and the concentration of an SUV of 1."""
    man = Body(70, 175, "M")
    sizes = [
        ("lean body mass (Morgan)", 57.80, lean_body_mass_kg(man, "lbm"), "kg", "Morgan, Bolton: 1.10 W - 120 (W/H)^2"),
        (
            "lean body mass (James)",
            56.52,
            lean_body_mass_kg(man, "lbm-james"),
            "kg",
            "James 1976: 1.10 W - 128 (W/H)^2",
        ),
        (
            "lean body mass (Janmahasatian)",
            55.86,
            lean_body_mass_kg(man, "lbm-janma"),
            "kg",
            "doi:10.2165/00003088-200544100-00004",
        ),
        ("ideal body weight", 72.38, ideal_body_weight_kg(man), "kg", "48.0 + 1.06 (H - 152)"),
        ("body surface area (Du Bois)", 1.848, body_surface_area_m2(man), "m2", "0.007184 H^0.725 W^0.425"),
    ]
    checks = [
        Check("SUV", name, expected, found, 0.0051 if unit == "kg" else 0.00051, unit, source)
        for name, expected, found, unit, source in sizes
    ]
    # 370 MBq of 18F, two half-lives, 74 kg: 370e6 / 4 / 74000 = 1250 Bq/mL
    found = concentration_at_suv_1(370.0, 2 * 109.77 / 60, 109.77 / 60, 74.0)
    return [*checks, Check("SUV", "concentration at SUVbw 1", 1250.0, found, 0.01, "Bq/mL", "D 2^(-t/T) / W by hand")]


def decay_checks() -> list[Check]:
    """Half-lives as published and what is left after a known time."""
    icrp = "ICRP 107"
    half_lives = {
        "Lu-177": (6.647 * 24, icrp),
        "Ga-68": (67.71 / 60, icrp),
        "Y-90": (64.10, icrp),
        "Tb-161": (6.9637 * 24, "Appl Radiat Isot 2022, PubMed 35158282"),
        "F-18": (109.77 / 60, icrp),
    }
    checks = [
        Check("Decay", f"half-life of {name}", hours, nuclide(name).half_life_h, 1e-6 * hours, "h", source)
        for name, (hours, source) in half_lives.items()
    ]
    left = nuclide("Lu-177").decay_factor(24.0)
    return [*checks, Check("Decay", "177Lu left after 24 h", 0.900973, left, 1e-6, "1", "2^(-1/6.647)")]


def fit_checks() -> list[Check]:
    """Curves whose integral has a closed form."""
    decay = nuclide("Lu-177")
    times = np.array([4.0, 24.0, 72.0, 168.0])
    mono = 120.0 * np.exp(-math.log(2) / 55.0 * times)
    one = integrate(Curve("kidney", tuple(times), tuple(mono)), decay, "mono")
    fast, slow = math.log(2) / 3.0, math.log(2) / 80.0
    both = 90.0 * (np.exp(-slow * times) - np.exp(-fast * times))
    two = integrate(Curve("lesion", tuple(times), tuple(both)), decay, "uptake-clearance")
    closed = 90.0 * (1 / slow - 1 / fast)
    return [
        Check(
            "Fits", "mono-exponential, integral", 120.0 * 55.0 / math.log(2), one.tia_MBq_h, 1.0, "MBq h", "A T / ln 2"
        ),
        Check("Fits", "mono-exponential, half-life", 55.0, one.teff_h, 0.01, "h", "by construction"),
        Check(
            "Fits", "uptake and clearance, integral", closed, two.tia_MBq_h, 1e-3 * closed, "MBq h", "A (1/l1 - 1/l2)"
        ),
    ]


def coverage_checks() -> list[Check]:
    """How often the stated 95 % interval of an integral holds the truth, in simulated measurements."""
    lutetium = nuclide("Lu-177")
    checks = []
    for scenario in SCENARIOS:
        found = coverage(scenario, lutetium, _SIMULATED, _SEED, compare=False)
        source = f"{_SIMULATED} simulated curves; median width of the interval {found.width:.0%} of the truth"
        checks.append(Check("Coverage", scenario.name, 0.95, found.held, _COVERAGE_TOLERANCE, "1", source))
    for time_h in ((24.0, 96.0), (4.0, 24.0, 72.0, 168.0)):
        held = held_where_truth_is_as_assumed(lutetium, time_h, 0.05, _SIMULATED, _SEED)
        name = f"regions as assumed, at {'/'.join(f'{t:g}' for t in time_h)} h, noise 5%, given: sigma"
        source = f"{_SIMULATED} simulated regions drawn from what is assumed beforehand"
        checks.append(Check("Coverage", name, 0.95, held, _COVERAGE_TOLERANCE, "1", source))
    return checks


def dose_checks() -> list[Check]:
    """Energy that spheres and voxel kernels absorb, and the biologically effective dose."""
    factor = 147.92 * 1.602176634e-16 * 1e3 * 3.6e9
    kernel = voxel_kernel("Lu-177", (4.8, 4.8, 4.8), density_g_per_mL=1.04)
    energy = kernel.energy_keV + kernel.energy_beyond_keV
    large = sphere_dose("Lu-177", 500.0)
    published, olguin = 6.93e-13, "Olguin et al. 2020, Phys Med Biol 65:235015"  # for 34.5 g
    icrp, linear = "ICRP 107: 147.92 keV of electrons per decay", "D (1 + D G / 2.6 Gy), G = 2.8 / 52.8"
    effective = 20.0 * (1 + 20.0 * 2.8 / (2.8 + 50.0) / 2.6)
    protraction = dose_protraction_factor(Shape(((1.0, math.log(2) / 50.0),)), 2.8)
    return [
        Check(
            "Dose", "177Lu, local absorption", factor, local_dose_factor("Lu-177"), 5e-4 * factor, "Gy g/(MBq h)", icrp
        ),
        Check(
            "Dose",
            "177Lu, electrons in a 500 g sphere",
            1.0,
            large.absorbed_fraction_electrons,
            0.01,
            "1",
            "all but the rim",
        ),
        Check(
            "Dose",
            "177Lu, 34.5 g sphere by the table",
            published,
            sphere_S_Gy_per_Bq_s("Lu-177", 34.5),
            1e-3 * published,
            "Gy/(Bq s)",
            olguin,
        ),
        Check(
            "Dose",
            "177Lu, 34.5 g sphere by the kernel",
            published,
            sphere_dose("Lu-177", 34.5).S_Gy_per_Bq_s,
            0.03 * published,
            "Gy/(Bq s)",
            olguin,
        ),
        Check(
            "Dose",
            "177Lu, energy of a 4.8 mm kernel",
            147.92 + 35.10,
            energy,
            0.5,
            "keV",
            "ICRP 107, electrons and photons",
        ),
        Check(
            "Dose",
            "BED of 20 Gy, 50 h half-life",
            effective,
            bed_Gy(20.0, protraction, 2.6),
            1e-6 * effective,
            "Gy",
            linear,
        ),
    ]


def statistics_checks() -> list[Check]:
    """Six patients whose comparison was computed elsewhere, and a published size of a trial."""
    treated, control = np.array([20, 12, 30, 9, 25, 14.0]), np.array([16, 13, 22, 9.5, 20, 12.0])
    found, source = compare_pairs(treated, control), "six pairs, t-test and Wilcoxon by an independent program"
    values = [
        ("geometric mean ratio", 1.1382, found.gmr, 5e-5),
        ("its lower limit", 0.9620, found.gmr_ci[0], 5e-5),
        ("its upper limit", 1.3466, found.gmr_ci[1], 5e-5),
        ("p, logarithms", 0.1048, found.p_log, 5e-5),
        ("difference", 2.917, found.raw_difference, 5e-4),
        ("p, difference", 0.0925, found.p_raw, 5e-5),
        ("p, Wilcoxon", 0.15625, found.p_wilcoxon, 1e-9),
        ("mean of ratios", 1.1501, found.mean_of_ratios, 5e-5),
        ("ratio of means", 1.1892, found.ratio_of_means, 5e-5),
        ("responders", 4.0, float(found.responders), 0.0),
    ]
    checks = [
        Check("Statistics", name, expected, value, within, "1", source) for name, expected, value, within in values
    ]
    detectable = plan(0.398, 26, None, [0.8], 0.05)[0].ratio
    size = "noncentral t: 26 pairs, SD(log) 0.398, power 80 %"
    return [*checks, Check("Statistics", "detectable ratio", 1.255, detectable, 6e-4, "1", size)]


def patient_checks() -> list[Check]:
    """A synthetic patient from DICOM to T/N, without blur and noise, against the phantom."""
    with TemporaryDirectory(prefix="prrt-selftest-") as folder:
        patient = synthetic_patient(_SEED, lesions=_PLANS, treated_lobe="left", gain=1.5)
        path = write_synthetic_lutia(Path(folder) / "patient", seed=_SEED, patient=patient, blur=False, noise=False)
        return _compared(_measured(path), patient)


def _measured(path: Path) -> VisitResult:
    case = load_case(path)
    visit = case.visits[0]
    series = emission_series(find_series(visit.dicom), case.protocol.imaging.modality, visit.visit)[0]
    image = quantify(series).volume
    prepared = prepare(read_segment_folder(visit.segments), case.protocol, image, visit.lobe_plane)
    labels = VisitLabels(case.patient, visit.cycle, visit.visit, "SPECT", case.treated_lobe)
    return measure_visit(prepared, image, case.protocol, labels)


def _compared(result: VisitResult, patient: SyntheticPatient) -> list[Check]:
    """Highest voxel of each lesion and mean of each reference against the phantom; both lie clear of every border."""
    checks, source = [], "the phantom's own concentration"
    lobes = {lesion.lobe: lesion for lesion in patient.lesions}
    for target in result.targets:
        lesion = lobes[target.lobe]
        tumour = patient.concentration_Bq_per_mL(lesion.name, 24.0)
        liver = patient.concentration_Bq_per_mL(f"liver_{target.lobe}", 24.0)
        highest = result.metrics[target.lesion_id].maximum
        ratio = tumour / liver
        checks += [
            Check(
                "Synthetic patient",
                f"{target.lesion_id}: highest voxel",
                tumour,
                highest,
                2e-3 * tumour,
                "Bq/mL",
                source,
            ),
            Check(
                "Synthetic patient",
                f"{target.lobe} liver: mean",
                liver,
                target.reference,
                5e-3 * liver,
                "Bq/mL",
                source,
            ),
            Check(
                "Synthetic patient",
                f"{target.lesion_id}: T/N of the highest voxel",
                ratio,
                highest / target.reference,
                7e-3 * ratio,
                "1",
                source,
            ),
        ]
    return checks


GROUPS: dict[str, Callable[[], list[Check]]] = {
    "SUV": suv_checks,
    "Decay": decay_checks,
    "Fits": fit_checks,
    "Coverage": coverage_checks,
    "Dose": dose_checks,
    "Statistics": statistics_checks,
    "Synthetic patient": patient_checks,
}
