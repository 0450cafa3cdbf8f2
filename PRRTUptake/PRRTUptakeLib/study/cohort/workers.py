"""Where patients are run: in processes of this machine, or on a Dask cluster. Both run the same function."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.cohort.jobs import Crash, Job, run_job
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

PATIENCE = "20s"  # with a scheduler that does not answer


def run_on_processes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, str]]:
    """Run each job in a process of its own, ``workers`` at a time; yields the reason of failure as each ends.

    A process of its own, because a crash in a compiled library, or the system ending a process for lack of memory, then
    costs one patient and not the pool.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(jobs)
    running: dict[Connection, tuple[Job, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.popleft()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(job, sender), daemon=True)
                process.start()
                sender.close()  # so that the end of the process ends the pipe
                running[receiver] = (job, process)
            ready = set(wait(list(running)))
            for receiver in [one for one in running if one in ready]:
                job, process = running.pop(receiver)
                yield job, _reason(receiver, process)
    finally:
        for receiver, (_, process) in running.items():
            process.terminate()
            process.join()
            receiver.close()


def _reason(receiver: Connection, process: Any) -> str:
    try:
        reason: str = receiver.recv()
    except EOFError:
        reason = ""
        process.join()
        if process.exitcode != 0:
            how = f"by signal {-process.exitcode}" if process.exitcode < 0 else f"with status {process.exitcode}"
            reason = Crash(
                f"The process of this patient was ended {how}, perhaps for lack of memory: try fewer workers."
            )
    process.join()
    receiver.close()
    return reason


def _work(job: Job, sender: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sender.send(run_job(job))
    sender.close()


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
        futures = {client.submit(run_job, job, pure=False, retries=0): job for job in jobs}
        for future in as_completed(futures, loop=client.loop):
            lost = future.exception()
            yield futures[future], Crash(f"The cluster lost this patient ({lost}).") if lost else future.result()
