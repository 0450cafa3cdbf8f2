"""Pictures of axial slices with the outlines of regions, as SVG: a raster inside, outlines on the voxel borders."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.imaging.shown_range import ABDOMEN_HU

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.segmentation.segments import Segment

# From black through red and yellow to white, as nuclear medicine is used to: fractions and colours of the knots.
_HOT = np.array([[0.0, 0, 0, 0], [0.35, 200, 0, 0], [0.7, 255, 200, 0], [1.0, 255, 255, 255]])


@dataclass(frozen=True)
class Window:
    """Display range: ``low`` is black, ``high`` the brightest; ``hot`` chooses the colours of activity."""

    low: float
    high: float
    hot: bool = False


@dataclass(frozen=True, eq=False)
class SlicePlace:
    """A slice ``k`` of a grid, and the rows and columns of it that are shown."""

    grid: Grid
    k: int
    box: tuple[slice, slice]


ABDOMEN_CT = Window(*ABDOMEN_HU)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a picture shows: an image in its window, and what is laid over it.

    The colour bar is in ``unit``, of which there are ``per_unit`` in one unit of the image.
    """

    image: Volume
    window: Window
    unit: str = ""
    over: tuple[Volume, Window] | None = None
    per_unit: float = 1.0

    @property
    def scale(self) -> Window:
        """The window of the colour bar: of what is laid over, if anything is."""
        return self.window if self.over is None else self.over[1]


_MOST_OPACITY = 0.65  # of what is laid over
_PNG_LEVEL = 3  # of zlib: of our pictures smaller than its default, 6, and written in half of the time
_BAR = 32  # steps of a colour bar


def slice_picture(shown: Shown, where: SlicePlace, outlines: Sequence[tuple[Segment, str]], caption: str) -> str:
    """One slice as an SVG element; see `slice_pictures`."""
    return slice_pictures([(shown, caption)], where, outlines)[0]


