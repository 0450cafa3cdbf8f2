"""The trial's endpoint from a table of measurements, by the rules of the protocol."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.formatting import natural_order
from PRRTUptakeLib.statistics.cycles import Cycles, compare_cycles
from PRRTUptakeLib.statistics.dose_response import DOSES, DoseResponse, dose_response
from PRRTUptakeLib.statistics.enhancement import RegionEnhancement, enhancement
from PRRTUptakeLib.statistics.errors import PropagationError, StatisticsError
from PRRTUptakeLib.statistics.exclusions import (
    INTENTION_TO_TREAT,
    PER_PROTOCOL,
    check_exclusions,
    population_rows,
    reasons_by_patient,
)
from PRRTUptakeLib.statistics.measurement_uncertainty import (
    PropagatedUncertainty,
    dependence,
    propagate_uncertainty,
    responder_attenuation,
)
from PRRTUptakeLib.statistics.paired import (
    BootstrapIntervals,
    PairedComparison,
    bootstrap_intervals,
    compare_pairs,
)
from PRRTUptakeLib.statistics.paired_values import (
    BLINDED,
    Exclusion,
    PairedValues,
    check_table,
    endpoint_rows,
    lobe_pairs,
    lobe_words,
)
from PRRTUptakeLib.statistics.scales import ScaleConflict, scale_conflict
from PRRTUptakeLib.statistics.subgroups import Subgroups, compare_subgroups
from PRRTUptakeLib.statistics.ties import log_ratios
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.base import PAIRED_LOBES, ROUTE_RATIOS
from PRRTUptakeLib.study.stated_exclusion import StatedExclusion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from PRRTUptakeLib.statistics.allocation import Allocation
    from PRRTUptakeLib.statistics.mixed import MixedModel
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

ALLOCATED_ONLY = "allocated, but there is no measurement"


@dataclass(frozen=True, eq=False)
class Endpoint:
    """The endpoint of a cohort.

    ``course`` holds the same comparison for every cycle of the trial, ``populations`` that of everybody (intention to
    treat) and of the patients left by ``exclusions`` (per protocol, which is ``comparison``); ``scales`` says where raw
    and log scale contradict each other. ``regions`` and ``uptake`` belong to enhancement
    ratios; ``propagated`` is None without measurement uncertainties, ``mixed`` unless asked for, ``response`` without
    lesion doses.
    """

    protocol: Protocol
    pairs: PairedValues
    comparison: PairedComparison
    bootstrap: BootstrapIntervals
    propagated: PropagatedUncertainty | None
    notes: tuple[str, ...]
    regions: tuple[RegionEnhancement, ...] = ()
    uptake: PairedComparison | None = None
    uptake_pairs: PairedValues | None = None
    mixed: MixedModel | None = None
    subgroups: tuple[Subgroups, ...] = ()
    response: DoseResponse | None = None
    course: Cycles | None = None
    populations: Mapping[str, PairedComparison] = field(default_factory=dict)
    exclusions: tuple[StatedExclusion, ...] = ()
    scales: ScaleConflict | None = None

    @property
    def cycles(self) -> Mapping[int, PairedComparison]:
        """The comparison in every cycle, of all patients who have it."""
        return self.course.available if self.course else {}

    @property
    def blinded(self) -> bool:
        """Whether it is not known which lobe was treated."""
        return self.pairs.labels == BLINDED

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; intervals are [low, high], what is not known is nan."""
        return {
            **asdict(self.comparison),
            "protocol": self.protocol.name,
            "protocol_sha256": self.protocol.sha256,
            "design": self.protocol.design,
            "metric": self.protocol.endpoint.metric,
            "cycle": self.protocol.endpoint.cycle,
            "aggregation": self.protocol.endpoint.aggregation,
            "confidence": self.protocol.endpoint.confidence,
            "comparison": list(self.pairs.labels),
            "blinded": self.blinded,
            "bootstrap": asdict(self.bootstrap),
            "measurement_uncertainty": asdict(self.propagated) if self.propagated else None,
            "mixed_model": asdict(self.mixed) if self.mixed else None,
            "cycles": {str(cycle): asdict(result) for cycle, result in self.cycles.items()},
            **self._who_counts(),
            "scale_conflict": asdict(self.scales) if self.scales else None,
            "regions": {
                region.region: {**asdict(region.enhancement), "gain": asdict(region.gain) if region.gain else None}
                for region in self.regions
            },
            "uptake": asdict(self.uptake) if self.uptake else None,
            "subgroups": {group.characteristic: asdict(group) for group in self.subgroups},
            "dose_response": asdict(self.response) if self.response else None,
            "patients": self._patients(),
            "excluded": [asdict(item) for item in self.pairs.excluded],
            "notes": list(self.notes),
        }

    def _who_counts(self) -> dict[str, Any]:
        course = self.course
        return {
            "completers": {str(n): asdict(one) for n, one in course.completers.items()} if course else {},
            "missing_cycles": {str(n): [asdict(one) for one in lost] for n, lost in course.missing.items()}
            if course
            else {},
            "populations": {name: asdict(one) for name, one in self.populations.items()},
            "exclusions": [{**asdict(one), "decided": one.decided.isoformat()} for one in self.exclusions],
        }

    def _patients(self) -> list[dict[str, Any]]:
        pairs, names = self.pairs, self.pairs.labels
        table = zip(pairs.patients, pairs.first.tolist(), pairs.second.tolist(), pairs.u_log.tolist(), strict=True)
        if design_of(self.protocol).endpoint.kind == ROUTE_RATIOS:
            return [{"patient": patient, "ratio": ratio, "u_log": u_log} for patient, ratio, _, u_log in table]
        return [
            {"patient": patient, names[0]: first, names[1]: second, "ratio": first / second, "u_log": u_log}
            for patient, first, second, u_log in table
        ]


