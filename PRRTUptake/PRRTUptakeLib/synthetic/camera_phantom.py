"""Synthetic phantoms for commissioning a camera: how one was filled and placed, and its CT and emission image.

The emission image is the average over each voxel of the blurred activity, in MBq per mL at the middle of the scan,
times the camera's sensitivity: mean counts. Spheres are blurred in closed form and averaged over their voxels; the
inner space is blurred on the voxels. Walls hold no activity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.special import erf

from PRRTUptakeLib.imaging.blurred_sphere import blurred_sphere
from PRRTUptakeLib.imaging.camera_phantoms import CameraPhantom, PhantomSphere
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.synthetic.simulation import FWHM_PER_SIGMA

_PLASTIC_HU, _LUNG_HU, _AIR_HU = 120.0, -700.0, -1000.0
_CT_SIGMA_mm = 0.9  # of the CT's own blur
_STEM_mm = 3.0  # radius of the rods that hold the spheres
_INSERT_WALL_mm = 2.0
_NODES = (-0.2886751346, 0.2886751346)  # Gauss-Legendre, two points of a voxel's edge
_REACH = 5.0  # sigmas


@dataclass(frozen=True, kw_only=True, eq=False)
class FilledPhantom:
    """A phantom as it was filled and placed in the camera.

    Attributes
    ----------
    phantom : its geometry.
    sphere_MBq_per_mL, background_MBq_per_mL : concentrations in the middle of the scan.
    rotation, centre_ras_mm : from the phantom's frame to RAS: 3x3, and where its origin is.
    unfilled : name of a sphere that was filled with water only, "" for none.
    bubble, bubble_share : name of a sphere with air at its top, and the part of its volume.
    lid_bubble_mL : air under the lid of the inner space.
    """

    phantom: CameraPhantom
    sphere_MBq_per_mL: float
    background_MBq_per_mL: float
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    centre_ras_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    unfilled: str = ""
    bubble: str = ""
    bubble_share: float = 0.0
    lid_bubble_mL: float = 0.0

    def place(self, sphere: PhantomSphere) -> np.ndarray:
        """Centre of a sphere in RAS mm."""
        return np.asarray(self.rotation @ np.array(sphere.centre_mm) + np.array(self.centre_ras_mm))

    def local(self, ras: np.ndarray) -> np.ndarray:
        """RAS points (..., 3) in the phantom's frame."""
        return np.asarray((ras - np.array(self.centre_ras_mm, dtype=ras.dtype)) @ self.rotation.astype(ras.dtype))

    def concentration(self, sphere: PhantomSphere) -> float:
        """MBq/mL in a sphere."""
        return 0.0 if sphere.name == self.unfilled else self.sphere_MBq_per_mL

    def bubble_ball(self) -> tuple[np.ndarray, float] | None:
        """Centre (RAS mm) and radius of the air in a sphere, under its anterior wall; None without one."""
        found = [one for one in self.phantom.spheres if one.name == self.bubble]
        if not found or self.bubble_share <= 0:
            return None
        radius = found[0].diameter_mm / 2.0 * self.bubble_share ** (1 / 3)
        up = np.array([0.0, found[0].diameter_mm / 2.0 - radius, 0.0])
        return self.place(found[0]) + up, radius

    def lid_ball(self) -> tuple[np.ndarray, float] | None:
        """Centre (RAS mm) and radius of the air under the lid, 30 mm off the axis; None without it."""
        if self.lid_bubble_mL <= 0:
            return None
        radius = (self.lid_bubble_mL * 750.0 / math.pi) ** (1 / 3)
        body = self.phantom
        middle = np.array([30.0, 30.0, body.length_mm - body.spheres_to_end_mm - radius])
        return self.rotation @ middle + np.array(self.centre_ras_mm), radius


def grid_around(filled: FilledPhantom, spacing_mm: tuple[float, float, float], margin_mm: float) -> Grid:
    """An axial grid of DICOM's directions (i to the left, j to the back) that holds the phantom and a margin."""
    body = filled.phantom
    half = body.radius_mm + body.body_wall_mm
    low = -body.spheres_to_end_mm - body.body_wall_mm
    corners = np.array([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (low, low + body.length_mm)])
    ras = corners @ filled.rotation.T + np.array(filled.centre_ras_mm)
    first, last = ras.min(axis=0) - margin_mm, ras.max(axis=0) + margin_mm
    spacing = np.array(spacing_mm)
    number = np.ceil((last - first) / spacing).astype(int) + 1
    matrix = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    matrix[:3, 3] = [last[0], last[1], first[2]]
    return Grid((int(number[2]), int(number[1]), int(number[0])), matrix)


