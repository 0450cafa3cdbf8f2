"""Transport without the transport code: emissions, sampling, phase space, and the way from particles to gray.

A stand-in for ompmc leaves the energy of every particle where it starts, so that the dose is known exactly.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from builders.transport_stand_in import SPACING, StandIn, region, volume
from PRRTDosimetryLib.dose.dose_map import kernel_dose
from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import (
    DECAYS_PER_MBQ_H,
    GY_PER_KEV_PER_G,
    nuclides_with_kernel,
    point_kernel,
)
from PRRTDosimetryLib.transport import engine as engine_module
from PRRTDosimetryLib.transport.emissions import ELECTRON, PHOTON, POSITRON, emissions
from PRRTDosimetryLib.transport.engine import Engine, Particles, Phantom, require_engine
from PRRTDosimetryLib.transport.errors import TransportError
from PRRTDosimetryLib.transport.materials import MEDIA, MEDIA_WORDS, media_of
from PRRTDosimetryLib.transport.options import TransportOptions
from PRRTDosimetryLib.transport.sampling import Sources, isotropic, sampled
from PRRTDosimetryLib.transport.transport_dose import transport_dose
from PRRTUptakeLib.errors import Cancelled
from PRRTUptakeLib.imaging.volume import Volume


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(engine_module, "require_engine", lambda: StandIn)
    return StandIn


@pytest.mark.parametrize("name", nuclides_with_kernel())
def test_emissions_hold_the_energy_of_the_kernels(name):
    found = emissions(name)
    electrons = sum(one.emitted_keV for one in (*found.electrons, *found.positrons))
    assert electrons == pytest.approx(point_kernel(name, "electrons").emitted_keV, rel=1e-3)
    photons = sum(one.emitted_keV for one in found.photons)
    assert photons == pytest.approx(point_kernel(name, "photons").emitted_keV, rel=1e-3, abs=2e-3)
    assert {one.kind for one in found.positrons} <= {POSITRON}
    assert {one.kind for one in found.electrons} <= {ELECTRON}


def test_sampled_energies_have_the_mean_and_the_lines_of_the_decay():
    random = np.random.default_rng(2)
    (photons,) = emissions("Lu-177").photons
    drawn = photons.sample_keV(20_000, random)
    assert drawn.mean() * photons.number_per_decay == pytest.approx(35.1, rel=5e-3)
    share = np.isclose(drawn, 208.366).mean()
    assert share == pytest.approx(0.110 / photons.number_per_decay, rel=0.02)  # ICRP 107
    beta = next(one for one in emissions("Y-90").electrons if one.energies_keV[0].size > 1)
    assert beta.sample_keV(20_000, random).mean() == pytest.approx(932.9, rel=2e-3)


def test_particles_start_where_decays_are_in_all_directions():
    activity = np.zeros((3, 4, 5))
    activity[1, 2, 3], activity[2, 0, 0] = 3.0, 1.0
    random = np.random.default_rng(3)
    places = Sources.from_map(activity, SPACING).places_mm(4000, random)
    voxel = np.floor(places / np.array(SPACING)).astype(int)
    in_first = (voxel == [3, 2, 1]).all(axis=1)
    assert in_first.sum() == pytest.approx(3000, abs=1)
    assert (voxel[~in_first] == [0, 0, 2]).all()
    directions = isotropic(20_000, random)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    assert np.abs(directions.mean(axis=0)).max() < 0.02
    np.testing.assert_allclose((directions**2).mean(axis=0), 1 / 3, atol=0.01)


def test_annihilation_photons_leave_back_to_back():
    pairs = next(one for one in emissions("F-18").photons if one.pairs)
    activity = np.ones((2, 2, 2))
    found = sampled(pairs, Sources.from_map(activity, SPACING), 1000, np.random.default_rng(1))
    assert (found.kind, found.energy_keV.size) == (PHOTON, 1000)
    np.testing.assert_allclose(found.direction[::2], -found.direction[1::2])
    np.testing.assert_array_equal(found.place_mm[::2], found.place_mm[1::2])


def test_media_follow_density():
    density = np.array([[[0.0012, 0.26, 0.93], [1.05, 1.19, 1.4]]])
    words = [MEDIA_WORDS[n - 1] for n in media_of(density).ravel()]
    assert words == ["air", "lung", "soft tissue", "soft tissue", "soft tissue", "bone"]
    assert len(MEDIA) == len(MEDIA_WORDS)


def test_without_the_package_one_sentence_names_remedy_and_licence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ompmc", None)
    with pytest.raises(TransportError) as caught:
        require_engine()
    for words in ("needs the package ompmc", "pip install", "another dose map", "GNU General Public License 3"):
        assert words in str(caught.value)


@pytest.fixture
def patient():
    """Activity in a part of a body of soft tissue with lung, and air around it."""
    density = np.full((9, 10, 11), 0.0012)
    density[2:8, 2:9, 2:10] = 1.05
    density[2:8, 2:9, 2:5] = 0.3
    activity = np.zeros(density.shape)
    activity[3:6, 4:7, 3:8] = 2.0
    return volume(activity), volume(density, "g/ml")


@pytest.mark.parametrize("name", ["Lu-177", "F-18", "Y-90"])
@pytest.mark.parametrize("electrons", ["kernel", "monte-carlo"])
def test_energy_becomes_dose_voxel_by_voxel(stand_in, patient, name, electrons):
    """All that is transported stays where it arises: energy per decay times decays over the voxel's own mass."""
    tia, density = patient
    found = emissions(name)
    if electrons == "kernel":
        kept = [*found.photons]
    else:  # the stand-in has no annihilation in flight
        kept = [*(one for one in found.photons if not one.pairs), *found.electrons, *found.positrons]
    energy_keV = sum(one.emitted_keV for one in kept)
    made = transport_dose(tia, name, density, TransportOptions(electrons=electrons, histories=20_000, seed=4))
    expected = tia.array * energy_keV * GY_PER_KEV_PER_G * DECAYS_PER_MBQ_H / density.array
    if electrons == "kernel":
        kernel = kernel_dose(tia, name, radiation="electrons").array
        expected = expected + kernel * np.where(density.array >= 0.1, 1.04 / density.array, 1.0)
    inside = tia.array > 0
    assert made.dose.array[inside].sum() == pytest.approx(expected[inside].sum(), rel=0.01)
    np.testing.assert_allclose(made.dose.array[inside], expected[inside], rtol=0.25)
    assert made.dose.units == "Gy"
    assert "General Public License" in made.facts["licence"]


