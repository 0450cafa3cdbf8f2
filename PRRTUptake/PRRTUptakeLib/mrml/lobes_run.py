"""The lobe-against-lobe design: every visit has its own emission image, segments and lobes."""

from __future__ import annotations

from dataclasses import dataclass
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
from PRRTUptakeLib.report.response_report import response_sections, response_text
from PRRTUptakeLib.segmentation.dicom_contours import contour_files, read_contours
from PRRTUptakeLib.segmentation.files import SUFFIXES, read_segment_folder
from PRRTUptakeLib.trial.images import contour_series, emission_series, has_emission
from PRRTUptakeLib.trial.pipeline import VisitLabels, measure_visit
from PRRTUptakeLib.trial.preparation import prepare
from PRRTUptakeLib.trial.response_case import SizedVisit, case_response, is_follow_up, response_rows
from PRRTUptakeLib.trial.rows import measurement_rows, size_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.dicom.inputs import Quantified
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.imaging.volume import Volume
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
    sized: list[SizedVisit] = []
    facts: list[dict[str, Any]] = []
    files = [case.path]
    images: list[VisitImages] = []
    later: list[SizedOnly] = []
    for n, visit in enumerate(case.visits):
        step = part_of(progress, n / count, (n + 1) / count)
        found = find_series(visit.dicom)
        baseline = sized[0].prepared if sized else None
        modality = case.protocol.imaging.modality
        if baseline is not None and is_follow_up(visit.visit) and not has_emission(found, modality):
            later.append(_size(case, visit, found, baseline, step))
            prepared, series, used = later[-1].prepared, later[-1].facts, later[-1].files
        else:
            reported, series, used, source = _measure(case, visit, found, baseline, step)
            shown.append(reported)
            images.append(source)
            prepared = reported.result.prepared
        sized.append(SizedVisit(visit.cycle, visit.visit, prepared, visit.vanished))
        facts += series
        files += used
    results = tuple(one.result for one in shown)
    outcome = CaseOutcome(
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
    ).with_more(
        rows=[row for one in later for row in one.scene.rows],
        warnings=[f"{one.visit}: {text}" for one in later for text in one.prepared.warnings],
        scene=[one.scene for one in later],
    )
    return _with_response(outcome, sized)


def _with_response(outcome: CaseOutcome, visits: Sequence[SizedVisit]) -> CaseOutcome:
    """The outcome with the change of the lesions' sizes, where the case has later cycles or follow-up visits."""
    case = outcome.case
    found = case_response(visits)
    if found is None:
        return outcome
    return outcome.with_more(
        rows=response_rows(found, case.patient, case.protocol.imaging.contours_on),
        text=response_text(found),
        sections=response_sections(found),
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


@dataclass(frozen=True, eq=False)
class SizedOnly:
    """A follow-up visit without emission image, of which only the lesions' sizes are taken."""

    visit: str
    prepared: Prepared
    scene: SceneVisit
    facts: list[dict[str, Any]]
    files: list[Path]


def _size(case: Case, visit: Visit, found: Sequence[Series], baseline: Prepared, progress: Progress) -> SizedOnly:
    progress(0.0, f"{visit.visit}: sizes of the lesions")
    segmentation = read_segments(visit.segments, found)
    prepared = prepare(
        segmentation,
        case.protocol,
        None,
        visit.lobe_plane,
        baseline=baseline,
        replacements=visit.replacements,
        moves=visit.moves,
        vanished=visit.vanished,
    )
    labels = VisitLabels(case.patient, visit.cycle, visit.visit, case.protocol.imaging.contours_on, case.treated_lobe)
    contours = contour_series(found, segmentation.grid)
    facts, files = [], segment_files(visit.segments)
    volumes: tuple[tuple[str, Volume], ...] = ()
    if contours is not None:
        facts.append(series_facts(visit.visit, contours, "contours"))
        files += contours.files
        volumes = ((f"{labels.image} {study_name(labels)}", read_volume(contours)),)
    scene = SceneVisit(study_name(labels), volumes, prepared.segmentation, prepared.plane, size_rows(labels, prepared))
    return SizedOnly(visit.visit, prepared, scene, facts, files)


def _measure(
    case: Case, visit: Visit, found: Sequence[Series], baseline: Prepared | None, progress: Progress
) -> tuple[ReportedVisit, list[dict[str, Any]], list[Path], VisitImages]:
    progress(0.0, f"reading {visit.visit}")
    segmentation = read_segments(visit.segments, found)
    emission = emission_series(found, case.protocol.imaging.modality, visit.visit, visit.image)
    quantified = quantify(emission)
    contours = contour_series(found, segmentation.grid)
    progress(0.5, f"{visit.visit}: lobes, lesions and reference regions")
    prepared = prepare(
        segmentation,
        case.protocol,
        quantified.volume,
        visit.lobe_plane,
        baseline=baseline,
        replacements=visit.replacements,
        moves=visit.moves,
        vanished=visit.vanished,
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
