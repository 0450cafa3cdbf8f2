"""What a value of a file may be: each kind of field reads a value, and says the same as JSON Schema (2020-12).

`read` takes what JSON holds and the place in the file, and returns the value as the rest of the program wants it, or
raises the place's error. `schema` is what an editor needs to complete and check the same value.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PRRTUptakeLib.study.schema.place import Place

_MOST_LETTERS = 4000
_NAME_LETTERS = 64  # as DICOM's LO, in which patient ids are kept
_BREAKS = "\n\r\t"
_UNSEEN = ("Cc", "Cs", "Cf", "Zl", "Zp")  # Unicode: control characters, and what hides, joins or turns letters round
_JOINERS = "\u00ad\u200c\u200d"  # which some scripts need within words


class Field(Protocol):
    """A kind of value."""

    @property
    def about(self) -> str:
        """What it means, for the schema."""

    @property
    def allowed(self) -> str:
        """What it must be, for messages: ends the sentence "but must be ..."."""

    def fits(self, value: Any) -> bool:
        """Whether a value is meant to be this, though it may still be refused."""

    def read(self, value: Any, place: Place) -> Any:
        """The value, checked; raises the place's error."""

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""


def described(about: str, **more: Any) -> dict[str, Any]:
    """JSON Schema of a value with its meaning as the description."""
    return {**({"description": about} if about else {}), **more}


@dataclass(frozen=True, kw_only=True)
class Word:
    """One of a few words."""

    words: tuple[str, ...]
    about: str = ""

    @property
    def allowed(self) -> str:
        """The words."""
        named = [word for word in self.words if word]
        return (f"one of {', '.join(named)}" if len(named) > 1 else f"'{named[0]}'") + ", or be left out" * (
            "" in self.words
        )

    def fits(self, value: Any) -> bool:
        """A word that is known."""
        return isinstance(value, str) and value in self.words

    def read(self, value: Any, place: Place) -> str:
        """The word."""
        if not self.fits(value):
            place.refuse(value, self.allowed)
        return str(value)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, enum=list(self.words))


@dataclass(frozen=True, kw_only=True)
class Text:
    """Words for a reader; with ``name`` an identity, which also becomes part of file names and tables.

    ``wanted`` ends the message "but must be ..."; ``rule`` raises a PRRTError for text that means nothing.
    """

    about: str = ""
    name: bool = False
    wanted: str = ""
    rule: Callable[[str], object] | None = None

    @property
    def allowed(self) -> str:
        """What it must be."""
        letters = f"text of 1 to {_NAME_LETTERS} letters without / \\ or control characters"
        return self.wanted or (letters if self.name else "text that is not empty")

    def fits(self, value: Any) -> bool:
        """Any text."""
        return isinstance(value, str)

    def read(self, value: Any, place: Place) -> str:
        """The text without spaces around it."""
        if not isinstance(value, str) or not value.strip() or len(value) > _MOST_LETTERS:
            place.refuse(value, self.allowed)
        text = value.strip()
        if self.name and (len(value) > _NAME_LETTERS or set(text) & set("/\\" + _BREAKS) or not text.strip(".")):
            place.refuse(value, self.allowed)
        seen = _BREAKS if self.name else _BREAKS + _JOINERS
        if any(unicodedata.category(letter) in _UNSEEN and letter not in seen for letter in text):
            place.refuse(value, f"{self.allowed}; it has a letter that does not show")
        if self.rule is not None:
            try:
                self.rule(text)
            except PRRTError as error:
                place.stop(f"{place.name}: {error}")
        return text

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        if self.name:
            limits: dict[str, Any] = {"maxLength": _NAME_LETTERS, "pattern": "^[^/\\\\]*[^/\\\\.\\s][^/\\\\]*$"}
        else:
            limits = {"maxLength": _MOST_LETTERS, "pattern": "\\S"}
        return described(self.about, type="string", **limits)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number from ``low`` to ``high`` (``above`` low where that is set), in ``unit``; ``whole`` for counts."""

    low: float
    high: float
    unit: str = ""
    about: str = ""
    above: bool = False
    below: bool = False
    whole: bool = False

    @property
    def allowed(self) -> str:
        """Kind, range and unit."""
        kind = "a whole number" if self.whole else "a number"
        first = f"above {self.low:.10g}" if self.above else f"from {self.low:.10g}"
        last = f"below {self.high:.10g}" if self.below else f"{'at most' if self.above else 'to'} {self.high:.10g}"
        joined = " and " if self.above or self.below else " "
        return f"{kind} {first}{joined}{last}{f' ({self.unit})' if self.unit else ''}"

    def fits(self, value: Any) -> bool:
        """Any number."""
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def read(self, value: Any, place: Place) -> float | int:
        """The number: an int if it is whole, else a float."""
        if not self.fits(value) or not self._within(value) or (self.whole and value != int(value)):
            place.refuse(value, self.allowed)
        return int(value) if self.whole else float(value)

    def _within(self, value: float) -> bool:
        low = value > self.low if self.above else value >= self.low
        high = value < self.high if self.below else value <= self.high
        return low and high and (isinstance(value, int) or math.isfinite(value))

    def schema(self) -> dict[str, Any]:
        """As JSON Schema, the unit in the description."""
        about = f"{self.about.rstrip('.')}, in {self.unit}." if self.unit and self.about else self.about or self.unit
        limits = {
            "exclusiveMinimum" if self.above else "minimum": self.low,
            "exclusiveMaximum" if self.below else "maximum": self.high,
        }
        return described(about, type="integer" if self.whole else "number", **limits)


@dataclass(frozen=True, kw_only=True)
class Flag:
    """True or false; with ``only_true`` a key that is there or not."""

    about: str = ""
    only_true: bool = False

    @property
    def allowed(self) -> str:
        """What it must be."""
        return "true, or be left out" if self.only_true else "true or false"

    def fits(self, value: Any) -> bool:
        """True or false."""
        return isinstance(value, bool)

    def read(self, value: Any, place: Place) -> bool:
        """The flag."""
        if not isinstance(value, bool) or (self.only_true and not value):
            place.refuse(value, self.allowed)
        return value

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, **({"const": True} if self.only_true else {"type": "boolean"}))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A date with a time of day, ISO 8601; the reader decides what a time without a zone means."""

    about: str = ""
    allowed: str = "a date with a time and its zone, such as 2025-01-31T10:30+01:00"

    def fits(self, value: Any) -> bool:
        """Any text."""
        return isinstance(value, str)

    def read(self, value: Any, place: Place) -> datetime:
        """The moment, with its zone if it has one."""
        try:
            if not isinstance(value, str) or len(value.strip()) < len("2025-01-31T10:30"):
                raise ValueError
            found = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            place.refuse(value, self.allowed)
        if not 1950 <= found.year <= 2200:
            place.refuse(value, "a date between 1950 and 2200")
        return found

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, type="string", pattern="^\\s*\\d{4}-\\d{2}-\\d{2}.\\d{2}:\\d{2}")


