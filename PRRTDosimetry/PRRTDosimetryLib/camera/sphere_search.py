"""Spheres on a phantom's CT, wherever it is: places whose surroundings look like a wall.

Each diameter has a template, and every place is scored by the correlation coefficient of template and CT within a ball
(normalised cross-correlation by fast Fourier transforms, Lewis, Vision Interface 1995, 120-123), which depends neither
on the wall's density nor on what is elsewhere. The size of a sphere is that whose wall fits best at its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage
from scipy.special import erf

from PRRTDosimetryLib.camera.body import Body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.imaging.volume import Volume

LEAST_SCORE = 0.18
MOST = 20  # candidates that are kept for each diameter
_SOFT_mm = 1.6  # blur of the CT and of the coarse voxels, standard deviation
_CLIP_HU = (-250.0, 300.0)  # air and metal beyond count as these


@dataclass(frozen=True)
class Candidate:
    """A place that looks like a sphere: centre in RAS mm, the correlation, and the log-likelihood it is worth."""

    centre_mm: tuple[float, float, float]
    score: float
    evidence: float


def evidence_of(score: float, voxels: float) -> float:
    """Log of the likelihood ratio of a template against none, for a correlation coefficient over independent voxels.

    -n/2 ln(1 - r^2), of a linear model with Gaussian noise; half of the voxels are counted, since neighbours share
    their noise.

    Examples
    --------
    >>> round(evidence_of(0.5, 400), 1)
    28.8
    """
    return -0.25 * voxels * math.log(max(1e-6, 1.0 - min(score, 0.999) ** 2)) if score > 0 else 0.0


def sphere_candidates(body: Body, diameters_mm: Sequence[float], wall_mm: float) -> list[list[Candidate]]:
    """For each diameter the places on the CT that look most like such a sphere, the best first.

    Parameters
    ----------
    body : from `body.find_body`.
    diameters_mm : inner diameters to look for.
    wall_mm : thickness of the walls.
    """
    low, values = _box(body)
    search = _Search(values, body.grid.spacing_mm[0])
    found = []
    for diameter in diameters_mm:
        template, support = _wall_template(diameter, wall_mm, search.spacing_mm)
        peaks = _peaks(search.scores(template, support))
        voxels = float(support.sum())
        found.append(
            [
                Candidate(_point(body.grid.to_ras((place + low)[::-1])), score, evidence_of(score, voxels))
                for score, place in peaks
            ]
        )
    return found


def _point(ras: np.ndarray) -> tuple[float, float, float]:
    return float(ras[0]), float(ras[1]), float(ras[2])


def _box(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """The box of the body, cut out; what is outside the body is water, so that its border does not show."""
    where = np.nonzero(body.mask)
    low = np.array([one.min() for one in where])
    high = np.array([one.max() for one in where]) + 1
    cut = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    inner = ndimage.binary_erosion(body.mask[cut], iterations=2)
    values = np.where(inner, np.clip(body.values[cut], *_CLIP_HU), 0.0).astype(np.float32)
    return low, values


class _Search:
    """Normalised cross-correlation of one image with small templates."""

    def __init__(self, values: np.ndarray, spacing_mm: float) -> None:
        self.spacing_mm = spacing_mm
        self.values = values - float(values.mean())
        self.shape = values.shape
        self.padded = tuple(fft.next_fast_len(n + 16, real=True) for n in values.shape)
        self.image = fft.rfftn(self.values, self.padded)
        self.squares = self.values**2

    def scores(self, template: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Correlation coefficient at every voxel, float32; the local spread is that of a cube as large as the support.

        Parameters
        ----------
        template, support : of one size, odd edges; compared where the support is True.
        """
        number = float(support.sum())
        centred = np.where(support, template - template[support].mean(), 0.0).astype(np.float32)
        norm = math.sqrt(float((centred**2).sum()) * number)
        edge = 2 * (round(number ** (1 / 3)) // 2) + 1
        mean = ndimage.uniform_filter(self.values, edge, mode="nearest")
        variance = ndimage.uniform_filter(self.squares, edge, mode="nearest") - mean**2
        spread = np.sqrt(np.maximum(variance, 25.0))  # 5 HU is nothing
        return np.asarray(self._correlated(centred) / (norm * spread))

    def _correlated(self, kernel: np.ndarray) -> np.ndarray:
        half = [n // 2 for n in kernel.shape]
        spectrum = self.image * np.conj(fft.rfftn(kernel, self.padded))
        whole = np.roll(fft.irfftn(spectrum, self.padded), half, axis=(0, 1, 2))
        return np.asarray(whole[tuple(slice(0, n) for n in self.shape)])


def _distances(reach_mm: float, spacing_mm: float) -> np.ndarray:
    half = math.ceil(reach_mm / spacing_mm)
    axis = np.arange(-half, half + 1) * spacing_mm
    return np.asarray(np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2))


def _wall_template(diameter_mm: float, wall_mm: float, spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """A blurred thin wall around nothing, and the ball in which it is compared."""
    outer = diameter_mm / 2.0 + wall_mm
    reach = outer + 2.5
    distance = _distances(reach, spacing_mm)
    return wall_profile(distance, diameter_mm, wall_mm, _SOFT_mm), distance <= reach


def wall_profile(distance_mm: np.ndarray, diameter_mm: float, wall_mm: float, soft_mm: float) -> np.ndarray:
    """Blurred wall between the inner and the outer radius, 1 for a thick one, of the shape of ``distance_mm``."""
    inner, scale = diameter_mm / 2.0, math.sqrt(2.0) * soft_mm
    return np.asarray(0.5 * (erf((distance_mm - inner) / scale) - erf((distance_mm - inner - wall_mm) / scale)))


def _peaks(scores: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Local maxima above the least score, with their places to a fraction of a voxel."""
    high = (scores >= LEAST_SCORE) & (ndimage.maximum_filter(scores, size=3) == scores)
    found = []
    places = np.argwhere(high)
    best = np.argsort(-scores[high])[: 2 * MOST]
    for place in places[best]:
        k, j, i = place
        if min(place) < 1 or any(n >= size - 1 for n, size in zip(place, scores.shape, strict=True)):
            continue
        around = scores[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2]
        steps = []
        for axis in range(3):
            below, here, above = (float(around[tuple(1 if n != axis else m for n in range(3))]) for m in range(3))
            bend = below - 2 * here + above
            steps.append(float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
        found.append((float(scores[k, j, i]), place + np.array(steps)))
    return sorted(found, key=lambda one: -one[0])[:MOST]


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The CT's voxels around a point: RAS mm (n, 3) and HU (n,)."""

    points: np.ndarray
    values: np.ndarray


def neighbourhood(
    ct: Volume, centre_mm: Sequence[float] | np.ndarray, reach_mm: float, limits_HU: tuple[float, float] = _CLIP_HU
) -> Neighbourhood:
    """The voxels within ``reach_mm`` of a point (3,), their values cut at ``limits_HU``."""
    grid = ct.grid
    middle = grid.to_ijk(np.array(centre_mm))[::-1]
    reach = reach_mm / np.array(grid.spacing_mm[::-1])
    low = np.maximum(np.floor(middle - reach).astype(int), 0)
    high = np.minimum(np.ceil(middle + reach).astype(int) + 1, grid.shape)
    box = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    k, j, i = (one.astype(np.float64) for one in np.mgrid[box])
    points = grid.to_ras(np.stack([i, j, k], axis=-1)).reshape(-1, 3)
    near = np.linalg.norm(points - np.array(centre_mm), axis=1) <= reach_mm
    values = np.clip(ct.array[box].reshape(-1)[near], *limits_HU).astype(np.float64)
    return Neighbourhood(points[near], values)


def wall_score(around: Neighbourhood, centre_mm: np.ndarray, diameter_mm: float, wall_mm: float) -> tuple[float, float]:
    """Correlation coefficient of the CT around a point (3,) with the wall of a sphere, and how many voxels."""
    offset = around.points - centre_mm
    distance = np.sqrt(np.einsum("ij,ij->i", offset, offset))
    near = distance <= diameter_mm / 2.0 + wall_mm + 3.0
    if near.sum() < 10:
        return 0.0, 0.0
    template = wall_profile(distance[near], diameter_mm, wall_mm, _SOFT_mm)
    values = around.values[near]
    template, values = template - template.mean(), values - values.mean()
    norm = math.sqrt(float(template @ template) * float(values @ values))
    return (float(template @ values) / norm if norm > 0 else 0.0), float(near.sum())


def wall_diameter_mm(ct: Volume, centre_mm: np.ndarray, expected_mm: float, wall_mm: float) -> tuple[float, float]:
    """Inner diameter of the sphere around a point (3,) by the wall that fits best, and the correlation coefficient.

    Looked for from 0.6 to 1.5 times what is expected, all compared within one ball.
    """
    widest = 1.5 * expected_mm
    around = neighbourhood(ct, centre_mm, widest / 2.0 + wall_mm + 3.0)
    distance = np.linalg.norm(around.points - centre_mm, axis=1)
    values = around.values - around.values.mean()
    sizes = np.arange(0.6 * expected_mm, widest, 0.25)
    fits = []
    for size in sizes:
        template = wall_profile(distance, size, wall_mm, _SOFT_mm)
        template = template - template.mean()
        norm = math.sqrt(float((template**2).sum() * (values**2).sum()))
        fits.append(float((template * values).sum()) / norm if norm > 0 else 0.0)
    best = int(np.argmax(fits))
    return float(sizes[best]), fits[best]
