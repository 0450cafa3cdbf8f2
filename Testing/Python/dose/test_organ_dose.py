"""Organ doses by S-values, spheres, marrow: against physics that does not come from the tables."""

import csv
import math

import numpy as np
import pytest
from builders.shared_data import shared_file
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.kernel_phantom import absorbed_in_ellipsoid_keV, kernel_S_values
from PRRTDosimetryLib.dose.marrow import marrow_mass_g, marrow_tia_from_blood_MBq_h, marrow_tia_from_vertebrae_MBq_h
from PRRTDosimetryLib.dose.organs import REMAINDER, organ_doses, remainder_tia_MBq_h
from PRRTDosimetryLib.dose.phantom import GY_PER_MBQ_H, SEXES, phantom
from PRRTDosimetryLib.dose.point_kernel import DECAYS_PER_MBQ_H, GY_PER_KEV_PER_G, point_kernel
from PRRTDosimetryLib.dose.sphere_table import (
    local_deposition_Gy_g_per_MBq_h,
    sphere_S_Gy_per_Bq_s,
)
from PRRTDosimetryLib.dose.tissue import DENSITY_G_PER_ML, mass_from_volume_g

KEV_G = 1.602176634e-16 * 1e6 * 1e3 * 1e3  # mGy g/(MBq s) per keV: J, decays, mGy/Gy, g/kg
ELECTRONS_KEV, PHOTONS_KEV = 147.92, 35.10


@pytest.mark.parametrize("sex", SEXES)
def test_table_holds_the_published_figures(sex):
    body = phantom(sex, "Lu-177")
    path = shared_file("reference", f"svalues_lu177_adult_{sex}.csv")
    words = {"Red Mar.": "red marrow", "UB Cont": "urinary bladder contents", "Tot Body": "total body"}
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["Target"].lower() for row in rows] == list(body.targets)
    for row in rows:
        for column, source in [*words.items(), *((n, n.lower()) for n in ("Kidneys", "Liver", "Spleen", "Lungs"))]:
            assert body.S(row["Target"].lower(), source) == float(row[column])
    assert len(body.sources) == len(rows[0]) - 1


@pytest.mark.parametrize("sex", SEXES)
def test_reference_masses_are_those_of_icrp_89(sex):
    expected = {
        "kidneys": (310, 275),
        "liver": (1800, 1400),
        "spleen": (150, 130),
        "red marrow": (1170, 900),
        "pancreas": (140, 120),
        "adrenals": (14, 13),
        "lungs": (1200, 950),
        "total body": (73000, 60000),
    }
    assert dict(phantom(sex, "Lu-177").masses_g) == {k: v[SEXES.index(sex)] for k, v in expected.items()}


@pytest.mark.parametrize("sex", SEXES)
def test_reciprocity(sex):
    """S(a <- b) = S(b <- a) in a uniform medium.

    It holds within 8 % for all pairs but those of red marrow, whose doses as a target come from the skeleton's dose
    response and deviate by up to 82 %: a property of the published table, stated here and left as it is.
    """
    body = phantom(sex, "Lu-177")
    organs = [organ for organ in body.targets if organ in body.sources]
    deviating = set()
    for a in organs:
        for b in organs:
            if a < b and abs(math.log(body.S(a, b) / body.S(b, a))) > math.log(1.08):
                deviating.add((a, b))
                assert 0.5 < body.S(a, b) / body.S(b, a) < 2
    assert deviating
    assert all("red marrow" in pair for pair in deviating)


