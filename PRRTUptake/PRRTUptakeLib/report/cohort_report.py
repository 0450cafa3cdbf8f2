"""The report of a cohort: result, flow of patients, tables ready for a paper, figures, methods.

It holds no time, so that the same cohort gives the same bytes.
"""

from __future__ import annotations

import hashlib
import math
import re
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.formatting import number, p_words, with_interval
from PRRTUptakeLib.report.cohort_methods import cohort_methods
from PRRTUptakeLib.report.endpoint_tables import (
    agreement_table,
    comparison_table,
    endpoint_table,
    patient_table,
    region_table,
    share,
)
from PRRTUptakeLib.report.flow import flow_chart
from PRRTUptakeLib.report.level_figure import level_figure
from PRRTUptakeLib.report.page import html_page, paragraph, section, table
from PRRTUptakeLib.report.plots import (
    ForestRow,
    bland_altman,
    forest_plot,
    scatter_plot,
    slope_plot,
    waterfall,
)
from PRRTUptakeLib.report.reader_tables import (
    clustered_table,
    cycle_table,
    exclusion_table,
    mixed_table,
    population_table,
    uncertainty_table,
)
from PRRTUptakeLib.statistics.exclusions import INTENTION_TO_TREAT
from PRRTUptakeLib.study.cohort.cohort_result import ANALYSED
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.base import ROUTE_RATIOS
from PRRTUptakeLib.versions import VERSION, software
from PRRTUptakeLib.vocabulary import metric_label

if TYPE_CHECKING:
    from PRRTUptakeLib.statistics.endpoints import Endpoint
    from PRRTUptakeLib.statistics.paired_values import PairedValues
    from PRRTUptakeLib.study.cohort.cohort_result import CohortResult

_OWN = ("name", "version")
_TALL = 1.3  # times its width: in print, a higher chart has a row of its own
_MOST_ROWS = 100  # of a forest plot; beyond that it cannot be read


def cohort_report(result: CohortResult, operator: str = "") -> str:
    """The whole page as text, nothing outside it is needed to read it.

    It gives the hash of its table instead of the time, so that the same patients give the same page.
    """
    analysis, protocol = result.analysis, result.protocol
    identity = {
        "Study": f"{protocol.title} ({protocol.source})",
        "Protocol": f"{protocol.name}, SHA-256 {protocol.sha256}",
        "Patients": f"{len(result.flow)} patients",
        "Table SHA-256": hashlib.sha256(result.table.encode()).hexdigest() if result.rows else "no table",
        "Operator": operator or "not stated",
        "Versions": ", ".join(f"{name} {version}" for name, version in software().items() if name not in _OWN),
        "Software": f"SlicerPRRT {VERSION}",
    }
    warnings = [result.problem if analysis else f"There is no endpoint: {result.problem}"] if result.problem else []
    warnings += list(result.notes)
    sections = []
    if analysis:
        identity["Analysis"] = analysis.blinding_words()
        warnings += list(analysis.endpoint.notes)
        sections.append(_result_section(analysis.endpoint))
    sections.append(_flow_section(result))
    if analysis:
        sections += _figure_sections(analysis.endpoint)
        sections += _table_sections(analysis.endpoint)
    if result.readers:
        sections.append(_reader_section(result))
    sections.append(section("Methods", paragraph(cohort_methods(protocol, analysis.endpoint if analysis else None))))
    return html_page(f"Cohort report: {protocol.name}", identity, warnings, sections)


def result_sentence(endpoint: Endpoint) -> str:
    """The endpoint in one sentence, both scales labelled."""
    one, rules = endpoint.comparison, endpoint.protocol.endpoint
    level = f"{100 * rules.confidence:g} % CI"
    first, second = endpoint.pairs.labels
    return design_of(endpoint.protocol).endpoint.result.format(
        threshold=f"{one.threshold:g}",
        responders=share(one.responders, one.n, one.responders_ci),
        gmr=with_interval(one.gmr, one.gmr_ci),
        level=level,
        p=p_words(one.p_log),
        first=first,
        second=second,
        means=f"{number(one.means[0])} and {number(one.means[1])}",
        raw=with_interval(one.raw_difference, one.raw_ci),
        p_raw=p_words(one.p_raw),
    )


