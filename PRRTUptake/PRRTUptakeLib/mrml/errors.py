"""Errors of `mrml`."""

from __future__ import annotations

from PRRTUptakeLib.errors import PRRTError


class NodeError(PRRTError):
    """Nodes of the scene do not allow what was asked of them."""
