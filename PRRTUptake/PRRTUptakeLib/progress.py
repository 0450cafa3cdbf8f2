"""How long work reports its progress: a callable with the fraction done and one line of words.

The panels give one that drives a progress dialog and raises `Cancelled` when the user asks; the command line prints.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO, TypeVar, cast

Progress = Callable[[float, str], None]
T = TypeVar("T")


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
    return _Part(progress, start, end)


class _Part:
    """One step of a longer work; what the whole offers of threads, the step offers too."""

    def __init__(self, progress: Progress, start: float, end: float) -> None:
        self._progress, self._start, self._end = progress, start, end

    def __call__(self, fraction: float, message: str) -> None:
        self._progress(self._start + (self._end - self._start) * fraction, message)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._progress, name)  # AttributeError where the whole has none
        if name != "in_background":
            return found
        return lambda work: found(lambda inner: work(sub_progress(inner, self._start, self._end)))


def in_background(progress: Progress, work: Callable[[Progress], T]) -> T:
    """Do ``work`` beside the face, where the face offers that, so that it stays alive; else here and now.

    The panels' progress has a method ``in_background``, which runs the work in a thread, shows how far it is, and
    raises `Cancelled` at once when the user asks to stop; what the thread still computes then is dropped. The work
    must not change nodes of a scene; it is called with the progress to report to.
    """
    run = getattr(progress, "in_background", None)
    return work(progress) if run is None else cast("T", run(work))


def on_main_thread(progress: Progress, work: Callable[[], T]) -> T:
    """Do what changes or writes nodes from within work `in_background`: on the face's own thread."""
    run = getattr(progress, "on_main_thread", None)
    return work() if run is None else cast("T", run(work))


def let_face_answer(progress: Progress) -> None:
    """Let the face redraw between two changes that belong together; nobody can stop the work here."""
    answer = getattr(progress, "let_face_answer", None)
    if answer is not None:
        answer()


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