def _result_section(endpoint: Endpoint) -> str:
    rules = endpoint.protocol.endpoint
    caption = f"{metric_label(rules.metric)}, cycle {rules.cycle}, {endpoint.comparison.n} patients"
    words = paragraph(result_sentence(endpoint), "result")
    return section("Endpoint", words, table(*endpoint_table(endpoint), caption))


def _flow_section(result: CohortResult) -> str:
    lost = [[entry.patient, entry.state, entry.reason] for entry in result.flow if entry.state != ANALYSED]
    endpoint = result.analysis.endpoint if result.analysis else None
    everybody = endpoint.populations.get(INTENTION_TO_TREAT) if endpoint else None
    parts = [_figure(flow_chart(result.flow, everybody.n if everybody else None), "Flow of patients")]
    if lost:
        parts.append(table(["patient", "state", "reason"], lost, "Patients who were not analysed"))
    if endpoint and endpoint.exclusions:
        parts.append(table(*exclusion_table(endpoint), "Exclusions"))
    if endpoint and endpoint.populations:
        parts.append(table(*population_table(endpoint), "The endpoint per protocol is the one above"))
    return section("Patients", *parts)


def _figure(svg: str, caption: str) -> str:
    sizes = [re.search(rf'<svg [^>]*?\b{name}="([\d.]+)"', svg) for name in ("width", "height")]
    width, height = (float(found[1]) if found else 0.0 for found in sizes)
    kind = "chart tall" if height > _TALL * width else "chart"
    return f'<figure class="{kind}">{_own_size(svg)}<figcaption>{escape(caption)}</figcaption></figure>'


def _own_size(svg: str) -> str:
    """Charts keep their size in the page, where pictures fill their column; converters to PDF need it as a number."""
    sizes = [re.search(rf'<svg [^>]*?\b{name}="([\d.]+)"', svg) for name in ("width", "height")]
    width, height = (f"{found.group(1)}px" if found else "auto" for found in sizes)
    style = f"width:{width};max-width:100%;height:{height};background:#fff"
    return svg.replace("<svg ", f'<svg style="{style}" ', 1)


def _figure_sections(endpoint: Endpoint) -> list[str]:
    pairs = endpoint.pairs
    ratios = (pairs.first / pairs.second).tolist()
    traits = design_of(endpoint.protocol).endpoint
    word = traits.ratio_word or f"{pairs.labels[0]}/{pairs.labels[1]}"
    figures = []
    shown = endpoint.uptake_pairs if traits.kind == ROUTE_RATIOS else pairs
    if shown:
        figures += _paired_figures(shown, endpoint)
    figures.append(_figure(_forest(endpoint, word), f"Ratio {word} of each patient, and over all"))
    reference = endpoint.comparison.threshold if traits.relative_to_threshold else 1.0
    percent = [100 * (ratio / reference - 1) for ratio in ratios]
    unit = f"{word}, % above {reference:g}" if traits.relative_to_threshold else f"{word} − 1, %"
    figures.append(_figure(waterfall("Waterfall", pairs.patients, percent, unit), f"Patients in order of {word}"))
    if endpoint.scales:
        figures.append(_figure(level_figure(endpoint), "The ratio against the control value, logarithmic scales"))
    return [section("Figures", f'<div class="figures">{"".join(figures)}</div>')]


def _paired_figures(pairs: PairedValues, endpoint: Endpoint) -> list[str]:
    first, second = pairs.first, pairs.second
    metric = metric_label(endpoint.protocol.endpoint.metric)
    labels = pairs.labels[::-1]
    slope = slope_plot(f"{metric} per patient", pairs.patients, second.tolist(), first.tolist(), labels, metric)
    logs = np.log(first / second)
    reach = 1.96 * float(logs.std(ddof=1))
    limits = math.exp(logs.mean() - reach), math.exp(logs.mean() + reach)
    words = f"{pairs.labels[0]}/{pairs.labels[1]}"
    centre = np.sqrt(first * second).tolist()
    axes = (f"geometric mean of both, {metric}", f"ratio {words}")
    agreement = bland_altman(
        "Bland-Altman", centre, np.exp(logs).tolist(), math.exp(logs.mean()), limits, axes, pairs.patients
    )
    return [
        _figure(slope, f"One line per patient, {labels[0]} to {labels[1]}, logarithmic scale"),
        _figure(agreement, f"Ratio {words} against the geometric mean of both, logarithmic scales"),
    ]


