"""Errors of `nuclides`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class NuclideError(PRRTError):
    """A nuclide is unknown, or lacks what was asked of it."""
