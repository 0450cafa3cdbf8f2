"""The order in which a reader reads a cohort: another for each reader, the same each time, and how far it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PRRTUptakeLib.study.readings.journal import State


@dataclass(frozen=True)
class Item:
    """One case of a worklist: its place (from 1), name, label without identity, and status.

    ``status`` is "open", "draft", "complete" or "withdrawn".
    """

    place: int
    case: str
    status: str = "open"

    @property
    def label(self) -> str:
        """What a blinded reader sees of it."""
        return f"Reading {self.place}"


@dataclass(frozen=True)
class Worklist:
    """All cases of a reader in the reader's order."""

    items: tuple[Item, ...]

    @property
    def done(self) -> int:
        """Number of complete readings."""
        return sum(one.status == "complete" for one in self.items)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        return f"{self.done} of {len(self.items)} read"

    def next_open(self, after: str = "") -> Item | None:
        """The next case that is not complete, from the one after ``after`` on and then from the start; None if done."""
        start = next((n + 1 for n, one in enumerate(self.items) if one.case == after), 0)
        ordered = (*self.items[start:], *self.items[:start])
        return next((one for one in ordered if one.status != "complete"), None)


def checked_reader(name: str) -> str:
    """A reader's name that can also be part of a file name.

    Raises
    ------
    StudyError
        If it is empty, too long, or has letters that a file name cannot have.
    """
    text = name.strip()
    if not text or len(text) > 40 or not all(one.isalnum() or one in " ._-" for one in text) or text[0] in ".-":
        raise StudyError(
            f"The reader's name is {name!r}, but must be 1 to 40 letters, digits, spaces, dots, hyphens or underscores."
        )
    return text


def worklist(cases: Iterable[str], reader: str, states: Mapping[str, State], seed: str = "") -> Worklist:
    """The cases in a reader's order.

    Each case is placed by the SHA-256 of seed, reader and name, so that the order is a fixed one of the reader's, on
    any machine, and a case that is added does not change the order of the others.

    Raises
    ------
    StudyError
        If there is no case.

    Examples
    --------
    >>> [one.case for one in worklist(["P1", "P2", "P3"], "Ann", {}).items]
    ['P2', 'P1', 'P3']
    """
    ordered = sorted(cases, key=lambda case: seeded(seed, reader, case))
    if not ordered:
        raise StudyError("There is no case to read: name a cohort with case files.")
    return Worklist(
        tuple(
            Item(n, case, states[case].status if case in states else "open") for n, case in enumerate(ordered, start=1)
        )
    )


def seeded(*words: str) -> str:
    """A fixed random key of some words: SHA-256 of all of them, hexadecimal."""
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()
