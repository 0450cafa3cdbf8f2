"""Real World Value Mappings: from stored values to counts, count rates, activity concentrations or SUVs.

DICOM PS3.3 C.7.6.16.2.11: a mapping acts on stored values, before and instead of Rescale Slope. Its unit is a UCUM
code of PS3.16 CID 84. An image may have several mappings, of several units, or each for its range of stored values.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import items, label, number, numbers, raw_value, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.reading import Stack

COUNTS, COUNT_RATE, CONCENTRATION, SUV = "counts", "count rate", "activity concentration", "SUV"
_VOLUMES_mL = {"ml": 1.0, "cm3": 1.0, "cc": 1.0, "l": 1e3, "dm3": 1e3}
_PREFIXES = {"k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3, "": 1.0}
_COUNTS = ("{counts}", "counts", "cnts", "{count}", "count")
_RATES = ("{counts}/s", "counts/s", "cps", "{count}/s", "{cps}", "{counts}/sec")
_SUV_KINDS = {
    "bw": "bw",
    "": "bw",
    "lbm": "lbm",
    "lbm(janma)": "lbm-janma",
    "lbm(james128)": "lbm-james",
    "bsa": "bsa",
    "ibw": "ibw",
}
_SAME = 1e-6  # relative; two mappings that say the same
_SCALES = (1e-12, 1e12)  # counts, Bq/ml or SUV for a stored unit
_PROPORTIONAL = ("{propcounts}", "{propcps}")


@dataclass(frozen=True)
class Unit:
    """What a mapping gives: its kind (a constant of this module), the factor to its base unit, and its code.

    Base units are counts, counts per second, Bq/ml, and an SUV of ``suv_kind`` (a key of ``body.SUV_UNITS``).
    """

    kind: str
    factor: float
    code: str
    suv_kind: str = ""


@dataclass(frozen=True, eq=False)
class Mapping:
    """One item of the sequence and the unit that it gives."""

    item: Dataset
    unit: Unit


def unit_of(code: str) -> Unit | None:
    """The meaning of a unit's code, None if stored values cannot become activity by it.

    Examples
    --------
    >>> unit_of("kBq/cc"), unit_of("{SUVbw}g/ml").suv_kind, unit_of("g/ml{SUVlbm(Janma)}").suv_kind, unit_of("mm")
    (Unit(kind='activity concentration', factor=1000.0, code='kBq/cc', suv_kind=''), 'bw', 'lbm-janma', None)
    """
    written = code.strip().replace(" ", "")
    lower = written.lower()
    if lower in _COUNTS:
        return Unit(COUNTS, 1.0, code)
    if lower in _RATES:
        return Unit(COUNT_RATE, 1.0, code)
    if lower.startswith("k") and lower[1:] in (*_COUNTS, *_RATES):
        return Unit(COUNTS if lower[1:] in _COUNTS else COUNT_RATE, 1e3, code)
    factor = concentration_factor(written)
    if factor is not None:
        return Unit(CONCENTRATION, factor, code)
    return _suv_unit(code, lower)


def concentration_factor(written: str) -> float | None:
    """What a unit of activity concentration is in Bq/ml, however it is spelt; None for another unit.

    Examples
    --------
    >>> [concentration_factor(unit) for unit in ("BQML", "kBq/cm^3", "MBq/l", "Bq/mL", "Bqcc", "mm")]
    [1.0, 1000.0, 1000.0, 1.0, 1.0, None]
    """
    plain = written.strip().replace(" ", "").replace("^", "").replace("**", "").replace(".", "/").replace("-1", "")
    lower = plain.lower()
    before, found, after = lower.partition("bq")
    volume_mL = _VOLUMES_mL.get(after.removeprefix("/"))
    if not found or volume_mL is None or len(before) > 1:
        return None
    prefix = plain[: len(before)]
    prefix = prefix.lower() if prefix == "K" else prefix
    if prefix not in _PREFIXES or (prefix == "m" and plain[1] != "B"):  # mbq may mean mega
        return None
    return _PREFIXES[prefix] / volume_mL


def _suv_unit(code: str, lower: str) -> Unit | None:
    for mass, kinds in (("g/ml", ("bw", "", "lbm", "lbm(janma)", "lbm(james128)", "ibw")), ("cm2/ml", ("bsa", ""))):
        inside = lower.replace(mass, "", 1)
        if inside == lower:
            continue
        word = inside.removeprefix("{").removesuffix("}")
        if word and not word.startswith("suv"):
            return None
        word = word.removeprefix("suv")
        if word in kinds:
            return Unit(SUV, 1.0, code, "bsa" if mass == "cm2/ml" else _SUV_KINDS[word])
    return None


def mappings_of(dataset: Dataset, where: str) -> tuple[Mapping, ...]:
    """The mappings of an object whose unit is known, at top level or shared by all frames.

    Raises
    ------
    DicomError
        If there are mappings, but none whose unit has a meaning here.
    """
    found = items(dataset, "RealWorldValueMappingSequence", where)
    for group in items(dataset, "SharedFunctionalGroupsSequence", where)[:1]:
        found = found or items(group, "RealWorldValueMappingSequence", where)
    return mappings_in(found, where)


def mappings_in(found: Sequence[Dataset], where: str) -> tuple[Mapping, ...]:
    """The items of a mapping sequence whose unit is known; raises as ``mappings_of``."""
    known = [Mapping(item, unit) for item in found for unit in [unit_of(_code(item, where))] if unit is not None]
    if found and not known:
        others = sorted({_code(item, where) for item in found} - {""})
        if not others:
            raise DicomError(
                f"{label('MeasurementUnitsCodeSequence')} of the Real World Value Mapping of {where} is missing: of "
                "which unit its values are is not known; export the series in Bq/ml or in counts."
            )
        proportional = [code for code in others if code.lower() in _PROPORTIONAL]
        why = "known only up to a factor" if proportional else "not a unit of counts, activity or SUV"
        raise DicomError(
            f"{label('MeasurementUnitsCodeSequence')} of the Real World Value Mapping of {where} is "
            f"{', '.join(others)}, which is {why}: there is no calibration to Bq/ml; export the series in Bq/ml or "
            "in counts."
        )
    return tuple(known)


def _code(item: Dataset, where: str) -> str:
    units = items(item, "MeasurementUnitsCodeSequence", where)
    return text(units[0], "CodeValue", where) if units else ""


def of_kind(mappings: Sequence[Mapping], *kinds: str) -> tuple[Mapping, ...]:
    """The mappings to the first of these kinds of unit that any of them gives."""
    for kind in kinds:
        found = tuple(one for one in mappings if one.unit.kind == kind)
        if found:
            return found
    return ()


def mapped(arranged: Stack, chosen: Sequence[Mapping], scale: float = 1.0) -> tuple[np.ndarray, list[str]]:
    """Apply mappings of one kind of unit.

    Parameters
    ----------
    arranged : the series in order.
    chosen : mappings of one kind; several have to say the same, or hold for different stored values.
    scale : factor on the mapped values, applied in the same pass.

    Returns
    -------
    array : float32 [k, j, i] in the base unit of the kind, times ``scale``.
    decisions : how, one sentence each.

    Raises
    ------
    DicomError
        If a mapping is incomplete, a table is too short, or it is not known which mapping holds.
    """
    where = arranged.series.label
    lines = [line_of(one, where) for one in chosen]
    base = {COUNTS: "Counts", COUNT_RATE: "Counts/s", CONCENTRATION: "Bq/ml", SUV: "SUV"}[chosen[0].unit.kind]
    if len(chosen) > 1 and not _all_same(chosen, lines):
        array, notes = _piecewise(arranged, chosen, scale, base)
        return _without_padding(array, arranged), notes
    first, line = chosen[0], lines[0]
    if line is None:
        array, note = _by_table(arranged, first, scale, base)
        return _without_padding(array, arranged), [note]
    slope, intercept = line
    count = len(arranged.frames)
    array = arranged.scaled(np.full(count, slope * scale), np.full(count, intercept * scale))
    decisions = [
        f"{base} = stored value x {slope:.9g} + {intercept:.9g} (Real World Value Mapping, {first.unit.code})."
    ]
    if intercept:
        decisions.append(f"Doubtful: {label('RealWorldValueIntercept')} is not 0: a stored 0 is {intercept:g} {base}.")
    if any(frame.slope != 1 or frame.intercept != 0 for frame in arranged.frames):
        decisions.append("Rescale Slope and Intercept are not used: a Real World Value Mapping replaces them.")
    outside = arranged.outside_field
    measured = array if outside is None else array[~outside]
    return array, decisions + _beyond(measured, first, line, scale, where)


def _without_padding(array: np.ndarray, arranged: Stack) -> np.ndarray:
    """Values [k, j, i] with 0 where nothing was measured, in place."""
    if arranged.outside_field is not None:
        array[arranged.outside_field] = 0.0
    return array


def line_of(mapping: Mapping, where: str) -> tuple[float, float] | None:
    """Slope and intercept to the base unit; None for a table."""
    item = mapping.item
    if raw_value(item, "RealWorldValueLUTData", where) is not None:
        return None
    slope, intercept = number(item, "RealWorldValueSlope", where), number(item, "RealWorldValueIntercept", where)
    if not slope or intercept is None:
        missing = "RealWorldValueIntercept" if slope else "RealWorldValueSlope"
        raise DicomError(
            f"{label(missing)} of {where} is missing or 0: the mapping to {mapping.unit.code} is not complete."
        )
    if slope < 0:
        raise DicomError(
            f"{label('RealWorldValueSlope')} of {where} is {slope:g}: more stored would mean less activity; export the "
            "series again."
        )
    scale = slope * mapping.unit.factor
    if not _SCALES[0] <= scale <= _SCALES[1]:
        raise DicomError(
            f"{label('RealWorldValueSlope')} of {where} is {slope:g} {mapping.unit.code} for a stored unit, which is "
            "impossible: export the series again."
        )
    if abs(intercept * mapping.unit.factor) > _SCALES[1]:
        raise DicomError(
            f"{label('RealWorldValueIntercept')} of {where} is {intercept:g}, which is impossible: "
            "export the series again."
        )
    return scale, intercept * mapping.unit.factor


def _all_same(chosen: Sequence[Mapping], lines: Sequence[tuple[float, float] | None]) -> bool:
    if any(line is None for line in lines) or len({one.unit.suv_kind for one in chosen}) > 1:
        return False
    values = np.array(lines, dtype=float)
    return bool((np.abs(values - values[0]) <= _SAME * np.abs(values[0]).max()).all())


def _mapped_range(item: Dataset, where: str) -> tuple[float | None, float | None]:
    ends = []
    for end in ("First", "Last"):
        value = number(item, f"DoubleFloatRealWorldValue{end}ValueMapped", where)
        ends.append(value if value is not None else number(item, f"RealWorldValue{end}ValueMapped", where))
    return ends[0], ends[1]


def _beyond(array: np.ndarray, mapping: Mapping, line: tuple[float, float], scale: float, where: str) -> list[str]:
    first, last = _mapped_range(mapping.item, where)
    if last is None or first is None:
        return []
    low, high = sorted(scale * (line[0] * end + line[1]) for end in (first, last))
    slack = 1e-6 * max(abs(low), abs(high))
    outside = int(((array < low - slack) | (array > high + slack)).sum())
    if not outside:
        return []
    return [
        f"{outside} voxels have stored values beyond {first:g} to {last:g}, for which the mapping is declared: "
        "it is applied to them too."
    ]


def _piecewise(arranged: Stack, chosen: Sequence[Mapping], scale: float, base: str) -> tuple[np.ndarray, list[str]]:
    """Several mappings, each for its own range of stored values."""
    where = arranged.series.label
    ranges = [_mapped_range(one.item, where) for one in chosen]
    known = [(low, high, one) for (low, high), one in zip(ranges, chosen, strict=True) if None not in (low, high)]
    ordered = sorted(known, key=lambda part: float(part[0] or 0))
    apart = all(one[1] < two[0] for one, two in pairwise(ordered))  # type: ignore[operator]
    if len(known) < len(chosen) or not apart or len({one.unit.suv_kind for one in chosen}) > 1:
        codes = ", ".join(one.unit.code for one in chosen)
        raise DicomError(
            f"{where} has {len(chosen)} Real World Value Mappings to {chosen[0].unit.kind} ({codes}) for the same "
            "stored values, which of them holds is not known: keep one."
        )
    stored = arranged.stored_values()
    array = np.full(stored.shape, np.nan, dtype=np.float32)
    for low, high, one in ordered:
        inside = (stored >= low) & (stored <= high)
        line = line_of(one, where)
        if line is None:
            values = _table(one, where)[(stored[inside] - int(low or 0)).astype(int)]
        else:
            values = stored[inside] * line[0] + line[1]
        array[inside] = values * scale
    if np.isnan(array).any():
        raise DicomError(
            f"Stored values of {where} run from {stored.min()} to {stored.max()}, beyond the ranges of its "
            f"{len(chosen)} Real World Value Mappings: export the series again."
        )
    return array, [f"{base} by {len(chosen)} Real World Value Mappings, each for its own range of stored values."]


def _table(mapping: Mapping, where: str) -> np.ndarray:
    table = np.asarray(numbers(mapping.item, "RealWorldValueLUTData", where), dtype=float) * mapping.unit.factor
    first, last = _mapped_range(mapping.item, where)
    if first is None or last is None or len(table) != last - first + 1:
        raise DicomError(
            f"{label('RealWorldValueLUTData')} of {where} has {len(table)} entries, but its mapped values run from "
            f"{first} to {last}: the table is not complete; export the series again."
        )
    return table


def _by_table(arranged: Stack, mapping: Mapping, scale: float, base: str) -> tuple[np.ndarray, str]:
    where = arranged.series.label
    table = _table(mapping, where)
    first = _mapped_range(mapping.item, where)[0] or 0.0
    stored = arranged.stored_values()
    low, high = stored.min(), stored.max()
    if low < first or high >= first + len(table) or arranged.dtype.kind == "f":
        raise DicomError(
            f"The Real World Value table of {where} starts at {first:g} and has {len(table)} entries, but stored "
            f"values run from {low} to {high}: export the series again."
        )
    array = np.take((table * scale).astype(np.float32), stored.astype(np.int64) - int(first))
    return array, f"{base} by the table of {len(table)} entries of the Real World Value Mapping ({mapping.unit.code})."
