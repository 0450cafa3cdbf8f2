"""Whether a case can be measured, found out in seconds: files, series, times, segments; nothing is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.bed_positions import quantify_beds
from PRRTUptakeLib.dicom.headers import text, words
from PRRTUptakeLib.dicom.injection import injection_of
from PRRTUptakeLib.dicom.operator_overrides import DOUBT, doubts_among
from PRRTUptakeLib.dicom.reading import require_hounsfield_units
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.series_facts import series_facts
from PRRTUptakeLib.dicom.suv import suv
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.camera import camera_overrides, camera_warnings
from PRRTUptakeLib.study.case import load_case, question_text, route_word
from PRRTUptakeLib.study.images import contour_series, emission_series, has_emission
from PRRTUptakeLib.study.response_case import is_follow_up
from PRRTUptakeLib.study.segment_names import DICOM, MASKS, segment_names
from PRRTUptakeLib.study.visit_doubts import hours_after_injection, visit_doubts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.study.case import Case, Visit
    from PRRTUptakeLib.study.segment_names import SegmentNames

CORRECTED, NOT_CORRECTED, NOT_STATED = "corrected", "not corrected", "not stated"


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitCheck:
    """What is known of one visit before it is measured.

    Attributes
    ----------
    cycle, visit : which one.
    series, uid, date : of the image that would be measured: its label, Series Instance UID, and start; "" for none.
    hours, activity_MBq, nuclide : after what injection; None or "" where the header does not say it.
    attenuation : "corrected", "not corrected" or "not stated".
    contours : label of the CT or MR that the segments were drawn on, "" if it is not at hand or is not known yet.
    segments : names, and what each seems to be.
    patients : ids of the images and objects that would be used.
    problems, warnings : sentences; a problem would stop the run.
    """

    cycle: int
    visit: str
    series: str = ""
    uid: str = ""
    date: str = ""
    hours: float | None = None
    activity_MBq: float | None = None
    nuclide: str = ""
    attenuation: str = NOT_STATED
    contours: str = ""
    segments: tuple[tuple[str, str], ...] = ()
    patients: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseCheck:
    """A case with its visits; ``measured`` says in sentences what a run would give."""

    path: Path
    patient: str
    protocol: str
    design: str
    visits: tuple[VisitCheck, ...]
    measured: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Of the case and its visits."""
        return (*self.problems, *(f"{one.visit}: {text}" for one in self.visits for text in one.problems))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "case": str(self.path),
            "patient": self.patient,
            "protocol": self.protocol,
            "design": self.design,
            "visits": [_visit_as_dict(one) for one in self.visits],
            "measured": list(self.measured),
            "problems": list(self.all_problems),
            "warnings": [*self.warnings, *(f"{one.visit}: {text}" for one in self.visits for text in one.warnings)],
        }


def _visit_as_dict(one: VisitCheck) -> dict[str, Any]:
    return {**vars(one), "segments": [{"name": name, "structure": found} for name, found in one.segments]}


def check_case(path: Path) -> CaseCheck:
    """Check a case file with everything that it names.

    Raises
    ------
    PRRTError
        If the case file itself, or its protocol, is not usable.
    """
    case = load_case(path)
    visits = tuple(_check_visit(case, visit) for visit in case.visits)
    problems, warnings = _identity(case, visits)
    if case.protocol.rules.routes:
        problems += _routes(case)
    problems = [*(f"Open question: {question_text(one)}" for one in case.questions), *problems]
    return CaseCheck(
        path=path,
        patient=case.patient,
        protocol=case.protocol.name,
        design=case.protocol.design,
        visits=visits,
        measured=_measured(case, visits),
        problems=tuple(problems),
        warnings=(*case.protocol.remarks, *warnings),
    )


