"""Errors of `imaging`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class ImagingError(PRRTError):
    """An image, or its file, cannot be used."""
