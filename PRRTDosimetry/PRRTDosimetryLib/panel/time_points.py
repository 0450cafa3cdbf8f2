"""Section 1, time points: what was injected, and the images at known times after it."""

from __future__ import annotations

from typing import Any

from PRRTUptakeLib.mrml.images import MEASURED, image_rows
from PRRTUptakeLib.panel.images import lack_words
from PRRTUptakeLib.panel.section import Section, connect, fill_table
from slicer.i18n import tr as _

NUCLIDES = ("Lu-177", "Ga-68", "Y-90", "Tb-161", "In-111")


class TimePointsSection(Section):
    """The images of one treatment cycle in the order of time."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        for name in NUCLIDES:
            self.ui.nuclideComboBox.addItem(name, name)
        connect(self.ui.nuclideComboBox, "currentIndexChanged(int)", self.onNuclide)

    def onNuclide(self, index: int) -> None:
        """Take the nuclide into the parameter node."""
        if self.parameters is not None:
            self.parameters.nuclide = self.ui.nuclideComboBox.itemData(index)

    def refresh(self) -> None:
        """Show the nuclide and the time points."""
        if self.parameters is None:
            return
        self.ui.nuclideComboBox.setCurrentIndex(self.ui.nuclideComboBox.findData(self.parameters.nuclide))
        lines = [
            (
                row.name,
                f"{row.hours:g} h" if row.hours is not None else "",
                row.units,
                ", ".join(lack_words(word) for word in row.lacks),
            )
            for row in self.time_points()
        ]
        fill_table(self.ui.timePointsTable, lines)
        self.ui.timePointsLabel.text = self.missing()

    def time_points(self) -> list[Any]:
        """The measured images, the earliest first; those without a time last."""
        rows = [row for row in image_rows() if row.role == MEASURED]
        return sorted(rows, key=lambda row: (row.hours is None, row.hours or 0.0))

    def missing(self) -> str:
        """What is lacking for time-activity curves, "" if nothing is."""
        rows = self.time_points()
        if not rows:
            return _("Load the SPECT images of one cycle; they are listed here once they are in Bq/ml.")
        for row in rows:
            if row.lacks:
                return _("'{name}' lacks {lacks}: complete it in PRRT Uptake, section 2.").format(
                    name=row.name, lacks=", ".join(lack_words(word) for word in row.lacks)
                )
        if self.parameters.segmentation is None:
            return _("Choose the segmentation with organs and lesions.")
        return ""
