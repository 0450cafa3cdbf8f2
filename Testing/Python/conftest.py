"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def scene():
    """The headless MRML scene, emptied of what a test leaves behind."""
    from PRRTUptakeLib.mrml.session import session

    scene = session()
    scene.Clear(0)
    yield scene
    scene.Clear(0)


@pytest.fixture
def slicer_application(scene):
    """The stand-in of the Slicer application with an empty scene; skips aloud where Qt cannot run."""
    from slicer_standin import missing

    if reason := missing():
        pytest.skip(f"the panels are not tested: {reason}")
    from slicer_standin import pythonqt
    from slicer_standin.application import running_slicer

    pythonqt.slot_errors.clear()
    with running_slicer() as application:
        yield application
    scene.Clear(0)
    assert not pythonqt.slot_errors, f"a slot let an exception through: {pythonqt.slot_errors}"


@pytest.fixture
def load_panel(slicer_application):
    """Load a module of ours and give its panel's widget: ``load_panel("PRRTUptake")``."""
    from slicer_standin.application import load_module

    opened = []

    def load(name):
        path = Path(__file__).resolve().parents[2] / name / f"{name}.py"
        opened.append(load_module(path).widgetRepresentation().self())
        return opened[-1]

    yield load
    for widget in opened:
        widget.cleanup()
