"""Errors of `uncertainty`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class UncertaintyError(PRRTError):
    """An uncertainty is impossible, or cannot be propagated."""
