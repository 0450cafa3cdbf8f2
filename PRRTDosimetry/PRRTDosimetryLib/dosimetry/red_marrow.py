"""How well the red marrow's activity by lumbar vertebrae is known: partial volume, and the marrow in their rim.

The marrow is measured in the core of the vertebrae, so that cortex and end plates stay outside; the method takes the
activity of all their marrow (EANM guideline, Hindorf et al. 2010, doi:10.1007/s00259-010-1422-4). Two parts of it are
lost: by partial volume, as in any small region, and with the marrow in the rim that was taken off. The vertebrae as
they were drawn, corrected by the transfer matrix with all other regions, have both in them, and the activity of their
cortex too. How much of that is marrow's is not known: the truth is drawn uniformly between the core's part by volume
and the whole, and the corrected activity is the middle of both. The share of the red marrow that is in these vertebrae
is the reference adult's: what it is in a patient is in no interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.uptake.transfer_uncertainty import Normals
from PRRTUptakeLib.uptake.uncertainty import DrawnValue, aggregated
from scipy import stats

from PRRTDosimetryLib.dose.marrow import lumbar_levels, vertebrae_fraction
from PRRTDosimetryLib.uncertainty.chain import ChainInputs, ChainRegion, ChainResult, dose_uncertainties

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.visit import VisitResult
    from PRRTUptakeLib.uptake.region_uptake import ImageUptakes

    from PRRTDosimetryLib.dosimetry.engine import Dosimetry
    from PRRTDosimetryLib.dosimetry.regions import Region
    from PRRTDosimetryLib.kinetics.integral import Integral

RIM = "marrow in the rim of the vertebrae"


@dataclass(frozen=True)
class Core:
    """The marrow as it was measured in one image.

    Attributes
    ----------
    activity_MBq, volume_mL : of the core.
    vertebrae : names of the regions that it is the core of.
    """

    activity_MBq: float
    volume_mL: float
    vertebrae: tuple[str, ...]


def marrow_points(visits: Sequence[VisitResult], described: Mapping[str, Region]) -> dict[str, tuple[DrawnValue, ...]]:
    """Activity of the marrow (MBq) in every image of a cycle, with its draws; empty where it is not known.

    Parameters
    ----------
    visits : of the cycle, in the order of the curves' times.
    described : what each segment is.
    """
    found = {}
    images = [visit.uptakes.image for visit in visits if visit.uptakes is not None]
    for name, region in described.items():
        if region.kind != "vertebrae" or len(images) < len(visits):
            continue
        try:
            cores = [_core(visit, name, lumbar_levels(region.vertebrae)) for visit in visits]
            found[name] = activities_of_marrow(images, cores)
        except (PRRTError, KeyError):
            continue  # its vertebrae are not drawn, or colder than what their neighbours spill into them
    return found


def _core(visit: VisitResult, name: str, levels: Sequence[int]) -> Core:
    segments, core = visit.prepared.segmentation, visit.metrics[name]
    drawn = tuple(one.name for level in levels for one in segments.having(structure=f"vertebrae_L{level}"))
    if len(drawn) != len(levels):
        raise KeyError(name)
    return Core(core.mean * core.volume_mL * 1e-6, core.volume_mL, drawn)


def activities_of_marrow(images: Sequence[ImageUptakes], cores: Sequence[Core]) -> tuple[DrawnValue, ...]:
    """Activity (MBq) of the marrow of the vertebrae in every image, as measured in the core and corrected, with draws.

    Parameters
    ----------
    images, cores : of a cycle, in one order; the vertebrae are among each image's regions.
    """
    volumes = [[image.corrected.spread.model.volumes_mL[name] for name in core.vertebrae]
               for image, core in zip(images, cores, strict=True)]  # fmt: skip
    # One share for all images: how far a core reaches goes with the voxels of the contours, the marrow does not.
    inside = float(np.mean([core.volume_mL / sum(each) for core, each in zip(cores, volumes, strict=True)]))
    middle = (1.0 + min(1.0, inside)) / 2.0
    found = []
    for image, core, each in zip(images, cores, volumes, strict=True):
        whole = aggregated([image.uptake(name) for name in core.vertebrae], "volume-weighted-mean", each)
        uniform = stats.norm.cdf(Normals(image.settings.draws, image.settings.seed, "").of("rim")[:, 0])
        rim = np.log1p((1.0 / middle - 1.0) * (2.0 * uniform - 1.0))
        noise = whole.own * math.sqrt(max(1.0, sum(each) / core.volume_mL))  # of the core's fewer voxels
        corrected_MBq = whole.corrected * sum(each) * 1e-6 * middle
        words, causes = f"{whole.contents}, {RIM}", {**whole.causes, RIM: rim}
        found.append(DrawnValue(core.activity_MBq, corrected_MBq, noise, whole.truth + rim, words, causes))
    return tuple(found)


def with_marrow(
    chain: ChainResult,
    integrals: Mapping[str, Integral],
    regions: Mapping[str, Region],
    inputs: ChainInputs,
    generators: tuple[np.random.Generator, np.random.Generator],
) -> ChainResult:
    """The chain with the draws of the marrow's time-integrated activity, where its points are known.

    ``generators`` draw what all regions share (again), and what is the marrow's own.
    """
    tias = dict(chain.tias)
    for name, region in regions.items():
        volume = integrals[name].curve.volume_mL
        if region.kind == "vertebrae" and name in inputs.concentrations and not math.isnan(volume):
            of_mass_1 = ChainRegion(integrals[name], volume, 1.0, 0.0, np.ones_like)
            drawn = dose_uncertainties({name: of_mass_1}, inputs, chain.s_value.size, *generators)
            tias[name] = drawn.tias[name]
    return replace(chain, tias=tias)


def marrow_integral(result: Dosimetry) -> Integral | None:
    """Of the vertebrae that the red marrow's activity is from; None without them."""
    for name, integral in result.integrals.items():
        region = result.described.get(name)
        if region is not None and region.kind == "vertebrae" and not result.phantom.self_only:
            return integral
    return None


def red_marrow_tia(result: Dosimetry) -> tuple[float, DrawnValue | None] | None:
    """Time-integrated activity of all red marrow in MBq h with its draws, if known; None without vertebrae."""
    integral = marrow_integral(result)
    if integral is None:
        return None
    share = vertebrae_fraction(result.described[integral.region].vertebrae)
    drawn = None if result.chain is None else result.chain.tias.get(integral.region)
    if drawn is not None:
        drawn = DrawnValue(drawn.measured / share, drawn.corrected / share, drawn.own, drawn.truth, drawn.contents)
    return integral.tia_MBq_h / share, drawn
