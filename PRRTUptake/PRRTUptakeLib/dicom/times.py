"""Moments from DICOM dates, times and zone offsets.

DICOM PS3.5 section 6.2 (VR DA, TM, DT) and PS3.3 C.12.1.1.8 (Timezone Offset From UTC). A date or time without an
offset is meant in the zone of Timezone Offset From UTC (0008,0201); if that is absent, in the zone that the operator
names; if there is none either, times are taken as written with UTC attached, which leaves every interval within the
object right, and is recorded as a decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from PRRTUptakeLib.dicom.errors import TimeError
from PRRTUptakeLib.dicom.headers import items, label, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")  # with dots in the forerunner of DICOM
_TIME = re.compile(r"(\d{2}):?(\d{2})(?::?(\d{2})(?:[.](\d{1,6}))?)?")
_MOMENT = re.compile(r"(\d{8})(\d{4}(?:\d{2}(?:[.]\d{1,6})?)?)([+-]\d{4})?")
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")


@dataclass(frozen=True)
class Clock:
    """How the dates and times of one object are read: its zone, and the sentence that records how that was decided."""

    zone: tzinfo
    decision: str
    where: str

    def moment(self, dataset: Dataset, date_keyword: str, time_keyword: str) -> datetime | None:
        """Date and time attributes joined; None if either is absent. Raises TimeError if one is impossible."""
        date, time = text(dataset, date_keyword, self.where), text(dataset, time_keyword, self.where)
        if not date or not time:
            return None
        day = parse_date(date, f"{label(date_keyword)} of {self.where}")
        return self.at(day + parse_time(time, f"{label(time_keyword)} of {self.where}"), f"{label(time_keyword)}")

    def date_time(self, dataset: Dataset, keyword: str) -> datetime | None:
        """A DT attribute; its own offset, where it has one, goes before the zone of the object. None if absent."""
        value = text(dataset, keyword, self.where)
        return self.parse(value, f"{label(keyword)} of {self.where}") if value else None

    def parse(self, value: str, name: str) -> datetime:
        """A moment written as YYYYMMDDHHMMSS.FFFFFF with or without its offset. Raises TimeError if it is not one."""
        found = _MOMENT.fullmatch(value)
        if not found:
            raise TimeError(f"{name} is '{value}', which is not a date with a time of day (YYYYMMDDHHMMSS).")
        local = parse_date(found[1], name) + parse_time(found[2], name)
        if found[3]:
            return local.replace(tzinfo=parse_offset(found[3], name))
        return self.at(local, name)

    def at(self, local: datetime, name: str) -> datetime:
        """A wall-clock time in this zone. Raises TimeError where the clocks are changed and it is not unique."""
        early, late = local.replace(tzinfo=self.zone), local.replace(tzinfo=self.zone, fold=1)
        if early.utcoffset() != late.utcoffset():
            raise TimeError(
                f"{name}: {local} does not exist or occurs twice in {self.zone}, where the clocks change: "
                "state the time with its offset from UTC."
            )
        return fixed_offset(early)


def fixed_offset(moment: datetime) -> datetime:
    """The same moment with its offset from UTC instead of a named zone.

    Python subtracts two datetimes of one named zone by the clock on the wall, so a night in which the clocks change
    would lose or gain its hour.
    """
    return moment.astimezone(timezone(moment.utcoffset() or timedelta(0)))


@dataclass(frozen=True)
class ImageTime:
    """The moment for which an image holds, and the attributes that state it, for messages."""

    time: datetime
    name: str


def clock_of(dataset: Dataset, where: str, zone_name: str | None = None) -> Clock:
    """Decide in which zone the times of an object are.

    Parameters
    ----------
    dataset : the object.
    where : names the file or series in messages.
    zone_name : IANA name, for instance ``Europe/Amsterdam``, for objects that do not state their offset.

    Raises
    ------
    TimeError
        If the stated offset is impossible or the named zone unknown.
    """
    named = None if zone_name is None else _named_zone(zone_name)  # a name that is none is never passed over
    offset = text(dataset, "TimezoneOffsetFromUTC", where)
    if offset:
        zone = parse_offset(offset, f"{label('TimezoneOffsetFromUTC')} of {where}")
        return Clock(zone, f"Times are at {offset} from UTC, as {label('TimezoneOffsetFromUTC')} states.", where)
    if named is not None:
        return Clock(named, f"Times are in the zone {zone_name}, as the operator stated.", where)
    offset = _stated_in_passing(dataset, where)
    if offset:
        note = f"No time zone is stated for the object: times are taken at {offset} from UTC, as one of them states."
        return Clock(parse_offset(offset, f"The offset of a time of {where}"), note, where)
    return Clock(timezone.utc, "No time zone is stated: times are taken as written, with UTC attached.", where)


def _named_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeError(f"The time zone '{name}' is not known: use a name such as Europe/Amsterdam.") from error


def operator_moment(value: str, clock: Clock, name: str) -> datetime:
    """A moment that an operator wrote in ISO 8601; without an offset it is meant in the zone of ``clock``.

    Raises
    ------
    TimeError
        If it is no date with a time of day.

    Examples
    --------
    >>> operator_moment("2025-01-02T10:30", Clock(timezone.utc, "", ""), "injection time").isoformat()
    '2025-01-02T10:30:00+00:00'
    """
    try:
        if len(value.strip()) < len("2025-01-02T10"):
            raise ValueError
        found = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        raise TimeError(
            f"The {name} '{value}' is not a date with a time (2025-01-31T10:30 or ...T10:30+01:00)."
        ) from None
    return fixed_offset(found) if found.tzinfo is not None else clock.at(found, f"The {name}")


def _stated_in_passing(dataset: Dataset, where: str) -> str:
    """The offset that a date-time attribute of the object carries, "" if none does."""
    holders = (dataset, *items(dataset, "RadiopharmaceuticalInformationSequence", where)[:1])
    for holder in holders:
        for keyword in ("AcquisitionDateTime", "RadiopharmaceuticalStartDateTime"):
            found = _MOMENT.fullmatch(text(holder, keyword, where))
            if found and found[3]:
                return found[3]
    return ""


def parse_date(value: str, name: str) -> datetime:
    """A DA value as midnight of that day, without a zone.

    Examples
    --------
    >>> parse_date("20250102", "Study Date").isoformat()
    '2025-01-02T00:00:00'
    """
    found = _DATE.fullmatch(value.strip())
    try:
        if found:
            return datetime(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass
    raise TimeError(f"{name} is '{value}', which is not a date (YYYYMMDD).")


def parse_time(value: str, name: str) -> timedelta:
    """A TM value, at least hours and minutes, as the time since midnight.

    Examples
    --------
    >>> parse_time("233000.5", "Study Time").total_seconds()
    84600.5
    """
    found = _TIME.fullmatch(value.strip())
    if found:
        hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
        if hours < 24 and minutes < 60 and seconds <= 60:  # 60 in a leap second
            fraction = int((found[4] or "").ljust(6, "0"))
            return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=fraction)
    raise TimeError(f"{name} is '{value}', which is not a time of day (HHMMSS).")


def parse_offset(value: str, name: str) -> timezone:
    """An offset from UTC as ``+0200``; DICOM allows -1200 to +1400.

    Examples
    --------
    >>> parse_offset("-0330", "Offset")
    datetime.timezone(datetime.timedelta(days=-1, seconds=73800))
    """
    found = _OFFSET.fullmatch(value.strip())
    if found and int(found[3]) < 60:
        minutes = int(found[2]) * 60 + int(found[3])
        minutes = -minutes if found[1] == "-" else minutes
        if -720 <= minutes <= 840:
            return timezone(timedelta(minutes=minutes))
    raise TimeError(f"{name} is '{value}', which is not an offset from UTC (such as +0200).")
