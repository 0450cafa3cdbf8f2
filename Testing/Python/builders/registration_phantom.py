"""The synthetic patient in postures, with liver masks: what the registration tests need."""

from __future__ import annotations

import numpy as np
from PRRTUptakeLib.synthetic.phantom import synthetic_patient
from PRRTUptakeLib.synthetic.simulation import Posture, axial_grid, region_labels, tissue_image
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

GRID = axial_grid((128, 92, 84), (3.0, 3.0, 3.0), np.array([0.0, 0.0, 0.0]))
PATIENT = synthetic_patient(1)
LIVER = [n for n, region in enumerate(PATIENT.regions, start=1) if region.name.startswith(("liver_", "lesion_"))]


def seeded_posture(seed, breathing=1.0):
    """Turned by 5 to 15 degrees about any axis, moved by 10 to 30 mm in any direction, breathing up to 10 mm."""
    rng = np.random.default_rng(seed)
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(rng.uniform(5.0, 15.0)) * axis).as_matrix()
    matrix[:3, 3] = direction * rng.uniform(10.0, 30.0)
    return Posture(matrix, float(rng.uniform(-10.0, 10.0)) * breathing)


def posed(kind="contrast_HU", grid=GRID, noise_sd=15.0, posture=None, seed=0):
    """A CT or MRI and the mask of its liver, lesions included."""
    posture = posture or Posture()
    image = tissue_image(PATIENT, grid, kind, noise_sd=noise_sd, random=np.random.default_rng(seed), posture=posture)
    return image, np.isin(region_labels(PATIENT, grid, posture), LIVER)


def on_a_table(image):
    """The CT with a table under the patient and arms beside him, which stay in the scanner's frame."""
    k, j, i = np.indices(image.array.shape, sparse=True)
    x, y, _ = np.moveaxis(image.grid.to_ras(np.stack(np.broadcast_arrays(i, j, k), axis=-1)), -1, 0)
    table = (y < -117.0) & (y > -129.0) & (np.abs(x) < 150.0)
    arms = (np.abs(x) - 172.0) ** 2 + (y + 40.0) ** 2 < 20.0**2
    air = image.array < -500.0
    return image.with_values(np.where(air & table, 120.0, np.where(air & arms, 45.0, image.array)))


def bent(image, grid, back, noise_sd=0.0, seed=0):
    """The image (a volume or a mask) deformed: the value at y comes from ``back(y)``; noise is added after it."""
    lattice = grid.to_ras(np.stack(np.indices(grid.shape)[::-1], axis=-1).reshape(-1, 3).astype(float))
    kji = grid.to_ijk(back(lattice)).T[::-1]
    if isinstance(image, np.ndarray):
        return map_coordinates(image.astype(np.uint8), kji, order=0).reshape(grid.shape) > 0
    noise = np.random.default_rng(seed).normal(0.0, noise_sd, grid.shape)
    return image.with_values(map_coordinates(image.array, kji, order=1, mode="nearest").reshape(grid.shape) + noise)


def liver_points(mask, grid=GRID):
    """RAS points (n, 3) all over a liver."""
    return grid.to_ras(np.argwhere(mask)[::97, ::-1])


def pose_errors(registration, posture, points):
    """Mean and largest distance (mm) of the points from their true place, and the error of the rotation (degrees)."""
    truth = posture.liver_to_ras
    wanted = points @ truth[:3, :3].T + truth[:3, 3]
    apart = np.linalg.norm(registration.map_points(points) - wanted, axis=1)
    turn = Rotation.from_matrix(registration.fixed_to_moving[:3, :3].T @ truth[:3, :3]).magnitude()
    return float(apart.mean()), float(apart.max()), float(np.degrees(turn))
