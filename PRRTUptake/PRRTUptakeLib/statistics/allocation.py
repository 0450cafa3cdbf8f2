"""Blinding: which lobe was treated is in a file of its own, and giving it is logged.

The log is a chain: each line holds the hash of the line before, so that none can be changed or taken out afterwards
without a trace. A line names the hashes of protocol, measurements and allocation. An analysis whose protocol and data
are those of the first use of the allocation, or of a blinded line before it, was fixed beforehand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.formatting import natural_order
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.study.schema.json_file import parsed_json
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.table_file import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_WORDS = ("left", "right", "A", "B")
_COLUMNS = ("treated_lobe", "treated", "lobe")


@dataclass(frozen=True)
class Allocation:
    """Treated lobe of each patient (left, right, A or B), and the SHA-256 of what it was read from."""

    treated: Mapping[str, str]
    sha256: str

    def check(self, words: tuple[str, str]) -> None:
        """Refuse an allocation that does not fit a table.

        Parameters
        ----------
        words : by which the table names its lobes.

        Raises
        ------
        StatisticsError
            For a table that is unblinded already, or a lobe named by other words than the table's.
        """
        if words == ("treated", "control"):
            raise StatisticsError(
                "The table already names the lobes treated and control: leave the allocation out, or give the table "
                "with left and right."
            )
        for patient, lobe in sorted(self.treated.items()):
            if lobe not in words:
                raise StatisticsError(
                    f"The allocation of patient {patient} is '{lobe}', but the table's lobes are {' and '.join(words)}."
                )


def read_allocation(path: Path) -> Allocation:
    """Read an allocation: CSV with the columns patient and treated_lobe, or JSON, ``{"P1": "left", ...}``.

    The column may also be called treated or lobe, and JSON may be a list of rows with these keys.

    Raises
    ------
    StatisticsError
        If it cannot be read, is empty, names a patient twice, or a lobe is not left, right, A or B.
    """
    try:
        if path.suffix.lower() == ".json":
            pairs = _from_json(path.read_bytes().decode("utf-8-sig"), path.name)
        else:
            pairs = _from_table(path)
    except (OSError, UnicodeDecodeError) as error:
        raise StatisticsError(f"The allocation {path} cannot be read ({error}).") from error
    except (KeyError, TypeError, AttributeError, StopIteration):
        raise StatisticsError(
            f"{path.name} is no allocation: give a CSV file with the columns patient and treated_lobe, or a JSON "
            "object of patients and lobes."
        ) from None
    return allocation_of(_checked(pairs, path.name), path.name)


def allocation_of(treated: Mapping[str, str], where: str = "The case files") -> Allocation:
    """Allocation of patients; its hash is that of what it says, whatever file it comes from."""
    known = _checked(list(treated.items()), where)
    text = json.dumps(dict(sorted(known.items())), ensure_ascii=False)
    return Allocation(known, hashlib.sha256(text.encode()).hexdigest())


def _from_table(path: Path) -> list[tuple[str, str]]:
    table = read_table(path, ("patient", *_COLUMNS), StatisticsError)
    return [_row(row.cells, path.name) for row in table.rows]


def _row(row: Mapping[str, str], file: str) -> tuple[str, str]:
    """The patient and the treated lobe, in whichever of the columns it is.

    Raises
    ------
    StatisticsError
        If two of the columns say different lobes.
    """
    column = next(name for name in _COLUMNS if name in row)
    patient, lobe = row["patient"].strip(), row[column].strip()
    other = next((name for name in _COLUMNS if row.get(name, lobe).strip().lower() != lobe.lower()), "")
    if other:
        raise StatisticsError(
            f"{file}: the treated lobe of patient {patient} is '{lobe}' by {column} and '{row[other].strip()}' by "
            f"{other}: keep one of the columns."
        )
    return patient, lobe


def _from_json(text: str, name: str) -> list[tuple[str, str]]:
    content = parsed_json(text, Place(file=name, error=StatisticsError))
    if isinstance(content, list):
        return [_row(row, name) for row in content]
    return [(patient.strip(), lobe.strip()) for patient, lobe in content.items()]


def _checked(pairs: Iterable[tuple[str, str]], name: str) -> dict[str, str]:
    treated: dict[str, str] = {}
    for patient, lobe in pairs:
        if not patient:
            raise StatisticsError(f"{name}: a treated lobe ('{lobe}') has no patient: name the patient of every line.")
        word = next((word for word in _WORDS if word.lower() == lobe.lower()), "")
        if not word:
            raise StatisticsError(
                f"{name}: the treated lobe of patient {patient} is '{lobe}', but must be left or right."
            )
        if patient in treated:
            raise StatisticsError(f"{name}: patient {patient} is listed twice; keep one line.")
        treated[patient] = word
    if not treated:
        raise StatisticsError(f"{name} allocates no patient: add a line per patient.")
    return treated


@dataclass(frozen=True)
class Seal:
    """What fixes an analysis: hashes of the protocol and of the measurements, and of each patient's part of them."""

    protocol_sha256: str
    measurements_sha256: str
    analysis_sha256: str = field(init=False)
    patients: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        joined = f"{self.protocol_sha256}\n{self.measurements_sha256}\n".encode()
        object.__setattr__(self, "analysis_sha256", hashlib.sha256(joined).hexdigest())


