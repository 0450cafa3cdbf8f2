"""Output that appears whole or not at all: a folder is filled under another name and renamed at the end."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Iterator


class WholeFolderError(PRRTError):
    """The folder to be written is already there."""


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on leaving without an error it becomes ``folder``, otherwise it is removed.

    Raises
    ------
    WholeFolderError
        If ``folder`` exists and is not an empty folder.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with whole_folder(Path(place) / "out") as inside:
    ...         _ = (inside / "a.txt").write_text("done")
    ...     sorted(item.name for item in Path(place).rglob("*"))
    ['a.txt', 'out']
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise WholeFolderError(f"{target} already exists and is not empty: choose another folder or remove it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    try:
        partial.chmod(0o755)
        yield partial
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
