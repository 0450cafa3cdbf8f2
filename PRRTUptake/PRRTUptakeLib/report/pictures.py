"""Pictures of axial slices with the outlines of regions, as SVG: a raster inside, outlines on the voxel borders."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.imaging.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.segmentation.segments import Segment

# From black through red and yellow to white, as nuclear medicine is used to: fractions and colours of the knots.
_HOT = np.array([[0.0, 0, 0, 0], [0.35, 200, 0, 0], [0.7, 255, 200, 0], [1.0, 255, 255, 255]])


@dataclass(frozen=True)
class Window:
    """Display range: ``low`` is black, ``high`` the brightest; ``hot`` chooses the colours of activity."""

    low: float
    high: float
    hot: bool = False


ABDOMEN_CT = Window(-110.0, 190.0)


def slice_picture(
    image: Volume, frame: Volume, k: int, outlines: Sequence[tuple[Segment, str]], window: Window, caption: str
) -> str:
    """One axial slice as an SVG element, seen from the feet (the patient's right on the left).

    Parameters
    ----------
    image : what is shown; it may lie on another grid than ``frame`` and is then interpolated for display only.
    frame : the volume on whose grid the segments lie, [k, j, i].
    k : index of the slice in ``frame``.
    outlines : segments on the grid of ``frame`` with their CSS colours; one that misses the slice is left out.
    window : display range.
    caption : words below the picture.
    """
    values = _plane(image, frame, k)
    flip_j, flip_i = _flips(frame)
    raster = _colours(values[::flip_j, ::flip_i], window)
    spacing_i, spacing_j, _ = frame.spacing_mm
    rows, columns = values.shape
    width_mm, height_mm = columns * spacing_i, rows * spacing_j
    paths = []
    for segment, color in outlines:
        mask = slice_mask(segment, k, values.shape)[::flip_j, ::flip_i]
        if mask.any():
            paths.append(
                f'<path d="{outline_path(mask)}" transform="scale({spacing_i:.4f} {spacing_j:.4f})" fill="none" '
                f'stroke="{color}" stroke-width="1.4" vector-effect="non-scaling-stroke">'
                f"<title>{escape(segment.name)}</title></path>"
            )
    return (
        f'<figure><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_mm:.2f} {height_mm:.2f}" '
        f'role="img" aria-label="{escape(caption)}"><image width="{width_mm:.2f}" height="{height_mm:.2f}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{_png(raster)}"/>{"".join(paths)}</svg>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def slice_mask(segment: Segment, k: int, shape: tuple[int, ...]) -> np.ndarray:
    """The segment in slice ``k`` of a grid with slices of ``shape`` (j, i); all False where it does not reach."""
    plane = np.zeros(shape, dtype=bool)
    level = k - segment.origin[0]
    if 0 <= level < segment.mask.shape[0]:
        _, rows, columns = segment.block
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


def _plane(image: Volume, frame: Volume, k: int) -> np.ndarray:
    if image.grid.matches(frame.grid):
        return image.array[k]
    rows, columns = frame.array.shape[1:]
    j, i = np.mgrid[0:rows, 0:columns].astype(np.float64)
    ras = frame.grid.to_ras(np.stack([i, j, np.full_like(i, k)], axis=-1))
    where = image.grid.to_ijk(ras)
    low, high = int(np.floor(where[..., 2].min())) - 1, int(np.ceil(where[..., 2].max())) + 2
    low, high = max(low, 0), min(high, image.array.shape[0])
    if low >= high:
        return np.zeros((rows, columns))
    coordinates = np.stack([where[..., 2] - low, where[..., 1], where[..., 0]])
    return ndimage.map_coordinates(image.array[low:high], coordinates, order=1, mode="constant", cval=0.0)


def _flips(frame: Volume) -> tuple[int, int]:
    """Steps of +1 or -1 that put the patient's front on top and the right side on the left."""
    matrix = frame.ijk_to_ras
    return (1 if matrix[1, 1] <= 0 else -1), (1 if matrix[0, 0] <= 0 else -1)


def _colours(values: np.ndarray, window: Window) -> np.ndarray:
    span = max(window.high - window.low, 1e-12)
    level = np.clip((values - window.low) / span, 0.0, 1.0)
    if not window.hot:
        return np.repeat((level * 255).astype(np.uint8)[..., None], 3, axis=-1)
    return np.stack([np.interp(level, _HOT[:, 0], _HOT[:, n]) for n in (1, 2, 3)], axis=-1).astype(np.uint8)


def _png(raster: np.ndarray) -> str:
    from PIL import Image  # comes with highdicom

    stream = io.BytesIO()
    Image.fromarray(raster).save(stream, "PNG", optimize=False)
    return base64.b64encode(stream.getvalue()).decode("ascii")
