"""Activity concentration at a stated time, from any emission series: the front of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.administration import drug_item
from PRRTUptakeLib.dicom.headers import label
from PRRTUptakeLib.dicom.nm import decay_factor, nm_concentration
from PRRTUptakeLib.dicom.nuclides import HeaderNuclide, header_nuclide
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides, Quantified
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.reading import NM_STORAGE, arrange, provenance
from PRRTUptakeLib.dicom.times import Clock, clock_of
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Grid, Volume

if TYPE_CHECKING:
    from datetime import datetime

    from PRRTUptakeLib.dicom.reading import Stack
    from PRRTUptakeLib.dicom.series import Series


PET_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
_ENHANCED_PET = ("1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128.1")


class QuantificationError(PRRTError):
    """A series cannot be turned into activity concentration."""


def quantify(
    series: Series, inputs: OperatorOverrides | None = None, reference_time: datetime | None = None
) -> Quantified:
    """Turn an emission series into Bq/ml.

    Parameters
    ----------
    series : an NM tomogram, or a PET series (SPECT stored as PET included).
    inputs : what the operator states.
    reference_time : moment (with zone) to which the activity is decayed; None for the moment at which the stored
        values hold, which is the volume's ``reference_time``.

    Raises
    ------
    PRRTError
        If anything that is needed is missing, impossible or contradictory; the message names it.
    """
    inputs = inputs or OperatorOverrides()
    if reference_time is not None and reference_time.tzinfo is None:
        raise QuantificationError(f"The reference time {reference_time} has no time zone: give it one.")
    if series.sop_class == PET_STORAGE:
        return _quantify_pet(arrange(series), inputs, reference_time)
    if series.sop_class == NM_STORAGE:
        return _quantify_nm(arrange(series), inputs, reference_time)
    kind = "an enhanced PET, export it as classic PET" if series.sop_class in _ENHANCED_PET else "no emission image"
    raise QuantificationError(f"{series.label} is {kind}: choose a PET series or an NM tomogram.")


def _quantify_pet(arranged: Stack, inputs: OperatorOverrides, reference_time: datetime | None) -> Quantified:
    pet = PetSeries(arranged, inputs)
    scaling = pet.as_concentration()
    decisions, factors, time = list(scaling.decisions), scaling.factors, scaling.time
    if reference_time is not None and time is not None:
        factor, told = _decay(pet.head.nuclide, time, reference_time, arranged.series.label)
        factors, time = factors * factor, reference_time
        decisions.append(told)
    return _quantified(arranged, arranged.scaled(factors), time, decisions, pet.head.nuclide)


def _quantified(
    arranged: Stack, array: np.ndarray, time: datetime | None, decisions: list[str], nuclide: HeaderNuclide
) -> Quantified:
    made = provenance(arranged, decisions)
    volume = Volume(array, arranged.ijk_to_ras, "activity concentration", "Bq/ml", time, made)
    return Quantified(volume, tuple(decisions), nuclide.name, nuclide.half_life_s)


def _quantify_nm(arranged: Stack, inputs: OperatorOverrides, reference_time: datetime | None) -> Quantified:
    where = arranged.series.label
    dataset = arranged.frames[0].header.dataset
    clock = clock_of(dataset, where, inputs.time_zone)
    nuclide = header_nuclide(drug_item(dataset, where), where, inputs.nuclide)
    started, told = _acquisition_start(arranged, clock, inputs)
    voxel_mL = Grid(arranged.shape, arranged.ijk_to_ras).voxel_volume_mL
    held = nm_concentration(arranged, started, voxel_mL, inputs)
    decisions = [*arranged.decisions, clock.decision, *told, *nuclide.decisions, *held.decisions]
    time = held.time
    if reference_time is not None:
        factor, told_decay = _decay(nuclide, time, reference_time, where)
        np.multiply(held.array, np.float32(factor), out=held.array)
        decisions.append(told_decay)
        time = reference_time
    else:
        decisions.append(f"The values hold at {time.isoformat()}.")
    return _quantified(arranged, held.array, time, decisions, nuclide)


def _acquisition_start(arranged: Stack, clock: Clock, inputs: OperatorOverrides) -> tuple[datetime, list[str]]:
    if inputs.acquisition_time is not None:
        return inputs.acquisition_time, [f"Acquisition at {inputs.acquisition_time.isoformat()}, by the operator."]
    dataset, where = arranged.frames[0].header.dataset, arranged.series.label
    found = clock.date_time(dataset, "AcquisitionDateTime")
    if found is None:
        found = clock.moment(dataset, "AcquisitionDate", "AcquisitionTime")
    if found is None:
        raise QuantificationError(
            f"{label('AcquisitionDate')} or {label('AcquisitionTime')} of {where} is missing: give the acquisition "
            "time."
        )
    return found, []


def _decay(nuclide: HeaderNuclide, held: datetime, wanted: datetime, where: str) -> tuple[float, str]:
    if nuclide.half_life_s is None:
        raise QuantificationError(f"The radionuclide of {where} is not told, so it cannot be decayed: state it.")
    factor = decay_factor(nuclide.half_life_s, (wanted - held).total_seconds())
    return factor, f"Decayed from {held.isoformat()} to {wanted.isoformat()}, factor {factor:.6g}."
