"""Errors of `registration`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class RegistrationError(PRRTError):
    """Images cannot be registered, or a transform cannot be used."""


class BendingRefusedError(RegistrationError):
    """A deformation was found and refused: the rigid registration holds."""
