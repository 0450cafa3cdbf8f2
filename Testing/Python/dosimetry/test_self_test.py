"""The self-test passes here, reports a wrong installation, and leaves a protocol to sign."""

from __future__ import annotations

import json
import re

import pytest
from PRRTDosimetryLib.commands import main
from PRRTDosimetryLib.selftest import self_test_checks
from PRRTDosimetryLib.selftest.self_test import Check, checks_of, run_self_test, self_test_html

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group(__name__)]  # whole patients; one worker keeps them


def test_the_command_passes_and_writes_the_protocol(tmp_path, capsys):
    page = tmp_path / "protocol.html"
    assert main(["selftest", "--json", "--html", str(page)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["passed"], content["failed"]) == (True, 0)
    assert content["count"] == len(content["checks"]) > 30
    groups = {check["group"] for check in content["checks"]}
    assert groups == {"SUV", "Decay", "Fits", "Coverage", "Dose", "Statistics", "Synthetic patient"}
    for check in content["checks"]:
        assert check["source"]
        assert abs(check["found"] - check["expected"]) <= check["tolerance"]
        assert check["tolerance"] <= 0.06 * abs(check["expected"]), check["name"]
    html = page.read_text(encoding="utf-8")
    assert "Signature" in html
    assert "For research use only" in html
    assert all(check["name"] in html for check in content["checks"])


def test_a_wrong_half_life_is_reported_and_the_status_is_1(monkeypatch, capsys, tmp_path):
    from dataclasses import replace

    right = self_test_checks.nuclide

    def wrong(name):
        entry = right(name)
        return replace(entry, half_life=replace(entry.half_life, value_h=entry.half_life_h * 1.01))

    monkeypatch.setattr(self_test_checks, "nuclide", wrong)
    monkeypatch.setattr(self_test_checks, "GROUPS", {"Decay": self_test_checks.decay_checks})
    assert main(["selftest", "--html", str(tmp_path / "a.html")]) == 1
    note = capsys.readouterr()
    assert note.err.strip().startswith("prrt selftest: 6 of 6 known answers were NOT found")
    assert len(note.err.strip().splitlines()) == 1
    assert "FAILED" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_wrong_table_of_nuclides_fails_wherever_it_is_used(monkeypatch, capsys, tmp_path):
    """The product's own half-life of 177Lu, 1 % too long: the whole command reports it."""
    from dataclasses import replace

    from PRRTUptakeLib.nuclides import radionuclides

    right = radionuclides.nuclide("Lu-177")
    long = replace(right.half_life, value_h=right.half_life_h * 1.01)
    monkeypatch.setitem(radionuclides._table(), "Lu-177", replace(right, half_life=long))
    assert main(["selftest", "--html", str(tmp_path / "a.html")]) == 1
    notes = capsys.readouterr().err
    assert "half-life of Lu-177" in notes
    assert "177Lu left after 24 h" in notes
    assert "half-life of Ga-68" not in notes


def test_the_protocol_names_operator_site_and_code(tmp_path, monkeypatch):
    monkeypatch.setattr(self_test_checks, "GROUPS", {"SUV": self_test_checks.suv_checks})
    result = run_self_test()
    assert re.fullmatch("[0-9a-f]{64}", result.fingerprint)
    assert run_self_test().fingerprint == result.fingerprint
    notes = self_test_html(result, "J. Roe", "UMC <Test>")
    for words in ("J. Roe", "UMC &lt;Test&gt;", result.fingerprint, result.machine, "Performed by", "highdicom"):
        assert words in notes
    assert self_test_html(result).count("not stated") == 2


def test_a_check_that_cannot_be_computed_fails_and_says_why():
    def broken():
        raise FileNotFoundError("point_kernel_Lu-177.json")

    (check,) = checks_of("Dose", broken)
    assert not check.passed
    assert "point_kernel_Lu-177.json" in check.problem


@pytest.mark.parametrize(("found", "passed"), [(1.05, True), (0.94, False), (float("nan"), False)])
def test_a_check_passes_within_its_tolerance(found, passed):
    assert Check("a", "b", 1.0, found, 0.051, "1", "by hand").passed is passed


def test_a_button_may_follow_its_progress(monkeypatch):
    monkeypatch.setattr(self_test_checks, "GROUPS", {"SUV": self_test_checks.suv_checks})
    notes = []
    result = run_self_test(lambda fraction, words: notes.append((fraction, words)))
    assert not result.failed
    assert notes == [(0.0, "SUV"), (1.0, "done")]


def test_a_place_that_cannot_be_written_to_is_one_sentence(monkeypatch, tmp_path, capsys):
    """Root may write everywhere, so that a file is where the folder should be."""
    monkeypatch.setattr(self_test_checks, "GROUPS", {"SUV": self_test_checks.suv_checks})
    (tmp_path / "file").write_text("mine", encoding="ascii")
    assert main(["selftest", "--html", str(tmp_path / "file" / "a.html")]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is not writable" in line
    assert main(["selftest", "--html", str(tmp_path / "new" / "a.html")]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.html"]
