"""Enhancement ratio: uptake after intra-arterial over uptake after intravenous injection, per patient and region.

Two forms of rows are read: ratios that are formed already, with the metric ``er_<metric>`` (``er_suv_max``); or the
uptake itself (``suv_max``) with IA or IV as a word of the visit's name, which is divided here.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.paired import PairedComparison, compare_pairs
from PRRTUptakeLib.statistics.paired_values import ENDPOINT_ROLES, Exclusion, PairedValues, lesion_name, one_unit
from PRRTUptakeLib.study.measurements import UNKNOWN
from PRRTUptakeLib.uptake.aggregation import aggregate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement
    from PRRTUptakeLib.study.protocol import Protocol

ROUTES = ("IA", "IV")
HEALTHY_METRIC = "suv_mean"
_ROUNDED = 0.02  # relative; tables are rounded, contradictions are larger
_MOST_NAMED = 5
TARGETS, OTHER_LESIONS = "target lesions", "other lesions"


@dataclass(frozen=True)
class RegionEnhancement:
    """Enhancement ratio of one region over the cohort, and the gain of the targets over it (target ER / region ER)."""

    region: str
    enhancement: PairedComparison
    gain: PairedComparison | None


@dataclass(frozen=True, eq=False)
class Enhancement:
    """The patients' enhancement ratios (``pairs.first``, against 1), every region's, and the uptake itself if known."""

    pairs: PairedValues
    regions: tuple[RegionEnhancement, ...]
    uptake: PairedValues | None


def enhancement(rows: Sequence[Measurement], protocol: Protocol) -> Enhancement:
    """Enhancement ratios by the protocol's metric, cycle, aggregation over target lesions, and threshold.

    Raises
    ------
    StatisticsError
        If no region has the metric after both injections, or units are mixed.
    """
    endpoint = protocol.endpoint
    mine = [row for row in rows if row.cycle == endpoint.cycle]
    ratios, notes = _ratios(mine, endpoint.metric)
    ratios = _healthy_by_mean(ratios, mine)
    role = next((role for role in ENDPOINT_ROLES[:2] if any(row.role == role for row in ratios)), "")
    if not role:
        raise StatisticsError(
            f"No lesion has {endpoint.metric} after intra-arterial and intravenous injection in cycle "
            f"{endpoint.cycle}: name the visits IA and IV, or give rows of er_{endpoint.metric}."
        )
    if role != "target":
        notes += (f"No row has the role target: all rows with the role {role} are used.",)
    everyone = sorted({row.patient for row in rows})
    by_region = _by_region(ratios, role, protocol)
    pairs = _pairs(everyone, ratios, by_region[TARGETS], endpoint.metric, role, notes)
    regions = [_region(name, values, by_region[TARGETS], protocol) for name, values in sorted(by_region.items())]
    uptake = _uptake(rows, role, protocol, pairs.patients)
    return Enhancement(pairs, tuple(region for region in regions if region), uptake)


def _route(visit: str) -> str:
    words = {word.upper() for word in re.split(r"[^A-Za-z]+", visit)}
    found = words & set(ROUTES)
    return found.pop() if len(found) == 1 else ""


def _ratios(rows: Sequence[Measurement], metric: str) -> tuple[list[Measurement], tuple[str, ...]]:
    formed = [row for row in rows if row.metric == f"er_{metric}"]
    visits: dict[tuple[str, ...], dict[str, Measurement]] = defaultdict(dict)
    uptake = [row for row in rows if row.metric == metric and _route(row.visit)]
    one_unit(formed or uptake)
    for row in uptake:
        both = visits[_region_of(row)]
        route = _route(row.visit)
        if route in both and not formed:
            where = f"Patient {row.patient}, {lesion_name(row)}"
            raise StatisticsError(f"{where}: several {route} visits have {metric}; keep one.")
        both["several" if route in both else route] = row
    single = [next(iter(both.values())) for both in visits.values() if len(both) == 1]
    notes = (_single_note(single),) if single else ()
    if formed:
        _check_formed(formed, visits, metric)
        return formed, notes
    return [_divide(both["IA"], both["IV"], metric) for both in visits.values() if len(both) == 2], notes


def _single_note(single: Sequence[Measurement]) -> str:
    names = ", ".join(f"{row.patient} {lesion_name(row)}" for row in single[:_MOST_NAMED])
    more = ", ..." if len(single) > _MOST_NAMED else ""
    return f"{len(single)} region(s) measured after one injection only are left out ({names}{more})."


def _region_of(row: Measurement) -> tuple[str, ...]:
    return (row.patient, row.role, row.lobe, row.region, row.lesion)


def _check_formed(
    formed: Iterable[Measurement], visits: Mapping[tuple[str, ...], Mapping[str, Measurement]], metric: str
) -> None:
    """Refuse a ratio that the uptake in the same table contradicts."""
    for row in formed:
        both = visits.get(_region_of(row), {})
        if set(both) != set(ROUTES):
            continue
        ia, iv = both["IA"].value, both["IV"].value
        if abs(row.value * iv - ia) > _ROUNDED * abs(ia):
            raise StatisticsError(
                f"Patient {row.patient}, {lesion_name(row)}: {row.metric} is {row.value:.4g}, but {metric} is {ia:.4g} "
                f"after IA and {iv:.4g} after IV: correct the one that is wrong."
            )


def _healthy_by_mean(ratios: list[Measurement], rows: Sequence[Measurement]) -> list[Measurement]:
    """Ratios of healthy liver by its mean where the table has it: its maximum is noise and its neighbours' spill-in."""
    means, _ = _ratios([row for row in rows if row.role == "reference"], HEALTHY_METRIC)
    measured = {(row.patient, row.region) for row in means}
    others = [row for row in ratios if row.role != "reference" or (row.patient, row.region) not in measured]
    return [*others, *(replace(row, region=f"{row.region} (mean)") for row in means)]


