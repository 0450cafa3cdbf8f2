"""Biological effect of a dose map: BED and EQD2 in every voxel of regions with stated radiosensitivity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.study.measurements import Measurement

from PRRTDosimetryLib.effect.bed import dose_protraction_factor, tissue_of
from PRRTDosimetryLib.effect.voxels import VoxelEffect, voxel_bed_Gy, voxel_effect
from PRRTDosimetryLib.kinetics.curve_shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.uptake.occupancy import Occupancy

    from PRRTDosimetryLib.effect.bed import Tissue

ORGAN_OF_STRUCTURE = {"kidney_left": "kidneys", "kidney_right": "kidneys", "marrow": "red marrow"}
_LARGEST_PART = 0.5


@dataclass(frozen=True, eq=False)
class EffectMaps:
    """BED and EQD2 in Gy, 0 where no radiosensitivity is stated, and the effect of each region by name."""

    bed: Volume
    eqd2: Volume
    regions: Mapping[str, VoxelEffect]


def effect_maps(
    dose: Volume,
    half_life: Volume,
    placed: Mapping[str, tuple[Segment, Occupancy]],
    tissues: Mapping[str, Tissue],
    shapes: Mapping[str, Shape],
) -> EffectMaps | None:
    """Effect of the dose map of one cycle; None where no region has a stated radiosensitivity.

    Parameters
    ----------
    half_life : effective half-life of each voxel in h: its mean is a region's course where it has no curve.
    placed : every region with its voxels on the map's grid; a later region takes a voxel from an earlier one.
    tissues : by organ, "lesions" or region.
    shapes : course of the activity of regions with a curve.

    Raises
    ------
    EffectError
        If an effect is not possible.
    """
    bed, eqd2 = np.zeros(dose.array.size, dtype=np.float32), np.zeros(dose.array.size, dtype=np.float32)
    found: dict[str, VoxelEffect] = {}
    for name, (segment, one) in placed.items():
        tissue = tissue_of(tissues, name, organ_of(segment), segment.role in ("target", "lesion"))
        if tissue is None:
            continue
        factor = _protraction(name, one, half_life, shapes, tissue)
        values = voxel_bed_Gy(one.values(dose), factor, tissue.alpha_beta_Gy)
        found[name] = voxel_effect(values, one.fraction * one.grid.voxel_volume_mL, tissue, (factor,))
        chosen = one.fraction >= _LARGEST_PART
        bed[one.indices[chosen]] = values[chosen]
        eqd2[one.indices[chosen]] = values[chosen] / (1.0 + 2.0 / tissue.alpha_beta_Gy)
    if not found:
        return None
    shape = dose.array.shape
    return EffectMaps(
        dose.with_values(bed.reshape(shape), quantity="biologically effective dose"),
        dose.with_values(eqd2.reshape(shape), quantity="equivalent dose in 2 Gy fractions"),
        found,
    )


def organ_of(segment: Segment) -> str:
    """The organ by which radiosensitivities are stated: both kidneys are "kidneys", parts of the liver "liver"."""
    if segment.role == "reference" or segment.structure.startswith("liver"):
        return "liver"
    return ORGAN_OF_STRUCTURE.get(segment.structure, segment.structure)


def _protraction(name: str, placed: Occupancy, half_life: Volume, shapes: Mapping[str, Shape], tissue: Tissue) -> float:
    """G of the region's own curve, else of a mono-exponential with the mean half-life of its voxels."""
    shape = shapes.get(name)
    if shape is None:
        hours = placed.values(half_life)
        seen = hours > 0.0
        if not seen.any():
            return 0.0  # no activity, so no dose rate to speak of
        mean = float(hours[seen] @ placed.fraction[seen] / placed.fraction[seen].sum())
        shape = Shape(((1.0, math.log(2.0) / mean),))
    return dose_protraction_factor(shape, tissue.repair_half_time_h)


def effect_rows(effects: Mapping[str, VoxelEffect], labels: Mapping[str, Sequence[object]]) -> list[Measurement]:
    """Per region mean BED and EQD2, BED of 98, 50 and 2 % of the volume, EUD and tumour control where stated.

    ``labels`` are the columns before the metric in a row, by region.
    """
    rows = []
    for name, one in effects.items():
        values = [
            ("voxel_bed_mean", one.bed.mean_Gy, "Gy"),
            ("voxel_eqd2_mean", one.eqd2_mean_Gy, "Gy"),
            *((f"bvh_d{percent}", one.bed.dose_at_volume_Gy(percent), "Gy") for percent in (98, 50, 2)),
            ("eud_eqd2", one.eud_Gy, "Gy"),
            ("tumour_control", one.tumour_control, "1"),
        ]
        rows += [
            Measurement(*labels[name], metric, value, unit)  # type: ignore[arg-type, call-arg]
            for metric, value, unit in values
            if not math.isnan(value)
        ]
    return rows
