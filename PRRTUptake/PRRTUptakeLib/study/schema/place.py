"""Where a value is in a file, so that a message can name it: the file, the key's path, what was found, what may be."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LONGEST_SHOWN = 60  # characters of a value in a message
_PLAIN_KEY = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One value of a file.

    Attributes
    ----------
    file : the file's name, for messages.
    path : of keys, such as ``visits[1].nudges[0].shift_ras_mm``; "" for the whole file.
    base : folder that paths in the file are relative to; None if files are not looked for.
    error : raised for a value that cannot be.
    """

    file: str
    path: str = ""
    base: Path | None = None
    error: type[PRRTError] = InputFileError

    def key(self, name: str) -> Place:
        """The value of a key of this object."""
        if not _PLAIN_KEY.fullmatch(name):
            return replace(self, path=f"{self.path}[{shown(name)}]")
        return replace(self, path=f"{self.path}.{name}" if self.path else name)

    def item(self, number: int) -> Place:
        """An item of this list, counted from 0."""
        return replace(self, path=f"{self.path}[{number}]")

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"'{self.path}'" if self.path else "the file"

    def refuse(self, found: Any, allowed: str) -> NoReturn:
        """Raise: what was found, and what may be."""
        self.stop(f"{self.name} is {shown(found)}, but must be {allowed}.")

    def stop(self, sentence: str) -> NoReturn:
        """Raise with a whole sentence."""
        raise self.error(f"{self.file}: {sentence}")

    def unknown(self, key: str, known: Iterable[str]) -> NoReturn:
        """Raise for a key that nothing reads."""
        names = list(known)
        near = difflib.get_close_matches(key, names, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        where = f" in {self.name}" if self.path else ""
        self.stop(f"unknown key {shown(key)}{where}{hint}; known are {', '.join(sorted(names)) or 'none'}.")


def shown(value: Any) -> str:
    """A value as a message shows it: short, in one line, and printable on any screen.

    Examples
    --------
    >>> shown("left"), shown([1, 2]), shown(None), shown(True)
    ("'left'", '[1, 2]', 'null', 'true')
    >>> shown("x" * 100)[-8:]
    "xxxx...'"
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
        return repr(text).encode("utf-8", "backslashreplace").decode()
    try:
        text = repr(value).encode("utf-8", "backslashreplace").decode()
    except (ValueError, RecursionError):  # a whole number of thousands of digits, lists within lists without end
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
