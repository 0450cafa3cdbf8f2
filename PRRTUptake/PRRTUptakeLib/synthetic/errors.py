"""Errors of `synthetic`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class SyntheticError(PRRTError):
    """A synthetic patient or phantom cannot be made."""


class LesionPlacementError(SyntheticError):
    """There is no room for a lesion."""
