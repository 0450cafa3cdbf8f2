"""Standardised uptake values from PET and SPECT, and the share of the injected activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.administration import administration, drug_item
from PRRTUptakeLib.dicom.body import factor_from_bw, header_body
from PRRTUptakeLib.dicom.decay_correction import ACQUISITION_TIME
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label
from PRRTUptakeLib.dicom.nm import decay_factor
from PRRTUptakeLib.dicom.nuclides import HeaderNuclide
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
from PRRTUptakeLib.dicom.padding import padding_note
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.plausibility import Held, doubts_of
from PRRTUptakeLib.dicom.quantify import PET_STORAGE, is_pet_of_unstated_units, nm_suv, quantify
from PRRTUptakeLib.dicom.reading import arrange, provenance
from PRRTUptakeLib.dicom.times import ImageTime, clock_of
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.vocabulary import SUV_UNITS

if TYPE_CHECKING:
    from PRRTUptakeLib.dicom.series import Series


@dataclass(frozen=True)
class StandardisedUptake:
    """SUV of a series: ``volume`` carries its kind in ``units``; ``decisions`` says how it was made."""

    volume: Volume
    decisions: tuple[str, ...]


def suv(series: Series, kind: str = "bw", inputs: OperatorOverrides | None = None) -> StandardisedUptake:
    """Standardised uptake values of a PET or SPECT series.

    SUVbw = C W / D_ref: concentration x body weight / administered activity, both activities at the same moment.

    Parameters
    ----------
    series : PET (SPECT stored as PET included) or an NM tomogram.
    kind : bw, lbm (Morgan 120), lbm-james (James 128), lbm-janma (Janmahasatian), bsa (Du Bois) or ibw.
    inputs : what the operator states.

    Raises
    ------
    PRRTError
        If anything that is needed is missing, impossible or contradictory; the message names it.
    """
    inputs = inputs or OperatorOverrides()
    if kind not in SUV_UNITS:
        raise DicomError(f"There is no SUV '{kind}': choose {', '.join(SUV_UNITS)}.")
    mapped = nm_suv(series, kind, inputs)
    if mapped is not None:
        return StandardisedUptake(*mapped)
    if series.sop_class != PET_STORAGE or is_pet_of_unstated_units(series, inputs):
        return _from_concentration(series, kind, inputs)
    arranged = arrange(series)
    pet = PetSeries(arranged, inputs)
    scaling = pet.as_suv(kind)
    array, total, highest = arranged.scaled_and_summed(scaling.factors)
    outside = arranged.outside_field
    decisions = (*scaling.decisions, *_doubts(total, highest, pet, kind), *padding_note(outside))
    made = provenance(arranged, decisions)
    started = pet.scan_start()
    if started is not None:
        made["scanned_at"] = started.isoformat()
    body = pet.body_if_known()
    if body is not None:
        made["weight_kg"] = body.weight_kg
    volume = Volume(
        array, arranged.ijk_to_ras, f"SUV{kind}", SUV_UNITS[kind], scaling.time, made, outside_field=outside
    )
    return StandardisedUptake(volume, decisions)


def _doubts(total: float, highest: float, pet: PetSeries, kind: str) -> tuple[str, ...]:
    """What contradicts an SUV image: it holds more than was given, far too little, or has an absurd maximum."""
    arranged, sources = pet.arranged, f"{pet.meaning.source}, {label('RescaleSlope')}"
    share, body = 0.0, pet.body_if_known()
    voxel_mL = Grid(arranged.shape, arranged.ijk_to_ras).voxel_volume_mL
    volume_mL = 0.0
    if body is not None:
        whole_mL = body.weight_kg * 1000 * factor_from_bw(kind, body)  # in which all of it would be an SUV of 1
        share, volume_mL = total * voxel_mL / whole_mL, voxel_mL * float(np.prod(arranged.shape))
    slopes = f"({arranged.slopes.min():g} to {arranged.slopes.max():g})"
    named = f"{sources} {slopes} or {label('RadionuclideTotalDose')}"
    return doubts_of(Held(share, volume_mL, highest), pet.head.where, named)


_CHECKED = 0.0  # the share was compared when the series became activity


def _from_concentration(series: Series, kind: str, inputs: OperatorOverrides) -> StandardisedUptake:
    """SPECT-SUV: from Bq/ml at the time of the tomogram."""
    found = quantify(series, inputs)
    where, dataset, time = series.label, series.headers[0].dataset, found.volume.reference_time
    if time is None:
        raise DicomError(f"The time of {where} is not known: give the acquisition time.")
    nuclide = HeaderNuclide(found.nuclide, found.half_life_s, ())
    clock = clock_of(dataset, where, inputs.time_zone)
    image = ImageTime(time, ACQUISITION_TIME)
    given = administration(drug_item(dataset, where), clock, image, nuclide, inputs)
    if given.time is None or nuclide.half_life_s is None:
        missing = "RadionuclideHalfLife" if given.time else "RadiopharmaceuticalStartDateTime"
        raise DicomError(f"{label(missing)} of {where} is missing: give the injection time and the nuclide.")
    body = header_body(dataset, where, inputs)
    activity_Bq = given.activity_Bq * decay_factor(nuclide.half_life_s, (time - given.time).total_seconds())
    factor = body.weight_kg * 1000 / activity_Bq * factor_from_bw(kind, body)
    decisions = (
        *found.decisions,
        *given.decisions,
        *body.decisions,
        f"Administered activity at {time.isoformat()}: {activity_Bq / 1e6:.6g} MBq; SUV {kind} = Bq/ml x {factor:.6g}.",
    )
    array = np.multiply(found.volume.array, np.float32(factor), out=found.volume.array)
    sources = f"the calibration or {label('RadionuclideTotalDose')}"
    decisions += doubts_of(Held(_CHECKED, 0.0, float(array.max())), where, sources)
    decisions = tuple(dict.fromkeys(decisions))
    made = {**found.volume.provenance, "decisions": list(decisions), "weight_kg": body.weight_kg}
    volume = found.volume.with_values(array, quantity=f"SUV{kind}", units=SUV_UNITS[kind], provenance=made)
    return StandardisedUptake(volume, decisions)


def least_median_most(values: np.ndarray) -> dict[str, float]:
    """Minimum, median and maximum of the values (any shape) under the names ``min``, ``median`` and ``max``.

    Examples
    --------
    >>> least_median_most(np.array([3.0, 1.0, 2.0]))
    {'min': 1.0, 'median': 2.0, 'max': 3.0}
    """
    return {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}


def concentration_at_suv_1(activity_MBq: float, elapsed_h: float, half_life_h: float, weight_kg: float) -> float:
    """Activity concentration in Bq/ml that is an SUVbw of 1, ``elapsed_h`` after the injection.

    Examples
    --------
    >>> round(concentration_at_suv_1(7400, 24, 6.647 * 24, 80), -1)
    83340.0
    """
    return activity_MBq * 1e6 * decay_factor(half_life_h, elapsed_h) / (weight_kg * 1000)


def percent_injected(activity_MBq: float, given_MBq: float, elapsed_h: float, half_life_h: float) -> float:
    """Share of the injected activity in a region in percent (%IA), decay corrected to the injection.

    Parameters
    ----------
    activity_MBq : in the region, ``elapsed_h`` after the injection.
    given_MBq : administered, at the injection.
    elapsed_h, half_life_h : hours.

    Examples
    --------
    >>> percent_injected(1.0, 100.0, 2.0, 2.0)
    2.0
    """
    return 100.0 * activity_MBq / (given_MBq * decay_factor(half_life_h, elapsed_h))


def percent_injected_per_g(
    concentration_Bq_per_mL: float,
    given_MBq: float,
    elapsed_h: float,
    half_life_h: float,
    density_g_per_mL: float = 1.0,
) -> float:
    """Share of the injected activity per gram of tissue in percent (%IA/g), decay corrected to the injection.

    Examples
    --------
    >>> round(percent_injected_per_g(83340, 7400, 24, 6.647 * 24), 5)  # an SUV of 1 at 80 kg is 1/80,000 of it per g
    0.00125
    """
    per_g_MBq = concentration_Bq_per_mL / 1e6 / density_g_per_mL
    return percent_injected(per_g_MBq, given_MBq, elapsed_h, half_life_h)
