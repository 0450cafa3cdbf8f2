"""How many threads one process may use."""

from __future__ import annotations

import os

_VARIABLE = "OMP_NUM_THREADS"  # what numpy's own libraries go by; the workers of a cohort have it set to their share


def thread_count() -> int:
    """Threads of this process: the cores of the machine, or fewer where ``OMP_NUM_THREADS`` says so.

    Examples
    --------
    >>> 1 <= thread_count() <= (os.cpu_count() or 1)
    True
    """
    cores = os.cpu_count() or 1
    stated = os.environ.get(_VARIABLE, "").partition(",")[0].strip()
    return min(cores, int(stated)) if stated.isdecimal() and int(stated) > 0 else cores
