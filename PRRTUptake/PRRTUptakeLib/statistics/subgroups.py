"""The endpoint in subgroups of patients, and whether it differs between them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from PRRTUptakeLib.formatting import natural_order
from PRRTUptakeLib.statistics.errors import StatisticsError
from PRRTUptakeLib.statistics.paired import PairedComparison, compare_pairs
from PRRTUptakeLib.statistics.ties import log_ratios, no_scatter
from PRRTUptakeLib.study.designs import design_of
from PRRTUptakeLib.table_file import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PRRTUptakeLib.statistics.paired_values import PairedValues
    from PRRTUptakeLib.study.protocol import Protocol


@dataclass(frozen=True)
class Subgroups:
    """One characteristic: the comparison in each of its groups, and the p-value for a difference between groups.

    Groups of one patient have no comparison, but are counted in ``sizes`` and in the test.
    """

    characteristic: str
    sizes: dict[str, int]
    groups: dict[str, PairedComparison]
    p_difference: float


def read_subgroups(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV file with the column patient and one column per characteristic.

    Returns
    -------
    dict
        Group of each patient, by characteristic; an empty cell leaves the patient out of that characteristic.

    Raises
    ------
    StatisticsError
        If it cannot be read, names a patient twice, or has no characteristic.
    """
    table = read_table(path, ("patient",), StatisticsError)
    names = [name for name in table.columns if name and name != "patient"]
    if not table.rows or "patient" not in table.columns or not names:
        raise StatisticsError(f"{path.name} must have the column patient, a column per characteristic, and patients.")
    patients = [row.text("patient") for row in table.rows]
    twice = sorted({patient for patient in patients if patients.count(patient) > 1})
    if twice:
        raise StatisticsError(f"{path.name}: patient {twice[0]} is there twice: keep one line.")
    nobody = [row.line for row in table.rows if not row.text("patient")]
    if nobody:
        raise StatisticsError(f"{path.name}, line {nobody[0]}: the patient is empty.")
    return {
        name: {row.text("patient"): row.text(name) for row in table.rows if not row.is_missing(name)} for name in names
    }


def compare_subgroups(
    pairs: PairedValues, characteristics: Mapping[str, Mapping[str, str]], protocol: Protocol
) -> tuple[Subgroups, ...]:
    """Compare the pairs in each group of each characteristic.

    The difference between groups is tested by one-way analysis of variance of the patients' log ratios.

    Parameters
    ----------
    pairs : of the whole cohort.
    characteristics : group of each patient, by characteristic.

    Raises
    ------
    StatisticsError
        If a characteristic names a patient who is not in the cohort, neither analysed nor excluded.
    """
    known = {*pairs.patients, *(item.patient for item in pairs.excluded)}
    found = []
    for name, groups in characteristics.items():
        unknown = sorted(set(groups) - known)
        if unknown:
            raise StatisticsError(f"The subgroup '{name}' names patient {unknown[0]}, of whom there is no measurement.")
        found.append(_characteristic(name, pairs, groups, protocol))
    return tuple(found)


def _characteristic(name: str, pairs: PairedValues, groups: Mapping[str, str], protocol: Protocol) -> Subgroups:
    members: dict[str, list[int]] = defaultdict(list)
    for n, patient in enumerate(pairs.patients):
        if patient in groups:
            members[groups[patient]].append(n)
    rules = protocol.endpoint
    at_least = design_of(protocol).endpoint.at_least
    ordered = {group: np.array(members[group]) for group in sorted(members, key=natural_order)}
    compared = {
        group: compare_pairs(pairs.first[mine], pairs.second[mine], rules.confidence, rules.threshold, at_least)
        for group, mine in ordered.items()
        if mine.size > 1
    }
    logs = [log_ratios(pairs.first[mine], pairs.second[mine]) for mine in ordered.values()]
    # Without scatter inside any group nothing says how far groups differ by chance.
    scattered = any(not no_scatter(values, tolerance) for values, tolerance in logs if values.size > 1)
    p = float(stats.f_oneway(*(values for values, _ in logs)).pvalue) if len(logs) > 1 and scattered else math.nan
    return Subgroups(name, {group: mine.size for group, mine in ordered.items()}, compared, p)
