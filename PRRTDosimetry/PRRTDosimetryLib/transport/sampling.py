"""Decays in a map of time-integrated activity, as particles of the transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.transport.engine import Particles

if TYPE_CHECKING:
    from PRRTDosimetryLib.transport.emissions import Emission


@dataclass(frozen=True, eq=False)
class Sources:
    """Where decays are: voxels with activity, each uniform within.

    Attributes
    ----------
    tia : activities [k, j, i], of any unit; nothing of its size is kept beside it while particles are transported.
    spacing_mm : along i, j, k.
    """

    tia: np.ndarray
    spacing_mm: np.ndarray

    @classmethod
    def from_map(cls, tia: np.ndarray, spacing_mm: tuple[float, float, float]) -> Sources:
        """From activities [k, j, i] on a grid whose first voxel begins at 0 mm."""
        return cls(tia, np.array(spacing_mm))

    def places_mm(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Places (count, 3) in mm along i, j, k; every voxel gets its share of decays to within one."""
        voxels = np.flatnonzero(self.tia > 0.0).astype(np.int32)
        cumulative = np.cumsum(self.tia[self.tia > 0.0], dtype=np.float64)  # of all decays up to each of them
        cumulative /= cumulative[-1]
        share = (np.arange(count) + random.random(count)) / count
        chosen = np.minimum(np.searchsorted(cumulative, share, side="right"), cumulative.size - 1)
        indices = np.stack(np.unravel_index(voxels[chosen], self.tia.shape)[::-1], axis=1)
        places: np.ndarray = (indices + random.random((count, 3))) * self.spacing_mm
        return places


def isotropic(count: int, random: np.random.Generator) -> np.ndarray:
    """Unit vectors (count, 3), all directions alike."""
    cosine = random.uniform(-1.0, 1.0, count)
    azimuth = random.uniform(0.0, 2.0 * np.pi, count)
    sine = np.sqrt(1.0 - cosine**2)
    return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)


def sampled(emission: Emission, sources: Sources, count: int, random: np.random.Generator) -> Particles:
    """About ``count`` particles of an emission; the two photons of a pair follow each other."""
    if not emission.pairs:
        energies = emission.sample_keV(count, random)
        return Particles(emission.kind, energies, sources.places_mm(count, random), isotropic(count, random))
    half = count // 2
    direction = np.repeat(isotropic(half, random), 2, axis=0)
    direction[1::2] *= -1.0
    places = np.repeat(sources.places_mm(half, random), 2, axis=0)
    return Particles(emission.kind, np.repeat(emission.sample_keV(half, random), 2), places, direction)
