"""Intra-arterial against intravenous: contours on one MRI or CT, measured in the PET/CT of each route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.study.designs.base import ROUTE_RATIOS, DesignRules, EndpointTraits
from PRRTUptakeLib.vocabulary import AGGREGATIONS, SUV_METRICS, VOLUME_WEIGHTED

if TYPE_CHECKING:
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.model import StudyInput, StudyResult


class RouteComparison:
    """The design."""

    name = "route-comparison"
    aliases = ("ia-versus-iv",)
    title = "Intra-arterial against intravenous"
    single_visits = False
    rules = DesignRules(
        metrics=SUV_METRICS,
        uptake=SUV_METRICS,
        aggregations=tuple(word for word in AGGREGATIONS if word != VOLUME_WEIGHTED),  # ratios have no volumes
        references=("whole-liver",),
        routes=True,
    )
    endpoint = EndpointTraits(
        kind=ROUTE_RATIOS,
        at_least=True,
        ratio_word="enhancement ratio",
        ratio_header="enhancement ratio",
        relative_to_threshold=True,
        result="Patients with an enhancement ratio of {threshold} or more: {responders}; geometric mean enhancement "
        "ratio {gmr} ({level}), {p}.",
        aggregation="The enhancement ratio of a lesion was {metric} after intra-arterial over that after intravenous "
        "injection; a patient's was {centre} over the target lesions, and a patient with {threshold} or more a "
        "responder.",
    )

    def measure(self, study: StudyInput, progress: Progress) -> StudyResult:
        """Measure both routes; see `two_routes.measure_routes`."""
        from PRRTUptakeLib.study.designs.two_routes import measure_routes  # with its science, only when it measures

        return measure_routes(study, progress)


ROUTE_COMPARISON = RouteComparison()
