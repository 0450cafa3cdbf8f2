"""Enhanced PET (PS3.3 A.56): one multi-frame object, each frame with its own scale, times and duration.

Units are those of the Real World Value Mapping of each frame. Decay Corrected and Decay Correction DateTime (module of
Enhanced PET Corrections) say to which moment values hold; Frame Acquisition DateTime and Duration (macro of Frame
Content) when each frame was counted.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.errors import CalibrationError, DicomError
from PRRTUptakeLib.dicom.headers import items, label, number, text
from PRRTUptakeLib.dicom.nm import Concentration
from PRRTUptakeLib.dicom.operator_overrides import DOUBT
from PRRTUptakeLib.dicom.real_world import CONCENTRATION, SUV, line_of, mappings_in, of_kind, unit_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.nuclides import HeaderNuclide
    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.reading import Stack
    from PRRTUptakeLib.dicom.real_world import Mapping
    from PRRTUptakeLib.dicom.times import Clock

ENHANCED_PET_STORAGE = "1.2.840.10008.5.1.4.1.1.130"
_REPORTED_ABOVE, _REFUSED_ABOVE = 0.01, 0.05  # relative effect on activity of two statements of one moment


def group_of(dataset: Dataset, index: int, keyword: str, where: str) -> Dataset | None:
    """A functional group of one frame, its own or shared; None if there is none."""
    frames = items(dataset, "PerFrameFunctionalGroupsSequence", where)
    holders = (frames[index : index + 1], items(dataset, "SharedFunctionalGroupsSequence", where)[:1])
    for holder in holders:
        found = items(holder[0], keyword, where) if holder else ()
        if found:
            return found[0]
    return None


def frame_mappings(dataset: Dataset, index: int, where: str) -> tuple[Mapping, ...]:
    """The Real World Value Mappings of one frame: its own, shared, or at top level."""
    frames = items(dataset, "PerFrameFunctionalGroupsSequence", where)
    found = items(frames[index], "RealWorldValueMappingSequence", where) if index < len(frames) else ()
    for holder in (*items(dataset, "SharedFunctionalGroupsSequence", where)[:1], dataset):
        found = found or items(holder, "RealWorldValueMappingSequence", where)
    return mappings_in(found, where)


def enhanced_pet_values(
    arranged: Stack, clock: Clock, nuclide: HeaderNuclide, inputs: OperatorOverrides
) -> Concentration:
    """Bq/ml (SUVs where it is mapped to these only) of an enhanced PET, and the moment to which they hold.

    Raises
    ------
    PRRTError
        If attenuation is not corrected, units or times are missing, or frames contradict each other.
    """
    where, dataset = arranged.series.label, arranged.frames[0].header.dataset
    if inputs.calibration is not None:
        raise DicomError(f"{where} is a PET: a calibration in cps/MBq cannot be applied to it; leave it out.")
    _check_corrections(dataset, where)
    slopes, intercepts, suv_kind, notes = _scales(arranged, inputs)
    factors, time, held = _decay(arranged, clock, nuclide, inputs)
    array = arranged.scaled(slopes * factors, intercepts * factors)
    return Concentration(array, time, (*notes, *held), suv_kind)


def _check_corrections(dataset: Dataset, where: str) -> None:
    corrected = text(dataset, "AttenuationCorrected", where).upper()
    if corrected != "YES":
        shown = f"is {corrected}" if corrected else "is missing"
        raise DicomError(f"{label('AttenuationCorrected')} of {where} {shown}: choose a corrected series.")


def _scales(arranged: Stack, inputs: OperatorOverrides) -> tuple[np.ndarray, np.ndarray, str, list[str]]:
    """Slope and intercept of each plane from stored values to the base unit."""
    where = arranged.series.label
    stated = None if inputs.units is None else unit_of(inputs.units)
    lines, kinds = [], set()
    for frame in arranged.frames:
        found = frame_mappings(frame.header.dataset, frame.index, where)
        if stated is not None:
            if found:
                raise CalibrationError(f"{where} maps its values itself: leave the stated unit '{inputs.units}' out.")
            lines.append((frame.slope * stated.factor, frame.intercept * stated.factor))
            kinds.add((stated.kind, stated.suv_kind, stated.code))
            continue
        chosen = of_kind(found, CONCENTRATION, SUV)
        if len(chosen) != 1:
            raise DicomError(
                f"Frame {frame.index + 1} of {where} has {len(chosen)} Real World Value Mappings to activity or SUV, "
                "but needs one: export the series again, or state the units."
            )
        line = line_of(chosen[0], where)
        if line is None:
            raise DicomError(f"{where} is mapped by a table, which is not known of PET: export it again.")
        if line[1] != 0:
            name = label("RealWorldValueIntercept")
            raise DicomError(f"{name} of frame {frame.index + 1} of {where} is not 0, but must be in PET.")
        lines.append(line)
        kinds.add((chosen[0].unit.kind, chosen[0].unit.suv_kind, chosen[0].unit.code))
    if len(kinds) > 1:
        codes = ", ".join(sorted(code for _, _, code in kinds))
        raise DicomError(f"Frames of {where} are in different units ({codes}): export the series again.")
    kind, suv_kind, code = kinds.pop()
    if kind not in (CONCENTRATION, SUV):
        raise CalibrationError(f"{where} is stated to hold {code}: a PET needs a unit of activity or SUV.")
    values = np.array(lines)
    slopes = values[:, 0]
    scale = f"{slopes[0]:.9g}" if np.ptp(slopes) == 0 else f"{slopes.min():.6g} to {slopes.max():.6g}, each frame's own"
    name = "Bq/ml" if kind == CONCENTRATION else f"SUV {suv_kind}"
    how = "as the operator stated" if stated is not None else "Real World Value Mapping"
    return slopes, values[:, 1], suv_kind, [f"{name} = stored value x {scale} ({how}, {code})."]


def _decay(
    arranged: Stack, clock: Clock, nuclide: HeaderNuclide, inputs: OperatorOverrides
) -> tuple[np.ndarray, datetime, list[str]]:
    where, dataset = arranged.series.label, arranged.frames[0].header.dataset
    corrected = text(dataset, "DecayCorrected", where).upper()
    if corrected not in ("YES", "NO"):
        raise DicomError(f"{label('DecayCorrected')} of {where} is '{corrected}', but must be YES or NO.")
    starts, durations_s = _frame_times(arranged, clock, inputs)
    if corrected == "YES":
        time, note = _stated_reference(dataset, clock, inputs, where)
        return (
            np.ones(len(arranged.frames)),
            time,
            [note, *_contradictions(arranged, starts, durations_s, time, nuclide)],
        )
    if starts is None or durations_s is None or nuclide.half_life_s is None:
        raise DicomError(
            f"{label('FrameAcquisitionDateTime')}, {label('FrameAcquisitionDuration')} or the nuclide of {where} is "
            "missing: its decay cannot be corrected."
        )
    rate, first = math.log(2) / nuclide.half_life_s, min(starts)
    during = rate * durations_s
    elapsed_s = np.array([(start - first).total_seconds() for start in starts])
    factors = during / -np.expm1(-during) * np.exp(rate * elapsed_s)
    note = (
        f"No decay correction was applied: each frame is corrected to the first frame's start, {first.isoformat()} "
        f"(factors {factors.min():.6g} to {factors.max():.6g})."
    )
    return factors, first, [note]


def _stated_reference(dataset: Dataset, clock: Clock, inputs: OperatorOverrides, where: str) -> tuple[datetime, str]:
    if inputs.decay_reference_time is not None:
        time = inputs.decay_reference_time
        return time, f"Values hold at {time.isoformat()}, as the operator stated."
    found = clock.date_time(dataset, "DecayCorrectionDateTime")
    if found is None:
        raise DicomError(
            f"{label('DecayCorrectionDateTime')} of {where} is missing, but its values are decay corrected: give the "
            "decay reference time."
        )
    return found, f"Values hold at {found.isoformat()}, from {label('DecayCorrectionDateTime')}."


def _frame_times(
    arranged: Stack, clock: Clock, inputs: OperatorOverrides
) -> tuple[list[datetime] | None, np.ndarray | None]:
    starts, durations = [], []
    for frame in arranged.frames:
        dataset = frame.header.dataset
        content = group_of(dataset, frame.index, "FrameContentSequence", arranged.series.label)
        start = inputs.acquisition_time
        if start is None and content is not None:
            start = clock.date_time(content, "FrameAcquisitionDateTime")
        duration = number(content, "FrameAcquisitionDuration", arranged.series.label) if content is not None else None
        if duration is not None and not 1 <= duration <= 1.44e7:
            raise DicomError(
                f"{label('FrameAcquisitionDuration')} of {arranged.series.label} is {duration:g} ms, which is "
                "impossible."
            )
        starts.append(start)
        durations.append(duration)
    known = [start for start in starts if start is not None]
    lengths = [duration / 1000 for duration in durations if duration is not None]
    return (
        known if len(known) == len(starts) else None,
        np.array(lengths) if len(lengths) == len(durations) else None,
    )


def _contradictions(
    arranged: Stack,
    starts: list[datetime] | None,
    durations_s: np.ndarray | None,
    time: datetime,
    nuclide: HeaderNuclide,
) -> list[str]:
    """Decay Factor of each frame against its times: one that no decay explains is refused, a small one is noted."""
    where = arranged.series.label
    if starts is None or durations_s is None or nuclide.half_life_s is None:
        return []
    rate = math.log(2) / nuclide.half_life_s
    worst = 0.0
    for frame, start, duration_s in zip(arranged.frames, starts, durations_s, strict=True):
        group = group_of(frame.header.dataset, frame.index, "PETFrameCorrectionFactorsSequence", where)
        factor = number(group, "DecayFactor", where) if group is not None else None
        if factor is None or factor == 1:
            continue
        if factor <= 0:
            raise DicomError(f"{label('DecayFactor')} of {where} is {factor:g}, but must be above 0.")
        elapsed_s = (start - time).total_seconds()
        low, high = sorted((rate * elapsed_s, rate * (elapsed_s + duration_s)))
        off = max(low - math.log(factor), math.log(factor) - high, 0.0)
        worst = max(worst, off)
    if worst > _REFUSED_ABOVE:
        implied = starts[0] + timedelta(seconds=float(durations_s[0]) / 2)
        raise DicomError(
            f"{label('DecayFactor')} of {where} and {label('DecayCorrectionDateTime')} ({time.isoformat()}) differ by "
            f"{100 * math.expm1(worst):.1f} % of activity (the first frame was counted at {implied.isoformat()}): one "
            "of them is wrong; give the decay reference time."
        )
    if worst > _REPORTED_ABOVE:
        return [
            f"{DOUBT}{label('DecayFactor')} differs from {label('DecayCorrectionDateTime')} by {100 * worst:.1f} %."
        ]
    return []
