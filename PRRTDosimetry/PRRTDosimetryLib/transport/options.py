"""How dose is transported."""

from __future__ import annotations

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
    """

    electrons: str = "kernel"
    histories: int = 1_000_000
    seed: int = 1