@dataclass(frozen=True, kw_only=True)
class Day:
    """A date, ISO 8601."""

    about: str = ""
    allowed: str = "a date such as 2025-01-31"

    def fits(self, value: Any) -> bool:
        """Any text."""
        return isinstance(value, str)

    def read(self, value: Any, place: Place) -> date:
        """The date."""
        try:
            if not isinstance(value, str) or len(value.strip()) != len("2025-01-31"):
                raise ValueError
            found = date.fromisoformat(value.strip())
        except ValueError:
            place.refuse(value, self.allowed)
        if not 1950 <= found.year <= 2200:
            place.refuse(value, "a date between 1950 and 2200")
        return found

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, type="string", pattern="^\\s*\\d{4}-\\d{2}-\\d{2}\\s*$")


@dataclass(frozen=True, kw_only=True)
class FilePath:
    """A file or folder that must exist, relative to the file that names it; ``kind`` is file, folder or either."""

    kind: str = "file"
    about: str = ""

    @property
    def allowed(self) -> str:
        """What it must be."""
        return f"the path of a {'file or folder' if self.kind == 'either' else self.kind}"

    def fits(self, value: Any) -> bool:
        """Any text."""
        return isinstance(value, str)

    def read(self, value: Any, place: Place) -> Path | str:
        """The path; the text as it is where the place has no folder to look in."""
        if not isinstance(value, str) or not value.strip() or len(value) > _MOST_LETTERS or "\0" in value:
            place.refuse(value, self.allowed)
        if place.base is None:
            return value
        path = place.base / value
        try:
            found = {"file": path.is_file(), "folder": path.is_dir()}.get(self.kind, path.exists())
            other = path.exists()
        except (OSError, ValueError):
            found = other = False
        if other and not found:
            place.stop(f"{place.name} names {path}, which is no {self.kind}: correct the path.")
        if not found:
            place.stop(f"{place.name} names {path}, which does not exist: correct the path.")
        return path

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, type="string", minLength=1, maxLength=_MOST_LETTERS)


@dataclass(frozen=True, kw_only=True)
class Anything:
    """Whatever the user wants to keep: an object that nothing reads."""

    about: str = ""
    allowed: str = "an object with keys"

    def fits(self, value: Any) -> bool:
        """An object."""
        return isinstance(value, dict)

    def read(self, value: Any, place: Place) -> dict[str, Any]:
        """The object."""
        if not isinstance(value, dict):
            place.refuse(value, self.allowed)
        return value

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return described(self.about, type="object")
