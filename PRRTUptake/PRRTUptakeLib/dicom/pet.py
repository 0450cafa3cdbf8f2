"""A PET series as factors, one per plane, from stored values to Bq/ml or SUV, so that pixels are touched once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.dicom.administration import Administration, administration
from PRRTUptakeLib.dicom.body import factor_from_bw, header_body
from PRRTUptakeLib.dicom.decay_correction import ACQUISITION_TIME, Decay, decay_of_values, frame_starts
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label, number, text
from PRRTUptakeLib.dicom.nm import decay_factor
from PRRTUptakeLib.dicom.pet_header import PetHeader, pet_header
from PRRTUptakeLib.dicom.pet_mappings import CONCENTRATION, SUV, mapping_doubts
from PRRTUptakeLib.dicom.pet_units import Meaning, meaning_of_values
from PRRTUptakeLib.dicom.times import ImageTime

if TYPE_CHECKING:
    from datetime import datetime

    from PRRTUptakeLib.dicom.body import Body
    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.reading import Stack


@dataclass(frozen=True, eq=False)
class Scaling:
    """Factor of each plane from its stored value (slope included), where that holds, and why.

    Attributes
    ----------
    factors : (k,), stored value x factor is the quantity.
    time : the moment to which the quantity holds; None if it does not depend on one.
    """

    factors: np.ndarray
    time: datetime | None
    decisions: tuple[str, ...]


class PetSeries:
    """A checked PET series; what is not needed for a result (say, the weight for Bq/ml) is never asked for."""

    def __init__(self, arranged: Stack, inputs: OperatorOverrides) -> None:
        """Check the header; raises PRRTError naming what is wrong."""
        self.arranged = arranged
        self.inputs = inputs
        self.head: PetHeader = pet_header(arranged, inputs)
        self.meaning: Meaning = meaning_of_values(self.head, lambda: self.body)
        if self.meaning.is_suv:
            self._check_inputs_of_suv()

    @cached_property
    def body(self) -> Body:
        """The patient's size."""
        return header_body(self.head.dataset, self.head.where, self.inputs)

    def body_if_known(self) -> Body | None:
        """The patient's size; None if no weight is stated, which SUVs that a scanner made can do without."""
        stated = self.inputs.weight_kg or number(self.head.dataset, "PatientWeight", self.head.where)
        return self.body if stated else None

    @cached_property
    def decay(self) -> Decay:
        """To which moment the values hold."""
        if self.meaning.is_suv and self.head.decay_correction == "NONE":
            raise DicomError(
                f"{self.head.where} holds SUVs, but {label('DecayCorrection')} is NONE: to which moment they hold is "
                "not known; export the series in BQML."
            )
        return decay_of_values(self.head, self.inputs)

    @cached_property
    def given(self) -> Administration:
        """The administered activity; its time is only None if the values were corrected to the injection."""
        reference = self.decay.time
        if reference is None:
            starts = frame_starts(self.head, self.inputs)
            reference = ImageTime(min(starts), ACQUISITION_TIME) if starts else None
        if reference is None:
            raise DicomError(
                f"{label('AcquisitionDate')} or {label('AcquisitionTime')} of {self.head.where} is missing: give the "
                "acquisition time."
            )
        found = administration(self.head.drug, self.head.clock, reference, self.head.nuclide, self.inputs)
        if found.time is None and self.decay.time is not None:
            raise DicomError(
                f"{label('RadiopharmaceuticalStartDateTime')} and {label('RadiopharmaceuticalStartTime')} of "
                f"{self.head.where} are missing: give the injection time."
            )
        return found

    def activity_at_reference_Bq(self) -> tuple[float, str]:
        """Administered activity at the moment to which the values hold (D_ref), and how it was found."""
        given = self.given
        if self.decay.time is None or given.time is None:
            return given.activity_Bq, "The administered activity is taken as it is, without decay."
        elapsed_s = (self.decay.time.time - given.time).total_seconds()
        factor = decay_factor(self._half_life_s(), elapsed_s)
        note = f"Decayed over {elapsed_s / 60:.4g} min by {factor:.6g} to {given.activity_Bq * factor / 1e6:.6g} MBq."
        return given.activity_Bq * factor, note

    @property
    def _stored_factors(self) -> np.ndarray:
        """From stored values to what Units say, (k,), before any decay."""
        return np.asarray(self.arranged.slopes * self.meaning.factors)

    def as_suv(self, kind: str) -> Scaling:
        """Factors to SUV of a kind (a key of ``body.SUV_UNITS``)."""
        base = self._stored_factors
        decisions = [*self.head.decisions, *self.meaning.decisions]
        decisions += [] if self.meaning.is_suv else mapping_doubts(self.arranged, CONCENTRATION, base)
        if self.meaning.is_suv:
            decisions += self.decay.decisions if self.head.decay_correction == "NONE" else ()
            if self.inputs.residual_MBq:
                base = base / self.given.net_fraction
                decisions += [*self.decay.decisions, *self.given.decisions]
            time = None
        else:
            activity_Bq, note = self.activity_at_reference_Bq()
            weight_g = self.body.weight_kg * 1000
            base = base * self.decay.factors * (weight_g / activity_Bq)
            decisions += [*self.decay.decisions, *self.given.decisions, note]
            decisions.append(f"SUVbw = Bq/ml x {weight_g:g} g / {activity_Bq:.9g} Bq.")
            time = self.decay.time.time if self.decay.time else self.given.time
        decisions += mapping_doubts(self.arranged, SUV, base)
        decisions += self._body_decisions(kind)
        return Scaling(base * self._kind_factor(kind, decisions), time, tuple(decisions))

    def as_concentration(self) -> Scaling:
        """Factors to Bq/ml, at the moment to which the values hold."""
        base = self.arranged.slopes * self.meaning.factors * self.decay.factors
        decisions = [*self.head.decisions, *self.meaning.decisions, *self.decay.decisions]
        decisions += [] if self.meaning.is_suv else mapping_doubts(self.arranged, CONCENTRATION, self._stored_factors)
        if self.meaning.is_suv:
            activity_Bq, note = self.activity_at_reference_Bq()
            stated_Bq = activity_Bq / self.given.net_fraction  # the stored SUV was made without the residual
            weight_g = self.body.weight_kg * 1000
            base = base * (stated_Bq / weight_g)
            decisions += [*self.given.decisions, note, f"Bq/ml = SUVbw x {stated_Bq:.9g} Bq / {weight_g:g} g."]
            decisions += self.body.decisions
        time = self.decay.time.time if self.decay.time else self.given.time
        if self.decay.time is None:
            decisions += [] if self.meaning.is_suv else list(self.given.decisions)
        if time is None:
            raise DicomError(
                f"{label('RadiopharmaceuticalStartDateTime')} and {label('RadiopharmaceuticalStartTime')} of "
                f"{self.head.where} are missing: the time to which it was decay corrected; give the injection time."
            )
        return Scaling(base, time, tuple(decisions))

    def scan_start(self) -> datetime | None:
        """When the first plane was acquired, whatever moment the values were corrected to; None if not stated."""
        starts = frame_starts(self.head, self.inputs)
        return min(starts) if starts else None

    def _half_life_s(self) -> float:
        half_life_s = self.head.nuclide.half_life_s
        if half_life_s is None:
            raise DicomError(
                f"{label('RadionuclideHalfLife')} of {self.head.where} is missing and no radionuclide is named: state "
                "the nuclide."
            )
        return half_life_s

    def _body_decisions(self, kind: str) -> tuple[str, ...]:
        used = not self.meaning.is_suv or self.meaning.body_used or kind != "bw"
        return self.body.decisions if used else ()

    def _kind_factor(self, kind: str, decisions: list[str]) -> float:
        if kind == "bw":
            return 1.0
        factor = factor_from_bw(kind, self.body)
        body = self.body
        size = f"{body.weight_kg:g} kg, {body.height_cm or 0:g} cm" + (f", sex {body.sex}" if kind != "bsa" else "")
        decisions.append(f"SUV {kind} = SUVbw x {factor:.6g} ({size}).")
        return factor

    def _check_inputs_of_suv(self) -> None:
        """The scanner made the SUV already: what it used cannot be replaced now."""
        where, drug = self.head.where, self.head.drug
        pairs = (
            ("weight", self.inputs.weight_kg, self.head.dataset, "PatientWeight"),
            ("administered activity", self.inputs.activity_MBq, drug, "RadionuclideTotalDose"),
            ("injection time", self.inputs.injection_time, drug, "RadiopharmaceuticalStartDateTime"),
            ("injection time", self.inputs.injection_time, drug, "RadiopharmaceuticalStartTime"),
        )
        for name, stated, dataset, keyword in pairs:
            if stated is not None and dataset is not None and text(dataset, keyword, where):
                raise DicomError(
                    f"{where} holds SUVs that the scanner made with {label(keyword)}: the operator's {name} cannot "
                    "replace it any more; leave it out."
                )
