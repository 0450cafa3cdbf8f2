"""The case file: which DICOM, segments and rules make up one patient; ``prrt run CASE.json`` starts from it.

    {"patient": "P01", "protocol": "lutia", "treated_lobe": "left",
     "visits": [{"visit": "24h", "cycle": 1, "dicom": "DICOM", "segments": "segments",
                 "lobe_plane": {"origin_ras_mm": [0, 0, 0], "normal_ras": [-1, 0, 0]}}]}

`study.schema.case_keys` declares every key with its meaning, and ``prrt schema case`` prints the JSON Schema. Paths are
relative to the case file. The plane's normal points to the patient's left lobe. ``treated_lobe`` may be left out: then
the analysis stays blinded and no treated/control ratio is formed.

A visit may be measured with the contours of another: instead of ``segments`` it has ``drawn_on``, the name of that
visit ("CYCLE/VISIT" if it is of another cycle). Its CT is then registered to the image that the contours were drawn on,
or ``registration`` says how the two fit (see `study.registration_rule`). ``nudges`` shift single lesions of a visit by
hand, each with its reason. Images of several patient ids are refused, unless ``same_patient`` says why they are of one
person, such as an MRI that was made nameless elsewhere.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.segmentation.best_response import ResponseRules
from PRRTUptakeLib.segmentation.response import MRECIST, PERCIST, RECIST
from PRRTUptakeLib.study.camera import CameraFile, load_camera, with_calibration_u, with_camera
from PRRTUptakeLib.study.errors import InputFileError
from PRRTUptakeLib.study.model import stated_fwhm_mm
from PRRTUptakeLib.study.predicted_benefit import IntravenousCycle
from PRRTUptakeLib.study.protocol import Protocol, load_protocol
from PRRTUptakeLib.study.registration_rule import RegistrationRule, registration_rule
from PRRTUptakeLib.study.schema.case_keys import CASE, ROUTES, Question
from PRRTUptakeLib.study.schema.json_file import read_json_file
from PRRTUptakeLib.study.schema.place import Place, shown
from PRRTUptakeLib.uptake.partial_volume import RecoveryCurve, fit_recovery_curve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.segmentation.couinaud import TerritoryOverride
    from PRRTUptakeLib.segmentation.lobes import Plane
    from PRRTUptakeLib.segmentation.targets import TargetOverride
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.stated_exclusion import StatedExclusion


_DRAWN_ID = re.compile(r"[LRCE][0-9]+")
_SAME_FACTOR = 0.2  # of log10: 630 to 1600 is taken for a factor of 1000


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One imaging visit: a folder of DICOM, the segments drawn on its CT, and how the lobes are parted.

    ``segments`` is a folder of masks, a ``.seg.nrrd`` file, or DICOM SEG or RTSTRUCT (a file or a folder of them);
    ``image`` is the Series Instance UID of the measured image, needed only where there are several; ``vanished`` are
    ids of lesions of the first visit that are gone; ``target_overrides`` (key ``targets``) the user's changes of the
    protocol's targets, each with its reason. ``drawn_on`` is (cycle, name) of the visit whose segments are used, None
    for its own; ``registration`` how they come here: "" for not said, "register", "deformable", or a rule.
    ``non_targets`` are states of lesions that are followed unmeasured, ``new_lesions`` names of new ones that nobody
    drew, ``date`` that of the images for the response, all for `response_case`, and ``enhancing_mm`` diameters of the
    part of lesions that enhances in the arterial phase, for mRECIST.
    ``overrides`` are values that go before those of the image's header, with their reason; None if nothing is stated.
    """

    visit: str
    cycle: int
    dicom: Path
    segments: Path
    labels: dict[int, str] | str | None = None
    lobe_plane: Plane | None = None
    territory_overrides: tuple[TerritoryOverride, ...] = ()
    image: str = ""
    route: str = ""
    manual_shifts: tuple[ManualShift, ...] = ()
    vanished: tuple[str, ...] = ()
    target_overrides: tuple[TargetOverride, ...] = ()
    drawn_on: tuple[int, str] | None = None
    registration: RegistrationRule | str = ""
    overrides: OperatorOverrides | None = None
    observed_cps: float | None = None
    non_targets: Mapping[str, str] = field(default_factory=dict)
    new_lesions: tuple[str, ...] = ()
    enhancing_mm: Mapping[str, float] = field(default_factory=dict)
    date: date | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Cycle and name, which no other visit has."""
        return self.cycle, self.visit


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """Doses of the intra-arterial cycle, once it was given: a table of measurements, and its cycle."""

    measurements: Path
    cycle: int


@dataclass(frozen=True, kw_only=True)
class Case:
    """One patient: identity, rules, visits; ``treated_lobe`` is "left", "right" or "" while blinded.

    ``lobes`` is "none", "left" or "right" (the liver is that lobe alone), "from-plane", "drawn", or "" for whichever
    way the segments allow; ``partial_volume`` the correction that is asked for here, "" for the protocol's;
    ``expected_patient_id`` the DICOM Patient ID that every image must have, "" for any.
    """

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
    expected_patient_id: str = ""
    lobes: str = ""
    exclude: tuple[StatedExclusion, ...] = ()
    response: ResponseRules = field(default_factory=ResponseRules)
    partial_volume: str = ""
    camera: CameraFile | None = None
    questions: tuple[Question, ...] = ()

    def drawn_visit(self, visit: Visit) -> Visit:
        """The visit on whose image a visit's segments were drawn; itself for its own."""
        return next(one for one in self.visits if one.key == visit.drawn_on) if visit.drawn_on else visit

    @property
    def partial_volume_method(self) -> str:
        """The correction in force: the case's, or else the protocol's ("none", "gtm" or "recovery")."""
        return self.partial_volume or self.protocol.partial_volume


