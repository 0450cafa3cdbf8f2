"""Who may see the page: a one-time token, this machine only unless stated, the page's own origin, the given folders.

Plain functions and small classes; the server asks them for every request. The token is in the address that is printed
or opened; the first window that brings it gets a cookie in return, and the token is spent. The cookie is for scripts of
no page (HttpOnly) and is not sent from other sites (SameSite=Strict).
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PRRTUptakeLib.review.errors import ReviewError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COOKIE = "prrt_review"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: nothing is fetched from elsewhere, kept, or shown in a frame of another page."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Where the server listens, and by which addresses it may be asked.

    Attributes
    ----------
    host, port : the address that it listens on; port 0 for any that is free.
    certificate, key : files of TLS, None without.
    public : origin that a proxy in front of it has, such as "https://review.example.org"; "" without a proxy.
    """

    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    public: str = ""

    @property
    def scheme(self) -> str:
        """Of its own address."""
        return "https" if self.certificate else "http"

    def hosts(self, port: int) -> frozenset[str]:
        """What the header Host may be, once the port is known."""
        names = LOOPBACK if is_loopback(self.host) else (self.host,)
        own = {f"{name}:{port}" for name in names}
        default = {name for name in names if port == (443 if self.certificate else 80)}
        return frozenset({*own, *default, *({urlsplit(self.public).netloc} if self.public else ())})

    def origins(self, port: int) -> frozenset[str]:
        """What the header Origin of a web socket may be."""
        public = urlsplit(self.public).netloc if self.public else ""
        own = {f"{self.scheme}://{host}" for host in self.hosts(port) if host != public}
        return frozenset({*own, *({self.public} if self.public else ())})

    def address(self, port: int, token: str) -> str:
        """The address to open, with its token."""
        base = self.public or f"{self.scheme}://{'127.0.0.1' if is_loopback(self.host) else self.host}:{port}"
        return f"{base}/?token={token}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def binding(
    host: str = "127.0.0.1",
    port: int = 0,
    certificate: Path | None = None,
    key: Path | None = None,
    behind_proxy: str = "",
) -> Binding:
    """Where to listen, as far as it is safe.

    Raises
    ------
    ReviewError
        For another host than this machine without TLS or a proxy, a certificate without key, a proxy's address that is
        none, or a port that cannot be.
    """
    if not 0 <= port <= 65535:
        raise ReviewError(f"The port is {port}, but must be from 0 (any) to 65535.")
    if (certificate is None) != (key is None):
        raise ReviewError("A TLS certificate and its key belong together: give both --certificate and --key.")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise ReviewError(f"{path} does not exist: name the PEM file of the certificate or key.")
    if behind_proxy:
        parts = urlsplit(behind_proxy)
        if parts.scheme != "https" or not parts.netloc or parts.path not in ("", "/") or parts.query:
            raise ReviewError(
                f"The proxy's address is '{behind_proxy}', but must be its origin, such as https://review.example.org."
            )
    if not is_loopback(host) and certificate is None and not behind_proxy:
        raise ReviewError(
            f"On '{host}' everybody in the network could listen: give --certificate and --key, or --behind-proxy with "
            "the address of a proxy that has TLS; without --host only this machine is served."
        )
    return Binding(host=host, port=port, certificate=certificate, key=key, public=behind_proxy.rstrip("/"))


@dataclass
class Door:
    """Lets in who brings the token, once; afterwards who brings the cookie that was given for it."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _cookie: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the token was not used yet."""
        return not self._cookie

    def enter(self, token: str) -> str:
        """The cookie for a token; "" if it is wrong or was used."""
        if self._cookie or not _equal(token, self.token):
            return ""
        self._cookie = secrets.token_urlsafe(24)
        return self._cookie

    def knows(self, cookie: str) -> bool:
        """Whether a cookie was given here."""
        return bool(self._cookie) and _equal(cookie, self._cookie)

    def set_cookie(self, secure: bool) -> str:
        """Value of the header Set-Cookie."""
        return f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered: HTTP status, and one sentence."""

    status: int
    sentence: str


def refusal(
    where: Binding, port: int, host: str, cookie_known: bool, origin: str | None, is_socket: bool
) -> Refusal | None:
    """Why a request is refused, None if it is not.

    Parameters
    ----------
    where, port : the server's.
    host, origin : headers; origin None where there is none.
    cookie_known : whether the request has the cookie of this server.
    is_socket : whether it opens a web socket, which browsers let any page do: its origin must be ours.
    """
    if host.lower() not in where.hosts(port):
        return Refusal(421, "This server does not have that name.")
    if not cookie_known:
        return Refusal(403, "Open the address that prrt review printed; its token works once.")
    if origin is not None and origin.lower() not in where.origins(port):
        return Refusal(403, "Another page asks; only the page of this server may.")
    if is_socket and origin is None:
        return Refusal(403, "The request does not say which page it is from.")
    return None


def require_inside(files: Iterable[Path], folders: Sequence[Path]) -> None:
    """Refuse to read what is in none of the given folders, links resolved.

    Raises
    ------
    ReviewError
        Naming the first such file.
    """
    roots = [folder.resolve() for folder in folders]
    for path in files:
        real = path.resolve()
        if not any(real == root or root in real.parents for root in roots):
            given = ", ".join(str(root) for root in roots)
            raise ReviewError(f"{path} is outside the folders that were given ({given}): add its folder by --folder.")


@dataclass
class Idle:
    """Ends a server that is not used: ``limit_s`` seconds after the last sign of life; times in s of one clock."""

    limit_s: float
    last_s: float

    def seen(self, now_s: float) -> None:
        """A sign of life."""
        self.last_s = max(self.last_s, now_s)

    def is_over(self, now_s: float) -> bool:
        """Whether the time is up; never with a limit of 0."""
        return self.limit_s > 0 and now_s - self.last_s >= self.limit_s
