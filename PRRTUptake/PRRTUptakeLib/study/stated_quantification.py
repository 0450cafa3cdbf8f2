"""What a case file states of a visit's quantification where the image's header is silent or wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from PRRTUptakeLib.dicom.dead_time import dead_time_factor
from PRRTUptakeLib.dicom.errors import DicomError, OverrideError, TimeError
from PRRTUptakeLib.dicom.operator_overrides import (
    CONFIRMABLE,
    DEAD_TIME_MODELS,
    TIME_BASES,
    Calibration,
    DeadTime,
    OperatorOverrides,
)
from PRRTUptakeLib.dicom.times import Clock, fixed_offset
from PRRTUptakeLib.nuclides.radionuclides import nuclide
from PRRTUptakeLib.study.schema.containers import ListOf, Record
from PRRTUptakeLib.study.schema.fields import Moment, Number, Text, Word
from PRRTUptakeLib.study.schema.place import Place
from PRRTUptakeLib.study.schema.shared_keys import REASON

if TYPE_CHECKING:
    from datetime import datetime

_TIMES = ("injection_time", "acquisition_time", "decay_reference_time", "residual_time")
_MOMENT = "ISO 8601 with its offset from UTC, or else in time_zone."


def _stated(reason: str, **values: Any) -> OperatorOverrides:
    """The key ``quantification``, its values checked one by one, as overrides.

    Raises
    ------
    OverrideError
        If the values contradict each other.
    """
    calibration = None
    if "calibration_cps_per_MBq" in values:
        calibration = Calibration(
            sensitivity_cps_per_MBq=values["calibration_cps_per_MBq"],
            time_basis=values["calibration_time"],
            acquisition_time_s=values.get("acquisition_s"),
        )
    return OperatorOverrides(
        weight_kg=values.get("weight_kg"),
        height_cm=values.get("height_cm"),
        sex=values.get("sex"),
        activity_MBq=values.get("activity_MBq"),
        residual_MBq=values.get("residual_MBq"),
        nuclide=nuclide(values["nuclide"]).name if "nuclide" in values else None,
        time_zone=values.get("time_zone"),
        calibration=calibration,
        dead_time=values.get("dead_time"),
        units=values.get("units"),
        confirmed=values.get("confirmed", ()),
        reason=reason,
        injection_time=values.get("injection_time"),
        acquisition_time=values.get("acquisition_time"),
        decay_reference_time=values.get("decay_reference_time"),
        residual_time=values.get("residual_time"),
    )


def _times_have_zones(values: dict[str, Any], place: Place) -> None:
    """Times without an offset get that of ``time_zone``, in place."""
    zone = values.get("time_zone")
    for name in _TIMES:
        moment: datetime | None = values.get(name)
        if moment is None:
            continue
        where = place.key(name)
        if moment.tzinfo is None and zone is None:
            where.stop(f"{where.name} has no zone: write its offset (...T10:30+01:00), or give 'time_zone'.")
        try:
            values[name] = (
                fixed_offset(moment) if moment.tzinfo else Clock(ZoneInfo(str(zone)), "", "").at(moment, where.name)
            )
        except TimeError as error:
            where.stop(str(error))


def _times_are_in_order(values: dict[str, Any], place: Place) -> None:
    if "injection_time" in values and "acquisition_time" in values:
        minutes = (values["acquisition_time"] - values["injection_time"]).total_seconds() / 60
        if minutes < 0:
            where = place.key("acquisition_time").name
            place.stop(f"{where} is {-minutes:g} min before 'injection_time': correct one of them.")


def _known_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise OverrideError(f"The time zone '{name}' is not known: use a name such as Europe/Amsterdam.") from None


def _calibration_is_whole(values: dict[str, Any], place: Place) -> None:
    if "calibration_cps_per_MBq" in values and "calibration_time" not in values:
        place.stop(
            f"the key {place.key('calibration_time').name} is missing: say whether voxel counts are those of the total "
            "acquisition or per-view (a factor of the number of views)."
        )
    for key in ("calibration_time", "acquisition_s"):
        if key in values and "calibration_cps_per_MBq" not in values:
            place.stop(f"{place.key(key).name} has no effect without 'calibration_cps_per_MBq': give it, or remove it.")


def _activities_are_possible(values: dict[str, Any], place: Place) -> None:
    residual, given = values.get("residual_MBq"), values.get("activity_MBq")
    if residual and "residual_time" not in values:
        place.stop(f"the key {place.key('residual_time').name} is missing: when was the residual activity measured?")
    if residual is not None and given is not None and residual >= given:
        place.key("residual_MBq").refuse(residual, f"below the administered activity ({given:g} MBq)")
    for n, key in enumerate(values.get("confirmed", ())):
        if key not in values:
            place.key("confirmed").item(n).refuse(key, "a value that is stated here")
    if set(values) <= {"reason"}:
        place.stop(f"{place.name} states nothing but its reason: add what is stated, or remove it.")


def _rate_is_possible(values: dict[str, Any], place: Place) -> None:
    try:
        dead_time_factor(DeadTime(**values))
    except DicomError as error:
        place.stop(f"{place.name}: {error}")


_DEAD_TIME = Record(
    about="Dead time of the camera during this acquisition; the counts that it lost are added.",
    make=DeadTime,
    rules=(_rate_is_possible,),
    required={
        "model": Word(words=DEAD_TIME_MODELS, about="How the camera is blind after an event."),
        "tau_us": Number(low=0, high=1000, above=True, unit="microseconds", about="Dead time of one event"),
        "observed_cps": Number(low=0, high=1e8, above=True, unit="counts per second", about="Count rate it showed"),
    },
)
QUANTIFICATION = Record(
    about="Stated where the image's header is silent or wrong; goes before the header, and is kept with its reason.",
    wanted="an object with the key reason and what is stated",
    rules=(_calibration_is_whole, _activities_are_possible, _times_have_zones, _times_are_in_order),
    make=_stated,
    more={
        "dependentRequired": {
            "calibration_cps_per_MBq": ["calibration_time"],
            "calibration_time": ["calibration_cps_per_MBq"],
            "acquisition_s": ["calibration_cps_per_MBq"],
        },
        "minProperties": 2,
    },
    required={"reason": REASON},
    optional={
        "calibration_cps_per_MBq": Number(
            low=0, high=1e6, above=True, unit="counts per second and MBq", about="Sensitivity of the gamma camera"
        ),
        "calibration_time": Word(
            words=TIME_BASES,
            about="Whether voxels hold counts of the whole acquisition (total), of one view, or per second (rate).",
        ),
        "acquisition_s": Number(low=0, high=1e6, above=True, unit="s", about="That time, where the header is wrong"),
        "dead_time": _DEAD_TIME,
        "weight_kg": Number(low=1, high=300, unit="kg", about="Weight of the patient"),
        "height_cm": Number(low=20, high=250, unit="cm", about="Height of the patient"),
        "sex": Word(words=("M", "F", "O"), about="Of the patient."),
        "activity_MBq": Number(low=1, high=1e5, unit="MBq", about="Administered activity at the time of injection"),
        "residual_MBq": Number(low=0, high=1e5, unit="MBq", about="Left in syringe or catheter; it is subtracted"),
        "residual_time": Moment(about=f"When the residual activity was measured, {_MOMENT}"),
        "injection_time": Moment(about=f"Start of the injection, {_MOMENT}"),
        "acquisition_time": Moment(about=f"Start of the acquisition, {_MOMENT}"),
        "decay_reference_time": Moment(about=f"Moment to which a PET series was decay corrected, {_MOMENT}"),
        "time_zone": Text(
            rule=_known_zone, about="IANA name, such as Europe/Amsterdam, for headers and times without an offset."
        ),
        "units": Text(
            about="What stored values are, where the image does not say it: Bq/ml, counts, cps, g/ml{SUVbw}."
        ),
        "confirmed": ListOf(
            item=Word(words=CONFIRMABLE),
            most=len(CONFIRMABLE),
            about="Stated values that hold although header or protocol contradict them by the factor of a unit.",
        ),
        "nuclide": Text(rule=nuclide, about="Radionuclide, such as Lu-177."),
    },
)


def keys_of(stated: OperatorOverrides) -> dict[str, Any]:
    """Overrides as the key ``quantification`` holds them, moments in ISO 8601; `overrides_of` reads them again.

    Where no reason was given, that is the reason.
    """
    plain = ("weight_kg", "height_cm", "sex", "activity_MBq", "residual_MBq", "nuclide", "time_zone", "units")
    found: dict[str, Any] = {"reason": stated.reason.strip() or "no reason given"} | {
        name: getattr(stated, name) for name in plain
    }
    for name in _TIMES:
        moment = getattr(stated, name)
        found[name] = moment.isoformat() if moment is not None else None
    if stated.calibration is not None:
        found["calibration_cps_per_MBq"] = stated.calibration.sensitivity_cps_per_MBq
        found["calibration_time"] = stated.calibration.time_basis
        found["acquisition_s"] = stated.calibration.acquisition_time_s
    found["dead_time"] = asdict(stated.dead_time) if stated.dead_time is not None else None
    found["confirmed"] = list(stated.confirmed) or None
    return {name: value for name, value in found.items() if value is not None}


def overrides_of(keys: dict[str, Any], where: str) -> OperatorOverrides:
    """Overrides from the values of the key ``quantification``, checked as those of a case file.

    Parameters
    ----------
    where : what holds them, for messages.

    Raises
    ------
    PRRTError
        If a value cannot be.
    """
    stated: OperatorOverrides = QUANTIFICATION.read(keys, Place(file=where, path="quantification"))
    return stated
