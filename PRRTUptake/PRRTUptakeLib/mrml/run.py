"""``prrt run`` and ``prrt demo``: a case file in, a folder of results out; written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.atomic_write import atomic_directory
from PRRTUptakeLib.export.data_dictionary import FILE as SCHEMA
from PRRTUptakeLib.export.data_dictionary import measurements_schema
from PRRTUptakeLib.export.excel import require_excel, write_excel
from PRRTUptakeLib.export.provenance import provenance, write_json
from PRRTUptakeLib.export.provenance import without_identity as facts_without_identity
from PRRTUptakeLib.mrml.deidentified import identity_of, without_identity
from PRRTUptakeLib.mrml.dicom_results import write_dicom
from PRRTUptakeLib.mrml.enhancement_run import measure_enhancement_case
from PRRTUptakeLib.mrml.lobes_run import measure_lobe_case
from PRRTUptakeLib.mrml.one_patient import of_one_patient
from PRRTUptakeLib.mrml.scene import build_scene, write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.report.patient_report import case_report
from PRRTUptakeLib.study.case import load_case
from PRRTUptakeLib.study.measurements import to_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PRRTUptakeLib.export.deidentify import Deidentifier
    from PRRTUptakeLib.mrml.outcome import CaseOutcome, Extension

DESIGNS = {"lobe-against-lobe": measure_lobe_case, "ia-versus-iv": measure_enhancement_case}


@dataclass(frozen=True, eq=False)
class CaseResult:
    """One patient's outcome, and the report's path."""

    outcome: CaseOutcome
    report: Path


DEMOS = ("lutia", "ia-versus-iv", "serial", "therapy")


def run_demo(
    folder: Path,
    seed: int = 1,
    progress: Progress = no_progress,
    extensions: Sequence[Extension] = (),
    kind: str = "lutia",
) -> CaseResult:
    """Write synthetic patient ``seed`` to ``folder/patient`` and its results to ``folder/results``.

    ``kind`` is one of `DEMOS`. "therapy" has three cases, whose results stand in folders of ``folder/results``; what is
    returned is that of the last, which compares predicted and delivered dose.
    """
    folder = Path(folder)
    progress(0.0, f"making synthetic patient {seed} as DICOM")
    cases = _synthetic_cases(kind, folder / "patient", seed)
    for n, case in enumerate(cases):
        place = folder / "results" / case.parent.name if len(cases) > 1 else folder / "results"
        share = 0.6 / len(cases)
        step = sub_progress(progress, 0.4 + share * n, 0.4 + share * (n + 1))
        result = run_case(case, place, step, extensions)
    return result


def _synthetic_cases(kind: str, folder: Path, seed: int) -> tuple[Path, ...]:
    from PRRTUptakeLib.synthetic import cases as synthetic_case

    if kind == "therapy":
        return synthetic_case.write_synthetic_therapy(folder, seed=seed)
    writers: dict[str, Callable[..., Path]] = {
        "lutia": synthetic_case.write_synthetic_lutia,
        "ia-versus-iv": synthetic_case.write_synthetic_ia_versus_iv,
        "serial": synthetic_case.write_synthetic_serial,
    }
    return (writers[kind](folder, seed=seed),)


@dataclass(frozen=True)
class Outputs:
    """What a run writes beyond tables, report, segments and scene.

    Attributes
    ----------
    dicom : a folder ``dicom`` with segmentations, measurement reports and maps.
    excel : the table as ``measurements.xlsx`` too.
    operator : who ran it, for the report; "" for the ``operator`` in the case file's notes.
    deidentifier : frees all that is written of the patient's identity; None leaves it in.
    replace : keep an earlier result, with what the user added to it, under a name with its date.
    """

    dicom: bool = False
    excel: bool = False
    operator: str = ""
    deidentifier: Deidentifier | None = None
    replace: bool = False


def run_case(
    case_path: Path,
    output: Path,
    progress: Progress = no_progress,
    extensions: Sequence[Extension] = (),
    dicom: bool = False,
    outputs: Outputs | None = None,
) -> CaseResult:
    """Measure all visits of a case and write table, report, segments, scene and provenance to ``output``.

    The scene is emptied first: this is for work without a screen, not for the application.

    Parameters
    ----------
    case_path : the case file.
    output : folder of results; one that is there from an earlier run is replaced, unless it holds files of the user's.
    progress : told how far it is.
    extensions : what other libraries add to the outcome before it is written.
    dicom : short for ``Outputs(dicom=True)``.
    outputs : what else to write.

    Raises
    ------
    PRRTError
        If the data do not allow an answer; then ``output`` is as it was before.
    """
    outputs = outputs or Outputs(dicom=dicom)
    case = load_case(Path(case_path))
    if outputs.operator:
        case = replace(case, notes={**case.notes, "operator": outputs.operator})
    if outputs.excel:
        require_excel()
    with atomic_directory(output, replace=outputs.replace) as out:
        outcome = of_one_patient(DESIGNS[case.protocol.design](case, sub_progress(progress, 0.0, 0.7)))
        for extend in extensions:
            outcome = extend(outcome)
        progress(0.75, "writing report and scene")
        outcome = _write(outcome, out, outputs, sub_progress(progress, 0.75, 1.0))
    progress(1.0, "done")
    return CaseResult(outcome, Path(output) / "report.html")


def _write(outcome: CaseOutcome, out: Path, outputs: Outputs, progress: Progress) -> CaseOutcome:
    """Write all parts; returns the outcome as it went out."""
    facts = _facts(outcome)
    if outputs.dicom:
        progress(0.2, "writing DICOM")
    if outputs.deidentifier is None:
        if outputs.dicom:
            write_dicom(outcome, out / "dicom")
    else:
        cleaner = outputs.deidentifier.cleaner(identity_of(outcome))
        if outputs.dicom:
            write_dicom(outcome, out / "dicom", outputs.deidentifier, cleaner.identity)
        outcome, facts = without_identity(outcome, cleaner), facts_without_identity(facts, cleaner)
    progress(0.6, "writing tables, report and scene")
    _write_tables(outcome, out, facts, outputs.excel)
    session().Clear(0)
    segmentations = build_scene(outcome.case.patient, outcome.scene)
    write_segmentation_file(segmentations[-1], out / "patient.seg.nrrd")
    write_bundle(out / "patient.mrb")
    return outcome


def _facts(outcome: CaseOutcome) -> dict[str, Any]:
    case = outcome.case
    parameters = {
        "case": case.path.resolve().as_posix(),
        "protocol": case.protocol.name,
        "protocol_sha256": case.protocol.sha256,
        "treated_lobe": case.treated_lobe or "blinded",
    }
    facts = provenance(outcome.series, outcome.files, parameters, case.path.parent)
    return {**facts, "alignment": list(outcome.alignment)}


def _write_tables(outcome: CaseOutcome, out: Path, facts: dict[str, Any], excel: bool) -> None:
    case = outcome.case
    (out / "measurements.csv").write_text(to_csv(outcome.rows), encoding="utf-8")
    write_json(measurements_schema(outcome.rows), out / SCHEMA)
    if excel:
        write_excel(outcome.rows, out / "measurements.xlsx")
    (out / "protocol.json").write_text(case.protocol.text, encoding="utf-8")
    write_json(facts, out / "provenance.json")
    page = case_report(outcome.title, case, outcome.warnings, outcome.sections, facts)
    (out / "report.html").write_text(page, encoding="utf-8")
