"""What a table of measurements says, in the words and the order in which a panel shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.mrml.charts import bar_chart, chart_data
from PRRTUptakeLib.mrml.tables import rows_of_table
from PRRTUptakeLib.trial.measurements import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class TargetRow:
    """One target lesion in one visit: tumour T and reference N in ``unit``, and T/N."""

    lesion: str
    lobe: str
    visit: str
    tumour: float
    reference: float
    ratio: float
    unit: str


def is_measurement_table(node: Any) -> bool:
    """Whether a table node has the columns of ``measurements.csv``."""
    if node is None:
        return False
    table = node.GetTable()
    return [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())] == list(COLUMNS)


def target_rows(node: Any) -> list[TargetRow]:
    """The target lesions of a table of measurements, visit by visit; none for another table."""
    if not is_measurement_table(node):
        return []
    rows = rows_of_table(node)
    means = {(row["visit"], row["region"]): _readable(row) for row in rows if row["metric"] == "mean"}
    found = []
    for row in rows:
        if row["metric"] == "tn_ratio" and (row["visit"], row["region"]) in means:
            tumour, unit = means[row["visit"], row["region"]]
            healthy = tumour / row["value"]
            found.append(TargetRow(row["region"], row["lobe"], row["visit"], tumour, healthy, row["value"], unit))
    return found


def _readable(row: dict[str, Any]) -> tuple[float, str]:
    """Value and unit, kBq/mL in place of Bq/ml."""
    return (row["value"] / 1000.0, "kBq/mL") if row["unit"] == "Bq/ml" else (row["value"], row["unit"])


def result_chart(node: Any) -> tuple[Any, ...]:
    """Chart of the target lesions' T/N, and the chart's own table; nothing without target lesions."""
    rows = target_rows(node)
    if not rows:
        return ()
    several = len({row.visit for row in rows}) > 1
    labels = [f"{row.lesion} {row.visit}" if several else row.lesion for row in rows]
    lobes = sorted({row.lobe for row in rows})
    groups = {f"{lobe} lobe": [row.ratio if row.lobe == lobe else 0.0 for row in rows] for lobe in lobes}
    chart = bar_chart(node, f"T/N {node.GetName()}", "T/N", labels, groups)
    return chart, chart_data(node)


def result_sentences(node: Any) -> Sequence[str]:
    """The lobes' T/N and their ratio, one sentence per visit."""
    if not is_measurement_table(node):
        return ()
    rows = rows_of_table(node)
    visits = list(dict.fromkeys(row["visit"] for row in rows))
    return tuple(text for visit in visits if (text := _sentence([row for row in rows if row["visit"] == visit])))


def _sentence(rows: list[dict[str, Any]]) -> str:
    lobes = {row["lobe"]: row["value"] for row in rows if row["metric"] == "tn_ratio_aggregated"}
    words = {"treated_control_ratio": "treated/control", "left_right_ratio": "left/right (blinded)"}
    ratio = next(((words[row["metric"]], row["value"]) for row in rows if row["metric"] in words), None)
    parts = [f"T/N {lobe} lobe {value:.2f}" for lobe, value in lobes.items()]
    if ratio:
        parts.append(f"{ratio[0]} {ratio[1]:.3f}")
    return f"{rows[0]['visit']}: {', '.join(parts)}." if parts else ""
