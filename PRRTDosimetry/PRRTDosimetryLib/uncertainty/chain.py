"""The chain of uncertainties from counts to dose: linear budget, and Monte Carlo with the volume's opposite effects.

EANM guidance, Gear et al. 2018, doi:10.1007/s00259-018-4136-7: A = C / (Q R) with counts C, calibration Q, recovery R;
dose = TIA * S. The volume enters three times: a region drawn too large holds more counts, takes a higher recovery
coefficient (so less correction), and has a smaller S-value. The first raises the dose, the others lower it: the effects
on TIA and S are anticorrelated, and the dose errs less than either. Monte Carlo draws one volume for all three.

Where the concentrations of a region are known with their uncertainty by partial volume (``concentrations``), these take
the place of the volume: concentration times mass over mass, so that the contour acts through the concentration alone.
A dose whose activities were not corrected then has the expected loss in its interval. Calibration and S-value are drawn
once for all regions, resolution once for all regions and times, so that ratios of doses are formed draw by draw and
what is shared cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.uptake.uncertainty import DrawnValue

from PRRTDosimetryLib.uncertainty.errors import UncertaintyError
from PRRTDosimetryLib.uncertainty.region_factors import RegionFactors, region_factors
from PRRTDosimetryLib.uncertainty.volume import (
    count_exponent,
    counts_by_volume,
    recovery_by_volume,
    recovery_exponent,
    relative_volume_uncertainty,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.integral import Integral

    Floats = NDArray[np.float64]

_MASS_STEP = 1e-4
_MOST_LOG = 100.0  # of a factor; beyond, squares of doses overflow
OWN_COMPONENTS = ("counts", "fit", "place of the contour on the image")


def sum_uncertainty(parts: Sequence[tuple[float, float]]) -> float:
    """Standard uncertainty of a sum from the shared and own parts of its terms: linear and by squares.

    Examples
    --------
    >>> round(sum_uncertainty([(3.0, 4.0), (3.0, 4.0)]), 3)  # 6 shared, sqrt(32) own
    8.246
    """
    return math.hypot(sum(shared for shared, _ in parts), *(own for _, own in parts))


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
    concentrations : by region, its concentration in every image of its curve, measured and corrected with draws.
    corrected : regions among them whose curves hold the corrected concentrations.
    """

    calibration: float
    counts: float
    recovery: float
    s_value: float
    contour_voxel_mm: float
    contour_fwhm_mm: float
    image_fwhm_mm: float
    recovery_corrected: bool
    concentrations: Mapping[str, Sequence[DrawnValue]] = field(default_factory=dict)
    corrected: frozenset[str] = frozenset()

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
    """One row of a budget: relative standard uncertainty that it alone causes, and its share of the variance, 0 to 1.

    The volume's effects on activity and on the S-value, which go against each other, are one row together.
    """

    name: str
    relative_u: float
    share: float


@dataclass(frozen=True, eq=False)
class DoseUncertainty:
    """Uncertainty of one region's dose.

    Attributes
    ----------
    u_dose_Gy : root mean square distance of the possible truth from the dose.
    interval_Gy : 95 %; reaches up to that of the corrected dose where the dose is not corrected for partial volume.
    linear_u_Gy : by first-order propagation, for comparison.
    budget : components; shares add up to 1, the largest first.
    dominant : the component with the largest share.
    unknown : components that are not known and left out.
    shared_u_Gy : the part of ``u_dose_Gy`` that all regions and cycles share (calibration, S-value).
    contents : what is in the interval, in words.
    corrected_Gy : the dose corrected for partial volume; nan where that is not known.
    """

    u_dose_Gy: float
    interval_Gy: tuple[float, float]
    linear_u_Gy: float
    budget: tuple[Component, ...]
    dominant: str
    unknown: tuple[str, ...] = ()
    shared_u_Gy: float = 0.0
    contents: str = ""
    corrected_Gy: float = math.nan

    def parts_Gy(self, dose_Gy: float) -> tuple[float, float]:
        """What of ``u_dose_Gy`` other regions and cycles share with this one, and what is its own.

        Own are counting noise, fit and the contour's place on the image. All else is taken as shared (calibration,
        S-value, resolution, what is lost by partial volume, and the contour), the cautious case for a sum.
        """
        own = math.sqrt(sum(one.relative_u**2 for one in self.budget if one.name in OWN_COMPONENTS)) * dose_Gy
        own = min(own, self.u_dose_Gy)
        return math.sqrt(self.u_dose_Gy**2 - own**2), own


