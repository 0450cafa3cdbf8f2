"""Propose a case from what a source holds: protocol, cycles, visits, images, segments; a question for what is open.

The treated lobe is never asked for nor proposed: a new case is blinded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.archive.contours import contours_of
from PRRTUptakeLib.archive.draft import CaseDraft, DraftVisit, OpenQuestion
from PRRTUptakeLib.archive.errors import ArchiveError
from PRRTUptakeLib.archive.scan import patient_facts
from PRRTUptakeLib.archive.sessions import nuclide_of, route_of, sessions_of
from PRRTUptakeLib.archive.timing import Timing, timings_of
from PRRTUptakeLib.archive.visit_segments import draw_on_each_other, folder_of, give_segments
from PRRTUptakeLib.study.images import EMISSION
from PRRTUptakeLib.study.protocol import Protocol, available_protocols, load_protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PRRTUptakeLib.archive.scan import Scan
    from PRRTUptakeLib.archive.sessions import Session

_ROUTE_NAMES = {"intra-arterial": "IA", "intravenous": "IV"}
_BOTH_ROUTES = (("intra-arterial", "given into the hepatic artery"), ("intravenous", "given into a vein"))


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user states before a case is assembled.

    Attributes
    ----------
    protocol : name or file; "" leaves it open.
    data : folder of the case's DICOM, relative to the case file.
    base : folder of the case file, from which the protocol's path is read.
    """

    protocol: str = ""
    data: str = "case_dicom"
    base: Path | None = None


@dataclass(frozen=True, eq=False)
class Planned:
    """A session that becomes a visit, with when its activity was given; or a CT or MRI, ``follows`` being the cycle
    after which lesions are compared on it, 0 if contours are drawn on it for others.
    """

    session: Session
    number: int
    timing: Timing | None
    follows: int = 0


def assemble(scan: Scan, wishes: Wishes) -> CaseDraft:
    """The case of the one patient of a scan.

    Raises
    ------
    ArchiveError
        If the source has no PET or SPECT image, or images of several patients or of both kinds without a protocol.
    InputFileError
        If the protocol that is wished for is not usable.
    """
    patients = scan.patients()
    if len(patients) != 1:
        raise ArchiveError(
            f"A case is of one patient, but the source has {', '.join(map(repr, patients))}: choose one."
        )
    sessions = sessions_of(scan.series)
    protocol, question = _protocol(sessions, wishes)
    draft = CaseDraft(patients[0], wishes.protocol or protocol.name)
    draft.questions += [*([question] if question else []), *_identity_questions(scan)]
    contours = contours_of(scan, sessions)
    planned = _planned(sessions, protocol, set(contours.of_session), draft)
    for one in planned:
        visit = _visit(one, protocol)
        give_segments(visit, one.session, contours.of_session.get(one.number, []))
        draft.visits.append(visit)
    _name_apart(draft.visits)
    draw_on_each_other(draft.visits, protocol.rules.routes, wishes.data)
    draft.remark(contours.unplaced)
    _list_series(draft, scan)
    return draft


def _protocol(sessions: Sequence[Session], wishes: Wishes) -> tuple[Protocol, OpenQuestion | None]:
    """The protocol that is wished for, or a proposal with its question."""
    measured = [one for one in sessions if one.choice is not None]
    if not measured:
        raise ArchiveError("The source has no reconstructed PET or SPECT image: a case needs one to measure.")
    if wishes.protocol:
        own = wishes.protocol.endswith(".json") and wishes.base is not None
        return load_protocol(wishes.base / wishes.protocol if own and wishes.base else wishes.protocol), None
    known = [load_protocol(name) for name in available_protocols()]
    fits = [one for one in known if any(_fits(session, one) for session in measured)]
    if not fits:
        raise ArchiveError("No shipped protocol is for the nuclide and modality of the images: name one by --protocol.")
    modalities = {one.imaging.modality for one in fits}
    if len(modalities) > 1:
        names = ", ".join(one.name for one in fits)
        raise ArchiveError(f"The source has both PET and SPECT images: name the protocol by --protocol ({names}).")
    proposed = next((one for one in fits if not one.rules.by_lobe), fits[0])
    choices = tuple((one.name, one.title) for one in fits)
    return proposed, OpenQuestion(
        question="Which protocol is the patient measured by?", key="protocol", choices=choices, proposed=proposed.name
    )