def load_case(path: Path) -> Case:
    """Read and check a case file.

    Raises
    ------
    InputFileError
        If the file cannot be read, a key is unknown or missing, a value impossible, or a folder absent.
    InputFileError
        If the protocol that it names is not usable.
    """
    place = Place(file=path.name, base=path.parent)
    content = CASE.read(read_json_file(path, place), place)
    camera = load_camera(content["camera"]) if "camera" in content else None
    stated_mm = stated_fwhm_mm(content.get("dosimetry", {}))
    protocol = with_camera(_protocol(content["protocol"], path), camera, stated_mm)
    visits = _with_segments(
        [_visit(one, place.key("visits").item(n)) for n, one in enumerate(content["visits"])], place
    )
    phantom = content.get("recovery_phantom")
    delivered = content.get("delivered")
    case = Case(
        path=path,
        patient=content["patient"],
        protocol=protocol,
        visits=visits,
        treated_lobe=content.get("treated_lobe", ""),
        recovery=_recovery_of(phantom, camera, place.key("recovery_phantom")),
        dosimetry=with_calibration_u(_with_kinetics(content), camera),
        iv_cycle=_iv_cycle(content, place),
        delivered=Delivered(**delivered) if delivered else None,
        notes=content.get("notes", {}),
        same_patient=content.get("same_patient", ""),
        expected_patient_id=content.get("expected_patient_id", ""),
        lobes=content.get("lobes", ""),
        exclude=tuple(replace(one, patient=content["patient"]) for one in content.get("exclude", ())),
        response=content.get("response", ResponseRules()),
        partial_volume=content.get("partial_volume", ""),
        camera=camera,
        questions=content.get("questions", ()),
    )
    _agrees_with_design(case, place)
    _agrees_with_itself(case, place)
    _has_the_right_units(case, place)
    return case


def _protocol(name: str, path: Path) -> Protocol:
    return load_protocol(path.parent / name if name.endswith(".json") else name)


def _recovery_of(phantom: dict[str, Any] | None, camera: CameraFile | None, place: Place) -> RecoveryCurve | None:
    """The curve of the phantom that the case states, or else of the camera file."""
    if phantom is None:
        return camera.recovery if camera is not None else None
    if camera is not None and camera.recovery is not None:
        place.stop(f"{place.name} and the recovery of {camera.path.name} are two curves of one camera: keep one.")
    return _recovery(phantom, place)


