"""Resolution along each axis of the image, by the matched spheres: the isotropic fit repeated with three widths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
from scipy import ndimage
from scipy.optimize import least_squares

from PRRTDosimetryLib.camera.recovery import occupancy

if TYPE_CHECKING:
    from PRRTDosimetryLib.camera.blur_match import BlurMatch, SphereImage

_MOST = 3  # spheres, the largest
_AROUND_mm = 20.0
_FINE = 3  # cells per voxel edge


def axis_widths_mm(scene: SphereImage, blur: BlurMatch) -> tuple[float, float, float]:
    """Width at half maximum along i, j and k.

    Parameters
    ----------
    scene : spheres to use, all filled alike.
    blur : the isotropic fit: shift and concentrations are taken from it, the width is where the search begins.
    """
    largest = sorted(scene.spheres, key=lambda one: -one.diameter_mm)[:_MOST]
    parts = [_Part(scene, blur, tuple(np.array(one.centre_mm) + blur.shift_mm), one.radius_mm) for one in largest]

    def residuals(logs: np.ndarray) -> np.ndarray:
        return np.concatenate([part.residuals(np.exp(logs)) for part in parts]) / blur.level

    start = np.full(3, math.log(blur.fwhm_mm))
    found = least_squares(
        residuals, start, bounds=(start - 0.9, start + 0.9), diff_step=3e-3, xtol=1e-3, ftol=1e-5, max_nfev=12
    )
    k, j, i = np.exp(found.x)
    return float(i), float(j), float(k)


class _Part:
    """The voxels around one sphere and the parts of the model there, on cells of a third of a voxel."""

    def __init__(self, scene: SphereImage, blur: BlurMatch, centre: tuple[float, ...], radius_mm: float) -> None:
        grid = scene.image.grid
        wide, _ = occupancy(grid, centre, radius_mm + _AROUND_mm)
        self.values = scene.image.array[wide].astype(np.float64)
        self.spacing = np.array(grid.spacing_mm[::-1])
        low = np.array([one.start for one in wide])
        shape = [int(n) * _FINE for n in self.values.shape]
        index = (np.indices(shape).reshape(3, -1).T + 0.5) / _FINE - 0.5 + low
        distance = np.linalg.norm(grid.to_ras(index[:, ::-1]) - np.array(centre), axis=1).reshape(shape)
        cell = float(self.spacing.mean()) / _FINE
        ball = np.clip(0.5 + (radius_mm - distance) / cell, 0.0, 1.0)
        wall = np.clip(0.5 + (radius_mm + scene.wall_mm - distance) / cell, 0.0, 1.0)
        wet = np.zeros(shape)
        if scene.background is not None:
            wet = np.kron(scene.background[wide], np.ones((_FINE,) * 3))
        self.truth = blur.level * ball + blur.background * (wet - wall * (scene.background is not None))
        self.inside = np.zeros(self.values.shape, dtype=bool)
        edge = [min(2, n // 4) for n in self.values.shape]
        self.inside[tuple(slice(e, n - e) for e, n in zip(edge, self.values.shape, strict=True))] = True

    def residuals(self, fwhm_mm: np.ndarray) -> np.ndarray:
        """Model less image within the box; widths along k, j, i."""
        sigma = fwhm_mm / FWHM_PER_SIGMA / (self.spacing / _FINE)
        blurred = ndimage.gaussian_filter(self.truth, sigma, mode="nearest", truncate=3.5)
        k, j, i = self.values.shape
        means = blurred.reshape(k, _FINE, j, _FINE, i, _FINE).mean(axis=(1, 3, 5))
        return np.asarray((means - self.values)[self.inside])
