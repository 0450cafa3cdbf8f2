"""Whose results they are, and prose cleared of it: names and ids, dates, and UIDs in reports, labels and file names.

Times of day stay. Dates are shifted as those of the DICOM objects are, the day of the analysis with them: known beside
its shifted self it would give the shift away.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.export.deidentify_dates import DateShift
from PRRTUptakeLib.segmentation.codes import known_structures
from PRRTUptakeLib.segmentation.segments import LOBES, ROLES
from PRRTUptakeLib.study.measurements import COLUMNS
from PRRTUptakeLib.vocabulary import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydicom.dataset import Dataset

_SHORTEST = 3  # letters of a name that are looked for in text
_LONG_NUMBER = 5  # digits of an id that are looked for behind letters and zeros, too
_UID = re.compile(r"(?<![\d.])[0-2](?:\.(?:0|[1-9]\d*)){5,}(?![\d.]*\d)")
_IN_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ø": "oe"})
_TAG = re.compile(r"(<[^>]*>)")
_LABEL = re.compile(r'(?<=aria-label=")[^"]*')
_ID_KEYWORDS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "AdmissionID")
_PLACES = ("InstitutionName", "StationName")
_DATE_KEYWORDS = ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
# A name that is a word of our tables cannot be distinguished from it; replacing it would break them.
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
    dates : of the patient, as they are in DICOM (YYYYMMDD).
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
            persons = [element.keyword for element in ds if element.VR == "PN" and element.keyword]
            for name in chain.from_iterable(_values(ds, keyword) for keyword in (*_PLACES, *persons)):
                words += [name, *_parts_of_name(name)]
            for keyword in _DATE_KEYWORDS:
                dates.update(value[:8] for value in _values(ds, keyword) if _day(value[:8], "%Y%m%d"))
        patient_id = next((one for one in (*ids, *more) if one), "")
        return cls(patient_id, tuple(dict.fromkeys([*words, *more])), frozenset(dates))

    def pattern(self) -> re.Pattern[str] | None:
        """What finds any of the words, whole, whatever its case; None if there is none to look for."""
        found = {word for word in self.words if len(word) >= _SHORTEST and word.lower() not in _OURS}
        if not found:
            return None
        spelt = set(chain.from_iterable(_spellings(word) for word in found))
        longest_first = "|".join(_not_in_number(word) for word in sorted(spelt, key=len, reverse=True))
        numbers = [word.lstrip("0") for word in found if word.isdigit() and len(word.lstrip("0")) >= _LONG_NUMBER]
        padded = "".join(rf"|(?<![\d.,])0*{word}(?!\d|[.,]\d)" for word in numbers)  # ID0012345
        return re.compile(rf"(?<![^\W_])(?:{longest_first})(?:'s)?(?![^\W_]){padded}", re.IGNORECASE)


@dataclass(frozen=True)
class Cleaner:
    """Frees text of one identity.

    Attributes
    ----------
    identity : what is looked for.
    subject : what replaces names and ids.
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
        text = self._dates.text(text)
        return self.words(text)

    def words(self, text: str) -> str:
        """Text with names and ids replaced only."""
        return text if self._pattern is None else self._pattern.sub(self.subject, text)

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

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return self.identity.pattern()

    @cached_property
    def _dates(self) -> DateShift:
        return DateShift(self.shift, self.identity.dates)


def _day(written: str, form: str) -> datetime | None:
    """The day; None for digits that are no date."""
    try:
        return datetime.strptime(written, form)
    except ValueError:
        return None


def _parts_of_name(name: str) -> list[str]:
    """What a person may be called by: each part of the name, of a double name too, and any two in either order."""
    parts = [part for part in re.split(r"[\^= ,]+", name) if part]
    pairs = [f"{one}{join}{two}" for one in parts for two in parts for join in ("", " ", ", ") if one != two]
    return [*parts, *pairs, *(half for part in parts if "-" in part for half in part.split("-"))]


def _spellings(word: str) -> set[str]:
    """A word as typed, in the letters of ASCII (Müller: Mueller, Muller), and as in HTML."""
    composed = unicodedata.normalize("NFC", word)
    parted = unicodedata.normalize("NFD", composed)
    bare = "".join(letter for letter in parted if not unicodedata.combining(letter))
    found = {word, composed, parted, bare, composed.translate(_IN_ASCII), bare.translate(_IN_ASCII)}
    return found | {escape(one) for one in found}


def _not_in_number(word: str) -> str:
    """A pattern of the word; digits alone, such as an id 123, are not looked for in the decimals of 0.123."""
    return rf"(?<!\d[.,]){word}(?![.,]\d)" if word.isdigit() else re.escape(word)


def _values(ds: Dataset, keyword: str) -> list[str]:
    value = ds.get(keyword)
    if not value:
        return []
    many = not isinstance(value, str) and hasattr(value, "__iter__") and not hasattr(value, "family_name")
    return [str(one) for one in (value if many else [value]) if str(one)]
