"""The one list of files that a case's result depends on, for provenance, bundle and the resuming of cohorts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.segmentation.label_tables import tables_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDERS = ("dicom", "segments")  # keys of a visit that name folders, all of whose files count


def case_files(path: Path) -> tuple[Path, ...]:
    """Every file that a case's result depends on, wherever it is; cheap, since nothing is read but the case file.

    These are the case file, all files in the folders of its visits, and every file that it names at any place, such as
    a label map (with the table of its names beside it), a protocol, a transform, a table of doses or a phantom. A case
    file that cannot be read is alone in the list.
    """
    found = {path.resolve()}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return tuple(found)
    for key, name in _names(content):
        try:
            place = (path.parent / name).resolve()
            if key in _FOLDERS and place.is_dir():
                found.update(one for one in place.rglob("*") if one.is_file())
            elif place.is_file():
                found.add(place)
                found.update(tables_beside(place) if key == "segments" else ())
        except (OSError, ValueError):  # a text that no file can be called
            continue
    return tuple(sorted(found))


def _names(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain JSON values with the key that it is under."""
    if isinstance(content, str):
        if content.strip():
            yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _names(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from _names(value, key)
