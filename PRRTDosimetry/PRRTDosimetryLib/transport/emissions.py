"""What one decay emits, from the shipped tables of ICRP Publication 107, and random energies of it.

The tables are made by ``Tools/kernel_generator`` (``python -m kernel_generator.emission_tables``), like the point
kernels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PRRTUptakeLib.resources import resource_path

from PRRTDosimetryLib.dose.point_kernel import kernel_table

ANNIHILATION_keV = 510.99895
PHOTON, ELECTRON, POSITRON = 1, 2, 3
"""Kinds of particles, as IAEA phase spaces number them."""


@dataclass(frozen=True, eq=False)
class Emission:
    """Particles of one kind.

    Attributes
    ----------
    kind : PHOTON, ELECTRON or POSITRON.
    per_decay : number per decay of each part.
    energies_keV : by part: one energy for a line, or rising quantiles at equal steps of probability for a spectrum.
    pairs : photons leave two by two, back to back.
    """

    kind: int
    per_decay: np.ndarray
    energies_keV: tuple[np.ndarray, ...]
    pairs: bool = False

    @property
    def number_per_decay(self) -> float:
        """Particles per decay (pairs count once)."""
        return float(self.per_decay.sum())

    @property
    def emitted_keV(self) -> float:
        """Kinetic energy per decay."""
        means = [one[0] if one.size == 1 else float((one[1:] + one[:-1]).mean()) / 2.0 for one in self.energies_keV]
        return float(self.per_decay @ np.array(means)) * (2.0 if self.pairs else 1.0)

    def sample_keV(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Energies of ``count`` particles, each part by its share, in random order."""
        place = (np.arange(count) + random.random()) / count
        part = np.searchsorted(np.cumsum(self.per_decay) / self.number_per_decay, place, side="right")
        part = np.minimum(part, self.per_decay.size - 1)
        energy = np.empty(count)
        for n in np.unique(part):
            chosen = np.flatnonzero(part == n)
            known = self.energies_keV[n]
            if known.size == 1:
                energy[chosen] = known[0]
            else:
                quantile = (np.arange(chosen.size) + random.random(chosen.size)) / chosen.size
                energy[chosen] = np.interp(quantile * (known.size - 1), np.arange(known.size), known)
        random.shuffle(energy)
        return energy


@dataclass(frozen=True, eq=False)
class Emissions:
    """All that one decay emits.

    Attributes
    ----------
    photons : X and gamma rays, and annihilation pairs from where the nuclide decays.
    electrons, positrons : beta particles, conversion and Auger electrons; a positron's annihilation is its own.
    """

    nuclide: str
    photons: tuple[Emission, ...]
    electrons: tuple[Emission, ...]
    positrons: tuple[Emission, ...]


def emissions(nuclide: str) -> Emissions:
    """The emissions of ``nuclide`` in any common spelling.

    Raises
    ------
    DoseError
        If there is no table for it; alpha emitters have the reason.

    Examples
    --------
    >>> found = emissions("177Lu")
    >>> [round(sum(one.emitted_keV for one in kind), 1) for kind in (found.photons, found.electrons)]
    [35.1, 147.9]
    """
    return _loaded(str(kernel_table(nuclide)["nuclide"]))


@lru_cache(maxsize=8)
def _loaded(name: str) -> Emissions:
    path = resource_path(__file__, "Emissions", f"emissions_{name}.json")
    table = json.loads(path.read_text(encoding="utf-8"))
    photons: list[Emission] = []
    electrons: list[Emission] = []
    positrons: list[Emission] = []
    for key, kind, into in (("photon", PHOTON, photons), ("conversion_auger", ELECTRON, electrons)):
        lines = table[key]
        if lines["energy_keV"]:
            energies = tuple(np.array([energy]) for energy in lines["energy_keV"])
            into.append(Emission(kind, np.array(lines["per_decay"]), energies))
    for beta in table["beta"]:
        kind, into = (POSITRON, positrons) if beta["charge"] > 0 else (ELECTRON, electrons)
        into.append(Emission(kind, np.array([beta["per_decay"]]), (np.array(beta["quantiles_keV"]),)))
    if table["annihilation_pairs"]:
        energies = (np.array([ANNIHILATION_keV]),)
        photons.append(Emission(PHOTON, np.array([table["annihilation_pairs"]]), energies, pairs=True))
    return Emissions(name, tuple(photons), tuple(electrons), tuple(positrons))
