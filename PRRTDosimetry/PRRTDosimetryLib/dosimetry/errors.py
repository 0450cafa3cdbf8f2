"""Errors of `dosimetry`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class DosimetryError(PRRTError):
    """The dosimetry of a patient cannot be done as asked."""
