"""The case file: which DICOM, segments and rules make up one patient; ``prrt run CASE.json`` starts from it.

    {"patient": "P01", "protocol": "lutia", "treated_lobe": "left",
     "visits": [{"visit": "24h", "cycle": 1, "dicom": "DICOM", "segments": "segments",
                 "lobe_plane": {"origin_ras_mm": [0, 0, 0], "normal_ras": [-1, 0, 0]}}]}

Paths are relative to the case file. The plane's normal points to the patient's left lobe. ``treated_lobe`` may be left
out: then the analysis stays blinded and no treated/control ratio is formed. A visit's ``vanished`` lists lesions of the
first visit that are gone, for the response; one that is just not drawn counts as not assessed. ``dosimetry`` holds
settings of doses (see ``PRRTDosimetryLib.dosimetry.settings``); ``recovery_phantom`` lists ``volumes_mL`` and
``recoveries`` of a phantom's spheres, where known their ``uncertainties`` and in words their ``source``, and asks for
partial volume corrected values beside the measured ones, doses of lesions among them; ``iv_cycle`` has activity and
doses of an intravenous cycle, from which those of an intra-arterial one are predicted, and ``delivered`` names the
measurements of
that cycle once it was given; ``notes`` whatever the user wants to keep.

A visit may be measured with the contours of another: instead of ``segments`` it has ``drawn_on``, the name of that
visit ("CYCLE/VISIT" if it is of another cycle). Its CT is then registered to the one on which was drawn, or
``registration`` says how the two lie (see ``trial.registration_rule``): a transform file of another tool, a matrix, or
the same place. ``nudges`` move single lesions of a visit by hand, each with its reason. Images of several patient ids
are refused, unless ``same_patient`` says why they are of one person, such as an MRI that was made nameless elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.targets import TargetOverride
from PRRTUptakeLib.study.manual_shift import ManualShift
from PRRTUptakeLib.study.predicted_benefit import IntravenousCycle
from PRRTUptakeLib.study.protocol import Protocol, load_protocol
from PRRTUptakeLib.study.registration_rule import RegistrationRule
from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve, fit_recovery_curve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class CaseError(PRRTError):
    """A case file is incomplete, has an unknown key or names a file that is not there."""


@dataclass(frozen=True)
class Visit:
    """One imaging visit: a folder of DICOM, the segments drawn on its CT, and how the lobes are parted.

    ``segments`` is a folder of masks, a ``.seg.nrrd`` file, or DICOM SEG or RTSTRUCT (a file or a folder of them);
    ``image`` is the Series Instance UID of the measured image, needed only where there are several; ``vanished`` are
    ids of lesions of the first visit that are gone; ``replacements`` (key ``targets``) the user's changes of the
    protocol's targets, each with its reason. ``drawn_on`` is (cycle, name) of the visit whose segments are used, None
    for its own; ``registration`` how they come here: "" for not said, "register", "deformable", or a rule.
    """

    visit: str
    cycle: int
    dicom: Path
    segments: Path
    lobe_plane: Plane | None = None
    territory_overrides: tuple[TerritoryOverride, ...] = ()
    image: str = ""
    route: str = ""
    manual_shifts: tuple[ManualShift, ...] = ()
    vanished: tuple[str, ...] = ()
    target_overrides: tuple[TargetOverride, ...] = ()
    drawn_on: tuple[int, str] | None = None
    registration: RegistrationRule | str = ""

    @property
    def key(self) -> tuple[int, str]:
        """Cycle and name, which no other visit has."""
        return self.cycle, self.visit


@dataclass(frozen=True)
class Delivered:
    """Where the doses of the intra-arterial cycle stand, once it was given: a table of measurements, and its cycle."""

    measurements: Path
    cycle: int


@dataclass(frozen=True)
class Case:
    """One patient: identity, rules, visits; ``treated_lobe`` is "left", "right" or "" while blinded."""

    path: Path
    patient: str
    protocol: Protocol
    visits: tuple[Visit, ...]
    treated_lobe: str = ""
    recovery: RecoveryCurve | None = None
    dosimetry: dict[str, Any] = field(default_factory=dict)
    iv_cycle: IntravenousCycle | None = None
    delivered: Delivered | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    same_patient: str = ""

    def drawn_visit(self, visit: Visit) -> Visit:
        """The visit on whose image a visit's segments were drawn; itself for its own."""
        return next(one for one in self.visits if one.key == visit.drawn_on) if visit.drawn_on else visit