@pytest.mark.parametrize("sex", SEXES)
def test_energy(sex):
    """What a source emits is what the body absorbs, less photons that leave it."""
    body = phantom(sex, "Lu-177")
    mass = body.mass_g("total body")
    for source in body.sources:
        absorbed_keV = body.S("total body", source) * mass / KEV_G
        assert ELECTRONS_KEV < absorbed_keV < ELECTRONS_KEV + PHOTONS_KEV
    for organ in ("kidneys", "liver", "spleen", "pancreas", "lungs"):
        own_keV = body.S(organ, organ) * body.mass_g(organ) / KEV_G
        assert ELECTRONS_KEV < own_keV < ELECTRONS_KEV + 0.35 * PHOTONS_KEV
        others = sum(body.S(t, organ) * body.masses_g[t] for t in body.masses_g if t != "total body") / KEV_G
        # Organs absorb no more than the whole body, within three digits: the male liver's 155.2 keV are 0.2 % above it.
        assert others < 1.003 * body.S("total body", organ) * mass / KEV_G
    # Two figures of the table lie below the electrons' energy: 0.8 % in the adrenals (rounding of their mass), and
    # red marrow, from whose cavities 43 % of the energy escapes into bone.
    assert body.S("adrenals", "adrenals") * body.mass_g("adrenals") / KEV_G == pytest.approx(ELECTRONS_KEV, rel=0.009)
    marrow = body.S("red marrow", "red marrow") * body.mass_g("red marrow") / KEV_G
    assert marrow / ELECTRONS_KEV == pytest.approx(0.567, abs=0.003)


@pytest.mark.parametrize("sex", SEXES)
def test_remainder_of_the_body(sex):
    """A body with uniform activity has the same doses whether organs are named or left in the remainder."""
    body = phantom(sex, "Lu-177")
    uniform = 1000.0  # MBq h in the whole body
    mass = body.mass_g("total body")
    named = ["kidneys", "liver", "spleen", "lungs"]
    tia = {organ: uniform * body.mass_g(organ) / mass for organ in named}
    masses = {organ: body.mass_g(organ) for organ in named}
    doses = organ_doses(body, tia, masses, remainder_tia_MBq_h(uniform, tia))
    for target in body.targets:
        assert doses[target].dose_Gy == pytest.approx(uniform * GY_PER_MBQ_H * body.S(target, "total body"), rel=1e-9)


def test_remainder_is_photons_alone_for_a_source_organ():
    body = phantom("male", "Lu-177")
    wrong = body.S("kidneys", "total body")
    right = body.remainder_S("kidneys", ["kidneys", "liver", "spleen"])
    assert wrong / right == pytest.approx(13, abs=1.5)
    # The remainder irradiates a kidney about as the organs around it do, not as its own electrons.
    assert body.S("kidneys", "lungs") < right < body.S("kidneys", "spleen")
    with pytest.raises(DoseError, match="leaves no remainder"):
        body.remainder_S("kidneys", ["total body"])
    with pytest.raises(DoseError, match="no reference mass of 'brain'"):
        body.remainder_S("kidneys", ["brain"])


def test_remainder_activity_cannot_be_negative():
    with pytest.raises(DoseError, match="more than the whole body"):
        remainder_tia_MBq_h(100.0, {"liver": 101.0})


def test_mass_scaling_of_electrons_and_photons():
    body = phantom("male", "Lu-177")
    electrons, photons = body.self_parts("liver")
    assert electrons == pytest.approx(ELECTRONS_KEV * KEV_G / 1800, rel=1e-6)
    assert body.self_S("liver", 900.0) == pytest.approx(2 * electrons + 2 ** (2 / 3) * photons)
    half = organ_doses(body, {"liver": 1000.0}, {"liver": 900.0})
    whole = organ_doses(body, {"liver": 1000.0}, {"liver": 1800.0})
    assert half["liver"].dose_Gy == pytest.approx(1000 * GY_PER_MBQ_H * body.self_S("liver", 900.0))
    assert half["kidneys"].dose_Gy == whole["kidneys"].dose_Gy  # cross dose does not know the source's mass
    # The dose of a large organ is nearly local: 0.0853 Gy g/(MBq h) and a few percent of photons.
    assert whole["liver"].dose_Gy * 1800 / 1000 / 0.0853 == pytest.approx(1.04, abs=0.01)


def test_lesions_in_an_organ_reach_it_with_photons_only():
    body = phantom("female", "Lu-177")
    doses = organ_doses(body, {"liver": 1000.0}, {"liver": 1400.0}, lesions_MBq_h={"liver": 5000.0})
    alone = organ_doses(body, {"liver": 1000.0}, {"liver": 1400.0})
    _, photons = body.self_parts("liver")
    assert doses["liver"].dose_Gy - alone["liver"].dose_Gy == pytest.approx(5000 * GY_PER_MBQ_H * photons)
    assert doses["spleen"].dose_Gy == pytest.approx(6 * alone["spleen"].dose_Gy)
    assert dict(doses["spleen"].contributions_Gy)["lesions in liver"] > 0
    assert REMAINDER not in dict(doses["spleen"].contributions_Gy)


