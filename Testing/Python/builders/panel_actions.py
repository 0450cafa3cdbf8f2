"""What a user does in a panel, and reads off it."""

from __future__ import annotations


def cells(table) -> list[list[str]]:
    """The words in a table."""
    return [[table.item(r, c).text() for c in range(table.columnCount)] for r in range(table.rowCount)]


def choose(table, row: int) -> None:
    """Click on a row."""
    table.selectRow(row)


def choose_data(combo, value) -> None:
    """Choose the entry of a combo box for a value."""
    index = combo.findData(value)
    assert index >= 0
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def cancelled_after(monkeypatch, steps: int, act=lambda dialog: dialog.cancel()) -> list[float]:
    """Press Cancel in the progress dialog at its ``steps``-th message (or do ``act``); gives the messages it got."""
    import slicer

    notes: list[float] = []
    make = slicer.util.createProgressDialog

    def watched(**options):
        dialog = make(**options)

        def step():
            notes.append(dialog.value)
            if len(notes) == steps + 1:
                act(dialog)

        monkeypatch.setattr(slicer.app, "processEvents", step, raising=False)
        return dialog

    monkeypatch.setattr(slicer.util, "createProgressDialog", watched)
    return notes


def study_of(node) -> int:
    """The subject hierarchy item of the study that a node is under, 0 for none."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    return hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(node), level)
