"""``prrt run`` and ``prrt demo``: a case file in, a folder of results out; written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import read_volume
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.mrml.scene import build_scene, write_bundle
from PRRTUptakeLib.mrml.segmentations import read_segmentation_file, write_segmentation_file
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.progress import Progress, part_of, silent
from PRRTUptakeLib.report.patient_report import ReportedVisit, patient_report
from PRRTUptakeLib.report.provenance import provenance, write_json
from PRRTUptakeLib.segmentation.files import read_segment_folder
from PRRTUptakeLib.trial.case import Case, Visit, load_case
from PRRTUptakeLib.trial.images import contour_series, emission_series
from PRRTUptakeLib.trial.measurements import to_csv
from PRRTUptakeLib.trial.pipeline import VisitLabels, VisitResult, measure_visit
from PRRTUptakeLib.trial.preparation import prepare
from PRRTUptakeLib.trial.rows import measurement_rows
from PRRTUptakeLib.whole_folder import whole_folder

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segmentation


@dataclass(frozen=True, eq=False)
class CaseResult:
    """The visits of one patient as measured, and the report's path."""

    visits: tuple[VisitResult, ...]
    report: Path


@dataclass(frozen=True, eq=False)
class _MeasuredVisit:
    shown: ReportedVisit
    series: list[dict[str, Any]]
    files: list[Path]


def run_demo(folder: Path, seed: int = 1, progress: Progress = silent) -> CaseResult:
    """Write synthetic LUTIA patient ``seed`` to ``folder/patient`` and its results to ``folder/results``."""
    from PRRTUptakeLib.trial.synthetic_case import write_synthetic_lutia

    folder = Path(folder)
    progress(0.0, f"making synthetic patient {seed} as DICOM")
    case = write_synthetic_lutia(folder / "patient", seed=seed)
    return run_case(case, folder / "results", part_of(progress, 0.4, 1.0))


def run_case(case_path: Path, output: Path, progress: Progress = silent) -> CaseResult:
    """Measure all visits of a case and write table, report, segments, scene and provenance to ``output``.

    The scene is emptied first: this is for work without a screen, not for the application.

    Raises
    ------
    PRRTError
        If the data do not allow an answer; then ``output`` is as it was before.
    """
    case = load_case(Path(case_path))
    with whole_folder(output) as out:
        count = len(case.visits)
        visits = []
        for n, visit in enumerate(case.visits):
            visits.append(_measure(case, visit, part_of(progress, 0.7 * n / count, 0.7 * (n + 1) / count)))
        progress(0.7, "writing report and scene")
        _write(case, visits, out)
    progress(1.0, "done")
    return CaseResult(tuple(visit.shown.result for visit in visits), Path(output) / "report.html")


def _measure(case: Case, visit: Visit, progress: Progress) -> _MeasuredVisit:
    progress(0.0, f"reading {visit.visit}")
    found = find_series(visit.dicom)
    segmentation = read_segments(visit.segments)
    emission = emission_series(found, case.protocol.imaging.modality, visit.visit, visit.image)
    quantified = quantify(emission)
    progress(0.4, f"{visit.visit}: lobes, lesions and reference regions")
    contours = contour_series(found, segmentation.grid)
    prepared = prepare(segmentation, case.protocol, quantified.volume, visit.lobe_plane)
    progress(0.7, f"{visit.visit}: measuring")
    labels = VisitLabels(case.patient, visit.cycle, visit.visit, case.protocol.imaging.modality, case.treated_lobe)
    result = measure_visit(prepared, quantified.volume, case.protocol, labels)
    anatomy = read_volume(contours) if contours is not None else None
    used = [(emission, "measured", quantified.decisions)]
    if contours is not None:
        used.append((contours, "contours", ()))
    return _MeasuredVisit(
        ReportedVisit(result, anatomy),
        [_series_facts(visit, *item) for item in used],
        [*(path for one, *_ in used for path in one.files), *_segment_files(visit.segments)],
    )


def read_segments(path: Path) -> Segmentation:
    """Segments from a folder of masks or from a ``.seg.nrrd`` file."""
    return read_segment_folder(path) if path.is_dir() else read_segmentation_file(path)


def _series_facts(visit: Visit, series: Series, use: str, decisions: tuple[str, ...]) -> dict[str, Any]:
    return {
        "visit": visit.visit,
        "use": use,
        "uid": series.uid,
        "study_uid": series.study_uid,
        "modality": series.modality,
        "description": series.description,
        "decisions": list(decisions),
    }


def _segment_files(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.is_file()) if path.is_dir() else [path]


def _write(case: Case, visits: list[_MeasuredVisit], out: Path) -> None:
    shown = [visit.shown for visit in visits]
    rows = [row for visit in shown for row in measurement_rows(visit.result)]
    (out / "measurements.csv").write_text(to_csv(rows), encoding="utf-8")
    facts = provenance(
        [item for visit in visits for item in visit.series],
        [case.path, *(path for visit in visits for path in visit.files)],
        {
            "protocol": case.protocol.name,
            "protocol_sha256": case.protocol.sha256,
            "treated_lobe": case.treated_lobe or "blinded",
        },
        case.path.parent,
    )
    write_json(facts, out / "provenance.json")
    (out / "report.html").write_text(patient_report(shown, facts), encoding="utf-8")
    session().Clear(0)
    nodes = build_scene(shown)
    write_segmentation_file(nodes[-1].segmentation, out / "patient.seg.nrrd")
    write_bundle(out / "patient.mrb")
