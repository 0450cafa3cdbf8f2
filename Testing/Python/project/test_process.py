"""What the command sets for its own process."""

from __future__ import annotations

import os
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
