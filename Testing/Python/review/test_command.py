"""``prrt review`` without a browser, and the commands that take readings."""

from __future__ import annotations

import json
import time

import pytest
from builders.full_files import full_case
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.manual_shift import ManualShift
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.readings.journal import Journal
from PRRTUptakeLib.study.readings.measured import plain_rows
from PRRTUptakeLib.study.readings.reading import Reading, VisitReading


def read_by(folder, reader, factor):
    """Readings of three patients, two lesions each, as a blinded reader leaves them."""
    journal = Journal(folder / f"{reader}.readings.jsonl", reader)
    for n, patient in enumerate(("P1", "P2", "P3")):
        rows = [
            Measurement(patient, 1, "24h", "SPECT", name, "target", lobe, name, "tn_ratio", value * factor, "1")
            for name, lobe, value in (("L1", "left", 20.0 + 5 * n), ("R1", "right", 15.0 + n))
        ]
        journal.complete(Reading(case=patient, targets_confirmed=True), plain_rows(rows))
    return str(journal.path)


def test_agreement_takes_the_readings_of_two_readers(tmp_path, capsys):
    first, second = read_by(tmp_path, "Ann", 1.0), read_by(tmp_path, "Bob", 1.1)
    assert main(["agreement", first, second, "--protocol", "lutia", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 6
    assert found["bias_ratio"] == pytest.approx(1.1)


def test_the_endpoint_takes_the_readings_of_a_reader_with_an_allocation(tmp_path, capsys):
    allocation = tmp_path / "allocation.json"
    allocation.write_text(json.dumps({"P1": "left", "P2": "left", "P3": "right"}))
    arguments = ["endpoints", read_by(tmp_path, "Ann", 1.0), "--protocol", "lutia", "--allocation", str(allocation)]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 3
    ratios = (20 / 15, 25 / 16, 17 / 30)
    assert found["gmr"] == pytest.approx((ratios[0] * ratios[1] * ratios[2]) ** (1 / 3))


def test_a_file_that_was_changed_gives_no_answer(tmp_path, capsys):
    first, second = read_by(tmp_path, "Ann", 1.0), read_by(tmp_path, "Bob", 1.1)
    text = (tmp_path / "Bob.readings.jsonl").read_text()
    (tmp_path / "Bob.readings.jsonl").write_text(text.replace('"value":22.0', '"value":21.0'))
    assert main(["agreement", first, second, "--protocol", "lutia"]) == 1
    assert "was changed after it was written" in capsys.readouterr().err


def test_a_complete_reading_becomes_a_case_file(tmp_path, capsys):
    (tmp_path / "P1").mkdir()
    case = tmp_path / "P1" / "case.json"
    case.write_text(json.dumps(full_case(tmp_path / "P1")))
    visit = load_case(case).visits[0]
    shift = ManualShift("L1", (0.0, 1.0, 2.0), "breathing")
    journal = Journal(tmp_path / "Ann.readings.jsonl", "Ann")
    decided = VisitReading(cycle=visit.cycle, visit=visit.visit, manual_shifts=(shift,))
    journal.save(Reading(case="P1", visits=(decided,)))
    made = tmp_path / "read.json"
    arguments = ["review", str(case), "--apply", str(journal.path), "-o", str(made)]
    assert main(arguments) == 1, "a draft is no reading"
    assert "complete readings of no case" in capsys.readouterr().err
    journal.complete(Reading(case="P1", visits=(decided,), targets_confirmed=True), ())
    assert main(arguments) == 0
    assert shift in load_case(made).visits[0].manual_shifts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "everybody in the network could listen"),
        (["--behind-proxy", "http://plain.example"], "must be its origin"),
        (["--reader", "../Ann"], "The reader's name is"),
    ],
)
def test_what_is_not_safe_is_refused_before_anything_is_served(tmp_path, capsys, arguments, message):
    (tmp_path / "case.json").write_text("{}")
    assert main(["review", str(tmp_path / "case.json"), "--no-browser", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_scene_of_results_opens_in_slicer_or_is_named_where_there_is_none(tmp_path, monkeypatch, capsys):
    scene = tmp_path / "results" / "patient.mrb"
    scene.parent.mkdir()
    scene.write_text("scene")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.delenv("PRRT_SLICER", raising=False)
    assert main(["review", str(scene.parent), "--slicer"]) == 0
    assert capsys.readouterr().out.strip().startswith(f"Slicer was not found: open {scene}")
    monkeypatch.setenv("PRRT_SLICER", str(tmp_path / "gone"))
    assert main(["review", str(scene.parent), "--slicer"]) == 1
    assert "which is no file" in capsys.readouterr().err
    program = tmp_path / "Slicer"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/given"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PRRT_SLICER", str(program))
    assert main(["review", str(scene.parent), "--slicer"]) == 0
    assert f"Slicer opens {scene}" in capsys.readouterr().out
    for _ in range(200):
        if (tmp_path / "given").is_file() and (tmp_path / "given").read_text():
            break
        time.sleep(0.02)
    assert (tmp_path / "given").read_text() == str(scene)


def test_a_case_that_cannot_be_run_is_not_opened_in_slicer(tmp_path, capsys):
    (tmp_path / "case.json").write_text('{"patient": "P"}')
    assert main(["review", str(tmp_path / "case.json"), "--slicer"]) == 1
    assert "could not be run for Slicer" in capsys.readouterr().err
