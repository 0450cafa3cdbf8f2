"""How dose is transported."""

from __future__ import annotations

import math
from dataclasses import dataclass

ELECTRONS = ("kernel", "monte-carlo")


@dataclass(frozen=True, kw_only=True)
class TransportOptions:
    """Settings of the transport.

    Attributes
    ----------
    electrons : "kernel" scales the kernel by density, "monte-carlo" transports electrons like photons: where their
        range matters (90Y, 68Ga, lung).
    histories : particles of each kind of radiation: photons, electrons, positrons.
    seed : of the random numbers; the same seed gives the same map.
    grid_mm : widest voxel of the phantom that particles go through; the image's voxels are divided until theirs are no
        wider. 0 takes the image's own.
    """

    electrons: str = "kernel"
    histories: int = 1_000_000
    seed: int = 1
    grid_mm: float = 0.0

    def divided(self, spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
        """Into how many parts a voxel of the image is divided along k, j, i; ``spacing_mm`` is along i, j, k.

        Examples
        --------
        >>> TransportOptions(grid_mm=2.4).divided((4.8, 4.8, 2.0))
        (1, 2, 2)
        """
        if not self.grid_mm > 0:
            return 1, 1, 1
        i, j, k = (max(1, math.ceil(edge / self.grid_mm - 1e-6)) for edge in spacing_mm)
        return k, j, i