def evaluate(
    rows: Sequence[Measurement],
    protocol: Protocol,
    allocation: Allocation | None = None,
    strict: bool = True,
    mixed: bool = False,
    characteristics: Mapping[str, Mapping[str, str]] | None = None,
    exclusions: Sequence[StatedExclusion] = (),
) -> Endpoint:
    """Compute the endpoint.

    Parameters
    ----------
    rows : the table; its order does not matter.
    allocation : which lobe was treated. Without it a table of left and right lobes stays blinded: A is left, B right.
    strict : refuse a table in which any patient cannot be analysed; otherwise such patients are excluded and listed.
    mixed : fit the mixed model too.
    characteristics : group of each patient by characteristic, as `subgroups.read_subgroups` gives them.
    exclusions : who and what does not count; the endpoint is per protocol then, with intention to treat beside it.

    Raises
    ------
    PRRTError
        If the table, the allocation or too few patients do not allow the endpoint.
    """
    check_table(rows)
    check_exclusions(exclusions, rows, () if allocation is None else allocation.treated)
    kept = population_rows(rows, exclusions, PER_PROTOCOL)
    if not kept:
        raise StatisticsError("The exclusions leave no measurement: take some of them back.")
    excused = {one.patient for one in exclusions} if strict else {row.patient for row in kept}
    kind = design_of(protocol).endpoint.kind
    if kind == ROUTE_RATIOS:
        parts = _enhancement_parts(kept, protocol, allocation, excused, mixed)
    elif kind == PAIRED_LOBES:
        parts = _lobe_parts(rows, kept, protocol, allocation, excused)
        if mixed:
            parts |= _mixed(kept, protocol, allocation, parts["notes"])
    else:
        raise StatisticsError(f"The protocol '{protocol.name}' compares nothing within a patient: it has no endpoint.")
    if exclusions:
        parts |= _populations(rows, protocol, allocation, tuple(exclusions))
    pairs: PairedValues = parts.pop("pairs")
    notes: tuple[str, ...] = parts.pop("notes")
    pairs, lost = _with_left_out(pairs, reasons_by_patient(exclusions), allocation, rows)
    parts["subgroups"] = compare_subgroups(pairs, characteristics or {}, protocol)
    if any(row.metric in DOSES for row in kept):
        try:
            parts["response"] = dose_response(kept)
            if parts["response"].incomplete:
                named = "; ".join(parts["response"].incomplete)
                notes += (f"Dose-response: lesions without a dose in a cycle, whose sum is too low: {named}.",)
        except PRRTError as problem:
            notes += (f"There is no dose-response. {problem}",)
    return _endpoint(protocol, pairs, notes + lost, parts)


