"""Activity concentration from reconstructed NM tomograms: Real World Value Mapping, or counts and a calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.dead_time import dead_time_factor
from PRRTUptakeLib.dicom.headers import items, label, number, numbers, raw_value, text, words
from PRRTUptakeLib.errors import PRRTError

if TYPE_CHECKING:
    from datetime import datetime

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.operator_overrides import Calibration, DeadTime, OperatorOverrides
    from PRRTUptakeLib.dicom.reading import Stack

_CONCENTRATIONS = {  # UCUM, and habits of writing it, in Bq/ml; compared without case
    "bq/ml": 1.0,
    "bq/cm3": 1.0,
    "bq/cc": 1.0,
    "bqml": 1.0,
    "kbq/ml": 1e3,
    "kbq/cm3": 1e3,
    "bq/l": 1e-3,
    "kbq/l": 1.0,
}
_MEGA = "MBq/"  # told from milli by its capital


class CalibrationError(PRRTError):
    """A tomogram cannot be turned into activity."""


@dataclass(frozen=True, eq=False)
class Concentration:
    """Activity concentration [k, j, i] float32 in Bq/ml at ``time``, and how it was made."""

    array: np.ndarray
    time: datetime
    decisions: tuple[str, ...]


def nm_concentration(arranged: Stack, started: datetime, voxel_mL: float, inputs: OperatorOverrides) -> Concentration:
    """Bq/ml from an NM series.

    Parameters
    ----------
    arranged : the series in order.
    started : start of the acquisition.
    voxel_mL : voxel volume.
    inputs : calibration and dead time are used; a calibration goes before a mapping in the file.

    Raises
    ------
    CalibrationError
        If the file holds no mapping to activity concentration and the operator gives no calibration.
    """
    if inputs.calibration is not None:
        found = _from_counts(arranged, started, voxel_mL, inputs.calibration)
    else:
        found = _from_mapping(arranged, started)
    if inputs.dead_time is None:
        return found
    return _dead_time_corrected(found, inputs.dead_time)


def _dead_time_corrected(found: Concentration, loss: DeadTime) -> Concentration:
    factor = dead_time_factor(loss)
    np.multiply(found.array, np.float32(factor), out=found.array)
    told = (
        f"Dead-time factor {factor:.4f} applied ({loss.model}, {loss.tau_us:g} us, observed {loss.observed_cps:g} "
        "cps), as the operator stated."
    )
    return Concentration(found.array, found.time, (*found.decisions, told))


def _from_mapping(arranged: Stack, started: datetime) -> Concentration:
    where = arranged.series.label
    dataset = arranged.frames[0].header.dataset
    mappings = [(item, _bq_per_mL(item, where)) for item in _mapping_items(dataset, where)]
    usable = [(item, factor) for item, factor in mappings if factor is not None]
    if not usable:
        others = sorted({_unit(item, where) or "no unit" for item, _ in mappings})
        told = f" (its mappings give {', '.join(others)})" if others else ""
        raise CalibrationError(
            f"{where} has no calibration: its counts have no Real World Value Mapping to Bq/ml{told}; "
            "give the camera's calibration factor (cps/MBq)."
        )
    decisions = []
    if len(usable) < len(mappings):
        decisions.append("Of several Real World Value Mappings, that to activity concentration is taken.")
    array, applied = _apply(arranged, usable, where)
    decisions += applied
    decisions.append("Mapped values are taken to hold at the start of the acquisition.")
    return Concentration(array, started, tuple(decisions))


def _mapping_items(dataset: Dataset, where: str) -> tuple[Dataset, ...]:
    found = items(dataset, "RealWorldValueMappingSequence", where)
    for group in items(dataset, "SharedFunctionalGroupsSequence", where)[:1]:
        found = found or items(group, "RealWorldValueMappingSequence", where)
    return found


def _unit(item: Dataset, where: str) -> str:
    units = items(item, "MeasurementUnitsCodeSequence", where)
    return text(units[0], "CodeValue", where) if units else ""


def _bq_per_mL(item: Dataset, where: str) -> float | None:
    unit = _unit(item, where)
    if unit.startswith(_MEGA):
        smaller = _CONCENTRATIONS.get(f"k{unit[1:]}".lower())
        return None if smaller is None else 1e3 * smaller
    return _CONCENTRATIONS.get(unit.lower())


def _apply(arranged: Stack, usable: list[tuple[Dataset, float]], where: str) -> tuple[np.ndarray, list[str]]:
    """Apply one linear mapping, or a table; several mappings to activity need to cover different stored values."""
    if len(usable) > 1:
        raise CalibrationError(
            f"{where} has {len(usable)} Real World Value Mappings to activity concentration: which holds is not known; "
            "keep one, or give the calibration factor."
        )
    item, factor = usable[0]
    if raw_value(item, "RealWorldValueLUTData", where) is not None:
        return _apply_table(arranged, item, factor, where)
    slope, intercept = number(item, "RealWorldValueSlope", where), number(item, "RealWorldValueIntercept", where)
    if not slope or intercept is None:
        missing = "RealWorldValueIntercept" if slope else "RealWorldValueSlope"
        raise CalibrationError(f"{label(missing)} of {where} is missing or 0: the mapping to Bq/ml is not complete.")
    count = len(arranged.frames)
    array = arranged.scaled(np.full(count, slope * factor), np.full(count, intercept * factor))
    decisions = [
        f"Bq/ml = stored value x {slope * factor:.9g} + {intercept * factor:.9g} (Real World Value Mapping, "
        f"{_unit(item, where)})."
    ]
    first, last = _mapped_range(item, where)
    if last is not None and first is not None:
        low, high = sorted((slope * first + intercept, slope * last + intercept))
        outside = int(((array < low * factor * (1 - 1e-6)) | (array > high * factor * (1 + 1e-6))).sum())
        if outside:
            decisions.append(
                f"{outside} voxels have stored values beyond {first:g} to {last:g}, for which the mapping is declared: "
                "it is applied to them too."
            )
    return array, decisions


def _mapped_range(item: Dataset, where: str) -> tuple[float | None, float | None]:
    ends = []
    for end in ("First", "Last"):
        value = number(item, f"DoubleFloatRealWorldValue{end}ValueMapped", where)
        ends.append(value if value is not None else number(item, f"RealWorldValue{end}ValueMapped", where))
    return ends[0], ends[1]


def _apply_table(arranged: Stack, item: Dataset, factor: float, where: str) -> tuple[np.ndarray, list[str]]:
    table = np.asarray(numbers(item, "RealWorldValueLUTData", where))
    first = _mapped_range(item, where)[0]
    stored = arranged.stored_values()
    low, high = int(stored.min()), int(stored.max())
    if first is None or low < first or high >= first + len(table) or arranged.dtype.kind == "f":
        raise CalibrationError(
            f"The Real World Value table of {where} starts at {first} and has {len(table)} entries, but stored values "
            f"run from {low} to {high}: export the series again."
        )
    array = np.take((table * factor).astype(np.float32), stored - int(first))
    return array, [f"Bq/ml by the table of {len(table)} entries of the Real World Value Mapping."]


def _from_counts(arranged: Stack, started: datetime, voxel_mL: float, calibration: Calibration) -> Concentration:
    """Counts / (time x sensitivity x voxel volume): the mean over the acquisition, so it holds at its middle."""
    where = arranged.series.label
    dataset = arranged.frames[0].header.dataset
    view_s, views = _rotation(dataset, where)
    duration_s = calibration.acquisition_time_s
    source = "as the operator stated"
    if duration_s is None:
        if view_s is None:
            raise CalibrationError(
                f"{label('ActualFrameDuration')} of {where} is missing: give the acquisition time with the calibration."
            )
        duration_s, source = view_s, "from Actual Frame Duration"
        if calibration.time_basis == "total":
            if views is None:
                raise CalibrationError(
                    f"{label('NumberOfFramesInRotation')} of {where} is missing: give the total acquisition time "
                    "with the calibration."
                )
            duration_s, source = view_s * views, f"{views:g} views of {view_s:g} s"
    factor = 1e6 / (calibration.sensitivity_cps_per_MBq * duration_s * voxel_mL)
    array = arranged.scaled(arranged.slopes * factor, arranged.intercepts * factor)
    decisions = [
        f"Bq/ml = counts x {factor:.6g}: {calibration.sensitivity_cps_per_MBq:g} cps/MBq, "
        f"time {calibration.time_basis}, {duration_s:g} s ({source}), voxel {voxel_mL:.6g} mL."
    ]
    time = started
    if "DECY" in words(dataset, "CorrectedImage", where):
        decisions.append("Counts are decay corrected (Corrected Image): they hold at the start of the acquisition.")
    else:
        total_s = duration_s if calibration.time_basis == "total" else (view_s or 0) * (views or 0)
        time = started + timedelta(seconds=total_s / 2)
        decisions.append(f"Counts are a mean over {total_s:g} s: they hold at the middle of the acquisition.")
    return Concentration(array, time, tuple(decisions))


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
    for keyword, value in (("ActualFrameDuration", duration_ms), ("NumberOfFramesInRotation", views)):
        if value is not None and value <= 0:
            raise CalibrationError(f"{label(keyword)} of {where} is {value:g}, but must be above 0.")
    return (None if duration_ms is None else duration_ms / 1000), views


def decay_factor(half_life_s: float, seconds: float) -> float:
    """Fraction left after ``seconds`` (above 1 for negative ones).

    Examples
    --------
    >>> decay_factor(100, 200)
    0.25
    """
    return math.exp(-math.log(2) * seconds / half_life_s)
