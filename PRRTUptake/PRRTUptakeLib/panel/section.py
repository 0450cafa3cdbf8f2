"""What every section of a panel shares: its widgets, the parameter node, one way to try, to report and to wait."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from PRRTUptakeLib.errors import Cancelled, PRRTError
from PRRTUptakeLib.panel.working import DialogProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


WIDEST_px = 125  # of a table's column; the rest of its words are in the tooltip


class Section:
    """One numbered part of a panel.

    Attributes
    ----------
    panel : the module's widget; it holds the parameter node, which changes when the scene is closed.
    ui : the widgets of the .ui file by name.
    """

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.ui = panel.ui
        self.logic = panel.logic

    @property
    def parameters(self) -> Any:
        """The parameter node's wrapper; None while a scene is being closed."""
        return self.panel.parameters

    def refresh(self) -> None:
        """Show what the scene and the parameter node hold now."""

    @contextmanager
    def attempt(self, failure: str, stopped: str = "", keepWords: bool = False) -> Iterator[None]:
        """Run an action: at most one dialog if it fails; what the user can mend also stays in the status line.

        Parameters
        ----------
        failure : what did not work, for instance "The liver could not be split."
        stopped : what to say if the user cancels; by default that nothing was changed.
        keepWords : leave the status line as it is: a look at something does not wipe out warnings.
        """
        if not keepWords:
            self.panel.say("")
        self.panel.busy = True
        try:
            with slicer.util.tryWithErrorDisplay(failure, waitCursor=True):
                try:
                    yield
                except Cancelled:
                    self.panel.say(stopped or _("Stopped; nothing was changed."))
        except PRRTError as error:  # the dialog has shown it
            self.panel.say(str(error), isError=True)
        except Exception:  # a fault of the program: it goes on to the log
            self.panel.say(failure, isError=True)
            raise
        finally:
            self.panel.busy = False
            self.panel.refresh()


def connect(widget: Any, signal: str, slot: Callable[..., None]) -> None:
    """Connect a signal by its signature; PythonQt only returns False where there is no such signal."""
    if not widget.connect(signal, slot):
        raise TypeError(f"{widget.className()} '{widget.objectName}' has no signal {signal}")


@contextmanager
def waiting(title: str, *needs: str) -> Iterator[DialogProgress]:
    """A progress dialog with a cancel button; gives the function that long work calls.

    ``needs`` are modules that take long to load, a second and more at their first use: that is waited for here.

    Raises
    ------
    Cancelled
        From within that function, if the user asked to stop.
    """
    dialog = slicer.util.createProgressDialog(windowTitle=title, labelText=title, maximum=100, modal=True)
    try:
        progress = DialogProgress(dialog)
        missing = [name for name in needs if name not in sys.modules]
        if missing:
            progress.in_background(lambda step: [importlib.import_module(name) for name in missing])
        yield progress
    finally:
        dialog.close()
        dialog.deleteLater()


def load_modules(title: str, *needs: str) -> None:
    """Load what quick work needs; a dialog is shown only at the first use, which takes a moment."""
    if any(name not in sys.modules for name in needs):
        with waiting(title, *needs):
            pass


def fill_table(table: Any, rows: Sequence[Sequence[str]], tips: Sequence[str] = ()) -> None:
    """Show rows of words in a QTableWidget; the chosen row stays chosen, without telling anybody."""
    chosen = table.currentRow()
    was = table.blockSignals(True)
    table.setRowCount(len(rows))
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tips[number] if number < len(tips) else text)
            table.setItem(number, column, item)
    _fit_columns(table)
    if 0 <= chosen < len(rows):
        table.selectRow(chosen)
    table.blockSignals(was)


def _fit_columns(table: Any) -> None:
    """Columns as wide as their words up to a limit; the last takes what is left, but at least its heading."""
    header, last = table.horizontalHeader(), table.columnCount - 1
    header.stretchLastSection = False  # only when it is switched on anew is the last column stretched at once
    table.resizeColumnsToContents()
    for column in range(last):
        table.setColumnWidth(column, min(table.columnWidth(column), WIDEST_px))
    least = header.sectionSizeHint(last)
    table.setColumnWidth(last, least)
    header.stretchLastSection = True
    if table.columnWidth(last) < least:
        table.setColumnWidth(last, least)


def fill_combo(combo: Any, items: Sequence[tuple[str, Any]]) -> None:
    """Show pairs of words and values in a QComboBox; the chosen value stays chosen, without telling anybody."""
    chosen = combo.itemData(combo.currentIndex) if combo.count else None
    was = combo.blockSignals(True)
    combo.clear()
    for words, value in items:
        combo.addItem(words, value)
    index = combo.findData(chosen) if chosen is not None else -1
    combo.setCurrentIndex(max(index, 0) if items else -1)
    combo.blockSignals(was)


def jump_to_segment(section: Section, node: Any, name: str) -> None:
    """Show the middle of a segment in the slice views."""
    with section.attempt(_("The segment could not be shown."), keepWords=True):
        from PRRTUptakeLib.mrml.segmentations import segment_centre

        x, y, z = segment_centre(node, name)
        slicer.modules.markups.logic().JumpSlicesToLocation(x, y, z, True)


def show_in_views(section: Section, image: Any, segmentation: Any = None, plane: Any = None, **options: Any) -> None:
    """Show an image on its CT with its own segments in the slice views; the status line stays."""
    with section.attempt(_("The image could not be shown."), keepWords=True):
        from PRRTUptakeLib.mrml.views import show_image

        show_image(image, segmentation, plane, **options)


def chosen_rows(table: Any) -> list[int]:
    """The numbers of the rows that the user chose, one or several."""
    return sorted({item.row() for item in table.selectedItems()})
