"""Errors of `dose`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class DoseError(PRRTError):
    """A dose cannot be calculated."""
