"""Errors of `review`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class ReviewError(PRRTError):
    """A case cannot be reviewed, or the server cannot run, as asked."""
