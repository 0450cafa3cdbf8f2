"""Seeded delineation of a lesion in the image: fixed, percent of maximum, background-adapted, or gradient-based.

The result is the connected part (voxels that share a face, so that it does not leak through corners) that holds the
seed, within a sphere around the seed and, if given, a lobe or other segment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK
from scipy import ndimage

from PRRTUptakeLib.imaging.dilation import SAME_MM
from PRRTUptakeLib.segmentation import codes
from PRRTUptakeLib.segmentation.bounding_box import BoundingBox, ball_box, mask_in, segment_in
from PRRTUptakeLib.segmentation.errors import SegmentationError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment

FIXED, PERCENT, ADAPTED, GRADIENT = "fixed-threshold", "percent-of-maximum", "background-adapted", "gradient"
METHODS = (FIXED, PERCENT, ADAPTED, GRADIENT)
SHELL_MM = 10.0  # thickness of the shell outside the sphere in which the background is measured


@dataclass(frozen=True)
class Method:
    """How to delineate.

    Attributes
    ----------
    kind : one of METHODS.
    value : the threshold in the image's units (fixed), or a fraction such as 0.41 or 0.50 (percent of maximum and
        background-adapted); it plays no part in the gradient method.
    """

    kind: str
    value: float = math.nan

    def __post_init__(self) -> None:
        if self.kind not in METHODS:
            raise SegmentationError(f"The delineation '{self.kind}' is not one of {', '.join(METHODS)}.")
        if self.kind == FIXED and not math.isfinite(self.value):
            raise SegmentationError("A fixed threshold needs its value in the image's units.")
        if self.kind in (PERCENT, ADAPTED) and not 0 < self.value < 1:
            raise SegmentationError(f"'{self.kind}' needs a fraction between 0 and 1 such as 0.41, not {self.value}.")


@dataclass(frozen=True, eq=False)
class Delineation:
    """A delineated lesion on the image's grid, and the figures that made it (image units; nan where not used)."""

    segment: Segment
    threshold: float
    maximum: float
    background: float
    method: str


@dataclass(frozen=True, eq=False)
class _Search:
    """The part of the image around the seed: values, distance from the seed in mm, where a lesion may be."""

    values: np.ndarray
    away_mm: np.ndarray
    allowed: np.ndarray
    box: BoundingBox
    seed: tuple[int, int, int]


def delineate(
    image: Volume,
    seed_ras: np.ndarray,
    method: Method,
    radius_mm: float,
    within: Segment | None = None,
    name: str = "lesion",
) -> Delineation:
    """Delineate the lesion at ``seed_ras`` (3,) in ``image``.

    Percent of maximum: R. Boellaard et al., EANM guidelines 2.0, doi:10.1007/s00259-014-2961-x (41 and 50 %). The
    background-adapted threshold is background + fraction x (maximum - background), same source, the background being
    the median in a shell of 10 mm outside the sphere. The gradient method floods the gradient's magnitude from the
    lesion's core and from the sphere's border: X. Geets et al. 2007, doi:10.1007/s00259-006-0363-4. Blur draws every
    contour of a round lesion inwards: a sphere of 36 mm at 12 mm FWHM comes out by a quarter of its volume too small,
    by the gradient as by half of the maximum above background; no correction is made.

    Parameters
    ----------
    image : uptake image.
    seed_ras : point in the lesion, RAS mm.
    method : see `Method`.
    radius_mm : the lesion is within this distance of the seed.
    within : on the image's grid (``blocks.resampled`` brings it there); the lesion does not leave it.
    name : of the segment.

    Raises
    ------
    SegmentationError
        If the seed is outside the image or ``within``, or below the threshold, or the sphere is too small.
    """
    search = _search(image, np.asarray(seed_ras, dtype=np.float64), radius_mm, within)
    maximum = float(search.values[search.allowed].max())
    background = _background(search, radius_mm) if method.kind == ADAPTED else math.nan
    if method.kind == GRADIENT:
        threshold, found = math.nan, _by_gradient(image, search, maximum, radius_mm)
    else:
        threshold = {
            FIXED: method.value,
            PERCENT: method.value * maximum,
            ADAPTED: background + method.value * (maximum - background),
        }[method.kind]
        found = _connected(search, search.values >= threshold, f"the threshold {threshold:.4g} {image.units}")
    item = codes.structure("liver_lesion")
    segment = segment_in(name, found, search.box, role="lesion", structure=item.key, color=item.color)
    words = method.kind if math.isnan(method.value) else f"{method.kind} {method.value:g}"
    return Delineation(segment, threshold, maximum, background, f"{words}, within {radius_mm:g} mm of the seed")


