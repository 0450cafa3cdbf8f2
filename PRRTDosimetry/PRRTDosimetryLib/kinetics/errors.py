"""Errors of `kinetics`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class KineticsError(PRRTError):
    """A curve of activity is impossible, or cannot be integrated."""


class FitError(KineticsError):
    """A model cannot be fitted to a curve."""