def _fits(session: Session, protocol: Protocol) -> bool:
    """Whether a session's image is of the kind that a protocol measures; an image without a nuclide may be."""
    if session.choice is None:
        return False
    found = session.choice.chosen
    nuclide = nuclide_of(found)
    if found.series.modality not in EMISSION[protocol.imaging.modality]:
        return False
    if nuclide:
        return nuclide == protocol.nuclide
    return found.series.modality == EMISSION[protocol.imaging.modality][0]


def _identity_questions(scan: Scan) -> list[OpenQuestion]:
    """Whether one Patient ID stands for one person."""
    names, births = ({patient_facts(one)[n] for one in scan.series} - {""} for n in (0, 1))
    found = []
    if len(names) > 1 or len(births) > 1:
        shown = ", ".join(sorted(names) if len(names) > 1 else sorted(births))
        found.append(
            OpenQuestion(question=f"One Patient ID has several names or birth dates ({shown}): is it one person?")
        )
    if not scan.patients()[0]:
        found.append(OpenQuestion(question="The images have no Patient ID: are they all of one person?"))
    return found


def _planned(
    sessions: Sequence[Session], protocol: Protocol, with_contours: set[int], draft: CaseDraft
) -> list[Planned]:
    """The sessions that become visits, in their order."""
    routes = protocol.rules.routes
    measured = [(n, one) for n, one in enumerate(sessions) if _fits(one, protocol)]
    if not measured:
        raise ArchiveError(
            f"The source has no {protocol.imaging.modality} image of {protocol.nuclide}, which the protocol "
            f"'{protocol.name}' measures: name another protocol."
        )
    anatomy = [(n, one) for n, one in enumerate(sessions) if one.choice is None]
    drawn = [pair for pair in anatomy if pair[0] in with_contours]
    segmented = [n for n, _ in measured if n in with_contours]
    later: set[int] = set()
    if routes and (len(drawn) > 1 or not (drawn or segmented)):
        drawn = _before_first(drawn or anatomy, measured, draft)
    elif not routes and segmented:
        later = {n for n, one in drawn if n > measured[-1][0] and one.started}
        needed = len(segmented) < len(measured)
        drawn = [pair for pair in drawn if needed or pair[0] in later]
    for n, one in enumerate(sessions):
        if (n, one) not in measured and (n, one) not in drawn:
            what = ": left out, with its contours." if n in with_contours else ": left out."
            draft.remark([f"{one.first.label} is of no visit that the protocol measures{what}"])
    timings = timings_of([one for _, one in measured], one_cycle=routes)
    of_number = {n: timing for (n, _), timing in zip(measured, timings, strict=True)}
    chosen = sorted([*measured, *drawn], key=lambda pair: pair[0])
    if routes:
        chosen = sorted(chosen, key=lambda pair: pair[1].choice is not None)  # what is drawn on comes first
    last = max(timing.cycle for timing in timings)
    return [Planned(one, n, of_number.get(n), last if n in later else 0) for n, one in chosen]


def _before_first(
    anatomy: list[tuple[int, Session]], measured: list[tuple[int, Session]], draft: CaseDraft
) -> list[tuple[int, Session]]:
    """The CT or MRI that lesions are chosen on, where the protocol compares routes: the last before the first PET."""
    before = [pair for pair in anatomy if pair[0] < measured[0][0]] or anatomy
    if not before:
        return []
    if len(anatomy) > 1:
        draft.questions.append(
            OpenQuestion(
                question=f"{len(anatomy)} CT or MRI examinations are there; {before[-1][1].first.label} is taken to "
                "draw the contours on. Is that right? (If not, name the other folder in the file.)"
            )
        )
    return before[-1:]


