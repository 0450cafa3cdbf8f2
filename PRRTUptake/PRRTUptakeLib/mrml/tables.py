"""Measurements as table nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkIntArray, vtkStringArray

from PRRTUptakeLib.mrml.session import session
from PRRTUptakeLib.mrml.volumes import ensure_subject_hierarchy_item
from PRRTUptakeLib.study.measurements import COLUMNS, OPTIONAL_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PRRTUptakeLib.study.measurements import Measurement

_NUMBERS = {**dict.fromkeys(("value", *OPTIONAL_COLUMNS), vtkDoubleArray), "cycle": vtkIntArray}


def table_from_measurements(rows: Sequence[Measurement], name: str, node: Any = None) -> Any:
    """A vtkMRMLTableNode with the columns of ``measurements.csv``; ``node`` is overwritten where given.

    Slicer saves tables with six significant digits, so the node has no more than these from the start: what is shown
    and what is reopened agree. The file ``measurements.csv`` has every digit.
    """
    return table_from_columns({column: [getattr(row, column) for row in rows] for column in COLUMNS}, name, node)


def table_from_columns(columns: Mapping[str, Sequence[Any]], name: str, node: Any = None) -> Any:
    """A vtkMRMLTableNode with columns of words, whole numbers (``cycle`` alone) or numbers of six digits."""
    if node is None:
        node = session().AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetName(name)
    modified = node.StartModify()
    node.RemoveAllColumns()
    for column, values in columns.items():
        words = bool(len(values)) and isinstance(values[0], str)
        array: Any = (vtkStringArray if words else _NUMBERS.get(column, vtkDoubleArray))()
        array.SetName(column)
        for value in values:
            array.InsertNextValue(float(f"{value:.6g}") if isinstance(value, float) else value)
        node.AddColumn(array)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.EndModify(modified)
    ensure_subject_hierarchy_item(node)
    return node


def rows_of_table(node: Any) -> list[dict[str, Any]]:
    """The rows of a table node as dictionaries by column; nan where a number is not known."""
    table = node.GetTable()
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    columns = [table.GetColumn(n) for n in range(len(names))]
    pairs = list(zip(names, columns, strict=True))
    return [{name: column.GetValue(n) for name, column in pairs} for n in range(table.GetNumberOfRows())]
