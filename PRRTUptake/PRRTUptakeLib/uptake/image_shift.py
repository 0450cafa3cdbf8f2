"""Where an image shows its regions, as against their contours: one shift of all, found in the image itself.

A contour that is off its place always loses, so that a correction which takes the contours where they were drawn reads
low on average. The regions together say how far the image is off: the shift is sought by which the model of the
image (``transfer_matrix``) explains it best, by Gauss-Newton steps (each after the concentrations for the last one),
with the stated uncertainty of the place as prior, so that an image that says little moves nothing. Differences count
relative to what the model shows, so that the hottest region does not decide alone. Regions that are each off in their
own way stay so: that is in the intervals.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.uptake.errors import RecoveryError
from PRRTUptakeLib.uptake.transfer_matrix import correct_regions, spread_regions

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume
    from PRRTUptakeLib.uptake.transfer_matrix import SpreadRegions

_STEPS = 2
_FARTHEST = 3.0  # standard uncertainties of the place: beyond, images are registered, not corrected
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


def _step(image: Volume, spread: SpreadRegions, registration_mm: float) -> np.ndarray:
    """One Gauss-Newton step of the shift in mm, axes k, j, i."""
    low, high = spread.background.low, spread.background.high
    shown = np.asarray(image.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float64)
    concentrations = correct_regions(image, spread).corrected
    model = spread.image(concentrations, low, high)
    near = spread.near()
    floor = _LEAST_SHOWN * float(model[near].max())
    if not floor > 0:
        raise RecoveryError("The image shows no activity in the regions: check that they belong together.")
    scale = 1.0 / np.maximum(model[near], floor)
    slopes = np.stack([-one[near] * scale for one in np.gradient(model, *spread.model.grid.spacing_mm[::-1])])
    rest = (shown - model)[near] * scale
    # Noise and mismatch are alike within the resolution: so many voxels count as one.
    alike = max(1.0, math.prod(spread.fwhm_mm / spacing for spacing in spread.model.grid.spacing_mm))
    variance = float(np.mean(rest**2)) * alike
    if not variance > 0:
        return np.zeros(3)
    information = np.einsum("an,bn->ab", slopes, slopes) / variance + np.eye(3) / registration_mm**2
    gradient = np.einsum("an,n->a", slopes, rest) / variance - np.array(spread.shift_mm) / registration_mm**2
    return np.asarray(np.linalg.solve(information, gradient))