def _recovery(phantom: dict[str, Any], place: Place) -> RecoveryCurve:
    figures = {"source": "recovery_phantom of the case file", **phantom}
    try:
        return fit_recovery_curve(**figures)
    except (PRRTError, ValueError) as error:
        place.stop(f"{place.name} cannot be used. {error}")


def _with_kinetics(content: dict[str, Any]) -> dict[str, Any]:
    """The settings of doses with the case's own key ``kinetics``, as the library of dosimetry reads them together."""
    settings: dict[str, Any] = content.get("dosimetry", {})
    return {**settings, "kinetics": content["kinetics"]} if "kinetics" in content else settings


def _iv_cycle(content: dict[str, Any], place: Place) -> IntravenousCycle | None:
    if "iv_cycle" not in content:
        return None
    return IntravenousCycle.from_values(content["iv_cycle"], content["patient"], "same_patient" in content)


def _visit(content: dict[str, Any], place: Place) -> Visit:
    """One visit; those with ``drawn_on`` get their segments in `_with_segments`."""
    rule = content.get("registration", "")
    return Visit(
        visit=content["visit"],
        cycle=content["cycle"],
        dicom=content["dicom"],
        segments=content.get("segments", content["dicom"]),
        labels=_labels(content.get("labels")),
        lobe_plane=content.get("lobe_plane"),
        territory_overrides=content.get("couinaud_moves", ()),
        image=content.get("image", ""),
        route=content.get("route", ""),
        manual_shifts=content.get("nudges", ()),
        vanished=content.get("vanished", ()),
        target_overrides=content.get("targets", ()),
        drawn_on=_drawn_on(content.get("drawn_on"), content["cycle"]),
        registration=registration_rule(rule, place.key("registration")) if rule else "",
        overrides=content.get("quantification"),
        observed_cps=content.get("observed_cps"),
        non_targets=content.get("non_targets", {}),
        enhancing_mm=content.get("enhancing_mm", {}),
        new_lesions=content.get("new_lesions", ()),
        date=content.get("date"),
    )


def _labels(stated: dict[str, str] | str | None) -> dict[int, str] | str | None:
    """Names of a label map's numbers, the name of their table, or None."""
    return {int(number): name for number, name in stated.items()} if isinstance(stated, dict) else stated


def _drawn_on(name: str | None, cycle: int) -> tuple[int, str] | None:
    """Cycle and name of the visit whose segments are used."""
    if name is None:
        return None
    before, _, after = name.rpartition("/")
    return (int(before), after) if before.isdecimal() and len(before) < 4 else (cycle, name)


def _with_segments(visits: Sequence[Visit], place: Place) -> tuple[Visit, ...]:
    """The visits, those without segments of their own with those of the visit that they name."""
    known = {visit.key: visit for visit in visits}
    if len(known) < len(visits):
        keys = [visit.key for visit in visits]
        n = next(n for n, key in enumerate(keys) if key in keys[:n])
        where = place.key("visits").item(n).key("visit").name
        place.stop(f"{where} is {shown(keys[n][1])}; two visits of cycle {keys[n][0]} have the same name: rename one.")
    found = []
    for n, visit in enumerate(visits):
        if visit.drawn_on is None:
            found.append(visit)
            continue
        drawn = known.get(visit.drawn_on)
        if drawn is None or drawn.drawn_on is not None:
            fitting = ", ".join(f"{one.cycle}/{one.visit}" for one in visits if one.drawn_on is None) or "none"
            place.stop(
                f"{place.key('visits').item(n).key('drawn_on').name} names {visit.drawn_on[0]}/{visit.drawn_on[1]}, "
                f"which has no segments of its own; visits with segments are {fitting}."
            )
        found.append(replace(visit, segments=drawn.segments, labels=drawn.labels))
    return tuple(found)


