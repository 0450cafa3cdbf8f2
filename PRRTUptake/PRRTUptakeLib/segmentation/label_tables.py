"""Names of a label map's numbers as programs write them: tables beside the file, and keys of an NRRD header.

Known are .json (by number or by name), the label descriptions of ITK-SNAP (.txt, .label), BIDS (.tsv with index and
name), colour tables of Slicer (.ctbl), nnU-Net's dataset.json, and headers of Slicer and MITK.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.segmentation.errors import SegmentationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NNUNET = "dataset.json"
_SNAP = re.compile(r'\s*(\d+)((?:\s+[\d.]+){6})\s+"(.*)"\s*')
_MITK = "multilabel.segmentation.labelgroups"


def names_beside(path: Path, stem: str) -> dict[int, str]:
    """Names by number from a table beside a label map, whose name without its ending is ``stem``; none without one.

    Raises
    ------
    SegmentationError
        If a .json table does not hold names of labels.
    """
    for ending, read in ((".json", _of_json), (".txt", _of_snap), (".label", _of_snap), (".tsv", _of_bids)):
        table = path.with_name(f"{stem}{ending}")
        names = read(table) if table.is_file() else {}
        if names:
            return names
    colours = path.with_name(f"{stem}.ctbl")
    if colours.is_file():
        return _of_colours(colours)
    return _of_training(path.with_name(_NNUNET))


def tables_beside(path: Path) -> tuple[Path, ...]:
    """The files beside a label map that may hold the names of its numbers, those that are there."""
    stem = re.sub(r"\.(nii\.gz|\w+)$", "", path.name, flags=re.IGNORECASE)
    found = [path.with_name(f"{stem}{ending}") for ending in (".json", ".txt", ".label", ".tsv", ".ctbl")]
    return tuple(one for one in (*found, path.with_name(_NNUNET)) if one.is_file())


def names_in_header(header: Mapping[str, str]) -> dict[int, str]:
    """Names by number from the keys of an NRRD header; none where it has no such keys.

    Examples
    --------
    >>> names_in_header({"Segment0_Name": "liver", "Segment0_LabelValue": "3", "Segment0_Layer": "0"})
    {3: 'liver'}
    """
    numbers = [match[1] for key in header if (match := re.fullmatch(r"Segment(\d+)_Name", key))]
    values = {n: header.get(f"Segment{n}_LabelValue", "") for n in numbers}
    if numbers and all(value.isdigit() for value in values.values()):
        found = {int(values[n]): header[f"Segment{n}_Name"] for n in sorted(numbers, key=int)}
        return found if len(found) == len(numbers) else {}  # several layers use one number
    groups = next((text for key, text in header.items() if key.replace("_", ".").endswith(_MITK)), "")
    try:
        labels = [label for group in json.loads(groups or "[]") for label in group["labels"]]
        return {int(label["value"]): str(label["name"]) for label in labels if int(label["value"])}
    except (ValueError, TypeError, KeyError):
        return {}


def _of_json(path: Path) -> dict[int, str]:
    """{"1": "liver", ...} or {"liver": 1, ...} (as nnU-Net has it), at top or under "labels"."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        content = content.get("labels", content)
        pairs = [(key, value) if str(key).isdigit() else (value, key) for key, value in content.items()]
        return {int(number): str(name) for number, name in pairs if int(number) != 0}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SegmentationError(
            f'{path.name} must hold the names of labels, {{"1": "liver", ...}}: correct or remove it.'
        ) from error


def _of_training(path: Path) -> dict[int, str]:
    """The labels of nnU-Net's own file; another one of that name has none, nor one of regions that overlap."""
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
        return {int(number): str(name) for name, number in labels.items() if int(number)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError):
        return []
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _of_snap(path: Path) -> dict[int, str]:
    """Index, red, green, blue, alpha, visibility, mesh, "name"; a text of another kind has no names."""
    found = [_SNAP.fullmatch(line) for line in _lines(path)]
    if not found or None in found:
        return {}
    return {int(match[1]): match[3] for match in found if match is not None and int(match[1])}


def _of_bids(path: Path) -> dict[int, str]:
    rows = list(csv.DictReader(_lines(path), delimiter="\t"))
    if not rows or any(not (row.get("index") or "").isdigit() or not row.get("name") for row in rows):
        return {}
    return {int(row["index"]): row["name"] for row in rows if int(row["index"])}


def _of_colours(path: Path) -> dict[int, str]:
    """Index, name, red, green, blue, alpha."""
    rows = [line.split() for line in _lines(path)]
    if any(len(row) != 6 or not row[0].isdigit() for row in rows):
        return {}
    return {int(row[0]): row[1] for row in rows if int(row[0])}