_REQUIRED = {"patient", "protocol", "visits"}
_CASE_KEYS = _REQUIRED | {
    "treated_lobe",
    "recovery_phantom",
    "dosimetry",
    "iv_cycle",
    "delivered",
    "notes",
    "same_patient",
}
_VISIT_REQUIRED = {"visit", "cycle", "dicom"}
_DRAWN_KEYS = {"lobe_plane", "couinaud_moves", "vanished", "targets"}  # of those on whose image was drawn
_VISIT_KEYS = _VISIT_REQUIRED | _DRAWN_KEYS | {"segments", "drawn_on", "registration", "image", "route", "nudges"}


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
    _keys(content, _CASE_KEYS, _REQUIRED, path.name)
    patient = content["patient"]
    if not isinstance(patient, str) or not patient.strip():
        raise CaseError(f"{path.name}: 'patient' must be a name or number as text, not {patient!r}.")
    treated = content.get("treated_lobe", "")
    if treated not in ("left", "right", ""):
        raise CaseError(f"{path.name}: 'treated_lobe' is {treated!r}, but must be left or right, or be left out.")
    if not isinstance(content["visits"], list) or not content["visits"]:
        raise CaseError(f"{path.name}: 'visits' must be a list with at least one visit.")
    visits = _with_segments([_visit(item, path) for item in content["visits"]], path)
    dosimetry, notes = (_mapping(content, key, path) for key in ("dosimetry", "notes"))
    recovery = _recovery(content["recovery_phantom"], path) if "recovery_phantom" in content else None
    return Case(
        path,
        patient.strip(),
        _protocol(content["protocol"], path),
        visits,
        treated,
        recovery,
        dosimetry,
        _iv_cycle(content, path),
        _delivered(content["delivered"], path) if "delivered" in content else None,
        notes,
        _reason(content, "same_patient", path),
    )


def _reason(content: dict[str, Any], key: str, path: Path) -> str:
    """A reason in words; "" where the key is left out, never where it is there."""
    value = content.get(key, "left out")
    if not isinstance(value, str) or not value.strip():
        raise CaseError(f"{path.name}: '{key}' must say why in words, or be left out, not {value!r}.")
    return value.strip() if key in content else ""


def _iv_cycle(content: dict[str, Any], path: Path) -> IntravenousCycle | None:
    if "iv_cycle" not in content:
        return None
    patient, same_person = content["patient"].strip(), "same_patient" in content
    return IntravenousCycle.from_case(_mapping(content, "iv_cycle", path), path.parent, patient, same_person)


def _delivered(content: Any, path: Path) -> Delivered:
    names = {"measurements", "cycle"}
    _keys(content, names, names, f"{path.name}, delivered")
    return Delivered(path.parent / str(content["measurements"]), _cycle(content["cycle"], path))