@pytest.mark.parametrize(
    ("tia", "masses", "word"),
    [
        ({"liver": 1000.0}, {}, "have no volume or mass"),
        ({"liver": 1000.0}, {"liver": 0.0}, "have no mass"),
        ({"liver": -1.0}, {"liver": 1800.0}, "-1 MBq h is not possible"),
        ({"gills": 1.0}, {"gills": 1.0}, "'gills'"),
        ({"total body": 1.0}, {"total body": 1.0}, "remainder of the body"),
    ],
)
def test_organ_doses_refuse_what_is_missing(tia, masses, word):
    with pytest.raises(DoseError, match=word):
        organ_doses(phantom("male", "Lu-177"), tia, masses)


def test_no_phantom_for_others():
    with pytest.raises(DoseError, match="neither a table of organ S-values nor a dose kernel for Tc-99m"):
        phantom("male", "Tc-99m")
    with pytest.raises(DoseError, match="no phantom 'child'"):
        phantom("child", "Lu-177")


def test_spheres():
    assert sphere_S_Gy_per_Bq_s("Lu-177", 4.31) == pytest.approx(5.46e-12, rel=0.01)
    assert sphere_S_Gy_per_Bq_s("177Lu", 116.0) == pytest.approx(2.07e-13, rel=0.01)
    local = local_deposition_Gy_g_per_MBq_h("Lu-177")
    assert local == pytest.approx(0.0853, abs=5e-5)
    # Between tabulated masses S m is smooth: linear interpolation of S itself would be 20 % too high at 8 g.
    share = [sphere_S_Gy_per_Bq_s("Lu-177", m) * 3.6e9 * m / local for m in (4.31, 8.0, 14.6, 60.0, 932.0, 2000.0)]
    assert share == sorted(share)
    assert share[1] == pytest.approx(0.998, abs=0.003)
    assert share[-1] == pytest.approx(1.055, abs=0.005)
    for nuclide, mass, word in (("Y-90", 10.0, "only for Lu-177"), ("Lu-177", 1e-4, "begins at"), ("Lu-177", 0, "0 g")):
        with pytest.raises(DoseError, match=word):
            sphere_S_Gy_per_Bq_s(nuclide, mass)


def test_mass_needs_a_volume():
    assert mass_from_volume_g("Kidney", 150.0, DENSITY_G_PER_ML["kidneys"]) == pytest.approx(157.5)
    with pytest.raises(DoseError, match="Kidney has no volume"):
        mass_from_volume_g("Kidney", math.nan, 1.05)
    with pytest.raises(DoseError, match="density of 1050"):
        mass_from_volume_g("Kidney", 150.0, 1050.0)


@pytest.mark.parametrize("sex", SEXES)
def test_marrow_from_blood(sex):
    body = phantom(sex, "Lu-177")
    mass = body.mass_g("red marrow")
    tia = marrow_tia_from_blood_MBq_h(body, 0.8, blood_density_g_per_mL=1.0)
    assert tia == pytest.approx(0.8 * mass)
    dose = organ_doses(body, {"red marrow": tia}, {})["red marrow"].dose_Gy
    # 57 % of the energy of 0.8 MBq h per gram stays in the marrow.
    assert dose == pytest.approx(0.567 * 0.8 * 0.0853, rel=0.01)
    assert marrow_tia_from_blood_MBq_h(body, 0.8, 2.0, 1000.0, 1.06) == pytest.approx(0.8 * 2 * 1000 / 1.06)
    with pytest.raises(DoseError, match="check the blood"):
        marrow_tia_from_blood_MBq_h(body, -1.0)


def test_marrow_dose_from_blood_does_not_depend_on_its_mass():
    body = phantom("male", "Lu-177")
    doses = []
    for mass in (1000.0, 1500.0):
        tia = marrow_tia_from_blood_MBq_h(body, 0.5, marrow_mass_g=mass)
        doses.append(organ_doses(body, {"red marrow": tia}, {"red marrow": mass})["red marrow"].dose_Gy)
    assert doses[0] == pytest.approx(doses[1])


