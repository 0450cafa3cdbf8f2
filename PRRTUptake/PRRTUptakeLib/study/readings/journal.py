"""The file of a reader: one JSON object per line, only ever added to, each line sealed with the hash of all before it.

A record holds its number, time (UTC), event, reader, version of the software, the SHA-256 of the record before it
(``previous``) and its own (``sha256``), so that a record that is changed, removed or put elsewhere is found. What
cannot be found from the file alone is that its last records are missing: keep `Journal.head`, the hash of
the last record, elsewhere, if that matters. A reading is withdrawn by a further record; nothing is erased.

A line that a killed program left half written is kept; the next record that follows says so (``after_torn_line``).
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import reason
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.readings.reading import Reading, read_reading
from PRRTUptakeLib.versions import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

OPENED, SAVED, COMPLETED, WITHDRAWN, ADJUDICATED = "opened", "saved", "completed", "withdrawn", "adjudicated"
EVENTS = (OPENED, SAVED, COMPLETED, WITHDRAWN, ADJUDICATED)
SUFFIX = ".readings.jsonl"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One line: what happened when; ``content`` are all its plain values."""

    number: int
    time: str
    event: str
    reader: str
    sha256: str
    content: Mapping[str, Any] = field(repr=False)

    @property
    def case(self) -> str:
        """Name of the case; "" for a record of none."""
        return str(self.content.get("case", ""))


@dataclass(frozen=True, kw_only=True)
class State:
    """What became of a case.

    Attributes
    ----------
    status : "draft", "complete" or "withdrawn"; a case that was never saved has no state.
    reading : as it was saved or completed last.
    rows : measured rows of a complete reading, plain values.
    time : of the last record.
    reason : why it was withdrawn, or decided so in an adjudication.
    based_on : readers whose readings were adjudicated, with the one that was taken first.
    """

    status: str
    reading: Reading
    rows: tuple[Mapping[str, Any], ...] = ()
    time: str = ""
    reason: str = ""
    based_on: tuple[str, ...] = ()


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


