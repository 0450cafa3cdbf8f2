"""How much activity the patient was given, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.header_check import compared_with_header, readable_number
from PRRTUptakeLib.dicom.headers import items, label, number, text
from PRRTUptakeLib.dicom.nm import decay_factor
from PRRTUptakeLib.dicom.operator_overrides import DOUBT
from PRRTUptakeLib.dicom.times import parse_time
from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.nuclides import HeaderNuclide
    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.times import Clock, ImageTime

_MBQ_BELOW = 1e5  # as Bq this would be 0.1 MBq, which nobody can image; as MBq it is 100 GBq
_DOSE_RANGE_BQ = (1e6, 1e11)
_SAME_DAY_HALF_LIFE_S = 10 * 3600.0  # beyond this, scans on a later day are usual and a bare time of day is ambiguous
_MOST_HALF_LIVES = 10.0
_TIME_WORTH_A_DOUBT = 0.01  # relative change of activity
_TIMES_AGREE = timedelta(seconds=60)


@dataclass(frozen=True)
class Administration:
    """Administered activity at ``time``, net of what stayed in syringe or catheter.

    Attributes
    ----------
    activity_Bq : net activity at ``time``.
    net_fraction : net over stated activity; 1 without residual.
    time : injection; None where it is not needed and not known.
    """

    activity_Bq: float
    net_fraction: float
    time: datetime | None
    decisions: tuple[str, ...]


def drug_item(dataset: Dataset, where: str) -> Dataset | None:
    """The one item of Radiopharmaceutical Information Sequence, None if absent.

    Raises
    ------
    DicomError
        If several radiopharmaceuticals were given: which one is imaged is not known.
    """
    found = items(dataset, "RadiopharmaceuticalInformationSequence", where)
    if len(found) > 1:
        raise DicomError(
            f"{label('RadiopharmaceuticalInformationSequence')} of {where} names {len(found)} administrations, "
            "which of them is imaged is not known: export the series with one."
        )
    return found[0] if found else None


def stated_activity(item: Dataset | None, where: str, inputs: OperatorOverrides) -> tuple[float, list[str]]:
    """Administered activity in Bq before any residual is taken off, and the decisions.

    Raises
    ------
    DicomError
        If it is missing or impossible.
    """
    if inputs.activity_MBq is not None:
        stored = readable_number(item, "RadionuclideTotalDose", where)
        header_MBq = None if stored is None else stored if stored < _MBQ_BELOW else stored / 1e6
        notes = compared_with_header("activity_MBq", "MBq", inputs.activity_MBq, header_MBq, inputs)
        return inputs.activity_MBq * 1e6, [f"Administered {inputs.activity_MBq:g} MBq, as the operator stated.", *notes]
    stored = number(item, "RadionuclideTotalDose", where) if item is not None else None
    if stored is None or stored == 0:
        raise DicomError(f"{label('RadionuclideTotalDose')} of {where} is missing: give the administered activity.")
    decisions = []
    activity_Bq = stored
    if 0 < stored < _MBQ_BELOW:
        activity_Bq = stored * 1e6
        decisions.append(f"{label('RadionuclideTotalDose')} is {stored:g}, which can only be MBq.")
    if not _DOSE_RANGE_BQ[0] <= activity_Bq <= _DOSE_RANGE_BQ[1]:
        raise DicomError(
            f"{label('RadionuclideTotalDose')} of {where} is {stored:g}, which is impossible (1 MBq to 100 GBq): "
            "give the administered activity."
        )
    decisions.append(f"Administered {activity_Bq / 1e6:.6g} MBq, from {label('RadionuclideTotalDose')}.")
    return activity_Bq, decisions


def injection_time(
    item: Dataset | None, clock: Clock, image: ImageTime, nuclide: HeaderNuclide, inputs: OperatorOverrides
) -> tuple[datetime | None, list[str]]:
    """When the activity was injected, None if nothing states it; a bare time of day is the last before the image.

    Parameters
    ----------
    item : of Radiopharmaceutical Information Sequence.
    clock : zone of the image's times.
    image : the moment for which the image holds; the injection was before.
    nuclide : its half-life excludes impossible intervals.
    inputs : the operator's word goes first.

    Raises
    ------
    DicomError
        If it is after the image or impossibly long before, its two attributes contradict each other, or only a time
        of day is given for a nuclide that is imaged days later.
    """
    if inputs.injection_time is not None:
        found, note = inputs.injection_time, [f"Injection at {inputs.injection_time.isoformat()}, by the operator."]
        name = "the operator's injection time"
        note += _header_differs(item, clock, image.time, nuclide, found)
    else:
        stated, name, note = _header_injection(item, clock, image.time, nuclide)
        if stated is None:
            return None, []
        found = stated
    elapsed_s = (image.time - found).total_seconds()
    if elapsed_s < 0:
        raise DicomError(
            f"{name} of {clock.where} is {found.isoformat()}, after the image's time {image.time.isoformat()} "
            f"({image.name}): "
            "give the injection time."
        )
    half_life = nuclide.half_life_s
    if half_life and elapsed_s > _MOST_HALF_LIVES * half_life:
        raise DicomError(
            f"{name} of {clock.where} is {found.isoformat()}, {elapsed_s / half_life:.1f} half-lives before the "
            f"image's time {image.time.isoformat()} ({image.name}): one of them is wrong; give the injection time."
        )
    return found, note


def _header_differs(
    item: Dataset | None, clock: Clock, reference: datetime, nuclide: HeaderNuclide, found: datetime
) -> list[str]:
    """A doubt if the header's injection time would change the activity by more than 1 %."""
    try:
        stated, name, _ = _header_injection(item, clock, reference, nuclide)
    except PRRTError:  # what the header says cannot be used, which is why the operator states it
        return []
    if stated is None or nuclide.half_life_s is None:
        return []
    apart_s = abs((stated - found).total_seconds())
    if 1.0 - decay_factor(nuclide.half_life_s, apart_s) <= _TIME_WORTH_A_DOUBT:
        return []
    return [
        f"{DOUBT}{name} says that the injection was at {stated.isoformat()}, the operator {found.isoformat()}, which "
        "is taken."
    ]


