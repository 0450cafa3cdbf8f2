"""A reading becomes the settings of its case: a case file that `prrt run`, Slicer's panel and the cohort take."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_file
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.readings.reading import merged_shifts

if TYPE_CHECKING:
    from PRRTUptakeLib.study.readings.reading import Reading, VisitReading

_PATHS = ("dicom", "segments", "transform", "measurements")


def case_with_reading(case: Path, reading: Reading, target: Path, source: str = "") -> Path:
    """Write the case file with a reading's decisions in it.

    Parameters
    ----------
    case : the case that was read.
    target : the file to make; paths in it are written relative to its folder.
    source : whose reading it is, for the notes.

    Raises
    ------
    PRRTError
        If the case cannot be read, the reading does not belong to it, or ``target`` is the case itself or cannot be
        written.
    """
    case, target = case.resolve(), target.resolve()
    if case == target:
        raise StudyError(f"{target} is the case that was read: name another file.")
    loaded = load_case(case)
    known = {one.key: one for one in loaded.visits}
    content = json.loads(case.read_text(encoding="utf-8-sig"))
    for visit in reading.visits:
        if visit.key not in known:
            raise StudyError(f"The reading has a visit {visit.cycle}/{visit.visit}, which {case.name} does not have.")
        place = next(one for one in content["visits"] if (one["cycle"], one["visit"].strip()) == visit.key)
        place |= _keys(visit, known[visit.key].manual_shifts)
    if source or reading.comment:
        said = {"reading": source, **({"comment": reading.comment} if reading.comment else {})}
        content["notes"] = {**content.get("notes", {}), **said}
    moved = _moved(content, case.parent, target.parent)
    with atomic_file(target, StudyError) as work:
        work.write_text(json.dumps(moved, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    load_case(target)
    return target


def _keys(visit: VisitReading, before: Any) -> dict[str, Any]:
    found = {key: value for key, value in visit.plain().items() if key not in ("visit", "cycle")}
    if "nudges" in found:
        shifts = merged_shifts(before, visit.manual_shifts)
        found["nudges"] = [
            {"lesion": one.lesion, "shift_ras_mm": list(one.shift_ras_mm), "reason": one.reason} for one in shifts
        ]
    return found


def _moved(value: Any, old: Path, new: Path, key: str = "") -> Any:
    """The content with every path, which is relative to ``old``, relative to ``new``."""
    if isinstance(value, dict):
        return {name: _moved(one, old, new, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, old, new, key) for one in value]
    is_path = key in _PATHS or (key in ("protocol", "registration") and isinstance(value, str) and "." in value)
    if is_path and isinstance(value, str) and not Path(value).is_absolute() and (old / value).exists():
        return Path(os.path.relpath(old / value, new)).as_posix()
    return value
