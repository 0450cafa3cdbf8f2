"""Errors of `uptake`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class UptakeError(PRRTError):
    """Uptake cannot be measured."""


class OccupancyError(UptakeError):
    """A region is empty, or is outside the image."""


class NoiseError(UptakeError):
    """The noise of an image cannot be found."""


class AggregationError(UptakeError):
    """Values cannot be aggregated."""


class RecoveryError(UptakeError):
    """Partial volume cannot be corrected, or a phantom gives no recovery curve."""
