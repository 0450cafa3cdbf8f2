"""Point kernels and the sphere model against energy balance, published kernels and published sphere values."""

from __future__ import annotations

import numpy as np
import pytest
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import GY_PER_KEV_PER_G, kernel_table, nuclides_with_kernel, point_kernel
from PRRTDosimetryLib.dose.spheres import absorbed_in_sphere_keV, sphere_dose
from PRRTUptakeLib.nuclides.errors import NuclideError
from PRRTUptakeLib.nuclides.radionuclides import nuclide

NUCLIDES = ("Lu-177", "Ga-68", "Y-90", "Tb-161", "I-131", "Ho-166", "In-111", "Cu-64", "F-18")
# Energy of 90Y within a radius in water, MeV per decay: Graves, Flynn and Hyer, Med Phys 2019;46:5284 (MCNP6),
# doi:10.1002/mp.13789; sums of the 0.1 mm shells of their table.
GRAVES_90Y = {1.0: 0.20657, 2.0: 0.40116, 3.0: 0.56943, 4.0: 0.70531, 5.0: 0.80538, 7.0: 0.90689, 9.0: 0.92853}


def test_the_nuclides_of_the_field_have_a_kernel():
    assert nuclides_with_kernel() == NUCLIDES


@pytest.mark.parametrize("name", NUCLIDES)
def test_energy_of_the_table_and_what_leaves_it_is_the_energy_emitted(name):
    table = kernel_table(name)
    assert table["radius_mm"][-1] >= 200.0
    for emission in table["emissions"].values():
        total = sum(emission["deposited_keV"]) + emission["beyond_keV"]
        assert total == pytest.approx(emission["emitted_keV"], rel=1e-3)


@pytest.mark.parametrize("name", NUCLIDES)
def test_table_states_how_it_was_made(name):
    table = kernel_table(name)
    assert "Goudsmit" in table["method"]
    assert "ICRP Publication 107" in table["sources"]
    assert table["made"]
    assert table["histories"]["electrons"] >= 40_000
    shells = np.array(table["emissions"]["photon"]["deposited_keV"])
    errors = np.array(table["emissions"]["photon"]["standard_error_keV"])
    radius = np.array(table["radius_mm"])
    if name != "Y-90":  # which has no photons to speak of
        far = (radius > 20.0) & (radius < 200.0)
        assert np.median(errors[far] / shells[far]) < 0.01


@pytest.mark.parametrize(
    ("name", "electrons", "photons"),
    [("Lu-177", 147.92, 35.10), ("Y-90", 933.1, 0.0), ("Tb-161", 202.5, 36.5), ("Ga-68", 737.9, None)],
)
def test_emitted_energies_are_those_of_icrp_107(name, electrons, photons):
    assert point_kernel(name, "electrons").emitted_keV == pytest.approx(electrons, rel=1e-3)
    if photons is not None:
        assert point_kernel(name, "photons").emitted_keV == pytest.approx(photons, rel=1e-3, abs=2e-3)


@pytest.mark.parametrize("name", NUCLIDES)
def test_kernels_agree_with_the_radionuclide_table(name):
    entry = nuclide(name)
    assert point_kernel(name, "electrons").emitted_keV == pytest.approx(entry.electron_keV, rel=1e-3)
    photons = entry.photon_keV + entry.positron_yield * 2 * 510.999  # with annihilation
    assert point_kernel(name, "photons").emitted_keV == pytest.approx(photons, rel=1e-3, abs=2e-3)


@pytest.mark.parametrize("name", ["Ac-225", "213Bi", "Ra-223"])
def test_alpha_emitters_are_refused_with_the_reason(name):
    with pytest.raises(NuclideError, match="alpha emitter, for which no dose is calculated: its alpha particles"):
        point_kernel(name)


def test_an_alpha_emitter_that_headers_may_name_has_no_kernel():
    with pytest.raises(DoseError, match="no dose kernel for Tb-149, an alpha emitter"):
        point_kernel("Tb-149")


def test_emissions_add_up():
    radius = np.array([0.01, 0.1, 1.0, 10.0, 100.0])
    parts = [point_kernel("Lu-177", kind).energy_within_keV(radius) for kind in ("electrons", "photons")]
    np.testing.assert_allclose(sum(parts), point_kernel("Lu-177").energy_within_keV(radius), rtol=1e-3)


def test_90y_kernel_against_another_monte_carlo_code():
    kernel = point_kernel("Y-90")
    for radius_mm, energy_MeV in GRAVES_90Y.items():
        assert kernel.energy_within_keV(radius_mm) == pytest.approx(1e3 * energy_MeV, rel=0.005), radius_mm