@dataclass
class _Findings:
    """What is gathered about one visit."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)


def _check_visit(case: Case, visit: Visit) -> VisitCheck:
    found = _Findings()
    try:
        series: Sequence[Series] = find_series(visit.dicom)
    except PRRTError as error:
        series = ()
        found.problems.append(str(error))
    if series:
        _check_emission(case, visit, series, found)
    if visit.drawn_on is None:
        _check_segments(case, visit, series, found)
    return VisitCheck(
        cycle=visit.cycle,
        visit=visit.visit,
        patients=tuple(dict.fromkeys(found.patients)),
        problems=tuple(found.problems),
        warnings=tuple(found.warnings),
        **found.values,
    )


def _check_emission(case: Case, visit: Visit, series: Sequence[Series], found: _Findings) -> None:
    modality = case.protocol.imaging.modality
    if not has_emission(series, modality) and _may_have_none(case, visit):
        return
    try:
        beds = emission_series(series, modality, visit.visit, visit.image)
    except PRRTError as error:
        found.problems.append(str(error))
        return
    emission = beds[0]
    found.patients += [one.patient_id for one in beds]
    if len(beds) > 1:
        found.warnings.append(f"{len(beds)} bed positions are joined: {'; '.join(one.label for one in beds)}.")
    started = emission.started.isoformat(timespec="minutes") if emission.started else ""
    found.values |= {"series": emission.label, "uid": emission.uid, "date": started}
    found.values["attenuation"] = attenuation_of(emission)
    try:
        routes = case.protocol.rules.routes
        if case.camera is not None:
            found.warnings += camera_warnings(case.camera, series_facts(emission), visit.visit)
        stated = camera_overrides(case.camera, visit.overrides, emission, visit.observed_cps)
        made = suv(emission, inputs=stated) if routes else quantify_beds(beds, stated)
    except PRRTError as error:
        found.problems.append(str(error))
        return
    found.warnings += [sentence.removeprefix(DOUBT) for sentence in doubts_among(made.decisions)]
    if made.volume.reference_time is None:
        found.warnings.append("The image does not state its time, so hours after injection are not known.")
        return
    try:
        injection = injection_of(emission, made.volume.reference_time, visit.overrides)
    except PRRTError as error:
        (found.problems if routes else found.warnings).append(str(error))
        return
    hours = hours_after_injection(made.volume, injection)
    same_cycle = [one for one in case.visits if one.cycle == visit.cycle and not is_follow_up(one.visit)]
    if not is_follow_up(visit.visit):
        alone = routes or len(same_cycle) == 1
        found.warnings += visit_doubts(visit.visit, case.protocol, injection.nuclide, hours, alone)
    found.values |= {"hours": hours, "activity_MBq": injection.activity_MBq, "nuclide": injection.nuclide}


def _may_have_none(case: Case, visit: Visit) -> bool:
    """Whether a visit may lack the measured image: contours are drawn on it, or it is of the follow-up."""
    if case.protocol.rules.routes:
        return not visit.route
    return any(one.drawn_on == visit.key for one in case.visits) or (
        visit is not case.visits[0] and is_follow_up(visit.visit)
    )


def attenuation_of(series: Series) -> str:
    """What the header says on the correction of attenuation: "corrected", "not corrected" or "not stated"."""
    dataset, where = series.headers[0].dataset, series.label
    try:
        steps = words(dataset, "CorrectedImage", where)
        method = text(dataset, "AttenuationCorrectionMethod", where)
    except PRRTError:
        return NOT_STATED
    if "ATTN" in steps or (method and method.upper() != "NONE"):
        return CORRECTED
    return NOT_CORRECTED if steps or method else NOT_STATED


def _check_segments(case: Case, visit: Visit, series: Sequence[Series], found: _Findings) -> None:
    if case.protocol.rules.routes and visit.route and any(not one.route for one in case.visits):
        return  # the contours are those of the visit without a route
    try:
        listed = segment_names(visit.segments, visit.labels, series, case.same_patient)
    except PRRTError as error:
        found.problems.append(str(error))
        return
    found.values["segments"] = tuple(zip(listed.names, listed.structures, strict=True))
    found.problems += listed.problems
    found.warnings += listed.unclear
    found.patients += listed.patients
    _require_structures(listed, found)
    if listed.grid is not None:
        try:
            image = contour_series(series, listed.grid)
            if image is not None:
                require_hounsfield_units(image)
        except PRRTError as error:
            found.problems.append(str(error))
            return
        if image is not None:
            found.values["contours"] = image.label
            found.patients.append(image.patient_id)
        elif series:
            found.warnings.append("No CT or MR of the visit has the grid of the segments.")


def _require_structures(listed: SegmentNames, found: _Findings) -> None:
    """A liver and a lesion; DICOM that is not read has codes that may say it, so that their lack is a warning."""
    lacks = [word for word, there in (("liver", listed.has_liver), ("lesion", listed.lesions)) if not there]
    for word in lacks:
        sentence = f"No segment is a {word} by its name (segments: {', '.join(listed.names) or 'none'})."
        known = listed.kind == MASKS or (listed.kind == DICOM and listed.grid is not None)
        (found.problems if known and word == "liver" else found.warnings).append(sentence)


def _identity(case: Case, visits: Sequence[VisitCheck]) -> tuple[list[str], list[str]]:
    """Whose images they are, and whether one of them is used twice."""
    problems, warnings = [], []
    ids = {patient: one.visit for one in visits for patient in one.patients if patient}
    if len(ids) > 1:
        named = ", ".join(f"'{patient}' (visit '{visit}')" for patient, visit in ids.items())
        if case.same_patient:
            warnings.append(f"The images name several patients, {named}, taken for one person: {case.same_patient}.")
        else:
            problems.append(
                f"The images belong to different patients, {named}: correct the folders, or say under 'same_patient' "
                "why they are of one person."
            )
    for patient, visit in ids.items():
        if case.expected_patient_id and patient != case.expected_patient_id:
            problems.append(
                f"Visit '{visit}' is of patient '{patient}', but 'expected_patient_id' is '{case.expected_patient_id}'."
            )
    seen: dict[str, str] = {}
    for one in visits:
        if one.uid and one.uid in seen:
            problems.append(f"Visits '{seen[one.uid]}' and '{one.visit}' measure the same series (...{one.uid[-12:]}).")
        seen.setdefault(one.uid, one.visit)
    return problems, warnings


def _routes(case: Case) -> list[str]:
    problems = []
    for word in ("IA", "IV"):
        number = sum(route_word(visit) == word for visit in case.visits)
        if number != 1:
            problems.append(f"The case needs one visit with the route {word}, but has {number}: set 'route' of each.")
    return problems


def injection_contradiction(timed: Sequence[VisitCheck]) -> str:
    """In what of the injection the images of one cycle contradict each other, "" if in nothing.

    Examples
    --------
    >>> two = [VisitCheck(visit=name, cycle=1, activity_MBq=7400.0, nuclide=name) for name in ("Lu-177", "I-131")]
    >>> injection_contradiction(two), injection_contradiction(two[:1])
    ('its images name different nuclides (I-131, Lu-177)', '')
    """
    nuclides = sorted({one.nuclide for one in timed})
    activities = sorted({one.activity_MBq for one in timed if one.activity_MBq is not None})
    if len(nuclides) > 1:
        return f"its images name different nuclides ({', '.join(nuclides)})"
    if len(activities) > 1:
        return f"its images name different administered activities ({', '.join(f'{one:g}' for one in activities)} MBq)"
    return ""


def _measured(case: Case, visits: Sequence[VisitCheck]) -> tuple[str, ...]:
    """What a run would give."""
    endpoint, rules = case.protocol.endpoint, case.protocol.rules
    images = sum(bool(one.series) for one in visits)
    compared = (
        f"{endpoint.metric} of the target lesions by {endpoint.aggregation.replace('-', ' ')}; endpoint of cycle "
        f"{endpoint.cycle}"
    )
    found = [
        compared if rules.endpoint else "T/N of the lesions and organs over healthy liver; no endpoint",
        f"uptake of every segment in {images} image{'s' * (images != 1)}",
    ]
    if rules.routes:
        if case.iv_cycle is not None:
            found.append("predicted doses of an intra-arterial cycle from 'iv_cycle'")
        return tuple(found)
    treated = case.treated_lobe
    if rules.by_lobe:
        found.append(f"treated lobe {treated}: not blinded" if treated else "blinded: the case names no treated lobe")
    for cycle in sorted({one.cycle for one in visits if one.series}):
        own = [one for one in visits if one.cycle == cycle and one.series]
        timed = [one for one in own if one.hours is not None]
        contradicting = injection_contradiction(timed)
        if len(timed) > 1 and contradicting:
            found.append(f"no absorbed doses of cycle {cycle}: {contradicting}")
        elif len(timed) > 1:
            hours = ", ".join(f"{one.hours:.3g}" for one in timed)
            found.append(f"absorbed doses of cycle {cycle} from images at {hours} h")
        elif timed and case.dosimetry.get("kinetics"):
            found.append(f"absorbed doses of cycle {cycle} from one image and a population's kinetics")
        elif timed and case.dosimetry.get("teff_h"):
            found.append(f"absorbed doses of cycle {cycle} from one image and stated half-lives")
        else:
            found.append(
                f"no absorbed doses of cycle {cycle} from its own images: it has {len(timed)} with a known time"
            )
    if case.recovery is not None:
        found.append("values corrected by the phantom's recovery beside the measured ones")
    if case.exclude:
        found.append(f"{len(case.exclude)} part(s) excluded by the case file")
    return tuple(found)
