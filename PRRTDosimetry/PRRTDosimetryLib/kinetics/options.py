"""How curves are integrated: weights, priors, half-lives of single points, start and tail of trapezoids."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from PRRTDosimetryLib.kinetics.errors import KineticsError
from PRRTDosimetryLib.kinetics.fitting import Weights
from PRRTDosimetryLib.kinetics.least_squares import HalfLifePrior, Priors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.nuclides.radionuclides import Radionuclide

    from PRRTDosimetryLib.kinetics.curves import Curve
    from PRRTDosimetryLib.kinetics.integral import Integral

ASSUMED_TEFF_CHANGE = 0.10
"""Relative standard deviation of the effective half-life between cycles where none is stated: an assumption."""


class PopulationKinetics(Protocol):
    """What integrates curves by a population, such as `population.individual.PopulationUse`."""

    def covers(self, region: str) -> bool:
        """Whether the population has kinetics of a region's kind."""

    def integrals(self, curves: Sequence[Curve], decay: Radionuclide, options: Options) -> dict[str, Integral]:
        """Integrals by region, of the regions whose kind the population has."""


@dataclass(frozen=True)
class Options:
    """How curves are integrated.

    Attributes
    ----------
    weights : uncertainties of points that have none of their own; without both all points weigh the same.
    priors : population half-lives that replace missing points.
    teff_h, u_teff_h : effective half-lives by region for regions with one point; the key "" holds for all others.
    start, tail : of the trapezoid.
    teff_change : relative standard deviation of a region's effective half-life between cycles, for later cycles that
        are scaled from an earlier curve. The default of 10 % is an assumption, no measurement: state the centre's own.
    """

    weights: Weights | None = None
    priors: Priors | None = None
    teff_h: Mapping[str, float] = field(default_factory=dict)
    u_teff_h: Mapping[str, float] = field(default_factory=dict)
    start: str = "constant"
    tail: str = "effective"
    teff_change: float = ASSUMED_TEFF_CHANGE
    population: PopulationKinetics | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.teff_change < 1:
            raise KineticsError(
                f"A change of the effective half-life between cycles by {self.teff_change:g} is not possible; give a "
                "relative standard deviation from 0 to below 1 (0.1 is 10 %)."
            )

    def half_life_of(self, region: str) -> tuple[float, float]:
        """Effective half-life of a region and its standard uncertainty, nan where not given."""
        values = (table.get(region, table.get("", math.nan)) for table in (self.teff_h, self.u_teff_h))
        teff, u = values
        return teff, u

    def require_regions(self, known: Iterable[str]) -> None:
        """Refuse half-lives of regions that there are not, and uncertainties without a half-life.

        Raises
        ------
        KineticsError
            Naming the region, and those that there are.
        """
        names = list(dict.fromkeys(known))
        for region in (*self.teff_h, *self.u_teff_h):
            if region and region not in names:
                raise KineticsError(
                    f"A half-life is given for '{region}', but there is no such region; there are "
                    f"{', '.join(names) or 'none'}."
                )
        for region in self.u_teff_h:
            if not self.teff_h or (region and math.isnan(self.half_life_of(region)[0])):
                raise KineticsError(
                    f"An uncertainty of the half-life is given for '{region or 'all regions'}', but no half-life."
                )


def options_from_text(
    weights: tuple[float | None, float | None],
    prior: Sequence[float] | None,
    teff_h: Sequence[str],
    u_teff_h: Sequence[str],
    trapezoid: tuple[str, str],
) -> Options:
    """Options from the words of the command line.

    Parameters
    ----------
    weights : relative uncertainty and floor in MBq, None where not given.
    prior : median half-life in hours and geometric standard deviation.
    teff_h, u_teff_h : each ``HOURS`` for all regions or ``REGION=HOURS``.
    trapezoid : start and tail.

    Examples
    --------
    >>> options_from_text((None, None), None, ["50", "Liver=90"], [], ("zero", "physical")).half_life_of("Liver")
    (90.0, nan)
    """
    relative, floor = weights
    given = relative is not None or floor is not None
    return Options(
        Weights(relative or 0.0, floor or 0.0) if given else None,
        None if prior is None else Priors(clearance=HalfLifePrior(*prior)),
        _by_regions(teff_h),
        _by_regions(u_teff_h),
        *trapezoid,
    )


def _by_regions(texts: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        region, hours = _by_region(text)
        if region in found:
            raise KineticsError(f"Two half-lives are given for {region or 'all regions'}: keep one of them.")
        found[region] = hours
    return found


def _by_region(text: str) -> tuple[str, float]:
    region, _, hours = text.rpartition("=")
    try:
        value = float(hours)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise KineticsError(f"'{text}' is not a half-life; write hours above 0, or REGION=HOURS.")
    return region, value
