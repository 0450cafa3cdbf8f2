"""Facts that are stated once: words of files, units, lobes, numbers as text. A second list anywhere fails."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PRRTDosimetryLib.kinetics.selection import METHODS, MODELS
from PRRTUptakeLib import vocabulary
from PRRTUptakeLib.formatting import cell_text, number, p_value, plain_table, with_interval
from PRRTUptakeLib.report.page import table
from PRRTUptakeLib.segmentation import reference
from PRRTUptakeLib.segmentation.codes import structure
from PRRTUptakeLib.vocabulary import TIAC_MODELS

ROOT = Path(__file__).resolve().parents[3]
FILES = [path for lib in ("PRRTUptake", "PRRTDosimetry") for path in sorted((ROOT / lib).rglob("*.py"))]
# Lists of words that may be written in one file only: any two of them together elsewhere are a second list.
ONCE = {
    "aggregation rules": (set(vocabulary.AGGREGATIONS), "vocabulary.py"),
    "kinds of SUV": (set(vocabulary.SUV_UNITS) - {"bw"}, "vocabulary.py"),
    "demos": ({"serial", "therapy"}, "vocabulary.py"),
    "models of curves": ({"uptake-clearance", "bi-uptake", "trapezoid", "single-time-point"}, "vocabulary.py"),
}
# Reads the kinds as others write them.
COPIES = {"real_world.py"}


def _lists(path: Path) -> list[tuple[int, set[str]]]:
    """Line and words of every literal dict, tuple, list and set of words."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        words = {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}
        if len(words) > 1:
            found.append((node.lineno, words))
    return found


@pytest.mark.parametrize("kind", ONCE)
def test_no_second_list_of_words_exists(kind):
    words, home = ONCE[kind]
    several = min(3, len(words))
    again = [
        f"{path.name}:{line}"
        for path in FILES
        if path.name != home and path.name not in COPIES
        for line, found in _lists(path)
        if len(found & words) >= several
    ]
    assert not again, f"take the {kind} from vocabulary.py"


def test_no_second_mapping_to_the_other_lobe_exists():
    pairs = [(ast.literal_eval(node), path.name) for path in FILES for node in _lobe_pairs(path)]
    assert pairs == [({"left": "right", "right": "left"}, "vocabulary.py")]


def _lobe_pairs(path: Path) -> list[ast.Dict]:
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Dict)]
    words = {"left", "right"}
    return [
        node
        for node in found
        if {getattr(k, "value", None) for k in node.keys} == words == {getattr(v, "value", None) for v in node.values}
    ]


def test_words_that_are_implemented_are_those_of_the_vocabulary():
    assert set(vocabulary.REFERENCES) == set(reference.KINDS)
    assert METHODS is TIAC_MODELS
    assert set(TIAC_MODELS) - {"auto", "trapezoid", "single-time-point"} == set(MODELS)


@pytest.mark.parametrize("lobe", vocabulary.LOBE_COLORS)
def test_a_lobe_has_one_colour_as_segment_in_charts_and_in_pictures(lobe):
    color = structure(f"liver_lobe_{lobe}").color
    shown = vocabulary.LOBE_COLORS[lobe]
    assert [int(shown[n : n + 2], 16) for n in (1, 3, 5)] == [pytest.approx(255 * part, abs=0.51) for part in color]


def test_every_metric_has_a_label_and_a_sentence():
    for word, metric in vocabulary.METRICS.items():
        assert "_" not in metric.label, word
        assert metric.description.endswith("."), word


def test_numbers_keep_the_digits_they_have():
    """49.57 was once rounded to 49.6 and then shown with four digits: "49.60"."""
    assert number(49.57, 4) == cell_text(49.57) == "49.57"
    assert "49.57" in table(["mm"], [[49.57]])
    assert "49.57" in plain_table(["mm"], [[49.57]])


@settings(deadline=None, max_examples=300)
@given(st.floats(-1e12, 1e12, allow_nan=False), st.integers(2, 6))
def test_text_is_within_half_a_last_digit_and_never_an_exponent_between(value, digits):
    shown = number(value, digits)
    assert float(shown) == pytest.approx(value, rel=0.5000001 * 10.0 ** (1 - digits), abs=0)
    if abs(value) >= 1e-6:
        assert "e" not in shown
        significant = shown.lstrip("-").replace(".", "").lstrip("0")
        assert len(significant) >= digits


@pytest.mark.parametrize("unknown", [math.nan, None])
def test_what_is_not_known_is_blank(unknown):
    assert number(unknown) == cell_text(unknown) == ""
    assert "nan" not in table(["a"], [[unknown]]) + plain_table(["a"], [[unknown], [1.0]])
    assert p_value(math.nan) == ""
    assert with_interval(2.0, (math.nan, math.nan)) == "2.00"