def _divide(ia: Measurement, iv: Measurement, metric: str) -> Measurement:
    """Keep what is not positive as a ratio that is not positive, so that the patient is excluded with the reason."""
    if ia.value <= 0 or iv.value <= 0:
        return replace(ia, metric=f"er_{metric}", value=min(ia.value, iv.value, 0.0), unit="1", **UNKNOWN)
    value = ia.value / iv.value
    relative = math.hypot(ia.uncertainty / ia.value, iv.uncertainty / iv.value)
    return replace(ia, metric=f"er_{metric}", value=value, unit="1", **{**UNKNOWN, "uncertainty": value * relative})


def _by_region(
    ratios: Iterable[Measurement], role: str, protocol: Protocol
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return value and uncertainty by region and patient; lesions are aggregated, organs are listed by name."""
    gathered: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
    for row in ratios:
        lesion = row.role in ("target", "lesion")
        name = TARGETS if row.role == role else OTHER_LESIONS if lesion else row.region
        gathered[name, row.patient].append(row)
    values: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for (name, patient), rows in gathered.items():
        if min(row.value for row in rows) > 0:
            rule = protocol.endpoint.aggregation
            if rule == "volume-weighted-mean":
                raise StatisticsError("Enhancement ratios have no volume weights: choose another aggregation.")
            values[name][patient] = aggregate([row.value for row in rows], rule, [row.uncertainty for row in rows])
    return values


def _pairs(
    everyone: Iterable[str],
    ratios: Iterable[Measurement],
    targets: Mapping[str, tuple[float, float]],
    metric: str,
    role: str,
    notes: tuple[str, ...],
) -> PairedValues:
    bad = {row.patient: row for row in ratios if row.role == role and row.value <= 0}
    excluded = [
        Exclusion(
            patient,
            f"{metric} of lesion {lesion_name(bad[patient])} is not positive, so there is no ratio"
            if patient in bad
            else f"no lesion with {metric} after both injections",
        )
        for patient in everyone
        if patient not in targets
    ]
    patients = tuple(sorted(targets))
    first = np.array([targets[patient][0] for patient in patients])
    u_log = np.array([targets[patient][1] / targets[patient][0] for patient in patients])
    return PairedValues(ROUTES, patients, first, np.ones_like(first), u_log, tuple(excluded), notes)


def _region(
    name: str,
    values: Mapping[str, tuple[float, float]],
    targets: Mapping[str, tuple[float, float]],
    protocol: Protocol,
) -> RegionEnhancement | None:
    endpoint = protocol.endpoint
    if len(values) < 2:
        return None
    ratio = np.array([values[patient][0] for patient in sorted(values)])
    result = compare_pairs(ratio, np.ones_like(ratio), endpoint.confidence, endpoint.threshold, at_least=True)
    both = sorted(set(values) & set(targets))
    if name == TARGETS or len(both) < 2:
        return RegionEnhancement(name, result, None)
    tumour, region = (np.array([part[patient][0] for patient in both]) for part in (targets, values))
    return RegionEnhancement(name, result, compare_pairs(tumour, region, endpoint.confidence))


def _uptake(rows: Iterable[Measurement], role: str, protocol: Protocol, patients: Sequence[str]) -> PairedValues | None:
    """Pair the aggregated uptake itself, IA and IV, where the table has it."""
    endpoint = protocol.endpoint
    gathered: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.metric == endpoint.metric and row.role == role and row.cycle == endpoint.cycle and row.value > 0:
            gathered[row.patient, _route(row.visit)].append(row.value)
    both = [name for name in patients if all(gathered.get((name, route)) for route in ROUTES)]
    if len(both) < 2:
        return None
    ia, iv = (
        np.array([aggregate(gathered[name, route], endpoint.aggregation)[0] for name in both]) for route in ROUTES
    )
    return PairedValues(ROUTES, tuple(both), ia, iv, np.full(len(both), math.nan))
