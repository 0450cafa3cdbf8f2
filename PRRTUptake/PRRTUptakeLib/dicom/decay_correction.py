"""To which moment the values of a PET series hold, by Decay Correction.

START: DICOM PS3.3 C.8.9.1.1.5, and the QIBA FDG-PET/CT profile for series that were processed later. NONE: the mean
over a frame of duration T is A(start) (1 - exp(-lambda T)) / (lambda T).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label, number
from PRRTUptakeLib.dicom.operator_overrides import DOUBT
from PRRTUptakeLib.dicom.times import ImageTime
from PRRTUptakeLib.dicom.vendor_attributes import GE_SCAN_DATETIME

if TYPE_CHECKING:
    from datetime import datetime

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.pet_header import PetHeader

_LONGEST_FRAME_S = 4 * 3600.0
_REPORTED_ABOVE = 0.01  # relative effect on the activity of two statements of one moment that is worth a sentence
_REFUSED_ABOVE = 0.05  # ... and that makes one of them wrong
ACQUISITION_TIME = f"{label('AcquisitionDate')} and {label('AcquisitionTime')}"
_SERIES_TIME = f"{label('SeriesDate')} and {label('SeriesTime')}"


@dataclass(frozen=True, eq=False)
class Decay:
    """The moment at which value x factor holds; None for the injection (ADMIN)."""

    time: ImageTime | None
    factors: np.ndarray
    decisions: tuple[str, ...]


def frame_starts(head: PetHeader, inputs: OperatorOverrides) -> list[datetime] | None:
    """Start of the acquisition of each plane; None if any is not stated."""
    if inputs.acquisition_time is not None:
        return [inputs.acquisition_time] * head.count
    return None if head.starts is None else list(head.starts)


def decay_of_values(head: PetHeader, inputs: OperatorOverrides) -> Decay:
    """To which moment the values hold, and the factor of each plane that takes them there (1 unless NONE).

    Raises
    ------
    DicomError
        If a time or duration is missing or impossible, or times contradict each other.
    """
    unchanged = np.ones(head.count)
    if head.decay_correction == "ADMIN":
        return Decay(None, unchanged, ("Values are decay corrected to the injection: the activity as administered.",))
    if head.decay_correction == "START":
        time, decisions = _start_reference(head, inputs)
        return Decay(time, unchanged, tuple(decisions))
    return _undo_none(head, inputs)


def _undo_none(head: PetHeader, inputs: OperatorOverrides) -> Decay:
    starts = _required_starts(head, inputs)
    rate = _decay_constant(head)
    durations = _durations(head)
    if durations is None:
        raise DicomError(f"{label('ActualFrameDuration')} of {head.where} is missing: its decay cannot be corrected.")
    first = min(starts)
    during = rate * durations
    elapsed_s = np.array([(start - first).total_seconds() for start in starts])
    factors = during / -np.expm1(-during) * np.exp(rate * elapsed_s)
    note = (
        f"No decay correction was applied: each plane is corrected for decay during its frame and to the first frame's "
        f"start, {first.isoformat()} (factors {factors.min():.6g} to {factors.max():.6g})."
    )
    return Decay(ImageTime(first, ACQUISITION_TIME), factors, (note,))


def _start_reference(head: PetHeader, inputs: OperatorOverrides) -> tuple[ImageTime, list[str]]:
    stated = inputs.decay_reference_time
    if stated is not None:
        return ImageTime(stated, "the operator's decay reference time"), [
            f"Values hold at {stated.isoformat()}, as the operator stated."
        ]
    scan = GE_SCAN_DATETIME.text_in(head.dataset, head.where)
    starts = frame_starts(head, inputs)
    if scan:
        time = head.clock.parse(scan, f"{GE_SCAN_DATETIME.label} of {head.where}")
        if starts is not None and time > min(starts) + timedelta(seconds=1):
            raise DicomError(
                f"{GE_SCAN_DATETIME.label} of {head.where} is {time.isoformat()}, after the acquisition started "
                f"({min(starts).isoformat()}, {ACQUISITION_TIME}): one of them is wrong."
            )
        name = GE_SCAN_DATETIME.label
        time, note = _by_factor_or(head, starts, time, name)
        return ImageTime(time, name), note + _compare(head, starts, time, name)
    starts = _required_starts(head, inputs)
    earliest = min(starts)
    series = head.clock.moment(head.dataset, "SeriesDate", "SeriesTime")
    if series is not None and series <= earliest:
        time, note = _by_factor_or(head, starts, series, _SERIES_TIME)
        return ImageTime(time, _SERIES_TIME), note + _compare(head, starts, time, _SERIES_TIME)
    return _back_computed(head, starts, series)


def _by_factor_or(
    head: PetHeader, starts: list[datetime] | None, stated: datetime, name: str
) -> tuple[datetime, list[str]]:
    """The stated reference time, or that of Decay Factor where the two differ by more than the rounding of a frame.

    Decay Factor is what was applied to the values. Whether it holds the decay within the frame differs by vendor, so
    that the reference it gives may be up to the mean count time later than the true one.

    Raises
    ------
    DicomError
        If they differ so much that one of them is wrong, or Decay Factor gives each bed a reference of its own.
    """
    plain = f"Values hold at {stated.isoformat()}, from {name}."
    if starts is None or head.nuclide.half_life_s is None:
        return stated, [plain]
    _check_decay_factor_possible(head, starts, stated)
    found = _by_decay_factor(head, starts)
    if found is None:
        return stated, [plain]
    latest, slack_s, spread = found
    rate = _decay_constant(head)
    if spread > _REFUSED_ABOVE:
        raise DicomError(
            f"{label('DecayFactor')} and {ACQUISITION_TIME} of {head.where} put its beds at reference times that "
            f"differ by {100 * spread:.1f} % of activity, where {name} gives one, {stated.isoformat()}: export the "
            "series again."
        )
    if spread > _REPORTED_ABOVE:
        plain = (
            f"{DOUBT}{label('DecayFactor')} puts the beds of {head.where} at reference times that differ by "
            f"{100 * spread:.1f} % of activity; values are taken to hold at {stated.isoformat()}, from {name}."
        )
    early_s = (latest - stated).total_seconds()
    beyond_s = max(early_s - slack_s, -early_s, 0.0)
    effect = _effect(rate * beyond_s)
    if effect <= (_REFUSED_ABOVE if spread > _REPORTED_ABOVE else _REPORTED_ABOVE):
        return stated, [plain]
    contradiction = (
        f"{name} ({stated.isoformat()}) and {label('DecayFactor')} (which gives {latest.isoformat()}) of {head.where} "
        f"differ by {100 * _effect(rate * early_s):.1f} % of activity"
    )
    if effect > _REFUSED_ABOVE:
        raise DicomError(f"{contradiction}: one of them is wrong; give the decay reference time.")
    return latest, [f"{DOUBT}{contradiction}: the latter is taken, it is what was applied to the values."]


def _by_decay_factor(head: PetHeader, starts: list[datetime]) -> tuple[datetime, float, float] | None:
    """Reference time by Decay Factor (median over planes), mean count time in s, and how far planes differ.

    None where Decay Factor or the duration is missing, or it is 1 throughout, as if not filled in.
    """
    durations = _durations(head)
    factors = [number(header.dataset, "DecayFactor", str(header.path)) for header in head.headers]
    if durations is None or any(factor is None or factor <= 0 for factor in factors):
        return None
    values = np.array(factors, dtype=float)
    if (values == 1).all():
        return None
    rate = _decay_constant(head)
    mean_count_s = _mean_count_s(rate, durations)
    elapsed_s = np.array([(start - min(starts)).total_seconds() for start in starts])
    reference_s = elapsed_s + mean_count_s - np.log(values) / rate
    found = min(starts) + timedelta(seconds=float(np.median(reference_s)))
    return found, float(mean_count_s.max()), _effect(rate * float(np.ptp(reference_s)))


def _mean_count_s(rate: float, durations: np.ndarray) -> np.ndarray:
    """Time after its start at which the activity is the mean over a frame."""
    during = rate * durations
    return np.log(during / -np.expm1(-during)) / rate


def _back_computed(head: PetHeader, starts: list[datetime], series: datetime | None) -> tuple[ImageTime, list[str]]:
    """Acquisition time + mean count time - Frame Reference Time, which all planes need to agree upon."""
    why = "missing" if series is None else f"({series.isoformat()}) later than the acquisition"
    found = _by_frame_reference(head, starts)
    if found is None:
        raise DicomError(
            f"{_SERIES_TIME} of {head.where} {why}, and {label('FrameReferenceTime')} or "
            f"{label('ActualFrameDuration')} is missing: give the decay reference time."
        )
    time, spread = found
    if spread > _REPORTED_ABOVE:
        raise DicomError(
            f"{label('FrameReferenceTime')} and {label('AcquisitionTime')} of {head.where} contradict each other: they "
            f"put planes at reference times that differ by {100 * spread:.1f} % of activity; give the decay reference "
            "time."
        )
    _check_decay_factor(head)
    name = f"{ACQUISITION_TIME}, {label('ActualFrameDuration')} and {label('FrameReferenceTime')}"
    return ImageTime(time, name), [
        f"{_SERIES_TIME} {why}: values hold at {time.isoformat()}, by acquisition time + mean count time - "
        "Frame Reference Time."
    ]


def _compare(head: PetHeader, starts: list[datetime] | None, time: datetime, name: str) -> list[str]:
    """Does Frame Reference Time, where it is stated and consistent, put the reference at the same moment?"""
    if starts is None or head.nuclide.half_life_s is None:
        return []
    found = _by_frame_reference(head, starts)
    if found is None:
        return []
    other, spread = found
    if spread > _REPORTED_ABOVE:
        return [
            f"{label('FrameReferenceTime')} of {head.where} is not counted from one moment (its beds differ by "
            f"{100 * spread:.1f} % of activity): it is not used."
        ]
    effect = _effect(_decay_constant(head) * (other - time).total_seconds())
    if effect <= _REPORTED_ABOVE:
        return []
    contradiction = (
        f"{name} ({time.isoformat()}) and {label('FrameReferenceTime')} (which gives {other.isoformat()}) of "
        f"{head.where} differ by {100 * effect:.1f} % of activity"
    )
    if effect > _REFUSED_ABOVE and name != GE_SCAN_DATETIME.label:  # GE's is written for this purpose alone
        raise DicomError(f"{contradiction}: one of them is wrong; give the decay reference time.")
    return [f"{contradiction}: the former is taken."]


def _check_decay_factor_possible(head: PetHeader, starts: list[datetime], reference: datetime) -> None:
    """A decay correction is at least 1, and at most the decay from the reference to the end of the frame."""
    durations = _durations(head)
    if durations is None:
        return
    rate = _decay_constant(head)
    for header, start, duration_s in zip(head.headers, starts, durations, strict=True):
        factor = number(header.dataset, "DecayFactor", str(header.path))
        if factor is None or factor == 1:
            continue
        most = math.exp(min(rate * ((start - reference).total_seconds() + duration_s), 50.0))
        if factor > most * (1 + _REFUSED_ABOVE):
            raise DicomError(
                f"{label('DecayFactor')} of {header.path} is {factor:g}, but the decay since {reference.isoformat()} "
                f"can be corrected by 1 to {most:.4g}: give the decay reference time."
            )


def _by_frame_reference(head: PetHeader, starts: list[datetime]) -> tuple[datetime, float] | None:
    """Reference time by Frame Reference Time (median over planes), and how far planes differ, as part of activity."""
    durations = _durations(head)
    offsets = [number(header.dataset, "FrameReferenceTime", str(header.path)) for header in head.headers]
    if durations is None or any(offset is None for offset in offsets):
        return None
    offset_s = np.array(offsets, dtype=float) / 1000
    rate = _decay_constant(head)
    mean_count_s = _mean_count_s(rate, durations)
    first = min(starts)
    elapsed_s = np.array([(start - first).total_seconds() for start in starts])
    reference_s = elapsed_s + mean_count_s - offset_s
    if np.abs(reference_s).max() > 1e8:
        raise DicomError(f"{label('FrameReferenceTime')} of {head.where} is {offset_s.max():g} s, which is impossible.")
    spread = _effect(rate * float(np.ptp(reference_s)))
    return first + timedelta(seconds=float(np.median(reference_s))), spread


def _effect(exponent: float) -> float:
    """Relative change of an activity over lambda t = ``exponent``, without overflow for absurd times."""
    return abs(math.expm1(max(min(exponent, 50.0), -50.0)))


def _check_decay_factor(head: PetHeader) -> None:
    """Where Decay Factor is filled in (not 1), it needs to be the decay until Frame Reference Time."""
    rate = _decay_constant(head)
    for header in head.headers:
        where = str(header.path)
        factor, offset_ms = (
            number(header.dataset, "DecayFactor", where),
            number(header.dataset, "FrameReferenceTime", where),
        )
        if factor is None or factor == 1 or offset_ms is None:
            continue
        if factor <= 0 or _effect(math.log(factor) - rate * offset_ms / 1000) > _REPORTED_ABOVE:
            raise DicomError(
                f"{label('DecayFactor')} ({factor:g}) and {label('FrameReferenceTime')} ({offset_ms:g} ms) of {where} "
                "contradict each other: give the decay reference time."
            )


def _durations(head: PetHeader) -> np.ndarray | None:
    """Duration of each plane's frame in seconds, None if any is missing."""
    found = []
    for header in head.headers:
        value = number(header.dataset, "ActualFrameDuration", str(header.path))
        if value is None:
            return None
        if not 1 <= value <= 1000 * _LONGEST_FRAME_S:
            raise DicomError(f"{label('ActualFrameDuration')} of {header.path} is {value:g} ms, which is impossible.")
        found.append(value / 1000)
    return np.array(found)


def _required_starts(head: PetHeader, inputs: OperatorOverrides) -> list[datetime]:
    starts = frame_starts(head, inputs)
    if starts is None:
        raise DicomError(
            f"{label('AcquisitionDate')} or {label('AcquisitionTime')} of {head.where} is missing: give the "
            "acquisition time."
        )
    return starts


def _decay_constant(head: PetHeader) -> float:
    if head.nuclide.half_life_s is None:
        raise DicomError(
            f"{label('RadionuclideHalfLife')} of {head.where} is missing and no radionuclide is named: state the "
            "nuclide."
        )
    return math.log(2) / head.nuclide.half_life_s
