"""Whose results they are, and prose freed of it: names and ids, dates, and UIDs in reports, labels and file names.

Times of day stay. Dates are shifted as those of the DICOM objects are, the day of the analysis with them: known beside
its shifted self it would give the shift away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.report.data_dictionary import METRICS
from PRRTUptakeLib.segmentation.codes import known_structures
from PRRTUptakeLib.segmentation.segments import LOBES, ROLES
from PRRTUptakeLib.trial.measurements import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydicom.dataset import Dataset

_SHORTEST = 3  # letters of a name that are looked for in text
_UID = re.compile(r"(?<![\d.])[0-2](?:\.(?:0|[1-9]\d*)){5,}(?![\d.]*\d)")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
_TAG = re.compile(r"(<[^>]*>)")
_LABEL = re.compile(r'(?<=aria-label=")[^"]*')
_ID_KEYWORDS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "AdmissionID")
_NAME_KEYWORDS = ("PatientName", "OtherPatientNames", "ReferringPhysicianName", "OperatorsName", "InstitutionName")
_DATE_KEYWORDS = ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
# A name that is a word of our tables cannot be told from it; replacing it would break them.
_OURS = {"prrt", "slicerprrt", "patient", "liver"} | {
    part.lower()
    for word in (*COLUMNS, *ROLES, *LOBES, *METRICS, *(item.key for item in known_structures()))
    for part in re.split(r"[^A-Za-z0-9]+", word)
}


@dataclass(frozen=True)
class Identity:
    """Whose results they are.

    Attributes
    ----------
    patient_id : from which subject and shift follow: the DICOM Patient ID, or that of the case file where it has none.
    words : names and ids to look for in text.
    dates : of the patient, as they stand in DICOM (YYYYMMDD).
    """

    patient_id: str
    words: tuple[str, ...] = ()
    dates: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, objects: Iterable[Dataset], *more: str) -> Identity:
        """The identity that DICOM objects of one patient state; ``more`` are ids from elsewhere, best first."""
        ids: list[str] = []
        words: list[str] = []
        dates: set[str] = set()
        for ds in objects:
            ids.append(str(ds.get("PatientID", "") or ""))
            for keyword in _ID_KEYWORDS:
                words += _values(ds, keyword)
            for keyword in _NAME_KEYWORDS:
                for name in _values(ds, keyword):
                    parts = [part for part in re.split(r"[\^= ,]+", name) if part]
                    pairs = [f"{one}{join}{two}" for one in parts for two in parts for join in (" ", ", ")]
                    words += [name, *parts, *(pairs if len(parts) > 1 else [])]
            for keyword in _DATE_KEYWORDS:
                dates.update(value[:8] for value in _values(ds, keyword) if value[:8].isdigit())
        patient_id = next((one for one in (*ids, *more) if one), "")
        return cls(patient_id, tuple(dict.fromkeys([*words, *more])), frozenset(dates))

    def pattern(self) -> re.Pattern[str] | None:
        """What finds any of the words, whole, whatever its case; None if there is none to look for."""
        found = {word for word in self.words if len(word) >= _SHORTEST and word.lower() not in _OURS}
        if not found:
            return None
        longest_first = "|".join(re.escape(word) for word in sorted(found, key=len, reverse=True))
        return re.compile(rf"(?<![^\W_])(?:{longest_first})(?![^\W_])", re.IGNORECASE)


@dataclass(frozen=True)
class Cleaner:
    """Frees text of one identity.

    Attributes
    ----------
    identity : what is looked for.
    subject : what stands in place of names and ids.
    shift : how far dates go into the past.
    uid : gives the UID in place of another one.
    """

    identity: Identity
    subject: str
    shift: timedelta
    uid: Callable[[str], str]

    def text(self, text: str) -> str:
        """Plain text with UIDs mapped, dates shifted, and names and ids replaced."""
        text = _UID.sub(lambda found: self.uid(found[0]), text)
        text = _ISO_DATE.sub(lambda found: self._shifted(found[1], "%Y-%m-%d"), text)
        if self.identity.dates:
            known = "|".join(sorted(self.identity.dates))
            text = re.sub(rf"(?<!\d)(?:{known})(?!\d)", lambda found: self._shifted(found[0], "%Y%m%d"), text)
        return self.words(text)

    def words(self, text: str) -> str:
        """Text with names and ids replaced only."""
        pattern = self.identity.pattern()
        return text if pattern is None else pattern.sub(self.subject, text)

    def html(self, page: str) -> str:
        """A page or section: what is shown and what is read aloud, but neither tags nor pictures."""
        parts = _TAG.split(page)
        parts[::2] = [self.text(part) for part in parts[::2]]
        parts[1::2] = [_LABEL.sub(lambda found: self.text(found[0]), tag) for tag in parts[1::2]]
        return "".join(parts)

    def plain(self, value: Any) -> Any:
        """JSON values with every text in them cleaned."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        return [self.plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    def _shifted(self, written: str, form: str) -> str:
        try:
            day: date = datetime.strptime(written, form).date()
        except ValueError:
            return written  # digits that are no date
        return (day - self.shift).strftime(form)


def _values(ds: Dataset, keyword: str) -> list[str]:
    value = ds.get(keyword)
    if not value:
        return []
    many = not isinstance(value, str) and hasattr(value, "__iter__") and not hasattr(value, "family_name")
    return [str(one) for one in (value if many else [value]) if str(one)]
