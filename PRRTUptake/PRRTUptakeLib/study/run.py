"""The one program that measures: panel, console, command line, cohort and tests all call `run`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.progress import Progress, no_progress, sub_progress
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.designs.base import Design
    from PRRTUptakeLib.study.model import Extension, StudyInput, StudyResult


def run(
    study: StudyInput,
    progress: Progress = no_progress,
    extensions: Sequence[Extension] = (),
    design: Design | None = None,
) -> StudyResult:
    """Measure one patient.

    Parameters
    ----------
    study : from `study.inputs` or `mrml.inputs`.
    progress : called with how far it is; may raise `Cancelled`.
    extensions : what other libraries add, in this order.
    design : None for the one that the protocol names.

    Raises
    ------
    PRRTError
        If the data do not allow an answer.
    """
    chosen = design or design_of(study.protocol)
    share = 0.8 if extensions else 1.0
    result = of_one_patient(chosen.measure(study, sub_progress(progress, 0.0, share)))
    for n, extend in enumerate(extensions):
        progress(share + (1.0 - share) * n / len(extensions), "doses and what else is added")
        result = extend(result)
    return result


def of_one_patient(result: StudyResult) -> StudyResult:
    """The result, with a warning first if its images name several patients and the case says that they are one person.

    Raises
    ------
    StudyError
        If they do and it does not.
    """
    ids: dict[str, str] = {}
    for images in result.images:
        for series in (images.measured, images.contours):
            if series is not None and series.patient_id:
                ids.setdefault(series.patient_id, images.visit)
    if len(ids) < 2:
        return result
    named = ", ".join(f"'{patient}' (visit '{visit}')" for patient, visit in ids.items())
    reason = result.input.same_patient
    if not reason:
        raise StudyError(
            f"The images of the case belong to different patients, {named}: correct the folders, or say under "
            "'same_patient' why they are of one person."
        )
    note = f"The images name several patients, {named}, taken for one person: {reason.rstrip('.')}."
    return replace(result, measured_warnings=(note, *result.measured_warnings))
