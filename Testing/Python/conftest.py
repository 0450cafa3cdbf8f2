"""Fixtures that every test may use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def pytest_itemcollected(item):
    """Tests that share what a module makes run on one worker of the slow tests, so that it is made once."""
    made = _made_by_module(item)
    if made is not None and item.get_closest_marker("xdist_group") is None:
        item.add_marker(pytest.mark.xdist_group(made))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin the long slow tests that share first: single tests level the end."""
    if all(item.get_closest_marker("slow") for item in items):
        items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_collection_finish(session):
    """Refuse a pytest whose groups pytest-xdist does not see: each worker would make everything again."""
    if getattr(session.config.option, "loadgroup", False):
        unseen = [
            one.nodeid for one in session.items if one.get_closest_marker("xdist_group") and "@" not in one.nodeid
        ]
        if unseen:
            said = f"pytest-xdist does not group {unseen[0]}: take the pytest of pyproject.toml."
            print(said, file=sys.__stderr__, flush=True)  # of an error in a worker pytest-xdist shows its own line only
            raise pytest.UsageError(said)


def _made_by_module(item):
    """The module, and the parameters of what it makes for several tests; None if it makes nothing for this one."""
    found = getattr(item, "_fixtureinfo", None)
    names = (
        [name for name, made in found.name2fixturedefs.items() if made[-1].scope in ("module", "class")]
        if found
        else []
    )
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    chosen = "".join(f"-{parameters[name]}" for name in sorted(names) if name in parameters)
    return f"{item.module.__name__}{chosen}" if names else None


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
