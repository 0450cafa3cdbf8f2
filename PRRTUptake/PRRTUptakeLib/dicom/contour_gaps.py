"""Planes that nobody contoured between contoured ones: found part by part, and filled where the shape goes on.

A plane is missing from a part of a structure when contours above and below it lie over each other and nothing is drawn
between. It is filled when few planes are missing or the contours beside them are single planes (drawn with a stride);
two parts that taper towards each other are two lesions, and stay as drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_TOUCHING = np.ones((3, 3), dtype=bool)
_FEW_planes = 2
_LONGEST_FILL_mm = 15.0  # between the centres of the planes that are contoured
_SEARCHED_mm = 30.0
_ALIKE = 0.5  # of each other's area: what is less alike beside a gap is not the same thing on both sides
_TAPERED = 0.6  # of the area one plane further in


@dataclass(frozen=True, eq=False)
class Gap:
    """Planes without a contour between ``below`` and ``above`` (indices of planes), and the parts [j, i] there."""

    below: int
    above: int
    part_below: np.ndarray
    part_above: np.ndarray
    fillable: bool

    @property
    def missing(self) -> int:
        """How many planes have no contour."""
        return self.above - self.below - 1


def find_gaps(mask: np.ndarray, plane_distance_mm: float) -> tuple[Gap, ...]:
    """The gaps in a structure.

    Parameters
    ----------
    mask : bool [k, j, i].
    plane_distance_mm : between image planes.
    """
    gaps = []
    drawn = mask.any(axis=(1, 2))
    reach = int(np.ceil(_SEARCHED_mm / plane_distance_mm)) + 1
    for k in np.flatnonzero(drawn):
        labels, count = ndimage.label(mask[k], structure=_TOUCHING)
        for number in range(1, count + 1):
            part = labels == number
            if k + 1 < len(mask) and (mask[k + 1] & part).any():
                continue
            gap = _above(mask, int(k), part, reach, plane_distance_mm)
            if gap is not None:
                gaps.append(gap)
    return tuple(gaps)


def _above(mask: np.ndarray, k: int, part: np.ndarray, reach: int, distance_mm: float) -> Gap | None:
    """The gap between a part that nothing covers and the next part over it; None if there is none."""
    for m in range(k + 2, min(k + reach + 1, len(mask))):
        if not (mask[m] & part).any():
            continue
        labels, _ = ndimage.label(mask[m], structure=_TOUCHING)
        touched = [n for n in np.unique(labels[part]) if n and not (mask[m - 1] & (labels == n)).any()]
        if not touched:
            return None
        above = np.isin(labels, touched)
        return Gap(k, m, part, above, _fillable(mask, (k, part), (m, above), distance_mm))
    return None


def _fillable(mask: np.ndarray, low: tuple[int, np.ndarray], high: tuple[int, np.ndarray], distance_mm: float) -> bool:
    areas = sorted((int(low[1].sum()), int(high[1].sum())))
    if areas[0] < _ALIKE * areas[1] or (low[1] & high[1]).sum() < _ALIKE * areas[0]:
        return False
    inner = [_next_area(mask, low[0] - 1, low[1]), _next_area(mask, high[0] + 1, high[1])]
    missing = high[0] - low[0] - 1
    if 0 in inner:  # of many planes only if the rest of the structure is not contoured there either: a stride
        skipped = missing <= _FEW_planes or not mask[low[0] + 1 : high[0]].any()
        return skipped and (high[0] - low[0]) * distance_mm <= _LONGEST_FILL_mm
    tapered = [part.sum() <= _TAPERED * area for (_, part), area in zip((low, high), inner, strict=True)]
    return missing <= _FEW_planes and not all(tapered)


def _next_area(mask: np.ndarray, k: int, part: np.ndarray) -> int:
    """Pixels of what continues a part in plane ``k``; 0 if nothing does."""
    if not 0 <= k < len(mask) or not (mask[k] & part).any():
        return 0
    labels, _ = ndimage.label(mask[k], structure=_TOUCHING)
    return int(np.isin(labels, np.unique(labels[part & mask[k]])).sum())


def fill_gap(mask: np.ndarray, gap: Gap, pixel_mm: tuple[float, float]) -> None:
    """Fill a gap of a mask [k, j, i] in place: the outline is that of the interpolated distance from those beside it.

    Shape-based interpolation, S. Raya and J. Udupa 1990, doi:10.1109/42.52980. ``pixel_mm`` is the pixel along j and i.
    """
    low, high = (_distance(part, pixel_mm) for part in (gap.part_below, gap.part_above))
    for k in range(gap.below + 1, gap.above):
        share = (k - gap.below) / (gap.above - gap.below)
        mask[k] |= (1.0 - share) * low + share * high > 0


def _distance(part: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Distance in mm from the outline, positive inside."""
    padded = np.pad(part, 1)
    inside = ndimage.distance_transform_edt(padded, sampling=pixel_mm)
    outside = ndimage.distance_transform_edt(~padded, sampling=pixel_mm)
    return np.asarray(inside - outside)[1:-1, 1:-1]
