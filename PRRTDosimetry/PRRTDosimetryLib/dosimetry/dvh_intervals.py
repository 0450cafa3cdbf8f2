"""95 % intervals of D98, D50 and D2 of a region: what all its voxels share, their noise, and the blur of the image.

What the voxels share (calibration, S-value, counts of the region, contour, resolution) is drawn with the region's dose
(``uncertainty.chain``); each level has its own noise (``dose.dose_levels``), drawn with a seed by region and level. A
map is not corrected for partial volume, so that the interval joins three answers to what the level may be in truth:
what the image shows without its noise, the pattern sharpened by the regions (Thomas et al. 2011,
doi:10.1007/s00259-011-1745-9), and a region that is uniform in truth, since an image does not distinguish an edge that
is blurred from one that is colder.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.region_voxelwise import voxelwise_factors
from PRRTUptakeLib.uptake.uncertainty import UncertainValue

from PRRTDosimetryLib.dose.dose_levels import PERCENTS, VoxelDoses, dose_levels, noise_cell_mL

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.occupancy import Occupancy
    from PRRTUptakeLib.uptake.uncertainty import DrawnValue

    from PRRTDosimetryLib.dose.dose_levels import DoseLevel
    from PRRTDosimetryLib.dosimetry.dose_maps import CycleMap, RegionMap
    from PRRTDosimetryLib.dosimetry.engine import Dosimetry
    from PRRTDosimetryLib.kinetics.voxelwise import TiaMap

_TAIL = 0.025


def level_intervals(made: CycleMap, doses: Dosimetry) -> dict[tuple[str, int], UncertainValue]:
    """Intervals by region and percent, of all regions whose dose has draws.

    None for regions that were not corrected together with the others (the liver with its lesions): what the blur of
    their border does to D98 is not known.
    """
    found = {}
    for name, region in made.regions.items():
        drawn = doses.chain.doses.get(name) if doses.chain is not None else None
        if drawn is None or not region.levels or math.isnan(region.uniform_Gy):
            continue
        mean = region.histogram.mean_Gy
        statistical = 0.0 if math.isnan(region.u_Gy) or not mean > 0 else region.u_Gy / mean
        for percent in PERCENTS:
            one = level_interval(region.levels[percent], drawn, region.uniform_Gy, statistical, f"{name} D{percent}")
            if one is not None:
                found[name, percent] = one
    return found


def level_interval(
    level: DoseLevel, drawn: DrawnValue, uniform_Gy: float = math.nan, statistical_u: float = 0.0, seed: str = ""
) -> UncertainValue | None:
    """Interval of one level; None where the level is 0.

    Parameters
    ----------
    level : of the map.
    drawn : the region's dose with what its voxels share.
    uniform_Gy : dose of the region if it is uniform in truth: its mean after sharpening; nan where that is not known.
    statistical_u : relative, of a transport.
    seed : names region and level.
    """
    if not level.measured_Gy > 0:
        return None
    random = np.random.default_rng(zlib.crc32(seed.encode()))
    noise = math.hypot(level.noise_u, statistical_u) * random.standard_normal(drawn.own.size)
    shown = level.noiseless_Gy * np.exp(drawn.own + noise)
    truths = [level.sharp_Gy * np.exp(drawn.truth + noise)] if level.sharp_Gy > 0 else []
    if uniform_Gy > 0:
        truths.append(uniform_Gy * np.exp(drawn.truth))
    ends = [np.quantile(one, [_TAIL, 1.0 - _TAIL]) for one in (shown, *truths)]
    away = np.concatenate(truths or [shown]) - level.measured_Gy
    return UncertainValue(
        value=level.measured_Gy,
        u=float(np.sqrt(np.mean(away**2))),
        lower=float(min(one[0] for one in ends)),
        upper=float(max(one[1] for one in ends)),
        contents="what the region's voxels share, their noise, and the blur of the image",
    )


def sharpening_of(first: VisitResult, dose: Volume) -> tuple[np.ndarray | None, frozenset[str]]:
    """Factors of the voxel-wise correction on the map's grid, (voxels,), and the regions that it is by."""
    if first.uptakes is None or not first.uptakes.image.corrected.spread.model.grid.matches(dose.grid):
        return None, frozenset()
    uptakes = first.uptakes
    factors = voxelwise_factors(uptakes.image.corrected).reshape(-1)
    return factors, frozenset(name for name in uptakes.image.regions if uptakes.covers(name))


def with_levels(
    region: RegionMap,
    placed: Occupancy,
    maps: tuple[TiaMap, Volume],
    sharpening: np.ndarray | None,
    corrected: bool,
) -> RegionMap:
    """A region with its levels, and its dose if it is uniform in truth.

    Parameters
    ----------
    placed : its voxels on the map's grid.
    maps : activity and dose.
    sharpening : factors (voxels,) of the map's grid; None where there are none.
    corrected : whether the region was among those that are corrected together.
    """
    tia, dose = maps
    activity, u = placed.values(tia.tia), placed.values(tia.uncertainty)
    relative_u = np.divide(u, activity, out=np.zeros_like(u, dtype=np.float64), where=activity > 0)
    factors = None if sharpening is None else sharpening[placed.indices]
    doses = np.asarray(placed.values(dose), dtype=np.float64)
    volume_mL = np.asarray(placed.fraction * dose.grid.voxel_volume_mL, dtype=np.float64)
    levels = dose_levels(
        VoxelDoses(doses, volume_mL, relative_u, factors), noise_cell_mL(tia.noise_fwhm_mm, dose.grid.spacing_mm)
    )
    uniform = float((doses * factors) @ volume_mL / volume_mL.sum()) if corrected and factors is not None else math.nan
    return replace(region, levels=levels, uniform_Gy=uniform)
