"""Errors of `statistics`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class StatisticsError(PRRTError):
    """The values do not allow this analysis."""


class AgreementError(StatisticsError):
    """Agreement cannot be assessed."""


class ModelFitError(StatisticsError):
    """A mixed model did not converge."""


class PropagationError(StatisticsError):
    """Measurement uncertainty cannot be propagated into an endpoint."""
