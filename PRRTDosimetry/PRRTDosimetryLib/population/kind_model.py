"""What is known of one kind of region: typical kinetics, spread between patients, regions and cycles, how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from PRRTDosimetryLib.population.courses import CLEARANCE, KINETICS
from PRRTDosimetryLib.population.hierarchy import Layout, Numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from PRRTDosimetryLib.population.courses import Kinetics

    Floats = NDArray[np.float64]

LEAST_LOG_SD, MOST_LOG_SD = math.log(0.005), math.log(4.0)
_HIGHEST_CLIMB = 4.0  # standard deviations of the estimates within which they are drawn


@dataclass(frozen=True)
class Covariate:
    """A quantity of a patient or cycle on which the typical values depend: its mean and standard deviation."""

    name: str
    mean: float
    sd: float


@dataclass(frozen=True)
class TriedForm:
    """A form of the course that was tried: penalised log likelihood, number of numbers, and AIC."""

    model: str
    log_likelihood: float
    numbers: int

    @property
    def aic(self) -> float:
        """Akaike's criterion of the marginal likelihood."""
        return 2 * self.numbers - 2 * self.log_likelihood


@dataclass(frozen=True, kw_only=True)
class FitChecks:
    """How the estimates came about.

    Attributes
    ----------
    converged : whether the search ended at a maximum.
    largest_slope : of the log likelihood at the estimates, per standard uncertainty of each number.
    starts_apart : how far the log likelihood of a second start ended below (nats); nan if there was none.
    curved : whether the likelihood falls off in every direction; else the estimates' covariance was mended.
    laplace_error : largest difference of Laplace's approximation from importance sampling, per patient (nats).
    """

    converged: bool
    largest_slope: float
    starts_apart: float
    curved: bool
    laplace_error: float = math.nan


@dataclass(frozen=True, eq=False, kw_only=True)
class KindModel:
    """The population of one kind of region.

    Attributes
    ----------
    kinetics : form of the course.
    typical : of the parameters, shape (d,); amplitudes per MBq administered, or in MBq.
    effects : of covariates per standard deviation of the covariate, shape (q, d).
    between : covariance between patients, shape (d, d).
    within, cycles : standard deviations between regions of a patient, and between cycles; None where no patient shows.
    noise : relative scatter of a point around the course.
    covariance : of the estimates in the order of `hierarchy.Layout`.
    covariates : in the order of ``effects``.
    patients, curves, images : what it was made from.
    shrinkage : of each parameter: 0 where every patient's own images say all, 1 where they say nothing.
    log_likelihood : marginal, without weak assumptions.
    tried : the forms that were compared.
    checks : how the estimates came about.
    """

    kinetics: Kinetics
    typical: Floats
    effects: Floats
    between: Floats
    within: Floats | None
    cycles: Floats | None
    noise: float
    covariance: Floats
    covariates: tuple[Covariate, ...] = ()
    full: bool = True
    patients: int = 0
    curves: int = 0
    images: int = 0
    shrinkage: tuple[float, ...] = ()
    log_likelihood: float = math.nan
    tried: tuple[TriedForm, ...] = ()
    checks: FitChecks = field(
        default_factory=lambda: FitChecks(converged=True, largest_slope=0.0, starts_apart=math.nan, curved=True)
    )

    @property
    def layout(self) -> Layout:
        """Order of the estimates."""
        levels = self.within is not None, self.cycles is not None
        return Layout(self.kinetics.size, len(self.covariates), self.full, *levels)

    @property
    def vector(self) -> Floats:
        """The estimates in that order, shape (length,)."""
        none = np.ones((1, self.kinetics.size))
        numbers = Numbers(
            self.typical[None],
            self.effects.reshape(1, len(self.covariates), self.kinetics.size),
            self.between[None],
            none if self.within is None else self.within[None],
            none if self.cycles is None else self.cycles[None],
            np.array([self.noise]),
        )
        result: Floats = self.layout.vector(numbers)[0]
        return result

    @property
    def spread(self) -> Floats:
        """Standard deviation of one curve of a new patient around the typical values, shape (d,)."""
        total = np.diag(self.between).copy()
        for level in (self.within, self.cycles):
            total += 0.0 if level is None else level**2
        result: Floats = np.sqrt(total)
        return result

    def typical_half_life_h(self, physical_per_h: float) -> float:
        """Effective half-life of the slow phase at the typical values."""
        return math.log(2) / (physical_per_h + math.exp(float(self.typical[CLEARANCE])))

    def draws(self, count: int, seed: int) -> Floats:
        """Possible numbers of the population, equally probable, by the covariance of the estimates (as t).

        Parameters
        ----------
        count : how many; 1 gives the estimates themselves.

        Returns
        -------
        shape (count, length).
        """
        from scipy.stats import chi2, qmc

        vector = self.vector
        if count == 1 or not np.any(self.covariance):
            return vector[None]
        normal = ndtri(np.clip(qmc.Sobol(len(vector), seed=seed).random(count), 1e-5, 1 - 1e-5))
        if self.patients:  # the spread of few patients is itself known from few: Student's t
            freedom = max(self.patients - 1, 3)
            level = (np.arange(count) * 0.6180339887498949 + 0.5 / count) % 1
            normal = normal * np.sqrt(freedom / chi2.ppf(level, freedom))[:, None]
        values, directions = np.linalg.eigh(self.covariance)
        away = (normal * np.sqrt(np.maximum(values, 0.0))) @ directions.T
        found = vector + away
        at = self.layout.parts
        for name in ("diagonal", "within", "cycles", "noise"):
            found[:, at[name]] = np.clip(found[:, at[name]], LEAST_LOG_SD, MOST_LOG_SD)
        return np.asarray(found, dtype=np.float64)

    def centred(self, given: Mapping[str, float]) -> Floats:
        """Covariates of a curve in standard deviations from their mean, 0 where not given, shape (q,)."""
        return np.array([(given.get(one.name, one.mean) - one.mean) / one.sd for one in self.covariates])


def kind_model_from(
    kinetics_name: str, layout: Layout, vector: Floats, covariance: Floats, covariates: tuple[Covariate, ...] = ()
) -> KindModel:
    """A model from estimates (n,) in the order of ``layout``, with their covariance (n, n), without its origin."""
    numbers = layout.numbers(vector[None])
    return KindModel(
        kinetics=KINETICS[kinetics_name],
        typical=numbers.typical[0],
        effects=numbers.effects[0],
        between=numbers.between[0],
        within=numbers.within[0] if layout.within else None,
        cycles=numbers.cycles[0] if layout.cycles else None,
        noise=float(numbers.noise[0]),
        covariance=covariance,
        covariates=covariates,
        full=layout.full,
    )
