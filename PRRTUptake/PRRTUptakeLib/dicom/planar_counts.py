"""Counts of planar NM images: how many, over how long, when; for a series of count rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pydicom

from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label, number
from PRRTUptakeLib.dicom.reading import NM_STORAGE
from PRRTUptakeLib.dicom.series import find_series
from PRRTUptakeLib.dicom.times import clock_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True)
class PlanarCounts:
    """One image: its counts, duration and start."""

    path: Path
    counts: float
    duration_s: float
    started: datetime


def planar_counts(folder: Path) -> tuple[PlanarCounts, ...]:
    """All planar NM images of a folder by time; the frames of one image are summed (two heads).

    Raises
    ------
    DicomError
        If there is none, or one does not say how long it took or when.
    """
    found = []
    for series in find_series(folder):
        if series.sop_class != NM_STORAGE:
            continue
        for header in series.headers:
            dataset, where = header.dataset, str(header.path.name)
            clock = clock_of(dataset, where)
            started = clock.date_time(dataset, "AcquisitionDateTime") or clock.moment(
                dataset, "AcquisitionDate", "AcquisitionTime"
            )
            duration_ms = number(dataset, "ActualFrameDuration", where)
            if started is None or duration_ms is None or duration_ms <= 0:
                missing = "AcquisitionTime" if started is None else "ActualFrameDuration"
                raise DicomError(f"{label(missing)} of {where} is missing: a count rate needs it.")
            pixels = pydicom.dcmread(header.path).pixel_array
            total = float(np.asarray(pixels, dtype=np.float64).sum())
            found.append(PlanarCounts(header.path, total, duration_ms / 1000.0, started))
    if not found:
        raise DicomError(f"The folder {folder} holds no planar NM images.")
    return tuple(sorted(found, key=lambda one: one.started))
