"""The report of one patient: result, targets, chart, pictures, what another reference would have given, methods."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.formatting import number, with_interval
from PRRTUptakeLib.report.page import charts, folded, html_page, paragraph, section, table
from PRRTUptakeLib.report.patient_text import (
    interval_cell,
    other_cell,
    other_word,
    partial_volume_sentences,
    place_words,
    result_sentence,
    shown_unit,
    target_table,
)
from PRRTUptakeLib.report.pictures import ABDOMEN_CT, Shown, SlicePlace, Window, box_around, slice_pictures
from PRRTUptakeLib.report.plots import bar_chart
from PRRTUptakeLib.report.svg import PALETTE
from PRRTUptakeLib.segmentation.segments import UNDIVIDED
from PRRTUptakeLib.segmentation.storage_order import axial_axes, axial_grid, in_axial_order
from PRRTUptakeLib.vocabulary import LOBE_COLORS, explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.segmentation.segments import Segment
    from PRRTUptakeLib.study.model import StudyInput
    from PRRTUptakeLib.study.preparation import SizedLesion
    from PRRTUptakeLib.study.visit import VisitResult

REFERENCE_COLOR, LESION_COLOR = PALETTE[2], "#ffffff"
MARGIN_MM = 25.0
_NO_OPERATOR = "not stated (--operator, the case file's notes, or User in Slicer's settings)"


def case_report(
    title: str,
    case: StudyInput,
    warnings: Sequence[str],
    sections: tuple[Sequence[str], Sequence[str]],
    provenance: Mapping[str, Any],
    brief: bool = False,
) -> str:
    """The report of a case as one self-contained HTML page: patient, result, warnings, then all else, images used last.

    ``sections`` are those of the result, and those that follow the warnings; ``brief`` folds the list of images.
    """
    software, protocol = provenance["software"], case.protocol
    identity = {
        "Patient": case.patient,
        "DICOM patient": _dicom_patients(provenance),
        "Protocol": f"{protocol.name}: {protocol.title} ({protocol.source})",
        **({"Treated lobe": case.treated_lobe or "blinded"} if protocol.rules.by_lobe else {}),
        "Operator": str(case.notes.get("operator", _NO_OPERATOR)),
        "Made": f"{provenance['made_at']} with {software['name']} {software['version']}",
    }
    if provenance.get("deidentified"):
        identity["De-identified"] = "names and ids replaced, UIDs mapped, all dates (also of the analysis) shifted"
    first, others = sections
    return html_page(
        title, identity, warnings, [*others, *_provenance_sections(provenance, protocol.sha256, brief)], first
    )


def _provenance_sections(provenance: Mapping[str, Any], protocol_sha256: str, brief: bool) -> list[str]:
    """What it was made from and with."""
    versions = [(key, value) for key, value in provenance["software"].items() if key not in ("name", "version")]
    facts = [
        ["Protocol SHA-256", protocol_sha256],
        ["Study", "; ".join(dict.fromkeys(f"{one['visit']}: {one['study_uid']}" for one in provenance["series"]))],
        ["Versions", ", ".join(f"{key} {value}" for key, value in versions)],
    ]
    series = folded("Images", _series_section(provenance)) if brief else _series_section(provenance)
    return [series, section("Provenance", table(["what", ""], facts))]


def _dicom_patients(provenance: Mapping[str, Any]) -> str:
    """Patient ID and name that the images state, each pair once."""
    named = ((one.get("patient_id", ""), one.get("patient_name", "")) for one in provenance["series"])
    shown = dict.fromkeys(f"{number or 'no id'} ({name or 'no name'})" for number, name in named if number or name)
    return "; ".join(shown) or "not stated"


def visit_sections(result: VisitResult, brief: bool = False, pictures: bool = True) -> tuple[list[str], list[str]]:
    """The sections on one visit, as HTML: the result, and the rest.

    Parameters
    ----------
    brief : one of many visits: charts, recovery, other references and methods are folded.
    pictures : show them; else they are folded too.
    """
    labels = result.labels
    title = f"Cycle {labels.cycle}, {labels.visit}"
    on_volume = [paragraph(text, "small") for text in partial_volume_sentences(result)]
    sentence = "".join(on_volume) + paragraph(result_sentence(result), "result")
    on_result, on_pictures, on_recovery = _target_sections(result, title, sentence, brief)
    regions = [
        section(f"{title}: lesions and organs", _interval_note(result), _lesion_table(result), _organ_table(result))
    ]
    if result.protocol.rules.by_lobe:
        regions = [
            section(f"{title}: lobes and lesions", _lobe_table(result), _interval_note(result), _lesion_table(result)),
            section(f"{title}: what another reference would have given", _sensitivity_table(result)),
        ]
    details = [*on_recovery, *regions, section(f"{title}: methods", paragraph(methods(result)), _notes(result))]
    if not brief:
        return on_result, [*on_pictures, *details]
    drawn = [section(f"{title}: charts", _chart(result))] if result.targets else []
    hidden = [*on_result, *drawn, *([] if pictures else on_pictures), *details]
    return [], [*(on_pictures if pictures else []), folded(f"{title}: details", *hidden)]


def many_visits_section(visits: Sequence[VisitResult]) -> str:
    """The result of many visits in one table: T/N of targets, lobes and the patient, a column each."""
    cells: dict[str, dict[int, str]] = {}
    for n, visit in enumerate(visits):
        found = [(one.lesion_id, one.tn_ratio, one.known) for one in visit.targets]
        found += [(f"{one.lobe} lobe", one.tn_ratio, one.known) for one in visit.lobes if one.tn_ratio is not None]
        if visit.lobe_ratio is not None:
            found.append((visit.ratio_name, visit.lobe_ratio, visit.known_ratio))
        for name, value, known in found:
            interval = (math.nan, math.nan) if known is None else (known.result.lower, known.result.upper)
            cells.setdefault(name, {})[n] = with_interval(value, interval, 4)
    header = ["T/N"] + [f"cycle {one.labels.cycle}, {one.labels.visit}" for one in visits]
    rows = [[name, *(values.get(n, "") for n in range(len(visits)))] for name, values in cells.items()]
    notes = dict.fromkeys(
        text for one in visits for text in (*partial_volume_sentences(one)[:1], _interval_note_text(one))
    )
    words = [paragraph(text, "small") for text in notes if text]
    shown = table(header, rows, "With 95 % intervals; T per lesion in the details")
    return section("Result of all visits", *words, shown)


def _target_sections(
    result: VisitResult, title: str, sentence: str, brief: bool
) -> tuple[list[str], list[str], list[str]]:
    """Result, pictures and recovery; the latter two empty where there is no target."""
    if not result.targets:
        return [section(f"{title}: result", sentence)], [], []
    header, rows = target_table(result)
    note = "Target lesions: mean uptake T, reference N, T/N with its interval, and what the mean keeps of the contrast."
    chart = "" if brief else _chart(result)
    return (
        [section(f"{title}: result", sentence, table(header, rows, note), _interval_note(result), chart)],
        [section(f"{title}: pictures", paragraph(_legend(result), "small"), _pictures(result))],
        [section(f"{title}: recovery", paragraph(_recovery_words(result), "small"), _recovery_table(result))],
    )


def _interval_note(result: VisitResult) -> str:
    """One line on what the intervals hold."""
    words = _interval_note_text(result)
    return paragraph(words, "small") if words else ""


def _interval_note_text(result: VisitResult) -> str:
    return result.uptakes.interval_words if result.uptakes is not None else ""


def _chart(result: VisitResult) -> str:
    names = [target.lesion_id for target in result.targets]
    if not result.protocol.rules.by_lobe:
        return bar_chart("T/N per target lesion", names, {"T/N": [target.tn_ratio for target in result.targets]}, "T/N")
    groups = {
        f"{lobe} lobe": [target.tn_ratio if target.lobe == lobe else float("nan") for target in result.targets]
        for lobe in sorted({target.lobe for target in result.targets})
    }
    lobes = {f"{lobe.lobe} lobe": lobe.tn_ratio for lobe in result.lobes if lobe.tn_ratio is not None}
    means = {name: [ratio if name == other else math.nan for other in lobes] for name, ratio in lobes.items()}
    how = result.protocol.endpoint.aggregation.replace("-", " ")
    per_lobe = bar_chart(f"T/N per lobe, {how}", list(lobes), means, "T/N ratio")
    return charts(bar_chart("T/N per target lesion", names, groups, "T/N ratio"), per_lobe)


def _pictures(result: VisitResult) -> str:
    """A row per target: anatomy, activity, and both fused, in the slice of its longest diameter."""
    segmentation = result.prepared.segmentation
    stored, grid = segmentation.grid, axial_grid(segmentation.grid)
    liver = segmentation.having(role="lobe") or segmentation.having(role="organ", structure="liver")
    outlines = [(in_axial_order(segment, stored), color) for segment, color in _outlines(result)]
    hottest = max(
        result.metrics[lesion.segment.name].mean
        for lesion in result.prepared.targets
        if lesion.segment.name in result.metrics
    )
    activity = Window(0.0, hottest * 1.1, hot=True)
    parts = []
    measured = {target.lesion_id for target in result.targets}
    for lesion in result.prepared.targets:
        if lesion.lesion.lesion_id not in measured:
            continue
        around = liver if lesion.segment.lobe not in ("none", "") else (*liver, lesion.segment)
        box = box_around(grid, [in_axial_order(segment, stored) for segment in around], MARGIN_MM)
        where = SlicePlace(grid, _slice_of(lesion, axial_axes(stored)[0]), box)
        lobe = lesion.segment.lobe
        place = f"{lobe} lobe" if result.protocol.rules.by_lobe else place_words(lobe)
        words = f"{lesion.segment.name}, {place}, {lesion.size.longest_axial_mm:.1f} mm"
        parts.append(f'<div class="triple">{"".join(_row(result, where, outlines, activity, words))}</div>')
    return "".join(parts)


def _row(
    result: VisitResult,
    where: SlicePlace,
    outlines: Sequence[tuple[Segment, str]],
    activity: Window,
    words: str,
) -> list[str]:
    """The pictures of one slice."""
    image, name = result.image, result.labels.image
    scale, unit = shown_unit(image.units)
    shown = Shown(image, activity, unit, per_unit=scale)
    alone = (shown, f"{words}: {name}, window {_range(activity, scale)} {unit}".rstrip())
    if result.anatomy is None:
        return slice_pictures([alone], where, outlines)
    anatomy = (Shown(result.anatomy, ABDOMEN_CT, "HU"), f"{words}: CT, window {_range(ABDOMEN_CT)} HU")
    both = (Shown(result.anatomy, ABDOMEN_CT, unit, (image, activity), scale), f"{words}: {name} on CT")
    return slice_pictures([anatomy, alone, both], where, outlines)


def _range(window: Window, scale: float = 1.0) -> str:
    return f"{number(window.low * scale) if window.low else '0'} to {number(window.high * scale)}"


def _color(segment: Segment) -> str:
    if segment.role == "lobe":
        return LOBE_COLORS.get(segment.lobe, "")
    if segment.role in ("target", "lesion"):
        return LESION_COLOR
    if segment.role == "reference" and segment.lobe in ("left", "right"):
        return REFERENCE_COLOR
    return ""


def _outlines(result: VisitResult) -> list[tuple[Segment, str]]:
    """What pictures show: lobes or the liver, lesions, the reference."""
    segmentation = result.prepared.segmentation
    if result.protocol.rules.by_lobe:
        return [(segment, _color(segment)) for segment in segmentation if _color(segment)]
    liver = [(one, LOBE_COLORS["left"]) for one in segmentation.having(role="organ", structure="liver")]
    lesions = [(one, LESION_COLOR) for one in segmentation if one.role in ("target", "lesion")]
    reference = result.prepared.references.region(result.protocol.reference.kind, UNDIVIDED)
    return [*liver, *lesions, (reference, REFERENCE_COLOR)]


def _slice_of(lesion: SizedLesion, axis: int) -> int:
    """The slice that is shown, across the array axis of axial slices."""
    if lesion.size.slice_axis == "kji"[axis]:
        return int(lesion.size.slice_index)
    return int(lesion.segment.origin[axis] + lesion.segment.mask.shape[axis] // 2)


def _legend(result: VisitResult) -> str:
    outlines = "left lobe blue, right lobe orange, lesions white, reference regions green"
    if not result.protocol.rules.by_lobe:
        outlines = "liver blue, lesions white, healthy liver green"
    return f"Outlines: {outlines}. Seen from the feet: the patient's right is on the left."


def _recovery_words(result: VisitResult) -> str:
    fwhm, spacing = result.protocol.imaging.fwhm_mm, result.image.spacing_mm
    voxel = " x ".join(f"{edge:.1f}" for edge in spacing)
    return (
        f"On voxels of {voxel} mm a region's border voxels mix tumour and liver, so that even without blur its mean "
        f"keeps only the part 'border' of the contrast T - N. With the resolution of {fwhm:g} mm (FWHM, from the "
        "protocol) it keeps the part 'recovery' (from the region's own shape); 'sphere' is the theory for a sphere of "
        f"the same volume without voxels. {_IN_RESULT[result.partial_volume]}"
    )


_IN_RESULT = {
    "none": "T and N are not corrected for it.",
    "gtm": "The T and N above are corrected for it, by the geometric transfer matrix.",
    "recovery": "The T and N above are corrected for it where the phantom's recovery curve covers the lesion.",
}


def _recovery_table(result: VisitResult) -> str:
    rows = [[t.lesion_id, t.volume_mL, t.border_recovery, t.recovery, t.sphere_recovery] for t in result.targets]
    shown = table(["lesion", "volume mL", "border", "recovery", "sphere"], rows)
    corrected = [(target, target.corrected) for target in result.targets if target.corrected is not None]
    if not corrected:
        return shown
    scale, units = shown_unit(result.image.units)
    rows = [
        [
            lesion.lesion_id,
            one.recovery,
            one.u_recovery,
            one.uncorrected * scale,
            one.corrected * scale,
            one.corrected / _measured_reference(result, lesion.lobe),
        ]
        for lesion, one in corrected
    ]
    outside = [target.lesion_id for target, one in corrected if one.extrapolated]
    words = "By the phantom's recovery curve"
    words += ", over the measured N." if result.partial_volume == "recovery" else "; this is not the result."
    if outside:
        words += f" Outside the phantom's volumes, so extrapolated: {', '.join(outside)}."
    header = ["lesion", "RC", "u(RC)", f"T {units}", f"T corrected {units}", "T/N corrected"]
    return shown + table(header, rows, words) + paragraph(explained("RC", "u", "T", "N"), "small")


def _measured_reference(result: VisitResult, lobe: str) -> float:
    return result.metrics[result.prepared.references.region(result.protocol.reference.kind, lobe).name].mean


def _lobe_table(result: VisitResult) -> str:
    rows: list[list[object]] = []
    for lobe in result.lobes:
        tn = [lobe.tn_ratio, interval_cell(lobe.known), other_cell(lobe.known)]
        rows.append([lobe.lobe, lobe.volume_mL, f"{lobe.fraction:.1%}", lobe.target_count, *tn])
    if result.lobe_ratio is not None:
        known = result.known_ratio
        ratio = [result.lobe_ratio, interval_cell(known), other_cell(known)]
        rows.append([result.ratio_name, "", "", sum(lobe.target_count for lobe in result.lobes), *ratio])
    return table(["lobe", "volume mL", "of the liver", "targets", "T/N", "95 %", f"T/N {other_word(result)}"], rows)


def _organ_table(result: VisitResult) -> str:
    rows = []
    scale, units = shown_unit(result.image.units)
    for segment in result.prepared.segmentation:
        metrics = result.metrics.get(segment.name)
        if segment.role == "organ" and metrics is not None:
            ratio = result.liver_ratios.get(segment.name, "–")
            values = [metrics.mean * scale, metrics.maximum * scale]
            rows.append([segment.name, metrics.volume_mL, *values, ratio])
    return table(["organ", "volume mL", f"mean {units}", f"maximum {units}", "over healthy liver"], rows, "Organs")


def _lesion_table(result: VisitResult) -> str:
    by_lobe = result.protocol.rules.by_lobe
    scale, units = shown_unit(result.image.units)
    rows = []
    for lesion in result.prepared.lesions:
        metrics = result.metrics.get(lesion.segment.name)
        mean = metrics.mean * scale if metrics else float("nan")
        size = lesion.size
        rows.append(
            [
                lesion.segment.name,
                lesion.segment.lobe if by_lobe else place_words(lesion.segment.lobe),
                size.longest_axial_mm,
                size.perpendicular_mm,
                size.volume_mL,
                mean,
                *([] if by_lobe else [result.liver_ratios.get(lesion.segment.name, "–")]),
                "target" if lesion.decision.is_target else "lesion",
                lesion.decision.reason,
            ]
        )
    header = ["lesion", "lobe" if by_lobe else "place", "longest mm", "across mm", "volume mL"]
    header += [f"mean {units}", *([] if by_lobe else ["T/N"]), "role", "why"]
    return table(header, rows, "All lesions; means as measured")


def _sensitivity_table(result: VisitResult) -> str:
    rows = []
    for kind, found in result.sensitivity.items():
        mark = " (protocol)" if kind == result.protocol.reference.kind else ""
        values = [found[key] for key in ("left", "right", "ratio")]
        rows.append([kind + mark, *values])
    header = ["reference", "T/N left", "T/N right", result.ratio_name]
    return table(header, rows, "As measured, not corrected for partial volume")


def methods(result: VisitResult) -> str:
    """The methods in one paragraph, from the protocol that was applied."""
    protocol, image = result.protocol, result.image
    targets, reference = protocol.targets, protocol.reference
    per_lobe = targets.maximum_per_lobe
    largest = f"the largest {per_lobe} per lobe, {targets.maximum_total} in all"
    combined = f" T/N was combined per lobe by the {protocol.endpoint.aggregation.replace('-', ' ')}."
    if per_lobe is None:
        largest, combined = f"anywhere in the body, the largest {targets.maximum_total}", ""
    when = f" at the reference time {image.reference_time.isoformat()}" if image.reference_time else ""
    return (
        f"{image.quantity.capitalize() or 'The image'} in {image.units}{when} was measured without resampling: each "
        "voxel counts by the fraction of it that the region, drawn on the anatomical image, occupies. Targets: longest "
        f"axial diameter above {targets.minimum_diameter_mm:g} mm, {largest}. "
        f"Reference N: {reference.kind.replace('-', ' ')}, healthy liver minus lesions grown by "
        f"{reference.lesion_margin_mm:g} mm, vessels, gallbladder and a rim of {reference.rim_mm:g} mm.{combined}"
    )


def _notes(result: VisitResult) -> str:
    return paragraph(" ".join(result.prepared.notes), "small") if result.prepared.notes else ""


def _series_section(provenance: Mapping[str, Any]) -> str:
    rows = [
        [item["visit"], item["use"], item["modality"], item["description"], item["uid"], " ".join(item["decisions"])]
        for item in provenance["series"]
    ]
    return section("Images", table(["visit", "use", "modality", "description", "series UID", "decisions"], rows))
