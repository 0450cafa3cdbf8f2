"""Split a lesion that is really several: at its waists, or by a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK
from scipy import ndimage

from PRRTUptakeLib.segmentation.bounding_box import common_box, distance_mm, mask_in, segment_in
from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.lesions import TOUCHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment


def split_lesion(grid: Grid, lesion: Segment, parts: int = 2) -> tuple[Segment, ...]:
    """Divide a lesion at its waists into ``parts``, the largest first; the largest keeps id and name.

    Watershed on the distance from the border (F. Meyer 1994), from the ``parts`` deepest places that are apart.

    Raises
    ------
    SegmentationError
        If the lesion has no waist that would give so many parts.
    """
    if parts < 2 or not lesion.voxel_count:
        raise SegmentationError(
            f"A lesion with voxels splits into at least two parts; asked were {parts} of '{lesion.name}'."
        )
    box = common_box(grid, [lesion], margin_voxels=1)
    inside = mask_in(lesion, box)
    depth = distance_mm(grid, ~inside)
    seeds = _seeds(depth, parts, 0.5 * min(grid.spacing_mm))
    if seeds is None:
        raise SegmentationError(
            f"The lesion '{lesion.name}' has no waist that gives {parts} parts: split it by a plane."
        )
    flooded = SimpleITK.MorphologicalWatershedFromMarkers(
        SimpleITK.GetImageFromArray(-depth),
        SimpleITK.GetImageFromArray(seeds),
        markWatershedLine=False,
        fullyConnected=True,
    )
    labels = SimpleITK.GetArrayFromImage(flooded) * inside
    pieces = [segment_in(lesion.name, labels == number, box) for number in range(1, parts + 1)]
    return _parts(lesion, [mask_in(piece, lesion.box) for piece in pieces])


def split_lesion_by_plane(
    grid: Grid, lesion: Segment, origin_ras: np.ndarray, normal_ras: np.ndarray
) -> tuple[Segment, ...]:
    """Divide a lesion in two by a plane (point (3,), normal (3,)), the larger part first; it keeps id and name.

    Raises
    ------
    SegmentationError
        If the plane does not cut the lesion.
    """
    kji = np.argwhere(lesion.mask)
    side = (grid.to_ras((kji + lesion.origin)[:, ::-1]) - np.asarray(origin_ras)) @ np.asarray(normal_ras) >= 0
    if side.all() or not side.any():
        raise SegmentationError(f"The plane does not cut the lesion '{lesion.name}': move it into the lesion.")
    first = np.zeros_like(lesion.mask)
    first[tuple(kji[side].T)] = True
    return _parts(lesion, [first, lesion.mask & ~first])


def _parts(lesion: Segment, masks: Sequence[np.ndarray]) -> tuple[Segment, ...]:
    ordered = sorted(masks, key=lambda mask: -np.count_nonzero(mask))
    first, *others = [lesion.part(mask) for mask in ordered]
    named = [other.relabelled(name=f"{lesion.name} part {n}", lesion_id="") for n, other in enumerate(others, start=2)]
    return (first, *named)


def _seeds(depth: np.ndarray, parts: int, least_mm: float) -> np.ndarray | None:
    """Labels 1..parts (uint8) of the bodies that stay apart longest when the lesion shrinks; None if none do.

    A body counts by how much deeper it is than the waist that frees it; one below ``least_mm`` is mere roughness.
    """
    best, seeds = least_mm, None
    for level in np.linspace(0.0, float(depth.max()), 41)[:-1]:
        labels, count = ndimage.label(depth > level, structure=TOUCHING)
        if count < parts:
            continue
        deepest = ndimage.maximum(depth, labels, range(1, count + 1))
        order = np.argsort(-deepest, kind="stable")[:parts]
        if deepest[order[-1]] - level > best:
            best = float(deepest[order[-1]] - level)
            table = np.zeros(count + 1, dtype=np.uint8)
            table[order + 1] = np.arange(1, parts + 1)
            seeds = table[labels]
    return seeds
