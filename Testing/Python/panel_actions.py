"""What a user does in a panel, and reads off it."""

from __future__ import annotations


def cells(table) -> list[list[str]]:
    """The words in a table."""
    return [[table.item(r, c).text() for c in range(table.columnCount)] for r in range(table.rowCount)]


def choose(table, row: int) -> None:
    """Click on a row."""
    table.selectRow(row)


def choose_data(combo, value) -> None:
    """Choose the entry of a combo box that stands for a value."""
    index = combo.findData(value)
    assert index >= 0
    combo.setCurrentIndex(index)
    combo.activated.emit(index)
