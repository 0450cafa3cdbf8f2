"""Lobe against lobe: every visit has its own emission image and lobes; the untreated lobe is the patient's control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.study.designs.base import DOSES, PAIRED_LOBES, UPTAKE, DesignRules, EndpointTraits
from PRRTUptakeLib.vocabulary import AGGREGATIONS, REFERENCES

if TYPE_CHECKING:
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.model import StudyInput, StudyResult


class LobeComparison:
    """The design."""

    name = "lobe-comparison"
    aliases = ("lobe-against-lobe",)
    title = "Lobe against lobe"
    single_visits = True
    rules = DesignRules(
        metrics=("tn_ratio", *UPTAKE, "volume", *DOSES, "effective_half_life", "mass"),
        uptake=("tn_ratio", *UPTAKE),
        aggregations=tuple(AGGREGATIONS),
        references=tuple(REFERENCES),
        lobes=("left", "right", "from-plane", "drawn"),
    )
    endpoint = EndpointTraits(
        kind=PAIRED_LOBES,
        allocated=True,
        result="Geometric mean ratio {first}/{second} {gmr} ({level}, log scale, {p}); means {means}, difference "
        "{raw} (raw scale, {p_raw}); patients with a ratio > {threshold}: {responders}.",
        aggregation="The endpoint was {metric} in cycle {cycle}, {centre} over the target lesions of a lobe, of the "
        "treated over the control lobe; a patient with a ratio above {threshold} was a responder.",
    )

    def measure(self, study: StudyInput, progress: Progress) -> StudyResult:
        """Measure every visit; see `visit_by_visit.measure_visits`."""
        from PRRTUptakeLib.study.designs.visit_by_visit import measure_visits  # with its science, only when it measures

        return measure_visits(study, progress)


LOBE_COMPARISON = LobeComparison()
