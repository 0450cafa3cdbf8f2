"""How well a volume is known, and what an error of it does to counts and recovery.

EANM guidance, Gear et al. 2018, doi:10.1007/s00259-018-4136-7. The region is taken as a uniform sphere in cold
surroundings, the resolution as Gaussian with sigma = FWHM / (2 sqrt(2 ln 2)).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.partial_volume import FWHM_PER_SIGMA, sphere_mean_recovery
from scipy.special import erf

from PRRTDosimetryLib.uncertainty.errors import UncertaintyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_GRID = 600  # radii on which counts are integrated; relative error below 1e-5


def sphere_diameter_mm(volume_mL: float) -> float:
    """Diameter of the sphere of the same volume.

    Examples
    --------
    >>> round(sphere_diameter_mm(14.137), 3)
    30.0
    """
    if not 0 < volume_mL < math.inf:
        raise UncertaintyError(f"A volume of {volume_mL:g} mL has no diameter; give the volume in mL.")
    return float(10 * (6 * volume_mL / math.pi) ** (1 / 3))


def diameter_uncertainty_mm(voxel_mm: float, fwhm_mm: float) -> float:
    """Standard uncertainty of a drawn diameter: u^2 = a^2/6 + FWHM^2/(4 ln 2).

    Both ends of a diameter err by the voxel (a^2/12 each) and by the image's line spread (sigma^2 each).

    Parameters
    ----------
    voxel_mm : edge of the voxels, geometric mean if they are not cubes, of the image on which the region was drawn.
    fwhm_mm : resolution of that image.

    Examples
    --------
    >>> round(diameter_uncertainty_mm(4.4, 12.0), 2), round(diameter_uncertainty_mm(1.0, 1.0), 2)
    (7.43, 0.73)
    """
    if not (voxel_mm >= 0 and fwhm_mm >= 0):
        raise UncertaintyError(f"A voxel of {voxel_mm:g} mm with FWHM {fwhm_mm:g} mm is not possible.")
    return math.sqrt(voxel_mm**2 / 6 + fwhm_mm**2 / (4 * math.log(2)))


def relative_volume_uncertainty(volume_mL: float, voxel_mm: float, fwhm_mm: float) -> float:
    """u(v)/v = 3 u(d)/d of the sphere of the same volume."""
    return 3 * diameter_uncertainty_mm(voxel_mm, fwhm_mm) / sphere_diameter_mm(volume_mL)


def edge_share(diameter_mm: float, fwhm_mm: float) -> float:
    """Phi: twice the count density at the edge of a blurred sphere, over that of the sphere itself; 1 for a large one.

    Examples
    --------
    >>> round(edge_share(1000.0, 12.0), 2), edge_share(30.0, 0.0)
    (0.99, 1.0)
    """
    if fwhm_mm == 0:
        return 1.0
    return 2 * float(_blurred(np.array([diameter_mm / 2]), diameter_mm / 2, fwhm_mm)[0])


def count_exponent(volume_mL: float, fwhm_mm: float) -> float:
    """Slope d ln(counts) / d ln(volume) of a region drawn around a blurred sphere: phi/(2R).

    Examples
    --------
    >>> round(count_exponent(1500.0, 12.0), 2), round(count_exponent(4.0, 12.0), 2)
    (0.52, 0.67)
    """
    diameter = sphere_diameter_mm(volume_mL)
    return edge_share(diameter, fwhm_mm) / (2 * _recovery(diameter, fwhm_mm))


def recovery_exponent(volume_mL: float, fwhm_mm: float) -> float:
    """Slope d ln(recovery) / d ln(volume) of the sphere's recovery curve."""
    step = 1e-4
    diameter = sphere_diameter_mm(volume_mL)
    high, low = (_recovery(diameter * (1 + sign * step) ** (1 / 3), fwhm_mm) for sign in (1, -1))
    return (math.log(high) - math.log(low)) / (2 * step)


def counts_by_volume(factors: ArrayLike, volume_mL: float, fwhm_mm: float) -> Floats:
    """Counts of a region whose volume errs by ``factors``, over those of the right one, shape as ``factors``.

    Integrates the blurred sphere from its centre to the drawn radius.
    """
    drawn = np.asarray(factors, dtype=np.float64) ** (1 / 3)
    if fwhm_mm == 0:
        return np.minimum(drawn, 1.0) ** 3
    radius = sphere_diameter_mm(volume_mL) / 2
    edges = np.linspace(0, max(1.0, float(drawn.max())) * radius, _GRID + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    shells = middle**2 * _blurred(middle, radius, fwhm_mm) * np.diff(edges)
    counts = np.concatenate([[0.0], np.cumsum(shells)])
    # Interpolated over r^3, in which counts are smooth down to the centre.
    values = np.interp((drawn * radius) ** 3, edges**3, counts)
    return np.asarray(values / float(np.interp(radius**3, edges**3, counts)))


def recovery_by_volume(factors: ArrayLike, volume_mL: float, fwhm_mm: float) -> Floats:
    """Recovery coefficient for volumes that err by ``factors``, over that of the right one, of the same shape."""
    if fwhm_mm == 0:
        return np.ones_like(np.asarray(factors, dtype=np.float64))
    diameter = sphere_diameter_mm(volume_mL)
    drawn = diameter * np.asarray(factors, dtype=np.float64) ** (1 / 3)
    return np.asarray(sphere_mean_recovery(drawn, fwhm_mm)) / _recovery(diameter, fwhm_mm)


def _recovery(diameter_mm: float, fwhm_mm: float) -> float:
    return float(sphere_mean_recovery(diameter_mm, fwhm_mm))


def _blurred(distance_mm: Floats, radius_mm: float, fwhm_mm: float) -> Floats:
    """A uniform sphere of height 1 after Gaussian blur, at distances from its centre above 0."""
    sigma = fwhm_mm / FWHM_PER_SIGMA
    inner, outer = (radius_mm - distance_mm) / sigma, (radius_mm + distance_mm) / sigma
    flat = (erf(inner / math.sqrt(2)) + erf(outer / math.sqrt(2))) / 2
    slope = sigma / (distance_mm * math.sqrt(2 * math.pi)) * (np.exp(-(inner**2) / 2) - np.exp(-(outer**2) / 2))
    blurred: Floats = flat - slope
    return blurred
