"""Fixtures that every test may use."""

from __future__ import annotations

import pytest


@pytest.fixture
def scene():
    """The headless MRML scene, emptied of what a test leaves behind."""
    from PRRTUptakeLib.mrml.session import session

    scene = session()
    scene.Clear(0)
    yield scene
    scene.Clear(0)
