"""Pictures of panels for the documentation, and to look at what a test saw."""

from __future__ import annotations

from pathlib import Path

from PySide6 import QtGui, QtWidgets

WIDTH_px = 520


def open_sections(panel, *names: str) -> None:
    """Open the named sections of a panel (widgets of class ctkCollapsibleButton) and close all others."""
    for name, widget in vars(panel.ui).items():
        if widget.className() == "ctkCollapsibleButton":
            widget.collapsed = bool(names) and name not in names


def take_picture(panel, path: str | Path) -> Path:
    """Write the panel as it is as a PNG, cropped to its height."""
    top = panel.parent._top._object
    top.setFixedWidth(WIDTH_px)
    top.show()
    for _ in range(3):
        QtWidgets.QApplication.processEvents()
        panel.refresh()  # tables are fitted to the width that they have now
        top.resize(WIDTH_px, top.layout().totalHeightForWidth(WIDTH_px))
    image = top.grab().toImage().convertToFormat(QtGui.QImage.Format_RGB888)
    top.hide()
    if not image.save(str(path)):
        raise OSError(f"The picture {path} could not be written.")
    return Path(path)
