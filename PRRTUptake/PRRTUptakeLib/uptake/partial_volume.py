"""Partial volume: how much of a small region's uptake an image of given resolution shows.

Four parts: what theory says of a uniform sphere under Gaussian resolution; how much of a region's contrast its mean
keeps, given its own shape and the voxels; the recovery curve fitted to a phantom; and the correction by that curve. The
correction of all regions of an image at once is in ``uptake.transfer_matrix``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from PRRTUptakeLib.uptake.errors import RecoveryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from PRRTUptakeLib.uptake.occupancy import Occupancy

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))  # 2.3548

_HIGHEST_RECOVERY = 1.5  # above 1 by edge enhancement of the reconstruction; a figure beyond is percent
_SERIES_BELOW = 0.05  # diameter over sigma below which the closed form loses digits


def sphere_mean_recovery(diameter_mm: ArrayLike, fwhm_mm: float) -> np.ndarray:
    """Mean over a uniform sphere (uptake 1 in surroundings of 0) after Gaussian blur, over the sphere itself.

    The mean over the sphere of the blurred sphere is the probability that a Gaussian step from a random point of the
    sphere ends in it: the integral of the sphere's covariogram 1 - (3/2) h/d + (1/2) (h/d)^3 (Kendall and Moran,
    Geometrical Probability, 1963, distance of two points in a sphere) over the Maxwell distribution of the step
    length h. With a = d / sigma:

        RC = erf(a/sqrt 2) - sqrt(2/pi) { a E + (3/(2a)) [2 - (a^2+2) E] - (1/(2a^3)) [8 - (a^4+4a^2+8) E] },
        E = exp(-a^2/2).

    Parameters
    ----------
    diameter_mm : of the sphere, any shape, positive.
    fwhm_mm : full width at half maximum of the resolution, isotropic; 0 for none.

    Returns
    -------
    float64 array of the shape of ``diameter_mm``, 0 to 1.

    Raises
    ------
    RecoveryError
        For a diameter that is not positive or a negative resolution.

    Examples
    --------
    >>> [round(float(rc), 3) for rc in sphere_mean_recovery([10, 20, 30, 60], 12.0)]
    [0.151, 0.443, 0.609, 0.799]
    """
    a = _diameter_over_sigma(diameter_mm, fwhm_mm)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        decay = np.exp(-(a**2) / 2.0)
        first = _finite(a * decay)
        second = 1.5 / a * (2.0 - _finite((a**2 + 2.0) * decay))
        third = 0.5 / a**3 * (8.0 - _finite((a**4 + 4.0 * a**2 + 8.0) * decay))
        exact = _erf(a / math.sqrt(2.0)) - math.sqrt(2.0 / math.pi) * (first + second - third)
    series = math.sqrt(2.0 / math.pi) * a**3 / 24.0 * (1.0 - 3.0 * a**2 / 20.0)
    return np.asarray(np.where(a < _SERIES_BELOW, series, exact))


def sphere_centre_recovery(diameter_mm: ArrayLike, fwhm_mm: float) -> np.ndarray:
    """Value at the centre of a uniform sphere (uptake 1 in surroundings of 0) after Gaussian blur.

    RC = erf(r/(sqrt 2 sigma)) - sqrt(2/pi) (r/sigma) exp(-r^2/(2 sigma^2)), r the radius: Kessler, Ellis and Eden,
    J Comput Assist Tomogr 1984;8:514-522. Parameters, shape and errors as in ``sphere_mean_recovery``.

    Examples
    --------
    >>> round(float(sphere_centre_recovery(30.0, 12.0)), 3)
    0.966
    """
    b = _diameter_over_sigma(diameter_mm, fwhm_mm) / 2.0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        tail = _finite(b * np.exp(-(b**2) / 2.0))
        exact = _erf(b / math.sqrt(2.0)) - math.sqrt(2.0 / math.pi) * tail
    series = math.sqrt(2.0 / math.pi) * b**3 / 3.0 * (1.0 - 0.3 * b**2)
    return np.where(b < _SERIES_BELOW / 2.0, series, exact)


def contour_uncertainty_mm(spacing_mm: Sequence[float], fwhm_mm: float) -> float:
    """Standard uncertainty of the position of a drawn surface: half that of a diameter.

    Both ends of a diameter err by the voxel (a^2/12 each) and by the line spread (sigma^2 each) of the image on which
    the region was drawn, so that u(d)^2 = a^2/6 + FWHM^2/(4 ln 2): EANM guidance, Gear et al. 2018,
    doi:10.1007/s00259-018-4136-7.

    Parameters
    ----------
    spacing_mm : of that image; a is the geometric mean where its voxels are not cubes.
    fwhm_mm : its resolution.

    Raises
    ------
    RecoveryError
        If a spacing is not positive, or the resolution negative.

    Examples
    --------
    >>> round(contour_uncertainty_mm((1.5, 1.5, 3.0), 1.0), 2)
    0.49
    """
    if not (len(spacing_mm) > 0 and min(spacing_mm) > 0 and 0 <= fwhm_mm < math.inf):
        raise RecoveryError(f"Voxels of {tuple(spacing_mm)} mm at a resolution of {fwhm_mm} mm are not possible.")
    voxel_mm = math.prod(spacing_mm) ** (1.0 / len(spacing_mm))
    return math.sqrt(voxel_mm**2 / 6.0 + fwhm_mm**2 / (4.0 * math.log(2.0))) / 2.0


def apparent_uptake(true: ArrayLike, background: ArrayLike, recovery: ArrayLike) -> np.ndarray:
    """What the image shows of an uptake in a uniform background: background + RC (true - background), of one shape."""
    true, background = np.asarray(true, dtype=np.float64), np.asarray(background, dtype=np.float64)
    return np.asarray(background + np.asarray(recovery, dtype=np.float64) * (true - background))


def contrast_recovery(measured: float, true: float, background: float) -> float:
    """(measured - background) / (true - background), the recovery coefficient of a sphere in a warm phantom.

    Raises
    ------
    RecoveryError
        If the true uptake equals the background, or a value is not finite.
    """
    if not all(math.isfinite(value) for value in (measured, true, background)) or true == background:
        raise RecoveryError(
            f"A recovery needs finite values and contrast, but measured, true and background are "
            f"{measured}, {true} and {background}."
        )
    return (measured - background) / (true - background)


def border_recovery(region: Occupancy) -> float:
    """Contrast kept where no blur acts: border voxels mix region and surroundings.

    A voxel occupied by the fraction f shows f T + (1 - f) B; weighted by f, the mean over the region keeps
    sum(f^2) / sum(f) of the contrast T - B. Dimensionless, 0 to 1.
    """
    return float(region.fraction @ region.fraction / region.fraction.sum())


def shape_recovery(region: Occupancy, fwhm_mm: float) -> float:
    """Contrast kept under Gaussian resolution, from the region's own shape in uniform surroundings.

    With f the occupied fraction of each voxel and G f its image after blur, the mean over the region keeps
    sum(f G f) / sum(f) of the contrast. Neighbouring hot structures are not accounted for.

    Parameters
    ----------
    region : the region on the image's grid.
    fwhm_mm : full width at half maximum of the resolution, isotropic; 0 gives `border_recovery`.

    Raises
    ------
    RecoveryError
        If ``fwhm_mm`` is negative.
    """
    if fwhm_mm < 0:
        raise RecoveryError(f"The resolution (FWHM) must not be negative, but is {fwhm_mm} mm.")
    spacing_kji = np.array(region.grid.spacing_mm[::-1])
    sigma = fwhm_mm / FWHM_PER_SIGMA / spacing_kji
    margin = np.ceil(4 * sigma).astype(int) + 1
    where = np.array(np.unravel_index(region.indices, region.grid.shape))
    low = where.min(axis=1) - margin
    box = np.zeros(where.max(axis=1) + margin + 1 - low)
    inside = tuple(where - low[:, None])
    box[inside] = region.fraction
    blurred = ndimage.gaussian_filter(box, sigma, mode="constant")
    return float(region.fraction @ blurred[inside] / region.fraction.sum())


@dataclass(frozen=True)
class RecoveryCurve:
    """RC = 1 / (1 + (a/V)^b), V the volume in mL, fitted to a phantom.

    Attributes
    ----------
    a_mL, b : parameters; at V = a half is recovered.
    covariance : 2x2 of (a, b).
    volume_range_mL : smallest and largest volume of the phantom.
    source : where the phantom's figures are from, in words.
    """

    a_mL: float
    b: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    volume_range_mL: tuple[float, float]
    source: str = ""

    def recovery(self, volume_mL: float) -> tuple[float, float]:
        """Recovery coefficient of a volume and its standard uncertainty (first order, with the covariance).

        Raises
        ------
        RecoveryError
            If the volume is not a positive number.
        """
        if not (math.isfinite(volume_mL) and volume_mL > 0):
            raise RecoveryError(f"A recovery coefficient needs a positive volume in mL, not {volume_mL}.")
        coefficient = float(_curve(np.array(volume_mL), self.a_mL, self.b))
        spread = coefficient * (1.0 - coefficient)  # dRC/d ln(odds) with odds (V/a)^b
        gradient = spread * np.array([-self.b / self.a_mL, math.log(volume_mL / self.a_mL)])
        return coefficient, math.sqrt(max(0.0, float(gradient @ np.array(self.covariance) @ gradient)))

    def log_draws(self, volume_mL: float, normals: ArrayLike) -> np.ndarray:
        """Logarithm of possible recovery coefficients of a volume over the fitted one, (draws,).

        ``normals``, shape (draws, 2), are standard normal numbers for the two parameters: the same ones for all
        volumes, since one phantom determined them.
        """
        z = np.asarray(normals, dtype=np.float64)
        coefficient, _ = self.recovery(volume_mL)
        gradient = (1.0 - coefficient) * np.array([-self.b / self.a_mL, math.log(volume_mL / self.a_mL)])
        values, vectors = np.linalg.eigh(np.array(self.covariance))
        return np.asarray(z @ (np.sqrt(np.clip(values, 0.0, None)) * vectors).T @ gradient)

    def covers(self, volume_mL: float) -> bool:
        """Whether the volume is within those of the phantom."""
        return self.volume_range_mL[0] <= volume_mL <= self.volume_range_mL[1]


def fit_recovery_curve(
    volumes_mL: ArrayLike, recoveries: ArrayLike, uncertainties: ArrayLike | None = None, source: str = ""
) -> RecoveryCurve:
    """Fit RC = 1/(1+(a/V)^b) to phantom spheres by least squares.

    Parameters
    ----------
    volumes_mL, recoveries : (n,), of the spheres, at least three, positive.
    uncertainties : (n,), standard, of the recoveries; without them the scatter about the curve stands for them.
    source : where the figures are from, in words; kept with the curve.

    Raises
    ------
    RecoveryError
        For fewer than three spheres, unequal lengths, values that are not positive, percent, or a fit that fails.
    """
    from scipy.optimize import curve_fit

    volumes, measured = np.asarray(volumes_mL, dtype=np.float64), np.asarray(recoveries, dtype=np.float64)
    sigma = None if uncertainties is None else np.asarray(uncertainties, dtype=np.float64)
    _check_phantom(volumes, measured, sigma)
    start = _starting_values(volumes, measured)
    try:
        found, covariance = curve_fit(
            _curve,
            volumes,
            measured,
            p0=start,
            sigma=sigma,
            absolute_sigma=sigma is not None,
            bounds=(1e-9, np.inf),
        )
    except RuntimeError as error:
        raise RecoveryError(f"The recovery curve did not fit the phantom ({error}): check its volumes.") from error
    if not np.isfinite(covariance).all():
        raise RecoveryError("The phantom does not determine the recovery curve: use spheres that cover its bend.")
    (aa, ab), (ba, bb) = covariance.tolist()
    extent = (float(volumes.min()), float(volumes.max()))
    return RecoveryCurve(float(found[0]), float(found[1]), ((aa, ab), (ba, bb)), extent, source)


def recovery_curve_from_text(volumes_mL: str, recoveries: str, where: str) -> RecoveryCurve | None:
    """The curve of spheres whose figures were typed, separated by spaces or commas; None where nothing was typed.

    Raises
    ------
    RecoveryError
        If only one of the two was typed, a word is no number, or the figures give no curve.

    Examples
    --------
    >>> curve = recovery_curve_from_text("0.5, 2, 8, 30", "0.2 0.4 0.65 0.85", "the panel")
    >>> round(curve.a_mL, 1), curve.source
    (3.4, 'spheres of 0.5, 2, 8, 30 mL with recoveries 0.2, 0.4, 0.65, 0.85, given in the panel')
    """
    typed = {"volumes": _numbers(volumes_mL), "recoveries": _numbers(recoveries)}
    empty = [word for word, values in typed.items() if not values]
    if len(empty) == len(typed):
        return None
    if empty:
        raise RecoveryError(f"The {empty[0]} of the phantom's spheres are not given: give both, or neither.")
    volumes, measured = typed.values()
    if len(volumes) != len(measured):
        raise RecoveryError(
            f"The phantom has {len(volumes)} volumes but {len(measured)} recoveries: give one recovery for each "
            "sphere, with points as decimal marks."
        )
    shown = [", ".join(f"{value:g}" for value in values) for values in (volumes, measured)]
    words = f"spheres of {shown[0]} mL with recoveries {shown[1]}, given in {where}"
    return fit_recovery_curve(volumes, measured, source=words)


@dataclass(frozen=True)
class CorrectedUptake:
    """A measured uptake and what it becomes after partial volume correction, always side by side.

    ``extrapolated`` states that the volume is outside the phantom's; uncertainties are standard, in the same unit.
    """

    uncorrected: float
    u_uncorrected: float
    corrected: float
    u_corrected: float
    recovery: float
    u_recovery: float
    extrapolated: bool


def corrected_uptake(
    curve: RecoveryCurve,
    measured: float,
    volume_mL: float,
    background: float = 0.0,
    u_measured: float = math.nan,
    u_background: float = 0.0,
) -> CorrectedUptake:
    """Partial volume correction: background + (measured - background) / RC(V).

    With ``background`` 0 this is measured / RC, for curves from hot spheres in a cold phantom. ``u_corrected`` is nan
    when ``u_measured`` is not given; the uncertainty of the volume itself is not included.

    Raises
    ------
    RecoveryError
        If a value is not finite or the volume not positive.
    """
    if not (math.isfinite(measured) and math.isfinite(background)):
        raise RecoveryError(f"The uptake ({measured}) and background ({background}) to correct must be finite numbers.")
    coefficient, u_coefficient = curve.recovery(volume_mL)
    contrast = (measured - background) / coefficient
    parts = (
        u_measured / coefficient,
        u_background * (1.0 - 1.0 / coefficient),
        contrast * u_coefficient / coefficient,
    )
    return CorrectedUptake(
        uncorrected=measured,
        u_uncorrected=u_measured,
        corrected=background + contrast,
        u_corrected=math.sqrt(sum(part**2 for part in parts)),
        recovery=coefficient,
        u_recovery=u_coefficient,
        extrapolated=not curve.covers(volume_mL),
    )


def _curve(volume_mL: np.ndarray, a_mL: float, b: float) -> np.ndarray:
    return 1.0 / (1.0 + (a_mL / volume_mL) ** b)


def _check_phantom(volumes: np.ndarray, measured: np.ndarray, sigma: np.ndarray | None) -> None:
    if volumes.ndim != 1 or volumes.shape != measured.shape or (sigma is not None and sigma.shape != volumes.shape):
        raise RecoveryError("A recovery curve needs one volume, one recovery and at most one uncertainty per sphere.")
    if volumes.size < 3:
        raise RecoveryError(f"A recovery curve has two parameters and needs three spheres or more, not {volumes.size}.")
    if np.unique(volumes).size < 2:
        raise RecoveryError("The phantom does not determine the recovery curve: use spheres of different volumes.")
    for word, values in (("volume", volumes), ("recovery", measured), ("uncertainty", sigma)):
        if values is not None and not (np.isfinite(values) & (values > 0)).all():
            raise RecoveryError(
                f"Each {word} of a phantom sphere must be a positive number, but they are {values.tolist()}."
            )
    if (measured > _HIGHEST_RECOVERY).any():
        raise RecoveryError(f"A recovery is a share, 1 for all, but they are {measured.tolist()}: give no percent.")


def _numbers(text: str) -> list[float]:
    """Numbers separated by spaces or commas."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(float(word))
        except ValueError:
            raise RecoveryError(
                f"'{word}' is not a number: give the phantom's volumes and recoveries as numbers with points as "
                "decimal marks, separated by spaces or commas."
            ) from None
    return found


