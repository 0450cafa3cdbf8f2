"""Errors of `report`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class ReportError(PRRTError):
    """A report or a figure cannot be made."""
