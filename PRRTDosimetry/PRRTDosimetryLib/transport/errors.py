"""Errors of `transport`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class TransportError(PRRTError):
    """The transport code is missing or cannot do what was asked."""
