"""Results as a physician reads them: targets, lobes, their ratio, organs; the long form stays behind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PRRTUptakeLib.formatting import number
from PRRTUptakeLib.mrml.tables import rows_of_table, table_from_columns
from PRRTUptakeLib.vocabulary import metric_label, unit_words

if TYPE_CHECKING:
    from collections.abc import Sequence

READABLE_ROLE = "PRRT.Readable"  # node reference from the long table to the one that is read
HEADER = ("result", "region", "lobe", "visit", "value", "95 % interval", "unit")
# In the order of reading: the role of the regions ("" for the patient and the lobes), and the metric.
_ORDER = (
    ("target", "er_suv_max"),
    ("target", "tn_ratio"),
    ("target", "dose_recovery_corrected"),
    ("target", "dose"),
    ("", "tn_ratio_aggregated"),
    ("", "enhancement_ratio"),
    ("", "treated_control_ratio"),
    ("", "left_right_ratio"),
    ("lesion", "dose"),
    ("organ", "dose"),
    ("organ", "mean"),
    ("organ", "suv_mean"),
)


def result_lines(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The rows to read, with the columns of HEADER; a number that is not known leaves its cell empty.

    Parameters
    ----------
    rows : of a table of measurements, by column.
    """
    found = []
    for role, metric in _ORDER:
        for row in rows:
            if row.get("metric") == metric and (not role or row["role"] == role):
                found.append(_line(row))
    return found


def result_table(node: Any) -> Any:
    """The table node to read beside a table of measurements; made once, filled anew each time.

    Returns
    -------
    The vtkMRMLTableNode; the long table itself where it holds nothing of what is read first.
    """
    lines = result_lines(rows_of_table(node))
    if not lines:
        return node
    columns = {name: [line[n] for line in lines] for n, name in enumerate(HEADER)}
    made = table_from_columns(columns, f"Results of {node.GetName()}", node.GetNodeReference(READABLE_ROLE))
    node.SetNodeReferenceID(READABLE_ROLE, made.GetID())
    return made


def blank_number(value: float | None, digits: int = 3) -> str:
    """A number as text; nothing for one that is not known."""
    return "" if value is None or math.isnan(value) else number(value, digits)


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    scale, unit = (1000.0, "kBq/mL") if row["unit"] == "Bq/ml" else (1.0, unit_words(row["unit"]))
    low, high = (row.get(name, math.nan) / scale for name in ("lower_95", "upper_95"))
    interval = "" if math.isnan(low) or math.isnan(high) else f"{number(low)} to {number(high)}"
    region = "" if row["region"] == "patient" else row["region"]
    lobe = "" if row["lobe"] == "none" else row["lobe"]
    value = blank_number(row["value"] / scale)
    return metric_label(row["metric"]), region, lobe, row["visit"], value, interval, unit
