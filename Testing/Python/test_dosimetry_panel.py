"""PRRT Dosimetry's panel, driven as a user would."""

from __future__ import annotations

from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[2]


@pytest.fixture
def panel(slicer_application):
    from slicer_standin.application import load_module

    widget = load_module(MODULES / "PRRTDosimetry" / "PRRTDosimetry.py").widgetRepresentation().self()
    yield widget
    widget.cleanup()


def test_empty_scene_says_what_is_missing(panel):
    assert "Load the SPECT images" in panel.ui.timePointsLabel.text
    assert panel.ui.activitySpinBox.value == 7400.0


def test_module_test_runs(panel):
    import slicer

    slicer.selfTests["PRRTDosimetry"]()
