"""Many patients at once: found in a folder, run in parallel, resumable at any moment, listed where they fail."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.cohort.jobs import CASE_FILE, UNFINISHED, Crash, Job, is_done
from PRRTUptakeLib.study.cohort.workers import run_on_cluster, run_on_processes
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PRRTUptakeLib.progress import Progress


@dataclass(frozen=True)
class Outcome:
    """What became of one patient: ``reason`` is empty if it is done, ``reused`` if it was done before this run.

    ``crashed`` says that it failed by a fault of the program or the machine, not of its data.
    """

    name: str
    case: Path
    folder: Path
    reason: str = ""
    reused: bool = False
    crashed: bool = False


def find_cases(folder: Path, without: Path | None = None) -> dict[str, Path]:
    """Case files below a folder, by a name made of the folders between, sorted.

    Parameters
    ----------
    without : a folder whose case files do not count, such as the output's.

    Raises
    ------
    StudyError
        If the folder is absent, holds no case file, or two names would be equal.
    """
    if not folder.is_dir():
        raise StudyError(f"The folder {folder} does not exist: name the folder with the patients' case files.")
    found: dict[str, Path] = {}
    for path in sorted(folder.resolve().rglob(CASE_FILE)):
        if without is not None and without.resolve() in path.parents:
            continue
        parts = path.parent.relative_to(folder.resolve()).parts
        name = "_".join(parts) or folder.resolve().name
        if name in found:
            raise StudyError(f"{found[name]} and {path} would both be called '{name}': rename one of the folders.")
        found[name] = path
    if not found:
        raise StudyError(
            f"There is no {CASE_FILE} in {folder} or the folders below: put one beside each patient's data."
        )
    return found


def run_cohort(
    jobs: Sequence[Job], workers: int = 1, scheduler: str = "", progress: Progress | None = None
) -> tuple[Outcome, ...]:
    """Run all patients that are not done yet; returns their outcomes in the order of the jobs.

    Parameters
    ----------
    workers : processes on this machine.
    scheduler : address of a Dask scheduler; its workers run the patients instead, and must see the same folders.
    progress : called with the fraction done and, in words, the patients done and the time left.

    Raises
    ------
    StudyError
        If workers are fewer than one, or the scheduler does not answer.
    """
    if workers < 1:
        raise StudyError(f"{workers} workers cannot run a patient: give 1 or more.")
    finished = {job.name: _outcome(job, reused=True) for job in jobs if is_done(job)}
    waiting = [job for job in jobs if job.name not in finished]
    run = run_on_cluster(waiting, scheduler) if scheduler else run_on_processes(waiting, workers)
    remaining = _Remaining(progress, len(finished), len(jobs))
    for job, reason in run:
        finished[job.name] = _outcome(job, reason)
        remaining(failed=bool(reason))
    return tuple(finished[job.name] for job in jobs)


class _Remaining:
    """Reports the progress in patients and the time left, judged by the pace since the start of this run."""

    def __init__(self, progress: Progress | None, done: int, total: int) -> None:
        self._progress, self._reused, self._total = progress, done, total
        self._done, self._failed = done, 0
        self._start = time.monotonic()
        if progress and total:
            progress(done / total, f"{done} of {total} patients done before")

    def __call__(self, failed: bool) -> None:
        """One patient more has ended."""
        self._done += 1
        self._failed += failed
        done = self._done
        pace = (time.monotonic() - self._start) / max(done - self._reused, 1)
        words = f"{done} of {self._total} patients" + (f", {self._failed} failed" if self._failed else "")
        if self._progress:
            self._progress(done / self._total, f"{words}, {remaining_time(pace * (self._total - done))} left")


def remaining_time(seconds: float) -> str:
    """A duration in the unit that reads best.

    Examples
    --------
    >>> remaining_time(42.2), remaining_time(600), remaining_time(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _outcome(job: Job, reason: str = "", reused: bool = False) -> Outcome:
    return Outcome(job.name, Path(job.case), Path(job.target), str(reason), reused, isinstance(reason, Crash))


def remove_unfinished(folder: Path) -> None:
    """Remove what an interrupted run left among the patients' folders."""
    for path in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder against a second run; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    StudyError
        If another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows has no such lock; a second run would only repeat work
        yield
        return
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise StudyError(f"Another run is writing to {folder}: wait for it, or choose another folder.") from error
    try:
        yield
    finally:
        os.close(handle)
