"""Voxel S-values for any spacing: the point kernel integrated over source and target voxel.

The mean over both voxels of a function of their distance is the point kernel seen through a triangle (1 - |u|/d) along
each axis. Near the source this is done by sharing out the energy of each thin shell, direction by direction, among the
eight nearest voxel centres (trilinear weights are just that triangle), so that no energy is lost; farther away, where
the kernel is smooth, by Gauss quadrature over the triangle, and far away by its value between the centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.dose.errors import DoseError
from PRRTDosimetryLib.dose.point_kernel import GY_PER_KEV_PER_G, PointKernel, point_kernel
from PRRTDosimetryLib.dose.spheres import require_positive

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_RANGE_MM = 200.0
_NEAR_VOXELS = 3.0  # from here on the kernel is smooth enough for the quadrature
_FAR_VOXELS = 12.0  # from here on for its value at the centre: 1/r^2 is wrong by (d/r)^2/6, 0.1 %
_GAUSS_OFFSETS = (-math.sqrt(0.4), 0.0, math.sqrt(0.4))  # exact to degree 5 for the triangle on [-1, 1]
_GAUSS_WEIGHTS = (5.0 / 24.0, 14.0 / 24.0, 5.0 / 24.0)
_LONGEST_OVER_R99 = 1.4  # longest range of a beta spectrum over the radius that holds 99 % of its energy
_SHELLS_PER_VOXEL = 10
_POINTS_AT_ONCE = 400_000
_MOST_VOXELS = 600_000_000  # of one octant: 4.8 GB


@dataclass(frozen=True, eq=False)
class VoxelKernel:
    """S-values of a grid of equal voxels, mirror-symmetric in each axis.

    Attributes
    ----------
    nuclide, radiation, density_g_per_mL : what was emitted, where.
    spacing_mm : voxel edges along i, j, k (as ``Grid.spacing_mm``).
    octant_mGy_per_MBq_s : [k, j, i], float64; index 0 is the source voxel's own plane.
    """

    nuclide: str
    radiation: str
    density_g_per_mL: float
    spacing_mm: tuple[float, float, float]
    octant_mGy_per_MBq_s: np.ndarray

    @property
    def voxel_mass_g(self) -> float:
        """Mass of one voxel."""
        return self.density_g_per_mL * math.prod(self.spacing_mm) / 1000.0

    @property
    def energy_keV(self) -> float:
        """Energy per decay that the voxels of the kernel absorb together."""
        multiplicity = [np.where(np.arange(size) == 0, 1.0, 2.0) for size in self.octant_mGy_per_MBq_s.shape]
        total = np.einsum("kji,k,j,i->", self.octant_mGy_per_MBq_s, *multiplicity)
        return float(total) * self.voxel_mass_g / (1e9 * GY_PER_KEV_PER_G)

    @property
    def energy_beyond_keV(self) -> float:
        """Energy per decay deposited outside the kernel's voxels, out to the end of the point kernel (1 m of water).

        Along each direction, what the point kernel has beyond the outer face of the block of voxels.
        """
        source = point_kernel(self.nuclide, self.radiation)
        unit, weight = octant_directions(64)
        half = (np.array(self.octant_mGy_per_MBq_s.shape) - 0.5) * np.array(self.spacing_mm[::-1])
        exits = (half[:, None] / np.maximum(unit, 1e-12)).min(axis=0)
        return float(source.within_keV[-1] - source.energy_within_keV(exits, self.density_g_per_mL) @ weight)

    def nearest_mGy_per_MBq_s(self) -> dict[tuple[int, int, int], float]:
        """S-values of the source voxel and its neighbours by index (k, j, i).

        Voxels with equal edges have three: itself, across a face, across an edge. Others have one for each of the
        eight neighbours with indices 0 and 1, since the axes differ.
        """
        octant = self.octant_mGy_per_MBq_s
        cube = len(set(self.spacing_mm)) == 1
        indices = ((0, 0, 0), (0, 0, 1), (0, 1, 1)) if cube else product((0, 1), (0, 1), (0, 1))
        return {(k, j, i): float(octant[k, j, i]) for k, j, i in indices if all(np.less((k, j, i), octant.shape))}

    def full_mGy_per_MBq_s(self) -> np.ndarray:
        """The whole kernel, [k, j, i], its source voxel in the middle."""
        full = self.octant_mGy_per_MBq_s
        for axis in range(3):
            mirrored = np.flip(np.take(full, range(1, full.shape[axis]), axis=axis), axis=axis)
            full = np.concatenate([mirrored, full], axis=axis)
        return full


def write_kernel_csv(kernel: VoxelKernel, path: Path) -> Path:
    """Write the whole kernel as a table: indices k, j, i and mm from the source voxel, S-value.

    Raises
    ------
    DoseError
        If the file cannot be written.
    """
    x_mm, y_mm, z_mm = kernel.spacing_mm
    full = kernel.full_mGy_per_MBq_s()
    middle = [size // 2 for size in full.shape]
    lines = ["k,j,i,z_mm,y_mm,x_mm,S_mGy_per_MBq_s"]
    for index, value in np.ndenumerate(full):
        k, j, i = (n - centre for n, centre in zip(index, middle, strict=True))
        lines.append(f"{k},{j},{i},{k * z_mm:.6g},{j * y_mm:.6g},{i * x_mm:.6g},{value:.8e}")
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise DoseError(f"The table {path} cannot be written ({error.strerror}): choose another file.") from error
    return path


def voxel_kernel(
    nuclide: str,
    spacing_mm: tuple[float, float, float],
    density_g_per_mL: float = 1.0,
    radiation: str = "all",
    *,
    range_mm: float = DEFAULT_RANGE_MM,
    largest: tuple[int, int, int] | None = None,
) -> VoxelKernel:
    """S-values for voxels of ``spacing_mm`` (along i, j, k) in water-equivalent tissue; the last few stay in memory.

    Parameters
    ----------
    range_mm : how far the kernel reaches along each axis.
    largest : most voxels (k, j, i) of the octant: an image of n voxels needs no more than n.

    Examples
    --------
    >>> kernel = voxel_kernel("Lu-177", (4.8, 4.8, 4.8), density_g_per_mL=1.04, radiation="electrons")
    >>> bool(abs(kernel.energy_keV + kernel.energy_beyond_keV - 147.92) < 0.1)
    True

    Raises
    ------
    DoseError
        If a spacing, the density or the range is not positive, or there is no kernel for the nuclide.
    """
    if len(spacing_mm) != 3:
        raise DoseError(f"A voxel has three spacings, but {len(spacing_mm)} were given.")
    for spacing in spacing_mm:
        require_positive("voxel spacing", spacing, "mm")
    require_positive("density", density_g_per_mL, "g/mL")
    require_positive("range of the kernel", range_mm, "mm")
    source = point_kernel(nuclide, radiation)
    shape = [math.floor(min(range_mm / spacing, 1e9)) + 1 for spacing in reversed(spacing_mm)]
    if largest is not None:
        shape = [min(size, most) for size, most in zip(shape, largest, strict=True)]
    if math.prod(shape) > _MOST_VOXELS:
        raise DoseError(f"A kernel of {range_mm:g} mm has too many voxels of {spacing_mm} mm: make it shorter.")
    spacing_kji = tuple(round(float(spacing), 6) for spacing in reversed(spacing_mm))
    return _computed(source.nuclide, radiation, round(float(density_g_per_mL), 6), spacing_kji, tuple(shape))


@lru_cache(maxsize=8)
def _computed(
    nuclide: str, radiation: str, density: float, spacing_kji: tuple[float, ...], shape: tuple[int, ...]
) -> VoxelKernel:
    source = point_kernel(nuclide, radiation)
    spacing = np.array(spacing_kji)
    near_mm = max(_NEAR_VOXELS * spacing.max(), _electrons_mm(nuclide, density) + spacing.max())
    energy_keV = _smooth_part(source, spacing, shape, density, near_mm)
    within = tuple(min(size, math.floor(near_mm / edge) + 1) for size, edge in zip(shape, spacing, strict=True))
    close = _distance_mm(spacing, within) <= near_mm
    near = _shared_shells(source, spacing, within, density, near_mm + float(np.linalg.norm(spacing)))
    box = energy_keV[: within[0], : within[1], : within[2]]
    box[close] = near[close]
    mass_g = density * float(np.prod(spacing)) / 1000.0
    octant = energy_keV * (1e9 * GY_PER_KEV_PER_G / mass_g)
    octant.setflags(write=False)
    return VoxelKernel(nuclide, radiation, density, (spacing_kji[2], spacing_kji[1], spacing_kji[0]), octant)


def _electrons_mm(nuclide: str, density: float) -> float:
    """About the longest range of the electrons of a decay."""
    return _LONGEST_OVER_R99 * point_kernel(nuclide, "electrons").reach_mm(0.99) / density


def _distance_mm(spacing: np.ndarray, shape: tuple[int, ...], first_k: int = 0) -> np.ndarray:
    """Distances of the voxel centres of an octant from its origin, from slice ``first_k`` on."""
    firsts = (first_k, 0, 0)
    k, j, i = (((np.arange(n) + f) * edge) ** 2 for n, f, edge in zip(shape, firsts, spacing, strict=True))
    return np.asarray(np.sqrt(k[:, None, None] + j[:, None] + i))


def _smooth_part(
    source: PointKernel, spacing: np.ndarray, shape: tuple[int, ...], density: float, near_mm: float
) -> np.ndarray:
    """Energy per voxel in keV where the kernel is smooth; nothing meaningful nearer than ``near_mm``."""
    volume = float(np.prod(spacing))
    energy = np.empty(shape)
    for k in range(shape[0]):  # one slice at a time: temporary arrays stay small
        distance = _distance_mm(spacing, (1, shape[1], shape[2]), k)[0]
        energy[k] = volume * source.energy_density_keV_per_mm3(np.maximum(distance, near_mm), density)
    far_mm = max(_FAR_VOXELS * spacing.max(), near_mm)
    middle = tuple(min(size, math.floor(far_mm / edge) + 1) for size, edge in zip(shape, spacing, strict=True))
    chosen = np.nonzero(_distance_mm(spacing, middle) <= far_mm)
    total = np.zeros(chosen[0].size)
    for ok, wk in zip(_GAUSS_OFFSETS, _GAUSS_WEIGHTS, strict=True):
        for oj, wj in zip(_GAUSS_OFFSETS, _GAUSS_WEIGHTS, strict=True):
            for oi, wi in zip(_GAUSS_OFFSETS, _GAUSS_WEIGHTS, strict=True):
                points = (np.array(chosen).T + np.array([ok, oj, oi])) * spacing
                distance = np.maximum(np.linalg.norm(points, axis=1), near_mm / 2.0)
                total += wk * wj * wi * source.energy_density_keV_per_mm3(distance, density)
    energy[chosen] = volume * total
    return energy


def _shared_shells(
    source: PointKernel, spacing: np.ndarray, shape: tuple[int, ...], density: float, to_mm: float
) -> np.ndarray:
    """Energy per voxel in keV from all shells within ``to_mm``, each shared out among the voxel centres it passes."""
    radius, shells = _shells(source, density, float(spacing.min()), to_mm)
    padded = tuple(size + 1 for size in shape)
    energy = np.zeros(padded)
    directions = np.clip(np.ceil(8.0 * radius / spacing.min()), 12, 200).astype(int)
    directions = 4 * np.ceil(directions / 4).astype(int)  # few different rules
    for count in np.unique(directions):
        unit, weight = octant_directions(int(count))
        chosen = np.flatnonzero(directions == count)
        for some in np.array_split(chosen, math.ceil(chosen.size * weight.size / _POINTS_AT_ONCE)):
            place = unit[:, None, :] * radius[some, None] / spacing[:, None, None]
            energy += _shared(place.reshape(3, -1), np.outer(shells[some], weight).ravel(), padded)
    for axis in range(3):  # the plane of the source voxel is fed from both sides
        middle = [slice(None)] * 3
        middle[axis] = slice(0, 1)
        energy[tuple(middle)] *= 2.0
    return energy[: shape[0], : shape[1], : shape[2]] / 8.0


def _shells(source: PointKernel, density: float, spacing_mm: float, to_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Radius and energy in keV of thin shells, each at the mean radius of its energy (the kernel may fall steeply)."""
    table = source.radius_mm / density
    electrons_mm = _electrons_mm(source.nuclide, density)
    width = spacing_mm / _SHELLS_PER_VOXEL
    wide = np.arange(0.0, to_mm + width, width)
    electrons = np.arange(0.0, electrons_mm, min(width, electrons_mm / 100.0))
    small = table[(table > 0.0) & (table < spacing_mm)][::4]
    edges = np.unique(np.concatenate([wide, small, electrons]))
    fine = np.unique(np.concatenate([edges, table[table < edges[-1]]]))
    energy = np.diff(source.energy_within_keV(fine, density))
    first = np.searchsorted(fine, edges[:-1])
    shells = np.add.reduceat(energy, first)
    moments = np.add.reduceat(energy * (fine[1:] + fine[:-1]) / 2.0, first)
    middle = (edges[1:] + edges[:-1]) / 2.0
    return np.divide(moments, shells, out=middle, where=shells > 0.0), shells


