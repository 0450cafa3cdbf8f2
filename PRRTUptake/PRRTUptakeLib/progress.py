"""How long work reports its progress: a callable with the fraction done and one line of words.

The panels give one that drives a progress dialog and raises `Cancelled` when the user asks; the command line prints.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[float, str], None]


def no_progress(fraction: float, message: str) -> None:
    """Report to nobody."""


def sub_progress(progress: Progress, start: float, end: float) -> Progress:
    """A progress for one step of a longer work, which is between the fractions ``start`` and ``end``.

    Examples
    --------
    >>> seen = []
    >>> step = sub_progress(lambda fraction, message: seen.append((fraction, message)), 0.5, 1.0)
    >>> step(0.5, "half of the second half"); seen
    [(0.75, 'half of the second half')]
    """
    return lambda fraction, message: progress(start + (end - start) * fraction, message)


class ProgressPrinter:
    """Prints progress: a bar that is redrawn on a terminal, one line per step elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._start = time.monotonic()
        self._last = ""

    def __call__(self, fraction: float, message: str) -> None:
        """Show that ``fraction`` (0 to 1) is done and ``message`` comes next."""
        seconds = time.monotonic() - self._start
        filled = round(24 * min(max(fraction, 0.0), 1.0))
        bar = "#" * filled + "." * (24 - filled)
        if self._live:
            self._stream.write(f"\r[{bar}] {fraction:4.0%} {seconds:5.1f} s  {message:<60.60}")
            if fraction >= 1.0:
                self._stream.write("\n")
        elif message != self._last:
            self._stream.write(f"[{bar}] {fraction:4.0%} {seconds:5.1f} s  {message}\n")
        self._last = message
        self._stream.flush()
