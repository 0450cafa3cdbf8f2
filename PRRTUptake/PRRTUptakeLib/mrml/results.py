"""What a table of measurements says, in the words and the order in which a panel shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.charts import chart_nodes, point_chart
from PRRTUptakeLib.mrml.tables import rows_of_table
from PRRTUptakeLib.study.measurements import COLUMNS, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

ENHANCEMENT = "er_suv_max"


@dataclass(frozen=True)
class TargetRow:
    """One target lesion: tumour and reference of one visit with T/N, or uptake after IA and IV with their ratio."""

    lesion: str
    lobe: str
    visit: str
    first: float
    second: float
    ratio: float


@dataclass(frozen=True)
class TargetTable:
    """The target lesions of a table of measurements, and the words above their numbers."""

    first: str
    second: str
    ratio: str
    rows: tuple[TargetRow, ...] = ()


def is_measurement_table(node: Any) -> bool:
    """Whether a table node has the columns of ``measurements.csv``; older builds wrote fewer of the optional ones."""
    if node is None:
        return False
    table = node.GetTable()
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    return names == [name for name in COLUMNS if name in REQUIRED_COLUMNS or name in names]


def target_table(node: Any) -> TargetTable:
    """The target lesions of a table of measurements; without rows for another table."""
    rows = rows_of_table(node) if is_measurement_table(node) else []
    if any(row["metric"] == ENHANCEMENT for row in rows):
        return _enhancement_table(rows)
    means = {(row["visit"], row["region"]): _readable(row) for row in rows if row["metric"] == "mean"}
    found = []
    for row in rows:
        if row["metric"] == "tn_ratio" and (row["visit"], row["region"]) in means:
            tumour, _ = means[row["visit"], row["region"]]
            healthy = tumour / row["value"]
            found.append(TargetRow(row["region"], row["lobe"], row["visit"], tumour, healthy, row["value"]))
    unit = next((f" {unit}" for _, unit in means.values()), "")
    return TargetTable(f"T{unit}", f"N{unit}", "T/N", tuple(found))


def _enhancement_table(rows: Sequence[dict[str, Any]]) -> TargetTable:
    """SUVmax of the targets after IA and IV; IA and IV are the visits in the order of the rows."""
    metric = ENHANCEMENT.removeprefix("er_")
    uptake = {(row["visit"], row["region"]): row["value"] for row in rows if row["metric"] == metric}
    ia, iv = list(dict.fromkeys(visit for visit, _ in uptake))
    found = tuple(
        TargetRow(
            row["region"], row["lobe"], row["visit"], uptake[ia, row["region"]], uptake[iv, row["region"]], row["value"]
        )
        for row in rows
        if row["metric"] == ENHANCEMENT and row["role"] == "target"
    )
    return TargetTable(f"SUVmax {ia}", f"SUVmax {iv}", "IA/IV", found)


def _readable(row: dict[str, Any]) -> tuple[float, str]:
    """Value and unit, kBq/mL in place of Bq/ml."""
    return (row["value"] / 1000.0, "kBq/mL") if row["unit"] == "Bq/ml" else (row["value"], row["unit"])


def result_chart(node: Any) -> tuple[Any, ...]:
    """Chart of the target lesions (T/N by lobe, or SUVmax after IA and IV), with its data and series."""
    table = target_table(node)
    rows = table.rows
    if not rows:
        return ()
    if table.ratio == "IA/IV":
        groups = {table.first: [row.first for row in rows], table.second: [row.second for row in rows]}
        point_chart(node, f"IA and IV {node.GetName()}", "SUVmax (g/mL)", [row.lesion for row in rows], groups)
        return chart_nodes(node)
    several = len({row.visit for row in rows}) > 1
    labels = [f"{row.lesion} {row.visit}" if several else row.lesion for row in rows]
    lobes = sorted({row.lobe for row in rows})
    groups = {f"{lobe} lobe": [row.ratio if row.lobe == lobe else math.nan for row in rows] for lobe in lobes}
    point_chart(node, f"T/N {node.GetName()}", "T/N (ratio)", labels, groups)
    return chart_nodes(node)


def result_sentences(node: Any) -> Sequence[str]:
    """The lobes' T/N and their ratio, one sentence per visit."""
    if not is_measurement_table(node):
        return ()
    rows = rows_of_table(node)
    visits = list(dict.fromkeys(row["visit"] for row in rows))
    return tuple(text for visit in visits if (text := _sentence([row for row in rows if row["visit"] == visit])))


def _sentence(rows: list[dict[str, Any]]) -> str:
    patient = {row["metric"]: row["value"] for row in rows if row["region"] == "patient"}
    if "enhancement_ratio" in patient:
        chance = patient["probability_at_threshold"]
        return f"Enhancement ratio {patient['enhancement_ratio']:.2f}; at or above the threshold with {chance:.0%}."
    lobes = {row["lobe"]: row["value"] for row in rows if row["metric"] == "tn_ratio_aggregated"}
    words = {"treated_control_ratio": "treated/control", "left_right_ratio": "left/right (blinded)"}
    ratio = next(((words[row["metric"]], row["value"]) for row in rows if row["metric"] in words), None)
    parts = [f"T/N {lobe} lobe {value:.2f}" for lobe, value in lobes.items()]
    if ratio:
        parts.append(f"{ratio[0]} {ratio[1]:.3f}")
    return f"{rows[0]['visit']}: {', '.join(parts)}." if parts else ""
