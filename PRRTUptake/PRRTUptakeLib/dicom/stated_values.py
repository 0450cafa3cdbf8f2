"""What a case file or a form states about one visit, as text and numbers: checked, and made ``OperatorOverrides``.

    "inputs": {"calibration": {"cps_per_MBq": 9.4, "time_basis": "total", "acquisition_s": 1200},
               "weight_kg": 71.5, "height_cm": 176, "sex": "F",
               "activity_MBq": 7400, "injection_time": "2025-03-10T09:30", "time_zone": "Europe/Amsterdam",
               "residual_MBq": 12, "residual_time": "2025-03-10T09:50", "units": "counts",
               "dead_time": {"model": "paralysable", "tau_us": 0.5, "observed_cps": 40000},
               "confirmed": ["activity_MBq"], "reason": "the header was anonymised"}

Times without an offset are meant in ``time_zone``, else in the zone of the series. Values go before those of the
header, each is recorded with the reason, and a factor of a unit between the two is refused (see ``header_check``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydicom.dataset import Dataset

from PRRTUptakeLib.dicom.errors import OverrideError
from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
from PRRTUptakeLib.dicom.times import clock_of, operator_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.dicom.series import Series

NUMBERS = ("weight_kg", "height_cm", "activity_MBq", "residual_MBq")
TIMES = ("injection_time", "acquisition_time", "decay_reference_time", "residual_time")
WORDS = ("sex", "nuclide", "time_zone", "units", "reason")
_CALIBRATION = {"cps_per_MBq": True, "time_basis": True, "acquisition_s": False}
_DEAD_TIME = {"model": True, "tau_us": True, "observed_cps": True}
KEYS = (*NUMBERS, *TIMES, *WORDS, "calibration", "dead_time", "confirmed")


@dataclass(frozen=True)
class StatedValues:
    """What an operator states about one visit; times are resolved once the series, and so its zone, is known.

    Attributes
    ----------
    plain : arguments of ``OperatorOverrides`` other than times.
    times : by field of ``OperatorOverrides``, as written in ISO 8601.
    where : names the place in messages, for instance ``case.json, visits[0].inputs``.
    """

    plain: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    where: str = "the operator's inputs"

    def __bool__(self) -> bool:
        return bool(self.plain or self.times)

    @classmethod
    def from_mapping(cls, content: Any, where: str) -> StatedValues:
        """Check a JSON object with the keys ``KEYS``.

        Raises
        ------
        OverrideError
            Naming the key that is unknown, missing, of the wrong kind or impossible, and ``where``.
        """
        given = _object(content, dict.fromkeys(KEYS, False), where)
        plain: dict[str, Any] = {name: _number(given[name], f"{where}.{name}") for name in NUMBERS if name in given}
        plain |= {name: _word(given[name], f"{where}.{name}") for name in WORDS if name in given}
        times = {name: _word(given[name], f"{where}.{name}") for name in TIMES if name in given}
        if "calibration" in given:
            plain["calibration"] = _calibration(given["calibration"], f"{where}.calibration")
        if "dead_time" in given:
            plain["dead_time"] = _dead_time(given["dead_time"], f"{where}.dead_time")
        if "confirmed" in given:
            plain["confirmed"] = _words(given["confirmed"], f"{where}.confirmed")
        if (plain or times) and not plain.get("reason"):
            raise OverrideError(f"{where}: the key 'reason' is missing: say in words why values are stated.")
        found = cls(plain, times, where)
        found.check()
        return found

    def check(self) -> None:
        """See that the values are possible, as far as they do not depend on a series.

        Raises
        ------
        OverrideError
            Naming the value and ``where``.
        """
        zone = self.plain.get("time_zone")
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise OverrideError(
                    f"{self.where}.time_zone: '{zone}' is not a time zone: use a name such as Europe/Amsterdam."
                ) from error
        try:
            later = {"residual_MBq": None} if "residual_time" in self.times else {}
            OperatorOverrides(**{**self.plain, **later})
        except OverrideError as error:
            raise OverrideError(f"{self.where}: {error}") from error

    def for_series(self, series: Series) -> OperatorOverrides:
        """The inputs for one series, whose zone holds for times without an offset.

        Raises
        ------
        PRRTError
            If a time is none, or does not exist in that zone.
        """
        clock = clock_of(series.headers[0].dataset, series.label, self.plain.get("time_zone"))
        if "time_zone" in self.plain:  # for what the operator writes it goes before the zone of the object
            clock = clock_of(Dataset(), self.where, self.plain["time_zone"])
        moments: dict[str, Any] = {
            name: operator_moment(written, clock, f"{self.where}.{name}") for name, written in self.times.items()
        }
        return OperatorOverrides(**self.plain, **moments)

    def facts(self) -> dict[str, Any]:
        """Plain values for the provenance."""
        plain = {name: getattr(value, "__dict__", value) for name, value in self.plain.items()}
        return {**plain, **self.times}

    @property
    def sentences(self) -> tuple[str, ...]:
        """For the report: what was stated and why."""
        if not self:
            return ()
        named = ", ".join(name for name in (*self.plain, *self.times) if name not in ("reason", "confirmed"))
        return (f"Stated by the operator ({self.where}): {named}. Reason: {self.plain.get('reason', 'not given')}.",)


def _object(content: Any, keys: Mapping[str, bool], where: str) -> dict[str, Any]:
    """A JSON object with these keys; those that map to True are required."""
    if not isinstance(content, dict):
        raise OverrideError(f"{where} must be an object with keys, not {content!r}.")
    unknown = sorted(set(content) - set(keys))
    if unknown:
        raise OverrideError(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(keys)}.")
    missing = [name for name, needed in keys.items() if needed and name not in content]
    if missing:
        raise OverrideError(f"{where}: the key '{missing[0]}' is missing.")
    return content


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OverrideError(f"{where} must be a number, not {value!r}.")
    return float(value)


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OverrideError(f"{where} must be text, not {value!r}.")
    return value.strip()


def _words(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise OverrideError(f'{where} must be a list of keys such as ["activity_MBq"], not {value!r}.')
    return tuple(_word(one, where) for one in value)


def _calibration(content: Any, where: str) -> Calibration:
    given = _object(content, _CALIBRATION, where)
    seconds = _number(given["acquisition_s"], f"{where}.acquisition_s") if "acquisition_s" in given else None
    try:
        sensitivity = _number(given["cps_per_MBq"], f"{where}.cps_per_MBq")
        return Calibration(sensitivity, _word(given["time_basis"], f"{where}.time_basis"), seconds)
    except OverrideError as error:
        raise OverrideError(str(error) if where in str(error) else f"{where}: {error}") from error


def _dead_time(content: Any, where: str) -> DeadTime:
    given = _object(content, _DEAD_TIME, where)
    try:
        numbers = [_number(given[name], f"{where}.{name}") for name in ("tau_us", "observed_cps")]
        return DeadTime(_word(given["model"], f"{where}.model"), *numbers)
    except OverrideError as error:
        raise OverrideError(str(error) if where in str(error) else f"{where}: {error}") from error