def _lobe_parts(
    rows: Sequence[Measurement],
    kept: Sequence[Measurement],
    protocol: Protocol,
    allocation: Allocation | None,
    excused: Collection[str],
) -> dict[str, Any]:
    words = lobe_words(endpoint_rows(rows, protocol)[0])
    if allocation is not None:
        allocation.check(words)
    treated = None if allocation is None else allocation.treated
    pairs = lobe_pairs(kept, protocol, treated)
    _refuse(pairs, excused)
    notes = pairs.notes
    if pairs.labels == BLINDED:
        meaning = "A is the left lobe, B the right" if words == ("left", "right") else "A and B are the table's"
        notes += (f"The lobes are blinded ({meaning}): nothing is said about treatment until the allocation is given.",)
    course = compare_cycles(kept, protocol, treated)
    return {"pairs": pairs, "notes": notes + course.note(), "course": course}


def _mixed(
    rows: Sequence[Measurement], protocol: Protocol, allocation: Allocation | None, notes: tuple[str, ...]
) -> dict[str, Any]:
    """The mixed model, or the notes with the reason why there is none: the endpoint does not hang on it."""
    from PRRTUptakeLib.statistics.mixed import fit_mixed_model

    try:
        return {"mixed": fit_mixed_model(rows, protocol, None if allocation is None else allocation.treated)}
    except StatisticsError as problem:
        return {"notes": (*notes, f"There is no mixed model. {problem}")}


def _populations(
    rows: Sequence[Measurement],
    protocol: Protocol,
    allocation: Allocation | None,
    exclusions: tuple[StatedExclusion, ...],
) -> dict[str, Any]:
    """The comparison of everybody beside that of those who were not excluded."""
    found = {}
    for name in (INTENTION_TO_TREAT, PER_PROTOCOL):
        mine = population_rows(rows, exclusions, name)
        if design_of(protocol).endpoint.kind == ROUTE_RATIOS:
            pairs = enhancement(mine, protocol).pairs
        else:
            pairs = lobe_pairs(mine, protocol, None if allocation is None else allocation.treated)
        if len(pairs.patients) >= 2:
            found[name] = _comparison(pairs, protocol)
    return {"populations": found, "exclusions": exclusions}


def _with_left_out(
    pairs: PairedValues, reasons: Mapping[str, str], allocation: Allocation | None, rows: Sequence[Measurement]
) -> tuple[PairedValues, tuple[str, ...]]:
    """Add who was excluded, and who was allocated but never measured, to those without a value."""
    measured = {row.patient for row in rows}
    treated = {} if allocation is None else allocation.treated
    unmeasured = [name for name in sorted(treated, key=natural_order) if name not in measured]
    others = {one.patient: one for one in pairs.excluded if one.patient not in reasons}
    others |= {patient: Exclusion(patient, reason) for patient, reason in reasons.items()}
    others |= {name: Exclusion(name, ALLOCATED_ONLY) for name in unmeasured if name not in others}
    lost = replace(pairs, excluded=tuple(others[patient] for patient in sorted(others, key=natural_order)))
    if not unmeasured:
        return lost, ()
    return lost, (
        f"The allocation names {len(unmeasured)} patient(s) without any measurement ({', '.join(unmeasured)}): "
        "they are counted as allocated and not analysed.",
    )


