"""The endpoint in words and tables, the same for a terminal, a report and a paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PRRTUptakeLib.formatting import natural_order, number, p_value, p_words, plain_table, with_interval
from PRRTUptakeLib.study.cohort.cohort_result import ANALYSED
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.base import ROUTE_RATIOS
from PRRTUptakeLib.vocabulary import metric_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PRRTUptakeLib.statistics.agreement import Agreement
    from PRRTUptakeLib.statistics.endpoints import Endpoint
    from PRRTUptakeLib.statistics.paired import PairedComparison
    from PRRTUptakeLib.study.cohort.cohort_result import CohortResult

Table = tuple[list[str], list[list[object]]]


def share(count: int, n: int, interval: Sequence[float]) -> str:
    """A count of patients as a share with its interval.

    Examples
    --------
    >>> share(18, 27, (0.4604, 0.8348))
    '18 of 27 (66.7 % [46.0; 83.5])'
    """
    return f"{count} of {n} ({100 * count / n:.1f} % [{100 * interval[0]:.1f}; {100 * interval[1]:.1f}])"


def responder_words(endpoint: Endpoint) -> str:
    """What counts as a responder."""
    sign = design_of(endpoint.protocol).endpoint.responder_sign
    return f"patients with a ratio {sign} {endpoint.comparison.threshold:g}"


def endpoint_table(endpoint: Endpoint) -> Table:
    """The result, one line per quantity: on the log scale, on the raw scale, without a distribution."""
    result = endpoint.comparison
    first, second = endpoint.pairs.labels
    level = f"{100 * endpoint.protocol.endpoint.confidence:g} % CI"
    rows: list[list[object]] = [
        [
            "log",
            f"geometric mean ratio {first}/{second}",
            with_interval(result.gmr, result.gmr_ci),
            p_value(result.p_log),
        ],
    ]
    if all(map(math.isfinite, endpoint.bootstrap.gmr_ci)):  # a protocol may ask for no samples
        words = "same, studentised bootstrap over patients"
        rows.append(["log", words, with_interval(result.gmr, endpoint.bootstrap.gmr_ci), ""])
    rows.append(["log", "standard deviation of log ratios", number(result.sd_log), ""])
    if endpoint.propagated:
        propagated = endpoint.propagated
        words = (
            f"same, weighted by measurement uncertainty ({100 * propagated.share_of_variance:.0f} % of the variance)"
        )
        rows.insert(2, ["log", words, with_interval(propagated.gmr, propagated.gmr_ci), p_value(propagated.p)])
    if endpoint.mixed:
        mixed = endpoint.mixed
        words = f"same, mixed model of {mixed.rows} lesion values"
        rows.insert(2, ["log", words, with_interval(mixed.gmr, mixed.gmr_ci), p_value(mixed.p)])
    if design_of(endpoint.protocol).endpoint.kind == ROUTE_RATIOS:
        rows.append(["raw", "mean enhancement ratio", number(result.mean_of_ratios), ""])
        if endpoint.uptake:
            rows += _raw_rows(endpoint.uptake, first, second)
    else:
        rows += _raw_rows(result, first, second)
    # Against one half a share has a meaning only where a ratio of 1 parts the patients.
    p_share = p_value(result.p_responders) if result.threshold == 1 else ""
    rows += [
        ["ranks", "Hodges-Lehmann ratio, Wilcoxon on logs", number(result.hodges_lehmann_ratio),
         p_value(result.p_wilcoxon_log)],
        ["counts", responder_words(endpoint), share(result.responders, result.n, result.responders_ci), p_share],
        ["counts", "sign test", "", p_value(result.p_sign)],
        *_zero_rows(result),
    ]  # fmt: skip
    return ["scale", "quantity", f"value [{level}]", "p"], rows


def _zero_rows(result: PairedComparison) -> list[list[object]]:
    """What ranks say where pairs without a difference are ranked too; nothing where there is no such pair."""
    if not result.unchanged:
        return []
    words = f"Wilcoxon with the {result.unchanged} unchanged ranked (Pratt): differences; logs"
    return [["ranks", words, "", f"{p_value(result.p_wilcoxon_pratt)}; {p_value(result.p_wilcoxon_log_pratt)}"]]


def _raw_rows(result: PairedComparison, first: str, second: str) -> list[list[object]]:
    return [
        ["raw", f"means {first}, {second}", f"{number(result.means[0])}, {number(result.means[1])}", ""],
        ["raw", "difference of means", with_interval(result.raw_difference, result.raw_ci), p_value(result.p_raw)],
        ["raw", "mean of ratios", number(result.mean_of_ratios), ""],
        ["raw", "ratio of means", number(result.ratio_of_means), ""],
        ["ranks", "Hodges-Lehmann difference, Wilcoxon", number(result.hodges_lehmann), p_value(result.p_wilcoxon)],
    ]


def patient_table(endpoint: Endpoint) -> Table:
    """One line per patient; the standard uncertainty where any patient's is known."""
    pairs, (first, second) = endpoint.pairs, endpoint.pairs.labels
    rows = zip(pairs.patients, pairs.first.tolist(), pairs.second.tolist(), pairs.u_log.tolist(), strict=True)
    table = sorted(rows, key=lambda row: natural_order(row[0]))
    header = design_of(endpoint.protocol).endpoint.ratio_header
    known = any(math.isfinite(u_log) for u_log in pairs.u_log.tolist())
    last = ["standard uncertainty of log ratio"] if known else []
    if header:
        return ["patient", header, *last], [[name, ratio, *[u_log] * known] for name, ratio, _, u_log in table]
    return ["patient", first, second, "ratio", *last], [
        [name, one, other, one / other, *[u_log] * known] for name, one, other, u_log in table
    ]