def _header_injection(
    item: Dataset | None, clock: Clock, reference: datetime, nuclide: HeaderNuclide
) -> tuple[datetime | None, str, list[str]]:
    if item is None:
        return None, "", []
    full_name, bare_name = label("RadiopharmaceuticalStartDateTime"), label("RadiopharmaceuticalStartTime")
    full = clock.date_time(item, "RadiopharmaceuticalStartDateTime")
    bare = text(item, "RadiopharmaceuticalStartTime", clock.where)
    since_midnight = parse_time(bare, f"{bare_name} of {clock.where}") if bare else None
    if full is not None:
        _check_same_time(full, since_midnight, clock)
        return full, full_name, [f"Injection at {full.isoformat()}, from {full_name}."]
    if since_midnight is None:
        return None, "", []
    if nuclide.half_life_s is not None and nuclide.half_life_s > _SAME_DAY_HALF_LIFE_S:
        raise DicomError(
            f"{bare_name} of {clock.where} is a time of day without its date, and {nuclide.name or 'this nuclide'} "
            "is imaged over days: give the injection time."
        )
    day = reference.astimezone(clock.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found = clock.at(day + since_midnight, bare_name)
    note = f"Injection at {found.isoformat()}, from {bare_name} on the day of the image."
    if found > reference:
        found = clock.at(day - timedelta(days=1) + since_midnight, bare_name)
        note = f"Injection at {found.isoformat()}, from {bare_name} on the day before the image: on the same day it "
        note += "would lie after it."
    return found, bare_name, [note]


def _check_same_time(full: datetime, since_midnight: timedelta | None, clock: Clock) -> None:
    if since_midnight is None:
        return
    local = full.astimezone(clock.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    apart = (local.replace(tzinfo=None) - midnight.replace(tzinfo=None) - since_midnight) % timedelta(days=1)
    if min(apart, timedelta(days=1) - apart) > _TIMES_AGREE:
        raise DicomError(
            f"{label('RadiopharmaceuticalStartDateTime')} ({local.isoformat()}) and "
            f"{label('RadiopharmaceuticalStartTime')} ({since_midnight}) of {clock.where} contradict each other: "
            "give the injection time."
        )


def administration(
    item: Dataset | None, clock: Clock, image: ImageTime, nuclide: HeaderNuclide, inputs: OperatorOverrides
) -> Administration:
    """Net administered activity and injection time; parameters as for ``injection_time``."""
    activity_Bq, decisions = stated_activity(item, clock.where, inputs)
    time, note = injection_time(item, clock, image, nuclide, inputs)
    decisions += note
    if not inputs.residual_MBq or inputs.residual_time is None:
        return Administration(activity_Bq, 1.0, time, tuple(decisions))
    if time is None or nuclide.half_life_s is None:
        raise DicomError(
            f"The injection time or the half-life of {clock.where} is not known, so the residual cannot be decayed to "
            "it: give the injection time and the nuclide."
        )
    apart_s = (inputs.residual_time - time).total_seconds()
    residual_Bq = inputs.residual_MBq * 1e6 / decay_factor(nuclide.half_life_s, apart_s)
    if residual_Bq >= activity_Bq:
        raise DicomError(
            f"The residual, {residual_Bq / 1e6:g} MBq at injection, is not below the administered "
            f"{activity_Bq / 1e6:g} MBq: check both."
        )
    decisions.append(
        f"Residual {inputs.residual_MBq:g} MBq at {inputs.residual_time.isoformat()}, {residual_Bq / 1e6:.6g} MBq at "
        "injection, subtracted as the operator stated."
    )
    net_Bq = activity_Bq - residual_Bq
    return Administration(net_Bq, net_Bq / activity_Bq, time, tuple(decisions))
