"""A dose map as rows of ``measurements.csv``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import Measurement

from PRRTDosimetryLib.dosimetry.cycle import DOSIMETRY
from PRRTDosimetryLib.dosimetry.effect_maps import effect_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.study.visit import VisitResult

    from PRRTDosimetryLib.dosimetry.dose_maps import CycleMap


def dose_map_rows(
    made: CycleMap, patient: str, cycle: int, image: str, relative_u: Mapping[str, float] | None = None
) -> tuple[Measurement, ...]:
    """Per region ``voxel_dose_mean``, ``dvh_d98``, ``dvh_d50``, ``dvh_d2`` (Gy), ``voxel_tia`` (MBq.h), and the effect.

    A transport has ``voxel_dose_statistical_u`` too, and the mean's uncertainty is that of the region's dose by curves
    (``relative_u``: calibration, volume, fit and so on) with the statistical one.
    """
    rows = []
    known: dict[str, tuple[object, ...]] = {}
    for name, region in made.regions.items():
        segment, histogram = region.segment, region.histogram
        values = [
            ("voxel_dose_mean", histogram.mean_Gy, "Gy"),
            *((f"dvh_d{percent}", histogram.dose_at_volume_Gy(percent), "Gy") for percent in (98, 50, 2)),
            ("voxel_tia", region.tia_MBq_h, "MBq.h"),
        ]
        labels = (segment.role, segment.lobe or "none", segment.lesion_id)
        known[name] = (patient, cycle, DOSIMETRY, image, name, *labels)
        rows += [
            Measurement(patient, cycle, DOSIMETRY, image, name, *labels, metric, value, unit)
            for metric, value, unit in values
        ]
        if not math.isnan(region.u_Gy):
            mean = rows[-len(values)]
            rows.append(replace(mean, metric="voxel_dose_statistical_u", value=region.u_Gy))
            other = (relative_u or {}).get(name, math.nan) * histogram.mean_Gy
            rows[-len(values) - 1] = replace(mean, uncertainty=math.hypot(other, region.u_Gy))
    if made.effects is not None:
        rows += effect_rows(made.effects.regions, known)
    return tuple(rows)


def cross_fire_rows(made: CycleMap, first: VisitResult, by_sphere: Mapping[str, float]) -> list[Measurement]:
    """``cross_fire_dose`` of lesions and organs; of lesions the dose ``by_sphere`` with it too."""
    labels = first.labels
    rows = []
    for name, cross_Gy in made.cross_fire_Gy.items():
        segment = made.regions[name].segment
        words = (labels.patient, labels.cycle, DOSIMETRY, labels.image, name, segment.role, segment.lobe or "none")
        rows.append(Measurement(*words, segment.lesion_id, "cross_fire_dose", cross_Gy, "Gy"))
        if segment.role in ("target", "lesion") and name in by_sphere:
            both = by_sphere[name] + cross_Gy
            rows.append(Measurement(*words, segment.lesion_id, "dose_with_cross_fire", both, "Gy"))
    return rows