def _search(image: Volume, seed_ras: np.ndarray, radius_mm: float, within: Segment | None) -> _Search:
    grid = image.grid
    if not radius_mm > 0:
        raise SegmentationError(f"The sphere around the seed needs a radius above 0 mm, not {radius_mm:g}.")
    seed = np.rint(grid.to_ijk(seed_ras)[::-1]).astype(int)
    if (seed < 0).any() or (seed >= grid.shape).any():
        raise SegmentationError(
            f"The seed {np.round(seed_ras, 1).tolist()} is outside the image: place it in a lesion."
        )
    box, away = ball_box(grid, seed_ras, radius_mm + SHELL_MM)
    values = image.array[box].astype(np.float64)
    inside = mask_in(within, box) if within is not None else np.ones(values.shape, dtype=bool)
    local = tuple(int(index - part.start) for index, part in zip(seed, box, strict=True))
    if not inside[local]:
        raise SegmentationError(
            "The seed is outside the region that limits the lesion: move it, or take another limit."
        )
    allowed = inside & (away <= radius_mm + SAME_MM) & np.isfinite(values)
    allowed[local] = True  # a sphere smaller than a voxel still holds its seed
    return _Search(np.where(np.isfinite(values), values, -np.inf), away, allowed, box, local)  # type: ignore[arg-type]


def _background(search: _Search, radius_mm: float) -> float:
    shell = search.values[(search.away_mm > radius_mm) & np.isfinite(search.values)]
    if shell.size < 10:
        raise SegmentationError(
            "There are too few voxels around the sphere to measure the background: take another method."
        )
    return float(np.median(shell))


def _connected(search: _Search, above: np.ndarray, what: str) -> np.ndarray:
    """The part of ``above`` that is connected to the seed within the limits."""
    labels, _ = ndimage.label(above & search.allowed)
    label = labels[search.seed]
    if not label:
        raise SegmentationError(
            f"The seed's value {search.values[search.seed]:.4g} is below {what}: place the seed in the lesion's "
            "hottest part, make the sphere smaller, or lower the threshold."
        )
    return np.asarray(labels == label)


def _by_gradient(image: Volume, search: _Search, maximum: float, radius_mm: float) -> np.ndarray:
    if min(search.values.shape) < 4:
        raise SegmentationError("The gradient method needs at least 4 voxels in each direction around the seed.")
    finite = np.where(np.isfinite(search.values), search.values, 0.0)
    picture = SimpleITK.GetImageFromArray(finite)
    picture.SetSpacing(image.spacing_mm)
    sigma_mm = 0.5 * float(np.mean(image.spacing_mm))  # tames noise; more would draw round borders inwards
    slope = SimpleITK.GradientMagnitudeRecursiveGaussian(picture, sigma=sigma_mm)
    core = _connected(search, search.values >= 0.7 * maximum, f"70 % of the maximum {maximum:.4g}")
    seeds = np.where(core, 1, np.where(search.allowed, 0, 2)).astype(np.uint8)
    if not (seeds == 0).any():
        raise SegmentationError(
            f"The sphere of {radius_mm:g} mm holds nothing but the lesion's core: take a larger one."
        )
    markers = SimpleITK.GetImageFromArray(seeds)
    markers.SetSpacing(image.spacing_mm)
    flooded = SimpleITK.MorphologicalWatershedFromMarkers(slope, markers, markWatershedLine=False)
    return np.asarray(np.asarray(SimpleITK.GetArrayFromImage(flooded) == 1) & search.allowed)
