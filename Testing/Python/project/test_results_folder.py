"""A folder of results: nothing of the user's is lost, and a run that is killed at any moment leaves no half result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PRRTUptakeLib import atomic_write as module
from PRRTUptakeLib.atomic_write import atomic_directory, atomic_file
from PRRTUptakeLib.errors import AtomicWriteError

ROOT = Path(__file__).resolve().parents[3]


def make(target, text="one", **settings):
    with atomic_directory(target, **settings) as work:
        (work / "report.html").write_text(text)
        (work / "dicom").mkdir()
        (work / "dicom" / "SR.dcm").write_bytes(text.encode() * 9)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_result_is_replaced_by_the_next(tmp_path):
    make(tmp_path / "out")
    make(tmp_path / "out", "two")
    assert (tmp_path / "out" / "report.html").read_text() == "two"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("place", ["notes.docx", "dicom/mine.dcm", "own/deep/x.txt"])
def test_a_file_of_the_users_stops_the_run(tmp_path, place):
    make(tmp_path / "out")
    mine = tmp_path / "out" / place
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(AtomicWriteError, match=rf"holds '{place}'.*--replace"):
        make(tmp_path / "out", "two")
    assert mine.read_text() == "mine"
    assert (tmp_path / "out" / "report.html").read_text() == "one"


def test_a_file_that_the_user_changed_stops_the_run(tmp_path):
    make(tmp_path / "out")
    (tmp_path / "out" / "report.html").write_text("ONE")
    with pytest.raises(AtomicWriteError, match=r"'report.html', which was changed"):
        make(tmp_path / "out", "two")


def test_replace_keeps_the_old_result_with_its_date(tmp_path):
    make(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    make(tmp_path / "out", "two", replace=True)
    make(tmp_path / "out", "three", replace=True)
    dated = [name for name in names(tmp_path) if name.startswith("out-20")]
    assert len(dated) == 2
    kept = [tmp_path / name / "report.html" for name in dated]
    assert sorted(path.read_text() for path in kept) == ["one", "two"]
    assert any((path.parent / "notes.txt").is_file() for path in kept)
    assert (tmp_path / "out" / "report.html").read_text() == "three"


def test_what_the_user_adds_during_a_run_is_kept(tmp_path):
    make(tmp_path / "out")
    with atomic_directory(tmp_path / "out") as work:
        (work / "report.html").write_text("two")
        (tmp_path / "out" / "mine.txt").write_text("mine")
    (dated,) = [name for name in names(tmp_path) if name.startswith("out-20")]
    assert (tmp_path / dated / "mine.txt").read_text() == "mine"


def test_a_folder_of_something_else_is_not_even_archived(tmp_path):
    (tmp_path / "Documents").mkdir()
    (tmp_path / "Documents" / "thesis.odt").write_text("mine")
    with pytest.raises(AtomicWriteError, match="not of SlicerPRRT"):
        make(tmp_path / "Documents", replace=True)


def test_results_within_results_and_files_of_the_system(tmp_path):
    make(tmp_path / "demo")
    make(tmp_path / "demo" / "results")
    (tmp_path / "demo" / ".DS_Store").write_text("")
    make(tmp_path / "demo", "two")
    make(tmp_path / "demo" / "results")
    (tmp_path / "demo" / "results" / "mine.txt").write_text("mine")
    with pytest.raises(AtomicWriteError, match=r"'results/mine\.txt'"):
        make(tmp_path / "demo", "three")


def test_kept_files_may_be_changed(tmp_path):
    make(tmp_path / "out", keep=("protocol.signed",))
    (tmp_path / "out" / "protocol.signed").write_text("signed")
    make(tmp_path / "out", "two", keep=("protocol.signed",))
    (tmp_path / "out" / "protocol.signed").write_text("signed again")
    make(tmp_path / "out", "three", keep=("protocol.signed",))
    assert (tmp_path / "out" / "protocol.signed").read_text() == "signed again"


def leave(target, state, pid=2**22 + 7, text="left"):
    """What a process that is gone left beside ``target``."""
    path = target.with_name(f"{target.name}.{state}-{module._machine()}-{pid}-1-0")
    path.mkdir()
    (path / "report.html").write_text(text)
    (path / module.MARK).write_text('{"files": {}}')
    return path


def test_what_killed_runs_left_is_removed(tmp_path):
    make(tmp_path / "out")
    leave(tmp_path / "out", "unfinished")
    leave(tmp_path / "out", "before")
    other = leave(tmp_path / "out2", "unfinished")
    running = leave(tmp_path / "out", "unfinished", os.getpid())
    make(tmp_path / "out", "two")
    assert not running.exists()  # the id is taken by another process: this one began later
    assert names(tmp_path) == ["out", other.name]


def test_what_a_running_process_writes_is_left_alone(tmp_path):
    make(tmp_path / "out")
    pid = os.getpid()
    path = tmp_path / f"out.unfinished-{module._machine()}-{pid}-{module._born(pid)}-999999"
    path.mkdir()
    foreign = tmp_path / "out.unfinished-thoughts.txt"
    foreign.write_text("mine")
    make(tmp_path / "out", "two")
    assert path.exists()
    assert foreign.exists()


def test_a_kill_between_the_renames_loses_nothing(tmp_path):
    leave(tmp_path / "out", "before", text="older")
    leave(tmp_path / "out", "unfinished")

    def fails():
        with atomic_directory(tmp_path / "out"):
            raise RuntimeError

    with pytest.raises(AtomicWriteError, match=r"report\.html"):  # brought back, and it lists no such file
        fails()
    assert (tmp_path / "out" / "report.html").read_text() == "older"


def test_errors_say_what_was_being_done(tmp_path):
    def reads():
        with atomic_directory(tmp_path / "out"):
            (tmp_path / "input.dcm").read_bytes()

    with pytest.raises(AtomicWriteError, match=r"Reading .*input\.dcm failed \(No such file"):
        reads()

    def writes():
        with atomic_directory(tmp_path / "out") as work:
            (work / "absent" / "x").write_text("")

    with pytest.raises(AtomicWriteError, match=r"Writing to .*out failed"):
        writes()
    assert names(tmp_path) == []


def test_files_are_whole_too(tmp_path):
    with atomic_file(tmp_path / "a.txt") as work:
        work.write_text("a")
        assert not work.name.startswith(".")
    left = tmp_path / f"a.txt.unfinished-{module._machine()}-{2**22 + 7}-1-0"
    left.write_text("half")
    with atomic_file(tmp_path / "a.txt") as work:
        work.write_text("b")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_says_so_in_one_line(tmp_path, sent):
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests run in the background ignore it
        "from PRRTUptakeLib.command_line import Command, execute\n"
        "from PRRTUptakeLib.atomic_write import atomic_directory\n"
        "def run(arguments):\n"
        "    with atomic_directory(sys.argv[1]) as work:\n"
        "        (work / 'half.txt').write_text('half')\n"
        "        print('go', flush=True)\n"
        "        time.sleep(60)\n"
        "sys.exit(execute([Command('wait', 'wait', lambda parser: None, run)], ['wait']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "PRRTUptake")}
    started = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    started.stdout.readline()
    started.send_signal(sent)
    _, note = started.communicate()
    assert started.returncode == 130
    assert note.strip() == "prrt wait: stopped; what was being written is removed."
    assert names(tmp_path) == []


_WRITER = """
import sys, time
from pathlib import Path
from PRRTUptakeLib.atomic_write import atomic_directory
print("go", flush=True)
n = 0
while True:
    n += 1
    with atomic_directory(sys.argv[1]) as work:
        for k in range(20):
            (work / f"{k}.txt").write_text(str(n))
"""


def kill_once(target, seconds):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "PRRTUptake")}
    started = subprocess.Popen([sys.executable, "-c", _WRITER, str(target)], env=environment, stdout=subprocess.PIPE)
    started.stdout.readline()
    time.sleep(seconds)
    started.send_signal(signal.SIGKILL)
    started.wait()
    started.stdout.close()


def whole(folder):
    texts = {path.read_text() for path in folder.glob("*.txt")}
    return len(list(folder.glob("*.txt"))) == 20 and len(texts) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("kills", [3, pytest.param(28, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path, kills):
    rng = np.random.default_rng(16)
    target = tmp_path / "out"
    make_whole = [make_twenty(target)]
    for _ in range(kills):
        kill_once(target, float(rng.uniform(0.0, 0.12)))
        assert not [name for name in names(tmp_path) if name.startswith(".")]
        results = [path for path in tmp_path.iterdir() if path.name == "out" or path.name.startswith("out.before-")]
        assert any(whole(path) for path in results)
        if target.exists():
            assert whole(target)
    make_twenty(target)
    assert names(tmp_path) == ["out"]
    assert make_whole == [None]


def make_twenty(target):
    with atomic_directory(target) as work:
        for k in range(20):
            (work / f"{k}.txt").write_text("first")
