"""The header of a PET series as one: what all its images need to share, its zone, its nuclide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydicom.tag import Tag

from PRRTUptakeLib.dicom.administration import drug_item
from PRRTUptakeLib.dicom.errors import DicomError
from PRRTUptakeLib.dicom.headers import label, number, text, words
from PRRTUptakeLib.dicom.nuclides import header_nuclide
from PRRTUptakeLib.dicom.shared_attributes import require_same
from PRRTUptakeLib.dicom.times import clock_of
from PRRTUptakeLib.dicom.vendor_attributes import GE_SCAN_DATETIME, PHILIPS_ACTIVITY_FACTOR, PHILIPS_SUV_FACTOR

if TYPE_CHECKING:
    from datetime import datetime

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.headers import Header
    from PRRTUptakeLib.dicom.nuclides import HeaderNuclide
    from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides
    from PRRTUptakeLib.dicom.reading import Stack
    from PRRTUptakeLib.dicom.times import Clock

_PROJECTED = {"REPROJECTION", "MIP", "MAX_IP", "MIN_IP", "MINIP", "PROJECTION IMAGE"}
_SHARED = (
    "Units",
    "SUVType",
    "DecayCorrection",
    "CorrectedImage",
    "PatientWeight",
    "PatientSize",
    "PatientSex",
    "SeriesDate",
    "SeriesTime",
    "TimezoneOffsetFromUTC",
    "RadiopharmaceuticalInformationSequence",
)
_PRIVATE = (GE_SCAN_DATETIME, PHILIPS_SUV_FACTOR, PHILIPS_ACTIVITY_FACTOR)
_SLOPES = (1e-9, 1e6)  # Bq/ml, SUV or counts per stored unit of 16 bits
_ROUNDING = 1e-4  # of factors written as text
DECAY_CORRECTIONS = ("NONE", "START", "ADMIN")


@dataclass(frozen=True, eq=False)
class PetHeader:
    """A PET series whose images agree.

    Attributes
    ----------
    headers : one per plane, in the order of the planes.
    dataset : the first of them, for what all share.
    where : names the series in messages.
    clock : zone of its times.
    drug : its radiopharmaceutical item, None if absent.
    nuclide : its radionuclide.
    decay_correction : NONE, START or ADMIN.
    decisions : what was decided so far.
    """

    headers: tuple[Header, ...]
    dataset: Dataset
    where: str
    clock: Clock
    drug: Dataset | None
    nuclide: HeaderNuclide
    decay_correction: str
    decisions: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of planes."""
        return len(self.headers)

    @cached_property
    def starts(self) -> tuple[datetime, ...] | None:
        """Start of the acquisition of each plane, as stated; None if any is not. Raises TimeError."""
        starts = []
        for header in self.headers:
            start = self.clock.moment(header.dataset, "AcquisitionDate", "AcquisitionTime")
            if start is None:
                start = self.clock.date_time(header.dataset, "AcquisitionDateTime")
            if start is None:
                return None
            starts.append(start)
        return tuple(starts)


def pet_header(arranged: Stack, inputs: OperatorOverrides) -> PetHeader:
    """Check a PET series and gather what its images share.

    Raises
    ------
    DicomError
        If images differ in what they need to share, the intercept is not 0, or attenuation or decay are not corrected.
    """
    where = arranged.series.label
    headers = tuple(frame.header for frame in arranged.frames)
    dataset = headers[0].dataset
    for keyword in _SHARED:
        require_same(headers, Tag(keyword), label(keyword))
    for attribute in _PRIVATE:
        require_same(headers, attribute.tag_in(dataset) or attribute.usual_tag, attribute.label)
    for frame in arranged.frames:
        if frame.intercept != 0:
            raise DicomError(
                f"{label('RescaleIntercept')} of {frame.header.path} is {frame.intercept:g}, but must be 0 in PET."
            )
        if not _SLOPES[0] <= frame.slope <= _SLOPES[1]:
            raise DicomError(
                f"{label('RescaleSlope')} of {frame.header.path} is {frame.slope:g}, which is impossible: "
                "export the series again."
            )
    _refuse_projections(dataset, where)
    clock = clock_of(dataset, where, inputs.time_zone)
    drug = drug_item(dataset, where)
    nuclide = header_nuclide(drug, where, inputs.nuclide)
    decay_correction, notes = _corrections(headers, dataset, where)
    slopes = sorted({frame.slope for frame in arranged.frames})
    scale = f"{slopes[0]:.9g}" if len(slopes) == 1 else f"{slopes[0]:.6g} to {slopes[-1]:.6g}, each plane's own"
    if inputs.acquisition_time is not None:
        notes.append(f"Acquisition at {inputs.acquisition_time.isoformat()}, as the operator stated.")
    decisions = (
        *arranged.decisions,
        f"Rescale slope {scale}, intercept 0.",
        *notes,
        clock.decision,
        *nuclide.decisions,
    )
    return PetHeader(headers, dataset, where, clock, drug, nuclide, decay_correction, decisions)


def _refuse_projections(dataset: Dataset, where: str) -> None:
    """Rotating views of a PET (PS3.3 C.8.9.1.1.4) are written in its units, and are no volume of the patient."""
    for keyword in ("SeriesType", "ImageType"):
        found = words(dataset, keyword, where)
        if _PROJECTED & set(found):
            shown = "\\".join(found)
            raise DicomError(
                f"{label(keyword)} of {where} is {shown}: projections of the patient, no tomogram; choose the PET "
                "series."
            )


def _corrections(headers: tuple[Header, ...], dataset: Dataset, where: str) -> tuple[str, list[str]]:
    corrected = words(dataset, "CorrectedImage", where)
    name = label("CorrectedImage")
    if "ATTN" not in corrected:
        shown = "\\".join(corrected) or "missing"
        raise DicomError(f"{name} of {where} is {shown}, without attenuation correction (ATTN): choose another series.")
    decay_correction = text(dataset, "DecayCorrection", where).upper()
    if decay_correction not in DECAY_CORRECTIONS:
        raise DicomError(
            f"{label('DecayCorrection')} of {where} is '{decay_correction}', but must be "
            f"{', '.join(DECAY_CORRECTIONS)}."
        )
    decayed = "DECY" in corrected or "DECAY" in corrected
    decisions = [f"Decay Correction is {decay_correction}; attenuation is corrected."]
    if decay_correction != "NONE" and not decayed:
        raise DicomError(
            f"{name} of {where} lacks decay correction (DECY), but {label('DecayCorrection')} is {decay_correction}: "
            "which holds is not known; export the series again."
        )
    factors = [number(header.dataset, "DecayFactor", str(header.path)) for header in headers]
    if decay_correction == "NONE" and any(factor is not None and abs(factor - 1) > _ROUNDING for factor in factors):
        raise DicomError(
            f"{label('DecayCorrection')} of {where} is NONE, but {label('DecayFactor')} is not 1: which holds is not "
            "known; export the series again."
        )
    if any(factor is not None and factor < 1 - _ROUNDING for factor in factors):
        raise DicomError(f"{label('DecayFactor')} of {where} is below 1: decay correction only raises activity.")
    if decay_correction == "NONE" and decayed:
        decisions.append(f"{name} names DECY, but Decay Correction is NONE: that is followed.")
    return decay_correction, decisions
