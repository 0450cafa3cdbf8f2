"""Where patients are run: in processes of this machine, or on a Dask cluster. Both run the same function."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import threading
import time
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.command_line import settle_process
from PRRTUptakeLib.study.cohort.jobs import Crash, Job, run_job
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

PATIENCE = "20s"  # with a scheduler that does not answer
_AHEAD = 2  # patients given out for each thread of a cluster: one that runs, one that waits beside it
_WORKERS_ASKED_S = 5.0  # how often a cluster is asked for the number of its threads
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def run_on_processes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, str]]:
    """Run jobs in ``workers`` processes, each one after the other; yields the reason of failure as each ends.

    A crash in a compiled library, or the system ending a process for lack of memory, costs one patient and not the
    pool: a new process takes the place of the lost one. Processes share the machine's cores.
    """
    waiting = deque(jobs)
    running: dict[Connection, tuple[Job, _Worker]] = {}
    share = max(1, (os.cpu_count() or 1) // max(1, min(workers, len(waiting))))
    try:
        while waiting and len(running) < workers:
            worker = _Worker(share)
            running[worker.connection] = (worker.give(waiting.popleft()), worker)
        while running:
            ready = set(wait(list(running)))
            for connection in [one for one in running if one in ready]:
                job, worker = running.pop(connection)
                reason = worker.answer()
                if waiting:
                    if not worker.alive:
                        worker = _Worker(share)
                    running[worker.connection] = (worker.give(waiting.popleft()), worker)
                else:
                    worker.end()
                yield job, reason
    finally:
        for _, worker in running.values():
            worker.stop()


class _Worker:
    """A process that runs one patient after the other; what a patient needs is imported once."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _threads_of_children(threads):
            self._process.start()
        theirs.close()  # so that the end of the process ends the pipe
        self.alive = True

    def give(self, job: Job) -> Job:
        """Start a job; a process that ended meanwhile says so by its answer."""
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(job)
        return job

    def answer(self) -> str:
        """Why the job that was given failed, or ""; waits for it."""
        try:
            reason: str = self.connection.recv()
            return reason
        except (EOFError, ConnectionResetError):
            self.alive = False
            self.end()
        code = self._process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        return Crash(f"The process of this patient was ended {how}, perhaps for lack of memory: try fewer workers.")

    def end(self) -> None:
        """Let the process end, which has nothing left to do."""
        self.connection.close()
        self._process.join()

    def stop(self) -> None:
        """End the process in the middle of its work."""
        self._process.terminate()
        self.end()


@contextlib.contextmanager
def _threads_of_children(share: int) -> Iterator[None]:
    """Processes started within use ``share`` threads each, or fewer where the user said so: else they fight."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    for name, stated in before.items():
        os.environ[name] = str(min(share, int(stated)) if stated and stated.isdecimal() and int(stated) else share)
    try:
        yield
    finally:
        for name, stated in before.items():
            if stated is None:
                del os.environ[name]
            else:
                os.environ[name] = stated


def _work(connection: Connection) -> None:
    settle_process()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError):
        while True:
            connection.send(run_job(connection.recv()))


def _end_with_parent() -> None:
    """A killed parent cannot end its workers: they must notice, or they would go on beside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_on_cluster(jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, str]]:
    """Run the jobs on the workers of a Dask cluster; yields the reason of failure as each ends.

    Raises
    ------
    StudyError
        If the package distributed is missing, or no scheduler answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise StudyError(
            "--scheduler needs the package distributed: run pip install '.[distributed]' in the clone of this "
            "repository (.venv/bin/pip after make demo), or pip install distributed."
        ) from error
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise StudyError(
            f"No Dask scheduler answers at {address} ({type(error).__name__}): check the address."
        ) from error
    with client:
        yield from _in_batches(client, as_completed, jobs)


class PatientError(Exception):
    """Why a patient failed on a cluster's worker: as an error it comes with the news, so that nothing is fetched."""

    def __init__(self, reason: str, crashed: bool) -> None:
        super().__init__(reason, crashed)
        self.reason = Crash(reason) if crashed else reason


def _run_or_raise(job: Job) -> None:
    reason = run_job(job)
    if reason:
        raise PatientError(reason, isinstance(reason, Crash))


def _in_batches(client: Any, as_completed: Any, jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
    """Give out a few jobs for each thread of the cluster, more as these end: the scheduler never holds them all."""
    waiting = deque(jobs)
    running: dict[Any, Job] = {}
    ended = as_completed((), loop=client.loop)
    threads, asked = 0, -math.inf

    def give_out() -> None:
        nonlocal threads, asked
        if time.monotonic() - asked > _WORKERS_ASKED_S:  # workers come and go
            threads, asked = max(1, sum(client.nthreads().values())), time.monotonic()
        new = [waiting.popleft() for _ in range(min(len(waiting), _AHEAD * threads - len(running)))]
        if new:
            futures = client.map(_run_or_raise, new, pure=False, retries=0, batch_size=len(new))
            running.update(zip(futures, new, strict=True))
            ended.update(futures)

    give_out()
    while running:
        for future in ended.next_batch(block=True):
            job = running.pop(future)
            error = None if future.status == "finished" else future.exception()
            future.release()
            lost = Crash(f"The cluster lost this patient ({error}).") if error else ""
            yield job, error.reason if isinstance(error, PatientError) else lost
        give_out()