def _enhancement_parts(
    rows: Sequence[Measurement],
    protocol: Protocol,
    allocation: Allocation | None,
    excused: Collection[str],
    mixed: bool,
) -> dict[str, Any]:
    if allocation is not None or mixed:
        what = "mixed model" if mixed else "allocation"
        raise StatisticsError(f"The protocol '{protocol.name}' compares injections, not lobes: leave the {what} out.")
    found = enhancement(rows, protocol)
    _refuse(found.pairs, excused)
    parts = {"pairs": found.pairs, "notes": found.pairs.notes, "regions": found.regions, "uptake_pairs": found.uptake}
    if found.uptake:
        parts["uptake"] = compare_pairs(found.uptake.first, found.uptake.second, protocol.endpoint.confidence)
    return parts


def _refuse(pairs: PairedValues, excused: Collection[str]) -> None:
    unusable = [item for item in pairs.excluded if item.patient not in excused]
    if unusable:
        first = unusable[0]
        others = f" ({len(unusable) - 1} more patient(s) cannot be analysed)" if len(unusable) > 1 else ""
        raise StatisticsError(
            f"Patient {first.patient}: {first.reason}{others}; correct the table, or exclude the patient."
        )
    if len(pairs.patients) < 2:
        reasons = "".join(f"; patient {item.patient}: {item.reason}" for item in pairs.excluded[:3])
        raise StatisticsError(
            f"Only {len(pairs.patients)} patient(s) can be analysed, but an endpoint needs two or more{reasons}."
        )


def _endpoint(protocol: Protocol, pairs: PairedValues, notes: tuple[str, ...], parts: Mapping[str, Any]) -> Endpoint:
    rules = protocol.endpoint
    comparison = _comparison(pairs, protocol)
    bootstrap = bootstrap_intervals(
        pairs.first, pairs.second, rules.bootstrap_samples, rules.bootstrap_seed, rules.confidence
    )
    propagated = None
    if np.isfinite(pairs.u_log).any():
        try:
            propagated = _propagated(pairs, protocol)
        except PropagationError as problem:
            notes += (f"Measurement uncertainty is not carried into the interval. {problem}",)
    if rules.bootstrap_samples and not math.isnan(comparison.p_log) and math.isnan(bootstrap.gmr_ci[0]):
        notes += (
            f"There is no bootstrap interval: too many resampled cohorts of these {len(pairs.patients)} patients have "
            "no scatter; take that by Student's t.",
        )
    if math.isnan(comparison.p_log):
        notes += ("All patients have the same ratio: without scatter between them there is no test and no interval.",)
    if design_of(protocol).endpoint.kind == PAIRED_LOBES:
        parts = {**parts, "scales": scale_conflict(pairs.first, pairs.second, comparison, rules.confidence)}
    if parts.get("scales"):
        notes += (parts["scales"].sentence,)
    return Endpoint(protocol, pairs, comparison, bootstrap, propagated, notes, **parts)


def _propagated(pairs: PairedValues, protocol: Protocol) -> PropagatedUncertainty:
    """The weighted analysis, beside the plain one, and what errors of measurement do to shares and slopes."""
    rules, at_least = protocol.endpoint, design_of(protocol).endpoint.at_least
    log_ratio, _ = log_ratios(pairs.first, pairs.second)
    found = propagate_uncertainty(log_ratio, pairs.u_log, rules.confidence)
    if not pairs.u_log.all():
        return found
    responders = responder_attenuation(
        log_ratio, pairs.u_log, rules.threshold, seed=rules.bootstrap_seed, at_least=at_least
    )
    relation = None if pairs.u_second_log is None else dependence(pairs.first, pairs.second, pairs.u_second_log)
    return replace(found, responders=responders, dependence=relation)


def _comparison(pairs: PairedValues, protocol: Protocol) -> PairedComparison:
    rules = protocol.endpoint
    at_least = design_of(protocol).endpoint.at_least
    return compare_pairs(pairs.first, pairs.second, rules.confidence, rules.threshold, at_least)
