"""What was measured in the scene as a folder: report, table, segments, scene, provenance; all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.scene import write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.volumes import volume_from_node
from PRRTUptakeLib.report.patient_report import ReportedVisit, case_report, visit_sections
from PRRTUptakeLib.report.provenance import provenance, write_json
from PRRTUptakeLib.trial.case import Case
from PRRTUptakeLib.trial.measurements import to_csv
from PRRTUptakeLib.trial.rows import measurement_rows
from PRRTUptakeLib.whole_folder import whole_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.trial.pipeline import VisitResult


def export_results(
    folder: str | Path,
    results: Sequence[VisitResult],
    segmentationNode: Any,
    anatomy: Mapping[str, Any],
    scene: bool,
) -> None:
    """Write a patient's results.

    Parameters
    ----------
    folder : new or empty, or of an earlier export, which is replaced.
    results : of every visit, by the same protocol.
    segmentationNode : the measured segments.
    anatomy : by visit the volume node to draw in the report's pictures; "" for visits without one of their own.
    scene : whether to write the scene too.

    Raises
    ------
    PRRTError
        If the folder cannot be written; it is then as it was.
    """
    first = results[0]
    protocol, labels = first.protocol, first.labels
    shown = [ReportedVisit(result, _anatomy(result, anatomy)) for result in results]
    case = Case(Path(folder), labels.patient, protocol, (), labels.treated_lobe)
    parameters = {
        "protocol": protocol.name,
        "protocol_sha256": protocol.sha256,
        "treated_lobe": labels.treated_lobe or "blinded",
    }
    facts = provenance([_series(result) for result in results], (), parameters, Path(folder))
    warnings = [f"{result.labels.visit}: {text}" for result in results for text in result.warnings]
    sections = [part for visit in shown for part in visit_sections(visit)]
    with whole_folder(folder) as out:
        rows = [row for result in results for row in measurement_rows(result)]
        (out / "measurements.csv").write_text(to_csv(rows), encoding="utf-8")
        page = case_report(f"{protocol.title}: {labels.patient}", case, warnings, sections, facts)
        (out / "report.html").write_text(page, encoding="utf-8")
        write_json(facts, out / "provenance.json")
        write_segmentation_file(segmentationNode, out / "patient.seg.nrrd")
        if scene:
            write_bundle(out / "patient.mrb")


def _anatomy(result: VisitResult, anatomy: Mapping[str, Any]) -> Volume | None:
    node = anatomy.get(result.labels.visit) or anatomy.get("")
    return volume_from_node(node) if node is not None else None


def _series(result: VisitResult) -> dict[str, Any]:
    """The series that an image came from, as far as the node remembers."""
    known = result.image.provenance
    return {
        "visit": result.labels.visit,
        "use": "measured",
        "uid": known.get("series_uid", "not told"),
        "study_uid": known.get("study_uid", "not told"),
        "modality": known.get("modality", "not told"),
        "description": result.labels.image,
        "decisions": list(known.get("decisions", ())),
    }
