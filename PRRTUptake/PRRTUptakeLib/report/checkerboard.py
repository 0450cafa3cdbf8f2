"""Checkerboards of two registered images: tiles of the one between tiles of the other, so that edges must run on.

Pictures for looking at, on planes through the liver in the fixed image's space; nothing is measured on them. Tiles of
the moving image are tinted, so that the two can be distinguished even where they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.registration.preprocessing import is_ct
from PRRTUptakeLib.report.pictures import ABDOMEN_CT, outline_path, png_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.segmentation.segments import Segment

TILE_mm = 25.0
_MARGIN_mm = 12.0
_BODY = 0.15  # brightness from which the fixed image shows the patient
_PIXEL_mm = 1.0
_TINT = np.array([1.0, 0.86, 0.62])  # amber
_LIVER_COLOR = "#56b4e9"
_SCALE_BAR_mm = 50.0


@dataclass(frozen=True)
class View:
    """A plane through ``centre_ras``: "axial" (seen from the feet) or "coronal" (from the front), its size in mm."""

    name: str
    centre_ras: tuple[float, float, float]
    width_mm: float
    height_mm: float

    @property
    def edges(self) -> tuple[str, str, str, str]:
        """What is left, right, above and below."""
        return ("R", "L", "A", "P") if self.name == "axial" else ("R", "L", "S", "I")

    def points(self) -> np.ndarray:
        """RAS points [row, column, 3] of the pixels, the patient's right on the left."""
        across = (np.arange(round(self.width_mm / _PIXEL_mm)) + 0.5) * _PIXEL_mm - self.width_mm / 2.0
        down = (np.arange(round(self.height_mm / _PIXEL_mm)) + 0.5) * _PIXEL_mm - self.height_mm / 2.0
        points = np.empty((down.size, across.size, 3))
        points[...] = self.centre_ras
        points[..., 0] -= across
        points[..., 1 if self.name == "axial" else 2] -= down[:, None]
        return points


def views(fixed: Volume, liver: tuple[Segment, Grid] | None) -> tuple[View, View]:
    """An axial and a coronal plane through the liver, or through the image's middle without one."""
    top = np.array(fixed.grid.shape[::-1]) - 1.0
    ends = fixed.grid.to_ras(np.array(np.meshgrid(*[[0.0, n] for n in top])).reshape(3, -1).T)
    low, high = ends.min(axis=0), ends.max(axis=0)
    centre = (low + high) / 2.0
    _, y, z = (float(one) for one in (centre if liver is None else _centroid(*liver)))
    width, depth, height = (float(one) for one in high - low)
    return (
        View("axial", (float(centre[0]), float(centre[1]), z), width, depth),
        View("coronal", (float(centre[0]), y, float(centre[2])), width, height),
    )


