"""The generator's physics against NIST tables, closed formulas and its own energy balance."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("icrp107_database")

from kernel_generator import electrons, photons, simulation, spectra, water
from kernel_generator.electrons import Particles, isotropic
from kernel_generator.tally import Tally, radii_mm
from PRRTDosimetryLib.dose.point_kernel import kernel_table, point_kernel

# NIST ESTAR, liquid water (I = 75 eV), doi:10.18434/T4NC7P: MeV, MeV cm2/g.
ESTAR_COLLISION = {0.0125: 18.97, 0.02: 13.17, 0.05: 6.603, 0.1: 4.115, 0.2: 2.793, 0.5: 2.034, 1.0: 1.849, 2.0: 1.824}
ESTAR_RANGE = {0.05: 0.004320, 0.1: 0.01431, 0.2: 0.04488, 0.5: 0.1766, 1.0: 0.4367, 2.0: 0.9785}
# NIST XCOM without coherent scattering, doi:10.18434/T48G6X: MeV, cm2/g.
XCOM = {
    0.01: 4.99 + 0.155,
    0.03: 0.1457 + 0.183,
    0.1: 0.00276 + 0.1626,
    0.2: 0.000289 + 0.1353,
    0.5: 0.0966,
    1.5: 0.0575,
}
# Exposure buildup factors of a 0.5 MeV point source in water by mean free paths: ANSI/ANS-6.4.3-1991.
BUILDUP = {0.5: 1.60, 1.0: 2.44, 2.0: 4.88, 3.0: 8.35, 4.0: 12.8, 5.0: 18.4}


def test_collision_stopping_power_with_the_excitation_energy_of_the_tables(monkeypatch):
    monkeypatch.setattr(water, "MEAN_EXCITATION_MeV", 75e-6)
    energy = np.array(list(ESTAR_COLLISION))
    np.testing.assert_allclose(water.collision_stopping_power(energy), list(ESTAR_COLLISION.values()), rtol=2e-3)


def test_higher_excitation_energy_stops_less():
    energy = np.array([0.01, 0.1, 1.0])
    ratio = water.collision_stopping_power(energy) / [22.56, 4.115, 1.849]
    assert (ratio < 1.0).all()
    assert (ratio > 0.99).all()


def test_csda_range_from_the_steps(monkeypatch):
    monkeypatch.setattr(water, "MEAN_EXCITATION_MeV", 75e-6)
    slowing = electrons.Slowing()
    for energy, published in ESTAR_RANGE.items():
        losses = energy * (1 - electrons.LOSS_PER_STEP) ** np.arange(400)
        losses = losses[losses > electrons.CUTOFF_MeV]
        travelled = slowing.steps(losses)[0].sum() + 8e-5  # ESTAR's range at the cut-off
        assert travelled == pytest.approx(published, rel=6e-3)


def test_shares_of_a_step_add_up():
    slowing = simulation._slowing(False)
    energy = np.array([0.02, 0.1, 0.5, 2.0])
    length, soft, radiated, hard = slowing.steps(energy)
    transfers = [
        slowing.transfers(np.full(40_000, e), np.random.default_rng(3)).mean() if e > 0.02 else 0.0 for e in energy
    ]
    total = soft + radiated + hard * transfers / (electrons.LOSS_PER_STEP * energy)
    np.testing.assert_allclose(total, 1.0, rtol=0.01)
    assert (np.diff(length) > 0).all()


def test_deflection_of_a_step_keeps_the_first_moment():
    """The mean cosine of Goudsmit and Saunderson is exp(-path over transport mean free path)."""
    slowing = simulation._slowing(False)
    for energy in (0.02, 0.2, 1.5):
        node = slowing._nodes[np.abs(np.log(slowing._nodes / energy)).argmin()]
        drawn = slowing.deflections(np.full(200_000, node), np.random.default_rng(1)).mean()
        length = slowing.steps(np.array([node]))[0][0]
        moments, _ = water.elastic_moments(0.98 * node, electrons.DEGREES, electrons.HARD_MeV)
        assert drawn == pytest.approx(1 - np.exp(-length * moments[1]), rel=0.02)


def test_photon_attenuation():
    energy = np.array(list(XCOM))
    photoelectric, incoherent = water.photon_cross_sections(energy)
    np.testing.assert_allclose(photoelectric + incoherent, list(XCOM.values()), rtol=0.03)


def test_compton_scattering_keeps_the_kinematics_and_the_mean_energy():
    random = np.random.default_rng(2)
    for start in (0.05, 0.2, 0.511, 1.5):
        energy, bend = photons.scattered(np.full(200_000, start), random)
        np.testing.assert_allclose(energy, start / (1 + start / water.ELECTRON_MASS_MeV * bend), rtol=1e-9)
        cosine, weight = np.polynomial.legendre.leggauss(200)
        ratio = 1 / (1 + start / water.ELECTRON_MASS_MeV * (1 - cosine))
        law = weight * ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
        assert energy.mean() / start == pytest.approx(law @ ratio / law.sum(), rel=3e-3)


def test_buildup_around_a_photon_source():
    random, n, tally = np.random.default_rng(1), 300_000, Tally()
    start = Particles(np.zeros((3, n)), isotropic(n, random), np.full(n, 0.5), np.full(n, 1.0 / n))
    simulation._follow_photons(start, tally, random)
    attenuation, absorption = 0.0966, 0.0330  # cm2/g, NIST
    edges = np.concatenate([[0.0], radii_mm()]) / 10
    published = np.log(list(BUILDUP.values()))
    for paths in (1.0, 2.0, 3.0, 4.0):
        first = np.searchsorted(edges, paths / attenuation) - 2
        inner, outer = edges[[first, first + 3]]
        expected = np.exp(np.interp(attenuation * (inner + outer) / 2, list(BUILDUP), published))
        primary = np.exp(-attenuation * inner) - np.exp(-attenuation * outer)
        found = tally.energy[first : first + 3].sum() / (0.5 * absorption / attenuation * primary)
        assert found == pytest.approx(expected, rel=0.04), paths


@pytest.mark.parametrize("positrons", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_electrons_keep_their_energy_and_their_range(positrons):
    random, n, tally = np.random.default_rng(5), 2000, Tally()
    start = Particles(np.zeros((3, n)), isotropic(n, random), np.full(n, 1.0), np.full(n, 1.0 / n))
    slowing = simulation._slowing(positrons), simulation._slowing(False)
    outcome = electrons.transport(start, *slowing, tally, random)
    radiated = outcome.photons.energy @ outcome.photons.weight
    assert tally.energy.sum() + radiated == pytest.approx(1.0, abs=2e-3)
    assert radiated == pytest.approx(0.0036, rel=0.25)  # radiation yield of ESTAR at 1 MeV
    farthest = np.linalg.norm(outcome.ends, axis=0).max()
    assert 0.8 * 0.4367 < farthest < 1.15 * 0.4367  # beyond the CSDA range go those without hard collisions
    assert abs(outcome.ends.mean(axis=1)).max() < 5 * 0.2 / np.sqrt(n)


def test_spectra_keep_the_yield_and_the_mean_energy():
    for name, mean_keV, end_keV in (("Lu-177", 133.3, 498.0), ("Y-90", 932.9, 2280.0), ("Ga-68", 829.3, 1899.0)):
        beta = spectra.decay(name).betas[0]
        drawn = beta.sample(20_000, np.random.default_rng(1)) * 1e3
        assert drawn.mean() == pytest.approx(mean_keV, rel=2e-3)
        assert 0.95 * end_keV < drawn.max() <= end_keV + 1.0
        assert beta.emitted_MeV / beta.per_decay * 1e3 == pytest.approx(mean_keV, rel=2e-3)


def test_the_two_charges_of_64cu_have_the_mean_energies_of_icrp_107():
    """ICRP 107 tabulates the sum of both spectra; allowed shapes part it, to 0.5 % of either mean."""
    betas = {beta.positrons: beta for beta in spectra.decay("Cu-64").betas}
    assert (betas[False].per_decay, betas[True].per_decay) == pytest.approx((0.39, 0.1741), abs=5e-5)
    for positrons, mean_keV in ((False, 190.43), (True, 278.22)):
        drawn = betas[positrons].sample(20_000, np.random.default_rng(1)) * 1e3
        assert drawn.mean() == pytest.approx(mean_keV, rel=6e-3)


def test_alpha_emitters_are_not_followed():
    with pytest.raises(ValueError, match="Ac-225 emits alpha particles"):
        spectra.decay("Ac-225")


@pytest.mark.slow
def test_a_short_run_meets_the_shipped_table_and_repeats_itself():
    first = simulation.simulate("Lu-177", 3000, 1000, seed=3)
    again = simulation.simulate("Lu-177", 3000, 1000, seed=3)
    assert set(first) == set(kernel_table("Lu-177")["emissions"])
    for name, emission in first.items():
        np.testing.assert_array_equal(emission.deposited_keV, again[name].deposited_keV)
        assert emission.deposited_keV.sum() == pytest.approx(emission.emitted_keV, rel=1e-9)
    within = np.cumsum(first["beta"].deposited_keV[:-1])
    shipped = point_kernel("Lu-177", "beta")
    for radius in (0.1, 0.3, 1.0):
        assert np.interp(radius, radii_mm(), within) == pytest.approx(shipped.energy_within_keV(radius), rel=0.03)
