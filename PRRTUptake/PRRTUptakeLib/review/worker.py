"""A thread beside the page that does one thing after the other, and that no end of the server waits for."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Worker(Executor):
    """An executor for ``loop.run_in_executor``.

    That of the standard library keeps a process alive until its work is done: a server that is stopped while it
    measures went on for as long. Nothing is lost with this one, since decisions are kept as they are made.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="prrt-review", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do something after what was asked before."""
        made: Future[Any] = Future()
        self._waiting.put((made, lambda: fn(*args, **kwargs)))
        return made

    def _work(self) -> None:
        while True:
            future, work = self._waiting.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # it is raised where the result is waited for
                future.set_exception(error)
            del future, work  # else the last result is kept until the next one