def _agrees_with_design(case: Case, place: Place) -> None:
    """Keys that the protocol's design has no use for are refused: nothing is stated without effect."""
    design, rules = case.protocol.design, case.protocol.rules
    for key, stated in (("iv_cycle", case.iv_cycle), ("delivered", case.delivered)):
        if stated is not None and not rules.routes:
            place.stop(
                f"{place.key(key).name} has no effect in the design {design}, which compares no routes: remove it, or "
                "name another protocol."
            )
    if case.delivered is not None and case.iv_cycle is None:
        place.stop("'delivered' has no effect without 'iv_cycle', whose prediction it is compared with: add that.")
    if not rules.by_lobe:
        _has_no_lobes(case, place)
    if case.lobes and case.lobes not in rules.lobes:
        place.key("lobes").refuse(case.lobes, f"one of {', '.join(rules.lobes)} in the design {design}")
    _has_response_criteria(case, place)
    for n, visit in enumerate(case.visits):
        where = place.key("visits").item(n)
        if visit.lobe_plane is not None and case.lobes in ("none", "left", "right", "drawn"):
            where.stop(f"{where.key('lobe_plane').name} contradicts 'lobes', which is '{case.lobes}': remove one.")
        if visit.territory_overrides and case.lobes:
            where.stop(f"{where.key('couinaud_moves').name} contradicts 'lobes', which is '{case.lobes}': remove one.")


def _has_response_criteria(case: Case, place: Place) -> None:
    """Criteria that the images cannot serve, or that nothing asks for, are refused."""
    stated, asked = place.key("response").key("criteria"), case.response.criteria
    if asked == PERCIST and case.protocol.imaging.modality != "PET":
        stated.refuse(asked, f"{RECIST} or {MRECIST}, since the protocol measures {case.protocol.imaging.modality}")
    if asked and case.protocol.rules.routes:
        place.stop(f"{stated.name} has no effect in the design {case.protocol.design}: remove it.")
    used = asked or case.protocol.response_criteria
    for n, visit in enumerate(case.visits):
        if visit.enhancing_mm and used != MRECIST:
            where = place.key("visits").item(n).key("enhancing_mm")
            place.stop(f"{where.name} has no effect by {used}: state 'response.criteria' {MRECIST}, or remove it.")


def _has_no_lobes(case: Case, place: Place) -> None:
    stated: list[tuple[Place, object]] = [(place.key("treated_lobe"), case.treated_lobe)]
    for n, visit in enumerate(case.visits):
        where = place.key("visits").item(n)
        stated.append((where.key("lobe_plane"), visit.lobe_plane))
        stated.append((where.key("couinaud_moves"), visit.territory_overrides))
    design = case.protocol.design
    for where, value in stated:
        if value:
            place.stop(f"{where.name} has no effect in the design {design}, which has no lobes: remove it.")


def _agrees_with_itself(case: Case, place: Place) -> None:
    method = case.partial_volume_method
    if method == "recovery" and case.recovery is None:
        whose = "'partial_volume'" if case.partial_volume else f"The protocol '{case.protocol.name}'"
        place.stop(
            f"{whose} asks for a correction by recovery coefficients: add 'recovery_phantom' or 'camera', or choose "
            "another."
        )
    if method == "gtm" and not (stated_fwhm_mm(case.dosimetry) or case.protocol.imaging.fwhm_mm) > 0:
        place.stop(
            f"'partial_volume' gtm needs the camera's resolution, but the protocol '{case.protocol.name}' has 0 mm: "
            "give 'dosimetry.image_fwhm_mm'."
        )
    for n, visit in enumerate(case.visits):
        if visit.observed_cps is not None and (case.camera is None or case.camera.dead_time is None):
            key = place.key("visits").item(n).key("observed_cps").name
            place.stop(f"{key} has no effect without a camera file with a dead time ('camera'): add it, or remove it.")
    cycles = {visit.cycle for visit in case.visits}
    for n, part in enumerate(case.exclude):
        if part.cycle is not None and part.cycle not in cycles:
            where = place.key("exclude").item(n).key("cycle")
            where.refuse(part.cycle, f"the cycle of a visit ({', '.join(map(str, sorted(cycles)))})")
        if (part.lesion, part.cycle) in {(one.lesion, one.cycle) for one in case.exclude[:n]}:
            place.stop(f"{place.key('exclude').item(n).name} excludes the same part once more: keep one.")
    first = next(n for n, visit in enumerate(case.visits) if visit.drawn_on is None)
    for key in ("vanished", "non_targets", "new_lesions"):
        if getattr(case.visits[first], key):
            where = place.key("visits").item(first).key(key)
            place.stop(f"{where.name} compares with an earlier visit, but this is the first: remove it.")
    known = {f"{visit.cycle}/{visit.visit}" for visit in case.visits}
    for name in case.dosimetry.get("transforms", {}):
        if name not in known:
            where = place.key("dosimetry").key("transforms").key(name)
            place.stop(f"{where.name} names no visit of the case; its visits are {', '.join(sorted(known))}.")


