"""When to image: the hours at which few images say most of the dose, by a population.

For every set of hours the expected width of the 95 % interval of the time-integrated activity is calculated from many
possible patients: each has the posterior that images at these hours would leave, in the linear approximation around the
patient's own course, in which the information of images adds up. The dose of a region is proportional to its
time-integrated activity, and what else its uncertainty holds (mass, calibration) does not depend on the hours. The best
set is then tried on simulated patients with noisy images, by the same calculation as a real patient's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from PRRTUptakeLib.progress import Progress, no_progress
from scipy.special import ndtri
from scipy.stats import qmc

from PRRTDosimetryLib.population.errors import PopulationError
from PRRTDosimetryLib.population.hierarchy import Group
from PRRTDosimetryLib.population.posterior import posterior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from PRRTDosimetryLib.population.kind_model import KindModel
    from PRRTDosimetryLib.population.model import Population

    Floats = NDArray[np.float64]

_PATIENTS, _SIMULATED = 256, 256
_TWO_SIDED = 2 * 1.959964
_MOST_SETS, _AT_ONCE = 60_000, 4_000
_MOST_IMAGES = 5
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EARLIEST_H = 1.0
_VISIBLE_HALF_LIVES = 5.0  # 3 % of the activity is left, and less by biological clearance


@dataclass(frozen=True)
class WorkingHours:
    """When images can be taken.

    Attributes
    ----------
    injected_at : hour of the day of the injection, such as 10.5.
    opens, closes : hours of the day between which an image may begin.
    injected_on : day of the week, "mon" to "sun", so that weekends are left out; "" for any day.
    last_h : latest image after the injection.
    step_h : between possible hours.
    apart_h : least time between two images; close ones share errors that the model takes for independent.
    """

    injected_at: float = 10.0
    opens: float = 8.0
    closes: float = 17.0
    injected_on: str = ""
    last_h: float = 200.0
    step_h: float = 1.0
    apart_h: float = 12.0

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= 24:
            raise PopulationError(
                f"Working hours from {self.opens:g} to {self.closes:g} are not possible: give two hours of the day, "
                "the first before the second."
            )
        if not 0 <= self.injected_at < 24:
            raise PopulationError(f"An injection at {self.injected_at:g} is not possible: give an hour from 0 to 24.")
        if self.injected_on and self.injected_on not in _DAYS:
            raise PopulationError(f"The day '{self.injected_on}' is not one of {', '.join(_DAYS)}.")
        if not 4 <= self.last_h <= 2000 or not 0.25 <= self.step_h <= 24:
            raise PopulationError(
                f"Images up to {self.last_h:g} h in steps of {self.step_h:g} h are not possible: give 4 to 2000 h, and "
                "steps of 0.25 to 24 h."
            )

    def possible_h(self) -> Floats:
        """Hours after the injection at which an image may begin."""
        hours = np.arange(_EARLIEST_H, self.last_h + 1e-9, self.step_h)
        clock = (self.injected_at + hours) % 24
        kept = (clock >= self.opens - 1e-9) & (clock <= self.closes + 1e-9)
        if self.injected_on:
            days = np.floor((self.injected_at + hours) / 24).astype(int) + _DAYS.index(self.injected_on)
            kept &= days % 7 < 5
        found: Floats = hours[kept]
        return found

    def clock_words(self, hour: float) -> str:
        """Day and time of day of an image.

        Examples
        --------
        >>> WorkingHours(injected_at=10).clock_words(96), WorkingHours(injected_on="thu").clock_words(24.5)
        ('day 4, 10:00', 'fri, day 1, 10:30')
        """
        day, clock = divmod(self.injected_at + hour, 24)
        minutes = round(clock * 60)
        name = f"{_DAYS[(int(day) + _DAYS.index(self.injected_on)) % 7]}, " if self.injected_on else ""
        return f"{name}day {int(day)}, {minutes // 60:02d}:{minutes % 60:02d}"


@dataclass(frozen=True)
class PlannedSet:
    """A set of hours: expected width of the 95 % interval over the value, mean over regions and by region."""

    hours: tuple[float, ...]
    width: float
    widths: dict[str, float]


@dataclass(frozen=True)
class Plan:
    """When to image.

    Attributes
    ----------
    best : the hours with the smallest expected width.
    others : next best sets that differ by at least 6 h in some image.
    without : the best set without one image, by the hour that is left out.
    fewer : the best set of each smaller number of images.
    profiles : expected width when one image of the best set moves: its hours, and the widths there.
    simulated : of the best set, by region: mean width and coverage over simulated patients.
    hours : working hours.
    source : which kinetics.
    """

    best: PlannedSet
    others: tuple[PlannedSet, ...]
    without: dict[float, PlannedSet]
    fewer: tuple[PlannedSet, ...]
    profiles: dict[float, tuple[tuple[float, float], ...]]
    simulated: dict[str, tuple[float, float]]
    hours: WorkingHours
    source: str


def _visible(hours: WorkingHours, half_life_h: float) -> WorkingHours:
    """The hours at which the nuclide can still be imaged, and images of a short-lived one closer to each other.

    Raises
    ------
    PopulationError
        If that is over before images can be planned.
    """
    last_h = min(hours.last_h, _VISIBLE_HALF_LIVES * half_life_h)
    if last_h < min(hours.last_h, 4.0):
        raise PopulationError(
            f"A nuclide with a half-life of {half_life_h:.2g} h can be imaged for {last_h:.2g} h only: hours are "
            "planned where that is 4 h or more."
        )
    return replace(hours, last_h=last_h, apart_h=min(hours.apart_h, half_life_h))


def plan(
    population: Population,
    kinds: Sequence[str],
    images: int,
    physical_per_h: float,
    hours: WorkingHours | None = None,
    seed: int = 1,
    progress: Progress = no_progress,
) -> Plan:
    """The hours for a number of images that minimise the expected width of the interval, mean over kinds of regions.

    ``progress`` is called for each kind, each number of images, and each kind that is simulated; it may raise.

    Raises
    ------
    PopulationError
        For a kind that the population does not have, no possible hours, or a number of images from 1 to 5 that they
        cannot hold.
    """
    hours = _visible(hours or WorkingHours(), math.log(2) / physical_per_h)
    possible = hours.possible_h()
    if not 1 <= images <= _MOST_IMAGES:
        raise PopulationError(f"{images} images are not planned: give 1 to {_MOST_IMAGES}.")
    if len(possible) < images:
        raise PopulationError(
            f"Working hours leave {len(possible)} possible hour(s) for {images} image(s): widen them, or image later."
        )
    if not kinds:
        raise PopulationError("No region is named: give kinds of regions, such as kidney,lesion.")
    names = tuple(dict.fromkeys(kinds))
    step = _Steps(progress, 2 * len(names) + images)
    views: dict[str, _View] = {}
    for kind in names:
        step(f"Possible patients: {kind}")
        views[kind] = _View(population.model(kind), possible, physical_per_h, seed)
    ranked = {}
    for count in range(1, images + 1):
        step(f"Sets of {count} image{'s' if count > 1 else ''}")
        ranked[count] = _ranked(views, (possible, hours.apart_h), count)
    simulated = {}
    best_places, _ = ranked[images]
    best = tuple(int(n) for n in best_places[0])
    for kind, view in views.items():
        step(f"Simulated patients: {kind}")
        simulated[kind] = view.simulated([float(possible[n]) for n in best], physical_per_h, seed)
    return Plan(
        _planned(views, possible, best),
        tuple(_planned(views, possible, tuple(map(int, one))) for one in _different(best_places, possible)),
        {
            float(possible[left]): _planned(views, possible, tuple(n for n in best if n != left))
            for left in best
            if images > 1
        },
        tuple(_planned(views, possible, tuple(map(int, ranked[count][0][0]))) for count in range(1, images)),
        {float(possible[moved]): _profile(views, possible, best, moved) for moved in best},
        simulated,
        hours,
        population.source or population.name,
    )


class _Steps:
    """Counts steps of the same share, and reports each as it begins."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress, self._count, self._begun = progress, count, 0

    def __call__(self, message: str) -> None:
        self._progress(self._begun / self._count, message)
        self._begun += 1


