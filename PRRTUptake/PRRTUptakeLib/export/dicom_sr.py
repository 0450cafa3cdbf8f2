"""Measurements as a DICOM structured report by template TID 1500 (PS3.16), and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import highdicom
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TimePointContext,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.sr.codedict import codes

from PRRTUptakeLib.export.dicom_codes import coded, metric_code, metric_of, unit_code
from PRRTUptakeLib.export.dicom_objects import (
    MANUFACTURER,
    MODEL,
    PRIVATE,
    SERIAL,
    finish,
    own_uids,
    source_images,
    tracking_uid,
)
from PRRTUptakeLib.export.dicom_seg import segment_numbers
from PRRTUptakeLib.export.errors import ExportError
from PRRTUptakeLib.segmentation.codes import structure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from PRRTUptakeLib.dicom.series import Series
    from PRRTUptakeLib.segmentation.segments import Segmentation
    from PRRTUptakeLib.study.measurements import Measurement as Row

SR_NUMBER = 9003
_UPPER = CodedConcept("371886008", "SCT", "+, range of upper measurement uncertainty")
_LIMITS = {
    "lower_95": CodedConcept("LOWER_95", PRIVATE, "Lower limit of the 95 % interval"),
    "upper_95": CodedConcept("UPPER_95", PRIVATE, "Upper limit of the 95 % interval"),
}
_PROCEDURES = {
    "NM": CodedConcept("371572003", "SCT", "Nuclear medicine procedure"),
    "PT": CodedConcept("371572003", "SCT", "Nuclear medicine procedure"),
}
_IMAGING = CodedConcept("363679005", "SCT", "Imaging procedure")


@dataclass(frozen=True)
class ReportedValue:
    """One measurement as a report holds it; ``uncertainty`` and the 95 % limits are nan where none is stated."""

    tracking_id: str
    tracking_uid: str
    metric: str
    value: float
    unit: str
    uncertainty: float = math.nan
    lower_95: float = math.nan
    upper_95: float = math.nan


def measurement_report(
    rows: Sequence[Row],
    segmentation: Segmentation,
    seg: Dataset,
    series: Series,
    visit: str,
    others: Sequence[Series] = (),
) -> Dataset:
    """The rows of one visit as a TID 1500 report; regions refer to their segments of ``seg`` by tracking UID.

    Rows whose metric has a kind behind a colon (what another reference would have given) stay in the table only. The
    limits of a 95 % interval, which need not be symmetric, are properties of the value (LOWER_95, UPPER_95 of 99PRRT).

    Parameters
    ----------
    rows : measurements of the visit.
    segmentation : the measured regions.
    seg : the SEG made of them.
    series : the measured image.
    visit : the time point's name.
    others : further images that the values come from: bed positions joined to ``series``.

    Raises
    ------
    ExportError
        If there are no rows, or a value is infinite.
    """
    known = [row for row in rows if not math.isnan(row.value)]  # a region without a voxel centre has no minimum
    kept = sorted((row for row in known if ":" not in row.metric), key=lambda row: row.region)
    if not kept:
        raise ExportError(f"Visit '{visit}' has no measurements: nothing to write as DICOM SR.")
    for row in kept:
        if not math.isfinite(row.value):
            raise ExportError(f"'{row.metric}' of '{row.region}' is {row.value}, which a report cannot hold.")
    groups = [
        _group(region, list(group), segmentation, seg, series, visit)
        for region, group in groupby(kept, key=lambda row: row.region)
    ]
    sources = source_images(series)
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer()),
        procedure_reported=_PROCEDURES.get(series.modality, _IMAGING),
        imaging_measurements=groups,
    )
    document = Comprehensive3DSR(
        evidence=[seg, *sources, *(image for one in others for image in source_images(one))],
        content=report,
        series_number=SR_NUMBER,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        **own_uids(),
    )
    document.ManufacturerModelName = MODEL
    return finish(document, sources[0], "PRRT measurements")


def read_report(path: Path) -> tuple[ReportedValue, ...]:
    """Every measurement of a TID 1500 report that SlicerPRRT wrote.

    Raises
    ------
    ExportError
        If the file is no such report, or holds codes that are not known.
    """
    try:
        document = highdicom.sr.srread(path)
        groups = [
            *document.content.get_volumetric_roi_measurement_groups(),
            *document.content.get_image_measurement_groups(),
        ]
    except Exception as error:  # pydicom and highdicom raise many kinds
        raise ExportError(f"{path} is not a measurement report by TID 1500 ({error}).") from error
    return tuple(_value(group, item, str(path)) for group in groups for item in group.get_measurements())


def _observer() -> ObserverContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=tracking_uid("SlicerPRRT", "device"),
        name=MODEL,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL,
        serial_number=SERIAL,
    )
    return ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)


def _group(
    region: str, rows: list[Row], segmentation: Segmentation, seg: Dataset, series: Series, visit: str
) -> VolumetricROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations:
    segment = next(iter(segmentation.having(name=region)), None)
    words = (segment.lesion_id if segment else "") or region
    tracking = TrackingIdentifier(uid=tracking_uid(series.patient_id, words), identifier=words)
    measurements = [_measurement(row) for row in rows]
    time_point = TimePointContext(time_point=visit)
    number = segment_numbers(seg).get(region[:64])
    if segment is None or number is None:
        return MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking, time_point_context=time_point, measurements=measurements
        )
    item = structure(segment.structure) if segment.structure else None
    lobe = f"liver_lobe_{segment.lobe}" if segment.lobe in ("left", "right", "caudate") else ""
    sites = [FindingSite(anatomic_location=coded(structure(lobe).code))] if lobe else None
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        time_point_context=time_point,
        referenced_segment=ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=number,
            source_series=SourceSeriesForSegmentation(series.uid),
        ),
        finding_type=coded(item.code) if item else None,
        finding_sites=sites,
        measurements=measurements,
    )


def _measurement(row: Row) -> Measurement:
    name, derivation = metric_code(row.metric, row.unit)
    properties = None
    if math.isfinite(row.uncertainty):
        properties = MeasurementProperties(
            upper_measurement_uncertainty=row.uncertainty, lower_measurement_uncertainty=row.uncertainty
        )
    unit = unit_code(row.unit)
    made = Measurement(name=name, value=row.value, unit=unit, derivation=derivation, properties=properties)
    for child in made[0].get("ContentSequence", []):
        if _is_number(child):  # highdicom says "no units", but the uncertainty has those of the value
            child.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [unit]
    if math.isfinite(row.lower_95) and math.isfinite(row.upper_95):
        _add_limits(made, row, unit)
    return made


def _add_limits(made: Measurement, row: Row, unit: CodedConcept) -> None:
    """Both ends of the 95 % interval, as properties: a measurement of the same name might be taken for the value."""
    known = list(made[0].get("ContentSequence", []))
    known += [
        NumContentItem(
            name=code, value=getattr(row, limit), unit=unit, relationship_type=RelationshipTypeValues.HAS_PROPERTIES
        )
        for limit, code in _LIMITS.items()
    ]
    made[0].ContentSequence = known


def _value(group: VolumetricROIMeasurementsAndQualitativeEvaluations, item: Measurement, where: str) -> ReportedValue:
    properties = {child.name: float(child.value) for child in item[0].get("ContentSequence", []) if _is_number(child)}
    return ReportedValue(
        str(group.tracking_identifier),
        str(group.tracking_uid),
        metric_of(item.name, item.derivation, where),
        float(item.value),
        item.unit.value,
        properties.get(_UPPER, math.nan),
        **{limit: properties.get(code, math.nan) for limit, code in _LIMITS.items()},
    )


def _is_number(item: Dataset) -> bool:
    return "MeasuredValueSequence" in item
