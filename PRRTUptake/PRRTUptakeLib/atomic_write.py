"""A folder or file appears whole or not at all: it is filled under another name and renamed at the end.

What a run that was killed leaves is never hidden and says by its name whose it is: ``NAME.unfinished-...`` holds what
was being written, ``NAME.before-...`` the older result between the two renames. The next run for the same name removes
the one and, where ``NAME`` is missing, brings back the other. Only what this software wrote is ever replaced: a folder
of results lists its own files, and one with files of the user's is left as it is.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import socket
import sys
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import AtomicWriteError, PRRTError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARK = ".prrt-folder"
_UNFINISHED, _BEFORE = "unfinished", "before"
_OF_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_OLD_s = 7 * 86400.0  # what another machine left is removed after that
_COUNT = itertools.count()


@contextmanager
def atomic_directory(target: str | Path, keep: Sequence[str] = (), replace: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside ``target`` and move it there when the block ends without an error.

    A folder that is at ``target`` from an earlier run is replaced; if the block fails it stays as it was.

    Parameters
    ----------
    target : the folder to make; its parents are made as needed.
    keep : names of files that stay if they are there, such as a signed protocol.
    replace : an earlier result, with whatever the user added to it, is kept under a name with its date.

    Raises
    ------
    AtomicWriteError
        If the place cannot be written to, or a file, a folder of something else, or a result with files of the user's
        is there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with atomic_directory(Path(place) / "out") as inside:
    ...         _ = (inside / "a.txt").write_text("done")
    ...     sorted(item.name for item in Path(place).rglob("*"))
    ['.prrt-folder', 'a.txt', 'out']
    """
    target = Path(target).resolve()
    missing = _missing_parents(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _tidy(target)
        _refuse_foreign(target, keep, replace)
        work = _beside(target, _UNFINISHED)
        work.mkdir()
    except OSError as error:
        raise AtomicWriteError(f"{target.parent} is not writable ({reason(error)}): choose another folder.") from error
    try:
        yield work
        for name in keep:
            if (target / name).is_file() and not replace:
                shutil.copy2(target / name, work / name)
        _write_mark(work, keep)
        _put_in_place(work, target, keep, replace)
    except OSError as error:
        raise AtomicWriteError(_failure(error, work, target)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        _remove_empty(missing)


@contextmanager
def atomic_file(target: str | Path, failure: type[PRRTError] = AtomicWriteError, mode: int = 0o644) -> Iterator[Path]:
    """Give a temporary file beside ``target`` and move it there when the block ends without an error.

    Parameters
    ----------
    target : the file to make or replace; its folders are made as needed.
    failure : the class of the error.
    mode : who may read it.

    Raises
    ------
    PRRTError
        Of the class ``failure``, if the place cannot be written to or the disk is full; ``target`` is as it was.
    """
    target = Path(target).resolve()
    missing = _missing_parents(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _tidy(target)
        work = _beside(target, _UNFINISHED)
        os.close(os.open(work, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise failure(f"{target.parent} is not writable ({reason(error)}): choose another folder.") from error
    try:
        yield work
        work.chmod(mode)
        work.replace(target)
    except OSError as error:
        raise failure(f"{target} was not written ({reason(error)}).") from error
    finally:
        work.unlink(missing_ok=True)
        _remove_empty(missing)


def _failure(error: OSError, work: Path, target: Path) -> str:
    """What was being done when it failed: an input read, or the result written."""
    name = error.filename if isinstance(error.filename, str) else ""
    path = Path(name) if name else None
    if path is not None and work not in path.parents and path not in (work, target):
        return f"Reading {name} failed ({reason(error)}): nothing was changed at {target}."
    return f"Writing to {target} failed ({reason(error)}): nothing was changed there."


def _write_mark(work: Path, keep: Sequence[str]) -> None:
    """List the files that are ours, so that what the user adds or changes later is never removed."""
    files = {
        path.relative_to(work).as_posix(): [path.stat().st_size, _sha256(path)]
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.name != MARK and path.name not in keep
    }
    text = json.dumps({"written by": "SlicerPRRT", "files": files}, indent=0, ensure_ascii=False)
    (work / MARK).write_text(text + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _refuse_foreign(target: Path, keep: Sequence[str], replace: bool) -> None:
    if target.is_file():
        raise AtomicWriteError(f"{target} is a file: name a folder for the results.")
    if not target.is_dir() or all(item.name in (*keep, *_OF_THE_SYSTEM) for item in target.iterdir()):
        return
    if not (target / MARK).is_file():
        raise AtomicWriteError(f"{target} is not empty and not of SlicerPRRT: name an empty or new folder.")
    foreign = None if replace else _foreign(target, keep)
    if foreign is not None:
        name, what = foreign
        raise AtomicWriteError(
            f"{target} holds '{name}', which {what}, and a new result would remove it: move it away, name another "
            "folder, or use --replace, which keeps the old folder under a name with its date."
        )


def _foreign(target: Path, keep: Sequence[str]) -> tuple[str, str] | None:
    """The first file that is not as we wrote it, and why; None if all are. Results within have lists of their own."""
    known = _listed(target)
    if known is None:
        return MARK, "is of an earlier version and does not list what was written"
    for path in sorted(target.iterdir()):
        if path.name in keep:
            continue
        found = _foreign_at(path, target, known)
        if found is not None:
            return found
    return None


def _foreign_at(path: Path, target: Path, known: dict[str, list[object]]) -> tuple[str, str] | None:
    name = path.relative_to(target).as_posix()
    if path.is_dir() and not path.is_symlink():
        if (path / MARK).is_file():
            inside = _foreign(path, ())
            return None if inside is None else (f"{name}/{inside[0]}", inside[1])
        found = (_foreign_at(item, target, known) for item in sorted(path.iterdir()))
        return next((one for one in found if one is not None), None)
    if path.name == MARK or path.name in _OF_THE_SYSTEM:
        return None
    if name not in known:
        return name, "is not of this software"
    size, digest = known[name]
    if path.is_symlink() or path.stat().st_size != size or _sha256(path) != digest:
        return name, "was changed after it was written"
    return None


def _listed(folder: Path) -> dict[str, list[object]] | None:
    try:
        files = json.loads((folder / MARK).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if isinstance(files, dict) else None


def _missing_parents(target: Path) -> list[Path]:
    """Folders that have to be made for ``target``, the innermost first."""
    return [parent for parent in target.parents if not parent.exists()]


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that were made for nothing; they stay where something is in them."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _put_in_place(work: Path, target: Path, keep: Sequence[str], replace: bool) -> None:
    """Two renames; a kill between them leaves the older result under a name that the next run brings back."""
    if not target.exists():
        work.rename(target)
        return
    filled = any(item.name not in (*keep, *_OF_THE_SYSTEM) for item in target.iterdir())
    kept = filled and (replace or _foreign(target, keep) is not None)  # the user may have added to it meanwhile
    old = _dated(target) if kept else _beside(target, _BEFORE)
    target.rename(old)
    try:
        work.rename(target)
    except OSError:
        old.rename(target)
        raise
    if not kept:
        shutil.rmtree(old, ignore_errors=True)


def _dated(target: Path) -> Path:
    """A sibling's name with the time at which the old result was written."""
    mark = target / MARK
    written = datetime.fromtimestamp((mark if mark.is_file() else target).stat().st_mtime)
    base = f"{target.name}-{written:%Y-%m-%d-%H%M%S}"
    names = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
    return next(path for path in map(target.with_name, names) if not path.exists())


def _beside(target: Path, state: str) -> Path:
    """A name beside ``target`` that says which process of which machine it belongs to."""
    pid = os.getpid()
    return target.with_name(f"{target.name}.{state}-{_machine()}-{pid}-{_born(pid)}-{next(_COUNT)}")


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _born(pid: int) -> str:
    """When a process started, in ticks of the kernel, since process ids come again; "0" where that is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"


def _tidy(target: Path) -> None:
    """Remove what killed runs for this very target left, and bring back an older result that is nowhere else."""
    for state in (_BEFORE, _UNFINISHED):
        for path in sorted(target.parent.glob(f"{_literal(target.name)}.{state}-*")):
            if not _is_abandoned(path, f"{target.name}.{state}-"):
                continue
            if state == _BEFORE and not target.exists():
                path.rename(target)
            elif path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _is_abandoned(path: Path, prefix: str) -> bool:
    parts = path.name.removeprefix(prefix).split("-")
    if len(parts) != 4 or not parts[1].isdigit():
        return False  # not a name of ours
    machine, pid, born = parts[0], int(parts[1]), parts[2]
    if machine != _machine() or sys.platform == "win32":
        return time.time() - path.stat().st_mtime > _OLD_s
    try:
        os.kill(pid, 0)  # asks only whether there is such a process
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _born(pid) != born
