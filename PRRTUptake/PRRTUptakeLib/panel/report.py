"""The last section, report and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from PRRTUptakeLib.panel.export_options import missing_for_bundle
from PRRTUptakeLib.panel.section import Section, connect, waiting


class ReportSection(Section):
    """Writes report, tables and scene into a folder, all of them or none."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        connect(self.ui.reportPath, "currentPathChanged(QString)", self.onPathChosen)
        connect(self.ui.keyPath, "currentPathChanged(QString)", self.onKeyChosen)
        connect(self.ui.exportButton, "clicked(bool)", self.onExport)
        connect(self.ui.openReportButton, "clicked(bool)", self.onOpen)

    def onPathChosen(self, path: str) -> None:
        """Take the folder into the parameter node."""
        if self.parameters is not None:
            self.parameters.reportFolder = path

    def onKeyChosen(self, path: str) -> None:
        """Take the site's key for de-identification into the parameter node."""
        if self.parameters is not None:
            self.parameters.keyFile = path

    def refresh(self) -> None:
        """Enable what can be done."""
        folder = self.parameters.reportFolder
        if self.ui.reportPath.currentPath != folder:
            self.ui.reportPath.currentPath = folder
        if self.ui.keyPath.currentPath != self.parameters.keyFile:
            self.ui.keyPath.currentPath = self.parameters.keyFile
        self.ui.keyPath.enabled = self.parameters.exportBundle
        missing = self.panel.missing() or missing_for_bundle(self.parameters)
        missing = missing or ("" if folder else _("Choose a folder for the results."))
        self.ui.exportButton.enabled = not missing
        self.ui.exportButton.toolTip = missing or _("Calculate, and write report, tables and provenance")
        there = bool(folder) and _can_be_read(self._report())
        self.ui.openReportButton.enabled = there
        self.ui.openReportButton.toolTip = _("Open it in the web browser") if there else _("Export first.")
        self.ui.reportLabel.text = str(self._report()) if there else ""

    def _report(self) -> Path:
        return Path(self.parameters.reportFolder) / "report.html"

    def onExport(self) -> None:
        """Calculate and write everything."""
        parameters = self.parameters
        failure, stopped = _("The results could not be exported."), _("Stopped; the folder is as it was.")
        with self.attempt(failure, stopped), waiting(_("Exporting"), *self.panel.exportNeeds) as progress:
            self.logic.export(parameters, progress)
            self.panel.say(_("Exported to {folder}.").format(folder=parameters.reportFolder))

    def onOpen(self) -> None:
        """Open the report in the web browser."""
        if self.parameters is not None and self.parameters.reportFolder:
            with self.attempt(_("The report could not be opened.")):
                qt.QDesktopServices.openUrl(qt.QUrl(self._report().resolve().as_uri()))


def _can_be_read(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the folder is closed to the user
        return False
