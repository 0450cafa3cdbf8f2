"""The course of an activity from injection to infinity: a polygon, then exponentials; its value and its integral."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTDosimetryLib.kinetics.errors import KineticsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Shape:
    """Activity over time: linear between ``nodes``, and exponentials from the last node (or from 0 h) on.

    Attributes
    ----------
    exponentials : (amplitude in MBq, rate per hour) each; the amplitudes may be negative (uptake).
    nodes : (time in hours, activity in MBq) from 0 h on; empty if the exponentials hold from the injection.

    Examples
    --------
    >>> shape = Shape(((100.0, 0.01),))
    >>> shape.integral_MBq_h, round(shape.terminal_half_life_h, 2)
    (10000.0, 69.31)
    """

    exponentials: tuple[tuple[float, float], ...]
    nodes: tuple[tuple[float, float], ...] = ()

    @property
    def tail_start_h(self) -> float:
        """Time from which the exponentials hold."""
        return self.nodes[-1][0] if self.nodes else 0.0

    @property
    def integral_MBq_h(self) -> float:
        """Time-integrated activity from 0 h to infinity."""
        tail = sum(amplitude / rate for amplitude, rate in self.exponentials)
        if not self.nodes:
            return tail
        time, activity = np.array(self.nodes).T
        return float(np.trapezoid(activity, time)) + tail

    def integral_after_MBq_h(self, time_h: float) -> float:
        """Time-integrated activity from ``time_h`` on; not before the last node."""
        later = time_h - self.tail_start_h
        if later < 0:
            raise KineticsError(f"The part after {time_h:g} h begins before the last node at {self.tail_start_h:g} h.")
        return sum(amplitude / rate * math.exp(-rate * later) for amplitude, rate in self.exponentials)

    def scaled(self, factor: float) -> Shape:
        """The same course with all activities times ``factor``."""
        return Shape(
            tuple((amplitude * factor, rate) for amplitude, rate in self.exponentials),
            tuple((time, activity * factor) for time, activity in self.nodes),
        )

    def __add__(self, other: Shape) -> Shape:
        """The sum of two courses whose exponentials hold from the same time on."""
        if self.tail_start_h != other.tail_start_h:
            raise KineticsError(
                f"Courses whose tails begin at {self.tail_start_h:g} h and {other.tail_start_h:g} h cannot be added; "
                "integrate both regions by the same method."
            )
        times = sorted({time for time, _ in (*self.nodes, *other.nodes)})
        values = self.activity_MBq(times) + other.activity_MBq(times) if times else ()
        nodes = tuple((time, float(value)) for time, value in zip(times, values, strict=True))
        return Shape((*self.exponentials, *other.exponentials), nodes)

    @property
    def terminal_half_life_h(self) -> float:
        """Effective half-life of the last, slowest phase."""
        return math.log(2) / min(rate for amplitude, rate in self.exponentials if amplitude > 0)

    def activity_MBq(self, time_h: ArrayLike) -> NDArray[np.float64]:
        """Activity at any times after injection, shape as ``time_h``."""
        time = np.asarray(time_h, dtype=np.float64)
        later = np.maximum(time - self.tail_start_h, 0.0)
        tail = sum(amplitude * np.exp(-rate * later) for amplitude, rate in self.exponentials)
        if not self.nodes:
            return np.asarray(tail, dtype=np.float64)
        nodes, values = np.array(self.nodes).T
        return np.where(time > nodes[-1], tail, np.interp(time, nodes, values))
