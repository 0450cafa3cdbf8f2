"""What an operator may state where a header is silent or wrong, and what comes out of a quantification."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PRRTUptakeLib.dicom.errors import OverrideError
from PRRTUptakeLib.dicom.real_world import unit_of
from PRRTUptakeLib.dicom.times import fixed_offset

if TYPE_CHECKING:
    from datetime import datetime

    from PRRTUptakeLib.imaging.volume import Volume

TIME_BASES = ("total", "per-view", "rate")
CONFIRMABLE = ("activity_MBq", "weight_kg", "height_cm")
DEAD_TIME_MODELS = ("paralysable", "non-paralysable")


@dataclass(frozen=True)
class Calibration:
    """A gamma camera's sensitivity, to turn counts of a reconstructed tomogram into activity.

    Attributes
    ----------
    sensitivity_cps_per_MBq : counts per second and MBq.
    time_basis : "total" if voxel counts are those of the whole acquisition, "per-view" if they are those of one view
        (reconstructions differ in this, and it is a factor of the number of views), "rate" if voxels hold counts per
        second.
    acquisition_time_s : that time, where the header does not state it or states it wrongly.
    """

    sensitivity_cps_per_MBq: float
    time_basis: str
    acquisition_time_s: float | None = None

    def __post_init__(self) -> None:
        _positive("calibration factor (cps/MBq)", self.sensitivity_cps_per_MBq)
        if self.time_basis not in TIME_BASES:
            raise OverrideError(
                f"The time of a calibration is {' or '.join(TIME_BASES)}, not '{self.time_basis}': say whether a voxel "
                "holds the counts of the whole acquisition, of one view, or counts per second."
            )
        _positive("acquisition time (s)", self.acquisition_time_s)


@dataclass(frozen=True)
class DeadTime:
    """Dead time of the camera during this acquisition: its model, time constant, and the count rate it showed."""

    model: str
    tau_us: float
    observed_cps: float

    def __post_init__(self) -> None:
        if self.model not in DEAD_TIME_MODELS:
            raise OverrideError(f"A dead-time model is {' or '.join(DEAD_TIME_MODELS)}, not '{self.model}'.")
        _positive("dead time (us)", self.tau_us)
        _positive("observed count rate (cps)", self.observed_cps)


@dataclass(frozen=True)
class OperatorOverrides:
    """Values that go before those of the header; each one that is used is recorded among the decisions.

    Attributes
    ----------
    weight_kg, height_cm, sex : of the patient; sex is M, F or O.
    injection_time, acquisition_time, residual_time : moments with their zone.
    decay_reference_time : moment to which a PET series was decay corrected, for Decay Correction START.
    activity_MBq : administered activity at the injection time.
    residual_MBq : left in syringe or catheter, measured at ``residual_time``; it is subtracted.
    nuclide : name, for instance ``Lu-177``.
    time_zone : IANA name, for objects that do not state their offset from UTC.
    calibration, dead_time : for NM counts.
    units : what the stored values are after Rescale Slope, for images that do not say so: a unit of activity
        concentration (``Bq/ml``), ``counts``, ``cps`` or ``g/ml{SUVbw}``.
    reason : why values are stated, for the record.
    confirmed : names of stated values that hold although the header contradicts them by a factor of a unit.
    """

    weight_kg: float | None = None
    height_cm: float | None = None
    sex: str | None = None
    injection_time: datetime | None = None
    acquisition_time: datetime | None = None
    decay_reference_time: datetime | None = None
    activity_MBq: float | None = None
    residual_MBq: float | None = None
    residual_time: datetime | None = None
    nuclide: str | None = None
    time_zone: str | None = None
    calibration: Calibration | None = None
    dead_time: DeadTime | None = None
    units: str | None = None
    reason: str = ""
    confirmed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _within("weight (kg)", self.weight_kg, 1, 300)
        _within("height (cm)", self.height_cm, 20, 250)
        _within("administered activity (MBq)", self.activity_MBq, 1, 1e5)
        _within("residual activity (MBq)", self.residual_MBq, 0, 1e5)
        if self.units is not None and unit_of(self.units) is None:
            raise OverrideError(
                f"The unit '{self.units}' is not known: state Bq/ml, kBq/ml, counts, cps or g/ml{{SUVbw}}."
            )
        unknown = [name for name in self.confirmed if name not in CONFIRMABLE]
        if unknown:
            raise OverrideError(f"'{unknown[0]}' cannot be confirmed, only {', '.join(CONFIRMABLE)}.")
        if self.sex not in (None, "M", "F", "O"):
            raise OverrideError(f"Sex is M, F or O, not '{self.sex}'.")
        for name in ("injection_time", "acquisition_time", "decay_reference_time", "residual_time"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise OverrideError(f"The {name.replace('_', ' ')} {moment} has no time zone: give it one.")
            if moment is not None:
                object.__setattr__(self, name, fixed_offset(moment))
        if self.residual_MBq and self.residual_time is None:
            raise OverrideError("A residual activity needs the time at which it was measured.")


def _positive(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise OverrideError(f"The {name} is {value:g}, but must be above 0.")


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise OverrideError(f"The {name} is {value:g}, but must be from {low:g} to {high:g}: correct it.")


@dataclass(frozen=True)
class Quantified:
    """A series as activity concentration.

    Attributes
    ----------
    volume : Bq/ml at ``volume.reference_time``.
    decisions : everything that was decided on the way, one sentence each.
    nuclide : name of the radionuclide, None where it is not known.
    half_life_s : its half-life, None where it is not known.
    """

    volume: Volume
    decisions: tuple[str, ...]
    nuclide: str | None
    half_life_s: float | None

    @property
    def doubts(self) -> tuple[str, ...]:
        """The decisions that a report has to repeat among its warnings."""
        return doubts_among(self.decisions)


DOUBT = "Doubtful: "


def doubts_among(decisions: tuple[str, ...]) -> tuple[str, ...]:
    """The sentences among decisions that put the numbers in doubt.

    Examples
    --------
    >>> doubts_among(("Units are BQML.", "Doubtful: attenuation is not corrected."))
    ('Doubtful: attenuation is not corrected.',)
    """
    return tuple(sentence for sentence in decisions if sentence.startswith(DOUBT))
