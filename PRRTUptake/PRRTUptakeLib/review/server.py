"""The server of the review: every request passes the rules of `access`; one window at a time; ends when idle."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import webbrowser
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.review.access import COOKIE, HEADERS, Binding, Door, Idle, Refusal, refusal
from PRRTUptakeLib.review.errors import ReviewError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PRRTUptakeLib.review.source import ReadingRoom

_SOCKET = "/ws"
_CHECK_s = 5.0
_ELSEWHERE = (
    "<!doctype html><meta charset='utf-8'><meta http-equiv='refresh' content='1'><title>Review</title>"
    "<p id='elsewhere'>This review is open in another window. It opens here when that one is closed.</p>"
)


class Guard:
    """Answers or refuses each request before the application sees it."""

    def __init__(self, where: Binding, door: Door, idle: Idle) -> None:
        self.where, self.door, self.idle = where, door, idle
        self.windows = 0

    def add_to(self, app: Any) -> None:
        """Put it in front of an aiohttp application."""
        from aiohttp import web

        @web.middleware  # type: ignore[untyped-decorator]
        async def guard(request: Any, handler: Any) -> Any:
            return await self._answer(request, handler)

        app.middlewares.append(guard)

    async def _answer(self, request: Any, handler: Any) -> Any:
        from aiohttp import web

        port = request.transport.get_extra_info("sockname")[1]
        is_socket = request.path == _SOCKET
        token = request.query.get("token", "")
        host = request.headers.get("Host", "")
        if token and request.path == "/" and host.lower() in self.where.hosts(port) and self.door.enter(token):
            secure = bool(self.where.certificate or self.where.public)
            return self._with_headers(
                web.Response(status=302, headers={"Location": "/", "Set-Cookie": self.door.set_cookie(secure)})
            )
        known = self.door.knows(request.cookies.get(COOKIE, ""))
        no = refusal(self.where, port, host, known, request.headers.get("Origin"), is_socket)
        if no is None and request.method not in ("GET", "HEAD"):
            no = Refusal(405, "Pages are read only.")
        if no is None and is_socket and self.windows:
            no = Refusal(409, "The review is open in another window.")
        if no is not None:
            return self._with_headers(web.Response(status=no.status, text=no.sentence))
        self.idle.seen(time.monotonic())
        if is_socket:
            self.windows += 1
            try:
                return await handler(request)
            finally:
                self.windows -= 1
                self.idle.seen(time.monotonic())
        if self.windows and request.path in ("/", "/index.html"):
            return self._with_headers(web.Response(status=200, text=_ELSEWHERE, content_type="text/html"))
        try:
            return self._with_headers(await handler(request))
        except web.HTTPException as answer:
            self._with_headers(answer)
            raise

    def _with_headers(self, response: Any) -> Any:
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response


def serve(room: ReadingRoom, where: Binding, *, browser: bool = True, idle_minutes: float = 60.0) -> None:
    """Serve until the window is closed for long enough, or the program is stopped.

    Parameters
    ----------
    browser : whether the system's browser is opened.
    idle_minutes : without any sign of life until the server ends; 0 for never.

    Raises
    ------
    ReviewError
        If the extra 'review' is not installed, or the port is taken.
    """
    try:
        from trame.app import get_server
    except ImportError as error:
        raise ReviewError(
            "The review needs trame: pip install 'slicerprrt[review]' in an environment of its own."
        ) from error
    from PRRTUptakeLib.review.application import ReviewApplication

    server = get_server("prrt-review", client_type="vue3")
    idle = Idle(60.0 * idle_minutes, time.monotonic())
    door = Door()
    application = ReviewApplication(server, room, idle)
    application.build()
    server.controller.on_server_bind.add(lambda made: Guard(where, door, idle).add_to(made.app))

    tasks: list[asyncio.Task[None]] = []

    def ready(**_: Any) -> None:
        address = where.address(server.port, door.token)
        print(f"Review: {address}", flush=True)
        print("The address works once, in one window; Ctrl-C ends the review.", flush=True)
        loop = asyncio.get_event_loop()
        loop.call_soon(application.start)
        tasks.append(loop.create_task(_ended_when_idle(server, idle)))
        if browser:
            webbrowser.open(address)

    server.controller.on_server_ready.add(ready)
    try:
        with _own_arguments(where):
            server.start(
                port=where.port,
                host=where.host,
                open_browser=False,
                show_connection_info=False,
                disable_logging=True,
                timeout=0,
            )
    except OSError as error:
        raise ReviewError(
            f"Port {where.port} of {where.host} cannot be used ({error.strerror}): name another."
        ) from error
    finally:
        room.close()


async def _ended_when_idle(server: Any, idle: Idle) -> None:
    while not idle.is_over(time.monotonic()):
        await asyncio.sleep(_CHECK_s)
    print("Nobody used the review for a while: it ends. All decisions are kept.", flush=True)
    await server.stop()


@contextmanager
def _own_arguments(where: Binding) -> Iterator[None]:
    """Trame reads the command line and some variables of the environment, which are those of ``prrt`` here."""
    before = sys.argv
    tls = ["--ssl", f"{where.certificate},{where.key}"] if where.certificate else []
    sys.argv = [before[0], *tls]
    os.environ["WSLINK_READY_MSG"] = ""
    try:
        yield
    finally:
        sys.argv = before
