"""Whether a patient's enhancement ratio reaches the protocol's threshold, given how well SUV repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.statistics.ties import at_least
from PRRTUptakeLib.study.errors import StudyError
from PRRTUptakeLib.uptake.aggregation import aggregate_draws, aggregate_lesions
from PRRTUptakeLib.vocabulary import AGGREGATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PRRTUptakeLib.study.protocol import EndpointRules, RepeatabilityRules

DRAWS = 20_000
ELIGIBLE, NOT_ELIGIBLE, WITHIN_ERROR = "eligible", "not eligible", "within measurement error"


@dataclass(frozen=True)
class Eligibility:
    """The patient's value and what it means.

    Attributes
    ----------
    value : enhancement ratio of the patient, by ``aggregation`` over the lesions.
    interval : where the true value is with the protocol's confidence, given the repeatability.
    interval_95 : the same with 95 %.
    probability : that the true value reaches ``threshold``.
    decision : eligible, not eligible, or within measurement error (the interval holds the threshold).
    alternatives : the value by the other aggregations, which is why the rule must be fixed beforehand.
    """

    value: float
    interval: tuple[float, float]
    probability: float
    decision: str
    threshold: float
    aggregation: str
    alternatives: dict[str, float]
    interval_95: tuple[float, float]

    @property
    def sentence(self) -> str:
        """The decision in words."""
        low, high = self.interval
        how = self.aggregation.replace("-", " ")
        return (
            f"Enhancement ratio ({how} of the lesions) {self.value:.2f} [95 % {low:.2f} to {high:.2f}], "
            f"threshold {self.threshold:g}: {self.decision}; the true value reaches the threshold with a "
            f"probability of {self.probability:.1%}."
        )


def eligibility(
    ratios: Mapping[str, float], endpoint: EndpointRules, repeatability: RepeatabilityRules, seed: int = 1
) -> Eligibility:
    """Decide on one patient.

    SUV of a lesion repeats with a within-subject coefficient of variation w on log-normal scale, so log(IA/IV) has the
    variance 2 ln(1 + w^2); lesions of one scan share the part ``correlation_between_lesions`` of it (calibration,
    injected activity, uptake time, what the patient's plasma offers). Weber et al. 2015,
    doi:10.2967/jnumed.114.147728, report about 10 % for SUVmax. Of that, counting noise, which each lesion has for
    itself, is 5.6 % (Lodge et al. 2012, doi:10.2967/jnumed.111.101733), which leaves 1 - (5.6/10)^2 = 0.7 for what the
    lesions can share: the shipped protocol's correlation. The truth may be lower, and the interval is then wider than
    it need be; with 0 it would hold the truth in two of three patients where lesions share 80 %.

    Parameters
    ----------
    ratios : enhancement ratio of each target lesion, positive.
    endpoint : aggregation, threshold, confidence.
    repeatability : the coefficient and the correlation.
    seed : of the Monte Carlo, 20,000 draws.

    Raises
    ------
    StudyError
        If there is no lesion.

    Examples
    --------
    >>> from PRRTUptakeLib.study.protocol import load_protocol
    >>> rules = load_protocol("ia-versus-iv")
    >>> lesions = {"L1": 1.2, "L2": 1.5, "L3": 2.0, "L4": 3.0, "L5": 9.0}
    >>> found = eligibility(lesions, rules.endpoint, rules.repeatability)
    >>> round(found.value, 2), round(found.alternatives["geometric-mean"], 2), found.alternatives["median"]
    (3.34, 2.5, 2.0)
    >>> found.decision
    'within measurement error'
    """
    if not ratios:
        raise StudyError("No target lesion has an enhancement ratio: choose targets that both images show.")
    value = aggregate_lesions(ratios, endpoint.aggregation).value
    alternatives = {
        how: aggregate_lesions(ratios, how).value
        for how in AGGREGATIONS
        if how not in (endpoint.aggregation, "volume-weighted-mean")  # ratios have no volumes
    }
    drawn = _draws(np.array(list(ratios.values())), endpoint.aggregation, repeatability, seed)
    tail = (1.0 - endpoint.confidence) / 2.0
    low, high = (float(x) for x in np.quantile(drawn, [tail, 1.0 - tail]))
    probability = float(at_least(drawn, endpoint.threshold).mean())
    decision = WITHIN_ERROR
    if at_least(low, endpoint.threshold):
        decision = ELIGIBLE
    elif not at_least(high, endpoint.threshold):
        decision = NOT_ELIGIBLE
    ends = (float(x) for x in np.quantile(drawn, [0.025, 0.975]))
    return Eligibility(
        value=value,
        interval=(low, high),
        probability=probability,
        decision=decision,
        threshold=endpoint.threshold,
        aggregation=endpoint.aggregation,
        alternatives=alternatives,
        interval_95=(next(ends), next(ends)),
    )


def log_ratio_sd(repeatability: RepeatabilityRules) -> float:
    """Standard deviation of the natural log of a ratio of two SUVs: each repeats with the coefficient of variation w.

    sqrt(2 ln(1 + w^2)), exact for log-normal values (Bland and Altman, BMJ 1996;313:106, doi:10.1136/bmj.313.7049.106).
    """
    return math.sqrt(2.0 * math.log1p(repeatability.within_subject_cv**2))


def _draws(ratios: np.ndarray, aggregation: str, repeatability: RepeatabilityRules, seed: int) -> np.ndarray:
    """Patient values that fit the measurement, (DRAWS,)."""
    sigma = log_ratio_sd(repeatability)
    shared = repeatability.correlation_between_lesions
    rng = np.random.default_rng(seed)
    noise = math.sqrt(1.0 - shared) * rng.standard_normal((DRAWS, ratios.size))
    noise += math.sqrt(shared) * rng.standard_normal((DRAWS, 1))
    return aggregate_draws(ratios * np.exp(sigma * noise), aggregation)
