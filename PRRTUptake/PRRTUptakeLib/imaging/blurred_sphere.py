"""A uniform sphere as a camera of Gaussian resolution shows it."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf


def blurred_sphere(distance_mm: np.ndarray, radius_mm: float, sigma_mm: float) -> np.ndarray:
    """Value at a distance from the centre of a sphere of 1 in surroundings of 0, after isotropic Gaussian blur.

    With R the radius and r the distance, the integral of the Gaussian over the sphere (Kessler, Ellis and Eden,
    J Comput Assist Tomogr 1984;8:514-522, at the centre; by the same integral elsewhere):

        1/2 [erf((R + r)/(sqrt 2 s)) + erf((R - r)/(sqrt 2 s))]
        - s/(r sqrt(2 pi)) [exp(-(R - r)^2/(2 s^2)) - exp(-(R + r)^2/(2 s^2))].

    Parameters
    ----------
    distance_mm : any shape, not negative.
    radius_mm : of the sphere.
    sigma_mm : of the blur, above 0.

    Examples
    --------
    >>> np.round(blurred_sphere(np.array([0.0, 15.0, 25.0]), 15.0, 5.0), 4).tolist()
    [0.9707, 0.367, 0.012]
    """
    r = np.maximum(np.asarray(distance_mm, dtype=np.float64), 1e-3 * sigma_mm)  # the limit at the centre is smooth
    a, b = (radius_mm + r) / sigma_mm, (radius_mm - r) / sigma_mm
    tail = np.exp(-0.5 * b * b) - np.exp(-0.5 * a * a)
    root = math.sqrt(2.0)
    return np.asarray(0.5 * (erf(a / root) + erf(b / root)) - sigma_mm / (r * math.sqrt(2.0 * math.pi)) * tail)
