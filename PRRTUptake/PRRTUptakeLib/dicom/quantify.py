"""Activity concentration at a stated time, from any emission series: the front of this room."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydicom.tag import Tag

from PRRTUptakeLib.dicom.administration import administration, drug_item, injection_time
from PRRTUptakeLib.dicom.body import factor_from_bw, header_body
from PRRTUptakeLib.dicom.enhanced_pet import ENHANCED_PET_STORAGE, enhanced_pet_values, frame_mappings
from PRRTUptakeLib.dicom.errors import DicomError, OverrideError
from PRRTUptakeLib.dicom.headers import label, number, text
from PRRTUptakeLib.dicom.nm import decay_factor, nm_concentration
from PRRTUptakeLib.dicom.nuclides import HeaderNuclide, header_nuclide
from PRRTUptakeLib.dicom.operator_overrides import OperatorOverrides, Quantified
from PRRTUptakeLib.dicom.padding import padding_note
from PRRTUptakeLib.dicom.pet import PetSeries
from PRRTUptakeLib.dicom.plausibility import Held, doubts_of
from PRRTUptakeLib.dicom.reading import NM_STORAGE, arrange, provenance
from PRRTUptakeLib.dicom.real_world import CONCENTRATION, SUV, mappings_of, of_kind, unit_of
from PRRTUptakeLib.dicom.series import series_of_headers
from PRRTUptakeLib.dicom.shared_attributes import require_same
from PRRTUptakeLib.dicom.times import Clock, ImageTime, clock_of
from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.imaging.volume import Grid, Volume
from PRRTUptakeLib.vocabulary import SUV_UNITS

if TYPE_CHECKING:
    from datetime import datetime

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.nm import Concentration
    from PRRTUptakeLib.dicom.reading import Stack
    from PRRTUptakeLib.dicom.series import Series


PET_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
_CONVERTED_PET = "1.2.840.10008.5.1.4.1.1.128.1"


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
        raise DicomError(f"The reference time {reference_time} has no time zone: give it one.")
    beds = files_of_beds(series)
    if beds:
        from PRRTUptakeLib.dicom.bed_positions import join_beds  # here, since it quantifies each bed

        return join_beds([quantify(bed, inputs, reference_time) for bed in beds], [bed.files[0].name for bed in beds])
    if series.sop_class in (NM_STORAGE, ENHANCED_PET_STORAGE) or is_pet_of_unstated_units(series, inputs):
        return _quantify_nm(arrange(series), inputs, reference_time)
    if series.sop_class == PET_STORAGE:
        return _quantify_pet(arrange(series), inputs, reference_time)
    converted = series.sop_class == _CONVERTED_PET
    kind = "a PET that was converted, export it as it was acquired" if converted else "no emission image"
    raise DicomError(f"{series.label} is {kind}: choose a PET series or an NM tomogram.")


def files_of_beds(series: Series) -> tuple[Series, ...]:
    """The files of one NM series that are bed positions, each a tomogram of its own; none if it is one image.

    Each was acquired on its own, for as long and at the time that it states.
    """
    if series.sop_class != NM_STORAGE or len(series.headers) < 2:
        return ()
    from PRRTUptakeLib.dicom.bed_positions import continue_each_other

    if any((number(one.dataset, "NumberOfFrames", str(one.path)) or 1) < 2 for one in series.headers):
        return ()  # a file for each slice
    beds = tuple(
        replace(series, files=(one.path,), headers=(one,), started=series_of_headers([one]).started)
        for one in series.headers
    )
    return beds if continue_each_other(beds) else ()


def is_pet_of_unstated_units(series: Series, inputs: OperatorOverrides) -> bool:
    """Whether it is a SPECT that software stored as PET without Units, and the operator says what its values are."""
    if series.sop_class != PET_STORAGE or (inputs.units is None and inputs.calibration is None):
        return False
    dataset, where = series.headers[0].dataset, series.label
    units = text(dataset, "Units", where)
    if units:
        raise DicomError(
            f"{label('Units')} of {where} is {units}: a calibration or unit cannot be stated for it; leave it out."
        )
    return True


def _quantify_pet(arranged: Stack, inputs: OperatorOverrides, reference_time: datetime | None) -> Quantified:
    pet = PetSeries(arranged, inputs)
    scaling = pet.as_concentration()
    decisions, factors, time = list(scaling.decisions), scaling.factors, scaling.time
    if reference_time is not None and time is not None:
        factor, note = _decay(pet.head.nuclide, time, reference_time, arranged.series.label)
        factors, time = factors * factor, reference_time
        decisions.append(note)
    array, total, _ = arranged.scaled_and_summed(factors)
    decisions += _pet_doubts(pet, total, time)
    return _quantified(arranged, array, time, decisions, pet.head.nuclide, pet.scan_start())


def _pet_doubts(pet: PetSeries, total: float, time: datetime | None) -> list[str]:
    """What a PET holds against what was given, where its header says how much that was."""
    half_life_s = pet.head.nuclide.half_life_s
    try:
        given = pet.given
    except OverrideError:
        raise
    except PRRTError as error:
        return [f"What the image holds was not compared with the activity given. {error}"]
    left_Bq = given.activity_Bq
    if time is not None and given.time is not None and half_life_s is not None:
        left_Bq *= decay_factor(half_life_s, (time - given.time).total_seconds())
    voxel_mL = Grid(pet.arranged.shape, pet.arranged.ijk_to_ras).voxel_volume_mL
    volume_mL = voxel_mL * float(np.prod(pet.arranged.shape))
    sources = f"{pet.meaning.source}, {label('RescaleSlope')} or {label('RadionuclideTotalDose')}"
    return list(doubts_of(Held(total * voxel_mL / left_Bq, volume_mL), pet.head.where, sources))


def _quantified(
    arranged: Stack,
    array: np.ndarray,
    time: datetime | None,
    decisions: list[str],
    nuclide: HeaderNuclide,
    scanned: datetime | None = None,
) -> Quantified:
    decisions += padding_note(arranged.outside_field)
    made = provenance(arranged, decisions)
    if scanned is not None:
        made["scanned_at"] = scanned.isoformat()
    volume = Volume(
        array,
        arranged.ijk_to_ras,
        "activity concentration",
        "Bq/ml",
        time,
        made,
        outside_field=arranged.outside_field,
    )
    return Quantified(volume, tuple(decisions), nuclide.name, nuclide.half_life_s)


@dataclass(frozen=True, eq=False)
class _Tomogram:
    """An NM series as values, and what its header says about nuclide and time."""

    held: Concentration
    clock: Clock
    nuclide: HeaderNuclide
    decisions: list[str]


def _tomogram(arranged: Stack, inputs: OperatorOverrides) -> _Tomogram:
    where = arranged.series.label
    dataset = arranged.frames[0].header.dataset
    clock = clock_of(dataset, where, inputs.time_zone)
    nuclide = header_nuclide(drug_item(dataset, where), where, inputs.nuclide)
    if arranged.series.sop_class == ENHANCED_PET_STORAGE:
        _require_one_image(arranged)
        held = enhanced_pet_values(arranged, clock, nuclide, inputs)
        decisions = [*arranged.decisions, clock.decision, *nuclide.decisions, *held.decisions]
        return _Tomogram(held, clock, nuclide, decisions)
    _require_one_image(arranged)
    started, notes = _acquisition_start(arranged, clock, inputs)
    voxel_mL = Grid(arranged.shape, arranged.ijk_to_ras).voxel_volume_mL
    held = nm_concentration(arranged, started, voxel_mL, inputs)
    decisions = [*arranged.decisions, clock.decision, *notes, *nuclide.decisions, *held.decisions]
    made = _Tomogram(held, clock, nuclide, decisions)
    if text(dataset, "DecayCorrection", where).upper() == "ADMIN":
        _undo_correction_to_injection(dataset, where, made, inputs)
    return made


_OF_ONE_ENHANCED_PET = (  # frames have their own mappings and times
    "AttenuationCorrected",
    "DecayCorrected",
    "DecayCorrectionDateTime",
    "RadiopharmaceuticalInformationSequence",
    "PatientWeight",
    "PatientSize",
)
_OF_ONE_IMAGE = (
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "RotationInformationSequence",
    "RealWorldValueMappingSequence",
    "SharedFunctionalGroupsSequence",
    "RadiopharmaceuticalInformationSequence",
    "CorrectedImage",
    "DecayCorrection",
    "ActualFrameDuration",
    "NumberOfFramesInRotation",
    "PatientWeight",
    "PatientSize",
)


def _require_one_image(arranged: Stack) -> None:
    """The files of a tomogram that is written slice by slice must say the same of what makes counts activity."""
    headers = tuple({frame.header.path: frame.header for frame in arranged.frames}.values())
    enhanced = arranged.series.sop_class == ENHANCED_PET_STORAGE
    for keyword in (_OF_ONE_ENHANCED_PET if enhanced else _OF_ONE_IMAGE) if len(headers) > 1 else ():
        if arranged.series.sop_class == PET_STORAGE and keyword.startswith("Acquisition"):
            continue  # in PET each plane has its own
        require_same(
            headers,
            Tag(keyword),
            f"{label(keyword)} of {arranged.series.label}",
            "export one tomogram, or each bed position as a series of its own",
        )


def _undo_correction_to_injection(dataset: Dataset, where: str, made: _Tomogram, inputs: OperatorOverrides) -> None:
    """Bring values that were corrected to the injection back to the moment at which they are said to hold, in place.

    Raises
    ------
    DicomError
        If the injection's time or the nuclide is missing.
    """
    if made.held.suv_kind:
        return  # an SUV is the same at any moment
    image = ImageTime(made.held.time, _NM_TIME)
    injected, _ = injection_time(drug_item(dataset, where), made.clock, image, made.nuclide, inputs)
    if injected is None or made.nuclide.half_life_s is None:
        raise DicomError(
            f"{label('DecayCorrection')} of {where} is ADMIN, so its values are corrected to the injection, whose time "
            "or nuclide is missing: give the injection time and the nuclide."
        )
    factor = decay_factor(made.nuclide.half_life_s, (made.held.time - injected).total_seconds())
    np.multiply(made.held.array, np.float32(factor), out=made.held.array)
    made.decisions.append(
        f"Decay Correction is ADMIN: the values are decayed from the injection at {injected.isoformat()}, factor "
        f"{factor:.6g}."
    )


def _quantify_nm(arranged: Stack, inputs: OperatorOverrides, reference_time: datetime | None) -> Quantified:
    where = arranged.series.label
    dataset = arranged.frames[0].header.dataset
    made = _tomogram(arranged, inputs)
    held, nuclide, decisions, time = made.held, made.nuclide, made.decisions, made.held.time
    if held.suv_kind:
        decisions += _to_concentration(dataset, where, made, inputs)
    decisions += _nm_doubts(arranged, made, inputs)
    if reference_time is not None:
        factor, decay_note = _decay(nuclide, time, reference_time, where)
        np.multiply(held.array, np.float32(factor), out=held.array)
        decisions.append(decay_note)
        time = reference_time
    else:
        decisions.append(f"The values hold at {time.isoformat()}.")
    return _quantified(arranged, held.array, time, decisions, nuclide)


def nm_suv(series: Series, kind: str, inputs: OperatorOverrides) -> tuple[Volume, tuple[str, ...]] | None:
    """The SUVs that an NM series is mapped to, without a way over activity; None if it is not mapped to SUVs only.

    Raises
    ------
    PRRTError
        If the operator states what went into the SUV already, or the patient's size is needed and missing.
    """
    if not maps_to_suv_only(series, inputs):
        return None
    arranged = arrange(series)
    where, dataset = series.label, arranged.frames[0].header.dataset
    for name in ("weight_kg", "activity_MBq", "injection_time", "residual_MBq"):
        if getattr(inputs, name) is not None and (kind == "bw" or name != "weight_kg"):
            raise DicomError(
                f"{where} holds SUVs that were made elsewhere: the operator's {name.rpartition('_')[0]} cannot replace "
                "what went into them; leave it out."
            )
    made = _tomogram(arranged, inputs)
    array, decisions = made.held.array, made.decisions
    if kind != made.held.suv_kind:
        body = header_body(dataset, where, inputs)
        factor = factor_from_bw(kind, body) / factor_from_bw(made.held.suv_kind, body)
        np.multiply(array, np.float32(factor), out=array)
        decisions += [*body.decisions, f"SUV {kind} = SUV {made.held.suv_kind} x {factor:.6g}."]
    highest = float(array.max())
    decisions += doubts_of(Held(0.0, 0.0, highest), where, "the Real World Value Mapping")
    decisions += padding_note(arranged.outside_field)
    volume = Volume(
        array,
        arranged.ijk_to_ras,
        f"SUV{kind}",
        SUV_UNITS[kind],
        made.held.time,
        provenance(arranged, decisions),
        outside_field=arranged.outside_field,
    )
    return volume, tuple(decisions)


def maps_to_suv_only(series: Series, inputs: OperatorOverrides) -> bool:
    """Whether the values of an NM series are SUVs, by its mappings or the operator's word."""
    if series.sop_class not in (NM_STORAGE, ENHANCED_PET_STORAGE) or inputs.calibration is not None:
        return False
    if inputs.units is not None:
        unit = unit_of(inputs.units)
        return unit is not None and unit.kind == SUV
    dataset, where = series.headers[0].dataset, series.label
    enhanced = series.sop_class == ENHANCED_PET_STORAGE
    mappings = frame_mappings(dataset, 0, where) if enhanced else mappings_of(dataset, where)
    found = of_kind(mappings, CONCENTRATION, SUV)
    return bool(found) and found[0].unit.kind == SUV


