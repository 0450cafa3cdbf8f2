"""The scripted walk, on the stand-in as far as it goes there: a small patient through PRRT Uptake."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

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
    assert len(walk.steps) == 2 + len(walk_in_slicer.UPTAKE_STEPS) + 1


def test_a_number_that_differs_is_named(walk_in_slicer, scene):
    from PRRTUptakeLib.mrml.tables import table_from_columns

    columns = {"visit": ["a", "a"], "region": ["x", "y"], "metric": ["mean", "mean"], "value": [1.0, 2.0]}
    table = table_from_columns(columns, "t")
    rows = [dict(zip(columns, row, strict=True)) for row in (("a", "x", "mean", 1.0), ("a", "y", "mean", 2.1))]
    assert walk_in_slicer.differences(table, rows[:1]) == "1 of 1 rows agree"
    assert "2 here, 2.1 by prrt run" in walk_in_slicer.differences(table, rows)


def test_a_freeze_is_seen(walk_in_slicer, tmp_path):
    import time

    walk = walk_in_slicer.Walk(tmp_path / "walk")
    walk.do("sleep", lambda: time.sleep(0.2))
    assert walk.steps[0].freeze_s >= 0.2
