"""Electrons and positrons in water: condensed histories, with hard collisions one by one.

A step is as long as it takes to lose 4 % of the energy on average. Its deflection is drawn from the
Goudsmit-Saunderson distribution (doi:10.1103/PhysRev.57.24) of the elastic cross section in ``water`` and applied at a
random point of the step, which gives nearly the right lateral and longitudinal displacement (random hinge; Baro et
al. 1995, doi:10.1016/0168-583X(95)00349-5). There, too, happens the step's hard collision, if it has one: one that
gives an atomic electron 10 keV or more, which is then followed itself. Softer losses are continuous.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from kernel_generator import water

if TYPE_CHECKING:
    from kernel_generator.tally import Tally

LOSS_PER_STEP = 0.04
CUTOFF_MeV = 5e-3  # range in water 0.8 micrometres: deposited on the spot
HARD_MeV = 1e-2
HIGHEST_MeV = 2.6
BREMSSTRAHLUNG_FROM_MeV = 1e-2  # radiative loss of slower electrons is deposited on the spot
SOFTEST_PHOTON_MeV = 1e-3
PHOTONS_FOR_ONE = 100  # each bremsstrahlung photon is split, its weight shared
DEGREES = 300


@dataclass(frozen=True, eq=False)
class Particles:
    """Positions (3, n) in cm at unit density, directions, energies in MeV, and weights (per decay)."""

    position: np.ndarray
    direction: np.ndarray
    energy: np.ndarray
    weight: np.ndarray

    def __getitem__(self, chosen: np.ndarray | slice) -> Particles:
        return Particles(
            self.position[:, chosen],
            self.direction[:, chosen],
            self.energy[chosen],
            self.weight[chosen],
        )

    def but(self, **changes: np.ndarray) -> Particles:
        """A copy with other values."""
        return replace(self, **changes)


def joined(parts: list[Particles]) -> Particles:
    """All particles of ``parts`` in one."""
    return Particles(
        np.concatenate([part.position for part in parts], axis=1),
        np.concatenate([part.direction for part in parts], axis=1),
        np.concatenate([part.energy for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def isotropic(count: int, random: np.random.Generator) -> np.ndarray:
    """Unit vectors (3, count), uniform over the sphere."""
    cosine = random.uniform(-1.0, 1.0, count)
    azimuth = random.uniform(0.0, 2.0 * np.pi, count)
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])


def turned(direction: np.ndarray, one_minus_cosine: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """``direction`` (3, n) deflected by the given polar angles and random azimuths."""
    cosine = 1.0 - one_minus_cosine
    sine = np.sqrt(np.clip(one_minus_cosine * (2.0 - one_minus_cosine), 0.0, None))
    azimuth = random.uniform(0.0, 2.0 * np.pi, cosine.size)
    u, v, w = direction
    sign = np.where(w < 0.0, -1.0, 1.0)  # an orthonormal frame without a pole: Duff et al. 2017
    a = -1.0 / (sign + w)
    b = u * v * a
    along, across = sine * np.cos(azimuth), sine * np.sin(azimuth)
    x = along * (1.0 + sign * u * u * a) + across * b + cosine * u
    y = along * sign * b + across * (sign + v * v * a) + cosine * v
    z = -along * sign * u - across * v + cosine * w
    return np.stack([x, y, z])


class Slowing:
    """What happens in a step at any energy, tabulated once: its length, losses, hard collisions and deflection."""

    def __init__(self, positron: bool = False) -> None:
        self.positron = positron
        fine = np.geomspace(CUTOFF_MeV * (1.0 - LOSS_PER_STEP), HIGHEST_MeV, 1500)
        radiative = water.radiative_stopping_power(fine)
        stopping = water.collision_stopping_power(fine, positron) + radiative
        hard = np.array([self._hard(energy) for energy in fine])  # number and loss per g/cm2
        inverse = fine / stopping  # dE/S = (E/S) d ln E
        path = np.concatenate([[0.0], np.cumsum((inverse[1:] + inverse[:-1]) / 2.0 * np.diff(np.log(fine)))])
        step = path - np.interp(np.log(fine * (1.0 - LOSS_PER_STEP)), np.log(fine), path)
        radiated = np.where(fine > BREMSSTRAHLUNG_FROM_MeV, radiative, 0.0) / stopping
        self._log_energy = np.log(fine)
        self._tables = (step, 1.0 - hard[:, 1] / stopping - radiated, radiated, step * hard[:, 0])
        self._nodes = np.geomspace(CUTOFF_MeV, HIGHEST_MeV, 110)
        self._fraction = np.concatenate([np.linspace(0.0, 0.99, 397), 1.0 - np.geomspace(0.009, 1e-6, 60), [1.0]])

    @cached_property
    def _angles(self) -> np.ndarray:
        """Quantiles of sqrt(1 - cos) of a step, one row for each of ``_nodes``."""
        return np.stack([self._quantiles(energy) for energy in self._nodes])

    def steps(self, energy: np.ndarray) -> list[np.ndarray]:
        """Length in g/cm2, shares of the mean loss that are soft and radiated, mean number of hard collisions."""
        logarithm = np.log(energy)
        return [np.interp(logarithm, self._log_energy, table) for table in self._tables]

    def deflections(self, energy: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """1 - cos of the angle over one step; between the tabulated energies one of the neighbours is drawn."""
        place = np.log(energy / self._nodes[0]) / np.log(self._nodes[1] / self._nodes[0])
        row = np.floor(place + random.random(energy.size)).astype(np.intp)
        row = np.clip(row, 0, self._nodes.size - 1)
        drawn = random.random(energy.size)
        right = np.clip(np.searchsorted(self._fraction, drawn), 1, self._fraction.size - 1)
        low, high = self._fraction[right - 1], self._fraction[right]
        share = (drawn - low) / (high - low)
        angle = self._angles[row, right - 1] * (1.0 - share) + self._angles[row, right] * share
        return angle**2

    def most(self, energy: np.ndarray) -> np.ndarray:
        """The largest transfer to an atomic electron: of two electrons the slower counts as the one knocked on."""
        return energy if self.positron else energy / 2.0

    def transfers(self, energy: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Energies given in hard collisions: drawn from 1/W^2, accepted by the remaining factor."""
        given = np.empty(energy.size)
        open_ = np.arange(energy.size)
        while open_.size:
            E = energy[open_]
            draw, accept = random.random((2, E.size))
            trial = 1.0 / (1.0 / HARD_MeV - draw * (1.0 / HARD_MeV - 1.0 / self.most(E)))
            good = accept * 2.25 < water.knock_on_factor(E, trial, self.positron)  # never above 2.25, at W = E/2
            given[open_[good]] = trial[good]
            open_ = open_[~good]
        return given

    def _hard(self, energy: float) -> tuple[float, float]:
        """Hard collisions and their loss in MeV, per g/cm2."""
        most = float(self.most(np.float64(energy)))
        if most <= HARD_MeV:
            return 0.0, 0.0
        nodes, weights = np.polynomial.legendre.leggauss(64)
        span = np.log(most / HARD_MeV)
        transfer = HARD_MeV * np.exp((nodes + 1.0) / 2.0 * span)
        rate = water.knock_on(energy, transfer, self.positron) * transfer * weights * span / 2.0
        return float(rate.sum()), float(rate @ transfer)

    def _quantiles(self, energy: float) -> np.ndarray:
        """Quantiles of sqrt(1 - cos) after one step from ``energy``, at the fractions in ``_fraction``."""
        nodes, weights = np.polynomial.legendre.leggauss(3)
        exponent, collisions = np.zeros(DEGREES + 1), 0.0
        for node, weight in zip(nodes, weights, strict=True):
            at = np.float64(energy * (1.0 - LOSS_PER_STEP * (node + 1.0) / 2.0))
            stopping = water.collision_stopping_power(at, self.positron) + water.radiative_stopping_power(at)
            length = energy * LOSS_PER_STEP / 2.0 * weight / stopping
            moments, total = water.elastic_moments(float(at), DEGREES, HARD_MeV, self.positron)
            exponent += length * moments
            collisions += length * total
        unscattered = np.exp(-collisions)
        root, differences = _legendre_integrals()
        below = (1.0 - unscattered) * root**2 / 2.0 + (np.exp(-exponent[1:-1]) - unscattered) @ differences / 2.0
        cumulative = np.maximum.accumulate(np.clip(unscattered + below, 0.0, 1.0))
        return np.interp(self._fraction, cumulative, root)


