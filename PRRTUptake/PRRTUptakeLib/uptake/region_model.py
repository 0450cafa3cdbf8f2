"""The image as a sum of uniform regions: which part of each voxel every region fills, and what its blur spreads.

Regions come in order of precedence (lesions, then organs, then the liver that holds the lesions). Each takes what its
contour covers of a voxel and the earlier ones have left; an earlier region that a later one contains is cut out of it.
What remains of the body is the background. So the fractions of a voxel add up to 1, which the geometric transfer matrix
(``uptake.transfer_matrix``) needs. All arrays are boxes of the image's grid, [k, j, i], float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.imaging.volume import Grid
    from PRRTUptakeLib.uptake.occupancy import Occupancy

BACKGROUND = "body background"
REACH = 4.0  # sigmas to which a region's blur is followed: 6e-5 of a Gaussian is beyond on either axis

_CONTAINED = 0.5  # share of a region inside another from which it is cut out of it
_ROUNDING = 1e-6  # of a distance: a grid that was turned has spacings that differ in their last digits
_HALF_LINE = 256  # samples of one half of the line on which the kernel is made from its Fourier transform


@dataclass(frozen=True, eq=False)
class Box:
    """Values in a box of the image: ``low`` is the index (k, j, i) of its first voxel."""

    low: tuple[int, ...]
    values: np.ndarray

    @cached_property
    def high(self) -> tuple[int, ...]:
        """Index after the last voxel."""
        return tuple(start + size for start, size in zip(self.low, self.values.shape, strict=True))

    def crop(self, low: Sequence[int], high: Sequence[int]) -> np.ndarray | None:
        """The values at ``low`` to ``high`` as a new array, 0 where the box does not reach; None if apart from it."""
        both = overlap(self.low, self.high, low, high)
        if both is None:
            return None
        out = np.zeros(tuple(b - a for a, b in zip(low, high, strict=True)))
        out[part(both, low)] = self.values[part(both, self.low)]
        return out

    def dot(self, other: Box) -> float:
        """Sum of the products where both boxes are."""
        both = overlap(self.low, self.high, other.low, other.high)
        if both is None:
            return 0.0
        # Not np.vdot: BLAS wakes threads for it, which then wait actively and cost more than the sum.
        return float(np.einsum("kji,kji", self.values[part(both, self.low)], other.values[part(both, other.low)]))


def overlap(
    low: Sequence[int], high: Sequence[int], other_low: Sequence[int], other_high: Sequence[int]
) -> tuple[tuple[int, int], ...] | None:
    """What two boxes share, as first and last-plus-one index on each axis."""
    both = tuple(zip(map(max, low, other_low), map(min, high, other_high), strict=True))
    return both if all(a < b for a, b in both) else None


def part(both: tuple[tuple[int, int], ...], low: Sequence[int]) -> tuple[slice, ...]:
    """The slices of the array of a box that begins at ``low``."""
    return tuple([slice(a - start, b - start) for (a, b), start in zip(both, low, strict=True)])


def line_kernel(fwhm_mm: float, spacing_mm: float, shift_mm: float = 0.0) -> np.ndarray:
    """Gaussian weights (2n + 1,) at whole voxels -n to n along an axis, from its Fourier transform; they add up to 1.

    The image is band-limited by the grid, so that the kernel between samples is the transform exp(-2 (pi f sigma)^2) up
    to the grid's own highest frequency, not the Gaussian read at the samples; both agree from sigma of one voxel on.
    A shift, by which the image shows everything further along the axis, is a phase of the transform.
    """
    sigma, shift = fwhm_mm / FWHM_PER_SIGMA / spacing_mm, shift_mm / spacing_mm
    frequency = np.fft.rfftfreq(2 * _HALF_LINE)
    line = np.fft.irfft(np.exp(-2.0 * (math.pi * frequency * sigma) ** 2 - 2j * math.pi * frequency * shift))
    n = min(_HALF_LINE - 1, math.ceil(REACH * sigma + abs(shift)))
    kernel = np.concatenate([line[-n:], line[: n + 1]])
    return np.asarray(kernel / kernel.sum())


def blurred(values: np.ndarray, kernels: Sequence[np.ndarray]) -> np.ndarray:
    """A box [k, j, i] blurred along each axis, surroundings of 0; kernels of odd length, ordered k, j, i."""
    for axis, kernel in enumerate(kernels):
        values = ndimage.convolve1d(values, kernel, axis, mode="constant")
    return np.ascontiguousarray(values)


@dataclass(frozen=True, eq=False)
class RegionModel:
    """Disjoint regions of an image.

    Attributes
    ----------
    grid : the image's.
    names : of the regions, in order of precedence; the background is not among them.
    drawn : as the contours cover the voxels, each in its own box.
    inside : for each region, the earlier ones that it contains.
    filled : the part of each voxel that is the region's own.
    sampled : where the region's mean is measured; ``filled``, or a part of it that is clear of neighbours.
    extent : where the body is, over the whole image; None where all outside the regions counts as body.
    """

    grid: Grid
    names: tuple[str, ...]
    drawn: tuple[Box, ...]
    inside: tuple[tuple[int, ...], ...]
    filled: tuple[Box, ...]
    sampled: tuple[Box, ...]
    extent: np.ndarray | None = None

    @cached_property
    def volumes_mL(self) -> dict[str, float]:
        """Volume of each region without those cut out of it."""
        mL = self.grid.voxel_volume_mL
        return {name: float(box.values.sum()) * mL for name, box in zip(self.names, self.filled, strict=True)}

    def shares(self, box: Box) -> np.ndarray:
        """How much of a region, in voxels, each region of the model fills, background last: (n + 1,).

        In a voxel of several regions that is only partly inside, those go first that lie inside altogether.
        """
        here = [one.crop(box.low, box.high) for one in self.filled]
        inside = [
            0.0 if values is None else float(np.minimum(values, box.values).sum() / one.values.sum())
            for values, one in zip(here, self.filled, strict=True)
        ]
        left, found = box.values.copy(), np.zeros(len(here) + 1)
        for number in np.argsort(inside, kind="stable")[::-1]:
            values = here[number]
            if values is not None:
                taken = np.minimum(values, left)
                left -= taken
                found[number] = taken.sum()
        found[-1] = left.sum()
        return found

    def kernels(self, fwhm_mm: float, shift_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> tuple[np.ndarray, ...]:
        """Line kernels for the axes k, j, i, and by how much they shift along each."""
        if not (math.isfinite(fwhm_mm) and fwhm_mm > 0):
            raise RecoveryError(f"The resolution must be a FWHM above 0 mm, not {fwhm_mm}: state the camera's.")
        spacings = self.grid.spacing_mm[::-1]
        return tuple(line_kernel(fwhm_mm, *one) for one in zip(spacings, shift_mm, strict=True))

    def spread(self, fwhm_mm: float, shift_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> tuple[Box, ...]:
        """Region spread functions: the image of each region of concentration 1 and nothing else."""
        kernels = self.kernels(fwhm_mm, shift_mm)
        return tuple(spread_box(box, kernels, self.grid.shape) for box in self.filled)

    def background(self, margin_mm: float) -> Box:
        """The part of each voxel that is body background, where its centre is within ``margin_mm`` of a region's voxel.

        By distance, so that it is the same however the grid is turned in the patient.
        """
        steps = [math.ceil(margin_mm / spacing) for spacing in self.grid.spacing_mm[::-1]]
        lows, highs = (np.array([getattr(box, end) for box in self.filled]) for end in ("low", "high"))
        low = tuple(int(n) for n in np.maximum(lows.min(axis=0) - steps, 0))
        high = tuple(int(n) for n in np.minimum(highs.max(axis=0) + steps, self.grid.shape))
        filled = np.zeros(tuple(b - a for a, b in zip(low, high, strict=True)))
        for box in self.filled:
            filled[part(overlap(box.low, box.high, low, high) or (), low)] += box.values
        away_mm = ndimage.distance_transform_edt(filled == 0, sampling=self.grid.spacing_mm[::-1])
        values = np.where(away_mm <= margin_mm * (1 + _ROUNDING), np.clip(1.0 - filled, 0.0, 1.0), 0.0)
        if self.extent is not None:
            body = self.extent[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            values = np.where(values > 0, np.clip(body - filled, 0.0, 1.0), 0.0)
        return Box(low, values)


def region_model(
    regions: Sequence[Occupancy], body: np.ndarray | None = None, sampled: Mapping[str, Occupancy] | None = None
) -> RegionModel:
    """Make regions disjoint.

    Parameters
    ----------
    regions : on one grid, in order of precedence; a region that holds earlier ones (a liver with its lesions) may come
        with or without them.
    body : fraction of each voxel that is the patient's body, [k, j, i] over the image (a mask will do); None takes the
        whole image for it.
    sampled : by name, the part of a region in which its mean is measured: healthy liver fills all of the liver between
        the lesions, and is measured in its reference region away from them.

    Raises
    ------
    RecoveryError
        If there is no region, a name comes twice, a region is covered by earlier ones, or the grids differ.
    """
    if not regions:
        raise RecoveryError("Partial volume correction needs at least one region: draw what is to be measured.")
    names = tuple(region.name for region in regions)
    grid = regions[0].grid
    if len(set(names)) < len(names):
        raise RecoveryError(f"The regions {', '.join(names)} are not all different: rename or join equal ones.")
    if not all(region.grid.matches(grid) for region in regions):
        raise RecoveryError("The regions are not on one grid: place them all on the image that is measured.")
    unknown = set(sampled or ()) - set(names)
    if unknown:
        raise RecoveryError(
            f"'{sorted(unknown)[0]}' is to be sampled, but is not among the regions {', '.join(names)}."
        )
    if body is not None and body.shape != grid.shape:
        raise RecoveryError(f"The body's mask has the shape {body.shape}, the image {grid.shape}: they must be equal.")
    drawn = tuple(box_of(region) for region in regions)
    inside = tuple(_contained(drawn, number) for number in range(len(drawn)))
    filled: list[Box] = []
    for box, values in zip(drawn, allotted(drawn, inside), strict=True):
        if not values.sum() > 0:
            raise RecoveryError(
                f"Nothing is left of region '{names[len(filled)]}': other regions cover it. Leave it or them out."
            )
        filled.append(Box(box.low, values))
    extent = None if body is None else np.asarray(body, dtype=np.float64)
    where = tuple(
        box_of(sampled[name]) if sampled and name in sampled else box for name, box in zip(names, filled, strict=True)
    )
    return RegionModel(grid, names, drawn, inside, tuple(filled), where, extent)


def box_of(region: Occupancy) -> Box:
    """The occupied fractions of a region in its bounding box."""
    where = np.array(np.unravel_index(region.indices, region.grid.shape))
    low = where.min(axis=1)
    values = np.zeros(tuple(where.max(axis=1) + 1 - low))
    values[tuple(where - low[:, None])] = region.fraction
    return Box(tuple(int(n) for n in low), values)


def allotted(drawn: Sequence[Box], inside: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """What every region has for itself, in its own box and of its shape; see the module's first lines."""
    found: list[np.ndarray] = []
    for number, box in enumerate(drawn):
        values, used = box.values.copy(), np.zeros_like(box.values)
        for earlier, taken in enumerate(found):
            both = overlap(box.low, box.high, drawn[earlier].low, drawn[earlier].high)
            if both is None:
                continue
            share = taken[part(both, drawn[earlier].low)]
            if earlier in inside[number]:
                values[part(both, box.low)] -= share
            used[part(both, box.low)] += share
        found.append(np.clip(np.minimum(values, 1.0 - used), 0.0, 1.0))
    return found


def spread_box(box: Box, kernels: Sequence[np.ndarray], shape: Sequence[int]) -> Box:
    """A box blurred, with as much margin as the kernels reach, within an image of ``shape``."""
    reach = [kernel.size // 2 for kernel in kernels]
    low = tuple(max(0, start - n) for start, n in zip(box.low, reach, strict=True))
    high = tuple(min(size, stop + n) for stop, n, size in zip(box.high, reach, shape, strict=True))
    wide = box.crop(low, high)
    if wide is None:
        raise RecoveryError("A region is outside the image: place it again.")
    return Box(low, blurred(wide, kernels))


def _contained(drawn: Sequence[Box], number: int) -> tuple[int, ...]:
    """Earlier regions of which more than half is in region ``number``."""
    box = drawn[number]
    found = []
    for earlier in range(number):
        here = box.crop(drawn[earlier].low, drawn[earlier].high)
        if here is not None:
            share = np.minimum(here, drawn[earlier].values).sum() / drawn[earlier].values.sum()
            if share > _CONTAINED:
                found.append(earlier)
    return tuple(found)
