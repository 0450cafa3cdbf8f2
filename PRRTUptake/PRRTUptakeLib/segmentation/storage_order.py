"""One order of a mask's axes, chosen by its shape: what is measured in it does not depend on how the mask is stored.

Fits and choices among near equals (which slice, which of two forms) take the axes one after the other, and at coarse
voxels another order or a mirrored axis gave another length (38.1 or 39.6 mm with voxels of 7 mm). In the order found
here all 48 ways to store one mask are the same array.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.segmentation.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGITS = 4  # of mm, within which spacings are equal


@dataclass(frozen=True, eq=False)
class Stored:
    """A lesion on its bounding box in the order of its shape, and how that order came from the original one.

    Attributes
    ----------
    grid, lesion : of the box alone; the lesion's origin is (0, 0, 0).
    axes : original array axis (0 k, 1 j, 2 i) of each array axis.
    mirrored : per array axis, whether it runs against the original one.
    """

    grid: Grid
    lesion: Segment
    axes: tuple[int, int, int]
    mirrored: tuple[bool, bool, bool]

    def original_slice(self, axis: int, index: int) -> tuple[int, int]:
        """Array axis and index in the original box of the slice ``index`` across ``axis``."""
        return self.axes[axis], self.lesion.mask.shape[axis] - 1 - index if self.mirrored[axis] else index


def in_order_of_shape(grid: Grid, lesion: Segment) -> Stored:
    """The same lesion at the same place, its axes by spacing, length and voxel counts, each from its lesser end.

    Parameters
    ----------
    grid : of the lesion.
    lesion : cropped to its voxels, not empty.

    Examples
    --------
    >>> mask = np.zeros((2, 3, 4), bool); mask[0, 0, :2] = mask[1, 0, 0] = True
    >>> grid = Grid(mask.shape, np.eye(4))
    >>> other = Grid((3, 4, 2), np.eye(4)[:, [2, 0, 1, 3]])
    >>> one = in_order_of_shape(grid, Segment("L1", mask))
    >>> two = in_order_of_shape(other, Segment("L1", mask.transpose(1, 2, 0)))
    >>> bool((one.lesion.mask == two.lesion.mask).all() and (one.grid.ijk_to_ras == two.grid.ijk_to_ras).all())
    True
    """
    orders = list(_orders(lesion.mask, grid.spacing_mm[::-1]))
    if len(orders) > 1:
        orders.sort(key=lambda order: _turned(lesion.mask, *order).tobytes())
    axes, mirrored = orders[0]
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] = grid.to_ras(np.array(lesion.origin[::-1], dtype=np.float64))
    matrix[:3, :3] = grid.ijk_to_ras[:3, [2 - axis for axis in axes[::-1]]]
    mask = _turned(lesion.mask, axes, mirrored)
    for column, axis in enumerate((2, 1, 0)):
        if mirrored[axis]:
            matrix[:3, 3] += matrix[:3, column] * (mask.shape[axis] - 1)
            matrix[:3, column] *= -1.0
    return Stored(Grid(mask.shape, matrix), Segment(lesion.name, mask), axes, mirrored)


def _turned(mask: np.ndarray, axes: tuple[int, int, int], mirrored: tuple[bool, bool, bool]) -> np.ndarray:
    return mask.transpose(axes)[tuple(slice(None, None, -1 if back else 1) for back in mirrored)]


def _orders(
    mask: np.ndarray, spacing_mm: tuple[float, ...]
) -> Iterator[tuple[tuple[int, int, int], tuple[bool, bool, bool]]]:
    """Orders of the axes among which spacing, length and counts of voxels do not decide; mostly a single one."""
    counts = [mask.sum(axis=tuple(other for other in range(3) if other != axis)).tolist() for axis in range(3)]
    keys = [(round(float(spacing_mm[axis]), _DIGITS), len(one), min(one, one[::-1])) for axis, one in enumerate(counts)]
    ends = [[one > one[::-1]] if one != one[::-1] else [False, True] for one in counts]
    for axes in itertools.permutations(range(3)):
        if all(keys[axes[n]] <= keys[axes[n + 1]] for n in range(2)):
            for mirrored in itertools.product(*[ends[axis] for axis in axes]):
                yield (axes[0], axes[1], axes[2]), (mirrored[0], mirrored[1], mirrored[2])


def axial_axes(grid: Grid) -> tuple[int, int, int]:
    """Array axes (0 k, 1 j, 2 i) of a grid in the order of axial slices: nearest to foot-head, front-back, left-right.

    Examples
    --------
    >>> coronal = np.array([[1, 0, 0, 0], [0, 0, -3, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    >>> axial_axes(Grid((4, 5, 6), np.eye(4))), axial_axes(Grid((4, 5, 6), coronal))
    ((0, 1, 2), (1, 0, 2))
    """
    first = axial_axis(grid)
    rest = [axis for axis in range(3) if axis != first]
    sideways = max(rest, key=lambda axis: (abs(grid.ijk_to_ras[0, 2 - axis]) / grid.spacing_mm[2 - axis], axis))
    return first, next(axis for axis in rest if axis != sideways), sideways


def axial_grid(grid: Grid) -> Grid:
    """The same voxels with their axes in the order of axial slices, none of them turned round."""
    axes = axial_axes(grid)
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, :3] = grid.ijk_to_ras[:3, [2 - axis for axis in axes[::-1]]]
    k, j, i = (grid.shape[axis] for axis in axes)
    return Grid((k, j, i), matrix)


def in_axial_order(segment: Segment, grid: Grid) -> Segment:
    """A segment of ``grid`` on its `axial_grid`."""
    axes = axial_axes(grid)
    if axes == (0, 1, 2):
        return segment
    fractions = None if segment.fractions is None else segment.fractions.transpose(axes)
    k, j, i = (segment.origin[axis] for axis in axes)
    return replace(segment, mask=segment.mask.transpose(axes), origin=(k, j, i), fractions=fractions)


def axial_axis(grid: Grid) -> int:
    """Array axis (0 k, 1 j, 2 i) across whose planes the axial slices lie: plane normal nearest to foot-head.

    Examples
    --------
    >>> from PRRTUptakeLib.imaging.volume import Grid
    >>> coronal = np.array([[1, 0, 0, 0], [0, 0, -3, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    >>> axial_axis(Grid((4, 5, 6), np.eye(4))), axial_axis(Grid((4, 5, 6), coronal))
    (0, 1)
    """
    normals = np.linalg.inv(grid.ijk_to_ras[:3, :3])  # rows are at right angles to the planes of constant i, j, k
    upright = np.abs(normals[:, 2]) / np.linalg.norm(normals, axis=1)
    return 2 - int(np.argmax(upright))
