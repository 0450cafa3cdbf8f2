"""The report of one patient's intra-arterial against intravenous comparison."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import plain_table, with_interval
from PRRTUptakeLib.report.page import paragraph, section, table
from PRRTUptakeLib.report.plots import bar_chart
from PRRTUptakeLib.report.route_pictures import route_pictures
from PRRTUptakeLib.study.predicted_benefit import ASSUMPTIONS
from PRRTUptakeLib.study.route_intervals import IN_THEM
from PRRTUptakeLib.vocabulary import metric_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.predicted_benefit import Prediction
    from PRRTUptakeLib.study.protocol import Protocol
    from PRRTUptakeLib.study.route_uptake import EnhancementResult
    from PRRTUptakeLib.uptake.uncertainty import UncertainValue


def region_table(result: EnhancementResult, metric: str) -> tuple[list[str], list[list[object]]]:
    """Header and rows: each region after IA and IV by the protocol's metric, all ratios, and the targets' gain.

    What is in the intervals: ``study.route_intervals.IN_THEM``.
    """
    unit = result.ia.image.units
    header = [
        "region",
        "role",
        "lobe",
        f"{metric} IA ({unit}) [95 %]",
        f"{metric} IV ({unit}) [95 %]",
        "ER max",
        "ER peak",
        "ER mean [95 %]",
    ]
    header += [f"ER of {metric} [95 %]", "gain"]
    rows: list[list[object]] = []
    for region in result.regions:
        known = region.known
        ratios: list[object] = [region.ratio[name] for name in ("suv_max", "suv_peak")]
        ratios.append(_cell(region.ratio["suv_mean"], known.ratio.get("suv_mean")))
        spread = _cell(region.ratio.get(metric, math.nan), known.ratio.get(metric))
        each = [_cell(one[metric], of.get(metric)) for one, of in ((region.ia, known.ia), (region.iv, known.iv))]
        values = [*each, *ratios, spread, result.gains.get(region.region, math.nan)]
        rows.append([region.region, region.role, region.lobe, *values])
    return header, rows


def _cell(value: float, known: UncertainValue | None) -> object:
    return value if known is None else with_interval(value, (known.lower, known.upper))


def enhancement_text(result: EnhancementResult, protocol: Protocol, patient: str) -> list[str]:
    """Heading, table and decision for the terminal."""
    return [
        f"Patient {patient} ({protocol.name}): intra-arterial against intravenous",
        plain_table(*region_table(result, protocol.endpoint.metric)),
        IN_THEM,
        result.eligibility.sentence,
    ]


def enhancement_sections(result: EnhancementResult, protocol: Protocol) -> list[str]:
    """HTML sections: decision, regions, what differed between the days."""
    metric = protocol.endpoint.metric
    targets = [region for region in result.regions if region.role == "target"]
    label = metric_label(metric)
    chart = bar_chart(
        f"{label} of the target lesions",
        [region.region for region in targets],
        {"IA": [region.ia[metric] for region in targets], "IV": [region.iv[metric] for region in targets]},
        label,
    )
    header, rows = region_table(result, metric)
    words = "gain: the patient's enhancement ratio over the region's"
    others = [[name.replace("-", " "), value] for name, value in result.eligibility.alternatives.items()]
    return [
        section(
            "Decision",
            paragraph(result.eligibility.sentence, "result"),
            paragraph(_repeatability_words(protocol), "small"),
            table(["by another rule", "enhancement ratio"], others),
        ),
        section("Regions", table(header, rows, words), paragraph(IN_THEM, "small"), chart),
        section("Lesions", _decisions(result)),
        section("Pictures", route_pictures(result, metric)),
        section("The two days", _days(result)),
    ]


def _decisions(result: EnhancementResult) -> str:
    """Each lesion, whether it is a target, and why."""
    rows = [
        [one.lesion_id, one.lobe, one.longest_axial_mm, "target" if one.is_target else "no", one.reason]
        for one in result.decisions
    ]
    return table(["lesion", "lobe", "diameter mm", "chosen", "why"], rows)


def benefit_table(
    predictions: Sequence[Prediction], delivered: Mapping[str, float]
) -> tuple[list[str], list[list[object]]]:
    """Header and rows: dose of the intravenous cycle, factor, predicted and, where known, delivered dose."""
    header = ["region", "IV cycle Gy", "factor", "IA cycle, predicted Gy", "95 % from", "to"]
    rows: list[list[object]] = [[one.region, one.iv_Gy, one.factor, one.ia_Gy, *one.interval_Gy] for one in predictions]
    if delivered:
        header += ["delivered Gy", "delivered / predicted"]
        for row, one in zip(rows, predictions, strict=True):
            dose = delivered.get(one.region, float("nan"))
            row += [dose, dose / one.ia_Gy]
    return header, rows


def benefit_section(predictions: Sequence[Prediction], delivered: Mapping[str, float]) -> str:
    """Doses expected of the intra-arterial cycle next to those of the intravenous one, and those delivered if known."""
    header, rows = benefit_table(predictions, delivered)
    shown = [one for one in predictions if one.region in delivered]
    chart = ""
    if shown:
        chart = bar_chart(
            "Intra-arterial cycle",
            [one.region for one in shown],
            {"predicted": [one.ia_Gy for one in shown], "delivered": [delivered[one.region] for one in shown]},
            "absorbed dose (Gy)",
        )
    assumed = "".join(paragraph(text, "small") for text in ASSUMPTIONS)
    title = "Predicted benefit, and what was delivered" if delivered else "Predicted benefit"
    return section(title, table(header, rows), chart, paragraph("Assumed:", "small"), assumed)


def _repeatability_words(protocol: Protocol) -> str:
    rules = protocol.repeatability
    return (
        "Uncertainty from the repeatability of SUV: within-subject coefficient of variation "
        f"{rules.within_subject_cv:.0%}, correlation between the lesions of one scan "
        f"{rules.correlation_between_lesions:g}; both are settable in the "
        "protocol, which fixes the rule of aggregation beforehand. Healthy liver is compared by its mean, and its "
        "maximum and peak are read where lesions and organs do not spill in."
    )


def _days(result: EnhancementResult) -> str:
    rows = [
        [
            shown.route,
            shown.injection.time.isoformat(timespec="minutes"),
            shown.injection.nuclide,
            shown.injection.activity_MBq,
            shown.hours * 60.0,
        ]
        for shown in (result.ia, result.iv)
    ]
    return table(["route", "injection", "nuclide", "activity MBq", "image, min after injection"], rows)
