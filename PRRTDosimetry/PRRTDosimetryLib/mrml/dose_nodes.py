"""Doses as a table node, and what a panel shows of it: regions, sums over cycles, histograms."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.charts import line_chart
from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.tables import rows_of_table, table_from_measurements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement

CYCLE_ATTRIBUTE, HISTOGRAMS_ATTRIBUTE = "PRRT.DoseCycle", "PRRT.DoseHistograms"
_COLUMNS = {
    "dose": "dose_Gy",
    "mass": "mass_g",
    "bed": "bed_Gy",
    "voxel_dose_mean": "map_Gy",
    "dvh_d98": "d98_Gy",
    "dvh_d2": "d2_Gy",
    "expected_recovery": "recovery",
    "dose_recovery_corrected": "corrected_Gy",
}
_RESULTS_FIRST = ("target", "lesion", "lobe", "organ", "reference")
_UNCERTAINTIES = {"dose": "u_dose_Gy", "dose_recovery_corrected": "u_corrected_Gy"}
Histogram = tuple[list[float], list[float]]


@dataclass(frozen=True)
class DoseRow:
    """One region's dose; None for what was not calculated.

    Attributes
    ----------
    region, role, lobe : words.
    mass_g, dose_Gy, u_dose_Gy, bed_Gy : by S-values and spheres.
    map_Gy, d98_Gy, d2_Gy : of the dose map: mean, least dose of the best 98 % and of the best 2 % of the volume.
    recovery : part of its contrast that the region's mean keeps at the image's resolution.
    corrected_Gy, u_corrected_Gy : of a lesion, corrected for partial volume by a phantom's recovery curve.
    interval_Gy : 95 % of ``dose_Gy``.
    """

    region: str
    role: str
    lobe: str
    mass_g: float | None = None
    dose_Gy: float | None = None
    u_dose_Gy: float | None = None
    bed_Gy: float | None = None
    map_Gy: float | None = None
    d98_Gy: float | None = None
    d2_Gy: float | None = None
    recovery: float | None = None
    corrected_Gy: float | None = None
    u_corrected_Gy: float | None = None
    interval_Gy: tuple[float, float] | None = None


@dataclass(frozen=True)
class CyclesRow:
    """One region's sum over cycles; uncertainties and intervals add up, since cycles share calibration and volume."""

    region: str
    cycles: tuple[int, ...]
    dose_Gy: float
    u_dose_Gy: float
    bed_Gy: float | None
    interval_Gy: tuple[float, float] | None = None


def table_of_doses(
    rows: Sequence[Measurement], cycle: int, name: str, histograms: Mapping[str, Histogram], node: Any = None
) -> Any:
    """A vtkMRMLTableNode with the rows of one cycle; ``histograms`` by region: doses in Gy, percent of the volume."""
    node = table_from_measurements(rows, name, node)
    node.SetAttribute(CYCLE_ATTRIBUTE, str(cycle))
    node.SetAttribute(HISTOGRAMS_ATTRIBUTE, json.dumps({region: list(one) for region, one in histograms.items()}))
    return node


def dose_rows_of(node: Any) -> tuple[DoseRow, ...]:
    """The regions of a table of doses, targets first, then other lesions, lobes, organs; none for another table."""
    if node is None or node.GetAttribute(CYCLE_ATTRIBUTE) is None:
        return ()
    found: dict[str, dict[str, Any]] = {}
    for row in rows_of_table(node):
        if row["metric"] in _COLUMNS:
            words = {"region": row["region"], "role": row["role"], "lobe": row["lobe"]}
            entry = found.setdefault(row["region"], words)
            entry[_COLUMNS[row["metric"]]] = row["value"]
            if row["metric"] in _UNCERTAINTIES:
                entry[_UNCERTAINTIES[row["metric"]]] = row["uncertainty"]
            if row["metric"] == "dose" and not math.isnan(row["lower_95"]):
                entry["interval_Gy"] = (row["lower_95"], row["upper_95"])
    rows = [DoseRow(**entry) for entry in found.values()]
    last = len(_RESULTS_FIRST)
    return tuple(sorted(rows, key=lambda row: _RESULTS_FIRST.index(row.role) if row.role in _RESULTS_FIRST else last))


def dose_tables() -> tuple[Any, ...]:
    """Every table of doses in the scene, by cycle."""
    nodes = session().GetNodesByClass("vtkMRMLTableNode")
    found = [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]
    nodes.UnRegister(None)
    tables = [node for node in found if node.GetAttribute(CYCLE_ATTRIBUTE)]
    return tuple(sorted(tables, key=lambda node: int(node.GetAttribute(CYCLE_ATTRIBUTE))))


def cycles_rows() -> tuple[CyclesRow, ...]:
    """Sums over the cycles in the scene, for regions that every cycle has; none for fewer than two cycles.

    BED is formed per cycle and then summed, since repair is complete in between (see ``effect.cycles``).
    """
    by_cycle = {int(node.GetAttribute(CYCLE_ATTRIBUTE)): node for node in dose_tables()}
    if len(by_cycle) < 2:
        return ()
    tables = [{row.region: row for row in dose_rows_of(node)} for node in by_cycle.values()]
    common = [
        region for region in tables[0] if all(region in one and one[region].dose_Gy is not None for one in tables)
    ]
    found = []
    for region in common:
        rows = [one[region] for one in tables]
        beds = [row.bed_Gy for row in rows if row.bed_Gy is not None]
        dose = sum(row.dose_Gy for row in rows if row.dose_Gy is not None)
        us = [row.u_dose_Gy for row in rows if row.u_dose_Gy is not None]
        u = sum(us) if len(us) == len(rows) else math.nan
        bed = sum(beds) if len(beds) == len(rows) else None
        known = [row.interval_Gy for row in rows if row.interval_Gy is not None]
        interval = (sum(low for low, _ in known), sum(high for _, high in known)) if len(known) == len(rows) else None
        found.append(CyclesRow(region, tuple(by_cycle), dose, u, bed, interval))
    return tuple(found)


def histogram_chart(node: Any, regions: Sequence[str] = ()) -> Any:
    """The chart of the cumulative dose-volume histograms of some regions of a table, of all by default; None without.

    Parameters
    ----------
    node : vtkMRMLTableNode of doses.
    regions : names; those that have no histogram are left out.
    """
    histograms = json.loads(node.GetAttribute(HISTOGRAMS_ATTRIBUTE) or "{}") if node is not None else {}
    shown = {region: histograms[region] for region in regions or histograms if region in histograms}
    if not shown:
        return None
    lines = {region: (dose, percent, False) for region, (dose, percent) in shown.items()}
    lobes = {row.region: row.lobe for row in dose_rows_of(node)}
    return line_chart(node, "Dose-volume histograms", "dose (Gy)", "volume (%)", lines, lobes)
