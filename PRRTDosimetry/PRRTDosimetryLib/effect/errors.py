"""Errors of `effect`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class EffectError(PRRTError):
    """A biological effect cannot be calculated."""
