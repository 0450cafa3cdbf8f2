"""A measured case freed of the patient's identity before anything of it is written: rows, report, scene."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.export.deidentify_text import Identity
from PRRTUptakeLib.segmentation.segments import Segmentation

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.export.deidentify_text import Cleaner
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.mrml.outcome import CaseOutcome, SceneVisit
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.measurements import Measurement


def identity_of(outcome: CaseOutcome) -> Identity:
    """Whose results they are, by the headers of the images and by the case file, whose folder may be named so too."""
    series = [one for images in outcome.images for one in (images.measured, images.contours) if one is not None]
    case = outcome.case
    operator = str(case.notes.get("operator", ""))
    return Identity.of([one.headers[0].dataset for one in series], case.patient, *([operator] if operator else []))


def without_identity(outcome: CaseOutcome, cleaner: Cleaner) -> CaseOutcome:
    """The outcome with a subject in place of the patient, dates shifted and UIDs mapped.

    ``images`` and ``lobe_visits`` stay as they are: DICOM objects are made of them, and freed as such.
    """
    case = outcome.case
    return replace(
        outcome,
        case=replace(case, patient=cleaner.subject, notes={"operator": "removed"}),
        title=cleaner.text(outcome.title),
        rows=tuple(_row(row, cleaner) for row in outcome.rows),
        warnings=tuple(cleaner.text(text) for text in outcome.warnings),
        text=tuple(cleaner.text(text) for text in outcome.text),
        sections=tuple(cleaner.html(part) for part in outcome.sections),
        scene=tuple(_visit(visit, cleaner) for visit in outcome.scene),
    )


def _row(row: Measurement, cleaner: Cleaner) -> Measurement:
    visit, region, lesion = (cleaner.text(text) for text in (row.visit, row.region, row.lesion))
    return replace(row, patient=cleaner.subject, visit=visit, region=region, lesion=lesion)


def _visit(visit: SceneVisit, cleaner: Cleaner) -> SceneVisit:
    segmentation = visit.segmentation
    if segmentation is not None:
        segmentation = Segmentation(segmentation.grid, tuple(_segment(one, cleaner) for one in segmentation))
    return replace(
        visit,
        study=cleaner.text(visit.study),
        volumes=tuple((cleaner.text(name), _volume(volume, cleaner)) for name, volume in visit.volumes),
        segmentation=segmentation,
        rows=tuple(_row(row, cleaner) for row in visit.rows),
        visit=cleaner.text(visit.visit),
        injection=_injection(visit.injection, cleaner),
    )


def _injection(injection: Injection | None, cleaner: Cleaner) -> Injection | None:
    """Shifted with the images, so that the hours between them stay."""
    if injection is None:
        return None
    end = None if injection.end is None else injection.end - cleaner.shift
    return replace(injection, time=injection.time - cleaner.shift, end=end)


def _segment(segment: Segment, cleaner: Cleaner) -> Segment:
    name, lesion = cleaner.text(segment.name), cleaner.text(segment.lesion_id)
    return segment.relabelled(name=name, lesion_id=lesion, tags=cleaner.plain(dict(segment.tags)))


def _volume(volume: Volume, cleaner: Cleaner) -> Volume:
    time = volume.reference_time
    return volume.with_values(
        volume.array,
        reference_time=None if time is None else time - cleaner.shift,
        provenance=cleaner.plain(dict(volume.provenance)),
    )
