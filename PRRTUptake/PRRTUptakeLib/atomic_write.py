"""A folder or file appears whole or not at all: it is filled under another name and renamed at the end."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class WholeFolderError(PRRTError):
    """A folder or file cannot be written where it was asked for."""


@contextmanager
def atomic_directory(target: str | Path, keep: Sequence[str] = ()) -> Iterator[Path]:
    """Give a temporary folder beside ``target`` and move it there when the block ends without an error.

    A folder that stands at ``target`` from an earlier run is replaced; if the block fails it stays as it was.

    Parameters
    ----------
    target : the folder to make; its parents are made as needed.
    keep : names of files that stay if they stand there, such as a signed protocol.

    Raises
    ------
    WholeFolderError
        If the place cannot be written to, or a file or a folder with foreign content stands there.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with atomic_directory(Path(place) / "out") as inside:
    ...         _ = (inside / "a.txt").write_text("done")
    ...     sorted(item.name for item in Path(place).rglob("*"))
    ['.prrt-folder', 'a.txt', 'out']
    """
    target = Path(target).resolve()
    _refuse_foreign(target, keep)
    missing = _missing_parents(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise WholeFolderError(f"{target.parent} is not writable ({reason(error)}): choose another folder.") from error
    try:
        yield work
        for name in keep:
            if (target / name).is_file():
                shutil.copy2(target / name, work / name)
        (work / MARK).write_text("Written by SlicerPRRT; replaced whole by the next run.\n", encoding="utf-8")
        _replace(work, target)
    except OSError as error:
        raise WholeFolderError(f"Writing to {target} failed ({reason(error)}): nothing was changed there.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        _remove_empty(missing)


@contextmanager
def atomic_file(target: str | Path, failure: type[PRRTError] = WholeFolderError, mode: int = 0o644) -> Iterator[Path]:
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
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
            work = Path(file.name)
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


MARK = ".prrt-folder"


def _refuse_foreign(target: Path, keep: Sequence[str]) -> None:
    if target.is_file():
        raise WholeFolderError(f"{target} is a file: name a folder for the results.")
    foreign = target.is_dir() and any(item.name not in keep for item in target.iterdir())
    if foreign and not (target / MARK).exists():
        raise WholeFolderError(f"{target} is not empty and not of SlicerPRRT: name an empty or new folder.")


def _missing_parents(target: Path) -> list[Path]:
    """Folders that have to be made for ``target``, the innermost first."""
    return [parent for parent in target.parents if not parent.exists()]


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that were made in vain; they stay where something is in them."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _replace(work: Path, target: Path) -> None:
    work.chmod(0o755)  # mkdtemp makes it private
    if not target.exists():
        work.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.rename(old / "old")
    try:
        work.rename(target)
    except OSError:
        (old / "old").rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
