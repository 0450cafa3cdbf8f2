"""What a decay emits: spectra of ICRP Publication 107 (2008) as the package icrp107-database holds them.

Energies in MeV, yields per decay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_BETAS = ("beta-", "beta+")
_ELECTRON_MeV = 0.51099895
_FINE_STRUCTURE = 1.0 / 137.035999
# Daughter's atomic number, end of the spectrum in MeV (ENSDF) and charge of nuclides that emit both.
_CHARGES = {"Cu-64": {"beta-": (30, 0.5794, -1), "beta+": (28, 0.6531, 1)}}


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
    """All that one nuclide emits; ``betas`` has one spectrum for each charge (64Cu emits both)."""

    nuclide: str
    betas: tuple[Spectrum, ...]
    electrons: Lines
    photons: Lines
    annihilation: Lines


def decay(nuclide: str) -> Decay:
    """Emissions of ``nuclide`` (for instance "Lu-177"); conversion and Auger electrons are joined in ``electrons``.

    Raises
    ------
    ValueError
        For a nuclide that emits alpha particles, which this generator does not follow.
    """
    if _emissions(nuclide, "alpha").energy_MeV.size:
        raise ValueError(f"{nuclide} emits alpha particles, which the kernel generator does not follow.")
    energies = {kind: _emissions(nuclide, kind) for kind in (*_BETAS, "IE", "auger", "gamma", "X", "annihilation")}
    kinds = [kind for kind in _BETAS if energies[kind].energy_MeV.size]
    return Decay(
        nuclide,
        _betas(nuclide, {kind: energies[kind] for kind in kinds}) if kinds else (),
        _joined(energies["IE"], energies["auger"]),
        _joined(energies["gamma"], energies["X"]),
        energies["annihilation"],
    )


def _betas(nuclide: str, ends: dict[str, Lines]) -> tuple[Spectrum, ...]:
    """The spectrum of each charge; ICRP 107 tabulates their sum, which allowed shapes part where there are both."""
    shape = _emissions(nuclide, "b-spectra")
    parts = dict.fromkeys(ends, shape.per_decay)
    if len(ends) == 2:
        allowed = {kind: _allowed(shape.energy_MeV, *_CHARGES[nuclide][kind]) for kind in ends}
        allowed = {kind: density * ends[kind].per_decay.sum() for kind, density in allowed.items()}
        total = sum(allowed.values())
        known = total > 0.0
        share = {kind: np.divide(one, total, out=np.zeros(one.size), where=known) for kind, one in allowed.items()}
        parts = {kind: shape.per_decay * share[kind] for kind in ends}
    return tuple(
        Spectrum(shape.energy_MeV, parts[kind], float(one.per_decay.sum()), one.emitted_MeV, kind == "beta+")
        for kind, one in ends.items()
    )


def _allowed(energy_MeV: np.ndarray, daughter: int, end_MeV: float, charge: int) -> np.ndarray:
    """Allowed beta spectrum, its integral 1: p W (W0 - W)^2 F, F the Coulomb factor 2 pi eta / (1 - exp(-2 pi eta)).

    Evans, The Atomic Nucleus, McGraw-Hill 1955, chapter 17. ``charge`` is -1 for electrons and 1 for positrons.
    """
    total = 1.0 + np.maximum(energy_MeV, 1e-6) / _ELECTRON_MeV
    momentum = np.sqrt(total**2 - 1.0)
    eta = 2.0 * math.pi * -charge * daughter * _FINE_STRUCTURE * total / momentum
    density = momentum * total * np.maximum(end_MeV / _ELECTRON_MeV + 1.0 - total, 0.0) ** 2 * eta / -np.expm1(-eta)
    return density / np.trapezoid(density, energy_MeV)


def _emissions(nuclide: str, kind: str) -> Lines:
    from icrp107_database import get_icrp107_spectrum

    found = get_icrp107_spectrum(nuclide, kind)
    return Lines(np.asarray(found["energies"], dtype=np.float64), np.asarray(found["weights"], dtype=np.float64))


def _joined(*parts: Lines) -> Lines:
    return Lines(
        np.concatenate([part.energy_MeV for part in parts]), np.concatenate([part.per_decay for part in parts])
    )
