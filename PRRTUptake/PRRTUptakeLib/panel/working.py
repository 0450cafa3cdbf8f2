"""Long work beside a living panel: a thread computes while the application redraws and the Cancel button answers."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.progress import Progress

LOOK_s = 0.03  # how often the panel looks after the thread: the longest wait for Cancel, unless the thread holds Python


class DialogProgress:
    """Progress that is shown in a dialog; `progress.in_background` finds the thread that it offers.

    Work in the background touches no node; what does is handed to `on_main_thread`. Cancel ends the waiting at once:
    the thread ends at its next step, and what it made is dropped.
    """

    def __init__(self, dialog: Any) -> None:
        self._dialog = dialog

    def __call__(self, fraction: float, message: str) -> None:
        """Show how far the work is.

        Raises
        ------
        Cancelled
            If the user asked to stop.
        """
        self._dialog.labelText = message
        self._dialog.value = min(int(100 * fraction), 99)  # at 100 the dialog would close itself
        self._look()

    def let_face_answer(self) -> None:
        """Redraw, and answer the mouse; Cancel waits for the next call that may stop."""
        slicer.app.processEvents()

    def _look(self) -> None:
        slicer.app.processEvents()
        if self._dialog.wasCanceled:
            raise Cancelled(_("Stopped by the user."))

    def in_background(self, work: Callable[[Progress], Any]) -> Any:
        """What the work returns, or what it raises."""
        worker = _Worker(work)
        worker.start()
        try:
            while worker.is_alive():
                worker.join(LOOK_s)
                for fraction, message in worker.messages():
                    self(fraction, message)
                worker.answer()
                self._look()
        finally:
            worker.stopped = True
        worker.answer()
        if worker.failure is not None:
            raise worker.failure
        return worker.result


class _Worker(threading.Thread):
    """One piece of work in a thread of its own, which does not keep the application from closing."""

    def __init__(self, work: Callable[[Progress], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._messages: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._errands: queue.SimpleQueue[_Errand] = queue.SimpleQueue()
        self.stopped = False
        self.result: Any = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Work, and keep what came out."""
        try:
            self.result = self._work(_WorkerProgress(self))
        except BaseException as error:  # it is raised again where the work was asked for
            self.failure = error

    def messages(self) -> list[tuple[float, str]]:
        """What was reported since the last look."""
        return [self._messages.get() for _number in range(self._messages.qsize())]

    def answer(self) -> None:
        """Run the errands of the thread, here on the main thread."""
        for _number in range(self._errands.qsize()):
            self._errands.get().run()

    def report(self, fraction: float, message: str) -> None:
        """Report from within the thread."""
        if self.stopped:
            raise Cancelled(_("Stopped by the user."))
        self._messages.put((fraction, message))

    def ask(self, work: Callable[[], Any]) -> Any:
        """Have something done on the main thread, and wait for it."""
        errand = _Errand(work)
        self._errands.put(errand)
        while not errand.done.wait(LOOK_s):
            if self.stopped:
                raise Cancelled(_("Stopped by the user."))
        if errand.failure is not None:
            raise errand.failure
        return errand.result


class _WorkerProgress:
    """The progress that the thread's work is given: no thread within the thread."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker

    def __call__(self, fraction: float, message: str) -> None:
        self._worker.report(fraction, message)

    def on_main_thread(self, work: Callable[[], Any]) -> Any:
        """Do something that changes nodes."""
        return self._worker.ask(work)


class _Errand:
    """Something to do on the main thread, and what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.done = threading.Event()
        self.result: Any = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Do it."""
        try:
            self.result = self._work()
        except BaseException as error:  # the thread that asked raises it
            self.failure = error
        finally:
            self.done.set()