def _forest(endpoint: Endpoint, word: str) -> str:
    pairs, one = endpoint.pairs, endpoint.comparison
    # A patient's interval has measurement uncertainty only, and is absent where that is not known.
    z = float(stats.norm.ppf(0.5 + endpoint.protocol.endpoint.confidence / 2))
    rows = []
    table_rows = list(zip(pairs.patients, (pairs.first / pairs.second).tolist(), pairs.u_log.tolist(), strict=True))
    for name, ratio, u_log in table_rows if len(table_rows) <= _MOST_ROWS else []:
        rows.append(ForestRow(name, ratio, ratio * math.exp(-z * u_log), ratio * math.exp(z * u_log)))
    rows.append(ForestRow(f"all {one.n}", one.gmr, *one.gmr_ci, summary=True))
    return forest_plot("Forest plot", rows, word, one.threshold)


def _table_sections(endpoint: Endpoint) -> list[str]:
    sections = [section("Patients' values", table(*patient_table(endpoint)))]
    level = endpoint.protocol.endpoint.confidence
    if endpoint.course and len(endpoint.course.missing) > 1:
        sections.append(section("Cycles", table(*cycle_table(endpoint))))
    if endpoint.propagated:
        sections.append(section("Errors of measurement", table(*uncertainty_table(endpoint.propagated, level))))
    if endpoint.mixed:
        mixed = endpoint.mixed
        caption = f"{mixed.rows} values of {mixed.patients} patients" + ("" if mixed.converged else "; NOT converged")
        sections.append(section("Mixed model", table(*mixed_table(mixed, level), caption)))
    if endpoint.regions:
        sections.append(section("Regions", table(*region_table(endpoint))))
    for group in endpoint.subgroups:
        words = f"Difference between groups: {p_words(group.p_difference)}."
        compared = table(*comparison_table(group.characteristic, list(group.groups.items())))
        sections.append(section(f"Subgroups by {group.characteristic}", compared, paragraph(words)))
    if endpoint.response:
        sections.append(_response_section(endpoint))
    return sections


def _response_section(endpoint: Endpoint) -> str:
    response = endpoint.response
    assert response is not None
    line = (response.slope_percent_per_Gy, response.intercept_percent)
    labels = ("absorbed dose (Gy)", "change of diameter (%)")
    dose, change = response.dose_Gy.tolist(), response.change_percent.tolist()
    chart = scatter_plot("Dose and response", dose, change, labels, line, response.lesions)
    words = (
        f"{len(response.lesions)} lesions of {len(set(response.patients))} patients: slope "
        f"{with_interval(response.slope_percent_per_Gy, response.slope_ci)} % per Gy (jackknife over patients); rank "
        f"correlation {number(response.spearman)}, of patients' means {number(response.spearman_patients)} "
        f"({p_words(response.p_patients)})."
    )
    return section("Dose and response", _figure(chart, "One point per lesion"), paragraph(words))


def _reader_section(result: CohortResult) -> str:
    readers = result.readers
    assert readers is not None
    first, second, found = readers.first, readers.second, readers.agreement
    metric = metric_label(result.protocol.endpoint.metric)
    axes = (f"geometric mean of both readers, {metric}", "ratio second/first reader")
    centre, ratio = np.sqrt(first * second).tolist(), (second / first).tolist()
    chart = bland_altman("Readers", centre, ratio, found.bias_ratio, found.limits, axes, readers.names)
    parts = [
        _figure(chart, "One point per lesion and image"),
        table(*agreement_table(found), "Readings taken as independent"),
    ]
    if readers.by_patient and (readers.by_patient.values or readers.by_patient.choices):
        level = result.protocol.endpoint.confidence
        parts.append(table(*clustered_table(readers.by_patient, level), "Lesions of one patient belong together"))
    return section("Agreement of readers", *parts)