@dataclass(frozen=True, eq=False)
class ChainResult:
    """Uncertainties by region, and the correlation of the doses, shape (regions, regions), in the same order.

    ``doses`` holds the draws behind them, for ``uptake.uncertainty.ratio`` and ``aggregated``; ``tias`` those of the
    time-integrated activities (MBq h), in which the volume counts in full and the S-value not; ``s_value`` the log of
    the S-value over the one taken, (draws,), the same for all regions and cycles.
    """

    regions: dict[str, DoseUncertainty]
    correlation: Floats
    doses: dict[str, DrawnValue] = field(default_factory=dict)
    tias: dict[str, DrawnValue] = field(default_factory=dict)
    s_value: Floats = field(default_factory=lambda: np.zeros(0))


def dose_uncertainties(
    regions: dict[str, ChainRegion],
    inputs: ChainInputs,
    draws: int,
    rng: np.random.Generator,
    own: np.random.Generator | None = None,
) -> ChainResult:
    """Monte Carlo of all regions at once; calibration and S-value are drawn once for all, the rest per region.

    ``own`` draws what is each region's and cycle's own, by default as ``rng``. With equal ``rng`` and different ``own``
    two cycles share calibration and S-value and nothing else.

    Raises
    ------
    UncertaintyError
        For no regions, or fewer than 100 draws.
    """
    if not regions or draws < 100:
        raise UncertaintyError(f"{draws} draws of {len(regions)} regions give no distribution; take 100 draws or more.")
    calibration, s_value = _logs(inputs.calibration, draws, rng), _logs(inputs.s_value, draws, rng)
    doses, tias, found = {}, {}, {}
    for name, region in regions.items():
        factors = _factors_of(name, region, inputs, draws)
        local = _local_logs(region, inputs, draws, own or rng)
        volume = _volume(region, inputs, draws, own or rng)
        doses[name] = _drawn_dose(region, inputs, factors, calibration + s_value, (local, volume))
        tias[name] = _drawn_tia(region, inputs, factors, calibration, (local, volume))
        components, unknown = _budget(region, inputs, factors)
        reported = doses[name].result(corrected=factors is None or name in inputs.corrected)
        found[name] = DoseUncertainty(
            reported.u,
            (reported.lower, reported.upper),
            region.dose_Gy * math.sqrt(sum(variance for _, variance in components)),
            _shares(components),
            max(components, key=lambda component: component[1])[0],
            unknown,
            region.dose_Gy * math.hypot(inputs.calibration, inputs.s_value),
            ", ".join(name for name, variance in components if variance > 0),
            doses[name].corrected if factors is not None else math.nan,
        )
    truth = np.array([one.corrected * np.exp(one.truth) for one in doses.values()])
    return ChainResult(found, np.atleast_2d(np.corrcoef(truth)), doses, tias, s_value)


def volume_exponents(region: ChainRegion, inputs: ChainInputs) -> tuple[float, float]:
    """The two opposite effects to first order: d ln(activity)/d ln(volume) and d ln(S)/d ln(volume)."""
    activity = count_exponent(region.volume_mL, inputs.image_fwhm_mm)
    if inputs.recovery_corrected:
        activity -= recovery_exponent(region.volume_mL, inputs.image_fwhm_mm)
    high, low = region.local_by_mass(np.array([1 + _MASS_STEP, 1 - _MASS_STEP]))
    return activity, float(math.log(high / low) / (2 * _MASS_STEP))


def _logs(relative_u: float, draws: int, rng: np.random.Generator) -> Floats:
    """Logarithms of log-normal factors around 1: positive, and symmetric between twice and half."""
    return np.asarray(relative_u * rng.standard_normal(draws))


def _factors_of(name: str, region: ChainRegion, inputs: ChainInputs, draws: int) -> RegionFactors | None:
    if name not in inputs.concentrations:
        return None
    points = inputs.concentrations[name]
    if any(one.truth.size != draws for one in points):
        raise UncertaintyError(f"{name}: its concentrations come with other than {draws} draws; draw them alike.")
    return region_factors(region.integral, points, name in inputs.corrected)


def _local_logs(region: ChainRegion, inputs: ChainInputs, draws: int, rng: np.random.Generator) -> Floats:
    """Log of what noise, fit and recovery coefficient do to a region's activity."""
    counts, fit = _random_parts(region.integral, inputs)
    random = math.hypot(*(one for one in (counts, fit) if not math.isnan(one)))
    logs = _logs(inputs.recovery, draws, rng) + _logs(random, draws, rng)
    return np.clip(logs, -_MOST_LOG, _MOST_LOG)  # where no model describes the points at all


