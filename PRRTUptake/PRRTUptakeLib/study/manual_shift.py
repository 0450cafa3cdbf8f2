"""A lesion moved by hand in one visit, where breathing or registration left it away from its place."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.study.measurements import UNKNOWN

if TYPE_CHECKING:
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.uptake.mapping import RasTransform

MOST_mm = 50.0
MANUAL_SHIFT_METRICS = ("nudge_right", "nudge_anterior", "nudge_superior")


@dataclass(frozen=True)
class ManualShift:
    """Lesion ``lesion`` is measured ``shift_ras_mm`` from where it falls; the reason is kept in the report.

    The shift is to the patient's right, to the front and to the head.
    """

    lesion: str
    shift_ras_mm: tuple[float, float, float]
    reason: str

    def __post_init__(self) -> None:
        length = math.dist(self.shift_ras_mm, (0, 0, 0))
        if not math.isfinite(length) or length > MOST_mm:
            raise StudyError(f"Lesion {self.lesion} is shifted by {length:g} mm: register the images instead.")
        if not self.reason.strip():
            raise StudyError(f"Say why lesion {self.lesion} is shifted by hand: the reason is kept.")

    @property
    def sentence(self) -> str:
        """What was done, for the report."""
        shift = ", ".join(f"{one:+g}" for one in self.shift_ras_mm)
        return f"Lesion {self.lesion} was moved by hand by ({shift}) mm RAS: {self.reason.strip()}"

    def rows(self, blank: Measurement) -> tuple[Measurement, ...]:
        """The shift as rows of ``measurements.csv``: a copy of ``blank``, which names the lesion, per axis in mm."""
        return tuple(
            replace(blank, metric=metric, value=value, unit="mm", **UNKNOWN)
            for metric, value in zip(MANUAL_SHIFT_METRICS, self.shift_ras_mm, strict=True)
        )

    def facts(self, visit: str) -> dict[str, Any]:
        """Plain values for the provenance."""
        return {
            "visit": visit,
            "what": "nudge",
            "lesion": self.lesion,
            "shift_ras_mm": list(self.shift_ras_mm),
            "reason": self.reason.strip(),
        }

    def after(self, transform: RasTransform | None) -> RasTransform:
        """The transform from the segments' space into the image's, followed by this shift."""
        shift = np.array(self.shift_ras_mm)
        if transform is None or isinstance(transform, np.ndarray):
            matrix = np.eye(4) if transform is None else np.array(transform, dtype=np.float64)
            matrix[:3, 3] += shift
            return matrix
        bent = transform
        return lambda points: bent(points) + shift
