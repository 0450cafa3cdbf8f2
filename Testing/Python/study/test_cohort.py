"""Cohorts: parallel, resumable after a kill, going on past failures, the same on a Dask cluster."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders.stub_cohort import FUNCTION, change_case, make, started, tables, write_cases
from builders.trial_tables import row, write_table
from PRRTDosimetryLib.commands import main
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.export.cohort_output import Machines, make_cohort
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.study.cohort.analysis import Options
from PRRTUptakeLib.study.cohort.cohort import alone, find_cases
from PRRTUptakeLib.study.cohort.jobs import Job, run_job
from PRRTUptakeLib.study.cohort.workers import _in_batches
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import read_csv
from scipy import stats

HERE = Path(__file__).resolve().parent
BUILDERS = HERE.parent / "builders"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A cohort of six that ran without trouble: its cases and its output."""
    place = tmp_path_factory.mktemp("finished")
    cases = write_cases(place)
    made = make(cases, place / "out")
    return cases, place / "out", made


class TestWholeCohort:
    def test_everybody_is_measured_and_analysed(self, finished):
        _, output, made = finished
        assert [outcome.reason for outcome in made.outcomes] == [""] * 6
        rows = read_csv(output / "measurements.csv")
        assert [one.patient for one in rows] == sorted(one.patient for one in rows)
        assert len(rows) == 24
        ratios = [(10 + n) / (12 + n**2 / 7) for n in range(6)]
        treated = [ratio if n % 2 else 1 / ratio for n, ratio in enumerate(ratios)]
        assert made.result.analysis.endpoint.comparison.gmr == pytest.approx(stats.gmean(treated))
        answer = json.loads((output / "endpoints.json").read_text())
        assert answer["comparison"] == ["treated", "control"]
        assert answer["blinding"]["fixed_beforehand"] is None
        assert (output / "patients" / "P03" / "report.html").read_text() == "<p>P03</p>"
        assert "measuring P03" in (output / "logs" / "P03.txt").read_text()

    def test_nothing_is_done_twice(self, finished):
        cases, output, _ = finished
        before = tables(output)
        again = make(cases, output)
        assert all(outcome.reused for outcome in again.outcomes)
        assert Counter(started(cases)) == Counter({f"P{n:02d}": 1 for n in range(6)})
        assert tables(output) == before

    def test_the_number_of_workers_changes_no_byte(self, finished, tmp_path):
        cases, output, _ = finished
        copy = shutil.copytree(cases, tmp_path / "cases")
        make(copy, tmp_path / "out", workers=3)
        assert tables(tmp_path / "out") == tables(output)

    def test_a_cohort_may_be_moved(self, finished, tmp_path):
        cases, output, _ = finished
        copy = shutil.copytree(cases.parent, tmp_path / "moved")
        again = make(copy / "cases", copy / output.name)
        assert all(outcome.reused for outcome in again.outcomes)


class _Future:
    status = "finished"

    def release(self):
        pass


class _Cluster:
    """A client of two threads that notes how many patients it holds; the first given out ends first."""

    loop = None

    def __init__(self):
        self.held, self.most = [], 0

    def nthreads(self):
        return {"worker": 2}

    def map(self, function, jobs, **_):
        new = [_Future() for _ in jobs]
        self.held += new
        self.most = max(self.most, len(self.held))
        return new

    def as_completed(self, futures, **_):
        return self

    def update(self, futures):
        pass

    def next_batch(self, block):
        return [self.held.pop(0)]


