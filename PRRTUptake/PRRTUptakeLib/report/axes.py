"""Axes of charts: where a value is along them, and at which round values they are marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Axis:
    """One axis from ``low`` (left or bottom) to ``high``; low above high turns it round.

    ``ticks`` are (value, text); None chooses round values.
    """

    label: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[tuple[float, str], ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low == self.high:
            raise ReportError(f"The axis '{self.label}' cannot run from {self.low} to {self.high}.")
        if self.log and min(self.low, self.high) <= 0:
            raise ReportError(f"The axis '{self.label}' is logarithmic and cannot begin at {min(self.low, self.high)}.")

    @classmethod
    def around(
        cls, label: str, *values: ArrayLike, log: bool = False, ticks: tuple[tuple[float, str], ...] | None = None
    ) -> Axis:
        """Axis that holds all finite ``values`` with 5 % to spare; give 0 as a value to begin at zero.

        Examples
        --------
        >>> axis = Axis.around("T/N", [2.0, 12.0], float("nan"))
        >>> axis.low, axis.high
        (1.5, 12.5)
        """
        numbers = np.concatenate([np.ravel(np.asarray(value, dtype=float)) for value in values])
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size == 0:
            raise ReportError(f"The axis '{label}' has no finite value to show.")
        if log and numbers.min() <= 0:
            raise ReportError(f"The axis '{label}' is logarithmic and cannot show {numbers.min():g}.")
        scale = np.log(numbers) if log else numbers
        low, high = float(scale.min()), float(scale.max())
        spare = 0.05 * (high - low) or (0.1 if log else 0.1 * abs(high) or 1.0)
        low, high = (low if low == 0 and not log else low - spare), (high if high == 0 and not log else high + spare)
        return cls(label, math.exp(low), math.exp(high), True, ticks) if log else cls(label, low, high, False, ticks)

    @classmethod
    def categories(cls, label: str, names: Sequence[str], downwards: bool = False) -> Axis:
        """Axis with ``names`` at 0, 1, 2, ...; ``downwards`` puts the first on top of a vertical axis."""
        ends = (-0.5, max(len(names), 1) - 0.5)
        low, high = ends[::-1] if downwards else ends
        return cls(label, low, high, False, tuple((float(n), name) for n, name in enumerate(names)))

    def fraction(self, values: ArrayLike) -> np.ndarray:
        """Place of ``values`` along the axis, 0 at ``low`` and 1 at ``high``; nan where a log axis has no place."""
        numbers = np.asarray(values, dtype=float)
        if not self.log:
            return (numbers - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.log(np.where(numbers > 0, numbers, np.nan))
        return (place - math.log(self.low)) / (math.log(self.high) - math.log(self.low))

    def shown_ticks(self) -> tuple[tuple[float, str], ...]:
        """Ticks given, or round values inside the axis."""
        if self.ticks is not None:
            return self.ticks
        low, high = sorted((self.low, self.high))
        return log_ticks(low, high) if self.log else round_ticks(low, high)


def round_ticks(low: float, high: float, about: int = 6) -> tuple[tuple[float, str], ...]:
    """Ticks at multiples of 1, 2 or 5 times a power of ten, about ``about`` of them.

    Examples
    --------
    >>> [text for _, text in round_ticks(0, 1)]
    ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((n * step, f"{n * step:.10g}") for n in range(first, last + 1))


def log_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Ticks at round multiples of powers of ten, the fewer the longer the axis.

    Examples
    --------
    >>> [text for _, text in log_ticks(0.4, 6)]
    ['0.5', '0.7', '1', '1.5', '2', '3', '5']
    >>> [text for _, text in log_ticks(1, 10000)]
    ['1', '10', '100', '1000', '10000']
    """
    decades = math.log10(high / low)
    if decades < 0.4:
        return round_ticks(low, high)
    factors = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if decades < 1.3 else (1.0, 2.0, 5.0) if decades < 3 else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{factor}e{power}") for power in powers for factor in factors]
    return tuple((value, f"{value:g}") for value in values if low <= value <= high)
