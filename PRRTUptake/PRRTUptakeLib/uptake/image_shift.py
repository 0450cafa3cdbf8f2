"""Where an image shows its regions, as against their contours: one shift of all, found in the image itself.

A contour that is off its place always loses, so that a correction which takes the contours where they were drawn reads
low on average. The regions together say how far the image is off: the shift is sought by which the model of the
image (``transfer_matrix``) explains it best, by Gauss-Newton steps (each after the concentrations for the last one),
with the stated uncertainty of the place as prior, so that an image that says little moves nothing. Differences count
relative to what the model shows, so that the hottest region does not decide alone.

Regions that are each off in their own way stay so, and that is in the intervals: ``region_places`` says, by the same
model, how far each of them still seems off and how well the image knows it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.region_model import overlap, part
from PRRTUptakeLib.uptake.transfer_matrix import correct_regions, spread_regions

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.transfer_matrix import CorrectedRegions, SpreadRegions

_STEPS = 2
_FARTHEST = 3.0  # standard uncertainties of the place: beyond, images are registered, not corrected
_CORRELATION = math.sqrt(math.pi / (2.0 * math.log(2.0)))  # integral of a blurred image's correlation over its FWHM
_LEAST_SHOWN = 0.05  # of the largest mean that the model shows: what is colder counts as if it were that


def shifted_to_image(image: Volume, spread: SpreadRegions, registration_mm: float) -> SpreadRegions:
    """The regions where the image shows them.

    Parameters
    ----------
    image : on the grid of the regions.
    spread : the regions as they were placed.
    registration_mm : standard uncertainty of their place on each axis; 0 leaves them there.

    Raises
    ------
    RecoveryError
        As ``transfer_matrix.correct_regions``.
    """
    if not registration_mm > 0:
        return spread
    for _ in range(_STEPS):
        shift_mm = np.array(spread.shift_mm) + _step(image, spread, registration_mm)
        limit = _FARTHEST * registration_mm
        k, j, i = (float(one) for one in np.clip(shift_mm, -limit, limit))
        spread = spread_regions(spread.model, spread.fwhm_mm, spread.background, (k, j, i))
    return spread


@dataclass(frozen=True, eq=False)
class _Differences:
    """Image less model in the background's box: model and scale [k, j, i], scaled differences near the regions."""

    model: np.ndarray
    scale: np.ndarray
    rest: np.ndarray
    variance: float


def _differences(image: Volume, spread: SpreadRegions, concentrations: np.ndarray) -> _Differences:
    low, high = spread.background.low, spread.background.high
    shown = np.asarray(image.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float64)
    model = spread.image(concentrations, low, high)
    near = spread.near()
    floor = _LEAST_SHOWN * float(model[near].max())
    if not floor > 0:
        raise RecoveryError("The image shows no activity in the regions: check that they belong together.")
    scale = near / np.maximum(model, floor)
    rest = (shown - model) * scale
    # Noise and mismatch that a Gaussian blurred: so many voxels count as one, by the integral of their correlation.
    alike = max(1.0, math.prod(_CORRELATION * spread.fwhm_mm / spacing for spacing in spread.model.grid.spacing_mm))
    return _Differences(model, scale, rest, float(np.mean(rest[near] ** 2)) * alike)


def _step(image: Volume, spread: SpreadRegions, registration_mm: float) -> np.ndarray:
    """One Gauss-Newton step of the shift in mm, axes k, j, i."""
    found = _differences(image, spread, correct_regions(image, spread).corrected)
    if not found.variance > 0:
        return np.zeros(3)
    slopes = [-one * found.scale for one in np.gradient(found.model, *spread.model.grid.spacing_mm[::-1])]
    information, gradient = _normal_equations(slopes, found.rest, found.variance)
    information += np.eye(3) / registration_mm**2
    gradient -= np.array(spread.shift_mm) / registration_mm**2
    return np.asarray(np.linalg.solve(information, gradient))


def _normal_equations(slopes: list[np.ndarray], rest: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    # Not np.vdot: BLAS wakes threads for it, which then wait actively and cost more than the sums.
    information, gradient = np.empty((3, 3)), np.empty(3)
    for row, first in enumerate(slopes):
        gradient[row] = np.einsum("kji,kji", first, rest)
        for column in range(row, 3):
            information[row, column] = information[column, row] = np.einsum("kji,kji", first, slopes[column])
    return information / variance, gradient / variance


def region_places(
    image: Volume, corrected: CorrectedRegions, registration_mm: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """How far each region is off where it was taken, mm along [k, j, i], shape (3,), and the uncertainty of it.

    The stated uncertainty is the prior, what the image shows of the region's own edge (its contrast to what is around
    it) the likelihood: a large hot organ is known to a fraction of a millimetre, of a faint one nothing but the
    statement is known.

    Parameters
    ----------
    image : on the grid of the regions.
    corrected : the regions where they were taken, with their concentrations.
    registration_mm : stated standard uncertainty of a region's place on each axis, above 0.
    """
    spread = corrected.spread
    found = _differences(image, spread, corrected.corrected)
    prior = np.eye(3) / registration_mm**2
    matrix, low = spread.matrix, spread.background.low
    places = {}
    for number, (name, box) in enumerate(zip(spread.model.names, spread.spread, strict=True)):
        information, gradient = prior.copy(), np.zeros(3)
        both = overlap(box.low, box.high, low, spread.background.high)
        if both is not None and found.variance > 0 and min(box.values.shape) > 1:
            others = np.delete(matrix[number], number)
            around = float(others @ np.delete(corrected.corrected, number)) / max(float(others.sum()), 1e-12)
            contrast = corrected.corrected[number] - around
            scale = contrast * found.scale[part(both, low)]
            edges = np.gradient(box.values, *spread.model.grid.spacing_mm[::-1])
            slopes = [-one[part(both, box.low)] * scale for one in edges]
            of_image = _normal_equations(slopes, found.rest[part(both, low)], found.variance)
            information, gradient = information + of_image[0], of_image[1]
        covariance = np.linalg.inv(information)
        off = np.clip(covariance @ gradient, -_FARTHEST * registration_mm, _FARTHEST * registration_mm)
        places[name] = (off, np.sqrt(np.diag(covariance)))
    return places
