"""How far two readers' contours of one structure agree: overlap, distance of surfaces, volume."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from PRRTUptakeLib.segmentation.errors import SegmentationError, SegmentError
from PRRTUptakeLib.segmentation.regrid import regrid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation


@dataclass(frozen=True)
class ContourAgreement:
    """Two contours of one structure.

    ``dice`` is twice the common volume over the sum of both. Surface distances (mm) are from each border voxel of one
    contour to the nearest of the other, both ways: ``mean_surface_mm`` their mean, ``hausdorff_95_mm`` the greater 95th
    percentile of both ways. ``volume_ratio`` is second/first.
    """

    dice: float
    mean_surface_mm: float
    hausdorff_95_mm: float
    volume_ratio: float


def compare_contours(grid: Grid, first: Segment, second: Segment) -> ContourAgreement:
    """Compare two segments on one grid.

    Raises
    ------
    SegmentationError
        If one of them is empty.
    """
    one, other = first.cropped(), second.cropped()
    if not one.voxel_count or not other.voxel_count:
        empty = first.name if not one.voxel_count else second.name
        raise SegmentationError(f"The contour '{empty}' is empty: draw it, or leave the pair out.")
    low = np.minimum(one.origin, other.origin)
    high = np.maximum(np.add(one.origin, one.mask.shape), np.add(other.origin, other.mask.shape))
    masks = [_placed(segment, low, high) for segment in (one, other)]
    common = int(np.count_nonzero(masks[0] & masks[1]))
    surfaces = [_surface(grid, mask, low) for mask in masks]
    there = cKDTree(surfaces[1]).query(surfaces[0])[0]
    back = cKDTree(surfaces[0]).query(surfaces[1])[0]
    return ContourAgreement(
        dice=2.0 * common / (one.voxel_count + other.voxel_count),
        mean_surface_mm=float(np.concatenate([there, back]).mean()),
        hausdorff_95_mm=float(max(np.quantile(there, 0.95), np.quantile(back, 0.95))),
        volume_ratio=other.voxel_count / one.voxel_count,
    )


@dataclass(frozen=True)
class ContourTable:
    """Agreement of all structures that two readers drew, by name, and names that one of them alone has."""

    structures: Mapping[str, ContourAgreement]
    first_only: tuple[str, ...] = ()
    second_only: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare_segmentations(first: Segmentation, second: Segmentation) -> ContourTable:
    """Compare the structures that two readers drew on one image, matched by their names.

    Raises
    ------
    SegmentationError
        If they were not drawn on voxels of one lattice, or no name is in both.
    """
    try:
        other = second if first.grid.matches(second.grid) else regrid(second, first.grid)
    except SegmentError as error:
        raise SegmentationError(
            f"The readers drew on voxels of different images ({first.grid.shape} and {second.grid.shape} voxels): name "
            "contours of one image."
        ) from error
    names = [[segment.name for segment in one if segment.voxel_count] for one in (first, other)]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        raise SegmentationError(
            f"No structure has the same name in both ({', '.join(names[0])}; {', '.join(names[1])}): rename them."
        )
    return ContourTable(
        {name: compare_contours(first.grid, first[name], other[name]) for name in common},
        tuple(name for name in names[0] if name not in common),
        tuple(name for name in names[1] if name not in common),
    )


def _placed(segment: Segment, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    full = np.zeros(high - low, dtype=bool)
    start = np.subtract(segment.origin, low)
    full[tuple(slice(s, s + n) for s, n in zip(start, segment.mask.shape, strict=True))] = segment.mask
    return full


def _surface(grid: Grid, mask: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Centres (n, 3) in RAS of voxels with a face to the outside."""
    border = mask & ~binary_erosion(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    return np.asarray(grid.to_ras((np.argwhere(border) + low)[:, ::-1]))
