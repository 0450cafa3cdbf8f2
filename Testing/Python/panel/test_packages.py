"""Packages that Slicer does not bundle are offered when needed, with consent, and never when the application starts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from PRRTUptakeLib.errors import PRRTError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def packaging(slicer_application, monkeypatch):
    from PRRTUptakeLib.panel import packages
    from slicer_standin.other_modules import Packaging

    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    return Packaging


def test_what_is_there_is_used_without_asking(slicer_application):
    from PRRTUptakeLib.panel.packages import PACKAGES, offer
    from slicer_standin.other_modules import Packaging

    there = next(purpose for purpose, (name, _) in PACKAGES.items() if importlib.util.find_spec(name))
    offer(there)
    assert Packaging.asked == []


def test_what_is_missing_is_asked_for_by_name(packaging):
    from PRRTUptakeLib.panel.packages import offer

    with pytest.raises(PRRTError, match="openpyxl is not installed"):
        offer("excel")
    assert packaging.asked == [(("openpyxl>=3.1",), "PRRT")]


def test_a_no_is_one_sentence(packaging):
    from PRRTUptakeLib.panel.packages import offer

    packaging.refuse = True
    with pytest.raises(PRRTError, match="declined by the user"):
        offer("statistics")


def test_nothing_is_asked_for_at_start_up_or_when_a_panel_opens(load_panel):
    from slicer_standin.other_modules import Packaging

    load_panel("PRRTUptake")
    load_panel("PRRTDosimetry")
    assert Packaging.asked == []


def test_limits_are_those_of_the_extras():
    from PRRTUptakeLib.panel.packages import PACKAGES

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for purpose, (_name, requirement) in PACKAGES.items():
        assert f'{purpose} = ["{requirement}"]' in text
