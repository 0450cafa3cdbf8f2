"""How well models describe many curves at once, at given rates, with the time-integrated activity (TIA) integrated out.

The TIA is linear in the points: for any rates its best value, its spread and its integral follow in closed form
(variable projection, Golub and Pereyra 1973, doi:10.1137/0710036).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.priors import NOISE_FLOOR_OF_LARGEST, NoisePrior, course

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from PRRTDosimetryLib.kinetics.least_squares import Priors
    from PRRTDosimetryLib.kinetics.models import Model
    from PRRTDosimetryLib.kinetics.priors import Course

    Floats = NDArray[np.float64]

SHIFT = 1e-3
"""Of a standard normal number, for derivatives."""

_TABLE = np.geomspace(1e-9, 1e4, 261)  # squared relative misfits for which the noise's integral is tabulated
_LEVELS = (np.arange(64) + 0.5) / 64
_SMALL = 1e-12


@dataclass(frozen=True, eq=False)
class Noise:
    """How the standard uncertainty of each point follows: given ones, or by the fitted activity A.

    Attributes
    ----------
    sigma_MBq : shape (curves, points); None: sqrt((relative A)^2 + floor^2).
    relative, floor_MBq : the latter of shape (curves,).
    unknown : whether all uncertainties have a common unknown factor.
    equal : with ``unknown``: all points alike instead of relative to the fitted activity.
    """

    sigma_MBq: Floats | None = None
    relative: float = 0.0
    floor_MBq: Floats | None = None
    unknown: bool = False
    equal: bool = False

    def of(self, rows: slice) -> Noise:
        """The same for some of the curves."""
        sigma = None if self.sigma_MBq is None else self.sigma_MBq[rows]
        floor = None if self.floor_MBq is None else self.floor_MBq[rows]
        return Noise(sigma, self.relative, floor, self.unknown, self.equal)


@dataclass(frozen=True, eq=False)
class Batch:
    """Curves with the same number of points.

    Attributes
    ----------
    time_h, activity_MBq : shape (curves, points).
    noise : of the points.
    physical_per_h : decay constant, which no clearance falls below.
    priors : population half-lives in place of the weak ones.
    """

    time_h: Floats
    activity_MBq: Floats
    noise: Noise
    physical_per_h: float
    priors: Priors | None = None

    @property
    def largest_MBq(self) -> Floats:
        """Largest activity of each curve, shape (curves,)."""
        result: Floats = self.activity_MBq.max(axis=1)
        return result

    def of(self, rows: slice) -> Batch:
        """Some of the curves."""
        return Batch(self.time_h[rows], self.activity_MBq[rows], self.noise.of(rows), self.physical_per_h, self.priors)


@dataclass(frozen=True, eq=False)
class Nodes:
    """A model at nodes, each with its best TIA.

    Attributes
    ----------
    tia_MBq_h, relative_sd : shape (curves, nodes); with unknown noise the latter is per unit of noise.
    unit_per_h, sigma_MBq : course per TIA, and uncertainties there, shape (points, curves, nodes).
    misfit : squared residuals over sigma, shape (curves, nodes).
    log_weight : log of likelihood, the TIA integrated out.
    """

    course: Course
    tia_MBq_h: Floats
    relative_sd: Floats
    unit_per_h: Floats
    sigma_MBq: Floats
    misfit: Floats
    log_weight: Floats


def nodes(model: Model, batch: Batch, z: Floats) -> Nodes:
    """The model at standard normal numbers ``z``, shape (curves, nodes, dimensions)."""
    at = course(model, z, batch.physical_per_h, batch.priors)
    unit = np.maximum(at.unit_curve(columns(batch.time_h), model.phases), 1e-300)
    activity = columns(batch.activity_MBq)
    tia, sigma = scaled(batch, unit, activity)
    information = ((unit / sigma) ** 2).sum(axis=0)
    misfit = (((activity - tia * unit) / sigma) ** 2).sum(axis=0)
    relative = 1 / (np.sqrt(information) * tia)
    if batch.noise.unknown:
        table = _noise_table(batch.time_h.shape[1], by_scatter(model, batch))
        likelihood = np.interp(np.log(misfit + _SMALL), np.log(_TABLE), table)
    else:
        likelihood = -0.5 * misfit
    log_weight = likelihood + np.log(relative / sigma.prod(axis=0))
    return Nodes(at, tia, relative, unit, sigma, misfit, log_weight)


def residuals_at(
    model: Model, batch: Batch, first: Floats, rest: Floats, sigma: Floats | None = None
) -> tuple[Floats, Floats]:
    """Residuals (points, curves, nodes) over sigma, which follows from the fitted activity unless it is given."""
    at = course(model, np.concatenate([first[..., None], rest], axis=-1), batch.physical_per_h, batch.priors)
    unit = np.maximum(at.unit_curve(columns(batch.time_h), model.phases), 1e-300)
    activity = columns(batch.activity_MBq)
    if sigma is None:
        _, sigma = scaled(batch, unit, activity)
    return (linear(unit, activity, sigma) * unit - activity) / sigma, sigma


def scaled(batch: Batch, unit: Floats, activity: Floats) -> tuple[Floats, Floats]:
    """Best TIA (curves, nodes) of each course, and uncertainties by the activity that it gives, by iteration.

    ``unit`` (points, curves, nodes) is the course for a TIA of 1, ``activity`` (points, curves, 1) is measured; the
    uncertainties have the shape of ``unit``.
    """
    noise, largest = batch.noise, batch.largest_MBq[:, None]
    if noise.sigma_MBq is not None or noise.equal:
        sigma = largest * np.ones_like(unit) if noise.sigma_MBq is None else columns(noise.sigma_MBq)
        return linear(unit, activity, sigma), np.broadcast_to(sigma, unit.shape)
    relative = 1.0 if noise.unknown else noise.relative
    floor = np.zeros_like(largest)
    if noise.unknown:
        floor = NOISE_FLOOR_OF_LARGEST * largest
    elif noise.floor_MBq is not None:
        floor = noise.floor_MBq[:, None]
    tia = np.maximum((activity / unit).mean(axis=0), 1e-300) if relative else linear(unit, activity, np.ones(1))
    tia = np.minimum(tia, 2 * linear(unit, activity, np.ones(1)))  # a course that has all but ended would divide by 0
    for _ in range(2):
        sigma = np.sqrt((relative * tia * unit) ** 2 + floor**2) + _SMALL * largest
        tia = linear(unit, activity, sigma)
    return tia, np.sqrt((relative * tia * unit) ** 2 + floor**2) + _SMALL * largest


def columns(values: Floats) -> Floats:
    """From (curves, points) to (points, curves, 1): sums over points are then fast."""
    return np.ascontiguousarray(values.T)[..., None]


def linear(unit: Floats, activity: Floats, sigma: Floats) -> Floats:
    """Best TIA (curves, nodes) for courses ``unit`` (points, curves, nodes) by weighted least squares."""
    weighted = unit / sigma**2
    result: Floats = np.maximum((weighted * activity).sum(axis=0) / (weighted * unit).sum(axis=0), 1e-300)
    return result


def by_scatter(model: Model, batch: Batch) -> bool:
    """Whether an unknown noise follows from the scatter alone: that of a named model with points to spare."""
    return batch.noise.equal and batch.time_h.shape[1] > model.parameters


def noise_prior(by_scatter: bool) -> NoisePrior:
    """What is assumed of an unknown noise."""
    return NoisePrior.uninformed() if by_scatter else NoisePrior.stated()


@lru_cache(maxsize=64)
def _noise_table(points: int, by_scatter: bool) -> Floats:
    return noise_prior(by_scatter).log_likelihood(_TABLE, points)


@lru_cache(maxsize=64)
def _noise_quantiles(points: int, by_scatter: bool) -> Floats:
    return noise_prior(by_scatter).quantiles(_TABLE, points, _LEVELS)


def noise_draws(model: Model, batch: Batch, at: Nodes, levels: Floats) -> Floats:
    """A factor for the spread of the TIA at each node: 1, or a draw of the unknown noise given the misfit there.

    ``levels`` : between 0 and 1, shape (nodes,), of the noise's distribution.
    """
    if not batch.noise.unknown:
        return np.ones(at.misfit.shape)
    table = _noise_quantiles(batch.time_h.shape[1], by_scatter(model, batch))
    step = math.log(_TABLE[1] / _TABLE[0])
    row = np.clip(np.rint(np.log((at.misfit + _SMALL) / _TABLE[0]) / step), 0, len(_TABLE) - 1).astype(int)
    column = (levels * len(_LEVELS)).astype(int)
    result: Floats = table[row, np.broadcast_to(column, row.shape)]
    return result
