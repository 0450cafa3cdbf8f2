"""The trial's endpoint from a table of measurements, by the rules of the protocol."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from PRRTUptakeLib.errors import PRRTError
from PRRTUptakeLib.statistics.dose_response import DOSES, DoseResponse, dose_response
from PRRTUptakeLib.statistics.enhancement import RegionEnhancement, enhancement
from PRRTUptakeLib.statistics.measurement_uncertainty import (
    PropagatedUncertainty,
    UncertaintyError,
    propagate_uncertainty,
)
from PRRTUptakeLib.statistics.paired import BootstrapIntervals, PairedComparison, bootstrap_intervals, compare_pairs
from PRRTUptakeLib.statistics.paired_values import (
    BLINDED,
    EndpointError,
    PairedValues,
    check_table,
    endpoint_rows,
    lobe_pairs,
    lobe_words,
)
from PRRTUptakeLib.statistics.subgroups import Subgroups, compare_subgroups
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.study.designs.base import PAIRED_LOBES, ROUTE_RATIOS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.statistics.allocation import Allocation
    from PRRTUptakeLib.statistics.mixed import MixedModel
    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Endpoint:
    """The endpoint of a cohort.

    ``cycles`` holds the same comparison for every cycle of the trial; ``regions`` and ``uptake`` belong to enhancement
    ratios; ``carried`` is None without measurement uncertainties, ``mixed`` unless asked for, ``response`` without
    lesion doses.
    """

    protocol: Protocol
    pairs: PairedValues
    comparison: PairedComparison
    bootstrap: BootstrapIntervals
    propagated: PropagatedUncertainty | None
    notes: tuple[str, ...]
    cycles: Mapping[int, PairedComparison] = field(default_factory=dict)
    regions: tuple[RegionEnhancement, ...] = ()
    uptake: PairedComparison | None = None
    uptake_pairs: PairedValues | None = None
    mixed: MixedModel | None = None
    subgroups: tuple[Subgroups, ...] = ()
    response: DoseResponse | None = None

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
) -> Endpoint:
    """Compute the endpoint.

    Parameters
    ----------
    rows : the table; its order does not matter.
    allocation : which lobe was treated. Without it a table of left and right lobes stays blinded: A is left, B right.
    strict : refuse a table in which any patient cannot be analysed; otherwise such patients are excluded and listed.
    mixed : fit the mixed model too (needs statsmodels).
    characteristics : group of each patient by characteristic, as `subgroups.read_subgroups` gives them.

    Raises
    ------
    PRRTError
        If the table, the allocation or too few patients do not allow the endpoint.
    """
    check_table(rows)
    kind = design_of(protocol).endpoint.kind
    if kind not in _PARTS:
        raise EndpointError(f"The protocol '{protocol.name}' compares nothing within a patient: it has no endpoint.")
    parts = _PARTS[kind](rows, protocol, allocation, strict, mixed)
    pairs: PairedValues = parts.pop("pairs")
    notes: tuple[str, ...] = parts.pop("notes")
    parts["subgroups"] = compare_subgroups(pairs, characteristics or {}, protocol)
    if any(row.metric in DOSES for row in rows):
        try:
            parts["response"] = dose_response(rows)
        except PRRTError as problem:
            notes += (f"There is no dose-response. {problem}",)
    return _endpoint(protocol, pairs, notes, parts)


def _lobe_parts(
    rows: Sequence[Measurement], protocol: Protocol, allocation: Allocation | None, strict: bool, mixed: bool
) -> dict[str, Any]:
    chosen, _ = endpoint_rows(rows, protocol)
    words = lobe_words(chosen)
    if allocation is not None:
        allocation.check({row.patient for row in rows}, words)
    treated = None if allocation is None else allocation.treated
    pairs = lobe_pairs(rows, protocol, treated)
    _refuse(pairs, strict)
    notes = pairs.notes
    if pairs.labels == BLINDED:
        meaning = "A is the left lobe, B the right" if words == ("left", "right") else "A and B are the table's"
        notes += (f"The lobes are blinded ({meaning}): nothing is said about treatment until the allocation is given.",)
    parts: dict[str, Any] = {"pairs": pairs, "notes": notes, "cycles": _cycles(rows, protocol, treated)}
    if mixed:
        from PRRTUptakeLib.statistics.mixed import fit_mixed_model

        parts["mixed"] = fit_mixed_model(rows, protocol, treated)
    return parts


def _enhancement_parts(
    rows: Sequence[Measurement], protocol: Protocol, allocation: Allocation | None, strict: bool, mixed: bool
) -> dict[str, Any]:
    if allocation is not None or mixed:
        what = "mixed model" if mixed else "allocation"
        raise EndpointError(f"The protocol '{protocol.name}' compares injections, not lobes: leave the {what} out.")
    found = enhancement(rows, protocol)
    _refuse(found.pairs, strict)
    parts = {"pairs": found.pairs, "notes": found.pairs.notes, "regions": found.regions, "uptake_pairs": found.uptake}
    if found.uptake:
        parts["uptake"] = compare_pairs(found.uptake.first, found.uptake.second, protocol.endpoint.confidence)
    return parts


_PARTS = {PAIRED_LOBES: _lobe_parts, ROUTE_RATIOS: _enhancement_parts}


def _refuse(pairs: PairedValues, strict: bool) -> None:
    if strict and pairs.excluded:
        first = pairs.excluded[0]
        others = f" ({len(pairs.excluded) - 1} more patient(s) cannot be analysed)" if len(pairs.excluded) > 1 else ""
        raise EndpointError(
            f"Patient {first.patient}: {first.reason}{others}; correct the table, or leave the patient out."
        )
    if len(pairs.patients) < 2:
        reasons = "".join(f"; patient {item.patient}: {item.reason}" for item in pairs.excluded[:3])
        raise EndpointError(
            f"Only {len(pairs.patients)} patient(s) can be analysed, but an endpoint needs two or more{reasons}."
        )


def _endpoint(protocol: Protocol, pairs: PairedValues, notes: tuple[str, ...], parts: Mapping[str, Any]) -> Endpoint:
    rules = protocol.endpoint
    at_least = design_of(protocol).endpoint.at_least
    comparison = compare_pairs(pairs.first, pairs.second, rules.confidence, rules.threshold, at_least)
    bootstrap = bootstrap_intervals(
        pairs.first, pairs.second, rules.bootstrap_samples, rules.bootstrap_seed, rules.confidence
    )
    propagated = None
    if np.isfinite(pairs.u_log).any():
        try:
            propagated = propagate_uncertainty(np.log(pairs.first / pairs.second), pairs.u_log, rules.confidence)
        except UncertaintyError as problem:
            notes += (f"Measurement uncertainty is not carried into the interval. {problem}",)
    if math.isnan(comparison.p_log):
        notes += ("All patients have the same ratio 1: no test is possible.",)
    return Endpoint(protocol, pairs, comparison, bootstrap, propagated, notes, **parts)


def _cycles(
    rows: Sequence[Measurement], protocol: Protocol, treated: Mapping[str, str] | None
) -> dict[int, PairedComparison]:
    """Compare the lobes in every cycle that two patients or more completed."""
    chosen, _ = endpoint_rows(rows, protocol)
    found = {}
    for cycle in sorted({row.cycle for row in chosen}):
        pairs = lobe_pairs(rows, protocol, treated, cycle)
        if len(pairs.patients) >= 2:
            rules = protocol.endpoint
            found[cycle] = compare_pairs(pairs.first, pairs.second, rules.confidence, rules.threshold)
    return found