def read_log(log: Path) -> list[dict[str, Any]]:
    """Entries of a log of blinding, oldest first; none if there is no such file.

    Raises
    ------
    StatisticsError
        If a line was changed, taken out or put in.
    """
    if not log.exists():
        return []
    entries, before = [], ""
    for number, line in enumerate(log.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            intact = entry["previous_sha256"] == before
        except (ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            raise StatisticsError(f"The log {log} was altered at line {number}: restore it before going on.")
        entries.append(entry)
        before = hashlib.sha256(line.encode()).hexdigest()
    return entries


def log_analysis(log: Path, seal: Seal, protocol: str, allocation: Allocation | None) -> bool | None:
    """Append one analysis to the log: blinded without ``allocation``, unblinded with it.

    Returns
    -------
    bool or None
        Whether this analysis was fixed before the allocation was first given: that first use, or a blinded analysis
        before it, had the same protocol and data, and the allocation is still the same. None for a blinded analysis.

    Raises
    ------
    StatisticsError
        If the log was altered or cannot be written.
    """
    entries = read_log(log)
    if allocation is None and any(entry["analysis_sha256"] == seal.analysis_sha256 for entry in entries):
        return None  # sealed already
    lines = log.read_text(encoding="utf-8").splitlines() if entries else []
    entry = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "event": "blinded" if allocation is None else "unblinded",
        "protocol": protocol,
        "protocol_sha256": seal.protocol_sha256,
        "measurements_sha256": seal.measurements_sha256,
        "analysis_sha256": seal.analysis_sha256,
        "patients_sha256": dict(seal.patients),
        "allocation_sha256": allocation.sha256 if allocation else "",
        "previous_sha256": hashlib.sha256(lines[-1].encode()).hexdigest() if lines else "",
    }
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StatisticsError(
            f"The use of the allocation cannot be logged in {log} ({error.strerror}): name another place with --log."
        ) from error
    return None if allocation is None else _fixed_beforehand([*entries, entry])


def _fixed_beforehand(entries: list[dict[str, Any]]) -> bool:
    first = next(n for n, entry in enumerate(entries) if entry["event"] == "unblinded")
    same_allocation = entries[-1]["allocation_sha256"] == entries[first]["allocation_sha256"]
    before = {entry["analysis_sha256"] for entry in entries[: first + 1]}
    return same_allocation and entries[-1]["analysis_sha256"] in before


@dataclass(frozen=True)
class FixedParts:
    """What was fixed before the allocation was first given: the protocol, and patients whose data are the same.

    ``changed`` are patients whose measurements or exclusions are others than then, ``added`` those who were not there.
    """

    protocol: bool
    patients: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def words(self) -> str:
        """The same in a sentence."""
        total = len(self.patients) + len(self.changed) + len(self.added)
        words = f"Fixed before: {'the protocol, ' if self.protocol else ''}{len(self.patients)} of {total} patients"
        for name, who in (("changed since", self.changed), ("new since", self.added)):
            words += f"; {name}: {', '.join(sorted(who, key=natural_order))}" if who else ""
        return f"{words}."


def fixed_parts(log: Path) -> FixedParts | None:
    """Compare the last entry of a log with what was logged up to the first use of the allocation.

    The last entry before that first use counts (a cohort in which a patient failed is logged blinded), or the first use
    itself. None if the entries name no patients, as those of earlier versions.
    """
    entries = read_log(log)
    first = next((n for n, entry in enumerate(entries) if entry["event"] == "unblinded"), None)
    if first is None:
        return None
    then, now = entries[max(first - 1, 0)], entries[-1]
    before, after = then.get("patients_sha256") or {}, now.get("patients_sha256") or {}
    if not before or not after:
        return None
    return FixedParts(
        protocol=then["protocol_sha256"] == now["protocol_sha256"],
        patients=tuple(name for name in after if before.get(name) == after[name]),
        changed=tuple(name for name in after if name in before and before[name] != after[name]),
        added=tuple(name for name in after if name not in before),
    )
