"""What was measured in the scene as a folder: report, table, segments, scene, provenance; all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.export.data_dictionary import FILE as SCHEMA
from PRRTUptakeLib.export.data_dictionary import measurements_schema
from PRRTUptakeLib.export.provenance import provenance, write_json
from PRRTUptakeLib.mrml.scene import write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.session import operator_notes
from PRRTUptakeLib.mrml.transforms import placed_volume
from PRRTUptakeLib.report.patient_report import case_report
from PRRTUptakeLib.study.case import Case
from PRRTUptakeLib.study.measurements import to_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PRRTUptakeLib.mrml.measuring import Measured, MeasuredImage

KEPT_FILES = ("selftest.html",)  # of a folder of results when it is written again


def export_results(
    folder: str | Path,
    measured: Measured,
    segmentationNode: Any,
    anatomy: Mapping[str, Any],
    scene: bool,
    more: Sequence[Callable[[Path, Case], Any]] = (),
) -> None:
    """Write a patient's results.

    Parameters
    ----------
    folder : new or empty, or of an earlier export, which is replaced.
    measured : what `UptakeLogic.measureImages` found.
    segmentationNode : the measured segments.
    anatomy : by visit the volume node to draw in the report's pictures; "" for visits without one of their own.
    scene : whether to write the scene too.
    more : what else writes into the folder, each called with it and the case, in this order.

    Raises
    ------
    PRRTError
        If the folder cannot be written; it is then as it was.
    """
    protocol, labels = measured.protocol, measured.labels
    case = Case(
        path=Path(folder),
        patient=labels.patient,
        protocol=protocol,
        visits=(),
        treated_lobe=labels.treated_lobe,
        notes=operator_notes(),
    )
    parameters = {
        "protocol": protocol.name,
        "protocol_sha256": protocol.sha256,
        "treated_lobe": labels.treated_lobe or "blinded",
    }
    facts = provenance([_series(one) for one in measured.images], (), parameters, Path(folder))
    facts = {**facts, "alignment": measured.alignment()}
    sections = measured.sections({visit: placed_volume(node)[0] for visit, node in anatomy.items()})
    with atomic_directory(folder, KEPT_FILES) as out:
        (out / "measurements.csv").write_text(to_csv(measured.rows), encoding="utf-8")
        write_json(measurements_schema(measured.rows), out / SCHEMA)
        (out / "protocol.json").write_text(protocol.text, encoding="utf-8")
        title = f"{protocol.title}: {labels.patient}"
        (out / "report.html").write_text(case_report(title, case, measured.warnings, sections, facts), encoding="utf-8")
        write_json(facts, out / "provenance.json")
        write_segmentation_file(segmentationNode, out / "patient.seg.nrrd")
        if scene:
            write_bundle(out / "patient.mrb")
        for write in more:
            write(out, case)


def _series(one: MeasuredImage) -> dict[str, Any]:
    """The series that an image came from, as far as the node remembers."""
    known = one.volume.provenance
    return {
        "visit": one.visit,
        "use": "measured",
        "uid": known.get("series_uid", "not told"),
        "study_uid": known.get("study_uid", "not told"),
        "modality": known.get("modality", "not told"),
        "description": one.node.GetName(),
        "decisions": list(known.get("decisions", ())),
    }
