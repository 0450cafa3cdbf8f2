"""Resolution from a point or a line source: a Gaussian fitted to it, voxel averaging taken off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA
from scipy.optimize import least_squares

from PRRTDosimetryLib.camera.errors import CameraError

if TYPE_CHECKING:
    from PRRTUptakeLib.imaging.volume import Volume

_AROUND_mm = 30.0


@dataclass(frozen=True)
class SourceWidth:
    """Width at half maximum in mm: mean of the axes across the source, its uncertainty, and each axis by i, j, k.

    An axis along a line source has nan.
    """

    fwhm_mm: float
    u_fwhm_mm: float
    axes_mm: tuple[float, float, float]


def source_width(image: Volume, kind: str) -> SourceWidth:
    """Fit the source in an image.

    Parameters
    ----------
    image : with one source, activity or counts.
    kind : "point-source" or "line-source"; a line is along one of the image's axes, more or less.

    Raises
    ------
    CameraError
        If the source is too near to the end of the image, or no Gaussian fits.
    """
    array = image.array.astype(np.float64)
    top = np.array(np.unravel_index(int(array.argmax()), array.shape))
    spacing = np.array(image.grid.spacing_mm[::-1])
    reach = np.ceil(_AROUND_mm / spacing).astype(int)
    along = _direction(array, spacing) if kind == "line-source" else -1
    for axis in range(3):
        if axis != along and not reach[axis] / 2 <= top[axis] < array.shape[axis] - reach[axis] / 2:
            raise CameraError("The source is cut off by the end of the image: place it in the middle, and scan again.")
    low, high = np.maximum(top - reach, 0), np.minimum(top + reach + 1, array.shape)
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    if along >= 0:
        return _line(array[cut], spacing, along)
    widths, errors = _gaussian(array[cut], spacing)
    return _width(widths, errors)


def _direction(array: np.ndarray, spacing: np.ndarray) -> int:
    """Axis along which the activity is spread most."""
    weights = np.clip(array, 0.0, None)
    index = np.argwhere(weights > 0.2 * weights.max())
    return int(np.argmax(index.std(axis=0) * spacing))


def _line(array: np.ndarray, spacing: np.ndarray, along: int) -> SourceWidth:
    """Slices across the line are fitted one by one, so that it may be askew; their widths are averaged."""
    planes = np.moveaxis(array, along, 0)
    across = np.delete(spacing, along)
    bright = planes.sum(axis=(1, 2))
    fits = [_gaussian(plane, across)[0] for plane in planes[bright > 0.5 * bright.max()]]
    if len(fits) < 2:
        raise CameraError("The line source crosses fewer than two slices: check that it is one.")
    mean, error = np.mean(fits, axis=0), np.std(fits, axis=0, ddof=1) / math.sqrt(len(fits))
    return _width(np.insert(mean, along, math.nan), np.insert(error, along, math.nan))


def _width(widths: np.ndarray, errors: np.ndarray) -> SourceWidth:
    """Widths in order k, j, i."""
    known = np.isfinite(widths)
    axes = (float(widths[2]), float(widths[1]), float(widths[0]))
    error = float(np.sqrt(np.square(errors[known]).sum())) / int(known.sum())
    return SourceWidth(float(widths[known].mean()), error, axes)


def _gaussian(values: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths at half maximum by axis and their uncertainties, of a Gaussian on a constant, the voxel taken off."""
    index = np.indices(values.shape).reshape(values.ndim, -1)
    points = index * spacing[:, None]
    shown = values.ravel() / values.max()
    start = points[:, int(shown.argmax())]
    size = values.ndim

    def model(p: np.ndarray) -> np.ndarray:
        squared = ((points - p[:size, None]) / np.exp(p[size : 2 * size, None])) ** 2
        return np.asarray(p[-2] * np.exp(-0.5 * squared.sum(axis=0)) + p[-1])

    first = np.array([*start, *[math.log(10.0 / FWHM_PER_SIGMA)] * size, 1.0, 0.0])
    found = least_squares(lambda p: model(p) - shown, first, max_nfev=200)
    variance = np.exp(2 * found.x[size : 2 * size]) - spacing**2 / 12.0
    if not found.success or (variance <= 0).any():
        raise CameraError("No Gaussian fits the source: check that the image shows one point or one straight line.")
    spread = float(found.fun @ found.fun) / max(1, shown.size - found.x.size)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * spread
    widths = FWHM_PER_SIGMA * np.sqrt(variance)
    return widths, widths * np.sqrt(np.diag(covariance)[size : 2 * size])
