"""Organs whose uptake is measured beside the liver: kidneys, spleen, marrow without cortex, blood pool.

Lesions, grown by a margin, are taken out of every organ: a metastasis in a vertebra is no marrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import common_box, grown, mask_in, segment_in, union_in, within_mm
from PRRTUptakeLib.segmentation.errors import OrganError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation


@dataclass(frozen=True)
class OrganRule:
    """How organs are made.

    Attributes
    ----------
    marrow_levels : lumbar vertebrae whose marrow counts; L2-L4 as in the EANM guidance (C. Hindorf et al. 2010,
        doi:10.1007/s00259-010-1422-4), or L1-L5.
    cortex_mm : thickness taken off each vertebra, so that cortex and end plates stay outside.
    aorta_wall_mm : taken off the aorta, so that the wall and its spill-out stay outside.
    lesion_margin_mm : by which lesions are grown before they are taken out.
    """

    marrow_levels: tuple[int, ...] = (2, 3, 4)
    cortex_mm: float = 3.0
    aorta_wall_mm: float = 4.0
    lesion_margin_mm: float = 0.0

    def __post_init__(self) -> None:
        if not self.marrow_levels or not set(self.marrow_levels) <= {1, 2, 3, 4, 5}:
            raise OrganError(f"Marrow is taken from lumbar vertebrae 1 to 5, not {self.marrow_levels}.")
        for name in ("cortex_mm", "aorta_wall_mm", "lesion_margin_mm"):
            if not 0 <= getattr(self, name) < 100:
                raise OrganError(f"'{name}' must lie between 0 and 100 mm, not {getattr(self, name)}.")


@dataclass(frozen=True, eq=False)
class OrganList:
    """The organs that could be made, and why others could not, by structure."""

    organs: tuple[Segment, ...]
    refusals: dict[str, str]


def measured_organs(segmentation: Segmentation, lesions: Sequence[Segment], rule: OrganRule) -> OrganList:
    """Kidneys (each and both), spleen, marrow and blood pool from recognised structures, without lesions.

    Parameters
    ----------
    segmentation : with structures recognised.
    lesions : all lesions, on the same grid.
    rule : see `OrganRule`.
    """
    grid = segmentation.grid
    wide = [grown(grid, lesion, rule.lesion_margin_mm) for lesion in lesions]
    organs: list[Segment] = []
    refusals: dict[str, str] = {}
    for key in ("kidney_left", "kidney_right", "kidneys", "spleen", "marrow", "blood_pool"):
        try:
            organ = _without(_raw_organ(segmentation, key, rule), wide)
        except OrganError as error:
            refusals[key] = str(error)
            continue
        if organ.voxel_count:
            organs.append(organ)
        else:
            refusals[key] = f"The {organ.name} is wholly within lesions: nothing is left to measure."
    return OrganList(tuple(organs), refusals)


def marrow(grid: Grid, vertebrae: Sequence[Segment], cortex_mm: float) -> Segment:
    """The marrow of vertebrae: each without a layer of ``cortex_mm``, measured between voxel centres.

    Raises
    ------
    OrganError
        If there is no vertebra with voxels, or nothing is left inside.
    """
    filled = [vertebra for vertebra in vertebrae if vertebra.voxel_count]
    if not filled:
        raise OrganError("There is no vertebra to take marrow from: segment L2 to L4.")
    cores = [_core(grid, vertebra, cortex_mm) for vertebra in filled]
    if not any(core.voxel_count for core in cores):
        raise OrganError(f"Nothing is left of the vertebrae without {cortex_mm:g} mm of cortex: take off less.")
    return _union(grid, "marrow", cores)


def blood_pool(grid: Grid, aorta: Segment, wall_mm: float) -> Segment:
    """The core of the aorta: its voxels deeper than ``wall_mm``.

    Raises
    ------
    OrganError
        If the aorta is empty or nowhere that wide.
    """
    if not aorta.voxel_count:
        raise OrganError(f"The aorta segment '{aorta.name}' is empty: draw it.")
    core = _core(grid, aorta, wall_mm)
    if not core.voxel_count:
        raise OrganError(f"The aorta '{aorta.name}' is nowhere deeper than {wall_mm:g} mm: take off less wall.")
    return _union(grid, "blood_pool", [core])


def _raw_organ(segmentation: Segmentation, key: str, rule: OrganRule) -> Segment:
    grid = segmentation.grid
    if key == "marrow":
        given = _filled(segmentation, "marrow")
        wanted = [s for level in rule.marrow_levels for s in segmentation.having(structure=f"vertebrae_L{level}")]
        return _union(grid, key, given) if given else marrow(grid, wanted, rule.cortex_mm)
    if key == "blood_pool":
        given = _filled(segmentation, "blood_pool")
        return _union(grid, key, given) if given else blood_pool(grid, _one(segmentation, "aorta"), rule.aorta_wall_mm)
    if key == "kidneys" and not _filled(segmentation, "kidneys"):
        return _union(grid, key, [_one(segmentation, "kidney_left"), _one(segmentation, "kidney_right")])
    return _union(grid, key, [_one(segmentation, key)])


def _filled(segmentation: Segmentation, key: str) -> list[Segment]:
    return [segment for segment in segmentation.having(structure=key) if segment.voxel_count]


def _one(segmentation: Segmentation, key: str) -> Segment:
    found = _filled(segmentation, key)
    if len(found) != 1:
        name = codes.structure(key).name
        how_many = "no segment with voxels is" if not found else f"{len(found)} segments are"
        raise OrganError(f"There must be one {name}, but {how_many} recognised as it: add or relabel segments.")
    return found[0]


def _core(grid: Grid, segment: Segment, depth_mm: float) -> Segment:
    """Voxels whose centre is more than ``depth_mm`` from the centre of any voxel outside; the grid's end is none."""
    box = common_box(grid, [segment], margin_voxels=1)
    inside = mask_in(segment, box)
    return segment_in(segment.name, inside & ~within_mm(grid, ~inside, depth_mm), box)


def _union(grid: Grid, key: str, parts: Sequence[Segment]) -> Segment:
    item = codes.structure(key)
    box = common_box(grid, parts)
    labels = {"role": "organ", "lobe": "none", "structure": key, "color": item.color}
    return segment_in(item.name, union_in(parts, box), box, **labels)


def _without(organ: Segment, lesions: Sequence[Segment]) -> Segment:
    return organ.relabelled(mask=organ.mask & ~union_in(lesions, organ.box)).cropped()