def comparison_table(kind: str, results: Sequence[tuple[str, PairedComparison]]) -> Table:
    """One line per cycle, region or subgroup."""
    return [kind, "patients", "geometric mean ratio [95 % CI]", "p", "responders"], [
        [name, one.n, with_interval(one.gmr, one.gmr_ci), p_value(one.p_log), f"{one.responders} of {one.n}"]
        for name, one in results
    ]


def region_table(endpoint: Endpoint) -> Table:
    """Enhancement of every region, and the gain of the targets over it."""
    rows: list[list[object]] = []
    for region in endpoint.regions:
        result, gain = region.enhancement, region.gain
        passed = share(result.responders, result.n, result.responders_ci)
        gained = with_interval(gain.gmr, gain.gmr_ci) if gain else ""
        cells = [with_interval(result.gmr, result.gmr_ci), p_value(result.p_log), passed, gained]
        rows.append([region.region, result.n, *cells])
    threshold = endpoint.protocol.endpoint.threshold
    level = f"[{100 * endpoint.protocol.endpoint.confidence:g} % CI]"
    header = ["region", "patients", f"enhancement ratio {level}", "p", f"ratio ≥ {threshold:g} {level}"]
    return [*header, f"gain of targets over it {level}"], rows


def agreement_table(result: Agreement) -> Table:
    """Agreement of two readers."""
    lower, upper = result.limits
    return ["quantity", "value [95 % CI]"], [
        ["readings", str(result.n)],
        ["ratio second/first reader (bias)", with_interval(result.bias_ratio, result.bias_ci)],
        ["p of the bias", p_value(result.p_bias)],
        ["lower 95 % limit of agreement", with_interval(lower, result.lower_limit_ci)],
        ["upper 95 % limit of agreement", with_interval(upper, result.upper_limit_ci)],
        ["ICC(2,1), absolute agreement", with_interval(result.icc_2_1.icc, result.icc_2_1.ci)],
        ["ICC(3,1), consistency", with_interval(result.icc_3_1.icc, result.icc_3_1.ci)],
        ["repeatability coefficient (factor)", number(result.repeatability_ratio)],
        ["coefficient of variation within subjects", f"{100 * result.within_cv:.1f} %"],
    ]


def endpoint_text(endpoint: Endpoint) -> str:
    """The endpoint for a terminal."""
    rules = endpoint.protocol.endpoint
    first, second = endpoint.pairs.labels
    parts = [
        f"{endpoint.protocol.title}: {metric_label(rules.metric)}, cycle {rules.cycle}, {first} against {second}, "
        f"{endpoint.comparison.n} patients",
        plain_table(*endpoint_table(endpoint)),
    ]
    for name, one in endpoint.populations.items():
        ratio = with_interval(one.gmr, one.gmr_ci)
        parts.append(f"{name}: {one.n} patients, geometric mean ratio {ratio}, {p_words(one.p_log)}")
    if len(endpoint.cycles) > 1:
        parts.append(plain_table(*comparison_table("cycle", [(str(n), one) for n, one in endpoint.cycles.items()])))
    if endpoint.regions:
        parts.append(plain_table(*region_table(endpoint)))
    for group in endpoint.subgroups:
        table = plain_table(*comparison_table(group.characteristic, list(group.groups.items())))
        parts.append(f"{table}\ndifference between groups: {p_words(group.p_difference)}")
    parts += [f"Note: {note}" for note in endpoint.notes]
    return "\n\n".join(parts)


def cohort_text(result: CohortResult) -> str:
    """A cohort for a terminal: the endpoint, if there is one, and every patient who is not in it."""
    lost = [[entry.patient, entry.state, entry.reason] for entry in result.flow if entry.state != ANALYSED]
    parts = [f"{len(result.flow)} patients entered, {len(result.flow) - len(lost)} analysed."]
    if lost:
        parts.append(plain_table(["patient", "state", "reason"], lost))
    parts += [f"Note: {note}" for note in result.notes]
    if result.analysis:
        parts += [endpoint_text(result.analysis.endpoint), result.analysis.blinding_words()]
    return "\n\n".join(parts)
