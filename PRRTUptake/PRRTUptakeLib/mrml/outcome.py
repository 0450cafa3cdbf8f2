"""What running a case gives, whatever the trial's design: rows, report parts, scene parts, and what they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.injection import Injection
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.lobes import Plane
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.case import Case
    from PRRTUptakeLib.study.manual_shift import ManualShift
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.visit import VisitResult


@dataclass(frozen=True, eq=False)
class SceneVisit:
    """What one visit puts into the scene: volumes by name, segments, the plane between the lobes, rows of a table.

    ``visit`` and ``injection`` are noted on the volumes, so that the panels know them when the scene is opened.
    """

    study: str
    volumes: tuple[tuple[str, Volume], ...]
    segmentation: Segmentation | None = None
    plane: Plane | None = None
    rows: tuple[Measurement, ...] = ()
    transform: Any = None
    visit: str = ""
    injection: Injection | None = None


@dataclass(frozen=True, eq=False)
class VisitImages:
    """The series of one visit: the measured one, and the one on which was drawn (None if it is not there).

    ``ras_transform`` takes points of the segments to the measured image, where the two were registered, and ``nudges``
    move single lesions on in it; ``drawn_on`` is
    (cycle, name) of the visit whose segments are used, None for its own.
    """

    visit: str
    cycle: int
    study: str
    measured: Series
    contours: Series | None
    ras_transform: Any = None
    drawn_on: tuple[int, str] | None = None
    manual_shifts: tuple[ManualShift, ...] = ()


@dataclass(frozen=True, eq=False)
class CaseOutcome:
    """One patient's result.

    Attributes
    ----------
    case : what was run.
    title : heading of the report.
    rows : all measurements.
    warnings : sentences, seen first.
    text : tables and sentences for the terminal.
    sections : HTML sections of the report.
    scene : visits of the scene.
    series, files : facts on the series used, and every input file, for the provenance.
    lobe_visits : results of lobe-against-lobe visits, for what builds on them.
    images : per visit the DICOM series that it came from, for results as DICOM.
    alignment : how images were found to lie on each other and were registered, plain values for the provenance.
    """

    case: Case
    title: str
    rows: tuple[Measurement, ...]
    warnings: tuple[str, ...]
    text: tuple[str, ...]
    sections: tuple[str, ...]
    scene: tuple[SceneVisit, ...]
    series: tuple[dict[str, Any], ...]
    files: tuple[Path, ...]
    lobe_visits: tuple[VisitResult, ...] = ()
    images: tuple[VisitImages, ...] = ()
    alignment: tuple[dict[str, Any], ...] = ()

    def with_more(
        self,
        rows: Sequence[Measurement] = (),
        warnings: Sequence[str] = (),
        text: Sequence[str] = (),
        sections: Sequence[str] = (),
        scene: Sequence[SceneVisit] = (),
        alignment: Sequence[dict[str, Any]] = (),
    ) -> CaseOutcome:
        """A copy with additions at the end of each."""
        return replace(
            self,
            rows=(*self.rows, *rows),
            warnings=(*self.warnings, *warnings),
            text=(*self.text, *text),
            sections=(*self.sections, *sections),
            scene=(*self.scene, *scene),
            alignment=(*self.alignment, *alignment),
        )


# What another library adds to a case, for instance doses from serial images; it gets and returns the outcome.
Extension = Callable[[CaseOutcome], CaseOutcome]


def series_facts(visit: str, series: Series, use: str, decisions: Sequence[str] = ()) -> dict[str, Any]:
    """What the provenance keeps of a series that was used."""
    return {
        "visit": visit,
        "use": use,
        "uid": series.uid,
        "study_uid": series.study_uid,
        "patient_id": series.patient_id,
        "patient_name": series.patient_name,
        "modality": series.modality,
        "description": series.description,
        "decisions": list(decisions),
    }
