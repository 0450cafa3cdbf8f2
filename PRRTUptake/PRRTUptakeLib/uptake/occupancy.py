"""Which fraction of each image voxel a region occupies, without resampling image or region.

Contours are drawn on CT or MRI and measured on SPECT or PET, whose voxels are far larger: a voxel at the border is
partly inside, and counts by that part. Two grids whose axes are parallel overlap in boxes, so the fractions are exact
(products of one-dimensional overlaps, whatever the spacing, offset, order or direction of the axes). Any other pair
(oblique, sheared, moved by a rigid or deformable transform) is sampled, see ``uptake.sampling``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.uptake.alignment import ROUNDING, aligned_fractions, alignment, towards_patient
from PRRTUptakeLib.uptake.errors import OccupancyError
from PRRTUptakeLib.uptake.mapping import RasTransform, as_matrix, pull_map, push_map
from PRRTUptakeLib.uptake.sampling import centre_flags, sampled_fractions

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment

RULES = ("fraction", "half", "entirely", "centre")
DEFAULT_MAXIMUM_OUTSIDE = 0.05  # a region cut off by more than this no longer has the mean of the structure


@dataclass(frozen=True, eq=False)
class Occupancy:
    """The part of an image that one region covers.

    Attributes
    ----------
    name : of the region.
    grid : the image's.
    indices : int64 (n,), flat C-order indices into the image array [k, j, i], ascending.
    fraction : float64 (n,), occupied fraction of each of these voxels, 0 to 1.
    centre_inside : bool (n,), whether the voxel's centre is inside the region.
    outside_fraction : share of the region's volume that is outside the image.
    """

    name: str
    grid: Grid
    indices: np.ndarray
    fraction: np.ndarray
    centre_inside: np.ndarray
    outside_fraction: float = 0.0

    @property
    def volume_mL(self) -> float:
        """Volume of the region inside the image, in mL."""
        return float(self.fraction.sum()) * self.grid.voxel_volume_mL

    def weights(self, rule: str = "fraction") -> np.ndarray:
        """How much each voxel counts, float64 (n,).

        ``fraction``: by its occupied fraction; ``half``: wholly if at least half of it is inside; ``entirely``:
        wholly if all of it does; ``centre``: wholly if its centre does; else not at all.

        Raises
        ------
        OccupancyError
            If the rule is not one of RULES.
        """
        if rule == "fraction":
            return self.fraction
        if rule == "half":
            return (self.fraction >= 0.5 - ROUNDING).astype(np.float64)
        if rule == "entirely":
            return (self.fraction >= 1.0).astype(np.float64)
        if rule == "centre":
            return self.centre_inside.astype(np.float64)
        raise OccupancyError(f"The rule '{rule}' for voxels at a border is not one of {', '.join(RULES)}.")

    def values(self, volume: Volume) -> np.ndarray:
        """The image values at ``indices``, float64 (n,); the volume must lie on this grid."""
        if not self.grid.matches(volume.grid):
            raise OccupancyError(f"Region '{self.name}' was placed on another grid than this image: place it again.")
        return np.asarray(volume.array.reshape(-1)[self.indices].astype(np.float64))

    def full_fraction(self) -> np.ndarray:
        """The fractions over the whole image, float64 [k, j, i]."""
        full = np.zeros(self.grid.shape)
        full.reshape(-1)[self.indices] = self.fraction
        return full


def occupancy(
    segment: Segment,
    source: Grid,
    target: Grid,
    ras_transform: RasTransform | None = None,
    maximum_outside: float = DEFAULT_MAXIMUM_OUTSIDE,
    outside_field: np.ndarray | None = None,
) -> Occupancy:
    """Fraction of each voxel of ``target`` that ``segment`` occupies.

    Parameters
    ----------
    segment : the region, on the grid ``source``.
    source, target : the region's grid and the image's; any spacing, direction or shear.
    ras_transform : where the region's points lie in the image: a 4x4 matrix, or a function of points (n, 3) to points
        (n, 3), both RAS in mm, from the region's frame to the image's. None: the frames are the same.
    maximum_outside : largest share (0-1) of the region's volume that may lie outside the image.
    outside_field : bool [k, j, i], voxels of ``target`` that are outside the image's field of view; None for none.

    Raises
    ------
    OccupancyError
        If the region is empty, or more than ``maximum_outside`` of it is outside the image.

    Examples
    --------
    >>> from PRRTUptakeLib.segmentation.segments import Segment
    >>> fine, coarse = Grid((4, 4, 4), np.eye(4)), Grid((2, 2, 2), np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> region = Segment("lesion", np.ones((1, 1, 2)), origin=(0, 0, 1))  # coarse voxel 0 reaches from -1 to 1 mm
    >>> occupied = occupancy(region, fine, coarse)
    >>> occupied.indices.tolist(), occupied.fraction.tolist(), round(occupied.volume_mL, 6)
    ([0, 1], [0.0625, 0.1875], 0.002)
    """
    cropped = _not_empty(segment)
    matrix = as_matrix(ras_transform)
    shape = cropped.mask.shape
    aligned = (
        None if matrix is None else alignment(shape, cropped.origin, target.ras_to_ijk @ matrix @ source.ijk_to_ras)
    )
    if aligned is not None:
        towards = towards_patient(source.ijk_to_ras if matrix is None else matrix @ source.ijk_to_ras)
        origin, fraction, centre = aligned_fractions(cropped.mask, aligned, cropped.fractions, towards)
    else:
        pull = pull_map(cropped, source, target, ras_transform)
        ratio = target.voxel_volume_mL / source.voxel_volume_mL
        low, high = _extent(cropped, push_map(source, target, ras_transform))
        origin, (fraction, centre) = low, sampled_fractions(cropped.mask, low, high, pull, ratio, cropped.fractions)
    return _clipped(segment.name, (target, outside_field), origin, fraction, centre, maximum_outside)


def centres_inside(
    segment: Segment, source: Grid, target: Grid, ras_transform: RasTransform | None = None
) -> np.ndarray:
    """Indices (n, 3), ordered k, j, i, of the voxels of ``target`` whose centre is in ``segment``.

    The lattice of ``target`` is taken to go on beyond its edges: indices may be negative or too large. Parameters and
    errors as in ``occupancy``.
    """
    cropped = _not_empty(segment)
    low, high = _extent(cropped, push_map(source, target, ras_transform))
    flags = centre_flags(cropped.mask, low, high, pull_map(cropped, source, target, ras_transform))
    return np.asarray(np.argwhere(flags) + np.array(low))


def _not_empty(segment: Segment) -> Segment:
    cropped = segment.cropped()
    if cropped.mask.size == 0:
        raise OccupancyError(f"Region '{segment.name}' is empty: draw it, or leave it out.")
    return cropped


def _extent(cropped: Segment, push: RasTransform) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last-plus-one target index (k, j, i) that the region can touch."""
    steps = np.linspace(0.0, 1.0, 9)
    low = np.array(cropped.origin[::-1]) - 0.5
    size = np.array(cropped.mask.shape[::-1])
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    corners = push(low + lattice * size)  # type: ignore[operator]
    margin = 2  # a smooth deformation bends little between the points of the lattice
    first = np.floor(corners.min(axis=0)).astype(int) - margin
    last = np.ceil(corners.max(axis=0)).astype(int) + margin + 1
    return tuple(int(n) for n in first[::-1]), tuple(int(n) for n in last[::-1])


def _clipped(
    name: str,
    seen: tuple[Grid, np.ndarray | None],
    origin: tuple[int, ...],
    fraction: np.ndarray,
    centre: np.ndarray,
    maximum_outside: float,
) -> Occupancy:
    """Keep what is inside the image, as flat indices; report or refuse what is not."""
    target, outside_field = seen
    total = float(fraction.sum())
    start = [max(0, -first) for first in origin]
    stop = [min(n, size - first) for n, size, first in zip(fraction.shape, target.shape, origin, strict=True)]
    inside = tuple(slice(a, max(a, b)) for a, b in zip(start, stop, strict=True))
    fraction, centre = fraction[inside], centre[inside]
    if outside_field is not None:
        first = [index + a for index, a in zip(origin, start, strict=True)]
        box = tuple(slice(a, a + n) for a, n in zip(first, fraction.shape, strict=True))
        measured = ~outside_field[box]
        fraction, centre = fraction * measured, centre & measured
    outside = max(0.0, 1.0 - float(fraction.sum()) / total) if total > 0 else 0.0
    outside = 0.0 if outside < ROUNDING else outside
    where = np.nonzero((fraction > 0) | centre)
    if not where[0].size:
        raise OccupancyError(f"Region '{name}' is wholly outside the image: check that they belong together.")
    if outside > maximum_outside:
        raise OccupancyError(
            f"{outside:.1%} of region '{name}' is outside the image, more than the {maximum_outside:.1%} allowed: "
            "crop the region, check the registration, or allow more."
        )
    moved = tuple(index + first + a for index, first, a in zip(where, origin, start, strict=True))
    indices = np.ravel_multi_index(moved, target.shape).astype(np.int64)
    return Occupancy(name, target, indices, fraction[where], centre[where], outside)
