"""A study's result as a folder: report, tables, provenance, segments, scene, DICOM; all of them or none.

The one exporter of command line and panel; how a scene is written is given by the node layer. What is heavy to import
(figures, highdicom) is imported where it is written: a run's first line of progress does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.export.data_dictionary import FILE as SCHEMA
from PRRTUptakeLib.export.data_dictionary import measurements_schema
from PRRTUptakeLib.export.deidentified import identity_of, without_identity
from PRRTUptakeLib.export.provenance import provenance, write_json
from PRRTUptakeLib.export.provenance import without_identity as facts_without_identity
from PRRTUptakeLib.progress import Progress, no_progress
from PRRTUptakeLib.study.measurements import to_csv
from PRRTUptakeLib.study.model import StudyResult

if TYPE_CHECKING:
    from PRRTUptakeLib.export.deidentify import Deidentifier

REPORT = "report.html"
KEPT_FILES = ("selftest.html",)  # of a folder of results when it is written again
SceneWriter = Callable[[StudyResult, Path], None]
"""Writes segments and scene of a result into a folder."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is written beyond tables and report.

    Attributes
    ----------
    dicom : a folder ``dicom`` with segmentations, measurement reports and maps.
    structure_sets : with ``dicom``, the segments as RT Structure Set too.
    masks : a folder ``masks`` with the segments as NIfTI files.
    excel : the table as ``measurements.xlsx`` too.
    operator : who ran it, for the report; "" for the ``operator`` in the notes.
    deidentifier : frees all that is written of the patient's identity; None leaves it in.
    replace : keep an earlier result, with what the user added to it, under a name with its date.
    title : heading of the report; "" for that of the design.
    more : what else writes into the folder, each called with it and the result, in this order.
    """

    dicom: bool = False
    structure_sets: bool = False
    masks: bool = False
    excel: bool = False
    operator: str = ""
    deidentifier: Deidentifier | None = None
    replace: bool = False
    title: str = ""
    more: Sequence[Callable[[Path, StudyResult], Any]] = ()


def export_result(
    result: StudyResult,
    folder: str | Path,
    outputs: Outputs | None = None,
    write_scene: SceneWriter | None = None,
    progress: Progress = no_progress,
) -> StudyResult:
    """Write a result to a folder, which is new or empty or of an earlier export; returns the result as it went out.

    Raises
    ------
    PRRTError
        If the folder cannot be written; it is then as it was.
    """
    outputs = outputs or Outputs()
    if outputs.excel:
        from PRRTUptakeLib.export.excel import require_excel

        require_excel()
    with atomic_directory(folder, KEPT_FILES, replace=outputs.replace) as out:
        return _write(result, out, outputs, write_scene, progress)


def _write(
    result: StudyResult, out: Path, outputs: Outputs, write_scene: SceneWriter | None, progress: Progress
) -> StudyResult:
    from PRRTUptakeLib.report.study_report import study_report

    facts = study_facts(result)
    cleaner = outputs.deidentifier.cleaner(identity_of(result)) if outputs.deidentifier is not None else None
    if outputs.dicom:
        from PRRTUptakeLib.export.dicom_results import write_dicom

        progress(0.2, "writing DICOM")
        identity = cleaner.identity if cleaner is not None else None
        write_dicom(result, out / "dicom", outputs.deidentifier, identity, outputs.structure_sets)
    if cleaner is not None:
        result, facts = without_identity(result, cleaner), facts_without_identity(facts, cleaner)
    progress(0.6, "writing tables, report and scene")
    (out / "measurements.csv").write_text(to_csv(result.rows), encoding="utf-8")
    write_json(measurements_schema(result.rows), out / SCHEMA)
    if outputs.excel:
        from PRRTUptakeLib.export.excel import write_excel

        write_excel(result.rows, out / "measurements.xlsx")
    (out / "protocol.json").write_text(result.input.protocol.text, encoding="utf-8")
    write_json(facts, out / "provenance.json")
    (out / REPORT).write_text(study_report(result, facts, outputs.title), encoding="utf-8")
    if outputs.masks:
        from PRRTUptakeLib.export.nifti_masks import write_result_masks

        write_result_masks(result, out / "masks")
    if write_scene is not None:
        write_scene(result, out)
    for write in outputs.more:
        write(out, result)
    progress(0.99, "all is written")  # who stops before this leaves the folder as it was
    return result


def study_facts(result: StudyResult) -> dict[str, Any]:
    """What the provenance keeps: series, files with their hashes, rules, alignment."""
    study = result.input
    parameters: dict[str, Any] = {} if study.source is None else {"case": study.source.resolve().as_posix()}
    parameters |= {
        "protocol": study.protocol.name,
        "protocol_sha256": study.protocol.sha256,
        "treated_lobe": study.treated_lobe or "blinded",
    }
    for part in result.parts:
        parameters |= part.parameters
    facts = provenance(result.decisions, study.files, parameters, study.base)
    return {**facts, "alignment": [dict(one) for one in result.alignment]}