def slice_pictures(
    pictures: Sequence[tuple[Shown, str]], where: SlicePlace, outlines: Sequence[tuple[Segment, str]]
) -> list[str]:
    """One slice of several images as SVG elements, seen from the feet (the patient's right on the left).

    Parameters
    ----------
    pictures : each image with what is laid over it, on another grid than the slice's interpolated, for display only;
        and the words below.
    where : the slice.
    outlines : segments on the slice's grid with their CSS colours; one that misses the slice is left out. Lesions are
        labelled.
    """
    flip_j, flip_i = _flips(where.grid)
    spacing_i, spacing_j, _ = where.grid.spacing_mm
    rows, columns = where.box
    width_mm, height_mm = (columns.stop - columns.start) * spacing_i, (rows.stop - rows.start) * spacing_j
    over = "".join(_drawn(outlines, where, width_mm))
    values: dict[Volume, np.ndarray] = {}
    made = []
    for shown, caption in pictures:
        raster = _raster(shown, where, values)[::flip_j, ::flip_i]
        made.append(
            f'<figure><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_mm:.2f} {height_mm:.2f}" '
            f'role="img" aria-label="{escape(caption)}"><image width="{width_mm:.2f}" height="{height_mm:.2f}" '
            f'preserveAspectRatio="none" href="data:image/png;base64,{png_text(raster)}"/>{over}'
            f"{_colour_bar(shown, width_mm, height_mm)}</svg>"
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return made


def _drawn(outlines: Sequence[tuple[Segment, str]], where: SlicePlace, width_mm: float) -> list[str]:
    """Paths of the outlines, then the names of lesions, as SVG elements."""
    rows, columns = where.box
    flip_j, flip_i = _flips(where.grid)
    spacing_i, spacing_j, _ = where.grid.spacing_mm
    paths, labels = [], []
    for segment, color in outlines:
        mask = slice_mask(segment, where.k, where.grid.shape[1:])[rows, columns][::flip_j, ::flip_i]
        if mask.any():
            paths.append(
                f'<path d="{outline_path(mask)}" transform="scale({spacing_i:.4f} {spacing_j:.4f})" fill="none" '
                f'stroke="{color}" stroke-width="1.4" vector-effect="non-scaling-stroke">'
                f"<title>{escape(segment.name)}</title></path>"
            )
            if segment.role in ("target", "lesion"):
                right, top = (np.argwhere(mask)[:, n] for n in (1, 0))
                place = (float(right.max() + 1) * spacing_i, float(top.min()) * spacing_j)
                labels.append(_label(segment.lesion_id or segment.name, place, width_mm, color))
    return [*paths, *labels]


@dataclass(frozen=True, eq=False)
class PicturePlane:
    """Any plane through an image: RAS mm of its middle, directions to the right and down, and half the edge in mm."""

    middle: np.ndarray
    right: np.ndarray
    down: np.ndarray
    half_mm: float


def plane_picture(
    image: Volume,
    plane: PicturePlane,
    circles: Sequence[tuple[np.ndarray, float, str]],
    window: Window,
    caption: str,
    color: str = "#56B4E9",
) -> str:
    """A plane of an image as an SVG element, with circles where balls cross it.

    Parameters
    ----------
    image : what is shown, interpolated to 1 mm.
    plane : where.
    circles : centre (3,) in RAS mm, radius and name of each ball.
    window : display range.
    caption : words below the picture.
    color : of circles and names.
    """
    steps = np.arange(-plane.half_mm, plane.half_mm + 0.5)
    points = plane.middle + steps[None, :, None] * plane.right + steps[:, None, None] * plane.down
    ijk = image.grid.to_ijk(points.reshape(-1, 3))
    values = ndimage.map_coordinates(image.array, ijk.T[::-1], np.float32, order=1, mode="constant", cval=window.low)
    raster = _colours(values.reshape(points.shape[:2]), window)
    marks = []
    for centre, radius_mm, name in circles:
        offset = centre - plane.middle
        across, along = float(offset @ plane.right), float(offset @ plane.down)
        away = float(np.linalg.norm(offset - across * plane.right - along * plane.down))
        shown = float(np.sqrt(max(radius_mm**2 - away**2, 1.0)))
        x, y = across + plane.half_mm, along + plane.half_mm
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{shown:.1f}" fill="none" stroke="{color}" stroke-width="1.2"/>'
            f'<text x="{x:.1f}" y="{y - shown - 2:.1f}" fill="{color}" font-size="9" text-anchor="middle" '
            f'font-family="sans-serif">{escape(name)}</text>'
        )
    edge = 2 * plane.half_mm + 1
    return (
        f'<figure><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {edge:.0f} {edge:.0f}" role="img" '
        f'aria-label="{escape(caption)}"><image width="{edge:.0f}" height="{edge:.0f}" '
        f'href="data:image/png;base64,{png_text(raster)}"/>{"".join(marks)}</svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _raster(shown: Shown, where: SlicePlace, known: dict[Volume, np.ndarray]) -> np.ndarray:
    """Colours of the slice, uint8 (rows, columns, 3), in the order of the grid; values that are known are taken."""
    images = [shown.image] if shown.over is None else [shown.image, shown.over[0]]
    for image in images:
        if image not in known:
            known[image] = _values(image, where)
    below = _colours(known[shown.image], shown.window)
    if shown.over is None:
        return below
    image, window = shown.over
    values = known[image]
    span = max(window.high - window.low, 1e-12)
    share = _MOST_OPACITY * np.clip(3.0 * (values - window.low) / span, 0.0, 1.0)[..., None]
    return np.rint(below * (1.0 - share) + _colours(values, window) * share).astype(np.uint8)


def _label(text: str, place: tuple[float, float], width_mm: float, color: str) -> str:
    size = width_mm / 22.0
    return (
        f'<text x="{place[0]:.1f}" y="{place[1]:.1f}" font-size="{size:.1f}" font-family="sans-serif" '
        f'font-weight="bold" fill="{color}" stroke="#000" stroke-width="{size / 9:.2f}" paint-order="stroke">'
        f"{escape(text)}</text>"
    )


def _colour_bar(shown: Shown, width_mm: float, height_mm: float) -> str:
    """The colour bar with the ends of its window and the unit, at the right edge."""
    window = shown.scale
    steps = _colours(np.linspace(window.high, window.low, _BAR)[:, None], window)
    wide, high, size = width_mm / 40.0, height_mm * 0.4, width_mm / 28.0
    left, top = width_mm - wide - width_mm / 60.0, size * 1.6
    texts = (
        (f"{number(window.high * shown.per_unit)} {shown.unit}".rstrip(), top - size * 0.4),
        (number(window.low * shown.per_unit) if window.low else "0", top + high + size),
    )
    words = "".join(
        f'<text x="{width_mm - width_mm / 60.0:.1f}" y="{y:.1f}" font-size="{size:.1f}" font-family="sans-serif" '
        f'text-anchor="end" fill="#fff" stroke="#000" stroke-width="{size / 9:.2f}" paint-order="stroke">'
        f"{escape(text)}</text>"
        for text, y in texts
    )
    return (
        f'<image x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" preserveAspectRatio="none" '
        f'class="bar" href="data:image/png;base64,{png_text(steps)}"/>{words}'
    )


def box_around(grid: Grid, segments: Iterable[Segment], margin_mm: float) -> tuple[slice, slice]:
    """Rows and columns that hold all of ``segments`` and a margin, cut at the grid's ends."""
    filled = [segment for segment in segments if segment.voxel_count]
    margin = np.ceil(margin_mm / np.array(grid.spacing_mm[1::-1])).astype(int)
    low = np.min([segment.origin[1:] for segment in filled], axis=0) - margin
    high = np.max([np.add(segment.origin, segment.mask.shape)[1:] for segment in filled], axis=0) + margin
    low, high = np.maximum(low, 0), np.minimum(high, grid.shape[1:])
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def slice_mask(segment: Segment, k: int, shape: tuple[int, ...]) -> np.ndarray:
    """The segment in slice ``k`` of a grid with slices of ``shape`` (j, i); all False where it does not reach."""
    plane = np.zeros(shape, dtype=bool)
    level = k - segment.origin[0]
    if 0 <= level < segment.mask.shape[0]:
        _, rows, columns = segment.box
        plane[rows, columns] = segment.mask[level]
    return plane


def outline_path(mask: np.ndarray) -> str:
    """SVG path along the borders between inside and outside voxels of a mask [j, i], in voxel units.

    Examples
    --------
    >>> outline_path(np.array([[True]]))
    'M0 0h1M0 1h1M0 0v1M1 0v1'
    """
    padded = np.pad(mask, 1)
    horizontal = padded[1:, 1:-1] != padded[:-1, 1:-1]
    vertical = (padded[1:-1, 1:] != padded[1:-1, :-1]).T
    parts = [f"M{start} {line}h{length}" for line, start, length in _runs(horizontal)]
    parts += [f"M{line} {start}v{length}" for line, start, length in _runs(vertical)]
    return "".join(parts)


def _runs(lines: np.ndarray) -> list[tuple[int, int, int]]:
    """Runs of True in each row: (row, first, length)."""
    steps = np.diff(np.pad(lines.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return [(int(row), int(start), int(end - start)) for row, start, end in zip(rows, starts, ends, strict=True)]


def _values(image: Volume, where: SlicePlace) -> np.ndarray:
    """The image in the slice, [j, i]; 0 where it does not reach."""
    rows, columns = where.box
    if image.array.shape == where.grid.shape and np.array_equal(image.ijk_to_ras, where.grid.ijk_to_ras):
        return image.array[where.k, rows, columns].astype(np.float64)
    j, i = np.mgrid[rows, columns].astype(np.float64)
    to_image = np.linalg.inv(image.ijk_to_ras) @ where.grid.ijk_to_ras
    column, row, level = (
        to_image[n, 0] * i + to_image[n, 1] * j + (to_image[n] @ (0, 0, where.k, 1)) for n in range(3)
    )
    low, high = int(np.floor(level.min())), int(np.ceil(level.max())) + 1
    low, high = max(low, 0), min(high, image.array.shape[0])
    if low >= high:
        return np.zeros(j.shape)
    return np.asarray(
        ndimage.map_coordinates(
            image.array[low:high],
            np.stack([level - low, row, column]),
            np.float32,
            order=1,
            mode="grid-constant",
            cval=0.0,
        )
    )


def _flips(grid: Grid) -> tuple[int, int]:
    """Steps of +1 or -1 that put the patient's front on top and the right side on the left."""
    matrix = grid.ijk_to_ras
    return (1 if matrix[1, 1] <= 0 else -1), (1 if matrix[0, 0] <= 0 else -1)


def _colours(values: np.ndarray, window: Window) -> np.ndarray:
    span = max(window.high - window.low, 1e-12)
    level = np.clip((values - window.low) / span, 0.0, 1.0)
    if not window.hot:
        return np.repeat((level * 255).astype(np.uint8)[..., None], 3, axis=-1)
    return np.stack([np.interp(level, _HOT[:, 0], _HOT[:, n]) for n in (1, 2, 3)], axis=-1).astype(np.uint8)


def png_text(raster: np.ndarray) -> str:
    """A raster [row, column, RGB] of uint8 as the base64 text of a PNG."""
    from PIL import Image  # comes with highdicom

    stream = io.BytesIO()
    Image.fromarray(raster).save(stream, "PNG", compress_level=_PNG_LEVEL)
    return base64.b64encode(stream.getvalue()).decode("ascii")