def points_of(grid: Grid, box: tuple[slice, slice, slice] | None = None) -> np.ndarray:
    """RAS mm of the voxel centres of a box [k, j, i], (k, j, i, 3) float32."""
    slices = box or tuple(slice(0, n) for n in grid.shape)
    k, j, i = (np.arange(one.start, one.stop, dtype=np.float32) for one in slices)
    matrix = grid.ijk_to_ras.astype(np.float32)
    return (
        i[None, None, :, None] * matrix[:3, 0]
        + j[None, :, None, None] * matrix[:3, 1]
        + k[:, None, None, None] * matrix[:3, 2]
        + matrix[:3, 3]
    )


def box_around_point(grid: Grid, ras: np.ndarray, reach_mm: float) -> tuple[slice, slice, slice]:
    """Slices [k, j, i] of all voxels within ``reach_mm`` of a point on each axis, cut at the grid's ends."""
    middle = grid.to_ijk(ras)[::-1]
    reach = reach_mm / np.array(grid.spacing_mm[::-1])
    low = np.maximum(np.floor(middle - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, grid.shape)
    return tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


def add_sphere(
    image: np.ndarray, grid: Grid, centre: np.ndarray, radius_mm: float, fwhm_mm: float, value: float
) -> None:
    """Add the voxel averages of a blurred sphere to an image [k, j, i], in place."""
    if value == 0.0 or radius_mm <= 0:
        return
    sigma = max(fwhm_mm / FWHM_PER_SIGMA, 0.3)
    box = box_around_point(grid, centre, radius_mm + _REACH * sigma)
    points = points_of(grid, box).astype(np.float64) - centre
    axes = grid.ijk_to_ras[:3, :3]
    total = np.zeros(points.shape[:3])
    for node in np.array(np.meshgrid(_NODES, _NODES, _NODES)).reshape(3, -1).T:
        total += blurred_sphere(np.linalg.norm(points + axes @ node, axis=-1), radius_mm, sigma)
    image[box] += value * total / len(_NODES) ** 3


def activity(filled: FilledPhantom, grid: Grid, fwhm_mm: float) -> np.ndarray:
    """Voxel averages of the blurred activity concentration in MBq/mL, float64 [k, j, i]."""
    image = np.zeros(grid.shape)
    body, background = filled.phantom, filled.background_MBq_per_mL
    if background > 0:
        occupied = background_occupancy(filled, grid)
        sigma = fwhm_mm / FWHM_PER_SIGMA / np.array(grid.spacing_mm[::-1])
        image += background * ndimage.gaussian_filter(occupied, sigma, mode="constant")
    for sphere in body.spheres:
        centre, radius = filled.place(sphere), sphere.diameter_mm / 2.0
        add_sphere(image, grid, centre, radius + body.wall_mm, fwhm_mm, -background)
        add_sphere(image, grid, centre, radius, fwhm_mm, filled.concentration(sphere))
    air = filled.bubble_ball()
    if air is not None:
        add_sphere(image, grid, *air, fwhm_mm, -filled.sphere_MBq_per_mL)
    lid = filled.lid_ball()
    if lid is not None:
        add_sphere(image, grid, *lid, fwhm_mm, -background)
    return np.maximum(image, 0.0)


def background_occupancy(filled: FilledPhantom, grid: Grid) -> np.ndarray:
    """Part of each voxel [k, j, i] that is inner space without the insert (spheres count as inner space), float32."""
    local = filled.local(points_of(grid))
    voxel = float(np.mean(grid.spacing_mm))
    occupied = np.clip(0.5 + filled.phantom.inside_mm(local) / voxel, 0.0, 1.0)
    radius = filled.phantom.insert_radius_mm
    if radius > 0:
        occupied *= np.clip(0.5 + (np.hypot(local[..., 0], local[..., 1]) - radius) / voxel, 0.0, 1.0)
    return occupied.astype(np.float32)


def background_volume_mL(filled: FilledPhantom, spacing_mm: float = 3.0) -> float:
    """Volume of the background's solution: the inner space without insert, spheres, their walls and air."""
    body = filled.phantom
    grid = grid_around(filled, (spacing_mm,) * 3, 5.0)
    whole = float(background_occupancy(filled, grid).sum(dtype=np.float64)) * grid.voxel_volume_mL
    taken = sum(math.pi / 6.0 * (one.diameter_mm + 2 * body.wall_mm) ** 3 / 1000.0 for one in body.spheres)
    return whole - taken - filled.lid_bubble_mL


def phantom_ct(filled: FilledPhantom, grid: Grid, noise_HU: float, random: np.random.Generator) -> Volume:
    """CT of the phantom in HU: plastic walls, water, the insert's foam, the rods of the spheres, air bubbles."""
    local = filled.local(points_of(grid))
    body = filled.phantom
    depth = body.inside_mm(local).astype(np.float32)
    soft = float(np.mean(grid.spacing_mm))
    image = np.full(grid.shape, _AIR_HU, dtype=np.float32)
    image += (_PLASTIC_HU - _AIR_HU) * np.clip(0.5 + (depth + body.body_wall_mm) / soft, 0, 1)
    image -= _PLASTIC_HU * np.clip(0.5 + depth / soft, 0, 1)
    across = np.hypot(local[..., 0], local[..., 1])
    if body.insert_radius_mm > 0:
        inner = np.clip(0.5 + depth / soft, 0, 1)
        wall = np.clip(0.5 + (body.insert_radius_mm - across) / soft, 0, 1) * inner
        foam = np.clip(0.5 + (body.insert_radius_mm - _INSERT_WALL_mm - across) / soft, 0, 1) * inner
        image += _PLASTIC_HU * (wall - foam) + _LUNG_HU * foam
    for sphere in body.spheres:
        _add_shell(image, grid, filled, sphere)
    for air in (filled.bubble_ball(), filled.lid_ball()):
        if air is not None:
            _add_ball(image, grid, *air, _AIR_HU)
    if noise_HU > 0:
        image += noise_HU * random.standard_normal(image.shape, dtype=np.float32)
    return Volume(np.clip(image, -1024, 3000), grid.ijk_to_ras, "attenuation", "[hnsf'U]")


def _soft_ball(distance: np.ndarray, radius_mm: float, sigma_mm: float) -> np.ndarray:
    return np.asarray(0.5 * (1.0 - erf((distance - radius_mm) / (math.sqrt(2.0) * sigma_mm))))


def _add_shell(image: np.ndarray, grid: Grid, filled: FilledPhantom, sphere: PhantomSphere) -> None:
    """A sphere's wall, and the rod from its top to the lid."""
    centre, radius, wall = filled.place(sphere), sphere.diameter_mm / 2.0, filled.phantom.wall_mm
    sigma = math.hypot(_CT_SIGMA_mm, float(np.mean(grid.spacing_mm)) / math.sqrt(12.0))
    box = box_around_point(grid, centre, radius + wall + 4 * sigma)
    distance = np.linalg.norm(points_of(grid, box) - centre, axis=-1)
    image[box] += _PLASTIC_HU * (_soft_ball(distance, radius + wall, sigma) - _soft_ball(distance, radius, sigma))
    end = filled.phantom.length_mm - filled.phantom.spheres_to_end_mm
    middle = filled.rotation @ (np.array(sphere.centre_mm) + np.array([0.0, 0.0, (radius + wall + end) / 2.0]))
    half = (end - radius - wall) / 2.0
    box = box_around_point(grid, middle + np.array(filled.centre_ras_mm), half + _STEM_mm + 2.0)
    local = filled.local(points_of(grid, box)) - np.array(sphere.centre_mm, dtype=np.float32)
    rod = np.clip(0.5 + (_STEM_mm - np.hypot(local[..., 0], local[..., 1])) / 2.0, 0, 1)
    along = (local[..., 2] > radius + wall) & (local[..., 2] < end)
    image[box] += _PLASTIC_HU * (rod * along).astype(np.float32)


def _add_ball(image: np.ndarray, grid: Grid, centre: np.ndarray, radius_mm: float, value: float) -> None:
    sigma = math.hypot(_CT_SIGMA_mm, float(np.mean(grid.spacing_mm)) / math.sqrt(12.0))
    box = box_around_point(grid, centre, radius_mm + 4 * sigma)
    distance = np.linalg.norm(points_of(grid, box) - centre, axis=-1)
    image[box] += value * _soft_ball(distance, radius_mm, sigma)
