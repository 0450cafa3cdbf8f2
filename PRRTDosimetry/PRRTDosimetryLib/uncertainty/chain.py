"""The chain of uncertainties from counts to dose: linear budget, and Monte Carlo with the volume's opposite effects.

EANM guidance, Gear et al. 2018, doi:10.1007/s00259-018-4136-7: A = C / (Q R) with counts C, calibration Q, recovery R;
dose = TIA * S. The volume enters three times: a region drawn too large holds more counts, takes a higher recovery
coefficient (so less correction), and has a smaller S-value. The first raises the dose, the others lower it: the effects
on TIA and S are anticorrelated, and the dose errs less than either. Monte Carlo draws one volume for all three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.uncertainty.volume import (
    UncertaintyError,
    count_exponent,
    counts_by_volume,
    recovery_by_volume,
    recovery_exponent,
    relative_volume_uncertainty,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.integral import Integral

    Floats = NDArray[np.float64]

_MASS_STEP = 1e-4


@dataclass(frozen=True)
class ChainInputs:
    """Relative standard uncertainties of the chain, and the images behind the volumes.

    Attributes
    ----------
    calibration : of the activity calibration; one for all regions and time points.
    counts : of the counts of a region at one time point (noise), independent between points.
    recovery : of the recovery coefficient itself, beside the volume's effect on it; 0 if activities are not corrected.
    s_value : of the S-value for the right mass (shape, density, nuclear data); one for all regions.
    contour_voxel_mm, contour_fwhm_mm : of the image on which regions are drawn.
    image_fwhm_mm : resolution of the emission image.
    recovery_corrected : whether activities were divided by a volume-dependent recovery coefficient.
    """

    calibration: float
    counts: float
    recovery: float
    s_value: float
    contour_voxel_mm: float
    contour_fwhm_mm: float
    image_fwhm_mm: float
    recovery_corrected: bool

    def __post_init__(self) -> None:
        for name in ("calibration", "counts", "recovery", "s_value"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise UncertaintyError(
                    f"The relative uncertainty of {name}, {value:g}, must lie between 0 and 1 (0.05 is 5 %)."
                )
        if self.recovery > 0 and not self.recovery_corrected:
            raise UncertaintyError("Activities are not corrected for recovery, so its uncertainty must be 0.")


@dataclass(frozen=True)
class ChainRegion:
    """What the chain needs to know of a region.

    Attributes
    ----------
    integral : its time-integrated activity.
    volume_mL : its volume.
    local_Gy, other_Gy : dose from its own activity, which goes with its mass, and from elsewhere.
    local_by_mass : local dose for another mass over the present one, as a function of the mass ratio.
    """

    integral: Integral
    volume_mL: float
    local_Gy: float
    other_Gy: float
    local_by_mass: Callable[[Floats], Floats]

    @property
    def dose_Gy(self) -> float:
        """Total dose."""
        return self.local_Gy + self.other_Gy


@dataclass(frozen=True)
class Component:
    """One row of a budget: relative standard uncertainty that it alone causes, and its share of the variance.

    The row of the anticorrelation has a negative variance, and no uncertainty of its own (nan).
    """

    name: str
    relative_u: float
    share: float


@dataclass(frozen=True, eq=False)
class DoseUncertainty:
    """Uncertainty of one region's dose.

    Attributes
    ----------
    u_dose_Gy : standard deviation of the draws.
    interval_Gy : central 95 % of the draws.
    linear_u_Gy : by first-order propagation, for comparison.
    budget : components; shares add up to 1.
    dominant : the component with the largest share (the volume's three rows taken together).
    unknown : components that are not known and left out.
    """

    u_dose_Gy: float
    interval_Gy: tuple[float, float]
    linear_u_Gy: float
    budget: tuple[Component, ...]
    dominant: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ChainResult:
    """Uncertainties by region, and the correlation of the doses, shape (regions, regions), in the same order."""

    regions: dict[str, DoseUncertainty]
    correlation: Floats


def dose_uncertainties(
    regions: dict[str, ChainRegion], inputs: ChainInputs, draws: int, rng: np.random.Generator
) -> ChainResult:
    """Monte Carlo of all regions at once; calibration and S-value are drawn once for all, the rest per region.

    Raises
    ------
    UncertaintyError
        For no regions, or fewer than 100 draws.
    """
    if not regions or draws < 100:
        raise UncertaintyError(f"{draws} draws of {len(regions)} regions give no distribution; take 100 draws or more.")
    calibration = _factors(inputs.calibration, draws, rng)
    s_value = _factors(inputs.s_value, draws, rng)
    doses, found = [], {}
    for name, region in regions.items():
        drawn = calibration * s_value * _region_draws(region, inputs, draws, rng)
        doses.append(drawn)
        components, unknown = _budget(region, inputs)
        low, high = np.quantile(drawn, [0.025, 0.975])
        found[name] = DoseUncertainty(
            float(drawn.std(ddof=1)),
            (float(low), float(high)),
            region.dose_Gy * math.sqrt(max(0.0, sum(component[1] for component in components))),
            _shares(components),
            _dominant(components),
            unknown,
        )
    return ChainResult(found, np.atleast_2d(np.corrcoef(np.array(doses))))


def volume_exponents(region: ChainRegion, inputs: ChainInputs) -> tuple[float, float]:
    """The two opposite effects to first order: d ln(activity)/d ln(volume) and d ln(S)/d ln(volume)."""
    activity = count_exponent(region.volume_mL, inputs.image_fwhm_mm)
    if inputs.recovery_corrected:
        activity -= recovery_exponent(region.volume_mL, inputs.image_fwhm_mm)
    high, low = region.local_by_mass(np.array([1 + _MASS_STEP, 1 - _MASS_STEP]))
    return activity, float(math.log(high / low) / (2 * _MASS_STEP))


def _factors(relative_u: float, draws: int, rng: np.random.Generator) -> Floats:
    """Log-normal factors around 1: positive, and symmetric between twice and half."""
    return np.exp(relative_u * rng.standard_normal(draws))


def _region_draws(region: ChainRegion, inputs: ChainInputs, draws: int, rng: np.random.Generator) -> Floats:
    u_volume = relative_volume_uncertainty(region.volume_mL, inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
    volume = _factors(u_volume, draws, rng)
    activity = counts_by_volume(volume, region.volume_mL, inputs.image_fwhm_mm)
    if inputs.recovery_corrected:
        activity /= recovery_by_volume(volume, region.volume_mL, inputs.image_fwhm_mm)
    counts, fit = _random_parts(region.integral, inputs)
    random = math.hypot(*(part for part in (counts, fit) if not math.isnan(part)))
    activity *= _factors(inputs.recovery, draws, rng) * _factors(random, draws, rng)
    return region.local_Gy * activity * region.local_by_mass(volume) + region.other_Gy


def _random_parts(integral: Integral, inputs: ChainInputs) -> tuple[float, float]:
    """Relative uncertainty of the TIA by counting noise, and by whatever else the fit's uncertainty holds."""
    noise = [
        sensitivity * inputs.counts * activity
        for sensitivity, activity in zip(integral.sensitivity_h, integral.curve.activity_MBq, strict=True)
    ]
    counts = math.hypot(*noise) / integral.tia_MBq_h
    total = integral.u_tia_MBq_h / integral.tia_MBq_h
    return counts, math.sqrt(max(0.0, total**2 - counts**2)) if not math.isnan(total) else math.nan


def _budget(region: ChainRegion, inputs: ChainInputs) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    """Relative variances of the dose by component, to first order, and the names of unknown ones."""
    local = region.local_Gy / region.dose_Gy
    u_volume = relative_volume_uncertainty(region.volume_mL, inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
    by_activity, by_s = volume_exponents(region, inputs)
    counts, fit = _random_parts(region.integral, inputs)
    variances = [
        ("calibration", inputs.calibration**2),
        ("recovery", (local * inputs.recovery) ** 2),
        ("counts", (local * counts) ** 2),
        ("fit", 0.0 if math.isnan(fit) else (local * fit) ** 2),
        ("S-value", inputs.s_value**2),
        ("volume, by activity", (local * by_activity * u_volume) ** 2),
        ("volume, by S-value", (local * by_s * u_volume) ** 2),
        ("volume, anticorrelation", 2 * local**2 * by_activity * by_s * u_volume**2),
    ]
    return variances, ("fit",) if math.isnan(fit) else ()


def _shares(variances: list[tuple[str, float]]) -> tuple[Component, ...]:
    total = sum(variance for _, variance in variances)
    return tuple(
        Component(name, math.sqrt(variance) if variance >= 0 else math.nan, variance / total if total > 0 else 0.0)
        for name, variance in variances
    )


def _dominant(variances: list[tuple[str, float]]) -> str:
    merged: dict[str, float] = {}
    for name, variance in variances:
        merged[name.split(",")[0]] = merged.get(name.split(",")[0], 0.0) + variance
    return max(merged, key=lambda name: merged[name])