def _to_concentration(dataset: Dataset, where: str, made: _Tomogram, inputs: OperatorOverrides) -> list[str]:
    """Bq/ml = SUVbw x activity at that moment / weight, in place; what was used, in sentences."""
    held = made.held
    body = header_body(dataset, where, inputs)
    given = administration(drug_item(dataset, where), made.clock, ImageTime(held.time, _NM_TIME), made.nuclide, inputs)
    if given.time is None or made.nuclide.half_life_s is None:
        missing = "RadionuclideHalfLife" if given.time else "RadiopharmaceuticalStartDateTime"
        raise DicomError(
            f"{label(missing)} of {where} is missing, and its SUVs need it to become activity: give the injection time "
            "and the nuclide."
        )
    elapsed_s = (held.time - given.time).total_seconds()
    activity_Bq = given.activity_Bq / given.net_fraction * decay_factor(made.nuclide.half_life_s, elapsed_s)
    factor = activity_Bq / (body.weight_kg * 1000) / factor_from_bw(held.suv_kind, body)
    np.multiply(held.array, np.float32(factor), out=held.array)
    return [*given.decisions, *body.decisions, f"Bq/ml = SUV {held.suv_kind} x {factor:.6g}."]


_NM_TIME = f"{label('AcquisitionDate')} and {label('AcquisitionTime')}"


