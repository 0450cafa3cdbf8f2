"""The greatest width of a lesion that only a few thick slices show, by the areas and centres of its sections.

Between thick slices the hull of voxel centres says next to nothing on the extent across them, and the largest of
several uncertain extents is too large. The sections of an ellipsoid say it exactly: their areas are a parabola over
the slices' positions, their centres are on one line, and they are all of one shape. With two slices the parabola is not
known; its extent is then taken as that of a ball of the same section, and with one slice that of a ball of the same
volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.segmentation.widths import hull_points

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.segmentation.segments import Segment

MOST_SLICES = 12
THICK = 1.8  # times the spacing in the plane, below which hulls of voxel centres say enough
_FEWEST = 12  # voxels in the greatest section, below which it has no shape
_MISFIT = 0.15  # of the greatest area: more, and the sections are not those of an ellipsoid
_CONVEX = 0.8  # share of a section's hull that is filled; below, no ellipsoid describes the lesion


@dataclass(frozen=True, eq=False)
class _Sections:
    """Sections of a lesion: positions across the slices (n,) mm, areas (n,) mm2, centres (n, 3) RAS, and shapes.

    ``spread`` (3, 3) mm4 is the sum of the sections' second moments of area about their own centres.
    """

    heights: np.ndarray
    areas: np.ndarray
    centres: np.ndarray
    spread: np.ndarray
    apart_mm: float
    normal: np.ndarray


def width_by_sections(grid: Grid, lesion: Segment) -> float | None:
    """Greatest width in mm; None where slices are many or thin, or the sections are not those of an ellipsoid.

    Parameters
    ----------
    grid : of the lesion.
    lesion : cropped to its voxels.
    """
    thick = int(np.argmax(grid.spacing_mm))  # i, j or k
    axis = 2 - thick
    if grid.spacing_mm[thick] < THICK * sorted(grid.spacing_mm)[1] or lesion.mask.shape[axis] > MOST_SLICES:
        return None
    found = _sections(grid, lesion, axis)
    if found is None:
        return None
    peak, half = _parabola(found)
    if not (peak > 0 and half > 0):
        return None
    if len(found.areas) > 3 and _misfit(found) > _MISFIT:
        return None
    weights = found.areas / found.areas.sum()
    heights = found.heights - weights @ found.heights
    slope = found.normal  # how the centres move per mm across the slices
    if len(heights) > 1:
        slope = (weights * heights) @ found.centres / (weights @ heights**2)
    # Second moments of an ellipse are area times a quarter of its squared half axes; those of all sections are alike.
    squared = 4.0 * peak * found.spread / float(found.areas @ found.areas)
    values = np.linalg.eigvalsh(squared)
    squared = squared * (peak / math.pi / math.sqrt(max(float(values[1] * values[2]), 1e-12)))
    return 2.0 * math.sqrt(float(np.linalg.eigvalsh(squared + half**2 * np.outer(slope, slope))[-1]))


def _sections(grid: Grid, lesion: Segment, axis: int) -> _Sections | None:
    """The sections; None where one is empty or far from convex, or none is large enough to have a shape."""
    steps = grid.ijk_to_ras[:3, :3]
    normal = np.linalg.inv(steps)[2 - axis]
    normal = normal / np.linalg.norm(normal)
    apart = float(steps[:, 2 - axis] @ normal)
    pixel = abs(float(np.linalg.det(steps))) / abs(apart)
    places, areas, centres, spread = [], [], [], np.zeros((3, 3))
    for index in range(lesion.mask.shape[axis]):
        plane = np.argwhere(np.take(lesion.mask, index, axis=axis))
        if not len(plane) or not _is_convex(plane):
            return None
        kji = np.insert(plane, axis, index, axis=1) + np.array(lesion.origin)
        points = grid.to_ras(kji[:, ::-1])
        centre = points.mean(axis=0)
        places.append(float(centre @ normal))
        areas.append(len(plane) * pixel)
        centres.append(centre)
        spread += (points - centre).T @ (points - centre) * pixel
    if max(areas) < _FEWEST * pixel:
        return None
    return _Sections(np.array(places), np.array(areas), np.array(centres), spread, abs(apart), normal)


def _is_convex(plane: np.ndarray) -> bool:
    """Whether the voxels (n, 2) of a slice fill their hull, as those of an ellipse do."""
    corners = (plane[None] + np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])[:, None]).reshape(-1, 2)
    hull = hull_points(corners)
    if hull is None:
        return False
    x, y = hull.T
    filled = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return len(plane) >= _CONVEX * filled


def _misfit(sections: _Sections) -> float:
    """Largest residual of the areas from a parabola, in parts of the greatest area."""
    z = sections.heights - sections.heights.mean()
    left = sections.areas - np.polyval(np.polyfit(z, sections.areas, 2), z)
    return float(np.abs(left).max() / sections.areas.max())


def _parabola(sections: _Sections) -> tuple[float, float]:
    """Greatest area in mm2 and half the extent across the slices in mm of the ellipsoid with these sections.

    Both are 0 where areas do not decline from the middle, as those of a cylinder.
    """
    z, areas = sections.heights, sections.areas
    reach = (len(z) + 1) * sections.apart_mm / 2.0  # the next slices are empty
    if len(z) == 1:
        radius = (3.0 * areas[0] * sections.apart_mm / (4.0 * math.pi)) ** (1.0 / 3.0)
        return float(areas[0]), min(float(radius), reach)
    middle = z.mean()
    if len(z) > 2:
        curve, slope, level = np.polyfit(z - middle, areas, 2)
        if not curve < 0:
            return 0.0, 0.0
        peak = level - slope**2 / (4.0 * curve)
        return float(peak), min(math.sqrt(peak / -curve), reach)
    slope = (areas[-1] - areas[0]) / (z[-1] - z[0])
    peak = float(areas[0] + math.pi * (z[0] - middle - slope / (2.0 * math.pi)) ** 2)
    return peak, min(math.sqrt(peak / math.pi), reach)
