"""What the command sets for its own process."""

from __future__ import annotations

import mmap
import os
import platform
import subprocess
import sys

import pytest

_SHOWN = """
import gc, os, sys
from PRRTUptakeLib.command_line import settle_process
assert "numpy" not in sys.modules, "too late: numpy reads the number of threads when it is imported"
settle_process()
print(os.environ["OPENBLAS_NUM_THREADS"], gc.isenabled())
"""


@pytest.mark.parametrize(("chosen", "used"), [(None, "1"), ("2", "2")])
def test_one_thread_for_small_matrices_unless_the_user_chose(chosen, used):
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)} | ({"OPENBLAS_NUM_THREADS": chosen} if chosen else {})
    ended = subprocess.run([sys.executable, "-c", _SHOWN], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [used, "True"]


_FAULTS = """
import resource
from PRRTUptakeLib.command_line import settle_process
settle_process()
def used():
    return [bytearray(12 << 20) for _ in range(3)]
used()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    used()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of the GNU C library")
@pytest.mark.parametrize(("chosen", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "1000000"}, False)])
def test_memory_of_arrays_is_used_again_unless_the_user_chose(chosen, kept):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | chosen
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    ended = subprocess.run([sys.executable, "-c", _FAULTS], env=environment, capture_output=True, text=True, check=True)
    pages = (36 << 20) // mmap.PAGESIZE  # of one round of ten
    assert (int(ended.stdout) < pages) == kept
