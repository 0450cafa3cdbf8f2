"""What can go wrong with a population of kinetics."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class PopulationError(PRRTError):
    """A population cannot be estimated, read or used."""
