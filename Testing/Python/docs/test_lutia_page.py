"""The page on LUTIA is what its script makes, and its pairs give every published figure at once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import lutia_page
import numpy as np
import pytest
from builders.trial_tables import unblinded_rows, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.statistics.paired import compare_pairs
from PRRTUptakeLib.statistics.scales import scale_conflict
from scipy import stats

DOCS = Path(__file__).resolve().parents[3] / "Docs"


@pytest.fixture(scope="module")
def pairs():
    """The pairs as printed on the page: what a reader can check."""
    text = (DOCS / "lutia.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \|$", text, re.MULTILINE)
    return np.array(rows, dtype=float).T


def test_every_published_figure_by_scipy(pairs):
    treated, control = pairs
    assert treated.size == 27
    assert [round(float(values.mean()), 1) for values in pairs] == [17.4, 16.2]
    assert stats.ttest_rel(treated, control).pvalue == pytest.approx(0.299, abs=5e-4)
    logs = stats.ttest_1samp(np.log(treated / control), 0)
    assert logs.pvalue == pytest.approx(0.050, abs=5e-4)
    interval = np.exp(logs.confidence_interval())
    assert [round(float(end), 2) for end in interval] == [1.0, 1.37]
    assert round(float(stats.gmean(treated / control)), 2) == 1.17
    assert int(np.sum(treated > control)) == 18


def test_the_page_and_its_figure_are_the_scripts(pairs, monkeypatch):
    seed = int(re.search(r"\(seed (\d+)\)", (DOCS / "lutia.md").read_text(encoding="utf-8")).group(1))
    treated, control = lutia_page._solved(seed)
    assert treated == pytest.approx(pairs[0], abs=0.0051)
    assert control == pytest.approx(pairs[1], abs=0.0051)
    made = lutia_page.Pairs(pairs[0], pairs[1], seed)
    assert lutia_page.figure(made) == (DOCS / "lutia.svg").read_text(encoding="utf-8")
    text = (DOCS / "lutia.md").read_text(encoding="utf-8")
    least, most = re.search(r"here, and (-[\d.]+) to (-[\d.]+) in all sets", text).groups()
    assert lutia_page.page(made, (float(least), 0.0, float(most))) == text


@pytest.mark.slow
def test_the_seed_is_the_median_of_those_that_fit():
    made, correlations = lutia_page.reconstructed()
    assert lutia_page.page(made, correlations) == (DOCS / "lutia.md").read_text(encoding="utf-8")


def test_the_conflict_by_its_formulas(pairs):
    treated, control = pairs
    found = scale_conflict(treated, control, compare_pairs(treated, control))
    ratio = np.log(treated / control)
    assert found.correlation == pytest.approx(np.corrcoef(np.log(control), ratio)[0, 1])
    assert found.correlation_level == pytest.approx(np.corrcoef(np.log(treated * control), ratio)[0, 1])
    assert found.correlation_ci == pytest.approx(
        np.tanh(np.arctanh(found.correlation) + np.array([-1, 1]) * 1.959964 / np.sqrt(24)), abs=1e-6
    )


def test_the_command_warns(tmp_path, capsys, pairs):
    table = write_table(tmp_path / "m.csv", unblinded_rows(*pairs))
    assert main(["endpoints", str(table), "--protocol", "lutia", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["scale_conflict"]["p_raw"] == pytest.approx(0.299, abs=5e-4)
    assert any("The scales disagree" in note and "gain least" in note for note in answer["notes"])
    assert main(["endpoints", str(table), "--protocol", "lutia", "--plot", str(tmp_path / "level.svg")]) == 0
    assert (tmp_path / "level.svg").read_text().startswith("<svg")


def test_scales_that_agree_give_no_warning(tmp_path, capsys):
    table = write_table(tmp_path / "m.csv", unblinded_rows())
    assert main(["endpoints", str(table), "--protocol", "lutia", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scale_conflict"] is None
