"""PRRT Uptake's panel, driven as a user would."""

from __future__ import annotations

from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[2]


@pytest.fixture
def panel(slicer_application):
    from slicer_standin.application import load_module

    loaded = load_module(MODULES / "PRRTUptake" / "PRRTUptake.py")
    widget = loaded.widgetRepresentation().self()
    yield widget
    widget.cleanup()


def test_empty_scene_says_what_is_missing(panel):
    assert not panel.ui.applyButton.enabled
    assert "patient" in panel.ui.applyButton.toolTip
    panel.ui.patientLineEdit.text = "P01"
    assert "section 2" in panel.ui.applyButton.toolTip


def test_module_test_runs(panel):
    import slicer

    slicer.selfTests["PRRTUptake"]()