@lru_cache(maxsize=64)
def octant_directions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (3, n) in the positive octant and their weights, which add up to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    cosine, weight = (nodes + 1.0) / 2.0, weights / 2.0
    azimuth = cosine * math.pi / 2.0
    sine = np.sqrt(1.0 - cosine**2)
    unit = np.stack(
        [
            np.repeat(cosine, count),
            np.outer(sine, np.cos(azimuth)).ravel(),
            np.outer(sine, np.sin(azimuth)).ravel(),
        ]
    )
    return unit, np.outer(weight, weight).ravel()


def _shared(place: np.ndarray, energy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Trilinear shares of ``energy`` at ``place`` (3, n; in voxels) on an array of ``shape``; the rest is lost."""
    low = place.astype(np.intp)
    inside = (low < (np.array(shape) - 1)[:, None]).all(axis=0)
    low, part = low[:, inside], (place - low)[:, inside]
    total = np.zeros(math.prod(shape))
    for corner in np.ndindex(2, 2, 2):
        step = np.array(corner)[:, None]
        share = np.prod(np.where(step == 1, part, 1.0 - part), axis=0)
        index = np.ravel_multi_index(tuple(low + step), shape)
        total += np.bincount(index, weights=share * energy[inside], minlength=total.size)
    return total.reshape(shape)