def checkerboard_pictures(
    images: tuple[Volume, Volume],
    registrations: Sequence[tuple[Registration, str]],
    view: View,
    liver: tuple[Segment, Grid] | None,
) -> list[str]:
    """Checkerboards of the same plane under several registrations as HTML figures.

    Parameters
    ----------
    images : fixed and moving.
    registrations : each leads points of the fixed image to the moving one; with the words below its picture.
    view : plane in the fixed image's space.
    liver : outlined, with the grid it was drawn on.
    """
    fixed, moving = images
    points = view.points()
    one = _grey(fixed, points.reshape(-1, 3)).reshape(points.shape[:2])
    box = _around(one > _BODY)
    one, flat = one[box], points[box].reshape(-1, 3)
    rows, columns = np.indices(points.shape[:2])[:, box[0], box[1]]
    odd = ((rows * _PIXEL_mm // TILE_mm) + (columns * _PIXEL_mm // TILE_mm)) % 2 == 1
    outline = _outline(_inside(liver, flat).reshape(one.shape))
    raster = np.repeat((one * 255.0).astype(np.uint8)[..., None], 3, axis=-1)
    found = []
    for registration, caption in registrations:
        other = _grey(moving, registration.map_points(flat[odd.ravel()]))
        raster[odd] = (other[:, None] * _TINT * 255.0).astype(np.uint8)
        found.append(_figure(raster, view, outline, caption))
    return found


def _around(body: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold the fixed image's body and a margin."""
    parts = []
    for axis in (1, 0):
        filled = np.flatnonzero(body.any(axis=axis))
        low, high = (filled[0], filled[-1] + 1) if filled.size else (0, body.shape[1 - axis])
        margin = round(_MARGIN_mm / _PIXEL_mm)
        parts.append(slice(max(0, int(low) - margin), int(high) + margin))
    return parts[0], parts[1]


def _figure(raster: np.ndarray, view: View, outline: str, caption: str) -> str:
    height, width = raster.shape[:2]
    size = width / 26.0  # of the letters, so that they are as large in every picture
    left, right, above, below = view.edges
    places = (
        (size, height / 2, left),
        (width - size, height / 2, right),
        (width / 2, 1.3 * size, above),
        (width / 2, height - 0.6 * size, below),
    )
    style = f'fill="#fff" stroke="#000" stroke-width="{size / 5:.2f}" paint-order="stroke" font-family="sans-serif"'
    letters = "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="middle" {style}>{letter}</text>'
        for x, y, letter in places
    )
    bar = _SCALE_BAR_mm / _PIXEL_mm
    y = height - size
    scale = (
        f'<path d="M{size:.1f} {y:.1f}h{bar:.1f}" stroke="#000" stroke-width="{size / 2:.2f}"/>'
        f'<path d="M{size:.1f} {y:.1f}h{bar:.1f}" stroke="#fff" stroke-width="{size / 4:.2f}"/>'
        f'<text x="{size + bar / 2:.1f}" y="{y - size / 2:.1f}" font-size="{size * 0.8:.1f}" text-anchor="middle" '
        f"{style}>5 cm</text>"
    )
    return (
        f'<figure><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(caption)}"><image width="{width}" height="{height}" '
        f'href="data:image/png;base64,{png_text(raster)}"/>{outline}{letters}{scale}</svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _inside(liver: tuple[Segment, Grid] | None, flat: np.ndarray) -> np.ndarray:
    """Which RAS points (n, 3) lie in the liver."""
    inside = np.zeros(len(flat), dtype=bool)
    if liver is None:
        return inside
    segment, grid = liver
    kji = np.rint(grid.to_ijk(flat))[:, ::-1].astype(int) - np.array(segment.origin)
    within = ((kji >= 0) & (kji < np.array(segment.mask.shape))).all(axis=1)
    inside[within] = segment.mask[tuple(kji[within].T)]
    return inside


def _outline(inside: np.ndarray) -> str:
    return (
        f'<path d="{outline_path(inside)}" fill="none" stroke="{_LIVER_COLOR}" stroke-width="1.6" '
        'vector-effect="non-scaling-stroke"><title>liver as drawn on the fixed image</title></path>'
    )


def _grey(image: Volume, points_ras: np.ndarray) -> np.ndarray:
    """Brightness 0 to 1 at RAS points, linear interpolation, black outside: CT by window, MRI by percentiles."""
    values = image.array
    low, high = (ABDOMEN_CT.low, ABDOMEN_CT.high) if is_ct(image) else np.percentile(values[::4, ::4, ::4], [1.0, 99.0])
    kji = image.grid.to_ijk(points_ras).T[::-1]
    found = ndimage.map_coordinates(values, kji, np.float32, order=1, mode="constant", cval=float(low))
    return np.asarray(np.clip((found - low) / max(float(high - low), 1e-12), 0.0, 1.0))


def _centroid(segment: Segment, grid: Grid) -> np.ndarray:
    return grid.to_ras((np.argwhere(segment.mask) + segment.origin)[:, ::-1].mean(axis=0))