class Journal:
    """A reader's file, open for adding.

    Parameters
    ----------
    path : made with its folder if absent.
    reader : whose it is; every record of the file must be of this reader.
    clock : gives the time of a record.

    Raises
    ------
    StudyError
        If the file is another reader's, was changed, or cannot be read.
    """

    def __init__(self, path: Path, reader: str, clock: Callable[[], str] = now) -> None:
        self.path, self.reader, self._clock = path, reader, clock
        self._records: list[Record] = list(read_records(path)) if path.exists() else []
        for record in self._records:
            if record.reader != reader:
                raise StudyError(f"{path.name} has readings of '{record.reader}', not of '{reader}': name that one.")
        self._set_end()

    def _set_end(self) -> None:
        """How the file ends: whether a line end is missing, and whether what is before it is no record."""
        tail = self.path.read_bytes().rpartition(b"\n")[2] if self.path.exists() else b""
        self._open_end = bool(tail)
        values = _parsed(tail) if tail else None
        self._torn = bool(tail) and (values is None or values.get("sha256") != _seal_of(values))

    @property
    def records(self) -> tuple[Record, ...]:
        """All records in their order."""
        return tuple(self._records)

    @property
    def head(self) -> str:
        """SHA-256 of the last record, "" of an empty file; who keeps it can show that nothing was removed."""
        return self._records[-1].sha256 if self._records else ""

    def states(self) -> dict[str, State]:
        """State of every case that was saved, by name."""
        return states(self._records, self.path.name)

    def append(self, event: str, **content: Any) -> Record:
        """Add a record; it is on the disk when this returns.

        Raises
        ------
        StudyError
            If the file cannot be written; then it has no such record.
        """
        if event not in EVENTS:
            raise StudyError(f"There is no event '{event}' of a reading: {', '.join(EVENTS)}.")
        values: dict[str, Any] = {
            "number": len(self._records) + 1,
            "time": self._clock(),
            "event": event,
            "reader": self.reader,
            "version": VERSION,
            **content,
            **({"after_torn_line": True} if self._torn else {}),
            "previous": self.head,
        }
        line = _sealed(values)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as stream:
                stream.write((b"\n" if self._open_end else b"") + line.encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            self._set_end()
            raise StudyError(f"{self.path} was not written ({reason(error)}): the reading is not kept.") from error
        self._torn = self._open_end = False
        self._records.append(_record(json.loads(line)))
        return self._records[-1]

    def save(self, reading: Reading) -> Record:
        """Keep a draft."""
        return self.append(SAVED, case=reading.case, reading=reading.plain())

    def complete(self, reading: Reading, rows: tuple[Mapping[str, Any], ...], **facts: Any) -> Record:
        """Keep a reading as final, with the rows that were measured with it.

        Raises
        ------
        StudyError
            If its targets were not confirmed, or a complete reading of the case was not withdrawn before.
        """
        if not reading.targets_confirmed:
            raise StudyError(f"The targets of '{reading.case}' are not confirmed: confirm or replace them first.")
        before = self.states().get(reading.case)
        if before is not None and before.status == "complete":
            raise StudyError(f"'{reading.case}' was read before: withdraw that reading first, with the reason.")
        return self.append(COMPLETED, case=reading.case, reading=reading.plain(), rows=list(rows), **facts)

    def withdraw(self, case: str, why: str) -> Record:
        """Withdraw the reading of a case; it stays in the file.

        Raises
        ------
        StudyError
            If there is none, or the reason is empty.
        """
        state = self.states().get(case)
        if state is None or state.status == "withdrawn":
            raise StudyError(f"There is no reading of '{case}' to withdraw.")
        if not why.strip():
            raise StudyError(f"Say why the reading of '{case}' is withdrawn: the reason is kept.")
        return self.append(WITHDRAWN, case=case, reason=why.strip())


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file, each checked against its hash and the one before it.

    Raises
    ------
    StudyError
        Naming the line that was changed, removed, or cannot be read.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({reason(error)}): check its path.") from error
    lines = text.split(b"\n")
    tail = _parsed(lines[-1])
    if tail is None or tail.get("sha256") != _seal_of(tail):  # empty, or half written: kept, and no record
        lines = lines[:-1]
    previous, number, torn = "", 0, False
    for n, line in enumerate(lines, start=1):
        values = _parsed(line)
        if values is None and not torn and _follows_torn(lines[n:]):
            torn = True
            continue
        number += 1
        record = _checked(values, f"{path.name}, line {n}", number, previous, torn)
        previous, torn = record.sha256, False
        yield record


def _follows_torn(rest: list[bytes]) -> bool:
    """Whether the next line says that it follows one that was left half written."""
    values = _parsed(rest[0]) if rest else None
    return values is not None and values.get("after_torn_line") is True


def _checked(values: dict[str, Any] | None, where: str, number: int, previous: str, torn: bool) -> Record:
    if values is None:
        raise StudyError(f"{where} is no record of a reading: restore the file from a copy.")
    if values.get("sha256") != _seal_of(values):
        raise StudyError(f"{where} was changed after it was written: restore the file from a copy.")
    if values.get("number") != number or values.get("previous") != previous:
        raise StudyError(f"{where} does not follow the line before it: one was removed, added or moved.")
    if bool(values.get("after_torn_line")) != torn:
        raise StudyError(f"{where} follows a half written line that is missing: restore the file from a copy.")
    if values.get("event") not in EVENTS or not isinstance(values.get("reader"), str):
        raise StudyError(f"{where} has the event {values.get('event')!r}, which this version does not know.")
    return _record(values)


def states(records: list[Record] | tuple[Record, ...], file: str = "readings") -> dict[str, State]:
    """State of every case, by name, from the records of one reader."""
    found: dict[str, State] = {}
    for record in records:
        content = record.content
        where = f"record {record.number}.reading"
        if record.event in (SAVED, COMPLETED, ADJUDICATED):
            found[record.case] = State(
                status="draft" if record.event == SAVED else "complete",
                reading=read_reading(content.get("reading"), file, where),
                rows=tuple(content.get("rows", ())),
                time=record.time,
                reason=str(content.get("reason", "")),
                based_on=tuple(content.get("based_on", ())),
            )
        elif record.event == WITHDRAWN and record.case in found:
            last = found[record.case]
            why = str(content.get("reason", ""))
            found[record.case] = State(status="withdrawn", reading=last.reading, time=record.time, reason=why)
    return found


def _record(values: dict[str, Any]) -> Record:
    named = {key: values[key] for key in ("number", "time", "event", "reader", "sha256")}
    return Record(**named, content=values)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, dict) and "sha256" in values else None


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _seal_of(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text({key: one for key, one in values.items() if key != "sha256"}).encode()).hexdigest()


def _sealed(values: Mapping[str, Any]) -> str:
    return _text({**values, "sha256": _seal_of(values)})
