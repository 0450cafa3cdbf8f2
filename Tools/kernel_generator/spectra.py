"""What a decay emits: spectra of ICRP Publication 107 (2008) as the package icrp107-database holds them.

Energies in MeV, yields per decay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BETAS = ("beta-", "beta+")


@dataclass(frozen=True, eq=False)
class Lines:
    """Discrete emissions: energies and yields."""

    energy_MeV: np.ndarray
    per_decay: np.ndarray

    @property
    def emitted_MeV(self) -> float:
        """Energy per decay."""
        return float(self.energy_MeV @ self.per_decay)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A continuous beta spectrum, sampled by its quantiles, with ICRP's yield and mean energy."""

    energy_MeV: np.ndarray
    number_per_MeV: np.ndarray
    per_decay: float
    emitted_MeV: float
    positrons: bool

    def sample(self, count: int, random: np.random.Generator) -> np.ndarray:
        """``count`` energies, one from each of as many equally probable parts of the spectrum."""
        from scipy.interpolate import PchipInterpolator

        fine = np.linspace(0.0, self.energy_MeV[-1], 20001)
        density = np.clip(PchipInterpolator(self.energy_MeV, self.number_per_MeV)(fine), 0.0, None)
        cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
        quantiles = (np.arange(count) + random.random(count)) / count
        return np.interp(quantiles * cumulative[-1], cumulative, fine)


@dataclass(frozen=True, eq=False)
class Decay:
    """All that one nuclide emits, alpha particles aside (none of the nuclides here has any)."""

    nuclide: str
    beta: Spectrum | None
    electrons: Lines
    photons: Lines
    annihilation: Lines


def decay(nuclide: str) -> Decay:
    """Emissions of ``nuclide`` (for instance "Lu-177"); conversion and Auger electrons are joined in ``electrons``."""
    energies = {kind: _emissions(nuclide, kind) for kind in (*_BETAS, "IE", "auger", "gamma", "X", "annihilation")}
    kinds = [kind for kind in _BETAS if energies[kind].energy_MeV.size]
    beta = None
    if kinds:
        shape = _emissions(nuclide, "b-spectra")
        ends = energies[kinds[0]]
        beta = Spectrum(
            shape.energy_MeV, shape.per_decay, float(ends.per_decay.sum()), ends.emitted_MeV, kinds[0] == "beta+"
        )
    return Decay(
        nuclide,
        beta,
        _joined(energies["IE"], energies["auger"]),
        _joined(energies["gamma"], energies["X"]),
        energies["annihilation"],
    )


def _emissions(nuclide: str, kind: str) -> Lines:
    from icrp107_database import get_icrp107_spectrum

    found = get_icrp107_spectrum(nuclide, kind)
    return Lines(np.asarray(found["energies"], dtype=np.float64), np.asarray(found["weights"], dtype=np.float64))


def _joined(*parts: Lines) -> Lines:
    return Lines(
        np.concatenate([part.energy_MeV for part in parts]), np.concatenate([part.per_decay for part in parts])
    )
