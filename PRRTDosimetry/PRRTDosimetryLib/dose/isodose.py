"""Dose profiles, isodose regions and the colours of a dose map.

Isodose lines are the outlines of nested regions, one for each level, so that Slicer draws them in 2D and 3D like any
other segment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
from scipy import ndimage

from PRRTDosimetryLib.dose.errors import DoseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume

RGB = tuple[float, float, float]
# From cold to hot, of rising lightness, so that the order survives in print and for colour-blind eyes.
_COLOURS = np.array(
    [
        [0.05, 0.03, 0.25],
        [0.15, 0.20, 0.65],
        [0.00, 0.45, 0.65],
        [0.10, 0.62, 0.40],
        [0.60, 0.75, 0.15],
        [0.98, 0.75, 0.15],
        [1.00, 0.93, 0.70],
    ]
)


def dose_colour(share: float) -> RGB:
    """Red, green and blue, each 0-1, of a dose that is ``share`` (0-1) of the scale's end."""
    place = np.linspace(0.0, 1.0, len(_COLOURS))
    red, green, blue = (float(np.interp(share, place, channel)) for channel in _COLOURS.T)
    return red, green, blue


def dose_colour_table(maximum_Gy: float, entries: int = 256) -> list[tuple[float, RGB]]:
    """Colours of ``entries`` doses from 0 to ``maximum_Gy``."""
    if not maximum_Gy > 0.0 or entries < 2:
        raise DoseError(f"A dose scale ends above 0 Gy and has two entries or more, not {maximum_Gy:g}, {entries}.")
    return [(maximum_Gy * n / (entries - 1), dose_colour(n / (entries - 1))) for n in range(entries)]


def levels_from_text(text: str) -> tuple[float, ...]:
    """Isodose levels in Gy as they were typed, separated by spaces or commas; none where nothing was typed.

    Raises
    ------
    DoseError
        If a word is no dose above 0 Gy, or one is given twice.

    Examples
    --------
    >>> levels_from_text("5, 10 20")
    (5.0, 10.0, 20.0)
    """
    levels = []
    for word in text.replace(",", " ").split():
        try:
            level = float(word)
        except ValueError as error:
            raise DoseError(f"'{word}' is not a dose: give isodoses in Gy, for instance 5 10 20.") from error
        if not (0.0 < level < math.inf) or level in levels:
            raise DoseError(f"Isodoses are different doses above 0 Gy, not {word}: correct the field.")
        levels.append(level)
    return tuple(levels)


def isodose_regions(dose: Volume, levels_Gy: Sequence[float]) -> Segmentation:
    """For each level the region that receives at least that dose; levels that no voxel reaches are left out.

    Raises
    ------
    DoseError
        If a level is not positive or is given twice.
    """
    levels = sorted(float(level) for level in levels_Gy)
    if not levels or levels[0] <= 0.0 or len(set(levels)) < len(levels):
        raise DoseError(f"Isodose levels are different doses above 0 Gy, not {', '.join(f'{x:g}' for x in levels)}.")
    segments = []
    for level in levels:
        segment = Segment.from_full(f"{level:g} Gy", dose.array >= level, color=dose_colour(level / levels[-1]))
        if segment.voxel_count:
            segments.append(segment)
    return Segmentation(dose.grid, tuple(segments))


def dose_profile(
    dose: Volume, start_ras_mm: Sequence[float], end_ras_mm: Sequence[float], points: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the start in mm (points,), and dose in Gy (points,), along a straight line; linear between voxels.

    Raises
    ------
    DoseError
        If the line leaves the dose map or has no length.
    """
    start, end = np.asarray(start_ras_mm, dtype=np.float64), np.asarray(end_ras_mm, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    if not length > 0.0 or points < 2:
        raise DoseError("A profile needs two different ends and at least two points.")
    share = np.linspace(0.0, 1.0, points)
    place = dose.grid.to_ijk(start + share[:, None] * (end - start))[:, ::-1]
    if place.min() < -0.5 or (place > np.array(dose.grid.shape) - 0.5).any():
        raise DoseError("The profile leaves the dose map: draw it inside.")
    values = ndimage.map_coordinates(dose.array, place.T, order=1, mode="nearest")
    return share * length, values.astype(np.float64)
