"""Photons in water: analog transport with photoelectric absorption and Klein-Nishina scattering.

Coherent scattering, pair production (threshold 1.022 MeV) and the range of the secondary electrons are neglected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernel_generator import water
from kernel_generator.electrons import Particles, turned

if TYPE_CHECKING:
    from kernel_generator.tally import Tally

CUTOFF_MeV = 1e-3  # mean free path in water 2.5 micrometres: deposited on the spot


class Attenuation:
    """Cross sections of water, log-log interpolated between 1 keV and 3 MeV."""

    def __init__(self) -> None:
        energy = np.geomspace(1.0001e-3, 3.0, 1200)
        photoelectric, incoherent = water.photon_cross_sections(energy)
        self._log_energy = np.log(energy)
        self._log_total = np.log(photoelectric + incoherent)
        self._absorbed = photoelectric / (photoelectric + incoherent)

    def at(self, energy_MeV: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Attenuation in cm2/g and the probability that a collision absorbs the photon."""
        logarithm = np.log(energy_MeV)
        return (
            np.exp(np.interp(logarithm, self._log_energy, self._log_total)),
            np.interp(logarithm, self._log_energy, self._absorbed),
        )


def transport(
    start: Particles, attenuation: Attenuation, tally: Tally, random: np.random.Generator, first: np.ndarray
) -> None:
    """Follow photons until they are absorbed, tally what they deposit; ``first`` draws the first flights, 0-1."""
    low = start.energy < CUTOFF_MeV
    tally.add(start.position[:, low], start.weight[low] * start.energy[low])
    photons, drawn = start[~low], first[~low]
    while photons.energy.size:
        total, absorbing = attenuation.at(photons.energy)
        flight = -np.log1p(-drawn) / total
        position = photons.position + photons.direction * flight
        energy, one_minus_cosine = scattered(photons.energy, random)
        ends = (random.random(energy.size) < absorbing) | (energy < CUTOFF_MeV)
        energy = np.where(ends, 0.0, energy)
        tally.add(position, photons.weight * (photons.energy - energy))
        direction = turned(photons.direction, one_minus_cosine, random)
        photons = Particles(position, direction, energy, photons.weight)[~ends]
        drawn = random.random(photons.energy.size)


def scattered(energy_MeV: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Energy and 1 - cos after Compton scattering from a free electron at rest (Klein and Nishina 1929).

    The ratio of energies is drawn from its two parts 1/e and e by composition and accepted by the remaining factor.
    """
    k = energy_MeV / water.ELECTRON_MASS_MeV
    ratio, deflection = np.empty(k.size), np.empty(k.size)
    smallest = 1.0 / (1.0 + 2.0 * k)
    reciprocal = -np.log(smallest)
    linear = (1.0 - smallest**2) / 2.0
    open_ = np.arange(k.size)
    while open_.size:
        low = smallest[open_]
        part, draw, accept = random.random((3, open_.size))
        first = part * (reciprocal[open_] + linear[open_]) < reciprocal[open_]
        trial = np.where(first, low**draw, np.sqrt(low**2 + draw * (1.0 - low**2)))
        bend = (1.0 - trial) / (k[open_] * trial)
        good = accept < 1.0 - trial * bend * (2.0 - bend) / (1.0 + trial**2)
        ratio[open_[good]], deflection[open_[good]] = trial[good], bend[good]
        open_ = open_[~good]
    return ratio * energy_MeV, deflection
