"""One patient from case file to results, doses included: what ``prrt run`` and the workers of a cohort call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.mrml.run import CaseResult, run_case

from PRRTDosimetryLib.dosimetry.wanted import doses_wanted

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.study.model import Extension, StudyResult


def _doses(result: StudyResult) -> StudyResult:
    if not doses_wanted(result):
        return result
    from PRRTDosimetryLib.dosimetry.cycle import add_doses  # like the next two imported when the uptake is measured

    return add_doses(result)


def _dose_maps(result: StudyResult) -> StudyResult:
    if not doses_wanted(result):
        return result
    from PRRTDosimetryLib.dosimetry.dose_maps import add_dose_maps

    return add_dose_maps(result)


def _summed_map(result: StudyResult) -> StudyResult:
    if not doses_wanted(result):
        return result
    from PRRTDosimetryLib.dosimetry.summed_map import add_summed_map

    return add_summed_map(result)


EXTENSIONS: tuple[Extension, ...] = (_doses, _dose_maps, _summed_map)
"""What dosimetry adds to a case; the maps compare with the doses, and their sum is of the maps."""


def run_case_with_doses(case_path: Path, output: Path) -> CaseResult:
    """Measure a case and add the doses of every cycle that was imaged more than once.

    The scene is empty afterwards: where one process runs many patients, the last one's images would be kept.

    Raises
    ------
    PRRTError
        If the data do not allow an answer; then ``output`` is as it was before.
    """
    made = run_case(case_path, output, extensions=EXTENSIONS)
    from PRRTUptakeLib.mrml.scene import empty_scene  # which the run has imported last

    empty_scene()
    return made