def _cycle(value: Any, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CaseError(f"{path.name}: 'cycle' must be a whole number from 1, not {value!r}.")
    return value


def _recovery(content: Any, path: Path) -> RecoveryCurve:
    names = {"volumes_mL", "recoveries"}
    _keys(content, {*names, "uncertainties", "source"}, names, f"{path.name}, recovery_phantom")
    source = _reason(content, "source", path) or "recovery_phantom of the case file"
    try:
        return fit_recovery_curve(content["volumes_mL"], content["recoveries"], content.get("uncertainties"), source)
    except (TypeError, ValueError) as error:
        raise CaseError(f"{path.name}: 'recovery_phantom' cannot be used. {error}") from error


def _mapping(content: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise CaseError(f"{path.name}: '{key}' must be an object with keys, not {value!r}.")
    return value


def _protocol(name: Any, path: Path) -> Protocol:
    if not isinstance(name, str):
        raise CaseError(f"{path.name}: 'protocol' must be a name or a .json file, not {name!r}.")
    return load_protocol(path.parent / name if name.endswith(".json") else name)


def _with_segments(visits: Sequence[Visit], path: Path) -> tuple[Visit, ...]:
    """The visits, those without segments of their own with those of the visit that they name."""
    known = {visit.key: visit for visit in visits}
    if len(known) < len(visits):
        raise CaseError(f"{path.name}: two visits of one cycle have the same name: give each its own.")
    found = []
    for visit in visits:
        if visit.drawn_on is None:
            found.append(visit)
            continue
        drawn = known.get(visit.drawn_on)
        if drawn is None or drawn.drawn_on is not None:
            fitting = ", ".join(f"{one.cycle}/{one.visit}" for one in visits if one.drawn_on is None) or "none"
            raise CaseError(
                f"{path.name}: visit '{visit.visit}' is 'drawn_on' {visit.drawn_on[0]}/{visit.drawn_on[1]}, which has "
                f"no segments of its own; visits with segments are {fitting}."
            )
        found.append(replace(visit, segments=drawn.segments))
    return tuple(found)


def _drawn_on(content: dict[str, Any], cycle: int, path: Path) -> tuple[int, str] | None:
    """Cycle and name of the visit whose segments are used."""
    name = content.get("drawn_on")
    where = f"{path.name}, visit '{content['visit']}'"
    if ("segments" in content) == (name is not None):
        raise CaseError(f"{where}: give 'segments', or 'drawn_on' with the visit whose segments are used; one of them.")
    if name is None:
        return None
    wrong = sorted(_DRAWN_KEYS & set(content))
    if wrong:
        raise CaseError(f"{where}: '{wrong[0]}' belongs to the visit on which was drawn, '{name}': move it there.")
    before, _, after = str(name).rpartition("/")
    return (int(before), after) if before.isdigit() else (cycle, str(name))


def _visit(content: Any, path: Path) -> Visit:
    _keys(content, _VISIT_KEYS, _VISIT_REQUIRED, f"{path.name}, visits")
    cycle = _cycle(content["cycle"], path)
    drawn_on = _drawn_on(content, cycle, path)
    dicom, segments = (path.parent / str(content.get(key, "")) for key in ("dicom", "segments"))
    for key, place in (("dicom", dicom), ("segments", segments)):
        if not place.exists():
            raise CaseError(f"{path.name}: '{key}' names {place}, which does not exist: correct the path.")
    plane = _plane(content["lobe_plane"], path) if "lobe_plane" in content else None
    territory_overrides = tuple(_move(item, path) for item in content.get("couinaud_moves", ()))
    return Visit(
        str(content["visit"]),
        cycle,
        dicom,
        segments,
        plane,
        territory_overrides,
        str(content.get("image", "")),
        str(content.get("route", "")),
        tuple(_manual_shift(item, path) for item in content.get("nudges", ())),
        _vanished(content.get("vanished", []), path),
        tuple(_target_override(item, path) for item in content.get("targets", ())),
        drawn_on,
        _registration(content, path),
    )


def _registration(content: dict[str, Any], path: Path) -> RegistrationRule | str:
    if "registration" not in content:
        return ""
    where = f"{path.name}, visit '{content['visit']}'"
    return RegistrationRule.from_case(content["registration"], path.parent, where)


def _manual_shift(content: Any, path: Path) -> ManualShift:
    names = {"lesion", "shift_ras_mm", "reason"}
    _keys(content, names, names, f"{path.name}, nudges")
    shift = content["shift_ras_mm"]
    if not isinstance(shift, list) or len(shift) != 3 or not all(isinstance(one, (int, float)) for one in shift):
        raise CaseError(f"{path.name}: 'shift_ras_mm' of a nudge must be three numbers, not {shift!r}.")
    x, y, z = (float(one) for one in shift)
    return ManualShift(str(content["lesion"]), (x, y, z), str(content["reason"]))


def _vanished(content: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise CaseError(f"{path.name}: 'vanished' must be a list of lesion ids such as [\"L2\"], not {content!r}.")
    return tuple(content)


def _target_override(content: Any, path: Path) -> TargetOverride:
    names = {"dropped", "chosen", "reason"}
    _keys(content, names, names, f"{path.name}, targets")
    return TargetOverride(str(content["dropped"]), str(content["chosen"]), str(content["reason"]))


def _move(content: Any, path: Path) -> TerritoryOverride:
    names = {"segment", "lobe", "reason"}
    _keys(content, names, names, f"{path.name}, couinaud_moves")
    return TerritoryOverride(content["segment"], str(content["lobe"]), str(content["reason"]))


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
