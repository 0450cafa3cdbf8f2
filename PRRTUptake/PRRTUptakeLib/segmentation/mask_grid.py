"""A mask file brought to an image's voxels, where both have the same grid but for the order of their axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.errors import SegmentationError
from PRRTUptakeLib.segmentation.files import binary, read_voxels

if TYPE_CHECKING:
    from pathlib import Path

    from PRRTUptakeLib.imaging.volume import Grid

_TOLERANCE_MM = 0.05  # NIfTI keeps positions in single precision
_TOLERANCE_VOXELS = 0.05


def placed_mask(path: Path, grid: Grid) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read a binary mask as voxels [k, j, i] of ``grid``, and sentences on its geometry.

    Axes may be swapped or reversed, nothing is resampled.

    Raises
    ------
    SegmentationError
        If the file is damaged, is not a mask, is empty, or is on another grid.
    """
    if not path.is_file():
        raise SegmentationError(f"There is no mask {path}.")
    found = read_voxels(path)
    mask = binary(found.values, path)
    if not mask.any():
        raise SegmentationError(f"The mask {path.name} is empty: there is nothing to measure in.")
    turned = _turned(mask, found.grid, grid)
    if turned is None:
        raise SegmentationError(
            " ".join(
                (
                    f"The mask {path.name} ({found.grid.described()}) is not on the grid of the image "
                    f"({grid.described()}): draw it on this image or resample it to its grid.",
                    *found.remarks,
                )
            )
        )
    return turned, found.remarks


def _turned(mask: np.ndarray, own: Grid, grid: Grid) -> np.ndarray | None:
    """The mask with its axes ordered and directed as those of ``grid``; None if that does not make them equal."""
    to_image = grid.ras_to_ijk @ own.ijk_to_ras
    steps = np.rint(to_image[:3, :3]).astype(int)
    if not (np.abs(steps).sum(axis=0) == 1).all() or not (np.abs(steps).sum(axis=1) == 1).all():
        return None
    source = np.abs(steps).argmax(axis=1)  # which axis of the mask runs along each axis of the image
    sizes = np.array(mask.shape[::-1])[source]
    if tuple(sizes[::-1]) != grid.shape:
        return None
    directions = steps[np.arange(3), source]
    start = np.where(directions < 0, sizes - 1, 0)
    exact = np.eye(4)
    exact[:3, :3], exact[:3, 3] = steps, start
    if not own.matches(_moved(grid, exact, mask.shape), max(_TOLERANCE_MM, _TOLERANCE_VOXELS * min(grid.spacing_mm))):
        return None
    turned = mask.transpose(2, 1, 0).transpose(source)[tuple(slice(None, None, int(d)) for d in directions)]
    return turned.transpose(2, 1, 0)


def _moved(grid: Grid, index_map: np.ndarray, shape: tuple[int, ...]) -> Grid:
    """The grid of a mask whose indices ``index_map`` takes to those of ``grid``."""
    return type(grid)((shape[0], shape[1], shape[2]), grid.ijk_to_ras @ index_map)
