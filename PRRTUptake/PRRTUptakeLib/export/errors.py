"""Errors of `export`: one for all, and those that a caller treats in another way."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class ExportError(PRRTError):
    """A result cannot be written, de-identified or checked."""


class BundleError(ExportError):
    """A bundle is impossible, damaged or does not come out again."""
