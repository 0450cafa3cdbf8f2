"""A file of readings is held by one program at a time, so that two windows cannot write into each other."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold ``path`` (a file of readings) by a lock file next to it; the system opens it again however the program ends.

    Raises
    ------
    LockError
        If another program holds it.
    """
    lock = path.with_name(f".{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise LockError(
            f"The readings {path.name} are open in another window or program: close that one, or wait for it."
        ) from error
