"""The lobe-against-lobe design: every visit has its own emission image, segments and lobes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.injection import Injection, injection_of
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.mrml.outcome import CaseOutcome, SceneVisit, VisitImages, series_facts
from PRRTUptakeLib.mrml.segmentations import read_segmentation_file
from PRRTUptakeLib.progress import Progress, part_of
from PRRTUptakeLib.report.patient_report import ReportedVisit, visit_sections
from PRRTUptakeLib.report.patient_text import visit_text
from PRRTUptakeLib.segmentation.dicom_contours import contour_files, read_contours
from PRRTUptakeLib.segmentation.files import SUFFIXES, read_segment_folder
from PRRTUptakeLib.trial.images import contour_series, emission_series
from PRRTUptakeLib.trial.pipeline import VisitLabels, measure_visit
from PRRTUptakeLib.trial.preparation import prepare
from PRRTUptakeLib.trial.rows import measurement_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.inputs import Quantified
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.trial.case import Case, Visit
    from PRRTUptakeLib.trial.preparation import Prepared


def measure_lobe_case(case: Case, progress: Progress) -> CaseOutcome:
    """Measure every visit of a lobe-against-lobe case.

    Raises
    ------
    PRRTError
        If a visit's data do not allow an answer.
    """
    count = len(case.visits)
    shown: list[ReportedVisit] = []
    facts: list[dict[str, Any]] = []
    files = [case.path]
    images: list[VisitImages] = []
    for n, visit in enumerate(case.visits):
        step = part_of(progress, n / count, (n + 1) / count)
        baseline = shown[0].result.prepared if shown else None
        reported, series, used, source = _measure(case, visit, baseline, step)
        shown.append(reported)
        facts += series
        files += used
        images.append(source)
    results = tuple(one.result for one in shown)
    return CaseOutcome(
        case,
        f"Lobe against lobe: {case.patient}",
        tuple(row for result in results for row in measurement_rows(result)),
        tuple(f"{result.labels.visit}: {text}" for result in results for text in result.warnings),
        tuple(part for result in results for part in visit_text(result)),
        tuple(part for one in shown for part in visit_sections(one)),
        tuple(_scene_visit(one) for one in shown),
        tuple(facts),
        tuple(files),
        results,
        tuple(images),
    )


def read_segments(path: Path, series: Sequence[Series] = ()) -> Segmentation:
    """Segments from a folder of masks, a ``.seg.nrrd`` file, or DICOM: a SEG or RTSTRUCT, or a folder of them.

    ``series`` are the visit's images, among which is the one that the DICOM contours were drawn on.
    """
    if path.is_dir():
        masks = any(item.name.lower().endswith(SUFFIXES) for item in path.iterdir())
        return read_segment_folder(path) if masks or not contour_files(path) else read_contours(path, series)
    return read_contours(path, series) if path.suffix.lower() in (".dcm", "") else read_segmentation_file(path)


def segment_files(path: Path) -> list[Path]:
    """The files behind `read_segments`."""
    return sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]


def _measure(
    case: Case, visit: Visit, baseline: Prepared | None, progress: Progress
) -> tuple[ReportedVisit, list[dict[str, Any]], list[Path], VisitImages]:
    progress(0.0, f"reading {visit.visit}")
    found = find_series(visit.dicom)
    segmentation = read_segments(visit.segments, found)
    emission = emission_series(found, case.protocol.imaging.modality, visit.visit, visit.image)
    quantified = quantify(emission)
    contours = contour_series(found, segmentation.grid)
    progress(0.5, f"{visit.visit}: lobes, lesions and reference regions")
    prepared = prepare(
        segmentation, case.protocol, quantified.volume, visit.lobe_plane, baseline=baseline, moves=visit.moves
    )
    progress(0.8, f"{visit.visit}: measuring")
    labels = VisitLabels(case.patient, visit.cycle, visit.visit, case.protocol.imaging.modality, case.treated_lobe)
    injection, doubt = _injection(emission, quantified)
    result = measure_visit(prepared, quantified.volume, case.protocol, labels, injection, case.recovery)
    facts = [series_facts(visit.visit, emission, "measured", [*quantified.decisions, *doubt])]
    files = [*emission.files, *segment_files(visit.segments)]
    images = VisitImages(visit.visit, visit.cycle, study_name(labels), emission, contours)
    if contours is None:
        return ReportedVisit(result, None), facts, files, images
    facts.append(series_facts(visit.visit, contours, "contours"))
    return ReportedVisit(result, read_volume(contours)), facts, [*files, *contours.files], images


def study_name(labels: VisitLabels) -> str:
    """What a visit is called in the scene."""
    return f"cycle {labels.cycle} {labels.visit}"


def _injection(emission: Series, quantified: Quantified) -> tuple[Injection | None, list[str]]:
    """What was given; a SPECT that does not tell is still good for ratios, so that the reason is only kept."""
    if quantified.volume.reference_time is None:
        return None, ["The image does not tell its time, so hours after injection are not known."]
    try:
        return injection_of(emission, quantified.volume.reference_time), []
    except PRRTError as error:
        return None, [str(error)]


def _scene_visit(visit: ReportedVisit) -> SceneVisit:
    result = visit.result
    study = study_name(result.labels)
    volumes = [(f"{result.labels.image} {study}", result.image)]
    if visit.anatomy is not None:
        volumes.append((f"CT {study}", visit.anatomy))
    prepared = result.prepared
    return SceneVisit(study, tuple(volumes), prepared.segmentation, prepared.plane, measurement_rows(result))
