"""Doses of several cycles on the CT of the first: mass and energy are kept where tissues change their density.

A voxel of the first cycle holds some tissue of a later one. Its dose from that cycle is the energy that this tissue
took up over its mass, D = int D_n rho_n dV / int rho_n dV, not the mean of the doses: the two differ where dense and
thin tissue share a voxel (energy and mass congruent mapping, Zhong and Siebers, Phys Med Biol 2009;54:5815,
doi:10.1088/0031-9155/54/19/010). The volume element cancels but for voxels that stretch unevenly, for which the
Jacobian counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Grid, Volume
    from PRRTUptakeLib.registration.result import Registration
    from PRRTUptakeLib.uptake.occupancy import Occupancy

STRETCH_TRUSTED = (0.7, 1.4)  # of a volume; beyond, tissue was made to vanish or appear
DENSITY_TRUSTED_g_per_mL = 0.2  # soft tissue on lung or bone differs by more
LEAST_DENSITY = 1e-3


@dataclass(frozen=True, eq=False)
class MappedMap:
    """A map of one cycle on the grid of another.

    Attributes
    ----------
    array : float32 [k, j, i] on the other grid.
    untrusted : bool of that shape: outside the cycle's map, stretched, or tissue of another density.
    energy_ratio : energy of the mapped dose over that of the map, where both are seen; 1 is kept.
    """

    array: np.ndarray
    untrusted: np.ndarray
    energy_ratio: float = 1.0


def mapped_dose(
    dose: Volume,
    grid: Grid,
    to_cycle: Registration,
    density: Volume | None = None,
    first_density: Volume | None = None,
) -> MappedMap:
    """The dose (or BED) of a cycle on ``grid``.

    Parameters
    ----------
    dose : on the cycle's own grid.
    to_cycle : from points of ``grid`` to the cycle's space, rigid or bent.
    density, first_density : g/mL on the cycle's grid and on ``grid``; None for one density everywhere.
    """
    rho = np.ones_like(dose.array) if density is None else np.maximum(density.array, np.float32(LEAST_DENSITY))
    energy = np.zeros(grid.shape)
    mass = np.zeros(grid.shape)
    seen = np.zeros(grid.shape)
    stretch = _stretch(grid, to_cycle)
    corners = _samples(grid, dose.grid)
    for offset in corners:
        for k in range(grid.shape[0]):
            place = dose.grid.to_ijk(to_cycle.map_points(_points(grid, k, offset))).T[::-1]
            inside = np.all((place > -0.5) & (place < np.array(dose.array.shape)[:, None] - 0.5), axis=0).reshape(
                grid.shape[1:]
            )
            here = _at(rho, place, grid) * stretch[k] * inside
            energy[k] += _at(dose.array, place, grid) * here
            mass[k] += here
            seen[k] += inside
    result = np.divide(energy, mass, out=np.zeros(grid.shape), where=mass > 0.0)
    untrusted = (seen < len(corners)) | (stretch < STRETCH_TRUSTED[0]) | (stretch > STRETCH_TRUSTED[1])
    if density is not None and first_density is not None:
        mean = mass / np.maximum(seen, 1) / np.maximum(stretch, 1e-6)
        untrusted |= np.abs(mean - first_density.array) > DENSITY_TRUSTED_g_per_mL
    total = float((dose.array * rho).sum(dtype=np.float64)) * dose.grid.voxel_volume_mL
    mapped = float(energy.sum()) / len(corners) * grid.voxel_volume_mL
    return MappedMap(result.astype(np.float32), untrusted, mapped / total if total > 0 else 1.0)


def _samples(grid: Grid, source: Grid) -> list[tuple[float, float, float]]:
    """Places within a voxel, k, j, i from its centre: as many along an edge as voxels of the map fit into it."""
    axes = []
    for wide, edge in zip(grid.spacing_mm[::-1], source.spacing_mm[::-1], strict=True):
        count = max(1, round(wide / edge))
        axes.append((np.arange(count) + 0.5) / count - 0.5)
    return [(float(k), float(j), float(i)) for k in axes[0] for j in axes[1] for i in axes[2]]


def untrusted_share(untrusted: np.ndarray, region: Occupancy) -> float:
    """Share of a region's volume in voxels that are not trusted, bool [k, j, i]."""
    return float(region.fraction @ untrusted.reshape(-1)[region.indices] / region.fraction.sum())


def _points(grid: Grid, k: int, offset: tuple[float, float, float]) -> np.ndarray:
    j, i = np.mgrid[: grid.shape[1], : grid.shape[2]]
    ijk = np.stack([i + offset[2], j + offset[1], np.full(j.shape, k + offset[0])], axis=-1)
    return grid.to_ras(ijk.reshape(-1, 3))


def _at(array: np.ndarray, place: np.ndarray, grid: Grid) -> np.ndarray:
    values: np.ndarray = ndimage.map_coordinates(array, place, order=1, mode="nearest")
    return values.astype(np.float64).reshape(grid.shape[1:])


def _stretch(grid: Grid, to_cycle: Registration) -> np.ndarray:
    """Volume in the cycle over volume here, of every voxel: the determinant of the mapping's derivative."""
    if to_cycle.displacement is None:
        return np.full(grid.shape, abs(np.linalg.det(to_cycle.fixed_to_moving[:3, :3])))
    mapped = np.stack([to_cycle.map_points(_points(grid, k, (0.0, 0.0, 0.0))) for k in range(grid.shape[0])])
    field = mapped.reshape(*grid.shape, 3)
    if min(grid.shape) < 2:
        return np.ones(grid.shape)
    by_axis = np.gradient(field, axis=(2, 1, 0))
    derivative = np.stack(by_axis, axis=-1) @ np.linalg.inv(grid.ijk_to_ras[:3, :3])
    found: np.ndarray = np.linalg.det(derivative)
    return found
