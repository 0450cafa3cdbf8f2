"""What a reader decided on one case, in the words of the case file, and how it becomes the settings of a study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.schema.case_keys import VISIT
from PRRTUptakeLib.study.schema.containers import ListOf, Record
from PRRTUptakeLib.study.schema.fields import Flag, Text
from PRRTUptakeLib.study.schema.place import Place

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.lobes import Plane
    from PRRTUptakeLib.segmentation.targets import TargetOverride
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.model import StudyInput, VisitInput

VisitKey = tuple[int, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitReading:
    """What was decided on one visit; ``lobe_plane`` is None where the reader left the lobes as proposed."""

    cycle: int
    visit: str
    lobe_plane: Plane | None = None
    target_overrides: tuple[TargetOverride, ...] = ()
    manual_shifts: tuple[ManualShift, ...] = ()

    @property
    def key(self) -> VisitKey:
        """Cycle and name of the visit."""
        return self.cycle, self.visit

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs from what was proposed."""
        return self.lobe_plane is None and not self.target_overrides and not self.manual_shifts

    def plain(self) -> dict[str, Any]:
        """As in a case file; only keys that say something."""
        found: dict[str, Any] = {"visit": self.visit, "cycle": self.cycle}
        if self.lobe_plane is not None:
            found["lobe_plane"] = {
                "origin_ras_mm": self.lobe_plane.origin_ras.tolist(),
                "normal_ras": self.lobe_plane.normal_ras.tolist(),
            }
        if self.target_overrides:
            found["targets"] = [
                {"dropped": one.dropped, "chosen": one.chosen, "reason": one.reason} for one in self.target_overrides
            ]
        if self.manual_shifts:
            found["nudges"] = [
                {"lesion": one.lesion, "shift_ras_mm": list(one.shift_ras_mm), "reason": one.reason}
                for one in self.manual_shifts
            ]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One reading of one case.

    Attributes
    ----------
    case : name of the case in its cohort; "" never.
    visits : decisions, at most one per visit.
    targets_confirmed : whether the reader looked at the targets and agrees with those of this reading.
    comment : whatever the reader wants to say.
    """

    case: str
    visits: tuple[VisitReading, ...] = ()
    targets_confirmed: bool = False
    comment: str = ""

    def of(self, key: VisitKey) -> VisitReading:
        """The decisions on a visit; empty ones where there are none."""
        return next((one for one in self.visits if one.key == key), VisitReading(cycle=key[0], visit=key[1]))

    def changed(self, visit: VisitReading) -> Reading:
        """A copy with other decisions on one visit; targets must be confirmed anew."""
        others = [one for one in self.visits if one.key != visit.key]
        kept = others if visit.is_empty else [*others, visit]
        return replace(self, visits=tuple(sorted(kept, key=lambda one: one.key)), targets_confirmed=False)

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "case": self.case,
            "visits": [one.plain() for one in self.visits],
            "targets_confirmed": self.targets_confirmed,
            **({"comment": self.comment} if self.comment else {}),
        }


def _visit(**values: Any) -> VisitReading:
    targets, shifts = values.pop("targets", ()), values.pop("nudges", ())
    return VisitReading(target_overrides=targets, manual_shifts=shifts, **values)


def _reading(visits: tuple[VisitReading, ...], **values: Any) -> Reading:
    keys = [one.key for one in visits]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise StudyError(f"visit {twice[0][0]}/{twice[0][1]} is read twice: keep one.")
    return Reading(visits=visits, **values)


READING = Record(
    about="One reading of one case, in the words of the case file.",
    required={
        "case": Text(name=True, about="Name of the case in its cohort."),
        "visits": ListOf(
            about="What differs from the proposal, by visit.",
            item=Record(
                required={key: VISIT.required[key] for key in ("visit", "cycle")},
                optional={key: VISIT.optional[key] for key in ("lobe_plane", "targets", "nudges")},
                make=_visit,
            ),
        ),
    },
    optional={
        "targets_confirmed": Flag(about="Whether the reader agrees with the targets."),
        "comment": Text(about="Whatever the reader wants to say."),
    },
    make=_reading,
)


def read_reading(content: Any, file: str = "reading", path: str = "") -> Reading:
    """A reading from plain values of JSON.

    Raises
    ------
    StudyError
        Naming ``file``, the key and what it must be.
    """
    reading: Reading = READING.read(content, Place(file=file, path=path, error=StudyError))
    return reading


def with_reading(study: StudyInput, reading: Reading) -> StudyInput:
    """The study with a reader's decisions in place of those of the case; what the reader left stays.

    Raises
    ------
    StudyError
        If the reading is of a visit that the study does not have, or sets what belongs to the visit whose segments are
        used on one that uses them.
    """
    known = {visit.key for visit in study.visits}
    for one in reading.visits:
        if one.key not in known:
            names = ", ".join(f"{cycle}/{name}" for cycle, name in sorted(known))
            raise StudyError(
                f"The reading of '{reading.case}' has a visit {one.cycle}/{one.visit}, but the case has {names}: "
                "it belongs to another state of the case."
            )
    return replace(study, visits=tuple(_decided(visit, reading.of(visit.key)) for visit in study.visits))


def _decided(visit: VisitInput, reading: VisitReading) -> VisitInput:
    if visit.drawn_on is not None and (reading.lobe_plane is not None or reading.target_overrides):
        raise StudyError(
            f"Visit {visit.cycle}/{visit.visit} uses the segments of {visit.drawn_on[0]}/{visit.drawn_on[1]}: set the "
            "plane and the targets there."
        )
    return replace(
        visit,
        cut=visit.cut if reading.lobe_plane is None else reading.lobe_plane,
        target_overrides=reading.target_overrides or visit.target_overrides,
        manual_shifts=merged_shifts(visit.manual_shifts, reading.manual_shifts),
    )


def merged_shifts(before: tuple[ManualShift, ...], now: tuple[ManualShift, ...]) -> tuple[ManualShift, ...]:
    """The shifts of the case, those of lesions that the reader shifted replaced by the reader's."""
    shifted = {one.lesion for one in now}
    return (*(one for one in before if one.lesion not in shifted), *now)
