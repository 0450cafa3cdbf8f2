"""The methods paragraph of a cohort, written from the protocol, so that words and computation cannot part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.versions import VERSION
from PRRTUptakeLib.vocabulary import AGGREGATIONS, REFERENCES, metric_label

if TYPE_CHECKING:
    from PRRTUptakeLib.statistics.endpoints import Endpoint
    from PRRTUptakeLib.study.protocol import Protocol

_METRIC = {
    "tn_ratio": "the tumour-to-non-tumour ratio of mean uptake",
    "mean": "mean activity concentration",
}
_CONTOURS = {"CT": "contrast-enhanced CT", "MR": "MRI"}


def cohort_methods(protocol: Protocol, endpoint: Endpoint | None = None) -> str:
    """Say how images, lesions, reference, endpoint and statistics were handled, for the methods of a paper.

    Parameters
    ----------
    endpoint : adds what was computed beyond the protocol's rules (mixed model, measurement uncertainty).
    """
    return " ".join(
        [_imaging(protocol), _reference(protocol), _aggregation(protocol), *_statistics(protocol, endpoint)]
    )


def _imaging(protocol: Protocol) -> str:
    imaging, targets = protocol.imaging, protocol.targets
    most = f"{targets.maximum_per_lobe} per lobe and {targets.maximum_total} in total"
    if targets.maximum_per_lobe is None:
        most = f"{targets.maximum_total}, anywhere in the body"
    nuclide = "".join(reversed(protocol.nuclide.split("-")))
    return (
        f"Patients were analysed by the protocol '{protocol.name}' ({protocol.source}). Uptake was measured on "
        f"{nuclide} {imaging.modality}/CT {imaging.time_after_injection_h:g} h after injection (resolution "
        f"{imaging.fwhm_mm:g} mm FWHM), in contours drawn on {_CONTOURS[imaging.contours_on]}. Target lesions were "
        f"those with a longest axial diameter above {targets.minimum_diameter_mm:g} mm, the largest first, at most "
        f"{most}."
    )


def _reference(protocol: Protocol) -> str:
    rules = protocol.reference
    undivided = rules.kind == "whole-liver" and not protocol.rules.by_lobe
    reference = "the non-tumour liver" if undivided else REFERENCES[rules.kind]
    return (
        f"The reference was {reference}, at least {rules.lesion_margin_mm:g} mm from lesions and "
        f"{rules.rim_mm:g} mm inside the liver's surface, of at least {rules.minimum_volume_mL:g} mL."
    )


def _aggregation(protocol: Protocol) -> str:
    rules = protocol.endpoint
    if not protocol.rules.endpoint:
        return design_of(protocol).endpoint.aggregation
    metric, centre = _METRIC.get(rules.metric, metric_label(rules.metric)), AGGREGATIONS[rules.aggregation]
    words = design_of(protocol).endpoint.aggregation
    return words.format(metric=metric, centre=centre, cycle=rules.cycle, threshold=f"{rules.threshold:g}")


def _statistics(protocol: Protocol, endpoint: Endpoint | None) -> list[str]:
    if not protocol.rules.endpoint:
        return [f"Computed with SlicerPRRT {VERSION} and SciPy."]
    rules = protocol.endpoint
    level = f"{100 * rules.confidence:g} %"
    words = [
        "The patient was the unit of analysis. Ratios were compared by two-sided paired t-tests of natural logarithms "
        f"and are given as geometric means with {level} confidence intervals; differences on the raw scale by paired "
        "t-tests of the values, given as such, since both are in use and need not agree. Wilcoxon's exact signed-rank "
        "test with the Hodges-Lehmann estimate and the sign test are given beside them, and shares of patients with "
        "exact (Clopper-Pearson) intervals and binomial tests. Values equal within 1e-9 of their size count as ties."
    ]
    if rules.bootstrap_samples:
        words.append(
            f"Bootstrap intervals are studentised, of {rules.bootstrap_samples} resamples of patients (seed "
            f"{rules.bootstrap_seed}), and not narrower than Student's t makes them."
        )
    if endpoint and endpoint.propagated:
        words.append(
            "Measurement uncertainty of lesions was propagated to each patient's ratio to first order and carried into "
            "the interval by a random-effects model (Paule-Mandel, Hartung-Knapp)."
        )
    if endpoint and endpoint.mixed:
        words.append(
            "A mixed model of all lesion values and cycles, with random effects of patient and of lobe within patient, "
            "was fitted by restricted maximum likelihood, variances of zero included; its interval has Satterthwaite's "
            "degrees of freedom, at most one less than the patients, and is that of the paired t-test on balanced data."
        )
    if endpoint and endpoint.exclusions:
        words.append(
            f"Exclusions stated with reason and date: {len(endpoint.exclusions)}. The analysis is per protocol; "
            "that by intention to treat is given too."
        )
    if endpoint and endpoint.course and endpoint.course.note():
        words.append("Missing cycles were not imputed: each cycle has the patients measured in it.")
    words.append(f"No correction was made for multiple comparisons. Computed with SlicerPRRT {VERSION} and SciPy.")
    return words
