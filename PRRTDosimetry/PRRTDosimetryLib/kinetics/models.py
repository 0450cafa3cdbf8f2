"""Models of time-activity curves: sums of exponentials that are written by their integrals.

Every model is a sum of shapes whose integral from 0 to infinity is 1, each times its share of the time-integrated
activity (TIA). So the TIA and its uncertainty are parameters of the fit, not derived from two large amplitudes that
almost cancel, and the limits of instantaneous uptake and of equal rates are smooth:

- clearance:            l exp(-l t)
- uptake and clearance: l m / (m - l) (exp(-l t) - exp(-m t)),   m >= l

With T the TIA this is the usual A (exp(-l1 t) - exp(-l2 t)), with A = T l m / (m - l). Rates are physical decay plus
biological clearance, the latter never negative: slow = physical + b, fast = slow + D, uptake m = fastest + d, with
b, D, d >= 0. The models are those of MIRD Pamphlet 16 (Siegel et al. 1999) and NUKFIT (Kletting et al. 2013,
doi:10.1118/1.4820367).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A model: number of clearance phases, with uptake or not, with its slowest phase at physical decay or not.

    Examples
    --------
    >>> [(model.name, model.parameters) for model in MODELS.values()]
    [('mono', 2), ('uptake-clearance', 3), ('bi', 4), ('tri', 4), ('bi-uptake', 5)]
    """

    name: str
    formula: str
    phases: int = 1
    uptake: bool = False
    physical_tail: bool = False

    @property
    def rate_steps(self) -> int:
        """Number of free rate parameters: b (unless the tail is physical), D with two phases, d with uptake."""
        return int(not self.physical_tail) + (self.phases - 1) + int(self.uptake)

    @property
    def parameters(self) -> int:
        """Number of parameters k: shares of the TIA and rates."""
        return self.phases + self.rate_steps

    def rates(self, steps: Floats, physical_per_h: float) -> Floats:
        """Rates per hour from the rate parameters: the clearance phases from slow to fast, then uptake.

        Parameters
        ----------
        steps : shape (..., rate_steps), per hour, none negative.
        physical_per_h : decay constant.

        Returns
        -------
        shape (..., phases + uptake); each is the sum of decay and the steps up to it.
        """
        steps = np.asarray(steps, dtype=np.float64)
        start = np.full((*steps.shape[:-1], 1), physical_per_h)
        rates = np.cumsum(np.concatenate([start, steps], axis=-1), axis=-1)
        return rates if self.physical_tail else rates[..., 1:]

    def shapes(self, time_h: Floats, steps: Floats, physical_per_h: float) -> Floats:
        """Unit-integral shapes, per hour: one per clearance phase.

        Parameters
        ----------
        time_h : shape (n,).
        steps : shape (..., rate_steps).

        Returns
        -------
        shape (..., n, phases).
        """
        rates = self.rates(steps, physical_per_h)
        time = np.asarray(time_h, dtype=np.float64)[:, None]
        clearance = rates[..., None, : self.phases]
        if not self.uptake:
            return clearance * np.exp(-clearance * time)
        uptake = rates[..., None, -1:]
        return clearance * uptake * np.exp(-clearance * time) * _rise(uptake - clearance, time)

    def jacobian(self, time_h: Floats, shares: Floats, steps: Floats, physical_per_h: float) -> Floats:
        """Derivatives of the activity by shares (first) and rate parameters, shape (..., n, parameters)."""
        rates = self.rates(steps, physical_per_h)
        time = np.asarray(time_h, dtype=np.float64)[:, None]
        shapes = self.shapes(time_h, steps, physical_per_h)
        clearance = rates[..., None, : self.phases]
        amounts = np.asarray(shares)[..., None, :] * shapes
        if self.uptake:
            uptake = rates[..., None, -1:]
            gap = uptake - clearance
            rise = _rise(gap, time)
            slope = np.divide(_rise_slope(gap, time), rise, out=np.zeros(np.broadcast(gap, time).shape), where=rise > 0)
            by_uptake = amounts * (1 / uptake + slope)
            by_clearance = amounts * (1 / clearance - time - slope)
            by_rates = np.concatenate([by_clearance, by_uptake.sum(axis=-1, keepdims=True)], axis=-1)
        else:
            by_rates = amounts * (1 / clearance - time)
        # Each step moves its own rate and all faster ones.
        by_steps = np.cumsum(by_rates[..., ::-1], axis=-1)[..., ::-1]
        return np.concatenate([shapes, by_steps[..., 1:] if self.physical_tail else by_steps], axis=-1)

    def exponentials(self, shares: Floats, steps: Floats, physical_per_h: float) -> tuple[tuple[float, float], ...]:
        """The curve as a sum of (amplitude in MBq, rate per hour); amplitudes of uptake are negative."""
        rates = [float(rate) for rate in self.rates(steps, physical_per_h)]
        if not self.uptake:
            return tuple((float(share) * rate, rate) for share, rate in zip(shares, rates, strict=True))
        uptake = rates[-1]
        terms = []
        for share, rate in zip(shares, rates, strict=False):
            if share > 0:
                # Equal rates have no such form; a relative gap of 1e-6 changes the curve by less than that.
                gap = max(uptake - rate, 1e-6 * uptake)
                amplitude = float(share) * rate * (rate + gap) / gap
                terms += [(amplitude, rate), (-amplitude, rate + gap)]
        return tuple(terms)


MODELS = {
    model.name: model
    for model in (
        Model("mono", "A exp(-l t)"),
        Model("uptake-clearance", "A (exp(-l1 t) - exp(-l2 t))", uptake=True),
        Model("bi", "A1 exp(-l1 t) + A2 exp(-l2 t)", phases=2),
        Model("tri", "A1 exp(-l1 t) + A2 exp(-lp t) - (A1 + A2) exp(-l3 t)", phases=2, uptake=True, physical_tail=True),
        Model("bi-uptake", "A1 exp(-l1 t) + A2 exp(-l2 t) - (A1 + A2) exp(-l3 t)", phases=2, uptake=True),
    )
}
"""Models by name, from few to many parameters; lp is physical decay."""


def _rise(gap: Floats, time: Floats) -> Floats:
    """(1 - exp(-gap t)) / gap, in hours, t where the gap is 0."""
    x = gap * time
    small = np.abs(x) < 1e-8
    return time * np.where(small, 1.0, -np.expm1(-x) / np.where(small, 1.0, x))


def _rise_slope(gap: Floats, time: Floats) -> Floats:
    """Derivative of :func:`_rise` by the gap, in square hours."""
    x = gap * time
    small = np.abs(x) < 1e-3
    safe = np.where(small, 1.0, x)
    exact = (np.exp(-safe) * (1 + safe) - 1) / safe**2
    series = -0.5 + x / 3 - x**2 / 8 + x**3 / 30
    return time**2 * np.where(small, series, exact)
