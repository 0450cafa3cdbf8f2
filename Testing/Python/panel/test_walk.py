"""The scripted walk, on the stand-in as far as it goes there: a small patient through PRRT Uptake."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "walk_in_slicer.py"


@pytest.fixture
def walk_in_slicer(slicer_application):
    spec = importlib.util.spec_from_file_location("walk_in_slicer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["walk_in_slicer"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["walk_in_slicer"]


def test_the_walk_needs_nothing_of_the_tests():
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not {name for name in names if name.split(".")[0] in ("slicer_standin", "builders", "pytest", "PySide6")}


def test_every_step_of_a_small_patient_works_and_is_in_the_table(walk_in_slicer, load_panel, tmp_path):
    from builders.panel_scene import add_ct, add_patient

    load_panel("PRRTUptake")
    add_patient()
    add_ct("24h")
    walk = walk_in_slicer.Walk(tmp_path / "walk")
    walk_in_slicer.walk_uptake(walk, "lutia")
    table = walk.table()
    assert "Measured; " in table
    assert "Exported to" in table
    assert not [step for step in walk.steps if step.words.startswith("FAILED")]
    assert (
        len(walk.steps) == 2 + len(walk_in_slicer.UPTAKE_STEPS) + 1 + 3 + 2
    )  # images, steps, export, a shift and back, more


def test_a_number_that_differs_is_named(walk_in_slicer, scene):
    from PRRTUptakeLib.mrml.tables import table_from_columns

    columns = {"visit": ["a", "a"], "region": ["x", "y"], "metric": ["mean", "mean"], "value": [1.0, 2.0]}
    table = table_from_columns(columns, "t")
    rows = [dict(zip(columns, row, strict=True)) for row in (("a", "x", "mean", 1.0), ("a", "y", "mean", 2.1))]
    compared = set()
    assert walk_in_slicer.differences(table, rows[:1], compared) == "1 of 1 rows agree"
    walk = walk_in_slicer.Walk.__new__(walk_in_slicer.Walk)
    walk.compared = compared
    assert walk_in_slicer.completeness(walk, SimpleNamespace(rows=rows[:1])) == "all 1 rows were compared"
    assert "('a', 'y', 'mean')" in walk_in_slicer.completeness(walk, SimpleNamespace(rows=rows))
    assert "2 here, 2.1 by prrt run" in walk_in_slicer.differences(table, rows)


def test_a_freeze_is_seen(walk_in_slicer, tmp_path):
    import time

    walk = walk_in_slicer.Walk(tmp_path / "walk")
    walk.do("sleep", lambda: time.sleep(0.2))
    assert walk.steps[0].freeze_s >= 0.2
    assert "Longest freezes: sleep " in walk.table()
    assert walk_in_slicer.Step("", 2.0, 1.5, "").failed
    assert not walk_in_slicer.Step("", 2.0, 1.5, "", own=False).failed


def test_a_part_that_fails_does_not_end_the_walk_and_dialogs_are_answered(walk_in_slicer, tmp_path):
    import slicer

    walk = walk_in_slicer.Walk(tmp_path / "walk")
    shown = slicer.util.errorDisplay

    def broken():
        raise KeyError("segment")

    with walk.without_dialogs():
        walk.part("broken", broken)
        walk.do("dialog", lambda: slicer.util.errorDisplay("The spleen is missing."))
        walk.do("asked", lambda: None, lambda: f"answered {slicer.util.confirmYesNoDisplay('Overwrite?')}")
    assert slicer.util.errorDisplay is shown
    assert [step.failed for step in walk.steps] == [True, True, False]
    assert "FAILED: KeyError: 'segment'" in walk.steps[0].words
    assert "The spleen is missing." in walk.steps[1].words
    assert walk.steps[2].words.endswith("answered True")
    assert "3 steps, 2 failed" in (tmp_path / "walk" / "walk.md").read_text(encoding="utf-8")


def test_the_status_says_whether_a_step_failed(walk_in_slicer, tmp_path, monkeypatch):
    import slicer

    left = []
    monkeypatch.setattr(slicer.util, "exit", left.append, raising=False)
    monkeypatch.setenv("PRRT_WALK", str(tmp_path / "walk"))
    for sample, work in (("lutia", lambda walk, sample: walk.do(sample, lambda: None)), ("lutia", None), ("x", None)):
        monkeypatch.setenv("PRRT_WALK_SAMPLES", sample)
        monkeypatch.setattr(walk_in_slicer, "walk_sample", work)
        walk_in_slicer.main()
    assert left == [0, 1, 1]


@pytest.mark.slow
def test_a_series_goes_through_both_panels_and_agrees_with_prrt_run(walk_in_slicer, load_panel, tmp_path, monkeypatch):
    """On the stand-in the script registers, segments and calculates doses; its numbers are those of ``prrt run``."""
    import json
    from functools import partial

    from builders.small_grids import use_small_grids
    from PRRTUptakeLib.mrml import sample_data

    use_small_grids(monkeypatch)
    write, as_suv = sample_data.SAMPLES["serial"]
    monkeypatch.setitem(sample_data.SAMPLES, "serial", (partial(write, times_h=(24.0, 96.0)), as_suv))
    load_panel("PRRTUptake").exit()
    load_panel("PRRTDosimetry").exit()
    walk = walk_in_slicer.walk_all(tmp_path / "walk", ("serial",))
    failed = [step for step in walk.steps if "FAILED: " in step.words]
    assert not failed, json.dumps([(step.name, step.words) for step in failed])
    words = {step.name: step.words for step in walk.steps}
    assert words["serial: as prrt run"].endswith("rows agree")
    assert words["serial: doses as prrt run"].endswith("rows agree")
    assert words["serial: every row"].endswith("rows were compared")
    assert words["serial: open that scene"].endswith("charts, shown")
    (registered,) = [text for name, text in words.items() if name.startswith("serial: Register all")]
    assert registered
    assert not registered.startswith("not enabled"), registered
