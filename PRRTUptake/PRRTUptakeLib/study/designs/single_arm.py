"""Single arm: any patient given PRRT, without arms or lobes; a mask of the liver is enough, lesions may be anywhere.

Of every visit: uptake of each lesion and organ, and their ratio to healthy liver. Doses of each cycle, summed over the
cycles, come from the dosimetry extension, as for every design with single visits; the response from the lesions' sizes.
Nothing is compared within a patient or between patients, so that a cohort has tables and no endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PRRTUptakeLib.study.designs.base import NO_COMPARISON, UPTAKE, DesignRules, EndpointTraits

if TYPE_CHECKING:
    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.model import StudyInput, StudyResult


class SingleArm:
    """The design: no lobes, targets anywhere, no endpoint."""

    name = "single-arm"
    aliases: tuple[str, ...] = ()
    title = "Uptake, doses and response"
    single_visits = True
    rules = DesignRules(
        metrics=(),
        uptake=("tn_ratio", *UPTAKE, "organ_to_liver_ratio"),
        aggregations=(),
        references=("whole-liver", "fixed-sphere"),
        lobes=("none",),
        by_lobe=False,
        endpoint=False,
    )
    endpoint = EndpointTraits(
        kind=NO_COMPARISON,
        aggregation="Nothing was compared between patients: uptake, ratios to healthy liver, absorbed doses and "
        "response are given lesion by lesion and organ by organ.",
    )

    def measure(self, study: StudyInput, progress: Progress) -> StudyResult:
        """Measure every visit; see `visit_by_visit.measure_visits`."""
        from PRRTUptakeLib.study.designs.visit_by_visit import measure_visits  # with its science, only when it measures

        return measure_visits(study, progress)


SINGLE_ARM = SingleArm()
