"""Dates in prose, however they are written, moved by the days by which a patient's dates are moved.

A date with a year of four digits is found whoever's it is; one with a year of two digits, or in digits without anything
between them, only if it is a known date of the patient, since it may be any number. Times of day stay.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

_MONTHS = (
    ("jan", "ene", "gen"),
    ("feb", "fev"),
    ("mar", "mrt", "maa"),
    ("apr", "avr", "abr"),
    ("mai", "may", "mei", "mag"),
    ("jun", "juin", "giu"),
    ("jul", "juil", "lug"),
    ("aug", "aou", "ago"),
    ("sep", "set"),
    ("oct", "okt", "out", "ott"),
    ("nov",),
    ("dec", "dez", "dic"),
)
_MONTH_OF = {word: number for number, words in enumerate(_MONTHS, start=1) for word in words}
_NAME = r"[^\W\d_]{3,10}"
_YEAR = r"(?:19|20)\d\d"
_YEAR_FIRST = rf"(?<!\d)(?<![A-Za-z]\.)(?P<y1>{_YEAR})(?P<s1>[-/._])(?P<m1>\d{{1,2}})(?P=s1)(?P<d1>\d{{1,2}})(?!\d)"
_YEAR_LAST = rf"(?<![\d.])(?P<a2>\d{{1,2}})(?P<s2>[-/._])(?P<b2>\d{{1,2}})(?P=s2)(?P<y2>{_YEAR})(?![\d])"
_DAY_MONTH = rf"(?<!\d)(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?[-._ ]{{0,2}}(?P<m3>{_NAME})[-._, ]{{0,2}}(?P<y3>{_YEAR})(?!\d)"
_MONTH_DAY = (
    rf"(?<![^\W\d_])(?P<m4>{_NAME})[-._ ]{{0,2}}(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?[-._, ]{{1,2}}(?P<y4>{_YEAR})(?!\d)"
)
_FULL = re.compile("|".join((_YEAR_FIRST, _YEAR_LAST, _DAY_MONTH, _MONTH_DAY)), re.IGNORECASE)
_KNOWN_FORMS = ("%Y%m%d", "%d%m%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y", "%d_%m_%y", "%m/%d/%y", "%m-%d-%y", "%y-%m-%d")
_CLOCK = r"(?=\d{6}\.\d|(?:\d{4}(?:\d\d)?)?(?![.,]?\d))"  # a time may follow a date in digits


@dataclass(frozen=True)
class DateShift:
    """Moves the dates in a text.

    Attributes
    ----------
    shift : how far into the past.
    known : dates of the patient, as they are in DICOM (YYYYMMDD).

    Examples
    --------
    >>> shift = DateShift(timedelta(days=10), frozenset(["20240417"]))
    >>> shift.text("17.04.2024, 17 April 2024, 2024/4/17, 17.04.24, 20240417123000; 1.5.2024; 16.04.24")
    '07.04.2024, 7 April 2024, 2024/4/7, 07.04.24, 20240407123000; 21.4.2024; 16.04.24'
    """

    shift: timedelta
    known: frozenset[str] = frozenset()

    def text(self, text: str) -> str:
        """The text with its dates moved, each in the form in which it was written."""
        if not any(letter.isdigit() for letter in text):
            return text
        found = [*self._full(text), *self._in_short(text)]
        parts, end = [], 0
        for first, last, written in sorted(found):
            if first >= end:
                parts += [text[end:first], written]
                end = last
        return "".join([*parts, text[end:]])

    def _full(self, text: str) -> list[tuple[int, int, str]]:
        moved = []
        for one in _FULL.finditer(text):
            written = self._moved(one)
            if written is not None:
                moved.append((one.start(), one.end(), written))
        return moved

    def _moved(self, one: re.Match[str]) -> str | None:
        """What replaces a date with a full year; None where the digits are no date."""
        parts = one.groupdict()
        if parts["y1"]:
            day = _day(parts["y1"], parts["m1"], parts["d1"])
            return None if day is None else self._joined(day, parts["s1"], ("y", "m", "d"), (parts["m1"], parts["d1"]))
        if parts["y2"]:
            written = (parts["a2"], parts["b2"])
            orders = (("d", "m", "y"), ("m", "d", "y"))
            days = [_day(parts["y2"], *pair) for pair in (written[::-1], written)]
            known = [day is not None and day.strftime("%Y%m%d") in self.known for day in days]
            chosen = 1 if days[0] is None or (known[1] and not known[0]) else 0
            day = days[chosen]
            return None if day is None else self._joined(day, parts["s2"], orders[chosen], written)
        year, month, number = (parts[f"{key}3"] or parts[f"{key}4"] for key in "ymd")
        day = _day(year, str(_month(month)), number)
        if day is None:
            return None
        moved = day - self.shift
        return f"{moved.day} {moved:%B} {moved.year}"

    def _joined(self, day: datetime, separator: str, order: tuple[str, ...], written: tuple[str, str]) -> str:
        """A moved day in digits, with zeros before them if there were any or may have been."""
        moved = day - self.shift
        width = 1 if any(len(one) == 1 for one in written) else 2
        shown = {"y": str(moved.year), "m": f"{moved.month:0{width}}", "d": f"{moved.day:0{width}}"}
        return separator.join(shown[key] for key in order)

    def _in_short(self, text: str) -> list[tuple[int, int, str]]:
        if self._short is None:
            return []
        pattern, moved = self._short
        return [(one.start(), one.end(), moved[one[0]]) for one in pattern.finditer(text)]

    @cached_property
    def _short(self) -> tuple[re.Pattern[str], dict[str, str]] | None:
        """What finds the known dates in short forms, and what replaces them."""
        days = [datetime.strptime(one, "%Y%m%d") for one in sorted(self.known)]
        if not days:
            return None
        moved = {day.strftime(form): (day - self.shift).strftime(form) for form in _KNOWN_FORMS for day in days}
        words = "|".join(re.escape(word) + (_CLOCK if word.isdigit() else r"(?!\d)") for word in moved)
        return re.compile(rf"(?<!\d)(?<!\d\.)(?:{words})"), moved


def _month(word: str) -> int:
    """The number of a month by its name in any of some languages; 0 if it is none."""
    plain = "".join(one for one in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(one))
    return _MONTH_OF.get(plain[:4], _MONTH_OF.get(plain[:3], 0))


def _day(year: str, month: str, day: str) -> datetime | None:
    try:
        return datetime(int(year), int(month), int(day))
    except ValueError:
        return None
