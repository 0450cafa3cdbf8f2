"""Work beside the page: one after the other, failures arrive, and the end of the program does not wait for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PRRTUptakeLib.review.worker import Worker

ROOT = Path(__file__).resolve().parents[3]


def test_things_are_done_one_after_the_other_in_a_thread():
    async def ask():
        worker, loop, order = Worker(), asyncio.get_running_loop(), []
        works = [loop.run_in_executor(worker, order.append, n) for n in range(5)]
        await asyncio.gather(*works)
        return order, await loop.run_in_executor(worker, threading.current_thread)

    order, thread = asyncio.run(ask())
    assert order == [0, 1, 2, 3, 4]
    assert thread is not threading.main_thread()


def test_a_failure_arrives_and_the_next_thing_is_done():
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 / 0).result(10)
    assert worker.submit(lambda: 3).result(10) == 3


def test_the_end_of_the_program_does_not_wait_for_the_work():
    code = (
        "import threading\n"
        "from PRRTUptakeLib.review.worker import Worker\n"
        "begun = threading.Event()\n"
        "Worker().submit(lambda: (begun.set(), threading.Event().wait()))\n"
        "begun.wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "PRRTUptake")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=120).returncode == 0
