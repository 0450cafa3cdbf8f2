"""``prrt run`` and ``prrt demo``: a case file in, a folder of results out; written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.mrml.dicom_results import write_dicom
from PRRTUptakeLib.mrml.enhancement_run import measure_enhancement_case
from PRRTUptakeLib.mrml.lobes_run import measure_lobe_case
from PRRTUptakeLib.mrml.scene import build_scene, write_bundle
from PRRTUptakeLib.mrml.segmentations import write_segmentation_file
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.progress import Progress, part_of, silent
from PRRTUptakeLib.report.data_dictionary import FILE as SCHEMA
from PRRTUptakeLib.report.data_dictionary import measurements_schema
from PRRTUptakeLib.report.patient_report import case_report
from PRRTUptakeLib.report.provenance import provenance, write_json
from PRRTUptakeLib.trial.case import load_case
from PRRTUptakeLib.trial.measurements import to_csv
from PRRTUptakeLib.whole_folder import whole_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    progress: Progress = silent,
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
        step = part_of(progress, 0.4 + share * n, 0.4 + share * (n + 1))
        result = run_case(case, place, step, extensions)
    return result


def _synthetic_cases(kind: str, folder: Path, seed: int) -> tuple[Path, ...]:
    from PRRTUptakeLib.trial import synthetic_case

    if kind == "therapy":
        return synthetic_case.write_synthetic_therapy(folder, seed=seed)
    write = {
        "lutia": synthetic_case.write_synthetic_lutia,
        "ia-versus-iv": synthetic_case.write_synthetic_ia_versus_iv,
        "serial": synthetic_case.write_synthetic_serial,
    }[kind]
    return (write(folder, seed=seed),)


def run_case(
    case_path: Path,
    output: Path,
    progress: Progress = silent,
    extensions: Sequence[Extension] = (),
    dicom: bool = False,
) -> CaseResult:
    """Measure all visits of a case and write table, report, segments, scene and provenance to ``output``.

    The scene is emptied first: this is for work without a screen, not for the application.

    Parameters
    ----------
    case_path : the case file.
    output : folder of results; one that stands there from an earlier run is replaced.
    progress : told how far it is.
    extensions : what other libraries add to the outcome before it is written.
    dicom : whether to write a folder ``dicom`` too: segmentations, measurement reports and maps.

    Raises
    ------
    PRRTError
        If the data do not allow an answer; then ``output`` is as it was before.
    """
    case = load_case(Path(case_path))
    with whole_folder(output) as out:
        outcome = DESIGNS[case.protocol.design](case, part_of(progress, 0.0, 0.7))
        for extend in extensions:
            outcome = extend(outcome)
        progress(0.75, "writing report and scene")
        _write(outcome, out)
        if dicom:
            progress(0.85, "writing DICOM")
            write_dicom(outcome, out / "dicom")
    progress(1.0, "done")
    return CaseResult(outcome, Path(output) / "report.html")


def _write(outcome: CaseOutcome, out: Path) -> None:
    case = outcome.case
    (out / "measurements.csv").write_text(to_csv(outcome.rows), encoding="utf-8")
    write_json(measurements_schema(outcome.rows), out / SCHEMA)
    (out / "protocol.json").write_text(case.protocol.text, encoding="utf-8")
    parameters = {
        "case": case.path.resolve().as_posix(),
        "protocol": case.protocol.name,
        "protocol_sha256": case.protocol.sha256,
        "treated_lobe": case.treated_lobe or "blinded",
    }
    facts = provenance(outcome.series, outcome.files, parameters, case.path.parent)
    facts["alignment"] = list(outcome.alignment)
    write_json(facts, out / "provenance.json")
    page = case_report(outcome.title, case, outcome.warnings, outcome.sections, facts)
    (out / "report.html").write_text(page, encoding="utf-8")
    session().Clear(0)
    segmentations = build_scene(case.patient, outcome.scene)
    write_segmentation_file(segmentations[-1], out / "patient.seg.nrrd")
    write_bundle(out / "patient.mrb")