def test_marrow_from_vertebrae():
    assert marrow_tia_from_vertebrae_MBq_h(10.0, "L1-L5") == pytest.approx(10 / 0.123)
    assert marrow_tia_from_vertebrae_MBq_h(10.0, "L2-L4") == pytest.approx(10 / 0.0738)
    assert marrow_tia_from_vertebrae_MBq_h(10.0, "T12", 0.025) == pytest.approx(400)
    with pytest.raises(DoseError, match="'T12' is not known"):
        marrow_tia_from_vertebrae_MBq_h(10.0, "T12")
    with pytest.raises(DoseError, match="not possible"):
        marrow_tia_from_vertebrae_MBq_h(10.0, fraction=0.0)


@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize("organ", ["liver", "kidneys", "spleen"])
def test_ellipsoids_and_our_kernel_give_the_self_doses_of_the_177lu_table(sex, organ):
    """Within 1 %: what stands behind the self doses of nuclides without a table."""
    assert kernel_S_values(sex, "Lu-177")[organ, organ] == pytest.approx(
        phantom(sex, "Lu-177").S(organ, organ), rel=0.01
    )


@pytest.mark.parametrize("name", ["Tb-161", "Y-90", "In-111"])
def test_nuclides_without_a_table_have_self_doses_alone(name):
    body = phantom("female", name)
    assert body.self_only
    assert "self doses of ellipsoids" in body.source
    masses = {"liver": 1500.0, "spleen": 200.0}
    doses = organ_doses(body, {"liver": 1000.0, "spleen": 100.0}, masses, remainder_MBq_h=500.0)
    for organ, tia in (("liver", 1000.0), ("spleen", 100.0)):
        electrons = (
            tia * point_kernel(name, "electrons").emitted_keV * GY_PER_KEV_PER_G * DECAYS_PER_MBQ_H / masses[organ]
        )
        assert doses[organ].dose_Gy == pytest.approx(doses[organ].self_Gy)
        assert doses[organ].dose_Gy > 0.90 * electrons  # 7 % of the electrons of 90Y leave a spleen
    assert doses["kidneys"].dose_Gy == 0.0


def test_energy_in_a_long_ellipsoid_is_less_than_in_a_ball_of_its_volume():
    """By sampling: two random points of the ellipsoid are r apart as often as the formula says."""
    kernel = point_kernel("Lu-177", "photons")
    long = absorbed_in_ellipsoid_keV(kernel, (10.0, 20.0, 80.0), 1.05)
    ball = absorbed_in_ellipsoid_keV(kernel, (16000.0 ** (1 / 3),) * 3, 1.05)
    assert 0.7 < long / ball < 0.95
    random = np.random.default_rng(6)
    points, ways = (random.normal(size=(40_000, 3)) for _ in range(2))
    points *= (random.random(40_000) ** (1 / 3) / np.linalg.norm(points, axis=1))[:, None]  # in the unit ball
    ways = ways / np.linalg.norm(ways, axis=1)[:, None] / np.array([10.0, 20.0, 80.0])
    b, a, c = (points * ways).sum(axis=1), (ways**2).sum(axis=1), (points**2).sum(axis=1) - 1.0
    leaves_mm = (-b + np.sqrt(b**2 - a * c)) / a
    sampled = kernel.energy_within_keV(leaves_mm, 1.05).mean()
    assert long == pytest.approx(sampled, rel=0.01)


def test_fatter_marrow_is_lighter_and_gets_more_dose():
    body = phantom("male", "Lu-177")
    assert marrow_mass_g(body) == body.mass_g("red marrow") == pytest.approx(marrow_mass_g(body, 0.3))
    lean, fat = (
        organ_doses(body, {"red marrow": 100.0}, {"red marrow": marrow_mass_g(body, share)})["red marrow"].self_Gy
        for share in (0.3, 0.65)
    )
    assert fat == pytest.approx(2.0 * lean, rel=0.02)  # half the mass; photons grow less
    with pytest.raises(DoseError, match="A fat fraction of 1"):
        marrow_mass_g(body, 1.2)
