"""Two or more bed positions of one SPECT, each a series of its own, as one volume; where they meet is reported.

Joined is only what one session made: one patient, frame of reference, nuclide and grid, planes that continue each other
by whole planes, and acquisitions that follow within hours. Each bed is decayed to the start of the first. Where beds
overlap, their mean is taken, weighted by the distance from the ends, and how well they agree there is reported: an
axial overlap is where detectors see least.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.uid import NuclearMedicineImageStorage

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.nm import decay_factor
from PRRTUptakeLib.dicom.operator_overrides import DOUBT, Quantified
from PRRTUptakeLib.dicom.quantify import quantify
from PRRTUptakeLib.dicom.reading import arrange
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.series import Series

_LONGEST_APART_s = 3 * 3600.0
_ROUNDING = 0.05  # of a voxel
_DOUBTFUL_STEP = 0.15  # relative difference of two beds where both see the same tissue


def continue_each_other(series: Sequence[Series]) -> bool:
    """Whether series are bed positions of one SPECT, by their headers.

    They are of one patient and frame of reference, on one grid, begun within hours, and each has mostly planes that no
    other one has; two reconstructions of one bed are not.
    """
    if len(series) < 2 or any(one.sop_class != NuclearMedicineImageStorage for one in series):
        return False
    if (
        len({(one.patient_id, one.frame_of_reference_uid) for one in series}) > 1
        or not series[0].frame_of_reference_uid
    ):
        return False
    begun = [one.started.timestamp() for one in series if one.started]
    if len(begun) < len(series) or max(begun) - min(begun) > _LONGEST_APART_s:
        return False
    try:
        arranged = [arrange(one) for one in series]
    except PRRTError:
        return False
    spans = sorted(_span(one.ijk_to_ras, one.shape, arranged[0].ijk_to_ras) for one in arranged)
    fitting = all(span[2] for span in spans) and len({one.shape[1:] for one in arranged}) == 1
    return fitting and all(
        high[0] <= low[1] + _ROUNDING and low[1] - high[0] < 0.5 * min(low[1] - low[0], high[1] - high[0])
        for low, high in pairwise(spans)
    )


def _span(matrix: np.ndarray, shape: tuple[int, ...], base: np.ndarray) -> tuple[float, float, bool]:
    """First and last plane (excluded) on the grid ``base``, and whether the voxels are those of that grid."""
    apart = np.linalg.inv(base) @ matrix
    linear = np.abs(apart[:3, :3] - np.eye(3)).max() <= 1e-3
    along = float(apart[2, 3])
    on_grid = max(np.abs(apart[:2, 3]).max(), abs(along - round(along))) <= _ROUNDING
    return along, along + shape[0], bool(linear and on_grid)


def quantify_beds(series: Sequence[Series], inputs: OperatorOverrides | None = None) -> Quantified:
    """Bq/ml of one series, or of several bed positions as one volume.

    Parameters
    ----------
    inputs : what the operator states, of every bed.

    Raises
    ------
    PRRTError
        As `quantify` and `join_beds`.
    """
    made = [quantify(one, inputs) for one in series]
    return made[0] if len(made) == 1 else join_beds(made, [one.label for one in series])


def join_beds(beds: Sequence[Quantified], names: Sequence[str]) -> Quantified:
    """One volume from several bed positions.

    Parameters
    ----------
    beds : each in Bq/ml at its own reference time.
    names : of each, for messages.

    Returns
    -------
    Bq/ml at the reference time of the earliest bed.

    Raises
    ------
    DicomError
        If patients, frames of reference, nuclides or grids differ, a gap is between them, or they are hours apart.
    """
    if len(beds) < 2:
        raise DicomError("Bed positions are joined from two series or more: give each of them.")
    times = [_time(bed, name) for bed, name in zip(beds, names, strict=True)]
    _check_alike(beds, names, times)
    first = min(times)
    offsets = _offsets(beds, names)
    order = np.argsort(offsets, kind="stable")
    shape = beds[0].volume.array.shape
    top = int(max(offset + bed.volume.array.shape[0] for offset, bed in zip(offsets, beds, strict=True)))
    total, weight = np.zeros((top, *shape[1:])), np.zeros((top, *shape[1:]))
    planned = np.zeros(top, dtype=bool)
    decisions = [f"{names[n]}: {sentence}" for n in order for sentence in beds[n].decisions]
    for n in order:
        factor = (
            decay_factor(beds[n].half_life_s or 0.0, (first - times[n]).total_seconds()) if times[n] != first else 1.0
        )
        planes = beds[n].volume.array.shape[0]
        start = int(offsets[n])
        note = _overlap(total, weight, beds[n].volume.array * factor, start, names[n])
        decisions += note
        ramp = np.minimum(np.arange(planes) + 1.0, planes - np.arange(planes))
        total[start : start + planes] += beds[n].volume.array * (factor * ramp)[:, None, None]
        outside = beds[n].volume.outside_field  # holds no activity, and has no say where another bed measured
        weight[start : start + planes] += ramp[:, None, None] * (True if outside is None else ~outside)
        planned[start : start + planes] = True
    if not planned.all():
        raise DicomError(f"Between {' and '.join(names)} planes are missing: give the bed position between them.")
    decisions.append(
        f"{len(beds)} bed positions are joined at {first.isoformat()}; seams at planes "
        f"{', '.join(str(int(offsets[n])) for n in order[1:])} of {top}."
    )
    lowest = beds[int(order[0])].volume
    named = {key: value for key, value in beds[0].volume.provenance.items() if key == "series_uid"}
    made = {**lowest.provenance, **named, "decisions": decisions}  # found again by the series that was given first
    array = (total / np.where(weight > 0, weight, 1.0)).astype(np.float32)
    volume = Volume(
        array,
        lowest.ijk_to_ras,
        lowest.quantity,
        lowest.units,
        first,
        made,
        outside_field=None if (weight > 0).all() else weight == 0,
    )
    return Quantified(volume, tuple(decisions), beds[0].nuclide, beds[0].half_life_s)


def _time(bed: Quantified, name: str) -> datetime:
    if bed.volume.reference_time is None:
        raise DicomError(f"The time of {name} is not known: give its acquisition time.")
    return bed.volume.reference_time


def _check_alike(beds: Sequence[Quantified], names: Sequence[str], times: Sequence[datetime]) -> None:
    facts: dict[str, list[Any]] = {
        "patients": [bed.volume.provenance.get("patient_id") for bed in beds],
        "frames of reference": [bed.volume.provenance.get("frame_of_reference_uid") for bed in beds],
        "radionuclides": [bed.nuclide for bed in beds],
        "units": [bed.volume.units for bed in beds],
        "matrices": [bed.volume.array.shape[1:] for bed in beds],
    }
    for what, values in facts.items():
        if len(set(values)) > 1:
            shown = " and ".join(map(str, dict.fromkeys(values)))
            raise DicomError(f"{' and '.join(names)} are of different {what} ({shown}): they are not joined.")
    apart_s = (max(times) - min(times)).total_seconds()
    if apart_s > _LONGEST_APART_s:
        raise DicomError(
            f"{' and '.join(names)} are {apart_s / 3600:.1f} hours apart: they are two scans; measure each as a visit."
        )
    if apart_s and beds[0].half_life_s is None:
        raise DicomError(f"The radionuclide of {names[0]} is not known, so beds cannot be decayed: state it.")


def _offsets(beds: Sequence[Quantified], names: Sequence[str]) -> np.ndarray:
    """First plane of each bed on the common grid, which begins with the lowest."""
    base = beds[0].volume.ijk_to_ras
    found = []
    for bed, name in zip(beds, names, strict=True):
        apart = np.linalg.inv(base) @ bed.volume.ijk_to_ras
        linear = np.abs(apart[:3, :3] - np.eye(3)).max()
        sideways, along = np.abs(apart[:2, 3]).max(), apart[2, 3]
        if linear > 1e-3 or max(sideways, abs(along - round(along))) > _ROUNDING:
            raise DicomError(
                f"{name} is not on the grid of {names[0]} (it is {sideways:.2f} voxels beside it and {along:.2f} "
                "planes along): reconstruct both on one grid."
            )
        found.append(round(along))
    return np.array([one - min(found) for one in found])


def _overlap(total: np.ndarray, weight: np.ndarray, array: np.ndarray, start: int, name: str) -> list[str]:
    """How well a bed agrees with those before it, where both see the same planes."""
    seen = weight[start : start + len(array)] > 0
    shared = np.flatnonzero(seen.any(axis=(1, 2)))
    if not shared.size:
        return []
    weights = np.where(seen, weight[start : start + len(array)], 1.0)
    before = (total[start : start + len(array)] / weights)[shared]
    sums = float(before.sum()), float(array[shared].sum(dtype=np.float64))
    if min(sums) <= 0:
        return [f"{name} overlaps by {shared.size} planes that hold no activity."]
    step = sums[1] / sums[0] - 1.0
    note = f"{name} overlaps the bed before it by {shared.size} planes and holds {100 * step:+.1f} % there"
    return [f"{DOUBT}{note}: look at the seam." if abs(step) > _DOUBTFUL_STEP else f"{note}."]
