"""Names and passwords for archives: from the environment, or a netrc file that nobody else can read; never stored."""

from __future__ import annotations

import netrc
import os
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.archive.address import WebAddress

USER, PASSWORD, TOKEN = "PRRT_ARCHIVE_USER", "PRRT_ARCHIVE_PASSWORD", "PRRT_ARCHIVE_TOKEN"
NETRC, AUTHORITIES = "PRRT_NETRC", "PRRT_CA_FILE"


@dataclass(frozen=True)
class Credentials:
    """A name with its password, or a bearer token; they never show themselves."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.user or self.token)


def credentials_for(address: WebAddress, environment: Mapping[str, str] | None = None) -> Credentials:
    """What the environment, or else the netrc file, has for a machine; empty if neither has anything.

    Raises
    ------
    ArchiveError
        If the file is readable by others or broken, half of a pair is missing, or the way there is not protected.
    """
    known = os.environ if environment is None else environment
    if known.get(TOKEN):
        found = Credentials(token=known[TOKEN])
    elif known.get(USER) or known.get(PASSWORD):
        for name in (USER, PASSWORD):
            if not known.get(name):
                raise ArchiveError(f"{name} is not set, but its counterpart is: set both {USER} and {PASSWORD}.")
        found = Credentials(known[USER], known[PASSWORD])
    else:
        found = _from_netrc(Path(known.get(NETRC) or Path.home() / ".netrc"), address.host, NETRC in known)
    if found and not address.is_protected:
        raise ArchiveError(
            f"{address} is not protected by TLS, so that a password would be readable on the way: use https."
        )
    return found


def authorities_file(environment: Mapping[str, str] | None = None) -> str:
    """The file of authorities that certificates of archives are checked by, "" for those of the system.

    Raises
    ------
    ArchiveError
        If PRRT_CA_FILE names a file that holds no certificates.
    """
    known = os.environ if environment is None else environment
    path = known.get(AUTHORITIES, "")
    if path:
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:  # also ssl.SSLError
            why = error.strerror if isinstance(error, FileNotFoundError) else "no certificates in PEM form"
            raise ArchiveError(f"{AUTHORITIES} names {path}, which cannot be used ({why}): correct it.") from None
    return path


def _from_netrc(path: Path, host: str, stated: bool) -> Credentials:
    if not path.is_file():
        if stated:
            raise ArchiveError(f"{NETRC} names {path}, which does not exist: correct it.")
        return Credentials()
    try:
        entry = netrc.netrc(str(path)).authenticators(host)
    except (netrc.NetrcParseError, OSError) as error:
        raise ArchiveError(f"{path} cannot be read as a netrc file ({_first(error)}): correct it.") from None
    if entry is None:
        return Credentials()
    _check_private(path)
    return Credentials(entry[0] or "", entry[2] or "")


def _first(error: Exception) -> str:
    """What is wrong and in which line; never the line itself, which may hold the password."""
    if isinstance(error, netrc.NetrcParseError):
        return f"line {error.lineno}"
    return getattr(error, "strerror", None) or type(error).__name__


def _check_private(path: Path) -> None:
    if os.name != "posix":
        return
    state = path.stat()
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ArchiveError(f"{path} holds passwords and can be read by others: run 'chmod 600 {path}'.")
    if state.st_uid not in (os.getuid(), 0):
        raise ArchiveError(f"{path} belongs to another user: use a file of your own.")