def test_statistical_uncertainty_is_that_of_other_seeds(stand_in, patient):
    tia, density = patient
    inside = tia.array > 0
    regions = {"L1": region(inside, tia.grid)}
    runs = [
        transport_dose(tia, "Tb-161", density, TransportOptions(histories=2000, seed=seed), regions)
        for seed in range(24)
    ]
    means = np.array([one.regions["L1"][0] for one in runs])
    stated = np.sqrt(np.mean([one.regions["L1"][1] ** 2 for one in runs]))
    assert stated == pytest.approx(means.std(ddof=1), rel=0.4)  # 24 runs say it to 15 %
    voxels = np.array([one.dose.array[inside] for one in runs]).std(axis=0, ddof=1)
    voxel_u = np.sqrt(np.mean([one.uncertainty.array[inside] ** 2 for one in runs], axis=0))
    assert np.median(voxel_u / voxels) == pytest.approx(1.0, abs=0.15)


def test_the_same_seed_gives_the_same_map(stand_in, patient):
    one, again, other = (
        transport_dose(*patient[:1], "Lu-177", patient[1], TransportOptions(histories=2000, seed=seed)).dose.array
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_progress_rises_and_can_stop_the_transport(stand_in, patient):
    tia, density = patient
    seen = []
    transport_dose(
        tia, "F-18", density, TransportOptions(histories=2000), progress=lambda share, words: seen.append(share)
    )
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)

    def stop(share, words):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        transport_dose(tia, "F-18", density, TransportOptions(histories=2000), progress=stop)


def test_a_finer_phantom_gives_the_energy_of_the_parts_over_their_mass(stand_in, patient):
    """Half of each active voxel is dense: what its particles leave is divided by the mass of all its parts."""
    tia, coarse = patient
    options = TransportOptions(histories=20_000, seed=4, electrons="monte-carlo", grid_mm=3.0)
    divided = options.divided(SPACING)
    assert divided == (2, 2, 2)
    parts = coarse.array.copy()
    for axis in range(3):
        parts = np.repeat(parts, 2, axis=axis)
    parts[:, :, ::2] *= 1.5
    whole = volume(coarse.array * np.float32(1.25), "g/ml")
    fine = Volume(parts, np.diag([2.0, 2.5, 3.0, 1.0]), "", "g/ml")
    made = transport_dose(tia, "Y-90", whole, options, fine=fine)
    kept = emissions("Y-90")
    energy_keV = sum(one.emitted_keV for one in (*kept.electrons, *kept.positrons, *kept.photons) if not one.pairs)
    expected = tia.array * energy_keV * GY_PER_KEV_PER_G * DECAYS_PER_MBQ_H / whole.array
    inside = tia.array > 0
    assert made.dose.array.shape == tia.array.shape
    assert made.dose.array[inside].sum() == pytest.approx(expected[inside].sum(), rel=0.01)
    assert made.facts["grid_mm"] == 3.0
    assert made.facts["absorbed_in_the_image_keV_per_decay"] == pytest.approx(energy_keV, rel=0.01)
    with pytest.raises(TransportError, match="give the CT"):
        transport_dose(tia, "Y-90", whole, options)


def test_a_phantom_of_too_many_voxels_is_refused(stand_in, patient, monkeypatch):
    monkeypatch.setattr("PRRTDosimetryLib.transport.transport_dose.MOST_VOXELS", 100)
    with pytest.raises(TransportError, match="choose a wider one"):
        transport_dose(patient[0], "Lu-177", patient[1])


def test_maps_that_do_not_fit_are_refused(stand_in, patient):
    tia, density = patient
    with pytest.raises(DoseError, match="another grid"):
        transport_dose(tia, "Lu-177", volume(np.ones((2, 2, 2)), "g/ml"))
    with pytest.raises(DoseError, match="in g/ml"):
        transport_dose(tia, "Lu-177", volume(density.array, "[hnsf'U]"))
    with pytest.raises(TransportError, match="no activity in the map"):
        transport_dose(volume(np.zeros(tia.array.shape)), "Lu-177", density)
    with pytest.raises(DoseError, match="alpha emitter"):
        transport_dose(tia, "Tb-149", density)


def test_an_engine_that_fails_is_one_sentence(stand_in, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no cross sections")

    monkeypatch.setattr(StandIn, "calc_forward_phsp", staticmethod(fail))
    phantom = Phantom((np.arange(3.0),) * 3, np.ones((2, 2, 2)))
    particles = Particles(PHOTON, np.ones(4), np.ones((4, 3)), isotropic(4, np.random.default_rng(1)))
    with pytest.raises(TransportError, match="The transport code ompmc failed: no cross sections"):
        Engine(phantom).dose_per_particle_Gy(particles, (1, 1))
