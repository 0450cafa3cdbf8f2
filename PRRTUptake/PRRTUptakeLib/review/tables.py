"""Tables of the page: lesions, regions, doses and curves, as plain values from a result or from a dragged plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.formatting import number, with_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.review.live_plane import LiveNumbers
    from PRRTUptakeLib.study.model import StudyResult
    from PRRTUptakeLib.study.preparation import SizedLesion
    from PRRTUptakeLib.study.visit import VisitResult


def visit_result(result: StudyResult | None, key: tuple[int, str]) -> VisitResult | None:
    """The measured visit of a key, None where it was not measured by itself."""
    if result is None:
        return None
    return next((one for one in result.visits if (one.labels.cycle, one.labels.visit) == key), None)


def _lesion_row(
    name: str, lobe: str, target: str, diameter: float | None, tumour: float | None, ratio: str, reason: str
) -> dict[str, Any]:
    return {
        "id": name,
        "lobe": lobe,
        "target": target,
        "diameter": "" if diameter is None else f"{diameter:.1f}",
        "tumour": number(tumour, 4),
        "tn": ratio,
        "reason": reason,
    }


def measured_lesions(visit: VisitResult) -> list[dict[str, Any]]:
    """One row per lesion, targets with T/N and its interval."""
    targets = {one.lesion_id: one for one in visit.targets}
    rows = []
    for lesion in visit.prepared.lesions:
        name = lesion.lesion.lesion_id
        target = targets.get(name)
        metrics = visit.metrics.get(lesion.segment.name)
        ratio = ""
        if target is not None:
            known = target.known.result if target.known is not None else None
            ratio = number(target.tn_ratio, 4)
            if known is not None:
                ratio = with_interval(target.tn_ratio, (known.lower, known.upper), 4)
        rows.append(
            _lesion_row(
                name,
                lesion.segment.lobe,
                "target" if lesion.decision.is_target else "",
                lesion.size.longest_axial_mm,
                metrics.mean if metrics is not None else None,
                ratio,
                lesion.decision.reason,
            )
        )
    return rows


def live_lesions(numbers: LiveNumbers) -> list[dict[str, Any]]:
    """The same while the plane is dragged, without intervals."""
    return [
        _lesion_row(
            one.lesion_id,
            one.lobe,
            "target" if one.is_target else "",
            one.diameter_mm,
            one.tumour,
            number(one.tn_ratio, 4) if one.is_target else "",
            one.reason,
        )
        for one in numbers.lesions
    ]


def lesion_rows_of(
    result: StudyResult, key: tuple[int, str], blinded: bool, lesions: Sequence[SizedLesion] = ()
) -> list[dict[str, Any]]:
    """Rows of a design whose visits are not measured by themselves: uptake in one visit, and the ratio of routes.

    The ratio is hidden from blinded readers, since it says which image is which. ``lesions`` give the diameters.
    """
    sizes = {one.lesion.lesion_id: one.size.longest_axial_mm for one in lesions}
    metric = result.input.protocol.endpoint.metric
    uptake, ratio = metric.removeprefix("er_"), f"er_{metric.removeprefix('er_')}"
    found: dict[str, dict[str, Any]] = {}
    for row in result.rows:
        if row.role not in ("target", "lesion"):
            continue
        is_target = "target" * (row.role == "target")
        one = found.setdefault(
            row.lesion, _lesion_row(row.lesion, row.lobe, is_target, sizes.get(row.lesion), None, "", "")
        )
        if row.metric == uptake and (row.cycle, row.visit) == key:
            one["tumour"] = number(row.value, 4)
        elif row.metric == ratio and not blinded:
            one["tn"] = with_interval(row.value, (row.lower_95, row.upper_95), 4)
    return list(found.values())


def live_route_lesions(
    numbers: LiveNumbers, result: StudyResult | None, key: tuple[int, str], blinded: bool
) -> list[dict[str, Any]]:
    """Lobes and targets while the plane is dragged, with the measured uptake and ratio of the same lesion.

    A lesion that the plane cuts anew has none before the study is run.
    """
    known = {} if result is None else {one["id"]: one for one in lesion_rows_of(result, key, blinded)}
    rows = []
    for one in numbers.lesions:
        before = known.get(one.measured_id, {})
        target = "target" if one.is_target else ""
        row = _lesion_row(one.lesion_id, one.lobe, target, one.diameter_mm, None, before.get("tn", ""), one.reason)
        rows.append({**row, "tumour": before.get("tumour", "")})
    return rows


def route_summary(result: StudyResult, blinded: bool) -> list[dict[str, str]]:
    """The patient's enhancement ratio, hidden from blinded readers."""
    return [
        {
            "name": "enhancement ratio of the targets",
            "value": with_interval(row.value, (row.lower_95, row.upper_95), 4),
            "note": "IA/IV",
        }
        for row in result.rows
        if row.metric == "enhancement_ratio" and not blinded
    ]


