"""One nuclide from its emissions to energy in shells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kernel_generator import electrons, photons
from kernel_generator.electrons import Particles, isotropic
from kernel_generator.spectra import Decay, Lines, Spectrum, decay
from kernel_generator.tally import Tally

BATCHES = 10  # their spread gives the standard errors
FEWEST_PER_LINE = 10


@dataclass(frozen=True, eq=False)
class Emission:
    """Energy per decay: emitted, deposited by shell (the last entry is beyond the table), and its standard error."""

    emitted_keV: float
    deposited_keV: np.ndarray
    standard_error_keV: np.ndarray


@lru_cache(maxsize=2)
def _slowing(positron: bool) -> electrons.Slowing:
    return electrons.Slowing(positron)


@lru_cache(maxsize=1)
def _attenuation() -> photons.Attenuation:
    return photons.Attenuation()


def simulate(nuclide: str, electron_histories: int, photon_histories: int, seed: int) -> dict[str, Emission]:
    """Transport everything that ``nuclide`` emits, in ``BATCHES`` independent batches; deterministic for a seed.

    Returns the emissions "beta", "conversion_auger" (both with their bremsstrahlung) and "photon" (X and gamma rays,
    annihilation), without those that the nuclide does not have.
    """
    source = decay(nuclide)
    counts = electron_histories // BATCHES, photon_histories // BATCHES
    random = np.random.default_rng(seed).spawn(BATCHES)
    batches = [_batch(source, *counts, stream) for stream in random]
    emitted = {
        "beta": sum(one.emitted_MeV for one in source.betas),
        "conversion_auger": source.electrons.emitted_MeV,
        "photon": source.photons.emitted_MeV + source.annihilation.emitted_MeV,
    }
    return {
        name: _scaled(np.stack([batch[name] for batch in batches]), emitted[name])
        for name in emitted
        if emitted[name] > 0.0
    }


def _scaled(energy_MeV: np.ndarray, emitted_MeV: float) -> Emission:
    """Mean of the batches, in keV. The sampled energy meets ICRP's to better than 0.2 %; the rest is scaled."""
    mean = energy_MeV.mean(axis=0)
    scale = emitted_MeV / mean.sum()
    if abs(scale - 1.0) > 2e-3:
        raise ArithmeticError(f"The transport deposits {1 / scale:.4f} of the energy emitted.")
    error = energy_MeV.std(axis=0, ddof=1) / np.sqrt(energy_MeV.shape[0])
    return Emission(1e3 * emitted_MeV, 1e3 * scale * mean, 1e3 * scale * error)


def _batch(
    source: Decay, electron_histories: int, photon_histories: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Energy in MeV per decay by shell, for each kind of emission."""
    tallies = {"beta": Tally(), "conversion_auger": Tally(), "photon": Tally()}
    ends = np.zeros((3, 1))
    for spectrum in source.betas:
        start = _betas(spectrum, electron_histories // len(source.betas), random)
        found = _follow_electrons(start, spectrum.positrons, tallies["beta"], random)
        ends = found if spectrum.positrons else ends
    if source.electrons.energy_MeV.size:
        start = _lines(source.electrons, electron_histories, random)
        _follow_electrons(start, False, tallies["conversion_auger"], random)
    positrons = source.annihilation.energy_MeV.size > 0
    if source.photons.energy_MeV.size:
        others = _lines(source.photons, photon_histories // (1 + positrons), random)
        _follow_photons(others, tallies["photon"], random)
    if positrons:
        pairs = _lines(source.annihilation, photon_histories // 2, random)
        pairs = pairs.but(position=ends[:, random.integers(ends.shape[1], size=pairs.energy.size)])
        _follow_photons(pairs, tallies["photon"], random)
    return {name: tally.energy for name, tally in tallies.items()}


def _betas(spectrum: Spectrum, count: int, random: np.random.Generator) -> Particles:
    return _at_origin(spectrum.sample(count, random), np.full(count, spectrum.per_decay / count), random)


def _lines(lines: Lines, count: int, random: np.random.Generator) -> Particles:
    """Histories shared among the lines by their energy per decay, with a least number for each."""
    shares = lines.energy_MeV * lines.per_decay
    histories = np.maximum(FEWEST_PER_LINE, np.round(count * shares / shares.sum())).astype(np.intp)
    return _at_origin(np.repeat(lines.energy_MeV, histories), np.repeat(lines.per_decay / histories, histories), random)


def _at_origin(energy: np.ndarray, weight: np.ndarray, random: np.random.Generator) -> Particles:
    return Particles(np.zeros((3, energy.size)), isotropic(energy.size, random), energy, weight)


def _follow_electrons(start: Particles, positrons: bool, tally: Tally, random: np.random.Generator) -> np.ndarray:
    outcome = electrons.transport(start, _slowing(positrons), _slowing(False), tally, random)
    radiated = outcome.photons
    photons.transport(radiated, _attenuation(), tally, random, random.random(radiated.energy.size))
    return outcome.ends


def _follow_photons(start: Particles, tally: Tally, random: np.random.Generator) -> None:
    """First flights are drawn from equally probable parts for each line, which takes most noise from the near field."""
    _, line, count = np.unique(start.energy, return_inverse=True, return_counts=True)
    order = np.argsort(line, kind="stable")
    within = np.empty(line.size)
    within[order] = np.arange(line.size) - np.repeat(np.cumsum(count) - count, count)
    first = (within + random.random(line.size)) / count[line]
    photons.transport(start, _attenuation(), tally, random, first)