class TestHowPatientsAreGivenOut:
    @pytest.mark.parametrize(("stated", "used"), [("", "2"), ("4", "2"), ("1", "1")])
    def test_a_process_runs_one_patient_after_the_other_with_its_share_of_cores(
        self, tmp_path, monkeypatch, stated, used
    ):
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
        monkeypatch.setattr("os.cpu_count", lambda: 4)
        make(write_cases(tmp_path, 4), tmp_path / "out", workers=2)
        words = [path.read_text().split("process ")[1].split() for path in (tmp_path / "out" / "logs").iterdir()]
        assert len({process for process, _, _ in words}) == 2
        assert {threads for _, _, threads in words} == {used}
        assert os.environ["OMP_NUM_THREADS"] == stated

    def test_a_cluster_holds_two_patients_a_thread(self):
        jobs = [Job(f"P{n:02d}", "", "", "", "") for n in range(40)]
        cluster = _Cluster()
        given = list(_in_batches(cluster, cluster.as_completed, jobs))
        assert given == [(job, "") for job in jobs]
        assert cluster.most == 4

    def test_results_that_came_in_place_meanwhile_are_not_made_again(self, tmp_path):
        case = write_cases(tmp_path, 1) / "P00" / "case.json"
        job = Job("P00", str(case), str(tmp_path / "out"), str(tmp_path / "logs" / "P00.txt"), FUNCTION)
        assert [run_job(job), run_job(job)] == ["", ""]
        assert started(case.parents[1]) == ["P00"]


class TestChanges:
    def test_changed_input_is_run_again(self, tmp_path):
        cases = write_cases(tmp_path, 3)
        make(cases, tmp_path / "out")
        (cases / "P01" / "image.dcm").write_bytes(b"other")
        change_case(cases, "P02", left=99.0)
        os.utime(cases / "P00" / "image.dcm")  # newer, but the same
        made = make(cases, tmp_path / "out")
        assert [outcome.reused for outcome in made.outcomes] == [True, False, False]
        assert any(one.value == 99.0 for one in read_csv(tmp_path / "out" / "measurements.csv"))

    def test_a_folder_that_was_damaged_is_made_again(self, tmp_path):
        cases = write_cases(tmp_path, 2)
        make(cases, tmp_path / "out")
        before = tables(tmp_path / "out")
        (tmp_path / "out" / "patients" / "P00" / "complete.json").write_text("{}")
        (tmp_path / "out" / "patients" / "P01" / "measurements.csv").unlink()
        make(cases, tmp_path / "out")
        assert tables(tmp_path / "out") == before

    def test_a_folder_that_the_case_names_counts_as_input(self, tmp_path):
        cases = write_cases(tmp_path, 2)
        elsewhere = tmp_path / "archive"
        elsewhere.mkdir()
        (elsewhere / "scan").write_text("one")
        change_case(cases, "P00", visits=[{"dicom": "../../archive", "segments": "."}])
        make(cases, tmp_path / "out")
        (elsewhere / "scan").write_text("two")
        assert [one.reused for one in make(cases, tmp_path / "out").outcomes] == [False, True]


class TestFailures:
    def test_each_is_listed_with_its_reason(self, tmp_path):
        cases = write_cases(tmp_path, 7)
        for patient, how in (
            ("P01", "error"),
            ("P02", "crash"),
            ("P03", "signal"),
            ("P04", "nothing"),
            ("P05", "one lobe"),
        ):
            change_case(cases, patient, fails=how)
        (cases / "P06" / "case.json").write_text("{ no JSON")
        more = cases / "P07"
        shutil.copytree(cases / "P00", more)
        change_case(cases, "P07", patient="P07")
        made = make(cases, tmp_path / "out")
        reasons = {entry.patient: (entry.state, entry.reason) for entry in made.result.flow}
        assert reasons["P00"] == ("analysed", "")
        assert reasons["P01"] == ("not measured", "The liver is missing: draw it")
        assert reasons["P02"][1].startswith("RuntimeError: an unforeseen (see the log P02.txt")
        assert "Traceback" in (tmp_path / "out" / "logs" / "P02.txt").read_text()
        assert "signal 9" in reasons["P03"][1]
        assert "without writing measurements.csv" in reasons["P04"][1]
        assert reasons["P05"][0] == "excluded from the analysis"
        assert "right lobe" in reasons["P05"][1] or "left lobe" in reasons["P05"][1]
        assert reasons["P06"][0] == "not measured"
        assert made.result.analysis.endpoint.comparison.n == 2
        assert made.result.analysis.endpoint.blinded  # two patients crashed
        assert "P02 (RuntimeError" in made.result.problem
        assert "P01" not in made.result.problem  # its data are at fault
        assert not list((tmp_path / "out" / "patients").glob(".unfinished*"))
        report = (tmp_path / "out" / "report.html").read_text()
        assert "The liver is missing: draw it" in report
        change_case(cases, "P01", fails="")  # mended
        again = make(cases, tmp_path / "out")
        assert again.result.analysis.endpoint.comparison.n == 3

    def test_one_patient_left(self, tmp_path):
        cases = write_cases(tmp_path, 2)
        change_case(cases, "P01", fails="error")
        made = make(cases, tmp_path / "out")
        assert "Only 1 patient" in made.result.problem
        assert "There is no endpoint" in (tmp_path / "out" / "report.html").read_text()
        assert not (tmp_path / "out" / "endpoints.json").exists()

    def test_nobody_left(self, tmp_path):
        cases = write_cases(tmp_path, 1, fails="error")
        made = make(cases, tmp_path / "out")
        assert made.result.problem == "No patient could be measured; P00: The liver is missing: draw it"

    def test_two_case_files_of_one_patient(self, tmp_path):
        cases = write_cases(tmp_path, 3)
        change_case(cases, "P02", patient="P01", fails="error")
        made = make(cases, tmp_path / "out")
        assert [entry.patient for entry in made.result.flow] == ["P00", "P01"]
        assert any("Part of patient P01 is missing" in note for note in made.result.notes)


