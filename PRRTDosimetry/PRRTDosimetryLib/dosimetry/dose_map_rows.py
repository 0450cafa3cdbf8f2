"""A dose map as rows of ``measurements.csv``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import Measurement

from PRRTDosimetryLib.dose.dose_levels import PERCENTS
from PRRTDosimetryLib.dosimetry.cycle import DOSIMETRY
from PRRTDosimetryLib.dosimetry.effect_maps import effect_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

    from PRRTDosimetryLib.dosimetry.dose_maps import CycleMap

_TWO_SIDED_95 = 1.959964  # standard deviations of a normal distribution


def dose_map_rows(
    made: CycleMap,
    patient: str,
    cycle: int,
    image: str,
    known: Mapping[str, UncertainValue] | None = None,
    levels: Mapping[tuple[str, int], UncertainValue] | None = None,
) -> tuple[Measurement, ...]:
    """Per region ``voxel_dose_mean``, ``dvh_d98``, ``dvh_d50``, ``dvh_d2`` (Gy), ``voxel_tia`` (MBq.h), and the effect.

    ``known`` are the intervals of the means, ``levels`` those of the histograms by region and percent. A transport has
    ``voxel_dose_statistical_u`` too, which is in the uncertainty and the interval of the mean.
    """
    rows = []
    words: dict[str, tuple[object, ...]] = {}
    for name, region in made.regions.items():
        segment, histogram = region.segment, region.histogram
        values = [
            ("voxel_dose_mean", histogram.mean_Gy, "Gy"),
            *((f"dvh_d{percent}", histogram.dose_at_volume_Gy(percent), "Gy") for percent in PERCENTS),
            ("voxel_tia", region.tia_MBq_h, "MBq.h"),
        ]
        labels = (segment.role, segment.lobe or "none", segment.lesion_id)
        words[name] = (patient, cycle, DOSIMETRY, image, name, *labels)
        rows += [
            Measurement(patient, cycle, DOSIMETRY, image, name, *labels, metric, value, unit)
            for metric, value, unit in values
        ]
        mean = rows[-len(values)]
        for step, percent in enumerate(PERCENTS, 1):
            level = (levels or {}).get((name, percent))
            if level is not None:
                row = rows[step - len(values)]
                rows[step - len(values)] = replace(row, uncertainty=level.u, lower_95=level.lower, upper_95=level.upper)
        one = (known or {}).get(name)
        if one is not None:
            rows[-len(values)] = _with_interval(mean, one, region.u_Gy)
        if not math.isnan(region.u_Gy):
            rows.append(replace(mean, metric="voxel_dose_statistical_u", value=region.u_Gy))
    if made.effects is not None:
        rows += effect_rows(made.effects.regions, words)
    return tuple(rows)


def _with_interval(mean: Measurement, known: UncertainValue, u_statistical_Gy: float) -> Measurement:
    """The mean with its uncertainty and 95 % interval, the statistical part of a transport in both."""
    own = 0.0 if math.isnan(u_statistical_Gy) else u_statistical_Gy
    wider = [math.hypot(end - mean.value, _TWO_SIDED_95 * own) - abs(end - mean.value) for end in _ends(known)]
    low, high = _ends(known)
    u = math.hypot(known.u, own)
    return replace(mean, uncertainty=u, lower_95=low - wider[0], upper_95=high + wider[1])


def _ends(known: UncertainValue) -> tuple[float, float]:
    return known.lower, known.upper


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