def live_volumes(numbers: LiveNumbers) -> list[dict[str, str]]:
    """Volumes of the lobes while the plane is dragged."""
    return [
        {"name": f"{lobe.lobe} lobe", "value": f"{lobe.volume_mL:.0f} mL", "note": f"{lobe.fraction:.1%}"}
        for lobe in numbers.lobes
    ]


def measured_summary(visit: VisitResult, blinded: bool) -> list[dict[str, str]]:
    """T/N of each lobe and their ratio, with volumes."""
    lines = []
    for lobe in visit.lobes:
        value = "no target"
        if lobe.tn_ratio is not None:
            value = number(lobe.tn_ratio, 4)
            if lobe.known is not None:
                value = with_interval(lobe.tn_ratio, (lobe.known.result.lower, lobe.known.result.upper), 4)
        share = f"{lobe.volume_mL:.0f} mL, {lobe.fraction:.1%}"
        lines.append({"name": f"{lobe.lobe} lobe", "value": value, "note": share})
    if visit.lobe_ratio is not None:
        value, known = number(visit.lobe_ratio, 4), visit.known_ratio
        if known is not None:
            value = with_interval(visit.lobe_ratio, (known.result.lower, known.result.upper), 4)
        lines.append({"name": "left/right" if blinded else visit.ratio_name, "value": value, "note": "ratio of T/N"})
    return lines


def live_summary(numbers: LiveNumbers, name: str) -> list[dict[str, str]]:
    """The same while the plane is dragged."""
    lines = [
        {
            "name": f"{lobe.lobe} lobe",
            "value": number(numbers.aggregated.get(lobe.lobe), 4) or "no target",
            "note": f"{lobe.volume_mL:.0f} mL, {lobe.fraction:.1%}",
        }
        for lobe in numbers.lobes
    ]
    lines.append({"name": name, "value": number(numbers.ratio, 4) or "no ratio", "note": "ratio of T/N"})
    return lines


def regions(visit: VisitResult) -> list[dict[str, str]]:
    """Organs, lobes and references: volume, mean, maximum."""
    shown = [
        s for s in visit.prepared.segmentation if s.role in ("organ", "lobe", "reference") and s.name in visit.metrics
    ]
    return [
        {
            "name": s.name,
            "volume": f"{visit.metrics[s.name].volume_mL:.1f}",
            "mean": number(visit.metrics[s.name].mean, 4),
            "maximum": number(visit.metrics[s.name].maximum, 4),
        }
        for s in shown
    ]


def curve(result: StudyResult | None, region: str) -> list[dict[str, float]]:
    """Mean uptake of a region against hours after injection, over the visits that know their time."""
    if result is None or not region:
        return []
    found = []
    for visit in result.visits:
        hours = visit.injection
        moment = visit.image.reference_time
        if hours is None or moment is None or region not in visit.metrics:
            continue
        elapsed = (moment - hours.time).total_seconds() / 3600.0
        found.append({"hours": elapsed, "value": visit.metrics[region].mean})
    return sorted(found, key=lambda one: one["hours"])


def doses(result: StudyResult | None, region: str) -> list[dict[str, str]]:
    """Absorbed doses of a region, one line per cycle."""
    if result is None or not region:
        return []
    return [
        {
            "name": f"{row.metric.replace('_', ' ')}, cycle {row.cycle}",
            "value": f"{with_interval(row.value, (row.lower_95, row.upper_95), 3)} {row.unit}",
        }
        for row in result.rows
        if row.region == region and "dose" in row.metric
    ]
