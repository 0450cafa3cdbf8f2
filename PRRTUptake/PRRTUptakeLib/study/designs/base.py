"""What a trial's design is: what it measures, and the traits that statistics, cohort and reports ask for.

A design is one object in one file of this package. A further one is its file, an entry in `designs.DESIGNS`, from which
the loader of protocols takes its words, and a protocol that names it; nothing outside compares the names of designs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from PRRTUptakeLib.progress import Progress
    from PRRTUptakeLib.study.model import StudyInput, StudyResult

    Measure = Callable[[StudyInput, Progress], StudyResult]

# Words of rows that designs with single visits measure: uptake in the image itself, and what dosimetry adds.
UPTAKE = ("mean", "max", "median", "min", "sd", "mean_corrected")
DOSES = ("dose", "dose_recovery_corrected", "absorbed_dose", "tia", "tiac", "bed", "eqd2", "therapeutic_index")

PAIRED_LOBES, ROUTE_RATIOS, NO_COMPARISON = "paired lobes", "ratios of routes", "no comparison"


@dataclass(frozen=True, kw_only=True)
class EndpointTraits:
    """What statistics and report need to know of a design's endpoint.

    Attributes
    ----------
    kind : what one patient contributes: PAIRED_LOBES (two values), ROUTE_RATIOS (one ratio), or NO_COMPARISON.
    at_least : whether a patient exactly at the threshold is a responder.
    allocated : whether one arm is known by an allocation, without which the analysis is blinded.
    ratio_word : what the patient's ratio is called in figures; "" for FIRST/SECOND of the pair's labels.
    ratio_header : column of that ratio in the table of patients; "" where both values have columns.
    relative_to_threshold : whether the waterfall shows the ratio over the threshold, else over 1.
    result : the endpoint in one sentence; fields: threshold, responders, gmr, level, p, first, second, means, raw,
        p_raw; p and p_raw with their "p =".
    aggregation : how lesions become the patient's value, for the methods; fields: metric, centre, cycle, threshold.
    """

    kind: str
    at_least: bool = False
    allocated: bool = False
    ratio_word: str = ""
    ratio_header: str = ""
    relative_to_threshold: bool = False
    result: str = ""
    aggregation: str = ""

    @property
    def responder_sign(self) -> str:
        """How a ratio compares with the threshold in a responder."""
        return "≥" if self.at_least else ">"


@dataclass(frozen=True, kw_only=True)
class DesignRules:
    """What a design can do; a protocol that asks for more is refused.

    Attributes
    ----------
    metrics : of the endpoint: words of rows that the design measures for target lesions.
    uptake : those of them that are measured in the image itself.
    aggregations, references : words for ``endpoint.aggregation`` and ``reference.kind``.
    lobes : what a case's ``lobes`` may say.
    routes : whether intra-arterial and intravenous injections are compared.
    by_lobe : whether targets are liver lesions, chosen per lobe; if not, lesions anywhere are, and lobes do not count.
    endpoint : whether patients are compared in an endpoint, which a protocol states then, and only then.
    """

    metrics: tuple[str, ...]
    uptake: tuple[str, ...]
    aggregations: tuple[str, ...]
    references: tuple[str, ...]
    lobes: tuple[str, ...] = ("none", "left", "right", "from-plane", "drawn")
    routes: bool = False
    by_lobe: bool = True
    endpoint: bool = True


class Design(Protocol):
    """One design."""

    @property
    def name(self) -> str:
        """As the registry knows it."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names under which protocols may ask for it."""

    @property
    def title(self) -> str:
        """Heading of a patient's report, without the patient."""

    @property
    def endpoint(self) -> EndpointTraits:
        """Traits of its endpoint."""

    @property
    def single_visits(self) -> bool:
        """Whether it measures visits one by one, as dosimetry needs them."""

    @property
    def rules(self) -> DesignRules:
        """What it can do, for protocols, cases and what is measured."""

    def measure(self, study: StudyInput, progress: Progress) -> StudyResult:
        """Measure a patient."""
