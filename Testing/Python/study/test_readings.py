"""A reader's file is added to and never changed; readings become settings, tables and a list of differences."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from builders.full_files import full_case
from builders.small_study import small_study
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.targets import TargetOverride
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.errors import LockError, StudyError
from PRRTUptakeLib.study.manual_shift import ManualShift
from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.readings.adjudication import adjudicate, between, compare
from PRRTUptakeLib.study.readings.journal import Journal, read_records
from PRRTUptakeLib.study.readings.lock import held
from PRRTUptakeLib.study.readings.measured import measurements_of_readings, plain_rows
from PRRTUptakeLib.study.readings.reading import Reading, VisitReading, read_reading, with_reading
from PRRTUptakeLib.study.readings.settings import case_with_reading
from PRRTUptakeLib.study.readings.worklist import checked_reader, worklist

PLANE = Plane((1.5, 2.0, 0.25), (0.9, 0.3, 0.1))
VISIT = VisitReading(
    cycle=1,
    visit="24h",
    lobe_plane=PLANE,
    target_overrides=(TargetOverride("L3", "L4", "necrosis"),),
    manual_shifts=(ManualShift("R1", (0.0, 2.0, -4.0), "breathing"),),
)


def reading(case="P1", **changes) -> Reading:
    return Reading(**{"case": case, "visits": (VISIT,), "targets_confirmed": True, **changes})


def row(patient="P1", lesion="L1", value=12.0, metric="tn_ratio", lobe="left") -> Measurement:
    return Measurement(patient, 1, "24h", "SPECT", lesion, "target", lobe, lesion, metric, value, "1")


def journal(folder: Path, reader="Ann") -> Journal:
    return Journal(folder / f"{reader}.readings.jsonl", reader, clock=lambda: "2026-03-04T09:30:00.000+00:00")


# The reading itself


def test_a_reading_comes_back_from_json_as_it_was():
    back = read_reading(json.loads(json.dumps(reading(comment="calcified").plain())))
    assert back.plain() == reading(comment="calcified").plain()
    assert back.of((1, "24h")).manual_shifts == VISIT.manual_shifts
    assert back.of((2, "24h")).is_empty


def test_a_reading_with_an_unknown_key_is_refused_with_the_path_of_the_key():
    content = reading().plain()
    content["visits"][0]["lobeplane"] = {}
    with pytest.raises(StudyError, match=r"unknown key 'lobeplane' in 'visits\[0\]' \(did you mean 'lobe_plane'"):
        read_reading(content)


def test_a_visit_that_is_read_twice_is_refused():
    with pytest.raises(StudyError, match="visit 1/24h is read twice"):
        read_reading({"case": "P1", "visits": [{"visit": "24h", "cycle": 1}] * 2})


def test_a_change_of_a_visit_asks_for_the_targets_to_be_confirmed_anew():
    changed = reading().changed(VisitReading(cycle=1, visit="24h", lobe_plane=PLANE))
    assert not changed.targets_confirmed
    assert changed.of((1, "24h")).target_overrides == ()


def test_a_study_takes_the_decisions_of_a_reading_and_keeps_what_was_left():
    study = small_study(visits=("24h", "72h"))
    decided = with_reading(study, reading())
    first, second = decided.visits
    assert first.cut is PLANE
    assert (first.target_overrides, first.manual_shifts) == (VISIT.target_overrides, VISIT.manual_shifts)
    assert second is not first
    assert second.cut is study.visits[1].cut


def test_a_reading_of_another_visit_is_refused():
    with pytest.raises(StudyError, match=r"a visit 1/24h, but the case has 1/96h"):
        with_reading(small_study(visits=("96h",)), reading())


# The file


def test_every_record_is_sealed_with_those_before_it(tmp_path):
    book = journal(tmp_path)
    book.save(reading(targets_confirmed=False))
    book.complete(reading(), plain_rows([row()]))
    first, second = read_records(book.path)
    assert (first.number, first.event, second.event) == (1, "saved", "completed")
    assert second.content["previous"] == first.sha256
    assert book.head == second.sha256
    assert all(one.content["version"] and one.time.endswith("+00:00") for one in (first, second))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: [lines[0].replace(b"necrosis", b"too close"), *lines[1:]], "line 1 was changed after"),
        (lambda lines: lines[1:], "line 1 does not follow the line before it"),
        (lambda lines: [lines[0], lines[2]], "line 2 does not follow the line before it"),
        (lambda lines: [lines[1], lines[0], lines[2]], "line 1 does not follow"),
        (lambda lines: [lines[0], b"nothing", lines[2]], "line 2 is no record"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"number":3', b'"number":4')], "line 3 was changed"),
    ],
)
def test_a_record_that_was_changed_removed_or_moved_is_found(tmp_path, spoil, message):
    book = journal(tmp_path)
    for case in ("P1", "P2", "P3"):
        book.save(reading(case))
    lines = book.path.read_bytes().splitlines()
    book.path.write_bytes(b"\n".join(spoil(lines)) + b"\n")
    with pytest.raises(StudyError, match=message):
        journal(tmp_path)


def test_every_single_byte_that_is_changed_is_found(tmp_path):
    book = journal(tmp_path)
    book.save(reading())
    book.save(reading("P2"))
    whole = book.path.read_bytes()
    for place in range(0, len(whole) - 1, 7):
        book.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StudyError):
            list(read_records(book.path))


def test_a_reading_is_withdrawn_and_not_erased(tmp_path):
    book = journal(tmp_path)
    book.complete(reading(), plain_rows([row()]))
    before = book.path.read_bytes()
    book.withdraw("P1", "wrong patient position")
    assert book.path.read_bytes().startswith(before)
    assert book.states()["P1"].status == "withdrawn"
    assert book.states()["P1"].reason == "wrong patient position"
    with pytest.raises(StudyError, match="no complete reading"):
        measurements_of_readings(book.path)
    with pytest.raises(StudyError, match="no reading of 'P1' to withdraw"):
        book.withdraw("P1", "again")


def test_a_complete_reading_is_replaced_only_after_it_was_withdrawn(tmp_path):
    book = journal(tmp_path)
    book.complete(reading(), plain_rows([row()]))
    with pytest.raises(StudyError, match="withdraw that reading first"):
        book.complete(reading(), ())
    book.withdraw("P1", "wrong window")
    book.complete(reading(), plain_rows([row(value=13.0)]))
    assert [one.value for one in measurements_of_readings(book.path)] == [13.0]


def test_targets_must_be_confirmed_and_a_withdrawal_has_a_reason(tmp_path):
    book = journal(tmp_path)
    with pytest.raises(StudyError, match="targets of 'P1' are not confirmed"):
        book.complete(reading(targets_confirmed=False), ())
    assert not book.path.exists()
    book.save(reading())
    with pytest.raises(StudyError, match="Say why"):
        book.withdraw("P1", "  ")


@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_a_line_that_was_left_half_written_is_kept_and_the_rest_goes_on(tmp_path, kept):
    book = journal(tmp_path)
    book.save(reading("P1"))
    whole = book.path.read_bytes()
    book.save(reading("P2"))
    second = book.path.read_bytes()[len(whole) :]
    torn = whole + second[: int(kept * len(second))]
    book.path.write_bytes(torn)
    again = journal(tmp_path)
    assert set(again.states()) == {"P1"}
    again.save(reading("P3"))
    assert book.path.read_bytes().startswith(torn)
    assert [one.case for one in read_records(book.path)] == ["P1", "P3"]
    assert set(journal(tmp_path).states()) == {"P1", "P3"}


def test_a_record_whose_line_end_alone_is_missing_counts(tmp_path):
    book = journal(tmp_path)
    book.save(reading("P1"))
    book.path.write_bytes(book.path.read_bytes().rstrip(b"\n"))
    again = journal(tmp_path)
    again.save(reading("P2"))
    assert [one.case for one in read_records(book.path)] == ["P1", "P2"]


def test_a_torn_line_that_was_taken_away_is_found(tmp_path):
    book = journal(tmp_path)
    book.save(reading("P1"))
    with book.path.open("ab") as stream:
        stream.write(b'{"half')
    journal(tmp_path).save(reading("P2"))
    lines = book.path.read_bytes().splitlines()
    book.path.write_bytes(b"\n".join([lines[0], lines[2]]) + b"\n")
    with pytest.raises(StudyError, match="half written line that is missing"):
        journal(tmp_path)


def test_a_file_belongs_to_one_reader(tmp_path):
    journal(tmp_path).save(reading())
    with pytest.raises(StudyError, match="has readings of 'Ann', not of 'Bob'"):
        Journal(tmp_path / "Ann.readings.jsonl", "Bob")


def test_a_file_that_cannot_be_written_says_so_and_has_no_record(tmp_path):
    (tmp_path / "file").write_text("")
    book = Journal(tmp_path / "file" / "Ann.readings.jsonl", "Ann")
    with pytest.raises(StudyError, match=r"was not written .* the reading is not kept"):
        book.save(reading())
    assert not book.records


def _try_to_hold(path, answer):
    try:
        with held(path):
            answer.put("held")
    except LockError as error:
        answer.put(str(error))


def test_a_second_program_is_kept_out_until_the_first_ends(tmp_path):
    path = tmp_path / "Ann.readings.jsonl"
    context = multiprocessing.get_context("fork")
    answer = context.Queue()

    def try_elsewhere():
        other = context.Process(target=_try_to_hold, args=(path, answer))
        other.start()
        said = answer.get(timeout=20)
        other.join()
        return said

    with held(path):
        assert "open in another window or program" in try_elsewhere()
    assert try_elsewhere() == "held"


# The worklist


def test_each_reader_has_an_order_of_its_own_that_stays():
    cases = [f"P{n:02d}" for n in range(12)]
    orders = {reader: [one.case for one in worklist(cases, reader, {}).items] for reader in ("Ann", "Bob", "Cy")}
    assert all(sorted(order) == cases for order in orders.values())
    assert len({tuple(order) for order in (*orders.values(), cases)}) == 4
    assert [one.case for one in worklist(reversed(cases), "Ann", {}).items] == orders["Ann"]
    longer = [one.case for one in worklist([*cases, "P99"], "Ann", {}).items]
    assert [case for case in longer if case != "P99"] == orders["Ann"]
    assert [one.case for one in worklist(cases, "Ann", {}, seed="2").items] != orders["Ann"]


def test_a_case_is_first_as_often_as_any_other():
    firsts = [worklist(["P1", "P2", "P3"], f"reader {n}", {}).items[0].case for n in range(600)]
    counts = [firsts.count(case) for case in ("P1", "P2", "P3")]
    assert min(counts) > 150  # 200 expected, standard deviation 11.5


def test_progress_and_what_is_next(tmp_path):
    book = journal(tmp_path)
    first, second, third = (one.case for one in worklist(["P1", "P2", "P3"], "Ann", {}).items)
    book.complete(reading(second), ())
    book.save(reading(third))
    found = worklist(["P1", "P2", "P3"], "Ann", book.states())
    assert [one.status for one in found.items] == ["open", "complete", "draft"]
    assert found.progress == "1 of 3 read"
    assert found.next_open(first).case == third
    assert found.next_open(third).case == first
    assert [one.label for one in found.items] == ["Reading 1", "Reading 2", "Reading 3"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a" * 41, "-x", "a\tb"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(StudyError, match="The reader's name is"):
        checked_reader(name)


# Tables and settings


def test_complete_readings_are_a_table_of_measurements(tmp_path):
    book = journal(tmp_path)
    kept = [row("P1", "L1", 12.345678901234567), row("P1", "R1", 9.0, lobe="right")]
    book.complete(reading("P1"), plain_rows(kept))
    book.save(reading("P2"))
    assert [repr(one) for one in measurements_of_readings(book.path)] == [repr(one) for one in kept]


def test_a_reading_becomes_the_settings_of_its_case(tmp_path):
    content = full_case(tmp_path)
    case = tmp_path / "case.json"
    case.write_text(json.dumps(content))
    visit = load_case(case).visits[0]
    decided = reading(visits=(VisitReading(cycle=visit.cycle, visit=visit.visit, manual_shifts=VISIT.manual_shifts),))
    made = case_with_reading(case, decided, tmp_path / "read" / "by Ann.json", "Ann")
    found = load_case(made)
    assert found.visits[0].dicom.resolve() == visit.dicom.resolve()
    assert found.visits[0].segments.resolve() == visit.segments.resolve()
    assert VISIT.manual_shifts[0] in found.visits[0].manual_shifts
    assert found.notes["reading"] == "Ann"


def test_the_case_that_was_read_is_not_overwritten(tmp_path):
    case = tmp_path / "case.json"
    case.write_text(json.dumps(full_case(tmp_path)))
    with pytest.raises(StudyError, match="is the case that was read"):
        case_with_reading(case, reading(), case)


# Adjudication


def books(folder, first, second):
    sides = []
    for reader, made in (("Ann", first), ("Bob", second)):
        book = journal(folder, reader)
        for decided, rows in made:
            book.complete(decided, plain_rows(rows))
        sides.append(book.states())
    return sides


def test_cases_that_differ_most_come_first(tmp_path):
    same = (reading("A"), [row("A")])
    other_number = (reading("B"), [row("B", value=10.0)]), (reading("B"), [row("B", value=12.0)])
    other_target = (reading("C"), [row("C", "L1")]), (reading("C"), [row("C", "L2")])
    first, second = books(tmp_path, [same, other_number[0], other_target[0]], [same, other_number[1], other_target[1]])
    found = compare(first, second)
    assert [one.case for one in found.cases] == ["C", "B", "A"]
    assert found.cases[0].differences[0].what == "targets of 1/24h"
    assert (found.cases[0].differences[0].first, found.cases[0].differences[0].second) == ("L1", "L2")
    assert found.cases[1].largest_ratio == pytest.approx(1.2)
    assert found.cases[2].agree


def test_planes_shifts_and_comments_are_compared(tmp_path):
    turned = Plane(PLANE.origin_ras + 6.0 * PLANE.normal_ras, PLANE.normal_ras)
    visit = VisitReading(cycle=1, visit="24h", lobe_plane=turned, target_overrides=VISIT.target_overrides)
    first, second = books(
        tmp_path,
        [(reading(), [row()])],
        [(reading(visits=(visit,), comment="noisy"), [row()])],
    )
    whats = {one.what: one for one in compare(first, second).cases[0].differences}
    assert whats["lobe plane of 1/24h"].second == "moved, 6.0 mm and 0.0° apart"
    assert whats["shift of R1 in 1/24h"].first == "+0.0, +2.0, -4.0 mm"
    assert whats["comment"].second == "noisy"


def test_cases_of_one_reader_only_are_listed(tmp_path):
    first, second = books(tmp_path, [(reading("A"), [row("A")])], [(reading("B"), [row("B")])])
    assert compare(first, second).single == ("A", "B")


def test_distance_and_angle_of_planes():
    first = Plane((0, 0, 0), (1, 0, 0))
    second = Plane((3, 100, 0), (np.cos(0.1), np.sin(0.1), 0))
    apart, angle = between(first, second)
    assert angle == pytest.approx(np.degrees(0.1))
    assert apart == pytest.approx(3 * np.cos(0.1) + 100 * np.sin(0.1))


def test_a_third_decides_with_a_reason(tmp_path):
    third = journal(tmp_path, "Cy")
    adjudicate(third, reading(), plain_rows([row(value=11.0)]), ("Bob", "Ann"), "necrosis is clear")
    state = third.states()["P1"]
    assert (state.status, state.based_on, state.reason) == ("complete", ("Bob", "Ann"), "necrosis is clear")
    assert [one.value for one in measurements_of_readings(third.path)] == [11.0]
    with pytest.raises(StudyError, match="somebody else decides"):
        adjudicate(journal(tmp_path, "Ann"), reading(), (), ("Ann", "Bob"), "mine")
    with pytest.raises(StudyError, match="Say why"):
        adjudicate(third, reading(), (), ("Ann", "Bob"), " ")
