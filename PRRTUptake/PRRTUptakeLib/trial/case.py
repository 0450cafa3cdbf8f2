"""The case file: which DICOM, segments and rules make up one patient; ``prrt run CASE.json`` starts from it.

    {"patient": "P01", "protocol": "lutia", "treated_lobe": "left",
     "visits": [{"visit": "24h", "cycle": 1, "dicom": "DICOM", "segments": "segments",
                 "lobe_plane": {"origin_ras_mm": [0, 0, 0], "normal_ras": [-1, 0, 0]}}]}

Paths are relative to the case file. The plane's normal points to the patient's left lobe. ``treated_lobe`` may be left
out: then the analysis stays blinded and no treated/control ratio is formed. A visit's ``vanished`` lists lesions of the
first visit that are gone, for the response; one that is just not drawn counts as not assessed. ``dosimetry`` holds
settings of doses (see ``PRRTDosimetryLib.mrml.settings``), ``notes`` whatever the user wants to keep.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.couinaud import Move
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.trial.protocol import Protocol, load_protocol

if TYPE_CHECKING:
    from pathlib import Path


class CaseError(PRRTError):
    """A case file is incomplete, has an unknown key or names a file that is not there."""


@dataclass(frozen=True)
class Visit:
    """One imaging visit: a folder of DICOM, the segments drawn on its CT, and how the lobes are parted.

    ``segments`` is a folder of masks, a ``.seg.nrrd`` file, or DICOM SEG or RTSTRUCT (a file or a folder of them);
    ``image`` the Series Instance UID of the measured image, needed only where there are several. ``vanished`` are ids
    of lesions of the first visit that are gone.
    """

    visit: str
    cycle: int
    dicom: Path
    segments: Path
    lobe_plane: Plane | None = None
    moves: tuple[Move, ...] = ()
    image: str = ""
    route: str = ""
    vanished: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One patient: identity, rules, visits; ``treated_lobe`` is "left", "right" or "" while blinded."""

    path: Path
    patient: str
    protocol: Protocol
    visits: tuple[Visit, ...]
    treated_lobe: str = ""
    dosimetry: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


_CASE_KEYS = {"patient", "protocol", "visits", "treated_lobe", "dosimetry", "notes"}
_VISIT_KEYS = {"visit", "cycle", "dicom", "segments", "lobe_plane", "couinaud_moves", "image", "route", "vanished"}


def load_case(path: Path) -> Case:
    """Read and check a case file.

    Raises
    ------
    CaseError
        If the file cannot be read, a key is unknown or missing, a value impossible, or a folder absent.
    ProtocolError
        If the protocol that it names is not usable.
    """
    content = _json(path)
    _keys(content, _CASE_KEYS, {"patient", "protocol", "visits"}, path.name)
    patient = content["patient"]
    if not isinstance(patient, str) or not patient.strip():
        raise CaseError(f"{path.name}: 'patient' must be a name or number as text, not {patient!r}.")
    treated = content.get("treated_lobe", "")
    if treated not in ("left", "right", ""):
        raise CaseError(f"{path.name}: 'treated_lobe' is {treated!r}, but must be left or right, or be left out.")
    if not isinstance(content["visits"], list) or not content["visits"]:
        raise CaseError(f"{path.name}: 'visits' must be a list with at least one visit.")
    visits = tuple(_visit(item, path) for item in content["visits"])
    names = [(visit.cycle, visit.visit) for visit in visits]
    if len(set(names)) < len(names):
        raise CaseError(f"{path.name}: two visits of one cycle have the same name: give each its own.")
    dosimetry, notes = (_mapping(content, key, path) for key in ("dosimetry", "notes"))
    return Case(path, patient.strip(), _protocol(content["protocol"], path), visits, treated, dosimetry, notes)


def _mapping(content: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise CaseError(f"{path.name}: '{key}' must be an object with keys, not {value!r}.")
    return value


def _protocol(name: Any, path: Path) -> Protocol:
    if not isinstance(name, str):
        raise CaseError(f"{path.name}: 'protocol' must be a name or a .json file, not {name!r}.")
    return load_protocol(path.parent / name if name.endswith(".json") else name)


def _visit(content: Any, path: Path) -> Visit:
    _keys(content, _VISIT_KEYS, {"visit", "cycle", "dicom", "segments"}, f"{path.name}, visits")
    cycle = content["cycle"]
    if isinstance(cycle, bool) or not isinstance(cycle, int) or cycle < 1:
        raise CaseError(f"{path.name}: 'cycle' must be a whole number from 1, not {cycle!r}.")
    dicom, segments = (path.parent / str(content[key]) for key in ("dicom", "segments"))
    for key, place in (("dicom", dicom), ("segments", segments)):
        if not place.exists():
            raise CaseError(f"{path.name}: '{key}' names {place}, which does not exist: correct the path.")
    plane = _plane(content["lobe_plane"], path) if "lobe_plane" in content else None
    moves = tuple(_move(item, path) for item in content.get("couinaud_moves", ()))
    return Visit(
        str(content["visit"]),
        cycle,
        dicom,
        segments,
        plane,
        moves,
        str(content.get("image", "")),
        str(content.get("route", "")),
        _vanished(content.get("vanished", []), path),
    )


def _vanished(content: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise CaseError(f"{path.name}: 'vanished' must be a list of lesion ids such as [\"L2\"], not {content!r}.")
    return tuple(content)


def _move(content: Any, path: Path) -> Move:
    names = {"segment", "lobe", "reason"}
    _keys(content, names, names, f"{path.name}, couinaud_moves")
    return Move(content["segment"], str(content["lobe"]), str(content["reason"]))


def _plane(content: Any, path: Path) -> Plane:
    names = {"origin_ras_mm", "normal_ras"}
    _keys(content, names, names, f"{path.name}, lobe_plane")
    try:
        return Plane(content["origin_ras_mm"], content["normal_ras"], "from the case file")
    except (PRRTError, TypeError, ValueError) as error:
        raise CaseError(f"{path.name}: 'lobe_plane' needs two vectors of three finite numbers ({error})") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CaseError(f"The case file {path} cannot be read as JSON ({error}).") from error


def _keys(content: Any, known: set[str], required: set[str], where: str) -> None:
    if not isinstance(content, dict):
        raise CaseError(f"{where}: expected an object with the keys {', '.join(sorted(required))}, found {content!r}.")
    unknown = sorted(set(content) - known)
    if unknown:
        raise CaseError(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(sorted(known))}.")
    missing = sorted(required - set(content))
    if missing:
        raise CaseError(f"{where}: the key '{missing[0]}' is missing.")
