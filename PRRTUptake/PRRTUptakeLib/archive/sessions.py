"""Scanner sessions: which emission image of several is to be measured, and which CT belongs to it.

Images of one session share the frame of reference (PS3.3 C.7.4.1), which is what places them on each other; the study
parts sessions whose scanner gave all the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from pydicom.sr.coding import Code

from PRRTUptakeLib.archive.scan import FoundSeries, pixel_digest
from PRRTUptakeLib.archive.series_kind import CT, EMISSION, MR, says_uncorrected
from PRRTUptakeLib.dicom.administration import drug_item, injection_time, stated_activity
from PRRTUptakeLib.dicom.bed_positions import continue_each_other
from PRRTUptakeLib.dicom.headers import items, text
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.times import ImageTime, clock_of
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.study.check import CORRECTED, NOT_CORRECTED, NOT_STATED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_ONE_STAY = timedelta(hours=4)  # images further apart are of two stays in the scanner
_ROUTES = {"intra-arterial": Code("58100008", "SCT", ""), "intravenous": Code("47625008", "SCT", "")}


@dataclass(frozen=True, eq=False)
class Choice:
    """Which emission image of a session is measured.

    ``chosen`` is what the file has for now, ``others`` what else may be meant; ``doubt`` is "" if nothing is open;
    ``reason`` says why it was chosen; ``beds`` are further bed positions, measured with it as one volume.
    """

    chosen: FoundSeries
    reason: str
    others: tuple[FoundSeries, ...] = ()
    doubt: str = ""
    beds: tuple[FoundSeries, ...] = ()

    @property
    def series(self) -> tuple[FoundSeries, ...]:
        """All that are measured or may be."""
        return (self.chosen, *self.beds, *self.others)


@dataclass(eq=False)
class Session:
    """The images of one stay in a scanner.

    Attributes
    ----------
    choice : the emission image; None for a CT or MRI on its own.
    anatomy : its CT and MR series.
    doubts : what is open about its anatomy.
    """

    choice: Choice | None
    anatomy: list[FoundSeries] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def first(self) -> FoundSeries:
        """The series that stands for the session."""
        return self.choice.chosen if self.choice else self.anatomy[0]

    @property
    def started(self) -> datetime | None:
        """When its first series was acquired."""
        return self.first.series.started

    @property
    def series(self) -> tuple[FoundSeries, ...]:
        """All that may be used of it."""
        emission = self.choice.series if self.choice else ()
        return (*emission, *self.anatomy)

    @property
    def keys(self) -> tuple[str, str]:
        """Frame of reference and study."""
        return self.first.series.frame_of_reference_uid, self.first.series.study_uid


def sessions_of(found: Sequence[FoundSeries]) -> tuple[Session, ...]:
    """The sessions of one patient, by time; those without one come last."""
    grouped: dict[tuple[str, str], list[FoundSeries]] = {}
    for one in found:
        if one.kind.word == EMISSION:
            grouped.setdefault((one.series.frame_of_reference_uid, one.series.study_uid), []).append(one)
    sessions = [Session(choose_emission(part)) for group in grouped.values() for part in _by_time(group)]
    alone: dict[tuple[str, str], Session] = {}
    for one in (one for one in found if one.kind.word in (CT, MR)):
        _place(one, sessions, alone)
    every = [*sessions, *alone.values()]
    return tuple(sorted(every, key=lambda one: one.started.timestamp() if one.started else float("inf")))


def _by_time(group: Sequence[FoundSeries]) -> list[list[FoundSeries]]:
    """Images of one stay, where a scanner gave several stays one frame and study; undated ones stay with the first."""
    parts: list[list[FoundSeries]] = [[one for one in group if one.series.started is None]]
    dated = sorted((one for one in group if one.series.started), key=lambda one: str(one.series.started))
    last: datetime | None = None
    for one in dated:
        if last is not None and one.series.started is not None and one.series.started - last > _ONE_STAY:
            parts.append([])
        parts[-1].append(one)
        last = one.series.started
    return [part for part in parts if part]


def _place(one: FoundSeries, sessions: list[Session], alone: dict[tuple[str, str], Session]) -> None:
    """Put an anatomy with the emission image of its frame of reference, else of its study, else on its own."""
    frame, study = one.series.frame_of_reference_uid, one.series.study_uid
    same_frame = [session for session in sessions if frame and session.keys[0] == frame]
    if len(same_frame) > 1:
        same_frame = [session for session in same_frame if session.keys[1] == study]
    if len(same_frame) > 1:
        same_frame = [session for session in same_frame if _is_near(one, session)]
    same_study = [session for session in sessions if session.keys[1] == study]
    if len(same_frame) == 1:
        same_frame[0].anatomy.append(one)
    elif len(same_study) == 1 and (not frame or not same_study[0].keys[0]):
        same_study[0].anatomy.append(one)
        same_study[0].doubts.append(
            f"{one.label} or the emission image has no Frame of Reference UID: only the study says that they belong "
            "together."
        )
    else:
        alone.setdefault((frame, study), Session(None)).anatomy.append(one)


def _is_near(one: FoundSeries, session: Session) -> bool:
    started = one.series.started
    return started is not None and session.started is not None and abs(started - session.started) <= _ONE_STAY


def choose_emission(group: Sequence[FoundSeries]) -> Choice:
    """The image to measure among the emission images of one session; a doubt wherever the headers leave one."""
    different, note = _without_copies(group)
    corrected = [one for one in different if one.kind.attenuation == CORRECTED]
    unstated = [one for one in different if one.kind.attenuation == NOT_STATED]
    ranked = sorted(different, key=lambda one: _rank(one, different))
    chosen, others = ranked[0], tuple(ranked[1:])
    reason = f"{chosen.kind.reason}{note}"
    if len(different) == 1:
        doubt = chosen.kind.doubt
        if chosen.kind.attenuation == NOT_CORRECTED:
            doubt = "the only emission image is not attenuation-corrected"
        return Choice(chosen, reason, (), doubt)
    if len(corrected) == 1 and not unstated and not chosen.kind.doubt:
        return Choice(chosen, f"the only attenuation-corrected of {len(different)}: {reason}")
    beds = _beds_to_join(corrected, unstated, different)
    if beds:
        return _joined_beds(beds, note)
    if _are_beds(corrected if len(corrected) > 1 else different):
        return Choice(chosen, reason, others, "the images are bed positions of one scan that cannot be joined")
    return Choice(chosen, reason, others, chosen.kind.doubt or f"{len(different)} images come into question")


def _beds_to_join(
    corrected: Sequence[FoundSeries], unstated: Sequence[FoundSeries], different: Sequence[FoundSeries]
) -> tuple[FoundSeries, ...]:
    """The bed positions that `prrt run` measures as one volume, the earliest first; none where it is not clear which.

    They have one correction: where some images are corrected and others do not say, it is asked for.
    """
    if corrected and unstated:
        return ()
    group = corrected or unstated or different
    if not continue_each_other([one.series for one in group]):
        return ()
    return tuple(sorted(group, key=lambda one: one.series.started.timestamp() if one.series.started else 0.0))


def _joined_beds(beds: Sequence[FoundSeries], note: str) -> Choice:
    first = beds[0]
    doubt = next((one.kind.doubt for one in beds if one.kind.doubt), "")
    if first.kind.attenuation == NOT_CORRECTED:
        doubt = "the only emission images are not attenuation-corrected"
    return Choice(
        first, f"{len(beds)} bed positions of one scan: {first.kind.reason}{note}", (), doubt, tuple(beds[1:])
    )


def _rank(one: FoundSeries, group: Sequence[FoundSeries]) -> tuple[object, ...]:
    """Attenuation-corrected first; then what no word calls uncorrected, what has no doubt, and what was made first."""
    order = {CORRECTED: 0, NOT_STATED: 1}.get(one.kind.attenuation, 2)
    return order, says_uncorrected(one.series.description), bool(one.kind.doubt), group.index(one)


def _without_copies(group: Sequence[FoundSeries]) -> tuple[list[FoundSeries], str]:
    """Series of which no two have the same pixels under the same correction, and words on what was left out."""
    if len(group) == 1:
        return list(group), ""
    kept: dict[tuple[str, str], FoundSeries] = {}
    for one in group:
        digest = pixel_digest(one.series)
        kept.setdefault((digest or one.series.uid, one.kind.attenuation), one)
    left = len(group) - len(kept)
    return list(kept.values()), f"; {left} copy of it left out" if left else ""


def _are_beds(group: Sequence[FoundSeries]) -> bool:
    """Whether images continue each other along the table: none covers the middle of another."""
    extents = []
    for one in group:
        try:
            arranged = arrange(one.series)
        except PRRTError:
            return False
        ends = [(arranged.ijk_to_ras @ [0.0, 0.0, k, 1.0])[2] for k in (0, arranged.shape[0] - 1)]
        extents.append((min(ends), max(ends)))
    middles = [(low + high) / 2 for low, high in extents]
    return not any(
        low <= middle <= high for n, (low, high) in enumerate(extents) for m, middle in enumerate(middles) if n != m
    )


def nuclide_of(found: FoundSeries) -> str:
    """The nuclide that a series names, "" if it names none."""
    try:
        item = drug_item(found.series.headers[0].dataset, found.label)
        return header_nuclide(item, found.label).name or ""
    except PRRTError:
        return ""


@dataclass(frozen=True)
class Given:
    """What a header says was given: its moment and activity; ``missing`` has, for each that is not known, why not."""

    time: datetime | None
    activity_MBq: float | None
    missing: tuple[tuple[str, str], ...] = ()


def given_to(found: FoundSeries) -> Given:
    """What was injected before an image; ``missing`` is keyed by the names of the case file."""
    started = found.series.started
    dataset = found.series.headers[0].dataset
    missing: list[tuple[str, str]] = []
    activity_MBq, time, none = None, None, OperatorOverrides()
    try:
        item = drug_item(dataset, found.label)
        clock = clock_of(dataset, found.label)
        nuclide = header_nuclide(item, found.label)
    except PRRTError as error:
        return Given(None, None, (("injection_time", str(error)),))
    try:
        activity_MBq = stated_activity(item, found.label, none)[0] / 1e6
    except PRRTError as error:
        missing.append(("activity_MBq", str(error)))
    if started is None:
        missing.append(("acquisition_time", "the image does not state its date and time"))
        return Given(None, activity_MBq, tuple(missing))
    try:
        time = injection_time(item, clock, ImageTime(started, "the start of its series"), nuclide, none)[0]
        if time is None:
            missing.append(("injection_time", "the header has no injection time"))
    except PRRTError as error:
        missing.append(("injection_time", str(error)))
    return Given(time, activity_MBq, tuple(missing))


def route_of(found: FoundSeries) -> str:
    """The route that the header codes or names, "" if it does not."""
    try:
        item = drug_item(found.series.headers[0].dataset, found.label)
        if item is None:
            return ""
        for code in items(item, "AdministrationRouteCodeSequence", found.label):
            value, scheme = (text(code, key, found.label) for key in ("CodeValue", "CodingSchemeDesignator"))
            for route, known in _ROUTES.items():
                if value and scheme and Code(value, scheme, "") == known:  # also in the older words of SNOMED RT
                    return route
        words = text(item, "RadiopharmaceuticalRoute", found.label).strip().lower()
    except PRRTError:
        return ""
    return {"iv": "intravenous", "ia": "intra-arterial"}.get(words, words if words in _ROUTES else "")