def _visit(one: Planned, protocol: Protocol) -> DraftVisit:
    """A visit without its segments."""
    session, timing = one.session, one.timing
    if session.choice is None or timing is None:
        modality = "MRI" if session.first.series.modality == "MR" else "CT"
        visit = DraftVisit(f"follow-up {modality}" if one.follows else modality, one.follows or 1)
        visit.images = [image.series.files for image in session.anatomy]
        visit.found = {"image": "", "anatomy": session.first.label}
        return visit
    routes = protocol.rules.routes
    route = route_of(session.choice.chosen) if routes else ""
    visit = DraftVisit(_ROUTE_NAMES.get(route, "PET") if routes else timing.name, timing.cycle)
    if routes:
        visit.keys["route"] = route or "intravenous"
        if not route:
            visit.questions.append(
                OpenQuestion(question="How was the activity given?", key="route", choices=_BOTH_ROUTES)
            )
    _images(visit, session)
    visit.questions += timing.questions
    if not nuclide_of(session.choice.chosen):
        visit.questions.append(
            OpenQuestion(
                question=f"The header names no nuclide. Is it {protocol.nuclide}?",
                key="quantification.nuclide",
                choices=((protocol.nuclide, "as the protocol says"),),
            )
        )
    visit.found |= {"hours": timing.hours, "activity_MBq": timing.activity_MBq, "date": timing.date}
    return visit


def _images(visit: DraftVisit, session: Session) -> None:
    """The measured image, what may be it too, and CT and MR of the session."""
    choice = session.choice
    assert choice is not None
    candidates = (choice.chosen, *choice.others)
    visit.images = [one.series.files for one in (*choice.series, *session.anatomy)]
    visit.bed_count = 1 + len(choice.beds)
    if choice.beds:
        if choice.doubt:
            said = f"{visit.bed_count} bed positions are measured as one scan; {choice.doubt}. Is that right?"
            visit.questions.append(OpenQuestion(question=said))
    elif choice.others or choice.doubt:
        visit.keys["image"] = choice.chosen.series.uid
        visit.questions.append(
            OpenQuestion(
                question=f"Which image is measured? {choice.doubt[:1].upper()}{choice.doubt[1:]}.",
                key="image",
                choices=tuple((one.series.uid, f"{one.label}: {one.kind.reason}") for one in candidates),
                proposed=choice.chosen.series.uid,
            )
        )
    visit.questions += [OpenQuestion(question=f"{doubt} Is that right?") for doubt in session.doubts]
    same = [one for one in session.anatomy if one.series.frame_of_reference_uid == session.keys[0] and session.keys[0]]
    if not any(one.series.modality == "CT" for one in same) and not session.doubts:
        visit.questions.append(
            OpenQuestion(question="No CT shares the image's frame of reference. Is it measured without one?")
        )
    visit.found = {
        "image": " + ".join(one.label for one in (choice.chosen, *choice.beds)),
        "reason": choice.reason,
        "anatomy": "; ".join(one.label for one in session.anatomy),
    }


def _name_apart(visits: Sequence[DraftVisit]) -> None:
    """Two visits of one cycle never have one name."""
    seen: dict[tuple[int, str], int] = {}
    for visit in visits:
        key = visit.cycle, folder_of(visit).lower()
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            visit.name = f"{visit.name} {seen[key]}"


def _list_series(draft: CaseDraft, scan: Scan) -> None:
    """Every series with what it is and what became of it."""
    used = {file: visit.name for visit in draft.visits for files in (*visit.images, *visit.contours) for file in files}
    for one in scan.series:
        where = used.get(one.series.files[0], "")
        draft.series.append(
            {
                "series": one.label,
                "kind": one.kind.word,
                "reason": "; ".join(filter(None, (one.kind.reason, one.kind.doubt))),
                "used": f"visit {where}" if where else "not used",
            }
        )
