"""Activity concentration from reconstructed NM tomograms: Real World Value Mapping, or counts and a calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.dead_time import dead_time_factor, dead_time_note
from PRRTUptakeLib.dicom.errors import CalibrationError
from PRRTUptakeLib.dicom.headers import items, label, number, text, words
from PRRTUptakeLib.dicom.operator_overrides import DOUBT
from PRRTUptakeLib.dicom.real_world import (
    CONCENTRATION,
    COUNT_RATE,
    COUNTS,
    SUV,
    mapped,
    mappings_of,
    of_kind,
    unit_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
    from PRRTUptakeLib.dicom.reading import Stack
    from PRRTUptakeLib.dicom.real_world import Mapping, Unit


_LONGEST_S = 86_400.0


@dataclass(frozen=True, eq=False)
class Concentration:
    """Values [k, j, i] float32 at ``time``: activity in Bq/ml, or SUVs of ``suv_kind``; and how they were made."""

    array: np.ndarray
    time: datetime
    decisions: tuple[str, ...]
    suv_kind: str = ""


def nm_concentration(arranged: Stack, started: datetime, voxel_mL: float, inputs: OperatorOverrides) -> Concentration:
    """Bq/ml from an NM series; SUVs where it is mapped to these only.

    Mappings of the file act first, whatever their unit; a calibration then turns counts into activity.

    Parameters
    ----------
    arranged : the series in order.
    started : start of the acquisition.
    voxel_mL : voxel volume.
    inputs : calibration, dead time and units are used.

    Raises
    ------
    CalibrationError
        If the file holds no mapping to activity concentration and the operator gives no calibration, or gives one for
        values that are no counts.
    DicomError
        If a mapping is incomplete, or it is not known which of several holds.
    """
    dataset, where = arranged.frames[0].header.dataset, arranged.series.label
    mappings = mappings_of(dataset, where)
    unit = _stated_unit(mappings, inputs, where)
    if inputs.calibration is not None:
        found = _calibrated(arranged, started, voxel_mL, inputs.calibration, (mappings, unit))
    else:
        found = _without_calibration(arranged, started, mappings, unit)
    found = replace(found, decisions=(*found.decisions, *_corrections(dataset, where)))
    if inputs.dead_time is None:
        return found
    return _dead_time_corrected(found, inputs.dead_time)


def _stated_unit(mappings: Sequence[Mapping], inputs: OperatorOverrides, where: str) -> Unit | None:
    if inputs.units is None:
        return None
    if mappings:
        codes = ", ".join(one.unit.code for one in mappings)
        raise CalibrationError(
            f"{where} maps its values itself, to {codes}: the stated unit '{inputs.units}' contradicts that; leave it "
            "out."
        )
    return unit_of(inputs.units)


def _corrections(dataset: Dataset, where: str) -> tuple[str, ...]:
    """A doubt where attenuation is not corrected, since deep lesions then hold less than superficial ones."""
    corrected = words(dataset, "CorrectedImage", where)
    name = label("CorrectedImage")
    if "ATTN" in corrected:
        return ()
    if not corrected:
        return (f"{DOUBT}{name} of {where} is missing: whether attenuation is corrected is not known.",)
    shown = "\\".join(corrected)
    return (f"{DOUBT}attenuation is not corrected, {name} of {where} is {shown}: uptake is not quantitative.",)


def _dead_time_corrected(found: Concentration, loss: DeadTime) -> Concentration:
    factor = dead_time_factor(loss)
    np.multiply(found.array, np.float32(factor), out=found.array)
    return replace(found, decisions=(*found.decisions, dead_time_note(loss, "as the operator stated")))


def _without_calibration(
    arranged: Stack, started: datetime, mappings: Sequence[Mapping], unit: Unit | None
) -> Concentration:
    where = arranged.series.label
    held = "Mapped values are taken to hold at the start of the acquisition."
    if unit is not None and unit.kind in (CONCENTRATION, SUV):
        array = arranged.scaled(arranged.slopes * unit.factor, arranged.intercepts * unit.factor)
        note = f"Values after Rescale Slope are {unit.code}, as the operator stated."
        return Concentration(array, started, (note, held), unit.suv_kind)
    chosen = of_kind(mappings, CONCENTRATION, SUV)
    if not chosen:
        others = sorted({one.unit.code for one in mappings})
        note = f" (its mappings give {', '.join(others)})" if others else ""
        stated = text(arranged.frames[0].header.dataset, "Units", where)  # no attribute of NM, but some write it
        if stated and not note:
            note = f" (its {label('Units')} are {stated}: state 'units' if that is right)"
        raise CalibrationError(
            f"{where} has no calibration: its counts have no Real World Value Mapping to Bq/ml{note}; "
            "give the camera's calibration factor (cps/MBq)."
        )
    array, applied = mapped(arranged, chosen)
    decisions = [*_left_out(chosen, mappings), *applied, held]
    return Concentration(array, started, tuple(decisions), chosen[0].unit.suv_kind)


def _left_out(chosen: Sequence[Mapping], mappings: Sequence[Mapping]) -> list[str]:
    others = sorted({one.unit.code for one in mappings if one not in chosen})
    if not others:
        return []
    kind = chosen[0].unit.kind
    return [f"Of several Real World Value Mappings, that to {kind} is taken, not that to {', '.join(others)}."]


def _calibrated(
    arranged: Stack,
    started: datetime,
    voxel_mL: float,
    calibration: Calibration,
    units: tuple[Sequence[Mapping], Unit | None],
) -> Concentration:
    """Counts or count rates, by a mapping, by the operator's word or as stored, made activity by a calibration."""
    mappings, unit = units
    where = arranged.series.label
    chosen = of_kind(mappings, COUNTS, COUNT_RATE)
    if (mappings and not chosen) or (unit is not None and unit.kind not in (COUNTS, COUNT_RATE)):
        codes = unit.code if unit is not None else ", ".join(one.unit.code for one in mappings)
        raise CalibrationError(
            f"{where} holds {codes} and no counts: a calibration (cps/MBq) cannot be applied to that; leave the "
            "calibration out."
        )
    kind = chosen[0].unit.kind if chosen else unit.kind if unit is not None else ""
    if kind == COUNTS and calibration.time_basis == "rate":
        raise CalibrationError(
            f"{where} holds counts, but the calibration's time is stated as 'rate' (counts per second): state total or "
            "per-view."
        )
    by_rate = kind == COUNT_RATE or calibration.time_basis == "rate"
    dose = _acquisition(arranged, calibration, by_rate)
    factor = 1e6 / (calibration.sensitivity_cps_per_MBq * voxel_mL * (1.0 if by_rate else dose.counted_s))
    if chosen:
        array, applied = mapped(arranged, chosen, factor)
        applied = [*_left_out(chosen, mappings), *applied]
    else:
        scale = factor * (1.0 if unit is None else unit.factor)
        array = arranged.scaled(arranged.slopes * scale, arranged.intercepts * scale)
        note = "Stored values are taken as counts: there is no Real World Value Mapping."
        applied = [note if unit is None else f"Values after Rescale Slope are {unit.code}, as the operator stated."]
    time, held = _holds_at(arranged, started, dose)
    what = "counts/s" if by_rate else "counts"
    counted = "" if by_rate else f"time {calibration.time_basis}, {dose.counted_s:g} s ({dose.source}), "
    decision = (
        f"Bq/ml = {what} x {factor:.6g}: {calibration.sensitivity_cps_per_MBq:g} cps/MBq, {counted}"
        f"voxel {voxel_mL:.6g} mL."
    )
    return Concentration(array, time, (*applied, decision, held))


