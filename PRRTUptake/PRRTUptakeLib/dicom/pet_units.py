"""What the stored values of a PET series are: activity concentration, or already an SUV, by Units and SUV Type.

DICOM PS3.3 C.8.9.1 (PET Series) and C.8.9.4 (PET Image); counts of Philips scanners by their conformance statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.body import factor_from_bw
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label, number, text, words
from PRRTUptakeLib.dicom.real_world import CONCENTRATION, unit_of
from PRRTUptakeLib.dicom.vendor_attributes import PHILIPS_ACTIVITY_FACTOR, PHILIPS_SUV_FACTOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.dicom.body import Body
    from PRRTUptakeLib.dicom.pet_header import PetHeader

_GML_KINDS = {"": "bw", "BW": "bw", "LBM": "lbm", "LBMJAMES128": "lbm-james", "LBMJANMA": "lbm-janma", "IBW": "ibw"}
_REFUSED = {
    "PROPCNTS": "values proportional to counts by an unknown factor",
    "PROPCPS": "values proportional to count rates by an unknown factor",
    "1CM": "attenuation coefficients, not activity",
}


@dataclass(frozen=True, eq=False)
class Meaning:
    """What rescaled values become.

    Attributes
    ----------
    source : the attribute that states it, for messages.
    is_suv : True if value x factor is an SUVbw, False if it is Bq/ml.
    factors : one per plane, (k,).
    body_used : whether the patient's size went into the factors.
    """

    source: str
    is_suv: bool
    factors: np.ndarray
    decisions: tuple[str, ...]
    body_used: bool = False


def meaning_of_values(head: PetHeader, body: Callable[[], Body]) -> Meaning:
    """Decide by Units what the values are; ``body`` gives the patient's size if it is needed.

    Raises
    ------
    DicomError
        If the units cannot be converted; the message says why.
    """
    units = text(head.dataset, "Units", head.where).upper()
    if units == "BQML":
        return Meaning(label("Units"), False, np.ones(head.count), ("Units are BQML: the values are Bq/ml.",))
    if units in ("GML", "CM2ML"):
        return _normalised(head, units, body)
    if units == "CNTS":
        return _philips_counts(head)
    if units == "CPS":
        return _count_rate(head)
    spelt = unit_of(text(head.dataset, "Units", head.where))
    if spelt is not None and spelt.kind == CONCENTRATION:
        note = (
            f"Units are '{spelt.code}', which can only be an activity concentration: Bq/ml = value x {spelt.factor:g}."
        )
        return Meaning(label("Units"), False, np.full(head.count, spelt.factor), (note,))
    reason = f", {_REFUSED[units]}" if units in _REFUSED else ""
    stated = f"is {units}{reason}" if units else "is missing"
    raise DicomError(
        f"{label('Units')} of {head.where} {stated}: it cannot be turned into activity; choose a series in BQML"
        f"{'' if units else ', or state the units or a calibration'}."
    )


def _normalised(head: PetHeader, units: str, body: Callable[[], Body]) -> Meaning:
    stated = text(head.dataset, "SUVType", head.where).upper()
    kind = _GML_KINDS.get(stated) if units == "GML" else {"": "bsa", "BSA": "bsa"}.get(stated)
    if kind is None:
        raise DicomError(f"{label('SUVType')} of {head.where} is {stated}, which does not go with Units {units}.")
    named = f"SUV Type {stated}" if stated else f"no SUV Type, which means {'BW' if kind == 'bw' else 'BSA'}"
    if kind == "bw":
        return Meaning(
            label("Units"), True, np.ones(head.count), (f"Units are {units}, {named}: the values are SUVbw.",)
        )
    factor = 1 / factor_from_bw(kind, body())
    note = f"Units are {units}, {named}: SUVbw = value x {factor:.6g}, from the patient's size."
    return Meaning(label("SUVType"), True, np.full(head.count, factor), (note,), body_used=True)


def _philips_counts(head: PetHeader) -> Meaning:
    for attribute, is_suv, result in (
        (PHILIPS_SUV_FACTOR, True, "SUVbw"),
        (PHILIPS_ACTIVITY_FACTOR, False, "Bq/ml"),
    ):
        found = attribute.number_in(head.dataset, head.where)
        if not found:
            continue
        if found < 0:
            raise DicomError(f"{attribute.label} of {head.where} is {found:g}, but must be above 0.")
        note = f"Units are CNTS: {result} = counts x {found:.9g}, from {attribute.label}."
        return Meaning(attribute.label, is_suv, np.full(head.count, found), (note,))
    raise DicomError(
        f"{label('Units')} of {head.where} is CNTS, and neither {PHILIPS_SUV_FACTOR.label} nor "
        f"{PHILIPS_ACTIVITY_FACTOR.label} is there to convert the counts: export the series in BQML."
    )


def _count_rate(head: PetHeader) -> Meaning:
    """Counts per second x Dose Calibration Factor = Bq/ml (C.8.9.4.1.8); 1 means that there was no calibration."""
    name = label("DoseCalibrationFactor")
    if "DCAL" in words(head.dataset, "CorrectedImage", head.where):
        raise DicomError(
            f"{label('Units')} of {head.where} is CPS, but {label('CorrectedImage')} says that it is dose calibrated "
            "already (DCAL): which holds is not known; export the series in BQML."
        )
    factors = [number(header.dataset, "DoseCalibrationFactor", head.where) for header in head.headers]
    if any(factor is None or factor <= 0 or factor == 1 for factor in factors):
        raise DicomError(
            f"{label('Units')} of {head.where} is CPS and {name} is missing, or 1 for none: without a dose calibration "
            "there is no activity; export the series in BQML."
        )
    values = np.array(factors, dtype=float)
    shown = f"{values.min():g}" if np.ptp(values) == 0 else f"{values.min():g} to {values.max():g}"
    return Meaning(name, False, values, (f"Units are CPS: Bq/ml = counts per second x {shown}, from {name}.",))
