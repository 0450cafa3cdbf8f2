"""Who counts: exclusions with reason and date, both populations, missing cycles, crashes, and what the log keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest
from builders.stub_cohort import FUNCTION, change_case, make, write_cases
from builders.trial_tables import row, simulate_trial, unblinded_rows, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.report.endpoint_tables import patient_table
from PRRTUptakeLib.statistics.allocation import read_allocation, read_log
from PRRTUptakeLib.statistics.cycles import compare_cycles
from PRRTUptakeLib.statistics.endpoints import evaluate
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.exclusions import read_exclusions, stated_exclusion
from PRRTUptakeLib.statistics.paired import compare_pairs
from PRRTUptakeLib.study.protocol import load_protocol
from PRRTUptakeLib.study.stated_exclusion import StatedExclusion

LUTIA = load_protocol("lutia")
QUICK = replace(LUTIA, endpoint=replace(LUTIA.endpoint, bootstrap_samples=0))
DAY = date(2024, 5, 3)


def left_out(patient, **more):
    return StatedExclusion(patient=patient, reason="wrong vial", decided=DAY, **more)


def test_per_protocol_next_to_intention_to_treat():
    rows = unblinded_rows()
    found = evaluate(rows, QUICK, exclusions=[left_out("P2"), left_out("P4", scope="all")])
    assert found.comparison == found.populations["per protocol"]
    four = compare_pairs(np.array([20, 30, 25, 14.0]), np.array([16, 22, 20, 12.0]))
    five = compare_pairs(np.array([20, 12, 30, 25, 14.0]), np.array([16, 13, 22, 20, 12.0]))
    assert found.comparison.gmr == pytest.approx(four.gmr)
    assert found.populations["intention to treat"].gmr == pytest.approx(five.gmr)
    assert [(one.patient, one.reason) for one in found.pairs.excluded] == [
        ("P2", "wrong vial (2024-05-03)"),
        ("P4", "wrong vial (2024-05-03)"),
    ]
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["exclusions"][0]["decided"] == "2024-05-03"
    assert plain["populations"]["intention to treat"]["n"] == 5


def test_a_lesion_and_a_cycle_are_left_out():
    rows = [*unblinded_rows(), row("P1", "treated", "L1c", 80), row("P1", "treated", "L1a", 99, cycle=2)]
    found = evaluate(rows, QUICK, exclusions=[left_out("P1", lesion="L1c"), left_out("P1", cycle=2)])
    assert found.comparison.gmr == pytest.approx(evaluate(unblinded_rows(), QUICK).comparison.gmr)
    assert found.populations["intention to treat"].gmr > found.comparison.gmr
    assert 2 not in found.course.missing


def test_a_lobe_that_loses_its_lesions_is_explained_and_not_refused():
    found = evaluate(unblinded_rows(), QUICK, exclusions=[left_out("P3", lesion="L3a")])
    assert found.comparison.n == 5
    assert "treated lobe" in found.pairs.excluded[0].reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patient": "P9"}, "P9 is excluded, but is not in the cohort"),
        ({"lesion": "L9"}, "lesion L9 is excluded, but was not measured"),
        ({"cycle": 4}, "cycle 4 is excluded, but was not measured"),
        ({"scope": "screening"}, "failed screening, but has measurements"),
    ],
)
def test_exclusions_of_what_is_not_there(change, words):
    with pytest.raises(StatisticsError, match=words):
        evaluate(unblinded_rows(), QUICK, exclusions=[left_out(**{"patient": "P1", **change})])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("P1,,2024-05-03,,,", "line 2: the reason of an exclusion is missing"),
        ("P1,x,03.05.2024,,,", "is '03.05.2024': write it as 2024-05-31"),
        ("P1,x,2024-05-03,,two,", "the cycle is 'two'"),
        ("P1,x,2024-05-03,,,sometimes", "the scope is 'sometimes'"),
        ("P1,x,2024-05-03,L1,,screening", "whole patient"),
        ("P1,a, b,2024-05-03,,,,", "line 2: the date of the exclusion of patient P1 is 'b'"),
        ("P1,a, b,2024-05-03,,,all", "line 2: 7 cells for 6 columns"),
    ],
)
def test_bad_lines(tmp_path, line, words):
    path = tmp_path / "out.csv"
    path.write_text(f"patient,reason,date,lesion,cycle,scope\n{line}\n")
    with pytest.raises(StatisticsError, match=words):
        read_exclusions(path)
    with pytest.raises(StatisticsError, match="unknown key 'why'"):
        stated_exclusion({"why": "x"}, "case.json, exclude[0]", "P1")


def test_exclusions_of_a_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for cells in (["Patient", "Reason", "Date", "Cycle"], ["P2", "wrong vial", datetime(2024, 5, 3), 1.0]):
        book.active.append(cells)
    book.save(tmp_path / "e.xlsx")
    (found,) = read_exclusions(tmp_path / "e.xlsx")
    assert (found.patient, found.decided, found.cycle) == ("P2", date(2024, 5, 3), 1)


def test_exclusions_that_excel_wrote_as_csv(tmp_path):
    (tmp_path / "e.csv").write_text("sep=;\npatient;reason;date;cycle\nP2;wrong, very;2024-02-29;1.0\n")
    (found,) = read_exclusions(tmp_path / "e.csv")
    assert (found.reason, found.decided, found.cycle) == ("wrong, very", date(2024, 2, 29), 1)


def test_an_allocation_of_nobody_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("patient,treated_lobe\nP1,left\n,right\n")
    with pytest.raises(StatisticsError, match="a treated lobe \\('right'\\) has no patient"):
        read_allocation(tmp_path / "a.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_exclusions_of_any_spreadsheet(tmp_path, separator, encoding):
    path = tmp_path / "out.csv"
    lines = (("Patient", "Reason", "Date"), ("Müller", "wrong vial", "2024-05-03"))
    path.write_bytes("\r\n".join(separator.join(line) for line in lines).encode(encoding))
    (found,) = read_exclusions(path)
    assert (found.patient, found.reason) == ("Müller", "wrong vial")


def test_missing_cycles_by_the_stated_rule():
    """Four cycles, 12 patients; three lack a cycle. Available cases and completers against direct selection."""
    rows = simulate_trial(3, patients=12, cycles=4)
    names = sorted({one.patient for one in rows})
    gaps = {(names[1], 2), (names[4], 3), (names[4], 4)}
    kept = [one for one in rows if (one.patient, one.cycle) not in gaps]
    kept = [one for one in kept if not (one.patient == names[7] and one.cycle == 3 and one.lobe == "treated")]
    course = compare_cycles(kept, QUICK, None)
    assert {cycle: one.n for cycle, one in course.available.items()} == {1: 12, 2: 11, 3: 10, 4: 11}
    assert {one.n for one in course.completers.values()} == {9}
    assert [one.patient for one in course.missing[3]] == [names[4], names[7]]
    complete = [one for one in rows if one.patient not in {names[n] for n in (1, 4, 7)}]
    assert course.completers[3] == compare_cycles(complete, QUICK, None).available[3]
    note = evaluate(kept, QUICK).notes[-1]
    assert "1 in cycle 2, 2 in cycle 3, 1 in cycle 4" in note
    assert "the 9 who have every cycle" in note


def several_cycles(place, patients=4):
    """A case per patient and cycle, some of which are missing."""
    cases = write_cases(place, patients, treated_lobe="")
    for n in range(patients):
        for cycle in (2, 3, 4):
            if (n, cycle) in {(1, 3), (2, 4)}:
                continue
            folder = cases / f"P{n:02d}c{cycle}"
            folder.mkdir()
            case = json.loads((cases / f"P{n:02d}" / "case.json").read_text())
            (folder / "case.json").write_text(json.dumps({**case, "cycle": cycle, "left": case["left"] + cycle}))
    return cases


def test_cycles_two_to_four_of_a_cohort_with_gaps(tmp_path):
    cases = several_cycles(tmp_path)
    (tmp_path / "a.csv").write_text("patient,treated_lobe\nP00,left\nP01,right\nP02,left\nP03,right\nP07,left\n")
    made = make(cases, tmp_path / "out", allocation=tmp_path / "a.csv", mixed=True)
    endpoint = made.result.analysis.endpoint
    assert {cycle: one.n for cycle, one in endpoint.cycles.items()} == {1: 4, 2: 4, 3: 3, 4: 3}
    assert {one.n for one in endpoint.course.completers.values()} == {2}
    assert endpoint.mixed.patients == 4
    assert endpoint.mixed.rows == 4 * 14
    first = np.array([10.0, 12 + 1 / 7, 12.0, 12 + 9 / 7]) + np.array([2, 0, 2, 0])
    second = np.array([12.0, 11.0, 12 + 4 / 7, 13.0]) + np.array([0, 2, 0, 2])
    assert endpoint.cycles[2].gmr == pytest.approx(compare_pairs(first, second).gmr)
    flow = {entry.patient: entry.state for entry in made.result.flow}
    assert flow == {"P00": "analysed", "P01": "analysed", "P02": "analysed", "P03": "analysed", "P07": "not measured"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "completers" in page


def test_exclusions_of_case_files_and_of_a_table(tmp_path):
    cases = write_cases(tmp_path, 5)
    change_case(cases, "P01", exclude=[{"patient": True, "reason": "other tumour", "date": "2024-02-01"}])
    table = tmp_path / "out.csv"
    table.write_text(
        "patient,reason,date,lesion,cycle,scope\nS1,no bilobar disease,2024-01-05,,,screening\n"
        "P02,necrotic,2024-03-01,left1,,\n"
    )
    made = make(cases, tmp_path / "out", exclusions=table)
    flow = {entry.patient: (entry.state, entry.reason) for entry in made.result.flow}
    assert flow["P01"] == ("excluded from the analysis", "other tumour (2024-02-01)")
    assert flow["S1"] == ("failed screening", "no bilobar disease (2024-01-05)")
    populations = made.result.analysis.endpoint.populations
    assert {name: one.n for name, one in populations.items()} == {"intention to treat": 5, "per protocol": 4}
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("Screened: 6 patients", "Failed screening: 1", "intention to treat", "other tumour (2024-02-01)"):
        assert words in page


def test_who_withdrew_consent_is_not_compared_between_readers_either(tmp_path):
    cases = write_cases(tmp_path, 5)
    for name, scope in (("P01", "all"), ("P02", "per-protocol")):
        part = {
            "patient": True,
            "reason": "consent" if scope == "all" else "dose",
            "date": "2024-02-01",
            "scope": scope,
        }
        change_case(cases, name, exclude=[part])
    first = make(cases, tmp_path / "out")
    write_table(tmp_path / "second.csv", [replace(one, value=one.value * 1.1) for one in first.result.rows])
    made = make(cases, tmp_path / "out", second_reader=tmp_path / "second.csv")
    assert {name.split()[0] for name in made.result.readers.names} == {"P00", "P02", "P03", "P04"}
    assert made.result.readers.agreement.bias_ratio == pytest.approx(1.1)
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("both analyses and the readers", "analysis per protocol", "readings of lesions, patients"):
        assert words in page
    for words in ("standard uncertainty of log ratio", "studentised bootstrap"):  # neither is known here
        assert words not in page


def test_a_crash_ends_with_status_1_and_unblinds_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("PRRTDosimetryLib.commands.RUN_CASE", FUNCTION)
    cases = write_cases(tmp_path, 4, treated_lobe="")
    change_case(cases, "P02", fails="crash")
    allocation, log = tmp_path / "a.csv", tmp_path / "a.blinding.jsonl"
    allocation.write_text("patient,treated_lobe\nP00,left\nP01,left\nP02,right\nP03,left\n")
    command = ["cohort", str(cases), "-o", str(tmp_path / "out"), "--allocation", str(allocation)]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "crash" in printed.err
    assert "treated" not in (tmp_path / "out" / "endpoints.csv").read_text()
    assert [entry["event"] for entry in read_log(log)] == ["blinded"]
    change_case(cases, "P02", fails="")
    assert main(command) == 0
    assert [entry["event"] for entry in read_log(log)] == ["blinded", "unblinded"]
    answer = json.loads((tmp_path / "out" / "endpoints.json").read_text())
    assert answer["blinding"]["fixed_beforehand"] is True  # this very analysis is the first use
    assert answer["blinding"]["fixed_parts"] == {
        "protocol": True, "patients": ["P00", "P01", "P03"], "changed": [], "added": ["P02"],
    }  # fmt: skip


def test_the_log_names_who_changed_after_unblinding(tmp_path, capsys):
    rows = [replace(one, lobe={"treated": "left", "control": "right"}[one.lobe]) for one in unblinded_rows()]
    allocation = tmp_path / "a.csv"
    allocation.write_text("patient,treated_lobe\n" + "".join(f"P{n},left\n" for n in range(1, 7)))
    table = write_table(tmp_path / "m.csv", rows)
    command = ["endpoints", str(table), "--protocol", "lutia", "--allocation", str(allocation)]
    assert main(command) == 0
    write_table(table, [replace(rows[0], value=21.0), *rows[1:]])
    capsys.readouterr()
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "NOT fixed before" in printed
    assert "the protocol, 5 of 6 patients; changed since: P1." in printed


def test_patients_are_listed_as_people_count():
    rows = simulate_trial(3, patients=12)
    names = sorted({one.patient for one in rows})
    rows = [replace(one, patient=f"P{names.index(one.patient) + 1}") for one in rows]
    found = evaluate(rows, QUICK)
    _, cells = patient_table(found)
    assert [line[0] for line in cells] == [f"P{n}" for n in range(1, 13)]
    values = dict(zip(found.pairs.patients, found.pairs.first.tolist(), strict=True))
    assert [line[1] for line in cells] == [values[f"P{n}"] for n in range(1, 13)]