class _View:
    """What images at every possible hour say of possible patients of one kind."""

    def __init__(self, model: KindModel, possible: Floats, physical_per_h: float, seed: int) -> None:
        self.model = model
        size = model.kinetics.size
        covariance = model.between + np.diag(model.spread**2 - np.diag(model.between))
        normal = ndtri(np.clip(qmc.Sobol(size, seed=seed).random(_PATIENTS), 1e-4, 1 - 1e-4))
        theta = model.typical + normal @ np.linalg.cholesky(covariance).T
        jacobian = model.kinetics.jacobian(theta[:, None, :], possible[:, None])[:, :, 0]  # (patients, hours, d)
        self.information = jacobian[..., :, None] * jacobian[..., None, :] / model.noise**2
        self.gradient = model.kinetics.log_tia_gradient(theta, physical_per_h)
        self.prior = np.linalg.inv(covariance)
        self.covariance = covariance

    def widths(self, places: NDArray[np.intp]) -> Floats:
        """Expected width for sets of hours (sets, images), shape (sets,)."""
        found = np.empty(len(places))
        step = max(1, _AT_ONCE * 8 // _PATIENTS)
        for begin in range(0, len(places), step):
            chosen = places[begin : begin + step]
            precision = self.prior + sum(self.information[:, chosen[:, n]] for n in range(chosen.shape[1]))
            solved = np.linalg.solve(
                precision, np.broadcast_to(self.gradient[:, None, :, None], (*precision.shape[:3], 1))
            )
            variance = np.einsum("pd,psd->ps", self.gradient, solved[..., 0])
            found[begin : begin + step] = np.expm1(_TWO_SIDED * np.sqrt(variance)).clip(max=1e6).mean(axis=0)
        return found

    def simulated(self, hours: Sequence[float], physical_per_h: float, seed: int) -> tuple[float, float]:
        """Mean width and coverage of the interval for simulated patients imaged at these hours."""
        model, rng = self.model, np.random.default_rng(seed)
        normal = rng.standard_normal((_SIMULATED, model.kinetics.size))
        theta = (model.typical + normal @ np.linalg.cholesky(self.covariance).T)[:, None]
        time = np.broadcast_to(np.array(hours), (_SIMULATED, 1, len(hours))).copy()
        logs = model.kinetics.log_activity(theta, time, physical_per_h)
        logs = logs + model.noise * rng.standard_normal(logs.shape)
        alone = np.ones((_SIMULATED, 1, 1))
        none = np.zeros((_SIMULATED, 1, len(model.covariates)))
        group = Group(time, logs, np.zeros_like(logs), np.ones(logs.shape, dtype=bool), alone, none)
        found = posterior(model, group, physical_per_h, populations=1, checked=False)
        low, high = found.quantiles(np.array([0.025, 0.975])).T
        truth = model.kinetics.log_tia(theta[:, 0], physical_per_h)
        return float(np.expm1(high - low).mean()), float(((low <= truth) & (truth <= high)).mean())


def _ranked(views: dict[str, _View], times: tuple[Floats, float], images: int) -> tuple[NDArray[np.intp], Floats]:
    """Sets of hours from the narrowest, and their widths; all sets, or, where these are too many, those by exchange.

    ``times`` : possible hours, and the least time between two images.
    """
    possible = times[0]
    if math.comb(len(possible), images) <= _MOST_SETS:
        places = np.array(list(combinations(range(len(possible)), images)), dtype=np.intp)
    else:
        places = _by_exchange(views, times, images)
    places = _apart(places, times)
    if not len(places):
        raise PopulationError(
            f"Working hours do not hold {images} images that are {times[1]:g} h apart: widen them, or image later."
        )
    width = _mean_width(views, places)
    order = np.argsort(width, kind="stable")
    return places[order], width[order]


def _apart(places: NDArray[np.intp], times: tuple[Floats, float]) -> NDArray[np.intp]:
    """Sets whose images are far enough from each other."""
    if places.shape[1] < 2:
        return places
    gaps = np.diff(np.sort(times[0][places], axis=1), axis=1).min(axis=1)
    return np.asarray(places[gaps >= times[1] - 1e-9])


def _by_exchange(views: dict[str, _View], times: tuple[Floats, float], images: int) -> NDArray[np.intp]:
    """From each of the best sets of fewer images: add the best hour, then exchange hours until none is better."""
    smaller, _ = _ranked(views, times, images - 1)
    count = len(times[0])
    seen = []
    for begin in smaller[:3]:
        best = tuple(int(n) for n in begin)
        tried = _apart(np.array([sorted([*best, n]) for n in range(count) if n not in best], dtype=np.intp), times)
        for _ in range(10):
            if not len(tried):
                break
            seen.append(tried)
            now = tuple(int(n) for n in tried[int(np.argmin(_mean_width(views, tried)))])
            if now == best:
                break
            best = now
            moves = [
                sorted([*best[:position], *best[position + 1 :], n])
                for position in range(images)
                for n in range(count)
                if n not in best or n == best[position]
            ]
            tried = _apart(np.array(moves, dtype=np.intp), times)
    return np.unique(np.concatenate(seen), axis=0) if seen else np.zeros((0, images), dtype=np.intp)


def _mean_width(views: dict[str, _View], places: NDArray[np.intp]) -> Floats:
    result: Floats = np.mean([view.widths(places) for view in views.values()], axis=0)
    return result


def _planned(views: dict[str, _View], possible: Floats, places: tuple[int, ...]) -> PlannedSet:
    widths = {kind: float(view.widths(np.array([places], dtype=np.intp))[0]) for kind, view in views.items()}
    hours = tuple(float(possible[n]) for n in sorted(places))
    return PlannedSet(hours, sum(widths.values()) / len(widths), widths)


def _different(
    places: NDArray[np.intp], possible: Floats, apart_h: float = 6.0, most: int = 4
) -> list[NDArray[np.intp]]:
    """The next best sets, each at least some hours from all better ones shown."""
    shown = [places[0]]
    for one in places[1:5000]:
        if all(np.abs(possible[one] - possible[other]).max() >= apart_h for other in shown):
            shown.append(one)
        if len(shown) > most:
            break
    return shown[1:]


def _profile(
    views: dict[str, _View], possible: Floats, best: tuple[int, ...], moved: int
) -> tuple[tuple[float, float], ...]:
    others = [n for n in best if n != moved]
    places = [n for n in range(len(possible)) if n not in others]
    width = _mean_width(views, np.array([sorted([*others, n]) for n in places], dtype=np.intp))
    return tuple((float(possible[n]), float(w)) for n, w in zip(places, width, strict=True))