def _volume(region: ChainRegion, inputs: ChainInputs, draws: int, rng: np.random.Generator) -> Floats:
    """Possible volumes over the one drawn."""
    u_volume = relative_volume_uncertainty(region.volume_mL, inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
    return np.asarray(np.exp(_logs(u_volume, draws, rng)))


def _drawn_dose(
    region: ChainRegion,
    inputs: ChainInputs,
    factors: RegionFactors | None,
    shared: Floats,
    drawn: tuple[Floats, Floats],
) -> DrawnValue:
    """The dose as it was found and as it may be, by the same draws of what is not partial volume."""
    local, volume = drawn
    if factors is None:
        local = local + np.log(_activity_by_volume(region, inputs, volume) * region.local_by_mass(volume))
        logs = shared + np.log(_mixed(region, np.exp(local)) / region.dose_Gy)
        return DrawnValue(region.dose_Gy, region.dose_Gy, logs, logs)
    own = shared + np.log(_mixed(region, np.exp(local)) / region.dose_Gy)
    corrected = region.local_Gy * math.exp(factors.log_loss) + region.other_Gy
    truth = shared + np.log(_mixed(region, np.exp(local + factors.log_loss + factors.truth)) / corrected)
    return DrawnValue(region.dose_Gy, corrected, own, truth)


def _drawn_tia(
    region: ChainRegion,
    inputs: ChainInputs,
    factors: RegionFactors | None,
    calibration: Floats,
    drawn: tuple[Floats, Floats],
) -> DrawnValue:
    """The time-integrated activity likewise: concentration times volume, so that the volume's error is in it."""
    local, volume = drawn
    tia = region.integral.tia_MBq_h
    if factors is None:
        logs = calibration + local + np.log(_activity_by_volume(region, inputs, volume))
        return DrawnValue(tia, tia, logs, logs)
    own = calibration + local
    return DrawnValue(tia, tia * math.exp(factors.log_loss), own, own + factors.truth + np.log(volume))


def _mixed(region: ChainRegion, local: Floats) -> Floats:
    """Dose in Gy for factors of its local part."""
    return np.asarray(region.local_Gy * local + region.other_Gy)


def _activity_by_volume(region: ChainRegion, inputs: ChainInputs, volume: Floats) -> Floats:
    """What an error of the volume does to counts, and to the recovery by which they were divided."""
    activity = counts_by_volume(volume, region.volume_mL, inputs.image_fwhm_mm)
    if inputs.recovery_corrected:
        activity = activity / recovery_by_volume(volume, region.volume_mL, inputs.image_fwhm_mm)
    return np.asarray(activity)


def _random_parts(integral: Integral, inputs: ChainInputs) -> tuple[float, float]:
    """Relative uncertainty of the TIA by counting noise, and by whatever else the fit's uncertainty holds."""
    noise = [
        sensitivity * inputs.counts * activity
        for sensitivity, activity in zip(integral.sensitivity_h, integral.curve.activity_MBq, strict=True)
    ]
    counts = math.hypot(*noise) / integral.tia_MBq_h
    total = integral.u_tia_MBq_h / integral.tia_MBq_h
    return counts, math.sqrt(max(0.0, total**2 - counts**2)) if not math.isnan(total) else math.nan


def _budget(
    region: ChainRegion, inputs: ChainInputs, factors: RegionFactors | None
) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    """Relative variances of the dose by component, to first order, and the names of unknown ones."""
    local = region.local_Gy / region.dose_Gy
    counts, fit = _random_parts(region.integral, inputs)
    variances = [
        ("calibration", inputs.calibration**2),
        ("S-value", inputs.s_value**2),
        ("counts", (local * counts) ** 2),
        ("fit", 0.0 if math.isnan(fit) else (local * fit) ** 2),
        ("recovery", (local * inputs.recovery) ** 2),
    ]
    if factors is None:
        u_volume = relative_volume_uncertainty(region.volume_mL, inputs.contour_voxel_mm, inputs.contour_fwhm_mm)
        variances.append(("volume", (local * sum(volume_exponents(region, inputs)) * u_volume) ** 2))
    else:
        # Mean square, not variance: a cause that only ever loses (a contour off its place) has a mean too.
        scale = local * math.exp(factors.log_loss)
        causes = [(word, scale**2 * float(np.mean(np.expm1(draws) ** 2))) for word, draws in factors.causes.items()]
        loss = (local * math.expm1(factors.log_loss)) ** 2
        variances += [*causes, ("partial volume, not corrected", loss)]
    return variances, ("fit",) if math.isnan(fit) else ()


def _shares(variances: list[tuple[str, float]]) -> tuple[Component, ...]:
    total = sum(variance for _, variance in variances)
    rows = [
        Component(name, math.sqrt(variance), variance / total if total > 0 else 0.0) for name, variance in variances
    ]
    return tuple(sorted(rows, key=lambda row: -row.share))