def run_apart(cases, output):
    """Start the run of a cohort as a program of its own, to be killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(BUILDERS / "stub_runner.py"), str(cases), str(output)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Tables of a run that was not killed, and its seconds."""
    place = tmp_path_factory.mktemp("undisturbed")
    cases = write_cases(place, 4, seconds=0.05)
    start = time.monotonic()
    assert run_apart(cases, place / "out").wait() == 0
    return tables(place / "out"), time.monotonic() - start


class TestKilled:
    """SIGKILL to the whole run at any moment, then the same command again."""

    def kill_and_resume(self, place, moment):
        cases = write_cases(place, 4, seconds=0.05)
        process = run_apart(cases, place / "out")
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        patients = place / "out" / "patients"
        whole = [path.parent.name for path in patients.glob("[!.]*/complete.json")]
        for name in whole:  # what is in place is whole
            assert (patients / name / "report.html").read_text() == f"<p>{name}</p>"
        assert run_apart(cases, place / "out").wait() == 0
        counted = Counter(started(cases))
        assert set(counted) == {f"P{n:02d}" for n in range(4)}  # nobody lost
        assert all(counted[name] == 1 for name in whole)  # nobody done twice
        assert not list(patients.glob(".unfinished*"))
        return len(whole)

    def test_once(self, undisturbed, tmp_path):
        expected, seconds = undisturbed
        self.kill_and_resume(tmp_path, 0.7 * seconds)
        assert tables(tmp_path / "out") == expected

    @pytest.mark.slow
    def test_at_twenty_seeded_moments(self, undisturbed, tmp_path):
        expected, seconds = undisturbed
        moments = random.Random(20)
        done = []
        for n in range(20):
            (tmp_path / str(n)).mkdir()
            done.append(self.kill_and_resume(tmp_path / str(n), moments.uniform(0.2, 1.0) * seconds))
            assert tables(tmp_path / str(n) / "out") == expected
        assert len(set(done)) > 1, "every kill came at the same state of the run: the moments are badly chosen"

    def test_workers_end_with_their_parent(self, tmp_path):
        cases = write_cases(tmp_path, 2, seconds=30)
        process = run_apart(cases, tmp_path / "out")
        wait_until(lambda: len(started(cases)) == 2)
        command = ["ps", "-o", "pid=", "--ppid", str(process.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        pids = [int(pid) for pid in listed.stdout.split()]
        assert len(pids) >= 2
        process.kill()
        process.wait()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited without success"
        time.sleep(0.05)


class TestCluster:
    def test_two_dask_workers_give_the_same_tables(self, finished, tmp_path):
        distributed = pytest.importorskip("distributed")
        cases, output, _ = finished
        copy = shutil.copytree(cases, tmp_path / "cases")
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            change_case(copy, "P05", fails="")
            make(copy, tmp_path / "out", scheduler=cluster.scheduler_address)
        assert tables(tmp_path / "out") == tables(output)

    def test_no_scheduler(self, tmp_path, monkeypatch):
        pytest.importorskip("distributed")
        monkeypatch.setattr("PRRTUptakeLib.study.cohort.workers.PATIENCE", "200ms")
        with pytest.raises(StudyError, match=r"127\.0\.0\.1:9"):
            make(write_cases(tmp_path, 2), tmp_path / "out", scheduler="tcp://127.0.0.1:9")

    def test_without_distributed_the_remedy_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(StudyError, match=r"pip install '\.\[distributed\]'"):
            make(write_cases(tmp_path, 2), tmp_path / "out", scheduler="tcp://127.0.0.1:9")


class TestAllocation:
    def blinded_cases(self, place):
        return write_cases(place, 3, treated_lobe="")

    def test_blinded_until_the_file_is_given(self, tmp_path):
        cases = self.blinded_cases(tmp_path)
        blinded = make(cases, tmp_path / "out").result.analysis
        assert blinded.endpoint.blinded
        allocation = tmp_path / "a.csv"
        allocation.write_text("patient,treated_lobe\nP00,left\nP01,left\nP02,right\n")
        given = make(cases, tmp_path / "out", allocation=allocation, log=tmp_path / "out" / "blinding.jsonl")
        assert given.result.analysis.endpoint.pairs.labels == ("treated", "control")
        assert given.result.analysis.fixed_beforehand is True
        assert all(outcome.reused for outcome in given.outcomes)

    def test_a_patient_who_failed_may_stand_in_the_allocation(self, tmp_path):
        cases = self.blinded_cases(tmp_path)
        change_case(cases, "P02", fails="error")
        allocation = tmp_path / "a.json"
        allocation.write_text('{"P00": "left", "P01": "left", "P02": "right"}')
        assert make(cases, tmp_path / "out", allocation=allocation).result.analysis.endpoint.comparison.n == 2
        allocation.write_text('{"P00": "left", "P01": "left", "P09": "right"}')
        flow = {entry.patient: entry for entry in make(cases, tmp_path / "out", allocation=allocation).result.flow}
        assert (flow["P09"].state, flow["P09"].reason) == ("not measured", "allocated, but there is no measurement")

    def test_against_the_case_files(self, tmp_path):
        cases = write_cases(tmp_path, 2)
        allocation = tmp_path / "a.json"
        allocation.write_text('{"P00": "left", "P01": "left"}')
        problem = make(cases, tmp_path / "out", allocation=allocation).result.problem
        assert problem == "The allocation of patient P00 is left, but the case file says right."

    def test_a_bad_file_is_found_before_the_work(self, tmp_path):
        cases = self.blinded_cases(tmp_path)
        with pytest.raises(StatisticsError):
            make(cases, tmp_path / "out", allocation=tmp_path / "absent.csv")
        assert started(cases) == []


class TestCommandAndInput:
    def test_command(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("PRRTDosimetryLib.commands.RUN_CASE", FUNCTION)
        cases = write_cases(tmp_path, 3)
        assert main(["cohort", str(cases), "-o", str(tmp_path / "out"), "--workers", "2"]) == 0
        printed = capsys.readouterr()
        assert "3 patients entered, 3 analysed" in printed.out
        assert "geometric mean ratio treated/control" in printed.out
        assert "3 of 3 patients, 0 s left" in printed.err

    def test_command_without_an_endpoint(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("PRRTDosimetryLib.commands.RUN_CASE", FUNCTION)
        cases = write_cases(tmp_path, 2, fails="error")
        assert main(["cohort", str(cases), "-o", str(tmp_path / "out")]) == 1
        printed = capsys.readouterr()
        assert "No patient could be measured" in printed.err
        assert "The liver is missing" in printed.out

    @pytest.mark.parametrize("workers", [0, -2])
    def test_impossible_workers(self, tmp_path, workers):
        with pytest.raises(StudyError, match=f"{workers} workers"):
            make(write_cases(tmp_path, 2), tmp_path / "out", workers=workers)

    def test_no_cases(self, tmp_path):
        with pytest.raises(StudyError, match=r"no case\.json"):
            find_cases(tmp_path)
        with pytest.raises(StudyError, match="does not exist"):
            find_cases(tmp_path / "absent")

    def test_cases_are_named_by_their_folders(self, tmp_path):
        for name in ("siteA/P1", "siteB/P1", "out/patients/P1"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "case.json").write_text("{}")
        assert list(find_cases(tmp_path, without=tmp_path / "out")) == ["siteA_P1", "siteB_P1"]
        (tmp_path / "siteA_P1").mkdir()
        (tmp_path / "siteA_P1" / "case.json").write_text("{}")
        with pytest.raises(StudyError, match="both be called 'siteA_P1'"):
            find_cases(tmp_path)

    def test_protocols_that_differ(self, tmp_path):
        cases = write_cases(tmp_path, 2)
        change_case(cases, "P01", protocol="ia-versus-iv")
        with pytest.raises(StudyError, match="--protocol"):
            make(cases, tmp_path / "out")
        assert (
            make_cohort(cases, tmp_path / "out", FUNCTION, Options("lutia"), Machines(2)).result.protocol.name
            == "lutia"
        )

    def test_one_run_at_a_time(self, tmp_path):
        pytest.importorskip("fcntl")
        with alone(tmp_path / "out"), pytest.raises(PRRTError, match="Another run"), alone(tmp_path / "out"):
            pass

    def test_time_left_is_judged_by_this_runs_pace(self, tmp_path):
        cases = write_cases(tmp_path, 3)
        make(cases, tmp_path / "out")
        change_case(cases, "P02", left=50.0)
        notes = []
        make_cohort(cases, tmp_path / "out", FUNCTION, Options(""), Machines(1), lambda *words: notes.append(words))
        assert notes[0] == (pytest.approx(2 / 3), "2 of 3 patients done before")
        assert notes[-1] == (1.0, "3 of 3 patients, 0 s left")


def left_open(page):
    """Tags of a page that are not closed in their order."""
    parser, stack = HTMLParser(), []
    parser.handle_starttag = lambda tag, _: None if tag == "meta" else stack.append(tag)
    parser.handle_startendtag = lambda tag, _: None
    parser.handle_endtag = lambda tag: stack.pop() if stack[-1:] == [tag] else stack.append(f"/{tag}")
    parser.feed(page)
    return stack


class TestReport:
    def test_is_self_contained_and_complete(self, finished, tmp_path):
        cases, _, _ = finished
        copy = shutil.copytree(cases, tmp_path / "cases")
        change_case(copy, "P05", fails="one lobe")
        second = [
            row(f"P{n:02d}", side, f"{side}{k}", 10.5 + n + k)
            for n in range(5)
            for side in ("left", "right")
            for k in (0, 1)
        ]
        groups = tmp_path / "g.csv"
        groups.write_text("patient,sex\n" + "".join(f"P{n:02d},{'fm'[n % 2]}\n" for n in range(6)))
        table = write_table(tmp_path / "second.csv", second)
        make(copy, tmp_path / "out", second_reader=table, subgroups=groups)
        text = (tmp_path / "out" / "report.html").read_text()
        assert left_open(text) == []
        for outside in ('src="http', 'href="http', "<script", "<link", "url("):
            assert outside not in text
        for words in (
            "Entered: 6 patients", "Measured: 6 patients", "Excluded: 1", "Analysed: 5 patients", "Forest plot",
            "Waterfall",
            "Bland-Altman", "T/N ratio per patient", "Agreement of readers", "ICC(2,1)", "Subgroups by sex", "Methods",
            "at most 3 per lobe", "above 30 mm", "For research use only",
        ):  # fmt: skip
            assert words in text, words
