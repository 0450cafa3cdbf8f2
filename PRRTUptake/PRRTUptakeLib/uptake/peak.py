"""SUVpeak: the highest mean in a small sphere, less noisy than the hottest voxel.

Wahl et al. (PERCIST), J Nucl Med 2009;50 Suppl 1:122S, doi:10.2967/jnumed.108.057307: a sphere of about 1 mL. Voxels
at the sphere's border count by the fraction of them that is in the sphere.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.imaging.volume import Grid
from PRRTUptakeLib.uptake.errors import UptakeError
from PRRTUptakeLib.uptake.mapping import push_map
from PRRTUptakeLib.uptake.occupancy import centres_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.segmentation.segments import Segment, Segmentation
    from PRRTUptakeLib.uptake.mapping import RasTransform

ONE_ML_RADIUS_MM = (3000.0 / (4.0 * math.pi)) ** (1.0 / 3.0)  # 6.2035 mm

_NODES_PER_RADIUS = 100  # quadrature nodes along each of two voxel axes; the third is integrated exactly


@dataclass(frozen=True)
class PeakRule:
    """Which spheres compete.

    Attributes
    ----------
    radius_mm : of the sphere; by default 1 mL (6.2035 mm); 6.0 for the 12 mm diameter that some scanners use.
    entirely_inside : only spheres that contain no voxel centre outside the lesion (voxels of the lesion's own grid);
        else any sphere whose centre is in the lesion.
    positions_per_axis : sphere centres tried in each voxel along each axis; 1 tries the voxel centres only, the usual
        convention; 3 comes close to a sphere that moves freely.
    """

    radius_mm: float = ONE_ML_RADIUS_MM
    entirely_inside: bool = False
    positions_per_axis: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.radius_mm) and self.radius_mm > 0):
            raise UptakeError(f"The radius of a peak sphere is a positive number of mm, not {self.radius_mm}.")
        if not 1 <= self.positions_per_axis <= 9:
            raise UptakeError(f"Positions per voxel axis lie between 1 and 9, not {self.positions_per_axis}.")


@dataclass(frozen=True)
class Peak:
    """The hottest sphere of a region: its mean, in the image's unit, and its centre."""

    name: str
    value: float
    center_ras: tuple[float, float, float]
    radius_mm: float
    units: str


def region_peaks(
    volume: Volume,
    segmentation: Segmentation,
    rule: PeakRule | None = None,
    ras_transform: RasTransform | None = None,
) -> dict[str, Peak]:
    """SUVpeak of all segments, by name; see ``suv_peak``."""
    chosen = rule or PeakRule()
    return {s.name: suv_peak(volume, s, segmentation.grid, chosen, ras_transform) for s in segmentation}


def suv_peak(
    volume: Volume,
    segment: Segment,
    source: Grid,
    rule: PeakRule | None = None,
    ras_transform: RasTransform | None = None,
) -> Peak:
    """Highest mean of a sphere in a region.

    Spheres that stick out of the image do not compete.

    Parameters
    ----------
    volume : the image.
    segment, source : the region and its grid, which may differ from the image's.
    rule : size and place of the spheres, ``PeakRule()`` by default.
    ras_transform : from the region's frame to the image's, see ``occupancy``.

    Raises
    ------
    UptakeError
        If no sphere fits by the rule, or a voxel that a sphere needs is not finite.
    """
    rule = rule or PeakRule()
    grid, best = volume.grid, Peak(segment.name, -math.inf, (math.nan,) * 3, rule.radius_mm, volume.units)
    steps = (np.arange(rule.positions_per_axis) + 0.5) / rule.positions_per_axis - 0.5
    fits = _room_test(segment, source, rule, ras_transform) if rule.entirely_inside else None
    for shift in product(steps, repeat=3):  # i, j, k within the voxel
        matrix = grid.ijk_to_ras.copy()
        matrix[:3, 3] = grid.to_ras(np.array(shift))
        phase = Grid(grid.shape, matrix)
        where = centres_inside(segment, source, phase, ras_transform)
        if fits is not None:
            where = where[fits(phase.to_ras(where[:, ::-1]))]
        kernel = sphere_kernel(grid.ijk_to_ras[:3, :3], rule.radius_mm, shift)
        where = _complete(where, kernel.shape, grid.shape)
        if len(where):
            means = _sphere_means(volume, segment.name, where, kernel)
            top = int(means.argmax())
            if means[top] > best.value:
                x, y, z = (float(v) for v in phase.to_ras(where[top, ::-1]))
                best = Peak(segment.name, float(means[top]), (x, y, z), rule.radius_mm, volume.units)
    if best.value == -math.inf:
        needs = "is entirely inside it" if rule.entirely_inside else "is centred in it"
        raise UptakeError(
            f"Region '{segment.name}': no sphere of {rule.radius_mm:.4g} mm radius {needs} and within the image; "
            "take a smaller sphere, more positions per voxel, or no peak for this region."
        )
    return best


def sphere_kernel(axes: np.ndarray, radius_mm: float, shift: tuple[float, ...] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Weights of the voxels in a sphere, [k, j, i] with odd sizes, sum 1.

    Each weight is proportional to the volume of the voxel inside the sphere: exact along k (the chord through the
    sphere), Gauss-Legendre quadrature along i and j.

    Parameters
    ----------
    axes : 3x3, columns the voxel edges along i, j, k in mm; need not be orthogonal.
    shift : centre of the sphere from the centre of the middle voxel, in voxels along i, j, k.

    Examples
    --------
    >>> kernel = sphere_kernel(np.diag([4.8, 4.8, 4.8]), ONE_ML_RADIUS_MM)
    >>> kernel.shape, round(float(kernel.sum()), 12)
    ((3, 3, 3), 1.0)
    """
    key = tuple(float(v) for v in np.asarray(axes, dtype=np.float64).ravel())
    volumes = _sphere_volumes(key, float(radius_mm), tuple(float(v) for v in shift))
    return np.asarray(volumes / volumes.sum())


@functools.lru_cache(maxsize=64)
def _sphere_volumes(axes_key: tuple[float, ...], radius_mm: float, shift: tuple[float, ...]) -> np.ndarray:
    """Part of each voxel inside the sphere (0-1), [k, j, i]."""
    axes = np.array(axes_key).reshape(3, 3)
    reach = radius_mm * np.linalg.norm(np.linalg.inv(axes), axis=1)  # half extent of the sphere along i, j, k, voxels
    half = [max(0, math.ceil(r + abs(s) - 0.5)) for r, s in zip(reach, shift, strict=True)]
    (nodes_i, weights_i), (nodes_j, weights_j) = (
        np.polynomial.legendre.leggauss(min(math.ceil(_NODES_PER_RADIUS / r), 100)) for r in reach[:2]
    )
    i, j, k = (np.arange(-n, n + 1, dtype=np.float64) for n in half)
    along_i = (i[:, None] + nodes_i / 2.0 - shift[0]).ravel()
    along_j = (j[:, None] + nodes_j / 2.0 - shift[1]).ravel()
    base = along_i[None, :, None] * axes[:, 0] + along_j[:, None, None] * axes[:, 1]  # (j, i, 3)
    # |base + t a|^2 <= r^2, with a the voxel edge along k
    square = axes[:, 2] @ axes[:, 2]
    middle = -(base @ axes[:, 2]) / square
    chord = middle**2 - ((base**2).sum(axis=-1) - radius_mm**2) / square
    reach_k = np.sqrt(np.clip(chord, 0.0, None))
    low, high = middle - reach_k, middle + reach_k
    edges = k[:, None, None] - shift[2]
    length = np.clip(np.minimum(high, edges + 0.5) - np.maximum(low, edges - 0.5), 0.0, None)
    boxes = length.reshape(k.size, j.size, weights_j.size, i.size, weights_i.size)
    volumes = np.einsum("kjaib,a,b->kji", boxes, weights_j / 2.0, weights_i / 2.0)
    volumes.setflags(write=False)
    return np.asarray(volumes)


def _complete(where: np.ndarray, kernel: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Those voxels (n, 3), ordered k, j, i, around which the whole kernel is in the image."""
    half = np.array(kernel) // 2
    return np.asarray(where[((where >= half) & (where < np.array(shape) - half)).all(axis=1)])


def _sphere_means(volume: Volume, name: str, where: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sphere means at the voxels ``where`` (n, 3), through one small correlation."""
    from scipy import fft

    half = np.array(kernel.shape) // 2
    low, high = where.min(axis=0), where.max(axis=0)
    box = volume.array[tuple(slice(a - h, b + h + 1) for a, b, h in zip(low, high, half, strict=True))]
    if not np.isfinite(box).all():
        raise UptakeError(
            f"Region '{name}': voxels in or next to it are not finite numbers (NaN or infinite), so that no peak "
            "can be taken; correct the image."
        )
    shape = [fft.next_fast_len(n, real=True) for n in box.shape]
    images = fft.rfftn(box.astype(np.float64), shape) * fft.rfftn(kernel[::-1, ::-1, ::-1], shape)
    return np.asarray(fft.irfftn(images, shape)[tuple((where - low + 2 * half).T)])


def _room_test(
    segment: Segment, source: Grid, rule: PeakRule, ras_transform: RasTransform | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Function of RAS points (n, 3) in the image: whether a sphere there has no outside voxel centre within it."""
    from scipy.ndimage import binary_dilation
    from scipy.spatial import cKDTree

    cropped = segment.cropped()
    padded = np.pad(cropped.mask, 1)
    shell = np.argwhere(binary_dilation(padded, np.ones((3, 3, 3))) & ~padded) - 1 + np.array(cropped.origin)
    image = Grid((1, 1, 1), np.eye(4))  # indices of this grid are RAS millimetres
    tree = cKDTree(push_map(source, image, ras_transform)(shell[:, ::-1].astype(np.float64)))
    return lambda points: tree.query(points)[0] > rule.radius_mm
