"""Who was injected with what, when: the facts of a series that kinetics and comparisons need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.administration import administration, drug_item
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label, text
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.dicom.times import ImageTime, clock_of

if TYPE_CHECKING:
    from datetime import datetime

    from PRRTUptakeLib.dicom.series import Series


@dataclass(frozen=True)
class Injection:
    """Administered activity at ``time``, of which nuclide, and the patient's sex (M, F, O or "" if missing).

    ``end`` is when an infusion that began at ``time`` ended, None where the header does not state it.
    """

    activity_MBq: float
    time: datetime
    nuclide: str
    sex: str
    end: datetime | None = None

    def hours_to(self, moment: datetime) -> float:
        """Hours from the injection to ``moment``."""
        return (moment - self.time).total_seconds() / 3600.0


def injection_of(series: Series, scan_time: datetime, inputs: OperatorOverrides | None = None) -> Injection:
    """What was injected before an emission series.

    Parameters
    ----------
    series : an NM or PET series.
    scan_time : moment for which the image holds, with its zone.
    inputs : what the operator states goes first.

    Raises
    ------
    DicomError
        If the time of injection or the nuclide is missing.
    PRRTError
        If the activity is missing, or anything is impossible or contradictory.
    """
    inputs = inputs or OperatorOverrides()
    dataset = arrange(series).frames[0].header.dataset
    item = drug_item(dataset, series.label)
    nuclide = header_nuclide(item, series.label, inputs.nuclide)
    image = ImageTime(scan_time, "the time for which its values hold")
    clock = clock_of(dataset, series.label, inputs.time_zone)
    given = administration(item, clock, image, nuclide, inputs)
    if given.time is None:
        name = label("RadiopharmaceuticalStartDateTime")
        raise DicomError(f"{name} of {series.label} is missing: give the injection time.")
    if nuclide.name is None:
        raise DicomError(f"{series.label} does not name its radionuclide: state the nuclide.")
    sex = inputs.sex or text(dataset, "PatientSex", series.label).upper()
    end = clock.date_time(item, "RadiopharmaceuticalStopDateTime") if item is not None else None
    return Injection(given.activity_Bq / 1e6, given.time, nuclide.name, sex, end)
