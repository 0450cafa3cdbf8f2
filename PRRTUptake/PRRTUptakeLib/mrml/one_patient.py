"""Whether all images of a case are of one person."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from PRRTUptakeLib.mrml.outcome import CaseOutcome


class PatientError(PRRTError):
    """A case mixes the images of several patients."""


def of_one_patient(outcome: CaseOutcome) -> CaseOutcome:
    """The outcome, with a warning first if its images name several patients and the case says that they are one person.

    Raises
    ------
    PatientError
        If they do and it does not.
    """
    ids: dict[str, str] = {}
    for images in outcome.images:
        for series in (images.measured, images.contours):
            if series is not None and series.patient_id:
                ids.setdefault(series.patient_id, images.visit)
    if len(ids) < 2:
        return outcome
    named = ", ".join(f"'{patient}' (visit '{visit}')" for patient, visit in ids.items())
    reason = outcome.case.same_patient
    if not reason:
        raise PatientError(
            f"The images of the case belong to different patients, {named}: correct the folders, or say under "
            "'same_patient' why they are of one person."
        )
    told = f"The images name several patients, {named}, taken for one person: {reason.rstrip('.')}."
    return replace(outcome, warnings=(told, *outcome.warnings))
