"""Errors of `archive`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class ArchiveError(PRRTError):
    """A folder or an archive does not give what a case needs, or a result cannot be sent."""


class NoServiceError(ArchiveError):
    """An archive does not offer what was asked of it, such as queries."""