def _starting_values(volumes: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Straight line through ln(RC/(1-RC)) = b ln V - b ln a."""
    odds = np.clip(measured, 0.01, 0.99)
    slope, intercept = np.polyfit(np.log(volumes), np.log(odds / (1.0 - odds)), 1)
    b = float(np.clip(slope, 0.1, 10.0))
    return float(np.clip(math.exp(np.clip(-intercept / b, -7.0, 7.0)), 1e-3, 1e3)), b


def _diameter_over_sigma(diameter_mm: ArrayLike, fwhm_mm: float) -> np.ndarray:
    diameter = np.asarray(diameter_mm, dtype=np.float64)
    if not (np.isfinite(diameter) & (diameter > 0)).all():
        raise RecoveryError(f"The diameter of a sphere is a positive number of mm, not {diameter.tolist()}.")
    if not (math.isfinite(fwhm_mm) and fwhm_mm >= 0):
        raise RecoveryError(f"The resolution is a FWHM in mm of 0 or more, not {fwhm_mm}.")
    return diameter / (fwhm_mm / FWHM_PER_SIGMA) if fwhm_mm > 0 else np.full_like(diameter, np.inf)


def _finite(values: np.ndarray) -> np.ndarray:
    """Products of a power and a vanishing exponential: 0 where they are inf times 0."""
    return np.asarray(np.nan_to_num(values, nan=0.0))


def _erf(values: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(erf(values))