def test_annihilation_photons_near_a_positron_emitter():
    """Collision kerma of 511 keV photons at 1 cm in water: primary by mu_en (NIST 126), scattered by buildup."""
    attenuation, absorption, free_path_cm = 0.0958, 0.0330, 1.0  # cm2/g at 511 keV
    inner, outer = 9.0, 11.0
    got = np.diff(point_kernel("Ga-68", "photons").energy_within_keV(np.array([inner, outer])))[0]
    buildup = 1.0 + 1.4 * attenuation * free_path_cm  # near the source, from the 0.5 MeV values above
    primary = 911.0 * absorption / attenuation * (np.exp(-attenuation * inner / 10) - np.exp(-attenuation * outer / 10))
    gammas = 1.0 + 39.6 * 0.028 / (909.0 * 0.033)  # 1.077 MeV, 3.2 %
    assert got == pytest.approx(primary * buildup * gammas, rel=0.03)


def test_density_scales_all_lengths():
    kernel = point_kernel("Lu-177")
    assert kernel.energy_within_keV(1.0, 1.04) == pytest.approx(kernel.energy_within_keV(1.04))
    radius = np.array([0.3, 3.0, 30.0])
    h = 1e-4
    slope = (kernel.energy_within_keV(radius + h, 0.9) - kernel.energy_within_keV(radius - h, 0.9)) / (2 * h)
    density = kernel.energy_density_keV_per_mm3(radius, 0.9)
    np.testing.assert_allclose(density * 4 * np.pi * radius**2, slope, rtol=0.01)


@pytest.mark.parametrize(("mass_g", "published"), [(4.31, 5.46e-12), (116.0, 2.07e-13)])
def test_177lu_spheres_against_published_values(mass_g, published):
    assert sphere_dose("Lu-177", mass_g).S_Gy_per_Bq_s == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("mass_g", [0.01, 1.0, 10.0, 100.0, 1000.0])
def test_absorbed_fractions_lie_between_none_and_all_and_rise(mass_g):
    small, large = sphere_dose("Y-90", mass_g), sphere_dose("Y-90", 2 * mass_g)
    assert 0 < small.absorbed_fraction_electrons < large.absorbed_fraction_electrons < 1
    local = 933.1 * GY_PER_KEV_PER_G / mass_g
    assert small.S_Gy_per_Bq_s == pytest.approx(local * small.absorbed_fraction_electrons, rel=1e-3)


def test_sphere_of_any_mass_against_sampled_decays():
    """The distance distribution against random points, directions and distances inside a sphere."""
    kernel = point_kernel("Lu-177", "electrons")
    random, radius, n = np.random.default_rng(5), 1.5, 400_000
    start = random.normal(size=(n, 3))
    start *= (radius * random.random(n) ** (1 / 3) / np.linalg.norm(start, axis=1))[:, None]
    flight = np.interp(random.random(n) * kernel.within_keV[-1], kernel.within_keV, kernel.radius_mm)
    direction = random.normal(size=(n, 3))
    end = start + direction / np.linalg.norm(direction, axis=1)[:, None] * flight[:, None]
    inside = np.count_nonzero(np.linalg.norm(end, axis=1) < radius) / n
    expected = absorbed_in_sphere_keV(kernel, radius) / kernel.emitted_keV
    assert inside == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / n))


def test_denser_sphere_of_equal_water_radius_has_the_same_absorbed_fraction():
    thin, dense = sphere_dose("Lu-177", 1.0, 1.0), sphere_dose("Lu-177", 1.0 / 1.2**2, 1.2)
    assert thin.radius_mm == pytest.approx(1.2 * dense.radius_mm)
    assert thin.absorbed_fraction_electrons == pytest.approx(dense.absorbed_fraction_electrons, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Lu-177", 0.0), "The sphere mass must be a positive number of g, but it is 0."),
        (("Lu-177", float("nan")), "The sphere mass must be a positive number of g, but it is nan."),
        (("Lu-177", 1.0, -1.0), "The density must be a positive number of g/mL, but it is -1."),
        (("Tc-99m", 1.0), f"There is no dose kernel for Tc-99m; there are {', '.join(NUCLIDES)}."),
        (("Lu-177", 1e7), "A sphere of 1e+07 g is wider than the kernel table; use the organ method instead."),
    ],
)
def test_impossible_spheres_are_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(DoseError) as caught:
        sphere_dose(*arguments)
    assert str(caught.value) == sentence


def test_unknown_nuclides_and_radiations_are_refused():
    with pytest.raises(NuclideError, match="'Xx-1' is not known"):
        point_kernel("Xx-1")
    with pytest.raises(DoseError, match="'alpha' is not one of"):
        point_kernel("Lu-177", "alpha")