@lru_cache(maxsize=1)
def _legendre_integrals() -> tuple[np.ndarray, np.ndarray]:
    """Nodes sqrt(1 - cos) and, for l = 1..., (2l + 1) times the integral of P_l from cos to 1."""
    root = np.concatenate([[0.0], np.geomspace(1e-5, np.sqrt(2.0), 1500)])
    polynomials = water.legendre(1.0 - root**2, DEGREES)
    return root, polynomials[:-2] - polynomials[2:]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Where the particles stopped (3, n), and the photons that they and their secondaries radiated."""

    ends: np.ndarray
    photons: Particles


def transport(
    start: Particles, slowing: Slowing, secondary: Slowing, tally: Tally, random: np.random.Generator
) -> Outcome:
    """Follow electrons, and all that they set moving (by the tables ``secondary``), to rest; tally their energy."""
    ends, knocked, photons = _generation(start, slowing, tally, random)
    while knocked.energy.size:
        _, knocked, more = _generation(knocked, secondary, tally, random)
        photons = joined([photons, more])
    return Outcome(ends, photons)


def _generation(
    start: Particles, slowing: Slowing, tally: Tally, random: np.random.Generator
) -> tuple[np.ndarray, Particles, Particles]:
    """Follow one generation to rest; returns where it ends, the electrons it knocked on, its photons."""
    now = start.but(position=start.position.copy(), direction=start.direction.copy(), energy=start.energy.copy())
    knocked, photons = [now[:0]], [now[:0]]
    moving = np.flatnonzero(now.energy >= CUTOFF_MeV)
    while moving.size:
        at = now[moving]
        length, soft, radiated, hard = slowing.steps(at.energy)
        hinge, place = random.random((2, moving.size))
        turn = at.position + at.direction * (length * hinge)
        after = turned(at.direction, slowing.deflections(at.energy, random), random)
        deposit = turn + np.where(place < hinge, at.direction, after) * (length * (place - hinge))
        loss = LOSS_PER_STEP * at.energy
        tally.add(deposit, at.weight * loss * soft)
        photons.append(_bremsstrahlung(at.but(position=deposit, direction=after), loss * radiated, random))
        energy = at.energy - loss * (soft + radiated)
        hit = np.flatnonzero((random.random(moving.size) < hard) & (slowing.most(energy) > HARD_MeV))
        if hit.size:
            bent, secondaries = _collide(at.but(position=turn, direction=after, energy=energy)[hit], slowing, random)
            after[:, hit], energy[hit] = bent.direction, bent.energy
            knocked.append(secondaries)
        now.position[:, moving] = turn + after * (length * (1.0 - hinge))
        now.direction[:, moving] = after
        now.energy[moving] = energy
        moving = moving[energy >= CUTOFF_MeV]
    tally.add(now.position, now.weight * now.energy)
    return now.position, joined(knocked), joined(photons)


def _collide(at: Particles, slowing: Slowing, random: np.random.Generator) -> tuple[Particles, Particles]:
    """A hard collision of each: what goes on, and the electrons knocked on; angles from the kinematics of two bodies.

    Their azimuths are drawn apart, which a tally in spheres does not see.
    """
    given = slowing.transfers(at.energy, random)
    left = at.energy - given
    rest = 2.0 * water.ELECTRON_MASS_MeV
    squared = given * (at.energy + rest) / (at.energy * (given + rest))
    squared_left = left * (at.energy + rest) / (at.energy * (left + rest))
    going = turned(at.direction, 1.0 - np.sqrt(np.clip(squared_left, 0.0, 1.0)), random)
    knocked = turned(at.direction, 1.0 - np.sqrt(np.clip(squared, 0.0, 1.0)), random)
    return at.but(direction=going, energy=left), at.but(direction=knocked, energy=given)


def _bremsstrahlung(at: Particles, radiated_MeV: np.ndarray, random: np.random.Generator) -> Particles:
    """Photons with the thin-target spectrum of Kramers (energy per interval constant up to the electron's energy)."""
    spread = np.log(np.maximum(at.energy, BREMSSTRAHLUNG_FROM_MeV) / SOFTEST_PHOTON_MeV)
    number = radiated_MeV / (at.energy - SOFTEST_PHOTON_MeV) * spread
    made = np.flatnonzero(random.random(at.energy.size) < PHOTONS_FOR_ONE * number)
    chosen = at[made]
    energy = SOFTEST_PHOTON_MeV * np.exp(random.random(made.size) * spread[made])
    return chosen.but(energy=energy, weight=chosen.weight / PHOTONS_FOR_ONE)
