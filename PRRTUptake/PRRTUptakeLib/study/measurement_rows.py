"""A visit's result as rows of ``measurements.csv``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PRRTUptakeLib.study.measurements import Measurement
from PRRTUptakeLib.study.model import IMAGE_WORDS
from PRRTUptakeLib.study.placement import manual_shift_of
from PRRTUptakeLib.study.visit_uptakes import liver_ratio_metric, ratio_metric

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.preparation import Prepared, SizedLesion
    from PRRTUptakeLib.study.visit import VisitLabels, VisitResult
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue

# Metric word -> attribute of RegionMetrics; these carry the image's unit.
_IN_IMAGE_UNITS = {"mean": "mean", "sd": "sd", "min": "minimum", "max": "maximum", "median": "median"}


def measurement_rows(result: VisitResult) -> tuple[Measurement, ...]:
    """All that was measured, in long form: regions, sizes, T/N with every kind of reference, the ratio of the lobes.

    ``tn_ratio`` is on the target lesions and is the protocol's; ``tn_ratio_aggregated`` on the lobes;
    ``treated_control_ratio`` (``left_right_ratio`` while blinded) on the patient. In a design without lobes,
    ``tn_ratio`` is there for all lesions and ``organ_to_liver_ratio`` for organs. A metric with ``:KIND`` behind it
    shows what another kind of reference region would have given. Where the visit's uptakes are known with their
    intervals, these rows have the uncertainty and are followed by ``METRIC_corrected``, or ``METRIC_uncorrected`` where
    the protocol's ``partial_volume`` makes the corrected value the result.
    """
    rows = [row for segment in result.prepared.segmentation for row in _region_rows(result, segment)]
    targets = {lesion.segment.name for lesion in result.prepared.targets}
    rows += [
        _row(result.labels, segment, liver_ratio_metric(segment), result.liver_ratios[segment.name], "1")
        for segment in result.prepared.segmentation
        if segment.name in result.liver_ratios and segment.name not in targets
    ]
    for lesion in result.prepared.lesions:
        rows += diameter_rows(result.labels, lesion, IMAGE_WORDS[result.protocol.imaging.contours_on])
        target = next((item for item in result.targets if item.lesion_id == lesion.lesion.lesion_id), None)
        if target is not None:
            rows.append(_row(result.labels, lesion.segment, "tn_ratio", target.tn_ratio, "1"))
            rows.append(_row(result.labels, lesion.segment, "expected_recovery", target.recovery, "1"))
            rows.append(_row(result.labels, lesion.segment, "border_recovery", target.border_recovery, "1"))
            if target.corrected is not None:
                corrected, units = target.corrected.corrected, result.image.units
                rows.append(_row(result.labels, lesion.segment, "mean_corrected", corrected, units))
        manual_shift = manual_shift_of(lesion.segment, result.manual_shifts)
        if manual_shift is not None:
            rows += manual_shift.rows(_row(result.labels, lesion.segment, "", 0.0, "mm"))
    return _with_intervals((*rows, *_lobe_rows(result)), result)


def _with_intervals(rows: tuple[Measurement, ...], result: VisitResult) -> tuple[Measurement, ...]:
    """The rows with their uncertainty, each followed by its other value."""
    there = {(row.region, row.metric) for row in rows}
    found: list[Measurement] = []
    for row in rows:
        one = result.quantities.get((row.region, row.metric))
        if one is None:
            found.append(row)
            continue
        found.append(replace(_with_interval(row, one.result), shared_uncertainty=one.shared_u))
        word = "uncorrected" if one.is_corrected else "corrected"
        if (row.region, f"{row.metric}_{word}") not in there:  # the phantom's is there already
            found.append(replace(_with_interval(row, one.other), metric=f"{row.metric}_{word}"))
    return tuple(found)


def _with_interval(row: Measurement, known: UncertainValue) -> Measurement:
    return replace(row, value=known.value, uncertainty=known.u, lower_95=known.lower, upper_95=known.upper)


def diameter_rows(labels: VisitLabels, lesion: SizedLesion, image: str) -> list[Measurement]:
    """The three diameters of a lesion, in mm, from the anatomical image, which ``image`` names (CT or MRI)."""
    size = lesion.size
    return [
        _row(labels, lesion.segment, "longest_axial_diameter", size.longest_axial_mm, "mm", image),
        _row(labels, lesion.segment, "perpendicular_diameter", size.perpendicular_mm, "mm", image),
        _row(labels, lesion.segment, "longest_3d_diameter", size.longest_3d_mm, "mm", image),
    ]


def size_rows(labels: VisitLabels, prepared: Prepared) -> tuple[Measurement, ...]:
    """Diameters and volume of every lesion of a visit that has no measured image, such as CT at follow-up."""
    rows: list[Measurement] = []
    for lesion in prepared.lesions:
        rows += diameter_rows(labels, lesion, labels.image)
        rows.append(_row(labels, lesion.segment, "volume", lesion.size.volume_mL, "mL"))
    return tuple(rows)


def _region_rows(result: VisitResult, segment: Segment) -> list[Measurement]:
    metrics = result.metrics.get(segment.name)
    if metrics is None:
        return []
    rows = [
        _row(result.labels, segment, word, getattr(metrics, attribute), metrics.units)
        for word, attribute in _IN_IMAGE_UNITS.items()
    ]
    rows.append(_row(result.labels, segment, "volume", metrics.volume_mL, "mL"))
    return rows


def _lobe_rows(result: VisitResult) -> list[Measurement]:
    rows: list[Measurement] = []
    kind = result.protocol.reference.kind
    for other, found in result.sensitivity.items():
        suffix = "" if other == kind else f":{other}"
        for lobe in ("left", "right"):
            rows += _named(result, f"{lobe} lobe", "lobe", lobe, f"tn_ratio_aggregated{suffix}", found[lobe])
        word = ratio_metric(result.labels.treated_lobe)
        rows += _named(result, "patient", "", "none", f"{word}{suffix}", found["ratio"])
    return rows


def _row(labels: VisitLabels, segment: Segment, metric: str, value: float, unit: str, image: str = "") -> Measurement:
    return Measurement(
        labels.patient,
        labels.cycle,
        labels.visit,
        image or labels.image,
        segment.name,
        segment.role,
        segment.lobe or "none",
        segment.lesion_id,
        metric,
        float(value),
        unit,
    )


def _named(
    result: VisitResult, region: str, role: str, lobe: str, metric: str, value: float | None
) -> list[Measurement]:
    """One row, or none where there is no value."""
    if value is None:
        return []
    labels = result.labels
    names = (labels.patient, labels.cycle, labels.visit, labels.image, region, role, lobe, "", metric)
    return [Measurement(*names, float(value), "1")]