@dataclass(frozen=True)
class _Acquisition:
    """How long a voxel's counts were collected, by what, and how long the whole acquisition took (0 if not known)."""

    counted_s: float
    source: str
    total_s: float


def _acquisition(arranged: Stack, calibration: Calibration, by_rate: bool) -> _Acquisition:
    where = arranged.series.label
    dataset = arranged.frames[0].header.dataset
    stated = calibration.acquisition_time_s
    try:
        view_s, views = _rotation(dataset, where)
    except CalibrationError:
        if stated is None:
            raise
        view_s = views = None  # the operator states the time, since the header does not give one
    rotation_s = (view_s or 0.0) * (views or 0.0)
    if by_rate:
        return _Acquisition(0.0, "", stated or rotation_s)
    total = calibration.time_basis == "total"
    if stated is not None:
        return _Acquisition(stated, "as the operator stated", stated if total else rotation_s)
    if view_s is None:
        raise CalibrationError(
            f"{label('ActualFrameDuration')} of {where} is missing: give the acquisition time with the calibration."
        )
    if not total:
        return _Acquisition(view_s, "from Actual Frame Duration", rotation_s)
    if views is None:
        raise CalibrationError(
            f"{label('NumberOfFramesInRotation')} of {where} is missing: give the total acquisition time with the "
            "calibration."
        )
    return _Acquisition(rotation_s, f"{views:g} views of {view_s:g} s", rotation_s)


def _holds_at(arranged: Stack, started: datetime, made: _Acquisition) -> tuple[datetime, str]:
    """Counts are a mean over the acquisition, so that they hold at its middle, unless they are decay corrected."""
    dataset, where = arranged.frames[0].header.dataset, arranged.series.label
    if "DECY" in words(dataset, "CorrectedImage", where):
        return started, "Counts are decay corrected (Corrected Image): they hold at the start of the acquisition."
    if not made.total_s:
        return started, (
            "How long the acquisition took is not known: counts are taken to hold at its start, which is early by half "
            "of it."
        )
    if made.total_s > _LONGEST_S:
        raise CalibrationError(
            f"The acquisition of {where} would have taken {made.total_s / 3600:.3g} hours, by "
            f"{label('ActualFrameDuration')}, {label('NumberOfFramesInRotation')} or the stated time: correct it."
        )
    middle = started + timedelta(seconds=made.total_s / 2)
    return middle, f"Counts are a mean over {made.total_s:g} s: they hold at the middle of the acquisition."


def _rotation(dataset: Dataset, where: str) -> tuple[float | None, float | None]:
    """Duration of a view in seconds and number of views, from Rotation Information Sequence."""
    rotations = items(dataset, "RotationInformationSequence", where)
    if len(rotations) > 1:
        raise CalibrationError(
            f"{where} was acquired in {len(rotations)} rotations: give the acquisition time with the calibration."
        )
    source = rotations[0] if rotations else dataset
    duration_ms = number(source, "ActualFrameDuration", where)
    views = number(source, "NumberOfFramesInRotation", where)
    limits = (("ActualFrameDuration", duration_ms, 1.0, 1.44e7), ("NumberOfFramesInRotation", views, 1.0, 10_000.0))
    for keyword, value, least, most in limits:
        if value is not None and not least <= value <= most:
            raise CalibrationError(
                f"{label(keyword)} of {where} is {value:g}, but must be from {least:g} to {most:g}: give the "
                "acquisition time with the calibration."
            )
    return (None if duration_ms is None else duration_ms / 1000), views


def decay_factor(half_life_s: float, seconds: float) -> float:
    """Fraction left after ``seconds`` (above 1 for negative ones).

    Examples
    --------
    >>> decay_factor(100, 200)
    0.25
    """
    return math.exp(-math.log(2) * seconds / half_life_s)