def _has_the_right_units(case: Case, place: Place) -> None:
    """Activities that are a factor of 1000 apart, as GBq or kBq in place of MBq are."""
    planned = (case.protocol.activity_MBq, f"the protocol '{case.protocol.name}' plans")
    stated = [
        (place.key("visits").item(n).key("quantification").key("activity_MBq"), visit.overrides.activity_MBq, planned)
        for n, visit in enumerate(case.visits)
        if visit.overrides is not None
        and visit.overrides.activity_MBq is not None
        and "activity_MBq" not in visit.overrides.confirmed
    ]
    if case.iv_cycle is not None:
        cycle = place.key("iv_cycle")
        given = (case.iv_cycle.activity_MBq, f"{cycle.key('activity_MBq').name} is")
        stated.append((cycle.key("planned_ia_MBq"), case.iv_cycle.planned_ia_MBq, given))
    for where, activity, (other, words) in stated:
        if abs(abs(math.log10(activity / other)) - 3.0) < _SAME_FACTOR:
            where.stop(
                f"{where.name} is {activity:g} MBq, but {words} {other:g} MBq: give both in MBq, not GBq or kBq."
            )


def require_known_lesions(case: Case, known: Iterable[str]) -> None:
    """Refuse lesions that the case names and nobody found: for the run, once the first visit's lesions are known.

    Parameters
    ----------
    case : its ``vanished``, ``non_targets`` and ``enhancing_mm``, excluded lesions and their organs are looked at.
    known : ids of the lesions of the first visit, which ``vanished`` refers to, and of all later ones.

    Raises
    ------
    InputFileError
        Naming the key, the lesion, and those that there are.
    """
    ids = list(dict.fromkeys(known))
    place = Place(file=case.path.name)
    stated = [
        (place.key("visits").item(n).key("vanished").item(m), lesion)
        for n, visit in enumerate(case.visits)
        for m, lesion in enumerate(visit.vanished)
    ]
    stated += [
        (place.key("visits").item(n).key("non_targets").key(lesion), lesion)
        for n, visit in enumerate(case.visits)
        for lesion in visit.non_targets
        if _DRAWN_ID.fullmatch(lesion)  # others are names of what nobody drew
    ]
    stated += [
        (place.key("exclude").item(n).key("lesion"), part.lesion) for n, part in enumerate(case.exclude) if part.lesion
    ]
    stated += [
        (place.key("visits").item(n).key("enhancing_mm").key(lesion), lesion)
        for n, visit in enumerate(case.visits)
        for lesion in visit.enhancing_mm
    ]
    stated += [(place.key("response").key("organs").key(lesion), lesion) for lesion in case.response.organs]
    for where, lesion in stated:
        if lesion not in ids:
            where.stop(f"{where.name} is {shown(lesion)}, but there is no such lesion; there are {', '.join(ids)}.")


def require_no_questions(case: Case) -> None:
    """Refuse to measure a case that was assembled and has questions left.

    Raises
    ------
    InputFileError
        With every question.
    """
    if not case.questions:
        return
    listed = " ".join(f"({n}) {question_text(one)}" for n, one in enumerate(case.questions, 1))
    raise InputFileError(
        f"{case.path.name} has {len(case.questions)} open question(s): {listed} Answer them with 'prrt case "
        f"{case.path.name} --ask', or in the file."
    )


def question_text(one: Question) -> str:
    """A question with where its answer belongs."""
    where = f" [{one.key}]" if one.key else ""
    return f"{one.question}{where}"


def route_word(visit: Visit) -> str:
    """The route of a visit, "IA", "IV" or "", however the case file spells it."""
    return ROUTES.get(visit.route, visit.route)