def _nm_doubts(arranged: Stack, made: _Tomogram, inputs: OperatorOverrides) -> list[str]:
    """What the tomogram holds against what was given, where the header or the operator says how much that was."""
    where, dataset = arranged.series.label, arranged.frames[0].header.dataset
    drug = drug_item(dataset, where)
    image = ImageTime(made.held.time, _NM_TIME)
    try:
        given = administration(drug, made.clock, image, made.nuclide, inputs)
    except OverrideError:
        raise
    except PRRTError as error:
        return [f"What the image holds was not compared with the activity given. {error}"]
    left_Bq = given.activity_Bq
    if given.time is not None and made.nuclide.half_life_s is not None:
        left_Bq *= decay_factor(made.nuclide.half_life_s, (made.held.time - given.time).total_seconds())
    grid = Grid(arranged.shape, arranged.ijk_to_ras)
    total_Bq = float(made.held.array.sum(dtype=np.float64)) * grid.voxel_volume_mL
    volume_mL = grid.voxel_volume_mL * made.held.array.size
    sources = f"the calibration or {label('RadionuclideTotalDose')}"
    return list(doubts_of(Held(total_Bq / left_Bq, volume_mL), where, sources))


def _acquisition_start(arranged: Stack, clock: Clock, inputs: OperatorOverrides) -> tuple[datetime, list[str]]:
    if inputs.acquisition_time is not None:
        return inputs.acquisition_time, [f"Acquisition at {inputs.acquisition_time.isoformat()}, by the operator."]
    dataset, where = arranged.frames[0].header.dataset, arranged.series.label
    found = clock.date_time(dataset, "AcquisitionDateTime")
    if found is None:
        found = clock.moment(dataset, "AcquisitionDate", "AcquisitionTime")
    if found is None:
        raise DicomError(
            f"{label('AcquisitionDate')} or {label('AcquisitionTime')} of {where} is missing: give the acquisition "
            "time."
        )
    return found, []


def _decay(nuclide: HeaderNuclide, held: datetime, wanted: datetime, where: str) -> tuple[float, str]:
    if nuclide.half_life_s is None:
        raise DicomError(f"The radionuclide of {where} is missing, so it cannot be decayed: state it.")
    factor = decay_factor(nuclide.half_life_s, (wanted - held).total_seconds())
    return factor, f"Decayed from {held.isoformat()} to {wanted.isoformat()}, factor {factor:.6g}."
