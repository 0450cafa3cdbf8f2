"""Pictures of both PET images of a route comparison: a row per target lesion, each in its own slice, in one window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.report.page import paragraph
from PRRTUptakeLib.report.pictures import Shown, SlicePlace, Window, box_around, slice_picture
from PRRTUptakeLib.report.svg import PALETTE
from PRRTUptakeLib.segmentation.segments import Segment
from PRRTUptakeLib.segmentation.storage_order import axial_axes, axial_grid, in_axial_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.study.route_uptake import EnhancementResult, RegionRatio, RoutedImage
    from PRRTUptakeLib.uptake.occupancy import Occupancy

_LESION, _HEALTHY = "#ffffff", PALETTE[2]
_MARGIN_MM = 25.0
_LEGEND = (
    "White: lesions as placed in each PET (voxels occupied to at least a half); green: healthy liver that is measured. "
    "All pictures have one window. Seen from the feet: the patient's right is on the left."
)


def route_pictures(result: EnhancementResult, metric: str) -> str:
    """A row per target: the slice through its middle after intra-arterial and after intravenous injection.

    Parameters
    ----------
    result : the comparison, whose images hold the regions as they were placed.
    metric : the protocol's, whose largest value of a target is the top of the window.
    """
    targets = [region for region in result.regions if region.role == "target"]
    top = max(max(region.ia[metric], region.iv[metric]) for region in targets)
    window = Window(0.0, top, hot=True)
    placed = [(shown, _outlines(shown, result)) for shown in (result.ia, result.iv)]
    rows = []
    for region in targets:
        pictures = [_picture(shown, region, outlines, window) for shown, outlines in placed]
        rows.append(f'<div class="triple">{"".join(pictures)}</div>')
    return paragraph(_LEGEND, "small") + "".join(rows)


def _outlines(shown: RoutedImage, result: EnhancementResult) -> list[tuple[Segment, str]]:
    """Lesions and healthy liver on the grid of the image, with their colours."""
    found = []
    for segment in result.segments:
        occupied = shown.placed.get(segment.name)
        if occupied is None or segment.role not in ("target", "lesion", "reference"):
            continue
        drawn = _half_occupied(segment, occupied)
        if drawn.voxel_count:
            drawn = in_axial_order(drawn, occupied.grid)
            found.append((drawn, _HEALTHY if segment.role == "reference" else _LESION))
    return found


def _half_occupied(segment: Segment, occupied: Occupancy) -> Segment:
    """Where a region fills at least half of the voxels, on the grid of the image, in its own box."""
    places = np.stack(np.unravel_index(occupied.indices[occupied.fraction >= 0.5], occupied.grid.shape))
    if not places.size:
        return Segment(segment.name, np.zeros((0, 0, 0), dtype=bool))
    low, high = places.min(axis=1), places.max(axis=1) + 1
    mask = np.zeros(high - low, dtype=bool)
    mask[tuple(places - low[:, None])] = True
    first: tuple[int, int, int] = (int(low[0]), int(low[1]), int(low[2]))
    return Segment(segment.name, mask, first, role=segment.role, lesion_id=segment.lesion_id)


def _picture(shown: RoutedImage, region: RegionRatio, outlines: Sequence[tuple[Segment, str]], window: Window) -> str:
    """One image in the slice in which the lesion occupies most."""
    grid = shown.image.grid
    occupied = shown.placed[region.region]
    axis = axial_axes(grid)[0]
    slices = np.unravel_index(occupied.indices, grid.shape)[axis]
    per_slice = np.bincount(slices, occupied.fraction, grid.shape[axis])
    grid = axial_grid(grid)
    around = [segment for segment, _ in outlines]
    where = SlicePlace(grid, int(np.argmax(per_slice)), box_around(grid, around, _MARGIN_MM))
    words = f"{region.region}, {shown.route}: PET, 0 to {window.high:.3g} {shown.image.units}"
    return slice_picture(Shown(shown.image, window, shown.image.units), where, outlines, words)
