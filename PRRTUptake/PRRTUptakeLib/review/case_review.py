"""One case under review: its images, what was decided so far, and what is measured with that; no page, no server.

Voxels and segments are read once, whatever is decided. Every decision is kept at once, as a draft, in the reader's file
where there is one. `measure` is `study.run` on the decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.review.errors import ReviewError
from PRRTUptakeLib.review.live_plane import LiveInput, LivePlane
from PRRTUptakeLib.segmentation.lobes import Plane
from PRRTUptakeLib.segmentation.targets import TargetOverride
from PRRTUptakeLib.study.manual_shift import ManualShift
from PRRTUptakeLib.study.model import CONCENTRATION, SUV
from PRRTUptakeLib.study.preparation import recognised
from PRRTUptakeLib.study.readings.measured import plain_rows
from PRRTUptakeLib.study.readings.reading import Reading, VisitReading, with_reading
from PRRTUptakeLib.study.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.model import (
        EmissionInput,
        Extension,
        ImageInput,
        StudyInput,
        StudyResult,
        VisitContents,
        VisitInput,
    )
    from PRRTUptakeLib.study.preparation import Prepared
    from PRRTUptakeLib.study.readings.journal import Journal

VisitKey = tuple[int, str]


def read_once(study: StudyInput) -> StudyInput:
    """The study whose images and segments are read when they are first wanted, and not again."""
    return replace(study, visits=tuple(_read_once(visit) for visit in study.visits))


def _read_once(visit: VisitInput) -> VisitInput:
    emission, anatomy = visit.emission, visit.anatomy
    contours = visit.contours_on
    found: dict[str, ImageInput | None] = {}

    def contours_once(grid: Any) -> ImageInput | None:
        if "image" not in found:
            image = contours(grid)
            found["image"] = None if image is None else replace(image, load=cache(image.load))
        return found["image"]

    return replace(
        visit,
        emission=None if emission is None else replace(emission, load=cache(emission.load)),
        anatomy=None if anatomy is None else replace(anatomy, load=cache(anatomy.load)),
        load_segments=cache(visit.load_segments),
        contours_on=contours_once,
    )


@dataclass(frozen=True, eq=False)
class VisitImages:
    """What a visit shows: CT or MRI below, emission image above (None where there is none), and the unit of that."""

    key: VisitKey
    anatomy: Volume | None
    emission: Volume | None
    drawn_on: VisitKey


class CaseReview:
    """A case that is read.

    Parameters
    ----------
    study : from `study.inputs`, blinded or not.
    case : its name in the cohort.
    reading : what was decided before, as a draft.
    journal : keeps decisions; None for a review that keeps nothing.
    extensions : what other libraries add to a result, such as doses.
    """

    def __init__(
        self,
        study: StudyInput,
        case: str,
        reading: Reading | None = None,
        journal: Journal | None = None,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self.study = read_once(study)
        self.case = case
        self.reading = reading or Reading(case=case)
        self._journal, self._extensions = journal, tuple(extensions)
        self.result: StudyResult | None = None
        self._measured_with: dict[str, Any] | None = None
        self._live: dict[VisitKey, tuple[Any, LivePlane]] = {}

    # What is shown

    @property
    def keys(self) -> tuple[VisitKey, ...]:
        """Cycle and name of every visit, in the order of the case."""
        return tuple(visit.key for visit in self.study.visits)

    def images(self, key: VisitKey) -> VisitImages:
        """The images of a visit, read when they are first wanted.

        Raises
        ------
        PRRTError
            If they cannot be read.
        """
        visit = self.study.visit(key)
        emission = visit.emission.load(self.quantity).volume if visit.emission is not None else None
        anatomy = visit.anatomy
        if anatomy is None and visit.drawn_on is None:
            anatomy = visit.contours_on(visit.load_segments().grid)
        return VisitImages(key, anatomy.load() if anatomy is not None else None, emission, visit.drawn_on or key)

    @property
    def quantity(self) -> str:
        """What emission images are shown in: SUV in a comparison of routes, else activity concentration."""
        return SUV if self.study.protocol.rules.routes else CONCENTRATION

    def segmentation(self, key: VisitKey) -> Segmentation:
        """The segments of a visit: labelled once they were measured, before that as drawn, with what they are."""
        drawn = self.drawn_key(key)
        prepared = self.prepared(drawn)
        if prepared is not None:
            return prepared.segmentation
        return recognised(self.study.visit(drawn).load_segments())[0]

    def drawn_key(self, key: VisitKey) -> VisitKey:
        """The visit whose segments a visit is measured with; itself for its own.

        A comparison of routes draws on one image, whichever visits name the segments.
        """
        stated = self.study.visit(key).drawn_on
        if stated is not None:
            return stated
        if self.result is None or self.prepared(key) is not None:
            return key
        return next((one for one in self.keys if self.prepared(one) is not None), key)

    def prepared(self, key: VisitKey) -> Prepared | None:
        """Labelled segments of a visit with contours of its own, None before it was measured."""
        contents = self.contents(key)
        return contents.prepared if contents is not None else None

    def contents(self, key: VisitKey) -> VisitContents | None:
        """What the measured result shows of a visit; None before it was measured."""
        if self.result is None:
            return None
        studies = {one.key: one.study for one in self.result.images}
        name = studies.get(key, f"cycle {key[0]} {key[1]}")
        return next((one for one in self.result.contents if one.study == name), None)

    def to_segments(self, key: VisitKey) -> np.ndarray:
        """4x4, from positions in a visit's image to those of its segments; what bends is left out."""
        found = [one for one in self.result.images if one.key == key] if self.result is not None else []
        transform = found[0].ras_transform if found else None
        if transform is None:
            return np.eye(4)
        if callable(transform):
            transform = _linear_part(transform)
        return np.linalg.inv(transform)

    def plane(self, key: VisitKey) -> Plane | None:
        """The plane of a visit with contours of its own: the reader's, the case's, or the one that was found."""
        visit = with_reading(self.study, self.reading).visit(key)
        if isinstance(visit.cut, Plane):
            return visit.cut
        prepared = self.prepared(key)
        return prepared.plane if prepared is not None else None

    # What is measured

    @property
    def is_measured(self) -> bool:
        """Whether the result is that of the decisions as they are now."""
        return self.result is not None and self._measured_with == self._decided()

    def _decided(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return {"visits": [one.plain() for one in self.reading.visits]}

    def measure(self, reading: Reading | None = None) -> StudyResult:
        """`study.run` on a reading (the present one by default); nothing of this object is changed.

        Raises
        ------
        PRRTError
            If the decisions do not allow an answer.
        """
        return run(with_reading(self.study, reading or self.reading), extensions=self._extensions)

    def take(self, result: StudyResult, reading: Reading) -> None:
        """Show the result that was measured with a reading."""
        self.result = result
        self._measured_with = {"visits": [one.plain() for one in reading.visits]}

    def live(self, key: VisitKey) -> LivePlane:
        """What follows the dragged plane of a visit, made when it is first wanted after a decision.

        Raises
        ------
        PRRTError
            If the visit has no plane, image or lesion.
        """
        decided = self.reading.of(key)
        needed = ([one.plain() for one in (replace(decided, lobe_plane=None),)], self.result is not None)
        known = self._live.get(key)
        if known is None or known[0] != needed:
            self._live[key] = known = (needed, LivePlane(self._live_input(key)))
        return known[1]

    def _live_input(self, key: VisitKey) -> LiveInput:
        study = with_reading(self.study, self.reading)
        visit, first = study.visit(key), next(one for one in study.visits if one.drawn_on is None)
        shown, emission = self._emission_for(visit)
        prepared = self.prepared(key)
        transform = np.linalg.inv(self.to_segments(shown))
        return LiveInput(
            segmentation=visit.load_segments(),
            image=emission.load(CONCENTRATION).volume,
            protocol=study.protocol,
            transform=None if np.array_equal(transform, np.eye(4)) else transform,
            target_overrides=visit.target_overrides,
            manual_shifts=visit.manual_shifts,
            baseline=None if key == first.key else self.prepared(first.key),
            vanished=visit.vanished,
            upper=study.treated_lobe or "left",
            measured=prepared.lesions if prepared is not None else (),
        )

    def _emission_for(self, visit: VisitInput) -> tuple[VisitKey, EmissionInput]:
        """The visit's own image; where contours of a comparison of routes are on an MRI, the first of the PET: lobes
        and targets do not depend on it, and no uptake is shown of it.
        """
        if visit.emission is not None:
            return visit.key, visit.emission
        for other in self.study.visits if self.study.protocol.rules.routes else ():
            if other.emission is not None:
                return other.key, other.emission
        raise ReviewError("The visit has no image to be measured: the numbers follow when the plane is let go.")

    # What is decided

    def set_plane(self, key: VisitKey, plane: Plane) -> None:
        """Keep a plane, its numbers rounded to what is written."""
        self._change(replace(self.reading.of(key), lobe_plane=rounded(plane)))

    def replace_target(self, key: VisitKey, dropped: str, chosen: str, reason: str) -> None:
        """Keep a change of targets.

        Raises
        ------
        PRRTError
            If the reason is empty, or it is the second change of one target.
        """
        visit = self.reading.of(key)
        if any(one.dropped == dropped for one in visit.target_overrides):
            raise ReviewError(f"The target {dropped} was replaced before: undo that first.")
        override = TargetOverride(dropped, chosen, reason.strip())
        self._change(replace(visit, target_overrides=(*visit.target_overrides, override)))

    def check_replacement(self, key: VisitKey, dropped: str, chosen: str, reason: str, plane: Plane) -> None:
        """Refuse a change of targets that the protocol does not allow, before it is kept.

        Raises
        ------
        PRRTError
            With the protocol's reason.
        """
        override = TargetOverride(dropped, chosen, reason.strip())
        given = self._live_input(key)
        live = LivePlane(replace(given, target_overrides=(*given.target_overrides, override)))
        found = live.at(plane)
        if found.problem:
            raise ReviewError(found.problem)

    def shift_lesion(self, key: VisitKey, lesion: str, shift_ras_mm: tuple[float, float, float], reason: str) -> None:
        """Keep a manual shift, in place of an earlier one of the same lesion.

        Raises
        ------
        PRRTError
            If it is too long or has no reason.
        """
        shift = ManualShift(lesion, shift_ras_mm, reason.strip())
        visit = self.reading.of(key)
        others = tuple(one for one in visit.manual_shifts if one.lesion != lesion)
        self._change(replace(visit, manual_shifts=(*others, shift)))

    def undo(self, key: VisitKey) -> None:
        """Take back all decisions on a visit; the file keeps that they were there."""
        self._change(VisitReading(cycle=key[0], visit=key[1]))

    def comment(self, text: str) -> None:
        """Keep a comment."""
        self._keep(replace(self.reading, comment=text.strip()))

    def confirm_targets(self) -> None:
        """Keep that the reader agrees with the targets."""
        self._keep(replace(self.reading, targets_confirmed=True))

    def _change(self, visit: VisitReading) -> None:
        self._keep(self.reading.changed(visit))

    def _keep(self, reading: Reading) -> None:
        if self._journal is not None:
            self._journal.save(reading)
        self.reading = reading

    def measured_rows(self) -> tuple[dict[str, Any], ...]:
        """The rows of the decisions, plain values.

        Raises
        ------
        ReviewError
            If they are not measured as they are.
        """
        if not self.is_measured or self.result is None:
            raise ReviewError("The numbers are not those of your decisions yet: wait until they are measured.")
        return plain_rows(self.result.rows)

    def complete(self, **facts: Any) -> None:
        """Keep the reading as final, with the rows that were measured with it.

        Raises
        ------
        PRRTError
            If it was not measured as it is, its targets are not confirmed, or a complete reading is there.
        """
        if self._journal is None:
            raise ReviewError("A review without a reader keeps nothing: start it with --reader.")
        self._journal.complete(self.reading, self.measured_rows(), **facts)


def rounded(plane: Plane) -> Plane:
    """The plane as it is written: its point to a thousandth of a millimetre, its direction to nine digits.

    A plane that is written, read and written again is the same, so that the numbers on it are too.
    """
    made = Plane(np.round(plane.origin_ras, 3), np.round(plane.normal_ras, 9), plane.how)
    for _ in range(
        20
    ):  # until making a plane of its direction, whose length is 1 but for the last bit, changes nothing
        again = Plane(made.origin_ras, made.normal_ras, made.how)
        if np.array_equal(again.normal_ras, made.normal_ras):
            break
        made = again
    return made


def _linear_part(transform: Any) -> np.ndarray:
    """The 4x4 that fits a function of points best near the origin of the patient, over 200 mm."""
    steps = np.array([-100.0, 0.0, 100.0])
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    fit, *_ = np.linalg.lstsq(np.c_[points, np.ones(len(points))], transform(points), rcond=None)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = fit[:3].T, fit[3]
    return matrix
