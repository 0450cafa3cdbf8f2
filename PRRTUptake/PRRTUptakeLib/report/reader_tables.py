"""Tables of readers who are compared by patient, and of who counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import number, p_value, plain_table, with_interval
from PRRTUptakeLib.report.endpoint_tables import Table, share

if TYPE_CHECKING:
    from PRRTUptakeLib.segmentation.contour_agreement import ContourTable
    from PRRTUptakeLib.statistics.clustered_agreement import ReaderTables
    from PRRTUptakeLib.statistics.endpoints import Endpoint
    from PRRTUptakeLib.statistics.measurement_uncertainty import PropagatedUncertainty
    from PRRTUptakeLib.statistics.mixed import MixedModel


def clustered_table(found: ReaderTables, confidence: float) -> Table:
    """Agreement of readers with the patient as the unit, and of the targets that they chose."""
    rows: list[list[object]] = []
    values, choices = found.values, found.choices
    if values:
        rows.append(["readings of lesions, patients", f"{values.lesions}, {values.patients}"])
        for pair in values.pairs:
            who = "/".join(reversed(pair.readers))
            rows += [
                [f"ratio {who} reader (bias)", with_interval(pair.bias_ratio, pair.bias_ci)],
                [f"lower 95 % limit of agreement, {who}", with_interval(pair.limits[0], pair.lower_limit_ci)],
                [f"upper 95 % limit of agreement, {who}", with_interval(pair.limits[1], pair.upper_limit_ci)],
                ["SD of log ratio between, within patients",
                 f"{number(pair.sd_patient_log)}, {number(pair.sd_lesion_log)}"],
            ]  # fmt: skip
        rows.append(["ICC(2,1) of single readings", with_interval(values.icc_2_1, values.icc_ci)])
    if choices:
        rows += [
            ["choice of targets: kappa", with_interval(choices.kappa, choices.kappa_ci)],
            ["choice of targets: the same for", f"{100 * choices.observed:.1f} % of {choices.lesions} lesions"],
        ]
    return ["quantity, by patient", f"value [{100 * confidence:g} % CI]"], rows


def contour_text(found: ContourTable) -> str:
    """Agreement of contours for the terminal: a line per structure, and what one reader alone drew."""
    header = ["structure", "Dice", "mean surface distance mm", "95th percentile mm", "volume second/first"]
    rows: list[list[object]] = [
        [name, one.dice, one.mean_surface_mm, one.hausdorff_95_mm, one.volume_ratio]
        for name, one in found.structures.items()
    ]
    alone = [
        f"Only the {who} reader has {', '.join(names)}."
        for who, names in (("first", found.first_only), ("second", found.second_only))
        if names
    ]
    return "\n".join([plain_table(header, rows), *alone])


def population_table(endpoint: Endpoint) -> Table:
    """The endpoint of both populations."""
    level = f"[{100 * endpoint.protocol.endpoint.confidence:g} % CI]"
    header = ["population", "patients", f"geometric mean ratio {level}", "p", f"difference {level}", "p", "responders"]
    return header, [
        [name, one.n, with_interval(one.gmr, one.gmr_ci), p_value(one.p_log),
         with_interval(one.raw_difference, one.raw_ci), p_value(one.p_raw),
         share(one.responders, one.n, one.responders_ci)]
        for name, one in endpoint.populations.items()
    ]  # fmt: skip


_SCOPE_WORDS = {
    "per-protocol": "analysis per protocol",
    "all": "both analyses and the readers",
    "screening": "never entered",
}


def exclusion_table(endpoint: Endpoint) -> Table:
    """Every exclusion with its reason and date."""
    return ["patient", "lesion", "cycle", "reason", "date", "applies to"], [
        [one.patient, one.lesion or "all", "all" if one.cycle is None else one.cycle, one.reason,
         one.decided.isoformat(), _SCOPE_WORDS[one.scope]]
        for one in endpoint.exclusions
    ]  # fmt: skip


def cycle_table(endpoint: Endpoint) -> Table:
    """Each cycle of all patients who have it, and of the completers."""
    course = endpoint.course
    assert course is not None
    level = f"[{100 * endpoint.protocol.endpoint.confidence:g} % CI]"
    rows: list[list[object]] = []
    for cycle, one in course.available.items():
        whole = course.completers.get(cycle)
        lost = course.missing[cycle]
        rows.append(
            [str(cycle), one.n, with_interval(one.gmr, one.gmr_ci), p_value(one.p_log),
             f"{one.responders} of {one.n}",
             f"{with_interval(whole.gmr, whole.gmr_ci)} ({whole.n})" if whole else "–",
             ", ".join(item.patient for item in lost) or "–"]
        )  # fmt: skip
    header = ["cycle", "patients", f"geometric mean ratio {level}", "p", "responders", f"completers {level} (n)"]
    return [*header, "without a value"], rows


def uncertainty_table(found: PropagatedUncertainty, confidence: float) -> Table:
    """What errors of measurement do to the endpoint."""
    rows: list[list[object]] = [
        ["geometric mean ratio, weighted", with_interval(found.gmr, found.gmr_ci)],
        ["median standard uncertainty of a patient's log ratio", number(found.u_log_median)],
        ["share of the variance that is measurement", f"{100 * found.share_of_variance:.0f} %"],
        ["reliability of a patient's ratio", number(found.reliability)],
    ]
    responders = found.responders
    if responders:
        low, high = (100 * end for end in responders.true_ci)
        rows += [
            ["responders as measured", f"{100 * responders.measured:.1f} %"],
            ["responders by true ratios (normal model)", f"{100 * responders.true:.1f} % [{low:.1f}; {high:.1f}]"],
            ["patients expected on the wrong side", number(responders.misjudged)],
        ]
    relation = found.dependence
    if relation:
        rows += [
            ["slope of log treated on log control", with_interval(relation.slope, relation.slope_ci)],
            ["same, corrected for the error of the control", with_interval(relation.corrected, relation.corrected_ci)
             if math.isfinite(relation.corrected) else "– (the control is too uncertain)"],
        ]  # fmt: skip
    return ["quantity", f"value [{100 * confidence:g} % CI]"], rows


def mixed_table(mixed: MixedModel, confidence: float) -> Table:
    """The mixed model."""
    rows: list[list[object]] = [
        ["geometric mean ratio", with_interval(mixed.gmr, mixed.gmr_ci)],
        ["same, by profile of the likelihood", with_interval(mixed.gmr, mixed.gmr_ci_profile)],
        ["p", p_value(mixed.p)],
        [f"degrees of freedom ({mixed.inference})", number(mixed.degrees)],
        ["SD of logarithms between patients", number(mixed.sd_patient_log)],
        ["SD of logarithms between lobes within a patient", number(mixed.sd_lobe_log)],
        ["SD of logarithms, residual", number(mixed.sd_residual_log)],
    ]
    rows += [[f"cycle {cycle} / first cycle", number(ratio)] for cycle, ratio in mixed.cycle_ratios.items()]
    if mixed.at_zero:
        rows.append(["best value is zero", f"scatter {' and '.join(mixed.at_zero)}"])
    return ["quantity", f"value [{100 * confidence:g} % CI]"], rows
