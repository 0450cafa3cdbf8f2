"""``prrt run`` and ``prrt demo``: a case file in, a folder of results with its scene out, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PRRTUptakeLib.export.results import REPORT, Outputs, export_result
from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.study.case import load_case, require_known_lesions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.export.verify import Verification
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.model import Extension, StudyResult


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseResult:
    """One patient's result as it went out, and the report's path."""

    result: StudyResult
    report: Path


def run_demo(
    folder: Path,
    seed: int = 1,
    progress: Progress = no_progress,
    extensions: Sequence[Extension] = (),
    kind: str = "lutia",
) -> CaseResult:
    """Write synthetic patient ``seed`` to ``folder/patient`` and its results to ``folder/results``.

    ``kind`` is one of `vocabulary.DEMOS`. "therapy" has three cases, whose results are in folders of
    ``folder/results``; what is returned is that of the last, which compares predicted and delivered dose.
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
        "single-arm": synthetic_case.write_synthetic_single_arm,
    }
    return (writers[kind](folder, seed=seed),)


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
    progress : called with how far it is.
    extensions : what other libraries add to the result.
    dicom : short for ``Outputs(dicom=True)``.
    outputs : what else to write.

    Raises
    ------
    PRRTError
        If the data do not allow an answer; then ``output`` is as it was before.
    """
    outputs = outputs or Outputs(dicom=dicom)
    if outputs.excel:
        from PRRTUptakeLib.export.excel import require_excel

        require_excel()  # before the work, not after it
    result = measure_case(case_path, sub_progress(progress, 0.0, 0.75), extensions)
    if outputs.operator:
        notes = {**result.input.notes, "operator": outputs.operator}
        result = replace(result, input=replace(result.input, notes=notes))
    step = sub_progress(progress, 0.75, 1.0)
    result = export_result(result, Path(output), outputs, write_scene, step)
    progress(1.0, "done")
    return CaseResult(result=result, report=Path(output) / REPORT)


def measure_case(
    case_path: Path, progress: Progress = no_progress, extensions: Sequence[Extension] = ()
) -> StudyResult:
    """Measure a case without writing anything.

    Raises
    ------
    PRRTError
        If the data do not allow an answer.
    """
    case = load_case(Path(case_path))
    progress(0.0, "reading what the headers say")  # before what is heavy to import
    from PRRTUptakeLib.study.inputs import study_input
    from PRRTUptakeLib.study.run import run

    result = run(study_input(case, _read_segmentation_file), progress, extensions)
    require_known_lesions(case, (row.lesion for row in result.rows if row.lesion))
    return result


def read_segmentation(path: Path, series: Sequence[Series] = ()) -> Segmentation:
    """Segments from a folder of masks, a .seg.nrrd file or folder with one, or DICOM drawn on one of ``series``.

    Raises
    ------
    PRRTError
        If there are none, or they cannot be read.
    """
    from PRRTUptakeLib.study.segment_files import read_segments

    return read_segments(path, series, _read_segmentation_file)


def _read_segmentation_file(path: Path) -> Segmentation:
    from PRRTUptakeLib.mrml.segmentations import read_segmentation_file

    return read_segmentation_file(path)


def verify_case_bundle(
    bundle: Path, case: Path | None = None, progress: Progress = no_progress, extensions: Sequence[Extension] = ()
) -> Verification:
    """Run the case of a bundle again, in a temporary folder, and compare; see `export.verify.verify_bundle`."""
    from PRRTUptakeLib.export.verify import verify_bundle

    def run_again(path: Path, folder: Path, step: Progress, dicom: bool) -> object:
        return run_case(path, folder, step, extensions, dicom)

    return verify_bundle(bundle, run_again, case, progress)


def write_scene(result: StudyResult, folder: Path) -> None:
    """Empty the scene, fill it with a result, and write it with the last segmentation."""
    from PRRTUptakeLib.mrml.scene import build_scene
    from PRRTUptakeLib.mrml.scene_bundle import write_bundle, write_segments_of_bundle
    from PRRTUptakeLib.mrml.session import session
    from PRRTUptakeLib.mrml.views import show_scene

    session().Clear(0)
    segmentations = build_scene(result.input.patient, result.contents, shared=True)
    show_scene()
    bundle = (folder / "patient.mrb").absolute()
    write_bundle(bundle)
    if segmentations:
        write_segments_of_bundle(segmentations[-1], bundle, folder / "patient.seg.nrrd")
