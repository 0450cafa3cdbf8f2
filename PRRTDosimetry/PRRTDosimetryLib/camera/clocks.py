"""Clocks that disagree: what headers and PHANTOM.json say of the same moments, and what the decay gives away.

With 177Lu an hour is 0.4 % of the activity: no measurement shows it, only clocks that contradict each other do. With
68Ga or 18F the calibration shows it, since an image in Bq/mL should hold what was filled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.administration import drug_item
from PRRTUptakeLib.dicom.headers import number
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.nuclides.radionuclides import nuclide

from PRRTDosimetryLib.camera.images import CONCENTRATION, COUNTS
from PRRTDosimetryLib.camera.phantom_file import in_zone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PRRTDosimetryLib.camera.calibration import CalibrationFactor
    from PRRTDosimetryLib.camera.images import ReadScan

_NEAR_min = 3.0  # of a whole number of hours
_MOST_HOURS = 12
_SAME_ACTIVITY = 0.02
_CT_APART_min = 40.0
_NOTICED = 0.04  # of a calibration factor of image over truth


def whole_hours(minutes: float) -> int:
    """The whole number of hours that a difference of clocks is, 0 if it is none.

    Examples
    --------
    >>> whole_hours(61.5), whole_hours(-119.0), whole_hours(45.0), whole_hours(1.0)
    (1, -2, 0, 0)
    """
    hours = round(minutes / 60.0)
    return hours if 0 < abs(hours) <= _MOST_HOURS and abs(minutes - 60 * hours) <= _NEAR_min else 0


def clock_warnings(scan: ReadScan) -> list[str]:
    """Contradictions between the times of one scan, one sentence each."""
    found = [*_zones(scan), *_header_activity(scan), *_within_header(scan), *_ct(scan)]
    return [f"{scan.file.name}: {text}" for text in found]


def _zones(scan: ReadScan) -> list[str]:
    """Another offset from UTC in PHANTOM.json than in the header, as after the change to summer time."""
    here = scan.moment.utcoffset()
    if here is None or "as written" in scan.clock.decision:
        return []
    for key, fill in scan.file.fills.items():
        offset = fill.time.utcoffset()
        if offset is not None and offset != here:
            hours = (offset - here).total_seconds() / 3600
            return [
                f"the time of 'fills.{key}' is written {abs(hours):g} h {'east' if hours > 0 else 'west'} of the zone "
                f"of the images ({fill.time.isoformat()} and {scan.moment.isoformat()}): a clock error of "
                f"{abs(hours):g} h, unless they are from different zones."
            ]
    return []


def _header_activity(scan: ReadScan) -> list[str]:
    """The header's activity and time against what was filled."""
    dataset, where = scan.series.headers[0].dataset, scan.series.label
    item = drug_item(dataset, where)
    if item is None:
        return []
    try:
        start = scan.clock.date_time(item, "RadiopharmaceuticalStartDateTime")
        dose = number(item, "RadionuclideTotalDose", where)
    except PRRTError:
        return []
    if start is None:
        return []
    for key, fill in scan.file.fills.items():
        minutes = (start - in_zone(fill.time, scan.clock)).total_seconds() / 60
        same = dose is not None and any(
            abs(dose * unit / fill.activity_MBq - 1) < _SAME_ACTIVITY for unit in (1.0, 1e-6, 1e3)
        )
        if (same and abs(minutes) > _NEAR_min) or (not same and whole_hours(minutes)):
            hours = whole_hours(minutes)
            error = f"a clock error of {abs(hours)} h" if hours else "one of them is wrong"
            return [
                f"the header has the activity at {start.isoformat()}, 'fills.{key}' at {fill.time.isoformat()}, "
                f"{abs(minutes):.0f} min apart: {error}."
            ]
    return []


def _within_header(scan: ReadScan) -> list[str]:
    """Acquisition and series, which begin together."""
    dataset = scan.series.headers[0].dataset
    try:
        series = scan.clock.moment(dataset, "SeriesDate", "SeriesTime")
        own = scan.clock.moment(dataset, "AcquisitionDate", "AcquisitionTime")
    except PRRTError:
        return []
    if series is None or own is None:
        return []
    hours = whole_hours((own - series).total_seconds() / 60)
    if not hours:
        return []
    return [
        f"acquisition ({own.isoformat()}) and series ({series.isoformat()}) of the header are {abs(hours)} h apart: a "
        f"clock error of {abs(hours)} h, unless the series was begun so much earlier."
    ]


def _ct(scan: ReadScan) -> list[str]:
    """The CT, which is made just before or after."""
    if scan.ct_series is None or scan.ct_series.started is None or scan.series.started is None:
        return []
    minutes = (scan.series.started - scan.ct_series.started).total_seconds() / 60
    if abs(minutes) <= _CT_APART_min:
        return []
    return [
        f"emission image and CT began {abs(minutes):.0f} min apart by their headers: a clock error of about "
        f"{max(1, round(abs(minutes) / 60))} h, unless the phantom lay there for so long."
    ]


def decay_warning(scans: Sequence[ReadScan], calibration: CalibrationFactor, nuclide_name: str) -> list[str]:
    """Whether the calibration of images in Bq/mL is off by just the decay of whole hours."""
    if not scans or scans[0].kind == COUNTS:
        return []
    half_life_h = nuclide(nuclide_name).half_life_h
    off = math.log(calibration.factor)
    if scans[0].kind != CONCENTRATION or abs(off) < _NOTICED:
        return []
    hours = -off / math.log(2.0) * half_life_h
    near = round(hours)
    allowed = max(3 * calibration.u_relative, 0.02) / math.log(2.0) * half_life_h
    if near and abs(near) <= 3 and abs(hours - near) < min(allowed, 0.2):
        return [
            f"The images hold {calibration.factor:.3f} of what was filled, which is the decay of {hours:+.2f} h: a "
            f"clock error of {abs(near)} h between dose calibrator and camera would explain it."
        ]
    return []


def moment_words(moment: datetime) -> str:
    """Date and time for tables."""
    return moment.isoformat(sep=" ", timespec="minutes")
