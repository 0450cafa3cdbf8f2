"""Addresses of archives: DICOMweb (https://host/dicom-web) and DIMSE (AET@host:port, or tls:AET@host:port)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from PRRTUptakeLib.archive.errors import ArchiveError

_DIMSE = re.compile(
    r"(?P<tls>tls:)?(?P<title>[^@:/\\]{1,16})@(?P<host>\[[0-9A-Fa-f:]+\]|[^@:/\\\s]+):(?P<port>\d{1,5})"
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class WebAddress:
    """Of DICOMweb services: their root."""

    url: str

    @property
    def host(self) -> str:
        """Name of the machine."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_protected(self) -> bool:
        """Whether nobody on the way can read along: TLS, or this very machine."""
        return urlsplit(self.url).scheme == "https" or self.host in _LOOPBACK

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class DimseAddress:
    """Of an archive by DIMSE: its AE title, machine and port; ``tls`` for a secure connection (PS3.15 B.12)."""

    title: str
    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{'tls:' if self.tls else ''}{self.title}@{self.host}:{self.port}"


Address = WebAddress | DimseAddress


def archive_address(words: str) -> Address | None:
    """The address that a source or destination is, None if it is a path.

    Raises
    ------
    ArchiveError
        If it is an address with a password in it, or an impossible port.

    Examples
    --------
    >>> archive_address("ORTHANC@pacs.example:4242")
    DimseAddress(title='ORTHANC', host='pacs.example', port=4242, tls=False)
    >>> archive_address("/data/P01") is None
    True
    """
    if re.match(r"https?://", words, re.IGNORECASE):
        parts = urlsplit(words)
        if parts.username or parts.password:
            raise ArchiveError(
                "An address must not hold a name or password, which shells and logs would keep: give them by "
                "PRRT_ARCHIVE_USER and PRRT_ARCHIVE_PASSWORD, or a netrc file."
            )
        if not parts.hostname:
            raise ArchiveError(f"{words} names no machine: give an address such as https://pacs.example/dicom-web.")
        return WebAddress(words.rstrip("/"))
    found = _DIMSE.fullmatch(words)
    if found is None:
        return None
    port = int(found["port"])
    if not 0 < port < 65536:
        raise ArchiveError(f"{words} has the port {port}, but ports are from 1 to 65535.")
    return DimseAddress(found["title"].strip(), found["host"].strip("[]"), port, bool(found["tls"]))
