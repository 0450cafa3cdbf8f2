"""Errors of `selftest`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class SelfTestError(PRRTError):
    """The self-test did not give the known answers."""
